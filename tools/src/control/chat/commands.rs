//! What commands are, how a line becomes one of the table, and who may give it.

use std::sync::LazyLock;

use micronet_gateway::api::gateway_schema;
use micronet_services::auth::api::auth_schema;
use micronet_wire::error::RpcError;
use micronet_wire::principal::Principal;
use micronet_wire::schema::{Access, CallShape, Method, ServiceSchema};
use micronet_wire::service::authorize;

use super::grammar::{self, Form, Wrong};
use super::names::Names;
use super::table::COMMANDS;
use super::values::Values;
use crate::control::api::control_schema;

/// The schemas of the services that commands call. Making one takes longer than most commands.
static SCHEMAS: LazyLock<[ServiceSchema; 3]> =
    LazyLock::new(|| [control_schema(), gateway_schema(), auth_schema()]);

/// What a command does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Help,
    Status,
    Instances,
    Top,
    Fail,
    Recover,
    Start,
    Stop,
    Restart,
    Scale,
    Drain,
    Undrain,
    Latency,
    Errors,
    Algorithm,
    Weight,
    Tap,
    Why,
    Call,
    Drill,
    Alerts,
    Audit,
    WhoAmI,
    Who,
    Yes,
    No,
    Quit,
}

/// A method of a service, and what its schema says of who may call it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Called {
    pub(super) service: &'static str,
    pub(super) method: &'static str,
}

/// A command.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) verb: Verb,
    pub(super) form: Form,
    /// Other names, by which it is found too.
    pub(super) aliases: &'static [&'static str],
    /// The method that it calls, whose permission it needs; nothing for what concerns the conversation alone.
    pub(super) calls: Option<Called>,
    /// Without this argument it only looks, by that method.
    pub(super) looks: Option<(&'static str, Called)>,
    /// It takes a while: its beginning is told.
    pub(super) lasts: bool,
    /// When it asks whether that is meant; empty for never.
    pub(super) asks: &'static str,
    /// What it does, in a line.
    pub(super) help: &'static str,
    /// An example.
    pub(super) example: &'static str,
}

/// A command with its arguments.
#[derive(Debug, Clone)]
pub(super) struct Order {
    pub(super) command: &'static Command,
    pub(super) values: Values,
    /// As it was typed.
    pub(super) line: String,
}

/// The names of all commands.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    COMMANDS.iter().map(|command| command.form.name)
}

/// The command that has this name, or is also known by it.
pub(super) fn named_so(name: &str) -> Option<&'static Command> {
    COMMANDS.iter().find(|command| command.form.name == name || command.aliases.contains(&name))
}

/// The command that a line says; `None` where it says nothing.
pub(super) fn read(line: &str, names: &Names) -> Result<Option<Order>, Wrong> {
    let Some((word, rest)) = grammar::first_word(line)? else { return Ok(None) };
    let aliases = || COMMANDS.iter().flat_map(|command| command.aliases.iter().copied());
    let command = named_so(&word).ok_or_else(|| grammar::unknown(&word, self::names(), aliases()))?;
    let values = command.form.read(rest, names)?;
    Ok(Some(Order { command, values, line: line.trim().to_owned() }))
}

/// What the last word of a line can become, and at which byte it begins.
pub(crate) fn complete(line: &str, names: &Names) -> (usize, Vec<String>) {
    let at = line.rfind(char::is_whitespace).map_or(0, |at| at + 1);
    let (before, last) = line.split_at(at);
    let before: Vec<&str> = before.split_whitespace().collect();
    let mut candidates = match before.split_first() {
        None => self::names().map(str::to_owned).collect(),
        Some((name, before)) => match named_so(&name.to_lowercase()) {
            Some(command) => command.form.complete(before, names),
            None => Vec::new(),
        },
    };
    candidates.retain(|candidate| candidate.starts_with(last));
    (at, candidates)
}

impl Order {
    /// The method whose permission decides.
    pub(super) fn calls(&self) -> Option<Called> {
        match self.command.looks {
            Some((argument, looks)) if !self.values.has(argument) => Some(looks),
            // Alone it concerns the conversation.
            _ if self.command.verb == Verb::Stop && !self.values.has("process") => None,
            _ => self.command.calls,
        }
    }

    /// Checks that this one may, by the rule that decides over RPC too.
    pub(super) fn authorize(&self, principal: &Principal) -> Result<(), RpcError> {
        self.calls().map_or(Ok(()), |called| authorize(principal, &called.access()))
    }

    /// Whether its beginning is told, since its end may take a while.
    pub(super) fn lasts(&self) -> bool {
        let only_looks = self.command.looks.is_some_and(|(argument, _)| !self.values.has(argument));
        self.command.lasts && !only_looks
    }

    /// Whether it changes something, and isn't refused by looking alone.
    pub(super) fn changes(&self) -> bool {
        self.calls().is_some_and(|called| !called.only_looks())
    }

    /// Why it asks whether it is meant; `None` if it doesn't.
    pub(super) fn question(&self, names: &Names) -> Option<String> {
        let process = self.values.text("process").unwrap_or_default();
        match self.command.verb {
            Verb::Fail if names.is_whole_service(process) => {
                let service = names.service_of(process).unwrap_or(process);
                let instances = names.instances_of(process).join(", ");
                Some(format!("nobody could call {service} any more: it blocks {instances}"))
            }
            Verb::Stop => {
                let instances = names.instances_of(process);
                let whole =
                    if names.is_whole_service(process) { ", and nothing is left of the service" } else { "" };
                (!instances.is_empty()).then(|| format!("it ends {}{whole}", instances.join(", ")))
            }
            Verb::Scale => {
                let service = self.values.text("service").unwrap_or_default();
                let (now, wanted) = (names.instances_of(service).len() as u64, self.values.number("count")?);
                (wanted < now).then(|| format!("{service} has {now} instances: {} would go", now - wanted))
            }
            Verb::Drill if self.values.has("kind") => {
                let (kind, name) =
                    (self.values.text("kind")?, self.values.text("name").unwrap_or("a service"));
                Some(format!("{kind} breaks something of {name} on purpose, under a load that is measured"))
            }
            _ => None,
        }
    }
}

impl Called {
    /// Its name, as `control.fail`.
    pub(super) fn name(self) -> String {
        format!("{}.{}", self.service, self.method)
    }

    /// Who may call it, as the service's schema says.
    pub(super) fn access(self) -> Access {
        // A method that isn't there, nobody may; a test holds that all are.
        let nobody = Access::Services { names: Vec::new() };
        self.look(|method| method.access.clone()).unwrap_or(nobody)
    }

    /// The permission that it needs, in words.
    pub(super) fn permission(self) -> String {
        match self.access() {
            Access::Public => "nothing".into(),
            Access::Permission { name } => name,
            Access::SignedIn => "an account".into(),
            Access::Service | Access::Services { .. } => "a service's identity".into(),
        }
    }

    /// Whether it changes nothing.
    fn only_looks(self) -> bool {
        self.look(|method| {
            let by_get = method.paths().any(|binding| binding.method == "GET");
            by_get || method.shape == CallShape::ServerStream
        })
        .unwrap_or(false)
    }

    fn look<T>(self, look: impl FnOnce(&Method) -> T) -> Option<T> {
        let schema = SCHEMAS.iter().find(|schema| schema.name == self.service)?;
        schema.method_named(self.method).map(look)
    }
}
