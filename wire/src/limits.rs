//! Every limit of the protocol, the transcoder and the HTTP parser, and how they relate to each other.
//!
//! SPEC.md section 11 states the same numbers. A relation that must hold between two limits is asserted here at
//! compile time, so that a change of one that breaks the other doesn't build.

mod choosing;
mod lasting;

pub use choosing::*;
pub use lasting::*;

// ---- frames (SPEC.md 2, 11) ---------------------------------------------------------------------------------

/// The size of the frame header, in bytes.
pub const HEADER_BYTES: usize = 24;
/// The largest frame payload that any version of this protocol may negotiate, in bytes.
pub const FRAME_PAYLOAD_BYTES_HARD_MAX: u32 = 16 << 20;
/// The largest frame payload that we accept and announce in HELLO, in bytes.
pub const FRAME_PAYLOAD_BYTES_MAX: u32 = 64 << 10;
/// The smallest limit of frame payloads that a peer may announce, in bytes: every control frame and error fits.
pub const FRAME_PAYLOAD_BYTES_MIN: u32 = 32 << 10;
/// Until HELLO has been exchanged no frame may be larger than this, so that a stranger can't make us buffer.
pub const HELLO_PAYLOAD_BYTES_MAX: u32 = 4 << 10;

// ---- calls (SPEC.md 5, 6, 11) -------------------------------------------------------------------------------

/// The largest encoded message (a request, a reply, or one message of a stream), in bytes.
pub const MESSAGE_BYTES_MAX: usize = 16 << 20;
/// The longest piece of a message that one frame carries, in bytes; a longer message travels in several. With header, ledger
/// and length before it, a piece fits one TLS record of 16 KiB.
pub const FRAGMENT_BYTES_MAX: usize = 16_320;
/// The memory that decoding one message may claim, in bytes: values in memory are larger than on the wire.
pub const DECODE_BYTES_MAX: usize = 32 << 20;
/// The largest REQUEST head (deadline, trace, token, principal, metadata), in bytes.
pub const REQUEST_HEAD_BYTES_MAX: usize = 8 << 10;
/// Calls that one connection may have in flight; the next is refused with OVERLOADED, never started.
pub const CALLS_IN_FLIGHT_MAX: u32 = 4096;
/// Calls that one process works on at once, on all connections; the next is refused with OVERLOADED, never started.
pub const INSTANCE_CALLS_IN_FLIGHT_MAX: u32 = 16_384;
/// Bytes of request bodies that one connection may have in flight; a call beyond is refused with OVERLOADED.
pub const REQUEST_BYTES_IN_FLIGHT_MAX: usize = 32 << 20;
/// The longest deadline that a request may carry; longer ones are clamped. One hour, in microseconds.
pub const DEADLINE_US_MAX: u32 = 3_600_000_000;
/// The deadline of a call whose caller named none, in microseconds.
pub const DEADLINE_US_DEFAULT: u32 = 15_000_000;
/// The longest idempotency token, in bytes.
pub const TOKEN_BYTES_MAX: usize = 64;
/// The longest request id, in bytes.
pub const REQUEST_ID_BYTES_MAX: usize = 64;
/// The longest name of a node, instance, cluster or principal, in bytes.
pub const NAME_BYTES_MAX: usize = 64;
/// The longest description of its software in HELLO, in bytes.
pub const SOFTWARE_BYTES_MAX: usize = 1024;
/// Pairs of metadata that a request may carry.
pub const METADATA_PAIRS_MAX: usize = 16;
/// The metadata of a request, lengths included, in bytes.
pub const METADATA_BYTES_MAX: usize = 2 << 10;
/// Permissions that a principal may carry in a request.
pub const PERMISSIONS_MAX: usize = 64;
/// The longest message of an error, in bytes. Longer ones are cut at a character's end.
pub const ERROR_MESSAGE_BYTES_MAX: usize = 1024;
/// The longest detail of an error, in bytes.
pub const ERROR_DETAIL_BYTES_MAX: usize = 16 << 10;
/// Faults of a request that are listed in its error; of further ones it only says that there are some.
pub const FAULTS_MAX: usize = 16;
/// The longest name of a field in a fault, in bytes.
pub const FAULT_FIELD_BYTES_MAX: usize = 256;
/// The longest words of a fault, in bytes.
pub const FAULT_MESSAGE_BYTES_MAX: usize = 512;

