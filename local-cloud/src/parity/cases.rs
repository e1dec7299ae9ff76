//! The recorded cases: `cases.json` beside its `seed.sql`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};

/// A directory with recorded cases.
#[derive(Clone, Debug, Deserialize)]
pub struct Suite {
    /// Settings of every case.
    pub environment: Map<String, Value>,
    /// The cases, in the order of the file.
    pub cases: Vec<Case>,
    /// Where `seed.sql` is.
    #[serde(skip)]
    pub seed: PathBuf,
}

/// Requests to one fresh database.
#[derive(Clone, Debug, Deserialize)]
pub struct Case {
    /// Short name, unique in the suite.
    pub name: String,
    /// What it is about.
    pub about: String,
    /// Settings on top of the suite's.
    #[serde(default)]
    pub settings: Map<String, Value>,
    /// Whether rows of the analytics table are listed.
    #[serde(default)]
    pub analytics: bool,
    /// The requests, in order.
    pub steps: Vec<Step>,
}

/// One request with everything that came of it.
#[derive(Clone, Debug, Deserialize)]
pub struct Step {
    /// The ALB event.
    pub event: Value,
    /// The answer.
    pub response: Value,
    /// Rows per table.
    #[serde(default)]
    pub writes: BTreeMap<String, Change>,
}

/// Rows that a step added and removed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// Rows that are there only after the step.
    #[serde(default)]
    pub added: Vec<Value>,
    /// Rows that are there only before the step.
    #[serde(default)]
    pub gone: Vec<Value>,
}

impl Suite {
    /// Reads `cases.json` of a directory.
    ///
    /// # Errors
    /// Names the file and what is wrong with it.
    pub fn read(directory: &Path) -> anyhow::Result<Self> {
        use anyhow::Context;
        let file = directory.join("cases.json");
        let text = std::fs::read_to_string(&file)
            .with_context(|| format!("reading {}", file.display()))?;
        let mut suite: Self =
            serde_json::from_str(&text).with_context(|| format!("reading {}", file.display()))?;
        suite.seed = directory.join("seed.sql");
        anyhow::ensure!(
            suite.seed.is_file(),
            "{} is missing; it belongs beside cases.json",
            suite.seed.display()
        );
        anyhow::ensure!(!suite.cases.is_empty(), "{} holds no cases", file.display());
        Ok(suite)
    }

    /// Whether a case turns the rate limit on, which takes a Redis.
    pub fn limits_rate(&self, case: &Case) -> bool {
        self.variables(case)
            .get("RATELIMIT_ENABLE")
            .is_some_and(|value| value != "false")
    }

    /// The settings of a case as environment variables; what is null is left out.
    pub fn variables(&self, case: &Case) -> BTreeMap<String, String> {
        let mut settings = self.environment.clone();
        settings.extend(case.settings.clone());
        settings
            .into_iter()
            .filter_map(|(name, value)| match value {
                Value::Null => None,
                Value::String(text) => Some((name, text)),
                other => Some((name, other.to_string())),
            })
            .collect()
    }
}
