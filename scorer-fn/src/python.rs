//! The corners of Python that the contract makes visible.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
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
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
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
                out.push_str(&format!("\\x{:02x}", u32::from(c)));
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

/// `int(text)`: blanks around, one sign, leading zeros, and `_` between digits pass.
pub fn integer(text: &str) -> Integer {
    let text = text.trim();
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let well_formed = !digits.is_empty() && digits.split('_').all(|part| !part.is_empty() && is_digits(part));
    if !well_formed {
        return Integer::No;
    }
    let plain: String = digits.chars().filter(|c| *c != '_').collect();
    let significant = plain.trim_start_matches('0');
    let signed = format!("{}{}", if negative { "-" } else { "" }, if significant.is_empty() { "0" } else { significant });
    match signed.parse() {
        Ok(value) => Integer::Fits(value),
        Err(_) if negative => Integer::TooSmall,
        Err(_) => Integer::TooLarge,
    }
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `base64.b64decode(text)`: what is not of the alphabet is skipped.
///
/// # Errors
/// Python's message, if the padding is wrong.
pub fn b64decode(text: &str) -> Result<Vec<u8>, String> {
    let mut kept = String::new();
    for c in text.chars() {
        match c {
            // Padding in a place where a group can end finishes the data.
            '=' if kept.len() % 4 >= 2 => break,
            'A'..='Z' | 'a'..='z' | '0'..='9' | '+' | '/' => kept.push(c),
            _ => {}
        }
    }
    let padding = text.chars().filter(|c| *c == '=').count();
    match kept.len() % 4 {
        0 => {}
        1 => {
            return Err(format!(
                "Invalid base64-encoded string: number of data characters ({}) cannot be 1 more than a multiple of 4",
                kept.len()
            ));
        }
        rest if rest + padding < 4 => return Err("Incorrect padding".to_owned()),
        rest => kept.extend(std::iter::repeat_n('=', 4 - rest)),
    }
    // Python ignores the unused bits of the last character; so does this engine's lenient twin.
    let lenient = base64::engine::GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        base64::engine::GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
    );
    lenient.decode(&kept).or_else(|_| STANDARD.decode(&kept)).map_err(|error| error.to_string())
}
