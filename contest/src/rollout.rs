//! One rollout of one policy in one world.

use std::collections::VecDeque;

use rollout_controller::domain::both_sides::GOOD_MINUTES;
use rollout_controller::domain::evidence2::{Counts, HistoryMinute, Reading, Settings};
use rollout_controller::domain::weight::Weight;

use crate::policy::{Arrived, Kind, Setup, Step};
use crate::worlds::{Now, Running, World};

/// Minutes until the counts of one can be read.
pub const LAG: i64 = 2;

/// How rollouts are run.
#[derive(Clone, Copy, Debug)]
pub struct Conditions {
    /// Of both sides together.
    pub requests_per_minute: f64,
    /// How far back the old side can be read.
    pub history_minutes: i64,
    /// Of evidence-1 and evidence-2; peers run on their documented defaults.
    pub settings: Settings,
    /// Good minutes after a step back before evidence-2 tries again.
    pub good_minutes: u32,
}

impl Conditions {
    /// A day of history and default settings.
    pub fn new(requests_per_minute: f64) -> Self {
        let settings = Settings::default();
        Self { requests_per_minute, history_minutes: 1440, settings, good_minutes: GOOD_MINUTES }
    }

    /// Minutes after which a rollout that has not ended hangs.
    pub fn horizon(&self) -> i64 {
        60 * match self.requests_per_minute {
            r if r < 60.0 => 48,
            r if r < 600.0 => 24,
            r if r < 6000.0 => 12,
            _ => 8,
        }
    }
}

/// How a rollout went.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// How it ended.
    pub end: End,
    /// Minute in which the end took effect.
    pub at: i64,
    /// First minute of the bake: of the last share with a control, or of 100%.
    pub bake_at: Option<i64>,
    /// First minute with all traffic on the new side.
    pub full_at: Option<i64>,
    /// First minute in which the new side differed for the worse.
    pub fault_at: Option<i64>,
    /// Requests that the new side served from then on.
    pub under_fault: u64,
}

impl Outcome {
    /// Minutes from the fault to the rollback.
    pub fn delay(&self) -> Option<i64> {
        (self.end == End::RolledBack).then_some(self.at - self.fault_at?)
    }
}

/// How a rollout ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// All traffic is on the new side, and nobody looks any more.
    Completed,
    /// All traffic is on the old side again.
    RolledBack,
    /// Neither within the horizon.
    Hangs,
}

/// A world with its past, from which every policy starts alike.
pub struct Start<'w> {
    world: &'w World,
    conditions: Conditions,
    running: Running<'w>,
    history: Vec<HistoryMinute>,
}

impl<'w> Start<'w> {
    /// Draws the past of one seed.
    pub fn new(world: &'w World, conditions: Conditions, seed: u64) -> Self {
        let mut running = Running::new(world, conditions.requests_per_minute, seed);
        let past = -conditions.history_minutes..0;
        let history = past.map(|minute| running.history_minute(minute)).collect();
        Self { world, conditions, running, history }
    }

    /// Runs one policy from here.
    pub fn run(&self, kind: Kind) -> Outcome {
        let Conditions { requests_per_minute, settings, good_minutes, .. } = self.conditions;
        let setup = Setup {
            routes: self.world.routes.len(),
            requests_per_minute,
            history: &self.history,
            settings,
            good_minutes,
        };
        let mut policy = kind.start(&setup);
        let horizon = self.conditions.horizon();
        let mut running = self.running.clone();
        let (mut share, mut previous, mut entered) = (policy.first_share(), Weight::ZERO, 0);
        let mut outcome = Outcome {
            end: End::Hangs,
            at: horizon,
            bake_at: None,
            full_at: None,
            fault_at: None,
            under_fault: 0,
        };
        let mut due: VecDeque<Reading> = VecDeque::new();
        let mut late: Vec<(i64, Reading)> = Vec::new();
        for minute in 0..horizon {
            if share >= policy.bake_share() {
                outcome.bake_at.get_or_insert(minute);
            }
            if share == Weight::FULL {
                outcome.full_at.get_or_insert(minute);
            }
            let of_bake = outcome.bake_at.map(|at| minute - at);
            let now = Now { minute, share, previous, of_stage: minute - entered, of_bake };
            let whole = running.minute(&now);
            if outcome.fault_at.is_some() || self.world.fault_begins(&now) {
                outcome.fault_at.get_or_insert(minute);
                outcome.under_fault += requests_of_new(&whole);
            }
            let (first, whole_at) = running.readable(&whole);
            due.push_back(first);
            late.extend(whole_at.map(|at| (at.max(minute) + LAG, whole)));
            if minute < LAG {
                continue;
            }
            let newest = due.pop_front().expect("one a minute");
            let revised: Vec<Reading> =
                late.extract_if(.., |(at, _)| *at <= minute).map(|(_, whole)| whole).collect();
            match policy.judge(&Arrived { newest: &newest, revised: &revised }, share) {
                Step::Stay => {}
                Step::RollBack => {
                    return Outcome { end: End::RolledBack, at: minute + 1, ..outcome };
                }
                Step::Complete => {
                    let full_at = outcome.full_at.or(Some(minute + 1));
                    return Outcome { end: End::Completed, at: minute + 1, full_at, ..outcome };
                }
                Step::To(next) => {
                    previous = share;
                    share = next;
                    entered = minute + 1;
                }
            }
        }
        outcome
    }
}

fn requests_of_new(reading: &Reading) -> u64 {
    let of_part = |counts: &Counts| match counts {
        Counts::Known { new, .. } => new.requests,
        Counts::Unknown => 0,
    };
    reading.parts.iter().map(|part| of_part(&part.counts)).sum()
}
