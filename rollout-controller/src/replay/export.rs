//! Recorded minutes as the CSV that a replay reads.

use std::fmt::Write as _;

use crate::domain::minute::{Minute, SideCounts};
use crate::domain::observation::{MinuteRead, RouteMinute};
use crate::domain::plan::Terms;
use crate::domain::weight::Weight;
use crate::domain::wrong_answers::{Comparisons, ComparisonsRead};

/// Minutes as CSV, and what is left out of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// One line a minute and side (RFC 4180).
    pub csv: String,
    /// Minutes with numbers in it.
    pub minutes: usize,
    /// Minutes of which a number is missing or makes no sense, with the first reason.
    pub left_out: Option<(usize, String)>,
    /// The minute that counts as 0: the first with requests to the new side.
    pub first: Option<Minute>,
}

/// Writes what was read of all routes together, in the order of the minutes.
///
/// CloudWatch does not keep the weights: a minute's `weight_pct` is the stage of
/// `terms` that is nearest to the share which the new side had. Without a `first`,
/// minute 0 is the first in which it had any.
pub fn csv(read: &[MinuteRead], terms: &Terms, first: Option<Minute>) -> Exported {
    let buckets = terms.evidence.edges().buckets();
    let mut csv = String::from("minute,side,weight_pct,requests,errors,latency_samples");
    for bucket in 0..buckets {
        let _ = write!(csv, ",b{bucket}");
    }
    let compared = terms.evidence.wrong_answers().is_some();
    if compared {
        csv.push_str(",compared,different,compare_failed");
    }
    csv.push_str("\r\n");
    let sums: Vec<(Minute, Result<[SideCounts; 2], String>)> =
        read.iter().map(|read| (read.minute, sum(read))).collect();
    let reached = |sides: &Result<[SideCounts; 2], String>| {
        sides.as_ref().is_ok_and(|[_, new]| new.requests > 0)
    };
    let first =
        first.or_else(|| sums.iter().find(|(_, sides)| reached(sides)).map(|(minute, _)| *minute));
    // Without a rollout everything is history.
    let zero = first.or_else(|| read.last().map(|read| read.minute.plus(1))).unwrap_or(Minute(0));
    let (mut minutes, mut left_out) = (0, None);
    for ((minute, sides), read) in sums.iter().zip(read) {
        let [old, new] = match sides {
            Ok(sides) => sides,
            Err(why) => {
                left_out.get_or_insert((0, why.clone())).0 += 1;
                continue;
            }
        };
        let number = minute.since(zero);
        let weight = if number < 0 { Weight::ZERO } else { nearest(terms, old, new) };
        minutes += 1;
        for (side, counts) in [("old", old), ("new", new)] {
            if !counts.is_empty() {
                line(&mut csv, number, side, weight, counts, buckets);
                if compared {
                    let counts = read.comparisons.as_ref().and_then(ComparisonsRead::counted);
                    match counts.filter(|_| side == "new") {
                        Some(Comparisons { compared, different, failed, kinds: _ }) => {
                            let _ = write!(csv, ",{compared},{different},{failed}");
                        }
                        // Not known is not zero.
                        None => csv.push_str(",,,"),
                    }
                }
                csv.push_str("\r\n");
            }
        }
    }
    Exported { csv, minutes, left_out, first }
}

fn line(
    csv: &mut String,
    minute: i64,
    side: &str,
    weight: Weight,
    counts: &SideCounts,
    buckets: usize,
) {
    let (percent, samples) = (weight.percent(), counts.latency.samples());
    let (requests, errors) = (counts.requests, counts.failed());
    let _ = write!(csv, "{minute},{side},{percent},{requests},{errors},{samples}");
    for bucket in 0..buckets {
        let count = counts.latency.counts().get(bucket).copied().unwrap_or(0);
        let _ = write!(csv, ",{count}");
    }
}

fn sum(read: &MinuteRead) -> Result<[SideCounts; 2], String> {
    let mut sides = [SideCounts::default(), SideCounts::default()];
    for route in &read.routes {
        match route {
            RouteMinute::Known { old, new } => {
                for (sum, side) in sides.iter_mut().zip([old, new]) {
                    *sum += side.as_ref().unwrap_or(&SideCounts::default());
                }
            }
            RouteMinute::Unknown(why) => return Err(why.to_string()),
        }
    }
    Ok(sides)
}

