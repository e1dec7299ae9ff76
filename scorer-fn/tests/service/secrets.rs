//! Credentials from Secrets Manager, spoken to by the real client over the wire.

use anyhow::Context as _;

use crate::runtime::Function;
use crate::support::{get, golden_environment, load};
use local_cloud::postgres::PrivatePostgres;
use local_cloud::tls::Authority;
use local_cloud::{LocalCloud, Topology};
use serde_json::json;
use sqlx::{Connection as _, Executor as _, PgConnection};

pub(crate) const PATH: &str = "/v2/stamps/101/score/0xa452b093b448cba521689d4f6f04ede0996080c7";
const KEY: &str = "GoldKeyA.16689dac85a8b7b8c197c7932e44c8a2";

pub(crate) async fn seeded() -> anyhow::Result<PrivatePostgres> {
    let postgres = PrivatePostgres::start().await?;
    load(&postgres, "tests/golden/seed.sql").await?;
    Ok(postgres)
}

/// For a function that reads this secret.
pub(crate) fn variables(arn: &str) -> anyhow::Result<Vec<(String, String)>> {
    let mut variables: Vec<(String, String)> = golden_environment()?.into_iter().collect();
    let more = [("DATABASE_SECRET_ARN", arn), ("DATABASE_NAME", "scorer")];
    variables.extend(more.map(|(name, value)| (name.to_owned(), value.to_owned())));
    Ok(variables)
}

/// The same for a process that nobody tells where AWS is.
fn variables_at(endpoint: &str, arn: &str) -> anyhow::Result<Vec<(String, String)>> {
    let mut variables = variables(arn)?;
    let more = [
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", "local"),
        ("AWS_SECRET_ACCESS_KEY", "local"),
    ];
    variables.extend(more.map(|(name, value)| (name.to_owned(), value.to_owned())));
    Ok(variables)
}

/// What the function needs to verify the database, beside the secret.
pub(crate) fn bundle(postgres: &PrivatePostgres) -> anyhow::Result<(String, String)> {
    let file = postgres.root_certificate().context("it speaks TLS")?;
    Ok(("DATABASE_SSLROOTCERT".to_owned(), file.display().to_string()))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_function_logs_in_with_the_secret() -> anyhow::Result<()> {
    let postgres = seeded().await?;
    let secret = json!({
        "engine": "postgres", "username": "postgres", "password": postgres.password(), "host": "127.0.0.1",
        "port": postgres.port(),
    });
    let topology = Topology::new().manual_clock().secret("scorer-database", &secret.to_string());
    let cloud = LocalCloud::start(topology).await?;
    let mut settings = variables_at(&cloud.aws_endpoint(), "scorer-database")?;
    settings.push(bundle(&postgres)?);
    let function = Function::start(env!("CARGO_BIN_EXE_scorer-fn"), &settings).await?;
    for _ in 0..2 {
        let answer = function.invoke(get(PATH, KEY)).await?;
        assert_eq!(answer["statusCode"], 200, "{answer}");
    }
    let printed = function.end().await?;
    assert!(!printed.contains(postgres.password()), "the password is in the log");
    cloud.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_password_is_read_again_within_the_request() -> anyhow::Result<()> {
    let postgres = seeded().await?;
    let secret = |password: &str| {
        json!({
            "username": "postgres", "password": password, "host": "127.0.0.1", "port": postgres.port(),
        })
        .to_string()
    };
    let topology =
        Topology::new().manual_clock().secret("scorer-database", &secret(postgres.password()));
    let cloud = LocalCloud::start(topology).await?;
    let mut settings = variables_at(&cloud.aws_endpoint(), "scorer-database")?;
    settings.push(bundle(&postgres)?);
    let function = Function::start(env!("CARGO_BIN_EXE_scorer-fn"), &settings).await?;
    let answer = function.invoke(get(PATH, KEY)).await?;
    assert_eq!(answer["statusCode"], 200, "{answer}");

    postgres.load_sql("scorer", "ALTER ROLE postgres PASSWORD 'swordfish'").await?;
    cloud.set_secret("scorer-database", secret("swordfish"));
    // The old password is gone, so nobody but the function is connected any more.
    let mut admin =
        PgConnection::connect(&postgres.url("scorer").replace(postgres.password(), "swordfish"))
            .await?;
    admin
        .execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'scorer-fn'")
        .await?;
    let answer = function.invoke(get(PATH, KEY)).await?;
    assert_eq!(answer["statusCode"], 200, "{answer}");
    assert!(!function.end().await?.contains("swordfish"));
    cloud.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_secret_the_database_must_prove_who_it_is_unless_told_otherwise()
-> anyhow::Result<()> {
    let authority = Authority::new("RDS, so to speak")?;
    let postgres = PrivatePostgres::start_with_tls(&authority.issue(&["localhost"])?).await?;
    load(&postgres, "tests/golden/seed.sql").await?;
    let folder = tempfile::tempdir()?;
    let bundle = folder.path().join("bundle.pem");
    std::fs::write(&bundle, authority.bundle())?;
    let secret = json!({
        "username": "postgres", "password": postgres.password(), "host": "127.0.0.1",
        "port": postgres.port(),
    });
    let topology = Topology::new().manual_clock().secret("scorer-database", &secret.to_string());
    let cloud = LocalCloud::start(topology).await?;
    let bundle = bundle.display().to_string();
    let proxy = ("DATABASE_HOST", "localhost");
    for (more, status) in [
        (vec![proxy, ("DATABASE_SSLROOTCERT", &bundle)], 200),
        (vec![("DATABASE_SSLROOTCERT", &bundle)], 503),
        (vec![proxy], 503),
    ] {
        let mut settings = variables_at(&cloud.aws_endpoint(), "scorer-database")?;
        settings.extend(more.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())));
        let function = Function::start(env!("CARGO_BIN_EXE_scorer-fn"), &settings).await?;
        let answer = function.invoke(get(PATH, KEY)).await?;
        assert_eq!(answer["statusCode"], status, "{more:?}: {answer}");
        assert!(!function.end().await?.contains(postgres.password()));
    }
    cloud.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_or_malformed_secret_is_an_outage_with_a_reason() -> anyhow::Result<()> {
    let topology = Topology::new().manual_clock().secret("empty", "{\"username\": \"swordfish\"}");
    let cloud = LocalCloud::start(topology).await?;
    for (arn, reason) in [
        ("absent", "reading the secret absent"),
        ("empty", "needs the JSON keys username and password"),
    ] {
        let settings = variables_at(&cloud.aws_endpoint(), arn)?;
        let function = Function::start(env!("CARGO_BIN_EXE_scorer-fn"), &settings).await?;
        let answer = function.invoke(get("/v2/stamps/101/score/0x00", KEY)).await?;
        assert_eq!(answer["statusCode"], 503, "{answer}");
        let printed = function.end().await?;
        assert!(printed.contains(reason), "{printed}");
        assert!(!printed.contains("swordfish"), "{printed}");
    }
    cloud.shutdown().await;
    Ok(())
}
