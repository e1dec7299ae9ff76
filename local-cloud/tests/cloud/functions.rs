//! Functions as processes: starts, limits, failures, what they are told.

use std::time::Duration;

use crate::common::{PATIENCE, tiny, until};
use local_cloud::{
    AliasSpec, Deployment, InvokeError, LocalCloud, ScheduleSpec, Statistic, Topology, VersionSpec,
};
use serde_json::{Value, json};

async fn cloud(topology: Topology) -> LocalCloud {
    LocalCloud::start(topology.manual_clock().lag_minutes(0.0)).await.unwrap()
}

async fn invoke(cloud: &LocalCloud, function: &str, event: Value) -> Result<Value, InvokeError> {
    let answer = cloud.invoke(function, event.to_string()).await?;
    Ok(serde_json::from_slice(&answer).unwrap())
}

fn error_type(error: &InvokeError) -> &str {
    match error {
        InvokeError::Function { error_type, .. } => error_type,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_is_reused_and_more_start_only_on_demand() {
    let cloud = cloud(Topology::new().function(tiny("f").max_environments(2))).await;
    let first = invoke(&cloud, "f", json!({})).await.unwrap();
    let second = invoke(&cloud, "f", json!({})).await.unwrap();
    assert_eq!(first["pid"], second["pid"]);
    // Longer than it takes to ask three times, on any machine.
    let slow = json!({ "sleep_ms": 2000 });
    let (one, two, three) = tokio::join!(
        invoke(&cloud, "f", slow.clone()),
        invoke(&cloud, "f", slow.clone()),
        invoke(&cloud, "f", slow)
    );
    let results = [one, two, three];
    let throttled =
        results.iter().filter(|one| matches!(one, Err(InvokeError::Throttled { .. }))).count();
    assert_eq!(throttled, 1);
    let stats = cloud.function_stats().remove(0);
    assert_eq!((stats.environments, stats.cold_starts.len(), stats.throttles), (2, 2, 1));
    assert!(stats.peak_rss_kib > 1000, "{stats:?}");
    assert!(stats.cold_starts.iter().all(|start| start.init_ms > 0.0), "{stats:?}");
    cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_lets_requests_wait_but_not_past_reserved_concurrency() {
    let wait = PATIENCE;
    let patient = tiny("patient").max_environments(1).queue(wait);
    let strict = tiny("strict").reserved_concurrency(1).queue(wait);
    let cloud = cloud(Topology::new().function(patient).function(strict)).await;
    let slow = json!({ "sleep_ms": 100 });
    let (one, two, three) = tokio::join!(
        invoke(&cloud, "patient", slow.clone()),
        invoke(&cloud, "patient", slow.clone()),
        invoke(&cloud, "patient", slow.clone())
    );
    let pids = [one, two, three].map(|one| one.unwrap()["pid"].to_string());
    assert!(pids.iter().all(|pid| *pid == pids[0]), "{pids:?}");
    let slow = json!({ "sleep_ms": 1000 });
    let (one, two) =
        tokio::join!(invoke(&cloud, "strict", slow.clone()), invoke(&cloud, "strict", slow));
    let throttled = |one: &Result<Value, InvokeError>| matches!(one, Err(InvokeError::Throttled { reason }) if reason.starts_with("Reserved"));
    assert!(throttled(&one) != throttled(&two), "{one:?} {two:?}");
    cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_crashes_and_timeouts_are_told_apart() {
    // Only the one that is late has a limit that a busy machine could meet.
    let late = tiny("late").timeout(Duration::from_millis(1500));
    let cloud = cloud(Topology::new().function(tiny("f")).function(late)).await;
    let raised = invoke(&cloud, "f", json!({ "raise": true })).await.unwrap_err();
    assert_eq!(error_type(&raised), "ValueError");
    let crashed = invoke(&cloud, "f", json!({ "path": "/exit" })).await.unwrap_err();
    assert_eq!(error_type(&crashed), "Runtime.ExitError");
    assert!(crashed.to_string().contains("exit status: 3"), "{crashed}");
    for _ in 0..2 {
        let late = invoke(&cloud, "late", json!({ "sleep_ms": 60_000 })).await.unwrap_err();
        assert_eq!(error_type(&late), "Sandbox.Timedout");
    }
    invoke(&cloud, "f", json!({})).await.unwrap();
    // The crash and each timeout ended their process.
    let stats: Vec<_> = cloud
        .function_stats()
        .into_iter()
        .map(|one| (one.name, one.cold_starts.len(), one.errors, one.invocations))
        .collect();
    assert_eq!(stats, [("f".to_owned(), 2, 2, 3), ("late".to_owned(), 2, 2, 2)]);
    cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_died_idle_is_replaced_without_an_error() {
    let cloud = cloud(Topology::new().function(tiny("f"))).await;
    let first = invoke(&cloud, "f", json!({})).await.unwrap();
    assert_eq!(cloud.recycle("f").unwrap(), 1);
    let second = invoke(&cloud, "f", json!({})).await.unwrap();
    assert_ne!(first["pid"], second["pid"]);
    assert_eq!(cloud.function_stats()[0].errors, 0);
    cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spoiled_start_is_an_error_of_the_function() {
    let mut hangs = tiny("hang").env("TINY_INIT", "hang");
    hangs.init_timeout = Duration::from_millis(300);
    let topology = Topology::new()
        .function(tiny("fail").env("TINY_INIT", "fail"))
        .function(tiny("exit").env("TINY_INIT", "exit"))
        .function(hangs)
        .function(local_cloud::FunctionSpec::new("absent", ["/no/such/program"]));
    let cloud = cloud(topology).await;
    for (function, expected) in
        [("fail", "Tiny.Config"), ("exit", "Runtime.ExitError"), ("hang", "Sandbox.Timedout")]
    {
        let error = invoke(&cloud, function, json!({})).await.unwrap_err();
        assert_eq!(error_type(&error), expected, "{function}");
    }
    let absent = invoke(&cloud, "absent", json!({})).await.unwrap_err();
    assert!(absent.to_string().contains("/no/such/program"), "{absent}");
    assert!(matches!(invoke(&cloud, "who", json!({})).await, Err(InvokeError::NotFound { .. })));
    cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_is_told_what_lambda_tells() {
    let cloud = cloud(Topology::new().function(tiny("f"))).await;
    let answer = invoke(&cloud, "f", json!({})).await.unwrap();
    let headers = &answer["headers"];
    let arn = cloud.names().function("f");
    assert_eq!(headers["lambda-runtime-invoked-function-arn"], arn);
    assert!(headers["lambda-runtime-deadline-ms"].as_str().unwrap().parse::<u64>().unwrap() > 0);
    assert!(headers["lambda-runtime-trace-id"].as_str().unwrap().starts_with("Root=1-"));
    assert_eq!(headers["lambda-runtime-aws-request-id"].as_str().unwrap().len(), 36);
    // EMF printed at the start.
    until("the line is read", || !cloud.logs("f").is_empty()).await;
    let metric = local_cloud::Metric {
        namespace: "Tiny".into(),
        name: "Started".into(),
        dimensions: local_cloud::metrics::dimensions([("Service", "tiny")]),
    };
    let start_ms = cloud.clock().now_ms();
    assert_eq!(cloud.metrics().value(&metric, Statistic::Sum, start_ms, 60_000), Some(1.0));
    cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_process_is_gone_after_the_end() {
    let cloud = cloud(Topology::new().function(tiny("f"))).await;
    invoke(&cloud, "f", json!({})).await.unwrap();
    let pid = cloud.function_stats()[0].pids[0];
    let alive = || std::path::Path::new(&format!("/proc/{pid}")).exists();
    assert!(alive());
    cloud.shutdown().await;
    assert!(!alive());
}

#[tokio::test(flavor = "multi_thread")]
async fn asynchronous_errors_are_retried_after_one_and_two_minutes() {
    let cloud = cloud(
        Topology::new()
            .function(tiny("f"))
            .function(tiny("once").async_retries(0, Duration::from_mins(1))),
    )
    .await;
    cloud.invoke_async("f", r#"{"raise": true}"#).unwrap();
    cloud.invoke_async("once", r#"{"raise": true}"#).unwrap();
    until("the first attempts", || cloud.function_stats().iter().all(|one| one.invocations == 1))
        .await;
    until("one is given up", || cloud.async_records().len() == 1).await;
    for (minutes, attempts) in [(1, 2), (2, 3)] {
        let before = cloud.clock().now();
        until("the next attempt", || {
            cloud.clock().advance(Duration::from_secs(1));
            cloud.function_stats()[0].invocations == attempts
        })
        .await;
        // At least: the failed attempt may still be settling when the clock starts to move.
        let waited = cloud.clock().now().duration_since(before).as_secs();
        assert!(waited >= minutes * 60, "attempt {attempts} after {waited} s");
    }
    until("it is given up", || cloud.async_records().len() == 2).await;
    let record = cloud.async_records().pop().unwrap();
    assert_eq!((record.function.as_str(), record.attempts), ("f", 3));
    assert!(record.error.is_some());
    assert_eq!(cloud.function_stats()[1].invocations, 1);
    cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_fires_every_minute_with_its_time_until_paused() {
    let input = r#"{"source":"rollout.schedule","time":"<aws.scheduler.scheduled-time>"}"#;
    let mut topology = Topology::new()
        .function(tiny("tick").reserved_concurrency(1))
        .schedule(ScheduleSpec::new("every", "tick", input));
    topology.start = Some("2026-11-24T08:00:00Z".parse().unwrap());
    let cloud = cloud(topology).await;
    for minutes in 1..=2 {
        cloud.clock().advance(Duration::from_mins(1));
        until("the tick is settled", || cloud.async_records().len() == minutes).await;
    }
    let times: Vec<String> = cloud
        .async_records()
        .iter()
        .map(|record| serde_json::from_str::<Value>(&record.event).unwrap()["time"].to_string())
        .collect();
    assert_eq!(times, ["\"2026-11-24T08:01:00Z\"", "\"2026-11-24T08:02:00Z\""]);
    assert!(cloud.enable_schedule("every", false));
    assert!(!cloud.enable_schedule("other", false));
    cloud.clock().advance(Duration::from_mins(1));
    let at = "2026-11-24T09:30:00Z".parse().unwrap();
    let answer: Value = serde_json::from_slice(&cloud.fire("every", at).await.unwrap()).unwrap();
    assert_eq!(answer["event"]["time"], "2026-11-24T09:30:00Z");
    assert_eq!(cloud.async_records().len(), 2);
    cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_leaves_running_requests_on_the_old_code() {
    let cloud = cloud(Topology::new().function(tiny("f").env("TINY_BUILD", "old"))).await;
    let idle = invoke(&cloud, "f", json!({})).await.unwrap();
    let (slow, after) = tokio::join!(invoke(&cloud, "f", json!({ "sleep_ms": 800 })), async {
        until("the slow one runs", || cloud.function_stats()[0].busy == 1).await;
        let version = cloud.deploy("f", &Deployment::new().env("TINY_BUILD", "new")).unwrap();
        assert_eq!(version, "$LATEST");
        invoke(&cloud, "f", json!({})).await.unwrap()
    });
    let slow = slow.unwrap();
    assert_eq!((&slow["build"], &slow["pid"]), (&json!("old"), &idle["pid"]));
    assert_eq!(after["build"], "new");
    until("the old process is gone", || cloud.function_stats()[0].environments == 1).await;
    let again = invoke(&cloud, "f", json!({})).await.unwrap();
    assert_eq!(again["pid"], after["pid"], "the new process is reused");
    let stats = &cloud.function_stats()[0];
    assert_eq!((stats.errors, stats.cold_starts.len()), (0, 2));
    cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_qualifier_chooses_the_version_and_an_alias_moves() {
    let topology = Topology::new().function(
        tiny("f")
            .env("TINY_BUILD", "latest")
            .version_with(VersionSpec {
                env: [("TINY_BUILD".to_owned(), "one".to_owned())].into(),
                ..VersionSpec::default()
            })
            .alias("live", AliasSpec::new("1")),
    );
    let cloud = cloud(topology).await;
    let names = cloud.names().clone();
    let seen = async |function: &str| {
        let answer = invoke(&cloud, function, json!({})).await.unwrap();
        let arn = answer["headers"]["lambda-runtime-invoked-function-arn"].clone();
        (answer["version"].clone(), answer["build"].clone(), arn)
    };
    for (function, version, build, arn) in [
        ("f", "$LATEST", "latest", "f"),
        ("f:$LATEST", "$LATEST", "latest", "f:$LATEST"),
        ("f:1", "1", "one", "f:1"),
        ("f:live", "1", "one", "f:live"),
        (&names.function("f:live"), "1", "one", "f:live"),
    ] {
        let expected = (json!(version), json!(build), json!(names.function(arn)));
        assert_eq!(seen(function).await, expected, "{function}");
    }
    for function in ["f:2", "f:dead", "g", "g:live"] {
        let error = invoke(&cloud, function, json!({})).await.unwrap_err();
        assert!(matches!(error, InvokeError::NotFound { .. }), "{function}: {error}");
    }
    let two = Deployment::new().env("TINY_BUILD", "two").alias("live");
    assert_eq!(cloud.deploy("f", &two).unwrap(), "2");
    assert_eq!(seen("f:live").await.1, "two");
    assert_eq!(seen("f:1").await.1, "one", "a version never changes");

    cloud.set_alias("f", "live", AliasSpec::new("2").split("1", 0.5)).unwrap();
    let mut counts = std::collections::BTreeMap::new();
    for _ in 0..40 {
        *counts.entry(seen("f:live").await.0.to_string()).or_insert(0) += 1;
    }
    // Both have half; less than 8 of 40 has p < 1e-4, and the seed makes the draws.
    assert!(counts.len() == 2 && counts.values().all(|count| *count >= 8), "{counts:?}");
    assert!(cloud.remove_alias("f", "live").unwrap());
    assert!(invoke(&cloud, "f:live", json!({})).await.is_err());
    cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_processes_of_other_versions_make_room() {
    let spec = tiny("f").max_environments(1).version().alias("live", AliasSpec::new("1"));
    let cloud = cloud(Topology::new().function(spec)).await;
    for function in ["f", "f:1", "f", "f:1"] {
        invoke(&cloud, function, json!({})).await.unwrap();
    }
    until("one is left", || cloud.function_stats()[0].environments == 1).await;
    assert_eq!(cloud.function_stats()[0].cold_starts.len(), 4);
    cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_are_told_the_simulated_clock_unless_it_stands_still() {
    let still = cloud(Topology::new().function(tiny("f"))).await;
    assert_eq!(invoke(&still, "f", json!({})).await.unwrap()["clock"], Value::Null);
    assert_eq!(still.rollout_clock(), None);
    still.shutdown().await;

    let minute = Duration::from_millis(500);
    let mut topology = Topology::new().minute(minute).function(tiny("f"));
    topology.start = Some("2026-11-24T08:00:00Z".parse().unwrap());
    let cloud = LocalCloud::start(topology).await.unwrap();
    let told = invoke(&cloud, "f", json!({})).await.unwrap()["clock"].clone();
    assert_eq!(told, json!(cloud.rollout_clock()));
    let told = told.as_str().unwrap();
    assert!(told.starts_with("start=2026-11-24T08:00:00Z,anchor="), "{told}");
    assert!(told.ends_with(",speed=120"), "{told}");
    cloud.shutdown().await;
}