/// The last stream id that a dialler uses on a connection; it dials another before it gets there.
pub const STREAM_ID_MAX: u32 = u32::MAX - 1;

// ---- streams and credit (SPEC.md 4, 11) ---------------------------------------------------------------------

/// Bytes of messages that a peer may send on a stream before it gets more credit for it.
pub const STREAM_CREDIT_BYTES: u32 = 64 << 10;
/// The smallest such credit that a peer may announce: a message of one piece always fits.
pub const STREAM_CREDIT_BYTES_MIN: u32 = 16 << 10;
/// Bytes of messages that a peer may send on all streams of a connection together before it gets more credit.
pub const CONNECTION_CREDIT_BYTES: u32 = 32 << 20;
/// The same for a dialler that has proved nothing; as soon as it has, it gets the rest. Its messages are no longer than this.
pub const STRANGER_CREDIT_BYTES: u32 = 1 << 20;
/// The smallest such credit that a peer may announce.
pub const CONNECTION_CREDIT_BYTES_MIN: u32 = 64 << 10;
/// Memory of a connection, in bytes, that is reserved for messages which are longer than their stream's credit. With the
/// connection's credit it is all that a connection's unread messages can take.
pub const REASSEMBLY_BYTES_MAX: u32 = 16 << 20;
/// The most credit that a side may hold, for a stream or the connection; one that would get more ends the connection.
pub const CREDIT_BYTES_MAX: u32 = 1 << 30;
/// Streams of messages that a side receives at once on a connection, so that slow readers can't hold all of its credit.
pub const STREAMS_OF_MESSAGES_MAX: usize = 256;
/// The longest silence of a stream of messages after its first one, in milliseconds.
pub const STREAM_IDLE_MS_MAX: u64 = 60_000;
/// How long a stream of messages lasts at most, in milliseconds; whoever wants more opens it again. One hour.
pub const STREAM_LIFETIME_MS_MAX: u64 = 3_600_000;
/// Bytes of small frames that are handed to the socket at once, before the next control frame gets its turn.
pub const WRITE_BATCH_BYTES: usize = 64 << 10;
/// Bytes of long messages that wait to be written, after which no further call of this connection is started.
pub const LONG_QUEUE_HIGH_BYTES: usize = 32 << 20;
/// Bytes of long messages that may wait to be written; a reply beyond them is replaced by an error.
pub const LONG_QUEUE_HARD_BYTES: usize = 128 << 20;

// ---- connection (SPEC.md 3, 7, 8, 11) -----------------------------------------------------------------------

/// Time for the peer's HELLO to arrive after the connection was made, in milliseconds.
pub const HANDSHAKE_MS_MAX: u64 = 5_000;
/// Our heartbeat interval, announced in HELLO; the slower of the two sides holds. In milliseconds.
pub const HEARTBEAT_INTERVAL_MS: u32 = 1_000;
/// The fastest heartbeat that a peer may ask for, in milliseconds.
pub const HEARTBEAT_INTERVAL_MS_MIN: u32 = 50;
/// The slowest heartbeat that a peer may ask for, in milliseconds.
pub const HEARTBEAT_INTERVAL_MS_MAX: u32 = 60_000;
/// The least time from one beacon of a connection to the next, in milliseconds.
pub const BEACON_INTERVAL_MS: u64 = 10_000;
/// The longest piece of a schema in one BEACON, in bytes.
pub const BEACON_PIECE_BYTES_MAX: usize = 4 << 10;
/// Silent heartbeat intervals after which the peer is taken for dead.
pub const HEARTBEATS_MISSED_MAX: u32 = 3;
/// PINGs without an answer, after which no further one is sent.
pub const PINGS_UNANSWERED_MAX: usize = 12;
/// Time that a draining side waits for calls in flight before it closes, in milliseconds.
pub const DRAIN_MS_MAX: u64 = 30_000;
/// Bytes waiting to be written after which no further call of this connection is started until they are gone.
pub const WRITE_BUFFER_HIGH_BYTES: usize = 4 << 20;
/// Bytes waiting to be written after which the connection ends: its peer doesn't read.
pub const WRITE_BUFFER_HARD_BYTES: usize = 32 << 20;

