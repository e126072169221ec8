//! Both builds behind one upstream, as while one replaces the other.

use std::collections::BTreeSet;

use micronet_wire::error::{Code, RpcError};
use micronet_wire::service::CallError;

use crate::network::{
    new_client, new_server, new_server_as, not_served, old_client, old_server, old_server_as, options,
    refused, run,
};
use crate::{v1, v2};

#[test]
fn callers_of_each_build_call_instances_of_both() {
    run(async {
        let (old, new) = (old_server(), new_server());
        let (before, after) = (old_client(&[&old, &new]).await, new_client(&[&old, &new]).await);
        let (mut of_old, mut of_new) = (BTreeSet::new(), BTreeSet::new());
        for _ in 0..4 {
            let put = v1::Put { name: "Tux".into(), count: 9, note: None };
            of_old.insert(before.put(&put, options()).await.unwrap().by);
            let put = v2::Put { name: "Tux".into(), count: 9, colour: None };
            of_new.insert(after.put(&put, options()).await.unwrap().by);
        }
        let both: BTreeSet<String> = ["v1".into(), "v2".into()].into();
        assert_eq!((of_old, of_new), (both.clone(), both));
        assert_eq!((old.calls.take().len(), new.calls.take().len()), (4, 4));
    });
}

#[test]
fn a_method_is_called_where_it_can_be() {
    run(async {
        let (old, new) = (old_server(), new_server());
        let (before, after) = (old_client(&[&old, &new]).await, new_client(&[&old, &new]).await);
        for _ in 0..3 {
            let shift = v1::Shift { name: "Tux".into(), row: "top".into() };
            assert_eq!(before.shift(&shift, options()).await, Ok(()));
            assert_eq!(before.clear(options()).await, Ok(()));
            let shift = v2::Shift { name: "Tux".into(), row: 3 };
            assert_eq!(after.shift(&shift, options()).await, Ok(()));
            assert_eq!(after.count(options()).await, Ok(12));
        }
        assert_eq!(old.calls.take(), ["shift Tux top", "clear"].repeat(3));
        assert_eq!(new.calls.take(), ["shift Tux 3", "count"].repeat(3));
    });
}

#[test]
fn a_value_goes_where_it_fits() {
    run(async {
        let (old, new) = (old_server(), new_server());
        let (before, after) = (old_client(&[&old, &new]).await, new_client(&[&old, &new]).await);
        for _ in 0..3 {
            let noted = v1::Put { name: "Tux".into(), count: 9, note: Some("soft".into()) };
            assert_eq!(before.put(&noted, options()).await.unwrap().by, "v1");
            // It was never started elsewhere, so that a write without a token may go on too.
            let many = v2::Put { name: "Tux".into(), count: 300, colour: Some("red".into()) };
            assert_eq!(after.put(&many, options()).await.unwrap().by, "v2");
        }
        assert_eq!((old.calls.take().len(), new.calls.take().len()), (3, 3));
    });
}

#[test]
fn many_instances_that_take_no_such_call_do_not_hide_one_that_does() {
    run(async {
        let olds: Vec<_> = ["a", "b", "c", "d"].into_iter().map(old_server_as).collect();
        let new = new_server();
        let mut servers: Vec<_> = olds.iter().collect();
        servers.push(&new);
        let after = new_client(&servers).await;
        for _ in 0..5 {
            assert_eq!(after.count(options()).await, Ok(12));
        }
        let only_old = new_client(&servers[..4]).await;
        assert_eq!(only_old.count(options()).await, Err(not_served("shelf.count is not served there")));
        let words = "shelf.rename: request field \"to\" is required there and unknown here";
        let rename = v2::Rename { name: "Tux".into(), new_name: "Rex".into() };
        assert_eq!(only_old.rename(&rename, options()).await, Err(refused(words)));
        assert!(olds.iter().all(|old| old.calls.take().is_empty()));
    });
}

#[test]
fn a_write_that_may_have_been_executed_is_repeated_only_where_its_token_means_the_same() {
    run(async {
        let (old, new) = (old_server(), new_server());
        let before = old_client(&[&old, &new]).await;
        let broken = v1::Put { name: "broken".into(), count: 9, note: None };
        let away = CallError::Rpc(RpcError::new(Code::Database, "the store is away"));
        for count in 1..4 {
            assert_eq!(before.put(&broken, options().token("t")).await, Err(away.clone()));
            assert_eq!(old.calls.count() + new.calls.count(), count);
        }
        // Another instance of the same build would find the token.
        let (first, second) = (old_server_as("a"), old_server_as("b"));
        let before = old_client(&[&first, &second, &new]).await;
        new.calls.take();
        while new.calls.take().is_empty() {
            assert_eq!(before.put(&broken, options().token("t")).await, Err(away.clone()));
            let counts = (first.calls.take().len(), second.calls.take().len(), new.calls.count());
            assert!([(1, 1, 0), (0, 0, 1)].contains(&counts), "{counts:?}");
        }
    });
}

#[test]
fn what_is_not_idempotent_any_more_is_not_repeated() {
    run(async {
        let (first, second) = (old_server_as("a"), old_server_as("b"));
        let (third, fourth) = (new_server_as("c"), new_server_as("d"));
        let broken = v1::GradeOf { name: "broken".into(), least: None };
        let away = Err(RpcError::new(Code::Database, "the store is away"));
        let olds = old_client(&[&first, &second]).await;
        assert_eq!(olds.grade(&broken, options()).await, away);
        assert_eq!((first.calls.count(), second.calls.count()), (1, 1));
        let news = old_client(&[&third, &fourth]).await;
        assert_eq!(news.grade(&broken, options()).await, away);
        assert_eq!(third.calls.count() + fourth.calls.count(), 1);
    });
}
