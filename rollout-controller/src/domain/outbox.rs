//! Which events owe people a page and programs a state change.
//!
//! The outbox is part of the fold: a message is owed from the append of its
//! cause until an entry says that it was sent. So a crash between the two sends
//! it again (the key removes doubles), and never loses it.

use super::event::{End, Event, Stamped};
use super::journal::{Debt, Journal, Owed};
use super::message::{Page, StateChange, Topic, Urgency};
use super::plan::Mode;
use super::run::Run;
use super::weight::Weight;

/// Adds what `stamped` owes. `before` is the run's number, weight and end before
/// the event.
pub(super) fn owe(
    journal: &mut Journal,
    stamped: &Stamped,
    before: Option<(u32, Weight, Option<End>)>,
) {
    let Some(run) = &journal.run else { return };
    let name = journal.name.clone();
    let from =
        before.filter(|(number, ..)| *number == run.number).map_or(Weight::ZERO, |(_, w, _)| w);
    let page = |topic, urgency, title: String, text: &str| Page {
        rollout: name.clone(),
        run: run.number,
        revision: stamped.seq,
        topic,
        urgency,
        title,
        text: text.to_owned(),
        from: Some(from),
        to: Some(run.weight),
        at_ms: stamped.at_ms,
    };
    let shadow = if run.mode == Mode::Shadow { " (shadow: nothing is moved)" } else { "" };
    let pages = match &stamped.event {
        Event::Started { who, .. } => {
            let text = format!("Started by {}: {}", who.identity, who.reason);
            let title = format!("{name}: rollout {} started{shadow}", run.number);
            let mut pages = vec![page(Topic::Started, Urgency::Info, title, &text)];
            if let Some((number, _, Some(End::RolledBack))) = before {
                // The incident of the rollback before ends with the new start.
                let mut clear = page(
                    Topic::RolledBack,
                    Urgency::Clear,
                    format!("{name}: started again"),
                    &text,
                );
                clear.run = number;
                pages.push(clear);
            }
            pages
        }
        Event::Applied { to, cause, .. } if *to > Weight::ZERO => {
            let title = format!("{name}: {from} → {to} on Rust");
            vec![page(Topic::StageReached, Urgency::Info, title, &cause.text)]
        }
        Event::Raised { topic, text } => {
            vec![page(*topic, Urgency::Trigger, title_of(&name, *topic), text)]
        }
        Event::Cleared { topic, text } => {
            vec![page(*topic, Urgency::Clear, title_of(&name, *topic), text)]
        }
        Event::Finished { end, reason } => {
            let mut pages = match end {
                End::RolledBack => {
                    let at = highest(run);
                    vec![page(
                        Topic::RolledBack,
                        Urgency::Trigger,
                        format!("{name}: rolled back, {at} → 0 %"),
                        reason,
                    )]
                }
                End::Completed => vec![page(
                    Topic::Completed,
                    Urgency::Info,
                    format!("{name}: complete, all traffic on Rust"),
                    reason,
                )],
            };
            // What was triggered under this run is over with it.
            pages.extend(run.raised.keys().map(|topic| {
                page(*topic, Urgency::Clear, title_of(&name, *topic), "The rollout has ended.")
            }));
            pages
        }
        Event::Baseline { .. }
        | Event::Ticked { .. }
        | Event::Intended { .. }
        | Event::Applied { .. }
        | Event::NotApplied { .. }
        | Event::MovedByOther { .. }
        | Event::FoundAtZero { .. }
        | Event::Followed { .. }
        | Event::Adopted { .. }
        | Event::Paused { .. }
        | Event::PauseEnded {}
        | Event::Resumed { .. }
        | Event::Promoted { .. }
        | Event::RollbackOrdered { .. }
        | Event::Activated { .. }
        | Event::PageSent { .. }
        | Event::Announced { .. } => Vec::new(),
    };
    let change = state_reason(&stamped.event).map(|reason| StateChange {
        rollout: name.clone(),
        run: run.number,
        revision: stamped.seq,
        state: run.state_name().to_owned(),
        from,
        to: run.weight,
        reason,
        at_ms: stamped.at_ms,
    });
    let debts = pages.into_iter().map(Debt::Page).chain(change.map(Debt::Change));
    journal.outbox.extend(debts.map(|what| Owed {
        revision: stamped.seq,
        at_ms: stamped.at_ms,
        what,
    }));
    if matches!(stamped.event, Event::Finished { .. })
        && let Some(run) = &mut journal.run
    {
        run.raised.clear();
    }
}

/// The largest weight of the run, which a rollback came down from.
fn highest(run: &Run) -> Weight {
    run.timeline
        .iter()
        .rev()
        .map(|(_, weight)| *weight)
        .find(|w| *w > Weight::ZERO)
        .unwrap_or_default()
}

/// One line for each condition.
fn title_of(name: &str, topic: Topic) -> String {
    let what = match topic {
        Topic::HoldingTooLong => "holding too long",
        Topic::Blind => "blind: nothing to judge by",
        Topic::NoTraffic => "no request reaches Rust although its weight says so",
        Topic::MovedBySomeoneElse => "a weight was changed by someone else",
        Topic::HeaderRuleChanged => "the header rule is not as it must be",
        Topic::RollbackIncomplete => "rollback did not reach every route",
        Topic::PauseExpires => "a pause is about to end",
        Topic::ControllerError => "the controller failed",
        Topic::Started => "started",
        Topic::StageReached => "stage reached",
        Topic::RolledBack => "rolled back",
        Topic::Completed => "complete",
        Topic::Test => "test",
    };
    format!("{name}: {what}")
}

/// Events that change the state that `status` shows, each with one sentence.
fn state_reason(event: &Event) -> Option<String> {
    match event {
        Event::Started { who, .. }
        | Event::Paused { who, .. }
        | Event::Resumed { who, .. }
        | Event::Adopted { who, .. }
        | Event::Activated { who, .. }
        | Event::Promoted { who, .. }
        | Event::RollbackOrdered { who, .. } => Some(format!("{}: {}", who.identity, who.reason)),
        Event::Applied { cause, .. } => Some(cause.text.clone()),
        Event::PauseEnded {} => Some("the pause came to its end".to_owned()),
        Event::MovedByOther { .. } => Some("a weight was changed by someone else".to_owned()),
        Event::FoundAtZero { .. } => Some("the rule was found at 0 %".to_owned()),
        Event::Finished { reason, .. } => Some(reason.clone()),
        Event::Raised { text, .. } | Event::Cleared { text, .. } => Some(text.clone()),
        Event::Baseline { .. }
        | Event::Ticked { .. }
        | Event::Intended { .. }
        | Event::NotApplied { .. }
        | Event::Followed { .. }
        | Event::PageSent { .. }
        | Event::Announced { .. } => None,
    }
}
