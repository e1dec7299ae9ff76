//! Numbers, dates and texts against what Python itself said about them.
//!
//! `data/make-python-vectors.py` writes the file; only Python's own library
//! speaks in it.

use scorer_fn::decimal::Decimal;
use scorer_fn::python::{self, Integer};
use scorer_fn::python_json;
use scorer_fn::score::key::hex;
use scorer_fn::time::{IsoError, PythonTime, parse_python_iso};
use serde_json::Value;

fn vectors(group: &str) -> Vec<Value> {
    let text = std::fs::read_to_string("tests/data/python-vectors.json")
        .expect("the vectors are in the repository");
    let all: Value = serde_json::from_str(&text).expect("the vectors are JSON");
    let group = all[group].as_array().cloned().unwrap_or_default();
    assert!(!group.is_empty(), "there are vectors");
    group
}

fn text<'v>(vector: &'v Value, key: &str) -> &'v str {
    vector[key].as_str().unwrap_or_default()
}

#[test]
fn sums_round_and_print_as_in_python() {
    for vector in vectors("sums") {
        let mut sum = Decimal::zero();
        for weight in vector["weights"].as_array().into_iter().flatten() {
            let weight = match weight {
                Value::String(text) => Decimal::parse(text),
                Value::Number(number) if number.is_f64() => {
                    number.as_f64().and_then(Decimal::from_f64)
                }
                other => Decimal::parse(&other.to_string()),
            };
            sum = sum.add(&weight.unwrap_or_else(|| panic!("{vector}")));
        }
        assert_eq!(sum.to_string(), text(&vector, "str"), "{vector}");
        assert_eq!(sum.to_fixed5(), text(&vector, "fixed"), "{vector}");
        assert_eq!(Some(sum.to_f64()), vector["float"].as_f64(), "{vector}");
    }
}

#[test]
fn what_is_no_number_is_refused() {
    for vector in vectors("refused") {
        assert!(Decimal::parse(text(&vector, "text")).is_none(), "{vector}");
    }
}

#[test]
fn dates_read_and_print_as_in_python() {
    for vector in vectors("dates") {
        let input = text(&vector, "text");
        match parse_python_iso(input) {
            Ok(PythonTime::Aware(time)) => {
                assert_eq!(
                    time.python_isoformat(),
                    text(&vector, "isoformat"),
                    "{vector}"
                );
            }
            Ok(PythonTime::Naive) => assert_eq!(vector["aware"], false, "{vector}"),
            Err(IsoError::Shape) => {
                let message = format!("Invalid isoformat string: {}", python::repr(input));
                assert_eq!(message, text(&vector, "error"));
            }
            Err(IsoError::Range(message)) => {
                assert_eq!(message, text(&vector, "error"), "{vector}");
            }
        }
    }
}

#[test]
fn integers_read_as_in_python() {
    for vector in vectors("integers") {
        let expected = match vector["value"].as_str() {
            None => Integer::No,
            Some(digits) => match digits.parse() {
                Ok(value) => Integer::Fits(value),
                Err(_) if digits.starts_with('-') => Integer::TooSmall,
                Err(_) => Integer::TooLarge,
            },
        };
        assert_eq!(python::integer(text(&vector, "text")), expected, "{vector}");
    }
}

#[test]
fn base64_is_as_lenient_as_in_python() {
    for vector in vectors("decodings") {
        let found = python::b64decode(text(&vector, "text"));
        let hex = found.map(|bytes| hex(&bytes));
        let expected = vector["hex"]
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| text(&vector, "error").to_owned());
        assert_eq!(hex, expected, "{vector}");
    }
}

#[test]
fn json_is_refused_with_the_words_of_python() {
    for vector in vectors("bodies") {
        let found = python_json::loads(text(&vector, "text")).err();
        assert_eq!(found.as_deref(), vector["error"].as_str(), "{vector}");
    }
}

#[test]
fn json_that_the_database_cannot_hold_is_marked() {
    for odd in ["NaN", "[-Infinity]", "1e999", "\"\\u0000\"", "\"\\ud800\""] {
        assert_eq!(
            python_json::loads(odd).map(|json| json.storable),
            Ok(false),
            "{odd}"
        );
    }
    let pair =
        python_json::loads("[\"\\ud83d\\ude00\", 1, -2.5e3, {\"a\": null}]").expect("it is JSON");
    assert_eq!(
        pair.value,
        serde_json::json!(["😀", 1, -2500.0, {"a": null}])
    );
    assert!(pair.storable);
}
