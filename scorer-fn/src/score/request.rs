//! What the path asks for: a scorer and an address (contract, sections 2 and 5).

use crate::python::{Integer, integer};

/// Last and third last segment of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// What names the scorer.
    pub scorer: &'a str,
    /// What names the wallet, not yet checked.
    pub address: &'a str,
}

/// Splits a path at `/`, undecoded. None if it has fewer than three segments.
pub fn target(path: &str) -> Option<Target<'_>> {
    let mut segments = path.rsplit('/');
    let address = segments.next()?;
    let scorer = segments.nth(1)?;
    Some(Target { scorer, address })
}

/// How to look for a community: first by the external id, then by the number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommunityKey {
    /// Compared with `external_scorer_id`.
    pub external: String,
    /// Compared with `id`, if the text is a number that fits.
    pub id: Option<i64>,
}

/// Reads the scorer segment; a negative number stands for the demo scorer.
///
/// None if there is nothing to look for.
pub fn community_key(segment: &str, demo: Option<&str>) -> Option<CommunityKey> {
    let negative = match integer(segment) {
        Integer::Fits(number) => number < 0,
        Integer::TooSmall => true,
        Integer::TooLarge | Integer::No => false,
    };
    let external = if negative { demo? } else { segment };
    let id = match integer(external) {
        Integer::Fits(number) => Some(number),
        Integer::TooLarge | Integer::TooSmall | Integer::No => None,
    };
    Some(CommunityKey { external: external.to_owned(), id })
}

/// The address in lower case, if it is 40 hex digits, with or without `0x`.
///
/// Without `0x` it names another, prefix-less wallet: the Python side does not
/// add it, so neither do we.
pub fn address(segment: &str) -> Option<String> {
    let lower = segment.to_lowercase();
    let digits = lower.strip_prefix("0x").unwrap_or(&lower);
    let valid =
        digits.len() == 40 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    valid.then_some(lower)
}
