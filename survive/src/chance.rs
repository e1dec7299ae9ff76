//! Chance without a stream: a number is drawn for a key, so that what happens to one
//! call does not depend on whether another was made. Leaving out a part of a history
//! thereby leaves the fate of all others as it was, which is what shrinking needs.

/// A number for a key: SplitMix64 over its parts (Steele, Lea and Flood 2014), good
/// enough to scatter faults. A cryptographic generator per call would cost more than
/// the call.
pub fn number(seed: u64, key: &[u64]) -> u64 {
    key.iter().fold(scatter(seed), |state, part| scatter(state ^ part.wrapping_mul(ODD)))
}

const ODD: u64 = 0x9e37_79b9_7f4a_7c15;

fn scatter(state: u64) -> u64 {
    let mut mixed = state.wrapping_add(ODD);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Draws one after another, from a key.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// For this key.
    pub fn of(seed: u64, key: &[u64]) -> Self {
        Self(number(seed, key))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(ODD);
        scatter(self.0)
    }

    /// 0 to `most - 1`; 0 for 0.
    pub fn below(&mut self, most: u64) -> u64 {
        // The bias of a remainder is below 2^-32 for what is drawn here.
        self.next().checked_rem(most).unwrap_or(0)
    }

    /// From the first to the last, both included.
    pub fn between(&mut self, first: i64, last: i64) -> i64 {
        let span = u64::try_from(last.saturating_sub(first)).unwrap_or(0).saturating_add(1);
        first.saturating_add(i64::try_from(self.below(span)).unwrap_or(0))
    }

    /// Whether, once in so many times.
    pub fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }

    /// One of these.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        let at = usize::try_from(self.below(of.len() as u64)).ok()?;
        of.get(at)
    }
}
