//! `rolloutctl check` and `notify --test` with the product's own binaries in a local
//! cloud: real sockets, the SDKs' own wire formats, the functions' own doors.

use crate::functions::{Functions, text};
use local_cloud::{ApiFault, ApiFaultKind, Fault};
use serde_json::Value;
use std::process::Output;

fn told(output: &Output) -> String {
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}

/// Findings of one level as (check, what).
fn findings(output: &Output, level: &str) -> Vec<(String, String)> {
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| {
        panic!("{}", told(output));
    });
    let word = |finding: &Value, key: &str| finding[key].as_str().expect("text").to_owned();
    let all = report["findings"].as_array().expect("findings").iter();
    all.filter(|finding| finding["level"] == level)
        .map(|finding| (word(finding, "check"), word(finding, "what")))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_first_start_all_is_well() {
    let stage = Functions::deployed(&[]).await;
    let seen = stage.rolloutctl(&["check", "--json"]).await;
    assert_eq!(seen.status.code(), Some(11), "{}", told(&seen));
    let warned = findings(&seen, "warn");
    assert!(warned.len() == 1 && warned[0].0 == "heartbeat", "no tick ran: {warned:?}");
    let ticked = stage.tick().await;
    assert_eq!(ticked[0]["did"], "idle", "{ticked}");
    let seen = stage.rolloutctl(&["check", "--write-test"]).await;
    assert_eq!(seen.status.code(), Some(0), "{}", told(&seen));
    let report = text(&seen.stdout);
    for part in [
        "As seen by you:",
        "new_group rust: arn:aws:lambda:",
        "multi-value headers are off on both sides",
        "the last tick ran",
        "As seen by the view function:",
        "migrated, and read up to revision 0",
        "As seen by the command function:",
        "the rule was written as it is, and shows 0%",
        " ok.\n",
    ] {
        assert!(report.contains(part), "{part}: {report}");
    }
    let rule = stage.cloud.names().rule("scorer", 100);
    let weights: Vec<_> = stage.cloud.weights(&rule).expect("weights");
    let weights: Vec<_> = weights.iter().map(|share| share.weight).collect();
    assert_eq!(weights, [Some(100), Some(0)]);
    stage.cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn directly_it_needs_no_function_and_reads_the_ledger_from_here() {
    let stage = Functions::without_tables(&[]).await;
    let direct = ["check", "--direct", "--write-test", "--json"];
    let seen = stage.rolloutctl(&direct).await;
    assert_eq!(seen.status.code(), Some(12), "{}", told(&seen));
    let bad = findings(&seen, "bad");
    assert_eq!(bad.len(), 1, "{bad:?}");
    assert!(bad[0].0 == "ledger" && bad[0].1.contains("rolloutctl migrate"), "{bad:?}");
    assert!(stage.rolloutctl(&["migrate"]).await.status.success());
    let seen = stage.rolloutctl(&direct).await;
    assert_eq!(seen.status.code(), Some(0), "{}", told(&seen));
    assert!(findings(&seen, "ok").iter().any(|(check, _)| check == "write"));
    stage.cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_aws_refuses_is_found_with_the_permission_to_give() {
    let stage = Functions::deployed(&[]).await;
    for (operation, check, words) in [
        ("ModifyRule", "write", "AccessDenied"),
        ("DescribeRules", "rule", "AccessDenied"),
        ("GetMetricData", "metrics", "AccessDenied"),
        ("DescribeAlarms", "alarm", "AccessDenied"),
    ] {
        let fault = ApiFault::new(operation, ApiFaultKind::Denied);
        let fault = stage.cloud.add_fault(Fault::Api(fault));
        let seen = stage.rolloutctl(&["check", "--write-test", "--json"]).await;
        assert_eq!(seen.status.code(), Some(12), "{operation}: {}", told(&seen));
        let bad = findings(&seen, "bad");
        let found = bad.iter().any(|(name, what)| name == check && what.contains(words));
        assert!(found, "{operation}: {bad:?}");
        stage.cloud.clear_faults(Some(fault));
    }
    stage.cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_that_do_not_answer_are_bad_and_the_rest_is_looked_at() {
    let stage = Functions::deployed(&[]).await;
    stage.tick().await;
    let wrong = ["check", "--view-function", "no-such-function", "--json"];
    let seen = stage.rolloutctl(&wrong).await;
    assert_eq!(seen.status.code(), Some(12), "{}", told(&seen));
    let bad = findings(&seen, "bad");
    assert_eq!(bad.len(), 1, "{bad:?}");
    assert!(bad[0].0 == "function" && bad[0].1.contains("no-such-function"), "{bad:?}");
    assert!(!findings(&seen, "ok").is_empty());
    stage.cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_is_wrong_is_a_finding() {
    let stage = Functions::deployed(&[]).await;
    let file = stage.config_file();
    let config = std::fs::read_to_string(&file).expect("the config");
    std::fs::write(&file, config.replace("\"1m\"", "\"1 parsec\"")).expect("written");
    let seen = stage.rolloutctl(&["check", "--direct", "--json"]).await;
    assert_eq!(seen.status.code(), Some(12), "{}", told(&seen));
    let bad = findings(&seen, "bad");
    assert!(bad[0].1.contains("rollout[0].lag"), "{bad:?}");
    stage.cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_message_reaches_every_channel_through_the_controller_and_directly() {
    let stage = Functions::deployed(&[]).await;
    for (sent, args) in [(2, &["notify", "--test"][..]), (4, &["notify", "--test", "--direct"])] {
        let ran = stage.rolloutctl(args).await;
        assert_eq!(ran.status.code(), Some(0), "{}", told(&ran));
        let pages = stage.cloud.pages();
        assert_eq!(pages.len(), sent, "{pages:?}");
        let states: Vec<Value> = pages[sent - 2..]
            .iter()
            .map(|page| serde_json::from_str(&page.message).expect("JSON"))
            .collect();
        assert_eq!(states[0]["NewStateValue"], "ALARM");
        assert_eq!(states[1]["NewStateValue"], "OK");
        assert_eq!(states[0]["AlarmName"], states[1]["AlarmName"], "one key");
        let events = stage.cloud.events();
        let event = &events.last().expect("an event").event;
        assert_eq!(event["detail-type"], "Rollout State Change");
        assert_eq!(event["detail"]["state"], "test");
    }
    let fault = ApiFault::new("Publish", ApiFaultKind::Denied);
    stage.cloud.add_fault(Fault::Api(fault));
    let ran = stage.rolloutctl(&["notify", "--test"]).await;
    assert_eq!(ran.status.code(), Some(12), "{}", told(&ran));
    assert!(text(&ran.stdout).contains("allow sns:Publish"), "{}", told(&ran));
    let status = stage.rolloutctl(&["status", "--json"]).await;
    let status: Value = serde_json::from_slice(&status.stdout).expect("JSON");
    assert_eq!(status["revision"], 0, "nothing is journalled");
    stage.cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn under_way_it_tells_the_last_decision_and_a_stopped_schedule() {
    let stage = Functions::deployed(&[]).await;
    let started = stage.rolloutctl(&["start", "--reason", "test", "--yes"]).await;
    assert_eq!(started.status.code(), Some(0), "{}", told(&started));
    let ticked = stage.tick().await;
    assert_eq!(ticked[0]["did"], "advance", "{ticked}");
    let seen = stage.rolloutctl(&["check", "--json"]).await;
    let ok = findings(&seen, "ok");
    let schedule = ok.iter().find(|(check, _)| check == "schedule");
    let (_, what) = schedule.unwrap_or_else(|| panic!("{}", told(&seen)));
    assert!(what.contains("First share"), "{what}");
    assert!(findings(&seen, "bad").is_empty(), "{}", told(&seen));

    stage.python_minutes(9);
    let now = stage.cloud.clock().now().to_string();
    let seen = stage.rolloutctl(&["check", "--as-of", &now, "--json"]).await;
    assert_eq!(seen.status.code(), Some(12), "{}", told(&seen));
    let bad = findings(&seen, "bad");
    assert!(
        bad.iter().any(|(check, what)| check == "schedule" && what.contains("min ago")),
        "{bad:?}"
    );
    stage.cloud.shutdown().await;
}

/// A VPC whose endpoints let nobody in: connections are taken and never answered.
#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_never_answers_is_named_and_the_call_still_ends() {
    let hole = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let silent = format!("http://{}", hole.local_addr().expect("an address"));
    let env = [
        ("AWS_ENDPOINT_URL_SNS", silent.clone()),
        ("AWS_ENDPOINT_URL_SSM", silent.clone()),
        ("AWS_ENDPOINT_URL_ELASTIC_LOAD_BALANCING_V2", silent),
    ];
    let stage = Functions::deployed(&env).await;
    let seen = stage.rolloutctl(&["check", "--write-test", "--json"]).await;
    assert_eq!(seen.status.code(), Some(12), "{}", told(&seen));
    let bad = findings(&seen, "bad");
    for service in ["elasticloadbalancing", "ssm", "sns"] {
        // By the view function and by the command function.
        let named = bad.iter().filter(|(check, what)| {
            check == "endpoint" && what.starts_with(&format!("{service} does not answer"))
        });
        assert_eq!(named.count(), 2, "{service}: {bad:?}");
    }
    assert!(!bad.iter().any(|(check, _)| check == "function"), "it answered in time: {bad:?}");
    let ok = findings(&seen, "ok");
    let rest = "monitoring, lambda, events answer from here";
    assert!(ok.iter().any(|(check, what)| check == "endpoint" && what == rest), "{ok:?}");
    stage.cloud.shutdown().await;
}
