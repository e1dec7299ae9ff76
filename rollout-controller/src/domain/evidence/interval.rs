//! Rates and quantiles with intervals that hold at every look.

use serde::{Deserialize, Serialize};

use super::math::ln_gamma;
use crate::domain::minute::{Edges, Histogram};

/// Bounds of a rate, 0.0 to 1.0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower bound.
    pub low: f64,
    /// Upper bound.
    pub high: f64,
}

/// Confidence sequence for the rate of `k` among `n`: with probability
/// `1 - miss` it contains the true rate at every look, not just at one.
///
/// The rates against which a Beta(1/2, 1/2) mixture of likelihood ratios has not
/// reached `1/miss`. Counts are divided by `dispersion >= 1`. Nothing counted
/// gives 0.0 to 1.0.
///
/// Source: H. Robbins (1970), mixtures of likelihood ratios.
pub fn interval(k: u64, n: u64, dispersion: f64, miss: f64) -> Interval {
    if n == 0 {
        return Interval { low: 0.0, high: 1.0 };
    }
    let bad = k.min(n) as f64 / dispersion;
    let all = n as f64 / dispersion;
    let good = all - bad;
    let mixture = ln_gamma(bad + 0.5) + ln_gamma(good + 0.5)
        - ln_gamma(all + 1.0)
        - std::f64::consts::PI.ln();
    let bar = -miss.ln();
    // 0 ln 0 is 0: an end of the range that the counts allow.
    let part = |count: f64, p: f64| if count > 0.0 { count * p.ln() } else { 0.0 };
    let inside = |p: f64| mixture - part(bad, p) - part(good, 1.0 - p) <= bar;
    let rate = bad / all;
    Interval {
        low: if k == 0 { 0.0 } else { boundary(rate, 0.0, inside) },
        high: if k >= n { 1.0 } else { boundary(rate, 1.0, inside) },
    }
}

/// The point between `within`, which is inside, and `beyond`, which is not,
/// where inside ends. The set is an interval around `k/n`, so halving finds it.
fn boundary(mut within: f64, mut beyond: f64, inside: impl Fn(f64) -> bool) -> f64 {
    // Enough halvings to reach the last digit of a rate as small as 1e-20.
    for _ in 0..120 {
        let middle = f64::midpoint(within, beyond);
        if middle.to_bits() == within.to_bits() || middle.to_bits() == beyond.to_bits() {
            // Nothing lies between them any more.
            break;
        }
        if inside(middle) {
            within = middle;
        } else {
            beyond = middle;
        }
    }
    f64::midpoint(within, beyond)
}

/// A latency quantile read from a histogram, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quantile {
    /// At least this, 0 if nothing more is known.
    pub low_ms: f64,
    /// First edge that at most the allowed share exceeds; `None` beyond the last.
    pub point_ms: Option<f64>,
    /// At most this; `None` beyond the last edge.
    pub high_ms: Option<f64>,
}

/// The quantile `q` (0.0..1.0) of a histogram with its interval.
///
/// At a fixed edge it is the same interval as that of a rate, so looking at many
/// edges needs no correction.
pub fn quantile(
    edges: &Edges,
    histogram: &Histogram,
    q: f64,
    dispersion: f64,
    miss: f64,
) -> Quantile {
    let allowed = 1.0 - q;
    let samples = histogram.samples();
    let mut found = Quantile { low_ms: 0.0, point_ms: None, high_ms: None };
    for (at, &edge) in edges.as_ms().iter().enumerate() {
        let slower = histogram.slower_than(at);
        let rate = interval(slower, samples, dispersion, miss);
        if rate.low > allowed {
            found.low_ms = edge;
        }
        if found.point_ms.is_none() && slower as f64 <= allowed * samples as f64 {
            found.point_ms = Some(edge);
        }
        if found.high_ms.is_none() && rate.high < allowed {
            found.high_ms = Some(edge);
        }
    }
    found
}
