//! What an issuer's DID says about the keys that may sign its credentials.
//!
//! Read from the DID alone: the verifier of the Python service (didkit 0.3.3)
//! resolves `did:ethr`, `did:pkh` and `did:key` without a network, too.

use secp256k1::PublicKey;

use super::eip712::{hex_bytes, keccak};
use super::proof::address_of;
use crate::score::key::hex;

/// The key behind a verification method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// An Ethereum account, in the DID's spelling.
    Account(String),
    /// The same, in a method that only takes the suite `Eip712Signature2021`.
    Eip712Account,
    /// A public key of Ethereum's curve in the DID, and its account in lower case.
    Secp256k1(String),
    /// The same where we do not read the key itself (`did:key`).
    Secp256k1Encoded,
    Ed25519,
    P256,
    Rsa,
    /// Of a kind that we cannot tell.
    Unknown,
}

/// A method that may make assertions for the issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Method {
    /// Its DID URL.
    pub(super) id: String,
    pub(super) key: Key,
}

/// The methods of an issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Issuer {
    /// All that its DID document lists for assertions.
    Known(Vec<Method>),
    /// Its DID document is elsewhere, or of a method that we do not read.
    Elsewhere,
    /// No DID, or a malformed one: nothing is signed by it.
    Nobody,
}

impl Issuer {
    pub(super) fn read(did: &str) -> Self {
        let method = |fragment: &str, key| Method { id: format!("{did}#{fragment}"), key };
        let methods = match did.split(':').collect::<Vec<_>>().as_slice() {
            ["did", "ethr", account] => ethr(account, method),
            ["did", "ethr", network, account] if is_network(network) => ethr(account, method),
            ["did", "pkh", "eip155", _, account] => pkh("blockchainAccountId", account, method),
            ["did", "pkh", "eth" | "celo" | "poly", account] => {
                pkh("Recovery2020", account, method)
            }
            ["did", "key", key] => Some(vec![method(key, encoded_key(key))]),
            ["did", "ethr" | "key", ..] => None,
            ["did", _, _, ..] => return Self::Elsewhere,
            _ => None,
        };
        methods.map_or(Self::Nobody, Self::Known)
    }
}

fn ethr(account: &str, method: impl Fn(&str, Key) -> Method) -> Option<Vec<Method>> {
    match account.len() {
        42 => Some(vec![
            method("controller", Key::Account(account.to_owned())),
            method("Eip712Method2021", Key::Eip712Account),
        ]),
        68 => {
            let key = PublicKey::from_slice(&hex_bytes(account)?).ok()?;
            let account = format!("0x{}", hex(&address_of(&key)));
            Some(vec![
                method("controller", Key::Account(account.clone())),
                method("controllerKey", Key::Secp256k1(account)),
            ])
        }
        _ => None,
    }
}

fn pkh(fragment: &str, account: &str, method: impl Fn(&str, Key) -> Method) -> Option<Vec<Method>> {
    let key = Key::Account(account.to_owned());
    account.starts_with("0x").then(|| vec![method(fragment, key)])
}

fn is_network(name: &str) -> bool {
    matches!(name, "mainnet" | "morden" | "ropsten" | "rinkeby" | "goerli" | "kovan")
        || name.strip_prefix("0x").is_some_and(|id| i64::from_str_radix(id, 16).is_ok())
}

/// The kind of a `did:key`, by the multicodec prefix as base58 shows it.
fn encoded_key(key: &str) -> Key {
    match key.get(..4) {
        Some("z6Mk") => Key::Ed25519,
        Some("zQ3s") => Key::Secp256k1Encoded,
        Some("zDna") => Key::P256,
        Some("z4MX" | "zgg4" | "zggh") => Key::Rsa,
        _ => Key::Unknown,
    }
}

/// Whether this is the account of that address: in small letters, or in capital
/// and small ones as EIP-55 has them. Another mixture is another account to the
/// verifier.
pub(super) fn is_account(text: &str, address: &[u8; 20]) -> bool {
    let small = hex(address);
    if !text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return text.strip_prefix("0x") == Some(&small);
    }
    let hash = hex(&keccak(small.as_bytes()));
    let checked = small
        .chars()
        .zip(hash.chars())
        .map(|(digit, check)| if check >= '8' { digit.to_ascii_uppercase() } else { digit });
    text.strip_prefix("0x").is_some_and(|digits| checked.eq(digits.chars()))
}
