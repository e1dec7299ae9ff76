//! EIP-712 hashing of typed structured data, straight from JSON.
//!
//! Our own, because the well-kept crates read type names as Solidity
//! identifiers and so refuse the struct that production credentials use, which
//! is called `@context`. Here a struct name is any text.
//!
//! Where the standard is silent this follows the verifier that the Python
//! service calls: a member without data is 32 zero bytes; data without a
//! member, null, and numbers that are no 64-bit integers are refused; a
//! missing `EIP712Domain` means `EIP712Domain(string name)`.
//!
//! Source: EIP-712, "Typed structured data hashing and signing".

use std::collections::{BTreeMap, BTreeSet};

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
    /// A type is neither elementary nor among the structs.
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
}

struct Member<'a> {
    name: &'a str,
    kind: &'a str,
}

/// The struct declarations of one message.
pub struct Types<'a>(BTreeMap<&'a str, Vec<Member<'a>>>);

impl<'a> Types<'a> {
    /// Reads `{"Struct": [{"name": …, "type": …}, …], …}`.
    ///
    /// # Errors
    /// [`TypedDataError::Types`] if it has another shape.
    pub fn read(types: &'a Value) -> Result<Self, TypedDataError> {
        let text = |field: &'a Value, key: &str| field.get(key).and_then(Value::as_str);
        let mut structs = BTreeMap::new();
        for (name, members) in types.as_object().ok_or(TypedDataError::Types)? {
            let members: Option<Vec<_>> = members
                .as_array()
                .ok_or(TypedDataError::Types)?
                .iter()
                .map(|field| {
                    Some(Member { name: text(field, "name")?, kind: text(field, "type")? })
                })
                .collect();
            structs.insert(name.as_str(), members.ok_or(TypedDataError::Types)?);
        }
        structs.entry(DOMAIN).or_insert_with(|| vec![Member { name: "name", kind: "string" }]);
        Ok(Self(structs))
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
            let word = match data.get(member.name) {
                Some(value) => self.encode(member.kind, value)?,
                None => [0; 32],
            };
            input.extend(word);
        }
        Ok(keccak(&input))
    }

    fn encode(&self, kind: &str, value: &Value) -> Result<Word, TypedDataError> {
        let mismatch = || TypedDataError::Mismatch(kind.to_owned());
        if let Some((element, length)) = array_of(kind) {
            let items = value.as_array().ok_or_else(mismatch)?;
            if length.is_some_and(|length| length != items.len()) {
                return Err(mismatch());
            }
            let mut input = Vec::with_capacity(32 * items.len());
            for item in items {
                input.extend(self.encode(element, item)?);
            }
            return Ok(keccak(&input));
        }
        if self.0.contains_key(kind) {
            return self.hash_struct(kind, value);
        }
        match (kind, value) {
            ("string", Value::String(text)) => Ok(keccak(text.as_bytes())),
            ("bool", Value::Bool(flag)) => Ok(right_aligned(&[u8::from(*flag)])),
            ("bytes", Value::String(text)) => Ok(keccak(&hex_bytes(text).ok_or_else(mismatch)?)),
            ("address", Value::String(text)) => match hex_bytes(text) {
                Some(bytes) if bytes.len() == 20 => Ok(right_aligned(&bytes)),
                _ => Err(mismatch()),
            },
            _ => encode_sized(kind, value),
        }
    }

    /// `Name(type member,…)`, then the structs it refers to in byte order of their names.
    fn encode_type(&self, name: &str) -> Result<String, TypedDataError> {
        let mut referenced = BTreeSet::new();
        self.collect(name, &mut referenced)?;
        referenced.remove(name);
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
        name: &'n str,
        into: &mut BTreeSet<&'n str>,
    ) -> Result<(), TypedDataError> {
        if !into.insert(name) {
            return Ok(());
        }
        for member in self.members(name)? {
            let mut kind = member.kind;
            while let Some((element, _)) = array_of(kind) {
                kind = element;
            }
            if self.0.contains_key(kind) {
                self.collect(kind, into)?;
            }
        }
        Ok(())
    }

    fn members(&self, name: &str) -> Result<&[Member<'a>], TypedDataError> {
        self.0
            .get(name)
            .map(Vec::as_slice)
            .ok_or_else(|| TypedDataError::UnknownType(name.to_owned()))
    }
}

/// `uintN`, `intN` and `bytesN`.
fn encode_sized(kind: &str, value: &Value) -> Result<Word, TypedDataError> {
    let mismatch = || TypedDataError::Mismatch(kind.to_owned());
    let size = |prefix: &str| kind.strip_prefix(prefix).and_then(|bits| bits.parse::<usize>().ok());
    if let Some(length) = size("bytes").filter(|length| (1..=32).contains(length)) {
        let bytes = value.as_str().and_then(hex_bytes).filter(|bytes| bytes.len() == length);
        let mut word = [0; 32];
        word[..length].copy_from_slice(&bytes.ok_or_else(mismatch)?);
        return Ok(word);
    }
    let whole_bytes = |bits: usize| (8..=256).contains(&bits) && bits.is_multiple_of(8);
    if size("uint").is_some_and(whole_bytes) || size("int").is_some_and(whole_bytes) {
        return match value {
            Value::Number(number) => match number.as_i64() {
                Some(number) if number >= 0 || !kind.starts_with('u') => {
                    let mut word = [if number < 0 { 0xff } else { 0 }; 32];
                    word[24..].copy_from_slice(&number.to_be_bytes());
                    Ok(word)
                }
                _ => Err(mismatch()),
            },
            Value::String(text) => match hex_bytes(text) {
                Some(bytes) if bytes.len() <= 32 => Ok(right_aligned(&bytes)),
                _ => Err(mismatch()),
            },
            _ => Err(mismatch()),
        };
    }
    Err(TypedDataError::UnknownType(kind.to_owned()))
}

/// Element type, and length if it is fixed.
fn array_of(kind: &str) -> Option<(&str, Option<usize>)> {
    let (element, length) = kind.strip_suffix(']')?.rsplit_once('[')?;
    if length.is_empty() {
        return Some((element, None));
    }
    Some((element, Some(length.parse().ok()?)))
}

fn right_aligned(bytes: &[u8]) -> Word {
    let mut word = [0; 32];
    word[32 - bytes.len()..].copy_from_slice(bytes);
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
