//! Numbers, dates and texts against what Python itself said about them.
//!
//! `data/make-python-vectors.py` writes the file; only Python's own library
//! speaks in it.

use bigdecimal::{BigDecimal, RoundingMode};
use proptest::prelude::*;
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

proptest! {
    /// Five decimals of any number are those of another decimal library.
    #[test]
    fn five_decimals_are_rounded_half_to_even(
        digits in "[0-9]{1,25}",
        point in 0_usize..25,
        exponent in -12_i64..12,
        negative: bool,
    ) {
        let point = point.min(digits.len());
        let (whole, fraction) = digits.split_at(point);
        let sign = if negative { "-" } else { "" };
        let text = format!("{sign}{}.{fraction}E{exponent}", if whole.is_empty() { "0" } else { whole });
        let found = Decimal::parse(&text).expect("a number").to_fixed5();
        let other: BigDecimal = text.parse().expect("a number");
        let other = other.with_scale_round(5, RoundingMode::HalfEven).to_plain_string();
        prop_assert_eq!(found, other, "{}", text);
    }

    /// What is printed reads back as the same number with the same exponent.
    #[test]
    fn a_printed_number_reads_back(coefficient in any::<i64>(), exponent in -20_i64..20) {
        let number = Decimal::parse(&format!("{coefficient}E{exponent}")).expect("a number");
        let again = Decimal::parse(&number.to_string()).expect("its own print");
        prop_assert_eq!(again.to_string(), number.to_string());
        prop_assert!(again == number);
    }

    /// A double enters a sum with its exact value, so it leaves as itself.
    #[test]
    fn a_double_survives(value in any::<f64>().prop_filter("finite", |value| value.is_finite())) {
        prop_assert_eq!(Decimal::from_f64(value).map(|number| number.to_f64()), Some(value + 0.0));
    }
}
