//! Brings the journal in line with what the rules show, before anything is decided.

use super::copy::Copy;
use super::draft::Draft;
use super::event::{End, Event, LoweredBy, RouteFound, Who};
use super::journal::FoldError;
use super::message::Topic;
use super::observation::{Now, Observation, RouteSeen, Seen};
use super::phase::Phase;
use super::plan::{Mode, Terms};
use super::raise::in_flight;
use super::run::{Intent, Run};
use super::weight::Weight;
use crate::planted::planted;

/// What each rule shows, for the journal.
pub fn found(terms: &Terms, rules: &[Seen<RouteSeen>]) -> Vec<RouteFound> {
    let routes = terms.routes.iter().zip(rules);
    routes
        .map(|(route, seen)| match seen {
            Ok(seen) => RouteFound {
                route: route.name.clone(),
                weight: seen.share.weight(),
                reached: seen.share.is_reached(),
                text: format!("shows {}", seen.share),
            },
            Err(why) => RouteFound {
                route: route.name.clone(),
                weight: None,
                reached: false,
                text: why.to_string(),
            },
        })
        .collect()
}

/// The rules that were read and do not show this weight. Where it is 0, whatever gives
/// the new side nothing will do.
pub fn differing(terms: &Terms, seen: &Observation, expected: Weight) -> Vec<RouteFound> {
    let found = found(terms, &seen.rules).into_iter().zip(&seen.rules);
    found
        .filter(|(found, rule)| {
            rule.is_ok()
                && found.weight != Some(expected)
                && !(expected == Weight::ZERO && found.reached)
        })
        .map(|(found, _)| found)
        .collect()
}

/// Settles the intent of a process that is gone, notices what others did, and
/// takes in a rollback that was ordered without the journal.
///
/// # Errors
/// [`FoldError`] if the events cannot follow.
pub fn reconcile(draft: &mut Draft, seen: &Observation, now: Now) -> Result<(), FoldError> {
    let Some(run) = draft.journal.open_run().cloned() else {
        take_order(draft, seen, now)?;
        return finish_rollback(draft, seen, now);
    };
    if run.mode == Mode::Shadow {
        take_order(draft, seen, now)?;
        // Nothing is moved in shadow mode, by nobody's order: it ends the run.
        end_rollback(draft, now)?;
        return follow(draft, seen, now);
    }
    if let Some(intent) = &run.intent
        && !settle(draft, &run, intent, seen, now)?
    {
        return take_order(draft, seen, now);
    }
    take_order(draft, seen, now)?;
    compare(draft, seen, now)
}

/// Settles an intent. `false`: it stays open, because its process may still be
/// writing, a raise is half done, or a rule cannot be read.
fn settle(
    draft: &mut Draft,
    run: &Run,
    intent: &Intent,
    seen: &Observation,
    now: Now,
) -> Result<bool, FoldError> {
    let lowers_all = intent.to == Weight::ZERO && seen.all_reached();
    if seen.all_show(intent.to) || lowers_all {
        draft.add(now.tick_ms, intent.applied())?;
        return Ok(true);
    }
    let Ok(shares) = seen.shares() else { return Ok(false) };
    let ours = |weight: Weight| weight == intent.to || weight == intent.from;
    let half_done = shares.iter().all(|share| share.weight().is_some_and(ours))
        && shares.iter().any(|share| share.weight() == Some(intent.to));
    if in_flight(run, now).is_some() || half_done {
        return Ok(false);
    }
    draft.add(now.tick_ms, intent.not_applied(found(&run.terms, &seen.rules)))?;
    Ok(true)
}

/// A rollback that was given while the journal could not be written is journalled
/// with who and why.
///
/// # Errors
/// [`FoldError`] if the event cannot follow.
pub(super) fn take_order(draft: &mut Draft, seen: &Observation, now: Now) -> Result<(), FoldError> {
    let Ok(Some(order)) = &seen.order else { return Ok(()) };
    if !draft.journal.lacks(order) || planted!(OrderIsForgotten) {
        return Ok(());
    }
    let who = Who { identity: order.identity.clone(), reason: order.reason.clone() };
    let command = order.command.clone();
    let Some(run) = draft.journal.run.clone() else {
        let by = LoweredBy::Person { who, command };
        return draft.add(now.tick_ms, Event::LoweredOutside { expected: Weight::ZERO, by });
    };
    if run.is_open()
        && run.weight > Weight::ZERO
        && seen.all_reached()
        && let Some(by) = protected_outside(&run, seen)
    {
        draft.add(now.tick_ms, Event::LoweredOutside { expected: run.weight, by })?;
    }
    let given_ms = Some(order.at_ms);
    draft.add(now.tick_ms, Event::RollbackOrdered { who, command, given_ms })
}

