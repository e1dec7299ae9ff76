//! An independent client: boto3 sees the same rules and values as we do.

use std::process::Command;
use std::time::Duration;

use crate::common::{python, tiny, two_sides};
use local_cloud::metrics::Datum;
use local_cloud::{LocalCloud, Statistic};
use serde_json::{Value, json};

/// The samples of the test vector in the AWS facts (B.3).
const SAMPLES: [f64; 10] = [0.005, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 2.0];

#[tokio::test(flavor = "multi_thread")]
async fn boto3_sees_the_same_cloud() {
    let python = python();
    let probe = Command::new(&python).args(["-c", "import boto3"]).output();
    if !probe.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: {python} has no boto3; set LOCAL_CLOUD_PYTHON to one that has");
        return;
    }
    let mut topology = two_sides(95, 5).secret("db", "hunter2");
    topology.start = Some("2026-11-24T08:00:00Z".parse().unwrap());
    let topology = topology.function(tiny("stopped").reserved_concurrency(0));
    let cloud = LocalCloud::start(topology).await.unwrap();
    let start_ms = cloud.clock().now_ms();
    let requests = cloud.group_metric("lb", "tg-rust", "RequestCount");
    let times = cloud.group_metric("lb", "tg-rust", "TargetResponseTime");
    for minute in 0..3 {
        let at_ms = cloud.clock().now_ms();
        cloud.metrics().put(requests.clone(), at_ms, &Datum::Values(vec![(1.0, 10.0)]));
        let samples = SAMPLES.iter().map(|value| (*value, 1.0)).collect();
        cloud.metrics().put(times.clone(), at_ms, &Datum::Values(samples));
        cloud.clock().advance(Duration::from_mins(if minute == 1 { 2 } else { 1 }));
    }
    let names = cloud.names().clone();
    let rule = names.rule("lb", 100);
    let group = names.target_group("tg-rust");
    let dimension = |key: &str| requests.dimensions[key].clone();
    let start = start_ms / 1000;
    let arguments = [
        cloud.aws_endpoint(),
        rule.clone(),
        names.listener("lb"),
        group.clone(),
        names.topic("pages"),
        dimension("LoadBalancer"),
        dimension("TargetGroup"),
        start.to_string(),
        (start + 300).to_string(),
    ];
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/boto.py");
    let output =
        tokio::process::Command::new(&python).arg(script).args(&arguments).output().await.unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let seen: Value = serde_json::from_slice(&output.stdout).unwrap();

    // Rules, page by page, in order; then the changed one.
    let priorities: Vec<&str> = seen["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["Priority"].as_str().unwrap())
        .collect();
    assert_eq!(priorities, ["99", "100", "default"]);
    let header = &seen["rules"][0]["Conditions"];
    assert_eq!(header[1]["HttpHeaderConfig"]["HttpHeaderName"], "X-Use-Rust-Scorer");
    assert_eq!(seen["rules"][0]["Actions"][0]["TargetGroupArn"], names.target_group("tg-tester"));
    let expected = json!([{
        "Type": "forward", "Order": 1,
        "ForwardConfig": {
            "TargetGroups": [
                { "TargetGroupArn": names.target_group("tg-python"), "Weight": 60 },
                { "TargetGroupArn": group, "Weight": 40 },
            ],
            "TargetGroupStickinessConfig": { "Enabled": false },
        },
    }]);
    assert_eq!(seen["modified"][0]["Actions"], expected);
    assert_eq!(seen["modified"][0]["Conditions"][0]["Values"], json!(["/*"]));
    let weights = cloud.weights(&rule).unwrap();
    assert_eq!(weights.iter().map(|one| one.weight).collect::<Vec<_>>(), [Some(60), Some(40)]);
    let errors = json!({
        "unknown rule": "RuleNotFound", "no change": "ValidationError",
        "weight 1000": "ValidationError", "unknown group": "TargetGroupNotFound",
        "default rule": "OperationNotPermitted", "both or neither": "ValidationError",
        "unknown listener": "ListenerNotFound",
    });
    assert_eq!(seen["elb_errors"], errors);
    assert_eq!(seen["priority in use"], "PriorityInUse");
    assert_eq!(seen["priorities"][0]["Priority"], "51");
    assert_eq!(seen["groups"].as_array().unwrap().len(), 3);
    assert_eq!(seen["health"][0]["Target"]["Id"], names.function("rust"));
    assert_eq!(seen["attributes"][0]["Value"], "false");
    assert_eq!(seen["listeners"][0]["Protocol"], "HTTP");

    // Metrics: whole and in pages of two points; a missing minute is absent.
    let at = |minute: i64| f64::from(u32::try_from(start + minute * 60).unwrap());
    let points = |value: f64| json!([[at(0), value], [at(1), value], [at(3), value]]);
    for (budget, calls) in [("100", 1), ("2", 6)] {
        let found = &seen["values"][budget]["values"];
        assert_eq!(seen["values"][budget]["calls"], calls);
        for (id, value) in [("requests", 10.0), ("p90", 0.5), ("fast", 5.0), ("share", 80.0)] {
            assert_eq!(found[id]["points"], points(value), "{id}");
            assert_eq!(found[id]["status"], "Complete", "{id}");
        }
        assert_eq!(found["never"], json!({ "points": [], "status": "Complete" }));
        assert_eq!(found["math"]["status"], "InternalError");
    }
    let p90: Statistic = "p90".parse().unwrap();
    assert_eq!(cloud.metrics().value(&times, p90, start_ms, 60_000), Some(0.5));
    let errors = json!({
        "bad statistic": "ValidationError", "bad token": "InvalidNextToken",
        "unknown alarm": "ResourceNotFound",
    });
    assert_eq!(seen["cw_errors"], errors);
    assert_eq!(seen["metric alarms only"], json!([1, 0]));
    assert_eq!(seen["alarms"], json!({ "errors": "ALARM", "any": "ALARM" }));
    assert_eq!(seen["transitioned"], cloud.clock().now_ms() as f64 / 1000.0);
    assert_eq!(seen["listed"], json!(["n"]));
    assert_eq!(seen["statistics"], json!([[5.0, 4.0, 1.0]]));

    // The rest, and what it left behind.
    let pages = cloud.pages();
    assert_eq!(pages.len(), 2, "{pages:?}");
    assert!(pages[0].subject.as_ref().unwrap().starts_with("ALARM: \"errors\""));
    assert_eq!(seen["message id"], pages[1].id);
    assert_eq!(seen["unknown topic"], "NotFound");
    assert_eq!(seen["long subject"], "InvalidParameter");
    assert_eq!(seen["identity"], "111122223333");
    assert_eq!(seen["events"]["FailedEntryCount"], 1);
    assert_eq!(cloud.events().last().unwrap().event["detail"]["state"], "held");
    assert_eq!(seen["secret"], "hunter2");
    assert_eq!(seen["no secret"], "ResourceNotFoundException");
    assert_eq!(seen["invoked"], json!({ "a": 1 }));
    assert_eq!(seen["raised"], json!(["Unhandled", "ValueError"]));
    assert_eq!((&seen["queued"], &seen["dry"]), (&json!(202), &json!(204)));
    assert_eq!(seen["unknown function"], "ResourceNotFoundException");
    assert_eq!(seen["stopped function"], "TooManyRequestsException");
    cloud.shutdown().await;
}
