//! What a tick decides. Whatever is not progress says why.

use super::both_sides::Harm;
use super::engine::{Breach, Missing, Proof};
use super::message::Topic;
use super::weight::Weight;
use serde::{Deserialize, Serialize};

/// What to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
#[must_use]
pub enum Decision {
    /// Take the first or the next step.
    Advance {
        /// The stage to take.
        to: Weight,
        /// What it rests on; the first step rests on the history alone.
        proof: Option<Proof>,
    },
    /// Finish a raise that a crash or an error left half done.
    Continue {
        /// Where it was going.
        to: Weight,
    },
    /// Lower the share without leaving traffic.
    StepBack {
        /// The share to go back to.
        to: Weight,
        /// Why.
        why: StepBackReason,
    },
    /// Stay.
    Hold {
        /// Why.
        reason: Hold,
    },
    /// Take the new side out of traffic.
    RollBack {
        /// Why.
        reason: RollBackReason,
    },
    /// The last proof is there.
    #[serde(alias = "finish")]
    Complete {
        /// What it rests on.
        proof: Proof,
    },
}

impl Decision {
    /// Whether something that a decision needs could not be read.
    pub fn is_blind(&self) -> bool {
        matches!(
            self,
            Self::Hold {
                reason: Hold::RulesUnreadable { .. }
                    | Hold::AlarmsUnreadable { .. }
                    | Hold::Blind { .. }
                    | Hold::CopyUnreadable { .. }
                    | Hold::NoHistory { .. }
            }
        )
    }

    /// Why the new side leaves traffic, if it does.
    pub fn rolls_back(&self) -> Option<&RollBackReason> {
        match self {
            Self::RollBack { reason } => Some(reason),
            Self::Advance { .. }
            | Self::Continue { .. }
            | Self::Hold { .. }
            | Self::StepBack { .. }
            | Self::Complete { .. } => None,
        }
    }

    /// One word for metrics and logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Advance { .. } => "advance",
            Self::Continue { .. } => "continue",
            Self::Hold { .. } => "hold",
            Self::StepBack { .. } => "step back",
            Self::RollBack { .. } => "rollback",
            Self::Complete { .. } => "complete",
        }
    }
}

/// Why a rollout stays where it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum Hold {
    /// A change of weight is being made by another process.
    InFlight {
        /// Where it goes.
        to: Weight,
    },
    /// Someone else changed a weight.
    MovedByOther,
    /// The load balancer could not be read.
    RulesUnreadable {
        /// First error.
        error: String,
    },
    /// The header rule, or stickiness, is not as it must be.
    RulesUnsafe {
        /// First finding.
        finding: String,
    },
    /// A person paused.
    Paused {
        /// Who.
        by: String,
        /// Their reason.
        reason: String,
        /// When it ends by itself, in milliseconds.
        until_ms: Option<i64>,
    },
    /// The states of alarms could not be read.
    AlarmsUnreadable {
        /// Error.
        error: String,
    },
    /// An alarm stands that holds.
    Alarm {
        /// Its name.
        name: String,
        /// Why it holds and does not roll back.
        because: AlarmHolds,
    },
    /// CloudWatch could not be read, or is late.
    Blind {
        /// Minutes since the newest committed minute should have been readable.
        minutes: u32,
        /// What is missing.
        error: String,
    },
    /// The old side's history has not been read yet.
    NoHistory {
        /// What is missing.
        error: String,
    },
    /// Everything else says advance.
    Calendar {
        /// Where it would go.
        to: Weight,
        /// When it may, in milliseconds; `None`: not within a year.
        next_ms: Option<i64>,
    },
    /// No minute of the present stage has been judged yet.
    NotJudgedYet,
    /// Minutes that are due have not been judged.
    Behind {
        /// How many.
        minutes: u32,
    },
    /// The tick is older than the last one, or far behind the clock.
    StaleTick {
        /// Minutes behind the clock or the last tick.
        minutes: i64,
    },
    /// The routes do not stand at one share.
    RoutesApart,
    /// It is not known which code answers.
    CodeUnknown {
        /// What is missing.
        error: String,
    },
    /// Other code answers than the evidence was gathered on.
    NewCode,
    /// A rollback was ordered while the journal could not be written.
    OrderedOutside,
    /// The copy of the run outside the journal cannot be read.
    CopyUnreadable {
        /// Error.
        error: String,
    },
    /// The copy of the run does not say that this run is open.
    CopyDiffers,
    /// A raise hurt both sides and was undone.
    BothSides {
        /// What was seen.
        harm: Harm,
        /// Good minutes in a row since.
        good_minutes: u32,
        /// Of so many. Journals that do not name it mean ten.
        #[serde(default = "good_minutes_of_old")]
        needed: u32,
    },
    /// A rollback is under way, or the run has ended.
    NotOpen,
    /// A shadow run moves nothing.
    Shadow,
    /// The evidence says roll back.
    Breach,
    /// The evidence says hold.
    Evidence {
        /// Why.
        reason: Missing,
    },
    /// A shadow rollout that would have rolled back.
    ShadowRolledBack,
}

