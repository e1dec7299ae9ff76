//! Evidence-1 in numbers: over random rollouts, of its formulas over their ranges, and which
//! settings it takes: `tests/data/numbers-1.txt`, `formulas.txt`, `settings-1.txt`.

use std::fmt::Write as _;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rollout_controller::domain::evidence::math::{
    Pair, dispersion_term, gate_limit, kl, lf_abs, lf_rel, ln_gamma, log_sum_exp, tilt,
};
use rollout_controller::domain::evidence::{
    Engine, EvidenceConfig, Silence, Stage, interval, quantile, start_weight,
};
use rollout_controller::domain::minute::{CommittedMinute, Edges, Histogram, Minute, SideCounts};
use rollout_controller::domain::slo::Slo;
use rollout_controller::domain::weight::Weight;
use serde_json::{Value, json};

use crate::evidence2::timed;
use crate::{kept_text, percent};

fn pick<const N: usize>(rng: &mut ChaCha8Rng, of: [f64; N]) -> f64 {
    of[rng.random_range(0..N)]
}

/// Shares of requests that fail, and that take longer than each limit.
struct Side([f64; 4]);

impl Side {
    fn of(rng: &mut ChaCha8Rng) -> Self {
        Self([
            pick(rng, [0.0, 0.0, 0.002, 0.03]),
            pick(rng, [0.2, 0.3, 0.6]),
            pick(rng, [0.02, 0.02, 0.12]),
            pick(rng, [0.0, 0.002, 0.02]),
        ])
    }

    fn minute(&self, rng: &mut ChaCha8Rng, requests: u64) -> SideCounts {
        let burst = if rng.random_range(0..12) == 0 { 4.0 } else { 1.0 };
        let mut draw = |chance: f64| {
            (0..requests).filter(|_| rng.random::<f64>() < chance * burst).count() as u64
        };
        let [errors, p50, p95, p99] = self.0.map(&mut draw);
        let slowest = p99.min(requests);
        let slower = p95.min(requests - slowest);
        let slow = p50.min(requests - slowest - slower);
        let rest = requests - slowest - slower - slow;
        timed(errors, &[(9, rest), (14, slow), (19, slower), (24, slowest)])
    }
}

/// The defaults, or settings that differ from them in every part.
fn config(rng: &mut ChaCha8Rng) -> EvidenceConfig {
    if rng.random_range(0..2) == 0 {
        return EvidenceConfig::default();
    }
    EvidenceConfig {
        alpha: 0.05,
        beta: 0.02,
        horizon_ticks: 20.0,
        entry_share: 0.3,
        odds: vec![1.4, 3.0, 50.0],
        guard_factor: 1.5,
        guard_min_ratio: 1.0,
        error_factor: 1.0,
        error_margin: 0.0,
        min_gate_ticks: 5,
        bake_ticks: 9,
        dispersion_prior: 5.0,
        dispersion_clip: 4.0,
        baseline_decay: 0.9,
        baseline_prior: 10.0,
        breach_caps: Some(vec![1.0, 3.0, 5.0]),
        gate_caps: Some(vec![2.0, 2.5, 4.0]),
        incident_odds: 2.0,
        incident_on: 2.0,
        incident_cap: 6.0,
        ..EvidenceConfig::default()
    }
}

#[test]
fn evidence_1_counts_random_rollouts_as_it_was_kept() {
    let shares: Vec<Weight> = [1.0, 10.0, 50.0, 100.0].map(percent).to_vec();
    let mut now = String::new();
    for seed in 0..24 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let engine = Engine::new(config(&mut rng), Slo::default()).unwrap();
        let sides = [Side::of(&mut rng), Side::of(&mut rng)];
        let traffic = [4, 60, 400][rng.random_range(0..3)];
        let _ = writeln!(now, "\n## seed {seed}, {traffic} requests a minute");
        let mut evidence = engine.start(4);
        let before: Vec<CommittedMinute> = (-60..0)
            .map(|at| CommittedMinute {
                minute: Minute(at),
                weight: Weight::ZERO,
                old: sides[0].minute(&mut rng, traffic),
                new: SideCounts::default(),
            })
            .collect();
        evidence.learn_history(&engine, &before);
        let edges = engine.relative_edges_ms(evidence.relative_edges());
        let _ = writeln!(now, "compared at {edges:?}");
        let (mut at, mut minute) = (0, 0);
        for turn in 0..60 {
            minute += if rng.random_range(0..20) == 0 { 3 } else { 1 };
            let weight = shares[at];
            let to_new = traffic * u64::from(weight.tenths()) / 1000;
            // Nothing arrives, or nothing at the new side.
            let silent = rng.random_range(0..12);
            let old = if silent == 0 { 0 } else { traffic - to_new };
            let new = if silent <= 1 { 0 } else { to_new };
            let committed = CommittedMinute {
                minute: Minute(minute),
                weight,
                old: sides[0].minute(&mut rng, old),
                new: sides[1].minute(&mut rng, new),
            };
            if rng.random_range(0..10) == 0 {
                engine.count_against(&mut evidence, &committed).unwrap();
                continue;
            }
            let next = shares.get(at + 1).copied();
            let stage = Stage { weight, next };
            let judged = engine.judge(&mut evidence, &committed, stage.to_prove()).unwrap();
            let says = engine.stage_gate(&evidence, &judged, stage);
            if turn % 6 == 5 {
                let _ = writeln!(now, "{judged:.4?}\n  {says:.4?}");
                let seen = evidence.stage();
                let counts = (seen.old, seen.new, seen.gate);
                let timed = (seen.old_latency.samples(), seen.new_latency.samples());
                let _ =
                    writeln!(now, "  {counts:?} {timed:?} {:.4?}", engine.dispersion(&evidence));
            }
            // Sooner than proven, so that every stage is seen.
            if turn % 15 == 14 && next.is_some() {
                at += 1;
            }
        }
    }
    kept_text::holds("numbers-1.txt", &now);
}

