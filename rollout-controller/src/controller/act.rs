//! The one write of a tick, and what the world became.
//!
//! Nothing is chosen here: the shift says exactly what every rule must show
//! before and after. A failed write is an outcome, so that it is journalled too.

use crate::domain::decision::Shift;
use crate::domain::draft::Draft;
use crate::domain::event::RouteFound;
use crate::domain::journal::FoldError;
use crate::domain::observation::{Now, Share, Unread};
use crate::domain::reconcile::end_rollback;
use crate::domain::route::Route;
use crate::domain::weight::Weight;
use crate::planted::planted;
use crate::ports::{Traffic, TrafficError, WritePermit};
use futures_util::future::join_all;

/// What became of a shift.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct StepOutcome {
    /// One for each route, in order.
    pub routes: Vec<RouteFound>,
}

impl StepOutcome {
    /// Whether every route arrived: it shows this weight or, where the new side
    /// leaves traffic, gives it nothing.
    pub fn arrived(&self, to: Weight) -> bool {
        !self.routes.is_empty() && self.routes.iter().all(|route| arrived(route, to))
    }

    /// Routes that did not arrive.
    pub fn missed(&self, to: Weight) -> Vec<RouteFound> {
        self.routes.iter().filter(|route| !arrived(route, to)).cloned().collect()
    }

    /// Whether every route is known to show one of our weights.
    fn all_known(&self) -> bool {
        self.routes.iter().all(|route| route.weight.is_some())
    }
}

fn arrived(route: &RouteFound, to: Weight) -> bool {
    route.weight == Some(to) || (to == Weight::ZERO && route.reached)
}

/// Moves every route. A lowering goes on to every route even if one fails; a
/// raise stops at the first failure, and the next tick finishes or undoes it.
pub async fn act(
    traffic: &dyn Traffic,
    routes: &[Route],
    permit: &WritePermit,
    shift: &Shift,
) -> StepOutcome {
    if !shift.cause.kind.raises() && !planted!(StopsAtTheFirstRoute) {
        let moves = routes.iter().map(|route| move_route(traffic, route, permit, shift));
        return StepOutcome { routes: join_all(moves).await };
    }
    let mut outcomes = Vec::with_capacity(routes.len());
    let mut stopped = false;
    for route in routes {
        let outcome = if stopped {
            RouteFound {
                route: route.name.clone(),
                weight: shift.from,
                reached: shift.from == Some(Weight::ZERO),
                text: "not tried: another route failed first".to_owned(),
            }
        } else {
            move_route(traffic, route, permit, shift).await
        };
        stopped = outcome.weight != Some(shift.to);
        outcomes.push(outcome);
    }
    StepOutcome { routes: outcomes }
}

async fn move_route(
    traffic: &dyn Traffic,
    route: &Route,
    permit: &WritePermit,
    shift: &Shift,
) -> RouteFound {
    let (shows, text) = match traffic.shift(permit, route, shift.from, shift.to).await {
        Ok(shown) => {
            let text = format!("shows {shown}");
            (Some(shown), text)
        }
        Err(error) => {
            // Nothing was written, and what the rule shows is known.
            let known = match &error {
                TrafficError::Moved { found, .. } | TrafficError::NotTaken { found, .. } => {
                    Some(found.clone())
                }
                TrafficError::Late { .. } | TrafficError::NotAllowed { .. } => {
                    shift.from.map(Share::Weight)
                }
                TrafficError::Read { .. } | TrafficError::Unknown { .. } => None,
                // A write that failed may have been committed all the same: look.
                TrafficError::Write { .. } => traffic.read(route).await.ok().map(|seen| seen.share),
            };
            (known, Unread::of(&error).to_string())
        }
    };
    RouteFound {
        route: route.name.clone(),
        weight: shows.as_ref().and_then(Share::weight),
        reached: shows.as_ref().is_some_and(Share::is_reached),
        text,
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
    outcome: &StepOutcome,
    now: Now,
) -> Result<(), FoldError> {
    let run = draft.journal.run.as_ref();
    let Some(intent) = run.and_then(|run| run.intent.clone()) else { return Ok(()) };
    if outcome.arrived(intent.to) {
        draft.add(now.tick_ms, intent.applied())?;
        return end_rollback(draft, now);
    }
    let untouched =
        outcome.all_known() && outcome.routes.iter().all(|route| route.weight != Some(intent.to));
    if !shift.cause.kind.raises() || untouched {
        draft.add(now.tick_ms, intent.not_applied(outcome.routes.clone()))?;
    }
    crate::domain::conditions::report_rollback(draft, now)
}
