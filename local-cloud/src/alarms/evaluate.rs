//! M out of N with missing data, by the rules and tables of the CloudWatch guide.

use crate::topology::MissingData;

/// What an evaluation asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Ok,
    Alarm,
    InsufficientData,
    /// Leaves the state as it is.
    Keep,
}

/// Judges the points of the evaluation range, oldest first: breaching, fine or
/// missing. `m` of the newest `n` must breach.
pub(super) fn evaluate(
    range: &[Option<bool>],
    n: usize,
    m: usize,
    missing: MissingData,
) -> Verdict {
    let real: Vec<bool> = range.iter().flatten().copied().collect();
    let breaching = |points: &[bool]| points.iter().filter(|breaches| **breaches).count();
    let decide = |breaches: usize| {
        if breaches >= m { Verdict::Alarm } else { Verdict::Ok }
    };
    if real.len() >= n {
        // Enough real points in the range: missing ones do not matter.
        return decide(breaching(&real[real.len() - n..]));
    }
    let filled = n - real.len();
    let breaches = breaching(&real);
    match missing {
        MissingData::Breaching => decide(breaches + filled),
        MissingData::NotBreaching => decide(breaches),
        MissingData::Missing | MissingData::Ignore => {
            if breaches >= m {
                return Verdict::Alarm;
            }
            if breaches < real.len() {
                return Verdict::Ok;
            }
            if missing == MissingData::Ignore {
                return Verdict::Keep;
            }
            match range.iter().position(Option::is_some) {
                None => Verdict::InsufficientData,
                // Only breaching points: they count once the oldest is M periods old,
                // before that it would be premature.
                Some(oldest) if range.len() - oldest >= m => Verdict::Alarm,
                Some(_) => Verdict::Keep,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(text: &str) -> Vec<Option<bool>> {
        text.split(' ')
            .map(|point| match point {
                "0" => Some(false),
                "X" => Some(true),
                "-" => None,
                other => panic!("{other}"),
            })
            .collect()
    }

    #[test]
    fn the_truth_tables_of_the_aws_facts_are_met() {
        use Verdict::{Alarm, InsufficientData, Keep, Ok};
        // Points, M, then missing, ignore, breaching, notBreaching; N is 3, the range 5.
        let table = [
            ("0 - X - X", 3, [Ok, Ok, Ok, Ok]),
            ("0 - - - -", 3, [Ok, Ok, Ok, Ok]),
            ("- - - - -", 3, [InsufficientData, Keep, Alarm, Ok]),
            ("0 X X - X", 3, [Alarm, Alarm, Alarm, Alarm]),
            ("- - X - -", 3, [Alarm, Keep, Alarm, Ok]),
            ("0 - X - X", 2, [Alarm, Alarm, Alarm, Alarm]),
            ("0 - X - -", 2, [Ok, Ok, Alarm, Ok]),
            ("- - - - 0", 2, [Ok, Ok, Alarm, Ok]),
            ("- - - X -", 2, [Alarm, Keep, Alarm, Ok]),
            // A newest breaching point with nothing before it waits.
            ("- - - - X", 3, [Keep, Keep, Alarm, Ok]),
        ];
        let treatments = [
            MissingData::Missing,
            MissingData::Ignore,
            MissingData::Breaching,
            MissingData::NotBreaching,
        ];
        for (text, m, expected) in table {
            for (treatment, expected) in treatments.into_iter().zip(expected) {
                let found = evaluate(&points(text), 3, m, treatment);
                assert_eq!(found, expected, "{text} with M={m} and {treatment:?}");
            }
        }
    }
}
