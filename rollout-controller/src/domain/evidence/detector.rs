//! A mixture of bets over their size and their start, kept as log masses.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::math::log_sum_exp;

/// What each bet of a mixture is worth, as logarithms; minus infinity before
/// any mass was put on it. In JSON minus infinity is `null`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Masses(Vec<f64>);

impl Masses {
    /// Nothing staked yet on `cells` bets.
    pub(super) fn none(cells: usize) -> Self {
        Self(vec![f64::NEG_INFINITY; cells])
    }

    /// How many bets it holds.
    pub(super) fn cells(&self) -> usize {
        self.0.len()
    }

    /// Stakes `injected` more prior mass, evenly, then multiplies each bet by
    /// its factor of this minute, `log_factors`, each capped from above.
    ///
    /// Capping from above keeps the guarantee and means that no single minute
    /// decides.
    pub(super) fn update(
        &mut self,
        injected: f64,
        log_factors: impl Iterator<Item = f64>,
        caps: &[f64],
    ) {
        let stake = (injected / self.0.len() as f64).ln();
        for ((mass, factor), cap) in self.0.iter_mut().zip(log_factors).zip(caps) {
            *mass = log_sum_exp([*mass, stake]) + factor.min(*cap);
        }
    }

    /// The logarithm of the mixture, with `reserve` not staked yet.
    pub(super) fn log_value(&self, reserve: f64) -> f64 {
        log_sum_exp(self.0.iter().copied().chain([reserve.ln()]))
    }

    /// Whether every entry is a number below plus infinity.
    pub(super) fn is_sound(&self) -> bool {
        self.0.iter().all(|m| !m.is_nan() && *m < f64::INFINITY)
    }
}

impl Serialize for Masses {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|&m| m.is_finite().then_some(m)))
    }
}

impl<'de> Deserialize<'de> for Masses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = Vec::<Option<f64>>::deserialize(deserializer)?;
        Ok(Self(read.into_iter().map(|m| m.unwrap_or(f64::NEG_INFINITY)).collect()))
    }
}

/// When a fault may begin, as prior mass over data ticks.
///
/// A share of it falls off as `H/(H+t)`, the rest goes to stage entries, where
/// bugs appear. The whole sums to 1, so the guarantee is about the whole
/// rollout and not about an average run length.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prior {
    /// `H`, in data ticks.
    pub(crate) horizon: f64,
    /// Share of the mass that goes to stage entries.
    pub(crate) entry_share: f64,
}

impl Prior {
    fn remaining(self, ticks: u64) -> f64 {
        self.horizon / (self.horizon + ticks as f64)
    }

    /// Mass that tick number `tick` (from 0) puts down by the clock alone.
    fn at_tick(self, tick: u64) -> f64 {
        (1.0 - self.entry_share) * (self.remaining(tick) - self.remaining(tick + 1))
    }

    /// Mass that the entry of one of `stages` stages puts down.
    fn at_entry(self, stages: u32) -> f64 {
        self.entry_share / f64::from(stages)
    }

    /// Mass for faults that begin in the next tick, and counts it: by the clock, and by the
    /// entry that is pending, of which `stages` are planned.
    pub(crate) fn inject(
        self,
        ticks: &mut u64,
        entered: &mut u32,
        entry_pending: &mut bool,
        stages: u32,
    ) -> f64 {
        let mut injected = self.at_tick(*ticks);
        if std::mem::take(entry_pending) && *entered < stages {
            injected += self.at_entry(stages);
            *entered += 1;
        }
        *ticks += 1;
        injected
    }

    /// Mass that tick number `tick` (from 0) of a gate puts down: the first is its entry.
    pub(crate) fn at_gate(self, tick: u32) -> f64 {
        let injected = self.at_tick(u64::from(tick));
        if tick == 0 { injected + self.entry_share } else { injected }
    }

    /// Mass left after `ticks` ticks and `entered` of `stages` entries.
    pub(crate) fn left(self, ticks: u64, entered: u32, stages: u32) -> f64 {
        let unentered = 1.0 - f64::from(entered) / f64::from(stages);
        self.entry_share * unentered + (1.0 - self.entry_share) * self.remaining(ticks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prior_sums_to_one_whenever_stages_are_entered() {
        let prior = Prior { horizon: 60.0, entry_share: 0.5 };
        let stages = 6;
        let (mut injected, mut entered) = (0.0, 0);
        for tick in 0..5000 {
            injected += prior.at_tick(tick);
            if tick % 700 == 0 && entered < stages {
                injected += prior.at_entry(stages);
                entered += 1;
            }
            let whole = injected + prior.left(tick + 1, entered, stages);
            assert!((whole - 1.0).abs() < 1e-12, "tick {tick}: {whole}");
        }
    }

    #[test]
    fn one_minute_adds_no_more_than_the_cap_and_minus_infinity_is_null() {
        let mut masses = Masses::none(2);
        assert_eq!(serde_json::to_string(&masses).unwrap(), "[null,null]");
        masses.update(1.0, [1e6, -1.0].into_iter(), &[4.0, 4.0]);
        let half = 0.5_f64.ln();
        assert!((masses.0[0] - (half + 4.0)).abs() < 1e-12);
        assert!((masses.0[1] - (half - 1.0)).abs() < 1e-12);
        let text = serde_json::to_string(&Masses::none(3)).unwrap();
        assert_eq!(serde_json::from_str::<Masses>(&text).unwrap(), Masses::none(3));
        assert!(!Masses(vec![f64::NAN]).is_sound() && !Masses(vec![f64::INFINITY]).is_sound());
    }
}
