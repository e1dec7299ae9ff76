//! What the scorer asks of AWS, seen where it arrives. `infra/test/scorer-calls.json` is
//! this record; infra's tests hold the scorer's role against it.
//!
//! ```text
//! UPDATE_AWS_CALLS=1 cargo test … --test service calls::    writes the record anew
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::secrets::{PATH, bundle, seeded, variables};
use crate::support::get;
use local_cloud::{AliasSpec, FunctionSpec, LocalCloud, Topology};
use serde_json::json;

/// Without a rate limit: only such requests are asked a second time.
const KEY: &str = "GoldKeyJ.2658ed7d984aa8c05b82c9104ab28ba5";
const RECORD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../infra/test/scorer-calls.json");

#[tokio::test(flavor = "multi_thread")]
async fn the_calls_are_those_that_the_scorers_role_is_held_against() -> anyhow::Result<()> {
    let postgres = seeded().await?;
    let secret = json!({
        "username": "postgres", "password": postgres.password(), "host": "127.0.0.1",
        "port": postgres.port(),
    });
    let scorer = |name: &str| -> anyhow::Result<FunctionSpec> {
        let spec = FunctionSpec::new(name, [env!("CARGO_BIN_EXE_scorer-fn")]);
        let mut all = variables("scorer-database")?;
        all.push(bundle(&postgres)?);
        Ok(all.into_iter().fold(spec, |spec, (name, value)| spec.env(&name, value)))
    };
    let topology = Topology::new().manual_clock().secret("scorer-database", &secret.to_string());
    let python = format!("{}:live", topology.names().function("python"));
    let database = topology.names().secret("scorer-database");
    // Everything that may be asked for: a login from a secret, and another function's answers.
    let asks = scorer("scorer")?
        .env("COMPARE_FUNCTION_ARN", python)
        .env("COMPARE_SHARE", "1")
        .env("COMPARE_PER_MINUTE", "600");
    let topology = topology
        .function(asks)
        .function(scorer("python")?.alias("live", AliasSpec::new("$LATEST")));
    let cloud = LocalCloud::start(topology).await?;
    let calls = || -> BTreeMap<String, BTreeSet<String>> {
        let about = |resource: Option<&str>| match resource {
            Some(name) if name == "scorer-database" || name == database => "the scorer's secret",
            Some("python:live") => "a scorer's alias",
            other => panic!("asked about {other:?}"),
        };
        let ours = cloud.api_calls().into_iter().filter(|call| call.caller == "scorer");
        let lines =
            ours.map(|call| format!("{} on {}", call.action, about(call.resource.as_deref())));
        [("scorer".to_owned(), lines.collect())].into()
    };
    // No client waits for a comparison: it may run within the next request.
    let begun = Instant::now();
    while !calls()["scorer"].iter().any(|line| line.starts_with("lambda:")) {
        let answer = cloud.invoke("scorer", get(PATH, KEY).to_string()).await?;
        let answer: serde_json::Value = serde_json::from_slice(&answer)?;
        assert_eq!(answer["statusCode"], 200, "{answer}");
        assert!(begun.elapsed() < Duration::from_mins(2), "nothing was compared");
    }
    let found = serde_json::to_string_pretty(&calls())? + "\n";
    cloud.shutdown().await;
    if std::env::var_os("UPDATE_AWS_CALLS").is_some() {
        std::fs::write(RECORD, &found)?;
    }
    let kept = std::fs::read_to_string(RECORD)?;
    assert!(
        kept == found,
        "the calls differ from {RECORD}; with UPDATE_AWS_CALLS=1 it is written anew, and infra's \
         tests then say how the role must change. Found:\n{found}"
    );
    Ok(())
}
