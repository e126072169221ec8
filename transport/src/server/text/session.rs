//! What a connection has said of its calls, and the commands that are no calls.

use std::io;

use bytes::BytesMut;
use micronet_wire::error::RpcError;
use micronet_wire::json::{Object, put_string};
use micronet_wire::ledger::Ledger;
use micronet_wire::limits::DEADLINE_US_DEFAULT;
use micronet_wire::principal::Principal;
use micronet_wire::rest::Answer;
use micronet_wire::schema::{EncodedSchema, Method};
use micronet_wire::text::{Command, nearest, put_help};
use micronet_wire::transcode::put_timestamp;

use super::{TextConnection, Then};
use crate::bearers::Asker;
use crate::clock;
use crate::driver::ByteStream;
use crate::ops::Page;

/// What holds for the calls of a connection.
pub(super) struct Session {
    /// Who asks without a token.
    peer: Principal,
    /// The bearer token that was shown. It is looked at again by each call.
    bearer: Option<String>,
    pub(super) deadline_us: u32,
    /// The idempotency token of the next call.
    pub(super) token: Option<String>,
    pub(super) traces: bool,
    /// The last call, and where its time went.
    pub(super) last: Option<(String, Ledger)>,
}

impl Session {
    pub(super) fn new(peer: Principal) -> Self {
        let deadline_us = DEADLINE_US_DEFAULT;
        Self { peer, bearer: None, deadline_us, token: None, traces: false, last: None }
    }
}

impl<S: ByteStream> TextConnection<S> {
    /// Carries a command out, and puts its answer into the output.
    pub(super) async fn carry_out(&mut self, command: Command<'_>) -> io::Result<Then> {
        match command {
            Command::Help(about) => {
                put_help(self.writer, &mut self.wire.output, about);
                self.writer.end(&mut self.wire.output);
            }
            Command::Methods => self.methods(),
            Command::Schema(about) => self.schema(about),
            Command::Call(method, json) => return self.call(method, json).await,
            Command::Stream(method, json) => return self.stream(method, json).await,
            Command::Ping => self.answer("PONG", |out| {
                let mut object = Object::begin(out);
                object.value("time", |out| put_timestamp(out, clock::unix_us())).end();
            }),
            Command::Health => self.health().await,
            Command::Stats => self.stats(),
            Command::Who => self.who().await,
            Command::Ledger => self.ledger(),
            Command::Deadline(us) => {
                self.session.deadline_us = us.unwrap_or(DEADLINE_US_DEFAULT);
                let words = format!("calls may take {} ms", milliseconds(self.session.deadline_us.into()));
                self.answer_words(&words);
            }
            Command::Token(token) => {
                self.session.token = token.map(str::to_owned);
                self.answer_words(match token {
                    Some(_) => "the next call bears it",
                    None => "the next call bears none that you know",
                });
            }
            Command::Auth(token) => self.auth(token).await,
            Command::Trace(on) => {
                self.session.traces = on.unwrap_or(self.session.traces);
                self.answer_words(if self.session.traces { "on" } else { "off" });
            }
            Command::Quit => {
                self.answer_words("goodbye");
                return Ok(Then::End);
            }
        }
        Ok(Then::GoOn)
    }

    /// An answer of words.
    pub(super) fn answer_words(&mut self, words: &str) {
        self.writer.ok(&mut self.wire.output, words);
        self.writer.end(&mut self.wire.output);
    }

    /// An answer of words and a line of JSON.
    pub(super) fn answer(&mut self, words: &str, put: impl FnOnce(&mut BytesMut)) {
        self.writer.ok(&mut self.wire.output, words);
        self.writer.line(&mut self.wire.output, put);
        self.writer.end(&mut self.wire.output);
    }

    /// An error as HTTP would answer it, in this language; without a request id it gets one of its own.
    pub(super) fn refuse_as(&mut self, answer: &Answer, request_id: &str) {
        if let Some(words) = &answer.for_the_log {
            tracing::error!(words, "an answer that can't be shown");
        }
        let request_id = match request_id {
            "" => self.port.site.request_ids.adopt(None),
            known => known.to_owned(),
        };
        let code = answer.error_code().unwrap_or("INTERNAL");
        self.writer.err(&mut self.wire.output, code, answer.error_words().unwrap_or_default());
        self.writer.line(&mut self.wire.output, |out| {
            out.extend_from_slice(answer.error_message(&request_id).as_bytes());
        });
    }

    /// An error of the RPC, as a whole answer.
    pub(super) fn refuse_by(&mut self, error: &RpcError) {
        self.refuse_as(&Answer::rpc_error(error), "");
        self.writer.end(&mut self.wire.output);
    }

    /// Who asks now.
    pub(super) async fn asker(&self) -> Result<Asker, RpcError> {
        match &self.session.bearer {
            None => Ok(Asker::Known(self.session.peer.clone())),
            Some(token) => Asker::of_token(token, &self.port.identity).await,
        }
    }

