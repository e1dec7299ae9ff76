//! Wrong answers as an objective, with real processes: the scorer's builds compare their
//! answers with Python's function while the controller's functions move their traffic.
//!
//! Requests are real and few; the load balancer's counts of the many others are put minute
//! by minute, so that each share is proven in a few simulated minutes.

use crate::cloud::{self, MINUTE, TICK};
use crate::compare::{KEY, PATH, PATIENCE, counted, demo, on_demo_data, revoke, scorer, twin};
use jiff::{Timestamp, ToSpan as _};
use local_cloud::metrics::Datum;
use local_cloud::postgres::PrivatePostgres;
use local_cloud::{Deployment, FunctionSpec, LoadBalancerSpec, LocalCloud, RuleSpec, Topology};
use rollout_controller::adapters::clock::VARIABLE as CLOCK_VARIABLE;
use rollout_controller::compare::client::{Client, Forced};
use rollout_controller::compare::requests::{self, Ask, Format};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A build of the scorer behind its own load balancer, with its own rollout.
struct Build {
    name: &'static str,
    /// `LOCAL_CLOUD_WRONG`.
    wrong: &'static str,
    /// The function that is asked a second time.
    python: &'static str,
    /// What it is rolled back for: the kind of difference; `None`: it completes.
    kind: Option<&'static str>,
}

const BUILDS: [Build; 7] = [
    Build { name: "right", wrong: "", python: "python", kind: None },
    Build { name: "rounds", wrong: "rounds-one-weight", python: "python", kind: Some("number") },
    Build { name: "revoked", wrong: "forgets-revocations", python: "python", kind: Some("extra") },
    Build { name: "drops", wrong: "drops-a-field", python: "python", kind: Some("missing") },
    Build { name: "types", wrong: "changes-a-type", python: "python", kind: Some("type") },
    Build { name: "hung", wrong: "", python: "hangs", kind: None },
    Build { name: "refused", wrong: "", python: "refuses", kind: None },
];

/// The header that reaches Rust.
fn force() -> http::HeaderName {
    http::HeaderName::from_static("x-use-rust-scorer")
}

/// Requests of a minute that only CloudWatch hears of.
const MANY: f64 = 6_000.0;
/// Longest call of Python: longer than any answer of the scorer takes.
const BUDGET: Duration = Duration::from_secs(20);

struct Scene {
    cloud: LocalCloud,
    dir: TempDir,
    wallets: Vec<String>,
    /// Requests of each minute: one for each wallet.
    asks: Vec<Ask>,
    _postgres: PrivatePostgres,
}

impl Scene {
    async fn new() -> Self {
        let postgres = PrivatePostgres::start().await.unwrap();
        postgres.create_database("scorer").await.unwrap();
        postgres.load_sql_file("scorer", &demo().join("seed.sql")).await.unwrap();
        revoke(&postgres.url("scorer")).await;
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("rollout.toml");
        // An hour of history ends about now: no tick is behind the clock.
        let start = Timestamp::now() - 62.minutes();
        let mut topology = topology(&postgres, config.to_str().unwrap());
        topology.start = Some(start);
        std::fs::create_dir(dir.path().join("ledger")).unwrap();
        let ledger = dir.path().join("ledger/journal.db");
        std::fs::write(&config, rollouts(&topology, &ledger)).unwrap();
        let addresses = std::fs::read_to_string(demo().join("addresses.txt")).unwrap();
        // The wallet whose stamp is revoked is among them: `revoke` says so.
        let revoked = "0x0ced2cfd878a717fd597810d9e6b99f1bcba0153";
        let wallets = addresses.lines().take(5).chain([revoked]).collect::<BTreeSet<_>>();
        let paths: Vec<String> =
            wallets.iter().map(|wallet| format!("/v2/stamps/1/score/{wallet}")).collect();
        let paths = paths.join("\n");
        let scene = Self {
            cloud: LocalCloud::start(topology).await.unwrap(),
            wallets: wallets.into_iter().map(str::to_owned).collect(),
            asks: requests::read(paths.as_bytes(), Format::Paths, &force()).unwrap().asks,
            dir,
            _postgres: postgres,
        };
        for _ in 0..62 {
            scene.pass_minute();
        }
        scene.rolloutctl(&["migrate", "--config", "rollout.toml"]).await;
        for Build { name, .. } in BUILDS {
            scene.rolloutctl(&["start", "-r", name, "--reason", "a test", "--yes"]).await;
        }
        scene
    }

