//! Brings the journal in line with what the rules show, before anything is decided.

use super::draft::{Draft, Now};
use super::event::{End, Event, RouteOutcome};
use super::explain;
use super::journal::FoldError;
use super::message::Topic;
use super::observation::{AlarmState, Seen, Share};
use super::plan::Mode;
use super::run::Run;
use super::weight::Weight;

/// Grace after an intent's deadline before another process settles it.
pub(super) const SETTLE_GRACE_MS: i64 = 2_000;

/// What every rule shows, if all can be read: their shares in order.
pub(super) fn shares(seen: &Seen) -> Option<Vec<&Share>> {
    seen.routes.iter().map(|route| route.as_ref().ok().map(|seen| &seen.share)).collect()
}

pub(super) fn all_show(seen: &Seen, weight: Weight) -> bool {
    shares(seen).is_some_and(|shares| shares.iter().all(|share| **share == Share::Weight(weight)))
}

fn outcomes(run: &Run, seen: &Seen) -> Vec<RouteOutcome> {
    let routes = run.terms.routes.iter().zip(&seen.routes);
    routes
        .map(|(route, seen)| match seen {
            Ok(seen) => RouteOutcome {
                route: route.name.clone(),
                weight: match seen.share {
                    Share::Weight(weight) => Some(weight),
                    Share::Foreign(_) => None,
                },
                text: format!("shows {}", seen.share),
            },
            Err(error) => {
                RouteOutcome { route: route.name.clone(), weight: None, text: error.clone() }
            }
        })
        .collect()
}

/// Brings the journal in line with what the rules show.
pub(super) fn settle(draft: &mut Draft, seen: &Seen, now: Now) -> Result<(), FoldError> {
    let Some(run) = draft.journal.open_run().cloned() else {
        return Ok(());
    };
    if run.mode == Mode::Shadow {
        return Ok(());
    }
    if let Some(intent) = &run.intent {
        if all_show(seen, intent.to) {
            draft.add(now.tick_ms, intent.applied())?;
            return finish_rollback(draft, now);
        }
        let expired = now.real_ms > intent.deadline_ms + SETTLE_GRACE_MS;
        let ours = |share: &&Share| {
            **share == Share::Weight(intent.to) || **share == Share::Weight(intent.from)
        };
        let half_done = shares(seen).is_some_and(|shares| {
            shares.iter().all(ours) && shares.iter().any(|s| **s == Share::Weight(intent.to))
        });
        if expired && !half_done && shares(seen).is_some() {
            draft.add(now.tick_ms, intent.not_applied(outcomes(&run, seen)))?;
        } else {
            return Ok(());
        }
    }
    let as_journalled = all_show(seen, run.weight);
    if as_journalled && run.moved.is_some() {
        let text = "Every rule shows the journal's weight again.".to_owned();
        return draft.add(now.tick_ms, Event::Cleared { topic: Topic::MovedBySomeoneElse, text });
    }
    if run.rolling_back.is_some() || as_journalled || shares(seen).is_none() {
        return finish_rollback_if_there(draft, seen, now);
    }
    if all_show(seen, Weight::ZERO) && run.weight > Weight::ZERO {
        draft.add(now.tick_ms, Event::FoundAtZero { expected: run.weight })?;
        let reason = format!(
            "every rule was found at 0 % instead of {}: rolled back by hand, or while the ledger was down",
            run.weight
        );
        return draft.add(now.tick_ms, Event::Finished { end: End::RolledBack, reason });
    }
    let found = outcomes(&run, seen);
    if run.moved.as_ref() != Some(&found) {
        draft.add(now.tick_ms, Event::MovedByOther { expected: run.weight, found })?;
    }
    Ok(())
}

fn finish_rollback_if_there(draft: &mut Draft, seen: &Seen, now: Now) -> Result<(), FoldError> {
    let rolling = draft.journal.open_run().is_some_and(|run| run.rolling_back.is_some());
    if rolling && all_show(seen, Weight::ZERO) {
        return finish_rollback(draft, now);
    }
    Ok(())
}

/// Ends the run, if it was rolling back: every route is at 0 now.
///
/// # Errors
/// [`FoldError`] if the events cannot follow.
pub fn finish_rollback(draft: &mut Draft, now: Now) -> Result<(), FoldError> {
    let Some(run) = draft.journal.open_run() else {
        return Ok(());
    };
    let Some(reason) = &run.rolling_back else {
        return Ok(());
    };
    let reason = explain::rollback_reason(reason);
    draft.add(now.tick_ms, Event::Finished { end: End::RolledBack, reason })
}

pub(super) fn shadow_follows(draft: &Draft, seen: &Seen) -> Option<Weight> {
    let run = draft.journal.open_run().filter(|run| run.mode == Mode::Shadow)?;
    match shares(seen)?.as_slice() {
        [Share::Weight(first), rest @ ..]
            if *first != run.weight && rest.iter().all(|s| **s == Share::Weight(*first)) =>
        {
            Some(*first)
        }
        _ => None,
    }
}

pub(super) fn end_pause(draft: &mut Draft, now: Now) -> Result<(), FoldError> {
    let until = draft.journal.open_run().and_then(|run| run.pause.as_ref()?.until_ms);
    if until.is_some_and(|until| now.tick_ms >= until) {
        draft.add(now.tick_ms, Event::PauseEnded {})?;
    }
    Ok(())
}

/// Alarms from before the start that are OK now: from here on they protect.
pub(super) fn recovered(run: &Run, seen: &Seen) -> Vec<String> {
    let Ok(alarms) = &seen.alarms else {
        return Vec::new();
    };
    let is_ok =
        |name: &&String| alarms.iter().any(|a| a.name == **name && a.state == AlarmState::Ok);
    run.alarms_before.iter().filter(is_ok).cloned().collect()
}
