//! What the cloud consists of: read from TOML or put together in Rust.
//!
//! Every key is documented here; `local-cloud example` prints a whole file.

mod parts;
mod signals;
mod validate;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};

pub use parts::{
    AliasSpec, AuthenticateSpec, DefaultAction, Deployment, FunctionSpec, HeaderSpec,
    LoadBalancerSpec, MetricsOptions, QuerySpec, RuleSpec, Share, SplitSpec, TargetGroupSpec,
    VersionSpec,
};
pub use signals::{
    AlarmSpec, Comparison, CompositeAlarmSpec, EventRuleSpec, MissingData, ScheduleSpec,
};

pub(crate) use validate::check_fault;

use crate::clock::Pace;
use crate::faults::Fault;
use crate::names::Names;

/// A topology that cannot be used. The text names the key, its value and the fix.
#[derive(Debug, thiserror::Error)]
pub enum TopologyError {
    /// The TOML text does not parse or has a key that does not exist.
    #[error("topology: {0} (`local-cloud example` prints a file with every key)")]
    Parse(#[from] Box<toml::de::Error>),
    /// A value contradicts another one or a limit of AWS.
    #[error("topology: {key} = {value}: {fix}")]
    Invalid {
        /// Where, for example `target_group.rust.function`.
        key: String,
        /// What was found there.
        value: String,
        /// What to write instead.
        fix: String,
    },
}

/// A whole cloud.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Topology {
    /// Region in every ARN and in `AWS_REGION`. Default `eu-west-1`.
    pub region: String,
    /// Account in every ARN, twelve digits. Default `111122223333`.
    pub account: String,
    /// Real length of a simulated minute, for example `"2s"`; `"60s"` is real
    /// time; `"manual"` moves only when told (`POST /_local/clock`). Default `"60s"`.
    #[serde(deserialize_with = "pace")]
    pub minute: Pace,
    /// Simulated time at the start, RFC 3339. Default: now. Cut to the minute.
    pub start: Option<Timestamp>,
    /// Seed of every draw: weights and faults. Default 1.
    pub seed: u64,
    /// Port of the AWS endpoint and the admin calls; 0 takes a free one. Default 0.
    pub aws_port: u16,
    /// Where each function's output is written besides the ring in memory. Default: nowhere.
    pub log_dir: Option<PathBuf>,
    /// How metrics are published.
    pub metrics: MetricsOptions,
    /// Functions.
    #[serde(rename = "function")]
    pub functions: Vec<FunctionSpec>,
    /// Target groups, each with one function.
    #[serde(rename = "target_group")]
    pub target_groups: Vec<TargetGroupSpec>,
    /// Load balancers, each with one listener.
    #[serde(rename = "load_balancer")]
    pub load_balancers: Vec<LoadBalancerSpec>,
    /// Schedules that invoke a function every simulated minute.
    #[serde(rename = "schedule")]
    pub schedules: Vec<ScheduleSpec>,
    /// Names of SNS topics.
    pub topics: Vec<String>,
    /// Secrets by name.
    pub secrets: BTreeMap<String, String>,
    /// Values of SSM parameters by name, each of type `String` at version 1.
    pub parameters: BTreeMap<String, String>,
    /// Metric alarms.
    #[serde(rename = "alarm")]
    pub alarms: Vec<AlarmSpec>,
    /// Composite alarms.
    #[serde(rename = "composite_alarm")]
    pub composite_alarms: Vec<CompositeAlarmSpec>,
    /// EventBridge rules: which events invoke which function.
    #[serde(rename = "event_rule")]
    pub event_rules: Vec<EventRuleSpec>,
    /// Faults that stand from the start.
    #[serde(rename = "fault")]
    pub faults: Vec<Fault>,
}

impl Default for Topology {
    fn default() -> Self {
        Self {
            region: "eu-west-1".to_owned(),
            account: "111122223333".to_owned(),
            minute: Pace::Minute(Duration::from_mins(1)),
            start: None,
            seed: 1,
            aws_port: 0,
            log_dir: None,
            metrics: MetricsOptions::default(),
            functions: Vec::new(),
            target_groups: Vec::new(),
            load_balancers: Vec::new(),
            schedules: Vec::new(),
            topics: Vec::new(),
            secrets: BTreeMap::new(),
            parameters: BTreeMap::new(),
            alarms: Vec::new(),
            composite_alarms: Vec::new(),
            event_rules: Vec::new(),
            faults: Vec::new(),
        }
    }
}

