//! Why the scorer has tokio-postgres: what a statement costs with it and with sqlx,
//! over TLS and seen from the wire.
//!
//! `cargo test -p scorer-fn --test service driver:: -- --nocapture` prints the times.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use local_cloud::postgres::PrivatePostgres;
use local_cloud::tls::Authority;
use scorer_fn::config::Config;
use scorer_fn::store::Database;
use scorer_fn::store::queries::{self, Asked, Plain};
use serde_json::Value;
use sqlx::{Connection, Executor, PgConnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{app_on, ask, demo_environment, get, load};

const KEY: &str = "DemoKeyA.3f1c86c2a9d04b57b8e6d1a2f7935c40";

/// Counts how often a client speaks after the server has: its round trips.
#[derive(Default)]
struct Turns {
    count: AtomicU32,
    last: AtomicU8,
}

impl Turns {
    fn spoke(&self, who: u8) {
        let last = self.last.swap(who, Ordering::SeqCst);
        if who == 1 && last != 1 {
            self.count.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn take(&self) -> u32 {
        self.last.store(0, Ordering::SeqCst);
        self.count.swap(0, Ordering::SeqCst)
    }
}

/// Passes bytes on and counts; its port.
async fn counting(server: u16, turns: Arc<Turns>) -> anyhow::Result<u16> {
    async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, turns: Arc<Turns>, who: u8) {
        let mut bytes = [0; 16 * 1024];
        while let Ok(length @ 1..) = from.read(&mut bytes).await {
            turns.spoke(who);
            if to.write_all(&bytes[..length]).await.is_err() {
                break;
            }
        }
    }
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await else { return };
            // Without this the counter itself would wait for acknowledgements.
            let _ = (client.set_nodelay(true), server.set_nodelay(true));
            let ((from_client, to_client), (from_server, to_server)) =
                (client.into_split(), server.into_split());
            tokio::spawn(pass(from_client, to_server, turns.clone(), 1));
            tokio::spawn(pass(from_server, to_client, turns.clone(), 2));
        }
    });
    Ok(port)
}

#[tokio::test]
async fn a_statement_costs_one_round_trip_and_a_score_two() -> anyhow::Result<()> {
    let authority = Authority::new("RDS, so to speak")?;
    let postgres = PrivatePostgres::start_with_tls(&authority.issue(&["localhost"])?).await?;
    load(&postgres, "demo/seed.sql").await?;
    let turns = Arc::<Turns>::default();
    let port = counting(postgres.port(), turns.clone()).await?;
    let folder = tempfile::tempdir()?;
    let bundle = folder.path().join("bundle.pem");
    std::fs::write(&bundle, authority.bundle())?;
    let url = format!(
        "postgres://postgres:{}@localhost:{port}/scorer?sslmode=verify-full&sslrootcert={}",
        postgres.password(),
        bundle.display()
    );
    let mut variables = demo_environment()?;
    variables.insert("DATABASE_URL".to_owned(), url.clone());
    let config = Config::read(|name| variables.get(name).cloned())?;
    let database = Database::new(config.source, config.limits);
    let mut lease = database.lease(None).await?;
    // sqlx is told the same by a bundle in the URL, without which it takes any.
    let mut sqlx = PgConnection::connect(&url.replace("verify-full", "require")).await?;
    let large = "a".repeat(20_000);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..50 {
        turns.take();
        let at = Instant::now();
        let asked = Asked { prefix: &large, community: None, address: None };
        assert!(queries::read(&mut lease, asked, &Plain::default()).await?.is_none());
        ours.push(at.elapsed());
        assert_eq!(turns.take(), 1, "ours");

        let at = Instant::now();
        let mut transaction = sqlx.begin().await?;
        let prefix = sqlx::query("SELECT id FROM account_accountapikey WHERE prefix = $1");
        transaction.fetch_all(prefix.bind(&large).persistent(false)).await?;
        transaction.commit().await?;
        theirs.push(at.elapsed());
        assert_eq!(turns.take(), 4, "sqlx: BEGIN, parse, execute, COMMIT");
    }
    lease.keep();

    let app = app_on(&url, &demo_environment()?)?;
    let list = std::fs::read_to_string("demo/addresses.txt")?;
    for (number, address) in list.lines().enumerate() {
        let event: Value = get(&format!("/v2/stamps/1/score/{address}"), KEY);
        turns.take();
        let answer = ask(&app, &event).await;
        assert_eq!(answer["statusCode"], 200, "{answer}");
        if number > 0 {
            // The first one connects.
            assert_eq!(turns.take(), 2, "{address}");
        }
    }
    println!("a statement with 20 kB over TLS on loopback, median of 50:");
    println!("  tokio-postgres, 1 round trip:             {:?}", median(&mut ours));
    println!("  sqlx with BEGIN and COMMIT, 4 round trips: {:?}", median(&mut theirs));
    Ok(())
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}
