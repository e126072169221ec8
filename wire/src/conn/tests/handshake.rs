//! Who is let in, and as whom.

use super::*;

/// What a change of the dialler's configuration, or of the bytes that it sends, leads to at the acceptor.
fn check_refused(why: &str, code: Code, change: impl FnOnce(&mut [Config; 2]), replace: Option<&[u8]>) {
    let mut pair = Pair::with(change);
    match replace {
        Some(bytes) => {
            pair.sides[DIALLER].output().clear();
            pair.inject(ACCEPTOR, bytes);
        }
        None => pair.deliver(),
    }
    let seen = pair.events(ACCEPTOR);
    assert_eq!(seen.last(), Some(&format!("closed {code} by us")), "{why}: {seen:?}");
    assert!(pair.sides[ACCEPTOR].next_deadline().is_none(), "{why}");
    // The dialler learns why, unless it has refused by itself for the same reason.
    pair.deliver_from(ACCEPTOR);
    let told = pair.events(DIALLER).pop().unwrap();
    assert!(told.starts_with(&format!("closed {code}")), "{why}: {told}");
}

#[test]
fn a_peer_that_does_not_fit_is_refused() {
    let unknown = {
        let mut out = BytesMut::from(&PREFACE[..]);
        put(&mut out, Label::control(Kind::Hello), true, |out| {
            config(DIALLER).hello.encode(out);
            out.extend_from_slice(&[0x40, 0x00, 0, 0]);
        });
        out
    };
    check_refused(
        "a cluster",
        Code::WrongCluster,
        |configs| configs[DIALLER].hello.cluster = "bank".into(),
        None,
    );
    check_refused("later versions", Code::Version, |configs| configs[DIALLER].hello.versions = (2, 3), None);
    // A stream's credit alone would let messages wait for the connection's for ever.
    check_refused(
        "credit of streams above the connection's",
        Code::Protocol,
        |configs| {
            let hello = &mut configs[DIALLER].hello;
            (hello.stream_credit, hello.connection_credit) = (65_537, 65_536);
        },
        None,
    );
    check_refused("a capability", Code::Capability, |_| {}, Some(&unknown));
    check_refused("HTTP", Code::Protocol, |_| {}, Some(b"HTTP/1.1 400 Bad Request\r\n"));
    check_refused("a text", Code::Protocol, |_| {}, Some(b"\x89MNP\n"));
    let prove = |configs: &mut [Config; 2]| configs[DIALLER].credential = Some(Credential::Cluster);
    check_refused(
        "another secret",
        Code::BadProof,
        |configs| {
            prove(configs);
            configs[DIALLER].cluster_secret = Some(Secret::new("another"));
        },
        None,
    );
    check_refused(
        "no secret",
        Code::BadProof,
        |configs| {
            prove(configs);
            configs[ACCEPTOR].cluster_secret = None;
        },
        None,
    );
}

#[test]
fn a_peer_without_cluster_is_welcome() {
    let mut pair = Pair::with(|configs| configs[DIALLER].hello.cluster.clear());
    pair.deliver();
    pair.check(ACCEPTOR, &["ready"]);
}

#[test]
fn silence_instead_of_hello_ends_the_connection() {
    let mut pair = Pair::with(|_| {});
    pair.wait(ACCEPTOR, HANDSHAKE_MS_MAX - 1);
    pair.check(ACCEPTOR, &[]);
    pair.wait(ACCEPTOR, 1);
    pair.check(ACCEPTOR, &["closed PEER_SILENT by us"]);
}

#[test]
fn a_proof_is_good_for_one_connection() {
    let prove = |configs: &mut [Config; 2]| configs[DIALLER].credential = Some(Credential::Cluster);
    let mut first = Pair::with(prove);
    let mut recorded = first.sides[DIALLER].output().to_vec();
    first.deliver_from(DIALLER);
    first.deliver_from(ACCEPTOR);
    recorded.extend_from_slice(first.sides[DIALLER].output());
    first.deliver();
    assert_eq!(first.sides[ACCEPTOR].standing(), Standing::Cluster);

    // The same bytes again: good if the acceptor's nonce were the same, and never otherwise.
    for (nonce, standing) in [([2; 16], Standing::Cluster), ([3; 16], Standing::Anonymous)] {
        let mut second = Pair::with(|configs| configs[ACCEPTOR].hello.nonce = nonce);
        second.inject(ACCEPTOR, &recorded);
        assert_eq!(second.sides[ACCEPTOR].standing(), standing);
        assert_eq!(second.sides[ACCEPTOR].is_closed(), standing == Standing::Anonymous);
    }
}

