//! `micronet chat`: a conversation with the chat of those who operate the network.

mod completion;
mod shown;
mod way;
mod websocket;

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use micronet_wire::error::Code;

use self::completion::Helper;
use self::shown::Shown;
use self::way::Way;
use crate::config::ChatConfig;
use crate::control::api::chat::Said;
use crate::error::CommandError;
use crate::nc::typing::{Typed, Typing};
use crate::server_process;
use crate::terminal;

/// What Ctrl-C says.
const INTERRUPT: &str = "stop";

/// Talks until either side has said everything.
pub(crate) fn run(config: &ChatConfig) -> Result<ExitCode, CommandError> {
    server_process::runtime()?.block_on(talk(config))
}

async fn talk(config: &ChatConfig) -> Result<ExitCode, CommandError> {
    let mut way = Way::open(config).await.map_err(CommandError::into_usage)?;
    let on_terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
    let helper = Helper::default();
    let names = helper.names();
    let mut typing = if on_terminal {
        let note = "Tab completes; Ctrl-C ends a tap, Ctrl-D the conversation";
        Typing::on_terminal("> ", note, INTERRUPT, helper)?
    } else {
        Typing::from_pipe()
    };
    let mut shown = Shown::new(config.json, on_terminal);
    // Lines of a pipe are done one after another.
    let (mut has_said_all, mut waits) = (false, false);
    loop {
        tokio::select! {
            said = way.next() => match said {
                Ok(Some(said)) => {
                    names.learn(&said);
                    waits &= !ends_a_line(&said);
                    shown.show(&said, &mut typing);
                }
                Ok(None) => break,
                // SPEC 4.8: a stream lasts an hour, and nobody who sits there need notice.
                Err(error) if error.code == Code::DeadlineExceeded && on_terminal => {
                    way = Way::open(config).await?;
                }
                Err(error) => {
                    return Err(CommandError::new(format!("the chat has ended: {}", error.message))
                        .next("was the network stopped? `micronet ps` shows what runs"));
                }
            },
            typed = typing.next(), if !has_said_all && !waits => match typed {
                Some(Typed(line)) => {
                    let line = String::from_utf8_lossy(&line);
                    if line.trim().is_empty() {
                        continue;
                    }
                    // Who has ended the conversation says why.
                    has_said_all = way.send(&line).await.is_err();
                    waits = !on_terminal;
                }
                None => {
                    has_said_all = true;
                    way.finish().await;
                }
            },
        }
    }
    if typing.ended_by_peer().await {
        terminal::note("the conversation has ended");
    }
    Ok(if shown.has_failed() && !on_terminal { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Whether nothing more is told of the line that was said last, but perhaps what it was asked about.
fn ends_a_line(said: &Said) -> bool {
    match &*said.kind {
        "result" | "error" | "confirm" => true,
        // With an execution it is a part of what goes on.
        "answer" => said.execution.is_none(),
        _ => false,
    }
}
