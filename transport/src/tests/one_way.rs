//! One-way calls over real sockets: made and left alone.

use micronet_wire::service::Bytes;

use super::*;

fn within_ms(ms: u64) -> CallOptions {
    CallOptions { deadline_ns: crate::clock::now() + ms * 1_000_000, ..Default::default() }
}

#[test]
fn a_one_way_call_finishes_after_its_caller_has_gone() {
    run(async {
        let probing = Probing::default();
        let (address, trigger, serving) = start(probing.clone());
        let client = Client::connect(address, &identity("caller", "s")).await.unwrap();
        let probe = ProbeClient::new(client.clone());
        assert_eq!(probe.note(&text("goodbye"), CallOptions::default()).await, Ok(()));
        assert_eq!(client.calls_in_flight(), 0);
        client_echo(&probe, 1).await; // It has been read by now, and waits.
        drop(probe);
        let closed = client.leaving();
        drop(client);
        closed.await;
        // The server drains: it doesn't end before what it has begun.
        trigger.drain();
        assert!(!serving.is_finished() && probing.notes.borrow().is_empty());
        probing.gate.notify_one();
        probing.dropped.notified().await;
        serving.await.unwrap();
        assert_eq!(*probing.notes.borrow(), ["goodbye"]);
    });
}

#[test]
fn a_one_way_call_ends_at_its_deadline_with_or_without_a_connection() {
    run(async {
        for stays in [true, false] {
            let probing = Probing::default();
            let (address, _trigger, _serving) = start(probing.clone());
            let client = Client::connect(address, &identity("caller", "s")).await.unwrap();
            let probe = ProbeClient::new(client.clone());
            probe.note(&text("late"), within_ms(30)).await.unwrap();
            client_echo(&probe, 1).await;
            if !stays {
                client.close(Code::Internal, "a test");
            }
            probing.dropped.notified().await;
            assert!(probing.notes.borrow().is_empty());
        }
    });
}

#[test]
fn a_one_way_call_that_waited_beyond_its_deadline_is_not_executed() {
    run(async {
        let probing = Probing::default();
        let (address, _trigger, _serving) = start(probing.clone());
        let client = Client::connect(address, &identity("caller", "s")).await.unwrap();
        let probe = ProbeClient::new(client.clone());
        probing.gate.notify_one();
        // All are written, and read, in one go; what stands behind `block` waits for it.
        let (late, soon) = (text("late"), within_ms(20));
        let (in_time, later) = (text("in time"), within_ms(10_000));
        let (blocked, sent, kept) = tokio::join!(
            probe.block(CallOptions::default()),
            probe.note(&late, soon),
            probe.note(&in_time, later)
        );
        assert_eq!((blocked, sent, kept), (Ok(()), Ok(()), Ok(())));
        client_echo(&probe, 1).await;
        assert_eq!(*probing.notes.borrow(), ["in time"]);
        assert_eq!(client.calls_in_flight(), 0);
    });
}

#[test]
fn a_one_way_call_that_is_refused_harms_nobody() {
    run(async {
        let probing = Probing::default();
        let (address, _trigger, _serving) = start(probing.clone());
        // Nobody in particular may not call it, and isn't told.
        let nobody = Client::connect(address, &Identity::default()).await.unwrap();
        let probe = ProbeClient::new(nobody.clone());
        probe.note(&text("let me in"), CallOptions::default()).await.unwrap();
        client_echo(&probe, 1).await;
        // A frame of another shape than the method's: one is dropped, the other is answered.
        let client = Client::connect(address, &identity("caller", "s")).await.unwrap();
        let (request, options) = (Bytes::from_static(b"\x02hi"), CallOptions::default);
        client.send(ProbeMethods::ECHO, request.clone(), options()).await.unwrap();
        let refused = client.call(ProbeMethods::NOTE, request, options()).await.unwrap_err();
        assert_eq!(refused.code, Code::BadRequest);
        probing.gate.notify_one();
        client_echo(&ProbeClient::new(client), 2).await;
        assert!(probing.notes.borrow().is_empty());
    });
}

#[test]
fn an_upstream_sends_once_to_an_instance_that_takes_it() {
    run(async {
        let [one, two] = [(); 2].map(|()| Probing::default());
        let (first, first_trigger, first_serving) = start(one.clone());
        let (second, _second_trigger, _second_serving) = start(two.clone());
        let upstream = Upstream::connect("probe", &[first, second], &identity("caller", "s"));
        upstream.tried().await;
        let probe = ProbeClient::new(upstream.clone());
        one.gate.notify_one();
        two.gate.notify_one();
        for n in 0..2 {
            probe.note(&text(&format!("note {n}")), CallOptions::default()).await.unwrap();
        }
        one.dropped.notified().await;
        two.dropped.notified().await;
        let mut notes = [one.notes.borrow().clone(), two.notes.borrow().clone()].concat();
        notes.sort();
        assert_eq!(notes, ["note 0", "note 1"], "each once, in turns");
        first_trigger.drain();
        first_serving.await.unwrap();
        two.gate.notify_one();
        probe.note(&text("note 2"), CallOptions::default()).await.unwrap();
        two.dropped.notified().await;
        assert_eq!(two.notes.borrow().last().unwrap(), "note 2");
    });
}

#[test]
fn without_an_instance_a_one_way_call_fails_at_once() {
    run(async {
        let gone = socket::listen("127.0.0.1:0".parse().unwrap()).unwrap().local_addr().unwrap();
        let upstream = Upstream::connect("probe", &[gone], &identity("caller", "s"));
        upstream.tried().await;
        let probe = ProbeClient::new(Rc::new(upstream));
        let error = probe.note(&text("anyone?"), CallOptions::default()).await.unwrap_err();
        assert_eq!(error.code, Code::Unavailable);
    });
}
