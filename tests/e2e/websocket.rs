//! WebSocket at the gateway, and streams of services over HTTP: as WebSockets and as Server-Sent Events.

pub(crate) mod client;
mod echo;
mod events;
mod feeds;
mod handed_over;
mod others;
mod signed_in;
mod streams;

use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;

use micronet_tests::folder::Folder;
use micronet_tests::server::Server;

/// A gateway, and instances of the service `feeds` behind it.
struct House {
    gateway: Server,
    instances: Vec<feeds::Instance>,
    folder: Folder,
}

impl House {
    fn start(instances: usize, settings: &str) -> Self {
        let folder = Folder::new();
        fs::create_dir_all(folder.path()).expect("the folder can be made");
        let file = folder.path().join("edge.toml");
        fs::write(&file, settings).expect("the settings can be written");
        let secret = folder.path().join("cluster.secret");
        fs::write(&secret, "5e".repeat(32)).expect("a secret can be written");
        fs::set_permissions(&secret, Permissions::from_mode(0o600)).expect("it can be kept from others");
        let instances: Vec<feeds::Instance> =
            (1..=instances).map(|number| feeds::instance(&folder, &format!("feeds-{number}"))).collect();
        let addresses: Vec<String> = instances.iter().map(|instance| instance.address.to_string()).collect();
        let peer = format!("feeds={}", addresses.join(","));
        let peer = peer.trim_end_matches('=');
        let file = file.display().to_string();
        let flags = ["gateway", "--rpc", "127.0.0.1:0", "--debug-routes", "--config", &file, "--peer", peer];
        let gateway = Server::start(folder.path(), "gateway-1", &flags);
        Self { gateway, instances, folder }
    }

    fn address(&self) -> SocketAddr {
        self.gateway.address()
    }
}
