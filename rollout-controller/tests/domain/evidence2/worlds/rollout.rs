//! One rollout in a world, and a cell of many.

use std::fmt;

use rollout_controller::domain::evidence2::{
    Counts, Engine, History, Position, Reading, Settings, Stages, Verdict, start_stage,
};
use rollout_controller::domain::minute::{Edges, Minute};
use rollout_controller::domain::slo::Slo;
use rollout_controller::domain::weight::Weight;

use super::interval::clopper_pearson;
use super::{Expect, Now, Route, Running, What, When, World};

/// Minutes until CloudWatch's counts are read.
const LAG: i64 = 2;

/// How a rollout is run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conditions {
    pub(crate) requests_per_minute: f64,
    pub(crate) history_minutes: i64,
    pub(crate) settings: Settings,
}

impl Conditions {
    pub(crate) fn new(requests_per_minute: f64) -> Self {
        Self { requests_per_minute, history_minutes: 1440, settings: Settings::default() }
    }

    /// Minutes after which a rollout that has not ended counts as stuck.
    fn horizon(self) -> i64 {
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
pub(crate) struct Outcome {
    pub(crate) end: End,
    /// Minute in which the end took effect.
    pub(crate) at: i64,
    /// First minute of the bake.
    pub(crate) bake_at: Option<i64>,
    /// First minute in which the new side differed for the worse, and the requests
    /// it served from then on.
    pub(crate) fault_at: Option<i64>,
    pub(crate) under_fault: u64,
    /// The largest share taken.
    pub(crate) reached: Weight,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Completed,
    RolledBack,
    Stuck,
}

/// Runs a rollout from its history to its end.
pub(crate) fn run(world: &World, conditions: Conditions, seed: u64) -> Outcome {
    let mut running = Running::new(world, conditions.requests_per_minute, seed);
    let history = (-conditions.history_minutes..0).map(|minute| running.history_minute(minute));
    let history: Vec<_> = history.collect();
    let history = History::new(world.routes.len(), Minute(-1), history).expect("all are known");
    let (settings, slo, edges) = (conditions.settings, Slo::default(), Edges::default());
    let choices = Engine::choose(&settings, &slo, &edges, &history).expect("valid settings");
    // Planned for the traffic of the world's name, not for what an hour of it had:
    // the bake's share would differ from seed to seed where the two meet its border.
    let traffic = conditions.requests_per_minute;
    let stages = Stages::standard(traffic);
    let bake = stages.bake();
    let start = start_stage(&stages, traffic, u32::try_from(LAG).expect("small"));
    let engine = Engine::new(settings, slo, edges, stages, choices).expect("its own choices");

    let mut evidence = engine.start();
    let mut at = Position { share: start, baked: false };
    let (mut previous, mut entered) = (Weight::ZERO, 0);
    let mut outcome = Outcome {
        end: End::Stuck,
        at: conditions.horizon(),
        bake_at: None,
        fault_at: None,
        under_fault: 0,
        reached: start,
    };
    let mut due: std::collections::VecDeque<Reading> = std::collections::VecDeque::new();
    for minute in 0..conditions.horizon() {
        if at.share >= bake {
            outcome.bake_at.get_or_insert(minute);
        }
        let of_bake = outcome.bake_at.map(|bake_at| minute - bake_at);
        let of_stage = minute - entered;
        let now = Now { minute, share: at.share, previous, of_stage, of_bake };
        let reading = running.minute(&now);
        if outcome.fault_at.is_some() || world.fault_begins(&now) {
            outcome.fault_at.get_or_insert(minute);
            outcome.under_fault += requests_new(&reading);
        }
        due.push_back(reading);
        if minute < LAG {
            continue;
        }
        let judged = due.pop_front().expect("one a minute");
        engine.fold(&mut evidence, &judged).expect("in order");
        let next = match engine.verdict(&evidence, at) {
            Verdict::Breach(_) => {
                return Outcome { end: End::RolledBack, at: minute + 1, ..outcome };
            }
            Verdict::Proven(proven) => match proven.next {
                Some(next) => next,
                None => return Outcome { end: End::Completed, at: minute + 1, ..outcome },
            },
            Verdict::Unproven(_) => continue,
        };
        previous = at.share;
        at = Position { share: next, baked: at.share >= bake };
        entered = minute + 1;
        outcome.reached = next;
    }
    outcome
}

fn requests_new(reading: &Reading) -> u64 {
    let of_part = |counts: &Counts| match counts {
        Counts::Known { new, .. } => new.requests,
        Counts::Unknown => 0,
    };
    reading.parts.iter().map(|part| of_part(&part.counts)).sum()
}

/// Many rollouts in one world at one rate of traffic.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    pub(crate) world: &'static str,
    pub(crate) requests_per_minute: f64,
    pub(crate) expect: Expect,
    pub(crate) outcomes: Vec<Outcome>,
}

impl Cell {
    pub(crate) fn run(world: &World, conditions: Conditions, seeds: std::ops::Range<u64>) -> Self {
        let outcomes = seeds.map(|seed| run(world, conditions, seed)).collect();
        let Conditions { requests_per_minute, .. } = conditions;
        Self { world: world.name, requests_per_minute, expect: world.expect, outcomes }
    }

