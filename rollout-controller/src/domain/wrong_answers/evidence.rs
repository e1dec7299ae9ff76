//! The fold: one minute's comparisons in, the state of the evidence out.

use serde::{Deserialize, Serialize};

use crate::domain::evidence::Count;
use crate::domain::evidence::math::log_sum_exp;
use crate::domain::evidence2::{
    Bets, CAP, Mass, OUTAGE, OUTAGE_CAP, PRIOR, SIZES, STAKES, SideNoise,
};
use crate::domain::minute::Minute;
use crate::domain::weight::Weight;

use super::counts::{Comparisons, ComparisonsRead};
use super::judge::{Judge, SHARE};
use super::timeline::Look;
use super::verdict::Breach;

/// Families of bets: on comparisons and on minutes.
const FAMILIES: f64 = 2.0;

/// The evidence about wrong answers. A cache: the journalled minutes rebuild it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    share: Option<Weight>,
    /// No minute of this stage was seen yet.
    entry_open: bool,
    against: Against,
    pub(super) gates: Gates,
    pub(super) noise: SideNoise,
    /// What the present code was seen to answer.
    pub(super) seen: Totals,
    /// The same at the present share alone: what began late is not thinned by what was good.
    pub(super) stage: Totals,
    /// What the suspicion rests on: since the evidence last was no more than at the start.
    pub(super) spell: Totals,
    pub(super) rolled_back: Option<Breach>,
}

/// Comparisons of some minutes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// The first and the last minute with a count; `None`: nothing is known.
    pub span: Option<(Minute, Minute)>,
    /// Minutes in which answers were compared.
    pub minutes: u32,
    /// Their sum, with the failed calls of all minutes.
    pub sum: Comparisons,
}

impl Totals {
    fn add(&mut self, minute: Minute, counts: &Comparisons) {
        let (first, last) = self.span.unwrap_or((minute, minute));
        self.span = Some((first.min(minute), last.max(minute)));
        self.minutes = self.minutes.saturating_add(u32::from(counts.compared > 0));
        self.sum += counts;
    }
}

/// Bets that more answers differ than the limit allows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Against {
    /// Minutes with comparisons: the clock of the prior.
    ticks: u64,
    entered: u32,
    /// A stage's entry mass waits for the first minute with comparisons.
    entry_pending: bool,
    comparisons: Bets<6>,
    minutes: Bets<4>,
}

impl Against {
    fn reserve(&self, stages: u32) -> Mass {
        Mass::of(PRIOR.left(self.ticks, self.entered, stages))
    }

    fn inject(&mut self, stages: u32) -> Mass {
        let Self { ticks, entered, entry_pending, .. } = self;
        Mass::of(PRIOR.inject(ticks, entered, entry_pending, stages))
    }

    /// `ln E` of both families, before this objective's share of the budget.
    fn value(&self, stages: u32) -> f64 {
        let reserve = self.reserve(stages);
        let families = [self.comparisons.log_value(reserve), self.minutes.log_value(reserve)];
        log_sum_exp(families) - FAMILIES.ln()
    }
}

/// Proof that the limit is kept: over the whole run, and in this stage alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Gates {
    /// Per stage.
    pooled: Vec<Bets<6>>,
    pooled_ticks: u32,
    fresh: Bets<6>,
    fresh_ticks: u32,
}

impl Gates {
    fn new(judge: &Judge) -> Self {
        let pooled = vec![Bets::NONE; judge.better.len()];
        Self { pooled, pooled_ticks: 0, fresh: Bets::NONE, fresh_ticks: 0 }
    }

    fn restart_fresh(&mut self) {
        self.fresh = Bets::NONE;
        self.fresh_ticks = 0;
    }

    fn update(&mut self, judge: &Judge, next: usize, count: Count, dispersion: f64) {
        let [pooled, fresh] =
            [self.pooled_ticks, self.fresh_ticks].map(|ticks| Mass::of(PRIOR.at_gate(ticks)));
        self.pooled_ticks = self.pooled_ticks.saturating_add(1);
        self.fresh_ticks = self.fresh_ticks.saturating_add(1);
        let factor = |stage: usize, at: usize| {
            judge.better[stage][at].factor(count, dispersion).min(OUTAGE_CAP)
        };
        for (stage, bets) in self.pooled.iter_mut().enumerate() {
            bets.update(pooled, |at| factor(stage, at));
        }
        self.fresh.update(fresh, |at| factor(next, at));
    }

    /// Proof for the stage at this position over the whole run, nats.
    pub(super) fn pooled(&self, stage: usize) -> f64 {
        self.pooled.get(stage).map_or(0.0, |bets| value(bets, self.pooled_ticks))
    }

    /// Proof from this stage alone, nats.
    pub(super) fn fresh(&self) -> f64 {
        value(&self.fresh, self.fresh_ticks)
    }
}

fn value(bets: &Bets<6>, ticks: u32) -> f64 {
    if ticks == 0 {
        return 0.0;
    }
    bets.log_value(Mass::of(PRIOR.left(u64::from(ticks), 1, 1)))
}

