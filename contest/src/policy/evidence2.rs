//! Evidence-2: the controller's engine and the way the controller feeds it.
//!
//! Default settings; stages 1, 5, 10, 25, 50 %, the bake, 100 %; a day of history;
//! minutes that change are judged again.

use rollout_controller::domain::evidence2::{
    Engine, History, Position, Stages, Timeline, Verdict, start_stage,
};
use rollout_controller::domain::minute::{Edges, Minute};
use rollout_controller::domain::slo::Slo;
use rollout_controller::domain::weight::Weight;

use super::{Arrived, Policy, Setup, Step};
use crate::rollout::LAG;

pub(super) struct Evidence2 {
    engine: Engine,
    timeline: Timeline,
    first: Weight,
    baked: bool,
}

impl Evidence2 {
    pub(super) fn new(setup: &Setup<'_>) -> Self {
        let history = setup.history.iter().cloned();
        let history =
            History::new(setup.routes, Minute(-1), history).expect("the past is known whole");
        let (settings, slo, edges) = (setup.settings, Slo::default(), Edges::default());
        let choices = Engine::choose(&settings, &slo, &edges, &history).expect("valid settings");
        // For the traffic of the world's name, not for what its last hour had: the
        // bake's share would differ from seed to seed where the two meet its border.
        let stages = Stages::standard(setup.requests_per_minute);
        let lag = u32::try_from(LAG).expect("a few minutes");
        let first = start_stage(&stages, setup.requests_per_minute, lag);
        let engine = Engine::new(settings, slo, edges, stages, choices).expect("its own choices");
        let timeline = Timeline::start(&engine);
        Self { engine, timeline, first, baked: false }
    }
}

impl Policy for Evidence2 {
    fn first_share(&self) -> Weight {
        self.first
    }

    fn bake_share(&self) -> Weight {
        self.engine.stages().bake()
    }

    fn judge(&mut self, arrived: &Arrived<'_>, share: Weight) -> Step {
        for reading in arrived.revised.iter().chain([arrived.newest]) {
            self.timeline.read(&self.engine, reading.clone()).expect("minutes of this rollout");
        }
        let at = Position { share, baked: self.baked };
        match self.engine.verdict(self.timeline.evidence(), at) {
            Verdict::Breach(_) => Step::RollBack,
            Verdict::Unproven(_) => Step::Stay,
            Verdict::Proven(proven) => match proven.next {
                Some(next) => {
                    self.baked = share >= self.engine.stages().bake();
                    Step::To(next)
                }
                None => Step::Complete,
            },
        }
    }
}
