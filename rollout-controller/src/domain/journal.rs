//! The state of a rollout: the fold of its events.
//!
//! The journal is the only state. [`Journal::apply`] is the only way to change
//! it, so what a tick decided and what a reader of the table sees are the same.

use super::both_sides::{Ending, Undone};
use super::copy::OutsideOrder;
use super::decision::{CauseKind, Decision, RollBackReason, StepBackReason};
use super::engine::Chosen;
use super::event::{End, Event, LoweredBy, Stamped};
use super::gathered::Gathered;
use super::labels::Labels;
use super::message::Topic;
use super::minute::Minute;
use super::outbox::Outbox;
use super::phase::{Pause, Phase};
use super::plan::Mode;
use super::run::{Intent, Refused, Run};
use super::weight::Weight;
use crate::planted::planted;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// State of one rollout.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Journal {
    /// The rollout's name.
    pub name: String,
    /// Last event, 0 before the first.
    pub revision: i64,
    /// Last event that a person would call a change. Commands issued before it
    /// are stale; the minute's ticks do not make them so.
    pub changed: i64,
    /// Its time in milliseconds; journal time never goes backwards.
    pub at_ms: i64,
    /// Scheduled time of the newest tick in milliseconds, if one was journalled.
    pub ticked_ms: Option<i64>,
    /// The newest run.
    pub run: Option<Run>,
    /// Conditions that stand, since when (milliseconds). Some stand without a run.
    pub raised: BTreeMap<Topic, i64>,
    /// Commands of late, with the revision they made.
    pub commands: Vec<(String, i64)>,
    /// Messages that are owed, and the channels they are owed on.
    pub outbox: Outbox,
}

/// Commands remembered for recognising a repeated one.
const REMEMBERED_COMMANDS: usize = 32;

/// An event that cannot follow what is in the journal: our own bug, or an edited
/// table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FoldError {
    /// A hole or a double.
    #[error("event {found} follows event {last}")]
    OutOfOrder {
        /// Last applied.
        last: i64,
        /// The one that came.
        found: i64,
    },
    /// An event that needs a run before any was started.
    #[error("`{kind}` at {seq} before any start")]
    NoRun {
        /// Its place.
        seq: i64,
        /// Its kind.
        kind: &'static str,
    },
    /// Minutes or terms that the engine refuses.
    #[error("`{kind}` at {seq}: {problem}")]
    Engine {
        /// Its place.
        seq: i64,
        /// Its kind.
        kind: &'static str,
        /// The engine's words.
        problem: String,
    },
}

