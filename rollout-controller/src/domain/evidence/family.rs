//! The eight ways in which the new side can be found wanting.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::slo::Metric;

/// One family of bets against the new side: a metric, against its limit or
/// against the old side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "`Abs` is against the limit, `Rel` against the old side")]
pub enum Family {
    AbsErr,
    AbsP50,
    AbsP95,
    AbsP99,
    RelErr,
    RelP50,
    RelP95,
    RelP99,
}

impl Family {
    /// All families in the order of every per-family array.
    pub const ALL: [Self; 8] = [
        Self::AbsErr,
        Self::AbsP50,
        Self::AbsP95,
        Self::AbsP99,
        Self::RelErr,
        Self::RelP50,
        Self::RelP95,
        Self::RelP99,
    ];

    /// Position in a per-family array.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The metric it watches.
    pub const fn metric(self) -> Metric {
        match self {
            Self::AbsErr | Self::RelErr => Metric::Err,
            Self::AbsP50 | Self::RelP50 => Metric::P50,
            Self::AbsP95 | Self::RelP95 => Metric::P95,
            Self::AbsP99 | Self::RelP99 => Metric::P99,
        }
    }

    /// Whether it compares with the old side rather than with the limit.
    pub const fn is_relative(self) -> bool {
        match self {
            Self::AbsErr | Self::AbsP50 | Self::AbsP95 | Self::AbsP99 => false,
            Self::RelErr | Self::RelP50 | Self::RelP95 | Self::RelP99 => true,
        }
    }

    /// Name in files and metrics: `abs_err`, `rel_p99`, …
    pub const fn name(self) -> &'static str {
        match self {
            Self::AbsErr => "abs_err",
            Self::AbsP50 => "abs_p50",
            Self::AbsP95 => "abs_p95",
            Self::AbsP99 => "abs_p99",
            Self::RelErr => "rel_err",
            Self::RelP50 => "rel_p50",
            Self::RelP95 => "rel_p95",
            Self::RelP99 => "rel_p99",
        }
    }

    /// The family of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|family| family.name() == name)
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
