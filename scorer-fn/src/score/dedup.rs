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

/// Why links cannot be written, in Python's words.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LinksFailed {
    /// One nullifier would have to be linked twice; the unique index never allows it.
    #[error("Failed to save HashScorerLinks")]
    LinkedTwice,
    /// One link would have to end at two times. Python counts two updates and
    /// finds one link, at each of its tries.
    #[error("Unexpected number of HashScorerLinks")]
    TwoEnds,
}

/// The nullifiers of a stamp that count under the current setting.
///
/// Without `FF_MULTI_NULLIFIER` only the first version does.
pub fn nullifiers(stamp: &Stamp, multi: bool) -> impl Iterator<Item = &String> {
    stamp.nullifiers.iter().filter(move |nullifier| multi || nullifier.starts_with("v0"))
}

/// Decides for each stamp whether it counts for `address` at `now`.
///
/// A link that this wallet holds, or takes over because it has ended, serves any
/// number of stamps, and one stamp several times; they must agree on its end to
/// the letter. A new link is wanted by one stamp only, and once.
///
/// A clashing stamp hands its nullifiers without any clash to the holder of the
/// first one, as new links. So says the contract, and where such a nullifier
/// has a link already (this wallet's own, or another's that has ended) a new
/// one meets the unique index at every try.
///
/// # Errors
/// [`LinksFailed`] if these rules are broken.
pub fn plan(
    stamps: Vec<Stamp>,
    links: &[Link],
    address: &str,
    multi: bool,
    now: Micros,
) -> Result<Plan, LinksFailed> {
    let by_hash: HashMap<&str, &Link> =
        links.iter().map(|link| (link.hash.as_str(), link)).collect();
    let mut plan = Plan::default();
    let mut created = BTreeSet::new();
    let mut ends: BTreeMap<i64, (OffsetTime, String)> = BTreeMap::new();
    let mut agreed = true;
    for stamp in stamps {
        let own: Vec<String> = nullifiers(&stamp, multi).cloned().collect();
        let link_of = |nullifier: &String| by_hash.get(nullifier.as_str()).copied();
        let clashes = |link: &&Link| link.address != address && link.expires > now;
        let clash = own.iter().filter_map(link_of).find(clashes);
        for nullifier in &own {
            let new = match (link_of(nullifier), clash) {
                (Some(link), Some(_)) if clashes(&link) => continue,
                (Some(_), Some(_)) => return Err(LinksFailed::LinkedTwice),
                (Some(link), None) => {
                    let end = (stamp.expires, stamp.expires_text.clone());
                    let before = ends.insert(link.id, end);
                    agreed &= before.is_none_or(|(_, text)| text == stamp.expires_text);
                    continue;
                }
                (None, Some(clash)) => {
                    (clash.address.clone(), OffsetTime::from_micros(clash.expires))
                }
                (None, None) => (address.to_owned(), stamp.expires),
            };
            if !created.insert(nullifier.clone()) {
                return Err(LinksFailed::LinkedTwice);
            }
            let (address, expires) = new;
            plan.create.push(NewLink { hash: nullifier.clone(), address, expires });
        }
        if clash.is_some() {
            let expires_text = stamp.expires_text;
            plan.clashing
                .insert(stamp.credential_provider, Clash { expires_text, nullifiers: own });
        } else {
            plan.counted.push(stamp);
        }
    }
    if !agreed {
        return Err(LinksFailed::TwoEnds);
    }
    // All instances insert in one order, so two of them cannot wait for each other.
    plan.create.sort_by(|a, b| a.hash.cmp(&b.hash));
    plan.hold = ends.into_iter().map(|(id, (expires, _))| (id, expires)).collect();
    Ok(plan)
}
