//! Evidence-2: the controller's engine and the way the controller feeds it.
//!
//! Default settings; stages 1, 5, 10, 25, 50%, the bake, 100%; a day of history;
//! minutes that change are judged again; a raise that hurts both sides is undone, and
//! the second time it is a rollback.

use rollout_controller::domain::both_sides::{
    Answer, Ending, Sides, Undone, answer, not_yet, settle,
};
use rollout_controller::domain::event::MinuteEntry;
use rollout_controller::domain::evidence2::{
    Engine, History, Position, Reading, Rules, Stages, Timeline, Verdict, start_stage,
};
use rollout_controller::domain::minute::{CommittedMinute, Edges, Minute};
use rollout_controller::domain::slo::Slo;
use rollout_controller::domain::weight::Weight;

use super::counts::sides;
use super::{Arrived, Policy, Setup, Step};
use crate::rollout::LAG;

pub(super) struct Evidence2 {
    engine: Engine,
    timeline: Timeline,
    first: Weight,
    baked: bool,
    rules: Rules,
    /// What both sides did in the newest minutes.
    sides: Sides,
    /// The minute in which each share began.
    shares: Vec<(Minute, Weight)>,
    /// Raises that were undone because they hurt both sides.
    undone: Vec<Undone>,
    /// Before the next try.
    good_minutes: u32,
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
        let rules = Rules::new(&slo, &edges);
        let engine = Engine::new(settings, slo, edges, stages, choices).expect("its own choices");
        let timeline = Timeline::start(&engine);
        Self {
            engine,
            timeline,
            first,
            baked: false,
            rules,
            sides: Sides::default(),
            shares: vec![(Minute(0), first)],
            undone: Vec::new(),
            good_minutes: setup.good_minutes,
        }
    }

    /// Both sides of a minute, where every route is known and has the same share.
    fn note_sides(&mut self, reading: &Reading) {
        if reading.is_apart() {
            return;
        }
        let Some((old, new)) = sides(reading) else { return };
        let Reading { minute, share: weight, .. } = *reading;
        let minute = CommittedMinute { minute, weight, old, new };
        self.sides.note(&self.rules, &MinuteEntry::Summed(minute));
    }

    fn waits(&self, share: Weight) -> bool {
        not_yet(&self.undone, &self.sides, share, self.good_minutes).is_some()
    }

    /// The share from the next minute on.
    fn to(&mut self, next: Weight, newest: Minute) -> Step {
        self.shares.push((newest.plus(LAG + 1), next));
        Step::To(next)
    }

    /// What follows if nothing hurts both sides.
    fn by_proof(&mut self, share: Weight, newest: Minute) -> Step {
        if share == Weight::ZERO {
            return self.to(self.first, newest);
        }
        let at = Position { share, baked: self.baked };
        match self.engine.verdict(self.timeline.evidence(), at) {
            Verdict::Breach(_) => Step::RollBack,
            Verdict::Unproven(_) => Step::Stay,
            Verdict::Proven(proven) => match proven.next {
                Some(next) => {
                    self.baked = share >= self.engine.stages().bake();
                    self.to(next, newest)
                }
                None => Step::Complete,
            },
        }
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
            self.note_sides(reading);
        }
        settle(&mut self.undone, &self.sides);
        let newest = arrived.newest.minute;
        if self.timeline.evidence().rolled_back().is_some() {
            return Step::RollBack;
        }
        let quiet = self.engine.choices().quiet_minutes();
        match answer(&self.sides, &self.shares, &self.undone, quiet) {
            Some(Answer::RollBack { .. }) => Step::RollBack,
            Some(Answer::StepBack(harm)) => {
                let lowered = Some(newest.plus(LAG + 1));
                self.undone.push(Undone { harm, lowered, ending: Ending::Open });
                self.to(harm.from, newest)
            }
            None if self.waits(share) => Step::Stay,
            None => self.by_proof(share, newest),
        }
    }
}
