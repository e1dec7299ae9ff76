//! The events of a rollout, and the state that is their fold.
//!
//! The journal is the only state. [`Journal::apply`] is the only way to change
//! it, so what a tick decided and what a reader of the table sees are the same.

use super::decision::{Cause, CauseKind, Decision, RollBackReason};
use super::evidence::{Engine, Evidence, Judged};
use super::message::Topic;
use super::minute::{CommittedMinute, Minute};
use super::plan::{Mode, Terms};
use super::weight::Weight;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Who gave a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Who {
    /// AWS identity of the caller, as the caller states it (an ARN), or where
    /// the command came from if there is none.
    pub identity: String,
    /// Why, in the person's words.
    pub reason: String,
}

/// What happened. Events are facts: they are never edited, only followed by others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[expect(missing_docs, reason = "fields are named after what they are; variants are documented")]
pub enum Event {
    /// A person started a run.
    Started {
        run: u32,
        who: Who,
        command: String,
        mode: Mode,
        terms: Box<Terms>,
        /// Alarms that were in ALARM before: they hold until they were OK once.
        alarms_before: Vec<String>,
    },
    /// The old side's history was read and the first stage chosen.
    Baseline {
        history: Vec<CommittedMinute>,
        first: Weight,
        requests_per_minute: f64,
        /// The newest minute of the history; judging begins after it.
        through: Minute,
    },
    /// A tick judged what became due and decided.
    Ticked {
        minutes: Vec<CommittedMinute>,
        decision: Decision,
        /// What CloudWatch said when alarms stand, for readers.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        alarms: Vec<String>,
        /// Alarms from before the start that were OK now.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        recovered: Vec<String>,
        /// Minutes since the newest minute that could be read, if that is late.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        blind_minutes: Option<u32>,
    },
    /// A change of weight is about to be made on every route.
    Intended { from: Weight, to: Weight, cause: Cause, deadline_ms: i64 },
    /// Every route shows the new weight.
    Applied { from: Weight, to: Weight, cause: Cause },
    /// Not every route does; each with what it shows or why it cannot be told.
    NotApplied { from: Weight, to: Weight, cause: Cause, routes: Vec<RouteOutcome> },
    /// A rule no longer showed what this journal says.
    MovedByOther { expected: Weight, found: Vec<RouteOutcome> },
    /// A rule was found at 0 although nobody told this journal: somebody rolled
    /// back by hand, or a tick did while the ledger was down. The run is over.
    FoundAtZero { expected: Weight },
    /// A shadow rollout follows the share that the rules show.
    Followed { weight: Weight },
    /// Someone else's change was taken over by `resume --adopt`.
    Adopted { who: Who, command: String, weight: Weight },
    /// A person paused advancing, perhaps until a time.
    Paused { who: Who, command: String, until_ms: Option<i64> },
    /// A pause with an end came to it.
    PauseEnded {},
    /// A person ended a pause.
    Resumed { who: Who, command: String },
    /// A person asked for the rest of this stage to be skipped.
    Promoted { who: Who, command: String, to: Weight, forced: bool },
    /// A person asked for a rollback.
    RollbackOrdered { who: Who, command: String },
    /// A person let a shadow rollout act.
    Activated { who: Who, command: String },
    /// A condition began that people should know of.
    Raised { topic: Topic, text: String },
    /// It is over.
    Cleared { topic: Topic, text: String },
    /// The run reached its end.
    Finished { end: End, reason: String },
    /// A page was accepted by every channel.
    PageSent { revision: i64, topic: Topic },
    /// A state change was accepted by the bus.
    Announced { revision: i64 },
}

impl Event {
    /// Kind of [`Event::Ticked`], the only entries that are ever pruned.
    pub const TICKED: &'static str = "ticked";

