//! Planted defects: each must be found within a stated number of seeds.

use crate::books::Invariant;
use crate::plan::Plan;
use crate::play::play;
use rollout_controller::planted::{Defect, plant};

/// What came of one defect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Which.
    pub defect: Defect,
    /// Seeds until it was found, and what noticed it; `None`: not found.
    pub by: Option<(u64, Invariant)>,
}

/// Plays seeds from `from` on with this defect, until an invariant breaks that holds
/// without it.
pub fn look_for(defect: Defect, from: u64, seeds: u64) -> Found {
    let mut by = None;
    for seed in from..from + seeds {
        let plan = Plan::of(seed);
        plant(Some(defect));
        let broken = play(&plan, false).broken;
        plant(None);
        if let Some(broken) = broken
            && play(&plan, false).broken.is_none()
        {
            by = Some((seed - from + 1, broken.invariant));
            break;
        }
    }
    Found { defect, by }
}
