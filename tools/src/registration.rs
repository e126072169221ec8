//! An instance that announces itself to gateways, for as long as it takes calls.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::rc::Rc;
use std::time::Duration;

use micronet_gateway::api::{Announcement, GatewayClient, Registered};
use micronet_transport::backoff::Backoff;
use micronet_transport::client::Client;
use micronet_transport::drain::Drain;
use micronet_transport::identity::{Identity, random_bytes};
use micronet_transport::tasks;
use micronet_wire::error::{Code, RpcError};
use micronet_wire::limits::REGISTRATION_WORD_MS;
use micronet_wire::service::{CallOptions, Incoming};

use crate::address::HostPort;
use crate::config::RegistrationConfig;
use crate::registry::GATEWAY;

/// A gateway that has said nothing for so long is given up: it says something three times as often.
const SILENCE_MAX: Duration = Duration::from_millis(3 * REGISTRATION_WORD_MS);
/// A stream lasts an hour at most (SPEC 4.8): long before that another one takes its place.
const RENEWED_AFTER: Duration = Duration::from_secs(1800);

/// Begins to announce the instance of `identity`, which listens on `address`, to each gateway, until `drain` begins.
///
/// Must be called on a `LocalRuntime` or within a `LocalSet`.
pub(crate) fn begin(
    config: &RegistrationConfig,
    identity: &Rc<Identity>,
    address: SocketAddr,
    drain: &Drain,
) {
    for gateway in &config.gateways {
        let announcing = Announcing {
            gateway: gateway.clone(),
            address: config.advertise.unwrap_or(address),
            weight: config.weight,
            identity: Rc::clone(identity),
        };
        let mut drain = drain.clone();
        tasks::spawn("registration", async move {
            // With this the stream is given up, which is how the gateway hears that the instance leaves.
            tokio::select! {
                biased;
                () = drain.begun() => {}
                () = announcing.keep_announced() => {}
            }
        });
    }
}

/// Opens the stream that stands for the registration, and waits until it holds.
async fn register(client: &Client, announcement: &Announcement) -> Result<Incoming<Registered>, RpcError> {
    let mut words = GatewayClient::new(client.clone()).register(announcement, CallOptions::default()).await?;
    next(&mut words).await?;
    Ok(words)
}

/// The next word of the gateway.
async fn next(words: &mut Incoming<Registered>) -> Result<Registered, RpcError> {
    match tokio::time::timeout(SILENCE_MAX, words.next()).await {
        Ok(Ok(Some(word))) => Ok(word),
        Ok(Ok(None)) => Err(RpcError::new(Code::Unavailable, "the gateway has ended the registration")),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(RpcError::new(Code::Silent, "the gateway says nothing")),
    }
}

struct Announcing {
    gateway: HostPort,
    address: SocketAddr,
    weight: u32,
    identity: Rc<Identity>,
}

impl Announcing {
    async fn keep_announced(&self) {
        let mut backoff = Backoff::default();
        let mut told = None;
        loop {
            let Err(error) = self.announce(&mut backoff).await;
            let gateway = &self.gateway;
            // The same again and again is said once.
            if told.as_ref() == Some(&error.code) {
                tracing::debug!(%gateway, %error, "not registered");
            } else {
                tracing::warn!(%gateway, %error, "not registered: it is tried again");
            }
            told = Some(error.code);
            let pause_ms = backoff.next_ms(u64::from_ne_bytes(random_bytes()));
            tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        }
    }

    /// Announces the instance, and stays until that is over.
    async fn announce(&self, backoff: &mut Backoff) -> Result<std::convert::Infallible, RpcError> {
        let away = |why: String| RpcError::new(Code::Unavailable, why);
        let gateway = self.gateway.resolve().await.map_err(|error| away(error.to_string()))?;
        let client = Client::connect_to(GATEWAY, gateway, &self.identity).await?;
        client.ready().await?;
        let announcement = Announcement {
            service: self.identity.node.clone(),
            instance: self.identity.instance.clone(),
            address: self.reached_at(gateway).to_string(),
            weight: self.weight,
        };
        let gone = client.leaving();
        tokio::pin!(gone);
        let mut words = register(&client, &announcement).await?;
        backoff.reset();
        tracing::info!(gateway = %self.gateway, address = %self.address, "registered");
        let mut renewal = Box::pin(tokio::time::sleep(RENEWED_AFTER));
        loop {
            let word = tokio::select! {
                biased;
                () = &mut gone => return Err(RpcError::new(Code::Draining, "the gateway leaves, or is gone")),
                word = next(&mut words) => word,
                () = &mut renewal => {
                    // The new one takes the place of the old one before that ends: the instance is never missing.
                    words = register(&client, &announcement).await?;
                    renewal = Box::pin(tokio::time::sleep(RENEWED_AFTER));
                    continue;
                }
            };
            word?;
        }
    }

    /// Where the gateway reaches the instance: if that listens on all addresses, the one from which the gateway is reached.
    fn reached_at(&self, gateway: SocketAddr) -> SocketAddr {
        let outward = |gateway| {
            let any: IpAddr = if SocketAddr::is_ipv4(&gateway) { [0; 4].into() } else { [0; 16].into() };
            let socket = UdpSocket::bind((any, 0)).ok()?;
            // A datagram socket finds the way without sending anything.
            socket.connect(gateway).ok()?;
            socket.local_addr().ok().map(|address| address.ip())
        };
        let ip = if self.address.ip().is_unspecified() { outward(gateway) } else { None };
        SocketAddr::new(ip.unwrap_or(self.address.ip()), self.address.port())
    }
}
