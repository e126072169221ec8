//! `micronet schema`: what a service can be called for, shown, compared, and written to files.

mod diff;
mod export;
pub(crate) mod json;
pub(crate) mod source;

use std::process::ExitCode;
use std::rc::Rc;

use micronet_wire::openapi;
use micronet_wire::schema::{EncodedSchema, ServiceSchema};

use self::diff::Comparison;
use crate::call::method_of;
use crate::config::{SchemaConfig, SchemaWork, Source};
use crate::describe;
use crate::error::CommandError;
use crate::server_process;
use crate::terminal::{self, Style};

/// Does what was asked.
pub(crate) fn run(config: &SchemaConfig) -> Result<ExitCode, CommandError> {
    server_process::runtime()?.block_on(work(config))
}

async fn work(config: &SchemaConfig) -> Result<ExitCode, CommandError> {
    let load = async |source: &Source| source::load(source, &config.asking).await;
    match &config.work {
        SchemaWork::Show { source, method, json } => {
            let schema = load(source).await?;
            show(&schema, method.as_deref(), *json)
        }
        SchemaWork::Diff { older, newer, json } => {
            let (older, newer) = (Rc::new(load(older).await?), Rc::new(load(newer).await?));
            let comparison = Comparison::new(&older, &newer);
            let text = if *json { comparison.json() } else { comparison.words(Style::for_stdout()) };
            terminal::say(&text);
            Ok(if comparison.is_compatible() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        SchemaWork::Export { source, form, output } => {
            export::export(&load(source).await?, *form, output.as_deref())
        }
        SchemaWork::Openapi { sources } => {
            let mut schemas = Vec::new();
            for source in sources {
                schemas.push(load(source).await?);
            }
            let names: Vec<&str> = schemas.iter().map(|schema| schema.schema().name.as_str()).collect();
            let document =
                openapi::document(&names.join(", "), schemas.iter().map(EncodedSchema::schema), &[]);
            terminal::say(document.trim_end());
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn show(schema: &EncodedSchema, method: Option<&str>, as_json: bool) -> Result<ExitCode, CommandError> {
    let described = schema.schema();
    if as_json {
        terminal::say(&json::of_schema(described)?);
        return Ok(ExitCode::SUCCESS);
    }
    let style = Style::for_stdout();
    if let Some(name) = method {
        let name = name.strip_prefix(&format!("{}.", described.name)).unwrap_or(name);
        terminal::say(&describe::method(described, method_of(described, name)?, style));
        return Ok(ExitCode::SUCCESS);
    }
    let mut parts = vec![
        format!("{}  fingerprint {}", style.bold(&described.name), schema.fingerprint()),
        describe::methods(described, style),
    ];
    parts.extend(described.methods.iter().map(|method| describe::method(described, method, style)));
    parts.push(size(schema.encoded().len(), described));
    terminal::say(&parts.join("\n\n"));
    Ok(ExitCode::SUCCESS)
}

fn size(bytes: usize, schema: &ServiceSchema) -> String {
    format!("{} methods, {} types, {bytes} bytes as it travels", schema.methods.len(), schema.types.len())
}
