//! TLS to the database and to Redis: who is believed, and who is not.

use std::path::PathBuf;

use crate::runtime::Function;
use crate::support::{app_on, ask, get, golden_environment, load};
use local_cloud::postgres::PrivatePostgres;
use local_cloud::redis_server::{self, PrivateRedis};
use local_cloud::tls::{Authority, Certificate};
use serde_json::Value;
use sqlx::{Connection as _, PgConnection};

const KEY: &str = "GoldKeyA.16689dac85a8b7b8c197c7932e44c8a2";
const PATH: &str = "/v2/stamps/101/score/0xa452b093b448cba521689d4f6f04ede0996080c7";

/// A database with rows that can speak TLS, and bundles for its clients.
struct Tls {
    postgres: PrivatePostgres,
    folder: tempfile::TempDir,
}

impl Tls {
    async fn start(authority: &Authority, certificate: &Certificate) -> anyhow::Result<Self> {
        let postgres = PrivatePostgres::start_with_tls(certificate).await?;
        load(&postgres, "tests/golden/seed.sql").await?;
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("right.pem"), authority.bundle())?;
        let stranger = Authority::new("Somebody else")?;
        std::fs::write(folder.path().join("wrong.pem"), stranger.bundle())?;
        Ok(Self { postgres, folder })
    }

    fn bundle(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn url(&self, host: &str, mode: &str, bundle: Option<&str>) -> String {
        let (password, port) = (self.postgres.password(), self.postgres.port());
        let mut url = format!("postgres://postgres:{password}@{host}:{port}/scorer?sslmode={mode}");
        if let Some(name) = bundle {
            url.push_str(&format!("&sslrootcert={}", self.bundle(name).display()));
        }
        url
    }

    async fn ask(&self, url: &str) -> anyhow::Result<Value> {
        let app = app_on(url, &golden_environment()?)?;
        let answer = ask(&app, &get(PATH, KEY)).await;
        assert!(!answer.to_string().contains(self.postgres.password()));
        Ok(answer)
    }
}

#[tokio::test]
async fn the_database_must_prove_who_it_is() -> anyhow::Result<()> {
    let authority = Authority::new("RDS, so to speak")?;
    let tls = Tls::start(&authority, &authority.issue(&["localhost"])?).await?;
    for (host, mode, bundle, status, case) in [
        ("localhost", "verify-full", Some("right.pem"), 200, "all is well"),
        ("127.0.0.1", "verify-full", Some("right.pem"), 503, "another name"),
        ("127.0.0.1", "verify-ca", Some("right.pem"), 200, "any name will do"),
        ("localhost", "verify-full", Some("wrong.pem"), 503, "another authority"),
        ("localhost", "verify-ca", Some("wrong.pem"), 503, "another authority"),
        ("localhost", "verify-full", None, 503, "no root of the web"),
    ] {
        let answer = tls.ask(&tls.url(host, mode, bundle)).await?;
        assert_eq!(answer["statusCode"], status, "{case}: {answer}");
    }
    Ok(())
}

#[tokio::test]
async fn a_server_without_tls_is_refused_where_tls_is_asked_for() -> anyhow::Result<()> {
    let plain = PrivatePostgres::start_plain().await?;
    for mode in ["require", "verify-full"] {
        let url = plain.url("postgres").replace("=disable", &format!("={mode}"));
        let app = app_on(&url, &golden_environment()?)?;
        let answer = ask(&app, &get(PATH, KEY)).await;
        assert_eq!(answer["statusCode"], 503, "{mode}: {answer}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_function_encrypts_what_it_says_to_the_database() -> anyhow::Result<()> {
    let authority = Authority::new("RDS, so to speak")?;
    let tls = Tls::start(&authority, &authority.issue(&["localhost"])?).await?;
    let url = tls.url("localhost", "verify-full", Some("right.pem"));
    let function = start(&[("DATABASE_URL", &url)]).await?;
    let answer = function.invoke(get(PATH, KEY)).await?;
    assert_eq!(answer["statusCode"], 200, "{answer}");
    let mut admin = PgConnection::connect(&tls.postgres.url("scorer")).await?;
    let encrypted: Vec<bool> = sqlx::query_scalar(
        "SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
          WHERE application_name = 'scorer-fn'",
    )
    .fetch_all(&mut admin)
    .await?;
    assert_eq!(encrypted, [true]);
    assert!(!function.end().await?.contains(tls.postgres.password()));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_must_prove_who_it_is() -> anyhow::Result<()> {
    if redis_server::tls_left_out() {
        return Ok(());
    }
    let authority = Authority::new("ElastiCache, so to speak")?;
    let certificate = authority.issue(&["localhost"])?;
    let tls = Tls::start(&authority, &certificate).await?;
    let redis = PrivateRedis::start_with_tls(&certificate).await?;
    for (host, bundle, status, reason) in [
        ("localhost", "right.pem", 200, ""),
        ("localhost", "wrong.pem", 500, "UnknownIssuer"),
        ("127.0.0.1", "right.pem", 500, "not valid for name"),
    ] {
        let function = start(&[
            ("DATABASE_URL", &tls.postgres.url("scorer")),
            ("RATELIMIT_ENABLE", "true"),
            ("REDIS_URL", &redis.tls_url(host).unwrap_or_default()),
            ("SSL_CERT_FILE", &tls.bundle(bundle).display().to_string()),
        ])
        .await?;
        let answer = function.invoke(get(PATH, KEY)).await?;
        assert_eq!(answer["statusCode"], status, "{answer}");
        let printed = function.end().await?;
        assert!(printed.contains(reason), "{printed}");
        assert!(!printed.contains(redis.password()), "{printed}");
    }
    let counted: Vec<i64> = redis.counters().await?.values().map(|&(n, _)| n).collect();
    assert_eq!(counted, [1], "only the first could count");
    Ok(())
}

async fn start(more: &[(&str, &str)]) -> anyhow::Result<Function> {
    let mut settings: Vec<(String, String)> = golden_environment()?.into_iter().collect();
    settings.extend(more.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())));
    Function::start(env!("CARGO_BIN_EXE_scorer-fn"), &settings).await
}