impl Journal {
    /// The empty journal of a rollout.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// The fold of a whole journal.
    ///
    /// # Errors
    /// [`FoldError`] at the first event that does not follow.
    pub fn fold<'a>(
        name: &str,
        events: impl IntoIterator<Item = &'a Stamped>,
    ) -> Result<Self, FoldError> {
        let mut journal = Self::new(name);
        for event in events {
            journal.apply(event)?;
        }
        Ok(journal)
    }

    /// A time for a new event: `now`, or the last event's time if that is later.
    pub fn time(&self, now_ms: i64) -> i64 {
        now_ms.max(self.at_ms)
    }

    /// The run that goes on, if one does.
    pub fn open_run(&self) -> Option<&Run> {
        self.run.as_ref().filter(|run| run.is_open())
    }

    /// What the newest run calls the sides. Without a run nothing is written about them.
    pub(super) fn labels(&self) -> Labels {
        self.run.as_ref().map(|run| run.terms.labels.clone()).unwrap_or_default()
    }

    /// Whether an order from outside is news: not taken in, and not the one that stood
    /// there before the newest run. It stays where it was left after that. Times decide
    /// nothing here: a person's clock, or the journal's, may be minutes off.
    pub fn lacks(&self, order: &OutsideOrder) -> bool {
        let before = self.run.as_ref().and_then(|run| run.order_before.as_ref());
        planted!(OrderBlocksForEver)
            || before != Some(&order.command)
                && !self.commands.iter().any(|(id, _)| *id == order.command)
    }

    /// A few words for people: where the newest run stands.
    pub fn words(&self) -> &'static str {
        self.run.as_ref().map_or("not started", |run| run.phase.words())
    }

    /// Applies one event.
    ///
    /// # Errors
    /// [`FoldError`]; the journal must then not be used any more.
    pub fn apply(&mut self, stamped: &Stamped) -> Result<(), FoldError> {
        if Some(stamped.seq) != self.revision.checked_add(1) {
            return Err(FoldError::OutOfOrder { last: self.revision, found: stamped.seq });
        }
        let (seq, at_ms, event) = (stamped.seq, stamped.at_ms, &stamped.event);
        let before = Before::of(self);
        self.apply_event(stamped).map_err(|problem| match problem {
            Problem::NoRun => FoldError::NoRun { seq, kind: event.kind() },
            Problem::Engine(problem) => FoldError::Engine { seq, kind: event.kind(), problem },
        })?;
        if let Some(command) = event.command() {
            self.commands.push((command.to_owned(), seq));
            let excess = self.commands.len().saturating_sub(REMEMBERED_COMMANDS);
            self.commands.drain(..excess);
        }
        if event.is_change() {
            self.changed = seq;
        }
        self.revision = seq;
        self.at_ms = self.time(at_ms);
        super::outbox::owe(self, stamped, before);
        if matches!(event, Event::Finished { .. } | Event::Abandoned { .. }) {
            // Messages are sent after the end as well.
            self.raised.retain(|topic, _| *topic == Topic::ChannelBroken);
        }
        Ok(())
    }

    fn apply_event(&mut self, stamped: &Stamped) -> Result<(), Problem> {
        let (seq, at_ms, event) = (stamped.seq, stamped.at_ms, &stamped.event);
        match event {
            Event::Started { .. } => self.run = Some(started(event, at_ms)?),
            Event::Raised { topic, .. } => {
                self.raised.entry(*topic).or_insert(at_ms);
            }
            Event::Cleared { topic, .. } => {
                self.raised.remove(topic);
                if *topic == Topic::MovedBySomeoneElse
                    && let Some(run) = &mut self.run
                {
                    run.note_routes(&[], at_ms);
                    moved_back(run);
                }
            }
            Event::Delivered { .. }
            | Event::ChannelFailed { .. }
            | Event::ChannelWorks { .. }
            | Event::GivenUp { .. }
            | Event::PageSent { .. }
            | Event::Announced { .. } => self.outbox.note(stamped),
            Event::LoweredOutside { .. } | Event::FoundAtZero { .. } if self.run.is_none() => {}
            Event::Baseline { .. }
            | Event::Ticked { .. }
            | Event::CodeChanged { .. }
            | Event::Intended { .. }
            | Event::Applied { .. }
            | Event::NotApplied { .. }
            | Event::MovedByOther { .. }
            | Event::LoweredOutside { .. }
            | Event::FoundAtZero { .. }
            | Event::Followed { .. }
            | Event::Adopted { .. }
            | Event::Paused { .. }
            | Event::PauseEnded {}
            | Event::Resumed { .. }
            | Event::Promoted { .. }
            | Event::RollbackOrdered { .. }
            | Event::Activated { .. }
            | Event::Abandoned { .. }
            | Event::Finished { .. }
            | Event::ExamplesRead { .. } => {
                let run = self.run.as_mut().ok_or(Problem::NoRun)?;
                apply_to_run(run, seq, at_ms, event)?;
                if matches!(event, Event::Ticked { .. }) {
                    self.ticked_ms = Some(at_ms);
                }
            }
        }
        Ok(())
    }
}

/// What a run was before an event, for the messages that the event owes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Before {
    /// Number of the newest run; 0 without one.
    pub(super) run: u32,
    /// Its share.
    pub(super) weight: Weight,
    /// Whether it had been rolled back.
    pub(super) rolled_back: bool,
    /// Whether a person had ordered the rollback under way.
    pub(super) ordered: bool,
    /// Whether people had been told that someone else changed a share.
    pub(super) told_moved: bool,
}

