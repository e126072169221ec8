//! Several instances on real sockets that fail, are blocked, come and go: who is called, and what is told of it.

use std::cell::Cell;

use micronet_wire::limits::{
    BREAKER_FAILURES_IN_A_ROW, CONNECTION_AGE_MS, RETRY_BUDGET_PERCENT, TOGETHER_MS_MAX,
};
use micronet_wire::network::{
    CalledInstance, InstanceState, InstancesOf, Member, Members, OperationClient, Order, Rules, Word,
};

use micronet_wire::error::Retry;

use super::*;
use crate::upstream::{Source, Target};

/// What the tests call.
#[service(name = "shaky")]
trait Shaky {
    /// Who answers.
    #[rpc(public, idempotent)]
    async fn who(&self, context: &CallContext) -> Result<Text, RpcError>;
}

#[derive(Clone, Default)]
struct Shake {
    name: Rc<str>,
    fails: Rc<Cell<bool>>,
    is_busy: Rc<Cell<bool>>,
    calls: Rc<Cell<usize>>,
}

impl Shaky for Shake {
    async fn who(&self, _: &CallContext) -> Result<Text, RpcError> {
        self.calls.set(self.calls.get() + 1);
        match (self.fails.get(), self.is_busy.get()) {
            (true, _) => Err(RpcError::new(Code::Database, "shaken")),
            (_, true) => Err(RpcError::new(Code::Database, "busy").retry(Retry::MaybeExecuted, SPARED_MS)),
            _ => Ok(text(&self.name)),
        }
    }
}

/// For how long an instance that is busy wants to be spared.
const SPARED_MS: u32 = 200;

struct House {
    instances: Vec<(Shake, SocketAddr, DrainTrigger)>,
    identity: Rc<Identity>,
    upstream: Upstream,
}

/// An instance of this name, and where it listens.
fn instance(name: &str) -> (Shake, SocketAddr, DrainTrigger) {
    let shake = Shake { name: name.into(), ..Shake::default() };
    let listener = socket::listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let (trigger, drain) = channel();
    let service =
        WithBuiltin::new(ShakyServer::new(shake.clone()).unwrap(), name, "0", Timestamp(0)).unwrap();
    let identity = Rc::new(Identity {
        instance: name.into(),
        operator_token: Some(Secret::new("o")),
        ..(*identity("shaky", "s")).clone()
    });
    tokio::task::spawn_local(serve(listener, Rc::new(service), identity, drain));
    (shake, address, trigger)
}

async fn house(names: &[&str]) -> House {
    let instances: Vec<_> = names.iter().map(|name| instance(name)).collect();
    let addresses: Vec<_> = instances.iter().map(|(_, address, _)| *address).collect();
    let identity = identity("caller", "s");
    let upstream = Upstream::connect("shaky", &addresses, &identity);
    upstream.tried().await;
    House { instances, identity, upstream }
}

impl House {
    async fn who(&self) -> Result<String, Code> {
        let answer = ShakyClient::new(self.upstream.clone()).who(CallOptions::default()).await;
        answer.map(|text| text.text).map_err(|error| error.code)
    }

    /// Who answers so many calls, in alphabetical order and once each.
    async fn answering(&self, calls: usize) -> Vec<String> {
        let mut names = std::collections::BTreeSet::new();
        for _ in 0..calls {
            names.insert(self.who().await.expect("an answer"));
        }
        names.into_iter().collect()
    }

    fn find(&self, name: &str) -> Option<CalledInstance> {
        let of = InstancesOf { service: Some("shaky".into()), history: true };
        let services = self.identity.network.instances("caller-1", &of).services;
        services.into_iter().flat_map(|service| service.instances).find(|instance| instance.instance == name)
    }

    fn seen(&self, name: &str) -> CalledInstance {
        self.find(name).expect("it is known")
    }

