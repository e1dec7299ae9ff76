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
fn the_sign_of_a_zero_is_kept_as_in_python() {
    for vector in vectors("numbers") {
        let number = Decimal::parse(text(&vector, "text")).unwrap_or_else(|| panic!("{vector}"));
        let double = number.to_f64();
        let again = Decimal::from_f64(double).map(|number| number.to_fixed5());
        assert_eq!(number.to_string(), text(&vector, "str"), "{vector}");
        assert_eq!(number.to_fixed5(), text(&vector, "fixed"), "{vector}");
        assert_eq!(format!("{double:.5}"), text(&vector, "float"), "{vector}");
        assert_eq!(again.as_deref(), vector["double_fixed"].as_str(), "{vector}");
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
                assert_eq!(time.python_isoformat(), text(&vector, "isoformat"), "{vector}");
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

/// The characters in ranges of the form `first-last first-last …`.
fn ranges(group: &str) -> Vec<(u32, u32)> {
    let list = std::fs::read_to_string("tests/data/python-vectors.json")
        .expect("the vectors are in the repository");
    let all: Value = serde_json::from_str(&list).expect("the vectors are JSON");
    let code = |hex| u32::from_str_radix(hex, 16).expect("hex");
    text(&all, group)
        .split(' ')
        .map(|range| range.split_once('-').expect("a range"))
        .map(|(first, last)| (code(first), code(last)))
        .collect()
}

fn holds(ranges: &[(u32, u32)], c: char) -> bool {
    let code = u32::from(c);
    let at = ranges.partition_point(|(_, last)| *last < code);
    ranges.get(at).is_some_and(|(first, _)| *first <= code)
}

#[test]
fn the_digits_of_all_scripts_are_those_of_python() {
    let digits = ranges("digits");
    for c in '\0'..=char::MAX {
        let found = python::ascii_digit(c);
        assert_eq!(found.is_ascii_digit(), holds(&digits, c), "{c:?}");
        assert!(found.is_ascii_digit() || found == c, "{c:?}");
    }
}

#[test]
fn texts_are_quoted_as_in_python() {
    for vector in vectors("reprs") {
        assert_eq!(python::repr(text(&vector, "text")), text(&vector, "repr"));
    }
}

#[test]
fn what_python_prints_is_printed_and_the_rest_is_escaped() {
    let (printable, unassigned) = (ranges("printable"), ranges("unassigned"));
    for c in '\0'..=char::MAX {
        let is_escaped = python::repr(&c.to_string()).chars().count() > 3;
        // A later Unicode may have assigned what Python 3.11 does not know.
        if c != '\\' && !holds(&unassigned, c) {
            assert_eq!(is_escaped, !holds(&printable, c), "{c:?}");
        }
    }
}

#[test]
fn bytes_that_are_no_text_are_refused_with_the_words_of_python() {
    for vector in vectors("undecodable") {
        let hex = text(&vector, "hex");
        let bytes: Vec<u8> = (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex"))
            .collect();
        let error = std::str::from_utf8(&bytes).expect_err(hex);
        assert_eq!(python::decode_error(&bytes, error), text(&vector, "error"), "{hex}");
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
fn the_members_of_an_object_keep_their_spelling() {
    let found =
        python_json::members(" {\"a\" : 12345678901234567890123 , \"b\":[1, 2.50],\"c\":\"}\"} ")
            .expect("it is JSON")
            .expect("it is an object");
    let mut found: Vec<_> =
        found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    found.sort_unstable();
    assert_eq!(found, [("a", "12345678901234567890123"), ("b", "[1, 2.50]"), ("c", "\"}\"")]);
    assert_eq!(python_json::members("[{}]"), Ok(None));
    assert_eq!(python_json::members("{}").map(|found| found.map(|all| all.len())), Ok(Some(0)));
    for text in ["{\"a\":1,}", "{} x", "{\"a\" 1}"] {
        assert_eq!(python_json::members(text).err(), python_json::loads(text).err(), "{text}");
        assert!(python_json::members(text).is_err(), "{text}");
    }
}

#[test]
fn json_is_as_deep_and_integers_as_long_as_python_reads_them() {
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let objects = |levels: usize| format!("{}1{}", "{\"a\":".repeat(levels), "}".repeat(levels));
    for text in [deep(900), objects(900), "7".repeat(4300), format!("-{}", "7".repeat(4300))] {
        let json = python_json::loads(&text).expect("Python reads it");
        // It goes to the database as text.
        assert!(json.value.to_string().len() > 1);
    }
    for (text, kind) in
        [(deep(1000), "array"), (objects(1000), "object"), ("[".repeat(200_000), "array")]
    {
        let error = python_json::loads(&text).expect_err("Python gives up");
        assert_eq!(
            error,
            format!(
                "maximum recursion depth exceeded while decoding a JSON {kind} from a unicode string"
            )
        );
    }
    for text in ["7".repeat(4301), format!("[1, -{}", "7".repeat(4301))] {
        assert_eq!(
            python_json::loads(&text).expect_err("Python gives up"),
            "Exceeds the limit (4300 digits) for integer string conversion: value has 4301 digits; \
             use sys.set_int_max_str_digits() to increase the limit"
        );
    }
    let member = format!("{{\"a\": {}, \"b\": 1}}", deep(100_000));
    let members = python_json::members(&member).expect("it is JSON").expect("an object");
    assert_eq!((members["a"].len(), members["b"].as_str()), (200_000, "1"));
}

#[test]
fn json_that_the_database_cannot_hold_is_marked() {
    for odd in ["NaN", "[-Infinity]", "1e999", "\"\\u0000\"", "\"\\ud800\""] {
        assert_eq!(python_json::loads(odd).map(|json| json.storable), Ok(false), "{odd}");
    }
    let pair =
        python_json::loads("[\"\\ud83d\\ude00\", 1, -2.5e3, {\"a\": null}]").expect("it is JSON");
    assert_eq!(pair.value, serde_json::json!(["😀", 1, -2500.0, {"a": null}]));
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
        // The other library forgets the sign of a zero.
        let other = format!("{sign}{}", other.trim_start_matches('-'));
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
        let again = Decimal::from_f64(value).map(|number| number.to_f64().to_bits());
        prop_assert_eq!(again, Some(value.to_bits()));
    }
}
