//! The parts of a topology, with their TOML keys and defaults.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

/// How and when metrics become readable.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MetricsOptions {
    /// Simulated minutes until a sample can be read, so the newest minutes
    /// grow as in AWS. Default 2.
    pub lag_minutes: f64,
    /// Publish `RequestCount` = 0 and `HTTPCode_Target_*` = 0 for an idle group
    /// of a busy load balancer (AWS's page says so, unverified). Default false.
    pub explicit_zeros: bool,
    /// Count a failed invocation in `TargetResponseTime` (undocumented at AWS).
    /// Default false.
    pub latency_on_failure: bool,
    /// Simulated hours that metrics are kept. Default 6.
    pub retention_hours: u32,
}

impl Default for MetricsOptions {
    fn default() -> Self {
        Self {
            lag_minutes: 2.0,
            explicit_zeros: false,
            latency_on_failure: false,
            retention_hours: 6,
        }
    }
}

/// A Lambda function: a process that speaks the Runtime API.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FunctionSpec {
    /// Name.
    pub name: String,
    /// Program and arguments. A program without `/` is looked up in `PATH`.
    pub command: Vec<String>,
    /// Working directory, also `LAMBDA_TASK_ROOT`. Default: that of the local cloud.
    #[serde(default)]
    pub cwd: Option<PathBuf>,
    /// Variables of the function. Nothing is inherited but `PATH`, `HOME` and
    /// the like.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Real time an invocation may take. Default `"10s"`.
    #[serde(default = "ten_seconds", deserialize_with = "duration")]
    pub timeout: Duration,
    /// Real time a new process may take until it asks for work. Default `"10s"`.
    #[serde(default = "ten_seconds", deserialize_with = "duration")]
    pub init_timeout: Duration,
    /// Told to the function, not enforced. Default 512.
    #[serde(default = "default_memory")]
    pub memory_mb: u32,
    /// Processes at the same time; more requests are throttled (429). Default 10.
    #[serde(default = "default_environments")]
    pub max_environments: u32,
    /// Real time a request waits for a free process when all are busy, before it
    /// is throttled. Lambda would start another one, which a laptop cannot do
    /// without end; with `"0s"` (the default) the limit is a sharp one.
    #[serde(default, deserialize_with = "duration")]
    pub queue: Duration,
    /// Reserved concurrency: a lower limit than `max_environments`, without waiting; 0 stops the
    /// function. Default: none.
    #[serde(default)]
    pub reserved_concurrency: Option<u32>,
    /// Retries of an asynchronous invocation after a function error, 0 to 2,
    /// after one and two simulated minutes. Default 2, as in AWS.
    #[serde(default = "two")]
    pub async_retries: u32,
    /// Simulated age at which a waiting asynchronous event is dropped. Default `"6h"`.
    #[serde(default = "six_hours", deserialize_with = "duration")]
    pub async_max_age: Duration,
    /// Versions published before the start, version 1 first. Default: none.
    #[serde(default, rename = "version")]
    pub versions: Vec<VersionSpec>,
    /// Aliases by name. Default: none.
    #[serde(default)]
    pub aliases: BTreeMap<String, AliasSpec>,
}

/// A published version: the function, with what is given here changed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VersionSpec {
    /// Program and arguments. Default: the function's.
    pub command: Option<Vec<String>>,
    /// Working directory. Default: the function's.
    pub cwd: Option<PathBuf>,
    /// Variables, besides the function's.
    pub env: BTreeMap<String, String>,
}

/// Where an alias points.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AliasSpec {
    /// A published version or `$LATEST`.
    pub version: String,
    /// A second version that takes part of the invocations. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<SplitSpec>,
}

impl AliasSpec {
    /// An alias of one version.
    pub fn new(version: &str) -> Self {
        Self { version: version.to_owned(), split: None }
    }

    /// Gives a second version a share of the invocations, 0 to 1.
    #[must_use]
    pub fn split(mut self, version: &str, weight: f64) -> Self {
        self.split = Some(SplitSpec { version: version.to_owned(), weight });
        self
    }
}

/// `RoutingConfig` of an alias.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitSpec {
    /// A published version, another one than the alias's own.
    pub version: String,
    /// Its share of the invocations, 0 to 1.
    pub weight: f64,
}