    /// A method by its name; that of the port's own service may be left out.
    pub(super) fn find(&mut self, name: &str) -> Option<(EncodedSchema, Method)> {
        let schemas = std::rc::Rc::clone(&self.port.schemas);
        let own = schemas.first().map(|schema| schema.schema().name.as_str()).unwrap_or_default();
        let (service, method) = name.split_once('.').unwrap_or((own, name));
        let of_service = schemas.iter().find(|schema| schema.schema().name == service);
        let found = of_service.and_then(|schema| Some((schema, schema.schema().method_named(method)?)));
        if let Some((schema, method)) = found {
            return Some((schema.clone(), method.clone()));
        }
        let names: Vec<String> = schemas.iter().flat_map(qualified_names).collect();
        let shown: String = name.chars().take(64).collect();
        let words = match nearest(&format!("{service}.{method}"), names.iter().map(String::as_str)) {
            Some(meant) => format!("there is no method {shown} here; {meant} perhaps? METHODS lists all"),
            None => format!("there is no method {shown} here; METHODS lists all"),
        };
        self.refuse("UNKNOWN_METHOD", &words);
        None
    }

    fn methods(&mut self) {
        let schemas = std::rc::Rc::clone(&self.port.schemas);
        let count: usize = schemas.iter().map(|schema| schema.schema().methods.len()).sum();
        self.writer.ok(&mut self.wire.output, format_args!("{count} methods"));
        for schema in schemas.iter().map(EncodedSchema::schema) {
            for method in &schema.methods {
                self.writer.line(&mut self.wire.output, |out| schema.put_method(method, out));
            }
        }
        self.writer.end(&mut self.wire.output);
    }

    fn schema(&mut self, about: Option<&str>) {
        let Some(name) = about else {
            let schemas = std::rc::Rc::clone(&self.port.schemas);
            let Some(own) = schemas.first() else { return };
            let words = format!("{} {}", own.schema().name, own.fingerprint());
            return self.answer(&words, |out| own.put_json(out));
        };
        let Some((schema, method)) = self.find(name) else { return };
        let words = format!("{}.{}", schema.schema().name, method.name);
        self.answer(&words, |out| schema.schema().put_method_whole(&method, out));
    }

    async fn health(&mut self) {
        let answer = Page::Health.look(&self.port.identity, self.port.drain.has_begun()).await;
        let words = if answer.status.code() == 200 { "healthy" } else { "unhealthy" };
        self.answer(words, |out| out.extend_from_slice(answer.body().trim_ascii_end()));
    }

    fn stats(&mut self) {
        let port = self.port.clone();
        self.answer(&self.port.identity.instance.clone(), |out| port.put_stats(out));
    }

    async fn who(&mut self) {
        let asker = match self.asker().await {
            Ok(asker) => asker,
            Err(error) => return self.refuse_by(&error),
        };
        let (port, seen) = (self.port.clone(), std::rc::Rc::clone(self.open.seen()));
        let words = format!("you are {}", asker.principal().key());
        self.answer(&words, |out| port.connections.put_json(out, &seen, asker.principal()));
    }

    fn ledger(&mut self) {
        let Some((method, ledger)) = self.session.last.clone() else {
            return self.refuse("NOT_FOUND", "no call has been made on this connection");
        };
        self.answer(&method.clone(), |out| {
            let mut object = Object::begin(out);
            object.value("method", |out| put_string(out, &method));
            put_ledger(&mut object, &ledger);
            object.end();
        });
    }

    async fn auth(&mut self, token: Option<&str>) {
        let before = std::mem::replace(&mut self.session.bearer, token.map(str::to_owned));
        match self.asker().await {
            Ok(asker) => {
                let words = format!("you are {}", asker.principal().key());
                self.open.seen().is_of(asker.principal().clone());
                self.answer_words(&words);
            }
            Err(error) => {
                self.session.bearer = before;
                self.refuse_by(&error);
            }
        }
    }
}

fn qualified_names(schema: &EncodedSchema) -> impl Iterator<Item = String> {
    let schema = schema.schema();
    schema.methods.iter().map(|method| format!("{}.{}", schema.name, method.name))
}

/// The parts of a ledger.
pub(super) fn put_ledger(object: &mut Object<'_>, ledger: &Ledger) {
    object.unsigned("receive_queue_us", ledger.receive_queue_us.into());
    object.unsigned("handler_us", ledger.handler_us.into());
    object.unsigned("credit_wait_us", ledger.credit_wait_us.into());
    object.unsigned("write_queue_us", ledger.write_queue_us.into());
}

/// Microseconds as milliseconds with their fraction.
pub(super) fn milliseconds(us: u64) -> String {
    match us % 1_000 {
        0 => (us / 1_000).to_string(),
        fraction => format!("{}.{fraction:03}", us / 1_000),
    }
}
