//! The transcripts of proto-spec on sockets: a driver stands for one side, a script for the other. Those are played that need no hand
//! in a driver's clock, randomness or handlers; the others are held by the connection's own test.

use std::net::TcpListener;
use std::time::Duration;

use micronet_tests::spec::{bytes_of, unhex, vectors};
use micronet_wire::conn::{Config, Connection, Role};
use micronet_wire::error::RpcError;
use micronet_wire::limits::DEADLINE_US_DEFAULT;
use micronet_wire::schema::CallShape;
use micronet_wire::service::Arity;
use serde_json::{Value, json};

use super::clients::{Call, Command, Dial};
use super::scripted::Scripted;
use super::servers::Behaviour;
use super::{CLIENTS, Names, SERVERS, StartServer, check};
use crate::transcripts::{code_named, options};

/// The greeting of a side with this identity.
pub(super) fn greeting_of(names: &Names) -> Vec<u8> {
    let config: Config = names.identity().config(Role::Dialler, None, None);
    Connection::new(config, 0).output().to_vec()
}

fn side(case: &Value, name: &str) -> Names {
    let text = |key: &str| case["sides"][name][key].as_str().unwrap_or_default().to_owned();
    Names { cluster: text("cluster"), node: text("node"), instance: text("instance") }
}

/// The transcripts in which `driven` does nothing but these commands, and the other side what a script can.
fn played(driven: &str, commands: &[&str]) -> Vec<(String, Value)> {
    let file = vectors("transcript");
    let cases = file["cases"].as_array().expect("cases").iter();
    let plays = |case: &&Value| {
        let plays = |step: &Value| {
            let does = step["does"][0].as_str().unwrap_or_default();
            let known = if step["by"] == driven { commands.contains(&does) } else { does != "time" };
            // Callers on tokio say their end by itself, and not with their last message.
            let says_last = does == "say" && step["by"] == driven && step["does"][3] == true;
            // Both sides end the connection here, and each may be the first.
            let both_end = step["by"] != driven
                && step["seen"]
                    .as_array()
                    .is_some_and(|events| events.contains(&json!(["closed", null, null])));
            known && !says_last && !both_end && step["held"] != true && step["batches"].is_null()
        };
        // The driver's limits are the usual ones; a script says whatever it says.
        let names = ["cluster", "node", "instance"];
        let is_usual = |side: &str| {
            case["sides"][side].as_object().is_some_and(|said| said.keys().all(|key| names.contains(&&**key)))
        };
        case["credential"].is_null()
            && is_usual(driven)
            && case["steps"].as_array().is_some_and(|steps| steps.iter().all(plays))
    };
    cases
        .filter(plays)
        .map(|case| (case["name"].as_str().unwrap_or_default().to_owned(), case.clone()))
        .collect()
}

fn steps(case: &Value) -> &[Value] {
    case["steps"].as_array().map_or(&[], Vec::as_slice)
}

fn does(step: &Value) -> &str {
    step["does"][0].as_str().unwrap_or_default()
}

/// Whether a call reaches the acceptor's service in this step.
fn makes_call(step: &Value) -> bool {
    let of_acceptor = &step[if step["by"] == "acceptor" { "own" } else { "seen" }];
    let is_call = |event: &Value| event[0] == "request" || event[0] == "notice";
    of_acceptor.as_array().is_some_and(|events| events.iter().any(is_call))
}

/// Whether a side says in this transcript that the connection is over, or hears so.
fn is_over(case: &Value) -> bool {
    let closes = |step: &Value, whose: &str| {
        step[whose].as_array().is_some_and(|events| events.iter().any(|event| event[0] == "closed"))
    };
    steps(case).iter().any(|step| closes(step, "own") || closes(step, "seen"))
}

/// What the service does with its one call in this transcript.
fn behaviour(case: &Value) -> Behaviour {
    let mut behaviour = Behaviour::default();
    let text = |step: &Value, at: usize| step["does"][at].as_str().unwrap_or_default().to_owned();
    for step in steps(case) {
        match does(step) {
            "open" => {
                behaviour.shape = match (step["does"][2].is_null(), step["does"][3] == "many") {
                    (true, true) => CallShape::Bidirectional,
                    (true, false) => CallShape::ClientStream,
                    (false, _) => CallShape::ServerStream,
                };
            }
            "say" if step["by"] == "acceptor" => behaviour.replies.push(unhex(&text(step, 2)).into()),
            "reply" => behaviour.end = Ok(unhex(&text(step, 2)).into()),
            "fail" => behaviour.end = Err(RpcError::new(code_named(&text(step, 2)), text(step, 3))),
            _ => {}
        }
    }
    behaviour
}

fn serve(start: StartServer, case: &Value, dribbles: bool) -> Result<(), String> {
    let server = start(&side(case, "acceptor"), behaviour(case));
    let mut peer = Scripted::dial(server.address, dribbles);
    for (at, step) in steps(case).iter().enumerate() {
        if step["by"] == "dialler" {
            peer.say(&bytes_of(step));
        } else {
            peer.expect(&bytes_of(step)).map_err(|words| format!("step {at}, {}: {words}", does(step)))?;
        }
    }
    if is_over(case) {
        peer.expect_end()?;
    } else {
        peer.expect_nothing()?;
    }
    drop(peer);
    server.stop()
}

