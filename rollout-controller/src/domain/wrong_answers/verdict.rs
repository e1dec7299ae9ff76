//! What the comparisons mean for the share that is in force.

use serde::{Deserialize, Serialize};

use crate::domain::evidence::math::{gate_limit, kl};
use crate::domain::evidence::{Count, Rate};
use crate::domain::evidence2::{FRESH_PROOF, Position};
use crate::domain::minute::Minute;
use crate::domain::weight::Weight;
use crate::planted::planted;

use super::counts::Comparisons;
use super::evidence::{Evidence, Totals};
use super::judge::Judge;

/// Answers that must differ before the limit is called broken: a single one may be a
/// stamp that changed between the two answers.
const LEAST_DIFFERENT: u64 = 2;

/// What the comparisons say.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub enum Verdict {
    /// Too many answers differ. Stays so.
    Breach(Breach),
    /// No step, for this reason.
    Hold(Hold),
    /// Nothing speaks against the next step, or for want of comparisons nothing is asked.
    Free,
}

/// The evidence that a rollback rests on, as it was when it reached the threshold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Breach {
    /// The minute that decided.
    pub minute: Minute,
    /// The share in force in it.
    pub share: Weight,
    /// `ln` of this objective's part in the whole evidence: false alarm at most 1 in its
    /// exponential.
    pub log_e: f64,
    /// Largest share of compared answers that may differ.
    pub limit: f64,
    /// The first minute of what it rests on.
    pub since: Option<Minute>,
    /// Minutes with comparisons in it.
    pub minutes: u32,
    /// What was compared in them.
    pub seen: Comparisons,
}

/// A reason to stay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Hold {
    /// The limit is broken, by the interval of the present code.
    WrongAnswers {
        /// What was compared.
        seen: Comparisons,
        /// The limit.
        limit: f64,
    },
    /// The evidence is half way to a rollback.
    WrongAnswersSuspected {
        /// What it rests on.
        breach: Box<Breach>,
    },
    /// Proof is required, and is not complete.
    WrongAnswersNotProven {
        /// The step it is for; 100% at the end.
        step: Weight,
        /// What was compared.
        seen: Comparisons,
        /// About how many comparisons more.
        left: ComparisonsLeft,
    },
}

impl Hold {
    /// Whether something was bad, rather than merely missing.
    pub const fn is_bad(&self) -> bool {
        match self {
            Self::WrongAnswers { .. } | Self::WrongAnswersSuspected { .. } => true,
            Self::WrongAnswersNotProven { .. } => false,
        }
    }
}

/// How many more comparisons a proof takes at the rate seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ComparisonsLeft {
    /// None.
    Proven,
    /// About this many, rounded up.
    About(u64),
    /// At the rate seen it will never be complete.
    NotOnCourse,
    /// Nothing was compared yet.
    TooEarly,
}

/// How this objective stands, for people.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// Largest share of compared answers that may differ.
    pub limit: f64,
    /// Whether a step needs proof.
    pub required: bool,
    /// What is known of the present code, or of the present share where that breaks the
    /// limit; `None`: nothing.
    pub seen: Option<Comparisons>,
    /// The newest minute with a count.
    pub through: Option<Minute>,
    /// Different among compared, with its interval; `None`: nothing was compared.
    pub rate: Option<Rate>,
    /// Whether the limit is broken.
    pub over: bool,
    /// `ln` of its part in the whole evidence.
    pub log_e: f64,
    /// Rollback from here.
    pub rollback_at: f64,
    /// Proof for the next step, nats: so far, and what it takes.
    pub proof: (f64, f64),
    /// How much more it takes.
    pub left: ComparisonsLeft,
}

/// Comparisons of some minutes against the limit.
struct Shown<'a> {
    totals: &'a Totals,
    /// `D` of an average minute.
    dispersion: f64,
    rate: Option<Rate>,
    over: bool,
}

