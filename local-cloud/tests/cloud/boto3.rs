//! An independent client: boto3 sees the same rules and values as we do.

use std::process::Command;
use std::time::Duration;

use crate::common::{python, tiny, two_sides};
use local_cloud::metrics::Datum;
use local_cloud::{
    AliasSpec, ApiFault, ApiFaultKind, AuthenticateSpec, Deployment, Fault, LocalCloud,
    MetricsFault, MetricsFaultKind, RuleSpec, Statistic, TargetGroupSpec, TargetHealth, Topology,
};
use serde_json::{Value, json};

/// The samples of the test vector in the AWS facts (B.3).
const SAMPLES: [f64; 10] = [0.005, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 2.0];

/// Whether there is a boto3 to ask; says so if not.
fn has_boto3() -> bool {
    let python = python();
    let probe = Command::new(&python).args(["-c", "import boto3"]).output();
    let found = probe.is_ok_and(|output| output.status.success());
    if !found {
        eprintln!("skipped: {python} has no boto3; set LOCAL_CLOUD_PYTHON to one that has");
    }
    found
}

/// What a script of `tests/clients` has seen.
async fn ask(script: &str, arguments: &[String]) -> Value {
    let mut command = tokio::process::Command::new(python());
    let output = command.arg(script).args(arguments).output().await.unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn boto3_sees_the_same_cloud() {
    if !has_boto3() {
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
    let seen = ask(script, &arguments).await;

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

/// Python behind a bare function, Rust behind an alias, and groups in every state.
fn rollout_topology() -> Topology {
    let oidc = AuthenticateSpec::Oidc {
        issuer: "https://idp.example.com".into(),
        client_id: "abc".into(),
        client_secret: "hunter2".into(),
    };
    let cognito = AuthenticateSpec::Cognito {
        user_pool_arn: "arn:aws:cognito-idp:eu-west-1:111122223333:userpool/p".into(),
        client_id: "def".into(),
        domain: "people".into(),
    };
    let mut topology = two_sides(95, 5);
    topology.start = Some("2026-11-24T08:00:00Z".parse().unwrap());
    topology.functions[1] = tiny("rust")
        .env("API_KEY", "in clear")
        .version()
        .alias("live", AliasSpec::new("1"))
        .alias("latest", AliasSpec::new("$LATEST"));
    topology.target_groups[1].function = Some("rust:live".into());
    topology.target_groups[2] = TargetGroupSpec::new("tg-tester", "rust:1").health_check();
    let balancer = topology.load_balancers.remove(0);
    let groups = [("tg-python", 95), ("tg-rust", 5)];
    topology
        .function(tiny("settling"))
        .function(tiny("failed"))
        .target_group("tg-empty", "rust")
        .target_group("tg-leaving", "rust")
        .target_group("tg-unused", "rust")
        .topic("chat")
        .parameter("/rollout/score/run", "{}")
        .load_balancer(
            balancer
                .rule(RuleSpec::new(101).path("/oidc").forward(groups).authenticate(oidc))
                .rule(RuleSpec::new(102).path("/cognito").forward(groups).authenticate(cognito))
                .rule(RuleSpec::new(103).path("/e").forward([("tg-empty", 1), ("tg-leaving", 1)])),
        )
}

#[tokio::test(flavor = "multi_thread")]
async fn boto3_reads_and_writes_what_a_rollout_does() {
    use ApiFaultKind::{Denied, DropAfterCommit, Hang, HangAfterCommit, RefuseEntries};

    if !has_boto3() {
        return;
    }
    let cloud = LocalCloud::start(rollout_topology()).await.unwrap();
    let names = cloud.names().clone();
    let start = cloud.clock().now();
    for name in ["RequestCount", "TargetResponseTime", "HTTPCode_Target_5XX_Count"] {
        for minute in 0..3 {
            let at_ms = start.as_millisecond() + minute * 60_000;
            let metric = cloud.group_metric("lb", "tg-rust", name);
            cloud.metrics().put(metric, at_ms, &Datum::Values(vec![(0.1, 10.0)]));
        }
    }
    cloud.clock().advance(Duration::from_mins(5));
    let two = Deployment::new().env("TINY_BUILD", "two").publish();
    assert_eq!(cloud.deploy("rust", &two).unwrap(), "2");
    cloud.set_alias("rust", "split", AliasSpec::new("1").split("2", 0.25)).unwrap();
    let slow = Deployment::new().command(["other"]).settle(Duration::from_mins(1));
    cloud.deploy("settling", &slow).unwrap();
    cloud.deploy("failed", &Deployment::new().command(["other"]).failing()).unwrap();
    cloud.deregister_target("tg-empty").unwrap();
    cloud.set_target_health("tg-leaving", TargetHealth::Draining).unwrap();
    let (plain, oidc, cognito) =
        (names.rule("lb", 100), names.rule("lb", 101), names.rule("lb", 102));
    let api = |operation: &str, kind: ApiFaultKind| ApiFault::new(operation, kind);
    for fault in [
        api("ModifyRule", Denied).on(&plain),
        api("GetAlias", Denied).on("python"),
        api("Publish", Denied).on(&names.topic("chat")),
        api("PutEvents", RefuseEntries).times(1),
        api("PutEvents", DropAfterCommit),
        api("PutParameter", DropAfterCommit).on("lost"),
        api("PutParameter", HangAfterCommit).on("hanging"),
        api("PutParameter", Hang).on("never"),
    ] {
        cloud.add_fault(Fault::Api(fault));
    }
    let minute = |number: i64| start + jiff::SignedDuration::from_mins(number);
    let partial = MetricsFault::new(MetricsFaultKind::PartialData);
    for fault in [
        MetricsFault::new(MetricsFaultKind::Absent).metric("RequestCount").minute(minute(1)),
        MetricsFault::late(9).metric("TargetResponseTime").statistic("TC").minute(minute(2)),
        partial.metric("TargetResponseTime").statistic("SampleCount").minute(minute(0)),
        MetricsFault::reading(2.5).metric("HTTPCode_Target_5XX_Count").minute(minute(1)),
    ] {
        cloud.add_fault(Fault::Metrics(fault.group("tg-rust")));
    }
    let live = names.function("rust:live");
    let metric = cloud.group_metric("lb", "tg-rust", "RequestCount");
    let plain_actions = json!([{ "Type": "forward", "ForwardConfig": { "TargetGroups": [
        { "TargetGroupArn": names.target_group("tg-rust"), "Weight": 1 } ] } }]);
    let mut argument = json!({
        "endpoint": cloud.aws_endpoint(), "live": live, "listener": names.listener("lb"),
        "plain_rule": plain, "other_rule": names.rule("lb", 103), "oidc_rule": oidc, "cognito_rule": cognito,
        "plain_actions": plain_actions, "chat": names.topic("chat"),
        "pages": names.topic("pages"), "dimensions": metric.dimensions,
        "start": start.as_second(),
    });
    for group in ["tg-python", "tg-rust", "tg-tester", "tg-empty", "tg-leaving", "tg-unused"] {
        argument[group] = names.target_group(group).into();
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/rollout.py");
    let seen = ask(script, &[argument.to_string()]).await;

    // Parameters.
    let (order, run) = ("/rollout/score/order", "/rollout/score/run");
    assert_eq!(seen["before"], json!([order]));
    assert_eq!((&seen["created"], &seen["untyped"]), (&json!(1), &json!(3)));
    assert_eq!(
        (&seen["overwritten"]["Version"], &seen["overwritten"]["Tier"]),
        (&json!(2), &json!("Standard"))
    );
    assert_eq!(seen["invalid"], json!(["nobody"]));
    let expected = json!([
        [order, "String", "x", 3, null],
        [run, "String", "{}", 1, null],
        [order, "String", "v", 1, ":1"],
    ]);
    assert_eq!(seen["parameters"], expected);
    assert_eq!(seen["arn"], names.parameter(order));
    assert_eq!(seen["modified"], cloud.clock().now_ms() as f64 / 1000.0);
    assert_eq!(seen["one"], "{}");
    let errors = json!({
        "exists": "ParameterAlreadyExists", "no type": "ValidationException",
        "too large": "ValidationException", "empty": "ValidationException",
        "relative": "ValidationException", "eleven": "ValidationException",
        "no name": "ValidationException", "absent": "ParameterNotFound",
        "secure": "NotImplemented",
    });
    assert_eq!(seen["ssm_errors"], errors);
    assert_eq!(seen["largest"], 4);
    assert_eq!(cloud.parameter(order).unwrap().value.len(), 4096);

    // Functions: a version keeps its code and configuration, an alias shows its version's.
    let function = |asked: &str| &seen["functions"][asked];
    let latest = function("{'FunctionName': 'rust'}");
    let one = function("{'FunctionName': 'rust', 'Qualifier': '1'}");
    let by_alias = function(&format!("{{'FunctionName': '{live}'}}"));
    assert_eq!((&latest["Version"], &one["Version"]), (&json!("$LATEST"), &json!("1")));
    assert_eq!(latest["FunctionArn"], names.function("rust"));
    assert_eq!(
        (&one["FunctionArn"], &by_alias["FunctionArn"]),
        (&json!(names.function("rust:1")), &json!(live))
    );
    assert_eq!(latest["CodeSha256"], one["CodeSha256"], "only a variable differs");
    assert_ne!(latest["LastModified"], one["LastModified"]);
    assert!(latest["LastModified"].as_str().unwrap().ends_with("+0000"), "{latest}");
    assert_eq!(by_alias["LastModified"], one["LastModified"]);
    assert_eq!(one["Environment"]["Variables"]["API_KEY"], "in clear");
    assert_eq!(latest["Environment"]["Variables"]["TINY_BUILD"], "two");
    let status = |name: &str| {
        let found = function(&format!("{{'FunctionName': '{name}'}}"));
        (found["State"].clone(), found["LastUpdateStatus"].clone())
    };
    for (name, update) in [("rust", "Successful"), ("settling", "InProgress"), ("failed", "Failed")]
    {
        assert_eq!(status(name), (json!("Active"), json!(update)), "{name}");
    }
    assert_eq!(seen["alias"]["AliasArn"], live);
    assert_eq!(
        (&seen["alias"]["Name"], &seen["alias"]["FunctionVersion"]),
        (&json!("live"), &json!("1"))
    );
    assert_eq!(seen["alias"]["RoutingConfig"], Value::Null);
    assert_eq!(seen["split"], json!({ "AdditionalVersionWeights": { "2": 0.25 } }));
    assert_eq!(seen["executed"], json!(["1", "1"]));
    let errors = json!({
        "no function": "ResourceNotFoundException", "no version": "ResourceNotFoundException",
        "two qualifiers": "InvalidParameterValueException", "no alias": "ResourceNotFoundException",
        "alias of nobody": "ResourceNotFoundException",
    });
    assert_eq!(seen["lambda_errors"], errors);

    // Target health.
    let disabled = "Target.HealthCheckDisabled";
    let bare = names.function("rust");
    let health = json!({
        "tg-python": [[names.function("python"), "unavailable", disabled]],
        "tg-rust": [[live, "unavailable", disabled]],
        "tg-tester": [[names.function("rust:1"), "healthy", null]],
        "tg-empty": [],
        "tg-leaving": [[bare, "draining", "Target.DeregistrationInProgress"]],
        "tg-unused": [[bare, "unused", "Target.NotInUse"]],
    });
    assert_eq!(seen["health"], health);
    let other = format!("{live}x");
    let asked = json!([[live, "unavailable", disabled], [other, "unused", "Target.NotRegistered"]]);
    assert_eq!(seen["asked"], asked);
    assert_eq!(seen["no group"], "TargetGroupNotFound");

    // Rules that sign people in: the secret stays, and no answer has it.
    let config = &seen["found"][0]["AuthenticateOidcConfig"];
    assert_eq!(seen["found"][0]["Type"], "authenticate-oidc");
    assert_eq!((&seen["found"][0]["Order"], &seen["found"][1]["Order"]), (&json!(1), &json!(2)));
    assert_eq!((&config["Scope"], &config["SessionTimeout"]), (&json!("openid"), &json!(604_800)));
    assert!(!seen.to_string().contains("hunter2"));
    let errors = json!({
        "as found": "InvalidLoadBalancerAction", "both": "InvalidLoadBalancerAction",
        "new rule": "InvalidLoadBalancerAction", "first": "InvalidLoadBalancerAction",
        "sign-in last": "InvalidLoadBalancerAction", "none": "none",
    });
    assert_eq!(seen["oidc_errors"], errors);
    assert_eq!(seen["kept"][1]["ForwardConfig"]["TargetGroups"][0]["Weight"], 7);
    let extra = &seen["kept"][0]["AuthenticateOidcConfig"]["AuthenticationRequestExtraParams"];
    assert_eq!(*extra, json!({ "display": "page" }));
    assert_eq!(cloud.client_secret(&oidc).unwrap().as_deref(), Some("hunter2"));
    let pool = &seen["cognito"][0]["AuthenticateCognitoConfig"];
    assert_eq!(
        (&pool["UserPoolDomain"], &seen["cognito as found"]),
        (&json!("people"), &json!("none"))
    );

    // Faults: by resource, and lost answers after the change.
    let faults = json!({
        "denied rule": "AccessDenied", "other rule": "none", "chat": "AuthorizationError",
        "pager": "none", "entries": 2, "lost bus event": "ConnectionClosedError",
        "lost parameter": "ConnectionClosedError", "hanging parameter": "ReadTimeoutError",
        "hung parameter": "ReadTimeoutError", "denied parameter": "none",
        "alias": "AccessDeniedException",
    });
    assert_eq!(seen["faults"], faults);
    let made = |name: &str| cloud.parameter(name).map(|one| one.value);
    assert_eq!(made("lost").as_deref(), Some("made"));
    assert_eq!(made("hanging").as_deref(), Some("made"));
    assert_eq!(made("never"), None);
    assert_eq!(cloud.events().len(), 1, "the lost one was put, the refused ones were not");
    assert_eq!(cloud.pages().len(), 1);

    // Metrics: one of one minute.
    let data = json!({
        "requests": ["Complete", { "0": 1.0, "2": 1.0 }],
        "fast": ["Complete", { "0": 10.0, "1": 10.0 }],
        "times": ["PartialData", { "1": 10.0, "2": 10.0 }],
        "errors": ["Complete", { "0": 1.0, "1": 2.5, "2": 1.0 }],
    });
    assert_eq!(seen["data"], data);
    cloud.shutdown().await;
}
