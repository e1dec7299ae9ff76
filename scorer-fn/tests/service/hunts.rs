//! The hunt for differences: what it finds between the Python twin and this scorer, and
//! between the twin and builds that are wrong.
//!
//! `make hunt` is the long run.

use std::path::{Path, PathBuf};

use hunt::cli::{Grounds, Other, schema};
use hunt::found::{self, Found};
use hunt::known::OF_THE_TWIN;
use hunt::run::{Outcome, Plan};
use local_cloud::parity::run::{Options, run as replay};

const SEED: u64 = 20_261_129;

fn scorer() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_scorer-fn"))
}

fn wrong(build: &str) -> Vec<(String, String)> {
    vec![("LOCAL_CLOUD_WRONG".to_owned(), build.to_owned())]
}

/// Hunts with this build until something is found.
async fn hunted(grounds: &Grounds, build: &str, plan: &Plan) -> anyhow::Result<Outcome> {
    let mut hunt = grounds.hunt(&scorer(), &wrong(build), &Other::Twin).await?;
    let outcome = hunt.run(plan, |_| {}).await?;
    hunt.cloud.shutdown().await;
    Ok(outcome)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_twin_and_this_scorer_differ_in_nothing_but_what_is_listed() -> anyhow::Result<()>
{
    let grounds = Grounds::new(&schema(Path::new("tests/golden-2/seed.sql"))?).await?;
    let plan = Plan { seeds: vec![SEED], from: 0, cases: 50, most: 5 };
    let outcome = hunted(&grounds, "", &plan).await?;
    let shown: Vec<String> = outcome.found.iter().map(ToString::to_string).collect();
    assert_eq!(shown.concat(), "");
    assert_eq!(outcome.cases, 50);
    // And cases with what it leaves out were played.
    assert!(outcome.known.contains_key(OF_THE_TWIN[0].name), "{:?}", outcome.known);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_build_is_found_made_small_and_written_as_a_case_that_it_alone_fails()
-> anyhow::Result<()> {
    let tables = schema(Path::new("tests/golden-2/seed.sql"))?;
    let grounds = Grounds::new(&tables).await?;
    let folder = tempfile::tempdir()?;
    for (build, kind, place) in [
        ("rounds-one-weight", "number", "score"),
        ("forgets-revocations", "extra", "stamps.*"),
        ("drops-a-field", "missing", "expiration_timestamp"),
        ("changes-a-type", "type", "score"),
    ] {
        let plan = Plan { seeds: vec![SEED], from: 0, cases: 200, most: 1 };
        let outcome = hunted(&grounds, build, &plan).await?;
        let [found] = outcome.found.as_slice() else { panic!("{build}: nothing was found") };
        let shows = found.differences.iter().any(|one| one.kind == kind && one.place == place);
        assert!(shows, "{build}:\n{found}");
        assert!(is_small(found, build), "{build}:\n{found}");
        let cases = found::write(folder.path(), &tables, found, "the Python twin")?;
        let options = |build: &str| Options {
            cases: cases.clone(),
            binary: scorer(),
            only: Vec::new(),
            environment: wrong(build),
        };
        let right = replay(&options(""), |_| {}).await?;
        assert!(right.len() == 1 && right[0].passed(), "{build}: {}", right[0]);
        let spoilt = replay(&options(build), |_| {}).await?;
        assert!(!spoilt[0].passed() && spoilt[0].stopped.is_none(), "{build}: {}", spoilt[0]);
    }
    Ok(())
}

/// Hunts with this build until one difference is found; how many were.
async fn against(
    grounds: &Grounds,
    build: &str,
    other: &Other,
    cases: u64,
) -> anyhow::Result<usize> {
    let mut hunt = grounds.hunt(&scorer(), &wrong(build), other).await?;
    let plan = Plan { seeds: vec![SEED], from: 0, cases, most: 1 };
    let outcome = hunt.run(&plan, |_| {}).await?;
    hunt.cloud.shutdown().await;
    assert!(outcome.known.is_empty(), "nothing is left out by it: {:?}", outcome.known);
    Ok(outcome.found.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn any_lambda_runtime_may_be_the_other_side() -> anyhow::Result<()> {
    let grounds = Grounds::new(&schema(Path::new("tests/golden-2/seed.sql"))?).await?;
    // This scorer itself, by the names that its settings have there.
    let variables = [("DATABASE_URL", "{database}"), ("TRUSTED_IAM_ISSUERS", "{issuers}")];
    let other = Other::Command {
        line: scorer().display().to_string(),
        directory: None,
        environment: variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
    };
    assert_eq!(against(&grounds, "", &other, 25).await?, 0);
    assert_eq!(against(&grounds, "drops-a-field", &other, 25).await?, 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_may_be_the_other_side_and_gets_a_database_of_its_own() -> anyhow::Result<()> {
    let grounds = Grounds::new(&schema(Path::new("tests/golden-2/seed.sql"))?).await?;
    for (build, found) in [("", 0), ("changes-a-type", 1)] {
        let folder = tempfile::tempdir()?;
        let database = folder.path().join("other.env");
        let authority = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let other = Other::Url { authority: authority.clone(), database: database.clone() };
        let server = tokio::spawn(async move {
            while std::fs::read_to_string(&database).map_or(true, |text| !text.ends_with("'\n")) {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
            // As a person does, in a shell.
            let start = format!(
                "set -a; . {}; exec {} --listen {authority}",
                database.display(),
                env!("CARGO_BIN_EXE_scorer-http")
            );
            let mut command = tokio::process::Command::new("sh");
            let command = command.args(["-c", &start]).env_clear().kill_on_drop(true);
            let child = command.stdout(std::process::Stdio::null()).spawn();
            child.expect("a shell").wait().await
        });
        assert_eq!(against(&grounds, build, &other, 15).await?, found, "{build}");
        server.abort();
    }
    Ok(())
}

/// One request, and the one stamp that shows it, if it takes one.
fn is_small(found: &Found, build: &str) -> bool {
    let case = &found.case;
    let stamps: usize = case.wallets.iter().map(|wallet| wallet.stamps.len()).sum();
    let needed = match build {
        "rounds-one-weight" | "forgets-revocations" => 1,
        _ => 0,
    };
    case.asks.len() == 1 && case.wallets.len() == 1 && case.links.is_empty() && stamps == needed
}
