//! One start and what followed.

use super::both_sides::{self, Undone};
use super::code::RouteCode;
use super::decision::{Cause, Decision, RollBackReason};
use super::engine::{self, Engine, EngineError};
use super::event::{Event, MinuteEntry, RouteFound, Who};
use super::evidence2::{Choices, Position};
use super::gathered::{Gathered, share_at};
use super::minute::Minute;
use super::phase::{Leg, Pause, Phase};
use super::plan::{Mode, Terms};
use super::weight::Weight;
use super::wrong_answers::{Breach, ExamplesRead, Judge, Standing};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One start and what followed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Counted from 1.
    pub number: u32,
    /// Who started it and why.
    pub who: Who,
    /// When. Milliseconds.
    pub started_ms: i64,
    /// What was agreed.
    pub terms: Terms,
    /// Acts, or only tells.
    pub mode: Mode,
    /// Where it stands.
    pub phase: Phase,
    /// Share of the new side according to the journal.
    pub weight: Weight,
    /// When the present weight began. Milliseconds.
    pub since_ms: i64,
    /// Weights with the minute in which each began, oldest first.
    pub timeline: Vec<(Minute, Weight)>,
    /// Shares of routes that are not the run's, each with the minute since when; an
    /// empty entry: none. Oldest first.
    #[serde(default)]
    pub apart: Vec<(Minute, BTreeMap<String, Weight>)>,
    /// First stage; `None` until the history was read.
    pub first: Option<Weight>,
    /// What evidence-2 chose from the old side's day, with the sentences about it.
    #[serde(default)]
    pub choices: Option<(Choices, Vec<String>)>,
    /// Requests a minute on both sides, over the history.
    pub requests_per_minute: f64,
    /// Minutes after its end until a minute's metrics are expected: the terms',
    /// raised when CloudWatch was seen to need longer.
    pub lag_minutes: u32,
    /// The evidence, with the minutes it comes from.
    pub gathered: Gathered,
    /// Code behind each route's groups; empty before the first look.
    pub codes: Vec<RouteCode>,
    /// When the new side's code changed last under this run. Milliseconds.
    pub new_code_ms: Option<i64>,
    /// Since when the code is not known. Milliseconds.
    pub code_unknown_ms: Option<i64>,
    /// Whether the bake was left, by its gate or by a person.
    pub baked: bool,
    /// Raises that were undone because both sides were hurt, oldest first.
    #[serde(default)]
    pub undone: Vec<Undone>,
    /// A change of weight whose outcome is not in the journal yet.
    pub intent: Option<Intent>,
    /// The last decision and the time of its tick in milliseconds.
    pub last: Option<(Decision, i64)>,
    /// Examples of the wrong answers that it was rolled back for; `None` until they are read.
    #[serde(default)]
    pub examples: Option<ExamplesRead>,
    /// Since when nothing could be read that a decision needs. Milliseconds.
    pub blind_since_ms: Option<i64>,
    /// Alarms that were in ALARM at the start and have not been OK since.
    pub alarms_before: Vec<String>,
    /// The order that stood outside the journal at the start.
    #[serde(default)]
    pub order_before: Option<String>,
    /// Steps that the load balancer refused in a row.
    pub refused: Option<Refused>,
    /// The share was lowered outside the journal, and nobody has signed that.
    pub unsigned: bool,
    /// Looks in a row at which a new group had no target.
    pub no_target_looks: u32,
}

/// A change of weight whose outcome is not in the journal yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Intent {
    /// Revision of the intent.
    pub seq: i64,
    /// When it was decided, in milliseconds: the minute in which the change
    /// begins to count, even if its outcome is journalled later.
    pub at_ms: i64,
    /// Before.
    pub from: Weight,
    /// After.
    pub to: Weight,
    /// Why.
    pub cause: Cause,
    /// Real time after which its process no longer writes. Milliseconds.
    pub deadline_ms: i64,
}

impl Intent {
    /// Every route shows it.
    pub fn applied(&self) -> Event {
        Event::Applied { from: self.from, to: self.to, cause: self.cause.clone() }
    }

    /// Not every route does.
    pub fn not_applied(&self, routes: Vec<RouteFound>) -> Event {
        Event::NotApplied { from: self.from, to: self.to, cause: self.cause.clone(), routes }
    }
}

/// Steps that the load balancer refused in a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// How often.
    pub times: u32,
    /// Where the last one went.
    pub to: Weight,
    /// What each route answered.
    pub routes: Vec<RouteFound>,
}

impl Run {
    /// Whether the run still goes on.
    pub fn is_open(&self) -> bool {
        self.phase.is_open()
    }

    /// The weight in force for most of a minute: the last one that began in it
    /// or before. The minute of a change thereby counts as the new stage's entry.
    pub fn weight_at(&self, minute: Minute) -> Weight {
        share_at(&self.timeline, minute)
    }

    /// The share that a route had for most of a minute: the run's, unless a change
    /// reached only some routes or someone else moved one.
    pub fn weight_of(&self, route: &str, minute: Minute) -> Weight {
        let began = self.apart.iter().rev().find(|(start, _)| *start <= minute);
        let own = began.and_then(|(_, apart)| apart.get(route)).copied();
        own.unwrap_or_else(|| self.weight_at(minute))
    }

    /// Whether a route showed another share than the run's when the journal heard of it last.
    pub fn stands_apart(&self) -> bool {
        self.apart.last().is_some_and(|(_, apart)| !apart.is_empty())
    }

    /// Notes what each route was found to show.
    pub(super) fn note_routes(&mut self, found: &[RouteFound], at_ms: i64) {
        let shown = found.iter().filter_map(|route| Some((route.route.clone(), route.weight?)));
        let apart = shown.filter(|(_, weight)| *weight != self.weight).collect();
        self.note_apart(apart, at_ms);
    }

