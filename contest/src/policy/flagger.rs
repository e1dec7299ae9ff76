//! A model of Flagger.
//!
//! Every minute (`interval: 1m`, the documented default) the metric checks run on
//! the last minute. A check that fails, or finds no values because the canary got no
//! traffic, halts the advancement and counts as failed; `threshold: 5` failed checks
//! roll back. Otherwise the weight goes to the next of `stepWeights`; after the last
//! one below 100% the canary is promoted, and nobody looks any more.
//!
//! Sources: <https://docs.flagger.app/usage/how-it-works> (interval, threshold,
//! stepWeights, promotion), <https://docs.flagger.app/usage/metrics> (built-in checks,
//! thresholdRange). That missing values count as a failed check is what its events say
//! ("Halt advancement no values found … probably … is not receiving traffic", then
//! "failed checks threshold reached 5"). Its built-in checks are success rate and P99;
//! here it gets all four limits.

use rollout_controller::domain::weight::Weight;

use super::counts::{Limits, sides};
use super::schedule::{STAGES, Schedule};
use super::{Arrived, Policy, Step};

/// Failed checks that roll back.
const THRESHOLD: u32 = 5;
/// Promoted from here: the weights before 100%.
const WEIGHTS: usize = STAGES.len() - 1;

pub(super) struct Flagger {
    limits: Limits,
    schedule: Schedule,
    failed: u32,
}

impl Flagger {
    pub(super) fn new() -> Self {
        let schedule = Schedule::new(&STAGES[..WEIGHTS], 1);
        Self { limits: Limits::new(), schedule, failed: 0 }
    }
}

impl Policy for Flagger {
    fn first_share(&self) -> Weight {
        self.schedule.first()
    }

    fn judge(&mut self, arrived: &Arrived<'_>, share: Weight) -> Step {
        // What is read now is of the weight before: wait for a minute of this one.
        if arrived.newest.share != share {
            return Step::Stay;
        }
        let bad = sides(arrived.newest).map(|(_, new)| self.limits.bad(&new));
        if bad.and_then(|bad| self.limits.breaks(&bad)) == Some(false) {
            return self.schedule.next(share);
        }
        self.failed += 1;
        if self.failed >= THRESHOLD { Step::RollBack } else { Step::Stay }
    }
}
