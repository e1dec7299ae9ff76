//! The recorded cases through the load balancer of the local cloud, to the
//! real binary; and that a difference would be seen.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use local_cloud::parity::run::{Options, Outcome, run, run_within};
use serde_json::{Value, json};

fn options(cases: &Path, only: &[&str]) -> Options {
    Options {
        cases: cases.to_owned(),
        binary: PathBuf::from(env!("CARGO_BIN_EXE_scorer-fn")),
        only: only.iter().map(|name| (*name).to_owned()).collect(),
        environment: Vec::new(),
    }
}

fn shown(outcomes: &[Outcome]) -> String {
    outcomes
        .iter()
        .filter(|outcome| !outcome.passed())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

/// Recorded cases whose stamps only Python can check: a trusted issuer's key may
/// have made the proof in a suite that is not checked here, and the answer is 500
/// with `unsupported_proof` instead of the recorded score. None are among the
/// recorded ones: their foreign suites are such as the issuer's key cannot make.
const REFUSED: [&str; 0] = [];

#[tokio::test(flavor = "multi_thread")]
async fn every_case_passes_through_the_load_balancer() -> anyhow::Result<()> {
    for (folder, count) in [("tests/golden", 80), ("tests/golden-2", 228)] {
        let outcomes = run(&options(Path::new(folder), &[]), |_| {}).await?;
        let failed: Vec<&Outcome> = outcomes
            .iter()
            .filter(|outcome| !outcome.passed() && !REFUSED.contains(&&*outcome.name))
            .collect();
        let shown: Vec<String> = failed.iter().map(ToString::to_string).collect();
        assert_eq!(shown.join("\n"), "", "{folder}");
        assert_eq!(outcomes.len(), count, "{folder}");
        let invoked = outcomes.iter().filter(|outcome| !outcome.invoked.is_empty()).count();
        assert!(
            invoked * 8 < count,
            "{folder}: {invoked} cases did not go through the load balancer"
        );
    }
    Ok(())
}

/// The suite with one text replaced, which must be there exactly once in the named case.
fn tampered(case: &str, from: &str, to: &str) -> anyhow::Result<tempfile::TempDir> {
    let folder = tempfile::tempdir()?;
    std::fs::copy("tests/golden/seed.sql", folder.path().join("seed.sql"))?;
    let text = std::fs::read_to_string("tests/golden/cases.json")?;
    let start = text.find(&format!("\"name\": \"{case}\"")).expect("the case is there");
    let end = text[start + 1..].find("{\"name\": ").map_or(text.len(), |at| start + 1 + at);
    let (before, rest) = text.split_at(start);
    let (own, after) = rest.split_at(end - start);
    assert_eq!(own.matches(from).count(), 1, "{from} in {case}");
    std::fs::write(
        folder.path().join("cases.json"),
        format!("{before}{}{after}", own.replace(from, to)),
    )?;
    Ok(folder)
}

#[tokio::test(flavor = "multi_thread")]
async fn any_difference_fails_the_case_and_is_shown() -> anyhow::Result<()> {
    let table = [
        ("address-ens-name", "\"statusCode\": 400", "\"statusCode\": 401", "status"),
        ("address-ens-name", "Invalid address.\\\"}", "Invalid.\\\"}", "body"),
        ("address-ens-name", "Accept,Accept-Encoding", "Accept", "Access-Control-Allow-Headers"),
        // No client sees these three, yet the load balancer gets them.
        (
            "address-ens-name",
            "\"statusDescription\": \"Invalid address.\"",
            "\"statusDescription\": \"Invalid.\"",
            "statusDescription",
        ),
        (
            "address-ens-name",
            "\"statusCategory\": \"4XX\"",
            "\"statusCategory\": \"5XX\"",
            "statusCategory",
        ),
        (
            "address-ens-name",
            "\"isBase64Encoded\": false, \"headers\"",
            "\"isBase64Encoded\": true, \"headers\"",
            "isBase64Encoded",
        ),
        (
            "zero-threshold",
            "\"success\": true, \"rawScore\": \"0\", \"threshold\": \"0.00000\"}, \"stamp_scores\": {}, \"stamps\": {}, \"expiration_date\": null, \"last_score_timestamp\": \"<now>\"}]",
            "\"success\": false, \"rawScore\": \"0\", \"threshold\": \"0.00000\"}, \"stamp_scores\": {}, \"stamps\": {}, \"expiration_date\": null, \"last_score_timestamp\": \"<now>\"}]",
            "registry_score, added",
        ),
        (
            "link-expired",
            "\"gone\": [{",
            "\"gone\": [{\"more\": 1, ",
            "registry_hashscorerlink, gone",
        ),
    ];
    for (case, from, to, what) in table {
        let folder = tampered(case, from, to)?;
        let outcomes = run(&options(folder.path(), &[case]), |_| {}).await?;
        assert_eq!(
            outcomes.iter().filter(|outcome| !outcome.passed()).count(),
            1,
            "{case}: {what}"
        );
        assert!(shown(&outcomes).contains(what), "{case}: {what} is not in {}", shown(&outcomes));
    }
    Ok(())
}

/// A recorded case under another name.
fn recorded(case: &str, name: &str) -> anyhow::Result<Value> {
    let text = std::fs::read_to_string("tests/golden/cases.json")?;
    let suite: Value = serde_json::from_str(&text)?;
    let cases = suite["cases"].as_array().expect("an array");
    let mut found = cases.iter().find(|one| one["name"] == case).cloned();
    let found = found.as_mut().expect("the case is there");
    found["name"] = name.into();
    Ok(found.take())
}

/// A suite of these cases, on the seed of the recorded ones.
fn suite_of(cases: &[Value]) -> anyhow::Result<tempfile::TempDir> {
    let folder = tempfile::tempdir()?;
    std::fs::copy("tests/golden/seed.sql", folder.path().join("seed.sql"))?;
    let text = std::fs::read_to_string("tests/golden/cases.json")?;
    let mut suite: Value = serde_json::from_str(&text)?;
    suite["cases"] = cases.into();
    std::fs::write(folder.path().join("cases.json"), suite.to_string())?;
    Ok(folder)
}

/// An unknown scorer, which answers 404 and writes an analytics row: with these
/// members of the event, and what the row then says.
fn noted(name: &str, event: &Value, row: &Value) -> anyhow::Result<Value> {
    let mut case = recorded("scorer-unknown", name)?;
    let step = &mut case["steps"][0];
    merge(&mut step["event"], event);
    merge(&mut step["writes"]["account_accountapikeyanalytics"]["added"][0], row);
    Ok(case)
}

/// A request without a valid key, which answers 401 whatever else it holds.
fn refused(name: &str, event: &Value) -> anyhow::Result<Value> {
    let mut case = recorded("key-missing", name)?;
    merge(&mut case["steps"][0]["event"], event);
    Ok(case)
}

/// Headers are added to those that are there, all else is replaced.
fn merge(into: &mut Value, members: &Value) {
    for (key, value) in members.as_object().expect("an object") {
        match value.as_object().filter(|_| key == "headers") {
            Some(headers) => {
                let all = into[key].as_object_mut().expect("headers");
                all.extend(headers.clone());
            }
            None => into[key] = value.clone(),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_http_does_not_carry_are_judged_by_invoke() -> anyhow::Result<()> {
    let (long, key) = ("a".repeat(17_000), "GoldKeyA.16689dac85a8b7b8c197c7932e44c8a2");
    let mut cases = Vec::new();
    for method in ["HEAD", "CONNECT"] {
        cases.push(noted(method, &json!({"httpMethod": method}), &json!({}))?);
    }
    for header in [
        json!({"connection": "keep-alive"}),
        json!({"transfer-encoding": "chunked"}),
        json!({"upgrade": "h2c"}),
        json!({"te": "trailers"}),
        json!({"x-local-cloud-fault": "none"}),
        json!({"x-padded": "  both sides "}),
    ] {
        let both = json!({"headers": header});
        cases.push(noted(&format!("header {header}"), &both, &both)?);
    }
    for query in [
        json!({"a=b": "1"}),
        json!({"a&b": "1"}),
        json!({"a#b": "1"}),
        json!({"a": "1&2"}),
        json!({"a": "1#2"}),
        json!({"a": null}),
    ] {
        let event = json!({"queryStringParameters": query});
        let row = json!({"query_params": query});
        cases.push(noted(&format!("query {query}"), &event, &row)?);
    }
    for (name, event) in [
        ("blank after the key", json!({"headers": {"x-api-key": format!("{key} ")}})),
        ("blank before the key", json!({"headers": {"x-api-key": format!(" {key}")}})),
        ("long path", json!({"path": format!("/v2/{long}")})),
        ("long header", json!({"headers": {"x-long": long}})),
        (
            "text that is none",
            json!({"body": "/w==", "isBase64Encoded": true, "headers": {"content-type": "text/plain"}}),
        ),
    ] {
        cases.push(refused(name, &event)?);
    }
    let folder = suite_of(&cases)?;
    let outcomes = run(&options(folder.path(), &[]), |_| {}).await?;
    assert_eq!(shown(&outcomes), "");
    assert_eq!(outcomes.len(), cases.len());
    for outcome in outcomes {
        assert_eq!(outcome.invoked.len(), 1, "{outcome}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recorded_length_is_not_sent_and_the_rest_is() -> anyhow::Result<()> {
    let mut cases = Vec::new();
    for length in ["0", "2", "7", "200"] {
        let headers = json!({"content-length": length, "content-type": "application/json"});
        cases.push(noted(
            &format!("length {length}"),
            &json!({"body": "{\"a\":1}", "headers": headers}),
            &json!({"payload": {"a": 1}, "headers": headers}),
        )?);
    }
    // One that waits for `100 Continue`, and one that is as a proxy in front left it.
    let headers = json!({"expect": "100-continue", "x-forwarded-host": "api.example.test"});
    let both = json!({"headers": headers});
    cases.push(noted("expect", &both, &both)?);
    let folder = suite_of(&cases)?;
    let outcomes = run(&options(folder.path(), &[]), |_| {}).await?;
    assert_eq!(shown(&outcomes), "");
    for outcome in outcomes {
        assert_eq!(outcome.invoked, [], "{outcome}");
    }

    // Neither a content type nor another proxy's header is taken as ours.
    let event = json!({"body": "{}", "headers": {"content-type": "application/json", "x-forwarded-host": "one"}});
    let row = json!({"headers": {"content-type": "text/plain", "x-forwarded-host": "two"}});
    let folder = suite_of(&[noted("tampered", &event, &row)?])?;
    let outcomes = run(&options(folder.path(), &[]), |_| {}).await?;
    assert!(shown(&outcomes).contains("account_accountapikeyanalytics, added"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_odd_field_concerns_its_own_case() -> anyhow::Result<()> {
    let odd = |name: &str, change: fn(&mut Value)| {
        recorded("key-missing", name).map(|mut case| {
            change(&mut case);
            case
        })
    };
    let cases = [
        odd("settings null", |case| case["settings"] = Value::Null)?,
        odd("analytics null", |case| case["analytics"] = Value::Null)?,
        odd("about null", |case| case["about"] = Value::Null)?,
        odd("about missing", |case| {
            case.as_object_mut().expect("a case").remove("about");
        })?,
        odd("writes null", |case| {
            case["steps"][0]["writes"] = Value::Null;
        })?,
        odd("rows null", |case| {
            case["steps"][0]["writes"] =
                json!({"registry_score": null, "registry_stamp": {"added": null}});
        })?,
        odd("rows changed", |case| {
            case["steps"][0]["writes"] = json!({"registry_score": {"changed": []}});
        })?,
        odd("response missing", |case| {
            case["steps"][0].as_object_mut().expect("a step").remove("response");
        })?,
        odd("no steps", |case| case["steps"] = json!([]))?,
        json!({}),
        recorded("key-missing", "last")?,
    ];
    let folder = suite_of(&cases)?;
    let outcomes = run(&options(folder.path(), &[]), |_| {}).await?;
    let stopped: Vec<(&str, &str)> = outcomes
        .iter()
        .filter(|outcome| !outcome.passed())
        .map(|outcome| (&*outcome.name, outcome.stopped.as_deref().unwrap_or("")))
        .collect();
    assert_eq!(outcomes.len(), cases.len());
    let expected = [
        ("rows changed", "unknown field `changed`"),
        ("response missing", "missing field `response`"),
        ("no steps", "steps: none are there"),
        ("case 10", "missing field `name`"),
    ];
    assert_eq!(stopped.len(), expected.len(), "{stopped:?}");
    for ((name, why), (expected_name, reason)) in stopped.into_iter().zip(expected) {
        assert_eq!(name, expected_name);
        assert!(why.contains(reason), "{name}: {why}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_without_an_answer_fails_its_case_only() -> anyhow::Result<()> {
    let folder = suite_of(&[
        refused("by HTTP", &json!({}))?,
        refused("by Invoke", &json!({"httpMethod": "HEAD"}))?,
    ])?;
    let silent = folder.path().join("silent");
    std::fs::write(&silent, "#!/bin/sh\nexec sleep 600\n")?;
    std::fs::set_permissions(&silent, std::fs::Permissions::from_mode(0o700))?;
    let options = Options { binary: silent, ..options(folder.path(), &[]) };
    let outcomes = run_within(&options, Duration::from_millis(200), |_| {}).await?;
    assert_eq!(outcomes.len(), 2);
    for outcome in outcomes {
        let text = outcome.to_string();
        assert!(text.starts_with("FAIL by "), "{text}");
        assert!(text.contains("stopped: step 1 of 1: no answer from"), "{text}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_said_before_anything_starts() {
    let table = [
        (options(Path::new("tests/absent"), &[]), "tests/absent/cases.json"),
        (
            options(Path::new("tests/golden"), &["no such case"]),
            "no case is called like no such case",
        ),
        (
            Options { binary: PathBuf::from("absent"), ..options(Path::new("tests/golden"), &[]) },
            "absent is missing",
        ),
    ];
    for (options, reason) in table {
        let error = run(&options, |_| {}).await.expect_err(reason);
        assert!(format!("{error:#}").contains(reason), "{error:#}");
    }
}
