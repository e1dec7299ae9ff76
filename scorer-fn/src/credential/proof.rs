//! Is this credential signed by its issuer?
//!
//! Reproduces the verdicts that the Python service gets from its verifier
//! (didkit 0.3.3) with `proofPurpose = assertionMethod` (contract, section 7).
//! That reads credential and proofs first, and one proof that it cannot read
//! spoils the stamp wherever it stands. Then it leaves aside what was made for
//! another purpose, in the future, or with a method that is not the issuer's,
//! and the first of the proofs that are left decides, good or bad.
//!
//! # What we refuse to judge
//!
//! Only `EthereumEip712Signature2021` is checked here. The other suites sign
//! the canonical form of the RDF graph that JSON-LD makes of a credential,
//! which is not worth its code for stamps that nobody issues any more. Leaving
//! such a stamp out might lower a score that Python gives, so it is
//! [`Verdict::Unsupported`], but only if the verifier could accept it at all:
//!
//! - the suite signs with the kind of key that the issuer's method has
//!   ([`signs`]). An Ethereum account (`did:ethr`, `did:pkh:eip155`) is known by
//!   its address, so only suites that recover the key from the signature:
//!   `EcdsaSecp256k1RecoverySignature2020`, `EthereumPersonalSignature2021`, and
//!   `Eip712Signature2021`. Of `did:key`, an Ed25519 key (`z6Mk…`) makes
//!   `Ed25519Signature2018`, `Ed25519Signature2020` and `JsonWebSignature2020`,
//!   a secp256k1 key (`zQ3s…`) what an account makes and
//!   `EcdsaSecp256k1Signature2019`, `JsonWebSignature2020` and
//!   `EthereumEip712Signature2021`, whose key we do not decode; P-256 and RSA
//!   keys have their two suites each;
//! - the signature is where the suite looks for it: `jws` or `proofValue`;
//! - a context of credential or proof defines the suite ([`is_defined`]), since
//!   without one there is no graph with this type;
//! - for an issuer whose DID document is elsewhere (`did:web`), any suite.
//!
//! All else is refused as Python refuses it.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secp256k1::ecdsa::{RecoverableSignature, RecoveryId};
use secp256k1::{Message, PublicKey, Secp256k1, VerifyOnly};
use serde_json::{Map, Value, json};

use super::eip712::{Types, Word, hex_bytes, keccak};
use super::issuer::{Issuer, Key, is_account};
use crate::time::{Micros, OffsetTime};

const CONTEXTS: [&str; 2] =
    ["https://www.w3.org/2018/credentials/v1", "https://w3.org/2018/credentials/v1"];

/// What the proof says.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Signed by the issuer.
    Genuine,
    /// Not accepted, with the reason for the log.
    Refused(&'static str),
    /// The issuer's key may have made it, in a suite that is not checked here.
    Unsupported(String),
}

/// The suites that the verifier knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Suite {
    EthereumEip712Signature2021,
    Eip712Signature2021,
    EthereumPersonalSignature2021,
    EcdsaSecp256k1RecoverySignature2020,
    EcdsaSecp256k1Signature2019,
    EcdsaSecp256r1Signature2019,
    JsonWebSignature2020,
    RsaSignature2018,
    Ed25519Signature2018,
    Ed25519Signature2020,
    /// Of Tezos and Solana.
    OtherChain,
    /// Known by name, and never verified.
    CLSignature2019,
}

impl Suite {
    fn read(name: &str) -> Option<Self> {
        Some(match name {
            "EthereumEip712Signature2021" => Self::EthereumEip712Signature2021,
            "Eip712Signature2021" => Self::Eip712Signature2021,
            "EthereumPersonalSignature2021" => Self::EthereumPersonalSignature2021,
            "EcdsaSecp256k1RecoverySignature2020" => Self::EcdsaSecp256k1RecoverySignature2020,
            "EcdsaSecp256k1Signature2019" => Self::EcdsaSecp256k1Signature2019,
            "EcdsaSecp256r1Signature2019" => Self::EcdsaSecp256r1Signature2019,
            "JsonWebSignature2020" => Self::JsonWebSignature2020,
            "RsaSignature2018" => Self::RsaSignature2018,
            "Ed25519Signature2018" => Self::Ed25519Signature2018,
            "Ed25519Signature2020" => Self::Ed25519Signature2020,
            "Ed25519BLAKE2BDigestSize20Base58CheckEncodedSignature2021"
            | "P256BLAKE2BDigestSize20Base58CheckEncodedSignature2021"
            | "TezosSignature2021"
            | "TezosJcsSignature2021"
            | "SolanaSignature2021" => Self::OtherChain,
            "CLSignature2019" => Self::CLSignature2019,
            _ => return None,
        })
    }
}

