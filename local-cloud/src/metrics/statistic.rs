//! Statistics as CloudWatch names them, exact over the samples we keep.
//!
//! CloudWatch does not say how it interpolates percentiles or where a percent
//! bound cuts between two samples; here both are the nearest rank. Absolute
//! bounds are `(lower, upper]`, as documented.

use std::str::FromStr;

/// Slack for a rank that floating point puts a hair above a whole number.
const RANK_SLACK: f64 = 1e-9;

/// A parsed statistic.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Statistic {
    /// How many samples.
    SampleCount,
    /// Their sum.
    Sum,
    /// Sum over count.
    Average,
    /// The least.
    Minimum,
    /// The greatest.
    Maximum,
    /// `pNN`, 0 to 100.
    Percentile(f64),
    /// Everything with a range.
    Ranged(Kind, Range),
}

/// What is done with the samples of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `TM`: their mean.
    TrimmedMean,
    /// `TC`: their count.
    TrimmedCount,
    /// `TS`: their sum.
    TrimmedSum,
    /// `WM`: the mean of all, with outside values pulled to the edge.
    WinsorizedMean,
    /// `PR`: their share in percent.
    PercentileRank,
}

impl Kind {
    /// The kind with these two letters.
    fn short(name: &str) -> Option<Self> {
        match name {
            "TM" => Some(Self::TrimmedMean),
            "TC" => Some(Self::TrimmedCount),
            "TS" => Some(Self::TrimmedSum),
            "WM" => Some(Self::WinsorizedMean),
            "PR" => Some(Self::PercentileRank),
            _ => None,
        }
    }
}

/// Bounds; a missing one is open.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// Lower bound, exclusive.
    pub lower: Option<f64>,
    /// Upper bound, inclusive.
    pub upper: Option<f64>,
    /// Whether the bounds are percentiles (0 to 100) and not values.
    pub percent: bool,
}

/// A statistic that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("The value {0} for parameter Stat is not supported.")]
pub struct UnknownStatistic(pub String);

