//! The corners of Python that the contract makes visible.

use std::fmt::Write as _;
use std::str::Utf8Error;

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
            c if is_printable(c) => out.push(c),
            c => {
                let code = u32::from(c);
                // Writing to a String cannot fail.
                let _ = match code {
                    0..=0xff => write!(out, "\\x{code:02x}"),
                    0x100..=0xffff => write!(out, "\\u{code:04x}"),
                    _ => write!(out, "\\U{code:08x}"),
                };
            }
        }
    }
    out.push(quote);
    out
}

/// `str.isprintable` of one character: no control, format, unassigned or
/// private character, and no separator but the space.
///
/// Rust's own escapes follow the same categories, except that they spare a
/// combining mark only behind another character; hence the letter in front.
/// Rust knows a newer Unicode than Python 3.11 (14.0), so a character assigned
/// since then prints as itself here and as an escape there.
fn is_printable(c: char) -> bool {
    matches!(c, '\'' | '"' | '\\')
        || ['a', c].iter().collect::<String>().escape_debug().count() == 2
}

/// `str` of what `json.loads` makes of a value; JSON for lists and objects.
pub fn str_of(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
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

/// `int(text)`: blanks around, one sign, leading zeros, `_` between digits,
/// and the decimal digits of any script pass.
pub fn integer(text: &str) -> Integer {
    // CPython strips the four separators of ASCII only from other texts.
    let text = if text.is_ascii() { text.trim() } else { strip(text) };
    let text: String = text.chars().map(ascii_digit).collect();
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text.as_str()),
    };
    let well_formed =
        !digits.is_empty() && digits.split('_').all(|part| !part.is_empty() && is_digits(part));
    if !well_formed {
        return Integer::No;
    }
    let plain: String = digits.chars().filter(|c| *c != '_').collect();
    let significant = plain.trim_start_matches('0');
    let signed = format!(
        "{}{}",
        if negative { "-" } else { "" },
        if significant.is_empty() { "0" } else { significant }
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

/// `str.strip()`: what Rust calls blank, and the four separators of ASCII.
pub fn strip(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '\x1c'..='\x1f'))
}

/// The ASCII digit for a decimal digit of any script; other characters as they are.
pub fn ascii_digit(c: char) -> char {
    let code = u32::from(c);
    let script = ZEROS.partition_point(|zero| *zero <= code);
    match script.checked_sub(1).and_then(|at| ZEROS.get(at)) {
        Some(zero) if code - zero < 10 => char::from_digit(code - zero, 10).unwrap_or(c),
        _ => c,
    }
}

/// Where the ten decimal digits of each script begin (category Nd, Unicode
/// 14.0 as in Python 3.11).
const ZEROS: [u32; 66] = [
    0x30, 0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66,
    0xde6, 0xe50, 0xed0, 0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90,
    0x1b50, 0x1bb0, 0x1c40, 0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10,
    0x104a0, 0x10d30, 0x11066, 0x110f0, 0x11136, 0x111d0, 0x112f0, 0x11450, 0x114d0, 0x11650,
    0x116c0, 0x11730, 0x118e0, 0x11950, 0x11c50, 0x11d50, 0x11da0, 0x16a60, 0x16ac0, 0x16b50,
    0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6, 0x1e140, 0x1e2f0, 0x1e950, 0x1fbf0,
];

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

/// What `bytes.decode("utf-8")` says of bytes that are none.
pub fn decode_error(bytes: &[u8], error: Utf8Error) -> String {
    let at = error.valid_up_to();
    let lead = bytes.get(at).copied().unwrap_or(0);
    let (len, reason) = match error.error_len() {
        None => (bytes.len() - at, "unexpected end of data"),
        Some(len) if matches!(lead, 0xc2..=0xf4) => (len, "invalid continuation byte"),
        Some(len) => (len, "invalid start byte"),
    };
    let place = match len {
        1 => format!("byte 0x{lead:02x} in position {at}"),
        _ => format!("bytes in position {at}-{}", at + len - 1),
    };
    format!("'utf-8' codec can't decode {place}: {reason}")
}
