//! Lines that somebody types, or that a pipe has: read on a thread of their own, since nothing else can be done meanwhile there.

use std::io::{self, BufRead};
use std::thread::{self, JoinHandle};

use rustyline::config::Configurer;
use rustyline::error::ReadlineError;
use rustyline::history::DefaultHistory;
use rustyline::{Editor, ExternalPrinter, Helper};
use tokio::sync::mpsc;

use crate::error::CommandError;
use crate::terminal;

/// Lines that wait to be sent.
const LINES_MAX: usize = 16;
/// Lines before that are remembered.
const REMEMBERED_MAX: usize = 1_000;
/// The longest line that is taken of a pipe at once; the rest of it follows. In bytes.
const PIECE_BYTES_MAX: usize = 1 << 20;

/// A line without its end.
pub(crate) struct Typed(pub(crate) Vec<u8>);

/// Where lines come from, and where answers are shown.
pub(crate) struct Typing {
    lines: mpsc::Receiver<Typed>,
    thread: Option<JoinHandle<()>>,
    /// Writes above the line that is being edited.
    printer: Option<Box<dyn ExternalPrinter>>,
}

impl Typing {
    /// Lines that are edited behind a prompt, with help in it. Ctrl-C is as good as the line `interrupt`.
    pub(crate) fn on_terminal<H: Helper + Send + 'static>(
        prompt: &str,
        note: &str,
        interrupt: &'static str,
        helper: H,
    ) -> Result<Self, CommandError> {
        let unusable =
            |error: ReadlineError| CommandError::new(format!("the terminal can't be used: {error}"));
        let mut editor = Editor::<H, DefaultHistory>::new().map_err(unusable)?;
        editor.set_helper(Some(helper));
        editor.set_max_history_size(REMEMBERED_MAX).map_err(unusable)?;
        let printer = editor.create_external_printer().map_err(unusable)?;
        let (sender, lines) = mpsc::channel(LINES_MAX);
        terminal::note(note);
        let prompt = prompt.to_owned();
        let thread = thread::spawn(move || edit(editor, &prompt, interrupt, &sender));
        Ok(Self { lines, thread: Some(thread), printer: Some(Box::new(printer)) })
    }

    /// Lines as they are.
    pub(crate) fn from_pipe() -> Self {
        let (sender, lines) = mpsc::channel(LINES_MAX);
        thread::spawn(move || read(&mut io::stdin().lock(), &sender));
        Self { lines, thread: None, printer: None }
    }

    pub(crate) fn is_on_terminal(&self) -> bool {
        self.printer.is_some()
    }

    /// The next line; `None` when there are no more.
    pub(crate) async fn next(&mut self) -> Option<Typed> {
        self.lines.recv().await
    }

    /// Shows a line of an answer.
    pub(crate) fn show(&mut self, line: &str) {
        match &mut self.printer {
            // Where it can't be written there is nobody to be told.
            Some(printer) => _ = printer.print(format!("{line}\n")),
            None => terminal::say(line),
        }
    }

    /// The peer has nothing more to say. A terminal is given back as it was: by the thread that edits, once it has its line. Whether
    /// somebody was still typing.
    pub(crate) async fn ended_by_peer(&mut self) -> bool {
        let Some(thread) = self.thread.take() else { return false };
        self.lines.close();
        let was_typing = !thread.is_finished();
        if was_typing {
            self.show("the other side has ended the connection: press return");
        }
        let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        was_typing
    }
}

fn edit<H: Helper>(
    mut editor: Editor<H, DefaultHistory>,
    prompt: &str,
    interrupt: &str,
    lines: &mpsc::Sender<Typed>,
) {
    loop {
        let line = match editor.readline(prompt) {
            Ok(line) => line,
            Err(ReadlineError::Interrupted) => interrupt.to_owned(),
            Err(_) => return,
        };
        if is_remembered(&line) {
            let _ = editor.add_history_entry(&line);
        }
        if lines.blocking_send(Typed(line.into_bytes())).is_err() {
            return;
        }
    }
}

/// Lines with tokens in them are not shown again.
fn is_remembered(line: &str) -> bool {
    let verb = line.split_whitespace().next().unwrap_or("");
    !verb.is_empty() && !verb.eq_ignore_ascii_case("AUTH")
}

fn read(input: &mut dyn BufRead, lines: &mpsc::Sender<Typed>) {
    loop {
        let mut line = Vec::new();
        let mut piece = io::Read::take(&mut *input, PIECE_BYTES_MAX as u64);
        match piece.read_until(b'\n', &mut line) {
            Ok(1..) => {}
            _ => return,
        }
        if line.last() == Some(&b'\n') {
            line.pop();
        }
        if lines.blocking_send(Typed(line)).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_pipe_are_sent_as_they_are() {
        let (sender, mut lines) = mpsc::channel(LINES_MAX);
        read(&mut &b"PING\r\n\n\xff\nlast"[..], &sender);
        drop(sender);
        let mut all = Vec::new();
        while let Some(Typed(line)) = lines.blocking_recv() {
            all.push(line);
        }
        assert_eq!(all, [&b"PING\r"[..], b"", b"\xff", b"last"]);
    }

    #[test]
    fn tokens_are_not_remembered() {
        let remembered = ["PING", "auth x", " AUTH x", "", "TOKEN x"].map(is_remembered);
        assert_eq!(remembered, [true, false, false, false, true]);
    }
}
