//! What can be set about the tests, and the check that it makes sense.

use serde::{Deserialize, Serialize};

use super::family::Family;
use crate::domain::minute::Edges;
use crate::domain::slo::{Metric, Slo};

/// How the false-alarm budget is split over the families. Must sum to 1.
///
/// A weight of 0 switches a family off. Default one eighth each.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "named after the families")]
pub struct FamilyWeights {
    pub abs_err: f64,
    pub abs_p50: f64,
    pub abs_p95: f64,
    pub abs_p99: f64,
    pub rel_err: f64,
    pub rel_p50: f64,
    pub rel_p95: f64,
    pub rel_p99: f64,
}

impl Default for FamilyWeights {
    fn default() -> Self {
        Self::from_array([0.125; 8])
    }
}

impl FamilyWeights {
    /// From an array in the order of [`Family::ALL`].
    pub const fn from_array(w: [f64; 8]) -> Self {
        let [abs_err, abs_p50, abs_p95, abs_p99, rel_err, rel_p50, rel_p95, rel_p99] = w;
        Self { abs_err, abs_p50, abs_p95, abs_p99, rel_err, rel_p50, rel_p95, rel_p99 }
    }

    /// As an array in the order of [`Family::ALL`].
    pub const fn to_array(self) -> [f64; 8] {
        [
            self.abs_err,
            self.abs_p50,
            self.abs_p95,
            self.abs_p99,
            self.rel_err,
            self.rel_p50,
            self.rel_p95,
            self.rel_p99,
        ]
    }
}

/// Everything that can be set about the evidence engine.
///
/// The defaults are those the false-alarm and delay tables were measured with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EvidenceConfig {
    /// Largest probability of ever rolling back a service that is fine, over
    /// the whole rollout. 0.0 to 0.5 exclusive. Default 0.01.
    pub alpha: f64,
    /// Largest probability of taking a step although a limit is violated
    /// throughout the stage. 0.0 to 0.5 exclusive. Default 0.01.
    pub beta: f64,
    /// Minutes with traffic after which half of the clock's prior mass is
    /// spent: how far ahead a fault is expected to begin. Default 60.
    pub horizon_ticks: f64,
    /// Share of the prior mass that goes to stage entries. 0.0 to 1.0
    /// exclusive. Default 0.5.
    pub entry_share: f64,
    /// How much worse than a limit the bets assume the new side to be, as odds
    /// ratios above 1, rising. Default 1.5, 2.5, 5, 12, 40, 200.
    pub odds: Vec<f64>,
    /// How the false-alarm budget is split.
    pub family_weights: FamilyWeights,
    /// While the old side breaks a limit too, the new side is excused if its
    /// rate is at most this many times the old one. Above 1. Default 1.25.
    pub guard_factor: f64,
    /// The old side can excuse the new one only with at least this many times
    /// its requests. Default 0.25.
    pub guard_min_ratio: f64,
    /// Errors may be this many times those of the old side. At least 1. Default 2.
    pub error_factor: f64,
    /// Plus this share of requests. 0.0 to 1.0. Default 0.001.
    pub error_margin: f64,
    /// Minutes with traffic that every stage takes at least, besides the entry
    /// minute. Default 3.
    pub min_gate_ticks: u32,
    /// Minutes with traffic at 100% before the rollout is complete. Default 30.
    pub bake_ticks: u32,
    /// Weight of the assumption that requests are independent, in pairs of
    /// minutes. Default 30.
    pub dispersion_prior: f64,
    /// Largest dispersion one pair of minutes can show. Default 9.
    pub dispersion_clip: f64,
    /// What the old side's recent rate keeps from one minute to the next.
    /// 0.0 to 1.0 exclusive. Default 0.98.
    pub baseline_decay: f64,
    /// Requests at the limit that the old side's rate starts from. Default 50.
    pub baseline_prior: f64,
    /// Most that one minute adds to each bet against the new side, in nats, one
    /// entry per entry of `odds`. Default: 4 for odds below 40, else
    /// `ln(1/alpha) + ln 8`.
    pub breach_caps: Option<Vec<f64>>,
    /// Most that one minute adds to each bet for the new side. Default:
    /// `ln(1/alpha) + ln 8` throughout.
    pub gate_caps: Option<Vec<f64>>,
    /// Odds ratio of the old side's own alarm. Above 1. Default 2.5.
    pub incident_odds: f64,
    /// Height at which the old side's alarm is on, in nats. Default ln 100.
    pub incident_on: f64,
    /// Most height that alarm can gather. Default 2 ln 100.
    pub incident_cap: f64,
    /// Bounds between latency buckets, milliseconds. Must contain the limits.
    pub edges_ms: Edges,
}

