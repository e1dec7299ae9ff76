//! What a judgement means for the stage a rollout is in.

use serde::{Deserialize, Serialize};

use super::engine::Engine;
use super::estimate::TimeLeft;
use super::family::Family;
use super::interval::interval;
use super::judged::{Judged, Signal, Traffic};
use super::state::{Count, Evidence, Silence};
use crate::domain::minute::Minute;
use crate::domain::slo::Metric;
use crate::domain::weight::Weight;

/// Share of looks at which an interval shown to people may miss: 95%.
const MISS: f64 = 0.05;

/// The stage a rollout is in, by its plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// The weight in force.
    pub weight: Weight,
    /// The weight after it; `None` in the last stage, which bakes instead.
    pub next: Option<Weight>,
}

impl Stage {
    /// The weight whose safety the gates prove: the next one, or all traffic in
    /// the last stage and the bake. What [`Engine::judge`] takes as `next`.
    pub fn to_prove(&self) -> Weight {
        self.next.unwrap_or(Weight::FULL)
    }
}

/// A rate as counted, with its 95% confidence sequence.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    /// Bad requests.
    pub k: u64,
    /// Requests.
    pub n: u64,
    /// Lower bound, 0.0 to 1.0.
    pub low: f64,
    /// Upper bound, 0.0 to 1.0.
    pub high: f64,
}

impl Rate {
    /// From a count; `dispersion >= 1` widens the interval.
    pub fn new(count: Count, dispersion: f64) -> Self {
        let bounds = interval(count.k, count.n, dispersion, MISS);
        Self { k: count.k.min(count.n), n: count.n, low: bounds.low, high: bounds.high }
    }

    /// `k/n`; `None` when nothing was counted.
    pub fn ratio(&self) -> Option<f64> {
        (self.n > 0).then(|| self.k as f64 / self.n as f64)
    }
}

/// The evidence that a rollback rests on, enough to tell a person.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Breach {
    /// The weight at which it was judged.
    pub weight: Weight,
    /// What gave it away.
    pub lead: Family,
    /// `ln E` over all families.
    pub log_e: f64,
    /// `ln E_f` of the lead: the odds shown are 1 to this.
    pub log_e_lead: f64,
    /// The new side's rate in this stage.
    pub new: Rate,
    /// The old side's rate in this stage.
    pub old: Rate,
    /// Largest allowed rate of the metric.
    pub limit: f64,
    /// Slow means slower than this on the new side, milliseconds; `None` for errors.
    pub new_ms: Option<f64>,
    /// Slow means slower than this on the old side, milliseconds; `None` for errors.
    pub old_ms: Option<f64>,
    /// Allowed multiple of the old side's rate, where the lead is relative.
    pub factor: f64,
    /// Allowed share of requests on top of that.
    pub margin: f64,
}

/// A gate that is not open yet.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct OpenGate {
    /// The metric to prove.
    pub metric: Metric,
    /// The new side's rate in this stage, without the entry minute.
    pub rate: Rate,
    /// Largest allowed rate of the metric.
    pub limit: f64,
    /// Slow means slower than this, milliseconds; `None` for errors.
    pub limit_ms: Option<f64>,
    /// The rate that must be disproved for the next step; at least `limit`.
    pub to_disprove: f64,
    /// The step it is for.
    pub next: Weight,
}

/// What was shown before a step, enough to tell a person.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Proof {
    /// The weight at which it was shown.
    pub weight: Weight,
    /// Minutes with traffic, without the entry minute.
    pub ticks: u32,
    /// The new side's errors in those minutes.
    pub errors: Rate,
    /// The metric that was shown least clearly.
    pub weakest: Metric,
    /// `ln G` of that metric: the odds shown are 1 to this.
    pub log_gate_weakest: f64,
}

