//! The shares a rollout goes through, and where it starts.

use serde::{Deserialize, Serialize};

use crate::domain::weight::Weight;

/// Shares before the bake, in percent: each at most five times the one before,
/// so that a fault found late has met few users.
const DEFAULT_PERCENT: [u16; 5] = [1, 5, 10, 25, 50];
/// The bake's share. Faults that need most of the load are met while the old side
/// still answers enough to be compared with.
const BAKE: u16 = 900;
/// The bake's share where a tenth of the traffic is too little to compare with.
const BAKE_AT_LOW_TRAFFIC: u16 = 750;
/// Requests a minute that the old side must get in the bake.
const CONTROL_REQUESTS: f64 = 60.0;
/// A list that ends lower than this before 100% gets a bake of its own.
const LOWEST_BAKE: u16 = 750;
/// More stages are a mistake: ten minutes each would make a working day.
const MOST_STAGES: usize = 50;

/// Requests that may meet a fault before it could be found: what one detection
/// needs anyway, so fewer would only take longer.
const REQUESTS_TO_DETECT: f64 = 20.0;
/// No rollout starts above half of the traffic.
const HIGHEST_START: u16 = 500;

/// The planned shares, rising, the last one 100%.
///
/// The one before the last is the *bake*: the longest comparison, while the old
/// side still has traffic. With a single stage all traffic moves at once and the
/// bake happens at 100%, without a comparison.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Weight>", into = "Vec<Weight>")]
pub struct Stages(Vec<Weight>);

/// Why a list of shares is no plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StagesError {
    /// None, or more than anyone plans.
    #[error("stages has {found} entries; give 1 to 50 rising shares that end at 100%")]
    Number {
        /// How many were given.
        found: usize,
    },
    /// The first share is 0, or one is not above the one before.
    #[error("stages[{index}] is {found}; shares must be above 0% and rise")]
    NotRising {
        /// Position in the list.
        index: usize,
        /// The share there.
        found: Weight,
    },
    /// The list ends before all traffic has moved.
    #[error("stages ends at {found}; add 100% at the end")]
    NotAll {
        /// The last share.
        found: Weight,
    },
}

impl Stages {
    /// Exactly these shares.
    ///
    /// # Errors
    /// [`StagesError`] naming the first entry that does not fit.
    pub fn new(shares: Vec<Weight>) -> Result<Self, StagesError> {
        let number = Err(StagesError::Number { found: shares.len() });
        if shares.len() > MOST_STAGES {
            return number;
        }
        let mut below = Weight::ZERO;
        for (index, &share) in shares.iter().enumerate() {
            if share <= below {
                return Err(StagesError::NotRising { index, found: share });
            }
            below = share;
        }
        match shares.last() {
            None => number,
            Some(&last) if last < Weight::FULL => Err(StagesError::NotAll { found: last }),
            Some(_) => Ok(Self(shares)),
        }
    }

    /// These shares with a bake before 100%, unless they have one (a share of at
    /// least 75%): 90%, or 75% where the old side would get fewer than 60
    /// requests a minute at 90%.
    ///
    /// # Errors
    /// As for [`Stages::new`].
    pub fn with_bake(
        mut shares: Vec<Weight>,
        requests_per_minute: f64,
    ) -> Result<Self, StagesError> {
        let has_bake = shares.iter().any(|s| (LOWEST_BAKE..1000).contains(&s.tenths()));
        if !has_bake && shares.last() == Some(&Weight::FULL) {
            let (tenths, control) = (BAKE, f64::from(1000 - BAKE) / 1000.0);
            let few = control * requests_per_minute < CONTROL_REQUESTS;
            let tenths = if few { BAKE_AT_LOW_TRAFFIC } else { tenths };
            shares.insert(shares.len() - 1, Weight::from_tenths(tenths).unwrap_or(Weight::FULL));
        }
        Self::new(shares)
    }

    /// 1, 5, 10, 25, 50%, the bake, 100%.
    pub fn standard(requests_per_minute: f64) -> Self {
        let percents = DEFAULT_PERCENT.into_iter().map(|percent| percent * 10).chain([1000]);
        let shares = percents.filter_map(|tenths| Weight::from_tenths(tenths).ok()).collect();
        Self::with_bake(shares, requests_per_minute).unwrap_or_else(|_| Self(vec![Weight::FULL]))
    }

    /// The shares, rising.
    pub fn shares(&self) -> &[Weight] {
        &self.0
    }

