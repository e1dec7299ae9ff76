//! The recorded cases through the load balancer of the local cloud, to the
//! real binary; and that a difference would be seen.

#![cfg(feature = "lambda")]

use std::path::{Path, PathBuf};

use local_cloud::parity::run::{Options, Outcome, run};

fn options(cases: &Path, only: &[&str]) -> Options {
    Options {
        cases: cases.to_owned(),
        binary: PathBuf::from(env!("CARGO_BIN_EXE_scorer-fn")),
        only: only.iter().map(|name| (*name).to_owned()).collect(),
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

#[tokio::test(flavor = "multi_thread")]
async fn every_case_passes_through_the_load_balancer() -> anyhow::Result<()> {
    let outcomes = run(&options(Path::new("tests/golden"), &[]), |_| {}).await?;
    assert_eq!(shown(&outcomes), "");
    assert_eq!(outcomes.len(), 80);
    let invoked = outcomes
        .iter()
        .filter(|outcome| !outcome.invoked.is_empty())
        .count();
    assert!(
        invoked < 10,
        "{invoked} cases did not go through the load balancer"
    );
    Ok(())
}

/// The suite with one text replaced, which must be there exactly once in the named case.
fn tampered(case: &str, from: &str, to: &str) -> anyhow::Result<tempfile::TempDir> {
    let folder = tempfile::tempdir()?;
    std::fs::copy("tests/golden/seed.sql", folder.path().join("seed.sql"))?;
    let text = std::fs::read_to_string("tests/golden/cases.json")?;
    let start = text
        .find(&format!("\"name\": \"{case}\""))
        .expect("the case is there");
    let end = text[start + 1..]
        .find("{\"name\": ")
        .map_or(text.len(), |at| start + 1 + at);
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
        (
            "address-ens-name",
            "\"statusCode\": 400",
            "\"statusCode\": 401",
            "status",
        ),
        (
            "address-ens-name",
            "Invalid address.\\\"}",
            "Invalid.\\\"}",
            "body",
        ),
        (
            "address-ens-name",
            "Accept,Accept-Encoding",
            "Accept",
            "Access-Control-Allow-Headers",
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
        assert!(
            shown(&outcomes).contains(what),
            "{case}: {what} is not in {}",
            shown(&outcomes)
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_said_before_anything_starts() {
    let table = [
        (
            options(Path::new("tests/absent"), &[]),
            "tests/absent/cases.json",
        ),
        (
            options(Path::new("tests/golden"), &["no such case"]),
            "no case is called like no such case",
        ),
        (
            Options {
                binary: PathBuf::from("absent"),
                ..options(Path::new("tests/golden"), &[])
            },
            "absent is missing",
        ),
    ];
    for (options, reason) in table {
        let error = run(&options, |_| {}).await.expect_err(reason);
        assert!(format!("{error:#}").contains(reason), "{error:#}");
    }
}
