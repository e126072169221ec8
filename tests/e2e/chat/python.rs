//! The chat by a client of WebSocket that others have written.

use std::process::{Command, Stdio};

use micronet_tests::network::Network;
use micronet_tests::process::run;

use super::talker::{CLIENT, MANAGER, token};
use crate::openapi::python_with;

/// Connects, says some lines, and prints what is told up to an answer to the last one.
const TALK: &str = r#"
import asyncio, json, re, sys
import websockets

async def talk(url, token, lines):
    headers = {"Authorization": f"Bearer {token}"}
    async with websockets.connect(url, additional_headers=headers) as chat:
        print(json.loads(await chat.recv())["message"])
        second = json.loads(await chat.recv())["message"]
        assert re.fullmatch(r"Your User ID: user_[0-9a-f]{8} \| Role: \w+ \| Type 'help' for commands", second), second
        for line in lines:
            await chat.send(line)
            while True:
                said = json.loads(await chat.recv())
                assert said["timestamp"].endswith("Z"), said
                if said["kind"] in ("answer", "result", "error", "confirm"):
                    print(said["kind"], said["message"].splitlines()[0])
                    break
        await chat.send(json.dumps({"text": "quit"}))
        while json.loads(await chat.recv())["message"] != "Goodbye":
            pass
        try:
            await chat.recv()
        except websockets.ConnectionClosedOK as closed:
            print("closed", closed.rcvd.code)

asyncio.run(talk(sys.argv[1], sys.argv[2], sys.argv[3:]))
"#;

#[test]
fn python_talks_with_the_chat() {
    let Some(python) = python_with("websockets") else { return };
    let network = Network::start("shop");
    let url = format!("ws://{}/ws/chatops", network.gateway());
    let talk = |account, lines: &[&str]| {
        let mut command = Command::new(&python);
        command.args(["-c", TALK, &url, &token(&network, account)]).args(lines).stdin(Stdio::null());
        run(command).check(0).stdout
    };
    let said = talk(MANAGER, &["help", "status user", "fail user", "no"]);
    let wanted = [
        "Connected to Network Management ChatOps! Role: manager",
        "answer Commands:",
        "result user: RUNNING, 1 of 1",
        "confirm fail user: nobody could call user any more: it blocks user-1. Do it? yes ",
        "answer fail user: left as it is",
        "closed 1000",
    ];
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), wanted.len(), "{said}");
    for (line, wanted) in lines.iter().zip(wanted) {
        assert!(line.starts_with(wanted), "{wanted}: {said}");
    }
    let said = talk(CLIENT, &["instances", "fail user"]);
    assert!(said.contains("Role: client"), "{said}");
    assert!(said.contains("error fail needs the permission control:write"), "{said}");
}