/// One proof, as far as the verifier reads it before it looks at a signature.
struct Proof<'a> {
    json: &'a Map<String, Value>,
    name: &'a str,
    suite: Suite,
    created: Option<OffsetTime>,
}

impl<'a> Proof<'a> {
    /// None if the verifier cannot read it, and the whole credential with it.
    fn read(proof: &'a Value) -> Option<Self> {
        const TEXTS: [&str; 7] =
            ["proofValue", "challenge", "creator", "verificationMethod", "domain", "nonce", "jws"];
        const PURPOSES: [&str; 6] = [
            "assertionMethod",
            "authentication",
            "keyAgreement",
            "contractAgreement",
            "capabilityDelegation",
            "capabilityInvocation",
        ];
        let json = proof.as_object()?;
        let name = json.get("type")?.as_str()?;
        if !TEXTS.iter().all(|key| is_absent(json, key) || json[*key].is_string()) {
            return None;
        }
        if !is_absent(json, "proofPurpose") {
            json["proofPurpose"].as_str().filter(|purpose| PURPOSES.contains(purpose))?;
        }
        let created = match json.get("created") {
            None | Some(Value::Null) => None,
            Some(created) => Some(OffsetTime::parse_rfc3339(created.as_str()?)?),
        };
        Some(Self { json, name, suite: Suite::read(name)?, created })
    }

    fn text(&self, key: &str) -> Option<&'a str> {
        self.json.get(key)?.as_str()
    }
}

/// Judges the credential's proof at the moment `now`.
pub fn judge(credential: &Value, now: Micros) -> Verdict {
    let issuer = match shape(credential) {
        Ok(issuer) => issuer,
        Err(reason) => return Verdict::Refused(reason),
    };
    let proofs = match credential.get("proof") {
        Some(Value::Array(proofs)) => proofs.iter().map(Proof::read).collect(),
        Some(proof) => Proof::read(proof).map(|proof| vec![proof]),
        None => return Verdict::Refused("no proof"),
    };
    let Some(proofs) = proofs else {
        return Verdict::Refused("a proof that cannot be read");
    };
    let issuer = match Issuer::read(issuer) {
        Issuer::Known(methods) => methods,
        Issuer::Nobody => return Verdict::Refused("issuer is no DID"),
        Issuer::Elsewhere => return elsewhere(&proofs, now),
    };
    let is_own = |id: &str| issuer.iter().any(|method| method.id == id);
    let decides = |proof: &&Proof<'_>| {
        is_current(proof, now) && proof.text("verificationMethod").is_none_or(is_own)
    };
    let Some(proof) = proofs.iter().find(decides) else {
        return Verdict::Refused("no proof of the issuer for this purpose");
    };
    let named = |id: &str| issuer.iter().find(|method| method.id == id);
    let Some(method) = proof.text("verificationMethod").and_then(named) else {
        return Verdict::Refused("proof has no verificationMethod");
    };
    match (proof.suite, &method.key) {
        (Suite::EthereumEip712Signature2021, Key::Account(account) | Key::Secp256k1(account)) => {
            match check(credential, proof, account) {
                Ok(()) => Verdict::Genuine,
                Err(reason) => Verdict::Refused(reason),
            }
        }
        (suite, key) if signs(key, suite) && could_verify(credential, proof) => {
            Verdict::Unsupported(proof.name.to_owned())
        }
        _ => Verdict::Refused("the issuer's key makes no such proof"),
    }
}

