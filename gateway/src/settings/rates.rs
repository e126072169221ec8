//! `[rates]`: how often callers may ask.

use std::fmt::Write as _;

use super::Section;
use crate::rates::{Kind, Limit};
use crate::stats::Network;

/// Proxies whose word is taken for where requests come from.
const TRUSTED_MAX: usize = 64;

/// How often callers may ask: for each kind of limit, how much, as `"100/min"` or `"100/min burst 20"`; `"off"` for no limit.
#[derive(Debug, Clone, PartialEq)]
pub struct Rates {
    limits: [Option<Limit>; Kind::ALL.len()],
    /// Proxies that are believed when they say in `X-Forwarded-For` where a request comes from. None unless it is said.
    pub trusted_proxies: Vec<Network>,
}

impl Default for Rates {
    fn default() -> Self {
        let limits = Kind::ALL.map(|kind| Limit::parse(kind.limit_unless_set()));
        Self { limits, trusted_proxies: Vec::new() }
    }
}

impl Rates {
    /// Reads the table.
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let mut rates = Self::default();
        for kind in Kind::ALL {
            if let Some(limit) = section.limit(kind.name()) {
                rates.limits[kind as usize] = limit;
            }
        }
        let expected = format!("at most {TRUSTED_MAX} networks, as [\"10.0.0.0/8\"]");
        let trusted = section.list("trusted_proxies", &expected, |text| text.parse().ok());
        rates.trusted_proxies = trusted.unwrap_or_default();
        if rates.trusted_proxies.len() > TRUSTED_MAX {
            section.fault("trusted_proxies", format!("has to be {expected}"));
        }
        rates
    }

    /// The limit of this kind, if there is one.
    pub(crate) fn limit(&self, kind: Kind) -> Option<&Limit> {
        self.limits[kind as usize].as_ref()
    }

    /// All limits in one line, for the log.
    #[must_use]
    pub fn in_short(&self) -> String {
        let mut line = String::new();
        for kind in Kind::ALL {
            let _ = match self.limit(kind) {
                Some(limit) => write!(line, "{} {limit}, ", kind.name()),
                None => write!(line, "{} off, ", kind.name()),
            };
        }
        line.trim_end_matches(", ").to_owned()
    }
}

#[cfg(test)]
mod tests {
    use crate::settings::Settings;

    #[test]
    fn limits_are_read_and_the_others_are_as_ever() {
        let unset = Settings::default().rates.in_short();
        assert_eq!(
            unset,
            "address 100000/s, refused 1000/min, auth 5/min, api 100/min, monitoring 1000/min, bulk 10/hour, shop 100000/s, \
             lab 100000/s"
        );
        let text = "[rates]\napi = \"7/s burst 3\"\nshop = \"off\"\ntrusted_proxies = [\"10.0.0.0/8\", \"fd00::/8\"]\n";
        let rates = Settings::read(text).expect("a sound file").rates;
        let expected = unset.replace("api 100/min", "api 7/s burst 3").replace("shop 100000/s", "shop off");
        assert_eq!((rates.in_short(), rates.trusted_proxies.len()), (expected, 2));
    }

    #[test]
    fn what_is_no_limit_is_refused() {
        let text =
            "[rates]\napi = \"7 a minute\"\nbulk = 5\napis = \"7/s\"\ntrusted_proxies = [\"10.0.0.1\"]\n";
        let faults = Settings::read(text).expect_err("nothing of it is right");
        let lines: Vec<usize> = faults.iter().map(|fault| fault.line).collect();
        assert_eq!(lines, [2, 3, 4, 5], "{faults:?}");
    }
}
