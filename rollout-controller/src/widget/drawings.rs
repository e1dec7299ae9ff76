//! Drawings in SVG without scripts or references. Each says in words what it shows.

use super::html::escape;
use crate::domain::explain::clock_time;
use crate::domain::minute::Minute;
use crate::domain::weight::Weight;
use std::fmt::Write as _;

/// Which way a bar is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// Reaching the threshold opens a gate.
    Reach,
    /// Reaching the threshold rolls back.
    StayBelow,
}

/// Part of a bar's width at which the threshold is marked.
const MARK: f64 = 80.0;

/// A bar from 0 towards a threshold, which is marked. Below 0 it is empty.
pub(super) fn bar(value: f64, threshold: f64, wish: Wish, says: &str) -> String {
    let part = if threshold > 0.0 && value.is_finite() {
        (value / threshold * MARK).clamp(0.0, 100.0)
    } else {
        0.0
    };
    let class = match (value >= threshold, wish) {
        (false, _) => "fill",
        (true, Wish::Reach) => "fill full",
        (true, Wish::StayBelow) => "fill over",
    };
    let says = escape(says);
    format!(
        "<svg class=\"bar\" role=\"img\" aria-label=\"{says}\"><title>{says}</title>\
         <rect class=\"rail\" width=\"100%\" height=\"100%\"/>\
         <rect class=\"{class}\" width=\"{part:.1}%\" height=\"100%\"/>\
         <line class=\"mark\" x1=\"{MARK}%\" x2=\"{MARK}%\" y1=\"0\" y2=\"100%\"/></svg>"
    )
}

/// The Rust share over time, in steps. `until` is the newest minute known.
pub(super) fn steps(timeline: &[(Minute, Weight)], until: Minute) -> String {
    let (Some((first, _)), Some((_, last))) = (timeline.first(), timeline.last()) else {
        return String::new();
    };
    #[expect(clippy::cast_precision_loss, reason = "minutes of one rollout")]
    let minutes = |from: &Minute, to: &Minute| to.since(*from).max(0) as f64;
    let whole = minutes(first, &until).max(1.0);
    let mut path = "M0 96".to_owned();
    let mut says = String::new();
    for (minute, weight) in timeline {
        let x = minutes(first, minute) / whole * 1000.0;
        let y = 96.0 - weight.ratio() * 92.0;
        let _ = write!(path, "H{x:.0}V{y:.1}");
        let time = clock_time(minute.epoch_secs().saturating_mul(1000));
        let _ = write!(says, "; {weight} from {time}");
    }
    path.push_str("H1000");
    let says = escape(&format!("Share of Rust over time, now {last}{says}"));
    format!(
        "<svg class=\"steps\" role=\"img\" aria-label=\"{says}\" viewBox=\"0 0 1000 100\" preserveAspectRatio=\"none\">\
         <title>{says}</title><path class=\"path\" d=\"{path}\"/></svg>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn width(svg: &str) -> f64 {
        let after = svg.split("class=\"fill").nth(1).unwrap();
        let text = after.split("width=\"").nth(1).unwrap();
        text.split('%').next().unwrap().parse().unwrap()
    }

    #[test]
    fn a_bar_is_as_long_as_its_value_and_never_longer_than_its_rail() {
        for (value, expected) in [
            (-3.0, 0.0),
            (0.0, 0.0),
            (2.3, 40.0),
            (4.6, 80.0),
            (99.0, 100.0),
            (f64::NEG_INFINITY, 0.0),
            (f64::NAN, 0.0),
        ] {
            let svg = bar(value, 4.6, Wish::Reach, "x");
            assert!((width(&svg) - expected).abs() < 0.06, "{value}: {svg}");
        }
    }

    #[test]
    fn reaching_the_threshold_looks_good_or_bad_by_what_it_means() {
        assert!(bar(5.0, 4.6, Wish::Reach, "x").contains("fill full"));
        assert!(bar(5.0, 4.6, Wish::StayBelow, "x").contains("fill over"));
        assert!(!bar(4.5, 4.6, Wish::StayBelow, "x").contains("fill over"));
    }

    #[test]
    fn steps_tell_every_weight_in_words() {
        let percent = |value| Weight::from_percent(value).unwrap();
        let timeline =
            [(Minute(0), percent(1.0)), (Minute(20), percent(5.0)), (Minute(30), percent(0.0))];
        let svg = steps(&timeline, Minute(40));
        assert!(
            svg.contains("now 0 %; 1 % from 1970-01-01 00:00 UTC; 5 % from 1970-01-01 00:20 UTC"),
            "{svg}"
        );
        assert!(svg.contains("H500V91.4H750V96.0H1000"), "{svg}");
        assert_eq!(steps(&[], Minute(1)), "");
    }
}