/// Why a rollout stays where it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum HoldReason {
    /// Nothing reached either side.
    NoTraffic,
    /// The old side had requests, the new one none.
    NoTrafficOnNew {
        /// How long, and how many requests were due.
        silence: Silence,
    },
    /// The minute is from before the last change of weight, so it can roll back
    /// but not advance.
    EarlierStage {
        /// The weight in force in it.
        weight: Weight,
    },
    /// The old side itself is above a limit.
    SharedIncident {
        /// Where it has been longest.
        metric: Metric,
        /// Since when.
        since: Minute,
        /// Slow means slower than this, milliseconds; `None` for errors.
        limit_ms: Option<f64>,
        /// The old side's rate in this stage.
        old: Rate,
        /// The new side's rate in this stage.
        new: Rate,
        /// Whether the new side's rate is above the limit too.
        both: bool,
        /// Whether the new side's rate is within what the guard excuses.
        excused: bool,
    },
    /// Every gate may be open, but evidence against the new side is half way to
    /// a rollback.
    UnderSuspicion {
        /// What it rests on.
        breach: Breach,
    },
    /// A gate is not open yet.
    NotProven {
        /// The one that takes longest, or that will never open.
        gate: OpenGate,
        /// About how long.
        left: TimeLeft,
    },
    /// Everything is proven; the stage is too young.
    TooShort {
        /// Minutes with traffic so far, without the entry minute.
        ticks: u32,
        /// Minutes required.
        required: u32,
    },
    /// Everything is proven at full traffic; the bake goes on.
    Baking {
        /// Minutes with traffic so far, without the entry minute.
        ticks: u32,
        /// Minutes required.
        required: u32,
    },
}

/// What the evidence says about a stage. What follows from it, with calendars,
/// pauses and alarms, is [`crate::domain::decide`]'s.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[must_use]
pub enum Says {
    /// The new side breaks an objective.
    Breach {
        /// Which, and how clearly.
        breach: Breach,
    },
    /// Every objective is proven for the next step, or for the end of the bake.
    Proven {
        /// What it rests on.
        proof: Proof,
    },
    /// Neither.
    Unproven {
        /// What is missing.
        reason: HoldReason,
    },
}

impl Engine {
    /// What the newest judgement means for the stage.
    ///
    /// A minute of an earlier stage may become due after the step was taken: it
    /// is judged, but cannot advance again.
    pub fn stage_gate(&self, evidence: &Evidence, judged: &Judged, stage: Stage) -> Says {
        if judged.verdict() == Signal::Rollback {
            return Says::Breach { breach: self.breach(evidence, judged) };
        }
        let hold = |reason| Says::Unproven { reason };
        if judged.weight != stage.weight {
            return hold(HoldReason::EarlierStage { weight: judged.weight });
        }
        match (judged.signal, stage.next) {
            (Signal::Advance, Some(_)) => Says::Proven { proof: proof(evidence, judged) },
            (Signal::Advance, None) if judged.gate_ticks >= self.config().bake_ticks => {
                Says::Proven { proof: proof(evidence, judged) }
            }
            (Signal::Advance, None) => hold(HoldReason::Baking {
                ticks: judged.gate_ticks,
                required: self.config().bake_ticks,
            }),
            (Signal::Hold | Signal::Rollback, _) => hold(self.why_hold(evidence, judged, stage)),
        }
    }

    fn why_hold(&self, evidence: &Evidence, judged: &Judged, stage: Stage) -> HoldReason {
        match judged.traffic {
            Traffic::Neither => return HoldReason::NoTraffic,
            Traffic::OldOnly => {
                return HoldReason::NoTrafficOnNew { silence: judged.silence };
            }
            Traffic::Both | Traffic::NewOnly => {}
        }
        if let Some((metric, since)) = judged.incident() {
            return self.shared_incident(evidence, judged, metric, since);
        }
        if judged.log_e >= 0.5 * self.rollback_threshold() {
            return HoldReason::UnderSuspicion { breach: self.breach(evidence, judged) };
        }
        let required = match stage.next {
            Some(_) => self.config().min_gate_ticks,
            None => self.config().bake_ticks,
        };
        let ticks_left = required.saturating_sub(judged.gate_ticks);
        let (left, slowest) = self.time_left(evidence, judged, ticks_left);
        match slowest {
            Some(metric) => HoldReason::NotProven {
                gate: self.open_gate(evidence, judged, metric, stage.to_prove()),
                left,
            },
            None => HoldReason::TooShort { ticks: judged.gate_ticks, required },
        }
    }

