//! Decisions in words: one sentence each, without a full stop.

pub mod event;
pub mod evidence;
pub mod health;
pub(crate) mod number;

use self::evidence::Clock;
use self::number::whole;
use crate::domain::both_sides::GOOD_MINUTES;
use crate::domain::decision::{AlarmHolds, Decision, Hold, RollBackReason, StepBackReason};
use crate::domain::engine::{Breach, Missing, Proof};
use crate::domain::event::RouteFound;
use crate::domain::run::{Refused, Run};
use crate::domain::weight::Weight;
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A time of day for people, `2026-11-24 14:32 UTC`.
pub fn clock_time(ms: i64) -> String {
    let time = Timestamp::from_millisecond(ms).unwrap_or_default();
    time.to_zoned_datetime(TimeZone::UTC).strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// The run's last decision, or that there is none yet.
pub fn last_decision(run: &Run) -> String {
    match &run.last {
        Some((last, _)) => decision(last, run, &Clock::utc()),
        None => "no tick has decided yet".to_owned(),
    }
}

/// `the step to 25 % was refused twice: public AccessDenied`
pub fn refused(refused: &Refused) -> String {
    let times = match refused.times {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        times => format!("{times} times"),
    };
    let routes = RouteFound::list(&refused.routes);
    format!("The load balancer refused the step to {} {times}: {routes}", refused.to)
}

/// How a run ended, or that it goes on.
pub fn ended(run: &Run) -> String {
    use crate::domain::phase::Phase;
    match &run.phase {
        Phase::RolledBack { reason, .. } => format!("rolled back: {reason}"),
        Phase::Completed { at_ms } => format!("completed at {}", clock_time(*at_ms)),
        Phase::Abandoned { by, .. } => format!("abandoned by {}: {}", by.identity, by.reason),
        Phase::Starting
        | Phase::Advancing { .. }
        | Phase::Paused { .. }
        | Phase::Moved { .. }
        | Phase::RollingBack { .. } => run.phase.words().to_owned(),
    }
}

/// What was decided and why. `run` is the run before the decision took effect.
pub fn decision(decision: &Decision, run: &Run, clock: &Clock) -> String {
    let at = run.weight;
    match decision {
        Decision::Advance { to, proof: Some(proof) } => advance(*to, proof),
        Decision::Advance { to, proof: None } => format!(
            "start at {to}: the largest first stage that is safe at {} requests a minute",
            whole(run.requests_per_minute)
        ),
        Decision::Continue { to } => format!("finish the change to {to} that was left half done"),
        Decision::Hold { reason } => format!("hold at {at}: {}", hold(reason, clock)),
        Decision::StepBack { to, why } => step_back(*to, why),
        Decision::RollBack { reason } => rollback_reason(reason),
        Decision::Complete { proof } => complete(proof),
    }
}

/// A step, and what it rests on.
pub fn advance(to: Weight, proof: &Proof) -> String {
    match proof {
        Proof::One(proof) => evidence::advance(to, proof),
        Proof::Two(said) => format!("{} → {to}: {}", said.why.share, said.text),
    }
}

/// The end, and what it rests on.
pub fn complete(proof: &Proof) -> String {
    match proof {
        Proof::One(proof) => evidence::complete(proof),
        Proof::Two(said) => format!("complete at {}: {}", said.why.share, said.text),
    }
}

/// What a change of share rests on, where the change itself is said beside it.
pub fn because(decision: &Decision, run: &Run) -> String {
    match decision {
        Decision::Advance { proof: Some(Proof::Two(said)), .. } => said.text.clone(),
        Decision::Advance { .. }
        | Decision::Continue { .. }
        | Decision::Hold { .. }
        | Decision::StepBack { .. }
        | Decision::RollBack { .. }
        | Decision::Complete { .. } => self::decision(decision, run, &Clock::utc()),
    }
}

/// Why the evidence lets nothing follow yet.
pub fn missing(missing: &Missing, clock: &Clock) -> String {
    match missing {
        Missing::One(reason) => evidence::hold_reason(reason, clock),
        Missing::Two(said) => said.text.clone(),
    }
}

/// Why the share goes back without leaving traffic.
pub fn step_back(to: Weight, why: &StepBackReason) -> String {
    match why {
        StepBackReason::Undo { to: going } => {
            format!(
                "back to {to}: the change to {going} reached some routes only and may not go on"
            )
        }
        StepBackReason::BothSides { harm } => format!(
            "back to {to}: both sides broke {} within {} of the step to {}, and Python kept it before; up again once both are good for {GOOD_MINUTES} minutes",
            harm.metric.title(),
            minutes(harm.within_minutes),
            harm.to
        ),
        StepBackReason::NewCode => {
            format!("back to {to}: other code answers on Rust, and it has proven nothing yet")
        }
    }
}

/// Why, without where.
pub fn hold(reason: &Hold, clock: &Clock) -> String {
    match reason {
        Hold::InFlight { to } => {
            format!("another process is changing the weight to {to}; its time is not over yet")
        }
        Hold::MovedByOther => {
            "someone else moved a weight; `resume --adopt` takes it over, or set it back".to_owned()
        }
        Hold::RulesUnreadable { error } => format!("the load balancer cannot be read: {error}"),
        Hold::RulesUnsafe { finding } => finding.clone(),
        Hold::Paused { by, reason, until_ms } => match until_ms {
            Some(until) => format!("paused by {by} until {}: {reason}", clock_time(*until)),
            None => format!("paused by {by}: {reason}"),
        },
        Hold::AlarmsUnreadable { error } => format!("alarms cannot be read: {error}"),
        Hold::Alarm { name, because } => match because {
            AlarmHolds::Listed => format!("alarm `{name}` stands"),
            AlarmHolds::TwinStands => {
                format!("alarm `{name}` stands on both sides: the trouble is shared")
            }
            AlarmHolds::StoodBefore => {
                format!("alarm `{name}` stood before the rollout began and has not been OK since")
            }
            AlarmHolds::Missing => {
                format!("alarm `{name}` does not exist; create it or take it out of the config")
            }
        },
        Hold::Blind { minutes, error } => {
            let unit = if *minutes == 1 { "minute" } else { "minutes" };
            format!("blind for {minutes} {unit}: {error}")
        }
        Hold::NoHistory { error } => format!("waiting for the old side's history: {error}"),
        Hold::Calendar { to, next_ms } => match next_ms {
            Some(next) => {
                format!("ready for {to}; the calendar allows it from {}", clock_time(*next))
            }
            None => format!("ready for {to}; the calendar allows it at no time within a year"),
        },
        Hold::NotJudgedYet => "no minute of this stage has been judged yet".to_owned(),
        Hold::Evidence { reason } => missing(reason, clock),
        Hold::Behind { minutes: 1 } => {
            "the newest minute that is due has not been judged".to_owned()
        }
        Hold::Behind { minutes } => {
            format!("{minutes} minutes that are due have not been judged")
        }
        Hold::StaleTick { minutes } => {
            format!("this tick is {minutes} minutes late, so it may not raise anything")
        }
        Hold::RoutesApart => "the routes do not stand at one share".to_owned(),
        Hold::CodeUnknown { error } => format!("it is not known which code runs: {error}"),
        Hold::NewCode => {
            "the code that answers has just been seen; it is proven from here".to_owned()
        }
        Hold::OrderedOutside => {
            "a rollback was ordered while the journal could not be written".to_owned()
        }
        Hold::CopyUnreadable { error } => {
            format!("the copy of this run outside the journal cannot be read: {error}")
        }
        Hold::CopyDiffers => {
            "the copy of this run outside the journal does not say that it is open yet".to_owned()
        }
        Hold::BothSides { harm, good_minutes } => format!(
            "both sides broke {} after the step to {}, which was undone; {good_minutes} of {GOOD_MINUTES} good minutes before it is tried again",
            harm.metric.title(),
            harm.to
        ),
        Hold::NotOpen => "the run does not go on".to_owned(),
        Hold::Shadow => "shadow: nothing is moved".to_owned(),
        Hold::Breach => "the evidence says roll back".to_owned(),
        Hold::ShadowRolledBack => {
            "shadow: it would have rolled back; start again to judge afresh".to_owned()
        }
    }
}

fn minutes(n: u32) -> String {
    if n == 1 { "1 minute".to_owned() } else { format!("{n} minutes") }
}

/// Why the new side leaves traffic.
pub fn rollback_reason(reason: &RollBackReason) -> String {
    match reason {
        RollBackReason::Evidence { breach: Breach::One(breach) } => evidence::rollback(breach),
        RollBackReason::Evidence { breach: Breach::Two(said) } => {
            format!("rollback at {}: {}", said.why.share, said.text)
        }
        RollBackReason::Alarm { name, reason } if reason.is_empty() => {
            format!("rollback: alarm `{name}` stands")
        }
        RollBackReason::Alarm { name, reason } => {
            format!("rollback: alarm `{name}` stands: {}", reason.trim_end_matches('.'))
        }
        RollBackReason::Ordered { by, reason } => format!("rollback ordered by {by}: {reason}"),
        RollBackReason::NoTarget { routes } => {
            format!("rollback: the new group of {} has no target", routes.join(", "))
        }
        RollBackReason::TwiceBothSides { first, second } => {
            let (one, two) = (first.metric.title(), second.metric.title());
            let limits = if one == two { one.to_owned() } else { format!("{one} and {two}") };
            format!(
                "rollback: twice, both sides broke {limits} within {} of the step from {} to {}",
                minutes(first.within_minutes.max(second.within_minutes)),
                second.from,
                second.to
            )
        }
        RollBackReason::PutBack => {
            "a weight was raised within 15 minutes after a rollback; put back to 0 %".to_owned()
        }
    }
}
