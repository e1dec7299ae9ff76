//! Wrong answers as an objective: the share of compared answers that differ.
//!
//! The scorer repeats some requests to the old side and counts what differs. That is
//! one-sided and absolute: there is no old side to compare the share with, and no
//! incident on both sides that could excuse it. So it is no fifth column of the
//! engine's numbers, but a small engine of its own beside [`evidence2`](super::evidence2),
//! with the same bets: on requests and on minutes against the limit, and a proof for each
//! step that holds it only where the configuration requires one.
//!
//! Each of the five objectives has a fifth of the budget for false alarms ([`SHARE`]), so
//! `alpha` stays what it says with this one switched on.
//!
//! ```text
//! Terms ─► Judge ── Look (minute, share, Comparisons) ─► Timeline ─► verdict, Standing
//! ```

mod counts;
mod evidence;
mod examples;
mod judge;
mod timeline;
mod verdict;
mod words;

pub use counts::{Comparisons, ComparisonsRead};
pub use evidence::{Evidence, Totals};
pub use examples::{Example, Examples, ExamplesRead, Logged};
pub use judge::{Judge, OTHERS, Objective, ObjectiveError, SHARE};
pub use timeline::{Look, Timeline};
pub use verdict::{Breach, ComparisonsLeft, Hold, Standing, Verdict};
pub use words::{Words, kinds};
