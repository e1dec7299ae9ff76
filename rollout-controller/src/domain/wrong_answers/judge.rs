//! What is agreed about wrong answers, and the bets that follow from it.

use serde::{Deserialize, Serialize};

use crate::domain::engine::Evidence2;
use crate::domain::evidence::math::gate_limit;
use crate::domain::evidence2::{LogOdds, Preset, Stages, StagesError};
use crate::domain::weight::Weight;

/// This objective's share of the budget for false alarms: one of five objectives.
pub const SHARE: f64 = 0.2;
/// What the other four keep of it.
pub const OTHERS: f64 = 1.0 - SHARE;

/// Smallest limit. Below it no traffic that is sampled proves anything within a day.
const SMALLEST: f64 = 1e-5;
/// Largest limit. A build that answers more than that differently is no rewrite.
const LARGEST: f64 = 0.1;

/// What is set about wrong answers; journalled with the start.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Objective {
    /// Largest share of compared answers that may differ, 0.00001 to 0.1. Default 0.001.
    pub limit: f64,
    /// Whether a step needs proof that the limit is kept. Without it too few comparisons
    /// hold nothing, and only what differs counts. Default false.
    pub required: bool,
}

impl Default for Objective {
    fn default() -> Self {
        Self { limit: 0.001, required: false }
    }
}

/// A limit that makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "give 0.001% to 10%: above 0, because answers differ rightly where a stamp changes between them"
)]
pub struct ObjectiveError;

impl Objective {
    /// Checks the limit.
    ///
    /// # Errors
    /// [`ObjectiveError`] says what to give.
    pub fn check(&self) -> Result<(), ObjectiveError> {
        if (SMALLEST..=LARGEST).contains(&self.limit) { Ok(()) } else { Err(ObjectiveError) }
    }
}

/// What judges the comparisons of one run.
#[derive(Clone, Debug)]
pub struct Judge {
    pub(super) objective: Objective,
    /// `ln(1/alpha)`: where the whole evidence means rollback.
    pub(super) rollback_at: f64,
    /// `ln(1/beta)`: full proof for a step.
    pub(super) proof_at: f64,
    /// Bursts of up to so many minutes count like one bad minute. The old side has no
    /// wrong answers whose bursts would tell, so `auto` means 1.
    pub(super) tolerance: f64,
    pub(super) stages: Stages,
    /// Bets on worse than the limit, by size.
    pub(super) worse: [LogOdds; 6],
    /// Per stage, bets on better than what would be too bad for it.
    pub(super) better: Vec<[LogOdds; 6]>,
}

impl Judge {
    /// For runs of this method over these shares; `None` if wrong answers are no objective.
    ///
    /// # Errors
    /// [`StagesError`] if the shares are no plan.
    pub fn of(method: &Evidence2, shares: &[Weight]) -> Result<Option<Self>, StagesError> {
        let Some(objective) = method.wrong_answers else { return Ok(None) };
        let stages = Stages::new(shares.to_vec())?;
        let limit = objective.limit;
        let better =
            stages.shares().iter().map(|share| LogOdds::better(gate_limit(limit, share.ratio())));
        let better = better.collect();
        let tolerance = match method.settings.burst_tolerance {
            Preset::Auto => 1.0,
            Preset::Fixed(minutes) => f64::from(minutes),
        };
        Ok(Some(Self {
            objective,
            rollback_at: method.settings.rollback_threshold(),
            proof_at: method.settings.proof_threshold(),
            tolerance,
            worse: LogOdds::worse(limit),
            better,
            stages,
        }))
    }

    /// What is agreed.
    pub const fn objective(&self) -> &Objective {
        &self.objective
    }

    pub(super) fn planned(&self) -> u32 {
        u32::try_from(self.stages.shares().len()).unwrap_or(u32::MAX)
    }
}
