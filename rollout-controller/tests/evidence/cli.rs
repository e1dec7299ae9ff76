//! `rolloutctl vectors` and `rolloutctl replay` as people and scripts run them.

use std::process::{Command, Output};

use serde_json::Value;

fn rolloutctl(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rolloutctl"))
        .args(args)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data"))
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn vectors_ends_with_the_sum_and_fails_on_any_difference() {
    let good = rolloutctl(&["vectors", "evidence-vectors.json"]);
    assert_eq!(good.status.code(), Some(0));
    assert_eq!(text(&good.stdout).lines().last(), Some("104 passed, 0 failed"));

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wrong.json");
    std::fs::write(&path, r#"{"config":{},"tilt":[{"p":0.5,"r":1,"out":0.4}]}"#).unwrap();
    let wrong = rolloutctl(&["vectors", path.to_str().unwrap()]);
    assert_eq!(wrong.status.code(), Some(1));
    assert_eq!(text(&wrong.stdout).lines().last(), Some("0 passed, 1 failed"));

    std::fs::write(&path, r#"{"config":{},"tilt":[{"p":0.5}]}"#).unwrap();
    let malformed = rolloutctl(&["vectors", path.to_str().unwrap()]);
    assert_eq!(malformed.status.code(), Some(1));
    let message = text(&malformed.stderr);
    assert!(message.contains("tilt[0]") && message.contains("missing field `r`"), "{message}");
    assert!(malformed.stdout.is_empty());
}

#[test]
fn replay_prints_decisions_and_tells_by_its_exit_code_whether_they_are_on_record() {
    let trace = "traces/outage-60.csv";
    let good = rolloutctl(&["replay", trace, "--meta", "traces/truth.json", "--json"]);
    assert_eq!(good.status.code(), Some(0));
    let found: Value = serde_json::from_slice(&good.stdout).unwrap();
    let last = &found["decisions"][1];
    assert_eq!(last["verdict"], "ROLLBACK");
    assert_eq!((&last["minute"], &last["lead"]), (&Value::from(26), &Value::from("rel_err")));
    assert!(last["reason"].as_str().unwrap().starts_with("rollback at 10 %: after 13 requests"));

    let folder = tempfile::tempdir().unwrap();
    let meta = folder.path().join("truth.json");
    let truth = crate::data("traces/truth.json").replace("8.734817", "8.734917");
    std::fs::write(&meta, truth).unwrap();
    let differs = rolloutctl(&["replay", trace, "--meta", meta.to_str().unwrap()]);
    assert_eq!(differs.status.code(), Some(1));
    assert!(text(&differs.stdout).contains("differs from the record: ROLLBACK at minute 26"));

    let absent = rolloutctl(&["replay", "nowhere.csv", "--meta", "traces/truth.json"]);
    assert_eq!(absent.status.code(), Some(1));
    assert!(text(&absent.stderr).contains("reading nowhere.csv"));
}
