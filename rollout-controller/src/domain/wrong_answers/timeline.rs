//! Minutes that come late or change: judged again as if read so at first.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::domain::gathered::LOST_AFTER_MINUTES;
use crate::domain::minute::Minute;
use crate::domain::weight::Weight;

use super::counts::ComparisonsRead;
use super::evidence::Evidence;
use super::judge::Judge;

/// What was read of a minute.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    /// Which minute.
    pub minute: Minute,
    /// The new side's share in it.
    pub share: Weight,
    /// Its comparisons; `None`: CloudWatch has none.
    pub read: Option<&'a ComparisonsRead>,
    /// Whether it is of the present code at a share of ours.
    pub proves: bool,
    /// Whether it is still looked for, because a route's requests are not known.
    pub looked_for: bool,
}

impl Look<'_> {
    fn is_counted(&self) -> bool {
        self.read.is_some_and(|read| read.counted().is_some())
    }
}

/// The evidence at a frontier behind the newest minutes, and with them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timeline {
    settled: Evidence,
    now: Evidence,
    /// Minutes behind the frontier that are still looked for, and whose comparisons are
    /// not known.
    unknown: BTreeSet<Minute>,
}

impl Timeline {
    /// At the start of a run.
    pub fn start(judge: &Judge) -> Self {
        let settled = Evidence::start(judge);
        Self { now: settled.clone(), settled, unknown: BTreeSet::new() }
    }

    /// The evidence as it is now.
    pub const fn evidence(&self) -> &Evidence {
        &self.now
    }

    /// Folds a minute that is not read again as if it had been read so at first.
    pub fn settle(&mut self, judge: &Judge, look: &Look<'_>) {
        if look.looked_for && !look.is_counted() {
            self.unknown.insert(look.minute);
        }
        self.unknown.retain(|minute| look.minute.since(*minute) <= LOST_AFTER_MINUTES);
        self.settled.fold(judge, look);
    }

    /// A minute behind the frontier has come: it can only count against, and only once.
    pub fn arrive(&mut self, judge: &Judge, look: &Look<'_>) {
        if look.is_counted() && self.unknown.remove(&look.minute) {
            self.settled.count_against(judge, look);
        }
    }

    /// Folds the newest minutes anew.
    pub fn renew<'a>(&mut self, judge: &Judge, recent: impl IntoIterator<Item = Look<'a>>) {
        let latched = self.now.rolled_back.clone().or_else(|| self.settled.rolled_back.clone());
        self.now = self.settled.clone();
        for look in recent {
            self.now.fold(judge, &look);
        }
        self.now.keep_rollback(latched);
        self.settled.keep_rollback(self.now.rolled_back.clone());
    }

    /// Other code answers: see [`Evidence::restart_proof`].
    pub fn restart_proof(&mut self, judge: &Judge) {
        self.settled.restart_proof(judge);
        self.now.restart_proof(judge);
    }
}