    /// How many there are, at least 1.
    pub(super) fn planned(&self) -> u32 {
        u32::try_from(self.0.len()).unwrap_or(u32::MAX)
    }

    /// The share of the bake: the last one below 100%, or 100% if there is none.
    pub fn bake(&self) -> Weight {
        self.0.iter().rev().nth(1).or(self.0.last()).copied().unwrap_or(Weight::FULL)
    }

    /// Position of the first share above this one; `None` at 100%.
    pub(super) fn position_after(&self, share: Weight) -> Option<usize> {
        self.0.iter().position(|&stage| stage > share)
    }

    /// The first share above this one; `None` at 100%.
    pub fn after(&self, share: Weight) -> Option<Weight> {
        self.position_after(share).map(|at| self.0[at])
    }
}

impl TryFrom<Vec<Weight>> for Stages {
    type Error = StagesError;

    fn try_from(shares: Vec<Weight>) -> Result<Self, StagesError> {
        Self::new(shares)
    }
}

impl From<Stages> for Vec<Weight> {
    fn from(stages: Stages) -> Self {
        stages.0
    }
}

/// The stage to start at: the largest one that sends no more requests to the new
/// side, before a fault could be found, than finding it takes; at most 50%.
///
/// Move up the list while `next share × requests a minute × (lag + 2) <= 20`.
pub fn start_stage(stages: &Stages, requests_per_minute: f64, lag_minutes: u32) -> Weight {
    let unseen_minutes = f64::from(lag_minutes) + 2.0;
    let few = |share: &&Weight| {
        // In tenths of a percent, so that whole shares multiply exactly.
        let sent = f64::from(share.tenths()) * requests_per_minute * unseen_minutes;
        share.tenths() <= HIGHEST_START && sent <= REQUESTS_TO_DETECT * 1000.0
    };
    let shares = stages.shares();
    shares[1..].iter().take_while(few).last().copied().unwrap_or(shares[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn percents(stages: &Stages) -> Vec<f64> {
        stages.shares().iter().map(|share| share.percent()).collect()
    }

    #[test]
    fn the_bake_leaves_the_old_side_sixty_requests_a_minute() {
        assert_eq!(percents(&Stages::standard(600.0)), [1.0, 5.0, 10.0, 25.0, 50.0, 90.0, 100.0]);
        assert_eq!(percents(&Stages::standard(599.0)), [1.0, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0]);
        assert_eq!(Stages::standard(6000.0).bake().tenths(), 900);
        let own = [100, 800, 1000].map(|t| Weight::from_tenths(t).unwrap());
        assert_eq!(percents(&Stages::with_bake(own.to_vec(), 6e3).unwrap()), [10.0, 80.0, 100.0]);
        let one = Stages::new(vec![Weight::FULL]).unwrap();
        assert_eq!((one.bake(), one.after(Weight::FULL)), (Weight::FULL, None));
    }

    #[test]
    fn starts_higher_where_traffic_is_low() {
        let start =
            |requests, lag| start_stage(&Stages::standard(requests), requests, lag).percent();
        for (requests, percent) in [(10.0, 50.0), (60.0, 5.0), (600.0, 1.0), (60_000.0, 1.0)] {
            assert!((start(requests, 2) - percent).abs() < 1e-9, "{requests}");
        }
        assert!((start(0.0, 2) - 50.0).abs() < 1e-9, "never above 50%");
        assert_eq!(start_stage(&Stages::new(vec![Weight::FULL]).unwrap(), 1e9, 2), Weight::FULL);
    }

    #[test]
    fn a_list_that_is_no_plan_is_refused_with_its_entry() {
        let tenths = |list: &[u16]| list.iter().map(|&t| Weight::from_tenths(t).unwrap()).collect();
        assert_eq!(Stages::new(vec![]), Err(StagesError::Number { found: 0 }));
        let falls = Stages::new(tenths(&[10, 10, 1000])).unwrap_err().to_string();
        assert_eq!(falls, "stages[1] is 1%; shares must be above 0% and rise");
        assert!(matches!(Stages::new(tenths(&[0, 1000])), Err(StagesError::NotRising { .. })));
        assert!(matches!(Stages::new(tenths(&[10, 900])), Err(StagesError::NotAll { .. })));
        assert!(matches!(Stages::with_bake(vec![], 1.0), Err(StagesError::Number { .. })));
        let many: Vec<u16> = (1..=50).chain([1000]).collect();
        assert!(matches!(Stages::new(tenths(&many)), Err(StagesError::Number { found: 51 })));
    }
}
