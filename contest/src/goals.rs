//! The numbers that evidence-2 has to reach, world by world.
//!
//! A goal is missed only if the interval of the run's counts excludes it; minutes and
//! requests may be 15% (or a minute) above the reference.

use serde::{Deserialize, Serialize};

use crate::cell::{Cell, MOST_HANGING};
use crate::interval::Share;

/// What is asked of one world at one rate of traffic. Shares 0.0 to 1.0, minutes, requests.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Goal {
    /// The world's name.
    pub world: &'static str,
    /// Of both sides together.
    pub requests_per_minute: f64,
    /// Most that may be rolled back.
    rolled_back_most: Option<f64>,
    /// Most that may be rolled back before 100%.
    before_full_most: Option<f64>,
    /// Least that must be rolled back.
    rolled_back_least: Option<f64>,
    /// Most that may complete.
    completed_most: Option<f64>,
    /// Most that may hang.
    hangs_most: Option<f64>,
    /// Median minutes to the bake, and to completion.
    minutes: Option<(i64, i64)>,
    /// Minutes from fault to rollback: median, and 95%.
    delay: Option<(i64, Option<i64>)>,
    /// Median requests of the new side under the fault.
    requests: Option<i64>,
}

/// A goal and what was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Checked {
    /// The world.
    pub world: String,
    /// Of both sides together.
    pub requests_per_minute: f64,
    /// Rollouts.
    pub n: u64,
    /// What is missed, in words; empty when everything is reached.
    pub missed: Vec<String>,
}

impl Goal {
    /// Holds a cell of evidence-2 against the goal.
    pub fn check(&self, cell: &Cell) -> Checked {
        let mut missed = Vec::new();
        let mut share = |what: &str, found: Share, most: Option<f64>, least: Option<f64>| {
            let Share { low, high, .. } = found;
            let shown = format!("{what} {}", percent(found));
            if let Some(most) = most.filter(|&most| low > most) {
                missed.push(format!("{shown}; at most {}%", 100.0 * most));
            }
            if let Some(least) = least.filter(|&least| high < least) {
                missed.push(format!("{shown}; at least {}%", 100.0 * least));
            }
        };
        share("rolled back", cell.rolled_back, self.rolled_back_most, self.rolled_back_least);
        let before_full = cell.rolled_back.k - cell.rolled_back_at_full;
        let before_full = Share::new(before_full, cell.rolled_back.n);
        share("rolled back before 100%", before_full, self.before_full_most, None);
        share("completed", cell.completed, self.completed_most, None);
        share("hang", cell.hangs, self.hangs_most, None);
        let mut within = |what: &str, found: Option<i64>, reference: Option<i64>| {
            let (Some(found), Some(reference)) = (found, reference) else { return };
            let most = (reference as f64 * 1.15).max(reference as f64 + 1.0);
            if found as f64 > most {
                missed.push(format!("{what} {found}; reference {reference}"));
            }
        };
        within("minutes to the bake", cell.bake.map(|q| q.p50), self.minutes.map(|m| m.0));
        within("minutes to complete", cell.complete.map(|q| q.p50), self.minutes.map(|m| m.1));
        within("median delay", cell.delay.map(|q| q.p50), self.delay.map(|d| d.0));
        within("95% delay", cell.delay.map(|q| q.p95), self.delay.and_then(|d| d.1));
        within("requests under the fault", cell.under_fault.map(|q| q.p50), self.requests);
        Checked {
            world: self.world.to_owned(),
            requests_per_minute: self.requests_per_minute,
            n: cell.n,
            missed,
        }
    }
}

/// `0.3% [0.1, 0.9]`.
pub fn percent(share: Share) -> String {
    let Share { low, high, .. } = share;
    format!("{:.1}% [{:.1}, {:.1}]", 100.0 * share.ratio(), 100.0 * low, 100.0 * high)
}

const K: [f64; 5] = [10.0, 60.0, 600.0, 6000.0, 60_000.0];

