//! A local cloud with the real functions of the controller, and a hand on time:
//! metrics are put minute by minute instead of sent as requests, so that an hour
//! takes seconds. For tests that meet the controller as people do.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "every test binary uses a part of it")]

use crate::cloud::{self, MINUTE, TICK, python};
use jiff::{Timestamp, ToSpan as _};
use local_cloud::metrics::Datum;
use local_cloud::{
    AlarmSpec, ApiFault, ApiFaultKind, Deployment, Fault, LocalCloud, Metric, Topology,
};
use rollout_controller::adapters::clock::VARIABLE as CLOCK_VARIABLE;
use serde_json::Value;
use std::path::PathBuf;
use std::process::Output;
use tempfile::TempDir;

/// How the Rust side behaves.
#[derive(Clone, Copy, Debug)]
pub struct Rust {
    /// Share of its requests that fail.
    pub errors: f64,
    /// Whether requests reach it; CloudWatch then says so with an explicit 0.
    pub reached: bool,
}

pub struct Stage {
    pub cloud: LocalCloud,
    pub dir: TempDir,
    pub rust: Rust,
    /// Requests a minute, both sides together.
    pub requests: f64,
    /// What most requests take, on both sides.
    pub seconds: f64,
    /// Simulated minutes so far.
    pub minutes: u32,
}

/// Where an operator's shell finds `rolloutctl` and the AWS CLI.
pub fn path() -> String {
    let bin = PathBuf::from(env!("CARGO_BIN_EXE_rolloutctl"));
    let python = PathBuf::from(python());
    let folders = [bin.parent(), python.parent()].into_iter().flatten();
    let mut path: Vec<String> = folders
        .filter(|folder| !folder.as_os_str().is_empty())
        .map(|folder| folder.display().to_string())
        .collect();
    path.push(std::env::var("PATH").unwrap_or_default());
    path.join(":")
}

fn topology(config: &str, minutes_ago: i64) -> Topology {
    let alarm: AlarmSpec = serde_json::from_value(serde_json::json!({
        "name": "rds-cpu", "namespace": "AWS/RDS", "metric": "CPUUtilization",
        "statistic": "Average", "period_secs": 60, "evaluation_periods": 1,
        "threshold": 90, "comparison": "GreaterThanThreshold", "missing_data": "notBreaching",
    }))
    .unwrap();
    let start = Timestamp::now() - minutes_ago.minutes();
    cloud::topology(start, 0, config, |function| function).alarm(alarm)
}

impl Stage {
    /// A deployed controller whose ledger is made, and an hour of Python traffic.
    pub async fn ready(minutes_ago: i64) -> Self {
        let stage = Self::bare(minutes_ago).await;
        let made = stage.rolloutctl(&["migrate", "--config", "rollout.toml"]).await;
        assert!(made.status.success(), "{made:?}");
        stage.past_hour()
    }

    /// The same before `rolloutctl migrate`.
    pub async fn bare(minutes_ago: i64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("rollout.toml");
        let topology = topology(config.to_str().unwrap(), minutes_ago);
        let names = topology.names();
        let text = format!(
            r#"[ledger]
url = "sqlite://{ledger}/journal.db?mode=rwc"
[paging]
topic_arn = "{topic}"
runbooks = "https://wiki.example.com/runbooks"
[[rollout]]
name = "score"
mode = "active"
lag = "1m"
max_hold = "30m"
[rollout.alarms]
hold_on = ["rds-cpu"]
{route}"#,
            ledger = dir.path().join("ledger").display(),
            topic = names.topic("oncall"),
            route = cloud::route(&names),
        );
        std::fs::write(&config, text).unwrap();
        std::fs::create_dir(dir.path().join("ledger")).unwrap();
        Self {
            cloud: LocalCloud::start(topology).await.unwrap(),
            dir,
            rust: Rust { errors: 0.0, reached: true },
            requests: 6_000.0,
            seconds: 0.02,
            minutes: 0,
        }
    }