fn compare(draft: &mut Draft, seen: &Observation, now: Now) -> Result<(), FoldError> {
    let Some(run) = draft.journal.open_run().cloned() else { return Ok(()) };
    if let Phase::RollingBack { .. } = run.phase {
        return finish_rollback(draft, seen, now);
    }
    // The decision goes on with it; whatever the rules show is not somebody else's.
    if begun_outside(&run, seen, now.earlier_ms()).is_some() {
        return Ok(());
    }
    let run = match raised_since(&run, seen) {
        Some(by) => {
            draft.add(now.tick_ms, Event::LoweredOutside { expected: run.weight, by })?;
            draft.journal.open_run().cloned().unwrap_or(run)
        }
        None => run,
    };
    if seen.all_show(run.weight) {
        // Also where a change was undone before anybody looked: the routes of a write that
        // failed would stand apart for good, and none of their minutes could be judged.
        if matches!(run.phase, Phase::Moved { .. }) || run.stands_apart() {
            let text = "Every rule shows the journal's weight again.".to_owned();
            let topic = Topic::MovedBySomeoneElse;
            return draft.add(now.tick_ms, Event::Cleared { topic, text });
        }
        return Ok(());
    }
    if seen.unreadable_rule().is_some() {
        return Ok(());
    }
    if seen.all_reached() && run.weight > Weight::ZERO {
        return lowered_outside(draft, &run, seen, now);
    }
    let found = found(&run.terms, &seen.rules);
    let known = matches!(&run.phase, Phase::Moved { found: before, .. } if *before == found);
    if !known && !planted!(MovedIsNotTold) {
        draft.add(now.tick_ms, Event::MovedByOther { expected: run.weight, found })?;
    }
    Ok(())
}

/// Nothing reaches the new side, and the journal had not ordered that.
fn lowered_outside(
    draft: &mut Draft,
    run: &Run,
    seen: &Observation,
    now: Now,
) -> Result<(), FoldError> {
    let by = protected_outside(run, seen).unwrap_or(LoweredBy::Unknown);
    let reason = match &by {
        LoweredBy::Protection { reason, .. } => {
            format!("rolled back while the journal was out of reach: {reason}")
        }
        LoweredBy::Person { .. } | LoweredBy::Unknown => {
            format!(
                "every rule was found at 0%, {} expected: rolled back outside the journal",
                run.weight
            )
        }
    };
    draft.add(now.tick_ms, Event::LoweredOutside { expected: run.weight, by })?;
    draft.add(now.tick_ms, Event::Finished { end: End::RolledBack, reason })
}

/// The copy of this run, if it says that the new side left, or is to leave, traffic.
fn left_outside<'a>(run: &Run, seen: &'a Observation) -> Option<&'a Copy> {
    let copy: &Copy = seen.copy.as_ref().ok()?.as_ref()?;
    (copy.has_left() && copy.run == run.number).then_some(copy)
}

/// The controller's own protection, if the copy says that it lowered this run.
pub(super) fn protected_outside(run: &Run, seen: &Observation) -> Option<LoweredBy> {
    let copy = left_outside(run, seen)?;
    Some(LoweredBy::Protection { reason: copy.reason.clone()?, at_ms: copy.at_ms })
}

/// A rollback that protection began without the journal and that is not so: it reached some
/// routes only, or someone raised a share soon after it. Why it began.
pub(super) fn begun_outside(run: &Run, seen: &Observation, at_ms: i64) -> Option<String> {
    let copy = left_outside(run, seen).filter(|copy| copy.lowers(at_ms))?;
    let acts = run.is_open() && run.mode == Mode::Active && !planted!(ProtectionIsNotFinished);
    copy.reason.clone().filter(|_| acts && !seen.all_reached())
}

/// Protection took the new side out of traffic without the journal, and someone has given it
/// a share again since, long after.
fn raised_since(run: &Run, seen: &Observation) -> Option<LoweredBy> {
    let raised = seen.unreadable_rule().is_none() && !seen.all_reached();
    protected_outside(run, seen).filter(|_| raised && run.weight > Weight::ZERO)
}

/// Ends a run that is rolling back, once no route gives the new side anything.
///
/// # Errors
/// [`FoldError`] if the event cannot follow.
pub fn finish_rollback(draft: &mut Draft, seen: &Observation, now: Now) -> Result<(), FoldError> {
    if seen.all_reached() { end_rollback(draft, now) } else { Ok(()) }
}

/// Ends a run that is rolling back: every route was read and is reached.
///
/// # Errors
/// [`FoldError`] if the event cannot follow.
pub fn end_rollback(draft: &mut Draft, now: Now) -> Result<(), FoldError> {
    let Some(run) = draft.journal.open_run() else { return Ok(()) };
    let Some(reason) = run.phase.rolling_back() else { return Ok(()) };
    let reason = super::explain::rollback_reason(reason, &run.terms.labels);
    draft.add(now.tick_ms, Event::Finished { end: End::RolledBack, reason })
}

/// A shadow run follows the rules.
fn follow(draft: &mut Draft, seen: &Observation, now: Now) -> Result<(), FoldError> {
    let Some(run) = draft.journal.open_run() else { return Ok(()) };
    let Ok(shares) = seen.shares() else { return Ok(()) };
    let first = shares.first().and_then(|share| share.weight());
    match first {
        Some(weight) if weight != run.weight && seen.all_show(weight) => {
            draft.add(now.tick_ms, Event::Followed { weight })
        }
        Some(_) | None => Ok(()),
    }
}
