//! Journal entries in words: who, and one line each, without a full stop. Entries
//! that belong together are one line: see [`crate::report::story`].

use super::evidence::Clock;
use super::{hour, person, time};
use crate::domain::code::{Code, CodeChange};
use crate::domain::event::{End, Event, LoweredBy, MinuteEntry, RouteFound, Stamped, Who};
use crate::domain::figures::{count, whole};
use crate::domain::labels::Labels;
use crate::domain::minute::Minute;
use crate::domain::outbox::title_of;
use crate::domain::plan::Mode;

/// Who caused an entry: a person's short name, or `tick`.
pub fn by(event: &Event) -> String {
    let who = match event {
        Event::Started { who, .. }
        | Event::Adopted { who, .. }
        | Event::Paused { who, .. }
        | Event::Resumed { who, .. }
        | Event::Promoted { who, .. }
        | Event::RollbackOrdered { who, .. }
        | Event::Activated { who, .. }
        | Event::Abandoned { who, .. }
        | Event::LoweredOutside { by: LoweredBy::Person { who, .. }, .. } => who,
        Event::MovedByOther { .. }
        | Event::LoweredOutside { by: LoweredBy::Unknown, .. }
        | Event::FoundAtZero { .. } => return "someone".to_owned(),
        Event::Baseline { .. }
        | Event::Ticked { .. }
        | Event::CodeChanged { .. }
        | Event::Intended { .. }
        | Event::Applied { .. }
        | Event::NotApplied { .. }
        | Event::LoweredOutside { by: LoweredBy::Protection { .. }, .. }
        | Event::Followed { .. }
        | Event::PauseEnded {}
        | Event::Raised { .. }
        | Event::Cleared { .. }
        | Event::Finished { .. }
        | Event::ExamplesRead { .. }
        | Event::Delivered { .. }
        | Event::ChannelFailed { .. }
        | Event::ChannelWorks { .. }
        | Event::GivenUp { .. }
        | Event::PageSent { .. }
        | Event::Announced { .. } => return "tick".to_owned(),
    };
    person(&who.identity)
}

