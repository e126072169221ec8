//! What is asked where nobody says what: what visitors of the running network read.

use crate::address::HostPort;
use crate::config::target::Target;
use crate::load::engine::ExchangeError;
use crate::load::http::HttpChannel;
use crate::network_file::{NetworkFile, Protocol};
use crate::shop::{catalog, request};

/// Toys that are asked for one by one.
const TOYS_MAX: usize = 4;
/// How often each of them is asked for, the list of all of them, and the lab.
const TOY_WEIGHT: u32 = 15;
const LIST_WEIGHT: u32 = 10;
const LAB_WEIGHT: u32 = 30;

/// The mix of a network's services; a gateway of which nothing is known is taken for the shop's.
pub(super) async fn mix(
    gateway: &HostPort,
    network: Option<&NetworkFile>,
) -> Result<Vec<Target>, ExchangeError> {
    let runs = |service: &str| network.is_none_or(|network| network.first(service, Protocol::Rpc).is_some());
    let mut targets = Vec::new();
    if runs("product") {
        let toys = catalog::names(&mut HttpChannel::new(gateway.clone())).await?;
        let toys = toys.iter().take(TOYS_MAX);
        targets.extend(toys.map(|toy| Target::get(request::query(toy).target, TOY_WEIGHT)));
        targets.push(Target::get("/products".into(), LIST_WEIGHT));
    }
    if network.is_some() && runs("node") {
        targets.push(Target::get("/request".into(), LAB_WEIGHT));
    }
    Ok(targets)
}
