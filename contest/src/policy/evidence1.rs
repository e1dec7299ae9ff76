//! Evidence-1: the controller's first engine and the way the controller fed it.
//!
//! Default settings; stages 1, 5, 10, 25, 50, 100%; an hour of history; a minute
//! that cannot be read when it is due is never read again; routes are summed.

use rollout_controller::domain::evidence::{
    Engine, Evidence, EvidenceConfig, Says, Stage, start_weight,
};
use rollout_controller::domain::evidence2::{Counts, Reading};
use rollout_controller::domain::minute::{CommittedMinute, SideCounts};
use rollout_controller::domain::slo::Slo;
use rollout_controller::domain::weight::Weight;

use super::schedule::STAGES;
use super::{Arrived, Policy, Setup, Step};
use crate::rollout::LAG;

const HISTORY_MINUTES: usize = 60;

pub(super) struct Evidence1 {
    engine: Engine,
    evidence: Evidence,
    stages: Vec<Weight>,
    first: Weight,
}

impl Evidence1 {
    pub(super) fn new(setup: &Setup<'_>) -> Self {
        let settings = EvidenceConfig {
            alpha: setup.settings.alpha,
            beta: setup.settings.beta,
            bake_ticks: setup.settings.bake_minutes,
            ..EvidenceConfig::default()
        };
        let engine = Engine::new(settings, Slo::default()).expect("default settings");
        let stages: Vec<Weight> = STAGES.map(super::schedule::percent).to_vec();
        let mut evidence = engine.start(u32::try_from(stages.len()).expect("six"));
        let recent = setup.history.len().saturating_sub(HISTORY_MINUTES);
        let history = setup.history[recent..].iter().map(|minute| {
            let mut old = SideCounts::default();
            for route in minute.old.iter().flatten() {
                old += route;
            }
            let (weight, new) = (Weight::ZERO, SideCounts::default());
            CommittedMinute { minute: minute.minute, weight, old, new }
        });
        evidence.learn_history(&engine, &history.collect::<Vec<_>>());
        let lag = u32::try_from(LAG).expect("a few minutes");
        let first = start_weight(&stages, setup.requests_per_minute, lag).expect("six stages");
        Self { engine, evidence, stages, first }
    }

    fn next_after(&self, share: Weight) -> Option<Weight> {
        self.stages.iter().copied().find(|&stage| stage > share)
    }
}

/// The sums over all routes; `None` unless all are known.
fn committed(reading: &Reading) -> Option<CommittedMinute> {
    let (mut old, mut new) = (SideCounts::default(), SideCounts::default());
    for part in &reading.parts {
        let Counts::Known { old: of_old, new: of_new } = &part.counts else { return None };
        old += of_old;
        new += of_new;
    }
    Some(CommittedMinute { minute: reading.minute, weight: reading.share, old, new })
}

impl Policy for Evidence1 {
    fn first_share(&self) -> Weight {
        self.first
    }

    fn judge(&mut self, arrived: &Arrived<'_>, share: Weight) -> Step {
        let Some(minute) = committed(arrived.newest) else { return Step::Stay };
        let to_prove = self.next_after(minute.weight).unwrap_or(Weight::FULL);
        let judged =
            self.engine.judge(&mut self.evidence, &minute, to_prove).expect("minutes in order");
        let stage = Stage { weight: share, next: self.next_after(share) };
        match (self.engine.stage_gate(&self.evidence, &judged, stage), stage.next) {
            (Says::Breach { .. }, _) => Step::RollBack,
            (Says::Unproven { .. }, _) => Step::Stay,
            (Says::Proven { .. }, Some(next)) => Step::To(next),
            (Says::Proven { .. }, None) => Step::Complete,
        }
    }
}
