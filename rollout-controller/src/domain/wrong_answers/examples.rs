//! What the scorers' log says of answers that differ: kinds, places and shapes, how often.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use answers::{Difference, Kind, Shape};
use serde::{Deserialize, Serialize};

use crate::domain::figures::count;
use crate::domain::observation::Unread;

/// Places that are named; the rest is counted.
const MOST_NAMED: usize = 5;

/// What a log was read to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Logged {
    /// The differences of each answer that was logged with some.
    pub answers: Vec<Vec<Difference>>,
    /// Texts that are no difference as a scorer writes it: left out.
    pub dropped: u64,
    /// Whether the log was read to its end.
    pub whole: bool,
}

/// Examples of wrong answers, as journalled. A scorer logs a few a minute, so the counts
/// are of what it logged and no share of anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Examples {
    /// The most frequent places first.
    pub named: Vec<Example>,
    /// Places that differed as well and are not named.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub other: u64,
    /// Texts that were no difference as a scorer writes it: left out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dropped: u64,
    /// Whether the log was read to its end.
    pub whole: bool,
}

/// One kind of difference at one place of the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Example {
    /// In what way they differ.
    pub kind: Kind,
    /// Where, as [`Difference::path`].
    pub path: String,
    /// What the old side's answer has there, in the most frequent pair of shapes.
    pub old: Shape,
    /// What the new side's answer has there.
    pub new: Shape,
    /// Logged answers that differ so at this place, whatever the shapes.
    pub answers: u64,
}

/// Examples, or why there are none to show. That they could not be read never means that
/// there are none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExamplesRead {
    /// Read; perhaps none was logged.
    Read(Examples),
    /// Not read, and why.
    Unread(Unread),
}

/// Differences at one place with one pair of shapes each, by their text.
type Shapes<'a> = BTreeMap<String, (&'a Difference, u64)>;

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape serde calls")]
const fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl Examples {
    /// The most frequent of what was logged. Answers that differ at one place in one way
    /// are one example, with the shapes that most of them have.
    pub fn of(logged: &Logged) -> Self {
        let mut places: BTreeMap<(Kind, &str), Shapes<'_>> = BTreeMap::new();
        for found in logged.answers.iter().flatten() {
            let shapes = places.entry((found.kind, &found.path)).or_default();
            shapes.entry(found.to_string()).or_insert((found, 0)).1 += 1;
        }
        let mut named: Vec<Example> = places
            .into_values()
            .filter_map(|shapes| {
                let answers = shapes.values().map(|(_, answers)| answers).sum();
                // Of equally many the first by its text, so that the same log says the same.
                let (found, _) =
                    shapes.into_values().min_by_key(|(_, answers)| Reverse(*answers))?;
                let Difference { kind, path, first, second, .. } = found;
                let path = path.clone();
                Some(Example { kind: *kind, path, old: *first, new: *second, answers })
            })
            .collect();
        named.sort_by_key(|example| Reverse(example.answers));
        let other = named.len().saturating_sub(MOST_NAMED) as u64;
        named.truncate(MOST_NAMED);
        Self { named, other, dropped: logged.dropped, whole: logged.whole }
    }

    /// Sentences about what is not shown; empty if everything is.
    fn rest(&self) -> String {
        let mut rest = String::new();
        if self.other > 0 {
            let places = if self.other == 1 { "place" } else { "places" };
            rest = format!(" {} more {places} differ.", count(self.other));
        }
        if self.dropped > 0 {
            let lines = if self.dropped == 1 { "line was" } else { "lines were" };
            let dropped = count(self.dropped);
            rest = format!("{rest} {dropped} {lines} left out: not as a scorer writes them.");
        }
        if !self.whole {
            rest.push_str(" The log was not read to its end.");
        }
        rest
    }
}

impl Example {
    /// As the scorer's log has it, so that a search finds it:
    /// `number stamps.*.score: text of 7 characters, then text of 7 characters`.
    pub fn as_logged(&self) -> String {
        let Self { kind, path, old, new, answers: _ } = self;
        format!("{kind} {path}: {old}, then {new}")
    }
}