/// Healthy worlds: largest share rolled back, then per rate (minutes to the bake, to
/// completion). None hangs.
type Healthy = (&'static str, f64, &'static [f64], &'static [(i64, i64)]);

const HEALTHY: [Healthy; 20] = [
    ("h_iid", 0.001, &K, &[(106, 274), (70, 115), (29, 70), (25, 66), (25, 66)]),
    ("h_near", 0.001, &[60.0, 600.0, 6000.0], &[(205, 510), (50, 98), (25, 66)]),
    ("h_burst", 0.001, &[600.0, 6000.0, 60_000.0], &[(32, 73), (25, 66), (25, 66)]),
    ("h_burst50", 0.003, &[60.0, 600.0, 6000.0], &[(90, 140), (30, 71), (25, 66)]),
    ("h_clust", 0.001, &[60.0, 600.0, 6000.0], &[(112, 180), (52, 98), (25, 66)]),
    ("h_errjit", 0.001, &[600.0, 6000.0], &[(37, 78), (26, 67)]),
    ("h_day10", 0.001, &[60.0, 600.0, 6000.0], &[(63, 104), (29, 70), (25, 66)]),
    ("h_cold", 0.001, &[600.0, 6000.0], &[(34, 75), (28, 69)]),
    ("h_heavy", 0.001, &[600.0, 6000.0], &[(29, 70), (25, 66)]),
    ("h_same_ar10", 0.01, &[600.0, 6000.0, 60_000.0], &[(33, 75), (25, 66), (25, 66)]),
    (
        "h_same_ar20",
        0.01,
        &[60.0, 600.0, 6000.0, 60_000.0],
        &[(105, 199), (36, 80), (25, 69), (25, 70)],
    ),
    ("h_same_jit20", 0.01, &[6000.0], &[(28, 70)]),
    ("h_same_jit40", 0.01, &[6000.0], &[(44, 100)]),
    ("h_same_sh20", 0.01, &[600.0, 6000.0], &[(35, 79), (25, 67)]),
    ("h_inc", 0.001, &[600.0, 6000.0], &[(46, 87), (41, 82)]),
    ("h_inclat", 0.001, &[60.0, 600.0, 6000.0], &[(86, 127), (46, 87), (41, 82)]),
    ("h_incstep", 0.001, &[600.0, 6000.0], &[(29, 70), (25, 66)]),
    ("h_inc100", 0.005, &[60.0, 600.0, 6000.0], &[(68, 129), (29, 70), (25, 66)]),
    ("h_simpson3", 0.001, &[600.0, 6000.0], &[(45, 90), (35, 80)]),
    ("h_simpson", 0.001, &[600.0, 6000.0], &[(60, 115), (50, 106)]),
];

/// Faults: rolled back at least, then per rate median delay, 95% delay, requests.
type Delays = &'static [(i64, Option<i64>, Option<i64>)];
type Fault = (&'static str, f64, &'static [f64], Delays);

const FAULTS: [Fault; 32] = [
    (
        "f_e1",
        0.99,
        &K,
        &[
            (1092, Some(2060), Some(5441)),
            (233, Some(426), Some(3413)),
            (37, Some(57), Some(2955)),
            (13, Some(17), Some(3644)),
            (6, Some(8), Some(6030)),
        ],
    ),
    (
        "f_e5",
        1.0,
        &[10.0, 60.0, 600.0, 6000.0],
        &[
            (126, Some(203), Some(623)),
            (48, Some(85), Some(152)),
            (18, Some(26), Some(200)),
            (6, Some(8), Some(361)),
        ],
    ),
    ("f_e5@25", 1.0, &[600.0, 6000.0], &[(5, Some(6), Some(765)), (5, Some(5), Some(7511))]),
    ("f_e1@25", 1.0, &[600.0, 6000.0], &[(23, Some(38), Some(5140)), (6, Some(9), Some(9048))]),
    (
        "f_e1@last",
        1.0,
        &[600.0, 6000.0],
        &[(76, Some(121), Some(41_000)), (11, Some(17), Some(59_500))],
    ),
    (
        "f_e5@last",
        1.0,
        &[60.0, 600.0, 6000.0],
        &[(8, Some(12), Some(480)), (8, Some(10), Some(4375)), (5, Some(5), Some(27_000))],
    ),
    ("f_e1@full", 0.94, &[600.0, 6000.0], &[(297, None, None), (196, None, None)]),
    (
        "f_out@10",
        1.0,
        &[600.0, 6000.0, 60_000.0],
        &[(4, Some(4), Some(239)), (4, Some(4), Some(2400)), (4, Some(4), Some(24_000))],
    ),
    ("f_out", 1.0, &[10.0, 60.0], &[(6, Some(8), Some(31)), (4, Some(5), Some(13))]),
    ("f_p50x1.5", 1.0, &[600.0, 6000.0], &[(30, Some(41), None), (12, Some(16), None)]),
    ("f_p50x2", 1.0, &[600.0, 6000.0], &[(20, Some(30), None), (6, Some(7), None)]),
    ("f_tailx1.5", 1.0, &[600.0, 6000.0], &[(53, Some(74), None), (19, Some(23), None)]),
    ("f_tailx2", 1.0, &[600.0, 6000.0], &[(27, Some(39), None), (11, Some(12), None)]),
    ("f_p50x1.5_ar20", 0.98, &[600.0, 6000.0], &[(64, Some(211), None), (56, Some(177), None)]),
    ("f_tailx2_ar20", 0.98, &[600.0, 6000.0], &[(37, Some(59), None), (15, Some(24), None)]),
    ("f_p99", 1.0, &[600.0, 6000.0], &[(28, Some(40), None), (11, Some(12), None)]),
    (
        "f_med110",
        1.0,
        &[600.0, 6000.0, 60_000.0],
        &[(8, Some(9), None), (6, Some(6), None), (6, Some(6), None)],
    ),
    (
        "f_leak",
        1.0,
        &[60.0, 600.0, 6000.0],
        &[(18, Some(21), None), (10, Some(12), None), (8, Some(8), None)],
    ),
    (
        "f_flap10_100",
        1.0,
        &[600.0, 6000.0, 60_000.0],
        &[(30, Some(40), None), (40, Some(40), None), (70, Some(70), None)],
    ),
    ("f_flap10_20", 1.0, &[600.0, 6000.0], &[(40, Some(50), None), (40, Some(40), None)]),
    ("f_flap20_50", 1.0, &[600.0, 6000.0], &[(70, Some(70), None), (130, Some(150), None)]),
    ("f_flap30_100", 1.0, &[600.0, 6000.0], &[(80, Some(110), None), (440, Some(440), None)]),
    (
        "f_flap4_10",
        1.0,
        &[600.0, 6000.0, 60_000.0],
        &[(26, Some(42), None), (18, Some(18), None), (18, Some(18), None)],
    ),
    ("f_flapD60S100", 0.0, &[600.0, 6000.0], &[(223, None, None)]),
    ("f_flaprnd", 0.85, &[600.0, 6000.0], &[]),
    ("f_one5_5", 1.0, &[600.0, 6000.0], &[(28, Some(36), None), (10, Some(13), None)]),
    ("f_one20_20", 1.0, &[600.0, 6000.0], &[(28, Some(38), None), (10, Some(12), None)]),
    ("f_one20_5", 1.0, &[6000.0], &[(17, Some(21), None)]),
    ("f_edge", 0.0, &[600.0, 6000.0], &[]),
    ("f_e05", 1.0, &[6000.0], &[(25, Some(49), None)]),
    // Not in the reference: with late metrics the same must hold.
    ("f_e5_late", 1.0, &[600.0, 6000.0], &[]),
    ("f_e1_trickle", 0.99, &[600.0, 6000.0], &[]),
];

/// All goals.
pub fn all() -> Vec<Goal> {
    let healthy = HEALTHY.iter().flat_map(|&(world, limit, rates, minutes)| {
        rates.iter().enumerate().map(move |(at, &requests_per_minute)| Goal {
            world,
            requests_per_minute,
            rolled_back_most: Some(limit),
            hangs_most: Some(MOST_HANGING),
            minutes: minutes.get(at).copied(),
            ..Goal::default()
        })
    });
    let faults = FAULTS.iter().flat_map(|&(world, least, rates, delays)| {
        rates.iter().enumerate().map(move |(at, &requests_per_minute)| Goal {
            world,
            requests_per_minute,
            rolled_back_least: (least > 0.0).then_some(least),
            completed_most: match world {
                "f_flaprnd" => Some(0.14),
                "f_p50x1.5_ar20" => Some(0.03),
                _ => Some(0.01),
            },
            delay: delays.get(at).map(|&(median, most, _)| (median, most)),
            requests: delays.get(at).and_then(|delays| delays.2),
            ..Goal::default()
        })
    });
    let mut all: Vec<Goal> = healthy.chain(faults).collect();
    for requests_per_minute in [600.0, 6000.0] {
        let goal = Goal { requests_per_minute, ..Goal::default() };
        // Held, not rolled back; or its own limit broken. Drift slower than we promise
        // (`h_same_slow10`, `h_same_slow20`) has no number to reach: it is published.
        all.extend([
            Goal { world: "h_edge", rolled_back_most: Some(0.001), ..goal },
            Goal {
                world: "h_bound",
                rolled_back_most: Some(0.001),
                completed_most: Some(0.01),
                ..goal
            },
            Goal {
                world: "h_same_ar40",
                rolled_back_most: Some(0.20),
                hangs_most: Some(0.04),
                ..goal
            },
            // Not in the reference: incidents that are nobody's fault, late metrics, and
            // a new side that hurts both.
            Goal { world: "h_chance5", before_full_most: Some(0.01), ..goal },
            Goal { world: "h_chance15", before_full_most: Some(0.01), ..goal },
            Goal { world: "h_late", rolled_back_most: Some(0.001), ..goal },
            Goal { world: "h_trickle", rolled_back_most: Some(0.001), ..goal },
            Goal { world: "h_blind", rolled_back_most: Some(0.001), ..goal },
            Goal { world: "s_db25_errors", rolled_back_least: Some(1.0), ..goal },
            Goal { world: "s_db25_slow", rolled_back_least: Some(1.0), ..goal },
            Goal { world: "s_db90_errors", rolled_back_least: Some(1.0), ..goal },
        ]);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::Quantiles;
    use crate::policy::Kind;
    use crate::worlds::catalogue;

    #[test]
    fn every_goal_is_about_a_world() {
        for goal in all() {
            assert!(catalogue::find(goal.world).is_some(), "{}", goal.world);
        }
    }

    #[test]
    fn only_what_is_surely_missed_is_missed() {
        let goal = all().into_iter().find(|goal| goal.world == "h_iid").expect("a goal");
        let slow = Some(Quantiles { p10: 300, p50: 330, p90: 400, p95: 410 });
        let cell = |rolled_back| Cell {
            world: "h_iid".to_owned(),
            requests_per_minute: 10.0,
            policy: Kind::Evidence2,
            n: 100,
            seed: 1,
            completed: Share::new(100 - rolled_back, 100),
            rolled_back: Share::new(rolled_back, 100),
            rolled_back_at_full: 0,
            hangs: Share::new(0, 100),
            bake: None,
            full: None,
            complete: slow,
            delay: None,
            under_fault: None,
        };
        assert_eq!(goal.check(&cell(0)).missed, ["minutes to complete 330; reference 274"]);
        assert_eq!(goal.check(&cell(5)).missed.len(), 2);
    }
}
