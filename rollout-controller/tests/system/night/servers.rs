//! PostgreSQL and a pooler in front of it.

use local_cloud::pgbouncer::{Pgbouncer, PgbouncerError};
use local_cloud::postgres::{PostgresError, PrivatePostgres};
use std::fmt::Display;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::OnceCell;

/// A database server and its pooler.
pub(crate) struct Servers {
    pub(crate) postgres: PrivatePostgres,
    pub(crate) pooler: Pgbouncer,
}

/// What to do without a server: fail where it must be there, else say so.
pub(crate) fn missing<T>(peer: &str, reason: impl Display) -> Option<T> {
    let set = |name: &str, value: &str| std::env::var(name).is_ok_and(|found| found == value);
    assert!(
        !set("CI", "true") && !set("ROLLOUT_REQUIRE_PEERS", "1"),
        "{peer} is required here and not installed: {reason}"
    );
    eprintln!("NOT TESTED without {peer}: {reason}");
    None
}

impl Servers {
    /// Servers for one test, which may stop them. `None`: not installed.
    pub(crate) async fn own() -> Option<Self> {
        let postgres = match PrivatePostgres::start().await {
            Ok(postgres) => postgres,
            Err(error @ PostgresError::NoBinaries { .. }) => return missing("PostgreSQL", error),
            Err(error) => panic!("PostgreSQL: {error}"),
        };
        match Pgbouncer::start(&postgres).await {
            Ok(pooler) => Some(Self { postgres, pooler }),
            Err(error @ PgbouncerError::NoBinary { .. }) => missing("pgbouncer", error),
            Err(error) => panic!("pgbouncer: {error}"),
        }
    }

    /// Servers that tests share. They end with this process.
    async fn shared() -> Option<&'static Self> {
        static SHARED: OnceCell<Option<Servers>> = OnceCell::const_new();
        SHARED.get_or_init(Self::own).await.as_ref()
    }

    /// As an outage would: the pooler stays, the server behind it is gone.
    pub(crate) fn stop(&mut self) {
        self.postgres.stop_server();
    }

    pub(crate) async fn start(&mut self) {
        self.postgres.start_server().await.expect("PostgreSQL again");
    }
}

/// One scene's database.
pub(crate) struct Database {
    /// Address for migrations and for looking.
    pub(crate) direct: String,
    /// Address for the controller.
    pub(crate) pooled: String,
    own: Option<Servers>,
}

impl Database {
    /// On servers that others use too.
    pub(crate) async fn shared() -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let servers = Servers::shared().await?;
        let name = format!("night{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let created = servers.postgres.create_database(&name).await;
        created.expect("a database");
        Some(Self {
            direct: servers.postgres.url(&name),
            pooled: servers.pooler.url(&name),
            own: None,
        })
    }

    /// On servers of its own, which can be stopped.
    pub(crate) async fn own() -> Option<Self> {
        let servers = Servers::own().await?;
        servers.postgres.create_database("night").await.expect("a database");
        Some(Self {
            direct: servers.postgres.url("night"),
            pooled: servers.pooler.url("night"),
            own: Some(servers),
        })
    }

    pub(crate) fn servers(&mut self) -> &mut Servers {
        self.own.as_mut().expect("servers of its own")
    }

    /// Ends server and pooler and starts them again; the pooler's port is new.
    pub(crate) async fn restart(&mut self) {
        let servers = self.servers();
        servers.stop();
        servers.start().await;
        servers.pooler = Pgbouncer::start(&servers.postgres).await.expect("pgbouncer again");
        self.pooled = servers.pooler.url("night");
    }
}
