//! Is this credential signed by its issuer? `EthereumEip712Signature2021` only.
//!
//! Reproduces the verdicts that the Python service gets from its verifier with
//! `proofPurpose = assertionMethod` (contract, section 7).

use k256::ecdsa::{RecoveryId, Signature, VerifyingKey};
use serde_json::Value;

use super::eip712::{Types, Word, hex_bytes, keccak};
use crate::time::{Micros, OffsetTime};

/// The one proof type that is checked here.
pub const SUPPORTED: &str = "EthereumEip712Signature2021";
const CONTEXT: &str = "https://www.w3.org/2018/credentials/v1";

/// What the proof says.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Signed by the issuer.
    Genuine,
    /// Not accepted, with the reason for the log.
    Refused(&'static str),
    /// Another proof type: nobody here can tell.
    Unsupported(String),
}

/// Judges the credential's proof at the moment `now`.
pub fn judge(credential: &Value, now: Micros) -> Verdict {
    let proofs = match credential.get("proof") {
        Some(Value::Array(proofs)) => proofs.iter().collect(),
        Some(proof) => vec![proof],
        None => vec![],
    };
    let foreign = proofs.iter().find_map(|proof| match proof.get("type") {
        Some(Value::String(kind)) if kind != SUPPORTED => Some(kind.clone()),
        _ => None,
    });
    if let Some(kind) = foreign {
        return Verdict::Unsupported(kind);
    }
    let mut verdict = Verdict::Refused("no proof");
    for proof in proofs {
        match check(credential, proof, now) {
            Ok(()) => return Verdict::Genuine,
            Err(reason) => verdict = Verdict::Refused(reason),
        }
    }
    verdict
}

fn check(credential: &Value, proof: &Value, now: Micros) -> Result<(), &'static str> {
    let issuer = shape(credential)?;
    let text = |key: &str| proof.get(key).and_then(Value::as_str);
    if text("type") != Some(SUPPORTED) {
        return Err("proof has no type");
    }
    if text("proofPurpose") != Some("assertionMethod") {
        return Err("proofPurpose is not assertionMethod");
    }
    let created =
        text("created").and_then(OffsetTime::parse_rfc3339).ok_or("proof has no creation time")?;
    if created.micros() > now {
        return Err("proof is created in the future");
    }
    let method = text("verificationMethod").ok_or("proof has no verificationMethod")?;
    if method.strip_suffix("#controller") != Some(issuer) {
        return Err("verificationMethod is not the issuer's controller");
    }
    let controller =
        issuer.strip_prefix("did:ethr:").and_then(hex_bytes).filter(|bytes| bytes.len() == 20);
    let controller = controller.ok_or("issuer is no did:ethr address")?;
    let signature = text("proofValue").and_then(hex_bytes).ok_or("proofValue is no 0x hex text")?;
    let digest = digest(credential, proof, &created).ok_or("the data does not fit its types")?;
    let signer = recover(&signature, &digest).ok_or("the signature gives no key")?;
    if signer == controller[..] { Ok(()) } else { Err("signed by somebody else") }
}

/// The parts of a credential that a reader must understand; gives the issuer.
fn shape(credential: &Value) -> Result<&str, &'static str> {
    let first = match credential.get("@context") {
        Some(Value::Array(contexts)) => contexts.first(),
        other => other,
    };
    if first.and_then(Value::as_str) != Some(CONTEXT) {
        return Err("@context does not start with the credentials context");
    }
    let has_type = match credential.get("type") {
        Some(Value::Array(types)) => types.iter().any(|kind| kind == "VerifiableCredential"),
        Some(kind) => kind == "VerifiableCredential",
        None => false,
    };
    if !has_type {
        return Err("type does not hold VerifiableCredential");
    }
    for key in ["issuanceDate", "expirationDate"] {
        let date = credential.get(key).and_then(Value::as_str);
        date.and_then(OffsetTime::parse_rfc3339).ok_or("a date is no RFC 3339 time with zone")?;
    }
    credential.get("issuer").and_then(Value::as_str).ok_or("issuer is no text")
}

/// The digest that an issuer signs: of the credential with its (single) proof,
/// whose `proofValue` may still be missing. None if the data does not fit its types.
pub fn signing_digest(credential: &Value) -> Option<Word> {
    let proof = credential.get("proof")?;
    let created = OffsetTime::parse_rfc3339(proof.get("created")?.as_str()?)?;
    digest(credential, proof, &created)
}

/// The digest of the credential as its issuer saw it.
///
/// The dates are spelt anew before hashing: the reference verifier parses them
/// and prints what it parsed, so a signature over `….000Z` fails there too.
fn digest(credential: &Value, proof: &Value, created: &OffsetTime) -> Option<Word> {
    let declared = proof.get("eip712Domain").or_else(|| proof.get("eip712"))?;
    let types =
        Types::read(declared.get("types").or_else(|| declared.get("messageSchema"))?).ok()?;
    let primary = declared.get("primaryType")?.as_str()?;

    let mut message = credential.as_object()?.clone();
    for key in ["issuanceDate", "expirationDate"] {
        if let Some(Value::String(text)) = message.get_mut(key) {
            *text = OffsetTime::parse_rfc3339(text)?.respell(text.ends_with(['Z', 'z']));
        }
    }
    let mut options = proof.as_object()?.clone();
    for key in ["proofValue", "eip712Domain", "eip712"] {
        options.remove(key);
    }
    options.insert("created".to_owned(), Value::String(created.respell_utc()));
    message.insert("proof".to_owned(), Value::Object(options));
    types.digest(primary, declared.get("domain")?, &Value::Object(message)).ok()
}

/// The address whose key made the signature: r, s, then a recovery id modulo 27.
///
/// Both forms of s pass, as they do in the reference; ECDSA verification wants
/// the low one, so a high s is turned around together with its recovery id.
fn recover(signature: &[u8], digest: &Word) -> Option<[u8; 20]> {
    let (scalars, id) = (signature.get(..64)?, signature.get(64)? % 27);
    let signature = Signature::from_slice(scalars).ok()?;
    let low = signature.normalize_s();
    let id = if low == signature { id } else { id ^ 1 };
    let key = VerifyingKey::recover_from_prehash(digest, &low, RecoveryId::from_byte(id)?).ok()?;
    Some(address_of(&key))
}

/// The Ethereum address of a public key: the last 20 bytes of its hash.
pub fn address_of(key: &VerifyingKey) -> [u8; 20] {
    let point = key.to_sec1_point(false);
    let hash = keccak(&point.as_bytes()[1..]);
    let mut address = [0; 20];
    address.copy_from_slice(&hash[12..]);
    address
}
