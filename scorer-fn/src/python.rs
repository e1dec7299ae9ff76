//! The corners of Python that the contract makes visible.

use std::fmt::Write as _;

use serde_json::Value;

/// The name of the type that `json.loads` makes of a value.
pub fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(_) => "int",
        Value::String(_) => "str",
        Value::Array(_) => "list",
        Value::Object(_) => "dict",
    }
}

/// `repr` of a text: single quotes unless only those occur inside.
pub fn repr(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    let mut out = String::with_capacity(text.len() + 2);
    out.push(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => out.extend(['\\', c]),
            c if u32::from(c) < 0x20 || u32::from(c) == 0x7f => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}

/// Whether `if value:` is taken.
pub fn is_truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
    }
}

/// What `int(text)` makes of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Integer {
    /// No integer.
    No,
    /// Fits into 64 bits.
    Fits(i64),
    /// An integer above that range.
    TooLarge,
    /// An integer below that range.
    TooSmall,
}

/// `int(text)`, for ASCII digits: blanks around, one sign, leading zeros, and `_` between digits pass.
pub fn integer(text: &str) -> Integer {
    let text = text.trim();
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let well_formed = !digits.is_empty()
        && digits
            .split('_')
            .all(|part| !part.is_empty() && is_digits(part));
    if !well_formed {
        return Integer::No;
    }
    let plain: String = digits.chars().filter(|c| *c != '_').collect();
    let significant = plain.trim_start_matches('0');
    let signed = format!(
        "{}{}",
        if negative { "-" } else { "" },
        if significant.is_empty() {
            "0"
        } else {
            significant
        }
    );
    match signed.parse() {
        Ok(value) => Integer::Fits(value),
        Err(_) if negative => Integer::TooSmall,
        Err(_) => Integer::TooLarge,
    }
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `base64.b64decode(text)`: what is not of the alphabet is skipped, and
/// padding in a place where a group can end finishes the data.
///
/// # Errors
/// Python's message, if the data end inside a group.
pub fn b64decode(text: &str) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let (mut in_group, mut pads, mut left) = (0_u8, 0_u8, 0_u8);
    for byte in text.bytes() {
        if byte == b'=' {
            if in_group >= 2 {
                pads += 1;
                if in_group + pads >= 4 {
                    return Ok(out);
                }
            }
            continue;
        }
        let Some(value) = base64_digit(byte) else {
            continue;
        };
        pads = 0;
        match in_group {
            0 => left = value << 2,
            1 => {
                out.push(left | value >> 4);
                left = value << 4;
            }
            2 => {
                out.push(left | value >> 2);
                left = value << 6;
            }
            _ => out.push(left | value),
        }
        in_group = (in_group + 1) % 4;
    }
    match in_group {
        0 => Ok(out),
        1 => Err(format!(
            "Invalid base64-encoded string: number of data characters ({}) cannot be 1 more than a multiple of 4",
            out.len() / 3 * 4 + 1
        )),
        _ => Err("Incorrect padding".to_owned()),
    }
}

fn base64_digit(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}
