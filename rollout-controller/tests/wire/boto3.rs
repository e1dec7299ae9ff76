//! Two clients of one cloud: what boto3 is told is what our adapters are told.
//!
//! Our own stand-in and our own adapters could share a mistake; boto3 was
//! written from AWS's descriptions by others.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region};
use aws_sdk_lambda::config::Credentials;
use jiff::Timestamp;
use local_cloud::metrics::Datum;
use local_cloud::{FunctionSpec, LoadBalancerSpec, LocalCloud, RuleSpec, Topology, names};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rollout_controller::adapters::alb::Alb;
use rollout_controller::adapters::aws::Aws;
use rollout_controller::adapters::cloudwatch::CloudWatch;
use rollout_controller::domain::minute::{Edges, Minute, SideCounts};
use rollout_controller::domain::observation::Share;
use rollout_controller::domain::route::{GroupArn, Route, RuleArn};
use rollout_controller::domain::weight::Weight;
use rollout_controller::ports::{
    Metrics as _, MinutesWanted, RouteMinute, SystemClock, Traffic as _,
};
use serde_json::{Value, json};

const MINUTES: i64 = 4;

/// Functions that nobody calls, behind one weighted rule.
async fn cloud() -> LocalCloud {
    let topology = Topology::new()
        .manual_clock()
        .lag_minutes(0.0)
        .function(FunctionSpec::new("old", ["false"]))
        .function(FunctionSpec::new("new", ["false"]))
        .target_group("python", "old")
        .target_group("rust", "new")
        .load_balancer(
            LoadBalancerSpec::new("scorer")
                .rule(RuleSpec::new(100).path("/v2/*").forward([("python", 100), ("rust", 0)])),
        );
    LocalCloud::start(topology).await.expect("a local cloud")
}

/// Minutes of made-up traffic: errors of every kind, latencies on and off the edges.
fn traffic(cloud: &LocalCloud) {
    let mut dice = ChaCha8Rng::seed_from_u64(7);
    let edges = Edges::default();
    for _ in 0..MINUTES {
        let at_ms = cloud.clock().now_ms();
        for group in ["python", "rust"] {
            let put = |name: &str, values: Vec<(f64, f64)>| {
                let mut metric = cloud.group_metric("scorer", group, name);
                if name.starts_with("Lambda") {
                    // These are published by group alone (aws-facts B.1).
                    metric.dimensions.remove("LoadBalancer");
                }
                cloud.metrics().put(metric, at_ms, &Datum::Values(values));
            };
            let requests = dice.random_range(50..400);
            put("RequestCount", vec![(1.0, f64::from(requests))]);
            for name in ["HTTPCode_Target_5XX_Count", "LambdaUserError", "LambdaInternalError"] {
                // In some minutes there is none, and then nothing is published.
                let count = dice.random_range(0..4);
                if count > 0 {
                    put(name, vec![(1.0, f64::from(count))]);
                }
            }
            let latency = |dice: &mut ChaCha8Rng| match dice.random_range(0..3) {
                0 => edges.as_ms()[dice.random_range(0..edges.as_ms().len())] / 1000.0,
                1 => dice.random_range(0.001..0.2),
                _ => dice.random_range(0.1..20.0),
            };
            let latencies = (0..requests).map(|_| (latency(&mut dice), 1.0)).collect();
            put("TargetResponseTime", latencies);
        }
        cloud.clock().advance(Duration::from_mins(1));
    }
}

async fn adapters(cloud: &LocalCloud) -> (Alb, CloudWatch) {
    let config = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(cloud.names().region.clone()))
        .credentials_provider(Credentials::new("test", "test", None, None, "e2e"))
        .endpoint_url(cloud.aws_endpoint())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .load()
        .await;
    let aws = Aws::with_config(config);
    (Alb::new(aws.clone(), Arc::new(SystemClock)), CloudWatch::new(aws))
}

/// As the script tells a minute.
fn told(counts: Option<&SideCounts>) -> Value {
    let counts = counts.expect("every minute has requests");
    let mut buckets = counts.latency.counts().to_vec();
    buckets.resize(Edges::default().buckets(), 0);
    let numbers: Vec<f64> = buckets.iter().map(|count| *count as f64).collect();
    json!({
        "requests": counts.requests as f64,
        "errors": counts.errors as f64,
        "samples": counts.latency.samples() as f64,
        "buckets": numbers,
    })
}

