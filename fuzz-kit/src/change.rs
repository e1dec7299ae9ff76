//! Changes of an input.

use bolero::Driver;
use serde_json::Value;

use crate::corpus::below;

/// Numbers at the edges of types and of common sense.
const NUMBERS: [&str; 24] = [
    "0",
    "-0",
    "1",
    "-1",
    "100",
    "101",
    "999",
    "1000",
    "65536",
    "4294967295",
    "4294967296",
    "9007199254740993",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "0.1",
    "1e-400",
    "1e308",
    "-1e308",
    "1e999",
    "NaN",
    "١٢",
];

/// Texts that are trouble somewhere.
const TEXTS: [&str; 12] = [
    "",
    " ",
    "\0",
    "\u{feff}",
    "\r\n",
    "a\u{301}\u{202e}\u{1f600}",
    "\u{ff11}\u{ff10}",
    "<script>alert(1)</script>",
    "'; DROP TABLE journal; --",
    "{{ssm:secret}}${jndi:x}%s%n",
    "../../../../etc/passwd",
    "%00%ff%2f%",
];

/// Stands for what a [`Value`] cannot hold; no sample has it.
const MARK: &str = "\u{e000}mark\u{e000}";

/// How deep a value is nested that is nested deeply.
const DEPTHS: [usize; 4] = [10, 126, 1_000, 20_000];
/// How often a part is repeated.
const REPEATS: [usize; 4] = [2, 3, 50, 2_000];

fn one<'a, D: Driver, T>(driver: &mut D, of: &'a [T]) -> Option<&'a T> {
    of.get(below(driver, of.len())?)
}

/// One change. `None`: the driver has no more to give.
pub(crate) fn change<D: Driver>(
    driver: &mut D,
    bytes: Vec<u8>,
    samples: &[Vec<u8>],
    words: &[Vec<u8>],
) -> Option<Vec<u8>> {
    let kinds = 13;
    match below(driver, kinds)? {
        0 => flip(driver, bytes),
        1 => remove(driver, bytes),
        2 => repeat(driver, bytes),
        3 => truncate(driver, bytes),
        4 => splice(driver, bytes, samples),
        5 => insert_word(driver, bytes, words),
        6 | 7 => number(driver, bytes),
        8 => insert_text(driver, bytes),
        _ => match serde_json::from_slice::<Value>(&bytes) {
            Ok(value) => json(driver, value),
            Err(_) => lines(driver, bytes),
        },
    }
}

/// A part of the input, 1 byte at least where there is one.
fn range<D: Driver>(driver: &mut D, bytes: &[u8]) -> Option<std::ops::Range<usize>> {
    let start = below(driver, bytes.len())?;
    // Mostly short ones.
    let longest = *one(driver, &[1, 4, 16, 64, bytes.len()])?;
    let end = (start + 1 + below(driver, longest)?).min(bytes.len());
    Some(start.min(end)..end)
}

fn flip<D: Driver>(driver: &mut D, mut bytes: Vec<u8>) -> Option<Vec<u8>> {
    let (at, to) = (below(driver, bytes.len())?, driver.produce::<u8>()?);
    if let Some(byte) = bytes.get_mut(at) {
        *byte = to;
    }
    Some(bytes)
}

fn remove<D: Driver>(driver: &mut D, mut bytes: Vec<u8>) -> Option<Vec<u8>> {
    let range = range(driver, &bytes)?;
    bytes.drain(range);
    Some(bytes)
}

fn repeat<D: Driver>(driver: &mut D, mut bytes: Vec<u8>) -> Option<Vec<u8>> {
    let range = range(driver, &bytes)?;
    let times = *one(driver, &REPEATS)?;
    let part = bytes[range.clone()].repeat(times);
    bytes.splice(range, part);
    Some(bytes)
}

fn truncate<D: Driver>(driver: &mut D, mut bytes: Vec<u8>) -> Option<Vec<u8>> {
    let end = below(driver, bytes.len() + 1)?;
    bytes.truncate(end);
    Some(bytes)
}

/// A part of another sample in place of a part of this one.
fn splice<D: Driver>(driver: &mut D, mut bytes: Vec<u8>, samples: &[Vec<u8>]) -> Option<Vec<u8>> {
    let Some(other) = samples.get(below(driver, samples.len())?) else {
        return Some(bytes);
    };
    let (from, into) = (range(driver, other)?, range(driver, &bytes)?);
    bytes.splice(into, other[from].iter().copied());
    Some(bytes)
}

fn insert<D: Driver>(driver: &mut D, mut bytes: Vec<u8>, what: &[u8]) -> Option<Vec<u8>> {
    let at = below(driver, bytes.len() + 1)?;
    bytes.splice(at..at, what.iter().copied());
    Some(bytes)
}

