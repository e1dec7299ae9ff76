//! Requests through the load balancer into real processes.

use std::time::{Duration, Instant};

use crate::common::{Client, get, tiny, two_sides, until};
use hyper::Method;
use local_cloud::{
    AliasSpec, AuthenticateSpec, Deployment, Fault, FunctionFault, FunctionFaultKind,
    LoadBalancerSpec, LocalCloud, RuleSpec, Statistic, TargetGroupSpec, TargetHealth, Topology,
};

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_draws_follow_the_weights() {
    let cloud = LocalCloud::start(two_sides(75, 25)).await.unwrap();
    let url = cloud.alb_url("lb");
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let url = url.clone();
        clients.spawn(async move {
            let mut client = Client::to(&url).await;
            let mut rust = 0_u32;
            for _ in 0..2500 {
                let got = client.get("/ok").await;
                assert_eq!(got.status, 200, "{got:?}");
                rust += u32::from(got.body == "rust");
            }
            rust
        });
    }
    let rust: u32 = clients.join_all().await.into_iter().sum();
    let (expected, other) = (2500.0, 7500.0);
    let off = f64::from(rust) - expected;
    let chi_square = off * off / expected + off * off / other;
    // One degree of freedom, p = 1e-6; the seed makes the draws, so it does not flicker.
    assert!(chi_square < 23.93, "{rust} of 10000 went to rust, chi-square {chi_square}");
    assert!(chi_square > 0.0 || rust == 2500);

    let now = cloud.clock().now();
    let count = |group| cloud.group_value("lb", group, "RequestCount", Statistic::Sum, now);
    assert_eq!(count("tg-rust"), Some(f64::from(rust)));
    assert_eq!(count("tg-python"), Some(f64::from(10_000 - rust)));
    cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_header_rule_wins_at_every_weight_and_counts_in_its_own_group() {
    let cloud = LocalCloud::start(two_sides(1, 0)).await.unwrap();
    let rule = cloud.names().rule("lb", 100);
    let mut client = Client::to(&cloud.alb_url("lb")).await;
    for (python, rust) in [(1, 0), (50, 50), (0, 1), (1, 0)] {
        cloud.set_weights(&rule, [("tg-python", python), ("tg-rust", rust)]).unwrap();
        for _ in 0..5 {
            let headers = [("x-use-rust-scorer", "TRUE")];
            let got = client.send(Method::GET, "/ok", &headers, "").await;
            assert_eq!(got.body, "rust");
        }
    }
    let now = cloud.clock().now();
    let count = |group| cloud.group_value("lb", group, "RequestCount", Statistic::Sum, now);
    assert_eq!(count("tg-tester"), Some(20.0));
    assert_eq!(count("tg-rust"), None);
    assert_eq!(client.get("/ok").await.body, "python");
    cloud.shutdown().await;
}

/// Path, headers, body; status, reason, RequestCount, LambdaUserError, Target_5XX, ELB_502.
type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str, u16, Option<&'a str>, [Option<f64>; 4]);

const NONE: Option<f64> = None;
const ONE: Option<f64> = Some(1.0);

