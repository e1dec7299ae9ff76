//! Both sides asked the same, before Rust has any traffic: `rolloutctl compare`.
//!
//! ```text
//! Requests ─► Client: Python, then Python and Rust in random order ─► Outcome ─► Report
//! (a file, a table)  (rate, concurrency)                             (StateFile)
//! ```
//!
//! Every request is sent three times through the load balancer: twice plain, which
//! reaches Python while the rule gives Rust nothing, and once with the header that
//! forces Rust. What the two plain answers differ in differs by itself and is not held
//! against Rust for this request.

pub mod analytics;
pub mod client;
pub mod report;
pub mod requests;
pub mod run;
pub mod state;

use answers::{Comparer, Comparison, Difference, Show};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What came of one request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// Both sides answered.
    Compared {
        /// What Python's two answers differ in.
        own: Vec<Difference>,
        /// What Rust's answer differs in beside that; none is the same.
        differences: Vec<Difference>,
        /// Further differences, which are not listed.
        unlisted: usize,
        /// Length of Python's body, to find small examples.
        bytes: usize,
    },
    /// The key's rate limit refused one of the three: nothing was compared.
    Limited,
    /// One of the three has no answer of the service: nothing was compared.
    Unanswered {
        /// Whose.
        side: Side,
        /// Why, without values.
        why: String,
    },
}

/// Who was to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// A plain request.
    Python,
    /// A request with the header.
    Rust,
}

impl Outcome {
    /// Judges three answers. `python` are the two plain ones; the second was sent
    /// beside Rust's.
    pub fn judge(
        comparer: &Comparer,
        python: &[answers::Answer; 2],
        rust: &answers::Answer,
        show: Show,
    ) -> Self {
        const LIMITED: u16 = 429;
        // What a load balancer says for a target that gave no answer.
        const NO_ANSWER: [u16; 3] = [502, 503, 504];
        let [first, second] = python;
        if [first, second, rust].into_iter().any(|answer| answer.status == LIMITED) {
            return Self::Limited;
        }
        if let Some(bad) = python.iter().find(|answer| NO_ANSWER.contains(&answer.status)) {
            return Self::Unanswered { side: Side::Python, why: format!("status {}", bad.status) };
        }
        let own = comparer.compare(first, second, Show::Shapes);
        let found = comparer.compare(second, rust, show);
        let bytes = second.body.len();
        let Comparison { differences, unlisted } = beside(&own, found);
        Self::Compared { own: own.differences, differences, unlisted, bytes }
    }

    /// Whether the request need not be sent again.
    pub fn is_final(&self) -> bool {
        match self {
            Self::Compared { .. } => true,
            Self::Limited | Self::Unanswered { .. } => false,
        }
    }
}

/// What is found beside that which differs by itself.
fn beside(own: &Comparison, mut found: Comparison) -> Comparison {
    let everything =
        own.unlisted > 0 || own.differences.iter().any(|d| d.path == "status" || d.path == "$");
    if everything {
        return Comparison::default();
    }
    let unsteady: BTreeSet<&str> = own.differences.iter().map(|d| d.path.as_str()).collect();
    found.differences.retain(|difference| !unsteady.contains(difference.path.as_str()));
    found
}