    fn note_apart(&mut self, apart: BTreeMap<String, Weight>, at_ms: i64) {
        let last = self.apart.last().map(|(_, apart)| apart);
        if last.map_or(!apart.is_empty(), |last| *last != apart) {
            self.apart.push((Minute(at_ms.div_euclid(60_000)), apart));
            // Minutes up to three hours back may still be read.
            let excess = self.apart.len().saturating_sub(64);
            self.apart.drain(..excess);
        }
    }

    /// The engine of this run's terms.
    ///
    /// # Errors
    /// The settings' problem, if the journalled terms do not pass today's checks.
    pub fn engine(&self) -> Result<Engine, EngineError> {
        Engine::new(&self.terms, self.choices.as_ref().map(|(choices, _)| choices))
    }

    /// What judges this run's comparisons; `None` if wrong answers are no objective.
    ///
    /// # Errors
    /// The settings' problem, if the journalled terms do not pass today's checks.
    pub fn judge(&self) -> Result<Option<Judge>, EngineError> {
        super::engine::judge(&self.terms)
    }

    /// How wrong answers stand; `None` if they are no objective, or before the history.
    pub fn wrong_answers(&self) -> Option<Standing> {
        let judge = self.judge().ok().flatten()?;
        let at = Position { share: self.weight, baked: self.baked };
        Some(judge.standing(self.gathered.wrong_answers()?.evidence(), at))
    }

    /// What the rollback rests on, if the run was or is being rolled back for wrong answers.
    pub fn rolled_back_for_answers(&self) -> Option<&Breach> {
        let decided = self.last.as_ref().and_then(|(last, _)| last.rolls_back());
        let reason = match &self.phase {
            Phase::RollingBack { reason, .. } => Some(reason),
            Phase::RolledBack { .. } => decided,
            Phase::Starting
            | Phase::Advancing { .. }
            | Phase::Paused { .. }
            | Phase::Moved { .. }
            | Phase::Completed { .. }
            | Phase::Abandoned { .. } => None,
        };
        match reason? {
            RollBackReason::Evidence { breach: engine::Breach::WrongAnswers(said) } => {
                Some(&said.why)
            }
            RollBackReason::Evidence {
                breach: engine::Breach::Two(_) | engine::Breach::One(_),
            }
            | RollBackReason::Alarm { .. }
            | RollBackReason::Ordered { .. }
            | RollBackReason::NoTarget { .. }
            | RollBackReason::TwiceBothSides { .. }
            | RollBackReason::Begun { .. }
            | RollBackReason::PutBack => None,
        }
    }

    /// Takes in what a tick read.
    ///
    /// # Errors
    /// What the engine says.
    pub(super) fn take(&mut self, entries: &[MinuteEntry]) -> Result<(), EngineError> {
        if entries.is_empty() {
            return Ok(());
        }
        let engine = self.engine()?;
        self.gathered.take(&engine, &self.terms, &self.timeline, entries)?;
        both_sides::settle(&mut self.undone, self.gathered.sides());
        Ok(())
    }

    /// What both sides say about the last raise.
    pub fn both_sides(&self) -> Option<both_sides::Answer> {
        let quiet = self.choices.as_ref().map_or(0, |(choices, _)| choices.quiet_minutes());
        both_sides::answer(self.gathered.sides(), &self.timeline, &self.undone, quiet)
    }

    /// The newest minute that is due at this time: it ended `lag` minutes ago.
    pub fn newest_due(&self, tick_ms: i64) -> Minute {
        Minute(tick_ms.div_euclid(60_000) - 1 - i64::from(self.lag_minutes))
    }

    /// Minutes that are due and not judged; 0 before the history was read.
    pub fn minutes_behind(&self, tick_ms: i64) -> u32 {
        let newest = self.gathered.known_through().or(self.gathered.learnt_through());
        let behind = newest.map_or(0, |newest| self.newest_due(tick_ms).since(newest));
        u32::try_from(behind).unwrap_or(0)
    }

    /// The phase of a run that nothing stops: by its share.
    pub(super) fn by_share(&self) -> Phase {
        if self.weight == Weight::ZERO && self.mode == Mode::Active {
            Phase::Starting
        } else {
            Phase::Advancing { leg: Leg::of(&self.terms, self.weight, self.baked) }
        }
    }

    /// The phase once nothing but perhaps a pause stops the run.
    pub(super) fn paused_or_by_share(&self, pause: Option<Pause>) -> Phase {
        pause.map_or_else(|| self.by_share(), |pause| Phase::Paused { pause })
    }

    pub(super) fn set_weight(&mut self, weight: Weight, at_ms: i64) {
        self.note_apart(BTreeMap::new(), at_ms);
        self.weight = weight;
        self.since_ms = at_ms;
        // A tick that came late dates a share by the clock, the next one by its own time.
        let last = self.timeline.last().map(|(minute, _)| *minute);
        let minute = Minute(at_ms.div_euclid(60_000));
        self.timeline.push((last.map_or(minute, |last| last.max(minute)), weight));
        // Minutes up to three hours back may still be read.
        let excess = self.timeline.len().saturating_sub(64);
        self.timeline.drain(..excess);
        if let Phase::Starting | Phase::Advancing { .. } = self.phase {
            self.phase = self.by_share();
        }
    }

    /// The largest weight of the run, which a rollback comes down from.
    pub fn came_from(&self) -> Weight {
        let above = self.timeline.iter().rev().map(|(_, weight)| *weight);
        above.into_iter().find(|weight| *weight > Weight::ZERO).unwrap_or_default()
    }
}
