//! The first lines: how it stands, did the controller act, or must a person.

use crate::api::Status;
use crate::domain::decision::RollBackReason;
use crate::domain::health::Kind;
use crate::domain::run::Run;

/// How the page looks at first sight; words say the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Ok,
    Warn,
    Bad,
    Plain,
}

impl Tone {
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Bad => "bad",
            Self::Plain => "plain",
        }
    }

    pub(super) fn icon(self) -> &'static str {
        match self {
            Self::Ok => "✔",
            Self::Warn => "⚠",
            Self::Bad => "✖",
            Self::Plain => "•",
        }
    }

    /// The tone of a health.
    pub(super) fn of(kind: Kind) -> Self {
        match kind {
            Kind::NotProtected | Kind::Hurting => Self::Bad,
            Kind::Unknown | Kind::Degraded => Self::Warn,
            Kind::Safe => Self::Ok,
            Kind::Idle => Self::Plain,
        }
    }
}

/// Whether a person must act; `run` is the journal's newest, if it can be read.
pub(super) fn act(status: &Status, run: Option<&Run>) -> &'static str {
    let paused = run.is_some_and(|run| run.phase.pause().is_some());
    match status.health.kind {
        Kind::NotProtected => "You must act: nobody else takes Rust out of traffic.",
        Kind::Hurting => {
            "Look now. The controller acts where the evidence allows it; you may be faster."
        }
        Kind::Unknown => "Look why. Nothing advances; if users may be hurt, roll back first.",
        Kind::Degraded => {
            "Look when you can. Traffic is served, and something is not as it must be."
        }
        Kind::Safe if paused => {
            "Nothing is urgent. It stays here until a person resumes it, and still rolls back by itself."
        }
        Kind::Safe => {
            "Nothing to do. The controller advances on evidence and rolls back by itself."
        }
        Kind::Idle => "Nothing to do.",
    }
}

/// Who or what is taking the new side out of traffic.
pub(super) fn acted(run: &Run) -> Option<&'static str> {
    match run.phase.rolling_back()? {
        RollBackReason::Evidence { .. } => Some("the controller, on evidence"),
        RollBackReason::Alarm { .. } => Some("the controller, on an alarm"),
        RollBackReason::NoTarget { .. } => Some("the controller, because Rust has no target"),
        RollBackReason::Ordered { .. } => Some("a person"),
        RollBackReason::TwiceBothSides { .. } => {
            Some("the controller, because a step hurt both sides twice")
        }
        RollBackReason::PutBack => Some("the controller, undoing a late change"),
    }
}