// ---- transport ----------------------------------------------------------------------------------------------

/// Time for a TCP connection to be made, in milliseconds.
pub const CONNECT_MS_MAX: u64 = 1_000;
/// The first pause before a lost connection is dialled again, in milliseconds; it doubles from there.
pub const REDIAL_MS_MIN: u64 = 50;
/// The longest pause before a lost connection is dialled again, in milliseconds.
pub const REDIAL_MS_MAX: u64 = 2_000;
/// Connections that a process keeps to each instance that it calls.
pub const POOL_CONNECTIONS: usize = 2;
/// Calls in flight on one connection of a pool, from which on the next one takes some: below, one connection's calls share its writes.
pub const POOL_SPREAD_CALLS: usize = 64;
/// The age at which a connection of a pool is replaced, in milliseconds; each has its own, up to a tenth more or less.
pub const CONNECTION_AGE_MS: u64 = 900_000;
/// The time in which a heartbeat should be answered, in milliseconds; an instance that hasn't answered one by then is spared.
pub const HEARTBEAT_ANSWER_MS: u64 = 500;
/// How often what is known of the instances of a service is looked through, in milliseconds.
pub const HEALTH_LOOK_MS: u64 = 250;
/// How late this process may come to look for what it sees of others to count, in milliseconds.
pub const JUDGEMENT_LAG_MS_MAX: u64 = 100;
/// Signs of life in a row after which an instance that was lost is taken back; each further loss lately doubles them.
pub const GOOD_SIGNS_MIN: u32 = 2;
/// The most that are asked for.
pub const GOOD_SIGNS_MAX: u32 = 16;
/// How long a loss counts as one that was lately, in milliseconds.
pub const LOSS_MEMORY_MS: u64 = 60_000;
/// Losses that are remembered of one instance.
pub const LOSSES_REMEMBERED_MAX: usize = 8;
/// Instances that come within so long of each other come together: none of them has to begin slowly. In milliseconds.
pub const TOGETHER_MS_MAX: u64 = 2_000;
/// Changes of an instance's state that are remembered.
pub const HISTORY_CHANGES_MAX: usize = 64;
/// A call counts as slow when it takes so many times the mean of the service's instances.
pub const SLOW_FACTOR: u64 = 10;
/// A call that is faster than this is never slow, in milliseconds.
pub const SLOW_MS_MIN: u64 = 10;
/// Of the instances of a service, more than so many in a hundred are not ejected at once, and never all.
pub const EJECTED_PERCENT_MAX: usize = 50;
/// When fewer of a service's instances are ready, in a hundred, those that were ejected are tried too.
pub const PANIC_PERCENT: usize = 50;
/// Instances of one service that a process calls; it doesn't know further ones.
pub const INSTANCES_MAX: usize = 1024;
/// How often a process measures how late its timers fire, in milliseconds.
pub const LAG_SAMPLE_MS: u64 = 100;
/// How often a process measures how much CPU time it uses, in milliseconds.
pub const CPU_SAMPLE_MS: u64 = 1_000;
/// The time in which what a PONG tells of delays halves, in milliseconds (SPEC.md 7.2).
pub const DECAY_HALF_LIFE_MS: u64 = 1_000;
/// How often one call may be tried, the first time included.
pub const ATTEMPTS_MAX: u32 = 3;
/// Schemas of one service that are kept, also when no instance serves them just now: its routes outlive its instances.
pub const SCHEMAS_KEPT_MAX: usize = 16;
/// Parts of a process that its health depends on.
pub const HEALTH_CHECKS_MAX: usize = 16;
/// How long one of them may take to say how it is, in milliseconds.
pub const HEALTH_CHECK_MS_MAX: u64 = 1_000;
/// What one read takes from a socket at most, in bytes.
pub const READ_BYTES: usize = 64 << 10;
/// What the first read takes from a socket at most, before it is known which language the peer speaks, in bytes.
pub const FIRST_READ_BYTES: usize = 4 << 10;
/// The shortest time for which an answer of the domain name system is kept, in milliseconds.
pub const DNS_MS_MIN: u64 = 1_000;
/// The longest time for which an answer of the domain name system is kept, in milliseconds.
pub const DNS_MS_MAX: u64 = 300_000;
/// How often a file that says where instances are is looked at, in milliseconds.
pub const PEERS_FILE_LOOK_MS: u64 = 1_000;
/// The longest file that says where instances are, in bytes.
pub const PEERS_FILE_BYTES_MAX: u64 = 1 << 20;
/// How often a gateway tells an instance that it is still registered, in milliseconds.
pub const REGISTRATION_WORD_MS: u64 = 10_000;
/// Time that unacknowledged bytes may wait before the kernel gives a connection up (TCP_USER_TIMEOUT), in milliseconds.
pub const USER_TIMEOUT_MS: u32 = 10_000;
/// Bytes that the kernel takes for a connection before the network has room for them (TCP_NOTSENT_LOWAT). What it has taken nothing can pass, and for a
/// peer that doesn't read it would otherwise keep megabytes.
pub const UNSENT_BYTES_MAX: u32 = 64 << 10;
/// Connections that wait for `accept`.
pub const BACKLOG: i32 = 1024;
/// Handlers that a process has at work at once whatever their latency; its adaptive limit doesn't fall below.
pub const HANDLERS_MIN: u32 = 64;
/// Bytes that wait on one direction of a link whose conditions are declared; as with a full socket, no more are taken then.
pub const LINK_BUFFER_BYTES: usize = 256 << 10;
/// The pieces in which bytes pass over such a link, and are lost, in bytes.
pub const LINK_SEGMENT_BYTES: usize = 1_400;
/// Addresses of which a process remembers who was met there.
pub const LINK_NAMES_MAX: usize = 1024;
/// Sockets that are kept open because the link to their peers was cut, until the rules change; one more lets the oldest go.
pub const LINK_SOCKETS_HELD_MAX: usize = 64;
/// The pause after `accept` failed, in milliseconds.
pub const ACCEPT_PAUSE_MS: u64 = 100;
/// Connections that the port of one service keeps at once, RPC and HTTP together.
pub const SERVER_CONNECTIONS_MAX: usize = 1024;
/// Those among them that have proved no secret, as those of HTTP never do; one more sends the oldest of them away.
pub const SERVER_STRANGERS_MAX: usize = 256;
/// Time that a closed connection is still read, so that the peer gets our last frames and not a reset, in milliseconds.
pub const LINGER_MS_MAX: u64 = 1_000;
/// How often a process looks whether its certificates were replaced, in milliseconds.
pub const CERTIFICATE_CHECK_MS: u64 = 1_000;

