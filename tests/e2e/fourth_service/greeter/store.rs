//! Who was greeted, and how often.

use super::api::{GreeterError, Greeting};
use crate::calls::Token;
use crate::database::{Database, Migration};
use crate::demo::Demo;
use crate::once::{self, Keeping, Once};
use crate::store::{Store, StoreError, StoreResult};

/// What an operation of this store comes to.
type Result<T> = StoreResult<T, GreeterError>;

/// The greeter's database. Clones share it.
#[derive(Clone, Debug)]
pub struct GreeterStore {
    database: Database,
    keeping: Keeping,
}

impl Store for GreeterStore {
    const SERVICE: &'static str = "greeter";
    const MIGRATIONS: &'static [Migration] = &[
        Migration {
            version: 1,
            name: "greetings",
            sqlite: "CREATE TABLE greetings (name TEXT PRIMARY KEY, times INTEGER NOT NULL) STRICT;",
            postgres: "CREATE TABLE greetings (name TEXT PRIMARY KEY, times BIGINT NOT NULL);",
        },
        Migration::events_and_replies(2),
        Migration::tokens(3),
    ];
    type Error = GreeterError;

    fn over(database: Database, keeping: Keeping) -> Self {
        Self { database, keeping }
    }

    fn database(&self) -> &Database {
        &self.database
    }

    /// Nobody is greeted before the first call.
    async fn seed(&self, _: Demo, _: i64) -> Result<bool> {
        Ok(false)
    }
}

impl GreeterStore {
    /// Counts a greeting, once.
    pub async fn greet(&self, once: Once, name: String) -> Result<Greeting> {
        let query = "INSERT INTO greetings (name, times) VALUES ($1, 1)
            ON CONFLICT (name) DO UPDATE SET times = greetings.times + 1 RETURNING times";
        once.run(&self.database, self.keeping, move |tx| {
            Box::pin(async move {
                let times = sqlx::query_scalar(query).bind(&name).fetch_one(tx).await?;
                Ok(greeting(&name, times))
            })
        })
        .await
    }

    /// The encoded answer to a greeting; `None` if nothing was done under the token, and never will be.
    pub async fn ask_once(&self, token: Token, now_us: i64) -> Result<Option<Vec<u8>>> {
        once::ask(&self.database, self.keeping, token, now_us).await
    }

    /// The last greeting of somebody.
    pub async fn find(&self, name: String) -> Result<Greeting> {
        let query = "SELECT times FROM greetings WHERE name = $1";
        let mut connection = self.database.read().await?;
        let times = sqlx::query_scalar(query).bind(&name).fetch_optional(&mut *connection).await?;
        match times {
            Some(times) => Ok(greeting(&name, times)),
            None => Err(StoreError::Refused(GreeterError::NeverGreeted { name })),
        }
    }
}

fn greeting(name: &str, times: i64) -> Greeting {
    Greeting { words: format!("Hello, {name}!"), times: times.unsigned_abs() }
}
