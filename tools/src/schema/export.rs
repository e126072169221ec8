//! A schema for files: as JSON, as it travels, or for the dissector.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use micronet_wire::schema::EncodedSchema;

use super::json;
use crate::config::SchemaForm;
use crate::data_folder::write_atomically;
use crate::error::CommandError;

/// Writes a schema to a file, or to stdout.
pub(super) fn export(
    schema: &EncodedSchema,
    form: SchemaForm,
    output: Option<&Path>,
) -> Result<ExitCode, CommandError> {
    let content = match form {
        SchemaForm::Json => format!("{}\n", json::of_schema(schema.schema())?).into_bytes(),
        SchemaForm::Binary => schema.encoded().to_vec(),
        SchemaForm::Lua => schema.to_lua().into_bytes(),
    };
    if let Some(path) = output {
        write_atomically(path, &content)
            .map_err(|error| CommandError::new(format!("could not write {}: {error}", path.display())))?;
        return Ok(ExitCode::SUCCESS);
    }
    if form == SchemaForm::Binary && io::stdout().is_terminal() {
        return Err(
            CommandError::usage("a terminal can't show it as it travels").next("name a file: --output FILE")
        );
    }
    let mut out = io::stdout().lock();
    let _ = out.write_all(&content).and_then(|()| out.flush());
    Ok(ExitCode::SUCCESS)
}
