//! The state of a rollout: the fold of its events.
//!
//! The journal is the only state. [`Journal::apply`] is the only way to change
//! it, so what a tick decided and what a reader of the table sees are the same.

use super::event::{Event, Stamped};
use super::evidence::Engine;
use super::run::Run;
use super::weight::Weight;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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
                run.apply(seq, at_ms, event).map_err(|problem| FoldError::Engine {
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
