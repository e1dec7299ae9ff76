//! The flow: what a tick, a command and a question do, step by step.
//!
//! | module | what |
//! |---|---|
//! | [`tick`], [`command`], [`query`] | one for each function |
//! | [`observe`] | reads rules, code, minutes, alarms; a failed read is something seen |
//! | [`step`] | the intent into the journal, [`act`], the outcome into the journal |
//! | [`act`] | writes one weight to every route and reads it back |
//! | [`protect`] | protection while the journal cannot be used |
//! | `examples` | reads examples of the wrong answers that a rollback rests on |
//! | [`deliver`] | sends what the journal owes, each channel by itself |
//! | `patient` | one timeout of the ledger for a whole tick |
//! | [`store`] | journals between the ledger's rows and the domain's events |
//! | [`retention`] | deletes old minutes |

pub mod act;
pub mod command;
pub mod deliver;
mod examples;
pub mod observe;
mod patient;
pub mod protect;
pub mod query;
pub mod retention;
pub mod step;
pub mod store;
pub mod tick;

use crate::domain::copy::Copy;
use crate::domain::observation::{Now, Unread};
use crate::ports::World;
use jiff::{SignedDuration, Timestamp};

/// When a tick is judged for and until when it may write.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// The scheduled time of the event: a late, doubled or replayed tick is
    /// judged for the minute it was meant for.
    pub scheduled: Timestamp,
    /// Real time after which this process must not write any more.
    pub deadline: Timestamp,
}

/// The times of this moment.
pub fn now(world: &World, schedule: Schedule) -> Now {
    Now {
        tick_ms: schedule.scheduled.as_millisecond(),
        clock_ms: world.clock.now().as_millisecond(),
        real_ms: world.clock.real().as_millisecond(),
        deadline_ms: schedule.deadline.as_millisecond(),
    }
}

/// A deadline in real time: `budget` from now, but never past `latest`.
pub fn deadline(world: &World, budget: SignedDuration, latest: Option<Timestamp>) -> Timestamp {
    let own = world.clock.real().saturating_add(budget).unwrap_or(Timestamp::MAX);
    latest.map_or(own, |latest| own.min(latest))
}

/// Writes the copy outside the journal; whether it is written. What fails is logged: the
/// next tick that finds the copy different writes it.
async fn write_copy(world: &World, rollout: &str, copy: &Copy) -> bool {
    let written = world.outposts.write_run(rollout, copy).await;
    if let Err(error) = &written {
        tracing::error!(rollout.name = rollout, "{}", Unread::of(error));
    }
    written.is_ok()
}
