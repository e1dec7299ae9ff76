//! Random counts: how many requests, how many fail, how slow they are.

use rand_chacha::ChaCha8Rng;
use rand_distr::{Binomial, Distribution as _, Poisson, StandardNormal};
use rollout_controller::domain::minute::{Edges, Histogram};

/// A number from the standard normal distribution.
pub(super) fn normal(rng: &mut ChaCha8Rng) -> f64 {
    StandardNormal.sample(rng)
}

/// How many events of so many expected ones.
pub(super) fn poisson(rng: &mut ChaCha8Rng, mean: f64) -> u64 {
    if mean <= 0.0 {
        return 0;
    }
    let drawn: f64 = Poisson::new(mean).expect("a positive mean").sample(rng);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a whole count")]
    let drawn = drawn as u64;
    drawn
}

/// How many of `n` with probability `p` each.
pub(super) fn binomial(rng: &mut ChaCha8Rng, n: u64, p: f64) -> u64 {
    Binomial::new(n, p.clamp(0.0, 1.0)).expect("a probability").sample(rng)
}

/// Latencies of a service: two lognormals, the slower one for a share of requests.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(missing_docs, reason = "the parameters of the two distributions")]
pub struct Latency {
    pub median_ms: f64,
    pub sigma: f64,
    pub tail_share: f64,
    pub tail: Tail,
}

/// The slower part.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(missing_docs, reason = "the parameters of the distribution")]
pub enum Tail {
    /// Around this median.
    Lognormal { median_ms: f64, sigma: f64 },
    /// From half of this on, with exponent 1.5: no variance.
    Pareto { median_ms: f64 },
}

impl Latency {
    /// Share of requests up to this latency, when all take `scale` times as long.
    fn up_to(&self, ms: f64, scale: f64) -> f64 {
        let ms = ms / scale;
        let lognormal = |median: f64, sigma: f64| normal_cdf((ms / median).ln() / sigma);
        let tail = match self.tail {
            Tail::Lognormal { median_ms, sigma } => lognormal(median_ms, sigma),
            Tail::Pareto { median_ms } => 1.0 - (median_ms / 2.0 / ms).min(1.0).powf(1.5),
        };
        (1.0 - self.tail_share) * lognormal(self.median_ms, self.sigma) + self.tail_share * tail
    }

    /// Share of requests in each bucket; `over_630` of them, on top, spread evenly
    /// over the six buckets above 630 ms.
    pub(super) fn buckets(&self, edges: &Edges, scale: f64, over_630: f64) -> Vec<f64> {
        let ends: Vec<f64> =
            edges.as_ms().iter().map(|&ms| self.up_to(ms, scale)).chain([1.0]).collect();
        let mut below = 0.0;
        let mut shares: Vec<f64> = ends
            .into_iter()
            .map(|end| (1.0 - over_630) * (end - std::mem::replace(&mut below, end)).max(0.0))
            .collect();
        let first = edges.position(630.0).expect("630 ms is an edge") + 1;
        for share in &mut shares[first..first + 6] {
            *share += over_630 / 6.0;
        }
        shares
    }
}

/// Spreads `n` requests over buckets with these shares.
pub(super) fn histogram(rng: &mut ChaCha8Rng, n: u64, shares: &[f64]) -> Histogram {
    let (mut left, mut rest) = (n, 1.0_f64);
    let mut counts = vec![0; shares.len()];
    for (count, &share) in counts.iter_mut().zip(shares) {
        if left == 0 || rest <= 1e-12 {
            break;
        }
        let here = if share <= 0.0 { 0 } else { binomial(rng, left, share / rest) };
        *count = here;
        left -= here;
        rest -= share;
    }
    *counts.last_mut().expect("a bucket") += left;
    Histogram::new(n, counts)
}

/// Standard normal distribution function, to 1e-7.
///
/// Source: W. Press et al., Numerical Recipes, erfcc.
fn normal_cdf(x: f64) -> f64 {
    let z = x.abs() / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.5 * z);
    let poly = [
        0.170_872_77,
        -0.822_152_23,
        1.488_515_87,
        -1.135_203_98,
        0.278_868_07,
        -0.186_288_06,
        0.096_784_18,
        0.374_091_96,
        1.000_023_68,
        -1.265_512_23,
    ];
    let erfc = t * (-z * z + poly.iter().fold(0.0, |sum, c| sum * t + c)).exp();
    if x < 0.0 { 0.5 * erfc } else { 1.0 - 0.5 * erfc }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_the_mean_they_are_drawn_with() {
        use rand::SeedableRng as _;
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        assert!(
            (normal_cdf(1.96) - 0.975_002).abs() < 1e-6
                && (normal_cdf(-1.0) - 0.158_655).abs() < 1e-6
        );
        let tail = Tail::Lognormal { median_ms: 250.0, sigma: 0.6 };
        let latency = Latency { median_ms: 60.0, sigma: 0.5, tail_share: 0.03, tail };
        let shares = latency.buckets(&Edges::default(), 1.0, 0.01);
        assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        let drawn = histogram(&mut rng, 1_000_000, &shares);
        for (&count, share) in drawn.counts().iter().zip(&shares) {
            let spread = (1e6 * share).sqrt().mul_add(5.0, 5.0);
            assert!((count as f64 - 1e6 * share).abs() < spread, "{count} for {share}");
        }
        let mean = (0..10_000).map(|_| poisson(&mut rng, 3.7)).sum::<u64>() as f64 / 1e4;
        assert!((mean - 3.7).abs() < 0.1, "{mean}");
    }
}
