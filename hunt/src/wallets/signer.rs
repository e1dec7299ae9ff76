//! An issuer's key: the scorer itself only checks.

use scorer_fn::credential::eip712::{Word, keccak};
use scorer_fn::credential::proof::address_of;
use scorer_fn::score::key::hex;
use secp256k1::{Message, PublicKey, Secp256k1, SecretKey};

/// A key on secp256k1, known to everybody who reads this: trust it nowhere.
#[derive(Debug)]
pub struct Signer(SecretKey);

impl Signer {
    /// The key that is the hash of this name.
    pub fn named(name: &str) -> Self {
        let key = SecretKey::from_byte_array(keccak(name.as_bytes()));
        Self(key.expect("a hash is a valid key but for one in 2^128"))
    }

    /// Its public half.
    pub fn public(&self) -> PublicKey {
        self.0.public_key(&Secp256k1::signing_only())
    }

    /// Its Ethereum address: 40 digits in lower case.
    pub fn account(&self) -> String {
        hex(&address_of(&self.public()))
    }

    /// The `proofValue` over this digest: r, s, and 27 or 28.
    pub fn proof_value(&self, digest: &Word) -> String {
        let curve = Secp256k1::signing_only();
        let signature = curve.sign_ecdsa_recoverable(Message::from_digest(*digest), &self.0);
        let (id, scalars) = signature.serialize_compact();
        format!("0x{}{:02x}", hex(&scalars), 27 + i32::from(id))
    }
}
