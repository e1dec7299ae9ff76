//! A model of Argo Rollouts with a background analysis.
//!
//! The steps set a weight and pause ten minutes each, as in the documentation's
//! example; meanwhile an AnalysisRun measures every five minutes over the last five
//! (`interval: 5m`), and aborts when more than `failureLimit: 3` measurements failed.
//! No requests, no result: that measurement is an error, and more than four errors in
//! a row (`consecutiveErrorLimit`, default 4) abort, too.
//!
//! Source: <https://argoproj.github.io/argo-rollouts/features/analysis/> (background
//! analysis, failureLimit, consecutiveErrorLimit),
//! <https://argoproj.github.io/argo-rollouts/features/canary/> (setWeight, pause).

use rollout_controller::domain::weight::Weight;

use super::counts::{Bad, Limits, sides};
use super::schedule::{STAGES, Schedule};
use super::{Arrived, Policy, Step};

const PAUSE_MINUTES: u32 = 10;
const INTERVAL_MINUTES: u32 = 5;
const FAILURE_LIMIT: u32 = 3;
const CONSECUTIVE_ERROR_LIMIT: u32 = 4;

pub(super) struct Argo {
    limits: Limits,
    schedule: Schedule,
    minutes: u32,
    window: [Bad; 4],
    failed: u32,
    errors: u32,
}

impl Argo {
    pub(super) fn new() -> Self {
        Self {
            limits: Limits::new(),
            schedule: Schedule::new(&STAGES, PAUSE_MINUTES),
            minutes: 0,
            window: [Bad::default(); 4],
            failed: 0,
            errors: 0,
        }
    }
}

impl Policy for Argo {
    fn first_share(&self) -> Weight {
        self.schedule.first()
    }

    fn judge(&mut self, arrived: &Arrived<'_>, share: Weight) -> Step {
        if let Some((_, new)) = sides(arrived.newest) {
            for (sum, bad) in self.window.iter_mut().zip(self.limits.bad(&new)) {
                sum.add(bad);
            }
        }
        self.minutes += 1;
        if self.minutes.is_multiple_of(INTERVAL_MINUTES) {
            match self.limits.breaks(&self.window) {
                Some(true) => (self.failed, self.errors) = (self.failed + 1, 0),
                Some(false) => self.errors = 0,
                None => self.errors += 1,
            }
            self.window = [Bad::default(); 4];
            if self.failed > FAILURE_LIMIT || self.errors > CONSECUTIVE_ERROR_LIMIT {
                return Step::RollBack;
            }
        }
        // A step that ends at 100% ends the rollout: no pause follows it.
        self.schedule.step_or_end(share)
    }
}
