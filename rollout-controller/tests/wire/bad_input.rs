//! Input that makes no sense, to the product's own binaries in a local cloud: a
//! clear error, and nothing is changed.

use crate::functions::{Functions, text};
use local_cloud::InvokeError;
use serde_json::{Value, json};
use std::process::Output;

fn told(output: &Output) -> String {
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}

/// What a function says when it fails: its stable error type and its message.
async fn failure(stage: &Functions, function: &str, event: &str) -> (String, String) {
    match stage.cloud.invoke(function, event.to_owned()).await {
        Err(InvokeError::Function { error_type, payload }) => {
            let payload: Value = serde_json::from_slice(&payload).expect("JSON");
            let message = payload["errorMessage"].as_str().unwrap_or_default();
            (error_type, message.to_owned())
        }
        other => panic!("{function} took {event}: {other:?}"),
    }
}

/// Rewrites the configuration, which functions read when they start.
fn reconfigure(stage: &Functions, old: &str, new: &str) {
    let file = stage.config_file();
    let config = std::fs::read_to_string(&file).expect("the configuration");
    assert!(config.contains(old), "no {old} in {config}");
    std::fs::write(&file, config.replace(old, new)).expect("written");
}

/// No rule was touched, nobody was told anything, no run was begun.
async fn assert_untouched(stage: &Functions) {
    assert_eq!(stage.cloud.rule_changes().len(), 0);
    assert_eq!(stage.cloud.pages().len(), 0);
    let status = stage.rolloutctl(&["status", "--json"]).await;
    let status: Value = serde_json::from_slice(&status.stdout).expect("a status");
    assert_eq!((&status["run"], &status["revision"]), (&json!(0), &json!(0)), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_configuration_is_named_by_cli_and_function_and_moves_nothing() {
    let stage = Functions::deployed(&[]).await;
    let good = std::fs::read_to_string(stage.config_file()).expect("the configuration");
    let event = r#"{"source":"rollout.schedule","time":"2026-11-24T04:17:00Z"}"#;
    // A word that is no key, a value out of range, a file that ends in the middle.
    for (old, new, named) in [
        ("lag = ", "lagg = ", "lagg"),
        ("lag = \"1m\"", "lag = \"soon\"", "rollout[0].lag"),
        ("[[rollout.route]]", "[[rollout.route", "rollout.route"),
    ] {
        reconfigure(&stage, old, new);
        let file = stage.config_file();
        let check = stage.rolloutctl(&["config", "check", &file.to_string_lossy()]).await;
        assert_eq!(check.status.code(), Some(1), "{}", told(&check));
        assert!(text(&check.stderr).contains(named), "{}", told(&check));

        stage.cloud.recycle("rollout-tick").expect("a function");
        let (error_type, message) = failure(&stage, "rollout-tick", event).await;
        assert_eq!(error_type, "Config", "{message}");
        assert!(message.contains(named), "{message}");
        std::fs::write(&file, &good).expect("written");
    }
    stage.cloud.recycle("rollout-tick").expect("a function");
    // With the good file again the next tick goes on.
    let report = stage.tick().await;
    assert_eq!(report[0]["did"], "idle", "{report}");
    assert_untouched(&stage).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_does_not_exist_is_named_and_no_rollout_begins() {
    let stage = Functions::deployed(&[]).await;
    let rule = stage.cloud.names().rule("scorer", 100);
    let wrong = format!("{}0123456789abcdef", &rule[..rule.len() - 16]);
    reconfigure(&stage, &rule, &wrong);
    let start = stage.rolloutctl(&["start", "--yes", "--reason", "release 2"]).await;
    assert_eq!(start.status.code(), Some(40), "{}", told(&start));
    assert!(told(&start).contains(&wrong), "{}", told(&start));
    let status = stage.rolloutctl(&["status"]).await;
    assert_eq!(status.status.code(), Some(30), "could not tell: {}", told(&status));
    assert_untouched(&stage).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn truncated_and_foreign_events_fail_by_name_and_the_next_tick_goes_on() {
    let stage = Functions::deployed(&[]).await;
    let whole = r#"{"source":"rollout.schedule","time":"2026-11-24T04:17:00Z"}"#;
    // Whole JSON that is no event of this door.
    for event in ["{}", "null", r#"{"source":"rollout.schedule"}"#, r#"{"command":"start"}"#] {
        let (error_type, message) = failure(&stage, "rollout-tick", event).await;
        assert_eq!(error_type, "UnknownEvent", "{message}");
        assert!(message.contains("rollout.schedule"), "{message}");
    }
    for (door, event) in [("rollout-command", whole), ("rollout-view", whole)] {
        let (error_type, message) = failure(&stage, door, event).await;
        assert_eq!(error_type, "UnknownEvent", "{message}");
    }
    // Cut off anywhere, it is not even JSON.
    for function in ["rollout-tick", "rollout-command", "rollout-view"] {
        for cut in [1, whole.len() / 2, whole.len() - 1] {
            let (error_type, message) = failure(&stage, function, &whole[..cut]).await;
            assert!(!message.is_empty(), "{function}: {error_type}");
        }
    }
    let report = stage.tick().await;
    assert_eq!(report[0]["did"], "idle", "{report}");
    assert_untouched(&stage).await;
}
