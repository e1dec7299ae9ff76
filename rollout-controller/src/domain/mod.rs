//! The pure part: counts in, verdicts out.
//!
//! Nothing below this module is async or reads a clock, the environment, a
//! socket or a file. Time enters as [`Minute`], traffic as counts.
//!
//! | module | holds |
//! |---|---|
//! | [`weight`] | the share of requests sent to the new side |
//! | [`minute`] | one minute of counts for both sides, the only input of the statistics |
//! | [`slo`] | the limits a rollout must keep |
//! | [`evidence`] | the engine that turns minutes into rollback, advance or hold |

pub mod calendar;
pub mod command;
pub mod conditions;
pub mod decide;
pub mod decision;
pub mod evidence;
pub mod journal;
pub mod minute;
mod outbox;
pub mod page;
pub mod route;
pub mod seen;
pub mod slo;
pub mod terms;
pub mod weight;

pub use evidence::{
    Engine, Evidence, EvidenceConfig, Family, HoldReason, Judged, Signal, StageDecision,
};
pub use minute::{CommittedMinute, Edges, Histogram, Minute, SideCounts};
pub use slo::{Metric, Slo};
pub use weight::Weight;
