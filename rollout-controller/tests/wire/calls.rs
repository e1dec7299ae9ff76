//! What the controller's functions and the people who use it ask of AWS, seen where it
//! arrives, by whom. `infra/test/aws-calls.json` is this record; infra's tests hold the
//! policies against it, so that no role may more, and none less, than is asked.
//!
//! ```text
//! UPDATE_AWS_CALLS=1 cargo test … --test wire calls::    writes the record anew
//! ```

use crate::functions::{Functions, text};
use local_cloud::metrics::Datum;
use local_cloud::{AliasSpec, ApiCall, LocalCloud, Metric};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Output;

const RECORD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../infra/test/aws-calls.json");

/// Actions, each with what it was asked about, by the role that asked.
type Record = BTreeMap<String, BTreeSet<String>>;

/// `rolloutctl` with the credentials of a role.
async fn run(stage: &Functions, role: &str, args: &[&str]) -> Output {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_rolloutctl"));
    command
        .args(args)
        .env_clear()
        .env("AWS_ENDPOINT_URL", stage.cloud.aws_endpoint())
        .env("AWS_REGION", &stage.cloud.names().region)
        .env("AWS_ACCESS_KEY_ID", role)
        .env("AWS_SECRET_ACCESS_KEY", "test");
    let ran = tokio::task::spawn_blocking(move || command.output());
    ran.await.expect("not panicked").expect("rolloutctl runs")
}

/// The same where it must succeed.
async fn done(stage: &Functions, role: &str, args: &[&str]) {
    let output = run(stage, role, args).await;
    let told = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{role}: {args:?}: {told}");
}

/// Changes the configuration; the functions start anew with it.
fn reconfigure(stage: &Functions, old: &str, new: &str) {
    let file = stage.config_file();
    let config = std::fs::read_to_string(&file).expect("the configuration");
    assert!(config.contains(old), "no {old} in {config}");
    std::fs::write(&file, config.replace(old, new)).expect("written");
    for door in ["tick", "command", "view"] {
        stage.cloud.recycle(&format!("rollout-{door}")).expect("a function");
    }
}

/// A tick that may fail, as it does without a ledger.
async fn tick(stage: &Functions) {
    stage.python_minutes(1);
    let now = stage.cloud.clock().now();
    let _ = stage.cloud.fire("tick", now).await;
}

fn rust_weight(cloud: &LocalCloud) -> u32 {
    let weights = cloud.weights(&cloud.names().rule("scorer", 100)).expect("weights");
    let rust = weights.iter().find(|share| share.group == "rust");
    rust.and_then(|share| share.weight).expect("Rust's weight")
}

/// What a call is about, in words that fit every stack.
fn about(cloud: &LocalCloud, call: &ApiCall) -> String {
    let Some(resource) = call.resource.as_deref() else {
        return "*".to_owned();
    };
    let names = cloud.names();
    let known = [
        (names.rule("scorer", 100), "the weighted rule"),
        (names.topic("oncall"), "a topic"),
        ("default".to_owned(), "the bus"),
        ("/aws/lambda/new".to_owned(), "the scorer's log"),
        (names.secret("journal"), "the journal's secret"),
        ("/rollout/score/run".to_owned(), "parameter run"),
        ("/rollout/score/order".to_owned(), "parameter order"),
        ("rollout-command".to_owned(), "function command"),
        ("rollout-view".to_owned(), "function view"),
        ("old".to_owned(), "a scorer"),
        ("new".to_owned(), "a scorer"),
    ];
    let found = known.iter().find(|(name, _)| name == resource);
    found.unwrap_or_else(|| panic!("{call:?} is about something else")).1.to_owned()
}

fn record(cloud: &LocalCloud) -> Record {
    let mut record = Record::new();
    for call in cloud.api_calls() {
        let role = call.caller.strip_prefix("rollout-").unwrap_or(&call.caller).to_owned();
        let line = format!("{} on {}", call.action, about(cloud, &call));
        record.entry(role).or_default().insert(line);
    }
    record
}

/// Ends a run that has just begun, for wrong answers: examples of them are read.
async fn wrong_answers(stage: &Functions) {
    for _ in 0..20 {
        if rust_weight(&stage.cloud) > 0 {
            break;
        }
        tick(stage).await;
    }
    assert!(rust_weight(&stage.cloud) > 0, "the share never rose");
    let group = stage.cloud.group_metric("scorer", "rust", "Compared").dimensions;
    let group = group["TargetGroup"].clone();
    for _ in 0..20 {
        if rust_weight(&stage.cloud) == 0 {
            break;
        }
        let now_ms = stage.cloud.clock().now_ms();
        let put = |metric: Metric, value: f64| {
            stage.cloud.metrics().put(metric, now_ms, &Datum::Values(vec![(value, 50.0)]));
        };
        put(stage.cloud.group_metric("scorer", "rust", "RequestCount"), 1.0);
        put(stage.cloud.group_metric("scorer", "rust", "TargetResponseTime"), 0.04);
        for (name, each) in [("Compared", 1.0), ("Different", 1.0), ("CompareFailed", 0.0)] {
            let dimensions = [("TargetGroup".to_owned(), group.clone())].into();
            let namespace = "ScorerFn".to_owned();
            put(Metric { namespace, name: name.to_owned(), dimensions }, each);
        }
        tick(stage).await;
    }
    assert_eq!(rust_weight(&stage.cloud), 0, "wrong answers were not seen");
}

