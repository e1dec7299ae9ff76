//! What was read of one minute: one part a route, each known or not.

use serde::{Deserialize, Serialize};

use crate::domain::minute::{Minute, SideCounts};
use crate::domain::weight::Weight;

/// One minute as it was read. All parts known: the minute is *complete*.
///
/// What is not known is not a count of zero. An incomplete minute still speaks
/// against the new side through the routes that are known; it never speaks for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reading {
    /// Which minute.
    pub minute: Minute,
    /// The rollout's share of the new side in that minute: what every route is
    /// meant to have.
    pub share: Weight,
    /// One for each route, always in the same order.
    pub parts: Vec<Part>,
}

/// One route in one minute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Share of the new side that this route's rule had.
    pub weight: Weight,
    /// What was counted.
    pub counts: Counts,
}

/// Counts of both sides, or none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Counts {
    /// Read completely and without contradiction.
    Known {
        /// The side being replaced.
        old: SideCounts,
        /// The side being rolled out.
        new: SideCounts,
    },
    /// Missing, late or contradictory.
    Unknown,
}

impl Reading {
    /// A minute whose share is the largest that a route has: while a raise is
    /// under way, the one that is being reached.
    pub fn of_parts(minute: Minute, parts: Vec<Part>) -> Self {
        let share = parts.iter().map(|part| part.weight).max().unwrap_or_default();
        Self { minute, share, parts }
    }

    /// A minute of a rollout with one route.
    pub fn of_one_route(minute: Minute, share: Weight, old: SideCounts, new: SideCounts) -> Self {
        Self {
            minute,
            share,
            parts: vec![Part { weight: share, counts: Counts::Known { old, new } }],
        }
    }

    /// Whether every route is known.
    pub fn is_complete(&self) -> bool {
        self.parts.iter().all(|part| part.counts != Counts::Unknown)
    }

    /// Whether some route has another share than the rollout.
    pub fn is_apart(&self) -> bool {
        self.parts.iter().any(|part| part.weight != self.share)
    }

    /// Which routes are known, in order.
    pub(super) fn known(&self) -> Vec<bool> {
        self.parts.iter().map(|part| part.counts != Counts::Unknown).collect()
    }

    /// This reading, with what only the earlier one knew: an answer that was read
    /// once stays read.
    pub(super) fn or_as_read_before(mut self, before: &Self) -> Self {
        for (part, earlier) in self.parts.iter_mut().zip(&before.parts) {
            if part.counts == Counts::Unknown {
                part.counts = earlier.counts.clone();
            }
        }
        self
    }
}
