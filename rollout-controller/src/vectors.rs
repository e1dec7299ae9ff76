//! Runs a file of test vectors against the evidence engine.
//!
//! The file has one list per formula and one of whole sequences of minutes
//! (`engine`), with the results a correct engine gives, under the settings in
//! its `config`.

use std::fmt::Write as _;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::domain::evidence::math::{Pair, dispersion_term, gate_limit, lf_abs, lf_rel, tilt};
use crate::domain::evidence::{
    ConfigError, Count, Engine, EvidenceConfig, Family, FamilyWeights, Judged, Tally, TallyMinute,
    interval, quantile,
};
use crate::domain::minute::{Edges, Histogram, Minute};
use crate::domain::weight::{Weight, WeightError};

/// Stages a rollout of the vectors has, where the file does not say.
const STAGES: u32 = 6;

/// Why a file could not be run.
#[derive(Debug, thiserror::Error)]
pub enum VectorsError {
    /// Not JSON.
    #[error("the file is not JSON")]
    Json(#[source] serde_json::Error),
    /// A part is missing or has another form.
    #[error("{at} does not have the expected form")]
    Form {
        /// Which part, like `engine[3]`.
        at: String,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// Not an object, an unknown list, no list at all.
    #[error("{at} {problem}")]
    Content {
        /// Which part.
        at: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The settings make no sense.
    #[error("the file's config makes no sense")]
    Config(#[source] ConfigError),
}

/// What became of one list of vectors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name in the file.
    pub name: String,
    /// Vectors that agree.
    pub passed: usize,
    /// One line for each vector that does not.
    pub failures: Vec<String>,
}

/// What became of a file of vectors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The lists in the order of the file's formulas.
    pub groups: Vec<Group>,
}

impl Outcome {
    /// Vectors that agree.
    pub fn passed(&self) -> usize {
        self.groups.iter().map(|group| group.passed).sum()
    }

    /// Vectors that do not.
    pub fn failed(&self) -> usize {
        self.groups.iter().map(|group| group.failures.len()).sum()
    }

    /// One line a group, its failures below, the sum on the last line.
    pub fn render(&self) -> String {
        let mut text = String::new();
        for Group {
            name,
            passed,
            failures,
        } in &self.groups
        {
            let _ = writeln!(text, "{name}: {passed} passed, {} failed", failures.len());
            for failure in failures {
                let _ = writeln!(text, "  {failure}");
            }
        }
        let _ = writeln!(text, "{} passed, {} failed", self.passed(), self.failed());
        text
    }
}

/// Runs every vector in the text of a file.
///
/// # Errors
/// [`VectorsError`] if the file is not of the expected form. A vector that does
/// not agree is no error: it is in the [`Outcome`].
pub fn run(text: &str) -> Result<Outcome, VectorsError> {
    let file: Value = serde_json::from_str(text).map_err(VectorsError::Json)?;
    let Value::Object(file) = file else {
        return Err(content("the file", "is not a JSON object"));
    };
    let config: Config = match file.get("config") {
        Some(config) => form("config", config)?,
        None => {
            return Err(content(
                "config",
                "is missing; it holds the settings of the vectors",
            ));
        }
    };
    let setup = config.setup()?;
    let groups: [(&str, &Checks<'_>); 8] = [
        ("tilt", &|v| {
            check(v, |c: Tilt| number("tilt", tilt(c.p, c.r), c.out))
        }),
        ("lf_abs", &|v| {
            check(v, |c: LfAbs| {
                number("lf_abs", lf_abs(c.k, c.n, c.s, c.p1, c.d), c.out)
            })
        }),
        ("lf_rel", &|v| check(v, LfRel::check)),
        ("dispersion_term", &|v| {
            check(v, |c: Term| c.check(setup.engine.config().dispersion_clip))
        }),
        ("gate_theta", &|v| {
            check(v, |c: Theta| {
                number("theta", gate_limit(c.s, c.w_next), c.out)
            })
        }),
        ("interval", &|v| check(v, IntervalCase::check)),
        ("quantile", &|v| check(v, QuantileCase::check)),
        ("engine", &|v| check(v, |c: EngineCase| c.check(&setup))),
    ];
    for (name, value) in &file {
        if value.is_array() && !groups.iter().any(|(known, _)| known == name) {
            return Err(content(
                name,
                "is a list of vectors for a formula unknown here",
            ));
        }
    }
    let mut outcome = Outcome { groups: Vec::new() };
    for (name, checks) in groups {
        let Some(cases) = file.get(name) else {
            continue;
        };
        let Value::Array(cases) = cases else {
            return Err(content(name, "is not a list"));
        };
        let mut group = Group {
            name: name.to_owned(),
            passed: 0,
            failures: Vec::new(),
        };
        for (index, case) in cases.iter().enumerate() {
            let at = format!("{name}[{index}]");
            match checks(case).map_err(|source| VectorsError::Form {
                at: at.clone(),
                source,
            })? {
                Ok(()) => group.passed += 1,
                Err(difference) => group.failures.push(format!("{at}: {difference}")),
            }
        }
        outcome.groups.push(group);
    }
    if outcome.groups.is_empty() {
        return Err(content("the file", "holds no list of vectors"));
    }
    Ok(outcome)
}

/// A vector read and compared: `Ok(Err(difference))` if it does not agree.
type Checked = Result<Result<(), String>, serde_json::Error>;
type Checks<'a> = dyn Fn(&Value) -> Checked + 'a;

fn check<C: DeserializeOwned>(
    value: &Value,
    compare: impl FnOnce(C) -> Result<(), String>,
) -> Checked {
    C::deserialize(value).map(compare)
}

fn form<T: DeserializeOwned>(at: &str, value: &Value) -> Result<T, VectorsError> {
    T::deserialize(value).map_err(|source| VectorsError::Form {
        at: at.to_owned(),
        source,
    })
}

fn content(at: &str, problem: &str) -> VectorsError {
    VectorsError::Content {
        at: at.to_owned(),
        problem: problem.to_owned(),
    }
}

/// 1e-6 of the larger, or 1e-9 absolute.
fn agrees(found: f64, expected: f64) -> bool {
    let off = (found - expected).abs();
    off <= 1e-9 || off <= 1e-6 * found.abs().max(expected.abs())
}

fn number(what: &str, found: f64, expected: f64) -> Result<(), String> {
    if agrees(found, expected) {
        return Ok(());
    }
    Err(format!("{what} is {found}, expected {expected}"))
}

/// As [`number`], where `null` means minus infinity or none.
fn maybe(what: &str, found: Option<f64>, expected: Option<f64>) -> Result<(), String> {
    match (found.filter(|x| x.is_finite()), expected) {
        (None, None) => Ok(()),
        (Some(found), Some(expected)) => number(what, found, expected),
        (found, expected) => {
            let text = |x: Option<f64>| x.map_or_else(|| "null".to_owned(), |x| x.to_string());
            Err(format!(
                "{what} is {}, expected {}",
                text(found),
                text(expected)
            ))
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tilt {
    p: f64,
    r: f64,
    out: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LfAbs {
    k: u64,
    n: u64,
    s: f64,
    p1: f64,
    #[serde(rename = "D")]
    d: f64,
    out: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LfRel {
    #[serde(rename = "kN")]
    k_new: u64,
    #[serde(rename = "nN")]
    n_new: u64,
    #[serde(rename = "kO")]
    k_old: u64,
    #[serde(rename = "nO")]
    n_old: u64,
    psi0: f64,
    delta: f64,
    psi1: f64,
    #[serde(rename = "D")]
    d: f64,
    out: f64,
}

impl LfRel {
    fn check(self) -> Result<(), String> {
        let Self {
            k_new,
            n_new,
            k_old,
            n_old,
            psi0,
            delta,
            psi1,
            d,
            out,
        } = self;
        let pair = Pair {
            k_new,
            n_new,
            k_old,
            n_old,
        };
        number("lf_rel", lf_rel(pair, psi0, delta, psi1, d), out)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Term {
    k1: u64,
    n1: u64,
    k0: u64,
    n0: u64,
    out: Option<f64>,
}

impl Term {
    fn check(self, clip: f64) -> Result<(), String> {
        let found = dispersion_term((self.k1, self.n1), (self.k0, self.n0), clip);
        maybe("dispersion term", found, self.out)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Theta {
    s: f64,
    w_next: f64,
    out: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IntervalCase {
    k: u64,
    n: u64,
    #[serde(rename = "D")]
    d: f64,
    a_ci: f64,
    lower: f64,
    upper: f64,
}

impl IntervalCase {
    fn check(self) -> Result<(), String> {
        let found = interval(self.k, self.n, self.d, self.a_ci);
        number("lower", found.low, self.lower)?;
        number("upper", found.high, self.upper)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct QuantileCase {
    edges: Edges,
    hist: Vec<u64>,
    q: f64,
    #[serde(rename = "D")]
    d: f64,
    a_ci: f64,
    lower: f64,
    point: Option<f64>,
    upper: Option<f64>,
}

impl QuantileCase {
    fn check(self) -> Result<(), String> {
        if self.hist.len() != self.edges.buckets() {
            let (edges, buckets) = (self.edges.as_ms().len(), self.hist.len());
            return Err(format!(
                "{edges} edges need one bucket more, there are {buckets}"
            ));
        }
        let histogram = Histogram::new(self.hist.iter().sum(), self.hist);
        let found = quantile(&self.edges, &histogram, self.q, self.d, self.a_ci);
        number("lower", found.low_ms, self.lower)?;
        maybe("point", found.point_ms, self.point)?;
        maybe("upper", found.high_ms, self.upper)
    }
}

/// The settings of the file, by its names. What it leaves out has the engine's
/// default.
#[derive(Deserialize)]
struct Config {
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
struct Setup {
    engine: Engine,
    stages: u32,
    /// The families in the order of the file's lists.
    families: [Family; 8],
}

impl Config {
    fn setup(self) -> Result<Setup, VectorsError> {
        if let Some(key) = self.rest.keys().find(|key| !key.contains("note")) {
            return Err(content(
                &format!("config.{key}"),
                "is a setting unknown here",
            ));
        }
        let mut families = Family::ALL;
        if let Some(names) = &self.families {
            for (slot, name) in families.iter_mut().zip(names) {
                *slot = Family::from_name(name).ok_or_else(|| {
                    content(
                        "config.families",
                        &format!("has {name:?}, which is no family"),
                    )
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
        let limits = self.slo.unwrap_or(crate::domain::Slo::default().limits());
        let engine = Engine::with_limits(config, limits).map_err(VectorsError::Config)?;
        Ok(Setup {
            engine,
            stages: self.stages.unwrap_or(STAGES),
            families,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EngineCase {
    name: String,
    stages: Option<u32>,
    ticks: Vec<Tick>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tick {
    weight: f64,
    next_weight: f64,
    new: Side,
    old: Side,
    expect: Expect,
}

/// Requests and latency samples, bad per metric, slow in the relative comparison.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Side {
    n: [u64; 2],
    k: [u64; 4],
    r: [u64; 3],
}

impl Side {
    fn tally(&self) -> Tally {
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
struct Expect {
    log_e: Option<f64>,
    log_e_family: [Option<f64>; 8],
    log_gate: [Option<f64>; 4],
    dispersion: [f64; 4],
    shared_incident: bool,
    verdict: String,
    lead: Option<String>,
}

impl EngineCase {
    fn check(self, setup: &Setup) -> Result<(), String> {
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
    fn check(&self, judged: &Judged, setup: &Setup) -> Result<(), String> {
        maybe("log_e", Some(judged.log_e), self.log_e)?;
        for (family, &expected) in setup.families.iter().zip(&self.log_e_family) {
            let found = judged.log_e_family[family.index()];
            maybe(&format!("log_e_family {family}"), Some(found), expected)?;
        }
        for (at, &expected) in self.log_gate.iter().enumerate() {
            maybe(
                &format!("log_gate[{at}]"),
                Some(judged.log_gates[at]),
                expected,
            )?;
        }
        for (at, &expected) in self.dispersion.iter().enumerate() {
            number(
                &format!("dispersion[{at}]"),
                judged.dispersion[at],
                expected,
            )?;
        }
        if judged.shared_incident() != self.shared_incident {
            let found = judged.shared_incident();
            return Err(format!(
                "shared_incident is {found}, expected {}",
                self.shared_incident
            ));
        }
        if judged.signal.name() != self.verdict {
            let found = judged.signal.name();
            return Err(format!("verdict is {found}, expected {}", self.verdict));
        }
        self.check_lead(judged, setup)
    }

    /// Two families that are equal to rounding may both be called the lead.
    fn check_lead(&self, judged: &Judged, setup: &Setup) -> Result<(), String> {
        let Some(name) = &self.lead else {
            return Ok(());
        };
        let weights = setup.engine.config().family_weights.to_array();
        let share = |f: Family| weights[f.index()].ln() + judged.log_e_family[f.index()];
        let ties = Family::from_name(name)
            .is_some_and(|expected| agrees(share(judged.lead), share(expected)));
        if ties {
            Ok(())
        } else {
            Err(format!("lead is {}, expected {name}", judged.lead))
        }
    }
}
