//! What happened to a rollout: the entries of its journal.

use super::decision::{Cause, Decision};
use super::message::Topic;
use super::minute::{CommittedMinute, Minute};
use super::plan::{Mode, Terms};
use super::weight::Weight;
use serde::{Deserialize, Serialize};

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
