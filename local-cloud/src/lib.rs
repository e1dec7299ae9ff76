//! One load balancer data plane and the few AWS APIs that this product calls,
//! on loopback, for development only. Never linked into the product.
//!
//! Real HTTP comes in, real Lambda functions stand behind: each is a process
//! that speaks the Runtime API, so the production binaries run unchanged;
//! `AWS_ENDPOINT_URL` is the only difference. Time is simulated (a minute may
//! last a second), latencies are real. Every draw comes from one seed.
//!
//! ```no_run
//! # async fn example() -> Result<(), local_cloud::StartError> {
//! use local_cloud::{FunctionSpec, LoadBalancerSpec, LocalCloud, RuleSpec, Topology};
//!
//! let topology = Topology::new()
//!     .manual_clock()
//!     .function(FunctionSpec::new("old", ["python3", "-m", "awslambdaric", "app.handler"]))
//!     .function(FunctionSpec::new("new", ["target/debug/scorer-fn"]))
//!     .target_group("python", "old")
//!     .target_group("rust", "new")
//!     .load_balancer(LoadBalancerSpec::new("scorer").rule(
//!         RuleSpec::new(100).path("/v2/*").forward([("python", 95), ("rust", 5)]),
//!     ));
//! let rule = topology.names().rule("scorer", 100);
//! let cloud = LocalCloud::start(topology).await?;
//! println!("{} {}", cloud.alb_url("scorer"), cloud.aws_endpoint());
//! cloud.clock().advance(std::time::Duration::from_secs(60));
//! println!("{:?}", cloud.weights(&rule));
//! cloud.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! # What it leaves out
//!
//! - Signatures, permissions, quotas and API throttling (a fault plays it).
//! - Load balancer: TLS, HTTP/2, WebSockets, signing people in (authenticate
//!   actions are kept and shown, every request counts as signed in), group
//!   stickiness (shown and logged, not honoured), requests of health checks, more
//!   than one listener or node, tags, rule transforms and regular expressions.
//!   Requests that run when their target is taken away finish; AWS fails them.
//! - Functions: memory limits, freezing between requests, streaming,
//!   destinations; an extension can register and gets no events.
//! - SSM: the parameter types `StringList` and `SecureString`, tiers, policies.
//! - CloudWatch Logs: all but FilterLogEvents with terms, over the newest 2,000 lines of each function.
//! - CloudWatch: metric math, compressed requests, units, periods below a minute, anomaly alarms,
//!   suppressors; its percentiles are exact where AWS's are bucketed.
//! - What AWS does not document is a choice here, said where it is made.
//!
//! `local-cloud/README.md` has the topology, the admin calls and the CLI.

mod admin;
mod alarms;
mod alb;
mod aws;
mod bus;
pub mod cli;
pub mod clock;
mod cloud;
pub mod demo;
pub mod faults;
pub mod foreign;
mod functions;
mod handle;
pub mod latency;
pub mod load;
pub mod metrics;
pub mod names;
pub mod parity;
pub mod pgbouncer;
pub mod postgres;
pub mod redis_server;
mod scheduler;
mod serve;
mod supervised;
mod tasks;
pub mod tls;
pub mod topology;
pub mod widget;

pub use alarms::{Alarm, AlarmKind, AlarmState, StateNote};
pub use alb::{AccessEntry, Exchange, RuleChange, TargetHealth};
pub use aws::{ApiCall, AwsError, Parameter};
pub use bus::{BusEvent, Page};
pub use clock::{Clock, Pace};
pub use faults::{
    ApiFault, ApiFaultKind, Fault, FunctionFault, FunctionFaultKind, MetricsFault,
    MetricsFaultKind, StandingFault,
};
pub use functions::{
    AsyncRecord, ColdStart, FunctionCode, FunctionStats, InvokeError, LogLine, VersionState,
};
pub use handle::{LocalCloud, StartError};
pub use metrics::{Metric, Metrics, Statistic};
pub use names::Names;
pub use supervised::ServerError;
pub use topology::{
    AlarmSpec, AliasSpec, AuthenticateSpec, Comparison, CompositeAlarmSpec, Deployment,
    EventRuleSpec, FunctionSpec, LoadBalancerSpec, MissingData, RuleSpec, ScheduleSpec, Share,
    SplitSpec, TargetGroupSpec, Topology, TopologyError, VersionSpec,
};
