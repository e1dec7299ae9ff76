//! Where a run stands: one value, for everybody who asks.

use super::decision::RollBackReason;
use super::event::{RouteFound, Who};
use super::plan::Terms;
use super::weight::Weight;
use serde::{Deserialize, Serialize};

/// For this long after a rollback a raised share is put back before anybody is asked: a
/// stale writer may land late. 15 minutes.
pub const PUT_BACK_MS: i64 = 15 * 60_000;

/// Where a run stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum Phase {
    /// Share 0; the first step has not been taken.
    Starting,
    /// The share may rise by evidence.
    Advancing {
        /// Which part of the plan.
        leg: Leg,
    },
    /// A person stopped the rise; protection goes on.
    Paused {
        /// Whose pause, and until when.
        pause: Pause,
    },
    /// A rule shows what no intent of ours explains.
    Moved {
        /// What each rule showed.
        found: Vec<RouteFound>,
        /// A pause that stands beside.
        pause: Option<Pause>,
    },
    /// The new side is leaving traffic.
    RollingBack {
        /// Why.
        reason: RollBackReason,
        /// Routes that the last try did not reach; empty before the first.
        unreached: Vec<RouteFound>,
        /// Tries that did not reach every route.
        tries: u32,
    },
    /// The new side is out of traffic; only a new start gives it any.
    RolledBack {
        /// Why, one sentence.
        reason: String,
        /// Since when, in milliseconds.
        at_ms: i64,
    },
    /// All traffic is on the new side, and the watch is over.
    Completed {
        /// Since when, in milliseconds.
        at_ms: i64,
    },
    /// A person closed a run that could not end by itself.
    Abandoned {
        /// Who and why.
        by: Who,
        /// What each rule showed.
        left: Vec<RouteFound>,
        /// Since when, in milliseconds.
        at_ms: i64,
    },
}

/// Part of the plan that a rising run is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Leg {
    /// Below the share of the bake.
    Stage,
    /// At the bake's share.
    Bake,
    /// At full traffic after the bake.
    Watch,
}

impl Leg {
    /// Follows from share and plan: below the bake's share a stage, from there
    /// the bake, and the watch once the bake was left.
    pub fn of(terms: &Terms, weight: Weight, baked: bool) -> Self {
        match (weight < terms.bake_share(), baked) {
            (true, _) => Self::Stage,
            (false, false) => Self::Bake,
            (false, true) => Self::Watch,
        }
    }
}

/// A pause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Whose.
    pub who: Who,
    /// The command that made it or last changed it.
    pub command: String,
    /// Since when. Milliseconds.
    pub since_ms: i64,
    /// Until when, if it ends by itself. Milliseconds.
    pub until_ms: Option<i64>,
}

impl Phase {
    /// Whether the run goes on.
    pub fn is_open(&self) -> bool {
        match self {
            Self::Starting
            | Self::Advancing { .. }
            | Self::Paused { .. }
            | Self::Moved { .. }
            | Self::RollingBack { .. } => true,
            Self::RolledBack { .. } | Self::Completed { .. } | Self::Abandoned { .. } => false,
        }
    }

    /// The pause that stands, alone or beside a foreign change.
    pub fn pause(&self) -> Option<&Pause> {
        match self {
            Self::Paused { pause } | Self::Moved { pause: Some(pause), .. } => Some(pause),
            Self::Starting
            | Self::Advancing { .. }
            | Self::Moved { pause: None, .. }
            | Self::RollingBack { .. }
            | Self::RolledBack { .. }
            | Self::Completed { .. }
            | Self::Abandoned { .. } => None,
        }
    }

    /// Why the new side is leaving traffic, if it is.
    pub fn rolling_back(&self) -> Option<&RollBackReason> {
        match self {
            Self::RollingBack { reason, .. } => Some(reason),
            Self::Starting
            | Self::Advancing { .. }
            | Self::Paused { .. }
            | Self::Moved { .. }
            | Self::RolledBack { .. }
            | Self::Completed { .. }
            | Self::Abandoned { .. } => None,
        }
    }

    /// Whether the new side is leaving traffic, or has left it.
    pub fn leaves(&self) -> bool {
        match self {
            Self::RollingBack { .. } | Self::RolledBack { .. } => true,
            Self::Starting
            | Self::Advancing { .. }
            | Self::Paused { .. }
            | Self::Moved { .. }
            | Self::Completed { .. }
            | Self::Abandoned { .. } => false,
        }
    }

    /// Routes that a rollback did not reach when it last tried, each with what AWS said.
    pub fn unreached(&self) -> &[RouteFound] {
        match self {
            Self::RollingBack { unreached, .. } => unreached,
            Self::Starting
            | Self::Advancing { .. }
            | Self::Paused { .. }
            | Self::Moved { .. }
            | Self::RolledBack { .. }
            | Self::Completed { .. }
            | Self::Abandoned { .. } => &[],
        }
    }

    /// A few words for people; programs read the tag.
    pub fn words(&self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Advancing { leg: Leg::Stage } => "advancing",
            Self::Advancing { leg: Leg::Bake } => "baking",
            Self::Advancing { leg: Leg::Watch } => "watching",
            Self::Paused { .. } => "paused",
            Self::Moved { .. } => "moved by someone else",
            Self::RollingBack { .. } => "rolling back",
            Self::RolledBack { .. } => "rolled back",
            Self::Completed { .. } => "completed",
            Self::Abandoned { .. } => "abandoned",
        }
    }
}