    pub fn past_hour(mut self) -> Self {
        for _ in 0..62 {
            self.pass_minute();
        }
        self
    }

    /// Lets a minute of traffic pass at the weights that the rule shows.
    pub fn pass_minute(&mut self) {
        let now_ms = self.cloud.clock().now_ms();
        let rust = f64::from(self.rust_percent()) / 100.0;
        let python = self.requests * (1.0 - rust);
        cloud::put_taking(&self.cloud, now_ms, "scorer-py", python, 0.0, self.seconds);
        if self.rust.reached {
            let requests = self.requests * rust;
            let errors = self.rust.errors;
            cloud::put_taking(&self.cloud, now_ms, "scorer-rs", requests, errors, self.seconds);
        } else {
            let none = self.cloud.group_metric("scorer", "scorer-rs", "RequestCount");
            let zero = Datum::Values(vec![(0.0, 1.0)]);
            self.cloud.metrics().put(none, now_ms, &zero);
        }
        self.cloud.clock().advance(MINUTE);
        self.minutes += 1;
    }

    /// The share that the weighted rule gives Rust; weights sum to 100 here.
    pub fn rust_percent(&self) -> u32 {
        cloud::rust_percent(&self.cloud)
    }

    /// Somebody else changes the weights.
    pub fn console(&self, rust: u32) {
        cloud::console(&self.cloud, rust);
    }

    /// One tick for the present minute; its first report, or the error.
    pub async fn tick(&self) -> Result<Value, String> {
        let now = self.cloud.clock().now();
        match self.cloud.fire(TICK, now).await {
            Ok(answer) => {
                let reports: Value = serde_json::from_slice(&answer).unwrap();
                Ok(reports[0].clone())
            }
            Err(error) => Err(error.to_string()),
        }
    }

    /// A minute of traffic, then a tick; as often as it takes.
    pub async fn until(&mut self, limit: usize, fits: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        for _ in 0..limit {
            self.pass_minute();
            last = self.tick().await.unwrap();
            if fits(&last) {
                return last;
            }
        }
        panic!("not within {limit} minutes: {last:#}");
    }

    pub async fn minutes(&mut self, count: usize) {
        for _ in 0..count {
            self.pass_minute();
            // A failing tick may be what the situation is about.
            let _ = self.tick().await;
        }
    }

    /// Started, and some minutes at this share.
    pub async fn at(minutes_ago: i64, percent: u32) -> Self {
        let mut stage = Self::ready(minutes_ago).await;
        stage.start().await;
        stage.reach(percent).await;
        stage
    }

    pub async fn start(&self) {
        let started =
            self.rolloutctl(&["start", "--reason", "scorer 2.4, change 1187", "--yes"]).await;
        assert!(started.status.success(), "{started:?}");
    }

    pub async fn reach(&mut self, percent: u32) {
        let tenths = u64::from(percent) * 10;
        self.until(90, |report| report["weight"] == tenths).await;
        self.pass_minute();
    }

    pub fn fail_api(&self, operation: &str, kind: ApiFaultKind) {
        self.cloud.add_fault(Fault::Api(ApiFault::new(operation, kind)));
    }

    /// The database is busy: alarm `rds-cpu` stands from now on.
    pub fn alarm(&self) {
        let metric = Metric {
            namespace: "AWS/RDS".to_owned(),
            name: "CPUUtilization".to_owned(),
            dimensions: [].into(),
        };
        let now_ms = self.cloud.clock().now_ms();
        for minute in 1..=3 {
            let at_ms = now_ms - minute * 60_000;
            let value = Datum::Values(vec![(99.0, 1.0)]);
            self.cloud.metrics().put(metric.clone(), at_ms, &value);
        }
        self.cloud.evaluate_alarms();
    }