/// The stage, or 0%, that is nearest to the share of the new side.
fn nearest(terms: &Terms, old: &SideCounts, new: &SideCounts) -> Weight {
    let all = old.requests + new.requests;
    if new.requests == 0 {
        return Weight::ZERO;
    }
    #[expect(clippy::cast_precision_loss, reason = "a ratio")]
    let share = new.requests as f64 / all as f64;
    let off = |weight: &Weight| (weight.ratio() - share).abs();
    let mut stages = terms.stages.iter().copied();
    let first = stages.next().unwrap_or(Weight::FULL);
    stages.fold(first, |best, stage| if off(&stage) < off(&best) { stage } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::minute::Histogram;
    use crate::domain::observation::Unread;
    use crate::domain::wrong_answers::Objective;
    use crate::replay::trace::{Trace, TraceMinute};
    use crate::simulate;

    fn counts(requests: u64, errors: u64) -> SideCounts {
        SideCounts { requests, errors, latency: Histogram::new(requests, vec![0, 0, requests]) }
    }

    fn minute(at: i64, routes: &[(u64, u64)]) -> MinuteRead {
        let known = |(old, new): &(u64, u64)| RouteMinute::Known {
            old: Some(counts(*old, 1)),
            new: (*new > 0).then(|| counts(*new, 0)),
        };
        let routes = routes.iter().map(known).collect();
        MinuteRead { minute: Minute(at), routes, comparisons: None }
    }

    #[test]
    fn a_replay_reads_what_is_exported() {
        let config = simulate::defaults(&["a", "b"]).expect("a config");
        let terms = &config.rollouts[0].terms;
        let mut read = vec![
            minute(100, &[(500, 0), (500, 0)]),
            minute(101, &[(480, 20), (470, 30)]),
            minute(102, &[(480, 20), (470, 30)]),
            minute(103, &[(370, 130), (380, 120)]),
        ];
        read[2].routes[1] = RouteMinute::Unknown(Unread::because("late"));
        let exported = csv(&read, terms, None);
        assert_eq!((exported.minutes, exported.first), (3, Some(Minute(101))));
        assert_eq!(exported.left_out, Some((1, "late".to_owned())));
        let trace = Trace::parse(&exported.csv, terms.evidence.edges().buckets()).expect("a trace");
        assert_eq!(trace.history.len(), 1);
        let found: Vec<_> = trace
            .rollout
            .iter()
            .map(TraceMinute::together)
            .map(|m| (m.minute.0, m.weight.percent(), m.old.requests, m.new.requests))
            .collect();
        assert_eq!(found, [(0, 5.0, 950, 50), (1, 5.0, 0, 0), (2, 25.0, 750, 250)]);
    }

    #[test]
    fn comparisons_are_exported_and_read_back_where_they_are_an_objective() {
        let config = simulate::defaults(&["a"]).expect("a config");
        let mut terms = config.rollouts[0].terms.clone();
        terms.evidence = terms.evidence.with_wrong_answers(Objective::default());
        let mut read =
            [minute(100, &[(500, 0)]), minute(101, &[(480, 20)]), minute(102, &[(480, 20)])];
        let counts = Comparisons { compared: 6, different: 1, failed: 2, ..Comparisons::default() };
        read[1].comparisons = Some(ComparisonsRead::Counted(counts.clone()));
        let exported = csv(&read, &terms, None);
        let head = exported.csv.lines().next().expect("a header");
        assert!(head.ends_with(",compared,different,compare_failed"), "{head}");
        let trace = Trace::parse(&exported.csv, terms.evidence.edges().buckets()).expect("a trace");
        let found: Vec<_> = trace.rollout.iter().map(TraceMinute::comparisons).collect();
        assert_eq!(found, [Some(counts), None], "not known is not zero");
    }

    #[test]
    fn without_a_rollout_everything_is_history() {
        let config = simulate::defaults(&["a"]).expect("a config");
        let read = [minute(100, &[(500, 0)]), minute(101, &[(500, 0)])];
        let exported = csv(&read, &config.rollouts[0].terms, None);
        assert!(exported.csv.contains("\r\n-2,old,0,500,1,500,") && exported.first.is_none());
    }
}
