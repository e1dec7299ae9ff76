//! Whether two answers to one request are the same to a client, and how they differ.
//!
//! ```text
//! Answer, Answer ─► Comparer (Rules) ─► Comparison: Differences by Kind and path
//! ```
//!
//! Pure: no clock, no network. `rolloutctl compare` uses it before traffic, the
//! scorer during a rollout.
//!
//! What a client cannot see does not count: the order of an object's members, blanks
//! in JSON, how a number is spelled (`1.0` and `1e0`), how a character is escaped.
//! What differs by design is named by [`Rules`]. Everything else counts.
//!
//! A [`Difference`] holds no value of an answer unless [`Show::Values`] is asked for:
//! only kinds, types, lengths, and paths in which a key that is data is a `*`.

mod answer;
mod compare;
mod decimal;
mod difference;
mod json;
mod path;
mod rules;
#[cfg(test)]
mod tests;

/// The member of a function's log line that holds redacted differences as an array of
/// texts: the scorer writes it, the controller looks for it.
pub const LOG_MEMBER: &str = "differences_from_python";

pub use answer::{Answer, NotAnAnswer};
pub use compare::{Comparer, MAX_BODY, MAX_DEPTH, MAX_DIFFERENCES};
pub use difference::{Comparison, Difference, Kind, NotADifference, Shape, Show};
pub use rules::{RuleProblem, Rules};
