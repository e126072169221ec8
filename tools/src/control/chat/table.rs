//! The table of all commands, of which help, completion, suggestions and refusals are made.

use super::commands::{Called, Command, Verb};
use super::grammar::{Argument, Form, Kind, Place};

const fn required(name: &'static str, kind: Kind) -> Argument {
    Argument { name, kind, place: Place::Required }
}

const fn optional(name: &'static str, kind: Kind) -> Argument {
    Argument { name, kind, place: Place::Optional }
}

const fn named(name: &'static str, kind: Kind) -> Argument {
    Argument { name, kind, place: Place::Named }
}

const fn called(service: &'static str, method: &'static str) -> Option<Called> {
    Some(Called { service, method })
}

const NOTHING: Command = Command {
    verb: Verb::Help,
    form: Form { name: "", arguments: &[] },
    aliases: &[],
    calls: None,
    looks: None,
    lasts: false,
    asks: "",
    help: "",
    example: "",
};

const PROCESS: &[Argument] = &[required("process", Kind::Process)];

/// All commands, as help lists them.
pub(super) static COMMANDS: &[Command] = &[
    Command {
        verb: Verb::Help,
        form: Form { name: "help", arguments: &[optional("command", Kind::Command)] },
        aliases: &["?", "commands"],
        help: "what can be said here; of one command, everything about it",
        example: "help fail",
        ..NOTHING
    },
    Command {
        verb: Verb::Status,
        form: Form { name: "status", arguments: &[optional("process", Kind::Process)] },
        aliases: &["ps", "st"],
        calls: called("control", "processes"),
        help: "the services and their processes: whether they run, since when, and why",
        example: "status user",
        ..NOTHING
    },
    Command {
        verb: Verb::Instances,
        form: Form { name: "instances", arguments: &[optional("service", Kind::Behind)] },
        aliases: &["health"],
        calls: called("gateway", "instances"),
        help: "the instances as the gateway sees them: health, calls, failures, weight",
        example: "instances product",
        ..NOTHING
    },
    Command {
        verb: Verb::Top,
        form: Form { name: "top", arguments: &[] },
        aliases: &["stats"],
        calls: called("gateway", "stats"),
        help: "what the gateway measured lately: requests, errors and times by service",
        example: "top",
        ..NOTHING
    },
    Command {
        verb: Verb::Fail,
        form: Form {
            name: "fail",
            arguments: &[required("process", Kind::Process), named("for", Kind::Time)],
        },
        aliases: &["block", "break"],
        calls: called("control", "fail"),
        lasts: true,
        asks: "where nothing would be left of the service",
        help: "nobody calls an instance, or any of a service, until it recovers; for an hour unless told",
        example: "fail product-1 for 30s",
        ..NOTHING
    },
    Command {
        verb: Verb::Recover,
        form: Form { name: "recover", arguments: PROCESS },
        aliases: &["heal", "unblock"],
        calls: called("control", "recover"),
        lasts: true,
        help: "ends the faults of an instance or a service, and starts what doesn't run of it",
        example: "recover user",
        ..NOTHING
    },
    Command {
        verb: Verb::Start,
        form: Form { name: "start", arguments: PROCESS },
        calls: called("control", "start"),
        lasts: true,
        help: "starts what doesn't run; answers when it is ready",
        example: "start user",
        ..NOTHING
    },
    Command {
        verb: Verb::Stop,
        form: Form { name: "stop", arguments: &[optional("process", Kind::Process)] },
        aliases: &["halt"],
        calls: called("control", "stop"),
        lasts: true,
        asks: "always, where it ends a process",
        help: "ends an instance or a service, running requests first; alone it ends your taps and drills",
        example: "stop product-2",
        ..NOTHING
    },
    Command {
        verb: Verb::Restart,
        form: Form { name: "restart", arguments: PROCESS },
        aliases: &["reboot"],
        calls: called("control", "restart"),
        lasts: true,
        help: "starts instances anew one by one, so that no call fails",
        example: "restart product",
        ..NOTHING
    },
    Command {
        verb: Verb::Scale,
        form: Form {
            name: "scale",
            arguments: &[required("service", Kind::Service), required("count", Kind::Number(1, 16))],
        },
        calls: called("control", "scale"),
        lasts: true,
        asks: "where instances would go",
        help: "runs so many instances of a service",
        example: "scale node 5",
        ..NOTHING
    },
    Command {
        verb: Verb::Drain,
        form: Form { name: "drain", arguments: PROCESS },
        aliases: &["rest"],
        calls: called("control", "drain"),
        lasts: true,
        help: "lets instances rest: they get calls only where no other can take them",
        example: "drain product-1",
        ..NOTHING
    },
    Command {
        verb: Verb::Undrain,
        form: Form { name: "undrain", arguments: PROCESS },
        calls: called("control", "undrain"),
        lasts: true,
        help: "takes that back",
        example: "undrain product-1",
        ..NOTHING
    },
    Command {
        verb: Verb::Latency,
        form: Form {
            name: "latency",
            arguments: &[
                required("instance", Kind::Process),
                required("time", Kind::Ms),
                named("for", Kind::Time),
            ],
        },
        aliases: &["delay", "slow"],
        calls: called("control", "disturb"),
        lasts: true,
        help: "calls to an instance, or to those of a service, take so much longer; for a minute unless told",
        example: "latency product-1 200ms for 30s",
        ..NOTHING
    },
    Command {
        verb: Verb::Errors,
        form: Form {
            name: "errors",
            arguments: &[
                required("instance", Kind::Process),
                required("part", Kind::Percent),
                named("for", Kind::Time),
            ],
        },
        calls: called("control", "disturb"),
        lasts: true,
        help: "so many of the calls to an instance fail; for a minute unless told",
        example: "errors product-1 20% for 30s",
        ..NOTHING
    },
    Command {
        verb: Verb::Algorithm,
        form: Form {
            name: "algorithm",
            arguments: &[optional("service", Kind::Behind), optional("name", Kind::Algorithm)],
        },
        aliases: &["balancer", "algo", "lb"],
        calls: called("gateway", "set_balancer"),
        looks: Some(("name", Called { service: "gateway", method: "balancers" })),
        lasts: true,
        help: "by which algorithm instances are picked; a name sets it, for a service or for all",
        example: "algorithm product least_connections",
        ..NOTHING
    },
    Command {
        verb: Verb::Weight,
        form: Form {
            name: "weight",
            arguments: &[required("instance", Kind::Instance), optional("weight", Kind::Number(1, 10_000))],
        },
        aliases: &["weigh"],
        calls: called("control", "weigh"),
        looks: Some(("weight", Called { service: "gateway", method: "instances" })),
        lasts: true,
        help: "the weight of an instance; 100 is the norm. A number sets it",
        example: "weight product-2 50",
        ..NOTHING
    },
    Command {
        verb: Verb::Tap,
        form: Form {
            name: "tap",
            arguments: &[optional("process", Kind::Process), named("for", Kind::Time)],
        },
        aliases: &["watch", "follow"],
        calls: called("control", "tap"),
        lasts: true,
        help: "requests and calls while they pass, for 30 s unless told, or until `stop`",
        example: "tap gateway for 1m",
        ..NOTHING
    },
    Command {
        verb: Verb::Why,
        form: Form { name: "why", arguments: &[required("id", Kind::Word)] },
        aliases: &["trace"],
        calls: called("control", "why"),
        help: "why a request went as it did, by its X-Request-ID",
        example: "why 01jd3k7v5q2c4m8xw9e6hzbt0r",
        ..NOTHING
    },
    Command {
        verb: Verb::Call,
        form: Form {
            name: "call",
            arguments: &[required("method", Kind::Word), optional("json", Kind::Rest)],
        },
        aliases: &["rpc"],
        lasts: true,
        help: "calls a method of a service on your behalf: its own permission decides",
        example: "call product.query {\"name\":\"Tux\"}",
        ..NOTHING
    },
    Command {
        verb: Verb::Drill,
        form: Form {
            name: "drill",
            arguments: &[
                optional("kind", Kind::Drill),
                optional("name", Kind::Process),
                named("for", Kind::Time),
                named("load", Kind::Number(1, 2_000)),
            ],
        },
        aliases: &["drills", "exercise"],
        calls: called("control", "drill"),
        looks: Some(("kind", Called { service: "control", method: "drills" })),
        lasts: true,
        asks: "always",
        help: "breaks something under a measured load, mends it and reports; alone it lists drills",
        example: "drill stall product for 10s load 200",
    },
    Command {
        verb: Verb::Alerts,
        form: Form { name: "alerts", arguments: &[] },
        aliases: &["alarms"],
        calls: called("control", "alerts"),
        help: "what somebody should look at now, and what was over lately",
        example: "alerts",
        ..NOTHING
    },
    Command {
        verb: Verb::Audit,
        form: Form { name: "audit", arguments: &[optional("count", Kind::Number(1, 100))] },
        aliases: &["journal"],
        calls: called("auth", "audit"),
        help: "what was done last: by whom, from where, and what came of it",
        example: "audit 10",
        ..NOTHING
    },
    Command {
        verb: Verb::WhoAmI,
        form: Form { name: "whoami", arguments: &[] },
        aliases: &["id"],
        help: "who you are here, and what you may do",
        example: "whoami",
        ..NOTHING
    },
    Command {
        verb: Verb::Who,
        form: Form { name: "who", arguments: &[] },
        aliases: &["users"],
        help: "who is here",
        example: "who",
        ..NOTHING
    },
    Command {
        verb: Verb::Yes,
        form: Form { name: "yes", arguments: &[optional("code", Kind::Word)] },
        aliases: &["y", "confirm"],
        help: "does what you were asked about; with the question's code to be sure",
        example: "yes 4f2a",
        ..NOTHING
    },
    Command {
        verb: Verb::No,
        form: Form { name: "no", arguments: &[optional("code", Kind::Word)] },
        aliases: &["n", "cancel"],
        help: "leaves it",
        example: "no",
        ..NOTHING
    },
    Command {
        verb: Verb::Quit,
        form: Form { name: "quit", arguments: &[] },
        aliases: &["exit", "bye"],
        help: "ends the conversation",
        example: "quit",
        ..NOTHING
    },
];
