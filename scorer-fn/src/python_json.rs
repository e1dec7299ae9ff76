//! `json.loads`, with what it takes beyond JSON and with its messages.
//!
//! The body is parsed only to be noted in the analytics row, but a body that
//! Python refuses is a 500, and the message lands in that row. So NaN, the
//! infinities and lone surrogates pass here as they do there.

use std::collections::HashMap;

use serde_json::{Map, Number, Value};

/// Python gives up at its recursion limit of 1,000, less the calls that are
/// open already, which is some 15 in its Lambda.
const MAX_DEPTH: usize = 985;

/// Longest integer that Python converts, in digits.
const MAX_DIGITS: usize = 4300;

/// A parsed text.
#[derive(Clone, Debug, PartialEq)]
pub struct Json {
    /// Its value; what JSON cannot say (NaN, a lone surrogate) is replaced.
    pub value: Value,
    /// False if something was replaced, or PostgreSQL could not store it (NUL in a text).
    pub storable: bool,
}

/// Parses a text.
///
/// # Errors
/// The text of the exception that Python raises.
pub fn loads(text: &str) -> Result<Json, String> {
    let mut reader = Reader::new(text);
    if reader.peek() == Some('\u{feff}') {
        return Err(reader.error("Unexpected UTF-8 BOM (decode using utf-8-sig)", 0));
    }
    reader.skip_blanks();
    let value = reader.value()?;
    reader.finish()?;
    Ok(Json { value, storable: reader.storable })
}

/// The members of an object, each value in its own spelling and as deep as it
/// may be, for what a [`Value`] would change or not hold. None if the text is no
/// object.
///
/// # Errors
/// The text of the exception that Python raises.
pub fn members(text: &str) -> Result<Option<HashMap<String, String>>, String> {
    let mut reader = Reader::new(text);
    reader.skip_blanks();
    if !reader.take("{") {
        return Ok(None);
    }
    let mut members = HashMap::new();
    reader.keeps = false;
    reader.skip_blanks();
    let mut ended = reader.take("}");
    while !ended {
        let name = reader.name()?;
        let start = reader.at;
        reader.value()?;
        members.insert(name, reader.chars[start..reader.at].iter().collect());
        reader.skip_blanks();
        ended = reader.take("}");
        if !ended {
            reader.expect(',')?;
            reader.skip_blanks();
        }
    }
    reader.finish()?;
    Ok(Some(members))
}

/// A list or an object that has not ended yet; an object with the name of the
/// member that is being read.
enum Open {
    Array(Vec<Value>),
    Object(Map<String, Value>, String),
}

struct Reader {
    chars: Vec<char>,
    at: usize,
    /// Whether what is nested is kept, and then not too deep, or only read over.
    keeps: bool,
    storable: bool,
}

impl Reader {
    fn new(text: &str) -> Self {
        Self { chars: text.chars().collect(), at: 0, keeps: true, storable: true }
    }

    /// Nothing but blanks may follow.
    fn finish(&mut self) -> Result<(), String> {
        self.skip_blanks();
        if self.at < self.chars.len() {
            return Err(self.error("Extra data", self.at));
        }
        Ok(())
    }

    /// Reads a value with what is nested in it, on the heap rather than on the
    /// stack, which a caller could otherwise fill.
    fn value(&mut self) -> Result<Value, String> {
        let mut open: Vec<Open> = Vec::new();
        loop {
            let mut value = match self.peek() {
                Some(bracket @ ('{' | '[')) => {
                    if self.keeps && open.len() == MAX_DEPTH {
                        let kind = if bracket == '{' { "object" } else { "array" };
                        return Err(format!(
                            "maximum recursion depth exceeded while decoding a JSON {kind} from a unicode string"
                        ));
                    }
                    self.at += 1;
                    self.skip_blanks();
                    match bracket {
                        '[' if self.take("]") => Value::Array(Vec::new()),
                        '[' => {
                            open.push(Open::Array(Vec::new()));
                            continue;
                        }
                        _ if self.take("}") => Value::Object(Map::new()),
                        _ => {
                            let name = self.name()?;
                            open.push(Open::Object(Map::new(), name));
                            continue;
                        }
                    }
                }
                _ => self.scalar()?,
            };
            // The value ends whatever is full with it.
            loop {
                match open.pop() {
                    None => return Ok(value),
                    Some(Open::Array(mut items)) => {
                        if self.keeps {
                            items.push(value);
                        }
                        self.skip_blanks();
                        if self.take("]") {
                            value = items.into();
                            continue;
                        }
                        self.expect(',')?;
                        self.skip_blanks();
                        open.push(Open::Array(items));
                    }
                    Some(Open::Object(mut members, name)) => {
                        if self.keeps {
                            members.insert(name, value);
                        }
                        self.skip_blanks();
                        if self.take("}") {
                            value = members.into();
                            continue;
                        }
                        self.expect(',')?;
                        self.skip_blanks();
                        let name = self.name()?;
                        open.push(Open::Object(members, name));
                    }
                }
                break;
            }
        }
    }

