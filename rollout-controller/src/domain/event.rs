//! What a journal is made of. Events are facts: never edited, only followed by
//! others. Members that this version does not know are ignored; a kind that it
//! does not know ends what it can read (see [`crate::controller::store`]).

use super::code::{CodeChange, RouteCode};
use super::decision::{Cause, Decision};
use super::engine::Chosen;
use super::message::{Channel, Topic};
use super::minute::{CommittedMinute, Minute, SideCounts};
use super::observation::Unread;
use super::plan::{Mode, Terms};
use super::weight::Weight;
use super::wrong_answers::{ComparisonsRead, ExamplesRead};
use serde::{Deserialize, Serialize};

/// Who gave a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Who {
    /// AWS identity of the caller, as the caller states it (an ARN), or where
    /// the command came from if there is none.
    pub identity: String,
    /// Why, in the person's words.
    pub reason: String,
}

/// What happened.
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
        /// The order that stood outside the journal: it was meant for what was before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        order_before: Option<String>,
    },
    /// The old side's history was read and the first stage chosen.
    Baseline {
        history: Vec<CommittedMinute>,
        first: Weight,
        requests_per_minute: f64,
        /// The newest minute of the history; judging begins after it.
        through: Minute,
        /// What evidence-2 chose from the history, which is then not journalled.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        chosen: Option<Box<Chosen>>,
    },
    /// A tick judged what became due or changed, and decided.
    Ticked {
        minutes: Vec<MinuteEntry>,
        decision: Decision,
        /// Alarms that stand, for readers.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        alarms: Vec<String>,
        /// Alarms from before the start that were OK now.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        recovered: Vec<String>,
        /// Minutes since the newest minute that was judged, if that is late or a rule
        /// or the alarms could not be read.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        blind_minutes: Option<u32>,
        /// Routes whose new group had no target in this look.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        no_target: Vec<String>,
        /// Metrics need this many minutes from now on, by measurement.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lag_minutes: Option<u32>,
        /// The code could not be told in this look, and why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code_unknown: Option<String>,
    },
    /// The code behind the groups was seen first, or is not what it was.
    CodeChanged {
        change: CodeChange,
        codes: Vec<RouteCode>,
        /// The clock in milliseconds, if the tick came so late that it was in a later
        /// minute: what was gathered before then is not this code's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        clock_ms: Option<i64>,
    },
    /// A change of weight is about to be made on every route.
    Intended {
        from: Weight,
        to: Weight,
        cause: Cause,
        deadline_ms: i64,
        /// The clock in milliseconds, if the tick came so late that it was in a later
        /// minute: what was gathered before then is not this share's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        clock_ms: Option<i64>,
    },
    /// Every route shows the new weight.
    Applied { from: Weight, to: Weight, cause: Cause },
    /// Not every route does; each with what it shows or why it cannot be told.
    NotApplied { from: Weight, to: Weight, cause: Cause, routes: Vec<RouteFound> },
    /// A rule no longer showed what this journal says.
    MovedByOther { expected: Weight, found: Vec<RouteFound> },
    /// Every rule was found without traffic for the new side, and this journal
    /// had not ordered it. The run is over.
    LoweredOutside { expected: Weight, by: LoweredBy },
    /// As `LoweredOutside`, by versions that could not tell by whom.
    FoundAtZero { expected: Weight },
    /// A shadow run follows the share that the rules show.
    Followed { weight: Weight },
    /// Someone else's change was taken over by `resume --adopt`.
    Adopted { who: Who, command: String, weight: Weight },
    /// A person paused the rise, perhaps until a time.
    Paused { who: Who, command: String, until_ms: Option<i64> },
    /// A pause with an end came to it.
    PauseEnded {},
    /// A person ended a pause.
    Resumed { who: Who, command: String },
    /// A person asked for the rest of this stage to be skipped.
    Promoted { who: Who, command: String, to: Weight, forced: bool },
    /// A person asked for a rollback.
    RollbackOrdered {
        who: Who,
        command: String,
        /// When it was given, if that was before this entry: the journal could
        /// not be written then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        given_ms: Option<i64>,
    },
    /// A person let a shadow run act.
    Activated { who: Who, command: String },
    /// A person closed a run that could not end by itself.
    Abandoned { who: Who, command: String, left: Vec<RouteFound> },
    /// A condition began that people should know of.
    Raised { topic: Topic, text: String },
    /// It is over.
    Cleared { topic: Topic, text: String },
    /// The run reached its end.
    Finished { end: End, reason: String },
    /// The scorers' log was read for examples, after a rollback for wrong answers.
    ExamplesRead { examples: ExamplesRead },
    /// A channel accepted these messages, or there is no such channel.
    Delivered { channel: Channel, items: Vec<Item> },
    /// A channel refused a message or did not answer; once for each outage.
    ChannelFailed { channel: Channel, error: String },
    /// It works again.
    ChannelWorks { channel: Channel },
    /// These messages are too old to help anybody.
    GivenUp { channel: Channel, items: Vec<Item> },
    /// A page was accepted by every channel, by versions that knew no channels.
    PageSent { revision: i64, topic: Topic },
    /// A state change was accepted by the bus, by the same versions.
    Announced { revision: i64 },
}

/// A message that is owed, by its cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Item {
    /// Revision of the cause.
    pub revision: i64,
    /// Topic of the page; `None` for a state change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<Topic>,
}

/// Who lowered the share without this journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum LoweredBy {
    /// The controller's own protection while the journal was out of reach.
    Protection {
        /// Why.
        reason: String,
        /// When, in milliseconds.
        at_ms: i64,
    },
    /// A person who rolled back where no run was.
    Person {
        /// Who and why.
        who: Who,
        /// The command.
        command: String,
    },
    /// A person or another tool; a later `rollback` signs it.
    Unknown,
}

