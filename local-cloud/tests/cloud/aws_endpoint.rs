//! The wire formats by hand, faults of calls, alarms end to end.

use std::time::Duration;

use crate::common::{Client, tiny, two_sides, until};
use ciborium::Value as Cbor;
use hyper::Method;
use local_cloud::metrics::Datum;
use local_cloud::{
    AlarmSpec, AlarmState, ApiFault, ApiFaultKind, Comparison, CompositeAlarmSpec, EventRuleSpec,
    Fault, LocalCloud, MissingData, Share,
};
use serde_json::{Value, json};

const FORM: &[(&str, &str)] = &[("content-type", "application/x-www-form-urlencoded")];
const CBOR: &[(&str, &str)] = &[
    ("content-type", "application/cbor"),
    ("accept", "application/cbor"),
    ("smithy-protocol", "rpc-v2-cbor"),
];

fn form(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

fn modify(rule: &str, cloud: &LocalCloud, python: &str, rust: &str) -> String {
    let groups = "Actions.member.1.ForwardConfig.TargetGroups.member";
    form(&[
        ("Action", "ModifyRule"),
        ("Version", "2015-12-01"),
        ("RuleArn", rule),
        ("Actions.member.1.Type", "forward"),
        (&format!("{groups}.1.TargetGroupArn"), &cloud.names().target_group("tg-python")),
        (&format!("{groups}.1.Weight"), python),
        (&format!("{groups}.2.TargetGroupArn"), &cloud.names().target_group("tg-rust")),
        (&format!("{groups}.2.Weight"), rust),
    ])
}

async fn client(cloud: &LocalCloud) -> Client {
    Client::to(&cloud.aws_endpoint()).await
}

fn to_json(value: Cbor) -> Value {
    match value {
        Cbor::Integer(value) => json!(i64::try_from(value).unwrap()),
        Cbor::Float(value) => json!(value),
        Cbor::Text(value) => json!(value),
        Cbor::Bool(value) => json!(value),
        Cbor::Tag(1, value) => to_json(*value),
        Cbor::Array(values) => values.into_iter().map(to_json).collect(),
        Cbor::Map(pairs) => pairs
            .into_iter()
            .map(|(key, value)| (key.into_text().unwrap(), to_json(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        other => panic!("{other:?}"),
    }
}

fn to_cbor(value: &Value, key: &str) -> Cbor {
    match value {
        // The SDK tags times; as JSON they are bare numbers.
        Value::Number(number) if key.ends_with("Time") => {
            Cbor::Tag(1, Box::new(Cbor::Float(number.as_f64().unwrap())))
        }
        Value::Number(number) => Cbor::Integer(number.as_i64().unwrap().into()),
        Value::String(text) => Cbor::Text(text.clone()),
        Value::Array(values) => Cbor::Array(values.iter().map(|one| to_cbor(one, "")).collect()),
        Value::Object(pairs) => Cbor::Map(
            pairs.iter().map(|(key, one)| (Cbor::Text(key.clone()), to_cbor(one, key))).collect(),
        ),
        other => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cbor_and_json_give_equal_answers() {
    let mut topology = two_sides(1, 1);
    topology.start = Some("2026-11-24T08:00:00Z".parse().unwrap());
    let cloud = LocalCloud::start(topology).await.unwrap();
    let metric = cloud.group_metric("lb", "tg-rust", "TargetResponseTime");
    let start_ms = cloud.clock().now_ms();
    for _ in 0..3 {
        let samples = vec![(0.1, 2.0), (0.25, 1.0), (1.5, 1.0)];
        cloud.metrics().put(metric.clone(), cloud.clock().now_ms(), &Datum::Values(samples));
        cloud.clock().advance(Duration::from_mins(1));
    }
    let mut client = client(&cloud).await;
    let dimensions: Vec<Value> = metric
        .dimensions
        .iter()
        .map(|(name, value)| json!({ "Name": name, "Value": value }))
        .collect();
    let query = |id: &str, stat: &str| {
        json!({ "Id": id, "MetricStat": { "Period": 60, "Stat": stat, "Metric": {
            "Namespace": "AWS/ApplicationELB", "MetricName": "TargetResponseTime",
            "Dimensions": dimensions } } })
    };
    let start = start_ms / 1000;
    let data = json!({
        "MetricDataQueries": [query("a", "p50"), query("b", "TC(0.1:0.3)"), query("c", "Sum")],
        "StartTime": start, "EndTime": start + 120, "ScanBy": "TimestampAscending",
    });
    let alarms = json!({ "AlarmTypes": ["MetricAlarm", "CompositeAlarm"] });
    let unknown = json!({ "AlarmName": "x", "StateValue": "OK", "StateReason": "y" });
    for (operation, input, status) in [
        ("GetMetricData", data, 200),
        ("DescribeAlarms", alarms, 200),
        ("ListMetrics", json!({ "Namespace": "AWS/ApplicationELB" }), 200),
        ("SetAlarmState", unknown, 404),
        ("GetDashboard", json!({}), 501),
    ] {
        let mut body = Vec::new();
        ciborium::into_writer(&to_cbor(&input, ""), &mut body).unwrap();
        let path = format!("/service/GraniteServiceVersion20100801/operation/{operation}");
        let (cbor_status, cbor_headers, bytes) =
            client.send_raw(Method::POST, &path, CBOR, body).await;
        let target = format!("GraniteServiceVersion20100801.{operation}");
        let headers =
            [("x-amz-target", target.as_str()), ("content-type", "application/x-amz-json-1.0")];
        let by_json = client.send(Method::POST, "/", &headers, input.to_string()).await;
        assert_eq!((cbor_status, by_json.status), (status, status), "{operation}");
        let mut from_cbor = to_json(ciborium::from_reader(bytes.as_slice()).unwrap());
        let mut from_json = by_json.json();
        assert_eq!(
            cbor_headers.get("x-amzn-query-error"),
            by_json.headers.get("x-amzn-query-error")
        );
        if status == 200 {
            assert_eq!(from_cbor, from_json, "{operation}");
        } else {
            let short = |value: &mut Value| {
                let text = value["__type"].as_str().unwrap().to_owned();
                value["__type"] = text.rsplit('#').next().unwrap().into();
            };
            short(&mut from_cbor);
            short(&mut from_json);
            assert_eq!(from_cbor, from_json, "{operation}");
            assert!(cbor_headers["x-amzn-query-error"].contains(';'));
        }
        if operation == "GetMetricData" {
            let results = &from_json["MetricDataResults"];
            assert_eq!(results[0]["Values"], json!([0.1, 0.1]));
            assert_eq!(results[1]["Values"], json!([1.0, 1.0]));
            assert_eq!(results[2]["Timestamps"], json!([start as f64, (start + 60) as f64]));
        }
    }
    cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_come_before_or_after_the_change() {
    let cloud = LocalCloud::start(two_sides(100, 0)).await.unwrap();
    let rule = cloud.names().rule("lb", 100);
    let rust_weight = || cloud.weights(&rule).unwrap()[1].weight.unwrap();
    let api = |kind| Fault::Api(ApiFault::new("ModifyRule", kind).times(1));
    let table = [
        (ApiFaultKind::Throttle, Some((400, "ThrottlingException")), false),
        (ApiFaultKind::Denied, Some((403, "AccessDenied")), false),
        (ApiFaultKind::Error, Some((500, "InternalFailure")), false),
        (ApiFaultKind::Drop, None, false),
        (ApiFaultKind::ErrorAfterCommit, Some((500, "InternalFailure")), true),
        (ApiFaultKind::DropAfterCommit, None, true),
    ];
    for (step, (kind, answer, committed)) in (1..).zip(table) {
        let before = rust_weight();
        cloud.add_fault(api(kind));
        let body = modify(&rule, &cloud, "100", &step.to_string());
        let mut client = client(&cloud).await;
        let got = client.try_send(Method::POST, "/", FORM, body.clone()).await;
        match (got, answer) {
            (Ok(got), Some((status, code))) => {
                assert_eq!(got.status, status, "{kind:?}");
                assert!(got.body.contains(&format!("<Code>{code}</Code>")), "{}", got.body);
            }
            (Err(_), None) => {}
            (got, expected) => panic!("{kind:?}: {got:?}, expected {expected:?}"),
        }
        assert_eq!(rust_weight(), if committed { step } else { before }, "{kind:?}");
        // The next call is spared.
        let mut client = crate::common::Client::to(&cloud.aws_endpoint()).await;
        assert_eq!(client.send(Method::POST, "/", FORM, body).await.status, 200);
        assert_eq!(rust_weight(), step);
    }
    let mut foreign = ApiFault::new("DescribeRules", ApiFaultKind::ForeignWrite).times(1);
    foreign.rule = Some(rule.clone());
    foreign.weights = vec![Share { group: "tg-rust".into(), weight: Some(77) }];
    cloud.add_fault(Fault::Api(foreign));
    let read = form(&[
        ("Action", "DescribeRules"),
        ("Version", "2015-12-01"),
        ("RuleArns.member.1", &rule),
    ]);
    let mut client = client(&cloud).await;
    let seen = client.send(Method::POST, "/", FORM, read).await.body;
    assert!(seen.contains("<Weight>6</Weight>") && !seen.contains("<Weight>77</Weight>"), "{seen}");
    assert_eq!(rust_weight(), 77);
    assert_eq!(cloud.rule_changes().last().unwrap().by, "foreign");
    cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_understood_is_refused_in_the_callers_format() {
    let cloud = LocalCloud::start(two_sides(1, 0)).await.unwrap();
    let mut client = client(&cloud).await;
    let path = "/service/GraniteServiceVersion20100801/operation/PutMetricData";
    let zipped = [("content-type", "application/cbor"), ("content-encoding", "gzip")];
    let (status, _, body) = client.send_raw(Method::POST, path, &zipped, "").await;
    let body = to_json(ciborium::from_reader(body.as_slice()).unwrap());
    assert_eq!(status, 501);
    assert!(body["message"].as_str().unwrap().contains("compression"), "{body}");
    let target = [("x-amz-target", "GraniteServiceVersion20100801.GetMetricData")];
    let got = client.send(Method::POST, "/", &target, "{").await;
    assert_eq!((got.status, got.json()["__type"].as_str()), (400, Some("SerializationException")));
    let unknown = form(&[("Action", "RunInstances"), ("Version", "2016-11-15")]);
    let got = client.send(Method::POST, "/", FORM, unknown).await;
    assert_eq!(got.status, 501);
    assert!(got.body.contains("<Code>NotImplemented</Code>"), "{}", got.body);
    cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_kept_shown_and_given() {
    let cloud = LocalCloud::start(two_sides(1, 0)).await.unwrap();
    let rule = cloud.names().rule("lb", 100);
    let config = "Actions.member.1.RedirectConfig";
    let status = format!("{config}.StatusCode");
    let host = format!("{config}.Host");
    let mut pairs = vec![
        ("Action", "ModifyRule"),
        ("Version", "2015-12-01"),
        ("RuleArn", &rule),
        ("Actions.member.1.Type", "redirect"),
        (&status, "HTTP_302"),
    ];
    let mut aws = client(&cloud).await;
    let looping = aws.send(Method::POST, "/", FORM, form(&pairs)).await;
    assert!(looping.body.contains("InvalidLoadBalancerAction"), "{}", looping.body);
    pairs.push((&host, "elsewhere.example"));
    let shown = aws.send(Method::POST, "/", FORM, form(&pairs)).await;
    assert!(shown.body.contains("<Host>elsewhere.example</Host>"), "{}", shown.body);
    let url = cloud.alb_url("lb");
    let port = url.rsplit(':').next().unwrap();
    let got = crate::common::get(&url, "/a?b=c").await;
    assert_eq!(got.status, 302);
    assert_eq!(got.headers["location"], format!("http://elsewhere.example:{port}/a?b=c"));
    cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_calls_do_what_the_library_does() {
    let cloud = LocalCloud::start(two_sides(100, 0)).await.unwrap();
    let rule = cloud.names().rule("lb", 100);
    let mut client = client(&cloud).await;
    let fault = json!({ "on": "function", "function": "rust", "kind": "latency", "latency_ms": 5 });
    let set = client.send(Method::POST, "/_local/faults", &[], fault.to_string()).await;
    assert_eq!(set.status, 200, "{set:?}");
    assert_eq!(client.get("/_local/faults").await.json()[0]["latency_ms"], 5);
    for (body, word) in [
        (json!({ "on": "function", "function": "rsut", "kind": "error" }), "rsut"),
        (json!({ "on": "api", "operation": "*", "kind": "trottle" }), "trottle"),
        (json!({ "on": "metrics", "kind": "stale", "group": "nobody" }), "nobody"),
        (
            json!({ "on": "api", "operation": "*", "kind": "error", "probability": 2 }),
            "probability",
        ),
    ] {
        let refused = client.send(Method::POST, "/_local/faults", &[], body.to_string()).await;
        assert_eq!(refused.status, 400);
        assert!(refused.body.contains(word), "{}", refused.body);
    }
    let path = format!("/_local/faults/{}", set.json()["id"]);
    assert_eq!(client.send(Method::DELETE, &path, &[], "").await.json()["cleared"], 1);

    let weights = json!({ "rule": rule, "weights": [{ "group": "tg-rust", "weight": 7 }] });
    let got = client.send(Method::POST, "/_local/weights", &[], weights.to_string()).await;
    assert_eq!(got.status, 200);
    let state = client.get("/_local/state").await.json();
    assert_eq!(state["load_balancers"][0]["rules"][1]["weights"][1]["weight"], 7);
    let before = cloud.clock().now_ms();
    let moved = client.send(Method::POST, "/_local/clock", &[], r#"{"advance": "90s"}"#).await;
    assert_eq!(moved.json()["now_ms"], before + 90_000);
    let missing = client.get("/_local/nothing").await;
    assert_eq!(missing.status, 404);
    let fired = client.send(Method::POST, "/_local/schedules/none/fire", &[], "").await;
    assert!(fired.json()["error"].as_str().unwrap().contains("none"));
    cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_goes_off_tells_everybody_and_calms_down() {
    let alarm = AlarmSpec {
        name: "rust-errors".into(),
        description: "text".into(),
        namespace: "AWS/ApplicationELB".into(),
        metric: "LambdaUserError".into(),
        dimensions: [("load_balancer", "lb"), ("target_group", "tg-rust")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        statistic: "Sum".into(),
        period_secs: 60,
        evaluation_periods: 1,
        datapoints_to_alarm: None,
        threshold: 2.0,
        comparison: Comparison::GreaterThanThreshold,
        missing_data: MissingData::NotBreaching,
        ignore_low_samples: false,
        alarm_actions: vec!["direct".into(), "pages".into()],
        ok_actions: Vec::new(),
        insufficient_data_actions: Vec::new(),
    };
    let composite = CompositeAlarmSpec {
        name: "bad".into(),
        description: String::new(),
        rule: "ALARM(\"rust-errors\") AND NOT OK(\"rust-errors\")".into(),
        alarm_actions: Vec::new(),
        ok_actions: Vec::new(),
        insufficient_data_actions: Vec::new(),
    };
    let topology = two_sides(0, 1)
        .function(tiny("tick"))
        .function(tiny("direct"))
        .event_rule(EventRuleSpec::alarms("alarms", "tick"))
        .alarm(alarm)
        .composite_alarm(composite);
    let cloud = LocalCloud::start(topology).await.unwrap();
    let state =
        |name: &str| cloud.alarms().into_iter().find(|one| one.name() == name).unwrap().now.state;
    assert_eq!(state("rust-errors"), AlarmState::InsufficientData);
    cloud.clock().advance(Duration::from_mins(1));
    until("it is fine", || state("rust-errors") == AlarmState::Ok).await;

    let mut client = Client::to(&cloud.alb_url("lb")).await;
    for _ in 0..3 {
        assert_eq!(client.get("/raise").await.status, 502);
    }
    cloud.clock().advance(Duration::from_mins(1));
    until("it goes off", || state("bad") == AlarmState::Alarm).await;
    // The composite alarm's event goes the same way; only the metric alarm's counts here.
    let event = |function: &str| {
        cloud.async_records().iter().find_map(|one| {
            let event: Value = serde_json::from_str(&one.event).unwrap();
            let detail =
                if event["detail"].is_object() { &event["detail"] } else { &event["alarmData"] };
            let ours = detail["alarmName"] == "rust-errors" && detail["state"]["value"] == "ALARM";
            (one.function == function && ours).then_some(event)
        })
    };
    until("all are told", || event("tick").is_some() && event("direct").is_some()).await;
    let event = |function: &str| event(function).unwrap();
    let bus = event("tick");
    assert_eq!(bus["detail-type"], "CloudWatch Alarm State Change");
    assert_eq!(bus["detail"]["state"]["value"], "ALARM");
    assert_eq!(bus["detail"]["previousState"]["value"], "OK");
    let metric = &bus["detail"]["configuration"]["metrics"][0]["metricStat"]["metric"];
    assert!(
        metric["dimensions"]["TargetGroup"].as_str().unwrap().starts_with("targetgroup/tg-rust/")
    );
    let direct = event("direct");
    assert_eq!(direct["alarmData"]["state"]["value"], "ALARM");
    assert_eq!(direct["alarmArn"], cloud.names().alarm("rust-errors"));
    let page: Value = serde_json::from_str(&cloud.pages()[0].message).unwrap();
    assert_eq!((&page["NewStateValue"], &page["OldStateValue"]), (&json!("ALARM"), &json!("OK")));
    assert_eq!(page["Trigger"]["Statistic"], "Sum");

    // Three quiet minutes: the bad one leaves the evaluation range.
    for _ in 0..4 {
        cloud.clock().advance(Duration::from_mins(1));
    }
    until("it calms down", || state("bad") == AlarmState::Ok).await;
    cloud.shutdown().await;
}

/// Runs `local-cloud` against a running cloud; its exit code and what it printed.
async fn cli(cloud: &LocalCloud, arguments: &[&str]) -> (Option<i32>, String) {
    let program = env!("CARGO_BIN_EXE_local-cloud");
    let mut command = tokio::process::Command::new(program);
    command.args(arguments).env("LOCAL_CLOUD_ENDPOINT", cloud.aws_endpoint());
    let output = command.output().await.unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cli_deploys_moves_aliases_and_targets_and_writes_parameters() {
    let cloud = LocalCloud::start(two_sides(0, 1)).await.unwrap();
    let url = cloud.alb_url("lb");
    let rule = cloud.names().rule("lb", 100);
    let version = async || crate::common::get(&url, "/version").await.body;
    let run = async |arguments: &[&str]| {
        let (code, text) = cli(&cloud, arguments).await;
        assert_eq!(code, Some(0), "{arguments:?}: {text}");
        text
    };
    let deployed = run(&["deploy", "rust", "--env", "TINY_BUILD=b", "--alias", "live"]).await;
    assert!(deployed.contains("\"version\": \"1\""), "{deployed}");
    run(&["target", "tg-rust", "register", "rust:live"]).await;
    assert_eq!(version().await, "1 b");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/functions/tiny.py");
    let python = crate::common::python();
    run(&["deploy", "rust", "--publish", "--", &python, script, "other"]).await;
    assert_eq!(version().await, "1 b");
    run(&["alias", "rust", "live", "1", "--split", "2=0.5"]).await;
    run(&["alias", "rust", "live", "2"]).await;
    assert_eq!(version().await, "2 b");
    let code = run(&["show", "code"]).await;
    let code: Value = serde_json::from_str(&code).unwrap();
    assert_eq!(code[1]["aliases"]["live"]["version"], "2");
    assert_ne!(code[1]["versions"][1]["code_sha256"], code[1]["versions"][2]["code_sha256"]);
    run(&["target", "tg-rust", "health", "draining"]).await;
    assert_eq!(crate::common::get(&url, "/ok").await.status, 503);
    run(&["target", "tg-rust", "deregister"]).await;
    assert_eq!(crate::common::get(&url, "/ok").await.status, 503);

    run(&["parameter", "/rollout/score/order", "{}"]).await;
    assert_eq!(cloud.parameters()[0].value, "{}");
    assert!(run(&["show", "parameters"]).await.contains("/rollout/score/order"));
    run(&["parameter", "/rollout/score/order"]).await;
    assert!(cloud.parameters().is_empty());
    run(&["authenticate", &rule, "oidc", "https://idp.example.com", "c", "hunter2"]).await;
    assert_eq!(cloud.client_secret(&rule).unwrap().as_deref(), Some("hunter2"));
    run(&["authenticate", &rule, "none"]).await;
    run(&["fault", "api", "Publish", "hang", "--resource", "x"]).await;
    run(&[
        "fault",
        "metrics",
        "altered",
        "--metric",
        "RequestCount",
        "--add",
        "-0.5",
        "--from",
        "2026-11-24T08:00:00Z",
        "--after-minutes",
        "3",
    ])
    .await;
    let faults = cloud.faults();
    let (Fault::Api(api), Fault::Metrics(metrics)) = (&faults[0].fault, &faults[1].fault) else {
        panic!("{faults:?}");
    };
    assert_eq!((api.kind, api.resource.as_deref()), (ApiFaultKind::Hang, Some("x")));
    assert_eq!((metrics.add, metrics.after_minutes), (Some(-0.5), 3));

    for (arguments, word) in [
        (&["deploy", "rsut"][..], "rsut"),
        (&["deploy", "rust", "--env", "X"], "NAME=VALUE"),
        (&["deploy", "rust", "--publish", "--settle", "1m"], "settle"),
        (&["alias", "rust", "live", "9"], "version = 9"),
        (&["target", "tg-rust", "register", "rust:dead"], "rust:dead"),
        (&["target", "tg", "deregister"], "TargetGroupNotFound"),
        (&["target", "tg-rust", "health", "fine"], "fine"),
        (&["parameter", "a/b", "x"], "fully qualified"),
        (&["fault", "metrics", "late"], "late_minutes"),
    ] {
        let (code, text) = cli(&cloud, arguments).await;
        assert!(code == Some(1) && text.contains(word), "{arguments:?}: {code:?} {text}");
    }
    cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delayed_write_lands_after_the_client_has_left() {
    let cloud = LocalCloud::start(two_sides(100, 0)).await.unwrap();
    let rule = cloud.names().rule("lb", 100);
    let fault = ApiFault::new("ModifyRule", ApiFaultKind::Delay).on(&rule);
    cloud.add_fault(Fault::Api(fault.delayed(Duration::from_secs(2)).times(1)));
    let body = modify(&rule, &cloud, "50", "50");
    let mut client = client(&cloud).await;
    let sent = tokio::time::timeout(
        Duration::from_millis(50),
        client.try_send(Method::POST, "/", FORM, body),
    );
    assert!(sent.await.is_err(), "it was answered before its time");
    drop(client);
    until("it lands", || cloud.weights(&rule).unwrap()[1].weight == Some(50)).await;
    cloud.shutdown().await;
}
