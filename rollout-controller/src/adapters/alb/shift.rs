//! Read, compare, write once, read back.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::sleep;

use super::reader::{Reader, says_unknown, unknown};
use super::weights;
use crate::adapters::aws::{CallError, OPERATION};
use crate::domain::route::Route;
use crate::domain::weight::Weight;
use crate::ports::{Clock, Share, TrafficError};

/// Pauses before each attempt to write. A throttled or unanswered write is tried
/// again, each time from the read on.
const BEFORE_WRITES: [Duration; 3] =
    [Duration::ZERO, Duration::from_millis(250), Duration::from_secs(1)];
/// Pauses before each read back. DescribeRules shows new weights at once; that is
/// observed and nowhere promised.
const BEFORE_READS: [Duration; 3] =
    [Duration::ZERO, Duration::from_millis(200), Duration::from_millis(500)];

pub(super) async fn shift(
    reader: &Reader,
    clock: &dyn Clock,
    deadline: Timestamp,
    route: &Route,
    from: Option<Weight>,
    to: Weight,
) -> Result<Weight, TrafficError> {
    let mut failed: Option<CallError> = None;
    for pause in BEFORE_WRITES {
        sleep(pause).await;
        // After a write without an answer this read tells whether it took effect.
        let rule = match (reader.rule(route).await, failed.take()) {
            (Ok(rule), before) => {
                failed = before;
                rule
            }
            (Err(error), None) => return Err(error),
            (Err(_), Some(write)) => return Err(write_error(route, write)),
        };
        let found = weights::share(&rule, route);
        if found == Share::Weight(to) {
            return Ok(to);
        }
        if let Some(expected) = from.filter(|&from| found != Share::Weight(from)) {
            return Err(TrafficError::Moved { rule: route.rule.clone(), expected, found });
        }
        let Some(actions) = weights::with_weight(&rule, route, to) else {
            // Only without `from`: the rule has no place for our weights any more.
            return Err(TrafficError::Moved { rule: route.rule.clone(), expected: to, found });
        };
        let left = clock.now().duration_until(deadline);
        let limit = match Duration::try_from(left) {
            Ok(left) if !left.is_zero() => left.min(OPERATION),
            _ => return Err(late(route, deadline, failed)),
        };
        match reader.write(route, actions, limit).await {
            Ok(()) => return read_back(reader, route, to).await,
            Err(error) if says_unknown(&error) => return Err(unknown(route)),
            Err(error) if error.is_passing() => failed = Some(error),
            Err(error) => return Err(write_error(route, error)),
        }
    }
    let shown = reader.rule(route).await.map(|rule| weights::share(&rule, route));
    match (shown, failed) {
        (Ok(Share::Weight(shown)), _) if shown == to => Ok(to),
        (_, Some(write)) => Err(write_error(route, write)),
        // Every way to here left a failed write behind.
        (Ok(found), None) => Err(TrafficError::NotTaken { rule: route.rule.clone(), to, found }),
        (Err(error), None) => Err(error),
    }
}

async fn read_back(reader: &Reader, route: &Route, to: Weight) -> Result<Weight, TrafficError> {
    let mut shown = None;
    for pause in BEFORE_READS {
        sleep(pause).await;
        match reader.rule(route).await {
            Ok(rule) => match weights::share(&rule, route) {
                Share::Weight(weight) if weight == to => return Ok(to),
                found => shown = Some(Ok(found)),
            },
            Err(error) => shown = Some(Err(error)),
        }
    }
    match shown {
        Some(Ok(found)) => Err(TrafficError::NotTaken { rule: route.rule.clone(), to, found }),
        Some(Err(error)) => {
            let words =
                format!("accepted, but reading it back failed: {}", crate::errors::chain(&error));
            Err(write_error(route, CallError::finding("ModifyRule", words)))
        }
        None => Ok(to),
    }
}

fn write_error(route: &Route, error: CallError) -> TrafficError {
    TrafficError::Write { rule: route.rule.clone(), source: error.into() }
}

/// Late, unless a write without an answer went out before: then that is the news.
fn late(route: &Route, deadline: Timestamp, failed: Option<CallError>) -> TrafficError {
    match failed {
        Some(error) => write_error(route, error),
        None => TrafficError::Late { rule: route.rule.clone(), deadline },
    }
}
