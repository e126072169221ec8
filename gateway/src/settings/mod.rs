//! What may be configured of a gateway's edge: a file of TOML, each of whose tables is read by a module of its own. All of it can be
//! applied while the gateway runs.

mod access_log;
mod cache;
mod cors;
mod headers;
mod held;
mod http;
mod rates;
mod section;
mod source;
mod tls;
mod websocket;

pub use access_log::{AccessLog, LogFormat};
pub use cache::Cache;
pub use cors::Cors;
pub use headers::Headers;
pub(crate) use held::Held;
pub use http::HttpSettings;
pub use rates::Rates;
pub(crate) use section::Given;
pub use section::{Fault, Section};
pub use source::Source;
pub use tls::Tls;
pub use websocket::WebSocketSettings;

use section::Reader;

/// What may be configured of a gateway's edge. The default is what holds without a file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings {
    /// `[access_log]`.
    pub access_log: AccessLog,
    /// `[cache]`.
    pub cache: Cache,
    /// `[cors]`.
    pub cors: Cors,
    /// `[headers]`.
    pub headers: Headers,
    /// `[http]`.
    pub http: HttpSettings,
    /// `[rates]`.
    pub rates: Rates,
    /// `[tls]`.
    pub tls: Tls,
    /// `[websocket]`.
    pub websocket: WebSocketSettings,
}

impl Settings {
    /// Reads a file's text.
    ///
    /// # Errors
    /// Everything that is wrong with it, in the order of its lines.
    pub fn read(text: &str) -> Result<Self, Vec<Fault>> {
        Self::read_listed(text, &Source::default()).map(|(settings, _)| settings)
    }

    /// The same, with what stands in the file; what `source` says of a setting holds where the file has none.
    fn read_listed(text: &str, source: &Source) -> Result<(Self, Vec<Given>), Vec<Fault>> {
        let reader = Reader::new(text)?;
        let settings = Self {
            access_log: reader.section("access_log", AccessLog::read),
            cache: reader.section("cache", Cache::read),
            cors: reader.section("cors", Cors::read),
            headers: reader.section("headers", Headers::read),
            http: reader.section("http", HttpSettings::read),
            rates: reader.section("rates", Rates::read),
            tls: reader.section("tls", |section| Tls::read(section, source.certificate.as_deref())),
            websocket: reader.section("websocket", WebSocketSettings::read),
        };
        reader.end(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_that_nobody_reads_is_named() {
        assert_eq!(Settings::read(""), Ok(Settings::default()));
        let faults = Settings::read("\n[htp]\nidle = \"1s\"\n").expect_err("there is no such table");
        assert_eq!(faults[0].to_string(), "line 2: there is no [htp]");
    }
}