// ---- schema and transcoding (SPEC.md 9, 10, 11) -------------------------------------------------------------

/// The deepest nesting of values, in JSON and in messages.
pub const NESTING_MAX: usize = 64;
/// The longest message that is made of JSON or written as JSON, in bytes.
pub const JSON_MESSAGE_BYTES_MAX: usize = 1 << 20;
/// The longest JSON that one message is written as, in bytes: names and escapes make it longer than the message.
pub const JSON_BYTES_MAX: usize = 8 << 20;
/// The longest encoded schema, in bytes.
pub const SCHEMA_BYTES_MAX: usize = 1 << 20;
/// Types in one service's schema.
pub const SCHEMA_TYPES_MAX: usize = 1024;
/// Methods in one service's schema.
pub const SCHEMA_METHODS_MAX: usize = 1024;
/// Fields of one struct, or variants of one enum.
pub const SCHEMA_MEMBERS_MAX: usize = 256;

/// Types, fields and variants that are looked at, each way, to compare two schemas: more than one schema can have.
pub const ADAPTER_MEMBERS_MAX: usize = 1 << 19;

// ---- HTTP/1.1 -----------------------------------------------------------------------------------------------

/// The longest request line; a longer one is answered 414. In bytes.
pub const HTTP_REQUEST_LINE_BYTES_MAX: usize = 8 << 10;
/// The largest head, request line included; a larger one is answered 431. In bytes.
pub const HTTP_HEAD_BYTES_MAX: usize = 32 << 10;
/// The largest head that may be configured, in bytes: where a field is in it is kept in 16 bits.
pub const HTTP_HEAD_BYTES_HARD_MAX: usize = 60 << 10;
/// Header fields in a head; more are answered 431.
pub const HTTP_HEADERS_MAX: usize = 100;
/// The most header fields that may be configured.
pub const HTTP_HEADERS_HARD_MAX: usize = 256;
/// The largest request body; a larger one is answered 413. In bytes.
pub const HTTP_BODY_BYTES_MAX: usize = 1 << 20;
/// The largest request body that may be configured, in bytes.
pub const HTTP_BODY_BYTES_HARD_MAX: usize = 16 << 20;
/// The longest chunk-size line, extensions included, in bytes.
pub const HTTP_CHUNK_LINE_BYTES_MAX: usize = 1 << 10;
/// The extensions of all chunks of one body together, in bytes: nobody reads them, so they must not be a way to make
/// us read.
pub const HTTP_CHUNK_EXTENSION_BYTES_MAX: usize = 8 << 10;
/// The largest trailer section, in bytes.
pub const HTTP_TRAILER_BYTES_MAX: usize = 8 << 10;
/// The rest of a body that nobody wants is read and thrown away up to this size, so that the connection can be used
/// again; a larger one costs the connection. In bytes.
pub const HTTP_DRAIN_BYTES_MAX: u64 = 64 << 10;
/// Requests that an HTTP client connection may have in flight.
pub const HTTP_PIPELINE_MAX: usize = 128;
/// Requests that an HTTP connection carries: the answer to the last one says that it closes.
pub const HTTP_REQUESTS_MAX: u64 = 100_000;
/// Time for a whole head to arrive, from its first byte (absolute), in milliseconds.
pub const HTTP_HEAD_MS_MAX: u64 = 10_000;
/// Longest gap within a body, in milliseconds.
pub const HTTP_BODY_GAP_MS_MAX: u64 = 30_000;
/// The slowest rate at which a body may come, or an answer may be read, after a first gap; in bytes a second.
pub const HTTP_RATE_BYTES_PER_S_MIN: u64 = 1_024;
/// Time that a keep-alive connection may idle between requests, in milliseconds.
pub const HTTP_IDLE_MS_MAX: u64 = 75_000;
/// How long a connection without a request stays open for one that may be on its way, when the process drains, in milliseconds.
pub const HTTP_DRAIN_IDLE_MS: u64 = 500;
/// What one read takes from an HTTP connection at most, in bytes.
pub const HTTP_READ_BYTES: usize = 16 << 10;
/// Answers to pipelined requests that are collected before they are written, in bytes.
pub const HTTP_WRITE_BYTES: usize = 64 << 10;
/// Connections that last, as those of WebSocket, are ended at this rate when their process drains, in connections a second: each at a
/// moment that chance decides.
pub const LASTING_ENDED_PER_S: u64 = 100;
/// The time within which all of them are ended, however many there are, in milliseconds.
pub const LASTING_DRAIN_MS_MAX: u64 = 20_000;
/// What HTTP connections of a process keep together of requests and answers that are longer than one read, in bytes.
pub const HTTP_BUFFERED_BYTES_MAX: usize = 256 << 20;
/// HTTP connections that a gateway serves at once; the next is answered 503, unless one that idles can make room for it.
pub const HTTP_CONNECTIONS_MAX: usize = 10_000;
/// The most of them that may be configured.
pub const HTTP_CONNECTIONS_HARD_MAX: usize = 1_000_000;
/// Those of them from one address, or from one /64 of IPv6, but for this machine's own; the next is answered 503.
pub const HTTP_CONNECTIONS_PER_ADDRESS_MAX: usize = 1_000;
/// Connections beyond those limits that are told so at once; further ones are just closed.
pub const HTTP_REFUSALS_MAX: usize = 64;
/// The longest time that may be configured for anything of HTTP, in milliseconds.
pub const HTTP_TIME_MS_HARD_MAX: u64 = 3_600_000;

