//! EIP-712 hashing of typed structured data, straight from JSON.
//!
//! Our own, because the well-kept crates read type names as Solidity
//! identifiers and so refuse the struct that production credentials use, which
//! is called `@context`. Here a struct name is any text.
//!
//! Where the standard is silent, or the verifier that the Python service calls
//! (didkit 0.3.3) goes its own way, this follows the verifier:
//!
//! - A member without data is 32 zero bytes; data without a member, null, and
//!   numbers that are no 64-bit integers are refused.
//! - A missing `EIP712Domain` means `EIP712Domain(string name)`.
//! - An integer is not held against its size: 300 fits a `uint8`. A negative one
//!   is 8 bytes in two's complement, which only an `intN` extends.
//! - A `bool` may be spelt `""`, `"1"`, `"true"`, 0 or 1.
//! - A struct that refers to itself stands twice in its type's text.
//! - Every declared type is read, also an unused one, and `int…`, `uint…` and
//!   `bytes…` have a size: no struct is called `interest`.
//!
//! Source: EIP-712, "Typed structured data hashing and signing".

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Map, Value};
use sha3::{Digest, Keccak256};

const DOMAIN: &str = "EIP712Domain";

/// One 32-byte word.
pub type Word = [u8; 32];

/// Why data cannot be hashed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TypedDataError {
    /// The type list is not a map from struct name to a list of `{name, type}`.
    #[error("the types are malformed")]
    Types,
    /// No struct has this name.
    #[error("unknown type {0:?}")]
    UnknownType(String),
    /// The value does not fit its type.
    #[error("a value is no {0}")]
    Mismatch(String),
    /// The data has a key that its struct does not declare.
    #[error("{key:?} is not a member of {of:?}")]
    Undeclared {
        /// The struct.
        of: String,
        /// The surplus key.
        key: String,
    },
    /// Types cannot be derived from this data.
    #[error("no type follows from {0:?}")]
    Underivable(String),
}

/// The type of a member.
#[derive(Clone, Debug)]
enum Kind {
    Text,
    Bytes,
    Address,
    Bool,
    /// `bytesN`, N bytes.
    FixedBytes(usize),
    /// `uintN`, N bits.
    Unsigned(usize),
    /// `intN`, N bits.
    Signed(usize),
    /// Of any length, or of this one.
    Array(Box<Self>, Option<usize>),
    Struct(String),
}

/// Most arrays of arrays in one type; data is not nested deeper either.
const MAX_DIMENSIONS: usize = 128;

impl Kind {
    fn read(text: &str) -> Option<Self> {
        let few = text.bytes().filter(|byte| *byte == b'[').count() <= MAX_DIMENSIONS;
        if few { Self::parse(text) } else { None }
    }

    fn parse(text: &str) -> Option<Self> {
        let size = |digits: &str| digits.parse().ok();
        Some(match text {
            "string" => Self::Text,
            "bytes" => Self::Bytes,
            "address" => Self::Address,
            "bool" => Self::Bool,
            _ => {
                if let Some(array) = text.strip_suffix(']') {
                    let (element, length) = array.rsplit_once('[')?;
                    let length = if length.is_empty() { None } else { Some(size(length)?) };
                    Self::Array(Box::new(Self::parse(element)?), length)
                } else if let Some(bits) = text.strip_prefix("uint") {
                    Self::Unsigned(size(bits)?)
                } else if let Some(bits) = text.strip_prefix("int") {
                    Self::Signed(size(bits)?)
                } else if let Some(length) = text.strip_prefix("bytes") {
                    Self::FixedBytes(size(length)?)
                } else {
                    Self::Struct(text.to_owned())
                }
            }
        })
    }

    /// The struct that it is, or whose array it is.
    fn referenced(&self) -> Option<&str> {
        match self {
            Self::Struct(name) => Some(name),
            Self::Array(element, _) => element.referenced(),
            Self::Text
            | Self::Bytes
            | Self::Address
            | Self::Bool
            | Self::FixedBytes(_)
            | Self::Unsigned(_)
            | Self::Signed(_) => None,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => out.write_str("string"),
            Self::Bytes => out.write_str("bytes"),
            Self::Address => out.write_str("address"),
            Self::Bool => out.write_str("bool"),
            Self::FixedBytes(length) => write!(out, "bytes{length}"),
            Self::Unsigned(bits) => write!(out, "uint{bits}"),
            Self::Signed(bits) => write!(out, "int{bits}"),
            Self::Array(element, None) => write!(out, "{element}[]"),
            Self::Array(element, Some(length)) => write!(out, "{element}[{length}]"),
            Self::Struct(name) => out.write_str(name),
        }
    }
}

#[derive(Debug)]
struct Member {
    name: String,
    kind: Kind,
}

