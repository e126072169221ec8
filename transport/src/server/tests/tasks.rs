//! What a process tells of its tasks, while a handler sleeps.

use micronet_wire::error::Code;
use micronet_wire::network::{InjectedFault, OperationClient, RecordKind, Rules, TasksOf, WaitStack};

use super::*;

#[test]
fn an_operator_sees_who_sleeps_in_which_task() {
    run(async {
        let listener = socket::listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let (_trigger, drain) = channel();
        let cups = identity("cups");
        let sleep = InjectedFault { delay_us: 3_600_000_000, ..InjectedFault::default() };
        cups.network.govern(Rules { revision: 1, faults: vec![sleep], ..Rules::default() });
        tokio::task::spawn_local(serve(listener, cupboard(), cups, drain));
        let caller = CupsClient::new(Client::connect(address, &identity("caller")).await.unwrap());
        let calling = tokio::task::spawn_local(async move {
            let options = CallOptions { request_id: "sleeper".into(), ..CallOptions::default() };
            caller
                .get(&Cup { name: "x".into(), size: None }, options)
                .await
                .map_err(|error| error.to_string())
        });

        let by_token = Identity { credential: Some(Credential::Operator), ..(*identity("operator")).clone() };
        let operator = OperationClient::new(Client::connect(address, &by_token).await.unwrap());
        let asked = TasksOf { stacks: true };
        let seen = loop {
            let seen = operator.tasks(&asked, CallOptions::default()).await.unwrap();
            if seen.under_way_count > 0 {
                break seen;
            }
        };
        let [sleeper] = &seen.under_way[..] else { panic!("one handler sleeps: {seen:?}") };
        assert_eq!((sleeper.kind, &*sleeper.request_id), (RecordKind::Served, "sleeper"));
        assert_eq!((&*sleeper.service, &*sleeper.method, &*sleeper.from), ("cups", "get", "caller-1"));
        assert_eq!((&*seen.instance, seen.pid), ("cups-1", std::process::id()));
        let tasks =
            |name: &str| seen.kinds.iter().find(|kind| kind.name == name).map_or(0, |kind| kind.tasks);
        // Both ends are in this process.
        assert_eq!((tasks("connection"), tasks("dialled connection")), (2, 2), "{:?}", seen.kinds);

        // Only in a program that was built for it.
        assert_eq!(seen.tells_stacks, cfg!(all(tokio_unstable, feature = "taskdump")));
        assert_eq!(seen.tells_stacks, !seen.waits.is_empty(), "{:?}", seen.waits);
        if seen.tells_stacks {
            let of_connections = || seen.waits.iter().filter(|wait| wait.name == "connection");
            assert_eq!(of_connections().map(|wait| wait.tasks).sum::<u64>(), 2, "{:#?}", seen.waits);
            let has =
                |stack: &WaitStack, function: &str| stack.frames.iter().any(|frame| frame.contains(function));
            let serves =
                |stack: &WaitStack| has(stack, "transport/src/server/rpc.rs:") && has(stack, "tokio");
            let sleeps = |stack: &WaitStack| serves(stack) && has(stack, "transport/src/faults.rs:");
            let reads =
                |stack: &WaitStack| serves(stack) && has(stack, "poll_receive at transport/src/driver.rs:");
            for (what, fits) in
                [("the handler", &sleeps as &dyn Fn(&WaitStack) -> bool), ("the socket", &reads)]
            {
                assert!(
                    of_connections().flat_map(|wait| &wait.stacks).any(fits),
                    "{what}: {:#?}",
                    seen.waits
                );
            }
        }
        assert!(!calling.is_finished(), "it sleeps on");

        let stranger = Identity { cluster_secret: None, credential: None, ..(*identity("stranger")).clone() };
        let stranger = OperationClient::new(Client::connect(address, &stranger).await.unwrap());
        let refused = stranger.tasks(&asked, CallOptions::default()).await.unwrap_err();
        assert_eq!(refused.code, Code::Unauthenticated);
    });
}
