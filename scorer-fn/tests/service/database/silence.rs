//! A connection on which nothing arrives any more, and nothing says so.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use super::{ask_for, lasting};
use crate::support::{Service, app_on, ask, demo_environment};

/// Passes bytes on to a server, or lets those of some connections vanish.
struct Gap {
    port: u16,
    /// Set, whatever is open by then is silent for good.
    silent: Arc<AtomicBool>,
    opened: Arc<AtomicUsize>,
}

impl Gap {
    async fn before(server: u16) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let silent = Arc::<AtomicBool>::default();
        let opened = Arc::<AtomicUsize>::default();
        let (falls_silent, counted) = (silent.clone(), opened.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await else { return };
                counted.fetch_add(1, Ordering::SeqCst);
                // Only those that are open when it is set fall silent.
                let mine = if falls_silent.load(Ordering::SeqCst) {
                    Arc::default()
                } else {
                    falls_silent.clone()
                };
                let ((from_client, to_client), (from_server, to_server)) =
                    (client.into_split(), server.into_split());
                tokio::spawn(pass(from_client, to_server, mine.clone()));
                tokio::spawn(pass(from_server, to_client, mine));
            }
        });
        Ok(Self { port, silent, opened })
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, silent: Arc<AtomicBool>) {
    let mut bytes = [0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut bytes).await {
        if !silent.load(Ordering::SeqCst) && to.write_all(&bytes[..length]).await.is_err() {
            break;
        }
    }
}

#[tokio::test]
async fn a_silent_connection_is_replaced_by_a_probe_and_not_by_a_timeout() -> anyhow::Result<()> {
    let service = Service::start("demo/seed.sql", &demo_environment()?).await?;
    let gap = Gap::before(service.postgres.port()).await?;
    let port = service.postgres.port().to_string();
    let url = service.url.replace(&format!(":{port}/"), &format!(":{}/", gap.port));
    assert_ne!(url, service.url);
    let mut variables = demo_environment()?;
    // Waiting for either of these would be longer than this test waits.
    variables.insert("DATABASE_CONNECT_TIMEOUT_MS".to_owned(), "600000".to_owned());
    variables.insert("DATABASE_STATEMENT_TIMEOUT_MS".to_owned(), "600000".to_owned());
    variables.insert("DATABASE_PROBE_AFTER_IDLE_MS".to_owned(), "20".to_owned());
    let app = app_on(&url, &variables)?;
    let event = ask_for(3)?;
    let before = ask(&app, &event).await;
    assert_eq!(before["statusCode"], 200, "{before}");
    // Alive, it answers the probe and stays. A machine that stops for longer than the
    // probe waits may replace it once, but not each time.
    let mut stays = false;
    for _ in 0..20 {
        let opened = gap.opened.load(Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(60)).await;
        let again = ask(&app, &event).await;
        assert_eq!(lasting(&again), lasting(&before));
        stays = gap.opened.load(Ordering::SeqCst) == opened;
        if stays {
            break;
        }
    }
    assert!(stays, "a connection that is alive answers the probe");

    tokio::time::sleep(Duration::from_millis(60)).await;
    gap.silent.store(true, Ordering::SeqCst);
    let opened = gap.opened.load(Ordering::SeqCst);
    let asked = ask(&app, &event);
    let after = tokio::time::timeout(Duration::from_mins(5), asked).await?;
    assert_eq!(lasting(&after), lasting(&before));
    assert!(gap.opened.load(Ordering::SeqCst) > opened, "a new connection");
    Ok(())
}

#[tokio::test]
async fn a_probe_works_behind_a_pooler() -> anyhow::Result<()> {
    if local_cloud::pgbouncer::left_out() {
        return Ok(());
    }
    let service = Service::start("demo/seed.sql", &demo_environment()?).await?;
    let pooler = local_cloud::pgbouncer::Pgbouncer::start(&service.postgres).await?;
    let mut variables = demo_environment()?;
    variables.insert("DATABASE_PROBE_AFTER_IDLE_MS".to_owned(), "0".to_owned());
    let app = app_on(&pooler.url("scorer"), &variables)?;
    for _ in 0..20 {
        let answer = ask(&app, &ask_for(3)?).await;
        assert_eq!(answer["statusCode"], 200, "{answer}");
    }
    Ok(())
}
