//! One value for the two formats that CloudWatch's clients speak: CBOR
//! (rpc-v2-cbor, the Rust SDK) and JSON (awsJson, boto3).

use ciborium::Value as Cbor;
use serde_json::Value as Json;

/// A value on the wire.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Val {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    /// Seconds since 1970.
    Time(f64),
    List(Vec<Val>),
    Map(Vec<(String, Val)>),
}

/// CBOR tag of an epoch time.
const EPOCH_TAG: u64 = 1;

impl Val {
    pub(super) fn from_cbor(bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() {
            return Some(Self::Map(Vec::new()));
        }
        Self::of_cbor(ciborium::from_reader(bytes).ok()?)
    }

    fn of_cbor(value: Cbor) -> Option<Self> {
        Some(match value {
            Cbor::Null => Self::Null,
            Cbor::Bool(value) => Self::Bool(value),
            Cbor::Integer(value) => Self::Int(i64::try_from(i128::from(value)).ok()?),
            Cbor::Float(value) => Self::Float(value),
            Cbor::Text(value) => Self::Text(value),
            Cbor::Tag(EPOCH_TAG, value) => match *value {
                Cbor::Float(secs) => Self::Time(secs),
                Cbor::Integer(secs) => Self::Time(i128::from(secs) as f64),
                _ => return None,
            },
            Cbor::Array(values) => {
                Self::List(values.into_iter().map(Self::of_cbor).collect::<Option<_>>()?)
            }
            Cbor::Map(pairs) => {
                let pairs = pairs
                    .into_iter()
                    .map(|(key, value)| Some((key.into_text().ok()?, Self::of_cbor(value)?)));
                Self::Map(pairs.collect::<Option<_>>()?)
            }
            _ => return None,
        })
    }

    pub(super) fn to_cbor(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // Writing to memory cannot fail, and every value of ours has a form.
        ciborium::into_writer(&self.as_cbor(), &mut bytes).expect("CBOR in memory");
        bytes
    }

    fn as_cbor(&self) -> Cbor {
        match self {
            Self::Null => Cbor::Null,
            Self::Bool(value) => Cbor::Bool(*value),
            Self::Int(value) => Cbor::Integer((*value).into()),
            Self::Float(value) => Cbor::Float(*value),
            Self::Text(value) => Cbor::Text(value.clone()),
            Self::Time(secs) => Cbor::Tag(EPOCH_TAG, Box::new(Cbor::Float(*secs))),
            Self::List(values) => Cbor::Array(values.iter().map(Self::as_cbor).collect()),
            Self::Map(pairs) => Cbor::Map(
                pairs
                    .iter()
                    .map(|(key, value)| (Cbor::Text(key.clone()), value.as_cbor()))
                    .collect(),
            ),
        }
    }

    pub(super) fn from_json(bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() {
            return Some(Self::Map(Vec::new()));
        }
        Some(Self::of_json(serde_json::from_slice(bytes).ok()?))
    }

    fn of_json(value: Json) -> Self {
        match value {
            Json::Null => Self::Null,
            Json::Bool(value) => Self::Bool(value),
            Json::Number(value) => match value.as_i64() {
                Some(value) => Self::Int(value),
                None => Self::Float(value.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(value) => Self::Text(value),
            Json::Array(values) => Self::List(values.into_iter().map(Self::of_json).collect()),
            Json::Object(pairs) => Self::Map(
                pairs.into_iter().map(|(key, value)| (key, Self::of_json(value))).collect(),
            ),
        }
    }

    pub(super) fn to_json(&self) -> Json {
        match self {
            Self::Null => Json::Null,
            Self::Bool(value) => (*value).into(),
            Self::Int(value) => (*value).into(),
            Self::Float(value) | Self::Time(value) => (*value).into(),
            Self::Text(value) => value.clone().into(),
            Self::List(values) => values.iter().map(Self::to_json).collect(),
            Self::Map(pairs) => Json::Object(
                pairs.iter().map(|(key, value)| (key.clone(), value.to_json())).collect(),
            ),
        }
    }

    /// A member of a map; null counts as absent.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        let Self::Map(pairs) = self else { return None };
        let (_, value) = pairs.iter().find(|(name, _)| name == key)?;
        (*value != Self::Null).then_some(value)
    }

    pub(super) fn text(&self, key: &str) -> Option<&str> {
        match self.get(key)? {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn bool(&self, key: &str) -> Option<bool> {
        match self.get(key)? {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    pub(super) fn int(&self, key: &str) -> Option<i64> {
        match self.get(key)? {
            Self::Int(value) => Some(*value),
            _ => None,
        }
    }

    /// A number, or a time in seconds since 1970.
    pub(super) fn float(&self, key: &str) -> Option<f64> {
        self.get(key)?.as_float()
    }

    pub(super) fn as_float(&self) -> Option<f64> {
        match self {
            Self::Int(value) => Some(*value as f64),
            Self::Float(value) | Self::Time(value) => Some(*value),
            _ => None,
        }
    }

    /// A list; empty if absent.
    pub(super) fn list(&self, key: &str) -> &[Self] {
        match self.get(key) {
            Some(Self::List(values)) => values,
            _ => &[],
        }
    }

    /// Texts of a list.
    pub(super) fn texts(&self, key: &str) -> Vec<String> {
        self.list(key)
            .iter()
            .filter_map(|value| match value {
                Self::Text(text) => Some(text.clone()),
                _ => None,
            })
            .collect()
    }
}

/// A map from pairs.
pub(super) fn map<const N: usize>(pairs: [(&str, Val); N]) -> Val {
    Val::Map(pairs.map(|(key, value)| (key.to_owned(), value)).into())
}

/// A text.
pub(super) fn text(value: impl Into<String>) -> Val {
    Val::Text(value.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definite_and_indefinite_cbor_maps_read_the_same() {
        // {"Id": "m", "At": 1(1.5)}, first with a length, then open-ended as the SDK writes it.
        let mut definite = vec![0xa2];
        let pairs = [
            &[0x62, b'I', b'd', 0x61, b'm'][..],
            &[0x62, b'A', b't', 0xc1, 0xfb, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0],
        ]
        .concat();
        definite.extend(&pairs);
        let mut open = vec![0xbf];
        open.extend(&pairs);
        open.push(0xff);
        let expected = map([("Id", text("m")), ("At", Val::Time(1.5))]);
        assert_eq!(Val::from_cbor(&definite), Some(expected.clone()));
        assert_eq!(Val::from_cbor(&open), Some(expected));
    }

    #[test]
    fn values_survive_cbor_and_times_are_numbers_in_json() {
        let value = map([
            ("List", Val::List(vec![Val::Int(1), Val::Float(0.5), Val::Bool(true)])),
            ("At", Val::Time(1_760_000_040.0)),
        ]);
        assert_eq!(Val::from_cbor(&value.to_cbor()), Some(value.clone()));
        assert_eq!(value.to_json().to_string(), r#"{"At":1760000040.0,"List":[1,0.5,true]}"#);
    }

    #[test]
    fn garbage_is_no_value() {
        assert_eq!(Val::from_cbor(b"\xff\x00"), None);
        assert_eq!(Val::from_json(b"{"), None);
    }
}
