//! Private PostgreSQL and pgbouncer, with real servers.

use std::error::Error;
use std::process::Command;

use local_cloud::pgbouncer::{self, Pgbouncer};
use local_cloud::postgres::PrivatePostgres;
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
    let open = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'postgres' \
                AND backend_type = 'client backend' AND pid <> pg_backend_pid()";
    assert!(number(&postgres.url("template1"), open).await? <= 2);
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