#[tokio::test(flavor = "multi_thread")]
async fn every_failure_has_its_status_reason_and_metric() {
    let mut topology = two_sides(1, 0);
    // Long for all but the slow one, also on a busy machine.
    topology.functions[0].timeout = Duration::from_secs(4);
    topology.functions[0].max_environments = 1;
    let cloud = LocalCloud::start(topology).await.unwrap();
    let url = cloud.alb_url("lb");
    let long_path = format!("/ok?{}", "x".repeat(17_000));
    let long_header = "x".repeat(17_000);
    let body = "b".repeat(1024 * 1024 + 1);
    let text: &[(&str, &str)] = &[("content-type", "text/plain")];
    let table: [Row; 16] = [
        ("/ok", &[], "", 200, None, [ONE, NONE, NONE, NONE]),
        ("/5xx", &[], "", 503, None, [ONE, NONE, ONE, NONE]),
        ("/raise", &[], "", 502, Some("LambdaUnhandled"), [ONE, ONE, NONE, ONE]),
        ("/exit", &[], "", 502, Some("LambdaUnhandled"), [ONE, ONE, NONE, ONE]),
        ("/slow/60000", &[], "", 502, Some("LambdaUnhandled"), [ONE, ONE, NONE, ONE]),
        ("/large", &[], "", 502, Some("LambdaResponseTooLarge"), [ONE, ONE, NONE, ONE]),
        ("/raw", text, "no json", 502, Some("LambdaInvalidResponse"), [ONE, ONE, NONE, ONE]),
        (
            "/raw",
            text,
            r#"{"statusCode":200,"headers":null}"#,
            502,
            Some("LambdaInvalidResponse"),
            [ONE, ONE, NONE, ONE],
        ),
        (
            "/raw",
            text,
            r#"{"statusCode":200,"body":null}"#,
            502,
            Some("LambdaInvalidResponse"),
            [ONE, ONE, NONE, ONE],
        ),
        (
            "/raw",
            text,
            r#"{"statusCode":"200"}"#,
            502,
            Some("LambdaInvalidResponse"),
            [ONE, ONE, NONE, ONE],
        ),
        ("/raw", text, r#"{"statusCode":204}"#, 204, None, [ONE, NONE, NONE, NONE]),
        ("/ok", text, &body, 413, Some("LambdaRequestTooLarge"), [NONE, ONE, NONE, NONE]),
        (&long_path, &[], "", 414, None, [NONE, NONE, NONE, NONE]),
        ("/ok", &[("x-long", &long_header)], "", 400, None, [NONE, NONE, NONE, NONE]),
        ("/ok", &[("upgrade", "websocket")], "", 400, None, [NONE, NONE, NONE, NONE]),
        ("/ok", &[], "", 200, None, [ONE, NONE, NONE, NONE]),
    ];
    for (row, (path, headers, body, status, reason, counted)) in table.into_iter().enumerate() {
        let minute = cloud.clock().now();
        let mut client = Client::to(&url).await;
        let got = client.send(Method::POST, path, headers, body.to_owned()).await;
        assert_eq!(got.status, status, "row {row}: {got:?}");
        let entry = cloud.access_log().pop().unwrap();
        assert_eq!(entry.error_reason.as_deref(), reason, "row {row}: {entry:?}");
        let group = |name: &str| cloud.group_value("lb", "tg-python", name, Statistic::Sum, minute);
        let mut elb = cloud.group_metric("lb", "tg-python", "HTTPCode_ELB_502_Count");
        elb.dimensions.remove("TargetGroup");
        let start_ms = minute.as_millisecond();
        let found = [
            group("RequestCount"),
            group("LambdaUserError"),
            group("HTTPCode_Target_5XX_Count"),
            cloud.metrics().value(&elb, Statistic::Sum, start_ms, 60_000),
        ];
        assert_eq!(found, counted, "row {row}: {path}");
        cloud.clock().advance(Duration::from_mins(1));
    }
    cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_function_is_throttled_and_a_missing_target_is_503() {
    let mut topology = two_sides(1, 0);
    topology.functions[0].max_environments = 1;
    topology.target_groups[1].function = None;
    let cloud = LocalCloud::start(topology).await.unwrap();
    let url = cloud.alb_url("lb");
    assert_eq!(get(&url, "/ok").await.status, 200);
    let slow = tokio::spawn({
        let url = url.clone();
        async move { get(&url, "/slow/3000").await.status }
    });
    until("the slow request runs", || cloud.function_stats()[0].busy == 1).await;
    assert_eq!(get(&url, "/ok").await.status, 502);
    let entry = cloud.access_log().pop().unwrap();
    assert_eq!(entry.error_reason.as_deref(), Some("LambdaThrottling"));
    assert_eq!(slow.await.unwrap(), 200);

    let rule = cloud.names().rule("lb", 100);
    cloud.set_weights(&rule, [("tg-python", 0), ("tg-rust", 1)]).unwrap();
    assert_eq!(get(&url, "/ok").await.status, 503);
    let minute = cloud.clock().now();
    let requests = cloud.group_value("lb", "tg-rust", "RequestCount", Statistic::Sum, minute);
    assert_eq!(requests, None);
    cloud.set_weights(&rule, [("tg-python", 0), ("tg-rust", 0)]).unwrap();
    let got = get(&url, "/ok").await;
    assert_eq!(got.status, 503);
    assert!(got.body.contains("all its weights are 0"), "{}", got.body);
    assert_eq!(get(&url, "/").await.headers["server"], "awselb/2.0");
    cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_is_460_and_the_function_goes_on() {
    let cloud = LocalCloud::start(two_sides(1, 0)).await.unwrap();
    let url = cloud.alb_url("lb");
    assert_eq!(get(&url, "/ok").await.status, 200);
    let leaving = tokio::spawn(async move { get(&url, "/slow/1500").await });
    until("it runs", || cloud.function_stats()[0].busy == 1).await;
    leaving.abort();
    until("it is logged", || cloud.access_log().len() == 2).await;
    let entry = cloud.access_log().pop().unwrap();
    assert_eq!((entry.status, entry.target_status), (460, Some(200)));
    assert_eq!(cloud.function_stats()[0].environments, 1);
    cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_change_reaches_the_data_plane_after_its_delay() {
    let delayed = |delay: Duration| async move {
        let mut topology = two_sides(1, 0);
        topology.load_balancers[0].propagation = delay;
        let cloud = LocalCloud::start(topology).await.unwrap();
        let rule = cloud.names().rule("lb", 100);
        cloud.set_weights(&rule, [("tg-python", 0), ("tg-rust", 1)]).unwrap();
        assert_eq!(cloud.weights(&rule).unwrap()[1].weight, Some(1));
        cloud
    };
    let cloud = delayed(Duration::from_hours(1)).await;
    assert_eq!(get(&cloud.alb_url("lb"), "/ok").await.body, "python");
    cloud.shutdown().await;

    let delay = Duration::from_millis(300);
    let begun = Instant::now();
    let cloud = delayed(delay).await;
    let mut client = Client::to(&cloud.alb_url("lb")).await;
    while client.get("/ok").await.body != "rust" {}
    assert!(begun.elapsed() >= delay);
    cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_hits_its_group_from_its_share_on_and_clients_cannot_ask_for_it() {
    let cloud = LocalCloud::start(two_sides(80, 20)).await.unwrap();
    let rule = cloud.names().rule("lb", 100);
    let mut client = Client::to(&cloud.alb_url("lb")).await;
    let own = [("x-local-cloud-fault", "crash")];
    assert_eq!(client.send(Method::GET, "/ok", &own, "").await.status, 200);
    cloud.add_fault(Fault::Function(FunctionFault {
        function: "rust".into(),
        group: Some("tg-rust".into()),
        kind: FunctionFaultKind::Error,
        probability: 1.0,
        from_share: Some(25.0),
        latency_ms: 0,
    }));
    let mut failed = 0;
    for _ in 0..50 {
        failed += u32::from(client.get("/ok").await.status == 500);
    }
    assert_eq!(failed, 0);
    cloud.set_weights(&rule, [("tg-python", 0), ("tg-rust", 1)]).unwrap();
    assert_eq!(client.get("/ok").await.status, 500);
    let tester = [("x-use-rust-scorer", "true")];
    assert_eq!(client.send(Method::GET, "/ok", &tester, "").await.status, 200);
    assert_eq!(cloud.clear_faults(None), 1);
    assert_eq!(client.get("/ok").await.status, 200);

    let crash = |kind, latency_ms| {
        Fault::Function(FunctionFault {
            function: "rust".into(),
            group: None,
            kind,
            probability: 1.0,
            from_share: None,
            latency_ms,
        })
    };
    let id = cloud.add_fault(crash(FunctionFaultKind::Crash, 0));
    assert_eq!(client.get("/ok").await.status, 502);
    cloud.clear_faults(Some(id));
    cloud.add_fault(crash(FunctionFaultKind::Latency, 120));
    assert_eq!(client.get("/ok").await.status, 200);
    let entry = cloud.access_log().pop().unwrap();
    assert_eq!(entry.fault.as_deref(), Some("latency=120"));
    assert!(entry.target_ms >= 120.0, "{entry:?}");
    cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn load_balancers_are_apart_and_fixed_answers_are_given() {
    let topology = Topology::new()
        .manual_clock()
        .function(tiny("a"))
        .function(tiny("b"))
        .target_group("tg-a", "a")
        .target_group("tg-b", "b")
        .load_balancer(
            LoadBalancerSpec::new("one").rule(RuleSpec::new(5).path("/a*").forward([("tg-a", 1)])),
        )
        .load_balancer(LoadBalancerSpec::new("two").default_group("tg-b"));
    let cloud = LocalCloud::start(topology).await.unwrap();
    assert_eq!(get(&cloud.alb_url("one"), "/a/ok").await.body, "a");
    assert_eq!(get(&cloud.alb_url("two"), "/a/ok").await.body, "b");
    let fixed = get(&cloud.alb_url("one"), "/other").await;
    assert_eq!((fixed.status, fixed.body.as_str()), (404, "not found"));
    cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_event_arrives_as_the_load_balancer_makes_it() {
    let cloud = LocalCloud::start(two_sides(1, 0)).await.unwrap();
    let mut client = Client::to(&cloud.alb_url("lb")).await;
    let headers = [("X-Api-Key", "k"), ("host", "api.example.com"), ("content-type", "text/plain")];
    let got = client.send(Method::POST, "/echo/a%2Fb?q=a%20b&q=c", &headers, "hello").await;
    let event = got.json();
    assert_eq!(event["path"], "/echo/a%2Fb");
    assert_eq!(event["queryStringParameters"]["q"], "c");
    assert_eq!(event["headers"]["x-api-key"], "k");
    assert_eq!(event["headers"]["host"], "api.example.com");
    assert_eq!(event["headers"]["x-forwarded-for"], "127.0.0.1");
    assert_eq!(event["body"], "hello");
    let arn = cloud.names().target_group("tg-python");
    assert_eq!(event["requestContext"]["elb"]["targetGroupArn"], arn);
    assert_eq!(got.headers["x-function"], "python");
    cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_goes_away_and_comes_back() {
    let cloud = LocalCloud::start(two_sides(0, 1)).await.unwrap();
    let url = cloud.alb_url("lb");
    let elb = |name: &str| {
        let mut metric = cloud.group_metric("lb", "tg-rust", name);
        metric.dimensions.remove("TargetGroup");
        metric
    };
    let minute = || cloud.clock().now().as_millisecond();
    let sum = |metric| cloud.metrics().value(&metric, Statistic::Sum, minute(), 60_000);
    let group = |name: &str| cloud.group_metric("lb", "tg-rust", name);

    cloud.deregister_target("tg-rust").unwrap();
    for _ in 0..3 {
        assert_eq!(get(&url, "/ok").await.status, 503);
    }
    for name in ["HTTPCode_ELB_5XX_Count", "HTTPCode_ELB_503_Count"] {
        assert_eq!(sum(elb(name)), Some(3.0), "{name}");
        assert_eq!(sum(group(name)), None, "never by target group: {name}");
    }
    for name in ["RequestCount", "LambdaUserError", "HTTPCode_Target_5XX_Count"] {
        assert_eq!(sum(group(name)), None, "{name}");
    }
    assert!(cloud.set_target_health("tg-rust", TargetHealth::Draining).is_err());

    cloud.clock().advance(Duration::from_mins(1));
    cloud.register_target("tg-rust", "rust").unwrap();
    assert_eq!(get(&url, "/ok").await.status, 200);
    assert_eq!((sum(group("RequestCount")), sum(elb("HTTPCode_ELB_5XX_Count"))), (ONE, NONE));
    // Unhealthy is served all the same: a Lambda group has no other target. Draining is not.
    for (health, status) in [
        (TargetHealth::Unhealthy, 200),
        (TargetHealth::Initial, 200),
        (TargetHealth::Draining, 503),
        (TargetHealth::Healthy, 200),
    ] {
        cloud.set_target_health("tg-rust", health).unwrap();
        assert_eq!(get(&url, "/ok").await.status, status, "{health:?}");
    }
    let unknown = cloud.register_target("tg-rust", "rust:7").unwrap_err();
    assert_eq!(unknown.code, "ResourceNotFoundException");
    assert_eq!(cloud.deregister_target("tg").unwrap_err().code, "TargetGroupNotFound");
    cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_in_front_of_an_alias_follows_it() {
    let mut topology = two_sides(0, 1);
    topology.functions[1] = tiny("rust").version().alias("live", AliasSpec::new("1"));
    topology.target_groups[1].function = Some("rust:live".into());
    let cloud = LocalCloud::start(topology).await.unwrap();
    let mut client = Client::to(&cloud.alb_url("lb")).await;
    assert_eq!(client.get("/version").await.body, "1 ");
    cloud.deploy("rust", &Deployment::new().env("TINY_BUILD", "b")).unwrap();
    assert_eq!(client.get("/version").await.body, "1 ", "not published");
    cloud.deploy("rust", &Deployment::new().alias("live")).unwrap();
    assert_eq!(client.get("/version").await.body, "2 b");
    // A fault of the function hits it by its name, behind an alias too.
    cloud.add_fault(Fault::Function(FunctionFault {
        function: "rust".into(),
        group: None,
        kind: FunctionFaultKind::Error,
        probability: 1.0,
        from_share: Some(100.0),
        latency_ms: 0,
    }));
    assert_eq!(client.get("/version").await.status, 500);
    cloud.clear_faults(None);
    assert!(cloud.remove_alias("rust", "live").unwrap());
    assert_eq!(client.get("/version").await.status, 502);
    let entry = cloud.access_log().pop().unwrap();
    assert_eq!(entry.error_reason.as_deref(), Some("LambdaResourceNotFound"));
    cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_of_two_rules_mixes_their_numbers() {
    let other = || LoadBalancerSpec::new("other").default_group("tg-a");
    let topology = |shared: bool| {
        let mut group = TargetGroupSpec::new("tg-a", "a");
        group.shared = shared;
        Topology::new()
            .manual_clock()
            .lag_minutes(0.0)
            .function(tiny("a"))
            .target_group_with(group)
            .load_balancer(
                LoadBalancerSpec::new("lb")
                    .rule(RuleSpec::new(5).path("/one*").forward([("tg-a", 1)]))
                    .rule(RuleSpec::new(6).path("/two*").forward([("tg-a", 1)])),
            )
            .load_balancer(other())
    };
    let refused = LocalCloud::start(topology(false)).await.unwrap_err().to_string();
    assert!(refused.contains("shared = true"), "{refused}");
    let cloud = LocalCloud::start(topology(true)).await.unwrap();
    let url = cloud.alb_url("lb");
    for path in ["/one", "/two", "/two"] {
        assert_eq!(get(&url, path).await.status, 200);
    }
    assert_eq!(get(&cloud.alb_url("other"), "/raise").await.status, 502);
    let now = cloud.clock().now();
    let requests =
        |balancer| cloud.group_value(balancer, "tg-a", "RequestCount", Statistic::Sum, now);
    assert_eq!((requests("lb"), requests("other")), (Some(3.0), ONE));
    // What is asked for by the group alone is of both load balancers.
    let mut errors = cloud.group_metric("lb", "tg-a", "LambdaUserError");
    errors.dimensions.remove("LoadBalancer");
    let start_ms = now.as_millisecond();
    assert_eq!(cloud.metrics().value(&errors, Statistic::Sum, start_ms, 60_000), ONE);
    cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_signs_people_in_lets_requests_pass() {
    let oidc = AuthenticateSpec::Oidc {
        issuer: "https://idp.example.com".into(),
        client_id: "c".into(),
        client_secret: "hunter2".into(),
    };
    let mut topology = two_sides(1, 0);
    topology.load_balancers[0].rules[1].authenticate = Some(oidc);
    let cloud = LocalCloud::start(topology).await.unwrap();
    let rule = cloud.names().rule("lb", 100);
    assert_eq!(get(&cloud.alb_url("lb"), "/ok").await.body, "python");
    cloud.set_weights(&rule, [("tg-python", 0), ("tg-rust", 1)]).unwrap();
    assert_eq!(get(&cloud.alb_url("lb"), "/ok").await.body, "rust");
    assert_eq!(cloud.client_secret(&rule).unwrap().as_deref(), Some("hunter2"));
    cloud.set_authenticate(&rule, None).unwrap();
    assert_eq!(cloud.client_secret(&rule).unwrap(), None);
    assert_eq!(get(&cloud.alb_url("lb"), "/ok").await.body, "rust");
    cloud.shutdown().await;
}
