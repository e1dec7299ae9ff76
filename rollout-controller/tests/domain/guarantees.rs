//! The guarantees, on simulated rollouts with fixed seeds.
//!
//! Under a null hypothesis the expectation of the evidence at any stopping time
//! is at most 1. Each check has a counterpart that shows it could fail.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::{minute, percent, side};
use rollout_controller::domain::evidence::{Engine, EvidenceConfig, FamilyWeights, Judged, Signal};
use rollout_controller::domain::minute::{CommittedMinute, SideCounts};
use rollout_controller::domain::slo::Slo;

/// Share of requests that fail, and that are slower than 100, 200 and 500 ms.
#[derive(Clone, Copy)]
struct Rates {
    err: f64,
    slow: [f64; 3],
}

const AT_THE_LIMITS: Rates = Rates { err: 0.01, slow: [0.5, 0.05, 0.01] };
const HEALTHY: Rates = Rates { err: 0.002, slow: [0.15, 0.02, 0.003] };

impl Rates {
    fn draw(self, engine: &Engine, rng: &mut ChaCha8Rng, requests: u64) -> SideCounts {
        let mut errors = 0;
        let mut latencies = [(50.0, 0), (150.0, 0), (300.0, 0), (900.0, 0)];
        for _ in 0..requests {
            errors += u64::from(rng.random::<f64>() < self.err);
            let u: f64 = rng.random();
            let class = self.slow.iter().filter(|&&share| u < share).count();
            latencies[class].1 += 1;
        }
        side(engine, requests, errors, &latencies)
    }
}

/// One rollout at one weight; both sides get 20 to 59 requests a minute.
fn rollout(engine: &Engine, rng: &mut ChaCha8Rng, old: Rates, new: Rates) -> Vec<Judged> {
    let mut evidence = engine.start(6);
    // With this pair of edges "slow" means the same on both sides.
    evidence.set_relative_edges(engine.relative_edges_at([100.0, 200.0, 500.0].map(Some)));
    let mut draw = |at: i64| -> CommittedMinute {
        let (n_old, n_new) = (rng.random_range(20..60), rng.random_range(20..60));
        let old = old.draw(engine, rng, n_old);
        minute(at, percent(50.0), old, new.draw(engine, rng, n_new))
    };
    (0..40).map(|at| engine.judge(&mut evidence, &draw(at), percent(100.0)).unwrap()).collect()
}

/// Mean and standard error of a process stopped when it first reaches `stop`,
/// or at the end.
fn stopped(rollouts: &[Vec<Judged>], stop: f64, log: impl Fn(&Judged) -> f64) -> (f64, f64) {
    let values: Vec<f64> = rollouts
        .iter()
        .map(|minutes| {
            let reached = minutes.iter().map(&log).find(|&log| log >= stop.ln());
            reached.unwrap_or_else(|| minutes.last().map_or(0.0, &log)).exp()
        })
        .collect();
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, (variance / n).sqrt())
}

fn simulate(engine: &Engine, seed: u64, old: Rates, new: Rates) -> Vec<Vec<Judged>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..250).map(|_| rollout(engine, &mut rng, old, new)).collect()
}

fn engine(weights: [f64; 8]) -> Engine {
    let family_weights = FamilyWeights::from_array(weights);
    let config = EvidenceConfig { family_weights, ..EvidenceConfig::default() };
    Engine::new(config, Slo::default()).unwrap()
}

/// Whether the mean is at most 1 by more than four standard errors' doubt.
fn is_e_process((mean, error): (f64, f64)) -> bool {
    mean <= 1.0 + 4.0 * error
}

#[test]
fn evidence_against_a_service_at_its_limits_stays_at_most_one_on_average() {
    let engine = engine([0.125; 8]);
    let rollouts = simulate(&engine, 1, AT_THE_LIMITS, AT_THE_LIMITS);
    for stop in [2.0, 5.0, 100.0] {
        let found = stopped(&rollouts, stop, |judged| judged.log_e);
        assert!(is_e_process(found), "stopped at {stop}: {found:?}");
    }
}

#[test]
fn evidence_against_the_limits_alone_stays_at_most_one_next_to_a_better_old_side() {
    let engine = engine([0.25, 0.25, 0.25, 0.25, 0.0, 0.0, 0.0, 0.0]);
    let rollouts = simulate(&engine, 2, HEALTHY, AT_THE_LIMITS);
    for stop in [2.0, 100.0] {
        let found = stopped(&rollouts, stop, |judged| judged.log_e);
        assert!(is_e_process(found), "stopped at {stop}: {found:?}");
    }
}

#[test]
fn evidence_of_being_worse_stays_at_most_one_at_the_margin() {
    let engine = engine([0.0, 0.0, 0.0, 0.0, 0.25, 0.25, 0.25, 0.25]);
    // Twice the errors plus 0.1 points, and equal tails.
    let new = Rates { err: 2.0 * AT_THE_LIMITS.err + 0.001, ..AT_THE_LIMITS };
    let rollouts = simulate(&engine, 3, AT_THE_LIMITS, new);
    for stop in [2.0, 100.0] {
        let found = stopped(&rollouts, stop, |judged| judged.log_e);
        assert!(is_e_process(found), "stopped at {stop}: {found:?}");
    }
}

#[test]
fn the_same_check_notices_a_service_that_is_worse() {
    let engine = engine([0.125; 8]);
    let bad = Rates { err: 0.06, ..AT_THE_LIMITS };
    let found = stopped(&simulate(&engine, 4, AT_THE_LIMITS, bad), 100.0, |judged| judged.log_e);
    assert!(!is_e_process(found), "{found:?}");
}

#[test]
fn proof_of_a_limit_that_is_just_violated_stays_at_most_one_on_average() {
    let engine = engine([0.125; 8]);
    let rollouts = simulate(&engine, 5, HEALTHY, AT_THE_LIMITS);
    for gate in 0..4 {
        let found = stopped(&rollouts, 100.0, |judged| judged.log_gates[gate]);
        assert!(is_e_process(found), "gate {gate}: {found:?}");
    }
    let healthy = simulate(&engine, 6, HEALTHY, HEALTHY);
    let found = stopped(&healthy, 100.0, |judged| judged.log_gates[1]);
    assert!(!is_e_process(found), "a healthy service must be provable: {found:?}");
}

#[test]
fn a_healthy_service_is_hardly_ever_rolled_back_and_a_violating_one_hardly_ever_advanced() {
    let engine = engine([0.125; 8]);
    let ever = |rollouts: &[Vec<Judged>], signal: Signal| {
        rollouts.iter().filter(|minutes| minutes.iter().any(|j| j.signal == signal)).count()
    };
    // 250 rollouts at 1% each: more than 8 would be a one in 1,000 surprise.
    let healthy = simulate(&engine, 7, HEALTHY, HEALTHY);
    assert!(ever(&healthy, Signal::Rollback) <= 8);
    let violating = Rates { err: 0.011, ..HEALTHY };
    let violating = simulate(&engine, 8, violating, violating);
    assert!(ever(&violating, Signal::Advance) <= 8);
    let dead = Rates { err: 1.0, ..HEALTHY };
    let dead = simulate(&engine, 9, HEALTHY, dead);
    assert_eq!(ever(&dead, Signal::Rollback), 250, "an outage is always found");
    for minutes in dead {
        let found = minutes.iter().position(|j| j.signal == Signal::Rollback);
        assert_eq!(found, Some(1), "in its second minute: no single minute decides");
    }
}
