//! The exact binomial interval (C. Clopper and E. Pearson, 1934).

use rollout_controller::domain::evidence::math::ln_gamma;

/// 95 % interval of a rate of which `k` of `n` were seen.
pub(crate) fn clopper_pearson(k: u64, n: u64) -> (f64, f64) {
    let low = if k == 0 { 0.0 } else { boundary(|p| at_least(k, n, p) < 0.025) };
    let high = if k >= n { 1.0 } else { boundary(|p| 1.0 - at_least(k + 1, n, p) > 0.025) };
    (low, high)
}

/// The largest rate for which something holds that holds for 0 and not for 1.
fn boundary(holds: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..50 {
        let middle = f64::midpoint(low, high);
        *(if holds(middle) { &mut low } else { &mut high }) = middle;
    }
    low
}

/// Probability of `k` or more.
fn at_least(k: u64, n: u64, p: f64) -> f64 {
    let ln_choose = |i: u64| {
        ln_gamma(n as f64 + 1.0) - ln_gamma(i as f64 + 1.0) - ln_gamma((n - i) as f64 + 1.0)
    };
    let term = |i: u64| (ln_choose(i) + i as f64 * p.ln() + (n - i) as f64 * (1.0 - p).ln()).exp();
    (k..=n).map(term).sum::<f64>().min(1.0)
}

#[test]
fn agrees_with_published_intervals() {
    for (k, n, low, high) in [
        (0, 300, 0.0, 0.012_22),
        (4, 20, 0.057_3, 0.436_6),
        (81, 263, 0.252_7, 0.367_6),
        (1, 10, 0.002_5, 0.445_0),
    ] {
        let found = clopper_pearson(k, n);
        assert!((found.0 - low).abs() < 1e-4 && (found.1 - high).abs() < 1e-4, "{k}/{n} {found:?}");
    }
}
