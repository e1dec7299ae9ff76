//! What the engine says about a minute.

use serde::{Deserialize, Serialize};

use super::family::Family;
use super::state::Silence;
use crate::domain::minute::Minute;
use crate::domain::slo::Metric;
use crate::domain::weight::Weight;

/// What the evidence says, before calendars, pauses and alarms are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Signal {
    /// The new side breaks an objective, or is worse than the old one.
    Rollback,
    /// Every objective is proven for the next step.
    Advance,
    /// Neither.
    Hold,
}

impl Signal {
    /// `ROLLBACK`, `ADVANCE` or `HOLD`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rollback => "ROLLBACK",
            Self::Advance => "ADVANCE",
            Self::Hold => "HOLD",
        }
    }
}

/// Which sides had requests in a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Traffic {
    /// Both.
    Both,
    /// Only the old side.
    OldOnly,
    /// Only the new side.
    NewOnly,
    /// Neither.
    Neither,
}

impl Traffic {
    pub(super) const fn of(old: u64, new: u64) -> Self {
        match (old > 0, new > 0) {
            (true, true) => Self::Both,
            (true, false) => Self::OldOnly,
            (false, true) => Self::NewOnly,
            (false, false) => Self::Neither,
        }
    }

    /// Whether the new side had requests.
    pub const fn reached_new(self) -> bool {
        match self {
            Self::Both | Self::NewOnly => true,
            Self::OldOnly | Self::Neither => false,
        }
    }
}

/// The judgement of one committed minute. Logarithms are natural.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[must_use]
pub struct Judged {
    /// The minute judged.
    pub minute: Minute,
    /// The weight in force in it.
    pub weight: Weight,
    /// What this minute's evidence says by itself. See [`Judged::verdict`].
    pub signal: Signal,
    /// The minute whose evidence reached the rollback threshold, if one did.
    pub rolled_back_at: Option<Minute>,
    /// `ln E`: evidence against the new side over all families.
    pub log_e: f64,
    /// The family that contributes most to it.
    pub lead: Family,
    /// `ln E_f` per family, in the order of [`Family::ALL`].
    pub log_e_family: [f64; 8],
    /// `ln G_j` per metric: evidence that the next step is safe. 0 before the
    /// first tick of a gate.
    pub log_gates: [f64; 4],
    /// The rate each gate disproves.
    pub gate_limits: [f64; 4],
    /// Minutes with traffic in this stage, without the entry minute.
    pub gate_ticks: u32,
    /// `D` per metric, with this minute learnt.
    pub dispersion: [f64; 4],
    /// Since when the old side itself is above each limit, `None` if it is not.
    pub incident_since: [Option<Minute>; 4],
    /// Which sides had requests.
    pub traffic: Traffic,
    /// How long the new side has been silent although it should not be.
    pub silence: Silence,
}

impl Judged {
    /// The verdict with memory: once rollback, always rollback. Evidence may
    /// fall again, the verdict may not.
    pub const fn verdict(&self) -> Signal {
        if self.rolled_back_at.is_some() { Signal::Rollback } else { self.signal }
    }

    /// Whether the old side is above a limit by itself.
    pub fn shared_incident(&self) -> bool {
        self.incident_since.iter().any(Option::is_some)
    }

    /// The metric in which the old side has been above its limit longest, and
    /// since when.
    pub fn incident(&self) -> Option<(Metric, Minute)> {
        Metric::ALL
            .into_iter()
            .filter_map(|metric| Some((metric, self.incident_since[metric.index()]?)))
            .min_by_key(|&(_, since)| since)
    }
}
