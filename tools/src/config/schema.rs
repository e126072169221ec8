//! The configuration of `schema`, and where schemas come from.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Environment, TlsConfig, tls};
use crate::address::HostPort;
use crate::cli::schema::{AskingFlags, RawSchemaWork, SchemaFlags};
use crate::error::CommandError;
use crate::registry::BASE_PORT;

/// How long an instance may take to tell its schema.
const DEADLINE: Duration = Duration::from_secs(15);

/// Where a schema comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// An instance of a service of the running network.
    Service(String),
    /// Whoever answers there.
    Address(HostPort),
    /// A file.
    File(PathBuf),
}

/// As whom instances are asked.
#[derive(Debug, Clone)]
pub(crate) struct Asking {
    /// How TLS is spoken, where it was asked for; else as the running network speaks.
    pub(crate) tls: Option<TlsConfig>,
    /// Whether the operator's token stays unused.
    pub(crate) anonymous: bool,
    /// How long to wait.
    pub(crate) deadline: Duration,
    /// The data folder.
    pub(crate) data: PathBuf,
}

/// What is done with schemas.
#[derive(Debug)]
pub(crate) struct SchemaConfig {
    pub(crate) work: SchemaWork,
    pub(crate) asking: Asking,
}

/// What is done with schemas.
#[derive(Debug)]
pub(crate) enum SchemaWork {
    /// One is shown, or a method of it.
    Show { source: Source, method: Option<String>, json: bool },
    /// Two are compared.
    Diff { older: Source, newer: Source, json: bool },
    /// One is written.
    Export { source: Source, form: SchemaForm, output: Option<PathBuf> },
    /// Some are described for HTTP.
    Openapi { sources: Vec<Source> },
}

/// How a schema is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SchemaForm {
    /// As JSON.
    Json,
    /// As it travels.
    Binary,
    /// For Wireshark's dissector.
    Lua,
}

impl Source {
    /// A file that is there or looks like one, an address, or else a service.
    pub(crate) fn parse(text: &str) -> Result<Self, CommandError> {
        if text.contains(['/', '\\']) || Path::new(text).is_file() {
            return Ok(Self::File(text.into()));
        }
        if text.contains(':') {
            return HostPort::parse(text, Some(BASE_PORT)).map(Self::Address);
        }
        if text.contains('.') { Ok(Self::File(text.into())) } else { Ok(Self::Service(text.to_owned())) }
    }
}

pub(super) fn asking(
    flags: AskingFlags,
    data: PathBuf,
    environment: Environment<'_>,
) -> Result<Asking, CommandError> {
    Ok(Asking {
        tls: tls::tls(flags.tls, &data, environment)?,
        anonymous: flags.anonymous,
        deadline: DEADLINE,
        data,
    })
}

pub(super) fn schema(
    flags: SchemaFlags,
    data: PathBuf,
    environment: Environment<'_>,
) -> Result<SchemaConfig, CommandError> {
    let (work, flags) = match flags.work {
        RawSchemaWork::Show { source, method, json, asking } => {
            (SchemaWork::Show { source: Source::parse(&source)?, method, json }, asking)
        }
        RawSchemaWork::Diff { older, newer, json, asking } => {
            let (older, newer) = (Source::parse(&older)?, Source::parse(&newer)?);
            (SchemaWork::Diff { older, newer, json }, asking)
        }
        RawSchemaWork::Export { source, json: _, binary, lua, output, asking } => {
            let form = match (binary, lua) {
                (true, _) => SchemaForm::Binary,
                (_, true) => SchemaForm::Lua,
                _ => SchemaForm::Json,
            };
            (SchemaWork::Export { source: Source::parse(&source)?, form, output }, asking)
        }
        RawSchemaWork::Openapi { sources, asking } => {
            let sources = sources.iter().map(|source| Source::parse(source)).collect::<Result<_, _>>()?;
            (SchemaWork::Openapi { sources }, asking)
        }
    };
    Ok(SchemaConfig { work, asking: asking(flags, data, environment)? })
}
