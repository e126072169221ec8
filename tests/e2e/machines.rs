//! Catalog, order server and front end on addresses and machines of their own.

use std::fs;
use std::path::Path;

use micronet_tests::folder::Folder;
use micronet_tests::http_client::HttpClient;
use micronet_tests::machine::Machine;
use micronet_tests::ports;
use micronet_tests::process::{Process, micronet, run};
use micronet_tests::server::Server;

const TUX: &str = r#"{"name":"Tux","quantity":1}"#;

#[test]
fn they_find_each_other_on_another_address() {
    let folder = Folder::new();
    let data = folder.path();
    let listen = format!("127.0.0.2:{}", ports::free());
    let service = ["service", "product", "--demo", "toystore"];
    let catalog = Server::start_on(data, "product-1", &listen, &service, &[]);
    assert_eq!(catalog.address().to_string(), listen);
    let catalog = [("CATALOG", listen.as_str())];
    let at_order = format!("127.0.0.3:{}", ports::free());
    let _order = Server::start_on(data, "order-1", &at_order, &["service", "order"], &catalog);
    let peers = [catalog[0], ("ORDER", at_order.as_str())];
    let front =
        Server::start_on(data, "gateway-1", &format!("127.0.0.4:{}", ports::free()), &["gateway"], &peers);
    let mut http = HttpClient::connect(front.address());
    http.get("/products/Tux").check(200);
    http.post("/orders", TUX).check(201);
    let mut shop = micronet(data, &["shop", "query", "Tux"]);
    shop.env("FRONT", front.address().to_string());
    assert!(run(shop).check(0).stdout.starts_with("Tux: 25.99, 79 in stock"));
}

#[test]
fn they_find_each_other_on_another_machine() {
    let Some(link) = Machine::start() else { return };
    // Another machine has a folder of its own, with a copy of the secret by which the cluster's processes know each other.
    let (here, there) = (Folder::new(), Folder::new());
    let mut product =
        link.run(&micronet(there.path(), &["service", "product", "--listen", &link.there(10086)]));
    let refused = run(product).check(2);
    assert!(refused.stderr.contains("--insecure") && refused.stderr.contains("mTLS"), "{}", refused.stderr);

    let at_order = link.here(10010);
    let order = ["service", "order", "--listen", &at_order, "--insecure"];
    let mut order = micronet(here.path(), &order);
    let at_catalog = link.there(10086);
    let mut order = Process::start("order-1", order.env("CATALOG", &at_catalog));
    ready(&mut order, &at_order);
    assert!(order.stderr().contains("other machines can reach"), "{}", order.said());

    copy_secret(here.path(), there.path());
    let catalog = ["service", "product", "--demo", "toystore", "--listen", &at_catalog, "--insecure"];
    product = link.run(&micronet(there.path(), &catalog));
    let mut catalog = Process::start("product-1", &mut product);
    ready(&mut catalog, &at_catalog);

    let at_front = link.here(6060);
    let mut front = micronet(here.path(), &["gateway", "--listen", &at_front, "--insecure"]);
    let mut front = Process::start("gateway-1", front.env("CATALOG", &at_catalog).env("ORDER", &at_order));
    ready(&mut front, &at_front);

    // The order server has started before the catalog, and finds it by itself.
    micronet_tests::patience::until("the order server to find the catalog", || {
        let mut http = HttpClient::connect(at_front.parse().expect("an address"));
        let nothing = http.post("/orders", r#"{"name":"nothing","quantity":1}"#);
        if nothing.status() == 404 { Ok(()) } else { Err(nothing.shown()) }
    });
    // The customer is on the other machine as well.
    let mut shop = link.run(&micronet(there.path(), &["shop", "buy", "Tux", "2", "3"]));
    let bought = run({
        shop.env("FRONT", &at_front);
        shop
    });
    let bought = bought.check(0).stdout;
    assert!(bought.contains("order 3: 2 x Tux"), "{bought}");
    let mut http = HttpClient::connect(at_front.parse().expect("an address"));
    assert_eq!(http.get("/products/Tux").check(200).at("/data/quantity"), 74);
}

#[test]
fn a_server_on_all_addresses_says_which_one_others_use() {
    let Some(link) = Machine::start() else { return };
    let folder = Folder::new();
    let listen = ["service", "product", "--listen", "0.0.0.0:10086", "--insecure"];
    let mut server = Process::start("product-1", &mut link.run(&micronet(folder.path(), &listen)));
    ready(&mut server, "0.0.0.0:10086");
    let line = format!("other machines reach it at {}\n", link.there(10086));
    micronet_tests::patience::until("the line", || {
        if server.stdout().contains(&line) { Ok(()) } else { Err(server.said()) }
    });
}

/// Waits until a server listens where it was told to.
#[track_caller]
fn ready(server: &mut Process, address: &str) {
    micronet_tests::patience::until("the server to listen", || {
        assert!(server.is_running(), "{}", server.said());
        let line = format!("listening on {address}\n");
        if server.stdout().contains(&line) { Ok(()) } else { Err(server.said()) }
    });
}

fn copy_secret(from: &Path, to: &Path) {
    let name = "cluster.secret";
    // The folder exists only once something has run on it.
    fs::create_dir_all(to).expect("a folder can be made");
    fs::copy(from.join(name), to.join(name)).expect("the secret can be copied");
}
