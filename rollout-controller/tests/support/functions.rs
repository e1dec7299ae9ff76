//! The controller's own binaries as functions of a local cloud, in which an hour of
//! Python traffic has passed and simulated time is real time.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "every test binary uses a part of it")]

use jiff::{Timestamp, ToSpan as _};
use local_cloud::metrics::Datum;
use local_cloud::{
    AlarmSpec, FunctionSpec, LoadBalancerSpec, LocalCloud, RuleSpec, ScheduleSpec, Topology,
};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;
use tempfile::TempDir;

pub struct Functions {
    pub cloud: LocalCloud,
    folder: TempDir,
}

fn topology(folder: &TempDir, env: &[(&str, String)]) -> Topology {
    let controller = |name: &str, door: &str| {
        let config = folder.path().join("rollout.toml").display().to_string();
        let function = FunctionSpec::new(name, [env!("CARGO_BIN_EXE_rollout-controller")])
            .timeout(Duration::from_secs(30))
            .env("ROLLOUT_CONFIG_FILE", config)
            .env("ROLLOUT_DOOR", door);
        env.iter().fold(function, |function, (name, value)| function.env(name, value))
    };
    let alarm: AlarmSpec = serde_json::from_value(json!({
        "name": "rs-errors", "namespace": "Test", "metric": "Errors", "statistic": "Sum",
        "period_secs": 60, "evaluation_periods": 1, "threshold": 1,
        "comparison": "GreaterThanThreshold", "missing_data": "notBreaching",
    }))
    .expect("an alarm");
    let schedule = r#"{"source":"rollout.schedule","time":"<aws.scheduler.scheduled-time>"}"#;
    let balancer = LoadBalancerSpec::new("scorer")
        .rule(RuleSpec::new(99).header("X-Use-Rust-Scorer", "true").forward([("testers", 1)]))
        .rule(RuleSpec::new(100).path("/v2/*").forward([("python", 100), ("rust", 0)]));
    let mut topology = Topology::new()
        .manual_clock()
        .lag_minutes(0.0)
        // Nobody sends a request.
        .function(FunctionSpec::new("old", ["false"]))
        .function(FunctionSpec::new("new", ["false"]))
        .function(controller("rollout-tick", "tick"))
        .function(controller("rollout-command", "command"))
        .function(controller("rollout-view", "view"))
        .target_group("python", "old")
        .target_group("rust", "new")
        .target_group("testers", "new")
        .load_balancer(balancer)
        .schedule(ScheduleSpec::new("tick", "rollout-tick", schedule).paused())
        .alarm(alarm)
        .topic("oncall");
    topology.start = Some(Timestamp::now() - 1.hour());
    topology
}

fn config(cloud: &LocalCloud, folder: &TempDir) -> String {
    let names = cloud.names();
    let mut text = String::new();
    let _ = write!(
        text,
        "[ledger]\nurl = \"sqlite://{}/journal.db?mode=rwc\"\n\
         [paging]\ntopic_arn = \"{}\"\n[events]\nbus = \"default\"\n\
         [[rollout]]\nname = \"score\"\nmode = \"active\"\nlag = \"1m\"\n\
         [rollout.alarms]\nrollback_on = [\"rs-errors\"]\n\
         [[rollout.route]]\nname = \"public\"\nrule = \"{}\"\nold_group = \"{}\"\nnew_group = \"{}\"\n\
         [rollout.route.header_rule]\npriority = 99\nheader = \"X-Use-Rust-Scorer\"\n\
         value = \"true\"\ngroup = \"{}\"\n",
        folder.path().display(),
        names.topic("oncall"),
        names.rule("scorer", 100),
        names.target_group("python"),
        names.target_group("rust"),
        names.target_group("testers"),
    );
    text
}

impl Functions {
    /// Deployed and migrated.
    pub async fn deployed(env: &[(&str, String)]) -> Self {
        let functions = Self::without_tables(env).await;
        let migrated = functions.rolloutctl(&["migrate"]).await;
        assert!(migrated.status.success(), "{migrated:?}");
        functions
    }

    /// Deployed, before `rolloutctl migrate`.
    pub async fn without_tables(env: &[(&str, String)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let topology = topology(&folder, env);
        let cloud = LocalCloud::start(topology).await.expect("a local cloud");
        std::fs::write(folder.path().join("rollout.toml"), config(&cloud, &folder))
            .expect("written");
        let functions = Self { cloud, folder };
        functions.python_minutes(60);
        functions
    }

    pub fn config_file(&self) -> PathBuf {
        self.folder.path().join("rollout.toml")
    }

    /// Traffic of the Python side only, minute by minute.
    pub fn python_minutes(&self, count: u32) {
        for _ in 0..count {
            let at_ms = self.cloud.clock().now().as_millisecond();
            let put = |name: &str, value: f64| {
                let metric = self.cloud.group_metric("scorer", "python", name);
                let datum = Datum::Values(vec![(value, 100.0)]);
                self.cloud.metrics().put(metric, at_ms, &datum);
            };
            put("RequestCount", 1.0);
            put("TargetResponseTime", 0.04);
            self.cloud.clock().advance(Duration::from_mins(1));
        }
    }

    /// One tick of the schedule, now.
    pub async fn tick(&self) -> Value {
        let now = self.cloud.clock().now();
        let answer = self.cloud.fire("tick", now).await.expect("a tick");
        serde_json::from_slice(&answer).expect("JSON")
    }

    /// The product's CLI with the config file in its environment.
    pub async fn rolloutctl(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rolloutctl"));
        command
            .args(args)
            .env_clear()
            .env("ROLLOUT_CONFIG_FILE", self.config_file())
            .env("AWS_ENDPOINT_URL", self.cloud.aws_endpoint())
            .env("AWS_REGION", &self.cloud.names().region)
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test");
        let ran = tokio::task::spawn_blocking(move || command.output());
        ran.await.expect("not panicked").expect("rolloutctl runs")
    }
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}