impl FromStr for Statistic {
    type Err = UnknownStatistic;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).ok_or_else(|| UnknownStatistic(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<Statistic> {
    let basic = match text {
        "SampleCount" => Some(Statistic::SampleCount),
        "Sum" => Some(Statistic::Sum),
        "Average" => Some(Statistic::Average),
        "Minimum" => Some(Statistic::Minimum),
        "Maximum" => Some(Statistic::Maximum),
        "IQM" => {
            let range = Range { lower: Some(25.0), upper: Some(75.0), percent: true };
            Some(Statistic::Ranged(Kind::TrimmedMean, range))
        }
        _ => None,
    };
    if basic.is_some() {
        return basic;
    }
    if let Some(number) = text.strip_prefix('p') {
        return Some(Statistic::Percentile(percent(number)?));
    }
    if let Some((name, range)) = text.strip_suffix(')').and_then(|rest| rest.split_once('(')) {
        return Some(Statistic::Ranged(Kind::short(name)?, bounds(range)?));
    }
    // `tm90` is `TM(:90%)`.
    let (name, number) = text.split_at_checked(2)?;
    let kind = match name {
        "tm" => Kind::TrimmedMean,
        "tc" => Kind::TrimmedCount,
        "ts" => Kind::TrimmedSum,
        "wm" => Kind::WinsorizedMean,
        _ => return None,
    };
    let range = Range { lower: None, upper: Some(percent(number)?), percent: true };
    Some(Statistic::Ranged(kind, range))
}

fn bounds(text: &str) -> Option<Range> {
    let (lower, upper) = text.split_once(':')?;
    let percent = [lower, upper].iter().any(|bound| bound.ends_with('%'));
    let bound = |text: &str| -> Option<Option<f64>> {
        if text.is_empty() {
            return Some(None);
        }
        let number = if percent { text.strip_suffix('%')? } else { text };
        let value = decimal(number)?;
        (!percent || (0.0..=100.0).contains(&value)).then_some(Some(value))
    };
    let (lower, upper) = (bound(lower)?, bound(upper)?);
    if lower.is_none() && upper.is_none() {
        return None;
    }
    if let (Some(lower), Some(upper)) = (lower, upper)
        && lower >= upper
    {
        return None;
    }
    Some(Range { lower, upper, percent })
}

fn percent(text: &str) -> Option<f64> {
    decimal(text).filter(|value| (0.0..=100.0).contains(value))
}

/// Digits with at most ten decimals; no sign, no exponent.
fn decimal(text: &str) -> Option<f64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > 10 {
        return None;
    }
    text.parse().ok()
}

impl Statistic {
    /// Whether a statistic can be called so in a fault: by its whole name, or a
    /// range by its two letters alone.
    pub fn is_name(name: &str) -> bool {
        Kind::short(name).is_some() || parse(name).is_some()
    }

    /// Whether this statistic is called so, see [`is_name`](Self::is_name).
    pub fn is_called(self, name: &str) -> bool {
        match (Kind::short(name), self) {
            (Some(wanted), Self::Ranged(kind, _)) => kind == wanted,
            (Some(_), _) => false,
            (None, _) => parse(name) == Some(self),
        }
    }

    /// Whether the statistic needs the samples themselves, not just their
    /// count, sum and extremes.
    pub fn needs_samples(self) -> bool {
        matches!(self, Self::Percentile(_) | Self::Ranged(..))
    }

    /// Value over `(value, count)` pairs sorted by value, counts above zero.
    ///
    /// `None` for no samples, for a mean of an empty range, and for ranges and
    /// percentiles if any value is negative (CloudWatch has none then).
    pub fn of(self, sorted: &[(f64, f64)]) -> Option<f64> {
        let (first, last) = (sorted.first()?, sorted.last()?);
        let count: f64 = sorted.iter().map(|(_, count)| count).sum();
        let sum = || sorted.iter().map(|(value, count)| value * count).sum::<f64>();
        if self.needs_samples() && first.0 < 0.0 {
            return None;
        }
        match self {
            Self::SampleCount => Some(count),
            Self::Sum => Some(sum()),
            Self::Average => Some(sum() / count),
            Self::Minimum => Some(first.0),
            Self::Maximum => Some(last.0),
            Self::Percentile(percent) => Some(at_rank(sorted, rank(percent, count).max(1.0))),
            Self::Ranged(kind, range) => ranged(sorted, kind, range, count),
        }
    }
}

/// Nearest rank: the smallest whole number at or above `percent` of `count`.
fn rank(percent: f64, count: f64) -> f64 {
    (percent / 100.0 * count - RANK_SLACK).ceil().max(0.0)
}

fn at_rank(sorted: &[(f64, f64)], rank: f64) -> f64 {
    let mut below = 0.0;
    for (value, count) in sorted {
        below += count;
        if below >= rank {
            return *value;
        }
    }
    sorted.last().map_or(f64::NAN, |last| last.0)
}

fn ranged(sorted: &[(f64, f64)], kind: Kind, range: Range, total: f64) -> Option<f64> {
    let (mut count, mut sum) = (0.0, 0.0);
    let mut below = 0.0;
    for (value, weight) in sorted {
        let inside = if range.percent {
            let from = range.lower.map_or(0.0, |lower| rank(lower, total));
            let to = range.upper.map_or(total, |upper| rank(upper, total));
            ((below + weight).min(to) - below.max(from)).max(0.0)
        } else {
            let above = range.lower.is_none_or(|lower| *value > lower);
            let under = range.upper.is_none_or(|upper| *value <= upper);
            if above && under { *weight } else { 0.0 }
        };
        below += weight;
        count += inside;
        sum += value * inside;
    }
    match kind {
        Kind::TrimmedCount => Some(count),
        Kind::TrimmedSum => Some(sum),
        Kind::TrimmedMean => (count > 0.0).then(|| sum / count),
        Kind::PercentileRank => Some(100.0 * count / total),
        Kind::WinsorizedMean => {
            let edge = |bound: f64, lower: bool| {
                if !range.percent {
                    return bound;
                }
                let rank = rank(bound, total);
                at_rank(sorted, if lower { rank + 1.0 } else { rank.max(1.0) })
            };
            let low = range.lower.map_or(f64::NEG_INFINITY, |lower| edge(lower, true));
            let high = range.upper.map_or(f64::INFINITY, |upper| edge(upper, false));
            let pulled: f64 =
                sorted.iter().map(|(value, count)| value.max(low).min(high) * count).sum();
            Some(pulled / total)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLES: [f64; 10] = [0.005, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 2.0];

    fn over(samples: &[f64], text: &str) -> Option<f64> {
        let pairs: Vec<_> = samples.iter().map(|value| (*value, 1.0)).collect();
        text.parse::<Statistic>().unwrap().of(&pairs)
    }

    #[test]
    fn the_vector_of_the_aws_facts_is_met() {
        let table = [
            ("SampleCount", 10.0),
            ("Sum", 3.19),
            ("Average", 0.319),
            ("TC(:0.2)", 7.0),
            ("TC(0.005:0.2)", 5.0),
            ("TC(0.3:)", 2.0),
            ("TS(0.005:0.2)", 0.38),
            ("TM(0.005:0.2)", 0.076),
            ("PR(:0.3)", 80.0),
            ("PR(0.1:0.3)", 20.0),
            ("WM(0.005:0.2)", 0.099),
            ("tm90", 1.19 / 9.0),
            ("TM(:90%)", 1.19 / 9.0),
            ("p50", 0.05),
            ("p90", 0.5),
            ("p99", 2.0),
            ("Minimum", 0.005),
            ("Maximum", 2.0),
            ("tc90", 9.0),
            ("ts90", 1.19),
            ("wm90", (1.19 + 0.5) / 10.0),
            ("IQM", (0.02 + 0.05 + 0.1 + 0.2 + 0.3) / 5.0),
        ];
        for (text, expected) in table {
            let found = over(&SAMPLES, text).unwrap();
            assert!((found - expected).abs() < 1e-12, "{text}: {found}, expected {expected}");
        }
    }

    #[test]
    fn counted_samples_equal_repeated_ones() {
        let counts = [(0.1, 3_u8), (0.2, 5), (0.9, 2)];
        let counted = counts.map(|(value, count)| (value, f64::from(count)));
        let repeated: Vec<f64> =
            counts.iter().flat_map(|(value, count)| vec![*value; usize::from(*count)]).collect();
        for text in ["p20", "p75", "p99.9", "tm85", "WM(10%:90%)", "TC(20%:55%)", "PR(0.1:)"] {
            let statistic: Statistic = text.parse().unwrap();
            let found = statistic.of(&counted).unwrap();
            let expected = over(&repeated, text).unwrap();
            assert!((found - expected).abs() < 1e-12, "{text}: {found}, expected {expected}");
        }
    }

    #[test]
    fn a_percentile_that_floats_put_above_its_rank_stays_there() {
        let samples: Vec<f64> = (1..=100).map(f64::from).collect();
        for rank in 1..=100 {
            assert_eq!(over(&samples, &format!("p{rank}")), Some(f64::from(rank)));
        }
    }

    #[test]
    fn nonsense_is_no_statistic() {
        let texts = [
            "",
            "sum",
            "q12",
            "p",
            "p101",
            "p-1",
            "p1e1",
            "p99.12345678901",
            "TC()",
            "TC(:)",
            "TC(5:1)",
            "TC(5%:10)",
            "TM90",
            "tm(1:2)",
            "PR(0.3)",
            "PR(:0.3",
            "tm",
            "XX(1:2)",
        ];
        for text in texts {
            assert!(text.parse::<Statistic>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_negative_value_leaves_only_the_basic_statistics() {
        assert_eq!(over(&[-1.0, 2.0], "Sum"), Some(1.0));
        assert_eq!(over(&[-1.0, 2.0], "p50"), None);
        assert_eq!(over(&[-1.0, 2.0], "TC(:5)"), None);
    }

    #[test]
    fn the_mean_of_an_empty_range_is_missing_and_its_count_is_zero() {
        assert_eq!(over(&SAMPLES, "TM(5:6)"), None);
        assert_eq!(over(&SAMPLES, "TC(5:6)"), Some(0.0));
    }
}
