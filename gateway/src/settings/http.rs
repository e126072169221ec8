//! `[http]`: what connections may take, how many there may be, and how long they may dally.

use std::collections::BTreeMap;
use std::time::Duration;

use micronet_wire::http1::{HttpLimits, RequestHead};
use micronet_wire::limits::{
    HTTP_BODY_BYTES_HARD_MAX, HTTP_CONNECTIONS_HARD_MAX, HTTP_CONNECTIONS_MAX,
    HTTP_CONNECTIONS_PER_ADDRESS_MAX, HTTP_HEAD_BYTES_HARD_MAX, HTTP_HEADERS_HARD_MAX, HTTP_REQUESTS_MAX,
    HTTP_TIME_MS_HARD_MAX,
};

use super::Section;

/// What is configured of HTTP connections.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpSettings {
    /// What each of them may take.
    pub limits: HttpLimits,
    /// The largest body by path, in bytes, where it is another than the limits say: the longest path that the request's path is,
    /// or begins with, decides.
    pub bodies: BTreeMap<String, usize>,
    /// Connections at once.
    pub connections_max: usize,
    /// Connections at once from one address (a /64 of IPv6). Where it isn't configured, those from this machine are not counted.
    pub per_address_max: Option<usize>,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            limits: HttpLimits::default(),
            bodies: BTreeMap::new(),
            connections_max: HTTP_CONNECTIONS_MAX,
            per_address_max: None,
        }
    }
}

impl HttpSettings {
    /// Reads `[http]` and what is below it.
    #[must_use]
    pub fn read(section: &mut Section<'_>) -> Self {
        let default = HttpLimits::default();
        let mut time = |key, default_ms| {
            let longest = Duration::from_millis(HTTP_TIME_MS_HARD_MAX);
            let time = section.duration(
                key,
                Duration::from_millis(default_ms),
                Duration::from_millis(100)..=longest,
            );
            u64::try_from(time.as_millis()).unwrap_or(default_ms)
        };
        let (head_ms_max, body_gap_ms_max) =
            (time("head_time", default.head_ms_max), time("body_gap", default.body_gap_ms_max));
        let idle_ms_max = time("idle", default.idle_ms_max);
        let rate = usize::try_from(default.rate_bytes_per_s_min).unwrap_or(1);
        let limits = HttpLimits {
            request_line_bytes_max: section.bytes(
                "request_line",
                default.request_line_bytes_max,
                64..=HTTP_HEAD_BYTES_HARD_MAX,
            ),
            head_bytes_max: section.bytes("head", default.head_bytes_max, 256..=HTTP_HEAD_BYTES_HARD_MAX),
            headers_max: section.number("headers", default.headers_max, 1..=HTTP_HEADERS_HARD_MAX),
            body_bytes_max: section.bytes("body", default.body_bytes_max, 0..=HTTP_BODY_BYTES_HARD_MAX),
            head_ms_max,
            body_gap_ms_max,
            rate_bytes_per_s_min: section.bytes("body_rate", rate, 1..=1 << 30) as u64,
            idle_ms_max,
            requests_max: section.number("requests", HTTP_REQUESTS_MAX, 1..=1_000_000_000),
            buffered_bytes_max: section.bytes("buffered", default.buffered_bytes_max, 1 << 20..=1 << 40),
        };
        if limits.request_line_bytes_max > limits.head_bytes_max {
            section.fault("request_line", "has to fit into head");
        }
        let bodies =
            section.sizes("bodies", "paths, as \"/upload\" = \"4MiB\"", 0..=HTTP_BODY_BYTES_HARD_MAX);
        if bodies.keys().any(|path| !path.starts_with('/')) {
            section.fault("bodies", "each path has to begin with /");
        }
        let per_address = section.number("connections_per_address", 0, 1..=HTTP_CONNECTIONS_HARD_MAX);
        Self {
            limits,
            bodies,
            connections_max: section.number(
                "connections",
                HTTP_CONNECTIONS_MAX,
                1..=HTTP_CONNECTIONS_HARD_MAX,
            ),
            per_address_max: (per_address > 0).then_some(per_address),
        }
    }

