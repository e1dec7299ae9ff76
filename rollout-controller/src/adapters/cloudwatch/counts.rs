//! One side's counts of one minute, from values that may be absent.
//!
//! - No `RequestCount`: no data. With it, an absent error count or latency count is
//!   zero, since CloudWatch publishes those only when there is something.
//! - Answered errors or latencies without `RequestCount` come from the same source,
//!   so one of them is missing: a contradiction, not a minute. The same if they are
//!   far more than the requests, or if answered requests have no latencies.
//! - `LambdaUserError` alone is no contradiction: a request that is too large fails
//!   before a target is chosen and is in no `RequestCount`. It is no data either.
//! - What speaks against the counts themselves: [`contradiction`].

use super::queries::{Comparing, Side};
use answers::Kind;
use std::collections::BTreeMap;

use crate::domain::minute::{Contradiction, Histogram, SideCounts, contradiction};
use crate::domain::wrong_answers::Comparisons;

const REQUESTS: &str = "RequestCount";
const ANSWERED: &str = "HTTPCode_Target_5XX_Count";
const SAMPLES: &str = "TargetResponseTime SampleCount";

/// Reads a side; `value` gives the value of the query at a position, if there is one,
/// or why that is not known. The error says which metric does not fit.
pub(super) fn side(
    side: &Side,
    value: impl Fn(usize) -> Result<Option<f64>, String>,
) -> Result<Option<SideCounts>, String> {
    let count = |what: &str, position: usize| match value(position)? {
        None => Ok(None),
        Some(value) => whole(value).map(Some).ok_or_else(|| format!("{what} is {value}, no count")),
    };
    let or_zero = |what, position| count(what, position).map(Option::unwrap_or_default);
    let requests = count(REQUESTS, side.requests)?;
    let answered = or_zero(ANSWERED, side.answered_errors)?;
    let [user, internal] = side.failed_calls;
    let failed =
        or_zero("LambdaUserError", user)?.saturating_add(or_zero("LambdaInternalError", internal)?);
    let samples = or_zero(SAMPLES, side.samples)?;
    let mut buckets = Vec::with_capacity(side.buckets.len());
    for &position in &side.buckets {
        buckets.push(or_zero("TargetResponseTime TC of a bucket", position)?);
    }
    let Some(requests) = requests else {
        return match (answered, samples) {
            (0, 0) => Ok(None),
            (0, samples) => Err(format!("{REQUESTS} is missing, and {SAMPLES} is {samples}")),
            (errors, _) => Err(format!("{REQUESTS} is missing, and {ANSWERED} is {errors}")),
        };
    };
    let errors = answered.saturating_add(failed);
    if let Some(problem) = contradiction(requests, errors, answered, samples, &buckets) {
        return Err(in_metrics(problem));
    }
    Ok(Some(SideCounts { requests, errors, latency: Histogram::new(samples, buckets) }))
}

/// Reads what was compared of a new side. The functions publish all three counts of a
/// comparison together, zeros too: none of them is no data, and one without the others is
/// not known. A kind of difference is published only where it occurs.
pub(super) fn comparisons(
    of_route: &Comparing,
    value: impl Fn(usize) -> Result<Option<f64>, String>,
) -> Result<Option<Comparisons>, String> {
    let count = |what: &str, position: usize| match value(position)
        .map_err(|status| format!("query `{what}` came back as {status}"))?
    {
        None => Ok(None),
        Some(value) => whole(value).map(Some).ok_or_else(|| format!("{what} is {value}, no count")),
    };
    let three = [
        ("Compared", of_route.compared),
        ("Different", of_route.different),
        ("CompareFailed", of_route.failed),
    ];
    let mut found = [None; 3];
    for (found, (what, position)) in found.iter_mut().zip(three) {
        *found = count(what, position)?;
    }
    if found == [None; 3] {
        return Ok(None);
    }
    if let Some((_, (what, _))) = found.iter().zip(three).find(|(found, _)| found.is_none()) {
        return Err(format!("{what} is missing, and others of the three are not"));
    }
    let [compared, different, failed] = found.map(Option::unwrap_or_default);
    if different > compared {
        return Err(format!("Different is {different}, and Compared only {compared}"));
    }
    let mut kinds = BTreeMap::new();
    for (kind, position) in Kind::ALL.into_iter().zip(of_route.kinds) {
        // For people alone: the objective does not wait for it.
        if let Ok(Some(pairs)) = count(kind.name(), position)
            && pairs > 0
        {
            kinds.insert(kind, pairs);
        }
    }
    Ok(Some(Comparisons { compared, different, failed, kinds }))
}