    fn scalar(&mut self) -> Result<Value, String> {
        let start = self.at;
        if self.peek() == Some('"') {
            return Ok(Value::String(self.string()?));
        }
        for (word, value) in [("null", Value::Null), ("true", true.into()), ("false", false.into())]
        {
            if self.take(word) {
                return Ok(value);
            }
        }
        for word in ["NaN", "Infinity", "-Infinity"] {
            if self.take(word) {
                self.storable = false;
                return Ok(Value::Null);
            }
        }
        self.number()?.ok_or_else(|| self.error("Expecting value", start))
    }

    /// A name with its colon.
    fn name(&mut self) -> Result<String, String> {
        if self.peek() != Some('"') {
            return Err(self.error("Expecting property name enclosed in double quotes", self.at));
        }
        let name = self.string()?;
        self.skip_blanks();
        self.expect(':')?;
        self.skip_blanks();
        Ok(name)
    }

    fn string(&mut self) -> Result<String, String> {
        let start = self.at;
        self.at += 1;
        let mut out = String::new();
        loop {
            let at = self.at;
            let Some(c) = self.peek() else {
                return Err(self.error("Unterminated string starting at", start));
            };
            self.at += 1;
            match c {
                '"' => return Ok(out),
                '\\' => self.escape(at, start, &mut out)?,
                c if u32::from(c) < 0x20 => {
                    return Err(self.error("Invalid control character at", at));
                }
                c => out.push(c),
            }
        }
    }

    fn escape(&mut self, backslash: usize, start: usize, out: &mut String) -> Result<(), String> {
        let Some(c) = self.peek() else {
            return Err(self.error("Unterminated string starting at", start));
        };
        self.at += 1;
        out.push(match c {
            '"' | '\\' | '/' => c,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => self.unicode(backslash + 1)?,
            _ => return Err(self.error("Invalid \\escape", backslash)),
        });
        Ok(())
    }

    fn unicode(&mut self, at: usize) -> Result<char, String> {
        let first = self.hex4().ok_or_else(|| self.error("Invalid \\uXXXX escape", at))?;
        let mut unit = u32::from(first);
        if (0xd800..0xdc00).contains(&unit)
            && self.chars.get(self.at..self.at + 2) == Some(&['\\', 'u'])
        {
            let before = self.at;
            self.at += 2;
            match self.hex4().map(u32::from) {
                Some(low) if (0xdc00..0xe000).contains(&low) => {
                    unit = 0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                }
                _ => self.at = before,
            }
        }
        // PostgreSQL stores neither NUL nor half a pair.
        self.storable &= unit != 0 && char::from_u32(unit).is_some();
        Ok(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn hex4(&mut self) -> Option<u16> {
        let digits: String = self.chars.get(self.at..self.at + 4)?.iter().collect();
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        self.at += 4;
        u16::from_str_radix(&digits, 16).ok()
    }

    /// As much as reads as a number; none if nothing does.
    fn number(&mut self) -> Result<Option<Value>, String> {
        let start = self.at;
        let mut end = start + usize::from(self.peek() == Some('-'));
        match self.chars.get(end) {
            Some('0') => end += 1,
            Some('1'..='9') => end = self.digits_from(end),
            _ => return Ok(None),
        }
        let digits = end - start - usize::from(self.peek() == Some('-'));
        let mut float = false;
        if self.chars.get(end) == Some(&'.') && self.digits_from(end + 1) > end + 1 {
            end = self.digits_from(end + 1);
            float = true;
        }
        if matches!(self.chars.get(end), Some('e' | 'E')) {
            let digits = end + 1 + usize::from(matches!(self.chars.get(end + 1), Some('+' | '-')));
            if self.digits_from(digits) > digits {
                end = self.digits_from(digits);
                float = true;
            }
        }
        self.at = end;
        let text: String = self.chars[start..end].iter().collect();
        if !float && digits > MAX_DIGITS {
            return Err(format!(
                "Exceeds the limit ({MAX_DIGITS} digits) for integer string conversion: value has {digits} digits; \
                 use sys.set_int_max_str_digits() to increase the limit"
            ));
        }
        if !float && let Ok(value) = text.parse::<i64>() {
            return Ok(Some(value.into()));
        }
        let double = text.parse::<f64>().ok().and_then(Number::from_f64);
        // An overflow is an infinity to Python, which the row cannot hold.
        self.storable &= double.is_some();
        Ok(Some(double.map_or(Value::Null, Value::Number)))
    }

    fn digits_from(&self, start: usize) -> usize {
        start + self.chars.iter().skip(start).take_while(|c| c.is_ascii_digit()).count()
    }

    fn expect(&mut self, wanted: char) -> Result<(), String> {
        if self.peek() != Some(wanted) {
            return Err(self.error(&format!("Expecting '{wanted}' delimiter"), self.at));
        }
        self.at += 1;
        Ok(())
    }

    fn take(&mut self, word: &str) -> bool {
        let matches =
            word.chars().enumerate().all(|(at, c)| self.chars.get(self.at + at) == Some(&c));
        if matches {
            self.at += word.len();
        }
        matches
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(' ' | '\t' | '\n' | '\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn error(&self, what: &str, at: usize) -> String {
        let before = &self.chars[..at.min(self.chars.len())];
        let line = before.iter().filter(|c| **c == '\n').count() + 1;
        let column = before.iter().rev().take_while(|c| **c != '\n').count() + 1;
        format!("{what}: line {line} column {column} (char {at})")
    }
}