/// The struct declarations of one message.
#[derive(Debug)]
pub struct Types(BTreeMap<String, Vec<Member>>);

impl Types {
    /// Reads `{"Struct": [{"name": …, "type": …}, …], …}`.
    ///
    /// # Errors
    /// [`TypedDataError::Types`] if it has another shape.
    pub fn read(types: &Value) -> Result<Self, TypedDataError> {
        let mut structs = BTreeMap::new();
        for (name, members) in types.as_object().ok_or(TypedDataError::Types)? {
            let members: Option<Vec<_>> = members
                .as_array()
                .ok_or(TypedDataError::Types)?
                .iter()
                .map(|field| {
                    let name = field.get("name")?.as_str()?.to_owned();
                    Some(Member { name, kind: Kind::read(field.get("type")?.as_str()?)? })
                })
                .collect();
            structs.insert(name.clone(), members.ok_or(TypedDataError::Types)?);
        }
        Ok(Self::with_domain(structs))
    }

    /// The types that a message without any has, its own struct being `primary`.
    ///
    /// Each text is a `string`, each integer a `uint256`, each flag a `bool`, a
    /// list takes the type of its members, which are of one of these and not
    /// none at all, and an object becomes a struct called after its key with a
    /// capital in front. Members stand in the order of their UTF-16 units.
    ///
    /// # Errors
    /// [`TypedDataError::Underivable`] for anything else.
    pub fn derive(message: &Map<String, Value>, primary: &str) -> Result<Self, TypedDataError> {
        derive(message, primary).map(Self::with_domain)
    }

    fn with_domain(mut structs: BTreeMap<String, Vec<Member>>) -> Self {
        let name = || vec![Member { name: "name".to_owned(), kind: Kind::Text }];
        structs.entry(DOMAIN.to_owned()).or_insert_with(name);
        Self(structs)
    }

    /// The digest that is signed: `keccak256(0x1901 ‖ domain ‖ message)`.
    ///
    /// # Errors
    /// [`TypedDataError`] if domain or message do not fit the types.
    pub fn digest(
        &self,
        primary: &str,
        domain: &Value,
        message: &Value,
    ) -> Result<Word, TypedDataError> {
        let mut input = vec![0x19, 0x01];
        input.extend(self.hash_struct(DOMAIN, domain)?);
        input.extend(self.hash_struct(primary, message)?);
        Ok(keccak(&input))
    }

    fn hash_struct(&self, name: &str, data: &Value) -> Result<Word, TypedDataError> {
        let members = self.members(name)?;
        let data: &Map<String, Value> =
            data.as_object().ok_or_else(|| TypedDataError::Mismatch(name.to_owned()))?;
        if let Some(key) =
            data.keys().find(|key| members.iter().all(|member| member.name != key.as_str()))
        {
            return Err(TypedDataError::Undeclared { of: name.to_owned(), key: key.clone() });
        }
        let mut input = keccak(self.encode_type(name)?.as_bytes()).to_vec();
        for member in members {
            let word = match data.get(&member.name) {
                Some(value) => self.encode(&member.kind, value)?,
                None => [0; 32],
            };
            input.extend(word);
        }
        Ok(keccak(&input))
    }

    fn encode(&self, kind: &Kind, value: &Value) -> Result<Word, TypedDataError> {
        let word = match (kind, value) {
            (Kind::Array(element, length), Value::Array(items))
                if length.is_none_or(|length| length == items.len()) =>
            {
                let mut input = Vec::with_capacity(32 * items.len());
                for item in items {
                    input.extend(self.encode(element, item)?);
                }
                Some(keccak(&input))
            }
            (Kind::Struct(name), _) => return self.hash_struct(name, value),
            (Kind::Text, Value::String(text)) => Some(keccak(text.as_bytes())),
            (Kind::Bytes, Value::String(text)) => hex_bytes(text).map(|bytes| keccak(&bytes)),
            (Kind::Address, Value::String(text)) => {
                hex_bytes(text).filter(|bytes| bytes.len() == 20).and_then(|bytes| right(&bytes, 0))
            }
            (Kind::Bool, _) => flag(value).and_then(|flag| right(&[u8::from(flag)], 0)),
            (Kind::FixedBytes(length), Value::String(text)) => {
                let fits = |bytes: &Vec<u8>| bytes.len() == *length && (1..=32).contains(length);
                hex_bytes(text).filter(fits).map(|bytes| left(&bytes))
            }
            (Kind::Unsigned(bits), _) if whole_bytes(*bits) => {
                integer(value).and_then(|bytes| right(&bytes, 0))
            }
            (Kind::Signed(bits), _) if whole_bytes(*bits) => integer(value).and_then(|bytes| {
                let sign = if bytes.first()? & 0x80 == 0 { 0 } else { 0xff };
                right(&bytes, sign)
            }),
            (
                Kind::Array(..)
                | Kind::Text
                | Kind::Bytes
                | Kind::Address
                | Kind::FixedBytes(_)
                | Kind::Unsigned(_)
                | Kind::Signed(_),
                _,
            ) => None,
        };
        word.ok_or_else(|| TypedDataError::Mismatch(kind.to_string()))
    }

