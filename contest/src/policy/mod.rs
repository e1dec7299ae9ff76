//! The policies: what each one does with a minute.
//!
//! Evidence-1 and evidence-2 are the controller's own engines. The others are
//! models, written from the cited documentation and not from anybody's code. Each
//! gets the same counts at the same time, the same four limits, and (where it lets
//! its user choose) the same stages; whatever else it has a documented default for,
//! it runs on.

mod argo;
mod codedeploy;
mod counts;
mod evidence1;
mod evidence2;
mod flagger;
mod kayenta;
mod mean_difference;
mod multinomial;
mod schedule;

use rollout_controller::domain::evidence2::{HistoryMinute, Reading, Settings};
use rollout_controller::domain::weight::Weight;
use serde::{Deserialize, Serialize};

/// What can be read in this minute.
#[derive(Clone, Copy, Debug)]
pub struct Arrived<'a> {
    /// The newest due minute.
    pub newest: &'a Reading,
    /// Earlier minutes that were not complete when they were due, now whole.
    pub revised: &'a [Reading],
}

/// What a policy does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Keep the share.
    Stay,
    /// Give the new side this share.
    To(Weight),
    /// Give it all traffic and stop looking.
    Complete,
    /// Give the old side all traffic.
    RollBack,
}

/// What a policy knows before it starts.
#[derive(Clone, Copy, Debug)]
pub struct Setup<'a> {
    /// How many routes there are.
    pub routes: usize,
    /// Traffic that is planned for.
    pub requests_per_minute: f64,
    /// The old side's past, oldest first.
    pub history: &'a [HistoryMinute],
    /// Of the evidence engines.
    pub settings: Settings,
    /// Evidence-2 raises again after so many good minutes where a raise hurt both sides.
    pub good_minutes: u32,
}

/// A policy under way.
pub trait Policy {
    /// The share to start with.
    fn first_share(&self) -> Weight;

    /// The last share at which the old side is there to compare with, if the policy
    /// has one, else 100%.
    fn bake_share(&self) -> Weight {
        Weight::FULL
    }

    /// Judges the newest minute at the share in force now.
    fn judge(&mut self, arrived: &Arrived<'_>, share: Weight) -> Step;
}

/// The policies by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "named after the policies; see the module of each")]
pub enum Kind {
    Evidence2,
    Evidence1,
    Flagger,
    Argo,
    CodeDeploy,
    Kayenta,
    Multinomial,
    MeanDifference,
}

impl Kind {
    /// All of them, ours first.
    pub const ALL: [Self; 8] = [
        Self::Evidence2,
        Self::Evidence1,
        Self::Flagger,
        Self::Argo,
        Self::CodeDeploy,
        Self::Kayenta,
        Self::Multinomial,
        Self::MeanDifference,
    ];

    /// What people call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Evidence2 => "evidence-2",
            Self::Evidence1 => "evidence-1",
            Self::Flagger => "Flagger",
            Self::Argo => "Argo Rollouts",
            Self::CodeDeploy => "CodeDeploy",
            Self::Kayenta => "Kayenta",
            Self::Multinomial => "multinomial",
            Self::MeanDifference => "mean difference",
        }
    }

    /// Ready for its first minute.
    pub fn start(self, setup: &Setup<'_>) -> Box<dyn Policy> {
        match self {
            Self::Evidence2 => Box::new(evidence2::Evidence2::new(setup)),
            Self::Evidence1 => Box::new(evidence1::Evidence1::new(setup)),
            Self::Flagger => Box::new(flagger::Flagger::new()),
            Self::Argo => Box::new(argo::Argo::new()),
            Self::CodeDeploy => Box::new(codedeploy::CodeDeploy::new()),
            Self::Kayenta => Box::new(kayenta::Kayenta::new()),
            Self::Multinomial => Box::new(multinomial::Multinomial::new()),
            Self::MeanDifference => Box::new(mean_difference::MeanDifference::new()),
        }
    }
}