/// `ln 100`.
const LN_100: f64 = 4.605_170_185_988_092;

impl Default for EvidenceConfig {
    fn default() -> Self {
        Self {
            alpha: 0.01,
            beta: 0.01,
            horizon_ticks: 60.0,
            entry_share: 0.5,
            odds: vec![1.5, 2.5, 5.0, 12.0, 40.0, 200.0],
            family_weights: FamilyWeights::default(),
            guard_factor: 1.25,
            guard_min_ratio: 0.25,
            error_factor: 2.0,
            error_margin: 0.001,
            min_gate_ticks: 3,
            bake_ticks: 30,
            dispersion_prior: 30.0,
            dispersion_clip: 9.0,
            baseline_decay: 0.98,
            baseline_prior: 50.0,
            breach_caps: None,
            gate_caps: None,
            incident_odds: 2.5,
            incident_on: LN_100,
            incident_cap: 2.0 * LN_100,
            edges_ms: Edges::default(),
        }
    }
}

/// A setting that makes no sense. Names the field, the value and the fix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} is {found}; {fix}")]
pub struct ConfigError {
    /// The field, as written in the configuration, below its table.
    pub field: String,
    /// The value found there.
    pub found: String,
    /// What to write instead.
    pub fix: String,
}

impl ConfigError {
    fn new(field: impl Into<String>, found: &impl ToString, fix: impl Into<String>) -> Self {
        Self { field: field.into(), found: found.to_string(), fix: fix.into() }
    }
}

fn require(good: bool, field: &str, found: f64, fix: &str) -> Result<(), ConfigError> {
    if good && found.is_finite() { Ok(()) } else { Err(ConfigError::new(field, &found, fix)) }
}

pub(super) fn inside(field: &str, found: f64, low: f64, high: f64) -> Result<(), ConfigError> {
    let fix = format!("give a number above {low} and below {high}");
    require(found > low && found < high, field, found, &fix)
}

impl EvidenceConfig {
    /// Most that one minute adds to each bet against the new side, in nats.
    pub fn breach_caps(&self) -> Vec<f64> {
        let severe = self.severe_cap();
        let default = || self.odds.iter().map(|&r| if r < 40.0 { 4.0 } else { severe }).collect();
        self.breach_caps.clone().unwrap_or_else(default)
    }

    /// Most that one minute adds to each bet for the new side, in nats.
    pub fn gate_caps(&self) -> Vec<f64> {
        self.gate_caps.clone().unwrap_or_else(|| vec![self.severe_cap(); self.odds.len()])
    }

    /// One minute of total failure brings a single family of eight just to the
    /// threshold, so that a second one is needed.
    fn severe_cap(&self) -> f64 {
        (1.0 / self.alpha).ln() + 8.0_f64.ln()
    }