    /// Name of the kind, as in the JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Started { .. } => "started",
            Self::Baseline { .. } => "baseline",
            Self::Ticked { .. } => Self::TICKED,
            Self::Intended { .. } => "intended",
            Self::Applied { .. } => "applied",
            Self::NotApplied { .. } => "not_applied",
            Self::MovedByOther { .. } => "moved_by_other",
            Self::FoundAtZero { .. } => "found_at_zero",
            Self::Followed { .. } => "followed",
            Self::Adopted { .. } => "adopted",
            Self::Paused { .. } => "paused",
            Self::PauseEnded {} => "pause_ended",
            Self::Resumed { .. } => "resumed",
            Self::Promoted { .. } => "promoted",
            Self::RollbackOrdered { .. } => "rollback_ordered",
            Self::Activated { .. } => "activated",
            Self::Raised { .. } => "raised",
            Self::Cleared { .. } => "cleared",
            Self::Finished { .. } => "finished",
            Self::PageSent { .. } => "page_sent",
            Self::Announced { .. } => "announced",
        }
    }

    /// Whether a person would call it a change of the rollout's state.
    pub fn is_change(&self) -> bool {
        match self {
            Self::Ticked { .. }
            | Self::Baseline { .. }
            | Self::PageSent { .. }
            | Self::Announced { .. }
            | Self::Raised { .. }
            | Self::Cleared { .. } => false,
            Self::Started { .. }
            | Self::Intended { .. }
            | Self::Applied { .. }
            | Self::NotApplied { .. }
            | Self::MovedByOther { .. }
            | Self::FoundAtZero { .. }
            | Self::Followed { .. }
            | Self::Adopted { .. }
            | Self::Paused { .. }
            | Self::PauseEnded {}
            | Self::Resumed { .. }
            | Self::Promoted { .. }
            | Self::RollbackOrdered { .. }
            | Self::Activated { .. }
            | Self::Finished { .. } => true,
        }
    }

    /// The command that caused it, if a person did.
    pub fn command(&self) -> Option<&str> {
        match self {
            Self::Started { command, .. }
            | Self::Adopted { command, .. }
            | Self::Paused { command, .. }
            | Self::Resumed { command, .. }
            | Self::Promoted { command, .. }
            | Self::RollbackOrdered { command, .. }
            | Self::Activated { command, .. } => Some(command),
            Self::Baseline { .. }
            | Self::Ticked { .. }
            | Self::Intended { .. }
            | Self::Applied { .. }
            | Self::NotApplied { .. }
            | Self::MovedByOther { .. }
            | Self::FoundAtZero { .. }
            | Self::Followed { .. }
            | Self::PauseEnded {}
            | Self::Raised { .. }
            | Self::Cleared { .. }
            | Self::Finished { .. }
            | Self::PageSent { .. }
            | Self::Announced { .. } => None,
        }
    }
}

/// What became of one route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteOutcome {
    /// Its name.
    pub route: String,
    /// Share that its rule shows, if it is one of ours.
    pub weight: Option<Weight>,
    /// What was found or went wrong, in words.
    pub text: String,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// All traffic on the new side, bake over.
    Completed,
    /// The new side is out of traffic; only a new start gives it any.
    RolledBack,
}

/// An event with its place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stamped {
    /// Revision that the event makes.
    pub seq: i64,
    /// Milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
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
    pub fn not_applied(&self, routes: Vec<RouteOutcome>) -> Event {
        Event::NotApplied { from: self.from, to: self.to, cause: self.cause.clone(), routes }
    }
}

/// A pause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Whose.
    pub who: Who,
    /// Since when. Milliseconds.
    pub since_ms: i64,
    /// Until when, if it ends by itself. Milliseconds.
    pub until_ms: Option<i64>,
}

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
    /// Share of the new side according to the journal.
    pub weight: Weight,
    /// First stage; `None` until the history was read.
    pub first: Option<Weight>,
    /// When the present weight began. Milliseconds.
    pub since_ms: i64,
    /// Weights with the minute in which each began, oldest first.
    pub timeline: Vec<(Minute, Weight)>,
    /// Newest minute that needs no judging any more.
    pub through: Option<Minute>,
    /// Requests a minute on both sides, over the history.
    pub requests_per_minute: f64,
    /// The engine's state.
    pub evidence: Evidence,
    /// The last judgement.
    pub judged: Option<Judged>,
    /// Change under way.
    pub intent: Option<Intent>,
    /// Somebody's pause.
    pub pause: Option<Pause>,
    /// Somebody else's change, not taken over yet.
    pub moved: Option<Vec<RouteOutcome>>,
    /// A rollback was ordered or decided, and not every route is known to be at 0.
    pub rolling_back: Option<RollBackReason>,
    /// Routes that the last attempt to roll back did not reach.
    pub rollback_failed: Option<Vec<RouteOutcome>>,
    /// Since when nothing could be read that a decision needs. Milliseconds.
    pub blind_since_ms: Option<i64>,
    /// The end, with its reason and time in milliseconds.
    pub end: Option<(End, String, i64)>,
    /// Conditions that stand, since when (milliseconds).
    pub raised: BTreeMap<Topic, i64>,
    /// Alarms that were in ALARM at the start and have not been OK since.
    pub alarms_before: Vec<String>,
    /// Last decision and its time in milliseconds.
    pub last: Option<(Decision, i64)>,
    /// Shadow mode: what the rollback would have been.
    pub would_have: Option<RollBackReason>,
}

