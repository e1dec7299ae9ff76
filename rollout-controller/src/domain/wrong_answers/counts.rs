//! What the scorers counted in a minute.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use answers::Kind;
use serde::{Deserialize, Serialize};

use crate::domain::evidence::Count;
use crate::domain::observation::Unread;

/// Comparisons of one minute, or of several, summed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comparisons {
    /// Pairs of answers that were compared.
    pub compared: u64,
    /// Those that differ, in whatever.
    pub different: u64,
    /// Requests that the old side did not answer a second time: neither good nor bad.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failed: u64,
    /// Pairs that differ, by kind. A pair that differs in two ways is counted in both.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub kinds: BTreeMap<Kind, u64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape serde calls")]
const fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl Comparisons {
    /// Different among compared.
    pub fn count(&self) -> Count {
        Count { k: self.different.min(self.compared), n: self.compared }
    }
}

impl AddAssign<&Self> for Comparisons {
    fn add_assign(&mut self, other: &Self) {
        self.compared = self.compared.saturating_add(other.compared);
        self.different = self.different.saturating_add(other.different);
        self.failed = self.failed.saturating_add(other.failed);
        for (kind, pairs) in &other.kinds {
            let sum = self.kinds.entry(*kind).or_default();
            *sum = sum.saturating_add(*pairs);
        }
    }
}

/// What CloudWatch said about the comparisons of one minute. Where it has no data there is
/// none of these: nothing was compared, or it has not arrived, and that is never zero.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ComparisonsRead {
    /// Read and consistent, summed over the routes.
    Counted(Comparisons),
    /// Incomplete or contradictory.
    Unread(Unread),
}

impl ComparisonsRead {
    /// The counts, if they are known.
    pub fn counted(&self) -> Option<&Comparisons> {
        match self {
            Self::Counted(counts) => Some(counts),
            Self::Unread(_) => None,
        }
    }
}
