//! Asking for an address and a password: on a terminal, without showing the latter, or from stdin.

use std::io::{self, BufRead, IsTerminal, Read, Write};

use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use crate::error::CommandError;

/// The longest line that is read, in bytes: an address has 254, a password 128 characters.
const LINE_BYTES_MAX: u64 = 1024;

/// Asks for the e-mail address.
pub(super) fn email() -> Result<String, CommandError> {
    if !io::stdin().is_terminal() {
        return Err(CommandError::usage("whose account is it?")
            .next("name its address: micronet login EMAIL; the password is read from stdin"));
    }
    ask("E-mail: ")
}

/// Asks for the password. Where stdin is no terminal, it is its first line.
pub(super) fn password(email: &str) -> Result<String, CommandError> {
    if !io::stdin().is_terminal() {
        return line();
    }
    let failed = |error: rustix::io::Errno| {
        CommandError::new(format!("the terminal doesn't stop showing what is typed: {error}"))
            .next("give the password on stdin: micronet login EMAIL < FILE")
    };
    let before = tcgetattr(io::stdin()).map_err(failed)?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    tcsetattr(io::stdin(), OptionalActions::Flush, &silent).map_err(failed)?;
    let answer = ask(&format!("Password of {email}: "));
    let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &before);
    let _ = writeln!(io::stderr());
    answer
}

fn ask(question: &str) -> Result<String, CommandError> {
    let mut out = io::stderr().lock();
    let _ = write!(out, "{question}").and_then(|()| out.flush());
    line()
}

fn line() -> Result<String, CommandError> {
    let mut text = String::new();
    io::stdin()
        .lock()
        .take(LINE_BYTES_MAX)
        .read_line(&mut text)
        .map_err(|error| CommandError::new(format!("cannot read stdin: {error}")))?;
    let line = text.trim_end_matches(['\r', '\n']);
    if line.is_empty() {
        return Err(CommandError::usage("nothing was typed"));
    }
    Ok(line.to_owned())
}