    /// The largest body of this request, in bytes.
    #[must_use]
    pub fn body_bytes_max(&self, head: &RequestHead) -> usize {
        if self.bodies.is_empty() {
            return self.limits.body_bytes_max;
        }
        self.body_bytes_max_at(head.path())
    }

    fn body_bytes_max_at(&self, path: &str) -> usize {
        // The most exact path is the last one that the request's path begins with.
        let is_of = |of: &str| {
            path.strip_prefix(of)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || of.ends_with('/'))
        };
        let own = self.bodies.iter().rev().find(|(of, _)| is_of(of)).map(|(_, bytes)| *bytes);
        own.unwrap_or(self.limits.body_bytes_max)
    }

    /// Connections at once from an address of this kind.
    #[must_use]
    pub fn per_address_max(&self, is_loopback: bool) -> usize {
        self.per_address_max.unwrap_or(if is_loopback {
            usize::MAX
        } else {
            HTTP_CONNECTIONS_PER_ADDRESS_MAX
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Settings;
    use super::*;

    fn read(text: &str) -> Result<HttpSettings, String> {
        let said = |faults: Vec<super::super::Fault>| {
            faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        };
        Settings::read(text).map(|settings| settings.http).map_err(said)
    }

    #[test]
    fn what_is_configured_holds_and_the_rest_stays() {
        assert_eq!(read(""), Ok(HttpSettings::default()));
        let text = "[http]\nrequest_line = \"1KiB\"\nhead = \"4KiB\"\nheaders = 20\nbody = \"64KiB\"\nhead_time = \"2s\"\n\
                    body_gap = \"3s\"\nbody_rate = \"100B\"\nidle = \"5s\"\nrequests = 7\nbuffered = \"2MiB\"\nconnections = 50\nconnections_per_address = 4\n\
                    [http.bodies]\n\"/a\" = \"1MiB\"\n\"/a/b\" = \"2MiB\"\n";
        let settings = read(text).unwrap();
        let limits = HttpLimits {
            request_line_bytes_max: 1 << 10,
            head_bytes_max: 4 << 10,
            headers_max: 20,
            body_bytes_max: 64 << 10,
            head_ms_max: 2_000,
            body_gap_ms_max: 3_000,
            rate_bytes_per_s_min: 100,
            idle_ms_max: 5_000,
            requests_max: 7,
            buffered_bytes_max: 2 << 20,
        };
        assert_eq!(settings.limits, limits);
        assert_eq!((settings.connections_max, settings.per_address_max), (50, Some(4)));
        let bodies =
            [("/", 64 << 10), ("/a", 1 << 20), ("/a/x", 1 << 20), ("/ab", 64 << 10), ("/a/b/c", 2 << 20)];
        for (path, bytes) in bodies {
            assert_eq!(settings.body_bytes_max_at(path), bytes, "{path}");
        }
        let default = HttpSettings::default();
        assert_eq!((settings.per_address_max(true), settings.per_address_max(false)), (4, 4));
        assert_eq!(default.per_address_max(true), usize::MAX);
        assert_eq!(default.per_address_max(false), HTTP_CONNECTIONS_PER_ADDRESS_MAX);
    }

    #[test]
    fn what_can_not_hold_is_told() {
        for (text, words) in [
            ("[http]\nhead = \"64KiB\"", "http.head: has to be a size from 256 B to 61440 B"),
            ("[http]\nheaders = 0", "http.headers: has to be a number from 1 to 256"),
            ("[http]\nidle = \"0s\"", "http.idle: has to be a time from 100ms"),
            ("[http]\nrequest_line = \"8KiB\"\nhead = \"1KiB\"", "http.request_line: has to fit into head"),
            ("[http.bodies]\n\"a\" = \"1MiB\"", "http.bodies: each path has to begin with /"),
            ("[http.bodies]\n\"/a\" = 1", "http.bodies: has to be paths"),
            ("[http]\nbodies = 1", "http.bodies: has to be paths"),
            ("[http]\nbodys = 1", "[http] has no bodys"),
        ] {
            let faults = read(text).unwrap_err();
            assert!(faults.contains(words), "{text}: {faults}");
        }
    }
}
