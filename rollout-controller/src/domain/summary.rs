//! The evidence as it stands, for readers: the same for every engine.

use super::engine::Engine;
use super::evidence::{self, Count, Family};
use super::evidence2::{self, Lead, Position};
use super::gathered::Gathered;
use super::minute::{Edges, Histogram, Minute};
use super::run::Run;
use super::slo::{Metric, Slo};
use super::weight::Weight;

/// The evidence as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// The newest minute whose counts were judged.
    pub minute: Minute,
    /// The share in force in it.
    pub share: Weight,
    /// Counts of the present stage.
    pub stage: StageSeen,
    /// `ln E`, the total evidence against the new side.
    pub log_e: f64,
    /// Rollback from here.
    pub rollback_at: f64,
    /// The family that contributes most, by its name in files.
    pub lead: String,
    /// `ln` of each metric's part in `E`; with a pair of numbers a route they add up.
    pub against: [f64; 4],
    /// Proof of each limit for the next step, in the order of [`Metric::ALL`].
    pub proofs: [ProofSeen; 4],
    /// Minutes of the stage that count for it.
    pub ticks: u32,
    /// The minute whose evidence reached the rollback, if one did.
    pub rolled_back_at: Option<Minute>,
    /// `ln E` with which it did: what a false alarm's bound comes from.
    pub rolled_back_with: Option<f64>,
    /// The limit that the old side breaks by itself, and since when.
    pub old_side_bad: Option<(Metric, Minute)>,
}

/// Proof of one limit for the next step, in nats.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ProofSeen {
    /// So far.
    pub has: f64,
    /// What the step takes.
    pub needs: f64,
}

/// Counts of the present stage.
#[derive(Clone, Debug, PartialEq)]
pub struct StageSeen {
    /// Requests of the old and the new side.
    pub requests: [u64; 2],
    /// The old side, per metric: bad among counted.
    pub old: [Count; 4],
    /// The new side, without minutes that are excused.
    pub new: [Count; 4],
    /// Latencies of the old side.
    pub old_latency: Histogram,
    /// Latencies of the new side.
    pub new_latency: Histogram,
    /// `D` per metric, for intervals.
    pub dispersion: [f64; 4],
    /// The limits.
    pub slo: Slo,
    /// Bounds between the buckets of both.
    pub edges: Edges,
}

impl Run {
    /// The evidence as it stands; `None` before a minute of the present code was
    /// judged.
    pub fn summary(&self) -> Option<Summary> {
        match self.engine().ok()? {
            Engine::One(engine) => one(&engine, &self.gathered),
            Engine::Two(engine) => {
                let summary = two(&engine, self)?;
                Some(with_wrong_answers(summary, self))
            }
        }
    }
}

/// The same where wrong answers are an objective: the larger of the two parts of the
/// evidence is what it has come to.
fn with_wrong_answers(mut summary: Summary, run: &Run) -> Summary {
    let judge = run.judge().ok().flatten();
    let Some((judge, timeline)) = judge.zip(run.gathered.wrong_answers()) else { return summary };
    let evidence = timeline.evidence();
    let log_e = evidence.log_e(&judge);
    if log_e > summary.log_e {
        (summary.log_e, summary.lead) = (log_e, "wrong_answers".to_owned());
    }
    if summary.rolled_back_at.is_none()
        && let Some(breach) = evidence.rolled_back()
    {
        summary.rolled_back_at = Some(breach.minute);
        summary.rolled_back_with = Some(breach.log_e);
    }
    summary
}

impl Run {
    /// About how long the proof of each limit takes, in the order of [`Metric::ALL`];
    /// `None` where the engine cannot say.
    pub fn minutes_left(&self) -> [Option<evidence2::MinutesLeft>; 4] {
        match (self.engine(), self.gathered.two()) {
            (Ok(Engine::Two(engine)), Some(timeline)) => {
                let at = Position { share: self.weight, baked: self.baked };
                engine.minutes_left(timeline.evidence(), at).map(Some)
            }
            (Ok(Engine::One(_) | Engine::Two(_)) | Err(_), _) => [None; 4],
        }
    }
}

