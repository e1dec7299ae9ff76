//! What the engine remembers between minutes: one small JSON row.
//!
//! A cache. The committed minutes are the truth, and folding them again gives
//! the same state.

use serde::{Deserialize, Serialize};

use super::detector::Masses;
use super::engine::Engine;
use super::math::dispersion_term;
use crate::domain::minute::{CommittedMinute, Histogram, Minute, SideCounts};
use crate::domain::slo::Metric;
use crate::domain::weight::Weight;

/// `k` bad among `n`, of one metric on one side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// Bad requests.
    pub k: u64,
    /// Requests.
    pub n: u64,
}

impl Count {
    pub(crate) fn add(&mut self, other: Self) {
        self.k = self.k.saturating_add(other.k);
        self.n = self.n.saturating_add(other.n);
    }
}

/// How much the requests of one side depend on each other, from successive
/// minutes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Dispersion {
    sum: f64,
    pairs: u32,
    last: Count,
}

impl Dispersion {
    pub(super) fn learn(&mut self, now: Count, clip: f64) {
        let Count { k, n } = now;
        if let Some(term) = dispersion_term((k, n), (self.last.k, self.last.n), clip) {
            self.sum += term;
            self.pairs = self.pairs.saturating_add(1);
        }
        self.last = now;
    }

    /// Mean of the terms, held at 1 by `prior` pairs that no one has seen.
    pub(super) fn value(&self, prior: f64) -> f64 {
        (prior + self.sum) / (prior + f64::from(self.pairs))
    }
}

/// The old side's recent rate of one metric, old minutes fading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Baseline {
    bad: f64,
    all: f64,
}

impl Baseline {
    pub(crate) fn learn(&mut self, now: Count, decay: f64) {
        self.bad = decay * self.bad + now.k as f64;
        self.all = decay * self.all + now.n as f64;
    }

    /// The rate, drawn towards `limit` by `prior` requests at it.
    pub(crate) fn rate(&self, limit: f64, prior: f64) -> f64 {
        (self.bad + prior * limit) / (self.all + prior)
    }
}

/// Which histogram edges the old side's tails were measured at, from the
/// history before the rollout; the new side is measured one edge further out.
///
/// One entry for P50, P95 and P99; `None` where the old side had too few
/// latencies, or too slow ones, to tell. That comparison is then off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RelativeEdges(pub(super) [Option<u16>; 3]);

impl RelativeEdges {
    /// Position of the old side's edge for P50, P95 or P99 (0, 1, 2).
    pub(super) fn old(self, quantile: usize) -> Option<usize> {
        self.0[quantile].map(usize::from)
    }
}

/// Counts of the current stage, for people and for the time left. The tests
/// themselves do not use them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageTotals {
    /// Committed minutes of this stage, with or without traffic.
    pub minutes: u32,
    /// The old side, per metric: bad among counted.
    pub old: [Count; 4],
    /// The new side, per metric: bad among counted.
    pub new: [Count; 4],
    /// The new side without the entry minute: what the gates have seen.
    pub gate: [Count; 4],
    /// Bad among counted in the relative comparison of P50, P95, P99, old side.
    pub relative_old: [Count; 3],
    /// The same on the new side, one edge further out.
    pub relative_new: [Count; 3],
    /// Latencies of the old side.
    pub old_latency: Histogram,
    /// Latencies of the new side.
    pub new_latency: Histogram,
}

/// Minutes in a row in which the new side should have had requests and had none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Silence {
    /// Committed minutes in a row without a request on the new side.
    pub minutes: u32,
    /// Requests it should have had, from the weight and the old side's requests.
    pub expected: f64,
}

impl Silence {
    /// Five minutes and more than 20 expected requests: the weight or the target
    /// group is wrong. (Chance would do that once in `e^20` times.)
    pub fn is_alarming(&self) -> bool {
        self.minutes >= 5 && self.expected > 20.0
    }
}

/// The state of the evidence of one rollout. Made by [`Engine::start`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    pub(super) stages_planned: u32,
    /// The newest minute judged.
    pub(super) last: Option<Minute>,
    pub(super) weight: Option<Weight>,
    /// The stage's entry mass waits for the first minute with traffic.
    pub(super) entry_pending: bool,
    pub(super) entered: u32,
    pub(super) data_ticks: u64,
    pub(super) breach: [Masses; 8],
    pub(super) gate_ticks: u32,
    pub(super) gates: [Masses; 4],
    /// Per metric: old side, new side.
    pub(super) dispersion: [[Dispersion; 2]; 4],
    pub(super) baseline: [Baseline; 4],
    pub(super) incident: [f64; 4],
    pub(super) incident_since: [Option<Minute>; 4],
    pub(super) relative: RelativeEdges,
    pub(super) stage: StageTotals,
    pub(super) silence: Silence,
    pub(super) rolled_back_at: Option<Minute>,
}

