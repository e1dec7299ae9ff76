//! What the promises rest on, on simulated counts with fixed seeds. The promises
//! themselves are held against whole rollouts in `contest/tests/short.rs`.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rollout_controller::domain::evidence2::Lead;
use rollout_controller::domain::slo::Metric;

use crate::evidence2::{engine, one_route, percent, side};

/// Mean and standard error of `E` after so many minutes at 50%, both sides with
/// these error rates.
fn mean_evidence(old_rate: f64, new_rate: f64, rollouts: u64) -> (f64, f64) {
    let engine = engine();
    let mut values = Vec::new();
    for seed in 0..rollouts {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut draw = |rate: f64, n: u64| {
            let errors = (0..n).filter(|_| rng.random::<f64>() < rate).count() as u64;
            side(n, errors, &[(9, n)])
        };
        let mut evidence = engine.start();
        for minute in 0..25 {
            let (old, new) = (draw(old_rate, 40), draw(new_rate, 40));
            engine.fold(&mut evidence, &one_route(minute, percent(50.0), old, new)).unwrap();
        }
        values.push(engine.suspicion(&evidence).0.exp());
    }
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, (variance / n).sqrt())
}

#[test]
fn evidence_against_a_service_at_its_limit_has_a_mean_of_at_most_one() {
    // Errors are independent and D is estimated at 1 or more, so 1 is the bound.
    let (mean, error) = mean_evidence(0.0045, 0.01, 1500);
    assert!(mean < 1.0 + 4.0 * error && mean < 1.15, "{mean} ± {error}");
    let (mean, _) = mean_evidence(0.0045, 0.05, 100);
    assert!(mean > 100.0, "a fault must raise it: {mean}");
}

#[test]
fn a_minute_level_bet_needs_no_independence() {
    // All requests of a minute fail together, once in a hundred minutes: the
    // average is at the limit, so the minute-level family must stay near its start.
    let engine = engine();
    let mut sum = 0.0;
    let rollouts = 2000;
    for seed in 0..rollouts {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut evidence = engine.start();
        for minute in 0..20 {
            let errors = if rng.random::<f64>() < 0.01 { 50 } else { 0 };
            let new = side(50, errors, &[(9, 50)]);
            let old = side(50, 0, &[(9, 50)]);
            engine.fold(&mut evidence, &one_route(minute, percent(50.0), old, new)).unwrap();
        }
        sum += engine.family(&evidence, Lead::Minutes(Metric::Err)).unwrap().exp();
    }
    let mean = sum / f64::from(u32::try_from(rollouts).unwrap());
    assert!(mean < 1.2, "{mean}");
}