    /// `Name(type member,…)`, then the structs it refers to in byte order of their names.
    fn encode_type(&self, name: &str) -> Result<String, TypedDataError> {
        let mut referenced = BTreeSet::new();
        self.collect(name, &mut referenced)?;
        std::iter::once(name)
            .chain(referenced)
            .map(|name| {
                let members: Vec<_> = self
                    .members(name)?
                    .iter()
                    .map(|member| format!("{} {}", member.kind, member.name))
                    .collect();
                Ok(format!("{name}({})", members.join(",")))
            })
            .collect()
    }

    fn collect<'n>(
        &'n self,
        name: &str,
        into: &mut BTreeSet<&'n str>,
    ) -> Result<(), TypedDataError> {
        for referenced in self.members(name)?.iter().filter_map(|member| member.kind.referenced()) {
            if into.insert(referenced) {
                self.collect(referenced, into)?;
            }
        }
        Ok(())
    }

    fn members(&self, name: &str) -> Result<&[Member], TypedDataError> {
        let members = self.0.get(name).map(Vec::as_slice);
        members.ok_or_else(|| TypedDataError::UnknownType(name.to_owned()))
    }
}

fn derive(
    message: &Map<String, Value>,
    primary: &str,
) -> Result<BTreeMap<String, Vec<Member>>, TypedDataError> {
    let mut structs = BTreeMap::new();
    let mut own = Vec::new();
    let mut members: Vec<_> = message.iter().collect();
    members.sort_by_cached_key(|(name, _)| name.encode_utf16().collect::<Vec<u16>>());
    for (name, value) in members {
        let underivable = || TypedDataError::Underivable(name.clone());
        let kind = match value {
            Value::Object(inner) => {
                let mut inner = derive(inner, primary)?;
                let kind = capitalised(name);
                structs.insert(kind.clone(), inner.remove(primary).unwrap_or_default());
                structs.extend(inner);
                Kind::Struct(kind)
            }
            Value::Array(items) => {
                let kinds: Option<Vec<_>> = items.iter().map(elementary).collect();
                let kinds = kinds.ok_or_else(underivable)?;
                let first = kinds.first().ok_or_else(underivable)?;
                if kinds.iter().any(|kind| kind.to_string() != first.to_string()) {
                    return Err(underivable());
                }
                Kind::Array(Box::new(first.clone()), None)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                elementary(value).ok_or_else(underivable)?
            }
        };
        own.push(Member { name: name.clone(), kind });
    }
    structs.insert(primary.to_owned(), own);
    Ok(structs)
}

fn elementary(value: &Value) -> Option<Kind> {
    match value {
        Value::Bool(_) => Some(Kind::Bool),
        Value::String(_) => Some(Kind::Text),
        Value::Number(number) => number.as_i64().map(|_| Kind::Unsigned(256)),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn capitalised(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map(char::to_uppercase).into_iter().flatten().chain(chars).collect()
}

fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) => match text.as_str() {
            "" => Some(false),
            "1" | "true" => Some(true),
            _ => None,
        },
        Value::Number(number) => match number.as_i64() {
            Some(0) => Some(false),
            Some(1) => Some(true),
            _ => None,
        },
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The bytes of a 64-bit number or of hex.
fn integer(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::Number(number) => number.as_i64().map(|number| number.to_be_bytes().to_vec()),
        Value::String(text) => hex_bytes(text),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn whole_bytes(bits: usize) -> bool {
    (8..=256).contains(&bits) && bits.is_multiple_of(8)
}

/// The word that ends with these bytes; none if they are too many.
fn right(bytes: &[u8], padding: u8) -> Option<Word> {
    let mut word = [padding; 32];
    word.get_mut(32_usize.checked_sub(bytes.len())?..)?.copy_from_slice(bytes);
    Some(word)
}

/// The word that begins with these bytes, 32 at most.
fn left(bytes: &[u8]) -> Word {
    let mut word = [0; 32];
    word[..bytes.len()].copy_from_slice(bytes);
    word
}

/// Keccak-256, the hash of Ethereum (not SHA3-256).
pub fn keccak(input: &[u8]) -> Word {
    Keccak256::digest(input).into()
}

/// `0x` and an even number of hex digits of either case.
pub fn hex_bytes(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("0x")?.as_bytes();
    if digits.len() % 2 != 0 {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
    digits.chunks(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}
