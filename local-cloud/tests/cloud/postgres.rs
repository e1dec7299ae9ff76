//! Private PostgreSQL and pgbouncer, with real servers.

use std::error::Error;
use std::process::Command;
use std::time::{Duration, Instant};

use local_cloud::latency::LatencyProxy;
use local_cloud::pgbouncer::{self, Pgbouncer};
use local_cloud::postgres::PrivatePostgres;
use local_cloud::tls::Authority;
use sqlx::{Connection as _, PgConnection, Row as _};

type Outcome = Result<(), Box<dyn Error>>;

async fn number(url: &str, sql: &'static str) -> Result<i64, sqlx::Error> {
    let mut connection = PgConnection::connect(url).await?;
    let row = sqlx::raw_sql(sql).fetch_one(&mut connection).await?;
    connection.close().await?;
    row.try_get(0)
}

#[tokio::test]
async fn a_cluster_is_seeded_copied_stopped_started_and_removed() -> Outcome {
    let mut postgres = PrivatePostgres::start().await?;
    let folder = postgres.log().parent().expect("a folder").to_owned();
    postgres.create_database("seed").await?;
    postgres.load_sql("seed", "CREATE TABLE t (n bigint); INSERT INTO t VALUES (1), (41);").await?;
    postgres.create_from_template("odd \"name", "seed").await?;
    postgres.create_from_template("copy", "seed").await?;
    postgres.load_sql("seed", "DELETE FROM t").await?;
    let sum = "SELECT sum(n)::bigint FROM t";
    assert_eq!(number(&postgres.url("copy"), sum).await?, 42);

    let refused = postgres.load_sql("copy", "INSERT INTO t VALUES (1); SELECT nonsense").await;
    let refused = refused.expect_err("a wrong statement is refused");
    assert!(refused.source().expect("a reason").to_string().contains("nonsense"));
    assert_eq!(number(&postgres.url("copy"), sum).await?, 42, "all or nothing");

    let wrong = postgres.url("copy").replace(postgres.password(), "guess");
    assert!(PgConnection::connect(&wrong).await.is_err(), "the password is asked for");
    assert!(!format!("{postgres:?}").contains(postgres.password()));

    let mut open = PgConnection::connect(&postgres.url("copy")).await?;
    postgres.stop_server();
    assert!(sqlx::raw_sql("SELECT 1").execute(&mut open).await.is_err(), "cut off");
    assert!(PgConnection::connect(&postgres.url("copy")).await.is_err());
    postgres.start_server().await?;
    assert_eq!(number(&postgres.url("copy"), sum).await?, 42, "same port, same data");

    let port = postgres.port();
    drop(postgres);
    assert!(!folder.exists(), "removed");
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err(), "stopped");
    Ok(())
}

/// Whether each client connection of the server but this one is encrypted.
async fn encrypted(postgres: &PrivatePostgres) -> Result<Vec<bool>, sqlx::Error> {
    let mut admin = PgConnection::connect(&postgres.admin_url("template1")).await?;
    sqlx::query_scalar(
        "SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
          WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
    )
    .fetch_all(&mut admin)
    .await
}

#[tokio::test]
async fn clients_come_in_with_tls_and_scram_alone() -> Outcome {
    let postgres = PrivatePostgres::start().await?;
    let url = postgres.url("postgres");
    let mut client = PgConnection::connect(&url).await?;
    assert_eq!(encrypted(&postgres).await?, [true]);
    let scram: bool = sqlx::query_scalar(
        "SELECT every(auth_method = 'scram-sha-256' AND type IN ('hostssl', 'local'))
           FROM pg_hba_file_rules",
    )
    .fetch_one(&mut client)
    .await?;
    assert!(scram, "SCRAM alone, over TLS alone");

    let (address, _) = url.split_once('?').ok_or("a query")?;
    let plain = PgConnection::connect(&format!("{address}?sslmode=disable")).await;
    let refused = plain.expect_err("refused without TLS").to_string();
    assert!(refused.contains("no encryption"), "{refused}");

    // The client verifies: another authority's certificate is not believed.
    let folder = tempfile::tempdir()?;
    let stranger = folder.path().join("stranger.pem");
    std::fs::write(&stranger, Authority::new("Another one")?.bundle())?;
    let stranger = stranger.display();
    let fooled =
        PgConnection::connect(&format!("{address}?sslmode=verify-full&sslrootcert={stranger}"));
    let refused = fooled.await.expect_err("an unknown authority").to_string();
    assert!(refused.contains("UnknownIssuer"), "{refused}");
    // And the name counts: it is in the certificate, or the client goes away.
    let by_name = url.replace("@127.0.0.1:", "@localhost:");
    assert_eq!(number(&by_name, "SELECT 1::bigint").await?, 1);
    let wrong =
        PrivatePostgres::start_with_tls(&Authority::new("A")?.issue(&["elsewhere"])?).await?;
    assert_eq!(number(&wrong.url("postgres"), "SELECT 1::bigint").await?, 1, "verify-ca");
    let strict = wrong.url("postgres").replace("verify-ca", "verify-full");
    let refused = PgConnection::connect(&strict).await.expect_err("another name").to_string();
    assert!(refused.contains("not valid for"), "{refused}");
    Ok(())
}

