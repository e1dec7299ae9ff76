//! The old side's last day, minute by minute, before the rollout begins.

use crate::domain::minute::{Minute, SideCounts};

/// What is asked for: a day, one `GetMetricData` call.
const DAY: usize = 1440;
/// The part that fixes the relative edges.
pub(super) const HOUR: usize = 60;
/// Of the last hour, at least half must be known.
const NEEDED_OF_THE_HOUR: usize = 30;

/// One minute of the old side: the counts of each route, `None` where they could
/// not be read. Known and without requests is a count of zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryMinute {
    /// Which minute.
    pub minute: Minute,
    /// One for each route, in the order of [`Reading`](super::Reading)'s parts.
    pub old: Vec<Option<SideCounts>>,
}

/// The old side's last day, without holes: a minute that is not known has its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    routes: usize,
    /// Oldest first, at most a day.
    minutes: Vec<Vec<Option<SideCounts>>>,
}

/// Why a rollout cannot begin on this history.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// The comparison would begin with a minute that nobody has seen.
    #[error("the old side's newest minute, {minute}, is not known yet; read it again")]
    NewestUnknown {
        /// The newest due minute.
        minute: Minute,
    },
    /// Too little to compare with.
    #[error("{known} of the old side's last 60 minutes are known; {needed} are needed")]
    TooFew {
        /// How many are known.
        known: usize,
        /// How many must be.
        needed: usize,
    },
    /// A minute has more or fewer parts than there are routes.
    #[error("minute {minute} has {found} routes, expected {expected}")]
    Routes {
        /// The minute.
        minute: Minute,
        /// Parts it has.
        found: usize,
        /// Routes of the rollout.
        expected: usize,
    },
}

impl History {
    /// The last day up to `newest_due`, from minutes in any order. A minute that
    /// is not given is not known; one given twice counts as given last.
    ///
    /// # Errors
    /// [`HistoryError`] if the newest minute or half of the last hour is not known.
    pub fn new(
        routes: usize,
        newest_due: Minute,
        read: impl IntoIterator<Item = HistoryMinute>,
    ) -> Result<Self, HistoryError> {
        let history = Self::of_known(routes, newest_due, read)?;
        if history.minutes.last().is_none_or(|newest| !is_known(newest)) {
            return Err(HistoryError::NewestUnknown { minute: newest_due });
        }
        let known = history.hour().iter().filter(|minute| is_known(minute)).count();
        if known < NEEDED_OF_THE_HOUR {
            return Err(HistoryError::TooFew { known, needed: NEEDED_OF_THE_HOUR });
        }
        Ok(history)
    }

    /// The last day up to its newest minute, where the caller has seen to it that
    /// enough is known: a service that is younger than an hour, or hardly used, has
    /// less than [`new`](Self::new) asks for.
    ///
    /// # Errors
    /// [`HistoryError::Routes`].
    pub fn of_known(
        routes: usize,
        newest_due: Minute,
        read: impl IntoIterator<Item = HistoryMinute>,
    ) -> Result<Self, HistoryError> {
        let mut minutes = vec![vec![None; routes]; DAY];
        let mut oldest = DAY;
        for HistoryMinute { minute, old } in read {
            if old.len() != routes {
                return Err(HistoryError::Routes { minute, found: old.len(), expected: routes });
            }
            let age = usize::try_from(newest_due.since(minute)).ok();
            if let Some(at) = age.and_then(|age| (DAY - 1).checked_sub(age)) {
                minutes[at] = old;
                oldest = oldest.min(at);
            }
        }
        Ok(Self { routes, minutes: minutes.split_off(oldest) })
    }

    /// How many routes it has.
    pub(super) const fn routes(&self) -> usize {
        self.routes
    }

    /// The last hour of a route, known minutes only.
    pub(super) fn hour_of(&self, route: usize) -> impl Iterator<Item = &SideCounts> {
        self.hour().iter().filter_map(move |minute| minute[route].as_ref())
    }

    /// Totals over the routes, oldest first; `None` where a route is not known.
    pub(super) fn totals(&self) -> Vec<Option<SideCounts>> {
        self.minutes.iter().map(|minute| total(minute)).collect()
    }

    fn hour(&self) -> &[Vec<Option<SideCounts>>] {
        &self.minutes[self.minutes.len().saturating_sub(HOUR)..]
    }
}

fn is_known(minute: &[Option<SideCounts>]) -> bool {
    minute.iter().all(Option::is_some)
}

fn total(minute: &[Option<SideCounts>]) -> Option<SideCounts> {
    let mut sum = SideCounts::default();
    for route in minute {
        sum += route.as_ref()?;
    }
    Some(sum)
}
