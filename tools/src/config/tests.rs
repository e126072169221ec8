use std::time::Duration;

use clap::Parser;

use super::*;
use crate::load::arrivals::Spread;
use crate::load::{Limits, Pace};

fn parse_with(line: &str, environment: &[(&str, &str)]) -> Result<Command, String> {
    let flags = Flags::try_parse_from(line.split_whitespace()).map_err(|error| error.to_string())?;
    let look_up =
        |name: &str| environment.iter().find(|(each, _)| *each == name).map(|(_, value)| (*value).to_owned());
    command(flags, &look_up).map_err(|error| error.to_string())
}

fn parse(line: &str) -> Result<Command, String> {
    parse_with(line, &[])
}

fn ports(line: &str) -> Result<Vec<(String, u16)>, String> {
    let Command::Up(up) = parse(line)? else { panic!("{line} is not up") };
    Ok(up.instances.into_iter().map(|instance| (instance.instance, instance.port)).collect())
}

fn peers(line: &str, environment: &[(&str, &str)]) -> Result<String, String> {
    let peers = match parse_with(line, environment)? {
        Command::Service(config) => config.peers,
        Command::Gateway(config) => config.peers,
        other => panic!("{line} has no peers: {other:?}"),
    };
    let shown = peers.iter().map(|(name, addresses)| format!("{name}={}", address::list(addresses)));
    Ok(shown.collect::<Vec<_>>().join(" "))
}

#[test]
fn ping_takes_an_address_or_a_name() {
    let check = |target: &str, wanted: Option<&str>| {
        let found = parse(&format!("micronet ping {target}")).ok().map(|command| {
            let Command::Ping(config) = command else { panic!("{target} is not pinged") };
            assert_eq!((config.count, config.interval, config.timeout), (None, SECOND, SECOND));
            match config.target {
                PingTarget::Address(address) => format!("address {address}"),
                PingTarget::Name(name) => format!("name {name}"),
            }
        });
        assert_eq!(found.as_deref(), wanted, "{target}");
    };
    check("localhost:8002", Some("address localhost:8002"));
    check("[::1]:8002", Some("address [::1]:8002"));
    check("product-1", Some("name product-1"));
    check("order", Some("name order"));
    check("localhost:", None);
    check("-x", None);
    for refused in ["--count 0", "--interval 49", "--interval 60001", "--timeout 0", "--timeout x"] {
        assert!(parse(&format!("micronet ping order {refused}")).is_err(), "{refused}");
    }
}

#[test]
fn load_is_a_closed_or_an_open_loop() {
    let check = |flags: &str, pace: Pace, requests: Option<u64>, seconds: Option<u64>, clients: u16| {
        let Ok(Command::Load(config)) = parse(&format!("micronet load {flags}")) else {
            panic!("{flags} is no load")
        };
        let limits = Limits { requests, duration: seconds.map(Duration::from_secs) };
        assert_eq!((config.pace, config.limits, config.concurrent), (pace, limits, clients), "{flags}");
    };
    let open = |rate_per_s, spread| Pace::Open { rate_per_s, spread };
    check("", Pace::Closed, Some(1_000), None, 10);
    check("/x --requests 1000 --concurrent 20", Pace::Closed, Some(1_000), None, 20);
    check("--duration 3s", Pace::Closed, None, Some(3), 10);
    check("-n 5 -d 3s", Pace::Closed, Some(5), Some(3), 10);
    check("--rate 200", open(200.0, Spread::Fixed), None, Some(10), 100);
    check("--rate 0.5/s -n 5 /x", open(0.5, Spread::Fixed), Some(5), None, 100);
    let poisson = open(200.0, Spread::Poisson { seed: 7 });
    check("-r 200 -d 30s --arrivals poisson --seed 7 -c 3", poisson, None, Some(30), 3);
    for refused in ["-n 0", "-c 0", "--arrivals poisson", "--max-errors 1 --fail-if-errors", "-n 5 toystore"]
    {
        assert!(parse(&format!("micronet load {refused}")).is_err(), "{refused}");
    }
    for scenario in ["toystore --gets 5", "--data d toystore", "instance order-1 --target order.log"] {
        let command = parse(&format!("micronet load {scenario}")).unwrap();
        assert!(matches!(command, Command::LoadToystore(_) | Command::LoadInstance(_)), "{scenario}");
    }
}

