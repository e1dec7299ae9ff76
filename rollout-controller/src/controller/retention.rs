//! Old minutes leave the journal; everything else in it stays.
//!
//! A journal grows by one `ticked` entry a minute, and those are worth reading only
//! while their run goes on: they rebuild its evidence. So minutes go once they are
//! older than `ledger.keep_minutes`, are part of the snapshot, and belong to a run
//! that has ended. An open run keeps all of its own, however long it takes: an
//! upgrade that cannot read the snapshot folds it again from its start.

use super::Schedule;
use super::store::Loaded;
use crate::config::Config;
use crate::domain::event::Event;
use crate::domain::journal::Journal;
use crate::errors::chain;
use crate::ports::{LedgerError, World};
use jiff::Timestamp;
use std::time::Duration;

/// Pruning happens in this minute of each hour, away from the full hour at which
/// everybody's jobs run. A tick that is missed leaves it to the next hour.
const MINUTE_OF_HOUR: i64 = 30;

/// Prunes every journal, if it is time. Called when all is decided and done: a
/// failure is logged and changes nothing, the next hour tries again.
pub async fn prune(
    world: &World,
    config: &Config,
    loaded: &[Result<Loaded, LedgerError>],
    schedule: Schedule,
) {
    if !is_due(schedule.scheduled) {
        return;
    }
    for (rollout, loaded) in config.rollouts.iter().zip(loaded) {
        let Ok(loaded) = loaded else { continue };
        if loaded.broken.is_some() {
            continue;
        }
        if world.clock.real() >= schedule.deadline {
            return;
        }
        let keep = config.ledger.keep_minutes;
        let before_ms = before(&loaded.journal, schedule.scheduled, keep);
        let name = &rollout.name;
        match world.ledger.prune(name, Event::TICKED, before_ms).await {
            Ok(0) => {}
            Ok(gone) => {
                tracing::info!(rollout.name = name, gone, "{name}: {gone} old minutes pruned");
            }
            Err(error) => {
                tracing::warn!(rollout.name = name, "{name}: old minutes stay: {}", chain(&error));
            }
        }
    }
}

fn is_due(scheduled: Timestamp) -> bool {
    scheduled.as_second().div_euclid(60).rem_euclid(60) == MINUTE_OF_HOUR
}

/// Minutes before this time may go, in milliseconds since the Unix epoch.
fn before(journal: &Journal, now: Timestamp, keep: Duration) -> i64 {
    let keep_ms = i64::try_from(keep.as_millis()).unwrap_or(i64::MAX);
    let old = now.as_millisecond().saturating_sub(keep_ms);
    let started = journal.open_run().map(|run| run.started_ms);
    started.map_or(old, |started| old.min(started))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_minute_of_each_hour_prunes() {
        let start: Timestamp = "2026-11-24T08:00:00Z".parse().unwrap();
        let minutes = (0..180).map(|minute| {
            let after = jiff::SignedDuration::from_mins(minute);
            is_due(start.saturating_add(after).unwrap())
        });
        let due: Vec<usize> =
            minutes.enumerate().filter_map(|(minute, due)| due.then_some(minute)).collect();
        assert_eq!(due, [30, 90, 150]);
    }
}
