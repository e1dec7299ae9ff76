//! The journal in lines: what happened, one sentence each.

use super::evidence::Clock;
use super::number::whole;
use crate::domain::decision::Decision;
use crate::domain::event::{Event, RouteOutcome, Stamped};
use crate::domain::plan::Mode;

/// One line: revision, time, what happened.
pub fn line(stamped: &Stamped) -> String {
    let Stamped { seq, at_ms, event } = stamped;
    format!("{seq:>6}  {}  {}", super::clock_time(*at_ms), sentence(event))
}

fn routes(outcomes: &[RouteOutcome]) -> String {
    let each: Vec<String> =
        outcomes.iter().map(|route| format!("{} {}", route.route, route.text)).collect();
    each.join("; ")
}

/// What happened, without when.
pub fn sentence(event: &Event) -> String {
    match event {
        Event::Started { run, who, mode, terms, alarms_before, .. } => {
            let stages: Vec<String> = terms.stages.iter().map(ToString::to_string).collect();
            let shadow = match mode {
                Mode::Active => "",
                Mode::Shadow => " in shadow mode",
            };
            let alarms = if alarms_before.is_empty() {
                String::new()
            } else {
                format!("; already in ALARM: {}", alarms_before.join(", "))
            };
            format!(
                "rollout {run} started{shadow} by {}: {}; stages {}{alarms}",
                who.identity,
                who.reason,
                stages.join(", ")
            )
        }
        Event::Baseline { history, first, requests_per_minute, .. } => format!(
            "history of {} minutes read, {} requests a minute; first stage {first}",
            history.len(),
            whole(*requests_per_minute)
        ),
        Event::Ticked { minutes, decision, alarms, .. } => {
            let judged = match minutes.as_slice() {
                [] => "nothing new to judge".to_owned(),
                [one] => format!("minute {} judged", one.minute),
                [first, .., last] => format!("minutes {} to {} judged", first.minute, last.minute),
            };
            let alarms = if alarms.is_empty() {
                String::new()
            } else {
                format!("; in ALARM: {}", alarms.join(", "))
            };
            format!("{judged}; {}{alarms}", decided(decision))
        }
        Event::Intended { from, to, cause, .. } => {
            format!("{from} → {to} intended: {}", cause.text)
        }
        Event::Applied { from, to, .. } => {
            format!("{from} → {to} applied on every route, read back")
        }
        Event::NotApplied { from, to, routes: outcomes, .. } => {
            format!("{from} → {to} did not happen: {}", routes(outcomes))
        }
        Event::MovedByOther { expected, found } => {
            format!("moved by someone else: {} expected, {}", expected, routes(found))
        }
        Event::FoundAtZero { expected } => {
            format!("every rule was found at 0 %, {expected} expected")
        }
        Event::Followed { weight } => format!("shadow: the rules show {weight} now"),
        Event::Adopted { who, weight, .. } => {
            format!("{weight} taken over by {}: {}", who.identity, who.reason)
        }
        Event::Paused { who, until_ms, .. } => {
            let until =
                until_ms.map_or(String::new(), |ms| format!(" until {}", super::clock_time(ms)));
            format!("paused{until} by {}: {}", who.identity, who.reason)
        }
        Event::PauseEnded {} => "the pause came to its end".to_owned(),
        Event::Resumed { who, .. } => format!("resumed by {}: {}", who.identity, who.reason),
        Event::Promoted { who, to, forced, .. } => {
            let how = if *forced { " by force" } else { "" };
            format!("promoted to {to}{how} by {}: {}", who.identity, who.reason)
        }
        Event::RollbackOrdered { who, .. } => {
            format!("rollback ordered by {}: {}", who.identity, who.reason)
        }
        Event::Activated { who, .. } => format!("made active by {}: {}", who.identity, who.reason),
        Event::Raised { topic, text } => format!("page {}: {text}", topic.name()),
        Event::Cleared { topic, text } => format!("page {} cleared: {text}", topic.name()),
        Event::Finished { end, reason } => {
            let end = match end {
                crate::domain::event::End::Completed => "completed",
                crate::domain::event::End::RolledBack => "ended, rolled back",
            };
            format!("{end}: {reason}")
        }
        Event::PageSent { revision, topic } => {
            format!("page {} of revision {revision} sent", topic.name())
        }
        Event::Announced { revision } => format!("state change of revision {revision} announced"),
    }
}

fn decided(decision: &Decision) -> String {
    let clock = Clock::utc();
    match decision {
        Decision::Advance { to, proof: Some(proof) } => super::evidence::advance(*to, proof),
        Decision::Advance { to, proof: None } => format!("start at {to}"),
        Decision::Continue { to } => format!("finish the change to {to} that was left half done"),
        Decision::Hold { reason } => format!("hold: {}", super::hold(reason, &clock)),
        Decision::RollBack { reason } => super::rollback_reason(reason),
        Decision::Finish { proof } => super::evidence::complete(proof),
    }
}
