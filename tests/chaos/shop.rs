//! The shop: every server a process of its own, started by hand, and killed.

use std::net::SocketAddr;
use std::thread;

use micronet_services::database::{Databases, Location, ServerUrl};
use micronet_tests::folder::Folder;
use micronet_tests::http_client::HttpClient;
use micronet_tests::patience::until;
use micronet_tests::random::Random;
use micronet_tests::server::Server;

/// The instances of product, which share one database; those of order come after them.
const PRODUCTS: usize = 2;

/// A toy store with two instances of product and one or two of order, behind a gateway.
#[derive(Debug)]
pub(crate) struct Shop {
    /// What can be killed: first the instances of product, then those of order.
    servers: Vec<Server>,
    gateway: Server,
    databases: Databases,
    folder: Folder,
}

impl Shop {
    /// Opens one, with its data in files or on this PostgreSQL server.
    pub(crate) fn open(orders: usize, server: Option<ServerUrl>) -> Self {
        let folder = Folder::new();
        let data = folder.path();
        let databases = match server {
            Some(server) => Databases::Server(server),
            None => Databases::Folder(data.join("databases")),
        };
        let environment = match &databases {
            Databases::Server(server) => Some(("DATABASE_URL", server.secret_text())),
            Databases::Folder(_) => None,
        };
        let start = |instance: String, arguments: &[&str]| {
            Server::start_with(data, &instance, arguments, environment.as_slice())
        };
        let product = ["service", "product", "--demo", "toystore"];
        let mut servers: Vec<Server> =
            (1..=PRODUCTS).map(|number| start(format!("product-{number}"), &product)).collect();
        let products = peers("product", &servers);
        let order = ["service", "order", "--demo", "toystore", "--peer", &products];
        servers.extend((1..=orders).map(|number| start(format!("order-{number}"), &order)));
        let at_order = peers("order", &servers[PRODUCTS..]);
        let gateway = ["gateway", "--peer", &products, "--peer", &at_order];
        let gateway = Server::start(data, "gateway-1", &gateway);
        Self { servers, gateway, databases, folder }
    }

    /// Where buyers buy.
    pub(crate) fn gateway(&self) -> SocketAddr {
        self.gateway.address()
    }

    /// A connection for the auditor, and what it shows to be let in.
    pub(crate) fn auditor(&self) -> (HttpClient, String) {
        (HttpClient::connect(self.gateway()), format!("Bearer {}", self.folder.operator_token()))
    }

    /// The database that order writes down its attempts in.
    pub(crate) fn order_database(&self) -> Location {
        self.databases.of("order")
    }

    /// Which servers die next, but not more than so many: one of them, or all instances of product, or all that there are.
    pub(crate) fn pick_victims(&self, random: &mut Random, count_max: usize) -> Vec<usize> {
        let orders = PRODUCTS..self.servers.len();
        let mut victims: Vec<usize> = match random.below(10) {
            0..4 => {
                vec![random.between(orders.start as u64, orders.end as u64 - 1).try_into().expect("small")]
            }
            4..7 => vec![random.below(PRODUCTS as u64).try_into().expect("small")],
            7..9 => (0..PRODUCTS).collect(),
            _ => (0..self.servers.len()).collect(),
        };
        victims.truncate(count_max);
        victims
    }

    /// The ids of all processes that can be killed; none of one that has ended.
    pub(crate) fn process_ids(&mut self) -> Vec<Option<u32>> {
        let id = |server: &mut Server| {
            let process = server.process();
            process.is_running().then(|| process.id())
        };
        self.servers.iter_mut().map(id).collect()
    }

    /// Kills servers, without a warning.
    pub(crate) fn kill(&mut self, victims: &[usize]) {
        for victim in victims {
            self.servers[*victim].process().kill();
        }
    }

    /// Starts them again on their ports, all at once, and waits until the gateway has found them.
    pub(crate) fn restart(&mut self, victims: &[usize]) {
        let data = self.folder.path();
        thread::scope(|scope| {
            for (number, server) in self.servers.iter_mut().enumerate() {
                if victims.contains(&number) {
                    scope.spawn(move || server.restart(data));
                }
            }
        });
        self.wait_until_all_answer();
    }

    /// Waits until the gateway reaches every service, and each its database.
    pub(crate) fn wait_until_all_answer(&self) {
        let mut http = HttpClient::connect(self.gateway());
        for target in ["/products/Tux", "/orders/log"] {
            until("the gateway to reach everybody again", || {
                let answer = http.get(target);
                if answer.status() == 200 { Ok(()) } else { Err(answer.shown()) }
            });
        }
    }
}

fn peers(name: &str, servers: &[Server]) -> String {
    let addresses: Vec<String> = servers.iter().map(|server| server.address().to_string()).collect();
    format!("{name}={}", addresses.join(","))
}
