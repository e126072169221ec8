//! Calls with streams of messages: requests are lines that come in, replies are lines that go out, each a JSON object.
//!
//! Lines are read and written by threads of their own, one at a time: a terminal that is slow holds up its stream, and not the
//! connection's heartbeat.

use std::future::{pending, poll_fn};
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::rc::Rc;

use bytes::BytesMut;
use micronet_transport::client::Client;
use micronet_wire::error::RpcError;
use micronet_wire::schema::{CallShape, Method, ServiceSchema, Type};
use micronet_wire::service::{Arity, CallOptions, Caller, Exchange};
use micronet_wire::transcode::to_binary;
use tokio::sync::{mpsc, oneshot};

use super::failed::failed;
use super::lines::{Line, Lines};
use super::{request, request_of, shown};
use crate::config::{CallConfig, Request};
use crate::error::CommandError;
use crate::terminal;

/// Whether a method has a stream of messages, in any direction.
pub(super) fn has_streams(method: &Method) -> bool {
    many_requests(method) || many_replies(method)
}

fn many_requests(method: &Method) -> bool {
    matches!(method.shape, CallShape::ClientStream | CallShape::Bidirectional)
}

/// Whether a method gives many replies.
pub(super) fn many_replies(method: &Method) -> bool {
    matches!(method.shape, CallShape::ServerStream | CallShape::Bidirectional)
}

