//! The worked numbers of the design, as printed there: six digits.

use crate::{engine, minute, percent, side};
use rollout_controller::domain::evidence::math::{
    Pair, dispersion_term, gate_limit, lf_abs, lf_rel, tilt,
};
use rollout_controller::domain::evidence::{Family, Signal, interval, quantile};
use rollout_controller::domain::minute::{Edges, Histogram};
use rollout_controller::domain::slo::Metric;

/// Equal in the digits printed: half a unit of the sixth.
fn same(found: f64, printed: f64) {
    assert!((found - printed).abs() <= 5.1e-6 * printed.abs(), "{found} is not {printed}");
}

#[test]
fn tilts() {
    let odds = [1.5, 2.5, 5.0, 12.0, 40.0, 200.0];
    let rows = [
        (0.01, [0.014_925_4, 0.024_630_5, 0.048_076_9, 0.108_108, 0.287_770, 0.668_896]),
        (0.05, [0.073_170_7, 0.116_279, 0.208_333, 0.387_097, 0.677_966, 0.913_242]),
        (0.5, [0.6, 0.714_286, 0.833_333, 0.923_077, 0.975_610, 0.995_025]),
    ];
    for (p, printed) in rows {
        for (r, printed) in odds.into_iter().zip(printed) {
            same(tilt(p, r), printed);
        }
    }
}

#[test]
fn likelihood_ratios_and_dispersion() {
    same(lf_abs(24, 1240, 0.01, tilt(0.01, 2.5), 1.0), 3.529_10);
    let pair = |k_new, n_new, k_old, n_old| Pair { k_new, n_new, k_old, n_old };
    same(lf_rel(pair(3, 60, 1, 540), 2.0, 0.001, 5.0, 1.0), 1.726_37);
    same(lf_rel(pair(12, 300, 10, 300), 1.25, 0.0, 1.625, 1.0), -0.242_944);
    same(dispersion_term((3, 600), (1, 580), 9.0).unwrap(), 0.936_002);
    same(dispersion_term((30, 600), (0, 600), 9.0).unwrap(), 9.0);
}

#[test]
fn gate_limits() {
    let shares = [0.05, 0.1, 0.25, 0.5, 1.0];
    let rows = [
        (0.01, [0.2, 0.1, 0.04, 0.02, 0.01]),
        (0.05, [0.525, 0.5, 0.2, 0.1, 0.05]),
        (0.5, [0.75, 0.75, 0.75, 0.75, 0.5]),
    ];
    for (s, printed) in rows {
        for (u, printed) in shares.into_iter().zip(printed) {
            same(gate_limit(s, u), printed);
        }
    }
}

#[test]
fn intervals_and_quantiles() {
    let rows = [
        (24, 1.0, 0.008_242_93, 0.037_415_8),
        (31, 1.0, 0.011_967_1, 0.044_909_6),
        (31, 2.0, 0.008_614_74, 0.054_348_8),
    ];
    for (k, d, low, high) in rows {
        let found = interval(k, 1240, d, 0.05);
        same(found.low, low);
        same(found.high, high);
    }
    let none = interval(0, 300, 1.0, 0.05);
    same(none.low, 0.0);
    same(none.high, 0.021_174_0);

    let edges = vec![50.0, 100.0, 200.0, 315.0, 400.0, 500.0, 630.0, 800.0, 1000.0];
    let edges = Edges::new(edges).unwrap();
    let counts = vec![900, 250, 60, 14, 4, 3, 5, 2, 1, 1];
    let latency = Histogram::new(counts.iter().sum(), counts);
    for (q, low, point, high) in
        [(0.5, 0.0, 50.0, 50.0), (0.95, 50.0, 200.0, 200.0), (0.99, 200.0, 400.0, 1000.0)]
    {
        let found = quantile(&edges, &latency, q, 1.0, 0.05);
        same(found.low_ms, low);
        same(found.point_ms.unwrap(), point);
        same(found.high_ms.unwrap(), high);
    }
}

/// One printed line: `ln E`, abs_err, rel_err, gate err, gate p99, D err, verdict.
type Line = (f64, f64, f64, f64, f64, f64, Signal);

#[test]
fn six_minutes_of_a_fault_from_counts_to_verdict() {
    let engine = engine();
    let mut evidence = engine.start(6);
    // Old exceedances at 63, 125 and 315 ms; new ones an edge further out.
    evidence.set_relative_edges(engine.relative_edges_at([63.0, 125.0, 315.0].map(Some)));
    // Over 80: 20, over 100: 5, over 160: 2, over 200: 0.
    let new = [(50.0, 40), (90.0, 15), (110.0, 3), (180.0, 2)];
    // Over 63: 270, over 100: 97, over 125: 27, over 200: 15, over 315: 5, over 500: 2.
    let old =
        [(50.0, 270), (90.0, 173), (110.0, 70), (150.0, 12), (250.0, 10), (400.0, 3), (900.0, 2)];
    let lines: [Line; 6] = [
        (-0.015_762_2, -0.075_259_6, -0.054_045_9, 0.0, 0.0, 1.0, Signal::Hold),
        (-0.090_986_6, -0.091_449_8, -0.072_612_6, 1.465_13, 1.465_13, 1.0, Signal::Hold),
        (-0.103_754, -0.103_914, -0.085_522_3, 3.564_54, 3.564_54, 1.0, Signal::Hold),
        (0.230_113, 0.241_554, 1.240_95, -0.527_868, 5.842_15, 1.169_78, Signal::Hold),
        (4.521_65, 2.885_37, 6.569_06, -0.711_503, 8.172_94, 1.133_22, Signal::Hold),
        (10.739_2, 6.809_07, 12.816_2, -0.761_56, 10.528_6, 1.098_88, Signal::Rollback),
    ];
    for (at, (log_e, abs_err, rel_err, gate_err, gate_p99, d_err, signal)) in (0..).zip(lines) {
        let errors = if at < 3 { 0 } else { 6 };
        let counts =
            minute(at, percent(10.0), side(&engine, 540, 1, &old), side(&engine, 60, errors, &new));
        let judged = engine.judge(&mut evidence, &counts, percent(25.0)).unwrap();
        same(judged.log_e, log_e);
        same(judged.log_e_family[Family::AbsErr.index()], abs_err);
        same(judged.log_e_family[Family::RelErr.index()], rel_err);
        same(judged.log_gates[Metric::Err.index()], gate_err);
        same(judged.log_gates[Metric::P99.index()], gate_p99);
        same(judged.dispersion[Metric::Err.index()], d_err);
        assert_eq!(judged.signal, signal, "minute {at}");
        if signal == Signal::Rollback {
            assert_eq!(judged.lead, Family::RelErr);
        }
    }
}