    /// The scorer has compared so many answers of the present minute with Python's.
    pub fn compared(&self, compared: f64, different: f64, kind: &str) {
        let group = self.cloud.group_metric("scorer", "scorer-rs", "RequestCount");
        let group = group.dimensions["TargetGroup"].clone();
        let now_ms = self.cloud.clock().now_ms();
        for (name, kind, count) in [
            ("Compared", None, compared),
            ("Different", None, different),
            ("Different", Some(kind), different),
            ("CompareFailed", None, 0.0),
        ] {
            let kind = kind.map(|kind| ("Kind".to_owned(), kind.to_owned()));
            let metric = Metric {
                namespace: "ScorerFn".to_owned(),
                name: name.to_owned(),
                dimensions: [("TargetGroup".to_owned(), group.clone())]
                    .into_iter()
                    .chain(kind)
                    .collect(),
            };
            self.cloud.metrics().put(metric, now_ms, &Datum::Values(vec![(count, 1.0)]));
        }
    }

    /// Rust logs an example of a wrong answer, as its scorer does.
    pub async fn example(&self, difference: &str) {
        let line = serde_json::json!({"level": "WARN", "message": "Python answers differently",
            "differences_from_python": [difference]});
        let event = serde_json::json!({"print": [line.to_string()]}).to_string();
        self.cloud.invoke("scorer-rs", event).await.expect("a line");
    }

    /// The surroundings of an operator, as the runbooks' first page sets them.
    pub fn env(&self) -> Vec<(String, String)> {
        let names = self.cloud.names();
        let pairs = [
            ("PATH", path()),
            ("HOME", self.dir.path().display().to_string()),
            ("LANG", "C.UTF-8".to_owned()),
            ("AWS_ENDPOINT_URL", self.cloud.aws_endpoint()),
            ("AWS_REGION", names.region.clone()),
            ("AWS_DEFAULT_REGION", names.region.clone()),
            ("AWS_ACCESS_KEY_ID", "TEST".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
            ("AWS_PAGER", String::new()),
            ("RULE", names.rule("scorer", 100)),
            ("HEADER_RULE", names.rule("scorer", 99)),
            ("LISTENER", names.listener("scorer")),
            ("PYTHON_GROUP", names.target_group("scorer-py")),
            ("RUST_GROUP", names.target_group("scorer-rs")),
            ("TESTER_GROUP", names.target_group("scorer-rs-tester")),
            ("SCORER_FUNCTION", "scorer-rs".to_owned()),
            ("API", self.cloud.alb_url("scorer")),
        ];
        pairs.map(|(name, value)| (name.to_owned(), value)).into()
    }

    /// Lets the functions that people talk to, and people, have the cloud's time. It
    /// only moves by hand here, so its present minute is told anew before each command.
    pub fn agree_on_time(&self) -> (&'static str, String) {
        let (now, real) = (self.cloud.clock().now(), Timestamp::now());
        let clock = (CLOCK_VARIABLE, format!("start={now},anchor={real},speed=1"));
        for function in ["rollout-command", "rollout-view"] {
            let told = Deployment::new().env(clock.0, clock.1.as_str());
            self.cloud.deploy(function, &told).expect("a new variable");
        }
        clock
    }

    /// Runs a script as an operator would, in a folder with `rollout.toml`.
    pub async fn sh(&self, script: &str) -> Output {
        tokio::process::Command::new("bash")
            .args(["-c", script])
            .current_dir(self.dir.path())
            .env_clear()
            .envs(self.env())
            .envs([self.agree_on_time()])
            .stdin(std::process::Stdio::null())
            .output()
            .await
            .unwrap()
    }

    pub async fn rolloutctl(&self, args: &[&str]) -> Output {
        tokio::process::Command::new(env!("CARGO_BIN_EXE_rolloutctl"))
            .args(args)
            .current_dir(self.dir.path())
            .env_clear()
            .envs(self.env())
            .envs([self.agree_on_time()])
            .output()
            .await
            .unwrap()
    }
}