#[test]
fn formulas_give_what_was_kept_over_their_ranges() {
    let mut now = String::new();
    let rates = [1e-6, 0.003, 0.01, 0.05, 0.3, 0.5, 0.97];
    let counts = [(0, 0), (0, 1), (1, 1), (0, 40), (3, 40), (40, 40), (50, 40), (700, 9_000)];
    for (k, n) in counts {
        for dispersion in [1.0, 2.5, 9.0] {
            for miss in [0.05, 1e-4] {
                let of = interval(k, n, dispersion, miss);
                let _ = writeln!(now, "interval {k} {n} {dispersion} {miss}: {of:.8?}");
            }
            for (limit, odds) in [(0.01, 1.5), (0.05, 12.0), (0.5, 200.0)] {
                let worse = lf_abs(k, n, limit, tilt(limit, odds), dispersion);
                let _ = writeln!(now, "lf_abs {k} {n} {limit} {odds} {dispersion}: {worse:.8}");
            }
        }
        for (k_old, n_old) in counts {
            let pair = Pair { k_new: k, n_new: n, k_old, n_old };
            for (psi0, delta) in [(1.0, 0.0), (2.0, 0.001)] {
                let worse = lf_rel(pair, psi0, delta, psi0 * 2.5, 1.5);
                let _ = writeln!(now, "lf_rel {pair:?} {psi0} {delta}: {worse:.8}");
            }
            let term = dispersion_term((k, n), (k_old, n_old), 9.0);
            let _ = writeln!(now, "dispersion {k} {n} {k_old} {n_old}: {term:.8?}");
        }
    }
    for p in rates {
        for q in rates {
            let (away, limit) = (kl(p, q), gate_limit(p, q));
            let _ = writeln!(now, "{p} {q}: kl {away:.8}, gate limit {limit:.8}");
        }
        let _ = writeln!(now, "tilt {p}: {:.8} {:.8}", tilt(p, 0.4), tilt(p, 12.0));
    }
    for x in [0.5, 1.0, 1.5, 2.0, 7.25, 100.0, 123_456.5] {
        let _ = writeln!(now, "ln gamma {x}: {:.8}", ln_gamma(x));
    }
    for terms in [&[][..], &[-3.0], &[0.0, 0.0], &[-800.0, -801.0], &[5.0, -700.0, 2.0]] {
        let sum = log_sum_exp(terms.iter().copied());
        let _ = writeln!(now, "log_sum_exp {terms:?}: {sum:.8}");
    }
    let edges = Edges::default();
    for (at, many) in [(0, 1), (9, 40), (12, 3_000), (edges.buckets() - 1, 20)] {
        let mut buckets = vec![0; edges.buckets()];
        buckets[at] = many;
        buckets[at / 2] += many / 30;
        let latency = Histogram::new(many + many / 30, buckets);
        for q in [0.5, 0.95, 0.99] {
            let of = quantile(&edges, &latency, q, 1.5, 0.05);
            let _ = writeln!(now, "quantile {at} {many} {q}: {of:?}");
        }
    }
    let shares = [1.0, 5.0, 10.0, 25.0, 50.0, 100.0].map(percent);
    for requests in [0.0, 11.9, 12.0, 12.1, 60.0, 60.1, 240.0, 1e6] {
        for lag in [0, 2, 5] {
            let first = start_weight(&shares, requests, lag).unwrap();
            let _ = writeln!(now, "start at {requests} a minute, lag {lag}: {first}");
        }
    }
    kept_text::holds("formulas.txt", &now);
}

