//! A deployed controller in a local cloud, and a hand on time.

use super::servers::Database;
use crate::cloud::{self, MINUTE, TICK};
use jiff::{Timestamp, ToSpan as _};
use local_cloud::{
    AlarmSpec, ApiFault, ApiFaultKind, Comparison, EventRuleSpec, Fault, FunctionSpec,
    FunctionStats, InvokeError, LocalCloud, MissingData, Page, RuleChange, Topology, names,
};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::sleep;

/// Of the old side's history, and two more.
const PAST_MINUTES: i64 = 62;
/// Real time that a test waits for something to happen before it calls it a failure.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// What differs between scenes.
pub(crate) struct Setup {
    /// First stage, or `auto`.
    pub(crate) start: &'static str,
    /// Real time an invocation of the controller may take.
    pub(crate) timeout: Duration,
    /// Whether alarm events start ticks.
    pub(crate) bell: bool,
    /// Where spans are sent.
    pub(crate) collector: Option<String>,
}

impl Default for Setup {
    fn default() -> Self {
        Self { start: "1%", timeout: Duration::from_secs(30), bell: false, collector: None }
    }
}

/// Minutes put so far, as a new cloud has to be told: time, group, requests, errors.
type Past = Vec<(i64, &'static str, f64, f64)>;

pub(crate) struct Scene {
    pub(crate) cloud: LocalCloud,
    pub(crate) database: Database,
    setup: Setup,
    pub(crate) dir: TempDir,
    past: Past,
    /// Messages from before a restart.
    pub(crate) earlier_pages: Vec<Page>,
    changes: Vec<RuleChange>,
    /// Requests a minute, both sides together.
    pub(crate) requests: f64,
    /// Share of Rust's requests that fail.
    pub(crate) errors: f64,
}

impl Setup {
    /// The cloud as it is at `start` with this share on Rust.
    fn topology(&self, config: &str, start: Timestamp, rust: u32) -> Topology {
        let controller = |function: FunctionSpec| {
            let mut function =
                FunctionSpec { init_timeout: PATIENCE, ..function.timeout(self.timeout) };
            if let Some(collector) = &self.collector {
                function = function.env("OTEL_EXPORTER_OTLP_ENDPOINT", collector);
            }
            function
        };
        let mut topology = cloud::topology(start, rust, config, controller);
        let names = topology.names();
        let part = |arn: &str| names::dimension(arn).unwrap_or_default().to_owned();
        let dimensions = BTreeMap::from([
            ("LoadBalancer".to_owned(), part(&names.load_balancer("scorer"))),
            ("TargetGroup".to_owned(), part(&names.target_group("scorer-rs"))),
        ]);
        topology = topology.alarm(AlarmSpec {
            name: "scorer-rs-errors".to_owned(),
            description: String::new(),
            namespace: "AWS/ApplicationELB".to_owned(),
            metric: "HTTPCode_Target_5XX_Count".to_owned(),
            dimensions,
            statistic: "Sum".to_owned(),
            period_secs: 60,
            evaluation_periods: 1,
            datapoints_to_alarm: None,
            threshold: 5.0,
            comparison: Comparison::GreaterThanThreshold,
            missing_data: MissingData::NotBreaching,
            ignore_low_samples: false,
            alarm_actions: Vec::new(),
            ok_actions: Vec::new(),
            insufficient_data_actions: Vec::new(),
        });
        if self.bell {
            topology = topology.event_rule(EventRuleSpec::alarms("rollout-alarms", TICK));
        }
        topology
    }
}

impl Scene {
    /// A deployed controller whose tables are made, and an hour of Python traffic.
    pub(crate) async fn new(database: Option<Database>, setup: Setup) -> Option<Self> {
        let dir = tempfile::tempdir().expect("a folder");
        let start = Timestamp::now() - PAST_MINUTES.minutes();
        let config = dir.path().join("rollout.toml");
        let topology = setup.topology(&config.display().to_string(), start, 0);
        let mut scene = Self {
            cloud: LocalCloud::start(topology).await.expect("a cloud"),
            database: database?,
            setup,
            dir,
            past: Past::new(),
            earlier_pages: Vec::new(),
            changes: Vec::new(),
            requests: 6_000.0,
            errors: 0.0,
        };
        scene.write_config();
        let direct = scene.database.direct.clone();
        let migrate = ["migrate", "--config", "rollout.toml", "--ledger-url", &direct];
        let made = scene.rolloutctl(&migrate).await;
        assert!(made.status.success(), "{made:?}");
        for _ in 0..PAST_MINUTES {
            scene.pass_minute();
        }
        Some(scene)
    }

    fn write_config(&self) {
        let names = self.cloud.names();
        let text = format!(
            r#"[ledger]
url = "{url}"
[paging]
topic_arn = "{topic}"
[events]
bus = "default"
[[rollout]]
name = "score"
mode = "active"
lag = "1m"
start = "{start}"
stages = ["1%", "5%", "25%", "50%", "100%"]
max_hold = "2h"
[rollout.alarms]
rollback_on = ["scorer-rs-errors"]
{route}"#,
            url = self.database.pooled,
            start = self.setup.start,
            topic = names.topic("oncall"),
            route = cloud::route(names),
        );
        std::fs::write(self.dir.path().join("rollout.toml"), text).expect("a config");
    }

    // ------------------------------------------------------------------- time

    /// Lets a minute of traffic pass at the weights that the rule shows.
    pub(crate) fn pass_minute(&mut self) {
        let now_ms = self.cloud.clock().now_ms();
        let rust = f64::from(self.rust_percent()) / 100.0;
        self.put(now_ms, "scorer-py", self.requests * (1.0 - rust), 0.0);
        self.put(now_ms, "scorer-rs", self.requests * rust, self.errors);
        self.cloud.clock().advance(MINUTE);
    }

    fn put(&mut self, at_ms: i64, group: &'static str, requests: f64, errors: f64) {
        self.past.push((at_ms, group, requests, errors));
        cloud::put(&self.cloud, at_ms, group, requests, errors);
    }

    /// One tick for the present minute; its report, or what the function failed with.
    pub(crate) async fn tick(&self) -> Result<Value, String> {
        loop {
            match self.cloud.fire(TICK, self.cloud.clock().now()).await {
                Ok(answer) => {
                    let reports: Value = serde_json::from_slice(&answer).expect("reports");
                    return Ok(reports[0].clone());
                }
                // Reserved concurrency 1, and an alarm's tick is at work.
                Err(InvokeError::Throttled { .. }) => sleep(Duration::from_millis(10)).await,
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    /// Ticks until the database, which has just been started, is reached again: the
    /// pooler takes its time before it tries anew.
    pub(crate) async fn tick_with_patience(&self) -> Value {
        let again = async {
            loop {
                match self.tick().await {
                    Ok(report) => return report,
                    Err(error) => assert!(error.contains("LedgerError"), "{error}"),
                }
                sleep(Duration::from_millis(250)).await;
            }
        };
        tokio::time::timeout(PATIENCE, again).await.expect("the database is back")
    }

    /// A minute of traffic, then a tick that must succeed.
    pub(crate) async fn minute(&mut self) -> Value {
        self.pass_minute();
        self.tick().await.expect("a tick")
    }

    pub(crate) async fn minutes(&mut self, count: usize) -> Value {
        let mut last = Value::Null;
        for _ in 0..count {
            last = self.minute().await;
        }
        last
    }

    /// Minutes until the rules give Rust this share.
    pub(crate) async fn reach(&mut self, percent: u32) -> Value {
        let limit = 40;
        let mut said = Vec::new();
        for _ in 0..limit {
            let report = self.minute().await;
            if self.rust_percent() == percent {
                return report;
            }
            said.push(report["message"].to_string());
        }
        panic!("not at {percent}% within {limit} minutes: {said:#?}");
    }

    // ---------------------------------------------------------------- traffic

    /// The share that the weighted rule gives Rust; weights sum to 100 here.
    pub(crate) fn rust_percent(&self) -> u32 {
        cloud::rust_percent(&self.cloud)
    }

    /// Somebody else changes the weights.
    pub(crate) fn console(&self, rust: u32) {
        cloud::console(&self.cloud, rust);
    }

    /// Every change of the weighted rule so far: by whom, and Rust's share after it.
    pub(crate) fn changes(&self) -> Vec<(String, u32)> {
        let now = self.cloud.rule_changes();
        let shares = self.changes.iter().chain(&now).map(|change| {
            let rust = change.weights.iter().find(|share| share.group == "scorer-rs");
            let rust = rust.and_then(|share| share.weight);
            (change.by.clone(), rust.expect("Rust's weight"))
        });
        shares.collect()
    }

    /// Real requests through the load balancer: status and function of each.
    pub(crate) async fn ask(&self, count: usize, headers: &str) -> Vec<(u16, String)> {
        let url = self.cloud.alb_url("scorer");
        let address = url.strip_prefix("http://").expect("an address");
        let mut answers = Vec::new();
        for n in 0..count {
            let mut stream = TcpStream::connect(address).await.expect("the load balancer");
            let request = format!(
                "GET /v2/stamps/{n}/score/7 HTTP/1.1\r\nhost: scorer.example\r\n{headers}connection: close\r\n\r\n"
            );
            stream.write_all(request.as_bytes()).await.expect("sent");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.expect("an answer");
            let status = answer.split(' ').nth(1).and_then(|word| word.parse().ok());
            let header = answer.lines().find_map(|line| line.strip_prefix("x-function: "));
            answers.push((status.expect("a status"), header.unwrap_or_default().to_owned()));
        }
        answers
    }

    /// Whom real users meet now, and that testers meet Rust at every weight.
    pub(crate) async fn users_meet(&self, count: usize) -> BTreeMap<String, usize> {
        let testers = self.ask(2, "x-use-rust-scorer: true\r\n").await;
        let rust = (200, "scorer-rs".to_owned());
        assert_eq!(testers, [rust.clone(), rust], "rule 99 wins");
        let mut met = BTreeMap::new();
        for (status, function) in self.ask(count, "").await {
            assert_eq!(status, 200);
            *met.entry(function).or_default() += 1;
        }
        met
    }

    // ----------------------------------------------------------------- faults

    /// This call fails in this way until [`heal`](Self::heal).
    pub(crate) fn fail(&self, operation: &str, kind: ApiFaultKind) {
        self.cloud.add_fault(Fault::Api(ApiFault::new(operation, kind)));
    }

    pub(crate) fn heal(&self) {
        assert!(self.cloud.clear_faults(None) > 0, "no fault stood");
    }

    pub(crate) fn tick_stats(&self) -> FunctionStats {
        let all = self.cloud.function_stats();
        all.into_iter().find(|one| one.name == TICK).expect("the tick function")
    }

    /// Ends the tick function's process as `kill -9` does.
    pub(crate) fn kill_tick(&self) {
        let pids = self.tick_stats().pids;
        assert_eq!(pids.len(), 1, "one process at work");
        let mut kill = std::process::Command::new("kill");
        let killed = kill.arg("-9").arg(pids[0].to_string()).status();
        assert!(killed.expect("kill runs").success());
    }

    /// Everything ends and begins again: functions, cloud, database, pooler. What
    /// stays is what AWS and the disk keep: weights, metrics, journal.
    pub(crate) async fn restart_everything(&mut self) {
        self.earlier_pages = self.pages();
        self.changes.extend(self.cloud.rule_changes());
        let (now, rust) = (self.cloud.clock().now(), self.rust_percent());
        let config = self.dir.path().join("rollout.toml");
        let topology = self.setup.topology(&config.display().to_string(), now, rust);
        let cloud = LocalCloud::start(topology).await.expect("a cloud again");
        for (at_ms, group, requests, errors) in &self.past {
            cloud::put(&cloud, *at_ms, group, *requests, *errors);
        }
        std::mem::replace(&mut self.cloud, cloud).shutdown().await;
        self.database.restart().await;
        self.write_config();
    }
}
