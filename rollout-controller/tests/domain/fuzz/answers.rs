//! Two answers to one request, as they come from functions and over HTTP.

use super::{assert_readable, corpus};
use answers::{Answer, Comparer, MAX_DIFFERENCES, Rules, Show};
use fuzz_kit::fuzz;

/// Between the two answers of a sample.
const BETWEEN: &[u8] = b"\n---\n";

fn halves(bytes: &[u8]) -> (&[u8], &[u8]) {
    let at = bytes.windows(BETWEEN.len()).position(|window| window == BETWEEN);
    at.map_or((bytes, bytes), |at| (&bytes[..at], &bytes[at + BETWEEN.len()..]))
}

#[test]
fn any_two_answers_are_compared() {
    let rules = Rules {
        ignore: vec!["stamps.*.dedup".to_owned(), "[].a".to_owned()],
        tolerance: "0.00001".to_owned(),
        ..Rules::default()
    };
    let comparers: Vec<Comparer> = [Rules::default(), rules]
        .iter()
        .map(|rules| Comparer::new(rules).expect("good rules"))
        .collect();
    fuzz!(corpus("answers").words(&["\n---\n", "1e999999999", "0.00001", "\\ud800"]), |bytes| {
        let (first, second) = halves(bytes);
        let raw = [first, second].map(|body| Answer {
            status: 200,
            headers: Vec::new(),
            body: body.to_vec(),
        });
        let read = [first, second].map(|payload| match Answer::from_alb(payload) {
            Ok(answer) => answer,
            Err(error) => {
                assert_readable(&error, payload);
                Answer::default()
            }
        });
        for [first, second] in [raw, read] {
            for comparer in &comparers {
                for show in [Show::Shapes, Show::Values] {
                    let there = comparer.compare(&first, &second, show);
                    assert!(there.differences.len() <= MAX_DIFFERENCES);
                    let back = comparer.compare(&second, &first, show);
                    assert_eq!(
                        there.differences.is_empty(),
                        back.differences.is_empty(),
                        "differs from one side only"
                    );
                    let same = comparer.compare(&first, &first, show);
                    assert!(same.differences.is_empty(), "differs from itself: {same:?}");
                }
            }
        }
    });
}
