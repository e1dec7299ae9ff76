//! The file as written: keys and plain values, nothing checked yet.

use crate::domain::plan::{Mode, OnNewCode};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Config {
    pub(super) ledger: Ledger,
    #[serde(default)]
    pub(super) paging: Paging,
    #[serde(default)]
    pub(super) events: Events,
    #[serde(default)]
    pub(super) rollout: Vec<Rollout>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ledger {
    pub(super) url: String,
    pub(super) secret_arn: Option<String>,
    pub(super) keep_minutes: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Paging {
    pub(super) topic_arn: Option<String>,
    pub(super) chat_topic_arn: Option<String>,
    pub(super) runbooks: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Events {
    pub(super) bus: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rollout {
    pub(super) name: String,
    pub(super) mode: Mode,
    pub(super) stages: Option<Vec<String>>,
    pub(super) start: Option<String>,
    pub(super) bake: Option<String>,
    pub(super) lag: Option<String>,
    pub(super) history: Option<String>,
    pub(super) max_hold: Option<String>,
    pub(super) blind_after: Option<String>,
    #[serde(default)]
    pub(super) slo: Slo,
    pub(super) engine: Option<String>,
    /// Its keys depend on the engine.
    #[serde(default)]
    pub(super) evidence: toml::Table,
    #[serde(default)]
    pub(super) alarms: Alarms,
    #[serde(default)]
    pub(super) calendar: Calendar,
    pub(super) on_new_code: Option<OnNewCode>,
    pub(super) wrong_answers: Option<WrongAnswers>,
    #[serde(default)]
    pub(super) compare: answers::Rules,
    #[serde(default)]
    pub(super) labels: Labels,
    #[serde(default)]
    pub(super) route: Vec<Route>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Labels {
    pub(super) old: Option<String>,
    pub(super) new: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Slo {
    pub(super) error_rate: Option<String>,
    pub(super) p50: Option<String>,
    pub(super) p95: Option<String>,
    pub(super) p99: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrongAnswers {
    pub(super) limit: Option<String>,
    #[serde(default)]
    pub(super) required: bool,
    pub(super) log_group: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Alarms {
    #[serde(default)]
    pub(super) rollback_on: Vec<String>,
    #[serde(default)]
    pub(super) hold_on: Vec<String>,
    #[serde(default)]
    pub(super) python_twin: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Calendar {
    #[serde(default)]
    pub(super) time_zone: String,
    #[serde(default)]
    pub(super) windows: Vec<String>,
    #[serde(default)]
    pub(super) freeze: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Route {
    pub(super) name: String,
    pub(super) rule: String,
    pub(super) old_group: String,
    pub(super) new_group: String,
    pub(super) header_rule: Option<HeaderRule>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HeaderRule {
    pub(super) priority: u32,
    pub(super) header: String,
    pub(super) value: String,
    pub(super) group: String,
}
