//! The five settings that a person on call sees.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::{Serialize, Serializer};

use crate::domain::evidence::{ConfigError, EvidenceConfig};
use crate::domain::minute::Edges;
use crate::domain::slo::Slo;

use super::gates::LEAST_TICKS;

/// Largest relative margin, in edges: about 6.3 times as slow. Wider, and the
/// comparison says nothing any more.
pub(super) const WIDEST_MARGIN: u8 = 8;
/// Longest burst that is forgiven, in minutes: the window of the consistency rule.
pub(super) const LONGEST_BURST: u8 = 15;
/// A day. A bake that is longer protects no more than an alarm does.
const LONGEST_BAKE: u32 = 1440;

/// What can be set about the engine. Everything else is a constant with its reason.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Largest probability of ever rolling back a version whose minutes are all
    /// good. 0.0 to 0.5 exclusive. Default 0.01.
    pub alpha: f64,
    /// Largest probability that a version which breaks a limit throughout the
    /// bake leaves it for 100%. 0.0 to 0.5 exclusive. Default 0.01.
    pub beta: f64,
    /// How much slower than the old side counts as worse, in edges of the
    /// histogram (one edge is about 1.26 times), 1 to 8. Default `auto`: what the
    /// old side's last day shows about itself.
    pub relative_margin: Preset,
    /// Bursts of up to so many minutes are not held against the new side more
    /// than one bad minute is, 1 to 15. Default `auto`: what recurs in the old
    /// side's last day.
    pub burst_tolerance: Preset,
    /// Minutes of comparison at the last share at which the old side has traffic,
    /// 2 to 1440. Default 30: excludes, at 99%, faults in more than one minute in 7.
    pub bake_minutes: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            alpha: 0.01,
            beta: 0.01,
            relative_margin: Preset::Auto,
            burst_tolerance: Preset::Auto,
            bake_minutes: 30,
        }
    }
}

impl Settings {
    /// Checks the settings, and that the histogram can tell whether the
    /// objectives are kept.
    ///
    /// # Errors
    /// [`ConfigError`] for the first field that makes no sense.
    pub fn check(&self, slo: &Slo, edges: &Edges) -> Result<(), ConfigError> {
        let shared = EvidenceConfig {
            alpha: self.alpha,
            beta: self.beta,
            edges_ms: edges.clone(),
            ..EvidenceConfig::default()
        };
        shared.check()?;
        shared.check_slo(slo)?;
        self.relative_margin.check("relative_margin", "edges", WIDEST_MARGIN)?;
        self.burst_tolerance.check("burst_tolerance", "minutes", LONGEST_BURST)?;
        if !(LEAST_TICKS..=LONGEST_BAKE).contains(&self.bake_minutes) {
            return Err(ConfigError {
                field: "bake_minutes".to_owned(),
                found: self.bake_minutes.to_string(),
                fix: format!("give {LEAST_TICKS} to {LONGEST_BAKE} minutes"),
            });
        }
        Ok(())
    }

    /// `ln(1/alpha)`: where evidence against the new side means rollback.
    pub fn rollback_threshold(&self) -> f64 {
        -self.alpha.ln()
    }

    /// `ln(1/beta)`: where evidence for a step is full proof.
    pub fn proof_threshold(&self) -> f64 {
        -self.beta.ln()
    }
}

/// A number that is set, or left to the old side's history. Written `"auto"` or `2`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preset {
    /// Chosen from the old side's last day.
    #[default]
    Auto,
    /// Set by a person.
    Fixed(u8),
}

impl Preset {
    fn check(self, field: &str, unit: &str, most: u8) -> Result<(), ConfigError> {
        match self {
            Self::Auto => Ok(()),
            Self::Fixed(set) if (1..=most).contains(&set) => Ok(()),
            Self::Fixed(set) => Err(ConfigError {
                field: field.to_owned(),
                found: set.to_string(),
                fix: format!("give 1 to {most} {unit}, or \"auto\""),
            }),
        }
    }

    /// The number set, or what history says.
    pub(super) fn or(self, history: impl FnOnce() -> u8) -> u8 {
        match self {
            Self::Auto => history(),
            Self::Fixed(set) => set,
        }
    }
}

impl Serialize for Preset {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str("auto"),
            Self::Fixed(set) => serializer.serialize_u8(*set),
        }
    }
}

impl<'de> Deserialize<'de> for Preset {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AutoOrNumber;
        impl Visitor<'_> for AutoOrNumber {
            type Value = Preset;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"auto\" or a whole number from 1 to 15")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Preset, E> {
                match text {
                    "auto" => Ok(Preset::Auto),
                    _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Preset, E> {
                u8::try_from(number)
                    .map(Preset::Fixed)
                    .map_err(|_| E::invalid_value(de::Unexpected::Unsigned(number), &self))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Preset, E> {
                u8::try_from(number)
                    .map(Preset::Fixed)
                    .map_err(|_| E::invalid_value(de::Unexpected::Signed(number), &self))
            }
        }
        deserializer.deserialize_any(AutoOrNumber)
    }
}