impl ExamplesRead {
    /// One line for each example, and one for what is not shown. Each is a sentence.
    pub fn lines(&self) -> Vec<String> {
        let examples = match self {
            Self::Unread(why) => {
                let why = why.to_string();
                return vec![format!("Examples not read: {}.", why.trim_end_matches('.'))];
            }
            Self::Read(examples) => examples,
        };
        let mut lines: Vec<String> = examples
            .named
            .iter()
            .map(|example| format!("{}× {}.", count(example.answers), example.as_logged()))
            .collect();
        let rest = examples.rest();
        if lines.is_empty() {
            lines.push(format!("No example is in the log of these minutes.{rest}"));
        } else if !rest.is_empty() {
            lines.push(rest.trim_start().to_owned());
        }
        lines
    }

    /// The same as one paragraph; `old` and `new` are what the sides are called.
    pub fn paragraph(&self, old: &str, new: &str) -> String {
        match self {
            Self::Read(examples) if !examples.named.is_empty() => {
                format!("Logged examples, {old} first, then {new}: {}", self.lines().join(" "))
            }
            Self::Read(_) | Self::Unread(_) => self.lines().join(" "),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logged(texts: &[&[&str]]) -> Logged {
        let answer = |texts: &&[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        Logged { answers: texts.iter().map(answer).collect(), dropped: 0, whole: true }
    }

    const SHORT: &str = "number score: text of 7 characters, then text of 7 characters";
    const LONG: &str = "number score: text of 8 characters, then text of 8 characters";

    #[test]
    fn the_most_frequent_places_are_named_with_their_usual_shapes() {
        let gone = "missing threshold: text of 8 characters, then absent";
        let examples = Examples::of(&logged(&[&[gone, LONG], &[LONG], &[SHORT], &[gone]]));
        let said: Vec<(String, u64)> =
            examples.named.iter().map(|e| (e.as_logged(), e.answers)).collect();
        assert_eq!(said, [(LONG.to_owned(), 3), (gone.to_owned(), 2)]);
        let text = ExamplesRead::Read(examples).paragraph("Python", "Rust");
        assert_eq!(
            text,
            format!("Logged examples, Python first, then Rust: 3× {LONG}. 2× {gone}.")
        );
    }

    #[test]
    fn what_is_not_shown_is_counted() {
        let texts: Vec<String> =
            (b'a'..=b'g').map(|c| format!("extra {}: absent, then null", char::from(c))).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let mut all = logged(&[&texts]);
        (all.dropped, all.whole) = (1, false);
        let lines = ExamplesRead::Read(Examples::of(&all)).lines();
        assert_eq!(lines.len(), 6);
        assert_eq!(
            lines[5],
            "2 more places differ. 1 line was left out: not as a scorer writes them. \
             The log was not read to its end."
        );
    }

    #[test]
    fn none_and_not_read_are_different_sentences() {
        let none = ExamplesRead::Read(Examples::of(&logged(&[])));
        assert_eq!(none.lines(), ["No example is in the log of these minutes."]);
        let unread = ExamplesRead::Unread(Unread::because("FilterLogEvents: AccessDenied."));
        assert_eq!(unread.paragraph("a", "b"), "Examples not read: FilterLogEvents: AccessDenied.");
    }

    #[test]
    fn what_is_journalled_is_read_back() {
        let examples = ExamplesRead::Read(Examples::of(&logged(&[&[SHORT]])));
        let text = serde_json::to_string(&examples).unwrap();
        assert_eq!(serde_json::from_str::<ExamplesRead>(&text).unwrap(), examples);
    }

    #[test]
    fn a_journal_knows_how_many_were_left_out() {
        for (other, dropped) in [(0, 0), (3, 0), (0, 2)] {
            let examples = Examples { named: vec![], other, dropped, whole: true };
            let text = serde_json::to_string(&examples).unwrap();
            assert_eq!(text.contains("other"), other > 0, "{text}");
            assert_eq!(text.contains("dropped"), dropped > 0, "{text}");
            assert_eq!(serde_json::from_str::<Examples>(&text).unwrap(), examples);
        }
    }
}
