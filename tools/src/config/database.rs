//! Which server holds the databases, if one does.

use micronet_services::database::ServerUrl;

use super::Environment;
use crate::error::CommandError;
use crate::registry::DATABASE_ENVIRONMENT;

/// The server that holds the databases, where one is named. What is said of a bad URL doesn't repeat it: it may hold a
/// password.
pub(super) fn database(
    flag: Option<String>,
    environment: Environment<'_>,
) -> Result<Option<ServerUrl>, CommandError> {
    let (text, place) = match flag {
        Some(text) => (text, "--database"),
        None => match environment(DATABASE_ENVIRONMENT).filter(|text| !text.trim().is_empty()) {
            Some(text) => (text, DATABASE_ENVIRONMENT),
            None => return Ok(None),
        },
    };
    text.trim().parse().map(Some).map_err(|error| {
        CommandError::usage(format!("{place} names no database: {error}"))
            .next("write postgres://USER:PASSWORD@HOST:PORT/DATABASE, or leave it out for SQLite files in the data folder")
    })
}
