//! Runs a file of test vectors against the evidence engine.
//!
//! The file has one list per formula and one of whole sequences of minutes
//! (`engine`), with the results a correct engine gives, under the settings in
//! its `config`.

mod formulas;
mod minutes;

use std::fmt::Write as _;

use serde::de::DeserializeOwned;
use serde_json::Value;

use rollout_controller::domain::evidence::ConfigError;
use rollout_controller::domain::evidence::math::{gate_limit, lf_abs, tilt};

use formulas::{IntervalCase, LfAbs, LfRel, QuantileCase, Term, Theta, Tilt};
use minutes::{Config, EngineCase};

/// Why a file could not be run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VectorsError {
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
pub(crate) struct Group {
    /// Its name in the file.
    pub(crate) name: String,
    /// Vectors that agree.
    pub(crate) passed: usize,
    /// One line for each vector that does not.
    pub(crate) failures: Vec<String>,
}

/// What became of a file of vectors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// The lists in the order of the file's formulas.
    pub(crate) groups: Vec<Group>,
}

impl Outcome {
    /// Vectors that agree.
    pub(crate) fn passed(&self) -> usize {
        self.groups.iter().map(|group| group.passed).sum()
    }

    /// Vectors that do not.
    pub(crate) fn failed(&self) -> usize {
        self.groups.iter().map(|group| group.failures.len()).sum()
    }

    /// One line a group, its failures below, the sum on the last line.
    pub(crate) fn render(&self) -> String {
        let mut text = String::new();
        for Group { name, passed, failures } in &self.groups {
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
pub(crate) fn run(text: &str) -> Result<Outcome, VectorsError> {
    let file: Value = serde_json::from_str(text).map_err(VectorsError::Json)?;
    let Value::Object(file) = file else {
        return Err(content("the file", "is not a JSON object"));
    };
    let config: Config = match file.get("config") {
        Some(config) => form("config", config)?,
        None => {
            return Err(content("config", "is missing; it holds the settings of the vectors"));
        }
    };
    let setup = config.setup()?;
    let groups: [(&str, &Checks<'_>); 8] = [
        ("tilt", &|v| check(v, |c: Tilt| number("tilt", tilt(c.p, c.r), c.out))),
        ("lf_abs", &|v| {
            check(v, |c: LfAbs| number("lf_abs", lf_abs(c.k, c.n, c.s, c.p1, c.d), c.out))
        }),
        ("lf_rel", &|v| check(v, LfRel::check)),
        ("dispersion_term", &|v| {
            check(v, |c: Term| c.check(setup.engine.config().dispersion_clip))
        }),
        ("gate_theta", &|v| check(v, |c: Theta| number("theta", gate_limit(c.s, c.w_next), c.out))),
        ("interval", &|v| check(v, IntervalCase::check)),
        ("quantile", &|v| check(v, QuantileCase::check)),
        ("engine", &|v| check(v, |c: EngineCase| c.check(&setup))),
    ];
    for (name, value) in &file {
        if value.is_array() && !groups.iter().any(|(known, _)| known == name) {
            return Err(content(name, "is a list of vectors for a formula unknown here"));
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
        let mut group = Group { name: name.to_owned(), passed: 0, failures: Vec::new() };
        for (index, case) in cases.iter().enumerate() {
            let at = format!("{name}[{index}]");
            match checks(case).map_err(|source| VectorsError::Form { at: at.clone(), source })? {
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
    T::deserialize(value).map_err(|source| VectorsError::Form { at: at.to_owned(), source })
}

fn content(at: &str, problem: &str) -> VectorsError {
    VectorsError::Content { at: at.to_owned(), problem: problem.to_owned() }
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
            Err(format!("{what} is {}, expected {}", text(found), text(expected)))
        }
    }
}
