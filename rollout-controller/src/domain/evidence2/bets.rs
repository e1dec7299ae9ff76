//! A mixture of bets over their size and their start, kept as log masses.

use serde::de::{Deserialize, Deserializer, Error};
use serde::{Serialize, Serializer};

use crate::domain::evidence::math::{log_sum_exp, tilt};
use crate::domain::evidence::{Count, Prior};

/// How much worse (or better) than a limit each bet assumes the new side to be,
/// as odds ratios: from just visible to a total outage, each about twice to three
/// times the one before, so that no size in between loses much.
pub(in crate::domain) const SIZES: [f64; 6] = [1.5, 2.5, 5.0, 12.0, 40.0, 200.0];
/// The same for a single route: fewer, because each costs every route a share.
pub(super) const ROUTE_SIZES: [f64; 3] = [2.5, 12.0, 200.0];

/// When a fault may begin: half of the mass by the clock, spent to one half after
/// an hour of traffic (the length of a rollout at ordinary traffic), and half at
/// stage entries, where bugs appear.
pub(in crate::domain) const PRIOR: Prior = Prior { horizon: 60.0, entry_share: 0.5 };

/// Most that one minute adds to a bet for outages, in nats: `ln 100 + ln 8`. One
/// minute of total failure brings a single family just to the threshold, so a
/// second one is needed.
pub(in crate::domain) const OUTAGE_CAP: f64 = 6.684_61;

/// `K` bets as logarithms, minus infinity before any mass was put on one.
/// In JSON minus infinity is `null`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::domain) struct Bets<const K: usize>([f64; K]);

impl<const K: usize> Bets<K> {
    pub(in crate::domain) const NONE: Self = Self([f64::NEG_INFINITY; K]);

    /// Stakes prior mass, evenly, then multiplies each bet by its factor of this
    /// minute. `injected` is the mass, `factor` the logarithm of a bet's factor.
    pub(in crate::domain) fn update(&mut self, injected: Mass, factor: impl Fn(usize) -> f64) {
        let stake = injected.log - Self::LOG_K;
        for (at, bet) in self.0.iter_mut().enumerate() {
            *bet = log_add(*bet, stake) + factor(at);
        }
    }

    const LOG_K: f64 = match K {
        3 => 1.098_612_288_668_109_8,
        4 => 1.386_294_361_119_890_6,
        6 => 1.791_759_469_228_055,
        _ => panic!("ln K is not written down"),
    };

    /// The largest bet.
    pub(super) fn largest(&self) -> f64 {
        self.0.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }

    /// Whether the mixture is worth no more than at the start: `log_value <= 0`.
    pub(in crate::domain) fn is_no_suspicion(&self, reserve: Mass) -> bool {
        let largest = self.largest();
        // At most as if all bets were as large as the largest: one exponential tells.
        let most = reserve.log.exp() + K as f64 * largest.exp();
        largest <= 0.0 && (most < 0.999 || self.log_value(reserve) <= 0.0)
    }

    /// The logarithm of the mixture, with mass that is not staked yet.
    pub(in crate::domain) fn log_value(&self, reserve: Mass) -> f64 {
        log_sum_exp(self.0.iter().copied().chain([reserve.log]))
    }

    /// Whether every entry is a number below plus infinity.
    pub(super) fn is_sound(&self) -> bool {
        self.0.iter().all(|bet| !bet.is_nan() && *bet < f64::INFINITY)
    }
}

/// `ln(e^a + e^b)` without overflow.
fn log_add(a: f64, b: f64) -> f64 {
    let (high, low) = if a >= b { (a, b) } else { (b, a) };
    // So far below that no bit of the sum would be another: half a unit in the last
    // place of 0.1 is 7e-18, and e^-40 is 4e-18.
    if low - high < -40.0 && high.abs() >= 0.1 {
        return high;
    }
    // Also where both are minus infinity, whose difference is not a number.
    if low == f64::NEG_INFINITY { high } else { high + (low - high).exp().ln_1p() }
}

