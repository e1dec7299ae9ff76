//! The exact binomial interval (C. Clopper and E. Pearson, 1934).

use rollout_controller::domain::evidence::math::ln_gamma;
use serde::{Deserialize, Serialize};

/// A share of rollouts as counted, with its exact 95% interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// How many.
    pub k: u64,
    /// Among how many.
    pub n: u64,
    /// Lower end, 0.0 to 1.0.
    pub low: f64,
    /// Upper end, 0.0 to 1.0.
    pub high: f64,
}

impl Share {
    /// From a count.
    pub fn new(k: u64, n: u64) -> Self {
        let (low, high) = clopper_pearson(k, n);
        Self { k, n, low, high }
    }

    /// `k/n`; 0 when nothing was counted.
    pub fn ratio(&self) -> f64 {
        self.k as f64 / (self.n as f64).max(1.0)
    }
}

/// 95% interval of a rate of which `k` of `n` were seen.
pub fn clopper_pearson(k: u64, n: u64) -> (f64, f64) {
    let (bad, good) = (k as f64, n.saturating_sub(k) as f64);
    let low = if k == 0 { 0.0 } else { boundary(|p| beta(bad, good + 1.0, p) < 0.025) };
    let high = if k >= n { 1.0 } else { boundary(|p| beta(bad + 1.0, good, p) < 0.975) };
    (low, high)
}

/// The largest rate for which something holds that holds for 0 and not for 1.
fn boundary(holds: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        *(if holds(middle) { &mut low } else { &mut high }) = middle;
    }
    low
}

/// The regularised incomplete beta function, by its continued fraction (Lentz).
fn beta(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return if x <= 0.0 { 0.0 } else { 1.0 };
    }
    if x > (a + 1.0) / (a + b + 2.0) {
        // Converges fast on this side only.
        return 1.0 - beta(b, a, 1.0 - x);
    }
    let front = a * x.ln() + b * (1.0 - x).ln() + ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b);
    let tiny = 1e-300;
    let off_zero = |value: f64| if value.abs() < tiny { tiny } else { value };
    let (mut above, mut below) = (1.0, 1.0 / off_zero(1.0 - (a + b) * x / (a + 1.0)));
    let mut fraction = below;
    for step in 1..10_000 {
        let m = f64::from(step);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut change = 1.0;
        for term in [even, odd] {
            below = 1.0 / off_zero(1.0 + term * below);
            above = off_zero(1.0 + term / above);
            change = above * below;
            fraction *= change;
        }
        if (change - 1.0).abs() < 1e-14 {
            break;
        }
    }
    front.exp() * fraction / a
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_published_intervals() {
        for (k, n, low, high) in [
            (0, 300, 0.0, 0.012_22),
            (4, 20, 0.057_3, 0.436_6),
            (81, 263, 0.252_7, 0.367_6),
            (1, 10, 0.002_5, 0.445_0),
            (10, 10, 0.691_5, 1.0),
            (0, 100_000, 0.0, 0.000_036_9),
        ] {
            let (found_low, found_high) = clopper_pearson(k, n);
            let off = (found_low - low).abs().max((found_high - high).abs());
            assert!(off < 1e-4 && found_high > found_low, "{k}/{n} {found_low} {found_high}");
        }
        assert!((clopper_pearson(0, 100_000).1 - 3.688_8e-5).abs() < 1e-8);
    }
}
