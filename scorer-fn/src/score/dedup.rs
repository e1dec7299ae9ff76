//! LIFO deduplication: the first wallet to ask keeps a nullifier (contract, section 8).
//!
//! Pure: takes the links found and the stamps that are valid, gives what
//! counts and which links to write.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::credential::Stamp;
use crate::time::{Micros, OffsetTime};

/// One row of `registry_hashscorerlink` in the community at hand.
#[derive(Clone, Debug)]
pub struct Link {
    /// Row id.
    pub id: i64,
    /// The nullifier.
    pub hash: String,
    /// The wallet that holds it.
    pub address: String,
    /// Until when.
    pub expires: Micros,
}

/// A link to insert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewLink {
    /// The nullifier.
    pub hash: String,
    /// The wallet that shall hold it.
    pub address: String,
    /// Until when.
    pub expires: OffsetTime,
}

/// A stamp that does not count because somebody else holds one of its nullifiers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clash {
    /// `expirationDate` as the credential spells it.
    pub expires_text: String,
    /// All nullifiers of the stamp that are looked at.
    pub nullifiers: Vec<String>,
}

/// What deduplication decides.
#[derive(Debug, Default)]
pub struct Plan {
    /// Stamps that count.
    pub counted: Vec<Stamp>,
    /// Deduplicated stamps by the provider in the credential.
    pub clashing: BTreeMap<String, Clash>,
    /// Links to insert.
    pub create: Vec<NewLink>,
    /// Links to point at this wallet until the given time.
    pub hold: Vec<(i64, OffsetTime)>,
}

/// One nullifier would have to be linked twice; the unique index never allows it.
#[derive(Debug, PartialEq, Eq)]
pub struct LinkedTwice;

/// The nullifiers of a stamp that count under the current setting.
///
/// Without `FF_MULTI_NULLIFIER` only the first version does.
pub fn nullifiers(stamp: &Stamp, multi: bool) -> impl Iterator<Item = &String> {
    stamp.nullifiers.iter().filter(move |nullifier| multi || nullifier.starts_with("v0"))
}

/// Decides for each stamp whether it counts for `address` at `now`.
///
/// A clashing stamp hands its nullifiers without any clash to the holder of the
/// first one, as new links. So says the contract, and where such a nullifier
/// has a link already (this wallet's own, or another's that has ended) a new
/// one meets the unique index at every try.
///
/// # Errors
/// [`LinkedTwice`] for that, and if two stamps that write links share a nullifier.
pub fn plan(
    stamps: Vec<Stamp>,
    links: &[Link],
    address: &str,
    multi: bool,
    now: Micros,
) -> Result<Plan, LinkedTwice> {
    let by_hash: HashMap<&str, &Link> =
        links.iter().map(|link| (link.hash.as_str(), link)).collect();
    let mut plan = Plan::default();
    let mut written = BTreeSet::new();
    for stamp in stamps {
        let own: Vec<String> = nullifiers(&stamp, multi).cloned().collect();
        let clashes = |link: &&&Link| link.address != address && link.expires > now;
        let links = own.iter().filter_map(|hash| by_hash.get(hash.as_str()));
        if let Some(clash) = links.clone().find(clashes) {
            if links.clone().any(|link| !clashes(&link)) {
                return Err(LinkedTwice);
            }
            for nullifier in
                own.iter().filter(|nullifier| !by_hash.contains_key(nullifier.as_str()))
            {
                if !written.insert(nullifier.clone()) {
                    return Err(LinkedTwice);
                }
                plan.create.push(NewLink {
                    hash: nullifier.clone(),
                    address: clash.address.clone(),
                    expires: OffsetTime::from_micros(clash.expires),
                });
            }
            let expires_text = stamp.expires_text;
            plan.clashing
                .insert(stamp.credential_provider, Clash { expires_text, nullifiers: own });
            continue;
        }
        for nullifier in own {
            if !written.insert(nullifier.clone()) {
                return Err(LinkedTwice);
            }
            match by_hash.get(nullifier.as_str()) {
                Some(link) => plan.hold.push((link.id, stamp.expires)),
                None => plan.create.push(NewLink {
                    hash: nullifier,
                    address: address.to_owned(),
                    expires: stamp.expires,
                }),
            }
        }
        plan.counted.push(stamp);
    }
    // All instances insert in one order, so two of them cannot wait for each other.
    plan.create.sort_by(|a, b| a.hash.cmp(&b.hash));
    plan.hold.sort_by_key(|(id, _)| *id);
    Ok(plan)
}