/// A contradiction in the words of the metrics.
fn in_metrics(contradiction: Contradiction) -> String {
    match contradiction {
        Contradiction::Buckets { sum, samples } => {
            format!("{SAMPLES} is {samples}, and all buckets together hold {sum}")
        }
        Contradiction::ErrorsAboveRequests { errors, requests } => {
            format!("{ANSWERED} is {errors}, and {REQUESTS} only {requests}")
        }
        Contradiction::SamplesAboveRequests { samples, requests } => {
            format!("{SAMPLES} is {samples}, and {REQUESTS} only {requests}")
        }
        Contradiction::NoLatencies { fine } => {
            format!("{SAMPLES} is missing, and {fine} requests had no error")
        }
    }
}

/// A count from its floating-point form; `None` if it is not one.
fn whole(value: f64) -> Option<u64> {
    // Up to 2^53 every whole number has its own floating-point value.
    let fits = (-0.5..9_007_199_254_740_992.0).contains(&value);
    let near = (value - value.round()).abs() <= 1e-6;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above")]
    (fits && near).then(|| value.round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIDE: [&str; 8] =
        ["requests", "5xx", "user", "internal", "samples", "fast", "middle", "slow"];

    fn read(values: &[(&str, f64)]) -> Result<Option<SideCounts>, String> {
        let positions = Side {
            requests: 0,
            answered_errors: 1,
            failed_calls: [2, 3],
            samples: 4,
            buckets: vec![5, 6, 7],
        };
        side(&positions, |position| {
            let found = values.iter().find(|(name, _)| *name == SIDE[position]);
            Ok(found.map(|(_, value)| *value))
        })
    }

    #[test]
    fn what_is_absent_beside_requests_is_zero() {
        let counts = read(&[("requests", 4.0)]).unwrap().unwrap();
        assert_eq!(counts, SideCounts { requests: 4, ..SideCounts::default() });
        let zero = read(&[("requests", 0.0), ("5xx", 0.0)]).unwrap();
        assert_eq!(zero, Some(SideCounts::default()), "an explicit zero is data");
    }

    #[test]
    fn answered_requests_have_latencies() {
        assert!(read(&[("requests", 5.0)]).is_err());
        assert!(read(&[("requests", 100.0), ("5xx", 95.0)]).is_err());
        // Those that failed need none: a function that crashes at once answers nothing.
        assert!(read(&[("requests", 100.0), ("user", 96.0)]).is_ok());
        assert!(read(&[("requests", 100.0), ("user", 900.0)]).is_ok());
        assert!(read(&[("requests", 100.0), ("samples", 1.0), ("slow", 1.0)]).is_ok());
    }

    #[test]
    fn more_answers_than_requests_contradict_but_for_a_few_at_the_edge_of_the_minute() {
        let errors = |requests: f64, errors: f64| {
            read(&[
                ("requests", requests),
                ("5xx", errors),
                ("samples", requests),
                ("slow", requests),
            ])
        };
        assert!(errors(10.0, 15.0).is_ok() && errors(10.0, 16.0).is_err());
        assert!(errors(1000.0, 1020.0).is_ok() && errors(1000.0, 1021.0).is_err());
        assert!(read(&[("requests", 10.0), ("samples", 600.0), ("fast", 600.0)]).is_err());
    }

    #[test]
    fn no_request_count_is_no_data_and_never_zero_requests() {
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[("5xx", 0.0)]), Ok(None));
        assert_eq!(read(&[("user", 2.0)]), Ok(None), "a request too large for any target");
    }

    #[test]
    fn errors_of_all_three_kinds_add_up() {
        let values = [
            ("requests", 100.0),
            ("5xx", 1.0),
            ("user", 2.0),
            ("internal", 4.0),
            ("samples", 93.0),
            ("fast", 93.0),
        ];
        assert_eq!(read(&values).unwrap().unwrap().errors, 7);
    }

    #[test]
    fn answers_without_requests_contradict() {
        assert!(read(&[("5xx", 3.0)]).is_err());
        assert!(read(&[("samples", 1.0), ("fast", 1.0)]).is_err());
    }

    #[test]
    fn buckets_must_add_up_to_the_samples() {
        let sums = |samples: f64, fast: f64, slow: f64| {
            read(&[("requests", 200.0), ("samples", samples), ("fast", fast), ("slow", slow)])
        };
        assert_eq!(sums(3.0, 2.0, 1.0).unwrap().unwrap().latency.slower_than(1), 1);
        assert_eq!(sums(100.0, 97.0, 1.0).unwrap().unwrap().latency.slower_than(1), 3);
        assert!(sums(100.0, 96.0, 1.0).is_err());
        assert!(sums(100.0, 103.0, 0.0).is_err());
        assert!(sums(3.0, 2.0, 0.0).is_err(), "few samples must match exactly");
        assert!(sums(3.0, 0.123, 0.123).is_err(), "an average is no count");
        assert!(sums(0.0, 1.0, 0.0).is_err());
    }

    /// Compared, different, failed, and one kind.
    fn compared(values: [Option<f64>; 4]) -> Result<Option<Comparisons>, String> {
        let of_route =
            Comparing { compared: 0, different: 1, failed: 2, kinds: [9, 9, 3, 9, 9, 9, 9, 9] };
        comparisons(&of_route, |position| Ok(values.get(position).copied().flatten()))
    }

    #[test]
    fn no_comparison_is_not_known_and_none_different_is() {
        assert_eq!(compared([None; 4]), Ok(None));
        let none = compared([Some(6.0), Some(0.0), Some(0.0), None]).unwrap().unwrap();
        assert_eq!((none.compared, none.different, none.kinds.len()), (6, 0, 0));
        let failed = compared([Some(0.0), Some(0.0), Some(3.0), None]).unwrap().unwrap();
        assert_eq!((failed.compared, failed.failed), (0, 3));
        let wrong = compared([Some(6.0), Some(2.0), Some(0.0), Some(2.0)]).unwrap().unwrap();
        assert_eq!(wrong.kinds, BTreeMap::from([(Kind::Number, 2)]));
    }

    #[test]
    fn comparisons_that_contradict_each_other_are_not_known() {
        for values in [
            [Some(6.0), None, Some(0.0), None],
            [None, Some(1.0), Some(0.0), None],
            [Some(6.0), Some(0.0), None, None],
            [Some(1.0), Some(2.0), Some(0.0), None],
            [Some(0.5), Some(0.0), Some(0.0), None],
        ] {
            assert!(compared(values).is_err(), "{values:?}");
        }
        let cut =
            comparisons(&Comparing { compared: 0, different: 1, failed: 2, kinds: [3; 8] }, |_| {
                Err("PartialData".to_owned())
            });
        assert_eq!(cut.unwrap_err(), "query `Compared` came back as PartialData");
    }

    #[test]
    fn a_count_is_whole_and_not_negative() {
        assert_eq!(whole(41.0), Some(41));
        for value in [-1.0, 0.5, f64::NAN, f64::INFINITY, 1e300] {
            assert_eq!(whole(value), None, "{value}");
        }
    }
}
