//! Conditions that people should know of: which stand, which are over.

use super::decision::Condition;
use super::draft::Draft;
use super::event::{Event, RouteFound};
use super::explain;
use super::figures::{duration, whole};
use super::journal::{FoldError, Journal};
use super::labels::Labels;
use super::limits::standings;
use super::message::{Channel, Topic};
use super::observation::{AlarmState, Now, Observation};
use super::phase::Phase;
use super::plan::{Mode, Settings};
use super::reconcile::differing;
use super::run::Run;
use super::weight::Weight;

/// People hear of the end of a pause this long before. 10 minutes.
const PAUSE_WARNING_MS: i64 = 10 * 60_000;
/// Both sides over a limit for this long is told. 3 minutes.
const BOTH_SIDES_MINUTES: i64 = 3;
/// Code that is not known for this long is told. 10 minutes.
pub(super) const CODE_UNKNOWN_MS: i64 = 10 * 60_000;
/// A channel that fails for this long is told on the others. 5 minutes.
const CHANNEL_BROKEN_MS: i64 = 5 * 60_000;
/// Refusals in a row after which a step that does not happen is told.
pub const REFUSALS: u32 = 2;

/// Adds `Raised` and `Cleared` for what changed while a run goes on.
///
/// # Errors
/// [`FoldError`] if the events cannot follow.
pub(super) fn report(
    draft: &mut Draft,
    seen: &Observation,
    settings: &Settings,
    now: Now,
) -> Result<(), FoldError> {
    let Some(run) = draft.journal.open_run().cloned() else { return Ok(()) };
    let mut standing = standing(&run, seen, settings, now);
    standing.extend(broken_channels(&draft.journal, now));
    // What stood may still stand where it could not be looked at.
    let blind_to = |topic: Topic| match topic {
        Topic::HeaderRuleChanged | Topic::MovedBySomeoneElse => seen.unreadable_rule().is_some(),
        _ => false,
    };
    note(draft, &standing, &run.terms.labels, now, blind_to)
}

/// Adds `Raised` and `Cleared` for what changed after the end of a run, or where
/// there never was one.
///
/// # Errors
/// [`FoldError`] if the events cannot follow.
pub(super) fn report_after_the_end(
    draft: &mut Draft,
    seen: &Observation,
    usual: &Labels,
    now: Now,
) -> Result<(), FoldError> {
    let run = draft.journal.run.as_ref();
    let sides = run.map_or(usual, |run| &run.terms.labels).clone();
    let mut standing: Vec<Condition> = broken_channels(&draft.journal, now).into_iter().collect();
    let differs = match run {
        Some(run) => differs_after_the_end(run, seen),
        None => without_a_run(seen, &sides),
    };
    standing.extend(differs.map(|text| Condition { topic: Topic::MovedBySomeoneElse, text }));
    let blind_to =
        |topic: Topic| topic == Topic::MovedBySomeoneElse && seen.unreadable_rule().is_some();
    note(draft, &standing, &sides, now, blind_to)
}

/// Adds that a rollback did not reach every route, or that it did now.
///
/// # Errors
/// [`FoldError`] if the events cannot follow.
pub fn report_rollback(draft: &mut Draft, now: Now) -> Result<(), FoldError> {
    let topic = Topic::RollbackIncomplete;
    let Some(run) = draft.journal.open_run() else { return Ok(()) };
    let Some(condition) = rollback_incomplete(run) else { return Ok(()) };
    if draft.journal.raised.contains_key(&topic) {
        return Ok(());
    }
    draft.add(now.tick_ms, Event::Raised { topic, text: condition.text })
}

fn note(
    draft: &mut Draft,
    standing: &[Condition],
    sides: &Labels,
    now: Now,
    blind_to: impl Fn(Topic) -> bool,
) -> Result<(), FoldError> {
    let raised: Vec<Topic> = draft.journal.raised.keys().copied().collect();
    for Condition { topic, text } in standing {
        if !raised.contains(topic) {
            let (topic, text) = (*topic, text.clone());
            draft.add(now.tick_ms, Event::Raised { topic, text })?;
        }
    }
    for topic in raised {
        let stands = standing.iter().any(|condition| condition.topic == topic);
        if !stands && !blind_to(topic) {
            let ends =
                draft.journal.open_run().is_some_and(|run| run.phase.rolling_back().is_some());
            let text = if ends && !outlasts_the_run(topic) {
                "A rollback has begun.".to_owned()
            } else {
                over(topic, sides)
            };
            draft.add(now.tick_ms, Event::Cleared { topic, text })?;
        }
    }
    Ok(())
}