#[test]
fn servers_keep_to_the_transcripts() {
    // A server that answers at once; where the vectors let a call wait, its answer would come before what is wanted.
    let mut cases = played("acceptor", &["start", "answer"]);
    cases.retain(|(name, case)| name != "HTTP" && steps(case).iter().all(|step| !makes_call(step)));
    let answered = [
        "a call, its reply, and a plain end by drain",
        "a long request in pieces, and a long reply whose last piece is in the REPLY",
        "a stream of replies",
        "a stream of replies that ends with an error",
        "a stream of requests, whose last message is also its end",
        "a stream of requests that ends without a message more",
        "streams both ways, without any message",
        "a long message of a stream, with the end",
    ];
    cases.extend(
        played("acceptor", &["start", "say", "reply", "fail"])
            .into_iter()
            .filter(|(name, _)| answered.contains(&name.as_str())),
    );
    let count = check(&SERVERS, cases, |start, case| {
        serve(start, case, false)?;
        serve(start, case, true).map_err(|words| format!("byte by byte: {words}"))
    });
    assert!(count >= 15, "only {count} transcripts were played");
}

fn call(step: &Value) -> Call {
    let does = &step["does"];
    Call {
        method: u32::try_from(does[1].as_u64().unwrap_or_default()).expect("a method"),
        request: does[2].as_str().map(unhex),
        // Not the transcript's own, which may pass while the machine is busy; it isn't compared.
        deadline_us: u64::from(DEADLINE_US_DEFAULT),
        options: options(does.as_array().and_then(|does| does.last()).expect("options"), 0),
    }
}

fn command(step: &Value) -> Option<Command> {
    let stream = || u32::try_from(step["does"][1].as_u64()?).ok();
    match does(step) {
        "call" => Some(Command::Call(call(step))),
        "send" => Some(Command::Send(call(step))),
        "cancel" => Some(Command::Cancel(stream()?)),
        "open" => {
            let arity = if step["does"][3] == "many" { Arity::Many } else { Arity::One };
            Some(Command::Open(call(step), arity))
        }
        "say" => Some(Command::Say(stream()?, unhex(step["does"][2].as_str()?), false)),
        "end" => Some(Command::Finish(stream()?)),
        "drain" => Some(Command::Drain),
        _ => None,
    }
}

/// What the dialler is told of its calls and the end in this transcript.
fn told(case: &Value) -> Vec<String> {
    let of_dialler = |step: &Value| step[if step["by"] == "dialler" { "own" } else { "seen" }].clone();
    let words = |event: &Value| {
        let text = |at: usize| event[at].as_str().map_or_else(|| event[at].to_string(), str::to_owned);
        match event[0].as_str() {
            Some("message" | "reply" | "failed") => Some(format!("{} {} {}", text(0), text(1), text(2))),
            Some("closed") if event[1].is_null() => Some("closed".to_owned()),
            Some("closed") => Some(format!("closed {}", text(1))),
            _ => None,
        }
    };
    let events: Vec<Value> = steps(case)
        .iter()
        .flat_map(|step| of_dialler(step).as_array().cloned().unwrap_or_default())
        .collect();
    events.iter().filter_map(words).collect()
}

fn dial(dial: Dial, case: &Value, dribbles: bool) -> Result<(), String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    let client = dial(listener.local_addr().map_err(|error| error.to_string())?, side(case, "dialler"));
    let mut peer = Scripted::accept(&listener, dribbles);
    for (at, step) in steps(case).iter().enumerate() {
        let within = |words| format!("step {at}, {}: {words}", does(step));
        if step["by"] == "acceptor" {
            peer.say(&bytes_of(step));
        } else {
            if let Some(command) = command(step) {
                client.commands.blocking_send(command).map_err(|_| within("it has gone".to_owned()))?;
            }
            peer.expect(&bytes_of(step)).map_err(within)?;
        }
    }
    // All that came is within the first credit, so that taking it earlier would have shown no difference.
    let opened = steps(case).iter().filter(|step| matches!(does(step), "call" | "send" | "open"));
    for (stream, _) in (1..).zip(opened).filter(|(_, step)| does(step) == "open") {
        // It has gone where the connection is over, and has told so.
        let _ = client.commands.blocking_send(Command::Take(stream));
    }
    if is_over(case) {
        peer.expect_end()?;
    } else {
        peer.expect_nothing()?;
    }
    let mut wanted = told(case);
    while !wanted.is_empty() {
        let told =
            client.told.recv_timeout(Duration::from_secs(10)).map_err(|_| format!("not told: {wanted:?}"))?;
        match wanted.iter().position(|what| *what == told) {
            Some(at) => drop(wanted.remove(at)),
            None => return Err(format!("told {told}, but wanted {wanted:?}")),
        }
    }
    Ok(())
}

#[test]
fn clients_keep_to_the_transcripts() {
    let commands = ["start", "answer", "call", "send", "open", "say", "end", "cancel", "drain"];
    let cases = played("dialler", &commands);
    let streams =
        cases.iter().filter(|(_, case)| steps(case).iter().any(|step| does(step) == "open")).count();
    assert!(streams >= 15, "only {streams} transcripts with streams were played");
    let count = check(&CLIENTS, cases, |driver, case| {
        dial(driver, case, false)?;
        dial(driver, case, true).map_err(|words| format!("byte by byte: {words}"))
    });
    assert!(count >= 15, "only {count} transcripts were played");
}