    fn shared_incident(
        &self,
        evidence: &Evidence,
        judged: &Judged,
        metric: Metric,
        since: Minute,
    ) -> HoldReason {
        let at = metric.index();
        let rate = |count| Rate::new(count, judged.dispersion[at]);
        let (old, new) = (rate(evidence.stage.old[at]), rate(evidence.stage.new[at]));
        let ratio = |rate: Rate| rate.ratio().unwrap_or(0.0);
        HoldReason::SharedIncident {
            metric,
            since,
            limit_ms: self.slo().limit_ms(metric),
            old,
            new,
            both: ratio(new) > self.limits()[at],
            excused: ratio(new) <= self.config().guard_factor * ratio(old),
        }
    }

    fn open_gate(
        &self,
        evidence: &Evidence,
        judged: &Judged,
        metric: Metric,
        next: Weight,
    ) -> OpenGate {
        let at = metric.index();
        OpenGate {
            metric,
            rate: Rate::new(evidence.stage.gate[at], judged.dispersion[at]),
            limit: self.limits()[at],
            limit_ms: self.slo().limit_ms(metric),
            to_disprove: judged.gate_limits[at],
            next,
        }
    }

    /// The breach of a state that has latched, where the newest minute made no
    /// judgement of its own.
    pub fn latched_breach(&self, evidence: &Evidence, weight: Weight) -> Breach {
        self.breach(evidence, &self.judgement_of(evidence, weight))
    }

    /// The evidence against the new side as it stands, led by its strongest family.
    pub fn breach(&self, evidence: &Evidence, judged: &Judged) -> Breach {
        let lead = judged.lead;
        let metric = lead.metric();
        let at = metric.index();
        let d = judged.dispersion[at];
        let stage = evidence.stage();
        let relative_ms = at
            .checked_sub(1)
            .filter(|_| lead.is_relative())
            .map(|q| (q, self.relative_edges_ms(evidence.relative_edges())[q]));
        let limit_ms = self.slo().limit_ms(metric);
        let (old, new, old_ms, new_ms) = match relative_ms {
            Some((q, ms)) => {
                let (old_ms, new_ms) = ms.unzip();
                (stage.relative_old[q], stage.relative_new[q], old_ms, new_ms)
            }
            None => (stage.old[at], stage.new[at], limit_ms, limit_ms),
        };
        let (factor, margin) = match (lead.is_relative(), metric) {
            (true, Metric::Err) => (self.config().error_factor, self.config().error_margin),
            (true, _) => (1.0, 0.0),
            (false, _) => (self.config().guard_factor, 0.0),
        };
        Breach {
            weight: judged.weight,
            lead,
            log_e: judged.log_e,
            log_e_lead: judged.log_e_family[lead.index()],
            new: Rate::new(new, d),
            old: Rate::new(old, d),
            limit: self.limits()[at],
            new_ms,
            old_ms,
            factor,
            margin,
        }
    }
}

fn proof(evidence: &Evidence, judged: &Judged) -> Proof {
    let gate = |metric: Metric| judged.log_gates[metric.index()];
    let mut weakest = Metric::Err;
    for metric in Metric::ALL {
        if gate(metric) < gate(weakest) {
            weakest = metric;
        }
    }
    let errors = Metric::Err.index();
    Proof {
        weight: judged.weight,
        ticks: judged.gate_ticks,
        errors: Rate::new(evidence.stage.gate[errors], judged.dispersion[errors]),
        weakest,
        log_gate_weakest: gate(weakest),
    }
}
