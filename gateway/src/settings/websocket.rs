//! `[websocket]`: how much of a client is taken, how long it is waited for, and which pages may come.

use std::time::Duration;

use micronet_wire::limits::{
    WEBSOCKET_FRAME_BYTES_MAX, WEBSOCKET_IDLE_MS_MAX, WEBSOCKET_MESSAGE_BYTES_MAX,
    WEBSOCKET_MESSAGES_PER_S_MAX, WEBSOCKET_PING_MS, WEBSOCKET_PONG_MS_MAX, WEBSOCKET_STALL_MS_MAX,
};
use micronet_wire::websocket::Origins;

use super::Section;
use crate::rates::Limit;

/// What is configured of WebSocket.
#[derive(Debug, Clone, PartialEq)]
pub struct WebSocketSettings {
    /// The longest frame that is taken, in bytes.
    pub frame: usize,
    /// The longest message that is taken, in bytes.
    pub message: usize,
    /// How often a client's messages are taken, pings among them; one that sends more is read more slowly.
    pub messages: Option<Limit>,
    /// Silence after which a client is asked whether it is there.
    pub ping: Duration,
    /// Time for its answer.
    pub pong: Duration,
    /// Longest time in which a client takes nothing of what is there for it.
    pub stall: Duration,
    /// Longest time without a message either way.
    pub idle: Duration,
    /// The pages that may open a WebSocket, besides the gateway's own.
    pub origins: Origins,
}

impl Default for WebSocketSettings {
    fn default() -> Self {
        Self {
            frame: WEBSOCKET_FRAME_BYTES_MAX,
            message: WEBSOCKET_MESSAGE_BYTES_MAX,
            messages: Limit::new(
                WEBSOCKET_MESSAGES_PER_S_MAX,
                Duration::from_secs(1),
                WEBSOCKET_MESSAGES_PER_S_MAX,
            ),
            ping: Duration::from_millis(WEBSOCKET_PING_MS),
            pong: Duration::from_millis(WEBSOCKET_PONG_MS_MAX),
            stall: Duration::from_millis(WEBSOCKET_STALL_MS_MAX),
            idle: Duration::from_millis(WEBSOCKET_IDLE_MS_MAX),
            origins: Origins::default(),
        }
    }
}

impl WebSocketSettings {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let default = Self::default();
        let [short, day] = [Duration::from_millis(100), Duration::from_secs(86_400)];
        let origins = section.list("origins", "origins as \"https://app.example\", or \"*\"", |origin| {
            Origins::of(&[origin]).map(|_| origin.to_owned())
        });
        let settings = Self {
            frame: section.bytes("frame", default.frame, 1 << 10..=64 << 20),
            message: section.bytes("message", default.message, 1 << 10..=64 << 20),
            messages: section.limit("messages").unwrap_or(default.messages),
            ping: section.duration("ping", default.ping, short..=day),
            pong: section.duration("pong", default.pong, short..=day),
            stall: section.duration("stall", default.stall, short..=day),
            idle: section.duration("idle", default.idle, short..=day),
            origins: origins
                .and_then(|listed| Origins::of(&listed.iter().map(String::as_str).collect::<Vec<_>>()))
                .unwrap_or_default(),
        };
        if settings.frame > settings.message {
            section.fault("frame", "a frame can't be longer than a message");
        }
        settings
    }
}

#[cfg(test)]
mod tests {
    use crate::settings::Settings;

    #[test]
    fn it_is_read_with_everything_that_is_wrong() {
        let read = |text: &str| Settings::read(&format!("[websocket]\n{text}"));
        let given = read(
            "message = \"32MiB\"\nframe = \"16MiB\"\nmessages = \"50/s burst 9\"\nping = \"5s\"\norigins = [\"https://app.example\"]",
        );
        let given = given.expect("in order").websocket;
        assert_eq!((given.message, given.frame, given.ping.as_secs()), (32 << 20, 16 << 20, 5));
        assert_eq!(given.messages.map(|limit| (limit.count(), limit.burst())), Some((50, 9)));
        assert_eq!(read("messages = \"off\"").expect("in order").websocket.messages, None);
        assert_ne!(given.origins, super::Origins::default());
        let faults = |text: &str| {
            let faults = read(text).expect_err("something is wrong");
            faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        };
        assert!(faults("message = \"64KiB\"\nframe = \"1MiB\"").contains("frame: a frame can't be longer"),);
        assert!(faults("origins = [\"app.example\"]").contains("origins: has to be a list: origins as"));
        assert!(faults("ping = \"1ms\"").contains("ping: has to be a time"));
    }
}
