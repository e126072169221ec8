//! Which backend gets a connection.

use std::io::ErrorKind;

use micronet_transport::balance::Algorithm;
use micronet_wire::network::{InstanceState, Order, Rules, Word};

use super::*;

/// A server that says its number to whoever says something.
fn numbered(number: u8) -> (JoinHandle<()>, SocketAddr) {
    let (server, address) = server();
    (serve_number(server, number), address)
}

fn serve_number(server: TcpListener, number: u8) -> JoinHandle<()> {
    tokio::task::spawn_local(async move {
        loop {
            let (mut stream, _) = server.accept().await.unwrap();
            tokio::task::spawn_local(async move {
                if stream.read_u8().await.is_ok() {
                    let _ = stream.write_u8(number).await;
                }
            });
        }
    })
}

/// Who answers a new connection.
async fn who(rig: &Rig) -> std::io::Result<u8> {
    let mut client = rig.client().await;
    client.write_u8(0).await?;
    client.read_u8().await
}

/// Who answers so many new connections, in order of their numbers.
async fn all_who(rig: &Rig, count: usize) -> Vec<u8> {
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(who(rig).await.unwrap());
    }
    all.sort_unstable();
    all
}

fn word(rig: &Rig, address: SocketAddr, what: Order) -> Word {
    let service = rig.port.report().name;
    Word { service, instance: Some(address.to_string()), what, reason: "a drill".into(), for_ms: None }
}

#[test]
fn connections_are_shared_out() {
    run(async {
        let ((_a, one), (_b, two)) = (numbered(1), numbered(2));
        for algorithm in [Algorithm::RoundRobin, Algorithm::LeastConnections] {
            let rig = Rig::with(&[one, two], |config| config.algorithm = algorithm);
            assert_eq!(all_who(&rig, 4).await, [1, 1, 2, 2], "{algorithm}");
            assert_eq!(rig.backend(0).traffic.total, 2);
        }
    });
}

#[test]
fn connections_that_are_open_count() {
    run(async {
        let ((first, one), (_b, two)) = (server(), numbered(2));
        let rig = Rig::before(&[one, two]);
        // Whoever answers with 2 is done; the other one holds on to its connection.
        let open = rig.client().await;
        until("an open connection", || rig.backend(0).traffic.open + rig.backend(1).traffic.open == 1).await;
        let held = usize::from(rig.backend(1).traffic.open == 1);
        assert_eq!(held, 0, "the first backend is the first in turn");
        assert_eq!(all_who(&rig, 3).await, [2, 2, 2]);
        drop((open, first));
    });
}

#[test]
fn those_that_come_at_once_are_shared_out_too() {
    run(async {
        let servers: Vec<_> = (0..4).map(|_| server()).collect();
        let addresses: Vec<_> = servers.iter().map(|(_, address)| *address).collect();
        let rig = Rig::before(&addresses);
        let mut open = Vec::new();
        for round in 1..=8 {
            // The gateway has its turn only when all of them are there.
            for _ in 0..8 {
                open.push(std::net::TcpStream::connect(rig.port.address()).unwrap());
            }
            let total = || (0..4).map(|at| rig.backend(at).traffic.total).collect::<Vec<_>>();
            until("so many connections", || total().iter().sum::<u64>() == 8 * round).await;
            assert_eq!(total(), [2 * round; 4]);
        }
    });
}

#[test]
fn a_client_stays_with_its_backend_where_its_address_decides() {
    run(async {
        let servers: Vec<_> = (1..=5).map(numbered).collect();
        let addresses: Vec<_> = servers.iter().map(|(_, address)| *address).collect();
        let rig = Rig::with(&addresses, |config| config.algorithm = Algorithm::IpHash);
        let mut homes = std::collections::BTreeSet::new();
        for client in 1..=20_u8 {
            let from = SocketAddr::from(([127, 0, 0, client], 0));
            let mut answers = Vec::new();
            for _ in 0..3 {
                let socket = tokio::net::TcpSocket::new_v4().unwrap();
                socket.bind(from).unwrap();
                let mut stream = socket.connect(rig.port.address()).await.unwrap();
                stream.write_u8(0).await.unwrap();
                answers.push(stream.read_u8().await.unwrap());
            }
            assert!(answers.iter().all(|answer| *answer == answers[0]), "{from}: {answers:?}");
            homes.insert(answers[0]);
        }
        assert!(homes.len() > 2, "twenty clients have only {homes:?}");
    });
}

#[test]
fn one_that_refuses_is_passed_over_at_once() {
    run(async {
        let ((gone, one), (_b, two)) = (numbered(1), numbered(2));
        gone.abort();
        let _ = gone.await;
        let rig = Rig::before(&[one, two]);
        assert_eq!(all_who(&rig, 4).await, [2, 2, 2, 2]);
        assert!(rig.backend(0).traffic.failed >= 1);
    });
}

#[test]
fn without_a_backend_a_connection_is_reset() {
    run(async {
        let (gone, address) = server();
        drop(gone);
        let rig = Rig::before(&[address]);
        assert_eq!(who(&rig).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        until("its count", || rig.port.report().unserved == 1).await;
    });
}

#[test]
fn checks_find_one_that_goes_and_comes_back() {
    run_paused(async {
        let ((first, one), (_b, two)) = (numbered(1), numbered(2));
        let rig = Rig::before(&[one, two]);
        assert_eq!(all_who(&rig, 2).await, [1, 2]);
        first.abort();
        let _ = first.await;
        until("down", || rig.backend(0).state == InstanceState::Down).await;
        let failed = rig.backend(0).traffic.failed;
        assert_eq!(all_who(&rig, 3).await, [2, 2, 2]);
        assert_eq!(rig.backend(0).traffic.failed, failed, "one that is down was tried");
        assert!(rig.backend(0).reason.contains("refused"), "{}", rig.backend(0).reason);
        let _back = serve_number(socket::listen(one).unwrap(), 3);
        until("up", || rig.backend(0).state == InstanceState::Up).await;
        assert_eq!(all_who(&rig, 2).await, [2, 3]);
    });
}

#[test]
fn the_operator_takes_one_out_and_what_is_open_goes_on() {
    run(async {
        let (first, one) = server();
        let (_b, two) = numbered(2);
        for what in [Order::Drain, Order::Block] {
            let rig = Rig::before(&[one, two]);
            let (mut client, mut backend) = rig.pair(&first).await;
            rig.network.govern(Rules { revision: 1, words: vec![word(&rig, one, what)], ..Rules::default() });
            assert_eq!(all_who(&rig, 3).await, [2, 2, 2]);
            backend.write_all(b"still here").await.unwrap();
            drop(backend);
            assert_eq!(rest(&mut client).await.unwrap(), "still here");
            assert_eq!(rig.backend(0).reason, "a drill");
            rig.network.govern(Rules { revision: 2, ..Rules::default() });
            assert_eq!(rig.backend(0).state, InstanceState::Up);
        }
    });
}
