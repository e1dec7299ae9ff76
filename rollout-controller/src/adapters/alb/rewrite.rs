//! The same actions once more: may this rule be written?

use std::time::Duration;

use jiff::Timestamp;

use super::reader::Reader;
use super::weights;
use crate::adapters::aws::OPERATION;
use crate::domain::route::Route;
use crate::ports::{Clock, Share, TrafficError};

/// Writes what was read a moment ago, and reads it back.
pub(super) async fn rewrite(
    reader: &Reader,
    clock: &dyn Clock,
    deadline: Timestamp,
    route: &Route,
) -> Result<Share, TrafficError> {
    let rule = reader.rule(route).await?;
    let share = weights::share(&rule, route);
    if matches!(share, Share::Foreign(_)) {
        return Ok(share);
    }
    let mut actions = rule.actions().to_vec();
    for action in &mut actions {
        let groups = action.forward_config.as_ref();
        let groups = groups.and_then(|config| config.target_groups.as_ref());
        if groups.is_some_and(|groups| groups.len() > 1) {
            // The short form names one group only; AWS refuses it beside several.
            action.target_group_arn = None;
        }
    }
    let limit = match Duration::try_from(clock.now().duration_until(deadline)) {
        Ok(left) if !left.is_zero() => left.min(OPERATION),
        _ => {
            return Err(TrafficError::Late { rule: route.rule.clone(), deadline });
        }
    };
    reader
        .write(route, actions, limit)
        .await
        .map_err(|error| TrafficError::Write { rule: route.rule.clone(), source: error.into() })?;
    let shown = reader.rule(route).await?;
    Ok(weights::share(&shown, route))
}
