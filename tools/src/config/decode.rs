//! The configuration of `decode`.

use std::path::{Path, PathBuf};

use super::schema::asking;
use super::{Asking, Environment, Source};
use crate::cli::decode::DecodeFlags;
use crate::error::CommandError;

/// What is decoded, and how it is shown.
#[derive(Debug)]
pub(crate) struct DecodeConfig {
    /// Where the bytes are.
    pub(crate) bytes: Bytes,
    /// The schemas by which messages are shown, besides those that pass.
    pub(crate) schemas: Vec<Source>,
    /// As whom instances are asked for these.
    pub(crate) asking: Asking,
    /// Of a capture only what goes from or to this port.
    pub(crate) port: Option<u16>,
    /// Whether it is shown as JSON.
    pub(crate) json: bool,
    /// Whether each byte of a capture is shown.
    pub(crate) verbose: bool,
}

/// Where bytes are.
#[derive(Debug)]
pub(crate) enum Bytes {
    /// Hexadecimal text that was typed.
    Text(String),
    /// A file.
    File(PathBuf),
    /// What comes on stdin.
    Stdin,
}

pub(super) fn decode(
    flags: DecodeFlags,
    data: PathBuf,
    environment: Environment<'_>,
) -> Result<DecodeConfig, CommandError> {
    let bytes = match flags.bytes.as_slice() {
        [] => Bytes::Stdin,
        [one] if one == "-" => Bytes::Stdin,
        [one] if Path::new(one).exists() || one.contains(['/', '.']) => Bytes::File(one.into()),
        words => Bytes::Text(words.join(" ")),
    };
    Ok(DecodeConfig {
        bytes,
        schemas: flags.schemas.iter().map(|source| Source::parse(source)).collect::<Result<_, _>>()?,
        asking: asking(flags.asking, data, environment)?,
        port: flags.port,
        json: flags.json,
        verbose: flags.verbose,
    })
}