impl Topology {
    /// An empty cloud in real time; add parts with the methods below.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a topology and checks it.
    ///
    /// `${NAME}` in commands, working directories, variables and secrets is
    /// replaced by the environment variable of that name.
    ///
    /// # Errors
    /// [`TopologyError`]: unknown or missing keys, unset variables, dangling
    /// names, limits of AWS.
    pub fn from_toml(text: &str) -> Result<Self, TopologyError> {
        let mut topology: Self = toml::from_str(text).map_err(Box::new)?;
        topology.expand(&|name| std::env::var(name).ok())?;
        topology.check()?;
        Ok(topology)
    }

    /// The ARNs of this cloud.
    pub fn names(&self) -> Names {
        Names { region: self.region.clone(), account: self.account.clone() }
    }

    /// Sets the real length of a simulated minute.
    #[must_use]
    pub fn minute(mut self, real: Duration) -> Self {
        self.minute = Pace::Minute(real);
        self
    }

    /// Time moves only when told.
    #[must_use]
    pub fn manual_clock(mut self) -> Self {
        self.minute = Pace::Manual;
        self
    }

    /// Sets the seed of all draws.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Sets the publication lag, in simulated minutes.
    #[must_use]
    pub fn lag_minutes(mut self, minutes: f64) -> Self {
        self.metrics.lag_minutes = minutes;
        self
    }

    /// Adds a function.
    #[must_use]
    pub fn function(mut self, function: FunctionSpec) -> Self {
        self.functions.push(function);
        self
    }

    /// Adds a target group in front of a function.
    #[must_use]
    pub fn target_group(mut self, name: &str, function: &str) -> Self {
        self.target_groups.push(TargetGroupSpec::new(name, function));
        self
    }

    /// Adds a target group with all that it can have.
    #[must_use]
    pub fn target_group_with(mut self, group: TargetGroupSpec) -> Self {
        self.target_groups.push(group);
        self
    }

    /// Adds a load balancer.
    #[must_use]
    pub fn load_balancer(mut self, load_balancer: LoadBalancerSpec) -> Self {
        self.load_balancers.push(load_balancer);
        self
    }

    /// Adds a schedule.
    #[must_use]
    pub fn schedule(mut self, schedule: ScheduleSpec) -> Self {
        self.schedules.push(schedule);
        self
    }

    /// Adds an SNS topic.
    #[must_use]
    pub fn topic(mut self, name: &str) -> Self {
        self.topics.push(name.to_owned());
        self
    }

    /// Adds a secret.
    #[must_use]
    pub fn secret(mut self, name: &str, value: &str) -> Self {
        self.secrets.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Adds an SSM parameter.
    #[must_use]
    pub fn parameter(mut self, name: &str, value: impl Into<String>) -> Self {
        self.parameters.insert(name.to_owned(), value.into());
        self
    }

    /// Adds a metric alarm.
    #[must_use]
    pub fn alarm(mut self, alarm: AlarmSpec) -> Self {
        self.alarms.push(alarm);
        self
    }

    /// Adds a composite alarm.
    #[must_use]
    pub fn composite_alarm(mut self, alarm: CompositeAlarmSpec) -> Self {
        self.composite_alarms.push(alarm);
        self
    }

    /// Adds a fault that stands from the start.
    #[must_use]
    pub fn fault(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }

    /// Adds an EventBridge rule.
    #[must_use]
    pub fn event_rule(mut self, rule: EventRuleSpec) -> Self {
        self.event_rules.push(rule);
        self
    }
}

fn pace<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Pace, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text == "manual" {
        return Ok(Pace::Manual);
    }
    let real = humantime::parse_duration(&text)
        .ok()
        .filter(|real| *real >= Duration::from_millis(10) && *real <= Duration::from_mins(1));
    real.map(Pace::Minute).ok_or_else(|| {
        serde::de::Error::custom(format!(
            "minute = {text:?}: write \"manual\" or a length from \"10ms\" to \"60s\""
        ))
    })
}