fn insert_word<D: Driver>(driver: &mut D, bytes: Vec<u8>, words: &[Vec<u8>]) -> Option<Vec<u8>> {
    match words.get(below(driver, words.len())?) {
        Some(word) => insert(driver, bytes, word),
        None => insert_text(driver, bytes),
    }
}

fn insert_text<D: Driver>(driver: &mut D, bytes: Vec<u8>) -> Option<Vec<u8>> {
    let text = one(driver, &TEXTS)?;
    insert(driver, bytes, text.as_bytes())
}

/// Another number for one of the input's.
fn number<D: Driver>(driver: &mut D, mut bytes: Vec<u8>) -> Option<Vec<u8>> {
    let is_part = |byte: u8| byte.is_ascii_digit() || byte == b'.';
    let starts: Vec<usize> = (0..bytes.len())
        .filter(|&at| bytes[at].is_ascii_digit() && (at == 0 || !is_part(bytes[at - 1])))
        .collect();
    let number = one(driver, &NUMBERS)?;
    let Some(&start) = starts.get(below(driver, starts.len())?) else {
        return insert(driver, bytes, number.as_bytes());
    };
    let length = bytes[start..].iter().take_while(|byte| is_part(**byte)).count();
    bytes.splice(start..start + length, number.bytes());
    Some(bytes)
}

/// Lines in another order, or one of them doubled or left out.
fn lines<D: Driver>(driver: &mut D, bytes: Vec<u8>) -> Option<Vec<u8>> {
    let mut lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    if lines.is_empty() {
        return Some(bytes);
    }
    let (a, b) = (below(driver, lines.len())?, below(driver, lines.len())?);
    match below(driver, 3)? {
        0 => lines.swap(a, b),
        1 => lines.insert(a, lines[b]),
        _ => drop(lines.remove(a)),
    }
    Some(lines.concat())
}

/// A change of one value in a JSON text.
fn json<D: Driver>(driver: &mut D, mut value: Value) -> Option<Vec<u8>> {
    let places = count(&value);
    let place = below(driver, places)?;
    let mut raw = String::new();
    let kind = below(driver, 10)?;
    let new = match kind {
        0 => Value::Null,
        1 => Value::Bool(driver.produce::<bool>()?),
        2 => Value::String((*one(driver, &TEXTS)?).to_owned()),
        3 => Value::Array(Vec::new()),
        4 => Value::Object(serde_json::Map::new()),
        5 | 6 => {
            raw = (*one(driver, &NUMBERS)?).to_owned();
            Value::String(MARK.to_owned())
        }
        7 => {
            let depth = *one(driver, &DEPTHS)?;
            let (open, close) = *one(driver, &[("[", "]"), ("{\"a\":", "}")])?;
            raw = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            Value::String(MARK.to_owned())
        }
        8 => Value::String("x".repeat(*one(driver, &[41, 256, 1_001, 100_000])?)),
        // Left out, or doubled.
        _ => {
            let doubled = driver.produce::<bool>()?;
            prune(&mut value, &mut { place }, doubled);
            return serde_json::to_vec(&value).ok();
        }
    };
    replace(&mut value, &mut { place }, &mut Some(new));
    let text = serde_json::to_string(&value).ok()?;
    Some(text.replace(&format!("\"{MARK}\""), &raw).into_bytes())
}

/// Values in a value, itself included.
fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(members) => members.values().map(count).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// Puts `new` in the place of the value at which the count has come to 0.
fn replace(value: &mut Value, left: &mut usize, new: &mut Option<Value>) {
    if *left == 0
        && let Some(new) = new.take()
    {
        *value = new;
        return;
    }
    *left = left.saturating_sub(1);
    match value {
        Value::Array(items) => {
            for item in items {
                replace(item, left, new);
            }
        }
        Value::Object(members) => {
            for member in members.values_mut() {
                replace(member, left, new);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Takes a member or an element out, or puts it in again under another name.
fn prune(value: &mut Value, left: &mut usize, doubled: bool) {
    match value {
        Value::Array(items) => {
            if !items.is_empty() && *left < items.len() {
                let item = items.remove(*left);
                if doubled {
                    items.extend([item.clone(), item]);
                }
                *left = usize::MAX;
                return;
            }
            *left = left.saturating_sub(items.len());
            for item in items {
                prune(item, left, doubled);
            }
        }
        Value::Object(members) => {
            if *left < members.len() {
                let name = members.keys().nth(*left).cloned().unwrap_or_default();
                if let Some(member) = members.remove(&name)
                    && doubled
                {
                    members.insert(format!("{name}s"), member);
                }
                *left = usize::MAX;
                return;
            }
            *left = left.saturating_sub(members.len());
            for member in members.values_mut() {
                prune(member, left, doubled);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