#[test]
fn a_principal_is_believed_only_with_the_proof_of_the_cluster() {
    let user = || Principal::User {
        subject: "ann".into(),
        organization: "1".into(),
        session: "s1".into(),
        permissions: vec!["orders:read".into()],
    };
    let order = Principal::Service { name: "order".into() };
    let cluster = Some(Credential::Cluster);
    let operator = Some(Credential::Operator);
    let check = |credential, node: &str, claimed: Option<Principal>, wanted: Option<Principal>| {
        let mut pair = Pair::with(|configs| {
            configs[DIALLER].credential = credential;
            configs[DIALLER].hello.node = node.into();
        });
        pair.deliver();
        let options = CallOptions { principal: claimed, ..CallOptions::default() };
        pair.sides[DIALLER].call(0, METHOD, &Bytes::new(), &options).unwrap();
        pair.deliver();
        pair.events(ACCEPTOR);
        assert_eq!(pair.principals, wanted.clone().into_iter().collect::<Vec<_>>());
        let refused = pair.events(DIALLER).contains(&"failed 1 UNAUTHENTICATED".to_owned());
        assert_eq!(refused, wanted.is_none());
    };
    check(None, "order", None, Some(Principal::Anonymous));
    check(None, "order", Some(user()), None);
    check(None, "order", Some(Principal::Anonymous), None);
    check(operator, "", None, Some(Principal::Operator));
    check(operator, "", Some(user()), None);
    check(cluster, "order", None, Some(order));
    check(cluster, "order", Some(user()), Some(user()));
    check(cluster, "order", Some(Principal::Anonymous), Some(Principal::Anonymous));
    check(cluster, "", None, Some(Principal::Anonymous));
    // No service passes for another, nor one that names no node for any.
    let gateway = || Principal::Service { name: "gateway".into() };
    check(cluster, "gateway", Some(gateway()), Some(gateway()));
    check(cluster, "order", Some(gateway()), None);
    check(cluster, "", Some(gateway()), None);
}

#[test]
fn checksums_are_left_out_only_if_nobody_wants_them() {
    for (wanted, carried) in
        [([true, true], true), ([true, false], true), ([false, true], true), ([false; 2], false)]
    {
        let mut pair = Pair::with(|configs| {
            for (config, wanted) in configs.iter_mut().zip(wanted) {
                config.hello.checksums = wanted;
            }
        });
        pair.deliver();
        pair.call(1_000).unwrap();
        assert_eq!(pair.sides[DIALLER].output()[5] & flags::CHECKSUM != 0, carried, "{wanted:?}");
    }
}

#[test]
fn a_handshake_that_is_refused_has_started_no_call() {
    for (code, advice) in [
        (Code::BadProof, Retry::NeverStarted),
        (Code::WrongIdentity, Retry::NeverStarted),
        (Code::Protocol, Retry::MaybeExecuted),
        (Code::Capability, Retry::MaybeExecuted),
    ] {
        let mut pair = Pair::open();
        pair.call(1_000).unwrap();
        pair.sides[ACCEPTOR].close(code, "no");
        pair.deliver_from(ACCEPTOR);
        let Some(Event::Failed { error, .. }) = pair.sides[DIALLER].poll_event() else { panic!("{code}") };
        assert_eq!((error.code, error.retry), (Code::ConnectionLost, advice), "{code}");
        // Who ends it itself doesn't know what the other side has done.
        let mut pair = Pair::open();
        pair.call(1_000).unwrap();
        pair.sides[DIALLER].close(code, "no");
        let Some(Event::Failed { error, .. }) = pair.sides[DIALLER].poll_event() else { panic!("{code}") };
        assert_eq!(error.retry, Retry::MaybeExecuted, "{code}");
    }
}
