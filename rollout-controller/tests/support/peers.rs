//! Where the adapters are pointed at.

use std::fmt::Display;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_lambda::config::Credentials;
use local_cloud::foreign::{ForeignError, Ministack, Moto};
use local_cloud::pgbouncer::{Pgbouncer, PgbouncerError};
use local_cloud::postgres::{PostgresError, PrivatePostgres};
use rollout_controller::adapters::aws::Aws;

/// Settings as in production, but for keys that are none and an address.
pub(crate) async fn aws_at(url: &str) -> Aws {
    let config = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "contract"))
        .endpoint_url(url)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        // A stand-in on a busy machine may take its time; the product's own
        // limits are tested where time is what matters.
        .timeout_config(TimeoutConfig::disabled())
        .retry_config(RetryConfig::standard().with_max_attempts(3))
        .load()
        .await;
    Aws::with_config(config)
}

/// What to do about a peer that is not installed: fail where peers are required,
/// else say so. Whatever else is wrong with a peer is a failure everywhere.
fn missing<T>(peer: &str, reason: impl Display) -> Option<T> {
    let set = |name: &str, value: &str| std::env::var(name).is_ok_and(|found| found == value);
    assert!(
        !set("CI", "true") && !set("ROLLOUT_REQUIRE_PEERS", "1"),
        "{peer} is required here and not installed: {reason}"
    );
    eprintln!("NOT TESTED against {peer}: {reason}");
    None
}

pub(crate) async fn moto() -> Option<Moto> {
    match Moto::start().await {
        Ok(moto) => Some(moto),
        Err(error @ (ForeignError::NoPython | ForeignError::PythonMissing { .. })) => {
            missing("moto", error)
        }
        Err(error) => panic!("moto: {error}"),
    }
}

pub(crate) async fn ministack() -> Option<Ministack> {
    match Ministack::start().await {
        Ok(ministack) => Some(ministack),
        Err(error @ (ForeignError::NoPython | ForeignError::PythonMissing { .. })) => {
            missing("ministack", error)
        }
        Err(error) => panic!("ministack: {error}"),
    }
}

pub(crate) async fn postgres() -> Option<PrivatePostgres> {
    installed(PrivatePostgres::start().await)
}

/// One without TLS, for tests that open connections by the thousand: sqlx 0.9.0
/// does not set TCP_NODELAY and takes 150 ms for one over TLS.
#[allow(dead_code, reason = "each test binary uses its part")]
pub(crate) async fn plain_postgres() -> Option<PrivatePostgres> {
    installed(PrivatePostgres::start_plain().await)
}

fn installed(started: Result<PrivatePostgres, PostgresError>) -> Option<PrivatePostgres> {
    match started {
        Ok(postgres) => Some(postgres),
        Err(error @ PostgresError::NoBinaries { .. }) => missing("PostgreSQL", error),
        Err(error) => panic!("PostgreSQL: {error}"),
    }
}

pub(crate) async fn pgbouncer(postgres: &PrivatePostgres) -> Option<Pgbouncer> {
    match Pgbouncer::start(postgres).await {
        Ok(pgbouncer) => Some(pgbouncer),
        Err(error @ PgbouncerError::NoBinary { .. }) => missing("pgbouncer", error),
        Err(error) => panic!("pgbouncer: {error}"),
    }
}
