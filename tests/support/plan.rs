//! What a seed decides about a simulated world before it begins: the network, the two sides, their scripts, and one fault.

use std::collections::VecDeque;

use micronet_wire::hello::{Credential, Hello};
use micronet_wire::limits::{
    CONNECTION_CREDIT_BYTES, FRAME_PAYLOAD_BYTES_MAX, FRAME_PAYLOAD_BYTES_MIN, STREAM_CREDIT_BYTES,
    STREAM_CREDIT_BYTES_MIN,
};

use crate::application::talk::Pace;
use crate::application::{Command, Planned, Shape};
use crate::link::Weather;
use crate::random::Random;

/// A millisecond, in nanoseconds.
pub const MS: u64 = 1_000_000;
/// The dialler's place in arrays of two.
pub const DIALLER: usize = 0;
/// The acceptor's place in arrays of two.
pub const ACCEPTOR: usize = 1;
/// Commands come within this time.
pub const SCRIPT_NS: u64 = 4_000 * MS;
/// The longest deadline of a scripted call, unless all is peaceful.
pub const PATIENCE_NS_MAX: u64 = 3_000 * MS;
/// The deadline of a scripted call when all is peaceful: time enough for everything.
pub const PEACEFUL_PATIENCE_NS: u64 = 40_000 * MS;

/// What goes wrong in a world, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// The connection is cut after so many bytes of one direction.
    Cut(usize, u64),
    /// From a time on, nothing arrives in one direction, or in both, and nobody is told.
    Silence(u64, [bool; 2]),
    /// In one direction nothing arrives from one time to another.
    Pause(u64, usize, u64),
    /// One byte of one direction is changed.
    Corrupt(usize, u64),
    /// A side does nothing from one time to another; its clock then jumps.
    Stall(u64, usize, u64),
}

impl Fault {
    /// When it is over, if it passes.
    #[must_use]
    pub fn passes_ns(&self) -> u64 {
        match self {
            Self::Pause(_, _, until_ns) | Self::Stall(_, _, until_ns) => *until_ns,
            _ => 0,
        }
    }
}

/// How long messages are, and how they are read.
#[derive(Debug, Clone, Copy)]
pub struct Habits {
    /// The longest message, in bytes.
    pub bytes_max: usize,
    /// So many of a thousand messages are of any length up to that.
    pub long_permille: u64,
    /// Calls have streams of messages.
    pub streams: bool,
    /// Some readers never read.
    pub never_reads: bool,
}

impl Habits {
    /// The length of a message.
    pub fn bytes(&self, random: &mut Random) -> usize {
        let longest = match random.below(1_000) {
            chance if chance < self.long_permille => self.bytes_max,
            0..900 => self.bytes_max.min(1_000),
            _ => self.bytes_max.min(24_000),
        };
        usize::try_from(random.below(longest as u64 + 1)).unwrap_or(0)
    }

    /// The lengths of the messages of one side.
    pub fn messages(&self, random: &mut Random) -> Vec<usize> {
        let count = *random.pick(&[0, 1, 3, 6, 40]);
        (0..random.between(0, count)).map(|_| self.bytes(random)).collect()
    }

    /// How somebody reads.
    pub fn pace(&self, now: u64, random: &mut Random) -> Pace {
        match random.below(10) {
            0..6 => Pace::Quick,
            6 | 7 => Pace::Slow(random.below(20 * MS)),
            8 if self.never_reads => Pace::Never,
            _ => {
                let after = u32::try_from(random.below(5)).unwrap_or(0);
                Pace::Stalls(after, now + random.below(3_000 * MS))
            }
        }
    }
}

