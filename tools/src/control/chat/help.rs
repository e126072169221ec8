//! What the table of commands says to people.

use micronet_wire::principal::Principal;
use serde_json::{Value, json};

use super::commands::{Called, Command, Order, Verb, named_so};
use super::grammar::Place;
use super::names::Names;
use super::session::{Speaker, Words};
use super::table::COMMANDS;

/// All commands, or everything about one.
pub(super) fn help(command: Option<&str>, principal: &Principal) -> Words {
    match command.and_then(named_so) {
        Some(command) => {
            Words { text: about(command, principal), data: Some(described(command, principal).to_string()) }
        }
        None => Words { text: list(principal), data: Some(table(principal).to_string()) },
    }
}

/// Whether somebody may, as far as a command calls something.
fn may(command: &'static Command, principal: &Principal) -> bool {
    let allowed = |called: Called| micronet_wire::service::authorize(principal, &called.access()).is_ok();
    command.calls.is_none_or(allowed) || command.looks.is_some_and(|(_, called)| allowed(called))
}

fn list(principal: &Principal) -> String {
    let width = COMMANDS.iter().map(|command| command.form.usage().len()).max().unwrap_or(0);
    let mut lines = vec!["Commands:".to_owned()];
    for command in COMMANDS.iter().filter(|command| may(command, principal)) {
        lines.push(format!("  {:width$}  {}", command.form.usage(), command.help));
    }
    let others: Vec<&str> =
        COMMANDS.iter().filter(|command| !may(command, principal)).map(|command| command.form.name).collect();
    if !others.is_empty() {
        lines.push(format!(
            "Not for you: {} (help COMMAND says which permission each needs)",
            others.join(", ")
        ));
    }
    lines.push("help COMMAND says more. A time is written as 200ms, 30s or 2m.".into());
    lines.join("\n")
}

fn about(command: &'static Command, principal: &Principal) -> String {
    let mut lines = vec![command.form.usage(), format!("  {}", command.help)];
    let mut say = |name: &str, words: String| lines.push(format!("  {name:11} {words}"));
    if !command.aliases.is_empty() {
        say("also", command.aliases.join(", "));
    }
    if let Some(called) = command.calls {
        let lacking = if may(command, principal) { "" } else { ", which you don't have" };
        say("needs", format!("{}{lacking} (it calls {})", called.permission(), called.name()));
    }
    if let Some((argument, called)) = command.looks {
        say(
            "looking",
            format!("without {argument} it needs {} (it calls {})", called.permission(), called.name()),
        );
    }
    if !command.asks.is_empty() {
        say("asks first", command.asks.to_owned());
    }
    say("example", command.example.to_owned());
    lines.join("\n")
}

/// The commands, for programs.
fn table(principal: &Principal) -> Value {
    COMMANDS.iter().map(|command| described(command, principal)).collect()
}

fn described(command: &'static Command, principal: &Principal) -> Value {
    let arguments: Vec<Value> = command
        .form
        .arguments
        .iter()
        .map(|argument| {
            json!({
                "name": argument.name,
                "kind": argument.kind.noun(),
                "required": argument.place == Place::Required,
                "keyword": argument.place == Place::Named,
            })
        })
        .collect();
    json!({
        "name": command.form.name,
        "usage": command.form.usage(),
        "aliases": command.aliases,
        "arguments": arguments,
        "permission": command.calls.map(Called::permission),
        "allowed": may(command, principal),
        "asks": command.asks,
        "help": command.help,
        "example": command.example,
    })
}

/// What the second greeting says to programs: who they are here, and what can be said.
pub(super) fn greeting(speaker: &Speaker, names: &Names) -> Value {
    let services: Vec<Value> = names
        .services
        .iter()
        .map(|(service, instances)| json!({ "service": service, "instances": instances }))
        .collect();
    json!({
        "user": speaker.user,
        "role": speaker.role,
        "commands": table(&speaker.principal),
        "services": services,
        "scalable": names.scalable,
    })
}

pub(super) fn who_am_i(speaker: &Speaker) -> Words {
    let account = account(&speaker.principal);
    let mut text = format!("{} | Role: {} | {account}", speaker.user, speaker.role);
    if !speaker.address.is_empty() {
        text += &format!(" from {}", speaker.address);
    }
    let permissions = match &speaker.principal {
        Principal::User { permissions, .. } => permissions.clone(),
        Principal::Operator => vec!["*".to_owned()],
        Principal::Anonymous | Principal::Service { .. } => Vec::new(),
    };
    text += &format!(
        "\nmay: {}",
        if permissions.is_empty() { "what is public".into() } else { permissions.join(" ") }
    );
    let data = json!({
        "user": speaker.user, "role": speaker.role, "account": speaker.principal.key(), "address": speaker.address,
        "permissions": permissions,
    });
    Words { text, data: Some(data.to_string()) }
}

/// Whom a principal stands for, in words.
pub(super) fn account(principal: &Principal) -> String {
    match principal {
        Principal::Operator => "the operator".into(),
        Principal::User { subject, .. } => format!("account {subject}"),
        Principal::Service { name } => format!("the service {name}"),
        Principal::Anonymous => "nobody in particular".into(),
    }
}

/// Why somebody may not, naming permission and command.
pub(super) fn refusal(order: &Order, role: &str) -> String {
    let name = order.command.form.name;
    match order.calls() {
        Some(called) => format!(
            "{name} needs the permission {}, which a {role} like you doesn't have (it calls {})",
            called.permission(),
            called.name()
        ),
        None => format!("{name} is not for you"),
    }
}

/// What a command will do, as it is told when it begins.
pub(super) fn begun(order: &Order, execution: &str) -> String {
    let until = if matches!(order.command.verb, Verb::Tap | Verb::Drill) { "; stop ends it" } else { "" };
    format!("{}: under way as {execution}{until}", order.line)
}
