//! Conditions that people should know of: which stand, which are over.

use super::decision::Condition;
use super::draft::{Draft, Now};
use super::event::Event;
use super::explain;
use super::journal::{FoldError, Journal};
use super::message::Topic;
use super::minute::Minute;
use super::observation::{Seen, Share};
use super::plan::{Mode, Settings};
use super::run::Run;
use super::weight::Weight;

/// People hear of the end of a pause this long before. 10 minutes.
const PAUSE_WARNING_MS: i64 = 10 * 60_000;

/// The newest minute that is due at this time: it ended `lag` minutes ago.
pub fn newest_due(run: &Run, tick_ms: i64) -> Minute {
    Minute(tick_ms.div_euclid(60_000) - 1 - i64::from(run.terms.lag_minutes))
}

/// Minutes that are due and were not readable.
pub(super) fn late_minutes(run: &Run, seen: &Seen, tick_ms: i64) -> u32 {
    let newest = seen.minutes.last().map(|minute| minute.minute).or(run.through);
    let late = newest.map_or(0, |newest| newest_due(run, tick_ms).since(newest));
    u32::try_from(late).unwrap_or(0)
}

pub(super) fn blind_minutes(journal: &Journal, seen: &Seen, tick_ms: i64) -> Option<u32> {
    let run = journal.run.as_ref().filter(|run| run.first.is_some())?;
    Some(late_minutes(run, seen, tick_ms))
}

/// What is wrong with the rules beside the weight, one sentence each.
pub(super) fn unsafe_rules(seen: &Seen) -> Vec<String> {
    let readable = seen.routes.iter().flatten();
    readable
        .flat_map(|route| {
            let sticky = route.sticky.then(|| {
                "group stickiness is on: clients would keep their group after a rollback; switch it off".to_owned()
            });
            sticky.into_iter().chain(route.header_rule.iter().cloned())
        })
        .collect()
}

/// Adds `Raised` and `Cleared` for what changed.
pub(super) fn report(
    draft: &mut Draft,
    seen: &Seen,
    settings: &Settings,
    now: Now,
) -> Result<(), FoldError> {
    let Some(run) = draft.journal.open_run().cloned() else {
        return Ok(());
    };
    let standing = standing(&run, seen, settings, now);
    for condition in &standing {
        if !run.raised.contains_key(&condition.topic) {
            let Condition { topic, text } = condition.clone();
            draft.add(now.tick_ms, Event::Raised { topic, text })?;
        }
    }
    for topic in run.raised.keys() {
        if !standing.iter().any(|condition| condition.topic == *topic) {
            // The rules could not be read: what stood may still stand.
            let unknown = matches!(topic, Topic::HeaderRuleChanged | Topic::MovedBySomeoneElse)
                && seen.routes.iter().any(Result::is_err);
            if !unknown {
                draft.add(
                    now.tick_ms,
                    Event::Cleared { topic: *topic, text: over(*topic).to_owned() },
                )?;
            }
        }
    }
    Ok(())
}

fn over(topic: Topic) -> &'static str {
    match topic {
        Topic::HoldingTooLong => "The rollout moves again.",
        Topic::Blind => "Everything can be read again.",
        Topic::NoTraffic => "Requests reach the new side again.",
        Topic::MovedBySomeoneElse => "Every rule shows the journal's weight again.",
        Topic::HeaderRuleChanged => "The rules are as they must be again.",
        Topic::RollbackIncomplete => "Every route is at 0 %.",
        Topic::PauseExpires => "The pause is over.",
        Topic::Started
        | Topic::StageReached
        | Topic::RolledBack
        | Topic::Completed
        | Topic::ControllerError
        | Topic::Test => "It is over.",
    }
}

fn standing(run: &Run, seen: &Seen, settings: &Settings, now: Now) -> Vec<Condition> {
    let mut found = Vec::new();
    let mut add = |topic, text: String| found.push(Condition { topic, text });
    if let Some(since) = run.blind_since_ms {
        let minutes = (now.tick_ms - since).div_euclid(60_000);
        if minutes >= i64::from(settings.blind_after_minutes) {
            let why = explain::last_decision(run);
            add(
                Topic::Blind,
                format!(
                    "Nothing to judge by for {minutes} minutes: {why}. Nothing advances; alarms and manual rollback work as far as AWS does."
                ),
            );
        }
    }
    let at_this_weight = (now.tick_ms - run.since_ms).div_euclid(60_000);
    if at_this_weight >= i64::from(settings.max_hold_minutes) && run.pause.is_none() {
        let why = explain::last_decision(run);
        add(
            Topic::HoldingTooLong,
            format!("At {} for {at_this_weight} minutes: {why}", run.weight),
        );
    }
    let silence = run
        .judged
        .as_ref()
        .map(|judged| judged.silence)
        .filter(super::evidence::Silence::is_alarming);
    if let Some(silence) = silence
        && run.mode == Mode::Active
        && run.weight > Weight::ZERO
    {
        add(
            Topic::NoTraffic,
            format!(
                "No request reached the Rust group for {} minutes although about {} were due: its target group or the rule is wrong, or metrics are missing.",
                silence.minutes,
                explain::number::whole(silence.expected)
            ),
        );
    }
    if let Some(moved) = &run.moved {
        let found: Vec<String> =
            moved.iter().map(|route| format!("{} {}", route.route, route.text)).collect();
        add(
            Topic::MovedBySomeoneElse,
            format!(
                "The journal says {}, but {}. Nothing is moved until `rolloutctl resume --adopt` takes this over or the weight is set back; evidence and alarms still roll back.",
                run.weight,
                found.join(", ")
            ),
        );
    }
    let findings = unsafe_rules(seen);
    if !findings.is_empty() {
        add(Topic::HeaderRuleChanged, findings.join("; "));
    }
    if let Some(failed) = &run.rollback_failed {
        let routes: Vec<String> =
            failed.iter().map(|route| format!("{}: {}", route.route, route.text)).collect();
        add(Topic::RollbackIncomplete, format!("Still trying every minute. {}", routes.join("; ")));
    }
    if let Some(until) = run.pause.as_ref().and_then(|pause| pause.until_ms)
        && now.tick_ms >= until - PAUSE_WARNING_MS
    {
        add(
            Topic::PauseExpires,
            format!(
                "The pause ends at {} and the rollout goes on by itself.",
                explain::clock_time(until)
            ),
        );
    }
    found
}

/// After a rollback: a rule that shows anything but 0 is told.
pub(super) fn report_raised_after_rollback(
    draft: &mut Draft,
    seen: &Seen,
    now: Now,
) -> Result<(), FoldError> {
    let Some(run) = draft.journal.run.clone() else {
        return Ok(());
    };
    let topic = Topic::MovedBySomeoneElse;
    let routes = run.terms.routes.iter().zip(&seen.routes);
    let raised: Vec<String> = routes
        .filter_map(|(route, seen)| match seen {
            Ok(seen) if seen.share != Share::Weight(Weight::ZERO) => {
                Some(format!("{} shows {}", route.name, seen.share))
            }
            Ok(_) | Err(_) => None,
        })
        .collect();
    match (raised.is_empty(), run.raised.contains_key(&topic)) {
        (false, false) => {
            let text = format!(
                "After the rollback {}; only a new start gives Rust traffic.",
                raised.join(", ")
            );
            draft.add(now.tick_ms, Event::Raised { topic, text })
        }
        (true, true) => {
            draft.add(now.tick_ms, Event::Cleared { topic, text: over(topic).to_owned() })
        }
        (true, false) | (false, true) => Ok(()),
    }
}