// ---- text (SPEC.md 17) --------------------------------------------------------------------------------------

/// The longest line of text, without its end, in bytes; a longer one ends the connection.
pub const TEXT_LINE_BYTES_MAX: usize = 64 << 10;
/// Time for the first byte of a connection that may be typed by hand, in milliseconds.
pub const TEXT_FIRST_MS_MAX: u64 = 60_000;
/// Time for a whole line to arrive, from its first byte (absolute), in milliseconds.
pub const TEXT_LINE_MS_MAX: u64 = 30_000;
/// Longest time between an answer and the next line, in milliseconds.
pub const TEXT_IDLE_MS_MAX: u64 = 300_000;
/// Longest time in which a client takes nothing of an answer, in milliseconds.
pub const TEXT_STALL_MS_MAX: u64 = 30_000;
/// Lines in a row that are no commands and end the connection: whoever sends so many doesn't read the answers.
pub const TEXT_MISTAKES_MAX: usize = 32;
/// Silence on a stream after which the client is sent a line to pass over, in milliseconds: so one that is gone is noticed.
pub const TEXT_BEAT_MS: u64 = 15_000;
/// Requests that one line gives to a method that takes many.
pub const TEXT_REQUESTS_MAX: usize = 1024;
/// Lines about one frame that TRACE shows; of a longer one the first.
pub const TEXT_TRACE_LINES_MAX: usize = 64;

