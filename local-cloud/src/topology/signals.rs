//! Schedules, alarms and event rules of a topology, with their TOML keys.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A schedule, `rate(1 minute)`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleSpec {
    /// Name.
    pub name: String,
    /// Function to invoke.
    pub function: String,
    /// Its event. `<aws.scheduler.scheduled-time>` and the other placeholders
    /// of EventBridge Scheduler are replaced.
    pub input: String,
    /// Whether it starts by itself; a paused one can still be fired by hand.
    /// Default true.
    #[serde(default = "yes")]
    pub enabled: bool,
}

impl ScheduleSpec {
    /// An enabled schedule.
    pub fn new(name: &str, function: &str, input: &str) -> Self {
        Self {
            name: name.to_owned(),
            function: function.to_owned(),
            input: input.to_owned(),
            enabled: true,
        }
    }

    /// Fires only by hand.
    #[must_use]
    pub fn paused(mut self) -> Self {
        self.enabled = false;
        self
    }
}

/// How an alarm compares a value with its threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::enum_variant_names)] // AWS's names
pub enum Comparison {
    /// value >= threshold
    GreaterThanOrEqualToThreshold,
    /// value > threshold
    GreaterThanThreshold,
    /// value < threshold
    LessThanThreshold,
    /// value <= threshold
    LessThanOrEqualToThreshold,
}

/// What a missing datapoint means to an alarm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MissingData {
    /// Nothing: all missing is `INSUFFICIENT_DATA`.
    #[default]
    Missing,
    /// Keeps the state.
    Ignore,
    /// Counts as breaching.
    Breaching,
    /// Counts as fine.
    NotBreaching,
}

/// A metric alarm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlarmSpec {
    /// Name.
    pub name: String,
    /// Free text. Default empty.
    #[serde(default)]
    pub description: String,
    /// For example `AWS/ApplicationELB`.
    pub namespace: String,
    /// For example `LambdaUserError`.
    pub metric: String,
    /// Exactly a published set. In a topology `load_balancer = "name"` and
    /// `target_group = "name"` are written out as AWS does; other keys stay.
    #[serde(default)]
    pub dimensions: BTreeMap<String, String>,
    /// `Sum`, `Average`, …, `p99`, `PR(:0.3)`.
    pub statistic: String,
    /// Seconds, a multiple of 60. Default 60.
    #[serde(default = "sixty")]
    pub period_secs: u32,
    /// N: how many periods are looked at.
    pub evaluation_periods: u32,
    /// M: how many of them must breach. Default: all.
    #[serde(default)]
    pub datapoints_to_alarm: Option<u32>,
    /// In the unit of the metric.
    pub threshold: f64,
    /// Comparison operator.
    pub comparison: Comparison,
    /// Default `missing`.
    #[serde(default)]
    pub missing_data: MissingData,
    /// Leave the state alone when a percentile has too few samples. Default false.
    #[serde(default)]
    pub ignore_low_samples: bool,
    /// Names or ARNs of functions and topics told when it enters `ALARM`.
    #[serde(default)]
    pub alarm_actions: Vec<String>,
    /// The same for `OK`.
    #[serde(default)]
    pub ok_actions: Vec<String>,
    /// The same for `INSUFFICIENT_DATA`.
    #[serde(default)]
    pub insufficient_data_actions: Vec<String>,
}

/// A composite alarm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompositeAlarmSpec {
    /// Name.
    pub name: String,
    /// Free text. Default empty.
    #[serde(default)]
    pub description: String,
    /// For example `ALARM("a") AND NOT OK("b")`.
    pub rule: String,
    /// Names or ARNs of functions and topics told when it enters `ALARM`.
    #[serde(default)]
    pub alarm_actions: Vec<String>,
    /// The same for `OK`.
    #[serde(default)]
    pub ok_actions: Vec<String>,
    /// The same for `INSUFFICIENT_DATA`.
    #[serde(default)]
    pub insufficient_data_actions: Vec<String>,
}

/// An EventBridge rule with one function as target.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventRuleSpec {
    /// Name.
    pub name: String,
    /// Event sources, for example `aws.cloudwatch`; any when empty.
    #[serde(default)]
    pub source: Vec<String>,
    /// Detail types, for example `CloudWatch Alarm State Change`; any when empty.
    #[serde(default)]
    pub detail_type: Vec<String>,
    /// Function that gets the event.
    pub function: String,
}

impl EventRuleSpec {
    /// Sends every alarm's change of state to a function.
    pub fn alarms(name: &str, function: &str) -> Self {
        Self {
            name: name.to_owned(),
            source: vec!["aws.cloudwatch".to_owned()],
            detail_type: vec!["CloudWatch Alarm State Change".to_owned()],
            function: function.to_owned(),
        }
    }
}

fn sixty() -> u32 {
    60
}

fn yes() -> bool {
    true
}
