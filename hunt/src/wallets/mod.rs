//! Random wallets, stamps and requests: the same for the same seed, on every machine.
//!
//! Proofs are really signed. A case depends on its seed and number only, and shares
//! neither wallets nor nullifiers with another one.

mod case;
mod event;
mod random;
mod signer;
mod world;

pub use case::{Ask, Case, ENDS, Flaw, Link, Plot, Stamp, Wallet};
pub use event::{PLAIN, event};
pub use random::Random;
pub use signer::Signer;
pub use world::{Issuer, Issuers, KEY, PROVIDERS, RULES, Rules, communities, rows, text, typed};
