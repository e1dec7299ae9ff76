//! What processes write, send and answer in a history, as one number.
//!
//! The invariants say what must never happen. Much else is right in one way only: a figure
//! in a page, a count in a snapshot, the answer to a command that is sent twice. So the
//! numbers of some histories are kept beside the code, in `effects.txt`. A change that
//! alters one of them is seen; it is meant (`make survive-effects` keeps the new ones), or
//! a defect.

use serde::Serialize;
use serde_json::{Number, Value};
use std::collections::BTreeMap;

/// Seeds of CI's sample. A history takes a tenth of a second unoptimised.
pub const SAMPLE: std::ops::Range<u64> = 0..80;

/// Histories that go where few do: the first that notice the defects of the gate which
/// are noticed last, and those that long runs found; and more with the first engine.
pub const RARE: [u64; 35] = [
    133, 162, 177, 179, 183, 191, 336, 468, 483, 678, 1503, 1826, 1927, 2126, 9677, 21033, 43140,
    56125, 252_401, 804_453, 807_449, 811_017, 811_618, 818_554, 1_010_399, 1_021_037, 1_106_445,
    1_311_161, 1_315_804, 2_002_550, 2_416_783, 3_000_465, 4_001_154, 4_013_104, 4_026_167,
];

const KEPT: &str = include_str!("effects.txt");

/// Significant digits of a number that count: the last ones of a logarithm are the
/// platform's.
const DIGITS: usize = 6;

/// FNV-1a over the JSON of each effect, in order (Fowler, Noll and Vo): the same on every
/// machine and by every compiler.
#[derive(Clone, Copy, Debug)]
pub struct Effects(u64);

impl Default for Effects {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Effects {
    /// Takes in one.
    ///
    /// # Panics
    /// If it has no JSON.
    pub fn add<T: Serialize>(&mut self, effect: &T) {
        let mut value = serde_json::to_value(effect).expect("effects are JSON");
        level(&mut value);
        for byte in value.to_string().bytes().chain([0]) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// The number.
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// Takes out what is no effect: the order of members, and the last digits of numbers.
fn level(value: &mut Value) {
    match value {
        Value::Array(all) => {
            for one in all {
                level(one);
            }
        }
        Value::Object(members) => {
            let mut all: Vec<(String, Value)> = std::mem::take(members).into_iter().collect();
            all.sort_by(|one, other| one.0.cmp(&other.0));
            for (_, value) in &mut all {
                level(value);
            }
            members.extend(all);
        }
        Value::Number(number) if number.is_f64() => {
            let rounded = number.as_f64().map(|exact| format!("{exact:.*e}", DIGITS - 1));
            let rounded = rounded.and_then(|text| text.parse().ok());
            *number = rounded.and_then(Number::from_f64).unwrap_or_else(|| number.clone());
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The kept numbers by seed.
///
/// # Panics
/// If a line of the file is no seed and number.
pub fn kept() -> BTreeMap<u64, u64> {
    let lines = KEPT.lines().map(|line| {
        let (seed, number) = line.split_once(' ').expect("a seed and a number");
        (seed.parse().expect("a seed"), u64::from_str_radix(number, 16).expect("a number"))
    });
    lines.collect()
}
