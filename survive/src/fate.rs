//! Every call that the controller makes, what may become of it, and how often it did.

use std::collections::BTreeMap;

/// A call of the controller, as fine as it leaves the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Call {
    /// SELECT of a journal.
    JournalRead,
    /// INSERT of entries, one transaction.
    JournalAppend,
    /// SELECT of old entries.
    JournalHistory,
    /// DELETE of old minutes.
    JournalPrune,
    /// DescribeRules of a listener.
    Rules,
    /// DescribeRules of one rule, within a change of weights.
    Rule,
    /// ModifyRule.
    Modify,
    /// GetMetricData.
    Metrics,
    /// DescribeAlarms.
    Alarms,
    /// DescribeTargetHealth and GetFunction.
    Code,
    /// GetParameters.
    OutsideRead,
    /// PutParameter of the run's copy.
    CopyWrite,
    /// PutParameter of an order.
    OrderWrite,
    /// Publish to the pager's topic.
    Pager,
    /// Publish to the chat's topic.
    Chat,
    /// PutEvents.
    Bus,
}

impl Call {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::JournalRead,
        Self::JournalAppend,
        Self::JournalHistory,
        Self::JournalPrune,
        Self::Rules,
        Self::Rule,
        Self::Modify,
        Self::Metrics,
        Self::Alarms,
        Self::Code,
        Self::OutsideRead,
        Self::CopyWrite,
        Self::OrderWrite,
        Self::Pager,
        Self::Chat,
        Self::Bus,
    ];

    /// What people call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::JournalRead => "journal: read",
            Self::JournalAppend => "journal: append",
            Self::JournalHistory => "journal: history",
            Self::JournalPrune => "journal: prune",
            Self::Rules => "rules of a listener",
            Self::Rule => "rule, within a change",
            Self::Modify => "rule: write",
            Self::Metrics => "metrics",
            Self::Alarms => "alarms",
            Self::Code => "code",
            Self::OutsideRead => "copy and order: read",
            Self::CopyWrite => "copy: write",
            Self::OrderWrite => "order: write",
            Self::Pager => "pager",
            Self::Chat => "chat",
            Self::Bus => "event bus",
        }
    }

    /// Whether it changes the world.
    pub const fn writes(self) -> bool {
        match self {
            Self::JournalRead
            | Self::JournalHistory
            | Self::Rules
            | Self::Rule
            | Self::Metrics
            | Self::Alarms
            | Self::Code
            | Self::OutsideRead => false,
            Self::JournalAppend
            | Self::JournalPrune
            | Self::Modify
            | Self::CopyWrite
            | Self::OrderWrite
            | Self::Pager
            | Self::Chat
            | Self::Bus => true,
        }
    }

    /// How long the adapter waits for an answer, in milliseconds: `ledger/session.rs`
    /// gives a transaction 2 s, `ssm.rs` and `deployments.rs` 2 s, the AWS SDK an
    /// operation 6 s.
    pub const fn patience_ms(self) -> i64 {
        match self {
            Self::JournalRead
            | Self::JournalAppend
            | Self::JournalHistory
            | Self::JournalPrune
            | Self::Code
            | Self::OutsideRead
            | Self::CopyWrite
            | Self::OrderWrite => 2_000,
            Self::Rules
            | Self::Rule
            | Self::Modify
            | Self::Metrics
            | Self::Alarms
            | Self::Pager
            | Self::Chat
            | Self::Bus => 6_000,
        }
    }
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fate {
    /// It is answered.
    Answered,
    /// It fails before it has an effect.
    FailsBefore,
    /// It has its effect, and the answer is an error.
    FailsAfter,
    /// The answer never comes; whether it had its effect is another draw.
    Lost,
    /// It is answered, with what was true a while ago.
    Stale,
    /// It is answered, near the end of the caller's patience.
    Slow,
    /// A part of the answer is missing.
    Partial,
}

impl Fate {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Answered,
        Self::FailsBefore,
        Self::FailsAfter,
        Self::Lost,
        Self::Stale,
        Self::Slow,
        Self::Partial,
    ];

    /// All that is a fault.
    pub const FAULTS: [Self; 6] =
        [Self::FailsBefore, Self::FailsAfter, Self::Lost, Self::Stale, Self::Slow, Self::Partial];

    /// What people call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::FailsBefore => "fails before",
            Self::FailsAfter => "fails after",
            Self::Lost => "answer lost",
            Self::Stale => "stale",
            Self::Slow => "slow",
            Self::Partial => "partial",
        }
    }
}

/// Why a call cannot have a fate, if it cannot.
pub const fn impossible(call: Call, fate: Fate) -> Option<&'static str> {
    match (fate, call.writes()) {
        (Fate::FailsAfter, false) => return Some("a read has no effect to come before its error"),
        (Fate::Stale, true) => return Some("a write reads nothing"),
        _ => {}
    }
    match (fate, call) {
        (Fate::Stale, Call::JournalRead | Call::JournalHistory) => {
            Some("the primary answers; there is no replica")
        }
        (Fate::Partial, Call::JournalRead | Call::JournalHistory | Call::JournalPrune) => {
            Some("one transaction: all rows or an error")
        }
        (Fate::Partial, Call::JournalAppend) => Some("one transaction: all entries or none"),
        (Fate::Partial, Call::Rules | Call::Rule) => {
            Some("a page is whole; a missing page is an error of the call")
        }
        (Fate::Partial, Call::Modify | Call::CopyWrite | Call::OrderWrite) => {
            Some("one value is replaced whole")
        }
        (Fate::Partial, Call::Pager | Call::Chat | Call::Bus) => {
            Some("one message a call: accepted or not")
        }
        _ => None,
    }
}

/// Why a call is never made where a rollout stands so.
pub const fn absent(call: Call, stand: Stand) -> Option<&'static str> {
    match (call, stand) {
        (Call::Bus, Stand::None) => Some("an event tells of a run"),
        _ => None,
    }
}

/// Where the rollout stood when a call was made, by the simulation's own books.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stand {
    /// No run was ever started.
    None,
    /// Share 0, the first step not taken.
    Starting,
    /// Below the bake's share.
    Stage,
    /// At the bake's share.
    Bake,
    /// At 100%.
    Watch,
    /// A pause stands.
    Paused,
    /// Someone else moved a weight.
    Moved,
    /// Not every route is known to be at 0.
    RollingBack,
    /// Rolled back.
    RolledBack,
    /// Completed.
    Completed,
    /// Closed by a person.
    Abandoned,
}

impl Stand {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::None,
        Self::Starting,
        Self::Stage,
        Self::Bake,
        Self::Watch,
        Self::Paused,
        Self::Moved,
        Self::RollingBack,
        Self::RolledBack,
        Self::Completed,
        Self::Abandoned,
    ];

    /// What people call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "no run",
            Self::Starting => "starting",
            Self::Stage => "stage",
            Self::Bake => "bake",
            Self::Watch => "watch",
            Self::Paused => "paused",
            Self::Moved => "moved",
            Self::RollingBack => "rolling back",
            Self::RolledBack => "rolled back",
            Self::Completed => "completed",
            Self::Abandoned => "abandoned",
        }
    }
}

/// How often each cell was reached.
pub type Cells = BTreeMap<(Call, Fate, Stand), u64>;

/// How often calls of one kind fail in one history, in thousandths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rates(pub BTreeMap<Call, u64>);
