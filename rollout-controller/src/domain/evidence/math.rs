//! The formulas, each a pure function of counts. All logarithms are natural.
//!
//! Sources: A. Wald (1945), sequential likelihood ratios; J. Ville (1939), why
//! their product may be looked at every minute.

/// `tilt(p, r)`: the rate whose odds are `r` times those of `p`.
///
/// `p` in 0.0..1.0 exclusive, `r` positive. `r > 1` gives a worse rate to bet
/// on, `r < 1` a better one.
pub fn tilt(p: f64, r: f64) -> f64 {
    let odds = r * p / (1.0 - p);
    odds / (1.0 + odds)
}

/// `ln(e^a + e^b + …)` without overflow; minus infinity for nothing.
pub fn log_sum_exp(terms: impl IntoIterator<Item = f64> + Clone) -> f64 {
    let top = terms.clone().into_iter().fold(f64::NEG_INFINITY, f64::max);
    if top == f64::NEG_INFINITY {
        return top;
    }
    top + terms.into_iter().map(|t| (t - top).exp()).sum::<f64>().ln()
}

/// Log likelihood ratio of `k` among `n` for the rate `p1` against the limit `s`.
///
/// For `p1 > s` its exponential has expectation at most 1 whenever the true
/// rate is at most `s`, and the other way round; the rate may change from one
/// minute to the next. `dispersion >= 1` weakens it for requests that depend on
/// each other in groups of that size (Hölder). Nothing counted says nothing: 0.
pub fn lf_abs(k: u64, n: u64, s: f64, p1: f64, dispersion: f64) -> f64 {
    if n == 0 {
        return 0.0;
    }
    let k = k.min(n);
    let (bad, good) = (k as f64, (n - k) as f64);
    (bad * (p1 / s).ln() + good * ((1.0 - p1) / (1.0 - s)).ln()) / dispersion
}

/// Counts of one metric in one minute: `k` among `n` on each side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Bad requests on the new side.
    pub k_new: u64,
    /// Requests on the new side.
    pub n_new: u64,
    /// Bad requests on the old side.
    pub k_old: u64,
    /// Requests on the old side.
    pub n_old: u64,
}

/// Log likelihood ratio against "the new rate is at most `psi0` times the old
/// one plus `delta`", betting that it is `psi1` times.
///
/// Valid for any rates, however they drift together: by `1 + x <= e^x` the
/// expectation of `a^k_new b^k_old` is at most 1 at `p_new = psi0 p_old`, and
/// the term in `delta` pays for the rest. Uses the requests as counted, so the
/// configured weight need not be exact. A silent side says nothing: 0.
pub fn lf_rel(c: Pair, psi0: f64, delta: f64, psi1: f64, dispersion: f64) -> f64 {
    if c.n_new == 0 || c.n_old == 0 {
        return 0.0;
    }
    let (n_new, n_old) = (c.n_new as f64, c.n_old as f64);
    let share = |psi: f64| psi * n_new / (psi * n_new + n_old);
    let (theta0, theta1) = (share(psi0), share(psi1));
    // The complement is computed by itself: 1 - theta loses digits near 1.
    let rest = |psi: f64| n_old / (psi * n_new + n_old);
    let a = theta1 / theta0;
    let b = rest(psi1) / rest(psi0);
    let (k_new, k_old) = (c.k_new.min(c.n_new) as f64, c.k_old.min(c.n_old) as f64);
    (k_new * a.ln() + k_old * b.ln() - n_new * delta * (a - 1.0)) / dispersion
}

/// How much two successive minutes `(k1, n1)` and `(k0, n0)` of one side differ,
/// against what independent requests would do: mean 1, clipped at `clip` so that
/// the onset of a fault does not pass for noise.
///
/// `None` where the pair says nothing: a silent minute, fewer than three
/// requests, or all of them alike.
pub fn dispersion_term((k1, n1): (u64, u64), (k0, n0): (u64, u64), clip: f64) -> Option<f64> {
    let (k1, k0) = (k1.min(n1), k0.min(n0));
    let (k, n) = (k1.saturating_add(k0), n1.saturating_add(n0));
    if n1 < 1 || n0 < 1 || n < 3 || k < 1 || k >= n {
        return None;
    }
    let (k, n) = (k as f64, n as f64);
    let pi = n1 as f64 / n;
    let expected = k * pi;
    // Variance of the hypergeometric distribution of k1 given k.
    let variance = k * pi * (1.0 - pi) * (n - k) / (n - 1.0);
    Some(((k1 as f64 - expected).powi(2) / variance).min(clip))
}

/// The rate to prove before giving the new side the share `next` of all
/// requests: its contribution to all traffic then stays within the limit `s`.
///
/// `min(s / next, (1 + s) / 2)`. `s` in 0.0..1.0 exclusive, `next` in 0.0..=1.0.
pub fn gate_limit(s: f64, next: f64) -> f64 {
    (s / next).min(f64::midpoint(1.0, s))
}

