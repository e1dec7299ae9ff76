//! The promises, in simulated worlds with fixed seeds.
//!
//! A few rollouts a cell by default: enough to fail when a promise is clearly
//! broken. More, and other cells, with the environment:
//!
//! ```text
//! WORLDS="h_iid@600 f_e1@60" N=1000 SEED=70000 cargo test --release \
//!     -p rollout-controller --test evidence2 promises -- --nocapture
//! ```

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rollout_controller::domain::evidence2::Lead;
use rollout_controller::domain::slo::Metric;

use crate::evidence2::worlds::catalogue;
use crate::evidence2::worlds::rollout::{Cell, Conditions, End};
use crate::evidence2::{engine, one_route, percent, side};

/// World, requests a minute, minutes of history.
const SMALL: [(&str, f64, i64); 15] = [
    ("h_iid", 600.0, 60),
    ("h_near", 6000.0, 60),
    ("h_burst", 6000.0, 1440),
    ("h_same_ar20", 600.0, 1440),
    ("h_inc100", 600.0, 60),
    ("h_incstep", 6000.0, 60),
    ("h_simpson3", 6000.0, 60),
    ("h_cold", 6000.0, 60),
    ("f_e5", 600.0, 60),
    ("f_e5@25", 6000.0, 60),
    ("f_out@10", 600.0, 60),
    ("f_p50x2", 6000.0, 60),
    ("f_flap10_100", 6000.0, 60),
    ("f_flap4_10", 6000.0, 60),
    ("f_one5_5", 6000.0, 60),
];

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a whole number"))
}

#[test]
fn promises_are_kept_and_no_healthy_rollout_hangs() {
    let n = number("N", 12);
    let seed = number("SEED", 10_000);
    let cells: Vec<(String, f64, i64)> = match std::env::var("WORLDS") {
        Ok(asked) => asked
            .split_whitespace()
            .map(|cell| {
                let (world, requests) = cell.rsplit_once('@').expect("WORLD@REQUESTS_PER_MINUTE");
                let minutes = i64::try_from(number("HISTORY", 1440)).expect("at most a day");
                (world.to_owned(), requests.parse().expect("requests a minute"), minutes)
            })
            .collect(),
        Err(_) => {
            SMALL.map(|(world, requests, history)| (world.to_owned(), requests, history)).to_vec()
        }
    };
    let mut broken = Vec::new();
    for (world, requests, history_minutes) in cells {
        let world = catalogue::named(&world);
        let conditions = Conditions { history_minutes, ..Conditions::new(requests) };
        let cell = Cell::run(&world, conditions, seed..seed + n);
        println!("{cell}");
        broken.extend(cell.broken());
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn a_broken_promise_is_noticed() {
    // A healthy service held to the promise for faults, and the other way round.
    let mut healthy = catalogue::named("h_iid");
    healthy.expect = crate::evidence2::worlds::Expect::Fault { completed: 0.01 };
    let mut outage = catalogue::named("f_out@10");
    outage.expect = crate::evidence2::worlds::Expect::Healthy { rolled_back: 0.01 };
    for world in [healthy, outage] {
        let conditions = Conditions { history_minutes: 60, ..Conditions::new(600.0) };
        let cell = Cell::run(&world, conditions, 1..5);
        assert!(cell.broken().is_some(), "{cell}");
        assert_eq!(cell.count(End::Stuck), 0);
    }
}

/// Mean and standard error of `E` after so many minutes at 50 %, both sides with
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
