//! The scorer behind a local load balancer with the controller's functions beside
//! it. Traffic is put as metrics, minute by minute, instead of sent as requests.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "every test binary uses a part of it")]

use jiff::Timestamp;
use local_cloud::metrics::Datum;
use local_cloud::names::Names;
use local_cloud::{FunctionSpec, LoadBalancerSpec, LocalCloud, RuleSpec, ScheduleSpec, Topology};
use std::time::Duration;

pub const MINUTE: Duration = Duration::from_mins(1);
/// The function that ticks, and its schedule.
pub const TICK: &str = "rollout-tick";
const PATH: &str = "/v2/stamps/*/score/*";

pub fn python() -> String {
    std::env::var("LOCAL_CLOUD_PYTHON").unwrap_or_else(|_| "python3".to_owned())
}

/// The smallest function that answers a load balancer.
pub fn scorer(name: &str) -> FunctionSpec {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../local-cloud/tests/functions/tiny.py");
    FunctionSpec::new(name, [python().as_str(), script]).timeout(Duration::from_secs(30))
}

/// `rollout-tick`, `rollout-command` or `rollout-view`.
pub fn controller(door: &str, config: &str) -> FunctionSpec {
    let name = format!("rollout-{door}");
    FunctionSpec::new(&name, [env!("CARGO_BIN_EXE_rollout-controller")])
        .timeout(Duration::from_secs(30))
        .env("ROLLOUT_CONFIG_FILE", config)
        .env("ROLLOUT_DOOR", door)
}

/// What calls the ticking function, when the test lets it.
pub fn schedule() -> ScheduleSpec {
    let event = r#"{"source":"rollout.schedule","time":"<aws.scheduler.scheduled-time>"}"#;
    ScheduleSpec::new(TICK, TICK, event).paused()
}

/// The cloud as it is at `start` with this share on Rust. `adapt` has the last word
/// on each of the controller's functions, which read their configuration from `config`.
pub fn topology(
    start: Timestamp,
    rust: u32,
    config: &str,
    adapt: impl Fn(FunctionSpec) -> FunctionSpec,
) -> Topology {
    let controller = |door| adapt(controller(door, config));
    let mut topology = Topology::new()
        .manual_clock()
        .lag_minutes(0.0)
        .function(scorer("scorer-py"))
        .function(scorer("scorer-rs"))
        .function(controller("tick").reserved_concurrency(1))
        .function(controller("command"))
        .function(controller("view"))
        .target_group("scorer-py", "scorer-py")
        .target_group("scorer-rs", "scorer-rs")
        .target_group("scorer-rs-tester", "scorer-rs")
        .load_balancer(
            LoadBalancerSpec::new("scorer")
                .rule(
                    RuleSpec::new(99)
                        .path(PATH)
                        .header("X-Use-Rust-Scorer", "true")
                        .forward([("scorer-rs-tester", 1)]),
                )
                .rule(
                    RuleSpec::new(100)
                        .path(PATH)
                        .forward([("scorer-py", 100 - rust), ("scorer-rs", rust)]),
                ),
        )
        .schedule(schedule())
        .topic("oncall");
    topology.start = Some(start);
    topology
}

/// The configuration's last table: the one route.
pub fn route(names: &Names) -> String {
    format!(
        r#"[[rollout.route]]
name = "public"
rule = "{rule}"
old_group = "{old}"
new_group = "{new}"
[rollout.route.header_rule]
priority = 99
header = "X-Use-Rust-Scorer"
value = "true"
group = "{tester}"
"#,
        rule = names.rule("scorer", 100),
        old = names.target_group("scorer-py"),
        new = names.target_group("scorer-rs"),
        tester = names.target_group("scorer-rs-tester"),
    )
}

/// The share that the weighted rule gives Rust; weights sum to 100 here.
pub fn rust_percent(cloud: &LocalCloud) -> u32 {
    let rule = cloud.names().rule("scorer", 100);
    let weights = cloud.weights(&rule).expect("weights");
    let sum: u32 = weights.iter().filter_map(|share| share.weight).sum();
    assert_eq!((sum, weights.len()), (100, 2), "{weights:?}");
    let rust = weights.iter().find(|share| share.group == "scorer-rs");
    rust.and_then(|share| share.weight).expect("Rust's weight")
}

/// Somebody else changes the weights.
pub fn console(cloud: &LocalCloud, rust: u32) {
    let rule = cloud.names().rule("scorer", 100);
    let weights = [("scorer-py", 100 - rust), ("scorer-rs", rust)];
    cloud.set_weights(&rule, weights).expect("the console");
}

/// A minute's requests of a group, this share of them failed: what a load balancer
/// tells CloudWatch. A minute without any is told by nothing.
pub fn put(cloud: &LocalCloud, at_ms: i64, group: &str, requests: f64, errors: f64) {
    put_taking(cloud, at_ms, group, requests, errors, 0.02);
}

/// The same where most requests take so many seconds, and 1 in 100 takes 0.1 more.
pub fn put_taking(
    cloud: &LocalCloud,
    at_ms: i64,
    group: &str,
    requests: f64,
    errors: f64,
    seconds: f64,
) {
    let requests = requests.round();
    if requests == 0.0 {
        return;
    }
    let put = |name: &str, values: Vec<(f64, f64)>| {
        let metric = cloud.group_metric("scorer", group, name);
        cloud.metrics().put(metric, at_ms, &Datum::Values(values));
    };
    let slow = (requests * 0.01).round();
    put("RequestCount", vec![(1.0, requests)]);
    put("TargetResponseTime", vec![(seconds, requests - slow), (seconds + 0.1, slow)]);
    let failed = (requests * errors).round();
    if failed > 0.0 {
        put("HTTPCode_Target_5XX_Count", vec![(1.0, failed)]);
    }
}
