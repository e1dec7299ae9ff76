//! Evidence for the new side: proof for each step.

use serde::{Deserialize, Serialize};

use crate::domain::evidence::Count;
use crate::domain::evidence::math::gate_limit;
use crate::domain::minute::Minute;
use crate::domain::slo::Metric;
use crate::domain::weight::Weight;

use super::bets::{Bets, LogOdds, Mass, OUTAGE_CAP, PRIOR};
use super::stages::Stages;

/// Minutes that count for the step, at least, in every stage: with the entry
/// minute and the lag, a share is in force five minutes before it is left.
pub(super) const LEAST_TICKS: u32 = 2;
/// Minutes at 100% before the rollout is complete: what differs only there
/// differs at once.
pub(super) const WATCH_TICKS: u32 = 5;
/// `ln 5`: proof from the present stage alone. A version that turned bad at this
/// step takes the next one in at most 1 of 5 rollouts, and the bets against it
/// keep running.
pub(in crate::domain) const FRESH_PROOF: f64 = 1.609_437_912_434_100_3;

/// Gates: one per metric and later stage over the whole rollout, and one per
/// metric in this stage alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Gates {
    /// Per stage, per metric; never reset but by new code.
    pooled: Vec<[Bets<6>; 4]>,
    pooled_ticks: u32,
    fresh: [Bets<6>; 4],
    fresh_ticks: u32,
}

/// What the bets of the gates are about, per stage and metric.
#[derive(Clone, Debug)]
pub(super) struct GateBets(Vec<[[LogOdds; 6]; 4]>);

impl GateBets {
    pub(super) fn new(stages: &Stages, limits: &[f64; 4]) -> Self {
        let of_step =
            |share: &Weight| limits.map(|limit| LogOdds::better(gate_limit(limit, share.ratio())));
        Self(stages.shares().iter().map(of_step).collect())
    }
}

impl Gates {
    pub(super) fn new(stages: &Stages) -> Self {
        let pooled = vec![[Bets::NONE; 4]; stages.shares().len()];
        Self { pooled, pooled_ticks: 0, fresh: [Bets::NONE; 4], fresh_ticks: 0 }
    }

    /// Minutes that counted in this stage.
    pub(super) const fn ticks(&self) -> u32 {
        self.fresh_ticks
    }

    /// A new stage, or minutes that are not known: what was shown in this stage
    /// alone is to be shown again.
    pub(super) fn restart_fresh(&mut self) {
        self.fresh = [Bets::NONE; 4];
        self.fresh_ticks = 0;
    }

    /// One minute. `closed` metrics stand still: the old side breaks that limit.
    pub(super) fn update(
        &mut self,
        bets: &GateBets,
        next: usize,
        counts: &[Count; 4],
        dispersion: &[f64; 4],
        closed: [bool; 4],
    ) {
        let [pooled, fresh] =
            [self.pooled_ticks, self.fresh_ticks].map(|ticks| Mass::of(PRIOR.at_gate(ticks)));
        self.pooled_ticks = self.pooled_ticks.saturating_add(1);
        self.fresh_ticks = self.fresh_ticks.saturating_add(1);
        for metric in Metric::ALL.map(Metric::index) {
            let factor = |bet: &LogOdds| {
                if closed[metric] {
                    0.0
                } else {
                    bet.factor(counts[metric], dispersion[metric]).min(OUTAGE_CAP)
                }
            };
            for (gate, bets) in self.pooled.iter_mut().zip(&bets.0) {
                gate[metric].update(pooled, |at| factor(&bets[metric][at]));
            }
            self.fresh[metric].update(fresh, |at| factor(&bets.0[next][metric][at]));
        }
    }

    /// Proof for the stage at this position, per metric; 0 before the first minute.
    pub(super) fn pooled(&self, stage: usize) -> [f64; 4] {
        values(&self.pooled[stage], self.pooled_ticks)
    }

    /// Proof from this stage alone, per metric; 0 before the first minute.
    pub(super) fn fresh(&self) -> [f64; 4] {
        values(&self.fresh, self.fresh_ticks)
    }

    pub(super) fn fits(&self, stages: &Stages) -> bool {
        self.pooled.len() == stages.shares().len()
            && self.pooled.as_slice().as_flattened().iter().all(Bets::is_sound)
            && self.fresh.iter().all(Bets::is_sound)
    }
}

fn values(gates: &[Bets<6>; 4], ticks: u32) -> [f64; 4] {
    if ticks == 0 {
        return [0.0; 4];
    }
    let clock = PRIOR.left(u64::from(ticks), 1, 1);
    gates.map(|gate| gate.log_value(Mass::of(clock)))
}

/// Since when minutes count for a step again, after new code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct ProofFrom(Option<Minute>);

impl ProofFrom {
    pub(super) const fn minute(minute: Minute) -> Self {
        Self(Some(minute))
    }

    pub(super) fn allows(self, minute: Minute) -> bool {
        self.0.is_none_or(|from| minute >= from)
    }
}