/// Everything about a world that its seed decides before it begins.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The seed.
    pub seed: u64,
    /// The network.
    pub weather: Weather,
    /// What goes wrong.
    pub fault: Fault,
    /// Nothing goes wrong, and there is time for everything: who isn't hopeless gets its answer.
    pub peaceful: bool,
    /// What both sides' messages are like.
    pub habits: Habits,
    /// The interval that both agree on, in nanoseconds.
    pub interval_ns: u64,
    /// The credential that the dialler proves.
    pub credential: Option<Credential>,
    /// The acceptor's credit for the connection of a dialler that has proved who it is, if strangers get less.
    pub credit_when_known: Option<u32>,
    /// What the sides say of themselves.
    pub hellos: [Hello; 2],
    /// What they do: when, which side, what.
    pub script: VecDeque<(u64, usize, Command)>,
}

impl Plan {
    /// The plan of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::with(seed, true)
    }

    /// The plan of a seed in which all calls are unary or one-way, and all messages short.
    #[must_use]
    pub fn of_short_calls(seed: u64) -> Self {
        Self::with(seed, false)
    }

    fn with(seed: u64, streams: bool) -> Self {
        let mut random = Random::new(seed);
        let peaceful = streams && random.percent(40);
        let delay_ns = *random.pick(if peaceful { &[0, MS, 20 * MS] } else { &[0, MS, 20 * MS, 150 * MS] });
        let mut weather = Weather {
            delay_ns,
            jitter_ns: *random.pick(&[0, MS, 50 * MS]),
            piece_bytes_max: *random.pick(&[1, 7, 100, 5_000, 100_000]),
            loss_percent: *random.pick(&[0, 0, 1, 10]),
            window_bytes: *random.pick(if delay_ns > MS {
                &[3_000, 65_536]
            } else {
                &[300, 3_000, 65_536, 1 << 20][..]
            }),
        };
        if peaceful {
            weather.piece_bytes_max = weather.piece_bytes_max.max(5_000);
            weather.window_bytes = weather.window_bytes.max(65_536);
            weather.loss_percent = 0;
        }
        let habits = Self::habits(&mut random, &weather, streams);
        if weather.piece_bytes_max < 100 || weather.window_bytes < 65_536 {
            weather.loss_percent = 0; // A few bytes a retransmission would take hours.
        }
        // Whoever never reads holds credit, of which there is enough only in the usual case.
        let usual = (STREAM_CREDIT_BYTES, CONNECTION_CREDIT_BYTES);
        let credits = [
            usual,
            (STREAM_CREDIT_BYTES_MIN, CONNECTION_CREDIT_BYTES),
            (65_536, 65_536),
            (16_384, 200_000),
            (1 << 20, 3 << 20),
        ];
        let credits = &credits[..if peaceful && habits.never_reads { 2 } else { credits.len() }];
        let mut hello = |node: &str| {
            let credit = *random.pick(credits);
            Hello {
                cluster: (*random.pick(&["", "shop"])).into(),
                node: node.into(),
                nonce: [(); 16].map(|()| random.bits().to_be_bytes()[0]),
                frame_payload_max: *random.pick(&[FRAME_PAYLOAD_BYTES_MIN, FRAME_PAYLOAD_BYTES_MAX]),
                calls_in_flight_max: *random.pick(&[1, 3, 4096]),
                heartbeat_interval_ms: *random.pick(&[50, 400, 1_000, 2_000]),
                checksums: random.percent(60),
                stream_credit: credit.0,
                connection_credit: credit.1,
                ..Hello::default()
            }
        };
        let hellos = [hello("dialler"), hello("acceptor")];
        let slower_ms = hellos[0].heartbeat_interval_ms.max(hellos[1].heartbeat_interval_ms);
        let checked = hellos[0].checksums || hellos[1].checksums;
        let usual_only = peaceful && habits.never_reads;
        let credit_when_known =
            (streams && !usual_only && random.percent(30)).then_some(CONNECTION_CREDIT_BYTES);
        let fault = if peaceful { Fault::None } else { Self::fault(&mut random, checked) };
        Self {
            seed,
            peaceful,
            habits,
            credit_when_known,
            weather,
            fault,
            interval_ns: u64::from(slower_ms) * MS,
            credential: *random.pick(&[None, Some(Credential::Cluster), Some(Credential::Operator)]),
            hellos,
            script: Self::script(&mut random, peaceful, &habits),
        }
    }

    fn fault(random: &mut Random, checked: bool) -> Fault {
        let at_ns = random.below(SCRIPT_NS);
        let side = usize::from(random.percent(50));
        let reach = *random.pick(&[200, 5_000, 50_000, 500_000]);
        let byte = random.below(reach);
        match random.below(11) {
            0..4 => Fault::None,
            4 | 5 => Fault::Cut(side, byte),
            6 => Fault::Silence(at_ns, [true, true]),
            7 => Fault::Silence(at_ns, [side == 0, side == 1]),
            8 => Fault::Pause(at_ns, side, at_ns + random.below(10_000 * MS)),
            9 => Fault::Stall(at_ns, side, at_ns + random.below(10_000 * MS)),
            // Without checksums a changed payload is nobody's fault.
            _ if checked => Fault::Corrupt(side, byte),
            _ => Fault::None,
        }
    }

    fn habits(random: &mut Random, weather: &Weather, streams: bool) -> Habits {
        let is_wide = weather.piece_bytes_max >= 5_000 && weather.window_bytes >= 65_536;
        let (bytes_max, long_permille) = match random.below(100) {
            _ if !streams => (3_000, 0),
            0..4 if is_wide => (10 << 20, 8),
            0..20 if is_wide => (1 << 20, 30),
            0..80 if is_wide => (200_000, 100),
            _ if weather.piece_bytes_max >= 5_000 => (40_000, 100),
            _ if weather.piece_bytes_max >= 100 => (24_000, 0),
            _ => (3_000, 0),
        };
        Habits { bytes_max, long_permille, streams, never_reads: random.percent(70) }
    }

    fn call(random: &mut Random, peaceful: bool, habits: &Habits, shape: Shape, at_ns: u64) -> Planned {
        let longest_ns = *random.pick(&[10 * MS, PATIENCE_NS_MAX]);
        let patience_ns = if peaceful { PEACEFUL_PATIENCE_NS } else { random.between(1_000, longest_ns) };
        let gives_up = shape.is_stream() && random.percent(97);
        Planned {
            shape,
            patience_ns,
            requests: if shape.has_requests() { habits.messages(random) } else { vec![habits.bytes(random)] },
            pace: habits.pace(at_ns, random),
            gives_up_ns: gives_up.then_some(patience_ns),
            for_user: random.percent(20),
            bulk: random.percent(15),
        }
    }

    fn script(random: &mut Random, peaceful: bool, habits: &Habits) -> VecDeque<(u64, usize, Command)> {
        let mut script = Vec::new();
        for _ in 0..random.between(1, 60) {
            let at_ns = random.below(SCRIPT_NS);
            script.push(match random.below(100) {
                kind @ 0..70 => {
                    let shape = match kind {
                        0..10 => Shape::OneWay,
                        10..20 if habits.streams => Shape::Replies,
                        20..30 if habits.streams => Shape::Requests,
                        30..40 if habits.streams => Shape::Both,
                        _ => Shape::Unary,
                    };
                    let call = Self::call(random, peaceful, habits, shape, at_ns);
                    (at_ns, DIALLER, Command::Call(call))
                }
                70..85 => (at_ns, DIALLER, Command::Cancel),
                85..95 => (at_ns, usize::from(random.percent(50)), Command::Ping),
                _ => {
                    let calls_in_flight_max = *random.pick(&[1, 3, 4096]);
                    (at_ns, ACCEPTOR, Command::Announce { calls_in_flight_max })
                }
            });
        }
        if !peaceful && random.percent(40) {
            script.push((random.below(SCRIPT_NS), usize::from(random.percent(60)), Command::Drain));
        }
        if !peaceful && random.percent(10) {
            script.push((random.below(SCRIPT_NS), usize::from(random.percent(50)), Command::Close));
        }
        script.sort_by_key(|(at_ns, ..)| *at_ns);
        script.into()
    }
}
