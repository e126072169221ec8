//! What somebody who sees a connection's bytes learns of the schema, though the capture begins in mid-connection.

use bytes::BytesMut;
use micronet_wire::conn::{Beacon, Config, Connection, Role};
use micronet_wire::frame::Frame;
use micronet_wire::header::Kind;
use micronet_wire::limits::BEACON_INTERVAL_MS;
use micronet_wire::schema::Fingerprint;
use micronet_wire::service::Service;
use micronet_wire::spiffe::SpiffeId;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// The schema that the beacons of a connection say until somebody stops listening, after so much time with a call each second.
async fn overheard(seconds: u64) -> Vec<u8> {
    let (mut near, far) = tokio::io::duplex(1 << 16);
    let (_trigger, drain) = channel();
    let serving = serve_connection(far, server_of(Probing::default()), identity("probe", "s"), drain);
    let _serving = tokio::task::spawn_local(serving);
    let config: Config = identity("caller", "s").config(Role::Dialler, None, None);
    let mut connection = Connection::new(config, crate::clock::now());
    let (mut input, mut seen) = (BytesMut::new(), BytesMut::new());
    let mut end = std::pin::pin!(tokio::time::sleep(Duration::from_millis(seconds * 1_000 + 500)));
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    let mut heard = Vec::new();
    loop {
        let output = connection.output().split();
        near.write_all(&output).await.unwrap();
        tokio::select! {
            () = &mut end => return heard,
            _ = ticks.tick() => if connection.peer().is_some() {
                let request = micronet_wire::encoding::encode(&text("hello")).unwrap();
                let method = ProbeMethods::METHOD_IDS[0];
                connection.call(crate::clock::now(), method, &request, &CallOptions::default()).unwrap();
            },
            read = near.read_buf(&mut input) => {
                let fresh = read.unwrap();
                seen.extend_from_slice(&input[input.len() - fresh..]);
                connection.receive(crate::clock::now(), &mut input, fresh);
            }
        }
        assert!(!connection.is_closed());
        if seen.starts_with(b"\x89MNP") {
            let _ = seen.split_to(8);
        }
        while let Some(frame) = Frame::take(&mut seen, u32::MAX).unwrap() {
            if frame.header.kind == Kind::Beacon {
                heard.extend_from_slice(&Beacon::decode(frame.payload).unwrap().piece);
            }
        }
    }
}

#[test]
fn a_server_under_traffic_tells_its_schema_within_the_time() {
    run_paused(async {
        let service = server_of(Probing::default());
        let encoded = service.schema().encoded().clone();
        assert_eq!(overheard(BEACON_INTERVAL_MS / 1_000 - 1).await, b"");
        let heard = overheard(BEACON_INTERVAL_MS / 1_000 + 1).await;
        assert_eq!(Fingerprint::of(&heard), service.schema().fingerprint());
        assert_eq!(heard, encoded);
    });
}

#[test]
fn in_tls_nobody_is_told() {
    let service = server_of(Probing::default());
    let [cluster, node, instance] = ["test", "caller", "caller-1"].map(str::to_owned);
    let peer = SpiffeId::Service { cluster, node, instance };
    let own = identity("probe", "s");
    let beacon = |peer| own.config(Role::Acceptor, Some(service.schema()), peer).beacon;
    assert_eq!(beacon(None).as_ref(), Some(service.schema().encoded()));
    assert_eq!(beacon(Some(peer)), None);
}