/// The verdict on an issuer whose methods nobody here can look up.
fn elsewhere(proofs: &[Proof<'_>], now: Micros) -> Verdict {
    match proofs.iter().find(|proof| is_current(proof, now)) {
        Some(proof) => Verdict::Unsupported(proof.name.to_owned()),
        None => Verdict::Refused("no proof for this purpose"),
    }
}

fn is_current(proof: &Proof<'_>, now: Micros) -> bool {
    proof.text("proofPurpose") == Some("assertionMethod")
        && proof.created.is_some_and(|created| created.micros() <= now)
}

/// Whether the verifier takes this suite for a key of this kind.
fn signs(key: &Key, suite: Suite) -> bool {
    use Suite as S;
    match key {
        Key::Account(_) => matches!(
            suite,
            S::EcdsaSecp256k1RecoverySignature2020
                | S::EthereumPersonalSignature2021
                | S::Eip712Signature2021
        ),
        Key::Eip712Account => suite == S::Eip712Signature2021,
        Key::Secp256k1(_) | Key::Secp256k1Encoded => matches!(
            suite,
            S::EcdsaSecp256k1RecoverySignature2020
                | S::EthereumPersonalSignature2021
                | S::Eip712Signature2021
                | S::EthereumEip712Signature2021
                | S::EcdsaSecp256k1Signature2019
                | S::JsonWebSignature2020
        ),
        Key::Ed25519 => matches!(
            suite,
            S::Ed25519Signature2018 | S::Ed25519Signature2020 | S::JsonWebSignature2020
        ),
        Key::P256 => matches!(suite, S::EcdsaSecp256r1Signature2019 | S::JsonWebSignature2020),
        Key::Rsa => matches!(suite, S::RsaSignature2018 | S::JsonWebSignature2020),
        Key::Unknown => suite != S::CLSignature2019,
    }
}

/// Whether a proof that is not checked here has all that its suite needs.
fn could_verify(credential: &Value, proof: &Proof<'_>) -> bool {
    let detached = || {
        let (header, signature) = proof.text("jws")?.split_once("..")?;
        let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
        Some(header.is_object() && URL_SAFE_NO_PAD.decode(signature).is_ok())
    };
    let recoverable = || Some(hex_bytes(proof.text("proofValue")?)?.len() >= 65);
    let signed = match proof.suite {
        Suite::EthereumEip712Signature2021 => return recoverable() == Some(true),
        Suite::Eip712Signature2021 | Suite::EthereumPersonalSignature2021 => recoverable(),
        Suite::Ed25519Signature2020 => proof.text("proofValue").map(|value| !value.is_empty()),
        Suite::EcdsaSecp256k1RecoverySignature2020
        | Suite::EcdsaSecp256k1Signature2019
        | Suite::EcdsaSecp256r1Signature2019
        | Suite::JsonWebSignature2020
        | Suite::RsaSignature2018
        | Suite::Ed25519Signature2018 => detached(),
        Suite::OtherChain => return true,
        Suite::CLSignature2019 => return false,
    };
    signed == Some(true) && is_defined(credential, proof)
}

/// Whether a context of credential or proof may define the proof's suite.
///
/// The verifier loads none over the network: it has those below, and what is
/// written out in place.
fn is_defined(credential: &Value, proof: &Proof<'_>) -> bool {
    const SECURITY: &str = "https://w3id.org/security/v2";
    let known: &[&str] = match proof.suite {
        Suite::EcdsaSecp256k1RecoverySignature2020 => &[
            "https://w3id.org/security/suites/secp256k1recovery-2020/v2",
            "https://identity.foundation/EcdsaSecp256k1RecoverySignature2020/lds-ecdsa-secp256k1-recovery2020-0.0.jsonld",
            "https://demo.spruceid.com/EcdsaSecp256k1RecoverySignature2020/esrs2020-extra-0.0.jsonld",
        ],
        Suite::JsonWebSignature2020 => &[
            "https://w3id.org/security/suites/jws-2020/v1",
            "https://w3c-ccg.github.io/lds-jws2020/contexts/lds-jws2020-v1.json",
        ],
        Suite::Ed25519Signature2020 => &["https://w3id.org/security/suites/ed25519-2020/v1"],
        Suite::EcdsaSecp256k1Signature2019
        | Suite::EcdsaSecp256r1Signature2019
        | Suite::RsaSignature2018
        | Suite::Ed25519Signature2018 => &[CONTEXTS[0], CONTEXTS[1], SECURITY],
        // The first two are only ever written out in place; nobody asks for the rest.
        Suite::Eip712Signature2021
        | Suite::EthereumPersonalSignature2021
        | Suite::EthereumEip712Signature2021
        | Suite::OtherChain
        | Suite::CLSignature2019 => &[],
    };
    let contexts = credential.get("@context").into_iter().chain(proof.json.get("@context"));
    let mut each = contexts.flat_map(|contexts| match contexts {
        Value::Array(contexts) => contexts.iter().collect(),
        one => vec![one],
    });
    each.any(|context| match context {
        Value::String(url) => known.contains(&url.as_str()),
        Value::Object(_) => {
            let text = context.to_string();
            text.contains(proof.name) || text.contains("@vocab")
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => false,
    })
}

fn check(credential: &Value, proof: &Proof<'_>, account: &str) -> Result<(), &'static str> {
    let created = proof.created.ok_or("proof has no creation time")?;
    let signature = proof.text("proofValue").and_then(hex_bytes);
    let signature = signature.ok_or("proofValue is no 0x hex text")?;
    let digest =
        digest(credential, proof.json, &created).ok_or("the data does not fit its types")?;
    let signer = recover(&signature, &digest).ok_or("the signature gives no key")?;
    if is_account(account, &signer) { Ok(()) } else { Err("signed by somebody else") }
}

/// The parts of a credential that the verifier must understand; gives the issuer.
fn shape(credential: &Value) -> Result<&str, &'static str> {
    let members = credential.as_object().ok_or("the credential is no object")?;
    let contexts: Vec<&Value> = one_or_many(members.get("@context")).unwrap_or_default();
    let is_context = |context: &&Value| match context {
        Value::String(uri) => uri.contains(':'),
        Value::Object(_) => true,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => false,
    };
    let first = contexts.first().and_then(|context| context.as_str());
    if !first.is_some_and(|first| CONTEXTS.contains(&first)) || !contexts.iter().all(is_context) {
        return Err("@context does not start with the credentials context");
    }
    let types: Vec<&Value> = one_or_many(members.get("type")).unwrap_or_default();
    if !types.iter().all(|kind| kind.is_string())
        || !types.iter().any(|kind| *kind == "VerifiableCredential")
    {
        return Err("type does not hold VerifiableCredential");
    }
    for key in ["issuanceDate", "expirationDate"] {
        let date = members.get(key).and_then(Value::as_str);
        date.and_then(OffsetTime::parse_rfc3339).ok_or("a date is no RFC 3339 time with zone")?;
    }
    if !is_absent(members, "id") && !members["id"].is_string() {
        return Err("id is no text");
    }
    if !EXTRAS.iter().all(|extra| extra.fits(members)) {
        return Err("a member of the data model is malformed");
    }
    members.get("issuer").and_then(Value::as_str).ok_or("issuer is no text")
}

/// A member that the data model of credentials defines: objects with id and type.
struct Extra {
    key: &'static str,
    many: Many,
    wants_id: bool,
    /// `type` is a list.
    lists_types: bool,
}

#[derive(PartialEq, Eq)]
enum Many {
    One,
    OneOrList,
    List,
}

const EXTRAS: [Extra; 5] = [
    Extra { key: "credentialStatus", many: Many::One, wants_id: true, lists_types: false },
    Extra { key: "termsOfUse", many: Many::List, wants_id: false, lists_types: false },
    Extra { key: "evidence", many: Many::OneOrList, wants_id: false, lists_types: true },
    Extra { key: "credentialSchema", many: Many::OneOrList, wants_id: true, lists_types: false },
    Extra { key: "refreshService", many: Many::OneOrList, wants_id: true, lists_types: false },
];

impl Extra {
    fn fits(&self, credential: &Map<String, Value>) -> bool {
        let one = |value: &Value| {
            let id = match value.get("id") {
                None | Some(Value::Null) => !self.wants_id,
                Some(Value::String(id)) => self.lists_types || id.contains(':'),
                Some(_) => false,
            };
            let kind = match value.get("type") {
                Some(Value::Array(kinds)) if self.lists_types => kinds.iter().all(Value::is_string),
                Some(kind) => kind.is_string() && !self.lists_types,
                None => false,
            };
            id && kind
        };
        match credential.get(self.key) {
            None | Some(Value::Null) => true,
            Some(Value::Array(all)) => self.many != Many::One && all.iter().all(one),
            Some(value) => self.many != Many::List && one(value),
        }
    }
}

fn is_absent(members: &Map<String, Value>, key: &str) -> bool {
    members.get(key).is_none_or(Value::is_null)
}

fn one_or_many(value: Option<&Value>) -> Option<Vec<&Value>> {
    Some(match value? {
        Value::Array(all) => all.iter().collect(),
        one => vec![one],
    })
}

/// The digest that an issuer signs: of the credential with its (single) proof,
/// whose `proofValue` may still be missing. None if the data does not fit its types.
pub fn signing_digest(credential: &Value) -> Option<Word> {
    let proof = credential.get("proof")?;
    let created = OffsetTime::parse_rfc3339(proof.get("created")?.as_str()?)?;
    digest(credential, proof.as_object()?, &created)
}

/// The digest of the credential as its issuer saw it.
///
/// The reference verifier prints anew what it parsed, so the dates are spelt
/// anew before hashing (a signature over `….000Z` fails there too), and what the
/// data model defines is as good as absent when it is null.
fn digest(credential: &Value, proof: &Map<String, Value>, created: &OffsetTime) -> Option<Word> {
    let mut message = credential.as_object()?.clone();
    for key in ["issuanceDate", "expirationDate"] {
        if let Some(Value::String(text)) = message.get_mut(key) {
            *text = OffsetTime::parse_rfc3339(text)?.respell(text.ends_with('Z'));
        }
    }
    drop_null(&mut message, &["id"]);
    drop_null(&mut message, &EXTRAS.map(|extra| extra.key));
    if let Some(Value::Object(subject)) = message.get_mut("credentialSubject") {
        drop_null(subject, &["id"]);
    }
    let mut options = proof.clone();
    options.remove("proofValue");
    drop_null(&mut options, &["@context", "challenge", "creator", "domain", "nonce", "jws"]);
    options.insert("created".to_owned(), Value::String(created.respell_utc()));
    let declared = options.remove("eip712").or_else(|| options.remove("eip712Domain"));
    message.insert("proof".to_owned(), Value::Object(options));

    let Some(declared) = declared else {
        let types = Types::derive(&message, "Document").ok()?;
        return types.digest("Document", &json!({}), &Value::Object(message)).ok();
    };
    let declared = declared.as_object()?;
    let known = |key: &str| matches!(key, "types" | "messageSchema" | "primaryType" | "domain");
    if declared.len() != 3 || !declared.keys().all(|key| known(key)) {
        return None;
    }
    let types =
        Types::read(declared.get("types").or_else(|| declared.get("messageSchema"))?).ok()?;
    let primary = declared.get("primaryType")?.as_str()?;
    types.digest(primary, declared.get("domain")?, &Value::Object(message)).ok()
}

fn drop_null(members: &mut Map<String, Value>, keys: &[&str]) {
    members.retain(|key, value| !(value.is_null() && keys.contains(&key.as_str())));
}

/// The address whose key made the signature: r, s, then a recovery id modulo 27.
///
/// Both forms of s pass, as they do in the reference. The ids 2 and 3, for a
/// point beyond the group's order, do not.
fn recover(signature: &[u8], digest: &Word) -> Option<[u8; 20]> {
    static CURVE: LazyLock<Secp256k1<VerifyOnly>> = LazyLock::new(Secp256k1::verification_only);
    let (scalars, id) = (signature.get(..64)?, signature.get(64)? % 27);
    let id = match id {
        0 => RecoveryId::Zero,
        1 => RecoveryId::One,
        _ => return None,
    };
    let signature = RecoverableSignature::from_compact(scalars, id).ok()?;
    let key = CURVE.recover_ecdsa(Message::from_digest(*digest), &signature).ok()?;
    Some(address_of(&key))
}

/// The Ethereum address of a public key: the last 20 bytes of its hash.
pub fn address_of(key: &PublicKey) -> [u8; 20] {
    let hash = keccak(&key.serialize_uncompressed()[1..]);
    let mut address = [0; 20];
    address.copy_from_slice(&hash[12..]);
    address
}