/// A page or announcement that the journal owes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owed {
    /// Revision of its cause.
    pub revision: i64,
    /// When, in milliseconds.
    pub at_ms: i64,
    /// What about.
    pub what: Debt,
}

/// Kinds of messages owed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Debt {
    /// To people.
    Page(super::message::Page),
    /// To programs.
    Change(super::message::StateChange),
}

/// State of one rollout: the fold of its events.
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
    /// The newest run.
    pub run: Option<Run>,
    /// Commands of late, with the revision they made: the same command twice is one.
    pub commands: Vec<(String, i64)>,
    /// Messages not known to be sent, oldest first.
    pub outbox: Vec<Owed>,
}

/// Commands remembered for recognising a repeated one.
const REMEMBERED_COMMANDS: usize = 32;

/// An event that cannot follow what is in the journal. Our own bug, or a table
/// that somebody edited.
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

impl Run {
    /// Whether the run still goes on.
    pub fn is_open(&self) -> bool {
        self.end.is_none()
    }

    /// The weight in force for most of a minute: the last one that began in it
    /// or before. The minute of a change thereby counts as the new stage's entry.
    pub fn weight_at(&self, minute: Minute) -> Weight {
        let began = self.timeline.iter().rev().find(|(start, _)| *start <= minute);
        began.map_or(Weight::ZERO, |(_, weight)| *weight)
    }

    /// One word for people and programs.
    pub fn state_name(&self) -> &'static str {
        match &self.end {
            Some((End::Completed, ..)) => return "completed",
            Some((End::RolledBack, ..)) => return "rolled back",
            None => {}
        }
        if self.rolling_back.is_some() {
            "rolling back"
        } else if self.moved.is_some() {
            "stopped: moved by someone else"
        } else if self.pause.is_some() {
            "paused"
        } else if self.weight == Weight::ZERO && self.mode == Mode::Active {
            "starting"
        } else if self.mode == Mode::Shadow {
            "shadow"
        } else if self.terms.is_last(self.weight) {
            "baking"
        } else {
            "advancing"
        }
    }

    /// The engine of this run's terms.
    ///
    /// # Errors
    /// The settings' problem, if the journalled terms do not pass today's checks.
    pub fn engine(&self) -> Result<Engine, super::evidence::ConfigError> {
        Engine::new(self.terms.evidence.clone(), self.terms.slo)
    }

    /// Judges minutes that became due, in order. The last judgement stays.
    ///
    /// # Errors
    /// What the engine says.
    pub fn judge(&mut self, minutes: &[CommittedMinute]) -> Result<(), String> {
        if minutes.is_empty() {
            return Ok(());
        }
        let engine = self.engine().map_err(|error| error.to_string())?;
        for minute in minutes {
            let next = self.terms.next_after(minute.weight).unwrap_or(Weight::FULL);
            let judged = engine
                .judge(&mut self.evidence, minute, next)
                .map_err(|error| error.to_string())?;
            self.judged = Some(judged);
            self.through = Some(minute.minute);
        }
        Ok(())
    }

    fn set_weight(&mut self, weight: Weight, at_ms: i64) {
        self.weight = weight;
        self.since_ms = at_ms;
        self.timeline.push((Minute(at_ms.div_euclid(60_000)), weight));
        // Only minutes that are not judged yet are asked for.
        let excess = self.timeline.len().saturating_sub(64);
        self.timeline.drain(..excess);
    }
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

    /// Applies one event.
    ///
    /// # Errors
    /// [`FoldError`]; the journal must then not be used any more.
    pub fn apply(&mut self, stamped: &Stamped) -> Result<(), FoldError> {
        if stamped.seq != self.revision + 1 {
            return Err(FoldError::OutOfOrder { last: self.revision, found: stamped.seq });
        }
        let (seq, at_ms, event) = (stamped.seq, stamped.at_ms, &stamped.event);
        let before = self
            .run
            .as_ref()
            .map(|run| (run.number, run.weight, run.end.as_ref().map(|(end, ..)| *end)));
        match event {
            Event::Started { run, who, mode, terms, alarms_before, .. } => {
                let engine = Engine::new(terms.evidence.clone(), terms.slo).map_err(|error| {
                    FoldError::Engine { seq, kind: event.kind(), problem: error.to_string() }
                })?;
                let stages = u32::try_from(terms.stages.len()).unwrap_or(u32::MAX);
                self.run = Some(Run {
                    number: *run,
                    who: who.clone(),
                    started_ms: at_ms,
                    terms: (**terms).clone(),
                    mode: *mode,
                    weight: Weight::ZERO,
                    first: None,
                    since_ms: at_ms,
                    timeline: Vec::new(),
                    through: None,
                    requests_per_minute: 0.0,
                    evidence: engine.start(stages),
                    judged: None,
                    intent: None,
                    pause: None,
                    moved: None,
                    rolling_back: None,
                    rollback_failed: None,
                    blind_since_ms: None,
                    end: None,
                    raised: BTreeMap::new(),
                    alarms_before: alarms_before.clone(),
                    last: None,
                    would_have: None,
                });
            }
            Event::PageSent { revision, topic } => {
                self.outbox.retain(|owed| match &owed.what {
                    Debt::Page(page) => !(owed.revision == *revision && page.topic == *topic),
                    Debt::Change(_) => true,
                });
            }
            Event::Announced { revision } => {
                self.outbox.retain(|owed| match &owed.what {
                    Debt::Page(_) => true,
                    Debt::Change(_) => owed.revision != *revision,
                });
            }
            _ => {
                let run = self.run.as_mut().ok_or(FoldError::NoRun { seq, kind: event.kind() })?;
                apply_to_run(run, seq, at_ms, event).map_err(|problem| FoldError::Engine {
                    seq,
                    kind: event.kind(),
                    problem,
                })?;
            }
        }
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
        Ok(())
    }
}