// ---- access tokens ------------------------------------------------------------------------------------------

/// The longest access token, in bytes; a longer one is refused unread.
pub const ACCESS_TOKEN_BYTES_MAX: usize = 4 << 10;
/// How far the clocks of those who issue and those who verify tokens may differ, in seconds.
pub const ACCESS_TOKEN_LEEWAY_S: i64 = 2;
/// Verified tokens that a process remembers in each of two generations, so that it verifies each signature once.
pub const VERIFIED_TOKENS_MAX: usize = 4096;
/// Keys of tokens that are known at once.
pub const TOKEN_KEYS_MAX: usize = 16;
/// How often the keys of tokens are asked for, in milliseconds.
pub const TOKEN_KEYS_REFRESH_MS: u64 = 60_000;
/// How long after they were asked for the keys are not asked for again because of a token whose key isn't known, in milliseconds.
pub const TOKEN_KEYS_PAUSE_MS: u64 = 2_000;
/// How long the bearer of such a token waits for the keys, in milliseconds.
pub const TOKEN_KEYS_WAIT_MS: u64 = 2_000;
/// How long after its start a verifier has its bearers wait for the authority's first word, in milliseconds.
pub const TOKEN_FIRST_WORD_MS: u64 = 5_000;
/// Revocations that are remembered; where there are more, all tokens that were issued so far are refused.
pub const REVOCATIONS_MAX: usize = 1 << 16;
/// The silence about revocations after which no token is believed any more, in seconds: as long as a token is good for, so that all
/// that were issued before it have expired.
pub const REVOCATIONS_SILENCE_S_MAX: i64 = 900;

// ---- frames in words --------------------------------------------------------------------------------------

/// The values of one message that are shown one by one; of a longer message they are the first.
pub const EXPLAINED_VALUES_MAX: usize = 256;
/// The characters of one value that are shown.
pub const EXPLAINED_TEXT_CHARS_MAX: usize = 256;
/// The bytes of messages in pieces that are put together at once for one connection to be shown; others are shown as pieces.
pub const EXPLAINED_PIECES_BYTES_MAX: usize = 32 << 20;
/// The streams of one connection whose messages are put together at once to be shown.
pub const EXPLAINED_STREAMS_MAX: usize = 4096;
/// The schemas that are learnt of one capture.
pub const EXPLAINED_SCHEMAS_MAX: usize = 64;