/// Prior mass, as a logarithm: 0 of it is minus infinity.
#[derive(Clone, Copy, Debug)]
pub(in crate::domain) struct Mass {
    log: f64,
}

impl Mass {
    pub(in crate::domain) fn of(mass: f64) -> Self {
        Self { log: mass.ln() }
    }
}

impl<const K: usize> Serialize for Bets<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|&bet| bet.is_finite().then_some(bet)))
    }
}

impl<'de, const K: usize> Deserialize<'de> for Bets<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = Vec::<Option<f64>>::deserialize(deserializer)?;
        let bets: Vec<f64> = read.into_iter().map(|b| b.unwrap_or(f64::NEG_INFINITY)).collect();
        let bets = bets.try_into().map_err(|bets: Vec<f64>| {
            D::Error::custom(format!("found {} bets, expected {K}", bets.len()))
        })?;
        Ok(Self(bets))
    }
}

/// What one bad and one good request say for a rate against a limit: [`lf_abs`]
/// with its logarithms taken once.
///
/// [`lf_abs`]: crate::domain::evidence::math::lf_abs
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::domain) struct LogOdds {
    bad: f64,
    good: f64,
}

impl LogOdds {
    /// Betting on the rate `bet` against `limit`, both in 0.0..1.0 exclusive.
    fn of(bet: f64, limit: f64) -> Self {
        Self { bad: (bet / limit).ln(), good: ((1.0 - bet) / (1.0 - limit)).ln() }
    }

    /// On worse than `limit`, by each of the [`SIZES`].
    pub(in crate::domain) fn worse(limit: f64) -> [Self; 6] {
        SIZES.map(|size| Self::of(tilt(limit, size), limit))
    }

    /// On better than `limit`, by each of the [`SIZES`].
    pub(in crate::domain) fn better(limit: f64) -> [Self; 6] {
        SIZES.map(|size| Self::of(tilt(limit, 1.0 / size), limit))
    }

    /// The log likelihood ratio of these counts, weakened by `dispersion >= 1`.
    pub(in crate::domain) fn factor(&self, Count { k, n }: Count, dispersion: f64) -> f64 {
        let k = k.min(n);
        (k as f64 * self.bad + (n - k) as f64 * self.good) / dispersion
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::evidence::math::lf_abs;

    #[test]
    fn log_odds_are_those_of_the_shared_formula() {
        for (k, n) in [(0, 0), (0, 7), (3, 60), (60, 60), (9, 4), (1_000_000, 1_000_000_000)] {
            for (s, r) in [(0.01, 1.5), (0.5, 200.0), (0.2, 1.0 / 40.0)] {
                let ours = LogOdds::of(tilt(s, r), s).factor(Count { k, n }, 1.3);
                let shared = lf_abs(k, n, s, tilt(s, r), 1.3);
                assert_eq!(ours.to_bits(), shared.to_bits(), "{k}/{n} {s} {r}");
            }
        }
    }

    #[test]
    fn minus_infinity_is_null_and_every_bit_comes_back() {
        let mut bets = Bets::<4>::NONE;
        assert_eq!(serde_json::to_string(&bets).unwrap(), "[null,null,null,null]");
        bets.update(Mass::of(0.3), |at| [0.1, -1e9, 1.0 / 3.0, 0.0][at]);
        bets.update(Mass::of(0.0), |_| -0.7);
        let text = serde_json::to_string(&bets).unwrap();
        assert_eq!(serde_json::from_str::<Bets<4>>(&text).unwrap(), bets);
        let short = serde_json::from_str::<Bets<4>>("[1,2]").unwrap_err().to_string();
        assert!(short.contains("found 2 bets, expected 4"), "{short}");
        assert!(!Bets([f64::NAN]).is_sound() && !Bets([f64::INFINITY]).is_sound());
    }

    #[test]
    fn nothing_staked_is_worth_the_reserve() {
        let none = Bets::<3>::NONE;
        assert!((none.log_value(Mass::of(0.25)) - 0.25_f64.ln()).abs() < 1e-15);
        assert!(none.log_value(Mass::of(0.0)) == f64::NEG_INFINITY);
    }
}