impl Before {
    fn of(journal: &Journal) -> Self {
        let run = journal.run.as_ref();
        Self {
            run: run.map_or(0, |run| run.number),
            weight: run.map_or(Weight::ZERO, |run| run.weight),
            rolled_back: run.is_some_and(|run| matches!(run.phase, Phase::RolledBack { .. })),
            ordered: run
                .and_then(|run| run.phase.rolling_back())
                .is_some_and(|reason| matches!(reason, RollBackReason::Ordered { .. })),
            told_moved: journal.raised.contains_key(&Topic::MovedBySomeoneElse),
        }
    }
}

enum Problem {
    NoRun,
    Engine(String),
}

impl<E: std::error::Error> From<E> for Problem {
    fn from(error: E) -> Self {
        Self::Engine(error.to_string())
    }
}

fn started(event: &Event, at_ms: i64) -> Result<Run, Problem> {
    let Event::Started { run, who, mode, terms, alarms_before, order_before, .. } = event else {
        return Err(Problem::NoRun);
    };
    super::engine::Engine::new(terms, None)?;
    Ok(Run {
        number: *run,
        who: who.clone(),
        started_ms: at_ms,
        mode: *mode,
        phase: Phase::Starting,
        weight: Weight::ZERO,
        since_ms: at_ms,
        timeline: Vec::new(),
        apart: Vec::new(),
        first: None,
        choices: None,
        requests_per_minute: 0.0,
        lag_minutes: terms.lag_minutes,
        gathered: Gathered::default(),
        codes: Vec::new(),
        new_code_ms: None,
        code_unknown_ms: None,
        baked: false,
        undone: Vec::new(),
        intent: None,
        last: None,
        examples: None,
        blind_since_ms: None,
        alarms_before: alarms_before.clone(),
        order_before: order_before.clone(),
        refused: None,
        unsigned: false,
        no_target_looks: 0,
        terms: (**terms).clone(),
    })
}

/// A rule that someone else had moved shows the journal's weight again.
fn moved_back(run: &mut Run) {
    if let Phase::Moved { pause, .. } = &run.phase {
        run.phase = run.paused_or_by_share(pause.clone());
    }
}

