//! Numbers for people: shares, odds and counts.

use crate::domain::evidence::Rate;

pub(crate) use crate::domain::evidence2::count;

/// A measured share as a percentage: one decimal, two where one would hide it.
pub(crate) fn share(ratio: f64) -> String {
    let percent = ratio * 100.0;
    // Below half a hundredth more digits would only distract.
    let two = (0.005..0.095).contains(&percent);
    if two { format!("{percent:.2} %") } else { format!("{percent:.1} %") }
}

/// A limit as a percentage, without needless decimals.
pub(crate) fn limit(ratio: f64) -> String {
    let percent = format!("{:.4}", ratio * 100.0);
    format!("{} %", percent.trim_end_matches('0').trim_end_matches('.'))
}

/// `2.5 % [1.2 %, 4.5 %]`.
pub(crate) fn share_with_interval(ratio: f64, rate: &Rate) -> String {
    format!("{} [{}, {}]", share(ratio), share(rate.low), share(rate.high))
}

/// Odds `1:2,000` from their natural logarithm, to two digits.
///
/// They mean: if the objective were met, evidence this strong would ever appear
/// in at most one of so many rollouts. They are not the probability that the
/// service is bad.
pub(crate) fn odds(log: f64) -> String {
    let value = log.exp();
    if value >= 1e9 {
        return "beyond 1:1,000,000,000".to_owned();
    }
    if value < 10.0 {
        return format!("1:{value:.1}");
    }
    let unit = 10_f64.powf(value.log10().floor() - 1.0);
    format!("1:{}", whole((value / unit).round() * unit))
}

/// A mean or expected count, rounded, with its thousands set apart: `1,194`.
/// Nothing below zero, and no NaN, is a count: they show as 0.
pub(crate) fn whole(estimate: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturates, and it was rounded"
    )]
    let rounded = estimate.round() as u64;
    count(rounded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_keep_what_matters() {
        let cases = [
            (0.0, "0.0 %"),
            (0.025, "2.5 %"),
            (1.0, "100.0 %"),
            (0.001, "0.1 %"),
            (0.000_94, "0.09 %"),
            (0.000_412, "0.04 %"),
            (0.000_041, "0.0 %"),
            (1e-9, "0.0 %"),
        ];
        for (ratio, text) in cases {
            assert_eq!(share(ratio), text);
        }
        assert_eq!((limit(0.01), limit(0.5)), ("1 %".into(), "50 %".into()));
        assert_eq!(limit(0.002_5), "0.25 %");
    }

    #[test]
    fn odds_are_rounded_to_two_digits() {
        let cases = [
            (0.0, "1:1.0"),
            (2000_f64.ln(), "1:2,000"),
            (1_234_567_f64.ln(), "1:1,200,000"),
            (99.6_f64.ln(), "1:100"),
            (40.0, "beyond 1:1,000,000,000"),
        ];
        for (log, text) in cases {
            assert_eq!(odds(log), text);
        }
        assert_eq!(odds(0.1_f64.ln()), "1:0.1");
        assert_eq!(
            (count(0), count(999), count(1_000)),
            ("0".into(), "999".into(), "1,000".into())
        );
        assert_eq!((whole(999.4), whole(1_193.6)), ("999".into(), "1,194".into()));
    }
}