#[test]
fn evidence_1_takes_the_settings_that_were_kept() {
    let numbers = [
        json!(-1.0),
        json!(0.0),
        json!(1e-9),
        json!(0.25),
        json!(0.5),
        json!(0.999_999),
        json!(1.0),
        json!(1.000_001),
        json!(4.0),
        json!(1e9),
    ];
    let whole = [json!(0), json!(1), json!(2), json!(3), json!(29), json!(30), json!(31)];
    let odds = [
        json!([]),
        json!([1.0]),
        json!([1.000_001]),
        json!([2.0, 2.0]),
        json!([2.0, 3.0]),
        json!([3.0, 2.0]),
        (2..34).map(|odds| json!(odds)).collect(),
        (2..35).map(|odds| json!(odds)).collect(),
    ];
    let caps = [
        json!([1, 1, 1, 1, 1]),
        json!([1, 1, 1, 1, 1, 0.0]),
        json!([0.1, 1, 1, 1, 1, 1e-9]),
        json!([-1, 1, 1, 1, 1, 1]),
        json!([1, 1, 1, 1, 1, 1, 1]),
    ];
    let weights = [
        json!([1.0, 0, 0, 0, 0, 0, 0, 0]),
        json!([1.1, -0.1, 0, 0, 0, 0, 0, 0]),
        json!([0.5, 0.5, 0, 0, 0, 0, 0, 0.000_000_9]),
        json!([0.5, 0.5, 0, 0, 0, 0, 0, 0.000_002]),
        json!([0.5, 0.499_998, 0, 0, 0, 0, 0, 0]),
    ];
    let defaults = serde_json::to_value(EvidenceConfig::default()).unwrap();
    let mut now = String::new();
    let mut tell = |field: &str, value: &Value| {
        let mut config = defaults.clone();
        match config.pointer_mut(&format!("/{field}")) {
            Some(place) => place.clone_from(value),
            None => panic!("evidence-1 has no setting {field}"),
        }
        let says = match serde_json::from_value::<EvidenceConfig>(config) {
            Err(error) => error.to_string(),
            Ok(config) => match config.check() {
                Ok(()) => "taken".to_owned(),
                Err(error) => format!("✖ {error}"),
            },
        };
        let _ = writeln!(now, "{field} = {value}: {says}");
    };
    for (field, value) in defaults.as_object().unwrap() {
        let values: &[Value] = match field.as_str() {
            "odds" => &odds,
            "breach_caps" | "gate_caps" => &caps,
            "family_weights" | "edges_ms" => &[],
            _ if value.is_u64() => &whole,
            _ => &numbers,
        };
        for value in values {
            tell(field, value);
        }
    }
    let names: Vec<&String> = defaults["family_weights"].as_object().unwrap().keys().collect();
    for weights in &weights {
        let each = names.iter().zip(weights.as_array().unwrap());
        tell(
            "family_weights",
            &each.map(|(name, weight)| ((*name).clone(), weight.clone())).collect(),
        );
    }
    for (errors, p50, p95, p99) in [
        (0.0, 100.0, 200.0, 500.0),
        (1e-9, 100.0, 200.0, 500.0),
        (1.0, 100.0, 200.0, 500.0),
        (0.01, 0.0, 200.0, 500.0),
        (0.01, 100.0, 100.0, 100.0),
        (0.01, 200.0, 160.0, 500.0),
        (0.01, 101.0, 200.0, 500.0),
        (0.01, 100.0, 200.0, 1e9),
        (0.01, 0.5, 200.0, 500.0),
    ] {
        let slo = Slo { max_error_ratio: errors, p50_ms: p50, p95_ms: p95, p99_ms: p99 };
        let says = match EvidenceConfig::default().check_slo(&slo) {
            Ok(()) => "taken".to_owned(),
            Err(error) => format!("✖ {error}"),
        };
        let _ = writeln!(now, "{slo:?}: {says}");
    }
    kept_text::holds("settings-1.txt", &now);
}

#[test]
fn silence_is_alarming_after_five_minutes_in_which_twenty_requests_were_due() {
    for (minutes, expected, alarming) in
        [(5, 20.1, true), (5, 20.0, false), (4, 1e6, false), (60, 19.9, false), (6, 21.0, true)]
    {
        let silence = Silence { minutes, expected };
        assert_eq!(silence.is_alarming(), alarming, "{silence:?}");
    }
}

#[test]
fn a_state_is_of_the_settings_that_it_was_gathered_with() {
    let engine = Engine::new(EvidenceConfig::default(), Slo::default()).unwrap();
    let last = engine.config().edges_ms.as_ms().len() - 1;
    let side = || timed(0, &[(9, 40)]);
    let minute =
        CommittedMinute { minute: Minute(1), weight: percent(10.0), old: side(), new: side() };
    // The new side is measured one edge further, so the last one cannot be compared at.
    for (edge, fits) in [(last - 1, true), (last, false), (last + 1, false)] {
        let mut evidence = engine.start(4);
        let edges = json!([null, edge, null]);
        evidence.set_relative_edges(serde_json::from_value(edges).unwrap());
        let judged = engine.judge(&mut evidence, &minute, percent(50.0));
        assert_eq!(judged.is_ok(), fits, "edge {edge} of {last}");
        assert_eq!(engine.count_against(&mut evidence, &minute).is_ok(), fits);
    }
    let other = EvidenceConfig { odds: vec![2.0, 9.0], ..EvidenceConfig::default() };
    let other = Engine::new(other, Slo::default()).unwrap();
    assert!(other.judge(&mut engine.start(4), &minute, percent(50.0)).is_err());
}
