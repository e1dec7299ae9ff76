//! The configuration: one TOML text, checked once on the way in and trusted after.
//!
//! Unknown keys are errors, every error names the key, the value and the fix, and
//! all errors of a file are reported together. `rolloutctl config example` prints a
//! complete file.

pub mod emergency;
mod raw;
#[cfg(test)]
mod tests;
mod values;

use crate::domain::plan::{Mode, Settings, Terms};
use std::fmt;
use std::path::Path;

/// A complete example, with every key.
pub const EXAMPLE: &str = include_str!("../../config.example.toml");

/// What the controller needs to know.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where the journals are.
    pub ledger: LedgerConfig,
    /// Where pages go.
    pub paging: Paging,
    /// EventBridge bus for state changes; `None`: not announced.
    pub bus: Option<String>,
    /// One or more rollouts, in the order of the file, with unique names.
    pub rollouts: Vec<Rollout>,
}

/// Where the journals are.
#[derive(Clone, PartialEq, Eq)]
pub struct LedgerConfig {
    /// SQLite or PostgreSQL URL. May hold a password: never printed.
    pub url: String,
    /// Secret with user name and password, fetched at the first connection.
    pub secret_arn: Option<String>,
    /// How long judged minutes are kept.
    pub keep_minutes: std::time::Duration,
}

impl fmt::Debug for LedgerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LedgerConfig")
            .field("url", &"(hidden)")
            .field("secret_arn", &self.secret_arn)
            .field("keep_minutes", &self.keep_minutes)
            .finish()
    }
}

/// Where pages go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paging {
    /// SNS topic for PagerDuty-shaped messages; `None`: pages are only logged.
    pub topic_arn: Option<String>,
    /// SNS topic for chat-shaped messages.
    pub chat_topic_arn: Option<String>,
    /// Address below which the runbooks are.
    pub runbooks: Option<String>,
}

/// One rollout.
#[derive(Clone, Debug, PartialEq)]
pub struct Rollout {
    /// Its name, also its journal's.
    pub name: String,
    /// Whether a start moves weights.
    pub mode: Mode,
    /// What a start fixes.
    pub terms: Terms,
    /// What may change while it runs.
    pub settings: Settings,
    /// What may differ between the answers of both sides.
    pub compare: answers::Rules,
}

impl Config {
    /// The rollout of this name; the only one if no name is given.
    ///
    /// # Errors
    /// [`WhichRollout`] with the known names.
    pub fn rollout(&self, name: Option<&str>) -> Result<&Rollout, WhichRollout> {
        let found = match (name, self.rollouts.as_slice()) {
            (Some(name), all) => all.iter().find(|rollout| rollout.name == name),
            (None, [only]) => Some(only),
            (None, _) => None,
        };
        found.ok_or_else(|| {
            let known: Vec<&str> = self.rollouts.iter().map(|r| r.name.as_str()).collect();
            let known = known.join(", ");
            match name {
                Some(name) => WhichRollout::Unknown { name: name.to_owned(), known },
                None => WhichRollout::NotNamed { known },
            }
        })
    }
}

/// Why it is not clear which rollout is meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WhichRollout {
    /// There is none of this name.
    #[error("no rollout is called `{name}`; known: {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// There are several, and none is named.
    #[error("say which rollout: {known}")]
    NotNamed {
        /// Those that there are.
        known: String,
    },
}

/// One thing that is wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Path of the key, such as `rollout[0].slo.p99`.
    pub key: String,
    /// What was written there; empty if nothing was.
    pub value: String,
    /// What is wrong and how to fix it.
    pub fix: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.value.is_empty() {
            write!(f, "{}: {}", self.key, self.fix)
        } else {
            write!(f, "{} = {}: {}", self.key, self.value, self.fix)
        }
    }
}

/// Why a configuration was refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Neither variable is set, or both are.
    #[error("set either ROLLOUT_CONFIG_FILE (a path) or ROLLOUT_CONFIG (the text); {0}")]
    NoSource(&'static str),
    /// The file cannot be read.
    #[error("reading the configuration {path}")]
    Unreadable {
        /// Which file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Not TOML, an unknown key, a missing key, or a wrong type. The text
    /// shows the line.
    #[error("the configuration is not valid TOML for this program:\n{0}")]
    Shape(String),
    /// Values that make no sense, all of them.
    #[error("the configuration has {} problem(s):\n{}", .0.len(), list(.0))]
    Values(Vec<Problem>),
}

fn list(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("  - {problem}")).collect::<Vec<_>>().join("\n")
}

/// Reads and checks a configuration text.
///
/// # Errors
/// [`ConfigError::Shape`] or [`ConfigError::Values`].
pub fn parse(text: &str) -> Result<Config, ConfigError> {
    let raw: raw::Config =
        toml::from_str(text).map_err(|error| ConfigError::Shape(error.to_string()))?;
    values::check(raw).map_err(ConfigError::Values)
}

/// Reads and checks a configuration file.
///
/// # Errors
/// [`ConfigError::Unreadable`] and those of [`parse`].
pub fn load(path: &Path) -> Result<Config, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Unreadable { path: path.display().to_string(), source })?;
    parse(&text)
}

/// Reads the configuration that the environment names: `ROLLOUT_CONFIG_FILE` or
/// `ROLLOUT_CONFIG`; `ROLLOUT_LEDGER_URL` replaces `ledger.url`, so that no
/// password has to stand in the text.
///
/// # Errors
/// As [`load`], and [`ConfigError::NoSource`].
pub fn from_environment(var: impl Fn(&str) -> Option<String>) -> Result<Config, ConfigError> {
    let mut config = match (var("ROLLOUT_CONFIG_FILE"), var("ROLLOUT_CONFIG")) {
        (Some(path), None) => load(Path::new(&path))?,
        (None, Some(text)) => parse(&text)?,
        (None, None) => return Err(ConfigError::NoSource("neither is set")),
        (Some(_), Some(_)) => return Err(ConfigError::NoSource("both are set")),
    };
    if let Some(url) = var("ROLLOUT_LEDGER_URL") {
        config.ledger.url = url;
    }
    Ok(config)
}