/// Kullback-Leibler divergence between two Bernoulli rates, in nats: what one
/// request at rate `p` is expected to say against `q`. Both in 0.0..1.0 exclusive.
pub fn kl(p: f64, q: f64) -> f64 {
    p * (p / q).ln() + (1.0 - p) * ((1.0 - p) / (1.0 - q)).ln()
}

/// `ln Γ(x)` for `x > 0`, to about 15 digits.
///
/// Stirling's series after shifting the argument to 16 or more, where the first
/// term left out is below 1e-16. (`f64::ln_gamma` is not stable.)
pub fn ln_gamma(x: f64) -> f64 {
    const HALF_LN_TWO_PI: f64 = 0.918_938_533_204_672_8;
    let mut shifted = x;
    let mut product = 1.0;
    while shifted < 16.0 {
        product *= shifted;
        shifted += 1.0;
    }
    let inv = 1.0 / shifted;
    let inv2 = inv * inv;
    let series = inv
        * (1.0 / 12.0
            - inv2 * (1.0 / 360.0 - inv2 * (1.0 / 1260.0 - inv2 * (1.0 / 1680.0 - inv2 / 1188.0))));
    (shifted - 0.5) * shifted.ln() - shifted + HALF_LN_TWO_PI + series - product.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() <= 1e-12 * b.abs().max(1.0)
    }

    #[test]
    fn ln_gamma_matches_factorials_and_one_half() {
        let mut ln_factorial = 0.0;
        for n in 1..200_u32 {
            assert!(close(ln_gamma(f64::from(n)), ln_factorial), "{n}");
            ln_factorial += f64::from(n).ln();
        }
        assert!(close(ln_gamma(0.5), std::f64::consts::PI.sqrt().ln()));
        // Γ(x + 1) = x Γ(x), far out.
        let x = 123_456.5;
        assert!((ln_gamma(x + 1.0) - ln_gamma(x) - x.ln()).abs() < 1e-9);
    }

    #[test]
    fn silence_says_nothing() {
        assert!(lf_abs(0, 0, 0.01, 0.5, 1.0).abs() < f64::MIN_POSITIVE);
        for (n_new, n_old) in [(0, 5), (5, 0), (0, 0)] {
            let pair = Pair { k_new: n_new, n_new, k_old: n_old, n_old };
            assert!(lf_rel(pair, 2.0, 0.001, 5.0, 1.0).abs() < f64::MIN_POSITIVE);
        }
        assert!(log_sum_exp([f64::NEG_INFINITY; 3]) == f64::NEG_INFINITY);
        assert!(log_sum_exp([]) == f64::NEG_INFINITY);
    }

    #[test]
    fn the_expectation_of_each_ratio_is_at_most_one_under_its_null() {
        // Exact sum over the binomial distribution at the edge of the null.
        let n = 40_u64;
        let binomial = |p: f64, k: u64| {
            let (n, k) = (n as f64, k as f64);
            (ln_gamma(n + 1.0) - ln_gamma(k + 1.0) - ln_gamma(n - k + 1.0)
                + k * p.ln()
                + (n - k) * (1.0 - p).ln())
            .exp()
        };
        for r in [1.5, 5.0, 200.0, 0.2] {
            let mean: f64 = (0..=n)
                .map(|k| binomial(0.05, k) * lf_abs(k, n, 0.05, tilt(0.05, r), 1.0).exp())
                .sum();
            assert!(close(mean, 1.0), "{r}: {mean}");
        }
        for (psi0, delta, psi1) in [(1.25, 0.0, 1.625), (2.0, 0.001, 80.0), (1.0, 0.0, 5.0)] {
            let (p_old, p_new) = (0.03, psi0 * 0.03 + delta);
            let mut mean = 0.0;
            for k_new in 0..=n {
                for k_old in 0..=n {
                    let pair = Pair { k_new, n_new: n, k_old, n_old: n };
                    mean += binomial(p_new, k_new)
                        * binomial(p_old, k_old)
                        * lf_rel(pair, psi0, delta, psi1, 1.0).exp();
                }
            }
            assert!(mean <= 1.0 + 1e-12, "{psi1}: {mean}");
        }
    }

    #[test]
    fn two_minutes_tell_of_noise_from_three_requests_on() {
        assert!(dispersion_term((1, 2), (0, 1), 9.0).is_some());
        assert!(dispersion_term((1, 1), (0, 2), 9.0).is_some());
        assert_eq!(dispersion_term((1, 1), (0, 1), 9.0), None, "two requests");
        assert_eq!(dispersion_term((1, 3), (0, 0), 9.0), None, "a silent minute");
        assert_eq!(dispersion_term((0, 3), (0, 3), 9.0), None, "none bad");
        assert_eq!(dispersion_term((3, 3), (3, 3), 9.0), None, "all bad");
    }
}