/// Whether a rollback leaves it as it is, so that what ends it was seen to end.
fn outlasts_the_run(topic: Topic) -> bool {
    match topic {
        Topic::Blind
        | Topic::HeaderRuleChanged
        | Topic::RollbackIncomplete
        | Topic::NewCode
        | Topic::ChannelBroken
        | Topic::Started
        | Topic::StageReached
        | Topic::RolledBack
        | Topic::Completed
        | Topic::ControllerError
        | Topic::Test => true,
        Topic::HoldingTooLong
        | Topic::NoTraffic
        | Topic::MovedBySomeoneElse
        | Topic::PauseExpires
        | Topic::BothSides
        | Topic::WriteRefused => false,
    }
}

fn over(topic: Topic, sides: &Labels) -> String {
    let text = match topic {
        Topic::HoldingTooLong => "The share moves again.",
        Topic::Blind => "Metrics, alarms and rules can be read again.",
        Topic::NoTraffic => return format!("Requests reach {} again.", sides.new),
        Topic::MovedBySomeoneElse => "Every rule shows the intended share again.",
        Topic::HeaderRuleChanged => "The header rule and stickiness are right again.",
        Topic::RollbackIncomplete => "Every route is at 0%.",
        Topic::PauseExpires => "The pause is over.",
        Topic::BothSides => "Both sides keep every limit again.",
        Topic::WriteRefused => "The step was accepted, or is not tried any more.",
        Topic::NewCode => "It is known again which code runs.",
        Topic::ChannelBroken => "Messages are accepted again.",
        Topic::Started
        | Topic::StageReached
        | Topic::RolledBack
        | Topic::Completed
        | Topic::ControllerError
        | Topic::Test => "Resolved.",
    };
    text.to_owned()
}

fn standing(run: &Run, seen: &Observation, settings: &Settings, now: Now) -> Vec<Condition> {
    let all = [
        blind(run, seen, settings, now),
        holding_too_long(run, settings, now),
        no_traffic(run),
        moved(run),
        unsafe_rules(seen),
        rollback_incomplete(run),
        pause_expires(run, now),
        both_sides(run),
        write_refused(run),
        code_unknown(run, now),
    ];
    all.into_iter().flatten().collect()
}

/// An alarm that the config names and CloudWatch does not have.
pub(super) fn missing_alarm(seen: &Observation) -> Option<&str> {
    let alarms = seen.alarms.as_ref().ok()?;
    let missing = alarms.iter().find(|alarm| alarm.state == AlarmState::Missing)?;
    Some(&missing.name)
}

fn blind(run: &Run, seen: &Observation, settings: &Settings, now: Now) -> Option<Condition> {
    if let Some(name) = missing_alarm(seen) {
        let text = format!(
            "Alarm `{name}` does not exist any more. No step is taken; a broken limit still rolls back. Next: create it, or remove it from the config."
        );
        return Some(Condition { topic: Topic::Blind, text });
    }
    let minutes = now.tick_ms.saturating_sub(run.blind_since_ms?).div_euclid(60_000);
    let behind = i64::from(run.minutes_behind(now.tick_ms));
    let long = minutes.max(if run.first.is_some() { behind } else { 0 });
    (long >= i64::from(settings.blind_after_minutes)).then(|| Condition {
        topic: Topic::Blind,
        text: format!(
            "No metrics for {long} minutes: {} A broken limit would go unseen; alarms still roll back. Next: rolloutctl check",
            explain::last_decision(run)
        ),
    })
}

fn holding_too_long(run: &Run, settings: &Settings, now: Now) -> Option<Condition> {
    let minutes = now.tick_ms.saturating_sub(run.since_ms).div_euclid(60_000);
    let too_long = minutes >= i64::from(settings.max_hold_minutes) && run.phase.pause().is_none();
    too_long.then(|| Condition {
        topic: Topic::HoldingTooLong,
        text: format!(
            "At {} for {}: {} Traffic is unchanged. Next: rolloutctl status",
            run.weight,
            duration(minutes * 60_000),
            explain::last_decision(run)
        ),
    })
}

fn no_traffic(run: &Run) -> Option<Condition> {
    let silence = run.gathered.silence();
    let alarming = silence.is_alarming() && run.mode == Mode::Active && run.weight > Weight::ZERO;
    alarming.then(|| Condition {
        topic: Topic::NoTraffic,
        text: format!(
            "No request reached {} for {} minutes; about {} were expected. Check rule and target group. Next: rolloutctl check",
            run.terms.labels.new,
            silence.minutes,
            whole(silence.expected)
        ),
    })
}

fn moved(run: &Run) -> Option<Condition> {
    let Phase::Moved { found, .. } = &run.phase else { return None };
    Some(Condition {
        topic: Topic::MovedBySomeoneElse,
        text: format!(
            "Expected {}, but {}. No step is taken; protection stays on. Next: rolloutctl resume --adopt, or rollback",
            run.weight,
            RouteFound::list(found)
        ),
    })
}

fn unsafe_rules(seen: &Observation) -> Option<Condition> {
    let findings = seen.unsafe_rules();
    (!findings.is_empty()).then(|| Condition {
        topic: Topic::HeaderRuleChanged,
        text: explain::sentence(&findings.join("; ")),
    })
}