/// New code or configuration for a running function; what is not given stays.
///
/// Processes of the old code finish what they do; new requests go to the new
/// code. Without any change it is an update with the same code: `LastModified`
/// moves, `CodeSha256` does not.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Deployment {
    /// Program and arguments.
    pub command: Option<Vec<String>>,
    /// Working directory.
    pub cwd: Option<PathBuf>,
    /// Variables to add or replace.
    pub env: BTreeMap<String, String>,
    /// Publish a version of it.
    pub publish: bool,
    /// Publish a version and point this alias to it.
    pub alias: Option<String>,
    /// Simulated time for which `LastUpdateStatus` is `InProgress` and the old
    /// code still runs. Default: none.
    #[serde(deserialize_with = "duration", serialize_with = "write_duration")]
    pub settle: Duration,
    /// The update ends as `Failed` and the old code goes on.
    pub fails: bool,
}

impl Deployment {
    /// An update that changes nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets program and arguments.
    #[must_use]
    pub fn command<S: Into<String>>(mut self, command: impl IntoIterator<Item = S>) -> Self {
        self.command = Some(command.into_iter().map(Into::into).collect());
        self
    }

    /// Sets one variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.insert(name.to_owned(), value.into());
        self
    }

    /// Publishes a version of it.
    #[must_use]
    pub fn publish(mut self) -> Self {
        self.publish = true;
        self
    }

    /// Publishes a version of it and points an alias there.
    #[must_use]
    pub fn alias(mut self, alias: &str) -> Self {
        self.alias = Some(alias.to_owned());
        self
    }

    /// Sets the simulated time until it takes effect.
    #[must_use]
    pub fn settle(mut self, time: Duration) -> Self {
        self.settle = time;
        self
    }

    /// Lets the update fail.
    #[must_use]
    pub fn failing(mut self) -> Self {
        self.fails = true;
        self
    }

    pub(crate) fn changes(&self) -> bool {
        self.command.is_some() || self.cwd.is_some() || !self.env.is_empty()
    }
}

impl FunctionSpec {
    /// A function with all defaults.
    pub fn new<S: Into<String>>(name: &str, command: impl IntoIterator<Item = S>) -> Self {
        Self {
            name: name.to_owned(),
            command: command.into_iter().map(Into::into).collect(),
            cwd: None,
            env: BTreeMap::new(),
            timeout: ten_seconds(),
            init_timeout: ten_seconds(),
            memory_mb: default_memory(),
            max_environments: default_environments(),
            queue: Duration::ZERO,
            reserved_concurrency: None,
            async_retries: 2,
            async_max_age: six_hours(),
            versions: Vec::new(),
            aliases: BTreeMap::new(),
        }
    }

    /// Publishes a version with the function's own code before the start.
    #[must_use]
    pub fn version(self) -> Self {
        self.version_with(VersionSpec::default())
    }

    /// Publishes a version that differs from the function.
    #[must_use]
    pub fn version_with(mut self, version: VersionSpec) -> Self {
        self.versions.push(version);
        self
    }

    /// Adds an alias.
    #[must_use]
    pub fn alias(mut self, name: &str, alias: AliasSpec) -> Self {
        self.aliases.insert(name.to_owned(), alias);
        self
    }

    /// Sets one variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.insert(name.to_owned(), value.into());
        self
    }

    /// Sets the working directory.
    #[must_use]
    pub fn cwd(mut self, dir: impl Into<PathBuf>) -> Self {
        self.cwd = Some(dir.into());
        self
    }

    /// Sets the real time an invocation may take.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the number of processes at the same time.
    #[must_use]
    pub fn max_environments(mut self, count: u32) -> Self {
        self.max_environments = count;
        self
    }

    /// Sets the real time a request waits for a free process.
    #[must_use]
    pub fn queue(mut self, wait: Duration) -> Self {
        self.queue = wait;
        self
    }

    /// Sets the reserved concurrency.
    #[must_use]
    pub fn reserved_concurrency(mut self, count: u32) -> Self {
        self.reserved_concurrency = Some(count);
        self
    }

    /// Sets retries and greatest simulated age of asynchronous events.
    #[must_use]
    pub fn async_retries(mut self, retries: u32, max_age: Duration) -> Self {
        self.async_retries = retries;
        self.async_max_age = max_age;
        self
    }
}

