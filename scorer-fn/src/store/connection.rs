//! One connection, and what keeps it from holding anybody up.

use std::pin::pin;
use std::time::{Duration, Instant, SystemTime};

use futures_util::TryStreamExt;
use futures_util::future::{Either, select};
use tokio::task::JoinHandle;
use tokio::time::error::Elapsed;
use tokio::time::timeout;
use tokio_postgres::types::Type;
use tokio_postgres::{CancelToken, Client, Row, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::DbError;

/// How long a connection that has idled may take for a sign of life.
pub(super) const PROBE: Duration = Duration::from_millis(200);

/// How long it may take to ask the server to stop a statement.
pub(super) const CANCEL: Duration = Duration::from_millis(200);

/// One SQL statement with its values.
#[derive(Clone, Copy, Debug)]
pub(super) struct Statement<'a> {
    /// Our name for it in traces; no SQL, no values.
    pub(super) what: &'static str,
    /// Reads its values by name out of `$1`.
    pub(super) sql: &'a str,
    /// `$1`: a JSON object.
    pub(super) values: &'a str,
}

/// An open connection. Dropped, it is closed, and a statement that runs on it is
/// asked to stop: a backend that waits for a lock does not notice that its
/// client has gone.
#[derive(Debug)]
pub(super) struct Connection {
    client: Client,
    io: JoinHandle<()>,
    stop: Stop,
    used: Moment,
    busy: bool,
    given_up: bool,
}

impl Connection {
    pub(super) fn new<S>(
        client: Client,
        io: tokio_postgres::Connection<Socket, S>,
        tls: MakeRustlsConnect,
    ) -> Self
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let stop = Stop { token: client.cancel_token(), tls };
        // Its error reaches whoever waits for a statement, or the next one.
        let io = tokio::spawn(async move { drop(io.await) });
        Self { client, io, stop, used: Moment::now(), busy: false, given_up: false }
    }

    /// Whether it is of no more use, as far as this side has heard.
    pub(super) fn is_closed(&self) -> bool {
        self.given_up || self.client.is_closed()
    }

    /// How long ago it was last used.
    pub(super) fn idle(&self) -> Duration {
        self.used.elapsed()
    }

    /// Runs a statement within `limit`.
    pub(super) async fn run(
        &mut self,
        statement: Statement<'_>,
        limit: Duration,
    ) -> Result<Vec<Row>, DbError> {
        self.busy = true;
        let done = timeout(limit, rows(&self.client, statement)).await;
        self.ended(limit, done).await
    }

    /// The same after a sign of life, for which the server has [`PROBE`].
    ///
    /// The sign is asked for by an empty message before the statement, in the
    /// same packet: it costs no round trip, and the statement may take its time.
    pub(super) async fn run_probed(
        &mut self,
        statement: Statement<'_>,
        limit: Duration,
    ) -> Result<Vec<Row>, DbError> {
        self.busy = true;
        if let Ok(done) = rows_after_sign(&self.client, statement, limit).await {
            return self.ended(limit, done).await;
        }
        // Nobody is there who could be asked to stop.
        (self.busy, self.given_up) = (false, true);
        Err(DbError::Lost(format!("no sign of life within {PROBE:?}")))
    }

    /// Runs two statements in one round trip, each a transaction of its own.
    ///
    /// The second has `patience` once the first is done; what becomes of it is
    /// of no consequence to the first.
    pub(super) async fn run_both(
        &mut self,
        both: [Statement<'_>; 2],
        limit: Duration,
        patience: Duration,
    ) -> [Result<Vec<Row>, DbError>; 2] {
        self.busy = true;
        let (first, second) = rows_of_both(&self.client, both, limit, patience).await;
        if first.is_err() {
            return [self.ended(limit, first).await, Err(late(patience))];
        }
        let second = self.ended(patience, second).await;
        [first.unwrap_or_else(|_| Err(late(limit))), second]
    }

    /// Notes the end of a statement, and stops it if it is late.
    async fn ended<T>(&mut self, limit: Duration, done: InTime<T>) -> Result<T, DbError> {
        let Ok(done) = done else {
            // Now, and not by `drop`: the environment may be frozen by then.
            (self.busy, self.given_up) = (false, true);
            self.stop.clone().ask().await;
            return Err(late(limit));
        };
        self.busy = false;
        self.used = Moment::now();
        done
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.io.abort();
        if self.busy
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(self.stop.clone().ask());
        }
    }
}

