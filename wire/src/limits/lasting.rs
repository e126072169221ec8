//! Limits of what lasts over HTTP: WebSockets, and streams of events. SPEC.md doesn't state them.

// ---- WebSocket ----------------------------------------------------------------------------------------------

/// The longest frame that is taken from a client; a longer one ends the connection with 1009. In bytes.
pub const WEBSOCKET_FRAME_BYTES_MAX: usize = 1 << 20;
/// The longest message that is taken from a client, however many frames it has. In bytes.
pub const WEBSOCKET_MESSAGE_BYTES_MAX: usize = 4 << 20;
/// Messages that are read of a WebSocket, and of them as many at once, in messages a second: one that sends more is read more slowly.
pub const WEBSOCKET_MESSAGES_PER_S_MAX: u32 = 10_000;
/// What waits to be written before nothing else is made for the client and nothing more of it is read, in bytes.
pub const WEBSOCKET_WRITE_BYTES: usize = 64 << 10;
/// What one read takes at most, in bytes. So much each connection holds for good.
pub const WEBSOCKET_READ_BYTES: usize = 4 << 10;
/// Silence after which a client is asked whether it is there, in milliseconds.
pub const WEBSOCKET_PING_MS: u64 = 30_000;
/// Time for its answer, in milliseconds.
pub const WEBSOCKET_PONG_MS_MAX: u64 = 10_000;
/// Longest time in which a client takes nothing of what is there for it, in milliseconds.
pub const WEBSOCKET_STALL_MS_MAX: u64 = 30_000;
/// Longest time without a message either way, in milliseconds.
pub const WEBSOCKET_IDLE_MS_MAX: u64 = 600_000;
/// Time for the first message where it says who asks or what is wanted, in milliseconds.
pub const WEBSOCKET_FIRST_MS_MAX: u64 = 5_000;
/// Time for the client to answer a close, in milliseconds.
pub const WEBSOCKET_CLOSE_MS_MAX: u64 = 5_000;

// ---- streams over HTTP --------------------------------------------------------------------------------------

/// Silence after which a stream of events gives a sign of life, in milliseconds: what stands between takes 30 s of it for the end.
pub const EVENTS_BEAT_MS: u64 = 15_000;
/// What fails within this time is answered as any call is, and later as an event, in milliseconds.
pub const EVENTS_OPENING_MS: u64 = 200;
/// After how long a browser opens a stream of events again, in milliseconds.
pub const EVENTS_RETRY_MS: u64 = 2_000;
/// How often whoever holds a stream open is looked at without news of revocations, in milliseconds.
pub const BEARER_RECHECK_MS: u64 = 5_000;