fn apply_to_run(run: &mut Run, seq: i64, at_ms: i64, event: &Event) -> Result<(), Problem> {
    match event {
        Event::Baseline { history, first, requests_per_minute, through, chosen } => {
            if let Some(Chosen { stages, choices, text }) = chosen.as_deref() {
                run.terms.stages.clone_from(stages);
                run.choices = Some((choices.clone(), text.clone()));
            }
            let engine = run.engine()?;
            run.gathered.begin(&engine, &run.terms, history, *through);
            run.first = Some(*first);
            run.requests_per_minute = *requests_per_minute;
        }
        Event::Ticked { .. } => ticked(run, at_ms, event)?,
        Event::CodeChanged { change, codes, clock_ms } => {
            let seen_ms = by_the_clock(at_ms, *clock_ms);
            run.codes.clone_from(codes);
            run.code_unknown_ms = None;
            match change {
                super::code::CodeChange::First => {}
                super::code::CodeChange::New
                | super::code::CodeChange::Old
                | super::code::CodeChange::Both => {
                    let engine = run.engine()?;
                    if !planted!(EvidenceOutlivesCode) {
                        let judge = run.judge()?;
                        let minute = minute_of(seen_ms);
                        run.gathered.restart_proof(&engine, judge.as_ref(), minute);
                    }
                    run.baked = false;
                    if change.touches_new() {
                        run.new_code_ms = Some(seen_ms);
                        run.undone.clear();
                    }
                    if let Phase::Advancing { .. } = run.phase {
                        run.phase = run.by_share();
                    }
                }
            }
        }
        Event::Intended { from, to, cause, deadline_ms, clock_ms } => {
            let (cause, deadline_ms) = (cause.clone(), *deadline_ms);
            let at_ms = by_the_clock(at_ms, *clock_ms);
            run.intent = Some(Intent { seq, at_ms, from: *from, to: *to, cause, deadline_ms });
        }
        Event::Applied { to, cause, .. } => {
            let began = run.intent.take().map_or(at_ms, |intent| intent.at_ms);
            run.refused = None;
            if cause.leaves_bake(&run.terms, run.weight, *to) {
                run.baked = true;
            }
            if cause.kind == CauseKind::StepBack
                && let Some(last) = run.undone.last_mut()
                && last.lowered.is_none()
                && last.harm.from == *to
            {
                last.lowered = Some(minute_of(began));
            }
            // Every route shows it now.
            run.note_routes(&[], began);
            if run.weight != *to {
                run.set_weight(*to, began);
            }
        }
        Event::NotApplied { to, cause, routes, .. } => {
            run.intent = None;
            run.note_routes(routes, at_ms);
            if let Phase::RollingBack { unreached, tries, .. } = &mut run.phase {
                *unreached = routes.iter().filter(|route| !route.reached).cloned().collect();
                *tries = tries.saturating_add(1);
            }
            if cause.kind.raises() {
                let times = run.refused.as_ref().map_or(0, |refused| refused.times) + 1;
                run.refused = Some(Refused { times, to: *to, routes: routes.clone() });
            }
        }
        Event::MovedByOther { found, .. } => {
            run.note_routes(found, at_ms);
            let pause = run.phase.pause().cloned();
            run.refused = None;
            run.phase = Phase::Moved { found: found.clone(), pause };
        }
        Event::LoweredOutside { .. } | Event::FoundAtZero { .. } => {
            run.intent = None;
            run.set_weight(Weight::ZERO, at_ms);
            run.unsigned = match event {
                Event::LoweredOutside { by, .. } => *by == LoweredBy::Unknown,
                _ => true,
            };
        }
        Event::Followed { weight } => run.set_weight(*weight, at_ms),
        Event::Adopted { weight, .. } => {
            run.intent = None;
            run.note_routes(&[], at_ms);
            if run.weight != *weight {
                run.set_weight(*weight, at_ms);
            }
            let (engine, judge) = (run.engine()?, run.judge()?);
            run.gathered.restart_proof(&engine, judge.as_ref(), minute_of(at_ms));
            run.phase = run.by_share();
        }
        Event::Paused { who, until_ms, command } => {
            let since_ms = run.phase.pause().map_or(at_ms, |pause| pause.since_ms);
            let (who, command) = (who.clone(), command.clone());
            let new = Pause { who, command, since_ms, until_ms: *until_ms };
            run.refused = None;
            match &mut run.phase {
                Phase::Starting | Phase::Advancing { .. } | Phase::Paused { .. } => {
                    run.phase = Phase::Paused { pause: new };
                }
                Phase::Moved { pause, .. } => *pause = Some(new),
                Phase::RollingBack { .. }
                | Phase::RolledBack { .. }
                | Phase::Completed { .. }
                | Phase::Abandoned { .. } => {}
            }
        }
        Event::PauseEnded {} | Event::Resumed { .. } => match &mut run.phase {
            Phase::Paused { .. } => run.phase = run.by_share(),
            Phase::Moved { pause, .. } => *pause = None,
            Phase::Starting
            | Phase::Advancing { .. }
            | Phase::RollingBack { .. }
            | Phase::RolledBack { .. }
            | Phase::Completed { .. }
            | Phase::Abandoned { .. } => {}
        },
        Event::RollbackOrdered { who, .. } => {
            // A finished run goes on until every route is reached.
            run.unsigned = false;
            let (by, reason) = (who.identity.clone(), who.reason.clone());
            roll_back(run, RollBackReason::Ordered { by, reason });
        }
        Event::Activated { .. } => {
            run.mode = Mode::Active;
            run.phase = run.paused_or_by_share(run.phase.pause().cloned());
        }
        Event::Abandoned { who, left, .. } => {
            run.intent = None;
            run.phase = Phase::Abandoned { by: who.clone(), left: left.clone(), at_ms };
        }
        Event::Finished { end, reason } => {
            run.intent = None;
            run.phase = match end {
                End::Completed => Phase::Completed { at_ms },
                End::RolledBack => Phase::RolledBack { reason: reason.clone(), at_ms },
            };
            if *end == End::RolledBack && run.mode == Mode::Active && run.weight > Weight::ZERO {
                run.set_weight(Weight::ZERO, at_ms);
            }
        }
        Event::ExamplesRead { examples } => run.examples = Some(examples.clone()),
        Event::Promoted { .. }
        | Event::Started { .. }
        | Event::Raised { .. }
        | Event::Cleared { .. }
        | Event::Delivered { .. }
        | Event::ChannelFailed { .. }
        | Event::ChannelWorks { .. }
        | Event::GivenUp { .. }
        | Event::PageSent { .. }
        | Event::Announced { .. } => {}
    }
    Ok(())
}

