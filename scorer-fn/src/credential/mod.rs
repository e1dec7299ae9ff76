//! Reading one stamp: does its credential count for this wallet, now?

pub mod eip712;
pub mod proof;

use serde_json::Value;

use crate::python;
use crate::time::{IsoError, Micros, OffsetTime, PythonTime, parse_python_iso};
use proof::Verdict;

/// A stamp that counts unless its nullifier is taken.
#[derive(Clone, Debug)]
pub struct Stamp {
    /// Name in the row: what is weighed.
    pub provider: String,
    /// Name in the credential: what a deduplicated stamp is listed under.
    pub credential_provider: String,
    /// What makes the person behind the stamp unique.
    pub nullifiers: Vec<String>,
    /// When it ends.
    pub expires: OffsetTime,
    /// `expirationDate` as the credential spells it.
    pub expires_text: String,
    /// The credential as the database gave it.
    pub json: String,
}

/// What becomes of one row.
#[derive(Debug)]
pub enum Reading {
    /// It counts.
    Counts(Box<Stamp>),
    /// Silently left out, with the reason for the log.
    LeftOut(&'static str),
    /// The whole score fails with this text (Python's exception).
    FailsScore(String),
    /// A trusted stamp that only Python can check: no answer is better than a lower score.
    Unsupported(String),
}

/// Reads the credential of one row, checks in the order of the contract (section 6).
pub fn read(provider: &str, json: &str, address: &str, trusted: &[String], now: Micros) -> Reading {
    let credential: Value = match serde_json::from_str(json) {
        Ok(credential) => credential,
        Err(error) => return Reading::FailsScore(error.to_string()),
    };
    let (expires, expires_text) = match expiration(&credential) {
        Ok(found) => found,
        Err(text) => return Reading::FailsScore(text),
    };
    if expires.micros() < now {
        return Reading::LeftOut("expired");
    }
    let issuer = credential.get("issuer").and_then(Value::as_str);
    if !issuer.is_some_and(|issuer| trusted.iter().any(|known| known == issuer)) {
        return Reading::LeftOut("issuer is not trusted");
    }
    let Some((nullifiers, id, credential_provider)) =
        credential.get("credentialSubject").and_then(subject)
    else {
        return Reading::LeftOut("subject is incomplete");
    };
    if id.to_lowercase() != format!("did:pkh:eip155:1:{address}") {
        return Reading::LeftOut("subject is another wallet");
    }
    match proof::judge(&credential, now) {
        Verdict::Genuine => {}
        Verdict::Refused(reason) => return Reading::LeftOut(reason),
        Verdict::Unsupported(kind) => return Reading::Unsupported(kind),
    }
    Reading::Counts(Box::new(Stamp {
        provider: provider.to_owned(),
        credential_provider,
        nullifiers,
        expires,
        expires_text,
        json: json.to_owned(),
    }))
}

/// The expiration date, or the text of the exception that Python raises.
fn expiration(credential: &Value) -> Result<(OffsetTime, String), String> {
    let date = match credential {
        Value::Object(members) => members.get("expirationDate").ok_or("'expirationDate'")?,
        Value::Array(_) => {
            return Err("list indices must be integers or slices, not str".to_owned());
        }
        Value::String(_) => return Err("string indices must be integers, not 'str'".to_owned()),
        other => {
            return Err(format!("'{}' object is not subscriptable", python::type_name(other)));
        }
    };
    let Value::String(text) = date else {
        return Err("fromisoformat: argument must be str".to_owned());
    };
    match parse_python_iso(text) {
        Ok(PythonTime::Aware(time)) => Ok((time, text.clone())),
        Ok(PythonTime::Naive) => {
            Err("can't compare offset-naive and offset-aware datetimes".to_owned())
        }
        Err(IsoError::Shape) => Err(format!("Invalid isoformat string: {}", python::repr(text))),
        Err(IsoError::Range(field)) => Err(field),
    }
}

/// Nullifiers, id and provider; none if one is missing. A `hash` counts by
/// being there, even empty.
fn subject(subject: &Value) -> Option<(Vec<String>, &str, String)> {
    let nullifiers = if let Some(hash) = subject.get("hash") {
        vec![hash.as_str()?.to_owned()]
    } else {
        let list = subject.get("nullifiers")?.as_array()?.iter();
        list.map(|nullifier| nullifier.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()?
    };
    if nullifiers.is_empty() {
        return None;
    }
    Some((nullifiers, subject.get("id")?.as_str()?, subject.get("provider")?.as_str()?.to_owned()))
}
