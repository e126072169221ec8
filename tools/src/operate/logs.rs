//! `micronet logs`: the end of processes' logs, and what is added to them.

use std::process::ExitCode;

use micronet_transport::clock;
use micronet_wire::limits::DEADLINE_US_MAX;
use micronet_wire::service::CallOptions;

use super::{Answer, Control, failure, options};
use crate::control::api::{Line, LogOf};
use crate::error::CommandError;
use crate::terminal::{self, Style};

/// Shows them, once or until Ctrl-C.
pub(super) async fn run(
    control: &Control,
    name: Option<String>,
    lines: u32,
    follow: bool,
) -> Result<ExitCode, CommandError> {
    let style = Style::for_stdout();
    let of = LogOf { name, lines: Some(lines) };
    if !follow {
        let lines = control.log(&of, options()).await.map_err(failure)?;
        lines.lines.iter().for_each(|line| terminal::say(&shown(line, style)));
        return Ok(ExitCode::SUCCESS);
    }
    tokio::select! {
        ended = on_and_on(control, of, style) => ended.map(|()| ExitCode::SUCCESS).map_err(failure),
        stopped = tokio::signal::ctrl_c() => match stopped {
            Ok(()) => Ok(ExitCode::SUCCESS),
            Err(error) => Err(CommandError::new(format!("could not listen for Ctrl-C: {error}"))),
        },
    }
}

/// Follows them to the end of the network.
async fn on_and_on(control: &Control, of: LogOf, style: Style) -> Answer<()> {
    let longest = CallOptions {
        deadline_ns: clock::now() + u64::from(DEADLINE_US_MAX) * 1_000,
        ..CallOptions::default()
    };
    let mut lines = control.follow(&of, longest).await?;
    while let Some(line) = lines.next().await? {
        terminal::say(&shown(&line, style));
    }
    Ok(())
}

fn shown(line: &Line, style: Style) -> String {
    format!("{} {}", style.dim(format!("{}:", line.instance)), line.text)
}
