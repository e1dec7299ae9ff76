//! What people read: counts, kinds and the limit. No value, header, key or address is
//! anywhere in them, because none is known here.

use crate::domain::figures::{capital, count, false_alarm, limit};

use super::counts::Comparisons;
use super::verdict::{Breach, ComparisonsLeft, Hold};

/// The names that a run's sentences use.
#[derive(Clone, Copy, Debug)]
pub struct Words<'a> {
    /// Label of the old side, like `Python`.
    pub old: &'a str,
    /// Label of the new side, like `Rust`.
    pub new: &'a str,
}

impl Words<'_> {
    /// What was broken, and how seldom that would be a false alarm.
    pub fn breach(&self, breach: &Breach) -> String {
        format!("{} {}", self.broken(&breach.seen, breach.limit), false_alarm(breach.log_e))
    }

    /// `Rust answers differ from Python's: 6 of 41 compared (number 5, missing 1), limit 0.1%.`
    pub fn broken(&self, seen: &Comparisons, allowed: f64) -> String {
        format!(
            "{} answers differ from {}'s: {}, limit {}.",
            self.new,
            self.old,
            compared(seen),
            limit(allowed)
        )
    }

    /// Why nothing follows yet.
    pub fn hold(&self, hold: &Hold) -> String {
        match hold {
            Hold::WrongAnswers { seen, limit } => self.broken(seen, *limit),
            Hold::WrongAnswersSuspected { breach } => {
                let broken = self.broken(&breach.seen, breach.limit);
                format!("{broken} Suspicion is raised; not enough to roll back.")
            }
            Hold::WrongAnswersNotProven { step, seen, left } => {
                let what = format!("Not proven yet for {step}: wrong answers.");
                match left {
                    ComparisonsLeft::About(more) => {
                        format!("{what} About {} more comparisons.", count(rounded(*more)))
                    }
                    ComparisonsLeft::NotOnCourse => {
                        format!("{what} {}; proof needs fewer.", capital(&compared(seen)))
                    }
                    ComparisonsLeft::TooEarly | ComparisonsLeft::Proven => {
                        format!("{what} {} answers compared so far.", count(seen.compared))
                    }
                }
            }
        }
    }
}

/// `6 of 41 compared (number 5, missing 1)`.
fn compared(seen: &Comparisons) -> String {
    let counts = format!("{} of {} compared", count(seen.different), count(seen.compared));
    match kinds(seen) {
        None => counts,
        Some(kinds) => format!("{counts} ({kinds})"),
    }
}

/// `number 5, missing 1`, the most frequent first; `None` if no kind is known.
pub fn kinds(seen: &Comparisons) -> Option<String> {
    let mut kinds: Vec<_> = seen.kinds.iter().filter(|(_, pairs)| **pairs > 0).collect();
    kinds.sort_by_key(|(kind, pairs)| (std::cmp::Reverse(**pairs), **kind));
    let each: Vec<String> =
        kinds.into_iter().map(|(kind, pairs)| format!("{kind} {}", count(*pairs))).collect();
    (!each.is_empty()).then(|| each.join(", "))
}

/// Two digits, upwards: an estimate is no promise.
fn rounded(comparisons: u64) -> u64 {
    let mut unit = 1;
    while comparisons.div_ceil(unit) > 99 {
        unit *= 10;
    }
    comparisons.div_ceil(unit).saturating_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use answers::Kind;

    #[test]
    fn kinds_that_nothing_differs_by_are_not_named() {
        let of = |kinds: &[(Kind, u64)]| {
            let kinds = kinds.iter().copied().collect();
            super::kinds(&Comparisons { kinds, ..Comparisons::default() })
        };
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[(Kind::Number, 0)]), None);
        let some = [(Kind::Number, 1), (Kind::Missing, 5), (Kind::Status, 0)];
        assert_eq!(of(&some).as_deref(), Some("missing 5, number 1"));
    }

    #[test]
    fn an_estimate_has_two_digits_and_is_not_less() {
        for (exact, told) in [(1, 1), (99, 99), (100, 100), (101, 110), (1_234, 1_300)] {
            assert_eq!(rounded(exact), told);
        }
    }
}
