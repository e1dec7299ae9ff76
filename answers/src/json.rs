//! JSON one level at a time: numbers stay text, a key that occurs twice stays twice.

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt;

/// One value; what is inside of it is not read yet.
#[derive(Debug)]
pub(crate) enum Level<'a> {
    Null,
    Flag(bool),
    /// As written.
    Number(&'a str),
    /// Unescaped; as written where an escape is no character.
    Text(String),
    List(Vec<&'a RawValue>),
    /// Every value that a key has, in the order of the text.
    Object(BTreeMap<String, Vec<&'a RawValue>>),
}

impl<'a> Level<'a> {
    /// Reads the outermost level of a whole text. `None` if it is not JSON.
    pub(crate) fn read(text: &'a str) -> Option<Self> {
        let raw: &RawValue = serde_json::from_str(text).ok()?;
        Self::of(raw)
    }

    /// Reads one level. `None` if a list or an object cannot be read after all.
    pub(crate) fn of(raw: &'a RawValue) -> Option<Self> {
        let text = raw.get();
        Some(match text.as_bytes().first()? {
            b'n' => Self::Null,
            b't' => Self::Flag(true),
            b'f' => Self::Flag(false),
            b'"' => Self::Text(unescaped(text)),
            b'[' => Self::List(serde_json::from_str(text).ok()?),
            b'{' => Self::Object(serde_json::from_str::<Members<'a>>(text).ok()?.0),
            _ => Self::Number(text),
        })
    }
}

/// A lone surrogate is valid in JSON and in no Rust string.
fn unescaped(text: &str) -> String {
    serde_json::from_str(text).unwrap_or_else(|_| text.to_owned())
}

struct Members<'a>(BTreeMap<String, Vec<&'a RawValue>>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Members<'de>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members: BTreeMap<String, Vec<&'de RawValue>> = BTreeMap::new();
                while let Some((key, value)) = map.next_entry::<&RawValue, &RawValue>()? {
                    members.entry(unescaped(key.get())).or_default().push(value);
                }
                Ok(Members(members))
            }
        }
        from.deserialize_map(All)
    }
}