const _: () = {
    assert!(FRAME_PAYLOAD_BYTES_MAX <= FRAME_PAYLOAD_BYTES_HARD_MAX);
    assert!(HELLO_PAYLOAD_BYTES_MAX <= FRAME_PAYLOAD_BYTES_MIN);
    assert!(FRAME_PAYLOAD_BYTES_MIN <= FRAME_PAYLOAD_BYTES_MAX);
    // A piece of a message always fits one frame together with the largest head.
    assert!(FRAGMENT_BYTES_MAX + REQUEST_HEAD_BYTES_MAX + 64 <= FRAME_PAYLOAD_BYTES_MIN as usize);
    assert!(FRAGMENT_BYTES_MAX <= STREAM_CREDIT_BYTES_MIN as usize);
    assert!(
        STREAM_CREDIT_BYTES_MIN <= STREAM_CREDIT_BYTES && STREAM_CREDIT_BYTES <= CONNECTION_CREDIT_BYTES_MIN
    );
    assert!(CONNECTION_CREDIT_BYTES_MIN <= STRANGER_CREDIT_BYTES);
    assert!(STRANGER_CREDIT_BYTES <= CONNECTION_CREDIT_BYTES);
    // What HTTP can carry, a stranger's RPC can.
    assert!(HTTP_BODY_BYTES_MAX <= STRANGER_CREDIT_BYTES as usize);
    // Whatever others hold, the longest message can be reserved when its turn comes.
    assert!(MESSAGE_BYTES_MAX <= REASSEMBLY_BYTES_MAX as usize);
    assert!(CONNECTION_CREDIT_BYTES + REASSEMBLY_BYTES_MAX <= CREDIT_BYTES_MAX);
    // Streams whose readers are slow hold at most half of the connection's credit.
    assert!(2 * STREAMS_OF_MESSAGES_MAX * STREAM_CREDIT_BYTES as usize <= CONNECTION_CREDIT_BYTES as usize);
    assert!(LONG_QUEUE_HIGH_BYTES + MESSAGE_BYTES_MAX <= LONG_QUEUE_HARD_BYTES);
    assert!(ERROR_MESSAGE_BYTES_MAX + ERROR_DETAIL_BYTES_MAX + 64 <= FRAME_PAYLOAD_BYTES_MIN as usize);
    // An error can hold all faults at their longest, and say at least the first of them.
    assert!(
        FAULTS_MAX * (FAULT_FIELD_BYTES_MAX + FAULT_MESSAGE_BYTES_MAX + 64) + 8 <= ERROR_DETAIL_BYTES_MAX
    );
    assert!(FAULT_FIELD_BYTES_MAX + FAULT_MESSAGE_BYTES_MAX + 64 <= ERROR_MESSAGE_BYTES_MAX);
    // A HELLO can hold every entry at its longest.
    assert!(3 * NAME_BYTES_MAX + SOFTWARE_BYTES_MAX + 128 <= HELLO_PAYLOAD_BYTES_MAX as usize);
    // A beacon delays others by less than a piece of a message does.
    assert!(BEACON_PIECE_BYTES_MAX < FRAGMENT_BYTES_MAX);
    // The heartbeat itself never runs into the limit of unanswered PINGs.
    assert!((HEARTBEATS_MISSED_MAX as usize) < PINGS_UNANSWERED_MAX);
    assert!(MESSAGE_BYTES_MAX <= REQUEST_BYTES_IN_FLIGHT_MAX);
    assert!(CALLS_IN_FLIGHT_MAX <= INSTANCE_CALLS_IN_FLIGHT_MAX);
    assert!(HANDLERS_MIN <= INSTANCE_CALLS_IN_FLIGHT_MAX);
    // A head can hold every part of itself at its longest.
    assert!(
        PERMISSIONS_MAX * (NAME_BYTES_MAX + 1)
            + TOKEN_BYTES_MAX
            + REQUEST_ID_BYTES_MAX
            + 3 * NAME_BYTES_MAX
            + METADATA_BYTES_MAX
            + 128
            <= REQUEST_HEAD_BYTES_MAX
    );
    // A tap that has nothing to tell outlives the silence of a stream.
    assert!(TAP_SILENCE_MS < STREAM_IDLE_MS_MAX);
    // One reply more never breaks a connection that was just below its mark.
    assert!(WRITE_BUFFER_HIGH_BYTES + FRAME_PAYLOAD_BYTES_MAX as usize <= WRITE_BUFFER_HARD_BYTES);
    // Strangers leave room for the cluster.
    assert!(SERVER_STRANGERS_MAX <= SERVER_CONNECTIONS_MAX / 2);
    assert!(DEADLINE_US_DEFAULT <= DEADLINE_US_MAX);
    assert!(
        HEARTBEAT_INTERVAL_MS_MIN <= HEARTBEAT_INTERVAL_MS
            && HEARTBEAT_INTERVAL_MS <= HEARTBEAT_INTERVAL_MS_MAX
    );
    assert!(MESSAGE_BYTES_MAX <= DECODE_BYTES_MAX && SCHEMA_BYTES_MAX <= MESSAGE_BYTES_MAX);
    // A variant takes at least 5 bytes of its schema (SPEC.md 10.4), a field more; each is looked at from both sides.
    assert!(2 * (SCHEMA_BYTES_MAX / 5) + SCHEMA_TYPES_MAX <= ADAPTER_MEMBERS_MAX);
    // The longest string can be written as JSON, even when each of its bytes becomes an escape such as \u0000.
    assert!(6 * JSON_MESSAGE_BYTES_MAX + 2 <= JSON_BYTES_MAX);
    assert!(JSON_MESSAGE_BYTES_MAX <= MESSAGE_BYTES_MAX);
    assert!(HTTP_REQUEST_LINE_BYTES_MAX <= HTTP_HEAD_BYTES_MAX);
    // Whoever is told last still has time to say goodbye.
    assert!(LASTING_DRAIN_MS_MAX + WEBSOCKET_CLOSE_MS_MAX + LINGER_MS_MAX < DRAIN_MS_MAX);
    assert!(WEBSOCKET_FRAME_BYTES_MAX <= WEBSOCKET_MESSAGE_BYTES_MAX);
    assert!(
        HTTP_REQUEST_LINE_BYTES_MAX <= TEXT_LINE_BYTES_MAX && ACCESS_TOKEN_BYTES_MAX < TEXT_LINE_BYTES_MAX
    );
    // What a client sends as one message, a call can carry.
    assert!(JSON_MESSAGE_BYTES_MAX <= WEBSOCKET_MESSAGE_BYTES_MAX);
    assert!(HTTP_HEAD_BYTES_MAX <= HTTP_HEAD_BYTES_HARD_MAX && HTTP_HEAD_BYTES_HARD_MAX <= u16::MAX as usize);
    assert!(HTTP_HEADERS_MAX <= HTTP_HEADERS_HARD_MAX && HTTP_BODY_BYTES_MAX <= HTTP_BODY_BYTES_HARD_MAX);
    assert!(FAILURE_PENALTY_MS <= FAILURE_PENALTY_MS_MAX);
    assert!(0 < SLOW_START_PERMILLE_MIN && SLOW_START_PERMILLE_MIN <= 1_000);
    // A switch is judged by three windows before the next one.
    assert!(3 * ADAPTIVE_WINDOW_MS < ADAPTIVE_STAY_MS_MIN && ADAPTIVE_STAY_MS_MIN < ADAPTIVE_HOLD_OFF_MS);
    assert!(BREAKER_PAUSE_MS_MIN <= BREAKER_PAUSE_MS_MAX && BREAKER_JITTER_PERCENT < 100);
    assert!((BREAKER_FAILURES_IN_A_ROW as u64) < BREAKER_RESULTS_MIN);
};
