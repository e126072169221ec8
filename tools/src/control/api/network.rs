//! The declared network: segments, links, and who may call whom.

use micronet_wire::schema::Message;

use crate::network_plan::{Plan, Quality};

/// Declares a network.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub(crate) struct Declare {
    /// The plan, in TOML, as `micronet net --help` shows it.
    #[field(min = 1, max = 65_536)]
    pub(crate) plan: String,
}

/// A network as it was declared; empty where nothing is.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Declared {
    /// The plan, in TOML.
    pub(crate) plan: String,
    /// Its segments.
    pub(crate) segments: Vec<DeclaredSegment>,
    /// The links between them.
    pub(crate) links: Vec<DeclaredLink>,
    /// Who may call whom; everybody everybody where nothing is said.
    pub(crate) allow: Vec<DeclaredAllow>,
}

/// A part of the network.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeclaredSegment {
    /// Its name.
    pub(crate) name: String,
    /// Its services and single instances.
    pub(crate) members: Vec<String>,
    /// What it is like within.
    pub(crate) within: LinkQuality,
}

/// What joins two segments.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeclaredLink {
    /// The segments.
    pub(crate) between: Vec<String>,
    /// What it is like.
    pub(crate) quality: LinkQuality,
}

/// Who may call whom.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeclaredAllow {
    /// Services or segments that may call, or `*`.
    pub(crate) from: Vec<String>,
    /// Those that they may call.
    pub(crate) to: Vec<String>,
}

/// What a way is like, in each direction.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub(crate) struct LinkQuality {
    /// Bytes take so long, in microseconds.
    pub(crate) latency_us: u64,
    /// And by chance up to so much longer, in microseconds.
    pub(crate) jitter_us: u64,
    /// So many of 1,000 segments of 1,400 bytes are lost, and come later.
    pub(crate) loss_permille: u32,
    /// So many bytes a second pass; 0 for as many as come.
    pub(crate) bytes_per_s: u64,
}

impl From<Quality> for LinkQuality {
    fn from(quality: Quality) -> Self {
        let Quality { latency_us, jitter_us, loss_permille, bytes_per_s } = quality;
        Self { latency_us, jitter_us, loss_permille, bytes_per_s }
    }
}

impl From<&Plan> for Declared {
    fn from(plan: &Plan) -> Self {
        let segments = plan.segments.iter().map(|segment| DeclaredSegment {
            name: segment.name.clone(),
            members: segment.members.clone(),
            within: segment.within.into(),
        });
        let links = plan.links.iter().map(|link| DeclaredLink {
            between: link.between.map(|place| plan.segments[place].name.clone()).into(),
            quality: link.quality.into(),
        });
        let allow = plan.allows.iter().map(|allow| {
            let [from, to] = allow.written.clone();
            DeclaredAllow { from, to }
        });
        Self {
            plan: plan.source.clone(),
            segments: segments.collect(),
            links: links.collect(),
            allow: allow.collect(),
        }
    }
}