/// Makes a call with streams, to its end or until it is stopped.
pub(super) async fn invoke(
    config: &CallConfig,
    client: &Client,
    schema: &ServiceSchema,
    method: &Method,
    options: CallOptions,
) -> Result<ExitCode, CommandError> {
    let (request, lines) = if many_requests(method) {
        (None, Some(lines_of(config, schema, method)?))
    } else {
        match request_of(config, schema, method)? {
            Ok(request) => (Some(request), None),
            Err(code) => return Ok(code),
        }
    };
    let request_id = options.request_id.clone();
    let replies = if many_replies(method) { Arity::Many } else { Arity::One };
    let exchange = match client.open(method.id, request, replies, options).await {
        Ok(exchange) => exchange,
        Err(error) => return failed(config.json, schema, method, &request_id, &error),
    };
    let call = Streaming { config, schema, method, request_id: request_id.into(), exchange };
    tokio::select! {
        ended = call.run(lines) => ended,
        stopped = tokio::signal::ctrl_c() => {
            stopped.map_err(|error| CommandError::new(format!("could not listen for Ctrl-C: {error}")))?;
            call.exchange.cancel();
            if many_requests(method) {
                let words = "stopped before its end: what was sent may have been done";
                return Err(CommandError::new(format!("{}: {words}", call.called())));
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Where the requests come from.
fn lines_of(config: &CallConfig, schema: &ServiceSchema, method: &Method) -> Result<Lines, CommandError> {
    if let Some(path) = &config.file {
        return lines_of_file(path);
    }
    match &config.request {
        Request::Json(text) if text.is_empty() && io::stdin().is_terminal() => {
            let called = format!("{}.{}", schema.name, method.name);
            let advice = format!(
                "write them to `micronet call {called} -` and end with Ctrl-D, or name a file: @FILE"
            );
            let words = format!("{called} takes many requests, one JSON object a line");
            Err(CommandError::usage(words).next(advice))
        }
        Request::Json(text) if text.is_empty() => Ok(Lines::read(io::BufReader::new(io::stdin()))),
        Request::Stdin => Ok(Lines::read(io::BufReader::new(io::stdin()))),
        Request::File(path) => lines_of_file(path),
        one => Ok(Lines::read(io::Cursor::new(request::json(one, schema, method)?))),
    }
}

fn lines_of_file(path: &Path) -> Result<Lines, CommandError> {
    let file = std::fs::File::open(path)
        .map_err(|error| CommandError::new(format!("cannot read {}: {error}", path.display())))?;
    Ok(Lines::read(io::BufReader::new(file)))
}

/// A call on its way.
struct Streaming<'a> {
    config: &'a CallConfig,
    schema: &'a ServiceSchema,
    method: &'a Method,
    request_id: String,
    exchange: Rc<dyn Exchange>,
}

impl Streaming<'_> {
    async fn run(&self, lines: Option<Lines>) -> Result<ExitCode, CommandError> {
        let receiving = async {
            if many_replies(self.method) { self.receive_all().await } else { self.receive_one().await }
        };
        let sending = async {
            if let Some(lines) = lines
                && let Err(error) = self.send(lines).await
            {
                return error;
            }
            pending().await
        };
        tokio::select! {
            biased;
            received = receiving => received,
            error = sending => {
                self.exchange.cancel();
                Err(error)
            }
        }
    }

    /// Sends the lines as requests, each as soon as the service takes it. An error is one of the lines: how the call ends is told
    /// where its replies come.
    async fn send(&self, mut lines: Lines) -> Result<(), CommandError> {
        let lenient = without_constraints(self.schema);
        while let Some(line) = lines.next().await {
            let Line { number, text } = line?;
            let mut request = BytesMut::new();
            to_binary(&lenient, self.method.request, &text, &[], &mut request).map_err(|error| {
                let (called, error) = (self.called(), error.to_string());
                // To JSON a line is a whole text, of one line.
                let wrong = error.strip_prefix("line 1, ").unwrap_or(&error);
                CommandError::new(format!("{called}: line {number} was not sent: {wrong}"))
                    .next("the lines before it were sent, and may have been done")
            })?;
            let sent = match poll_fn(|cx| self.exchange.poll_room(cx)).await {
                Ok(()) => self.exchange.send(request.freeze()),
                Err(error) => Err(error),
            };
            if sent.is_err() {
                return Ok(());
            }
        }
        self.exchange.finish();
        Ok(())
    }

    async fn receive_one(&self) -> Result<ExitCode, CommandError> {
        match poll_fn(|cx| self.exchange.poll_reply(cx)).await {
            Ok(reply) => {
                terminal::say(&self.shown(&reply.body)?);
                Ok(ExitCode::SUCCESS)
            }
            Err(error) => self.failed(&error),
        }
    }

    async fn receive_all(&self) -> Result<ExitCode, CommandError> {
        let printer = Printer::start();
        let mut left = self.config.count.unwrap_or(u64::MAX);
        let ended = loop {
            if left == 0 {
                self.exchange.cancel();
                break Ok(());
            }
            match poll_fn(|cx| self.exchange.poll_message(cx)).await {
                Ok(Some(reply)) => {
                    // Nobody reads any more: `micronet call … | head`.
                    if !printer.print(self.shown(&reply)?).await {
                        self.exchange.cancel();
                        return Ok(ExitCode::SUCCESS);
                    }
                    left -= 1;
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        printer.finish().await;
        match ended {
            Ok(()) => Ok(ExitCode::SUCCESS),
            Err(error) => self.failed(&error),
        }
    }

    fn failed(&self, error: &RpcError) -> Result<ExitCode, CommandError> {
        failed(self.config.json, self.schema, self.method, &self.request_id, error)
    }

    fn called(&self) -> String {
        format!("{}.{}", self.schema.name, self.method.name)
    }

    fn shown(&self, reply: &[u8]) -> Result<String, CommandError> {
        shown(self.schema, self.method, reply)
    }
}

/// The schema without the constraints of fields: what breaks them is the service's to judge, which knows what becomes of the other
/// requests then.
fn without_constraints(schema: &ServiceSchema) -> ServiceSchema {
    let mut lenient = schema.clone();
    for described in &mut lenient.types {
        let fields = match described {
            Type::Struct { fields, .. } => fields.iter_mut().collect::<Vec<_>>(),
            Type::Enum { variants, .. } => {
                variants.iter_mut().flat_map(|variant| &mut variant.fields).collect()
            }
            _ => continue,
        };
        for field in fields {
            (field.min, field.max) = (None, None);
        }
    }
    lenient
}

/// Writes lines to stdout, on a thread of its own.
struct Printer {
    lines: mpsc::Sender<String>,
    done: oneshot::Receiver<()>,
}

impl Printer {
    fn start() -> Self {
        let (lines, mut next) = mpsc::channel::<String>(1);
        let (end, done) = oneshot::channel();
        std::thread::spawn(move || {
            while let Some(line) = next.blocking_recv() {
                let mut out = io::stdout().lock();
                if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
                    break;
                }
            }
            drop(next);
            let _ = end.send(());
        });
        Self { lines, done }
    }

    /// Prints a line; false when nobody reads them.
    async fn print(&self, line: String) -> bool {
        self.lines.send(line).await.is_ok()
    }

    /// Waits until all is printed.
    async fn finish(self) {
        drop(self.lines);
        let _ = self.done.await;
    }
}
