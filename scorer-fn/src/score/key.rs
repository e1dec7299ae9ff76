//! API keys: `PREFIX.SECRET`, three forms of hash (contract, section 3).
//!
//! Revoked and expired keys still pass, as they do on the Python side. Being
//! stricter here would raise the error rate with our share of the traffic; the
//! runbook names the flaw.

use std::fmt::Write as _;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The part by which the row is found: everything before the first dot.
pub fn prefix(key: &str) -> &str {
    key.split_once('.').map_or(key, |(prefix, _)| prefix)
}

/// How a stored hash judges a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// The key is right.
    Right,
    /// The key is wrong, or the hash has no form that we know.
    Wrong,
    /// Only a slow hash is stored; run [`SlowHash::check`] off the async threads.
    Slow(SlowHash),
}

/// Judges `key` by the two hash columns; an empty new one is as good as none.
pub fn check(key: &str, hashed: &str, hashed_sha256: Option<&str>) -> Check {
    let stored = match hashed_sha256.filter(|stored| !stored.is_empty()) {
        Some(stored) => stored,
        None if hashed.starts_with("sha256$") => hashed,
        None => return SlowHash::read(hashed).map_or(Check::Wrong, Check::Slow),
    };
    if bool::from(sha256_form(key).as_bytes().ct_eq(stored.as_bytes())) {
        Check::Right
    } else {
        Check::Wrong
    }
}

/// `sha256$` and the lower-case hex SHA-256 of the whole key.
pub fn sha256_form(key: &str) -> String {
    format!("sha256${}", hex(&Sha256::digest(key.as_bytes())))
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// `pbkdf2_sha256$ITERATIONS$SALT$BASE64`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlowHash {
    iterations: u32,
    salt: String,
    /// Standard base64.
    hash: String,
}

impl SlowHash {
    fn read(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix("pbkdf2_sha256$")?.splitn(3, '$');
        let iterations = parts.next()?;
        let rounds: u32 = iterations.parse().ok().filter(|rounds| *rounds > 0)?;
        // Python makes the text anew and compares it, so it has one spelling.
        if rounds.to_string() != iterations {
            return None;
        }
        let salt = parts.next().filter(|salt| !salt.is_empty())?.to_owned();
        Some(Self { iterations: rounds, salt, hash: parts.next()?.to_owned() })
    }

    /// Runs the rounds; about a tenth of a second for production keys.
    pub fn check(&self, key: &str) -> bool {
        let mut derived = [0; 32];
        pbkdf2::pbkdf2_hmac::<Sha256>(
            key.as_bytes(),
            self.salt.as_bytes(),
            self.iterations,
            &mut derived,
        );
        bool::from(STANDARD.encode(derived).as_bytes().ct_eq(self.hash.as_bytes()))
    }
}