fn late(limit: Duration) -> DbError {
    // Not "lost": trying again would only wait as long again.
    DbError::Unavailable(format!("no answer within {limit:?}"))
}

/// What a statement gave, if it did so in time.
type InTime<T> = Result<Result<T, DbError>, Elapsed>;

/// Sends parse, bind, execute and sync at once, under no name: the statement is
/// a transaction of its own, and nothing of it stays in the session.
async fn rows(client: &Client, statement: Statement<'_>) -> Result<Vec<Row>, DbError> {
    let values = [(statement.values, Type::TEXT)];
    let rows = client.query_typed_raw(statement.sql, values).await;
    let rows = rows.map_err(|error| DbError::new(&error))?;
    rows.try_collect().await.map_err(|error| DbError::new(&error))
}

/// [`rows`] within `limit`, after a sign of life within [`PROBE`].
async fn rows_after_sign(
    client: &Client,
    statement: Statement<'_>,
    limit: Duration,
) -> Result<InTime<Vec<Row>>, Elapsed> {
    // The first to be looked at is the first to be sent.
    let sign = pin!(timeout(PROBE, client.check_connection()));
    let answer = pin!(rows(client, statement));
    match select(sign, answer).await {
        Either::Left((Ok(Ok(())), answer)) => Ok(timeout(limit, answer).await),
        Either::Left((Ok(Err(error)), _)) => Ok(Ok(Err(DbError::new(&error)))),
        Either::Left((Err(silent), _)) => Err(silent),
        Either::Right((answer, _)) => Ok(Ok(answer)),
    }
}

/// [`rows`] of two statements, sent together.
async fn rows_of_both(
    client: &Client,
    [first, second]: [Statement<'_>; 2],
    limit: Duration,
    patience: Duration,
) -> (InTime<Vec<Row>>, InTime<Vec<Row>>) {
    let first = pin!(timeout(limit, rows(client, first)));
    let second = pin!(rows(client, second));
    match select(first, second).await {
        Either::Left((Err(late), _)) => (Err(late), Ok(Ok(Vec::new()))),
        Either::Left((first, second)) => (first, timeout(patience, second).await),
        Either::Right((second, first)) => (first.await, Ok(second)),
    }
}

/// Asks the server to stop what runs on a connection.
///
/// RDS Proxy takes no such request: there the role's `statement_timeout` and
/// `lock_timeout` end what nobody waits for any more.
#[derive(Clone)]
struct Stop {
    token: CancelToken,
    tls: MakeRustlsConnect,
}

impl std::fmt::Debug for Stop {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Stop")
    }
}

impl Stop {
    async fn ask(self) {
        // Nothing more can be done than to ask.
        let _ = timeout(CANCEL, self.token.cancel_query(self.tls)).await;
    }
}

/// A moment on both clocks: the monotonic one may stand still while a Lambda
/// environment is frozen, the other may be set.
#[derive(Clone, Copy, Debug)]
struct Moment {
    monotonic: Instant,
    wall: SystemTime,
}

impl Moment {
    fn now() -> Self {
        Self { monotonic: Instant::now(), wall: SystemTime::now() }
    }

    fn elapsed(&self) -> Duration {
        // Set back, the wall clock knows nothing.
        self.monotonic.elapsed().max(self.wall.elapsed().unwrap_or_default())
    }
}
