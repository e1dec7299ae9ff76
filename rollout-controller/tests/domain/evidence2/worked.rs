//! The worked numbers of the specification.

use rollout_controller::domain::evidence2::{Lead, Position};
use rollout_controller::domain::minute::SideCounts;
use rollout_controller::domain::slo::Metric;

use crate::evidence2::{engine_on, one_route, percent, side, stages, steady_history};

fn old(errors: u64) -> SideCounts {
    side(540, errors, &[(11, 270), (13, 173), (14, 82), (17, 13), (21, 2)])
}

fn new(errors: u64) -> SideCounts {
    side(60, errors, &[(9, 40), (12, 15), (15, 5)])
}

/// Errors new and old; `ln E`, limit, old side, minute-level; pooled and fresh gate
/// of errors, pooled gate of P99; `D` of 60 requests.
const MINUTES: [([u64; 2], [f64; 8]); 8] = [
    ([0, 1], [-0.01099, -0.06709, -0.04685, -0.02072, 0.0, 0.0, 0.0, 1.0]),
    ([0, 1], [-0.06011, -0.08219, -0.06350, -0.03446, 1.46513, 1.46513, 1.46513, 1.0]),
    ([0, 1], [-0.07265, -0.09349, -0.07539, -0.04499, 3.56454, 3.56454, 3.56454, 1.0]),
    ([6, 1], [0.03101, 0.22951, 0.59186, 0.03213, -0.52787, -0.52787, 5.84215, 1.1698]),
    ([6, 1], [1.66308, 2.85732, 3.59288, 0.29785, -0.71150, -0.71150, 8.17294, 1.1332]),
    ([8, 70], [-0.06583, -0.12430, -0.10587, 0.27418, -0.71150, -0.71150, 10.52860, 1.1086]),
    ([6, 1], [0.08872, 0.07596, 0.22623, 0.99599, -0.77637, -0.77637, 12.89945, 1.0854]),
    ([60, 1], [2.42462, 3.04959, 3.08382, 4.43811, -0.80350, -0.80350, 15.28077, 1.3116]),
];

#[test]
fn eight_minutes_agree_with_the_table() {
    let history = steady_history(60, &old(1));
    let engine = engine_on(
        &history,
        crate::evidence2::Settings::default(),
        stages(&[1.0, 5.0, 10.0, 25.0, 50.0, 90.0, 100.0]),
    );
    assert_eq!(engine.choices().strata[0].edges, [Some(11), Some(14), Some(17)]);
    assert_eq!((engine.choices().margin, engine.choices().tolerance), ([2; 3], [1; 4]));
    let mut evidence = engine.start();
    let at = Position { share: percent(10.0), baked: false };
    for (minute, ([errors_new, errors_old], expected)) in (0..).zip(MINUTES) {
        let reading = one_route(minute, percent(10.0), old(errors_old), new(errors_new));
        engine.fold(&mut evidence, &reading).unwrap();
        let family = |lead| engine.family(&evidence, lead).unwrap();
        let [errors, _, _, p99] = engine.gates(&evidence, at);
        let found = [
            engine.suspicion(&evidence).0,
            family(Lead::Limit(Metric::Err)),
            family(Lead::OldSide(Metric::Err)),
            family(Lead::Minutes(Metric::Err)),
            errors.pooled.0,
            errors.fresh.0,
            p99.pooled.0,
            evidence.dispersion(Metric::Err, 60),
        ];
        for (found, expected) in found.into_iter().zip(expected) {
            assert!((found - expected).abs() < 6e-5, "minute {minute}: {found} for {expected}");
        }
    }
    assert!(evidence.rolled_back().is_none());
}

#[test]
fn one_minute_level_bet_agrees_with_the_table() {
    // One stage of one: the whole entry mass is staked in the first minute, so
    // the family is half of the mass and its factor, mixed over four stakes.
    let factor = |x: f64, m: f64, g: f64| (1.0 - g + g * x / m).ln();
    for (x, expected) in [
        (1.0, [1.378_766, 2.388_763, 3.424_263, 4.100_989]),
        (0.2, [0.451_076, 1.064_711, 1.902_108, 2.517_696]),
        (0.0, [-0.030_459, -0.105_361, -0.356_675, -0.916_291]),
    ] {
        for (g, expected) in [0.03, 0.1, 0.3, 0.6].into_iter().zip(expected) {
            assert!((factor(x, 0.01, g) - expected).abs() < 1e-5, "x {x}, g {g}");
        }
    }
    let guarded = |k: f64, n: f64| 1.25 * (k + 1.0) / (n + 1.0);
    assert!((factor(0.11, guarded(30.0, 300.0), 0.3) + 0.044_647).abs() < 1e-6);
    assert!((factor(0.2, guarded(0.0, 60.0), 0.3) - 1.288_682).abs() < 1e-6);

    // The engine's own: the same mixture of those factors.
    let history = steady_history(60, &side(300, 0, &[(10, 300)]));
    let engine = engine_on(&history, crate::evidence2::Settings::default(), stages(&[50.0, 100.0]));
    for (k_old, n_old, k, n) in [(30, 300, 11, 100), (0, 60, 20, 100), (0, 0, 100, 100)] {
        let mut evidence = engine.start();
        let old = side(n_old, k_old, &[(10, n_old)]);
        let reading = one_route(0, percent(50.0), old, side(n, k, &[(10, n)]));
        engine.fold(&mut evidence, &reading).unwrap();
        let limit = if n_old == 0 { 0.01 } else { guarded(k_old as f64, n_old as f64).max(0.01) };
        let staked = 0.5 * (1.0 - 60.0 / 61.0) + 0.25;
        let share = k as f64 / n as f64;
        let factors = [0.03, 0.1, 0.3, 0.6].map(|g| factor(share, limit, g).exp());
        let expected = (1.0 - staked + staked * factors.iter().sum::<f64>() / 4.0).ln();
        let found = engine.family(&evidence, Lead::Minutes(Metric::Err)).unwrap();
        assert!((found - expected).abs() < 1e-9, "{k_old}/{n_old} {k}/{n}: {found} {expected}");
    }
}