impl StageSeen {
    /// As evidence-1 has it.
    pub fn of_one(engine: &evidence::Engine, evidence: &evidence::Evidence) -> Self {
        let stage = evidence.stage();
        Self {
            requests: [stage.old[0].n, stage.new[0].n],
            old: stage.old,
            new: stage.new,
            old_latency: stage.old_latency.clone(),
            new_latency: stage.new_latency.clone(),
            dispersion: engine.dispersion(evidence),
            slo: *engine.slo(),
            edges: engine.config().edges_ms.clone(),
        }
    }
}

fn one(engine: &evidence::Engine, gathered: &Gathered) -> Option<Summary> {
    let (evidence, judged) = gathered.one()?;
    let judged = judged?;
    let weights = engine.config().family_weights.to_array();
    let part = |metric: Metric| {
        let own = Family::ALL.into_iter().filter(|family| family.metric() == metric);
        let terms = own.map(|f| weights[f.index()].ln() + judged.log_e_family[f.index()]);
        evidence::math::log_sum_exp(terms)
    };
    let needs = engine.gate_threshold();
    Some(Summary {
        minute: judged.minute,
        share: judged.weight,
        stage: StageSeen::of_one(engine, evidence),
        log_e: judged.log_e,
        rollback_at: engine.rollback_threshold(),
        lead: judged.lead.name().to_owned(),
        against: Metric::ALL.map(part),
        proofs: judged.log_gates.map(|has| ProofSeen { has, needs }),
        ticks: judged.gate_ticks,
        rolled_back_at: judged.rolled_back_at,
        rolled_back_with: judged.rolled_back_at.map(|_| judged.log_e),
        old_side_bad: judged.incident(),
    })
}

fn two(engine: &evidence2::Engine, run: &Run) -> Option<Summary> {
    let evidence = run.gathered.two()?.evidence();
    let minute = run.gathered.judged_through()?;
    let stage = evidence.stage();
    let (log_e, lead) = engine.suspicion(evidence);
    let at = Position { share: run.weight, baked: run.baked };
    let proofs = engine.gates(evidence, at).map(|gate| {
        // Of the two proofs the emptier one.
        let part = |(has, needs): (f64, f64)| if needs > 0.0 { has / needs } else { f64::INFINITY };
        let (has, needs) =
            if part(gate.pooled) < part(gate.fresh) { gate.pooled } else { gate.fresh };
        ProofSeen { has, needs }
    });
    Some(Summary {
        minute,
        share: evidence.share().unwrap_or(run.weight),
        stage: StageSeen {
            requests: [stage.old[0].n, stage.requests],
            old: stage.old,
            new: stage.new,
            old_latency: stage.old_latency.clone(),
            new_latency: stage.new_latency.clone(),
            dispersion: evidence.shown_dispersion(),
            slo: *engine.slo(),
            edges: engine.edges().clone(),
        },
        log_e,
        rollback_at: engine.settings().rollback_threshold(),
        lead: lead_name(lead),
        against: engine.suspicion_by_metric(evidence),
        proofs,
        ticks: evidence.ticks(),
        rolled_back_at: evidence.rolled_back().map(|breach| breach.minute),
        rolled_back_with: evidence.rolled_back().map(|breach| breach.log_e),
        old_side_bad: evidence.old_side_bad(),
    })
}

/// `abs_err`, `rel_p99`, `minutes_err`, `route3_err`.
fn lead_name(lead: Lead) -> String {
    let metric = lead.metric().name();
    match lead {
        Lead::Limit(_) => format!("abs_{metric}"),
        Lead::OldSide(_) => format!("rel_{metric}"),
        Lead::Minutes(_) => format!("minutes_{metric}"),
        Lead::Route { stratum, .. } => format!("route{stratum}_{metric}"),
    }
}