/// One minute as a tick read it. A later entry for the same minute replaces an
/// earlier one in the fold; rows never change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum MinuteEntry {
    /// Each route as read.
    Read {
        /// Which minute.
        minute: Minute,
        /// One for each route.
        parts: Vec<Part>,
        /// Answers of the new side that were compared; none where CloudWatch has none, and
        /// in runs without that objective.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        comparisons: Option<ComparisonsRead>,
    },
    /// Minutes that will never be read.
    Lost {
        /// First and last.
        lost: Span,
    },
    /// The sum over all routes, by versions that journalled no parts.
    Summed(CommittedMinute),
}

/// Minutes from one to another, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// First minute.
    pub from: Minute,
    /// Last minute.
    pub to: Minute,
}

/// One route in one minute.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Part {
    /// Counts of both sides at the weight in force.
    Known {
        /// The route.
        route: String,
        /// The weight in force in most of the minute.
        weight: Weight,
        /// The side being replaced.
        old: SideCounts,
        /// The side being rolled out.
        new: SideCounts,
    },
    /// What is not known is neither good nor bad.
    Unknown {
        /// The route.
        route: String,
        /// Why.
        unknown: Unread,
        /// Requests that the new side should have had, where its silence is why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        due_on_new: Option<f64>,
    },
}

/// What became of one route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteFound {
    /// Its name.
    pub route: String,
    /// Share that its rule shows, if it is one of ours.
    pub weight: Option<Weight>,
    /// Whether the rule gives the new side nothing, whatever else it shows.
    #[serde(default)]
    pub reached: bool,
    /// What was found or went wrong, in words.
    pub text: String,
}

impl RouteFound {
    /// `public shows 5%; internal: AccessDenied`.
    pub fn list(found: &[Self]) -> String {
        let each: Vec<String> =
            found.iter().map(|route| format!("{} {}", route.route, route.text)).collect();
        each.join("; ")
    }
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

impl Event {
    /// Kind of [`Event::Ticked`], the only entries that are ever pruned.
    pub const TICKED: &'static str = "ticked";

    /// Name of the kind, as in the JSON and in the ledger's indexed column.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Started { .. } => "started",
            Self::Baseline { .. } => "baseline",
            Self::Ticked { .. } => Self::TICKED,
            Self::CodeChanged { .. } => "code_changed",
            Self::Intended { .. } => "intended",
            Self::Applied { .. } => "applied",
            Self::NotApplied { .. } => "not_applied",
            Self::MovedByOther { .. } => "moved_by_other",
            Self::LoweredOutside { .. } => "lowered_outside",
            Self::FoundAtZero { .. } => "found_at_zero",
            Self::Followed { .. } => "followed",
            Self::Adopted { .. } => "adopted",
            Self::Paused { .. } => "paused",
            Self::PauseEnded {} => "pause_ended",
            Self::Resumed { .. } => "resumed",
            Self::Promoted { .. } => "promoted",
            Self::RollbackOrdered { .. } => "rollback_ordered",
            Self::Activated { .. } => "activated",
            Self::Abandoned { .. } => "abandoned",
            Self::Raised { .. } => "raised",
            Self::Cleared { .. } => "cleared",
            Self::Finished { .. } => "finished",
            Self::ExamplesRead { .. } => "examples_read",
            Self::Delivered { .. } => "delivered",
            Self::ChannelFailed { .. } => "channel_failed",
            Self::ChannelWorks { .. } => "channel_works",
            Self::GivenUp { .. } => "given_up",
            Self::PageSent { .. } => "page_sent",
            Self::Announced { .. } => "announced",
        }
    }

    /// Kinds that a person would call a change of the rollout's state.
    pub const CHANGES: [&'static str; 18] = [
        "started",
        "code_changed",
        "intended",
        "applied",
        "not_applied",
        "moved_by_other",
        "lowered_outside",
        "found_at_zero",
        "followed",
        "adopted",
        "paused",
        "pause_ended",
        "resumed",
        "promoted",
        "rollback_ordered",
        "activated",
        "abandoned",
        "finished",
    ];

    /// Kinds that are no change and belong to the rollout's story all the same; the
    /// rest is what ticks held and which messages were accepted.
    pub const TOLD: [&'static str; 6] =
        ["baseline", "raised", "cleared", "examples_read", "channel_failed", "channel_works"];

    /// Whether it is one of [`CHANGES`](Self::CHANGES).
    pub fn is_change(&self) -> bool {
        Self::CHANGES.contains(&self.kind())
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
            | Self::Activated { command, .. }
            | Self::Abandoned { command, .. }
            | Self::LoweredOutside { by: LoweredBy::Person { command, .. }, .. } => Some(command),
            Self::Baseline { .. }
            | Self::Ticked { .. }
            | Self::CodeChanged { .. }
            | Self::Intended { .. }
            | Self::Applied { .. }
            | Self::NotApplied { .. }
            | Self::MovedByOther { .. }
            | Self::LoweredOutside { .. }
            | Self::FoundAtZero { .. }
            | Self::Followed { .. }
            | Self::PauseEnded {}
            | Self::Raised { .. }
            | Self::Cleared { .. }
            | Self::Finished { .. }
            | Self::ExamplesRead { .. }
            | Self::Delivered { .. }
            | Self::ChannelFailed { .. }
            | Self::ChannelWorks { .. }
            | Self::GivenUp { .. }
            | Self::PageSent { .. }
            | Self::Announced { .. } => None,
        }
    }
}
