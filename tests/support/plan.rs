//! What a seed decides about a simulated world before it begins: the network, the two sides, their scripts, and one fault.

use std::collections::VecDeque;

use micronet_wire::hello::{Credential, Hello};
use micronet_wire::limits::{FRAME_PAYLOAD_BYTES_MAX, FRAME_PAYLOAD_BYTES_MIN};

use crate::application::Command;
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
/// The longest deadline of a scripted call.
pub const PATIENCE_NS_MAX: u64 = 3_000 * MS;

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
    /// The interval that both agree on, in nanoseconds.
    pub interval_ns: u64,
    /// The credential that the dialler proves.
    pub credential: Option<Credential>,
    /// What the sides say of themselves.
    pub hellos: [Hello; 2],
    /// What they do: when, which side, what.
    pub script: VecDeque<(u64, usize, Command)>,
}

impl Plan {
    /// The plan of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let delay_ns = *random.pick(&[0, MS, 20 * MS, 150 * MS]);
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
        if weather.piece_bytes_max < 100 || weather.window_bytes < 65_536 {
            weather.loss_percent = 0; // A few bytes a retransmission would take hours.
        }
        let mut hello = |node: &str| Hello {
            cluster: (*random.pick(&["", "shop"])).into(),
            node: node.into(),
            nonce: [(); 16].map(|()| random.bits().to_be_bytes()[0]),
            frame_payload_max: *random.pick(&[FRAME_PAYLOAD_BYTES_MIN, FRAME_PAYLOAD_BYTES_MAX]),
            calls_in_flight_max: *random.pick(&[1, 3, 4096]),
            heartbeat_interval_ms: *random.pick(&[50, 400, 1_000, 2_000]),
            checksums: random.percent(60),
            ..Hello::default()
        };
        let hellos = [hello("dialler"), hello("acceptor")];
        let slower_ms = hellos[0].heartbeat_interval_ms.max(hellos[1].heartbeat_interval_ms);
        let checked = hellos[0].checksums || hellos[1].checksums;
        let fault = Self::fault(&mut random, checked);
        Self {
            seed,
            weather,
            fault,
            interval_ns: u64::from(slower_ms) * MS,
            credential: *random.pick(&[None, Some(Credential::Cluster), Some(Credential::Operator)]),
            hellos,
            script: Self::script(&mut random),
        }
    }

    fn fault(random: &mut Random, checked: bool) -> Fault {
        let at_ns = random.below(SCRIPT_NS);
        let side = usize::from(random.percent(50));
        let reach = *random.pick(&[200, 5_000, 50_000]);
        let byte = random.below(reach);
        match random.below(10) {
            0..4 => Fault::None,
            4 | 5 => Fault::Cut(side, byte),
            6 => Fault::Silence(at_ns, [true, true]),
            7 => Fault::Silence(at_ns, [side == 0, side == 1]),
            8 => Fault::Pause(at_ns, side, at_ns + random.below(10_000 * MS)),
            // Without checksums a changed payload is nobody's fault.
            _ if checked => Fault::Corrupt(side, byte),
            _ => Fault::None,
        }
    }

    fn script(random: &mut Random) -> VecDeque<(u64, usize, Command)> {
        let mut script = Vec::new();
        for _ in 0..random.between(1, 60) {
            let at_ns = random.below(SCRIPT_NS);
            script.push(match random.below(100) {
                kind @ 0..70 => {
                    let longest_ns = *random.pick(&[10 * MS, PATIENCE_NS_MAX]);
                    let patience_ns = random.between(1_000, longest_ns);
                    let bytes = if random.percent(5) { 40_000 } else { random.below(500) };
                    let call = Command::Call {
                        patience_ns,
                        bytes: usize::try_from(bytes).unwrap_or(0),
                        for_user: random.percent(20),
                        one_way: kind < 15,
                    };
                    (at_ns, DIALLER, call)
                }
                70..85 => (at_ns, DIALLER, Command::Cancel),
                85..95 => (at_ns, usize::from(random.percent(50)), Command::Ping),
                _ => {
                    let calls_in_flight_max = *random.pick(&[1, 3, 4096]);
                    (at_ns, ACCEPTOR, Command::Announce { calls_in_flight_max })
                }
            });
        }
        if random.percent(40) {
            script.push((random.below(SCRIPT_NS), usize::from(random.percent(60)), Command::Drain));
        }
        if random.percent(10) {
            script.push((random.below(SCRIPT_NS), usize::from(random.percent(50)), Command::Close));
        }
        script.sort_by_key(|(at_ns, ..)| *at_ns);
        script.into()
    }
}
