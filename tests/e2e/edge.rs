//! The gateway's edge with real processes: rate limits, also those that gateways share by Redis, what browsers are told, entity tags and
//! the response cache.

mod cache;
mod limits;
mod redis;

use std::fs;

use micronet_tests::folder::Folder;
use micronet_tests::network::Network;

/// Writes a file of settings into the folder, and gives its path.
fn settings(folder: &Folder, text: &str) -> String {
    fs::create_dir_all(folder.path()).expect("the folder can be made");
    let path = folder.path().join("edge.toml");
    fs::write(&path, text).expect("the settings can be written");
    path.display().to_string()
}

/// A shop whose gateway has these settings.
fn shop(text: &str) -> Network {
    let folder = Folder::new();
    let file = settings(&folder, text);
    Network::start_in(folder, &["--demo", "shop", "--no-l4", "--gateway-config", &file])
}
