//! One connection, and what keeps it from holding anybody up.

use std::pin::{Pin, pin};
use std::sync::Arc;
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

/// A statement that nobody waits for yet. It is sent when it is first polled.
pub(super) struct Behind {
    /// As [`Statement::what`].
    pub(super) what: &'static str,
    /// When it was made, which is when it is sent.
    pub(super) at: Instant,
    answer: Pin<Box<dyn Future<Output = Result<Vec<Row>, DbError>> + Send>>,
}

impl std::fmt::Debug for Behind {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Behind").field("what", &self.what).finish_non_exhaustive()
    }
}

/// An open connection. Dropped, it is closed, and a statement that runs on it is
/// asked to stop: a backend that waits for a lock does not notice that its
/// client has gone.
#[derive(Debug)]
pub(super) struct Connection {
    client: Arc<Client>,
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
        let client = Arc::new(client);
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

    /// A statement to be sent later, or behind another one.
    pub(super) fn later(&self, what: &'static str, sql: &'static str, values: String) -> Behind {
        let client = self.client.clone();
        let answer = async move { rows(&client, Statement { what, sql, values: &values }).await };
        Behind { what, at: Instant::now(), answer: Box::pin(answer) }
    }

    /// Runs a statement and sends another one in the same packet, which is a
    /// transaction of its own: what becomes of it is of no consequence to the
    /// first. [`settle`](Self::settle) waits for it.
    pub(super) async fn run_before(
        &mut self,
        statement: Statement<'_>,
        behind: &mut Behind,
        limit: Duration,
    ) -> Result<Vec<Row>, DbError> {
        self.busy = true;
        let client = self.client.clone();
        let first = pin!(timeout(limit, rows(&client, statement)));
        // The first to be looked at is the first to be sent.
        let done = match select(first, &mut behind.answer).await {
            Either::Left((done, _)) => done,
            Either::Right((early, first)) => {
                behind.answer = Box::pin(std::future::ready(early));
                first.await
            }
        };
        let rows = self.ended(limit, done).await;
        self.busy = !self.given_up;
        rows
    }

    /// Waits for a statement that nobody has waited for. The connection is of no
    /// use to others before.
    pub(super) async fn settle(
        &mut self,
        behind: Behind,
        patience: Duration,
    ) -> Result<Vec<Row>, DbError> {
        self.busy = true;
        let done = timeout(patience, behind.answer).await;
        self.ended(patience, done).await
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
