//! Where databases are: a folder with an SQLite file for each service, or a PostgreSQL server with a schema for each.
//!
//! A server's URL may hold a password. It is kept here, and what this module shows of it leaves the password out.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use sqlx::any::AnyConnectOptions;
use sqlx::postgres::PgConnectOptions;

/// Where the databases of all services are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Databases {
    /// A folder, in which each service has the SQLite file `SERVICE.db`.
    Folder(PathBuf),
    /// A PostgreSQL server, on which each service has a schema with its name.
    Server(ServerUrl),
}

impl Databases {
    /// The database of one service.
    #[must_use]
    pub fn of(&self, service: &str) -> Location {
        match self {
            Self::Folder(folder) => Location::File(folder.join(format!("{service}.db"))),
            Self::Server(server) => Location::Schema { server: server.clone(), schema: service.to_owned() },
        }
    }
}

impl Default for Databases {
    fn default() -> Self {
        Self::Folder(PathBuf::new())
    }
}

impl fmt::Display for Databases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => folder.display().fmt(f),
            Self::Server(server) => server.fmt(f),
        }
    }
}

/// Where the database of one service is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// An SQLite file.
    File(PathBuf),
    /// A schema on a PostgreSQL server.
    Schema {
        /// The server and its database.
        server: ServerUrl,
        /// The schema's name.
        schema: String,
    },
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Schema { server, schema } => write!(f, "{server}, schema {schema}"),
        }
    }
}

/// The URL of a PostgreSQL server's database: `postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=require`.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerUrl {
    text: String,
    /// What of it may be shown.
    shown: String,
}

impl ServerUrl {
    /// The URL with its password, to connect with and to hand on to a process of ours by its environment.
    #[must_use]
    pub fn secret_text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

/// Why a URL names no database that we know how to use. The words don't repeat the URL, which may hold a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadServerUrl(&'static str);

impl fmt::Display for BadServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for BadServerUrl {}

impl FromStr for ServerUrl {
    type Err = BadServerUrl;

    fn from_str(text: &str) -> Result<Self, BadServerUrl> {
        let scheme = text.split_once("://").map(|(scheme, _)| scheme);
        if !matches!(scheme, Some("postgres" | "postgresql")) {
            return Err(BadServerUrl("it does not begin with postgres://"));
        }
        let url = AnyConnectOptions::from_str(text)
            .map_err(|_| BadServerUrl("it can't be read as postgres://USER:PASSWORD@HOST:PORT/DATABASE"))?
            .database_url;
        if let Some(unknown) = url.query_pairs().find(|(key, _)| !is_known(key)).map(|(key, _)| key) {
            tracing::debug!(parameter = %unknown, "unknown in a database URL");
            return Err(BadServerUrl("it has a parameter that is not known"));
        }
        let options = PgConnectOptions::from_str(text)
            .map_err(|_| BadServerUrl("one of its parameters has a value that makes no sense"))?;
        let user = options.get_username();
        let place = match options.get_socket() {
            Some(socket) => socket.display().to_string(),
            None => format!("{}:{}", options.get_host(), options.get_port()),
        };
        let database = options.get_database().unwrap_or(user);
        // A password with such a character in it would be read as a host and a database, and shown.
        if database.contains(['@', '/']) || user.contains(['@', '/']) {
            return Err(BadServerUrl(
                "the name of its database or user has a character that a password may have: write it as %40 or %2F there",
            ));
        }
        Ok(Self { text: text.to_owned(), shown: format!("postgres://{user}@{place}/{database}") })
    }
}

/// The parameters that the driver reads. It skips others, and a misspelt `sslmode` should not pass unnoticed.
fn is_known(parameter: &str) -> bool {
    const KNOWN: [&str; 18] = [
        "sslmode",
        "ssl-mode",
        "sslrootcert",
        "ssl-root-cert",
        "ssl-ca",
        "sslcert",
        "ssl-cert",
        "sslkey",
        "ssl-key",
        "statement-cache-capacity",
        "host",
        "hostaddr",
        "port",
        "dbname",
        "user",
        "password",
        "application_name",
        "options",
    ];
    KNOWN.contains(&parameter) || parameter.starts_with("options[")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_its_password() {
        for (text, shown) in [
            ("postgres://u:sesame@db.example:5433/shop", "postgres://u@db.example:5433/shop"),
            ("postgresql://u:sesame@db/shop?sslmode=require", "postgres://u@db:5432/shop"),
            ("postgres://db:1/shop?user=u&password=sesame", "postgres://u@db:1/shop"),
            ("postgres://u:sesame@%2Frun%2Fpg/shop", "postgres://u@/run/pg/shop"),
        ] {
            let url: ServerUrl = text.parse().unwrap();
            assert_eq!(url.to_string(), shown);
            let location = Databases::Server(url.clone()).of("product");
            let said = format!("{url:?} {location} {location:?}");
            assert!(!said.contains("sesame"), "{said}");
            assert_eq!(url.secret_text(), text);
        }
    }

    #[test]
    fn a_url_that_makes_no_sense_is_refused_in_words_that_keep_its_password() {
        for (text, words) in [
            ("mysql://u:sesame@db/shop", "postgres://"),
            ("sesame", "postgres://"),
            ("", "postgres://"),
            ("postgres://u:sesame@db:port/shop", "can't be read"),
            ("postgres://u:sesame@db/shop?sslmode=sesame", "makes no sense"),
            ("postgres://u:sesame@db/shop?sslmod=require", "not known"),
        ] {
            let refused = text.parse::<ServerUrl>().unwrap_err().to_string();
            assert!(refused.contains(words) && !refused.contains("sesame"), "{text}: {refused}");
        }
    }

    #[test]
    fn each_service_has_a_database_of_its_own() {
        let folder = Databases::Folder("data".into());
        assert_eq!(folder.of("order"), Location::File("data/order.db".into()));
        let server: ServerUrl = "postgres://u@db/shop".parse().unwrap();
        let location = Databases::Server(server).of("order");
        assert_eq!(location.to_string(), "postgres://u@db:5432/shop, schema order");
    }
}
