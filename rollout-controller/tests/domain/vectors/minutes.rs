//! Whole sequences of minutes, under the settings of the file.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{VectorsError, agrees, content, maybe, number};
use rollout_controller::domain::evidence::{
    Count, Engine, EvidenceConfig, Family, FamilyWeights, Judged, Tally, TallyMinute,
};
use rollout_controller::domain::minute::Minute;
use rollout_controller::domain::slo::Slo;
use rollout_controller::domain::weight::{Weight, WeightError};

/// Stages a rollout of the vectors has, where the file does not say.
const STAGES: u32 = 6;

/// The settings of the file, by its names. What it leaves out has the engine's
/// default.
#[derive(Deserialize)]
pub(super) struct Config {
    slo: Option<[f64; 4]>,
    r: Option<Vec<f64>>,
    alpha: Option<f64>,
    beta: Option<f64>,
    horizon: Option<f64>,
    stage_mass: Option<f64>,
    stages: Option<u32>,
    psi_guard: Option<f64>,
    guard_ratio: Option<f64>,
    psi_err: Option<f64>,
    delta_err: Option<f64>,
    min_ticks: Option<u32>,
    disp_n0: Option<f64>,
    disp_clip: Option<f64>,
    decay: Option<f64>,
    ew0: Option<f64>,
    cap_rollback: Option<Vec<f64>>,
    cap_gate: Option<Vec<f64>>,
    incident_cap: Option<f64>,
    family_weights: Option<[f64; 8]>,
    families: Option<[String; 8]>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// An engine under the file's settings.
pub(super) struct Setup {
    pub(super) engine: Engine,
    stages: u32,
    /// The families in the order of the file's lists.
    families: [Family; 8],
}

impl Config {
    pub(super) fn setup(self) -> Result<Setup, VectorsError> {
        if let Some(key) = self.rest.keys().find(|key| !key.contains("note")) {
            return Err(content(&format!("config.{key}"), "is a setting unknown here"));
        }
        let mut families = Family::ALL;
        if let Some(names) = &self.families {
            for (slot, name) in families.iter_mut().zip(names) {
                *slot = Family::from_name(name).ok_or_else(|| {
                    content("config.families", &format!("has {name:?}, which is no family"))
                })?;
            }
            if let Some(missing) = Family::ALL.into_iter().find(|f| !families.contains(f)) {
                return Err(content("config.families", &format!("lacks {missing}")));
            }
        }
        let default = EvidenceConfig::default();
        let mut weights = default.family_weights.to_array();
        for (family, weight) in families.iter().zip(self.family_weights.unwrap_or(weights)) {
            weights[family.index()] = weight;
        }
        let incident_cap = self.incident_cap.unwrap_or(default.incident_cap);
        let config = EvidenceConfig {
            alpha: self.alpha.unwrap_or(default.alpha),
            beta: self.beta.unwrap_or(default.beta),
            horizon_ticks: self.horizon.unwrap_or(default.horizon_ticks),
            entry_share: self.stage_mass.unwrap_or(default.entry_share),
            odds: self.r.unwrap_or(default.odds),
            family_weights: FamilyWeights::from_array(weights),
            guard_factor: self.psi_guard.unwrap_or(default.guard_factor),
            guard_min_ratio: self.guard_ratio.unwrap_or(default.guard_min_ratio),
            error_factor: self.psi_err.unwrap_or(default.error_factor),
            error_margin: self.delta_err.unwrap_or(default.error_margin),
            min_gate_ticks: self.min_ticks.unwrap_or(default.min_gate_ticks),
            bake_ticks: default.bake_ticks.max(self.min_ticks.unwrap_or(0)),
            dispersion_prior: self.disp_n0.unwrap_or(default.dispersion_prior),
            dispersion_clip: self.disp_clip.unwrap_or(default.dispersion_clip),
            baseline_decay: self.decay.unwrap_or(default.baseline_decay),
            baseline_prior: self.ew0.unwrap_or(default.baseline_prior),
            breach_caps: self.cap_rollback,
            gate_caps: self.cap_gate,
            incident_cap,
            incident_on: default.incident_on.min(incident_cap),
            incident_odds: default.incident_odds,
            edges_ms: default.edges_ms,
        };
        let limits = self.slo.unwrap_or(Slo::default().limits());
        let engine = Engine::with_limits(config, limits).map_err(VectorsError::Config)?;
        Ok(Setup { engine, stages: self.stages.unwrap_or(STAGES), families })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EngineCase {
    name: String,
    stages: Option<u32>,
    ticks: Vec<Tick>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tick {
    weight: f64,
    next_weight: f64,
    new: Side,
    old: Side,
    expect: Expect,
}

/// Requests and latency samples, bad per metric, slow in the relative comparison.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Side {
    n: [u64; 2],
    k: [u64; 4],
    r: [u64; 3],
}

impl Side {
    pub(super) fn tally(&self) -> Tally {
        let [requests, samples] = self.n;
        let count = |k: u64, n: u64| Count { k: k.min(n), n };
        let [errors, p50, p95, p99] = self.k;
        Tally {
            requests,
            counts: [
                count(errors, requests),
                count(p50, samples),
                count(p95, samples),
                count(p99, samples),
            ],
            relative: self.r.map(|k| count(k, samples)),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expect {
    log_e: Option<f64>,
    log_e_family: [Option<f64>; 8],
    log_gate: [Option<f64>; 4],
    dispersion: [f64; 4],
    shared_incident: bool,
    verdict: String,
    lead: Option<String>,
}

impl EngineCase {
    pub(super) fn check(self, setup: &Setup) -> Result<(), String> {
        let named = |problem: String| format!("{}: {problem}", self.name);
        let mut evidence = setup.engine.start(self.stages.unwrap_or(setup.stages));
        for (minute, tick) in (0..).zip(&self.ticks) {
            let at = |problem: String| named(format!("minute {minute}: {problem}"));
            let now = TallyMinute {
                minute: Minute(minute),
                weight: weight(tick.weight).map_err(|e| at(e.to_string()))?,
                old: tick.old.tally(),
                new: tick.new.tally(),
            };
            let judged = setup
                .engine
                .fold(&mut evidence, &now, tick.next_weight)
                .map_err(|e| at(e.to_string()))?;
            tick.expect.check(&judged, setup).map_err(at)?;
        }
        Ok(())
    }
}

fn weight(share: f64) -> Result<Weight, WeightError> {
    Weight::from_percent(share * 100.0)
}

impl Expect {
    pub(super) fn check(&self, judged: &Judged, setup: &Setup) -> Result<(), String> {
        maybe("log_e", Some(judged.log_e), self.log_e)?;
        for (family, &expected) in setup.families.iter().zip(&self.log_e_family) {
            let found = judged.log_e_family[family.index()];
            maybe(&format!("log_e_family {family}"), Some(found), expected)?;
        }
        for (at, &expected) in self.log_gate.iter().enumerate() {
            maybe(&format!("log_gate[{at}]"), Some(judged.log_gates[at]), expected)?;
        }
        for (at, &expected) in self.dispersion.iter().enumerate() {
            number(&format!("dispersion[{at}]"), judged.dispersion[at], expected)?;
        }
        if judged.shared_incident() != self.shared_incident {
            let found = judged.shared_incident();
            return Err(format!("shared_incident is {found}, expected {}", self.shared_incident));
        }
        if judged.signal.name() != self.verdict {
            let found = judged.signal.name();
            return Err(format!("verdict is {found}, expected {}", self.verdict));
        }
        self.check_lead(judged, setup)
    }

    /// Two families that are equal to rounding may both be called the lead.
    pub(super) fn check_lead(&self, judged: &Judged, setup: &Setup) -> Result<(), String> {
        let Some(name) = &self.lead else {
            return Ok(());
        };
        let weights = setup.engine.config().family_weights.to_array();
        let share = |f: Family| weights[f.index()].ln() + judged.log_e_family[f.index()];
        let ties = Family::from_name(name)
            .is_some_and(|expected| agrees(share(judged.lead), share(expected)));
        if ties { Ok(()) } else { Err(format!("lead is {}, expected {name}", judged.lead)) }
    }
}
