//! The journal in lines: what happened, one sentence each.

use super::evidence::Clock;
use super::number::{count, whole};
use crate::domain::code::{Code, CodeChange};
use crate::domain::decision::Decision;
use crate::domain::event::{Event, LoweredBy, MinuteEntry, RouteFound, Stamped};
use crate::domain::minute::Minute;
use crate::domain::plan::Mode;

/// One line: revision, time, what happened.
pub fn line(stamped: &Stamped) -> String {
    let Stamped { seq, at_ms, event } = stamped;
    format!("{seq:>6}  {}  {}", super::clock_time(*at_ms), sentence(event))
}

fn routes(outcomes: &[RouteFound]) -> String {
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
        Event::Baseline { history, first, requests_per_minute, chosen, .. } => {
            let (minutes, text) = match chosen {
                None => (history.len() as u64, String::new()),
                Some(chosen) => {
                    let minutes = chosen.choices.known_minutes.into();
                    (minutes, format!("; {}", chosen.text.join("; ")))
                }
            };
            format!(
                "history of {} minutes read, {} requests a minute; first stage {first}{text}",
                count(minutes),
                whole(*requests_per_minute)
            )
        }
        Event::Ticked { minutes, decision, alarms, .. } => {
            let judged = read(minutes);
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
        Event::CodeChanged { change, codes } => {
            let now: Vec<String> = codes
                .iter()
                .map(|code| {
                    let name = |side: &Option<Code>| {
                        side.as_ref().map_or_else(|| "unknown".to_owned(), ToString::to_string)
                    };
                    format!("{} runs {} beside {}", code.route, name(&code.new), name(&code.old))
                })
                .collect();
            let what = match change {
                CodeChange::First => "the code was seen",
                CodeChange::New => "other code on the new side",
                CodeChange::Old => "other code on the old side",
                CodeChange::Both => "other code on both sides",
            };
            format!("{what}: {}", now.join("; "))
        }
        Event::MovedByOther { expected, found } => {
            format!("moved by someone else: {} expected, {}", expected, routes(found))
        }
        Event::FoundAtZero { expected } => {
            format!("every rule was found at 0 %, {expected} expected")
        }
        Event::LoweredOutside { expected, by } => {
            let by = match by {
                LoweredBy::Protection { reason, at_ms } => {
                    format!("by protection at {}: {reason}", super::clock_time(*at_ms))
                }
                LoweredBy::Person { who, .. } => format!("by {}: {}", who.identity, who.reason),
                LoweredBy::Unknown => "outside the journal".to_owned(),
            };
            format!("every rule at 0 % instead of {expected}, {by}")
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
        Event::RollbackOrdered { who, given_ms, .. } => {
            let given = given_ms.map_or(String::new(), |at| {
                format!(" at {}, while the journal could not be written", super::clock_time(at))
            });
            format!("rollback ordered by {}{given}: {}", who.identity, who.reason)
        }
        Event::Activated { who, .. } => format!("made active by {}: {}", who.identity, who.reason),
        Event::Abandoned { who, left, .. } => {
            format!("abandoned by {}: {}; {}", who.identity, who.reason, routes(left))
        }
        Event::Raised { topic, text } => format!("page {}: {text}", topic.name()),
        Event::Cleared { topic, text } => format!("page {} cleared: {text}", topic.name()),
        Event::Finished { end, reason } => {
            let end = match end {
                crate::domain::event::End::Completed => "completed",
                crate::domain::event::End::RolledBack => "ended, rolled back",
            };
            format!("{end}: {reason}")
        }
        Event::Delivered { channel, items } => {
            format!("{} messages delivered to {}", items.len(), channel.name())
        }
        Event::ChannelFailed { channel, error } => {
            format!("{} does not take messages: {error}", channel.name())
        }
        Event::ChannelWorks { channel } => format!("{} takes messages again", channel.name()),
        Event::GivenUp { channel, items } => {
            format!("{} messages for {} given up: too old", items.len(), channel.name())
        }
        Event::PageSent { revision, topic } => {
            format!("page {} of revision {revision} sent", topic.name())
        }
        Event::Announced { revision } => format!("state change of revision {revision} announced"),
    }
}

/// What a tick read: `minute … judged`, and what stayed unknown or is lost.
fn read(minutes: &[MinuteEntry]) -> String {
    let mut told: Vec<Minute> = Vec::new();
    let mut missing: Vec<String> = Vec::new();
    let mut gone = String::new();
    for entry in minutes {
        match entry.minute() {
            Ok(minute) if entry.is_known() => told.push(minute),
            Ok(minute) => missing.push(minute.to_string()),
            Err(span) => gone = format!("; minutes {} to {} are lost", span.from, span.to),
        }
    }
    let judged = match told.as_slice() {
        [] => "nothing new to judge".to_owned(),
        [one] => format!("minute {one} judged"),
        [first, .., last] => format!("minutes {first} to {last} judged"),
    };
    let unknown = match missing.as_slice() {
        [] => String::new(),
        all => format!("; unknown: {}", all.join(", ")),
    };
    format!("{judged}{unknown}{gone}")
}

fn decided(decision: &Decision) -> String {
    let clock = Clock::utc();
    match decision {
        Decision::Advance { to, proof: Some(proof) } => super::advance(*to, proof),
        Decision::Advance { to, proof: None } => format!("start at {to}"),
        Decision::Continue { to } => format!("finish the change to {to} that was left half done"),
        Decision::Hold { reason } => format!("hold: {}", super::hold(reason, &clock)),
        Decision::StepBack { to, why } => super::step_back(*to, why),
        Decision::RollBack { reason } => super::rollback_reason(reason),
        Decision::Complete { proof } => super::complete(proof),
    }
}
