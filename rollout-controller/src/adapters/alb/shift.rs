//! Read, compare, write once, read back.

use std::time::Duration;

use jiff::Timestamp;

use super::reader::{Reader, says_unknown, unknown};
use super::weights;
use crate::adapters::aws::{CallError, OPERATION};
use crate::domain::route::Route;
use crate::domain::weight::Weight;
use crate::planted::planted;
use crate::ports::{Clock, Share, TrafficError, WritePermit};

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
    permit: &WritePermit,
    route: &Route,
    from: Option<Weight>,
    to: Weight,
) -> Result<Share, TrafficError> {
    let mut failed: Option<CallError> = None;
    for pause in BEFORE_WRITES {
        clock.sleep(pause).await;
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
        if arrived(&found, to) {
            return Ok(found);
        }
        if let Some(expected) =
            from.filter(|&from| found != Share::Weight(from) && !planted!(WritesOverOthers))
        {
            return Err(TrafficError::Moved { rule: route.rule.clone(), expected, found });
        }
        let Some(actions) = weights::with_weight(&rule, route, to) else {
            // Only without `from`: the rule has no place for our weights any more.
            return Err(TrafficError::Moved { rule: route.rule.clone(), expected: to, found });
        };
        let late_is_fine = planted!(WritesLate).then_some(OPERATION);
        let Some(limit) = time_left(clock, permit.deadline()).or(late_is_fine) else {
            return Err(late(route, permit.deadline(), failed));
        };
        if !may_write(permit, &found, from, to) {
            return Err(TrafficError::NotAllowed { rule: route.rule.clone(), to });
        }
        match reader.write(route, actions, limit).await {
            Ok(()) if planted!(NoReadBack) => return Ok(Share::Weight(to)),
            Ok(()) => return read_back(reader, clock, route, to).await,
            Err(error) if says_unknown(&error) => return Err(unknown(route)),
            Err(error) if error.is_passing() => failed = Some(error),
            Err(error) => return Err(write_error(route, error)),
        }
    }
    let shown = reader.rule(route).await.map(|rule| weights::share(&rule, route));
    match (shown, failed) {
        (Ok(shown), _) if arrived(&shown, to) => Ok(shown),
        (_, Some(write)) => Err(write_error(route, write)),
        // Every way to here left a failed write behind.
        (Ok(found), None) => Err(TrafficError::NotTaken { rule: route.rule.clone(), to, found }),
        (Err(error), None) => Err(error),
    }
}

/// Whether there is nothing to do: the rule shows the share, or it gives the new
/// group nothing, which is all that 0 asks for.
fn arrived(shown: &Share, to: Weight) -> bool {
    *shown == Share::Weight(to) || (to == Weight::ZERO && shown.is_reached())
}

/// Whether this write is one that was permitted. Without the weight that the caller
/// saw, nothing may rise, whatever the permit says.
fn may_write(permit: &WritePermit, found: &Share, from: Option<Weight>, to: Weight) -> bool {
    let lowers = match found {
        Share::Weight(found) => to <= *found,
        Share::Foreign(_) => to == Weight::ZERO,
    };
    permit.allows(found, to) && (lowers || from.is_some())
}

/// Time of one write until the permit ends; `None` if it has ended.
pub(super) fn time_left(clock: &dyn Clock, deadline: Timestamp) -> Option<Duration> {
    let left = Duration::try_from(clock.real().duration_until(deadline)).ok()?;
    (!left.is_zero()).then(|| left.min(OPERATION))
}

async fn read_back(
    reader: &Reader,
    clock: &dyn Clock,
    route: &Route,
    to: Weight,
) -> Result<Share, TrafficError> {
    let mut shown = None;
    for pause in BEFORE_READS {
        clock.sleep(pause).await;
        match reader.rule(route).await.map(|rule| weights::share(&rule, route)) {
            Ok(share) if arrived(&share, to) => return Ok(share),
            other => shown = Some(other),
        }
    }
    match shown {
        Some(Ok(found)) => Err(TrafficError::NotTaken { rule: route.rule.clone(), to, found }),
        Some(Err(error)) => {
            let words =
                format!("accepted, but reading it back failed: {}", crate::errors::chain(&error));
            Err(write_error(route, CallError::finding("ModifyRule", words)))
        }
        None => Ok(Share::Weight(to)),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::observation::Foreign;

    fn tenths(tenths: u16) -> Weight {
        Weight::from_tenths(tenths).unwrap()
    }

    #[test]
    fn a_permit_to_lower_raises_nothing_and_neither_does_a_write_that_expects_nothing() {
        let lower_only = WritePermit::lower_only(Timestamp::MAX);
        let foreign = Share::Foreign(Foreign { what: "rs/2 1".to_owned(), reaches_new: true });
        let at = |share| Share::Weight(tenths(share));
        let may = |found: &Share, from, to| may_write(&lower_only, found, from, tenths(to));
        assert!(may(&at(250), None, 0) && may(&at(250), Some(tenths(250)), 100));
        assert!(!may(&at(250), Some(tenths(250)), 500));
        assert!(may(&foreign, None, 0) && !may(&foreign, None, 10));
    }

    #[test]
    fn a_rule_that_gives_the_new_group_nothing_has_arrived_at_0_and_at_nothing_else() {
        let foreign = |reaches_new| Share::Foreign(Foreign { what: String::new(), reaches_new });
        assert!(arrived(&foreign(false), Weight::ZERO) && !arrived(&foreign(true), Weight::ZERO));
        assert!(!arrived(&foreign(false), tenths(10)));
        assert!(arrived(&Share::Weight(tenths(10)), tenths(10)));
    }
}
