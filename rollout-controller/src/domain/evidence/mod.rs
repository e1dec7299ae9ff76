//! When to advance, hold or roll back: a fold over committed minutes.
//!
//! Every objective is a statement about a rate, so one test serves errors and
//! latency. Evidence is an *e-process*: it starts at 1 and, while the service is
//! fine, its expectation stays at most 1 however often we look, so the chance
//! that it ever reaches `1/alpha` is at most alpha (Ville 1939).
//!
//! - **Breach**: evidence against the new side, eight families mixed.
//!   `E >= 1/alpha` means rollback.
//! - **Gate**: evidence that the next step is safe, one per metric, fresh in
//!   each stage. All at `1/beta` mean advance.
//! - Neither: hold, with the reason and about how long.
//!
//! [`Engine::new`] checks settings and limits, [`Engine::start`] makes the state
//! of a rollout, [`Evidence::learn_history`] feeds the hour before,
//! [`Engine::judge`] folds one minute, [`Engine::stage_gate`] says what it means
//! for the stage.

mod config;
mod detector;
mod engine;
mod estimate;
mod family;
mod interval;
mod judged;
pub mod math;
mod stage_gate;
mod start;
mod state;
mod tally;

pub use config::{ConfigError, EvidenceConfig, FamilyWeights};
pub(crate) use detector::Prior;
pub use engine::{Engine, JudgeError};
pub use estimate::TimeLeft;
pub use family::Family;
pub use interval::{Interval, Quantile, interval, quantile};
pub use judged::{Judged, Signal, Traffic};
pub use stage_gate::{Breach, HoldReason, OpenGate, Proof, Rate, Says, Stage};
pub use start::start_weight;
pub(crate) use state::Baseline;
pub use state::{Count, Evidence, RelativeEdges, Silence, StageTotals};
pub use tally::{Tally, TallyMinute};