impl Evidence {
    /// None.
    pub fn start(judge: &Judge) -> Self {
        Self {
            share: None,
            entry_open: true,
            against: Against {
                ticks: 0,
                entered: 0,
                entry_pending: true,
                comparisons: Bets::NONE,
                minutes: Bets::NONE,
            },
            gates: Gates::new(judge),
            noise: SideNoise::default(),
            seen: Totals::default(),
            stage: Totals::default(),
            spell: Totals::default(),
            rolled_back: None,
        }
    }

    /// Folds the next minute. One without a count is neither good nor bad.
    pub fn fold(&mut self, judge: &Judge, look: &Look<'_>) {
        if self.share != Some(look.share) {
            self.share = Some(look.share);
            self.entry_open = true;
            self.against.entry_pending = true;
            self.gates.restart_fresh();
            self.stage = Totals::default();
        }
        let entry = std::mem::take(&mut self.entry_open);
        let Some(counts) = look.read.and_then(ComparisonsRead::counted) else {
            self.noise.interrupt();
            return;
        };
        if look.proves {
            self.seen.add(look.minute, counts);
            self.stage.add(look.minute, counts);
        }
        let count = counts.count();
        if count.n == 0 {
            self.noise.interrupt();
            return;
        }
        self.bet(judge, look.minute, counts);
        if look.proves && !entry {
            let next = judge.stages.shares().iter().position(|share| *share > look.share);
            let next = next.unwrap_or(judge.better.len() - 1);
            let dispersion = self.noise.dispersion(count.n);
            self.gates.update(judge, next, count, dispersion);
        }
        self.latch(judge, look);
        // Last, so that every bet on this minute was placed before it was learnt.
        self.noise.learn(count);
    }

    /// A minute that came too late to prove anything.
    pub fn count_against(&mut self, judge: &Judge, look: &Look<'_>) {
        if let Some(counts) = look.read.and_then(ComparisonsRead::counted)
            && counts.compared > 0
        {
            self.bet(judge, look.minute, counts);
            self.latch(judge, look);
        }
    }

    /// Whatever was proven, was proven of other code. What counts against stays.
    pub fn restart_proof(&mut self, judge: &Judge) {
        self.gates = Gates::new(judge);
        self.seen = Totals::default();
        self.stage = Totals::default();
    }

    /// `ln E` as a part of the whole evidence.
    pub fn log_e(&self, judge: &Judge) -> f64 {
        SHARE.ln() + self.against.value(judge.planned())
    }

    /// What was seen of the present code.
    pub const fn seen(&self) -> &Totals {
        &self.seen
    }

    /// Why the run is to be rolled back, as it was when the evidence reached it.
    pub const fn rolled_back(&self) -> Option<&Breach> {
        self.rolled_back.as_ref()
    }

    fn bet(&mut self, judge: &Judge, minute: Minute, counts: &Comparisons) {
        let count = counts.count();
        let stages = judge.planned();
        let injected = self.against.inject(stages);
        let dispersion = self.noise.dispersion(count.n);
        let cap = CAP / judge.tolerance;
        self.against.comparisons.update(injected, |at| {
            let most = if SIZES[at] >= OUTAGE { OUTAGE_CAP } else { cap };
            judge.worse[at].factor(count, dispersion).min(most)
        });
        let share = count.k as f64 / count.n as f64;
        self.against.minutes.update(injected, |at| {
            let stake = STAKES[at] / judge.tolerance;
            // Where the limit is small, a single wrong answer would otherwise decide.
            (1.0 - stake + stake * share / judge.objective.limit).ln().min(OUTAGE_CAP)
        });
        self.spell.add(minute, counts);
        if self.is_no_suspicion(stages) {
            self.spell = Totals::default();
        }
    }

    fn is_no_suspicion(&self, stages: u32) -> bool {
        let reserve = self.against.reserve(stages);
        self.against.comparisons.is_no_suspicion(reserve)
            && self.against.minutes.is_no_suspicion(reserve)
    }

    /// Once rollback, always rollback: the evidence may fall again.
    fn latch(&mut self, judge: &Judge, look: &Look<'_>) {
        if self.rolled_back.is_none() && self.log_e(judge) >= judge.rollback_at {
            self.rolled_back = Some(self.breach(judge, look.minute, look.share));
        }
    }

    pub(super) fn keep_rollback(&mut self, before: Option<Breach>) {
        if before.is_some() {
            self.rolled_back = before;
        }
    }

    /// The evidence against the new side as it is.
    pub(super) fn suspicion(&self, judge: &Judge) -> Breach {
        let minute = self.spell.span.map_or(Minute(0), |(_, last)| last);
        self.breach(judge, minute, self.share.unwrap_or(Weight::ZERO))
    }

    fn breach(&self, judge: &Judge, minute: Minute, share: Weight) -> Breach {
        Breach {
            minute,
            share,
            log_e: self.log_e(judge),
            limit: judge.objective.limit,
            since: self.spell.span.map(|(first, _)| first),
            minutes: self.spell.minutes,
            seen: self.spell.sum.clone(),
        }
    }
}