/// A target group of type `lambda`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(clippy::struct_excessive_bools)] // independent switches of a file
pub struct TargetGroupSpec {
    /// Name.
    pub name: String,
    /// Its one target: a function, or `function:QUALIFIER` with a version or an
    /// alias. A group without a target answers 503.
    #[serde(default)]
    pub function: Option<String>,
    /// Health checks are on, and good: the target is shown `healthy`. Off, as
    /// AWS has it by default, it is `unavailable`. No check is sent either way.
    #[serde(default)]
    pub health_check: bool,
    /// Let rules of several load balancers forward to it. AWS refuses that
    /// (`TargetGroupAssociationLimit`); their numbers mix then. Default false.
    #[serde(default)]
    pub shared: bool,
    /// `lambda.multi_value_headers.enabled`. Default false.
    #[serde(default)]
    pub multi_value_headers: bool,
    /// Answer 502 when the function's answer has a member that the load balancer
    /// does not know. Field reports have it so, the scorer's own answers speak
    /// against it. Default false.
    #[serde(default)]
    pub refuse_extra_members: bool,
}

impl TargetGroupSpec {
    /// A group without multi-value headers in front of `function` or `function:QUALIFIER`.
    pub fn new(name: &str, function: &str) -> Self {
        Self {
            name: name.to_owned(),
            function: Some(function.to_owned()),
            health_check: false,
            shared: false,
            multi_value_headers: false,
            refuse_extra_members: false,
        }
    }

    /// Turns health checks on.
    #[must_use]
    pub fn health_check(mut self) -> Self {
        self.health_check = true;
        self
    }

    /// Lets rules of several load balancers forward to it.
    #[must_use]
    pub fn shared(mut self) -> Self {
        self.shared = true;
        self
    }
}

/// A load balancer with one HTTP listener.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoadBalancerSpec {
    /// Name.
    pub name: String,
    /// Loopback port; 0 takes a free one. Default 0.
    #[serde(default)]
    pub port: u16,
    /// Real time until a rule change reaches the data plane. Default `"0s"`.
    #[serde(default, deserialize_with = "duration")]
    pub propagation: Duration,
    /// What happens to requests that no rule takes. Default: 404.
    #[serde(default)]
    pub default: DefaultAction,
    /// Rules; tried from the smallest priority upwards.
    #[serde(default, rename = "rule")]
    pub rules: Vec<RuleSpec>,
}

impl LoadBalancerSpec {
    /// A load balancer on a free port that answers 404 until it has rules.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            port: 0,
            propagation: Duration::ZERO,
            default: DefaultAction::default(),
            rules: Vec::new(),
        }
    }

    /// Adds a rule.
    #[must_use]
    pub fn rule(mut self, rule: RuleSpec) -> Self {
        self.rules.push(rule);
        self
    }

    /// Sets the real time until a rule change reaches the data plane.
    #[must_use]
    pub fn propagation(mut self, delay: Duration) -> Self {
        self.propagation = delay;
        self
    }

    /// Sends what no rule takes to a group.
    #[must_use]
    pub fn default_group(mut self, group: &str) -> Self {
        self.default.forward = vec![Share { group: group.to_owned(), weight: None }];
        self
    }
}

/// The default rule: a group, or else a fixed answer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DefaultAction {
    /// Groups with their weights; empty means the fixed answer.
    pub forward: Vec<Share>,
    /// Status of the fixed answer. Default 404.
    pub status: u16,
    /// Body of the fixed answer. Default `not found`.
    pub body: String,
    /// Content type of the fixed answer. Default `text/plain`.
    pub content_type: String,
}

impl Default for DefaultAction {
    fn default() -> Self {
        Self {
            forward: Vec::new(),
            status: 404,
            body: "not found".to_owned(),
            content_type: "text/plain".to_owned(),
        }
    }
}

/// A group's part of a forward action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// Name of the target group.
    pub group: String,
    /// 0 to 999. May be left out when the group is the only one.
    #[serde(default)]
    pub weight: Option<u32>,
}

