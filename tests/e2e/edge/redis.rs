//! Limits that two gateways share by Redis, which goes away and comes back.

use micronet_tests::folder::Folder;
use micronet_tests::http_client::{Answer, HttpClient};
use micronet_tests::patience::until;
use micronet_tests::redis::RedisServer;
use micronet_tests::server::Server;

use super::settings;

const SHARED: &str = "micronet_rate_limits_shared 1";
const ALONE: &str = "micronet_rate_limits_shared 0";

/// Two gateways before one product service.
struct Pair {
    redis: RedisServer,
    https: [HttpClient; 2],
    _servers: [Server; 3],
    _folder: Folder,
}

impl Pair {
    fn start() -> Self {
        let (redis, folder) = (RedisServer::start(), Folder::new());
        let data = folder.path();
        let file = settings(&folder, "[rates]\nshop = \"10/hour\"\n");
        let product = Server::start(data, "product-1", &["service", "product", "--demo", "toystore"]);
        let peer = format!("product={}", product.address());
        let url = redis.url();
        let arguments = ["gateway", "--peer", &peer, "--config", &file, "--rpc", "127.0.0.1:0"];
        let flags = [&arguments[..], &["--redis", &url]].concat();
        let one = Server::start(data, "gateway-1", &flags);
        // Where it isn't said by a flag, which others can read.
        let two = Server::start_with(data, "gateway-2", &arguments, &[("REDIS_URL", &url)]);
        let https = [&one, &two].map(|gateway| HttpClient::connect(gateway.address()));
        Self { redis, https, _servers: [product, one, two], _folder: folder }
    }

    /// Asks both until they say this of themselves. Requests of another class see to it that they ask Redis.
    fn until_metrics(&mut self, line: &str) {
        for http in &mut self.https {
            until(line, || {
                http.get("/stats").check(200);
                let metrics = http.get("/metrics").check(200).text();
                if metrics.contains(line) { Ok(()) } else { Err("not yet".into()) }
            });
        }
    }

    /// How many of so many requests pass, by turns at both.
    fn passed(&mut self, of: usize) -> usize {
        let ask = |at: usize| -> Answer { self.https[at % 2].get("/products/Tux") };
        let statuses: Vec<u16> = (0..of).map(ask).map(|answer| answer.status()).collect();
        assert!(statuses.iter().all(|status| matches!(status, 200 | 429)), "{statuses:?}");
        statuses.iter().filter(|status| **status == 200).count()
    }
}

#[test]
fn two_gateways_hold_one_limit() {
    let mut pair = Pair::start();
    pair.until_metrics(SHARED);
    assert_eq!(pair.passed(30), 10);
    let refused = pair.https[1].get("/products/Tux").check(429);
    assert_eq!(refused.header("RateLimit-Remaining"), Some("0"));
    assert!(refused.header("Retry-After").is_some());
    let keys = pair.redis.ask("KEYS *");
    assert!(keys.contains("rate_limit:127.0.0.1:shop"), "{keys}");
}

#[test]
fn without_redis_each_gateway_goes_by_its_own() {
    let mut pair = Pair::start();
    pair.until_metrics(SHARED);
    assert_eq!(pair.passed(4), 4);
    // It hangs: nobody waits for it.
    pair.redis.freeze();
    pair.until_metrics(ALONE);
    pair.redis.thaw();
    pair.until_metrics(SHARED);
    // It is gone, and what it counted too: each gateway goes on by what it has let through itself.
    pair.redis.crash();
    pair.until_metrics(ALONE);
    assert_eq!(pair.passed(60), 16);
    pair.redis.restart();
    pair.until_metrics(SHARED);
    // What is too many here is too many for all of them.
    assert_eq!(pair.passed(10), 0);
}