/// What happened, without when and by whom. `name` is the rollout's, `sides` are the
/// run's.
pub fn sentence(name: &str, sides: &Labels, stamped: &Stamped) -> String {
    let Stamped { at_ms, event, .. } = stamped;
    match event {
        Event::Started { who, mode, alarms_before, .. } => {
            let shadow = match mode {
                Mode::Active => "",
                Mode::Shadow => " in shadow, nothing is moved",
            };
            let alarms = if alarms_before.is_empty() {
                String::new()
            } else {
                format!("; in ALARM before: {}", alarms_before.join(", "))
            };
            format!("started{shadow}: {}{alarms}", quoted(who))
        }
        Event::Baseline { history, first, requests_per_minute, chosen, .. } => {
            let (minutes, text) = match chosen {
                None => (history.len() as u64, String::new()),
                Some(chosen) => {
                    let minutes = chosen.choices.known_minutes.into();
                    (minutes, format!(". {}", chosen.text.join(". ")))
                }
            };
            format!(
                "read {} minutes of {} at {} requests a minute; first share {first}{text}",
                count(minutes),
                sides.old,
                whole(*requests_per_minute)
            )
        }
        Event::Ticked { minutes, decision, alarms, .. } => {
            let alarms = if alarms.is_empty() {
                String::new()
            } else {
                format!(" In ALARM: {}.", alarms.join(", "))
            };
            format!(
                "{}. {}{alarms}",
                read(minutes, *at_ms),
                super::standalone(decision, sides, Clock::At(*at_ms))
            )
        }
        Event::Intended { from, to, cause, .. } => {
            format!("{from} → {to} decided: {}", no_stop(&cause.text))
        }
        Event::Applied { from, to, cause } => {
            format!("{from} → {to}: {}", no_stop(&cause.text))
        }
        Event::NotApplied { from, to, routes, .. } => {
            format!("{from} → {to} failed: {}", RouteFound::list(routes))
        }
        Event::CodeChanged { change, codes, .. } => {
            let of = |pick: fn(&crate::domain::code::RouteCode) -> &Option<Code>| {
                let mut all: Vec<String> = codes
                    .iter()
                    .map(|code| {
                        pick(code).as_ref().map_or_else(|| "unknown code".to_owned(), Code::short)
                    })
                    .collect();
                all.dedup();
                all.join(", ")
            };
            let (new_code, old_code) = (of(|code| &code.new), of(|code| &code.old));
            let Labels { old, new } = sides;
            match change {
                CodeChange::First => format!("{new} runs {new_code}, {old} {old_code}"),
                CodeChange::New => {
                    format!("{new} was redeployed (now {new_code}); this share is proven again")
                }
                CodeChange::Old => {
                    format!("{old} was redeployed (now {old_code}); this share is proven again")
                }
                CodeChange::Both => format!(
                    "{new} and {old} were redeployed (now {new_code}, {old_code}); this share is proven again"
                ),
            }
        }
        Event::MovedByOther { expected, found } => {
            format!("moved by someone else: {}, not {expected}", RouteFound::list(found))
        }
        Event::FoundAtZero { expected } => {
            format!("found at 0%, expected {expected}: rolled back outside the journal")
        }
        Event::LoweredOutside { expected, by } => match by {
            LoweredBy::Protection { reason, at_ms: then } => format!(
                "ROLLBACK {expected} → 0% at {}, while the journal could not be used: {}",
                hour(*then, *at_ms),
                no_stop(reason)
            ),
            LoweredBy::Person { who, .. } => format!("ROLLBACK {expected} → 0%: {}", quoted(who)),
            LoweredBy::Unknown => {
                format!("found at 0%, expected {expected}: rolled back outside the journal")
            }
        },
        Event::Followed { weight } => format!("shadow: the rules show {weight} now"),
        Event::Adopted { who, weight, .. } => format!("took over {weight}: {}", quoted(who)),
        Event::Paused { who, until_ms, .. } => {
            let until =
                until_ms.map_or_else(String::new, |ms| format!(" until {}", hour(ms, *at_ms)));
            format!("paused{until}: {}", quoted(who))
        }
        Event::PauseEnded {} => "the pause ended".to_owned(),
        Event::Resumed { who, .. } => format!("resumed: {}", quoted(who)),
        Event::Promoted { who, to, forced, .. } => {
            let how = if *forced { " without proof" } else { "" };
            format!("promoted to {to}{how}: {}", quoted(who))
        }
        Event::RollbackOrdered { who, given_ms, .. } => {
            let given = given_ms.map_or_else(String::new, |ms| {
                format!(" at {}, while the journal could not be written", hour(ms, *at_ms))
            });
            format!("ordered a rollback{given}: {}", quoted(who))
        }
        Event::Activated { who, .. } => format!("made it active: {}", quoted(who)),
        Event::Abandoned { who, left, .. } => {
            format!("closed the run: {}; {}", quoted(who), RouteFound::list(left))
        }
        Event::Raised { topic, .. } => {
            let title = title_of(name, *topic, sides, None);
            let title = title.strip_prefix(name).unwrap_or(&title).trim_start_matches(": ");
            format!("page: {title}")
        }
        Event::Cleared { text, .. } => format!("resolved: {}", no_stop(text)),
        Event::Finished { end: End::Completed, reason } => {
            let reason = no_stop(reason);
            format!("completed: {}", reason.strip_prefix("Completed: ").unwrap_or(reason))
        }
        Event::Finished { end: End::RolledBack, reason } => {
            format!("rolled back: {}", no_stop(reason))
        }
        Event::ExamplesRead { examples } => {
            no_stop(&examples.paragraph(&sides.old, &sides.new)).to_owned()
        }
        Event::Delivered { channel, items } => {
            format!("{} messages accepted by {}", items.len(), channel.name())
        }
        Event::ChannelFailed { channel, error } => {
            format!("{} takes no messages ({error})", channel.name())
        }
        Event::ChannelWorks { channel } => format!("{} takes messages again", channel.name()),
        Event::GivenUp { channel, items } => {
            format!("{} messages for {} given up: too old", items.len(), channel.name())
        }
        Event::PageSent { revision, topic } => {
            format!("page {} of revision {revision} sent", topic.name())
        }
        Event::Announced { revision } => format!("change of revision {revision} announced"),
    }
}

/// A person's reason in quotation marks.
fn quoted(who: &Who) -> String {
    format!("\"{}\"", who.reason)
}

/// A sentence inside a line: without its full stop.
pub fn no_stop(text: &str) -> &str {
    text.trim().trim_end_matches('.')
}

/// What a tick read: `judged 14:29`, and what stayed unknown or is lost.
fn read(minutes: &[MinuteEntry], at_ms: i64) -> String {
    let short = |minute: Minute| hour(minute.epoch_secs().saturating_mul(1000), at_ms);
    let mut known: Vec<Minute> = Vec::new();
    let mut missing: Vec<String> = Vec::new();
    let mut gone = String::new();
    for entry in minutes {
        match entry.minute() {
            Ok(minute) if entry.is_known() => known.push(minute),
            Ok(minute) => missing.push(short(minute)),
            Err(span) => gone = format!("; {} to {} are lost", short(span.from), short(span.to)),
        }
    }
    let judged = match known.as_slice() {
        [] => "nothing new to judge".to_owned(),
        [one] => format!("judged {}", short(*one)),
        [first, .., last] => format!("judged {} to {}", short(*first), short(*last)),
    };
    let unknown = match missing.as_slice() {
        [] => String::new(),
        all => format!("; no metrics of {}", all.join(", ")),
    };
    format!("{judged}{unknown}{gone}")
}

/// `14:32 UTC`, for a page of this entry.
pub fn moment(stamped: &Stamped) -> String {
    time(stamped.at_ms, stamped.at_ms)
}