/// What boto3 says; it writes `write` afterwards.
fn boto3(cloud: &LocalCloud, route: &Route, from: Minute, write: &Value) -> Value {
    let dimension = |arn: &str| names::dimension(arn).expect("an ARN of ours").to_owned();
    let groups: BTreeMap<&str, String> = [&route.old_group, &route.new_group]
        .map(|group| (group.as_str(), dimension(group.as_str())))
        .into();
    let asked = json!({
        "endpoint": cloud.aws_endpoint(),
        "listener": cloud.names().listener("scorer"),
        "rule": route.rule.as_str(),
        "load_balancer": dimension(&cloud.names().load_balancer("scorer")),
        "groups": groups,
        "start": from.epoch_secs(),
        "end": from.plus(MINUTES).epoch_secs(),
        "edges": Edges::default().as_ms(),
        "write": write,
    });
    let python = local_cloud::foreign::python().expect("run scripts/dev-env, then `. .dev/env`");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/wire/boto3_reads.py");
    let mut child = Command::new(python)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python starts");
    let mut stdin = child.stdin.take().expect("its input");
    stdin.write_all(asked.to_string().as_bytes()).expect("asked");
    drop(stdin);
    let output = child.wait_with_output().expect("an end");
    assert!(output.status.success(), "the script failed, see above");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Numbers as numbers: `7` and `7.0` are the same value.
fn plain(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(all) => all.iter().map(plain).collect(),
        Value::Object(all) => all.iter().map(|(key, one)| (key.clone(), plain(one))).collect(),
        other => other.clone(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn boto3_and_our_adapters_are_told_the_same() {
    let cloud = cloud().await;
    let from = Minute::containing(cloud.clock().now());
    traffic(&cloud);
    let names = cloud.names();
    let group = |name: &str| GroupArn::parse(&names.target_group(name)).expect("an ARN");
    let route = Route {
        name: "public".to_owned(),
        rule: RuleArn::parse(&names.rule("scorer", 100)).expect("an ARN"),
        old_group: group("python"),
        new_group: group("rust"),
        header_rule: None,
    };
    let (alb, cloudwatch) = adapters(&cloud).await;

    // Ours writes 12.5%, boto3 reads it and writes 40%, ours reads that.
    let deadline = Timestamp::now() + Duration::from_mins(5);
    let permit = crate::scenes::permit_until(deadline);
    let eighth = Weight::from_percent(12.5).expect("a weight");
    alb.shift(&permit, &route, Some(Weight::ZERO), eighth).await.expect("moved");
    let write = json!({ route.old_group.as_str(): 60, route.new_group.as_str(): 40 });
    let theirs = boto3(&cloud, &route, from, &write);
    let weight = |group: &GroupArn| theirs["weights"][group.as_str()].clone();
    assert_eq!([weight(&route.old_group), weight(&route.new_group)], [875, 125]);
    let seen = alb.read(&route).await.expect("read");
    assert_eq!(seen.share, Share::Weight(Weight::from_percent(40.0).expect("a weight")));

    let edges = Edges::default();
    let wanted = MinutesWanted {
        routes: std::slice::from_ref(&route),
        from,
        until: from.plus(MINUTES),
        edges_ms: edges.as_ms(),
        comparisons: false,
    };
    let read = cloudwatch.minutes(&[wanted]).await.remove(0).expect("minutes");
    let mut ours: BTreeMap<&str, BTreeMap<String, Value>> = BTreeMap::new();
    let mut errors = 0;
    for minute in &read {
        let RouteMinute::Known { old, new } = &minute.routes[0] else { panic!("{minute:?}") };
        errors += new.as_ref().map_or(0, |counts| counts.errors);
        for (group, side) in [(&route.old_group, old), (&route.new_group, new)] {
            let minutes = ours.entry(group.as_str()).or_default();
            minutes.insert(minute.minute.0.to_string(), told(side.as_ref()));
        }
    }
    assert_eq!(read.len(), usize::try_from(MINUTES).expect("a few"));
    assert_eq!(plain(&json!(ours)), plain(&theirs["minutes"]));
    assert!(errors > 0, "the made-up traffic has no errors to compare");
}