#[tokio::test]
async fn a_plain_server_cannot_encrypt() -> Outcome {
    let postgres = PrivatePostgres::start_plain().await?;
    assert_eq!(postgres.root_certificate(), None);
    let url = postgres.url("postgres");
    let _client = PgConnection::connect(&url).await?;
    assert_eq!(encrypted(&postgres).await?, [false]);
    let strict = url.replace("=disable", "=require");
    assert!(PgConnection::connect(&strict).await.is_err(), "TLS is not to be had");
    Ok(())
}

#[tokio::test]
async fn a_database_can_be_a_network_away() -> Outcome {
    let postgres = PrivatePostgres::start().await?;
    let server = ([127, 0, 0, 1], postgres.port()).into();
    let network = LatencyProxy::start(server, Duration::from_millis(20)).await?;
    let url = postgres.url_at(network.address().port(), "postgres");
    let mut client = PgConnection::connect(&url).await?;
    let before = network.traffic();
    let started = Instant::now();
    for _ in 0..3 {
        sqlx::raw_sql("SELECT 1").execute(&mut client).await?;
    }
    assert!(started.elapsed() >= Duration::from_millis(60), "{:?}", started.elapsed());
    assert_eq!(network.traffic().round_trips - before.round_trips, 3);
    Ok(())
}

#[tokio::test]
async fn pgbouncer_pools_transactions_over_two_connections() -> Outcome {
    if pgbouncer::left_out() {
        return Ok(());
    }
    let postgres = PrivatePostgres::start().await?;
    let pooler = Pgbouncer::start(&postgres).await?;
    let url = pooler.url("postgres");
    let mut clients = Vec::new();
    for _ in 0..6 {
        clients.push(PgConnection::connect(&url).await?);
    }
    // Six clients, one transaction each in turn: only two servers answer.
    let mut servers = std::collections::BTreeSet::new();
    for client in &mut clients {
        let row = sqlx::raw_sql("SELECT pg_backend_pid()::bigint").fetch_one(client).await?;
        servers.insert(row.try_get::<i64, _>(0)?);
    }
    assert!(servers.len() <= 2, "{servers:?}");
    assert!(url.contains("sslmode=verify-full"), "clients of the pooler verify it too");
    let mut sessions = encrypted(&postgres).await?;
    sessions.dedup();
    assert_eq!(sessions, [true], "and it encrypts what it says to the server");
    let open = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'postgres' \
                AND backend_type = 'client backend' AND pid <> pg_backend_pid()";
    assert!(number(&postgres.admin_url("template1"), open).await? <= 2);
    Ok(())
}

/// Not a test of its own: the victim of the test below.
#[test]
#[ignore = "helper process of a_killed_owner_leaves_nothing_behind"]
fn hold_a_cluster() {
    let postgres = PrivatePostgres::start_blocking().expect("a cluster");
    println!("folder {}", postgres.log().parent().expect("a folder").display());
    loop {
        std::thread::park();
    }
}

#[test]
fn a_killed_owner_leaves_nothing_behind() -> Outcome {
    use std::io::{BufRead as _, BufReader};
    let mut owner = Command::new(std::env::current_exe()?)
        .args(["--ignored", "--exact", "postgres::hold_a_cluster", "--nocapture"])
        .stdout(std::process::Stdio::piped())
        .spawn()?;
    let output = BufReader::new(owner.stdout.take().expect("piped"));
    let folder = output
        .lines()
        .map_while(Result::ok)
        .find_map(|line| line.split_once("folder ").map(|(_, path)| path.to_owned()))
        .ok_or("the helper printed no folder")?;
    assert!(std::path::Path::new(&folder).join("data").exists());
    owner.kill()?;
    owner.wait()?;
    for _ in 0..1000 {
        if !std::path::Path::new(&folder).exists() {
            return Ok(());
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    Err(format!("{folder} is still there").into())
}
