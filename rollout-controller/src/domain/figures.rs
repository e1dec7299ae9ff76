//! Numbers for people. What is shown never says more than the number it rounds.

/// A measured share: two significant digits, one decimal below 10%, `<0.1%`.
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent > 0.0 && percent < 0.1 {
        "<0.1%".to_owned()
    } else if percent < 9.95 {
        trimmed(percent, 1)
    } else {
        trimmed(percent, 0)
    }
}

/// A measured share beside the limit it is held against, with as many decimals
/// as it takes to see on which side of the limit it lies.
pub fn percent_beside(share: f64, limit: f64) -> String {
    let usual = percent(share);
    let shown = |text: &str| text.trim_end_matches('%').parse::<f64>().ok();
    let tells = |text: &str| match shown(text) {
        Some(shown) => (shown > limit * 100.0 + 1e-9) == (share > limit),
        None => share <= limit,
    };
    if tells(&usual) {
        return usual;
    }
    let finer = (2..=8).map(|decimals| trimmed(share * 100.0, decimals));
    finer.into_iter().find(|text| tells(text)).unwrap_or(usual)
}

/// A limit as it was configured.
pub fn limit(share: f64) -> String {
    trimmed(share * 100.0, 4)
}

fn trimmed(percent: f64, decimals: usize) -> String {
    let text = format!("{percent:.decimals$}");
    let text = if decimals > 0 { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}%")
}

/// A count with its thousands set apart: `1,240`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The text as the beginning of a sentence.
pub fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    first + letters.as_str()
}

/// A mean or expected count, rounded, with its thousands set apart: `1,194`.
/// Nothing below zero, and no NaN, is a count: they show as 0.
pub fn whole(estimate: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturates, and it was rounded"
    )]
    let rounded = estimate.round() as u64;
    count(rounded)
}

/// `25 of 78` with too few requests for a share, else `32%`.
pub fn share_of(bad: u64, all: u64) -> String {
    if all < SHOW_SHARE_FROM || bad == 0 {
        format!("{} of {}", count(bad), count(all))
    } else {
        percent(bad as f64 / all as f64)
    }
}

/// From so many requests on a share is shown instead of two counts.
pub const SHOW_SHARE_FROM: u64 = 1000;

/// Each text once, where it stands first.
pub fn distinct(texts: impl Iterator<Item = String>) -> Vec<String> {
    let mut all = Vec::new();
    for text in texts {
        if !all.contains(&text) {
            all.push(text);
        }
    }
    all
}

/// A latency as configured, or a bound between two buckets: `31.5 ms`, `1.25 s`.
pub fn latency_limit(ms: f64) -> String {
    if ms >= 1000.0 { format!("{} s", ms / 1000.0) } else { format!("{ms} ms") }
}

/// A measured latency: whole milliseconds from 10 up, seconds from 1,000.
pub fn latency(ms: f64) -> String {
    if ms >= 1000.0 {
        format!("{} s", (ms / 100.0).round() / 10.0)
    } else if ms >= 10.0 {
        format!("{} ms", ms.round())
    } else {
        format!("{} ms", (ms * 10.0).round() / 10.0)
    }
}

/// A time that has passed or is left, rounded down: `40 s`, `6 min`, `1 h 20 min`,
/// `3 days`. Nothing below zero: `0 s`.
pub fn duration(ms: i64) -> String {
    let seconds = ms.max(0) / 1000;
    let minutes = seconds / 60;
    match minutes {
        0 => format!("{seconds} s"),
        1..=59 => format!("{minutes} min"),
        60..=2879 if minutes % 60 == 0 => format!("{} h", minutes / 60),
        60..=2879 => format!("{} h {} min", minutes / 60, minutes % 60),
        _ => format!("{} days", minutes / 1440),
    }
}

/// No estimate is longer than this, in minutes.
const LONGEST_ESTIMATE: u64 = 180;

/// Minutes left as a tired reader can use them: exact up to 10, then in fives,
/// upwards: an estimate is no promise. `None` beyond three hours.
pub fn estimate(minutes: u64) -> Option<u64> {
    let rounded = if minutes > 10 { minutes.div_ceil(5) * 5 } else { minutes };
    (minutes <= LONGEST_ESTIMATE).then_some(rounded)
}