#[test]
fn metadata_is_pairs() {
    let metadata = |flags: &str| match parse(&format!("micronet call order.log {flags}"))? {
        Command::Call(config) => {
            Ok(config.metadata.iter().map(|(key, value)| format!("{key}:{value}")).collect::<Vec<_>>())
        }
        other => Err(format!("{other:?}")),
    };
    assert_eq!(metadata(""), Ok(vec![]));
    let pairs = metadata("--metadata b=2=3 --metadata a= --metadata b=4");
    assert_eq!(pairs, Ok(vec!["a:".to_owned(), "b:4".to_owned()]));
    for refused in ["b", "=b", "B=b"] {
        assert!(metadata(&format!("--metadata {refused}")).is_err(), "{refused}");
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn no_command_is_up() {
    let Ok(Command::Up(up)) = parse("micronet --data d") else { panic!() };
    assert_eq!(up.data, PathBuf::from("d"));
    assert_eq!(up.listen.to_string(), "127.0.0.1");
    assert_eq!((up.cluster.as_str(), up.demo, up.fresh), ("micronet", None, false));
}

#[test]
fn certificates_are_in_the_data_folder_unless_another_is_named() {
    let check = |line: &str, wanted: Option<&str>| {
        let tls = match parse_with(line, &[("SSLKEYLOGFILE", "keys")])
            .unwrap_or_else(|error| panic!("{line}: {error}"))
        {
            Command::Up(config) => config.tls,
            Command::Service(config) => config.tls,
            Command::Gateway(config) => config.tls,
            Command::Call(config) => config.callee.tls,
            Command::Ping(config) => config.tls,
            other => panic!("{other:?} speaks no TLS"),
        };
        assert_eq!(tls.map(|tls| tls.certs), wanted.map(PathBuf::from), "{line}");
    };
    check("micronet up --data d", None);
    check("micronet up --data d --mtls", Some("d/certs"));
    check("micronet service order --data d --certs e", Some("e"));
    check("micronet gateway --data d --mtls --certs e", Some("e"));
    check("micronet call order.log --data d --mtls --tls-key-log", Some("d/certs"));
    check("micronet ping order --data d", None);
    check("micronet ping order --certs e", Some("e"));
    assert!(parse("micronet up --mtls --tls-key-log").unwrap_err().contains("SSLKEYLOGFILE"));
    assert!(parse("micronet up --certificate-lifetime 1h").unwrap_err().contains("--mtls"));
    assert!(parse("micronet up --mtls --certificate-lifetime 2s").unwrap_err().contains("at least 5s"));
    let Ok(Command::Up(up)) = parse("micronet up --mtls --certificate-lifetime 90m") else { panic!() };
    assert_eq!(up.certificate_lifetime_s, 5400);
}

#[test]
fn ports_are_counted_from_the_base_or_named() {
    let check = |line: &str, wanted: &[(&str, u16)]| {
        let wanted: Vec<(String, u16)> =
            wanted.iter().map(|(name, port)| ((*name).to_owned(), *port)).collect();
        assert_eq!(ports(line), Ok(wanted), "{line}");
    };
    let usual = [
        ("auth-1", 8004),
        ("user-1", 8001),
        ("product-1", 8002),
        ("product-2", 8012),
        ("order-1", 8003),
        ("node-1", 5001),
        ("node-2", 5002),
        ("node-3", 5003),
        ("gateway-1", 8000),
    ];
    check("micronet", &usual);
    check("micronet up", &usual);
    check(
        "micronet up --base-port 9000 --port gateway=80",
        &[
            ("auth-1", 9004),
            ("user-1", 9001),
            ("product-1", 9002),
            ("product-2", 9012),
            ("order-1", 9003),
            ("node-1", 6001),
            ("node-2", 6002),
            ("node-3", 6003),
            ("gateway-1", 80),
        ],
    );
    check(
        "micronet up --base-port 0 --port product=0,0,0 --port node=0",
        &[
            ("auth-1", 0),
            ("user-1", 0),
            ("product-1", 0),
            ("product-2", 0),
            ("product-3", 0),
            ("order-1", 0),
            ("node-1", 0),
            ("gateway-1", 0),
        ],
    );
}

#[test]
fn the_gateway_speaks_rpc_below_its_http() {
    let check = |line: &str, wanted: u16| {
        let rpc = match parse(line).unwrap() {
            Command::Up(up) => up.instances.last().and_then(|gateway| gateway.rpc_port).unwrap(),
            Command::Gateway(gateway) => gateway.rpc.port(),
            other => panic!("{line}: {other:?}"),
        };
        assert_eq!(rpc, wanted, "{line}");
    };
    check("micronet up", 7001);
    check("micronet up --profile toystore", 5061);
    check("micronet up --base-port 9000 --port gateway=80", 8001);
    check("micronet up --base-port 0", 0);
    check("micronet up --profile toystore --base-port 500", 0);
    check("micronet up --port gateway-rpc=7101", 7101);
    check("micronet gateway", 7001);
    check("micronet gateway --listen 127.0.0.1:0", 0);
    check("micronet gateway --listen 127.0.0.1:9000 --rpc localhost:9", 9);
}

#[test]
fn a_profile_has_its_own_ports_which_move_together() {
    let check = |line: &str, wanted: &[(&str, u16)]| {
        let wanted: Vec<(String, u16)> =
            wanted.iter().map(|(name, port)| ((*name).to_owned(), *port)).collect();
        assert_eq!(ports(line), Ok(wanted), "{line}");
    };
    let toystore = [("product-1", 10086), ("order-1", 10010), ("gateway-1", 6060)];
    check("micronet up --profile toystore", &toystore);
    let moved = [("product-1", 4036), ("order-1", 3960), ("gateway-1", 10)];
    check("micronet up --profile toystore --base-port 10", &moved);
    let lab = [("node-1", 5001), ("node-2", 5002), ("node-3", 5003), ("gateway-1", 5000)];
    check("micronet up --profile lab", &lab);
    let free = [("product-1", 0), ("order-1", 7), ("gateway-1", 0)];
    check("micronet up --profile toystore --base-port 0 --port order=7", &free);
    let shop = ports("micronet up --profile shop").unwrap();
    for each in [("product-1", 8002), ("product-2", 8012), ("order-1", 8003), ("gateway-1", 8000)] {
        assert!(shop.contains(&(each.0.to_owned(), each.1)), "{shop:?}");
    }
}

#[test]
fn a_profile_asks_for_its_demonstration_data() {
    let demo = |line: &str| match parse(line) {
        Ok(Command::Up(up)) => up.demo,
        other => panic!("{other:?}"),
    };
    assert_eq!(demo("micronet up"), None);
    assert_eq!(demo("micronet up --profile shop"), Some(Demo::Shop));
    assert_eq!(demo("micronet up --profile toystore"), Some(Demo::ToyStore));
    assert_eq!(demo("micronet up --profile toystore --demo none"), Some(Demo::None));
}

#[test]
fn what_up_starts_is_told_all_its_peers() {
    // A profile may leave a service out: then nobody looks for it elsewhere.
    let set = [("CATALOG", "c"), ("ORDER", "o")];
    let all = "micronet gateway --supervised --peer product=localhost:1";
    assert_eq!(peers(all, &set).as_deref(), Ok("product=localhost:1"));
    assert_eq!(peers("micronet service order --supervised", &set).as_deref(), Ok(""));
}

#[test]
fn ports_that_mean_nothing_are_refused_in_words() {
    let check = |flags: &str, word: &str| {
        let error = ports(&format!("micronet up {flags}")).unwrap_err();
        assert!(error.contains(word), "{flags}: {error}");
    };
    check("--port product=8003", "order-1");
    check("--port 8003", "names no service");
    check("--port toys=8003", "gateway");
    check("--port product=x", "not a port");
    check("--port product=", "not a port");
    check("--port gateway=1,2", "one gateway");
    check("--port gateway-rpc=8001", "gateway-1 would both");
    check("--port control=8002", "control would both");
    check("--port control=1,2", "one control service");
    check("--port order=1 --port order=2", "named twice");
    check("--port order=0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0", "at most 16");
    check("--base-port 65530", "65535");
    check("--profile toystore --base-port 65000", "10086");
    check("--base-port 2999", "port 5001 would become 0");
    check("--profile toys", "toystore");
    check("--profile toystore --port gateway=1 --port nothing=2", "it has product, order, gateway");
}

#[test]
fn peers_come_from_flags_then_environment_then_localhost() {
    let check = |line: &str, environment: &[(&str, &str)], wanted: &str| {
        assert_eq!(peers(line, environment).as_deref(), Ok(wanted), "{line} {environment:?}");
    };
    check("micronet service product", &[("ORDER", "x")], "");
    check("micronet service order", &[], "product=localhost:8002");
    check("micronet service order", &[("CATALOG", "catalog")], "product=catalog:8002");
    // What a service can do without is not looked for unless it is named.
    check("micronet service order", &[("USERS", "u")], "product=localhost:8002 user=u:8001");
    check("micronet service order --peer user=u", &[], "product=localhost:8002 user=u:8001");
    check("micronet service order", &[("CATALOG", "")], "product=localhost:8002");
    check("micronet service order --peer product=a,b:9", &[("CATALOG", "c")], "product=a:8002,b:9");
    check("micronet service order --peer product=a --peer product=b,a", &[], "product=a:8002,b:8002");
    check(
        "micronet gateway --peer lab=l:1",
        &[("CATALOG", "c:1,d"), ("ORDER", "o")],
        "lab=l:1 order=o:8003 product=c:1,d:8002",
    );
    // Who names some of them has another network in mind than all of this binary.
    check("micronet gateway", &[("CATALOG", "c")], "product=c:8002");
    let all = "auth=localhost:8004 node=localhost:5001 order=localhost:8003 product=localhost:8002 user=localhost:8001";
    check("micronet gateway", &[], all);
    for line in [
        "micronet service order --peer toys=a:1",
        "micronet gateway --peer lab=l",
        // A service has no port at which instances announce themselves.
        "micronet service order --peer product",
        "micronet gateway --peer localhost:8002",
        "micronet gateway --peer lab=dns:lab.example",
        "micronet gateway --peer lab=srv:",
        "micronet gateway --peer lab=srv:a/b",
    ] {
        assert!(peers(line, &[]).is_err(), "{line}");
    }
    check("micronet gateway --peer product --peer lab=srv:_rpc._tcp.lab.example", &[], "lab= product=");
    let names = |line: &str| match parse(line)? {
        Command::Gateway(config) => Ok(config
            .peers
            .names()
            .flat_map(|(service, names)| names.iter().map(move |name| format!("{service}={name}")))
            .collect::<Vec<_>>()),
        other => Err(format!("{other:?}")),
    };
    let found =
        names("micronet gateway --peer product=a:1,dns:b,dns:c:2 --peer lab=srv:_rpc._tcp.lab").unwrap();
    assert_eq!(found, ["lab=srv:_rpc._tcp.lab", "product=dns:b:8002", "product=dns:c:2"]);
    let error = peers("micronet gateway --peer foo=1.2.3.4", &[]).unwrap_err();
    assert!(error.contains("the port is missing") && error.contains("foo=1.2.3.4:PORT"), "{error}");
    let error = peers("micronet gateway", &[("ORDER", "a b")]).unwrap_err();
    assert!(error.contains("set ORDER"), "{error}");
}

#[test]
fn a_listener_that_others_reach_must_be_asked_for() {
    for line in [
        "micronet up --listen 0.0.0.0",
        "micronet service product --listen 192.168.0.1:8002",
        "micronet gateway --listen [::]:8000",
    ] {
        assert!(parse(line).unwrap_err().contains("mTLS"), "{line}");
        parse(&format!("{line} --insecure")).unwrap();
    }
    parse("micronet gateway --listen [::1]:8000").unwrap();
}

#[test]
fn names_are_short_and_plain() {
    for name in ["", "-x", "a/b", "../x", &"n".repeat(65)] {
        assert!(parse(&format!("micronet gateway --instance={name}")).is_err(), "{name:?}");
    }
    parse(&format!("micronet gateway --instance={}", "n".repeat(64))).unwrap();
}

#[test]
fn the_front_is_the_gateways_address_for_clients() {
    let Ok(Command::Gateway(config)) = parse_with("micronet gateway", &[("FRONT", "shop.example")]) else {
        panic!()
    };
    assert_eq!(config.front.map(|front| front.to_string()).as_deref(), Some("shop.example:8000"));
}

#[test]
fn the_shop_is_where_the_flag_or_the_environment_says() {
    let to = |line: &str, environment: &[(&str, &str)]| match parse_with(line, environment) {
        Ok(Command::Shop(shop)) => shop.to.map(|to| to.to_string()),
        other => panic!("{other:?}"),
    };
    assert_eq!(to("micronet shop query Tux", &[]), None);
    assert_eq!(to("micronet shop query Tux", &[("FRONT", "front")]).as_deref(), Some("front:8000"));
    let flag = to("micronet shop buy Tux 1 --to http://a:1/", &[("FRONT", "front")]);
    assert_eq!(flag.as_deref(), Some("a:1"));
}

#[test]
fn what_no_customer_can_do_is_refused() {
    for line in ["buy Tux 0", "buy Tux", "random 1 -p 1.5", "random 1 -p x", "query Tux --clients 0", "query"]
    {
        assert!(parse(&format!("micronet shop {line}")).is_err(), "{line}");
    }
    parse("micronet shop random -p 1").unwrap();
}

#[test]
fn the_database_is_named_by_a_flag_or_the_environment() {
    let check = |line: &str, environment: &[(&str, &str)], wanted: Option<&str>| {
        let database = match parse_with(line, environment).unwrap() {
            Command::Up(config) => config.database,
            Command::Service(config) => config.database,
            other => panic!("{line} has no database: {other:?}"),
        };
        assert_eq!(database.map(|server| server.to_string()).as_deref(), wanted, "{line}");
    };
    let named = [("DATABASE_URL", "postgres://u:sesame@db/shop")];
    for command in ["micronet up", "micronet service product"] {
        check(command, &[], None);
        check(command, &[("DATABASE_URL", " ")], None);
        check(command, &named, Some("postgres://u@db:5432/shop"));
        let flag = format!("{command} --database postgres://other:sesame@db/shop");
        check(&flag, &named, Some("postgres://other@db:5432/shop"));
    }
    check("micronet", &named, Some("postgres://u@db:5432/shop"));
}

#[test]
fn a_database_that_cannot_be_used_is_refused_without_showing_its_password() {
    for line in [
        "micronet up --database mysql://u:sesame@db/shop",
        "micronet up --database ./sesame",
        "micronet service order --database postgres://u:sesame@db:port/shop",
        "micronet up --fresh --database postgres://u:sesame@db/shop",
    ] {
        let refused = parse(line).unwrap_err();
        assert!(!refused.contains("sesame"), "{line}: {refused}");
        assert!(refused.contains("--database") || refused.contains("--fresh"), "{line}: {refused}");
    }
    let refused = parse_with("micronet", &[("DATABASE_URL", "sesame")]).unwrap_err();
    assert!(refused.contains("DATABASE_URL") && !refused.contains("sesame"), "{refused}");
}

#[test]
fn tcp_is_passed_through_where_it_says() {
    let l4 = |line: &str| match parse(&format!("micronet gateway --peer product=localhost:8002 {line}"))? {
        Command::Gateway(config) => Ok(config
            .l4
            .ports
            .iter()
            .map(|port| match &port.target {
                L4Target::Service(name) => format!("{}={name}@{}", port.listen, port.algorithm),
                L4Target::Addresses(all) => {
                    format!("{}={}@{}", port.listen, address::list(all), port.algorithm)
                }
            })
            .collect::<Vec<_>>()),
        other => Err(format!("{other:?}")),
    };
    let check = |line: &str, wanted: &[&str]| assert_eq!(l4(line).unwrap(), wanted, "{line}");
    check("", &[]);
    check("--l4 9002=product", &["127.0.0.1:9002=product@least_connections"]);
    check("--l4 [::1]:0=product@ip_hash", &["[::1]:0=product@ip_hash"]);
    check(
        "--l4 9=db:1,[::1]:2,db:1@weighted --l4 10=db:1",
        &["127.0.0.1:9=db:1,[::1]:2@weighted", "127.0.0.1:10=db:1@least_connections"],
    );
    for refused in [
        "9002",
        "x=product",
        "9002=order",
        "9002=product@best",
        "localhost=product",
        "9=db:",
        "9=product --l4 9=db:1",
    ] {
        assert!(l4(&format!("--l4 {refused}")).is_err(), "{refused}");
    }
    assert!(l4("--l4 0.0.0.0:9=product").unwrap_err().contains("--insecure"));
}

#[test]
fn each_service_has_a_virtual_port() {
    let plan = |line: &str| match parse(line)? {
        Command::Up(up) => {
            Ok(up.l4.iter().map(|plan| format!("{} {}", plan.service.name, plan.port)).collect::<Vec<_>>())
        }
        other => Err(format!("{other:?}")),
    };
    let all = plan("micronet up").unwrap();
    for port in ["user 9001", "product 9002", "order 9003"] {
        assert!(all.contains(&port.to_owned()), "{all:?}");
    }
    let moved = plan("micronet up --base-port 7000 --profile shop").unwrap();
    assert_eq!(moved, ["auth 8004", "user 8001", "product 8002", "order 8003"]);
    assert!(plan("micronet up --base-port 0").unwrap().iter().all(|port| port.ends_with(" 0")));
    assert_eq!(plan("micronet up --no-l4"), Ok(Vec::new()));
    let taken = plan("micronet up --port product=9002").unwrap_err();
    assert!(taken.contains("product-1") && taken.contains("--no-l4"), "{taken}");
    assert!(plan("micronet up --port product=9002 --no-l4").is_ok());
}
