//! Whether ticks come at all. Between rollouts the journal does not tell: there
//! ticks write nothing. Their heartbeat metric does.

use super::Finding;
use super::journal::duration;
use crate::domain::minute::Minute;
use crate::ports::BoxError;
use async_trait::async_trait;
use jiff::Timestamp;

/// Minutes looked back. A metric made from a log line may take a few to appear.
const LOOK_BACK: i64 = 30;
const LATE_MS: i64 = 10 * 60_000;

/// Reads the heartbeat of ticks.
#[async_trait]
pub trait Pulse: Send + Sync {
    /// The newest minute in which a tick of this rollout ran, from `from` until
    /// before `until`; `None` if there was none.
    async fn last_beat(
        &self,
        rollout: &str,
        from: Minute,
        until: Minute,
    ) -> Result<Option<Minute>, BoxError>;
}

pub(super) async fn finding(name: &str, pulse: &dyn Pulse, now: Timestamp) -> Finding {
    const CHECK: &str = "heartbeat";
    const WHY: &str = "no tick, no advance, and no rollback on evidence";
    const FIX: &str = "look at the schedule (enabled, its role), the tick function's log, throttles and reserved concurrency";
    let until = Minute::containing(now).plus(1);
    match pulse.last_beat(name, until.plus(-LOOK_BACK), until).await {
        Ok(Some(minute)) => {
            let age_ms = (now.as_millisecond() - minute.0 * 60_000).max(0);
            let what = format!("the last tick ran {} ago", duration(age_ms));
            if age_ms > LATE_MS {
                Finding::bad(CHECK, name, what, WHY, FIX)
            } else {
                Finding::ok(CHECK, name, what, WHY)
            }
        }
        // Perhaps deployed a minute ago. With a rollout under way the journal tells,
        // and then it is bad.
        Ok(None) => {
            let what = format!("no tick ran within {LOOK_BACK} minutes");
            Finding::warn(CHECK, name, what, WHY, FIX)
        }
        Err(error) => Finding::warn(
            CHECK,
            name,
            crate::errors::chain(&*error),
            WHY,
            "allow cloudwatch:GetMetricData on * for yourself",
        ),
    }
}