/// A listener rule: all given conditions must hold, any of their values will do.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleSpec {
    /// 1 to 50000, unique on its load balancer.
    pub priority: u32,
    /// `path-pattern` values.
    #[serde(default)]
    pub path: Vec<String>,
    /// `host-header` values.
    #[serde(default)]
    pub host: Vec<String>,
    /// `http-request-method` values.
    #[serde(default)]
    pub method: Vec<String>,
    /// `http-header` conditions.
    #[serde(default)]
    pub headers: Vec<HeaderSpec>,
    /// One `query-string` condition, any of these.
    #[serde(default)]
    pub query: Vec<QuerySpec>,
    /// `source-ip` values, CIDR.
    #[serde(default)]
    pub source_ip: Vec<String>,
    /// Groups with their weights, one to five.
    #[serde(default)]
    pub forward: Vec<Share>,
    /// Group stickiness in seconds, 1 to 604800. Shown by the API, but the data
    /// plane has no cookie: it logs the request and draws anew. Default: off.
    #[serde(default)]
    pub stickiness_secs: Option<u32>,
    /// Fixed answer in place of `forward`.
    #[serde(default)]
    pub fixed: Option<DefaultAction>,
    /// An action that signs people in, in front of the other one. Shown and
    /// kept by the API; the data plane takes every request as signed in.
    #[serde(default)]
    pub authenticate: Option<AuthenticateSpec>,
}

/// What the topology says about an authenticate action; the rest is AWS's default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum AuthenticateSpec {
    /// `authenticate-oidc`.
    Oidc {
        /// For example `https://idp.example.com`; the endpoints lie under it.
        issuer: String,
        /// Client id.
        client_id: String,
        /// Client secret; no API ever returns it.
        client_secret: String,
    },
    /// `authenticate-cognito`.
    Cognito {
        /// ARN of the user pool.
        user_pool_arn: String,
        /// Client id.
        client_id: String,
        /// Domain prefix or domain.
        domain: String,
    },
}

impl RuleSpec {
    /// A rule without conditions or action yet.
    pub fn new(priority: u32) -> Self {
        Self { priority, ..Self::default() }
    }

    /// Adds a path pattern.
    #[must_use]
    pub fn path(mut self, pattern: &str) -> Self {
        self.path.push(pattern.to_owned());
        self
    }

    /// Adds a host pattern.
    #[must_use]
    pub fn host(mut self, pattern: &str) -> Self {
        self.host.push(pattern.to_owned());
        self
    }

    /// Adds a condition on a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push(HeaderSpec { name: name.to_owned(), values: vec![value.to_owned()] });
        self
    }

    /// Signs people in before the request goes on.
    #[must_use]
    pub fn authenticate(mut self, authenticate: AuthenticateSpec) -> Self {
        self.authenticate = Some(authenticate);
        self
    }

    /// Forwards to these groups by these weights.
    #[must_use]
    pub fn forward<'a>(mut self, shares: impl IntoIterator<Item = (&'a str, u32)>) -> Self {
        self.forward = shares
            .into_iter()
            .map(|(group, weight)| Share { group: group.to_owned(), weight: Some(weight) })
            .collect();
        self
    }
}

/// One `http-header` condition.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeaderSpec {
    /// Name of the header, in any case.
    pub name: String,
    /// Patterns, any of which will do.
    pub values: Vec<String>,
}

/// One pair of a `query-string` condition.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuerySpec {
    /// Pattern of the key; any key when left out.
    #[serde(default)]
    pub key: Option<String>,
    /// Pattern of the value.
    pub value: String,
}

pub(super) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    humantime::parse_duration(&text).map_err(|error| {
        serde::de::Error::custom(format!("{text:?}: {error}; write for example \"1500ms\""))
    })
}

fn write_duration<S: serde::Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&humantime::format_duration(*time))
}

fn ten_seconds() -> Duration {
    Duration::from_secs(10)
}

fn six_hours() -> Duration {
    Duration::from_hours(6)
}

fn default_memory() -> u32 {
    512
}

fn default_environments() -> u32 {
    10
}

fn two() -> u32 {
    2
}