    async fn until(&self, name: &str, state: InstanceState) {
        while self.find(name).is_none_or(|instance| instance.state != state) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn govern(&self, revision: u64, rules: Rules) {
        assert_eq!(self.identity.network.govern(Rules { revision, ..rules }).revision, revision);
    }
}

fn word(instance: Option<&str>, what: Order, for_ms: Option<u64>) -> Rules {
    let word = Word {
        service: "shaky".into(),
        instance: instance.map(str::to_owned),
        what,
        reason: "a drill".into(),
        for_ms,
    };
    Rules { words: vec![word], ..Rules::default() }
}

#[test]
fn what_the_operator_says_holds_while_it_holds() {
    run(async {
        let house = house(&["a", "b"]).await;
        assert_eq!(house.answering(10).await, ["a", "b"]);
        house.govern(1, word(Some("a"), Order::Drain, None));
        assert_eq!(house.answering(10).await, ["b"]);
        assert_eq!(house.seen("a").state, InstanceState::Draining);
        house.govern(2, word(Some("b"), Order::Block, None));
        assert_eq!(house.answering(10).await, ["a"]);
        // The revision that is known is the newest; an older one changes nothing.
        assert_eq!(house.identity.network.govern(Rules { revision: 1, ..Rules::default() }).revision, 2);
        assert_eq!(house.answering(10).await, ["a"]);
        house.govern(3, word(None, Order::Block, Some(50)));
        assert_eq!(house.who().await, Err(Code::Unavailable), "whatever else is down");
        let blocked = house.seen("b");
        assert_eq!((blocked.state, &*blocked.reason), (InstanceState::Blocked, "a drill"));
        house.until("b", InstanceState::Up).await;
        assert_eq!(house.answering(10).await, ["a", "b"]);
        let states: Vec<_> = house.seen("b").history.iter().map(|change| change.state).collect();
        assert_eq!(states[..2], [InstanceState::Joining, InstanceState::Up]);
        assert_eq!(*states.last().unwrap(), InstanceState::Up);
        assert_eq!(house.seen("b").history.last().unwrap().reason, "the operator blocks it no longer");
    });
}

#[test]
fn who_fails_gets_nothing_but_probes_and_comes_back() {
    run(async {
        let house = house(&["a", "b", "c"]).await;
        let (shake, ..) = &house.instances[0];
        shake.fails.set(true);
        assert_eq!(house.answering(50).await, ["b", "c"], "what failed was tried elsewhere");
        assert_eq!(house.seen("a").state, InstanceState::Ejected);
        assert_eq!(shake.calls.get(), BREAKER_FAILURES_IN_A_ROW as usize);
        assert_eq!(house.answering(50).await, ["b", "c"]);
        assert_eq!(shake.calls.get(), BREAKER_FAILURES_IN_A_ROW as usize, "nothing was sent after that");
        house.until("a", InstanceState::Probing).await;
        assert_eq!(house.answering(10).await, ["b", "c"]);
        assert_eq!(shake.calls.get(), BREAKER_FAILURES_IN_A_ROW as usize + 1, "but for one probe");
        shake.fails.set(false);
        house.until("a", InstanceState::Probing).await;
        assert_eq!(house.who().await.as_deref(), Ok("a"), "the next probe");
        assert_eq!(house.seen("a").state, InstanceState::Up);
        assert!(house.seen("a").share_permille < 1_000, "it begins slowly");
        assert_eq!(house.answering(100).await, ["a", "b", "c"]);
    });
}

#[test]
fn who_asks_to_be_spared_is_spared_for_so_long() {
    run(async {
        let house = house(&["a", "b"]).await;
        let (shake, ..) = &house.instances[0];
        shake.is_busy.set(true);
        assert_eq!(house.answering(50).await, ["b"]);
        assert_eq!(shake.calls.get(), 1, "it was asked once");
        assert_eq!(house.seen("a").state, InstanceState::Up, "once is no sickness");
        shake.is_busy.set(false);
        let begin = tokio::time::Instant::now();
        while house.answering(2).await != ["a", "b"] {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(begin.elapsed() < Duration::from_millis(10 * u64::from(SPARED_MS)), "{:?}", begin.elapsed());
    });
}

#[test]
fn the_last_one_stays_and_retries_keep_to_their_budget() {
    run(async {
        let house = house(&["a", "b"]).await;
        house.instances.iter().for_each(|(shake, ..)| shake.fails.set(true));
        let calls = 1_000;
        for _ in 0..calls {
            assert_eq!(house.who().await, Err(Code::Database));
        }
        let states = ["a", "b"].map(|name| house.seen(name).state);
        assert!(states.contains(&InstanceState::Up), "{states:?}");
        let tried: usize = house.instances.iter().map(|(shake, ..)| shake.calls.get()).sum();
        let budget = calls * usize::try_from(RETRY_BUDGET_PERCENT).unwrap() / 100 + 100;
        assert!((calls + 1..=calls + budget).contains(&tried), "{tried} attempts for {calls} calls");
    });
}

#[test]
fn instances_come_and_go_while_calls_are_made() {
    run(async {
        let house = house(&["a"]).await;
        let (b, at_b, _drain_b) = instance("b");
        let (_, at_a, _) = &house.instances[0];
        house.upstream.set_members(Source::Dns, &[Target::from(at_b)]);
        house.until("b", InstanceState::Up).await;
        assert_eq!((house.seen("b").source.as_str(), house.seen("a").source.as_str()), ("dns", "static"));
        assert_eq!(house.answering(10).await, ["a", "b"]);
        // What the operator says replaces what the process was started with.
        let member = |address: &SocketAddr| Member { address: address.to_string(), weight: 100 };
        let members = Members { service: "shaky".into(), instances: vec![member(&at_b)] };
        house.govern(1, Rules { members: vec![members], ..Rules::default() });
        assert_eq!(house.answering(10).await, ["b"]);
        house.upstream.set_members(Source::Dns, &[]);
        assert_eq!(house.answering(10).await, ["b"], "the operator names it too");
        house.govern(2, Rules::default());
        house.until("a", InstanceState::Up).await;
        assert_eq!(house.answering(10).await, ["a"]);
        assert!(b.calls.get() > 0 && house.instances[0].1 == *at_a);
    });
}

#[test]
fn those_who_come_together_have_equal_shares() {
    run(async {
        let house = house(&["a", "b"]).await;
        let share = |name| house.seen(name).share_permille;
        assert_eq!((share("a"), share("b")), (1_000, 1_000), "nobody was there before");
        tokio::time::sleep(Duration::from_millis(TOGETHER_MS_MAX)).await;
        let late: Vec<_> = ["c", "d"].map(instance).into();
        let targets: Vec<_> = late.iter().map(|(_, address, _)| Target::from(*address)).collect();
        house.upstream.set_members(Source::Registered, &targets);
        house.until("c", InstanceState::Up).await;
        house.until("d", InstanceState::Up).await;
        assert_eq!((share("a"), share("b")), (1_000, 1_000));
        assert!(share("c") < 1_000 && share("c") == share("d"), "{} {}", share("c"), share("d"));
    });
}

#[test]
fn the_operator_asks_and_tells_over_rpc() {
    run(async {
        let house = house(&["a"]).await;
        let (_, address, _) = &house.instances[0];
        let operator = Identity {
            operator_token: Some(Secret::new("o")),
            credential: Some(Credential::Operator),
            ..Identity::default()
        };
        let operation = |client| OperationClient::new(client);
        let rules = Rules { revision: 7, ..Rules::default() };
        let asked = operation(Client::connect(*address, &operator).await.unwrap());
        let told = asked.govern(&rules, CallOptions::default()).await.unwrap();
        assert_eq!(told.revision, 7);
        let seen = asked.instances(&InstancesOf::default(), CallOptions::default()).await.unwrap();
        assert_eq!((&*seen.seen_by, seen.revision, seen.services.len()), ("a", 7, 0), "it calls nobody");
        let anybody = operation(Client::connect(*address, &Identity::default()).await.unwrap());
        let refused = anybody.govern(&rules, CallOptions::default()).await.unwrap_err();
        assert_eq!(refused.code, Code::Unauthenticated);
        let part = operation(Client::connect(*address, &house.identity).await.unwrap());
        let refused = part.instances(&InstancesOf::default(), CallOptions::default()).await.unwrap_err();
        assert_eq!(refused.code, Code::InsufficientPermissions);
    });
}

#[test]
fn connections_are_replaced_by_age_and_nobody_notices() {
    run_paused(async {
        let house = house(&["a"]).await;
        let begin = tokio::time::Instant::now();
        let first = house.upstream.pick(&[]).expect("it is there").client;
        let mut leaving = std::pin::pin!(first.closed());
        loop {
            assert_eq!(house.who().await.as_deref(), Ok("a"));
            tokio::select! {
                biased;
                closed = &mut leaving => break assert_eq!(closed, Ok(())),
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
            }
        }
        let tenth = CONNECTION_AGE_MS / 10;
        let age_ms = u64::try_from(begin.elapsed().as_millis()).unwrap();
        assert!(
            (CONNECTION_AGE_MS - tenth..=CONNECTION_AGE_MS + tenth + 2_000).contains(&age_ms),
            "{age_ms}"
        );
        assert_eq!(house.seen("a").history.len(), 2, "joined and reached: {:?}", house.seen("a").history);
    });
}

#[test]
fn each_instance_has_a_pool_and_each_call_one_of_its_connections() {
    run(async {
        let house = house(&["a"]).await;
        while house.seen("a").connections < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        house.instances[0].2.drain();
        house.until("a", InstanceState::Down).await;
        assert_eq!(house.seen("a").connections, 0);
        assert_eq!(house.who().await, Err(Code::Unavailable));
    });
}
