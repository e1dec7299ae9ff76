//! What another implementation leaves out on purpose.
//!
//! Nothing is hidden: a difference counts as known only if it is gone when what is left
//! out is taken from the case, and the end of a hunt says how often that was so.

use std::collections::BTreeSet;

use crate::wallets::{Case, Flaw};

/// Something that is left out.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// In a few words.
    pub name: &'static str,
    /// What differs because of it.
    pub why: &'static str,
    /// Takes it from a case.
    without: fn(&mut Case),
}

impl Known {
    /// The case without it, if it has it.
    pub fn without(&self, case: &Case) -> Option<Case> {
        let mut other = case.clone();
        (self.without)(&mut other);
        (other != *case).then_some(other)
    }
}

/// Of the Python twin of the local cloud; the list in `local-cloud/python-scorer/app.py`,
/// as far as cases here can show it.
pub const OF_THE_TWIN: [Known; 3] = [
    Known {
        name: "signatures are not verified",
        why: "a stamp that was changed after it was signed, or has a wrong proof, counts with it",
        without: signed,
    },
    Known {
        name: "a nullifier that a wallet has twice fails its score, whatever links are there",
        why: "an expired link makes the service update one row instead of adding two",
        without: each_nullifier_once,
    },
    Known {
        name: "a nullifier beside one that clashes is given to that owner, whatever link it has",
        why: "the service tries to add the link, and fails the score where there is one",
        without: one_nullifier_a_stamp,
    },
];

/// What the twin leaves out and no case here has.
pub const NEVER_ASKED: [&str; 3] =
    ["API keys that are hashed with PBKDF2", "rate limits", "demo keys and negative scorer ids"];

fn signed(case: &mut Case) {
    let is_unsigned = |flaw| matches!(flaw, Flaw::Tampered | Flaw::Huge | Flaw::BadProofFirst);
    for wallet in &mut case.wallets {
        wallet.stamps.retain(|stamp| !stamp.flaw.is_some_and(is_unsigned));
    }
}

fn one_nullifier_a_stamp(case: &mut Case) {
    for stamp in case.wallets.iter_mut().flat_map(|wallet| &mut wallet.stamps) {
        stamp.nullifiers.truncate(1);
    }
}

/// Keeps the first of the stamps that share a nullifier, and that nullifier once.
fn each_nullifier_once(case: &mut Case) {
    for wallet in &mut case.wallets {
        let mut seen = BTreeSet::new();
        for stamp in &mut wallet.stamps {
            stamp.nullifiers.retain(|nullifier| seen.insert(nullifier.clone()));
        }
        wallet.stamps.retain(|stamp| !stamp.nullifiers.is_empty());
    }
}