/// When something was seen or done: by the clock where the tick came late.
fn by_the_clock(at_ms: i64, clock_ms: Option<i64>) -> i64 {
    clock_ms.unwrap_or(at_ms).max(at_ms)
}

fn minute_of(at_ms: i64) -> Minute {
    Minute(at_ms.div_euclid(60_000))
}

/// The first reason stays: a rollback that is under way is not another one.
fn roll_back(run: &mut Run, reason: RollBackReason) {
    let (unreached, tries) = match &run.phase {
        Phase::RollingBack { unreached, tries, .. } => (unreached.clone(), *tries),
        Phase::Starting
        | Phase::Advancing { .. }
        | Phase::Paused { .. }
        | Phase::Moved { .. }
        | Phase::RolledBack { .. }
        | Phase::Completed { .. }
        | Phase::Abandoned { .. } => (Vec::new(), 0),
    };
    run.phase = Phase::RollingBack { reason, unreached, tries };
}

fn ticked(run: &mut Run, at_ms: i64, event: &Event) -> Result<(), Problem> {
    let Event::Ticked {
        minutes,
        decision,
        alarms: _,
        recovered,
        blind_minutes,
        no_target,
        lag_minutes,
        code_unknown,
    } = event
    else {
        return Ok(());
    };
    run.alarms_before.retain(|name| !recovered.contains(name));
    run.take(minutes)?;
    if let Decision::StepBack { why: StepBackReason::BothSides { harm }, .. } = decision
        && run.undone.last().is_none_or(|last| last.harm.raised != harm.raised)
    {
        run.undone.push(Undone { harm: *harm, lowered: None, ending: Ending::Open });
    }
    if let Some(lag) = lag_minutes {
        run.lag_minutes = *lag;
        run.gathered.forget_unsteady();
    }
    run.no_target_looks = if no_target.is_empty() { 0 } else { run.no_target_looks + 1 };
    run.code_unknown_ms = code_unknown.as_ref().map(|_| run.code_unknown_ms.unwrap_or(at_ms));
    run.last = Some((decision.clone(), at_ms));
    let blind = blind_minutes.is_some() || decision.is_blind();
    run.blind_since_ms = blind.then(|| run.blind_since_ms.unwrap_or(at_ms));
    if let Decision::RollBack { reason } = decision
        && run.mode == Mode::Active
        && run.phase.rolling_back().is_none()
        && !matches!(reason, RollBackReason::PutBack)
    {
        roll_back(run, reason.clone());
    }
    Ok(())
}

impl super::decision::Cause {
    /// Whether this change takes the run out of its bake.
    fn leaves_bake(&self, terms: &super::plan::Terms, from: Weight, to: Weight) -> bool {
        from >= terms.bake_share() && to > from && self.kind != CauseKind::RollBack
    }
}
