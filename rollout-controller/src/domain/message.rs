//! Pages to people and state changes to programs, without any channel's shape.

use super::weight::Weight;
use serde::{Deserialize, Serialize};

/// What a page is about. The name is also the file name of its runbook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Topic {
    /// A rollout began.
    Started,
    /// A stage was reached.
    StageReached,
    /// A stage takes longer than its limit.
    HoldingTooLong,
    /// Metrics, alarms or the load balancer could not be read for too long.
    Blind,
    /// No request reaches the new side although its weight says so.
    NoTraffic,
    /// A weight was changed by someone else.
    MovedBySomeoneElse,
    /// The header rule is missing, changed, or shadowed.
    HeaderRuleChanged,
    /// The new side is back at 0.
    RolledBack,
    /// A rollback did not reach every route.
    RollbackIncomplete,
    /// All traffic is on the new side and the bake is over.
    Completed,
    /// A pause with an end is about to end, or has ended.
    PauseExpires,
    /// Both sides break a limit, or only the old one does.
    BothSides,
    /// The load balancer refuses a step again and again.
    WriteRefused,
    /// Other code answers than before, or it is not known which.
    NewCode,
    /// A channel for messages does not work.
    ChannelBroken,
    /// The controller itself failed.
    ControllerError,
    /// A message to prove the channels.
    Test,
}

impl Topic {
    /// All topics, in the order of a rollout.
    pub const ALL: [Self; 17] = [
        Self::Started,
        Self::StageReached,
        Self::HoldingTooLong,
        Self::Blind,
        Self::NoTraffic,
        Self::MovedBySomeoneElse,
        Self::HeaderRuleChanged,
        Self::RolledBack,
        Self::RollbackIncomplete,
        Self::Completed,
        Self::PauseExpires,
        Self::BothSides,
        Self::WriteRefused,
        Self::NewCode,
        Self::ChannelBroken,
        Self::ControllerError,
        Self::Test,
    ];

    /// Name in kebab case: the runbook's file name without its ending.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::StageReached => "stage-reached",
            Self::HoldingTooLong => "holding-too-long",
            Self::Blind => "blind",
            Self::NoTraffic => "no-traffic",
            Self::MovedBySomeoneElse => "moved-by-someone-else",
            Self::HeaderRuleChanged => "header-rule-changed",
            Self::RolledBack => "rolled-back",
            Self::RollbackIncomplete => "rollback-incomplete",
            Self::Completed => "completed",
            Self::PauseExpires => "pause-expires",
            Self::BothSides => "both-sides",
            Self::WriteRefused => "write-refused",
            Self::NewCode => "new-code",
            Self::ChannelBroken => "channel-broken",
            Self::ControllerError => "controller-error",
            Self::Test => "test",
        }
    }
}

/// A way by which messages leave. One that is broken delays no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// Pages that wake a person.
    Pager,
    /// The same pages where the team reads along.
    Chat,
    /// State changes for programs.
    Bus,
}

impl Channel {
    /// All of them, in the order of their urgency.
    pub const ALL: [Self; 3] = [Self::Pager, Self::Chat, Self::Bus];

    /// What people call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pager => "the pager",
            Self::Chat => "chat",
            Self::Bus => "the event bus",
        }
    }
}

/// Whether a page opens an incident, closes it, or only tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Urgency {
    /// A person should look.
    Trigger,
    /// What was triggered under the same key is over.
    Clear,
    /// Good to know; opens nothing.
    Info,
}

/// One message to people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// Whose rollout.
    pub rollout: String,
    /// Run of that rollout, counted from 1.
    pub run: u32,
    /// Revision that caused the page.
    pub revision: i64,
    /// What it is about.
    pub topic: Topic,
    /// Opens, closes or tells.
    pub urgency: Urgency,
    /// One line, readable alone, at most 90 characters.
    pub title: String,
    /// What happened, why, and what to do next.
    pub text: String,
    /// Rust share before and after, where the page is about a change.
    pub from: Option<Weight>,
    /// See `from`.
    pub to: Option<Weight>,
    /// Time of the cause in milliseconds since the Unix epoch.
    pub at_ms: i64,
}

impl Page {
    /// Joins trigger and clear of one incident: rollout, run and topic.
    pub fn key(&self) -> String {
        format!("{}-{}-{}", self.rollout, self.run, self.topic.name())
    }

    /// The same for every attempt to send this very page.
    pub fn id(&self) -> String {
        format!("{}-{}-{}", self.rollout, self.revision, self.topic.name())
    }
}

/// One change of a rollout's state, for programs (EventBridge).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateChange {
    /// Whose rollout.
    pub rollout: String,
    /// Run of that rollout, counted from 1.
    pub run: u32,
    /// Revision that caused it.
    pub revision: i64,
    /// State now, as `status` prints it.
    pub state: String,
    /// Rust share before.
    pub from: Weight,
    /// Rust share after.
    pub to: Weight,
    /// One sentence.
    pub reason: String,
    /// Milliseconds since the Unix epoch.
    pub at_ms: i64,
}

impl StateChange {
    /// The same for every attempt to announce this very change.
    pub fn id(&self) -> String {
        format!("{}-{}", self.rollout, self.revision)
    }
}