impl Evidence {
    pub(super) fn empty(cells: usize, stages_planned: u32) -> Self {
        Self {
            stages_planned: stages_planned.max(1),
            last: None,
            weight: None,
            entry_pending: false,
            entered: 0,
            data_ticks: 0,
            breach: std::array::from_fn(|_| Masses::none(cells)),
            gate_ticks: 0,
            gates: std::array::from_fn(|_| Masses::none(cells)),
            dispersion: [[Dispersion::default(); 2]; 4],
            baseline: [Baseline::default(); 4],
            incident: [0.0; 4],
            incident_since: [None; 4],
            relative: RelativeEdges::default(),
            stage: StageTotals::default(),
            silence: Silence::default(),
            rolled_back_at: None,
        }
    }

    /// Counts since the weight last changed.
    pub const fn stage(&self) -> &StageTotals {
        &self.stage
    }

    /// Minutes with traffic since the weight last changed, without the entry minute.
    pub const fn gate_ticks(&self) -> u32 {
        self.gate_ticks
    }

    /// The minute whose evidence reached the rollback threshold, if one did.
    /// From then on every verdict is to roll back.
    pub const fn rolled_back_at(&self) -> Option<Minute> {
        self.rolled_back_at
    }

    /// The edges of the comparison with the old side.
    pub const fn relative_edges(&self) -> RelativeEdges {
        self.relative
    }

    /// Sets those edges, when they are known from elsewhere than this history.
    pub const fn set_relative_edges(&mut self, edges: RelativeEdges) {
        self.relative = edges;
    }

    /// Whether the old side's latency of this metric can be compared with at all.
    pub fn compares_latency(&self, metric: Metric) -> bool {
        metric.index().checked_sub(1).is_some_and(|q| self.relative.0[q].is_some())
    }

    /// `D`: the size of the groups in which requests of this metric seem to
    /// depend on each other; 1 for independent ones.
    pub(super) fn dispersion(&self, metric: usize, prior: f64) -> f64 {
        let [old, new] = &self.dispersion[metric];
        old.value(prior).max(new.value(prior)).max(1.0)
    }

    /// Whether this state can be continued with these settings.
    pub(super) fn fits(&self, engine: &Engine) -> bool {
        let cells = engine.config().odds.len();
        let last_edge = engine.config().edges_ms.as_ms().len() - 1;
        self.stages_planned > 0
            && self.breach.iter().chain(&self.gates).all(|m| m.cells() == cells && m.is_sound())
            && self.relative.0.iter().flatten().all(|&edge| usize::from(edge) < last_edge)
    }

    /// Dispersion and the old side's rate, from one minute.
    pub(super) fn learn(&mut self, engine: &Engine, old: &[Count; 4], new: &[Count; 4]) {
        let config = engine.config();
        for metric in 0..4 {
            let [of_old, of_new] = &mut self.dispersion[metric];
            of_old.learn(old[metric], config.dispersion_clip);
            of_new.learn(new[metric], config.dispersion_clip);
            self.baseline[metric].learn(old[metric], config.baseline_decay);
        }
    }

    /// Learns from minutes before the rollout: dispersion, the old side's rates
    /// and the edges for comparing latencies. No evidence comes of it.
    ///
    /// Give about an hour, in order. Without enough latencies the comparison of
    /// those quantiles stays off; ask [`Evidence::compares_latency`].
    pub fn learn_history(&mut self, engine: &Engine, history: &[CommittedMinute]) {
        let mut latency = Histogram::default();
        for minute in history {
            let old = engine.counts(&minute.old);
            self.learn(engine, &old, &[Count::default(); 4]);
            latency += &minute.old.latency;
        }
        self.relative = engine.relative_edges(&latency);
    }

    pub(super) fn enter_stage(&mut self, weight: Weight) {
        self.weight = Some(weight);
        self.entry_pending = true;
        self.gate_ticks = 0;
        let cells = self.gates[0].cells();
        self.gates = std::array::from_fn(|_| Masses::none(cells));
        self.stage = StageTotals::default();
    }

    /// Proof begins anew: a gap, or other code. What counts against stays.
    pub(crate) fn restart_gates(&mut self) {
        self.gate_ticks = 0;
        let cells = self.gates[0].cells();
        self.gates = std::array::from_fn(|_| Masses::none(cells));
        self.stage.gate = [Count::default(); 4];
    }

    /// Follows the new side's silence: `old` are the old side's requests.
    pub(super) fn note_silence(&mut self, weight: Weight, old: u64, new: u64) {
        if new > 0 || weight == Weight::ZERO {
            self.silence = Silence::default();
            return;
        }
        self.silence.minutes = self.silence.minutes.saturating_add(1);
        if weight < Weight::FULL {
            self.silence.expected += old as f64 * weight.ratio() / (1.0 - weight.ratio());
        }
    }

    pub(super) fn add_latencies(&mut self, old: &SideCounts, new: &SideCounts) {
        self.stage.old_latency += &old.latency;
        self.stage.new_latency += &new.latency;
    }
}
