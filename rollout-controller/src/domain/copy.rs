//! What is known of the run outside the journal.
//!
//! Two small texts beside the journal, in another service: protection without
//! the journal knows by the first which run it protects, and by the second which
//! rollback the journal has not learnt of yet.

use super::journal::Journal;
use super::observation::Observation;
use super::phase::{PUT_BACK_MS, Phase};
use super::plan::Mode;
use crate::planted::planted;
use serde::{Deserialize, Serialize};

/// Version of the text's form. Unknown members are ignored.
pub const VERSION: u32 = 1;

/// The run as it was last known, written by the tick whenever it differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copy {
    /// [`VERSION`].
    pub v: u32,
    /// Number of the run; 0 before the first.
    pub run: u32,
    /// Where it stands.
    pub state: CopyState,
    /// Acts or only tells.
    pub mode: Mode,
    /// Journal revision it was made from.
    pub revision: i64,
    /// When, in milliseconds.
    pub at_ms: i64,
    /// Why the run is rolling back or was rolled back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Alarms that stood before the start and have not been OK since.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alarms_before: Vec<String>,
}

/// Where the run stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CopyState {
    /// No run was ever started.
    None,
    /// It goes on.
    Open,
    /// Not every route is known to be at 0.
    RollingBack,
    /// The new side is out of traffic.
    RolledBack,
    /// All traffic is on the new side.
    Completed,
    /// A person closed it.
    Abandoned,
}

impl Copy {
    /// The copy that a journal asks for.
    pub fn of(journal: &Journal) -> Self {
        let Some(run) = &journal.run else {
            return Self {
                v: VERSION,
                run: 0,
                state: CopyState::None,
                mode: Mode::Active,
                revision: journal.changed,
                at_ms: journal.at_ms,
                reason: None,
                alarms_before: Vec::new(),
            };
        };
        let (state, reason) = match &run.phase {
            Phase::Starting
            | Phase::Advancing { .. }
            | Phase::Paused { .. }
            | Phase::Moved { .. } => (CopyState::Open, None),
            Phase::RollingBack { reason, .. } => {
                let text = super::explain::rollback_reason(reason, &run.terms.labels);
                (CopyState::RollingBack, Some(text))
            }
            Phase::RolledBack { reason, .. } => (CopyState::RolledBack, Some(reason.clone())),
            Phase::Completed { .. } => (CopyState::Completed, None),
            Phase::Abandoned { .. } => (CopyState::Abandoned, None),
        };
        Self {
            v: VERSION,
            run: run.number,
            state,
            mode: run.mode,
            revision: journal.changed,
            at_ms: journal.at_ms,
            reason,
            alarms_before: run.alarms_before.clone(),
        }
    }

    /// Whether it says the same about the run; revision and time are no difference.
    pub fn agrees_with(&self, other: &Self) -> bool {
        let Self { v, run, state, mode, revision: _, at_ms: _, reason: _, alarms_before } = self;
        (*v, *run, *state, *mode) == (other.v, other.run, other.state, other.mode)
            && *alarms_before == other.alarms_before
    }

    /// Whether it says that the new side left, or is to leave, traffic.
    pub fn has_left(&self) -> bool {
        matches!(self.state, CopyState::RollingBack | CopyState::RolledBack)
    }

    /// Whether shares that the new side still has, or has again, are to be taken from it: the
    /// rollback reached only some routes, or someone raised one soon after it.
    pub fn lowers(&self, at_ms: i64) -> bool {
        match self.state {
            CopyState::RollingBack => true,
            // A shadow run moved nothing, so nothing is put back.
            CopyState::RolledBack => {
                self.mode == Mode::Active && at_ms.saturating_sub(self.at_ms) <= PUT_BACK_MS
            }
            CopyState::None | CopyState::Open | CopyState::Completed | CopyState::Abandoned => {
                false
            }
        }
    }

    /// Whether another one, written over it, would lose what protection did without the journal.
    pub fn is_lost_by(&self, other: &Self) -> bool {
        self.run == other.run && self.has_left() && !other.has_left() && !planted!(CopyForgets)
    }

    /// Whether it knows more than a journal: that one is older than the run, or empty,
    /// or another process has just written both.
    pub fn is_ahead_of(&self, journal: &Journal) -> bool {
        self.revision > journal.revision
    }

    /// Without the alarms of before the start that have recovered: whatever becomes of the
    /// journal, one that stands again counts.
    #[must_use]
    pub fn without_recovered(mut self, seen: &Observation) -> Self {
        self.alarms_before.retain(|name| !seen.has_recovered(self.run, name));
        self
    }

    /// Whether this copy lets a raise of the journal's run go ahead.
    pub fn lets_rise(&self, run: u32) -> bool {
        self.state == CopyState::Open && self.run == run && self.mode == Mode::Active
    }
}

/// A rollback that was given while the journal could not be written: by the
/// command function, or by a person with `rollback --direct`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutsideOrder {
    /// The command's id; the same order is journalled once.
    pub command: String,
    /// What was ordered: `rollback`.
    pub verb: String,
    /// Who gave it.
    pub identity: String,
    /// Why.
    pub reason: String,
    /// When it was given, in milliseconds.
    pub at_ms: i64,
    /// What each rule showed before.
    #[serde(default)]
    pub found: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::{Copy, CopyState, VERSION};
    use crate::domain::plan::Mode;

    #[test]
    fn only_the_open_copy_of_the_same_active_run_lets_it_rise() {
        let open = Copy {
            v: VERSION,
            run: 3,
            state: CopyState::Open,
            mode: Mode::Active,
            revision: 40,
            at_ms: 0,
            reason: None,
            alarms_before: Vec::new(),
        };
        assert!(open.lets_rise(3));
        assert!(!open.lets_rise(2));
        assert!(!Copy { mode: Mode::Shadow, ..open.clone() }.lets_rise(3));
        for state in [
            CopyState::None,
            CopyState::RollingBack,
            CopyState::RolledBack,
            CopyState::Completed,
            CopyState::Abandoned,
        ] {
            assert!(!Copy { state, ..open.clone() }.lets_rise(3), "{state:?}");
        }
    }
}