fn apply_to_run(run: &mut Run, seq: i64, at_ms: i64, event: &Event) -> Result<(), String> {
    match event {
        Event::Baseline { history, first, requests_per_minute, through } => {
            let engine = run.engine().map_err(|error| error.to_string())?;
            run.evidence.learn_history(&engine, history);
            run.first = Some(*first);
            run.requests_per_minute = *requests_per_minute;
            run.through = Some(*through);
        }
        Event::Ticked { minutes, decision, recovered, .. } => {
            run.alarms_before.retain(|name| !recovered.contains(name));
            run.judge(minutes)?;
            run.last = Some((decision.clone(), at_ms));
            run.blind_since_ms = decision.is_blind().then(|| run.blind_since_ms.unwrap_or(at_ms));
            if let Decision::RollBack { reason } = decision {
                let place = match run.mode {
                    Mode::Active => &mut run.rolling_back,
                    Mode::Shadow => &mut run.would_have,
                };
                place.get_or_insert_with(|| reason.clone());
            }
        }
        Event::Intended { from, to, cause, deadline_ms } => {
            run.intent = Some(Intent {
                seq,
                at_ms,
                from: *from,
                to: *to,
                cause: cause.clone(),
                deadline_ms: *deadline_ms,
            });
        }
        Event::Applied { to, .. } => {
            let began = run.intent.take().map_or(at_ms, |intent| intent.at_ms);
            if run.weight != *to {
                run.set_weight(*to, began);
            }
        }
        Event::NotApplied { cause, routes, .. } => {
            run.intent = None;
            if cause.kind == CauseKind::RollBack {
                run.rollback_failed = Some(routes.clone());
            }
        }
        Event::MovedByOther { found, .. } => run.moved = Some(found.clone()),
        Event::FoundAtZero { .. } => {
            run.intent = None;
            run.rolling_back = None;
            run.set_weight(Weight::ZERO, at_ms);
        }
        Event::Followed { weight } => {
            run.moved = None;
            run.set_weight(*weight, at_ms);
        }
        Event::Adopted { weight, .. } => {
            run.moved = None;
            run.intent = None;
            if run.weight != *weight {
                run.set_weight(*weight, at_ms);
            }
        }
        Event::Paused { who, until_ms, .. } => {
            let since_ms = run.pause.as_ref().map_or(at_ms, |pause| pause.since_ms);
            run.pause = Some(Pause { who: who.clone(), since_ms, until_ms: *until_ms });
        }
        Event::PauseEnded {} | Event::Resumed { .. } => run.pause = None,
        Event::RollbackOrdered { who, .. } => {
            // A finished run goes on until every route is at 0.
            run.end = None;
            run.rolling_back = Some(RollBackReason::Ordered {
                by: who.identity.clone(),
                reason: who.reason.clone(),
            });
        }
        Event::Activated { .. } => run.mode = Mode::Active,
        Event::Raised { topic, .. } => {
            run.raised.entry(*topic).or_insert(at_ms);
        }
        Event::Cleared { topic, .. } => {
            run.raised.remove(topic);
            if *topic == Topic::MovedBySomeoneElse {
                run.moved = None;
            }
        }
        Event::Finished { end, reason } => {
            run.end = Some((*end, reason.clone(), at_ms));
            run.pause = None;
            run.moved = None;
            run.rolling_back = None;
            run.rollback_failed = None;
        }
        Event::Promoted { .. }
        | Event::Started { .. }
        | Event::PageSent { .. }
        | Event::Announced { .. } => {}
    }
    Ok(())
}