/// `False alarm: at most 1 in 1,300.` from `ln E`, the total evidence.
///
/// Two digits, rounded down, so that it never claims more than was found. If the
/// version kept its limits, evidence this strong would ever turn up in at most
/// one of so many rollouts; it is not the chance that the version is bad.
pub fn false_alarm(log_e: f64) -> String {
    match one_in(log_e) {
        None => "False alarm: less than 1 in a million.".to_owned(),
        Some(rollouts) => format!("False alarm: at most 1 in {}.", count(rollouts)),
    }
}

/// A false alarm happens in at most one of so many rollouts, 1 or more, two digits
/// rounded down; `None`: fewer than one in a million.
pub fn one_in(log_e: f64) -> Option<u64> {
    let e = log_e.max(0.0).exp();
    if e > 1e6 {
        return None;
    }
    let unit = 10_f64.powf((e.log10().floor() - 1.0).max(0.0));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to a million")]
    let rounded = ((e / unit).floor() * unit).round() as u64;
    Some(rounded.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_have_two_digits_and_are_never_a_false_zero() {
        let cases = [
            (0.0, "0%"),
            (1e-9, "<0.1%"),
            (0.001, "0.1%"),
            (0.003, "0.3%"),
            (0.074, "7.4%"),
            (0.0996, "10%"),
            (0.292, "29%"),
            (1.0, "100%"),
        ];
        for (share, text) in cases {
            assert_eq!(percent(share), text);
        }
        assert_eq!(
            (limit(0.01), limit(0.0025), limit(0.5)),
            ("1%".into(), "0.25%".into(), "50%".into())
        );
    }

    #[test]
    fn a_share_just_over_its_limit_does_not_look_like_the_limit() {
        assert_eq!(percent_beside(0.0104, 0.01), "1.04%");
        assert_eq!(percent_beside(0.012, 0.01), "1.2%");
        assert_eq!(percent_beside(0.500_04, 0.5), "50.004%");
        assert_eq!(percent_beside(0.01, 0.01), "1%");
        assert_eq!(percent_beside(0.000_6, 0.000_5), "0.06%");
    }

    #[test]
    fn a_certainty_is_rounded_down() {
        let shown = |e: f64| false_alarm(e.ln());
        assert_eq!(shown(1_399.0), "False alarm: at most 1 in 1,300.");
        assert_eq!(shown(100.000_1), "False alarm: at most 1 in 100.");
        assert_eq!(shown(2.7), "False alarm: at most 1 in 2.");
        assert_eq!(shown(0.3), "False alarm: at most 1 in 1.");
        assert_eq!(shown(1e7), "False alarm: less than 1 in a million.");
        assert_eq!(false_alarm(800.0), "False alarm: less than 1 in a million.");
    }

    #[test]
    fn times_and_latencies_have_no_false_digits() {
        let minute = 60_000;
        let cases = [
            (-5, "0 s"),
            (40_000, "40 s"),
            (6 * minute + 59_000, "6 min"),
            (60 * minute, "1 h"),
            (80 * minute, "1 h 20 min"),
            (4 * 1440 * minute, "4 days"),
        ];
        for (ms, text) in cases {
            assert_eq!(duration(ms), text);
        }
        let measured = [(6.31, "6.3 ms"), (31.5, "32 ms"), (63.0, "63 ms"), (1259.0, "1.3 s")];
        for (ms, text) in measured {
            assert_eq!(latency(ms), text);
        }
        assert_eq!(
            (latency_limit(31.5), latency_limit(1259.0)),
            ("31.5 ms".into(), "1.259 s".into())
        );
        assert_eq!([6, 11, 180, 181].map(estimate), [Some(6), Some(15), Some(180), None]);
    }

    #[test]
    fn few_requests_are_shown_as_counts_and_none_is_never_a_share() {
        assert_eq!(share_of(6, 22), "6 of 22");
        assert_eq!((share_of(500, 999), share_of(500, 1000)), ("500 of 999".into(), "50%".into()));
        assert_eq!(share_of(0, 5_412), "0 of 5,412");
        assert_eq!(share_of(2, 5_412), "<0.1%");
        assert_eq!(
            (whole(999.4), whole(1_193.6), whole(f64::NAN)),
            ("999".into(), "1,194".into(), "0".into())
        );
    }
}