    /// Share of Rust by the rule of a build.
    fn rust(&self, build: &str) -> f64 {
        let weights = self.cloud.weights(&self.cloud.names().rule(build, 100)).unwrap();
        let of = |side: &str| {
            let group = format!("{build}-{side}");
            let found = weights.iter().find(|share| share.group == group);
            f64::from(found.and_then(|share| share.weight).unwrap())
        };
        of("rs") / (of("py") + of("rs"))
    }

    /// The requests that the load balancers have besides ours, at the rules' shares.
    fn pass_minute(&self) {
        let now_ms = self.cloud.clock().now_ms();
        for Build { name, .. } in BUILDS {
            let rust = self.rust(name);
            for (side, share) in [("py", 1.0 - rust), ("rs", rust)] {
                let requests = (MANY * share).round();
                if requests < 1.0 {
                    continue;
                }
                let put = |metric: &str, value: f64| {
                    let metric = self.cloud.group_metric(name, &format!("{name}-{side}"), metric);
                    let values = Datum::Values(vec![(value, requests)]);
                    self.cloud.metrics().put(metric, now_ms, &values);
                };
                put("RequestCount", 1.0);
                put("TargetResponseTime", 0.02);
            }
        }
        self.cloud.clock().advance(MINUTE);
    }

    /// Sends every path once to a build, and waits until what reached Rust was compared.
    /// How many that are.
    async fn ask(&self, build: &Build, first: bool) -> u64 {
        let seen = |metric: &str| counted(&self.cloud, build.name, metric, None);
        let asked_before = self.calls(build.name);
        let before = seen("Compared") + seen("CompareFailed");
        let key = (http::HeaderName::from_static("x-api-key"), KEY.parse().unwrap());
        let forced = (force(), "true".parse().unwrap());
        let url = self.cloud.alb_url(build.name);
        let client = Client::new(&url, vec![key], forced, PATIENCE, Duration::ZERO).unwrap();
        let begun = Instant::now();
        for ask in &self.asks {
            let answer = client.send(ask, Forced::No).await.unwrap();
            assert!(answer.status < 500, "{}: {answer:?}", build.name);
        }
        let asked = self.calls(build.name) - asked_before;
        // Calls of an earlier minute may end in this one, so only the first tell.
        if build.python == "hangs" && first && begun.elapsed() < BUDGET {
            // Every answer is out while Python's is still waited for.
            assert!(seen("CompareFailed").abs() < f64::EPSILON, "a client has waited");
        }
        // A function that failed leaves Python alone for a minute, so only the first of
        // such calls are waited for: while the cloud's clock stands still.
        let awaited = match (build.python, first) {
            ("python", _) => asked as f64,
            (_, true) => 1.0_f64.min(asked as f64),
            (_, false) => 0.0,
        };
        let begun = Instant::now();
        while seen("Compared") + seen("CompareFailed") - before < awaited {
            assert!(begun.elapsed() < PATIENCE, "{}: not compared", build.name);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        asked
    }

    /// Calls of a build's function so far.
    fn calls(&self, function: &str) -> u64 {
        let all = self.cloud.function_stats();
        all.iter().filter(|stats| stats.name == function).map(|stats| stats.invocations).sum()
    }

    /// What one tick reports, by rollout.
    async fn tick(&self) -> BTreeMap<String, Value> {
        let answer = self.cloud.fire(TICK, self.cloud.clock().now()).await.unwrap();
        let reports: Vec<Value> = serde_json::from_slice(&answer).unwrap();
        let named = reports.into_iter();
        named.map(|report| (report["rollout"].as_str().unwrap().to_owned(), report)).collect()
    }

    async fn rolloutctl(&self, args: &[&str]) -> Output {
        let (now, real) = (self.cloud.clock().now(), Timestamp::now());
        let clock = format!("start={now},anchor={real},speed=1");
        for function in ["rollout-command", "rollout-view"] {
            let told = Deployment::new().env(CLOCK_VARIABLE, clock.as_str());
            self.cloud.deploy(function, &told).unwrap();
        }
        let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_rolloutctl"))
            .args(args)
            .current_dir(self.dir.path())
            .env_clear()
            .env("AWS_ENDPOINT_URL", self.cloud.aws_endpoint())
            .env("AWS_REGION", &self.cloud.names().region)
            .env("AWS_ACCESS_KEY_ID", "TEST")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("HOME", self.dir.path())
            .env(CLOCK_VARIABLE, clock)
            .output()
            .await
            .unwrap();
        let looks = args.first() == Some(&"status") || args.first() == Some(&"history");
        assert!(looks || output.status.success(), "{args:?}: {output:?}");
        output
    }

    /// The page of one rollout, as the dashboard gets it.
    async fn dashboard(&self, rollout: &str) -> String {
        let event = serde_json::json!({"widget": {"rollout": rollout}, "widgetContext": {}});
        let answer = self.cloud.invoke("rollout-view", event.to_string()).await.unwrap();
        String::from_utf8(answer.to_vec()).unwrap()
    }

    async fn said(&self, args: &[&str]) -> String {
        String::from_utf8_lossy(&self.rolloutctl(args).await.stdout).into_owned()
    }
}

fn topology(postgres: &PrivatePostgres, config: &str) -> Topology {
    // Nothing ends it but the budget of whoever calls it.
    let hung = FunctionSpec {
        init_timeout: PATIENCE,
        ..cloud::scorer("hangs").env("TINY_INIT", "hang").timeout(PATIENCE)
    };
    let mut topology = Topology::new()
        .manual_clock()
        .lag_minutes(0.0)
        .function(twin(postgres))
        .function(hung)
        .function(cloud::scorer("refuses").env("TINY_INIT", "fail"))
        .function(cloud::controller("tick", config).reserved_concurrency(1))
        .function(cloud::controller("command", config))
        .function(cloud::controller("view", config))
        .schedule(cloud::schedule())
        .topic("oncall");
    for Build { name, wrong, python, .. } in BUILDS {
        let [old, new, tester] = ["py", "rs", "tester"].map(|side| format!("{name}-{side}"));
        let budget_ms = BUDGET.as_millis().to_string();
        let rust = on_demo_data(postgres, name, vec![scorer()])
            .env("LOCAL_CLOUD_WRONG", wrong)
            .env("COMPARE_FUNCTION_ARN", topology.names().function(python))
            .env("COMPARE_SHARE", "1")
            .env("COMPARE_PER_MINUTE", "600")
            .env("COMPARE_BUDGET_MS", budget_ms);
        let rule = |priority| RuleSpec::new(priority).path(PATH);
        let forced = rule(99).header("X-Use-Rust-Scorer", "true");
        topology = topology
            .function(rust)
            .target_group(&old, "python")
            .target_group(&new, name)
            .target_group(&tester, name)
            .load_balancer(
                LoadBalancerSpec::new(name)
                    .rule(forced.forward([(tester.as_str(), 1)]))
                    .rule(rule(100).forward([(old.as_str(), 100), (new.as_str(), 0)])),
            );
    }
    topology
}

/// One rollout for each build, with wrong answers as an objective.
fn rollouts(topology: &Topology, ledger: &Path) -> String {
    use std::fmt::Write as _;
    let names = topology.names();
    let mut text = format!(
        "[ledger]\nurl = \"sqlite://{}?mode=rwc\"\n[paging]\ntopic_arn = \"{}\"\n",
        ledger.display(),
        names.topic("oncall")
    );
    for Build { name, .. } in BUILDS {
        let group = |side: &str| names.target_group(&format!("{name}-{side}"));
        let _ = write!(
            text,
            "[[rollout]]\nname = \"{name}\"\nmode = \"active\"\nlag = \"1m\"\n\
             stages = [\"25%\", \"50%\", \"100%\"]\nbake = \"3m\"\n\
             [rollout.wrong_answers]\nlimit = \"0.1%\"\n\
             log_group = \"/aws/lambda/{name}\"\n\
             [[rollout.route]]\nname = \"public\"\nrule = \"{}\"\nold_group = \"{}\"\n\
             new_group = \"{}\"\n[rollout.route.header_rule]\npriority = 99\n\
             header = \"X-Use-Rust-Scorer\"\nvalue = \"true\"\ngroup = \"{}\"\n",
            names.rule(name, 100),
            group("py"),
            group("rs"),
            group("tester")
        );
    }
    text
}

/// Within so many comparisons nearly every build that answers this share wrongly is rolled
/// back: docs/evidence.md, and the minutes that CloudWatch and a tick take.
fn bound(share: f64, a_minute: f64) -> f64 {
    let found = if share > 0.5 { 12.0 } else { 90.0 };
    found + 4.0 * a_minute
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_builds_are_rolled_back_and_right_ones_complete() {
    let scene = Scene::new().await;
    let mut compared: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    let mut ended: BTreeMap<&str, Value> = BTreeMap::new();
    for minute in 0.. {
        assert!(minute < 60, "{:?} have ended", ended.keys());
        for build in BUILDS.iter().filter(|build| !ended.contains_key(build.name)) {
            let first = compared.get(build.name).is_none_or(|(sum, _)| *sum == 0);
            let asked = scene.ask(build, first).await;
            let (sum, minutes) = compared.entry(build.name).or_default();
            *sum += asked;
            *minutes += u64::from(asked > 0);
        }
        scene.pass_minute();
        let reports = scene.tick().await;
        for build in &BUILDS {
            let report = &reports[build.name];
            if matches!(report["state"].as_str(), Some("rolled back" | "completed")) {
                ended.entry(build.name).or_insert_with(|| report.clone());
            }
        }
        if ended.len() == BUILDS.len() {
            break;
        }
    }
    for build in &BUILDS {
        let (name, report) = (build.name, &ended[build.name]);
        let status = scene.said(&["status", "-r", name, "--json"]).await;
        let status: Value = serde_json::from_str(&status).unwrap();
        let answers = &status["wrong_answers"];
        let Some(kind) = build.kind else {
            assert_eq!(report["state"], "completed", "{name}: {status:#}");
            assert!((scene.rust(name) - 1.0).abs() < 1e-9, "{name}");
            if build.python == "python" {
                assert_eq!(answers["different"], 0, "{answers:#}");
                assert!(answers["compared"].as_u64() > Some(20), "{answers:#}");
            } else {
                // Nothing was compared, and nobody is blamed for it.
                assert_eq!(answers["compared"].as_u64().unwrap_or(0), 0, "{answers:#}");
                assert!(answers["failed"].as_u64() > Some(0), "{name}: {answers:#}");
            }
            continue;
        };
        assert_eq!(report["state"], "rolled back", "{name}: {status:#}");
        assert!(scene.rust(name).abs() < 1e-9, "{name}: Rust has {}", scene.rust(name));
        let why = status["reason"]["lines"][0].as_str().unwrap();
        assert!(why.starts_with("Rust answers differ from Python's: "), "{name}: {why}");
        assert!(why.contains(&format!("{kind} ")), "{name}: {why}");
        let (sum, minutes) = compared[name];
        let share = answers["different"].as_f64().unwrap() / answers["compared"].as_f64().unwrap();
        let most = bound(share, sum as f64 / minutes as f64);
        assert!(sum as f64 <= most, "{name}: {sum} comparisons, {most} at most for {share}");
        // The page has the same words; no wallet, key or value is in any of them.
        let page = scene
            .cloud
            .pages()
            .into_iter()
            .map(|page| page.message)
            .find(|page| page.contains(&format!("{name}: rolled back")))
            .unwrap_or_else(|| panic!("{name}: no page"));
        assert!(page.contains("Rust answers differ from Python's: "), "{page}");
        let history = scene.said(&["history", "-r", name]).await;
        assert!(history.contains("Rust answers differ from"), "{history}");
        // All of them name a place where the answers differ, out of this build's own log.
        let named = answers["examples"]["named"].as_array().unwrap();
        let example = named.iter().find(|example| example["kind"] == *kind);
        let example = example.unwrap_or_else(|| panic!("{name}: no {kind} in {answers:#}"));
        let (path, times) = (example["path"].as_str().unwrap(), &example["answers"]);
        let said = format!("{times}× {kind} {path}: ");
        let screen = scene.said(&["status", "-r", name]).await;
        let dashboard = scene.dashboard(name).await;
        for text in [&page, &history, &screen, &dashboard] {
            assert!(text.contains(&said), "{name}: {said} is not in {text}");
        }
        for text in [&page, &history, &screen, &dashboard, &status.to_string()] {
            let secret = scene.wallets.iter().find(|wallet| text.contains(wallet.as_str()));
            assert!(secret.is_none() && !text.contains("3f1c86c2"), "{text}");
        }
    }
    scene.cloud.shutdown().await;
}
