//! Stages by the clock.

use rollout_controller::domain::weight::Weight;

use super::Step;

/// The stages of every policy that lets its user choose them, percent.
pub(super) const STAGES: [f64; 6] = [1.0, 5.0, 10.0, 25.0, 50.0, 100.0];

pub(super) fn percent(percent: f64) -> Weight {
    Weight::from_percent(percent).expect("whole tenths of a percent")
}

/// So many minutes in each stage, whatever happens in them.
pub(super) struct Schedule {
    stages: Vec<Weight>,
    minutes_each: u32,
    minutes: u32,
}

impl Schedule {
    pub(super) fn new(percents: &[f64], minutes_each: u32) -> Self {
        let stages = percents.iter().copied().map(percent).collect();
        Self { stages, minutes_each, minutes: 0 }
    }

    pub(super) fn first(&self) -> Weight {
        self.stages[0]
    }

    /// One more minute has passed at this share.
    pub(super) fn step(&mut self, share: Weight) -> Step {
        self.minutes += 1;
        if self.minutes < self.minutes_each {
            return Step::Stay;
        }
        self.next(share)
    }

    /// The same for a rollout that nobody looks at any more once all traffic is new.
    pub(super) fn step_or_end(&mut self, share: Weight) -> Step {
        match self.step(share) {
            Step::To(Weight::FULL) => Step::Complete,
            step @ (Step::Stay | Step::To(_) | Step::Complete | Step::RollBack) => step,
        }
    }

    /// The stage after this one now.
    pub(super) fn next(&mut self, share: Weight) -> Step {
        self.minutes = 0;
        match self.stages.iter().copied().find(|&stage| stage > share) {
            Some(next) => Step::To(next),
            None => Step::Complete,
        }
    }
}