    pub(crate) fn count(&self, end: End) -> u64 {
        self.outcomes.iter().filter(|outcome| outcome.end == end).count() as u64
    }

    fn interval(&self, end: End) -> (f64, f64) {
        clopper_pearson(self.count(end), self.outcomes.len() as u64)
    }

    /// What of the promise is surely broken: the favourable end of the interval
    /// lies on the wrong side, or a healthy rollout hangs.
    pub(crate) fn broken(&self) -> Option<String> {
        let above = |end, most: f64| (self.interval(end).0 > most).then(|| format!("{self}"));
        match self.expect {
            Expect::Healthy { rolled_back } => above(End::RolledBack, rolled_back)
                .or_else(|| (self.interval(End::Stuck).0 > 0.001).then(|| format!("{self}"))),
            Expect::Held { rolled_back } => above(End::RolledBack, rolled_back),
            Expect::Fault { completed } => above(End::Completed, completed),
            Expect::Published => None,
        }
    }

    fn quantile(&self, q: f64, value: impl Fn(&Outcome) -> Option<i64>) -> Option<i64> {
        let mut values: Vec<i64> = self.outcomes.iter().filter_map(value).collect();
        values.sort_unstable();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
        let at = ((values.len() as f64 - 1.0) * q).round() as usize;
        values.get(at).copied()
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.outcomes.len();
        let part = |end| {
            let (low, high) = self.interval(end);
            let share = 100.0 * self.count(end) as f64 / n as f64;
            format!("{share:.1} [{:.1}, {:.1}]", 100.0 * low, 100.0 * high)
        };
        let shown = |v: Option<i64>| v.map_or_else(|| "-".to_owned(), |v| v.to_string());
        let completed = |o: &Outcome| (o.end == End::Completed).then_some(o.at);
        let delay = |o: &Outcome| (o.end == End::RolledBack).then_some(o.at - o.fault_at?);
        let under = |o: &Outcome| {
            let rolled_back = o.end == End::RolledBack && o.fault_at.is_some();
            rolled_back.then(|| i64::try_from(o.under_fault).unwrap_or(i64::MAX))
        };
        write!(
            f,
            "{} @{} n={n}: rolled back {}, completed {}, stuck {}; bake {} complete {}; \
             delay {}/{}, requests {}",
            self.world,
            self.requests_per_minute,
            part(End::RolledBack),
            part(End::Completed),
            self.count(End::Stuck),
            shown(self.quantile(0.5, |o| o.bake_at)),
            shown(self.quantile(0.5, completed)),
            shown(self.quantile(0.5, delay)),
            shown(self.quantile(0.95, delay)),
            shown(self.quantile(0.5, under)),
        )
    }
}

impl World {
    /// Whether the new side is worse in this minute by what the world says of it.
    fn fault_begins(&self, now: &Now) -> bool {
        let begins = |&(when, what): &(When, What)| match (when, what) {
            // Twenty-one minutes make a leak of 5 % a minute threefold.
            (_, What::Leak(from)) => now.minute >= from + 21,
            (When::FromShare(share), _) => now.share.ratio() >= share - 1e-9,
            (When::Minutes(from, _), _) => now.minute >= from,
            (When::Always | When::Every(..) | When::Random(_), _) => true,
            (When::Bake(..) | When::StageMinute(_), _) => false,
        };
        let is_fault = match self.expect {
            Expect::Fault { .. } | Expect::Published => true,
            Expect::Healthy { .. } | Expect::Held { .. } => false,
        };
        // A new side that is slower by itself has no effects.
        let worse =
            |route: &Route| route.new.effects.is_empty() || route.new.effects.iter().any(begins);
        is_fault && self.routes.iter().any(worse)
    }
}