/// Why a standing alarm holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlarmHolds {
    /// It is one of `hold_on`.
    Listed,
    /// Its twin on the Python side stands too: the trouble is shared.
    TwinStands,
    /// It stood before the rollout began.
    StoodBefore,
    /// No alarm has this name; it cannot protect.
    Missing,
}

/// Why the new side leaves traffic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum RollBackReason {
    /// The evidence reached the threshold.
    Evidence {
        /// What it rests on.
        breach: Breach,
    },
    /// An alarm of `rollback_on` stands.
    Alarm {
        /// Its name.
        name: String,
        /// CloudWatch's words.
        reason: String,
    },
    /// A person said so.
    Ordered {
        /// Who.
        by: String,
        /// Their reason.
        reason: String,
    },
    /// The new side's group has no target, at the second look.
    NoTarget {
        /// The routes.
        routes: Vec<String>,
    },
    /// Twice, both sides broke a limit soon after the same step.
    TwiceBothSides {
        /// The first time.
        first: Harm,
        /// The second time.
        second: Harm,
    },
    /// Protection began it while the journal could not be used, and the new side still has
    /// traffic, or has some again.
    Begun {
        /// Why it began.
        reason: String,
    },
    /// A rule was raised again after a rollback: put back first, ask afterwards.
    PutBack,
}

/// Why the share is lowered without leaving traffic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum StepBackReason {
    /// A raise reached some routes and may not be finished now.
    Undo {
        /// Where it was going.
        to: Weight,
    },
    /// Other code answers on the new side, and what was proven was not proven of it.
    NewCode,
    /// Both sides break a limit since the share rose, and the old side kept it before.
    BothSides {
        /// What was seen.
        harm: Harm,
    },
}

/// Why a weight is being changed; journalled with the intent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cause {
    /// Which kind.
    pub kind: CauseKind,
    /// One sentence for people.
    pub text: String,
}

/// Kinds of causes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CauseKind {
    /// The first stage.
    Start,
    /// The gates are open.
    Evidence,
    /// A person skipped the rest of a stage.
    Promotion,
    /// Out of traffic.
    RollBack,
    /// A foreign change after a rollback is undone.
    PutBack,
    /// The share goes back without leaving traffic.
    StepBack,
}

impl CauseKind {
    /// Whether a change for this cause raises the new side's share.
    pub fn raises(self) -> bool {
        match self {
            Self::Start | Self::Evidence | Self::Promotion => true,
            Self::RollBack | Self::PutBack | Self::StepBack => false,
        }
    }
}

/// One change of weight to make, on every route.
#[derive(Clone, Debug, PartialEq)]
pub struct Shift {
    /// What every rule must show; `None`: whatever it shows (rollback only).
    pub from: Option<Weight>,
    /// What every rule shall show.
    pub to: Weight,
    /// Why.
    pub cause: Cause,
}

impl Shift {
    /// The new side out of traffic, whatever the rules show.
    pub fn out_of_traffic(kind: CauseKind, text: String) -> Self {
        Self { from: None, to: Weight::ZERO, cause: Cause { kind, text } }
    }
}

/// A condition people should know of, as it stands now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Which.
    pub topic: Topic,
    /// One or two sentences.
    pub text: String,
}

fn good_minutes_of_old() -> u32 {
    10
}
