//! Evidence-2: when to advance, hold or roll back, on services that are not ideal.
//!
//! A fold over minutes of counts. Like [`evidence`](super::evidence), whose
//! formulas it uses, it holds evidence *against* the new side, which rolls back
//! at `1/alpha`, and evidence *for* each step. It differs in what it forgives and
//! what it does not:
//!
//! - a fault that comes and goes holds the rollout, then ends it ([`Evidence`]
//!   keeps the bad minutes of the last quarter of an hour and of the whole run);
//! - the last comparison, the *bake*, happens while the old side still has
//!   traffic, so an incident on both sides blames nobody;
//! - how much the old side's latency drifts by itself, and how long its bursts
//!   last, is read off its last day ([`Choices`]) and allowed to the new side;
//! - a minute that was not read completely is never good ([`Reading`]), and one
//!   that changed is judged again as if it had been read so at first ([`Timeline`]).
//!
//! ```text
//! Settings, Slo, Stages, Edges ─┐
//! History ─► Engine::choose ─► Choices (journalled once)
//!                               ├─► Engine ── fold(Reading) ─► Evidence ── verdict(Position) ─► Verdict
//!                               └─ Engine::start ────────────────┘
//! ```

mod against;
mod bets;
mod choices;
mod consistency;
mod engine;
mod gates;
mod history;
mod noise;
mod reading;
mod sentences;
mod settings;
mod stages;
mod tally;
mod timeline;
mod verdict;

pub(super) use against::{CAP, OUTAGE, STAKES};
pub use against::{Lead, Spell};
pub(super) use bets::{Bets, LogOdds, Mass, OUTAGE_CAP, PRIOR, SIZES};
pub use choices::{Choices, Stratum};
pub use consistency::BadMinute;
pub use engine::{Engine, EngineError, Evidence, FoldError, Rules, StageTotals};
pub(super) use gates::FRESH_PROOF;
pub use history::{History, HistoryError, HistoryMinute};
pub use noise::Noise;
pub(super) use noise::SideNoise;
pub use reading::{Counts, Part, Reading};
pub use sentences::{Clock, Words};
pub use settings::{Preset, Settings};
pub use stages::{Stages, StagesError, start_stage};
pub use timeline::{Read, Timeline};
pub use verdict::{Breach, Gate, Hold, MinutesLeft, Position, Proven, Unproven, Verdict};
