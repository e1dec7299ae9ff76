//! Reading one stamp: does its credential count for this wallet, now?

pub mod eip712;
mod issuer;
pub mod proof;

use serde_json::Value;

use crate::time::{IsoError, Micros, OffsetTime, PythonTime, parse_python_iso};
use crate::{python, python_json};
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
///
/// PostgreSQL stores numbers and depths that no other reader takes, so the
/// credential is read twice: what decides whether anybody looks at it, whatever
/// the rest may hold, and then the whole, as the verifier that Python calls
/// reads it. That one is written in Rust with the same library and the same
/// limits, so what our reader refuses is a stamp that Python leaves out.
pub fn read(provider: &str, json: &str, address: &str, trusted: &[String], now: Micros) -> Reading {
    let whole: Option<Value> = serde_json::from_str(json).ok();
    let outside = match &whole {
        Some(credential) => Outside::of(credential),
        None => Outside::of_text(json),
    };
    let Outside { expires, expires_text, issuer } = match outside {
        Ok(outside) => outside,
        Err(text) => return Reading::FailsScore(text),
    };
    if expires.micros() < now {
        return Reading::LeftOut("expired");
    }
    if !issuer.is_some_and(|issuer| trusted.contains(&issuer)) {
        return Reading::LeftOut("issuer is not trusted");
    }
    let Some(credential) = whole else {
        return Reading::LeftOut("a number or a depth that its verifier does not read");
    };
    let Some(subject) = Subject::of(&credential) else {
        return Reading::LeftOut("subject is incomplete");
    };
    if subject.id.to_lowercase() != format!("did:pkh:eip155:1:{address}") {
        return Reading::LeftOut("subject is another wallet");
    }
    match proof::judge(&credential, now) {
        Verdict::Genuine => {}
        Verdict::Refused(reason) => return Reading::LeftOut(reason),
        Verdict::Unsupported(kind) => return Reading::Unsupported(kind),
    }
    let nullifiers = match subject.nullifiers() {
        Ok(nullifiers) => nullifiers,
        Err(text) => return Reading::FailsScore(text),
    };
    Reading::Counts(Box::new(Stamp {
        provider: provider.to_owned(),
        credential_provider: python::str_of(subject.provider),
        nullifiers,
        expires,
        expires_text,
        json: json.to_owned(),
    }))
}

/// What is looked at of every stamp, even one that then does not matter.
struct Outside {
    expires: OffsetTime,
    expires_text: String,
    issuer: Option<String>,
}

impl Outside {
    fn of(credential: &Value) -> Result<Self, String> {
        let members = credential.as_object().ok_or_else(|| no_object(credential))?;
        Self::new(members.get("expirationDate"), members.get("issuer"))
    }

    /// Of a credential that is too much for a [`Value`].
    fn of_text(json: &str) -> Result<Self, String> {
        let Some(members) = python_json::members(json)? else {
            return Err(no_object(&python_json::loads(json)?.value));
        };
        let member = |name: &str| {
            let text = members.get(name)?;
            Some(python_json::loads(text).map_or(Value::Null, |json| json.value))
        };
        Self::new(member("expirationDate").as_ref(), member("issuer").as_ref())
    }

    fn new(date: Option<&Value>, issuer: Option<&Value>) -> Result<Self, String> {
        let Value::String(text) = date.ok_or("'expirationDate'")? else {
            return Err("fromisoformat: argument must be str".to_owned());
        };
        let expires = match parse_python_iso(text) {
            Ok(PythonTime::Aware(time)) => time,
            Ok(PythonTime::Naive) => {
                return Err("can't compare offset-naive and offset-aware datetimes".to_owned());
            }
            Err(IsoError::Shape) => {
                return Err(format!("Invalid isoformat string: {}", python::repr(text)));
            }
            Err(IsoError::Range(field)) => return Err(field),
        };
        let issuer = issuer.and_then(Value::as_str).map(str::to_owned);
        Ok(Self { expires, expires_text: text.clone(), issuer })
    }
}

/// What Python says when it looks for `issuer`, then for `expirationDate`, in this.
fn no_object(credential: &Value) -> String {
    match credential {
        Value::Array(_) => "list indices must be integers or slices, not str".to_owned(),
        Value::String(_) => "string indices must be integers, not 'str'".to_owned(),
        other => format!("argument of type '{}' is not iterable", python::type_name(other)),
    }
}

/// The subject of a credential; what counts as there is what Python calls true.
struct Subject<'a> {
    id: &'a str,
    provider: &'a Value,
    hash: Option<&'a Value>,
    nullifiers: Option<&'a Value>,
}

impl<'a> Subject<'a> {
    fn of(credential: &'a Value) -> Option<Self> {
        let subject = credential.get("credentialSubject")?.as_object()?;
        let (hash, nullifiers) = (subject.get("hash"), subject.get("nullifiers"));
        let is_true = |value: &&Value| python::is_truthy(value);
        hash.filter(is_true).or(nullifiers.filter(is_true))?;
        Some(Self {
            id: subject.get("id")?.as_str()?,
            provider: subject.get("provider").filter(is_true)?,
            hash,
            nullifiers,
        })
    }

    /// The hash, if the key is there, even with an empty one, else what
    /// iterating over the nullifiers gives. No text is looked for by its `str`.
    ///
    /// # Errors
    /// The text of the exception that Python raises.
    fn nullifiers(&self) -> Result<Vec<String>, String> {
        if let Some(hash) = self.hash {
            return Ok(vec![python::str_of(hash)]);
        }
        match self.nullifiers {
            Some(Value::Array(all)) => Ok(all.iter().map(python::str_of).collect()),
            Some(Value::String(text)) => Ok(text.chars().map(String::from).collect()),
            Some(Value::Object(members)) => Ok(members.keys().cloned().collect()),
            Some(other @ (Value::Null | Value::Bool(_) | Value::Number(_))) => {
                Err(format!("'{}' object is not iterable", python::type_name(other)))
            }
            None => Err("'nullifiers'".to_owned()),
        }
    }
}
