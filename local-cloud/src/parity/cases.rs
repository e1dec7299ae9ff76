//! The recorded cases: `cases.json` beside its `seed.sql`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// A directory with recorded cases.
#[derive(Clone, Debug)]
pub struct Suite {
    /// Settings of every case.
    pub environment: Map<String, Value>,
    /// The cases, in the order of the file; one that cannot be read does not
    /// keep the others from being tried.
    pub cases: Vec<Result<Case, Unreadable>>,
    /// Where `seed.sql` is.
    pub seed: PathBuf,
}

/// What `cases.json` has to be for anything to be tried.
#[derive(Deserialize)]
struct File {
    #[serde(default, deserialize_with = "null_is_default")]
    environment: Map<String, Value>,
    cases: Vec<Value>,
}

/// A case of a form that is not known.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the case cannot be read: {why}")]
pub struct Unreadable {
    /// Its name, or its number in the file from 1.
    pub name: String,
    /// The field and what is wrong with it.
    pub why: String,
}

/// Requests to one fresh database.
#[derive(Clone, Debug, Deserialize)]
pub struct Case {
    /// Short name, unique in the suite.
    pub name: String,
    /// What it is about; maybe nothing.
    #[serde(default, deserialize_with = "null_is_default")]
    pub about: String,
    /// Settings on top of the suite's.
    #[serde(default, deserialize_with = "null_is_default")]
    pub settings: Map<String, Value>,
    /// Whether rows of the analytics table are listed.
    #[serde(default, deserialize_with = "null_is_default")]
    pub analytics: bool,
    /// The requests, in order; at least one.
    pub steps: Vec<Step>,
}

/// One request with everything that came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Step {
    /// The ALB event.
    pub event: Value,
    /// The answer.
    pub response: Value,
    /// Rows per table.
    #[serde(default, deserialize_with = "nulls_are_default")]
    pub writes: BTreeMap<String, Change>,
}

/// Rows that a step added and removed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// Rows that are there only after the step.
    #[serde(default, deserialize_with = "null_is_default")]
    pub added: Vec<Value>,
    /// Rows that are there only before the step.
    #[serde(default, deserialize_with = "null_is_default")]
    pub gone: Vec<Value>,
}

/// A null where a field could have been left out says the same.
fn null_is_default<'de, D, T>(from: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

fn nulls_are_default<'de, D>(from: D) -> Result<BTreeMap<String, Change>, D::Error>
where
    D: Deserializer<'de>,
{
    let tables: BTreeMap<String, Option<Change>> = null_is_default(from)?;
    Ok(tables.into_iter().map(|(table, change)| (table, change.unwrap_or_default())).collect())
}

impl Case {
    fn read(number: usize, value: &Value) -> Result<Self, Unreadable> {
        let unreadable = |why: String| Unreadable {
            name: value["name"].as_str().map_or_else(|| format!("case {number}"), str::to_owned),
            why,
        };
        let case = Self::deserialize(value).map_err(|error| unreadable(error.to_string()))?;
        if case.steps.is_empty() {
            // It would pass whatever the function does.
            return Err(unreadable("steps: none are there".to_owned()));
        }
        Ok(case)
    }
}

impl Suite {
    /// Reads `cases.json` of a directory.
    ///
    /// # Errors
    /// Names the file and what is wrong with it, unless it is only in one case.
    pub fn read(directory: &Path) -> anyhow::Result<Self> {
        use anyhow::Context;
        let file = directory.join("cases.json");
        let text = std::fs::read_to_string(&file)
            .with_context(|| format!("reading {}", file.display()))?;
        let read: File =
            serde_json::from_str(&text).with_context(|| format!("reading {}", file.display()))?;
        let suite = Self {
            environment: read.environment,
            cases: (1..)
                .zip(&read.cases)
                .map(|(number, value)| Case::read(number, value))
                .collect(),
            seed: directory.join("seed.sql"),
        };
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
        self.variables(case).get("RATELIMIT_ENABLE").is_some_and(|value| value != "false")
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
