//! Numbers for people. What is shown never says more than the number it rounds.

/// A measured share: two significant digits, one decimal below 10 %, `<0.1%`.
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
pub(super) fn percent_beside(share: f64, limit: f64) -> String {
    let usual = percent(share);
    let shown = |text: &str| text.trim_end_matches('%').parse::<f64>().ok();
    let tells = |text: &str| match shown(text) {
        Some(shown) => (shown > limit * 100.0 + 1e-9) == (share > limit),
        None => share <= limit,
    };
    if tells(&usual) {
        return usual;
    }
    let finer = (2..=6).map(|decimals| trimmed(share * 100.0, decimals));
    finer.into_iter().find(|text| tells(text)).unwrap_or(usual)
}

/// A limit as it was configured.
pub(super) fn limit(share: f64) -> String {
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

/// A latency: whole milliseconds from 10 up, seconds from 1,000.
pub(super) fn latency(ms: f64) -> String {
    if ms >= 1000.0 { format!("{} s", ms / 1000.0) } else { format!("{ms} ms") }
}

/// `False alarm: at most 1 in 1,300.` from `ln E`, the total evidence.
///
/// Two digits, rounded down, so that it never claims more than was found. If the
/// version kept its limits, evidence this strong would ever turn up in at most
/// one of so many rollouts; it is not the chance that the version is bad.
pub fn false_alarm(log_e: f64) -> String {
    let e = log_e.max(0.0).exp();
    if e > 1e6 {
        return "False alarm: less than 1 in a million.".to_owned();
    }
    let unit = 10_f64.powf((e.log10().floor() - 1.0).max(0.0));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to a million")]
    let rounded = ((e / unit).floor() * unit).round() as u64;
    format!("False alarm: at most 1 in {}.", count(rounded.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_have_two_digits_and_are_never_a_false_zero() {
        let cases = [
            (0.0, "0%"),
            (1e-9, "<0.1%"),
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
}