    /// Checks the settings by themselves, without the objectives.
    ///
    /// # Errors
    /// [`ConfigError`] for the first setting that makes no sense.
    pub fn check(&self) -> Result<(), ConfigError> {
        inside("alpha", self.alpha, 0.0, 0.5)?;
        inside("beta", self.beta, 0.0, 0.5)?;
        let positive = "give a number above 0";
        require(self.horizon_ticks > 0.0, "horizon_ticks", self.horizon_ticks, positive)?;
        inside("entry_share", self.entry_share, 0.0, 1.0)?;
        self.check_odds_and_caps()?;
        self.check_family_weights()?;
        let above_one = "give a number above 1";
        require(self.guard_factor > 1.0, "guard_factor", self.guard_factor, above_one)?;
        let not_negative = "give 0 or more";
        require(
            self.guard_min_ratio >= 0.0,
            "guard_min_ratio",
            self.guard_min_ratio,
            not_negative,
        )?;
        let one_or_more = "give 1 or more";
        require(self.error_factor >= 1.0, "error_factor", self.error_factor, one_or_more)?;
        let share = "give a share of requests, 0 to 1";
        require((0.0..1.0).contains(&self.error_margin), "error_margin", self.error_margin, share)?;
        if self.min_gate_ticks == 0 {
            return Err(ConfigError::new("min_gate_ticks", &0, "give at least 1 minute"));
        }
        if self.bake_ticks < self.min_gate_ticks {
            let fix = format!("give at least min_gate_ticks, {}", self.min_gate_ticks);
            return Err(ConfigError::new("bake_ticks", &self.bake_ticks, fix));
        }
        require(self.dispersion_prior > 0.0, "dispersion_prior", self.dispersion_prior, positive)?;
        require(self.dispersion_clip >= 1.0, "dispersion_clip", self.dispersion_clip, one_or_more)?;
        inside("baseline_decay", self.baseline_decay, 0.0, 1.0)?;
        require(self.baseline_prior > 0.0, "baseline_prior", self.baseline_prior, positive)?;
        require(self.incident_odds > 1.0, "incident_odds", self.incident_odds, above_one)?;
        require(self.incident_on > 0.0, "incident_on", self.incident_on, positive)?;
        require(
            self.incident_cap >= self.incident_on,
            "incident_cap",
            self.incident_cap,
            "give at least incident_on",
        )
    }

    fn check_odds_and_caps(&self) -> Result<(), ConfigError> {
        if self.odds.is_empty() || self.odds.len() > 32 {
            return Err(ConfigError::new(
                "odds",
                &format!("a list of {}", self.odds.len()),
                "give 1 to 32 odds ratios",
            ));
        }
        let mut below = 1.0;
        for (i, &r) in self.odds.iter().enumerate() {
            require(r > below, &format!("odds[{i}]"), r, "odds must be above 1 and rise")?;
            below = r;
        }
        for (field, caps) in [("breach_caps", &self.breach_caps), ("gate_caps", &self.gate_caps)] {
            let Some(caps) = caps else { continue };
            if caps.len() != self.odds.len() {
                let fix = format!("give one cap for each of the {} odds", self.odds.len());
                return Err(ConfigError::new(field, &format!("a list of {}", caps.len()), fix));
            }
            for (i, &cap) in caps.iter().enumerate() {
                require(cap > 0.0, &format!("{field}[{i}]"), cap, "give a number above 0")?;
            }
        }
        Ok(())
    }

    fn check_family_weights(&self) -> Result<(), ConfigError> {
        let weights = self.family_weights.to_array();
        for (family, &w) in Family::ALL.iter().zip(&weights) {
            let field = format!("family_weights.{family}");
            require((0.0..=1.0).contains(&w), &field, w, "give a share of the budget, 0 to 1")?;
        }
        let sum: f64 = weights.iter().sum();
        if (sum - 1.0).abs() > 1e-6 {
            return Err(ConfigError::new(
                "family_weights",
                &format!("a list that sums to {sum}"),
                "make the eight weights sum to 1",
            ));
        }
        Ok(())
    }

    /// Checks that the objectives make sense and that the histogram can tell
    /// whether they are kept.
    ///
    /// # Errors
    /// [`ConfigError`] for the first limit that does not.
    pub fn check_slo(&self, slo: &Slo) -> Result<(), ConfigError> {
        inside("slo.max_error_ratio", slo.max_error_ratio, 0.0, 1.0)?;
        let mut below = 0.0;
        for metric in Metric::LATENCY {
            let field = format!("slo.{}_ms", metric.name());
            let limit = slo.limit_ms(metric).unwrap_or(f64::NAN);
            let fix = "give milliseconds, rising from P50 to P99";
            require(limit > 0.0 && limit >= below, &field, limit, fix)?;
            if self.edges_ms.position(limit).is_none() {
                let fix = format!("use one of edges_ms ({}) or add it there", self.near(limit));
                return Err(ConfigError::new(field, &limit, fix));
            }
            below = limit;
        }
        Ok(())
    }

    /// The edges around a latency, for an error message.
    fn near(&self, limit_ms: f64) -> String {
        let edges = self.edges_ms.as_ms();
        let at = self.edges_ms.bucket_of(limit_ms);
        let around = at.saturating_sub(1)..(at + 1).min(edges.len());
        edges[around].iter().map(f64::to_string).collect::<Vec<_>>().join(" or ")
    }
}
