//! Watchers that don't read: they hold nobody up, and cost little.

use std::thread;

use super::*;

/// Watchers at once that don't read.
const SLOW: usize = 8;
/// Products whose creation and change everybody is told of.
const PRODUCTS: usize = 10_000;
/// What all of that may cost the product process: a twelfth of what it would take to keep it for the slow ones.
const GROWTH_BYTES_MAX: u64 = 100 << 20;

/// A name of 800 bytes.
fn name(number: usize) -> String {
    format!("{number:08}{}", "🦊".repeat(192))
}

#[test]
fn watchers_that_do_not_read_hold_up_nobody_and_cost_little() {
    let folder = Folder::new();
    let data = folder.path();
    let mut product = Server::start(data, "product-1", &["service", "product", "--demo", "shop"]);
    let address = product.address();
    let peer = format!("product={address}");
    let order = Server::start(data, "order-1", &["service", "order", "--demo", "shop", "--peer", &peer]);
    let pid = product.process().id();
    let to = address.to_string();

    // One that is stopped as a whole, and others that are well but don't read.
    let mut stopped = Process::start("stopped", &mut micronet(data, &["call", "product.watch", "--to", &to]));
    until(
        "the first word",
        || if stopped.stdout().contains("through") { Ok(()) } else { Err(stopped.said()) },
    );
    stopped.signal(Signal::STOP);
    let before = memory(pid, "RssAnon");
    let uploads = upload_twice(data, &to);
    let heard = rpc::call(address, &Caller::Operator.identity(&folder), async |client| {
        let client = ProductClient::new(client);
        let mut slow = Vec::new();
        for _ in 0..SLOW {
            let mut news = client.watch(&Watch::default(), options()).await.expect("a watch");
            news.next().await.expect("news").expect("a beat");
            slow.push(news);
        }
        let mut quick = client.watch(&Watch::default(), options()).await.expect("a watch");
        let begin = quick.next().await.expect("news").expect("a beat").through;
        let uploading = thread::spawn(uploads);
        let buying = thread::spawn({
            let shop = order.address();
            move || {
                let mut http = HttpClient::connect(shop);
                for _ in 0..30 {
                    http.post("/orders", r#"{"name":"Whale","quantity":1}"#).check(201);
                }
            }
        });
        let (mut last, mut created, mut updated) = (begin, 0, 0);
        while updated < PRODUCTS {
            let next = tokio::time::timeout(PATIENCE, quick.next()).await.expect("news in time");
            let ProductNews { through, change, .. } = next.expect("news").expect("it goes on");
            match change {
                None => continue,
                Some(ProductChange::Created { .. }) => created += 1,
                Some(ProductChange::Updated { .. }) => updated += 1,
                Some(_) => {}
            }
            assert!(through > last, "{through} after {last}");
            last = through;
        }
        assert_eq!(created, PRODUCTS);
        uploading.join().expect("the uploads");
        buying.join().expect("the buys");
        let after = memory(pid, "RssAnon");
        let growth = after.saturating_sub(before);
        eprintln!("{SLOW} slow watchers of {} changes: {} MiB more", 2 * PRODUCTS, growth >> 20);
        assert!(growth < GROWTH_BYTES_MAX, "{before} bytes before, {after} after");
        // Who reads on, hears all.
        let mut heard = Vec::new();
        while heard.len() < 1_000 {
            let next = tokio::time::timeout(PATIENCE, slow[0].next()).await.expect("news in time");
            let news = next.expect("news").expect("it goes on");
            heard.extend(news.change.map(|_| news.through));
        }
        (begin, heard)
    });
    let (begin, heard) = heard;
    assert!(heard.iter().copied().eq(begin + 1..begin + 1_001), "{:?}…", &heard[..20]);
    stopped.signal(Signal::CONT);
}

/// Creates the products, and changes their prices.
fn upload_twice(data: &Path, to: &str) -> impl FnOnce() + Send + 'static {
    let commands = [100, 200].map(|price| {
        let path = data.join(format!("products-{price}.jsonl"));
        products_file(&path, PRODUCTS, |number| format!(r#"{{"name":"{}","price":{price}}}"#, name(number)));
        let file = path.display().to_string();
        micronet(data, &["call", "product.upload", "--file", &file, "--to", to])
    });
    move || {
        for command in commands {
            let done = micronet_tests::process::run(command).check(0);
            assert!(done.stdout.contains(r#""refused":0"#), "{}", done.stdout);
        }
    }
}
