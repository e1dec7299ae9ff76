//! The one write of a tick, and what the world became.
//!
//! Nothing is chosen here: the shift says exactly what every rule must show
//! before and after. A failed write is an outcome, so that it is journalled too.

use crate::domain::decision::{CauseKind, Shift};
use crate::domain::draft::{Draft, Now};
use crate::domain::event::{Event, RouteOutcome};
use crate::domain::journal::FoldError;
use crate::domain::message::Topic;
use crate::domain::reconcile::finish_rollback;
use crate::domain::route::Route;
use crate::domain::weight::Weight;
use crate::errors::chain;
use crate::ports::{Traffic, TrafficError, Turn};
use futures_util::future::join_all;

/// What became of a shift.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// One for each route, in order.
    pub routes: Vec<RouteOutcome>,
}

impl Outcome {
    /// Whether every route shows this weight.
    pub fn all_at(&self, weight: Weight) -> bool {
        !self.routes.is_empty() && self.routes.iter().all(|route| route.weight == Some(weight))
    }

    /// Routes that do not show this weight and what was found, `a: …; b: …`.
    pub fn not_at(&self, weight: Weight) -> String {
        let others = self.routes.iter().filter(|r| r.weight != Some(weight));
        let each: Vec<String> = others.map(|r| format!("{}: {}", r.route, r.text)).collect();
        each.join("; ")
    }

    /// Whether every route is known to show one of our weights.
    fn all_known(&self) -> bool {
        self.routes.iter().all(|route| route.weight.is_some())
    }
}

/// Moves every route. A rollback goes on to every route even if one fails; a
/// raise stops at the first failure, and the next tick finishes or undoes it.
pub async fn act(traffic: &dyn Traffic, routes: &[Route], turn: &Turn, shift: &Shift) -> Outcome {
    if shift.to == Weight::ZERO {
        let moves = routes.iter().map(|route| move_route(traffic, route, turn, shift));
        return Outcome { routes: join_all(moves).await };
    }
    let mut outcomes = Vec::with_capacity(routes.len());
    let mut stopped = false;
    for route in routes {
        let outcome = if stopped {
            let text = "not tried: another route failed first".to_owned();
            RouteOutcome { route: route.name.clone(), weight: shift.from, text }
        } else {
            move_route(traffic, route, turn, shift).await
        };
        stopped = outcome.weight != Some(shift.to);
        outcomes.push(outcome);
    }
    Outcome { routes: outcomes }
}

async fn move_route(
    traffic: &dyn Traffic,
    route: &Route,
    turn: &Turn,
    shift: &Shift,
) -> RouteOutcome {
    let (weight, text) = match traffic.shift(turn, route, shift.from, shift.to).await {
        Ok(shown) => (Some(shown), format!("shows {shown}")),
        Err(error) => {
            // Nothing was written, and what the rule shows is known.
            let known = match &error {
                TrafficError::Moved { found, .. } | TrafficError::NotTaken { found, .. } => {
                    match found {
                        crate::ports::Share::Weight(weight) => Some(*weight),
                        crate::ports::Share::Foreign(_) => None,
                    }
                }
                TrafficError::Late { .. } => shift.from,
                TrafficError::Read { .. } | TrafficError::Unknown { .. } => None,
                TrafficError::Write { .. } => shown_after_error(traffic, route).await,
            };
            (known, chain(&error))
        }
    };
    RouteOutcome { route: route.name.clone(), weight, text }
}

/// A write that failed may have been committed all the same: look.
async fn shown_after_error(traffic: &dyn Traffic, route: &Route) -> Option<Weight> {
    match traffic.read(route).await.ok()?.share {
        crate::ports::Share::Weight(weight) => Some(weight),
        crate::ports::Share::Foreign(_) => None,
    }
}

/// Adds what became of a shift to a draft that follows the intent. Adds nothing
/// if a raise is half done or its outcome is unknown: the intent then stays open
/// and the next tick settles it from what the rules show.
///
/// # Errors
/// [`FoldError`] if the events cannot follow.
pub fn journal_outcome(
    draft: &mut Draft,
    shift: &Shift,
    outcome: &Outcome,
    now: Now,
) -> Result<(), FoldError> {
    let run = draft.journal.run.as_ref();
    let Some(intent) = run.and_then(|run| run.intent.clone()) else {
        return Ok(());
    };
    let to = intent.to;
    if outcome.all_at(to) {
        draft.add(now.tick_ms, intent.applied())?;
        return finish_rollback(draft, now);
    }
    let rollback = matches!(shift.cause.kind, CauseKind::RollBack | CauseKind::PutBack);
    let untouched = outcome.all_known() && outcome.routes.iter().all(|r| r.weight != Some(to));
    if rollback || untouched {
        let routes = outcome.routes.clone();
        draft.add(now.tick_ms, intent.not_applied(routes))?;
    }
    let topic = Topic::RollbackIncomplete;
    let told = draft.journal.run.as_ref().is_some_and(|run| run.raised.contains_key(&topic));
    if rollback && !told {
        let text = format!("Trying again every minute. {}", outcome.not_at(to));
        draft.add(now.tick_ms, Event::Raised { topic, text })?;
    }
    Ok(())
}