impl Judge {
    /// What the comparisons mean for a run at this position.
    pub fn verdict(&self, evidence: &Evidence, at: Position) -> Verdict {
        if let Some(breach) = evidence.rolled_back() {
            return Verdict::Breach(breach.clone());
        }
        let standing = self.standing(evidence, at);
        let seen = standing.seen.clone().unwrap_or_default();
        if standing.over {
            return Verdict::Hold(Hold::WrongAnswers { seen, limit: self.objective.limit });
        }
        if standing.log_e >= 0.5 * self.rollback_at {
            let breach = Box::new(evidence.suspicion(self));
            return Verdict::Hold(Hold::WrongAnswersSuspected { breach });
        }
        let needed = self.objective.required && !planted!(AnswersNeedNoProof);
        if needed && standing.left != ComparisonsLeft::Proven {
            let step = self.stages.after(at.share).unwrap_or(Weight::FULL);
            let left = standing.left;
            return Verdict::Hold(Hold::WrongAnswersNotProven { step, seen, left });
        }
        Verdict::Free
    }

    /// How it stands.
    pub fn standing(&self, evidence: &Evidence, at: Position) -> Standing {
        let [all, of_stage, of_spell] = [evidence.seen(), &evidence.stage, &evidence.spell]
            .map(|totals| self.shown(evidence, totals));
        // What began late is not thinned by what was good before.
        let over = [of_stage, of_spell].into_iter().find(|part| part.over && !all.over);
        let Shown { totals, dispersion, rate, over } = over.unwrap_or(all);
        let (proof, left) = self.proof(evidence, at, totals.sum.count(), dispersion);
        Standing {
            limit: self.objective.limit,
            required: self.objective.required,
            seen: totals.span.map(|_| totals.sum.clone()),
            through: totals.span.map(|(_, last)| last),
            rate,
            over,
            log_e: evidence.log_e(self),
            rollback_at: self.rollback_at,
            proof,
            left,
        }
    }

    fn shown<'a>(&self, evidence: &Evidence, totals: &'a Totals) -> Shown<'a> {
        let count = totals.sum.count();
        let a_minute = count.n / u64::from(totals.minutes.max(1));
        let dispersion = evidence.noise.dispersion(a_minute);
        let rate = (count.n > 0).then(|| Rate::new(count, dispersion));
        let above = rate.as_ref().is_some_and(|rate| rate.low > self.objective.limit);
        Shown { totals, dispersion, rate, over: above && count.k >= LEAST_DIFFERENT }
    }

    /// Of the two proofs for the next step the emptier one, and how much is left of it.
    fn proof(
        &self,
        evidence: &Evidence,
        at: Position,
        count: Count,
        dispersion: f64,
    ) -> ((f64, f64), ComparisonsLeft) {
        let full = self.proof_at;
        let next = self.stages.shares().iter().position(|share| *share > at.share);
        let baking = at.share >= self.stages.bake() && (next.is_some() || !at.baked);
        let fresh = (evidence.gates.fresh(), if baking { full } else { FRESH_PROOF.min(full) });
        // Nothing follows 100%, so nothing of the whole run is asked there.
        let pooled = next.map(|next| (evidence.gates.pooled(next), full));
        let part = |(has, needs): (f64, f64)| has / needs;
        let emptier = pooled.filter(|pooled| part(*pooled) < part(fresh)).unwrap_or(fresh);
        let missing = pooled.map_or(0.0, |(has, needs)| needs - has).max(fresh.1 - fresh.0);
        let left = if missing <= 0.0 {
            ComparisonsLeft::Proven
        } else if count.n == 0 {
            ComparisonsLeft::TooEarly
        } else {
            let step = next.map_or(Weight::FULL, |next| self.stages.shares()[next]);
            let too_bad = gate_limit(self.objective.limit, step.ratio());
            left(count, too_bad, missing * dispersion)
        };
        (emptier, left)
    }
}

fn left(count: Count, too_bad: f64, nats: f64) -> ComparisonsLeft {
    let rate = (count.k as f64 + 0.5) / (count.n as f64 + 1.0);
    if rate >= too_bad {
        // The half answer in `rate` must not condemn what has just begun.
        let off = count.k as f64 >= too_bad * count.n as f64;
        return if off { ComparisonsLeft::NotOnCourse } else { ComparisonsLeft::TooEarly };
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturates, and is not negative"
    )]
    let comparisons = (nats / kl(rate, too_bad)).max(1.0).ceil() as u64;
    ComparisonsLeft::About(comparisons)
}
