//! The pure part: counts in, verdicts out.
//!
//! It imports nothing of the other modules. Nothing in it is async or reads a clock, the environment, a
//! socket or a file. Time enters as [`Minute`], traffic as counts.
//!
//! | module | holds |
//! |---|---|
//! | [`weight`], [`minute`], [`slo`], [`route`], [`calendar`], [`plan`] | what a rollout is made of |
//! | [`observation`] | what a tick saw |
//! | [`evidence`] | the engine that turns minutes into rollback, advance or hold |
//! | [`event`], [`run`], [`journal`] | what happened, and the state that is its fold |
//! | [`reconcile`], [`decide`], [`decision`], [`draft`] | from journal and observation to the next events |
//! | [`command`] | what a person may order, and what becomes of it |
//! | [`conditions`], [`message`] | what people should know of, and what they are sent |
//! | [`explain`] | decisions and events as sentences |

pub mod calendar;
pub mod command;
pub mod conditions;
pub mod decide;
pub mod decision;
pub mod draft;
pub mod event;
pub mod evidence;
pub mod explain;
pub mod journal;
pub mod message;
pub mod minute;
pub mod observation;
mod outbox;
pub mod plan;
pub mod reconcile;
pub mod route;
pub mod run;
pub mod slo;
pub mod weight;

pub use evidence::{
    Engine, Evidence, EvidenceConfig, Family, HoldReason, Judged, Signal, StageDecision,
};
pub use minute::{CommittedMinute, Edges, Histogram, Minute, SideCounts};
pub use slo::{Metric, Slo};
pub use weight::Weight;
