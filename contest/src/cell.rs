//! Many rollouts of each policy in one world at one rate of traffic.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::goals::percent;
use crate::interval::Share;
use crate::policy::Kind;
use crate::rollout::{Conditions, End, Outcome, Start};
use crate::worlds::{Expect, World};

/// Medians and tails of minutes or requests, over the rollouts that have them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "quantiles are named after their percent")]
pub struct Quantiles {
    pub p10: i64,
    pub p50: i64,
    pub p90: i64,
    pub p95: i64,
}

impl Quantiles {
    fn of(mut values: Vec<i64>) -> Option<Self> {
        values.sort_unstable();
        let last = values.len().checked_sub(1)?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
        let at = |q: f64| values[(last as f64 * q).round() as usize];
        Some(Self { p10: at(0.10), p50: at(0.50), p90: at(0.90), p95: at(0.95) })
    }
}

/// What became of one policy's rollouts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// The world.
    pub world: String,
    /// Of both sides together.
    pub requests_per_minute: f64,
    /// The policy.
    pub policy: Kind,
    /// Rollouts.
    pub n: u64,
    /// Of the first one; the others follow.
    pub seed: u64,
    /// The new side has all traffic, and nobody looks any more.
    pub completed: Share,
    /// The old side has all traffic.
    pub rolled_back: Share,
    /// Those of them that were at 100%, where no old side can excuse anything.
    pub rolled_back_at_full: u64,
    /// Neither at the horizon.
    pub hangs: Share,
    /// Minutes to the bake.
    pub bake: Option<Quantiles>,
    /// Minutes to 100%.
    pub full: Option<Quantiles>,
    /// Minutes to completion.
    pub complete: Option<Quantiles>,
    /// Minutes from the fault to the rollback.
    pub delay: Option<Quantiles>,
    /// Requests of the new side from the fault to the rollback.
    pub under_fault: Option<Quantiles>,
}

impl Cell {
    fn of(world: &World, conditions: Conditions, policy: Kind, seed: u64, of: &[Outcome]) -> Self {
        let n = of.len() as u64;
        let count = |end| Share::new(of.iter().filter(|o| o.end == end).count() as u64, n);
        let quantiles = |value: &dyn Fn(&Outcome) -> Option<i64>| {
            Quantiles::of(of.iter().filter_map(value).collect())
        };
        let under_fault = |outcome: &Outcome| {
            outcome.delay().map(|_| i64::try_from(outcome.under_fault).unwrap_or(i64::MAX))
        };
        Self {
            world: world.name.clone(),
            requests_per_minute: conditions.requests_per_minute,
            policy,
            n,
            seed,
            completed: count(End::Completed),
            rolled_back: count(End::RolledBack),
            rolled_back_at_full: of
                .iter()
                .filter(|o| o.end == End::RolledBack && o.full_at.is_some())
                .count() as u64,
            hangs: count(End::Hangs),
            bake: quantiles(&|outcome| outcome.bake_at),
            full: quantiles(&|outcome| outcome.full_at),
            complete: quantiles(&|o| (o.end == End::Completed).then_some(o.at)),
            delay: quantiles(&Outcome::delay),
            under_fault: quantiles(&under_fault),
        }
    }

    /// What of a world's promise is surely broken, in words: the favourable end of the
    /// interval lies on the wrong side of it, or a healthy rollout hangs.
    pub fn broken(&self, expect: Expect) -> Option<String> {
        let above = |share: Share, most: f64, what: &str| {
            (share.low > most).then(|| {
                let Self { world, requests_per_minute, policy, .. } = self;
                let (k, n) = (share.k, share.n);
                let (low, most) = (100.0 * share.low, 100.0 * most);
                let name = policy.name();
                format!(
                    "{name} in {world} at {requests_per_minute} requests a minute: {k} of {n} \
                     {what}, surely more than {low:.2}%; {most}% are promised"
                )
            })
        };
        match expect {
            Expect::Healthy { rolled_back } => above(self.rolled_back, rolled_back, "rolled back")
                .or_else(|| {
                    let enough = self.requests_per_minute >= PROVABLE_IN_A_DAY;
                    above(self.hangs, MOST_HANGING, "hang").filter(|_| enough)
                }),
            Expect::Held { rolled_back } => above(self.rolled_back, rolled_back, "rolled back"),
            Expect::Fault { completed } => above(self.completed, completed, "completed"),
            Expect::Published { .. } => None,
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |quantiles: Option<Quantiles>| {
            quantiles.map_or_else(|| "-".to_owned(), |q| format!("{}/{}", q.p50, q.p95))
        };
        write!(
            f,
            "{:15} rolled back {} ({} at 100%), completed {}, hang {}; bake {} full {} complete {}; \
             delay {} requests {}",
            self.policy.name(),
            percent(self.rolled_back),
            self.rolled_back_at_full,
            percent(self.completed),
            self.hangs.k,
            shown(self.bake),
            shown(self.full),
            shown(self.complete),
            shown(self.delay),
            shown(self.under_fault),
        )
    }
}

/// Requests a minute from which a day suffices to prove a limit that is nearly used up.
const PROVABLE_IN_A_DAY: f64 = 60.0;
/// Share of healthy rollouts that may hang.
pub const MOST_HANGING: f64 = 0.001;

/// Runs the same seeds through every policy, on the same minutes.
pub fn run(
    world: &World,
    conditions: Conditions,
    policies: &[Kind],
    seeds: std::ops::Range<u64>,
) -> Vec<Cell> {
    let mut outcomes = vec![Vec::new(); policies.len()];
    let first = seeds.start;
    for seed in seeds {
        let start = Start::new(world, conditions, seed);
        for (policy, outcomes) in policies.iter().zip(&mut outcomes) {
            outcomes.push(start.run(*policy));
        }
    }
    policies
        .iter()
        .zip(outcomes)
        .map(|(&policy, outcomes)| Cell::of(world, conditions, policy, first, &outcomes))
        .collect()
}