fn rollback_incomplete(run: &Run) -> Option<Condition> {
    let Phase::RollingBack { unreached, tries, .. } = &run.phase else { return None };
    (*tries > 0).then(|| Condition {
        topic: Topic::RollbackIncomplete,
        text: format!(
            "AWS: {}. Run now: rolloutctl rollback --direct --reason \"…\"",
            RouteFound::list(unreached)
        ),
    })
}

fn pause_expires(run: &Run, now: Now) -> Option<Condition> {
    let until = run.phase.pause()?.until_ms?;
    (now.tick_ms >= until.saturating_sub(PAUSE_WARNING_MS)).then(|| Condition {
        topic: Topic::PauseExpires,
        text: format!(
            "The pause ends at {}. Steps go on by themselves. Longer: rolloutctl pause --for 2h --reason \"…\"",
            explain::time(until, now.tick_ms)
        ),
    })
}

/// The old side breaks a limit, alone or with the new one, for some minutes.
fn both_sides(run: &Run) -> Option<Condition> {
    let summary = run.summary()?;
    let since = summary.old_side_bad.map(|(_, since)| summary.minute.since(since))?;
    if since < BOTH_SIDES_MINUTES {
        return None;
    }
    let Labels { old, new } = &run.terms.labels;
    let over: Vec<String> = standings(run)
        .into_iter()
        .filter(|standing| standing.old.over)
        .map(|standing| {
            let limit = standing.metric.title();
            if standing.new.over {
                format!("{old} and {new} both break {limit}")
            } else {
                format!("{old} breaks {limit}")
            }
        })
        .collect();
    (!over.is_empty()).then(|| Condition {
        topic: Topic::BothSides,
        text: format!(
            "{}; {new} is no worse. No step is taken. Look at what both share: database, network.",
            over.join("; ")
        ),
    })
}

fn write_refused(run: &Run) -> Option<Condition> {
    let refused = run.refused.as_ref().filter(|refused| refused.times >= REFUSALS)?;
    Some(Condition {
        topic: Topic::WriteRefused,
        text: format!(
            "AWS refused the step to {} {} times: {}. The share stays. Next: rolloutctl check",
            refused.to,
            refused.times,
            RouteFound::list(&refused.routes)
        ),
    })
}

fn code_unknown(run: &Run, now: Now) -> Option<Condition> {
    let since = run.code_unknown_ms?;
    (now.tick_ms.saturating_sub(since) >= CODE_UNKNOWN_MS).then(|| Condition {
        topic: Topic::NewCode,
        text: format!(
            "It is not known since {} which code runs. No step is taken; protection stays on. Next: rolloutctl check",
            explain::time(since, now.tick_ms)
        ),
    })
}

fn broken_channels(journal: &Journal, now: Now) -> Option<Condition> {
    let long: Vec<String> = journal
        .outbox
        .broken()
        .iter()
        .filter(|(_, outage)| now.tick_ms.saturating_sub(outage.since_ms) >= CHANNEL_BROKEN_MS)
        .map(|(channel, outage)| {
            let waiting = journal.outbox.waiting(*channel).map_or(0, |(count, _)| count);
            let name = Channel::name(*channel);
            format!("{waiting} messages did not reach {name}: {}", outage.error)
        })
        .collect();
    (!long.is_empty()).then(|| Condition { topic: Topic::ChannelBroken, text: long.join("; ") })
}

/// A rule that does not show how the run ended.
fn differs_after_the_end(run: &Run, seen: &Observation) -> Option<String> {
    if run.mode == Mode::Shadow {
        return None;
    }
    let expected = match &run.phase {
        Phase::RolledBack { .. } => Weight::ZERO,
        Phase::Completed { .. } => run.weight,
        Phase::Abandoned { .. } => return without_a_run(seen, &run.terms.labels),
        Phase::Starting
        | Phase::Advancing { .. }
        | Phase::Paused { .. }
        | Phase::Moved { .. }
        | Phase::RollingBack { .. } => return None,
    };
    let other = differing(&run.terms, seen, expected);
    (!other.is_empty()).then(|| {
        let list = RouteFound::list(&other);
        if expected == Weight::ZERO {
            let new = &run.terms.labels.new;
            format!("Rolled back, but {list}. Only a new start gives {new} traffic. Next: rolloutctl rollback")
        } else {
            format!(
                "Completed at {expected}, but {list}. Only alarms protect that traffic."
            )
        }
    })
}

/// Traffic for the new side that no run of ours gave it.
fn without_a_run(seen: &Observation, Labels { old, new }: &Labels) -> Option<String> {
    let shares: Vec<String> = seen
        .rules
        .iter()
        .flatten()
        .filter(|rule| !rule.share.is_reached())
        .map(|rule| rule.share.to_string())
        .collect();
    (!shares.is_empty()).then(|| {
        format!(
            "{new} has {}, and no run protects it. All to {old}: rolloutctl rollback --reason \"…\"",
            shares.join(", ")
        )
    })
}
