//! The first lines: is traffic safe, did the controller act, or must a person.

use crate::api::{Standing, Status};
use crate::domain::decision::{Decision, Hold, RollBackReason};
use crate::domain::event::End;
use crate::domain::plan::Mode;
use crate::domain::run::Run;

/// How the page looks at first sight; words say the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Ok,
    Warn,
    Bad,
}

impl Tone {
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Bad => "bad",
        }
    }

    pub(super) fn icon(self) -> &'static str {
        match self {
            Self::Ok => "✔",
            Self::Warn => "⚠",
            Self::Bad => "✖",
        }
    }
}

/// Answers to the first questions of whoever is on call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Headline {
    pub(super) tone: Tone,
    /// Is traffic safe right now?
    pub(super) safe: &'static str,
    /// Did it act, or must I?
    pub(super) act: &'static str,
    /// The one command.
    pub(super) command: &'static str,
}

const ROLL_BACK: &str = "rolloutctl rollback --reason \"…\" --yes";
const DIRECT: &str = "rolloutctl rollback --direct --config rollout.toml --reason \"…\" --yes";
const START: &str = "rolloutctl start --reason \"…\"";

/// Whether every rule shows this share, as read a moment ago.
fn all_show(status: &Status, share: &str) -> bool {
    !status.routes.is_empty() && status.routes.iter().all(|route| route.shows == share)
}

pub(super) fn headline(status: &Status, run: Option<&Run>) -> Headline {
    let say = |tone, safe, act, command| Headline { tone, safe, act, command };
    let Some(run) = run else {
        return match status.standing {
            Standing::Unknown => blind(),
            Standing::Fine | Standing::Holding | Standing::RolledBack => say(
                Tone::Ok,
                "No rollout has been started",
                "Nothing to do. The controller owns no weight yet.",
                START,
            ),
        };
    };
    match &run.end {
        Some((End::RolledBack, ..)) => return after_rollback(status, run),
        Some((End::Completed, ..)) if all_show(status, "100 %") => {
            return say(
                Tone::Ok,
                "Complete: all traffic is on Rust",
                "Nothing to do. The controller has proven every stage and is done.",
                ROLL_BACK,
            );
        }
        Some((End::Completed, ..)) => {
            return say(
                Tone::Warn,
                "Complete, but the rules do not show 100 %",
                "You must look: somebody changed the rules after the rollout.",
                ROLL_BACK,
            );
        }
        None => {}
    }
    if run.rolling_back.is_some() {
        return match run.rollback_failed {
            Some(_) => say(
                Tone::Bad,
                "Traffic is not safe: the rollback has not reached every route",
                "You must act. The controller tries again every minute.",
                DIRECT,
            ),
            None => say(
                Tone::Warn,
                "A rollback is under way",
                "The controller acts right now. Look again in a minute.",
                DIRECT,
            ),
        };
    }
    if status.standing == Standing::Unknown {
        return blind();
    }
    if run.moved.is_some() {
        return say(
            Tone::Warn,
            "Somebody else changed a weight: the rollout has stopped",
            "You must decide: take the weight over (resume and adopt), set it back, or roll back.",
            ROLL_BACK,
        );
    }
    open(run)
}

fn blind() -> Headline {
    Headline {
        tone: Tone::Bad,
        safe: "It cannot be told whether traffic is safe",
        act: "Nothing advances. You must look why; if users may be hurt, roll back first.",
        command: ROLL_BACK,
    }
}

fn after_rollback(status: &Status, run: &Run) -> Headline {
    let shadow = run.mode == Mode::Shadow;
    if !shadow && !all_show(status, "0 %") {
        return Headline {
            tone: Tone::Bad,
            safe: "Rolled back, but a rule does not show 0 %",
            act: "You must act: somebody gave Rust traffic again, or a rule cannot be read.",
            command: DIRECT,
        };
    }
    Headline {
        tone: Tone::Ok,
        safe: if shadow {
            "The shadow rollout has ended; nothing was moved"
        } else {
            "Traffic is safe: rolled back, all of it is on Python"
        },
        act: "It is done; nothing is urgent. Study the cause before anybody starts again.",
        command: "rolloutctl history",
    }
}

fn open(run: &Run) -> Headline {
    let say = |tone, safe, act| Headline { tone, safe, act, command: ROLL_BACK };
    if run.pause.is_some() {
        return say(
            Tone::Warn,
            "Traffic is safe; the rollout is paused",
            "Nothing is urgent. Breaches and alarms still roll back; resume when ready.",
        );
    }
    let held = match &run.last {
        Some((Decision::Hold { reason }, _)) => match reason {
            Hold::Alarm { .. } | Hold::RulesUnsafe { .. } | Hold::ShadowRolledBack => true,
            Hold::InFlight { .. }
            | Hold::MovedByOther
            | Hold::RulesUnreadable { .. }
            | Hold::Paused { .. }
            | Hold::AlarmsUnreadable { .. }
            | Hold::Blind { .. }
            | Hold::NoHistory { .. }
            | Hold::Calendar { .. }
            | Hold::NotJudgedYet
            | Hold::Evidence { .. } => false,
        },
        Some((_, _)) | None => false,
    };
    if held || !run.raised.is_empty() {
        return say(
            Tone::Warn,
            "No limit is shown to be broken, but something needs a look",
            "The rollout does not advance. Look at the reason below.",
        );
    }
    if run.mode == Mode::Shadow {
        return say(Tone::Ok, "Shadow: everything is judged, nothing is moved", "Nothing to do.");
    }
    say(
        Tone::Ok,
        "Traffic is safe: no limit is shown to be broken",
        "Nothing to do. The controller advances on evidence and rolls back by itself.",
    )
}

/// Who or what ended the run, for the timeline's summary.
pub(super) fn acted(run: &Run) -> Option<&'static str> {
    match run.rolling_back.as_ref()? {
        RollBackReason::Evidence { .. } => Some("the controller, on evidence"),
        RollBackReason::Alarm { .. } => Some("the controller, on an alarm"),
        RollBackReason::Ordered { .. } => Some("a person"),
        RollBackReason::PutBack => Some("the controller, undoing a late change"),
    }
}
