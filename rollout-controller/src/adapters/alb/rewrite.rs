//! The same actions once more: may this rule be written?

use super::reader::Reader;
use super::shift::time_left;
use super::weights;
use crate::domain::route::Route;
use crate::ports::{Clock, Share, TrafficError, WritePermit};

/// Writes what was read a moment ago, and reads it back.
pub(super) async fn rewrite(
    reader: &Reader,
    clock: &dyn Clock,
    permit: &WritePermit,
    route: &Route,
) -> Result<Share, TrafficError> {
    let rule = reader.rule(route).await?;
    let share = weights::share(&rule, route);
    let Share::Weight(to) = share else { return Ok(share) };
    if !permit.allows(&share, to) {
        return Err(TrafficError::NotAllowed { rule: route.rule.clone(), to });
    }
    let deadline = permit.deadline();
    let Some(limit) = time_left(clock, deadline) else {
        return Err(TrafficError::Late { rule: route.rule.clone(), deadline });
    };
    reader
        .write(route, weights::as_found(&rule), limit)
        .await
        .map_err(|error| TrafficError::Write { rule: route.rule.clone(), source: error.into() })?;
    let shown = reader.rule(route).await?;
    Ok(weights::share(&shown, route))
}
