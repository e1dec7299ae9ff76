//! Summaries of many rollouts.

/// Confidence of each outer number of [`band`].
const CONFIDENCE: f64 = 0.95;

/// The 10th percentile or less, the median, and the 90th percentile or more; `None` of
/// nothing.
///
/// The outer two are distribution-free one-sided 95% confidence bounds of the
/// percentiles (David and Nagaraja, Order Statistics, 2003, 7.1), so that a plan from
/// few rollouts does not promise too narrow a band. Of fewer than 29 they are the
/// smallest and the largest.
pub fn band(mut found: Vec<u64>) -> Option<[u64; 3]> {
    found.sort_unstable();
    let low = outer_rank(found.len()).checked_sub(1)?;
    let middle = found.len().div_ceil(2) - 1;
    let high = found.len() - 1 - low;
    Some([*found.get(low)?, *found.get(middle)?, *found.get(high)?])
}

/// The largest rank from below, at least 1, whose value is at most the 10th percentile
/// with the wanted confidence; 0 of nothing.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts of rollouts"
)]
fn outer_rank(of: usize) -> usize {
    const BELOW: f64 = 0.1;
    if of > 2_000 {
        // The normal approximation; 1.645 is its 95th percentile.
        let count = of as f64;
        let rank = BELOW * count - 1.645 * (BELOW * (1.0 - BELOW) * count).sqrt();
        return rank as usize;
    }
    // The chance that fewer than `rank` of all are below the percentile.
    let (mut rank, mut fewer, mut exactly) = (0, 0.0, (1.0 - BELOW).powf(of as f64));
    while rank < of && fewer + exactly <= 1.0 - CONFIDENCE {
        fewer += exactly;
        exactly *= (of - rank) as f64 / (rank + 1) as f64 * BELOW / (1.0 - BELOW);
        rank += 1;
    }
    rank.max(usize::from(of > 0))
}

/// `12.5%` of several things.
pub fn share(part: usize, whole: usize) -> String {
    #[expect(clippy::cast_precision_loss, reason = "counts of rollouts")]
    let percent = part as f64 / whole.max(1) as f64 * 100.0;
    format!("{percent:.1}%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_band_is_cautious_with_few_and_close_to_the_percentiles_with_many() {
        assert_eq!(band(vec![]), None);
        assert_eq!(band(vec![7]), Some([7, 7, 7]));
        assert_eq!(band((1..=28).rev().collect()), Some([1, 14, 28]));
        // P(Binomial(50, 0.1) < 2) = 0.034, P(< 3) = 0.112.
        assert_eq!(band((1..=50).collect()), Some([2, 25, 49]));
        let [low, middle, high] = band((1..=1000).collect()).unwrap();
        assert!((80..100).contains(&low) && middle == 500 && (901..=921).contains(&high));
        let [low, _, high] = band((1..=100_000).collect()).unwrap();
        assert!((9_800..10_000).contains(&low) && (90_001..90_200).contains(&high));
    }
}
