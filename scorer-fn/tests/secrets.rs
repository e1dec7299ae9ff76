//! Credentials from Secrets Manager, spoken to by the real client over the wire.

#![cfg(feature = "secrets")]

#[path = "support/runtime.rs"]
mod runtime;
mod support;

use local_cloud::postgres::PrivatePostgres;
use local_cloud::{LocalCloud, Topology};
use runtime::Function;
use serde_json::json;
use support::{get, golden_environment};

const KEY: &str = "GoldKeyA.16689dac85a8b7b8c197c7932e44c8a2";

async fn seeded() -> anyhow::Result<PrivatePostgres> {
    let postgres = PrivatePostgres::start().await?;
    postgres.create_database("scorer").await?;
    postgres
        .load_sql_file("scorer", "tests/golden/seed.sql".as_ref())
        .await?;
    Ok(postgres)
}

fn variables(endpoint: &str, arn: &str) -> anyhow::Result<Vec<(String, String)>> {
    let mut variables: Vec<(String, String)> = golden_environment()?.into_iter().collect();
    let more = [
        ("DATABASE_SECRET_ARN", arn),
        ("DATABASE_NAME", "scorer"),
        ("DATABASE_SSLMODE", "disable"),
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", "local"),
        ("AWS_SECRET_ACCESS_KEY", "local"),
    ];
    variables.extend(more.map(|(name, value)| (name.to_owned(), value.to_owned())));
    Ok(variables)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_function_logs_in_with_the_secret() -> anyhow::Result<()> {
    let postgres = seeded().await?;
    let secret = json!({
        "engine": "postgres", "username": "postgres", "password": postgres.password(), "host": "127.0.0.1",
        "port": postgres.port(),
    });
    let topology = Topology::new()
        .manual_clock()
        .secret("scorer-database", &secret.to_string());
    let cloud = LocalCloud::start(topology).await?;
    let settings = variables(&cloud.aws_endpoint(), "scorer-database")?;
    let function = Function::start(env!("CARGO_BIN_EXE_scorer-fn"), &settings).await?;
    let path = "/v2/stamps/101/score/0xa452b093b448cba521689d4f6f04ede0996080c7";
    for _ in 0..2 {
        let answer = function.invoke(get(path, KEY)).await?;
        assert_eq!(answer["statusCode"], 200, "{answer}");
    }
    let printed = function.end().await?;
    assert!(
        !printed.contains(postgres.password()),
        "the password is in the log"
    );
    cloud.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_or_malformed_secret_is_an_outage_with_a_reason() -> anyhow::Result<()> {
    let topology = Topology::new()
        .manual_clock()
        .secret("empty", "{\"username\": \"swordfish\"}");
    let cloud = LocalCloud::start(topology).await?;
    for (arn, reason) in [
        ("absent", "reading the secret absent"),
        ("empty", "needs the JSON keys username and password"),
    ] {
        let settings = variables(&cloud.aws_endpoint(), arn)?;
        let function = Function::start(env!("CARGO_BIN_EXE_scorer-fn"), &settings).await?;
        let answer = function
            .invoke(get("/v2/stamps/101/score/0x00", KEY))
            .await?;
        assert_eq!(answer["statusCode"], 503, "{answer}");
        let printed = function.end().await?;
        assert!(printed.contains(reason), "{printed}");
        assert!(!printed.contains("swordfish"), "{printed}");
    }
    cloud.shutdown().await;
    Ok(())
}