/// A run from its start to a rollback without the journal, with all that people can ask
/// on the way.
async fn live(stage: &Functions) {
    let config = stage.config_file();
    let config = config.to_str().expect("a path");
    // One side by its alias, the other as it is: both ways to tell which code runs.
    stage.cloud.set_alias("new", "live", AliasSpec::new("$LATEST")).expect("an alias");
    stage.cloud.register_target("rust", "new:live").expect("a target");

    done(stage, "operator", &["start", "--reason", "release 2", "--yes"]).await;
    for _ in 0..20 {
        if rust_weight(&stage.cloud) > 0 {
            break;
        }
        tick(stage).await;
    }
    assert!(rust_weight(&stage.cloud) > 0, "the share never rose");
    tick(stage).await;

    for role in ["reader", "operator"] {
        done(stage, role, &["status"]).await;
        done(stage, role, &["history"]).await;
        run(stage, role, &["check", "--config", config]).await;
        let (from, to) = ("2026-11-24T08:00:00Z", "2026-11-24T09:00:00Z");
        run(stage, role, &["export", "--config", config, "--from", from, "--to", to]).await;
    }
    run(stage, "operator", &["check", "--write-test"]).await;
    run(stage, "operator", &["notify", "--test"]).await;
    done(stage, "operator", &["pause", "--reason", "deploy", "--yes"]).await;
    done(stage, "operator", &["resume", "--reason", "deployed", "--yes"]).await;

    // The ledger is gone: protection asks for what stands outside, and a rollback is left there.
    reconfigure(stage, "journal.db", "gone/journal.db");
    tick(stage).await;
    run(stage, "operator", &["rollback", "--reason", "users see errors", "--yes"]).await;
    assert_eq!(rust_weight(&stage.cloud), 0);
    assert!(stage.cloud.parameter("/rollout/score/order").is_some(), "the order was left");
    reconfigure(stage, "gone/journal.db", "journal.db");
    tick(stage).await;

    let direct = ["rollback", "--direct", "--config", config, "--reason", "it is broken", "--yes"];
    // Only what is not at 0 is written.
    let rule = stage.cloud.names().rule("scorer", 100);
    stage.cloud.set_weights(&rule, [("python", 90), ("rust", 10)]).expect("the console");
    done(stage, "emergency", &direct).await;
    assert_eq!(rust_weight(&stage.cloud), 0);

    // The journal is older than what stands outside: what a person decides then goes there.
    tick(stage).await;
    let status = run(stage, "operator", &["status", "--json"]).await;
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).expect("a status");
    let revision = status["revision"].to_string();
    let outside = r#"{"v":1,"run":9,"state":"open","mode":"active","revision":9000,"at_ms":1760000000000,"alarms_before":[]}"#;
    stage.cloud.set_parameter("/rollout/score/run", outside).expect("a parameter");
    let table = "[rollout.wrong_answers]\nlog_group = \"/aws/lambda/new\"\n[rollout.alarms]";
    reconfigure(stage, "[rollout.alarms]", table);
    let start = ["start", "--if-revision", &revision, "--reason", "anew", "--yes"];
    done(stage, "operator", &start).await;
    wrong_answers(stage).await;

    // A login from a secret is fetched before anybody connects, so no database is needed.
    stage.cloud.set_secret("journal", r#"{"username":"rollout","password":"x"}"#);
    let secret = stage.cloud.names().secret("journal");
    let folder = stage.config_file().parent().expect("a folder").display().to_string();
    let file = format!("url = \"sqlite://{folder}/journal.db?mode=rwc\"");
    let proxy = format!("url = \"postgres://127.0.0.1:1/journal\"\nsecret_arn = \"{secret}\"");
    reconfigure(stage, &file, &proxy);
    tick(stage).await;
    run(stage, "operator", &["pause", "--reason", "x", "--yes"]).await;
    run(stage, "operator", &["check"]).await;
    run(stage, "operator", &["check", "--write-test"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_calls_are_those_that_the_policies_are_held_against() {
    let stage = Functions::deployed(&[]).await;
    live(&stage).await;
    let found = serde_json::to_string_pretty(&record(&stage.cloud)).expect("JSON") + "\n";
    stage.cloud.shutdown().await;
    if std::env::var_os("UPDATE_AWS_CALLS").is_some() {
        std::fs::write(RECORD, &found).expect("written");
    }
    let kept = std::fs::read_to_string(Path::new(RECORD)).expect("the record");
    assert!(
        kept == found,
        "the calls differ from {RECORD}; with UPDATE_AWS_CALLS=1 it is written anew, and infra's tests \
         then say which policies must change. Found:\n{found}"
    );
}
