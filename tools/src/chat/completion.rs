//! What the line that is being typed can become.

use std::sync::{Arc, Mutex};

use rustyline::completion::Completer;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::validate::Validator;
use rustyline::{Context, Result};
use serde_json::Value;

use crate::control::api::chat::Said;
use crate::control::chat::commands;
use crate::control::chat::names::Names;

/// Completes commands by their table, with the names that the chat has told.
#[derive(Debug, Default)]
pub(super) struct Helper(KnownNames);

/// The names of the network, as far as they were told. The line is edited on a thread of its own.
#[derive(Debug, Clone, Default)]
pub(super) struct KnownNames(Arc<Mutex<Names>>);

impl Helper {
    pub(super) fn names(&self) -> KnownNames {
        self.0.clone()
    }
}

impl KnownNames {
    /// Takes the names from a greeting.
    pub(super) fn learn(&self, said: &Said) {
        if said.kind != "greeting" {
            return;
        }
        let Some(Ok(data)) = said.data.as_deref().map(serde_json::from_str::<Value>) else { return };
        let texts = |list: &Value| -> Vec<String> {
            list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let services = data["services"].as_array().into_iter().flatten();
        let told = Names {
            services: services
                .map(|each| {
                    (each["service"].as_str().unwrap_or_default().to_owned(), texts(&each["instances"]))
                })
                .collect(),
            scalable: texts(&data["scalable"]),
        };
        if let Ok(mut names) = self.0.lock() {
            *names = told;
        }
    }
}

impl Completer for Helper {
    type Candidate = String;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> Result<(usize, Vec<String>)> {
        let names = self.0.0.lock().map(|names| names.clone()).unwrap_or_default();
        Ok(commands::complete(&line[..at], &names))
    }
}

impl Hinter for Helper {
    type Hint = String;
}

impl Highlighter for Helper {}

impl Validator for Helper {}

impl rustyline::Helper for Helper {}
