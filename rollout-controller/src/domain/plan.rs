//! What is fixed when a rollout starts, and what may change under way.

use super::calendar::Calendar;
use super::engine::Method;
use super::labels::Labels;
use super::route::Route;
use super::slo::Slo;
use super::weight::Weight;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where the first step leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StartAt {
    /// The largest stage, up to 50% (25% under evidence-1), at which a fault is
    /// found before it hurts more requests than finding it takes.
    Auto,
    /// This stage, one of the plan's.
    Stage(Weight),
}

/// The terms of one run. Journalled when it starts, so that a change of the
/// config, or an upgrade of the controller, does not move the goal posts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Terms {
    /// Rising; the last is 100%. Checked when the configuration is read.
    pub stages: Vec<Weight>,
    /// First stage.
    pub start: StartAt,
    /// A minute is judged once it ended this many minutes ago. 1 or more.
    pub lag_minutes: u32,
    /// Minutes of the old side read before the first step.
    pub history_minutes: u32,
    /// Limits.
    pub slo: Slo,
    /// How they are tested.
    pub evidence: Method,
    /// What is moved, together.
    pub routes: Vec<Route>,
    /// What the sides are called. Journals that name none mean the usual ones.
    #[serde(default, skip_serializing_if = "Labels::are_usual")]
    pub labels: Labels,
}

impl Terms {
    /// The stage after `weight`, or `None` from the last one on.
    pub fn next_after(&self, weight: Weight) -> Option<Weight> {
        self.stages.iter().copied().find(|stage| *stage > weight)
    }

    /// The share at which all bake minutes run: the last one at which the old side
    /// has traffic; the last stage under evidence-1 or with a single stage.
    pub fn bake_share(&self) -> Weight {
        let back = match self.evidence {
            Method::Two(_) => 1,
            Method::One(_) => 0,
        };
        let bake = self.stages.iter().rev().nth(back).or(self.stages.last());
        bake.copied().unwrap_or(Weight::FULL)
    }

    /// Number of the stage for people, from 1; 0 before the first.
    pub fn stage_number(&self, weight: Weight) -> usize {
        self.stages.iter().filter(|stage| **stage <= weight).count()
    }
}

/// Whether the controller acts on its decisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Decisions move weights.
    Active,
    /// Everything is read, judged, decided and reported; nothing is moved.
    Shadow,
}

/// What may change while a rollout runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// A stage that takes longer than this pages a person. Minutes.
    pub max_hold_minutes: u32,
    /// Nothing readable for this long pages a person. Minutes.
    pub blind_after_minutes: u32,
    /// Any of these in ALARM rolls back.
    pub rollback_on: Vec<String>,
    /// Any of these in ALARM holds.
    pub hold_on: Vec<String>,
    /// Alarm of the new side → the same alarm of the old side. If both stand,
    /// the trouble is shared: hold instead of roll back.
    pub python_twin: BTreeMap<String, String>,
    /// When advancing is allowed.
    pub calendar: Calendar,
    /// What other code on the new side does to the share.
    pub on_new_code: OnNewCode,
    /// What the sides are called where no run says it.
    pub labels: Labels,
    /// CloudWatch log group of the new side's functions, which examples of wrong answers are
    /// read from; `None`: kinds and counts are all that is known.
    #[serde(default)]
    pub answers_log: Option<String>,
}

/// What other code on the new side does to the share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnNewCode {
    /// The present stage is proven again before the next step.
    #[default]
    Stay,
    /// The share goes back to the first stage.
    FirstStage,
}

impl Settings {
    /// Every alarm name that has to be read, once each, in order.
    pub fn alarm_names(&self) -> Vec<String> {
        let twins = self.python_twin.values();
        let mut names: Vec<String> = Vec::new();
        for name in self.rollback_on.iter().chain(&self.hold_on).chain(twins) {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        names
    }
}
