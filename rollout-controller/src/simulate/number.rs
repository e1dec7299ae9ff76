//! Summaries of many rollouts.

/// The 10th, 50th and 90th percentile, by the nearest rank; `None` of nothing.
pub fn percentiles(mut found: Vec<u64>) -> Option<[u64; 3]> {
    found.sort_unstable();
    let rank = |percent: usize| found.get((found.len() * percent).div_ceil(100).max(1) - 1);
    Some([*rank(10)?, *rank(50)?, *rank(90)?])
}

/// `12.5 %` of several things.
pub fn share(part: usize, whole: usize) -> String {
    #[expect(clippy::cast_precision_loss, reason = "counts of rollouts")]
    let percent = part as f64 / whole.max(1) as f64 * 100.0;
    format!("{percent:.1} %")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_there() {
        assert_eq!(percentiles(vec![]), None);
        assert_eq!(percentiles(vec![7]), Some([7, 7, 7]));
        assert_eq!(percentiles((1..=10).rev().collect()), Some([1, 5, 9]));
        assert_eq!(percentiles((1..=100).collect()), Some([10, 50, 90]));
    }
}
