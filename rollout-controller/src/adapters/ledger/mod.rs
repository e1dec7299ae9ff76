//! The journal in SQL: one text for PostgreSQL and SQLite.

mod address;
mod login;
mod migrate;
mod session;

use async_trait::async_trait;
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row as _};

pub use address::{Backend, LedgerUrl, LedgerUrlError};
pub use login::{Login, LoginError};
pub use migrate::{Migrated, MigrationError, migrate};

use self::session::{Bind, Failure, Job, Session, Tx};
use crate::ports::{Entry, Inserted, Ledger, LedgerError, Seq, Snapshot, Written};

/// The journal in a database. Connects when first used.
pub struct SqlLedger {
    session: Session,
}

impl std::fmt::Debug for SqlLedger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SqlLedger").field(self.session.address()).finish()
    }
}

impl SqlLedger {
    /// A journal at this address. Nothing is connected yet.
    pub fn new(address: LedgerUrl, login: Login) -> Self {
        Self { session: Session::new(address, login) }
    }

    async fn transact<J: Job>(
        &self,
        operation: &'static str,
        rollout: &str,
        job: &J,
    ) -> Result<J::Output, LedgerError> {
        self.session.transact(job).await.map_err(|failure| failed(operation, rollout, failure))
    }
}

fn failed(operation: &'static str, rollout: &str, failure: Failure) -> LedgerError {
    let rollout = rollout.to_owned();
    if is_not_migrated(&failure) {
        LedgerError::NotMigrated { operation, rollout, source: failure.into() }
    } else {
        LedgerError::Unreachable { operation, rollout, source: failure.into() }
    }
}

/// Whether a table or column is missing: `42P01`, `42703` on PostgreSQL. SQLite
/// has one code (1) for all errors of a statement, hence its words.
fn is_not_migrated(failure: &Failure) -> bool {
    failure.database().is_some_and(|error| {
        let sqlite = |words: &str| error.message().starts_with(words);
        matches!(error.code().as_deref(), Some("42P01" | "42703"))
            || ["no such table", "no such column", "table rollout_"].into_iter().any(sqlite)
    })
}

#[async_trait]
impl Ledger for SqlLedger {
    async fn read(&self, rollout: &str, version: i64) -> Result<Written, LedgerError> {
        self.transact("reading", rollout, &Read { rollout, version }).await
    }

    async fn insert(
        &self,
        rollout: &str,
        entries: &[Entry],
        snapshot: Option<&Snapshot>,
    ) -> Result<Inserted, LedgerError> {
        if let Some(pair) = entries.windows(2).find(|pair| pair[1].seq != pair[0].seq + 1) {
            return Err(hole(rollout, pair[1].seq, pair[0].seq));
        }
        let job = Insert { rollout, entries, snapshot };
        match self.session.transact(&job).await {
            Ok(Appended::All) => Ok(Inserted::Won),
            Ok(Appended::NoneButEndsAt(last)) => match entries.first() {
                Some(first) if last < first.seq => Err(hole(rollout, first.seq, last)),
                _ => Ok(Inserted::Lost),
            },
            Err(failure)
                if failure
                    .database()
                    .is_some_and(sqlx::error::DatabaseError::is_unique_violation) =>
            {
                Ok(Inserted::Lost)
            }
            Err(failure) => Err(failed("writing", rollout, failure)),
        }
    }

    async fn history(
        &self,
        rollout: &str,
        before: Option<Seq>,
        limit: u32,
    ) -> Result<Vec<Entry>, LedgerError> {
        let before = before.unwrap_or(Seq::MAX);
        self.transact("reading", rollout, &History { rollout, before, limit }).await
    }

    async fn history_of(
        &self,
        rollout: &str,
        kinds: &[&str],
        before: Option<Seq>,
        limit: u32,
    ) -> Result<Vec<Entry>, LedgerError> {
        if kinds.is_empty() {
            return Ok(Vec::new());
        }
        let before = before.unwrap_or(Seq::MAX);
        self.transact("reading", rollout, &HistoryOf { rollout, kinds, before, limit }).await
    }

    async fn prune(&self, rollout: &str, kind: &str, before_ms: i64) -> Result<u64, LedgerError> {
        self.transact("pruning", rollout, &Prune { rollout, kind, before_ms }).await
    }
}

fn hole(rollout: &str, seq: Seq, last: Seq) -> LedgerError {
    LedgerError::Corrupt {
        rollout: rollout.to_owned(),
        seq,
        source: format!("it would follow entry {last}: entries have no holes between them").into(),
    }
}

struct Read<'a> {
    rollout: &'a str,
    version: i64,
}

#[async_trait]
impl Job for Read<'_> {
    type Output = Written;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Written, sqlx::Error> {
        const SNAPSHOT: &str =
            "SELECT seq, version, body FROM rollout_snapshot WHERE rollout = $1 AND version = $2";
        const ENTRIES: &str = "SELECT seq, at_ms, kind, body FROM rollout_journal \
                               WHERE rollout = $1 AND seq > $2 ORDER BY seq";
        let rollout = Bind::Text(self.rollout);
        let rows = tx.rows(SNAPSHOT, &[rollout, Bind::Int(self.version)]).await?;
        let snapshot = rows.first().map(snapshot).transpose()?;
        let after = snapshot.as_ref().map_or(0, |snapshot| snapshot.seq);
        let rows = tx.rows(ENTRIES, &[rollout, Bind::Int(after)]).await?;
        Ok(Written { snapshot, entries: rows.iter().map(entry).collect::<Result<_, _>>()? })
    }
}

struct Insert<'a> {
    rollout: &'a str,
    entries: &'a [Entry],
    snapshot: Option<&'a Snapshot>,
}

enum Appended {
    All,
    /// Nothing was written: the journal ends at this number, and the first entry
    /// is not the one after it.
    NoneButEndsAt(Seq),
}

#[async_trait]
impl Job for Insert<'_> {
    type Output = Appended;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Appended, sqlx::Error> {
        // The first statement writes, so that SQLite takes its write lock before it
        // reads. It writes only the number after the last one: two writers meet in
        // the unique key, and nobody can leave a hole.
        const FIRST: &str = "INSERT INTO rollout_journal (rollout, seq, at_ms, kind, body) \
             SELECT $1, $2, $3, $4, $5 WHERE $2 = \
             1 + COALESCE((SELECT MAX(seq) FROM rollout_journal WHERE rollout = $1), 0)";
        const NEXT: &str = "INSERT INTO rollout_journal (rollout, seq, at_ms, kind, body) \
             VALUES ($1, $2, $3, $4, $5)";
        const LAST: &str =
            "SELECT COALESCE(MAX(seq), 0) AS last FROM rollout_journal WHERE rollout = $1";
        // An older fold never replaces a newer one.
        const SNAPSHOT: &str = "INSERT INTO rollout_snapshot (rollout, seq, version, body) \
             VALUES ($1, $2, $3, $4) ON CONFLICT (rollout) DO UPDATE SET \
             seq = excluded.seq, version = excluded.version, body = excluded.body \
             WHERE excluded.seq >= rollout_snapshot.seq \
             OR excluded.version <> rollout_snapshot.version";
        let rollout = Bind::Text(self.rollout);
        for (index, entry) in self.entries.iter().enumerate() {
            let sql = if index == 0 { FIRST } else { NEXT };
            let (seq, at_ms) = (Bind::Int(entry.seq), Bind::Int(entry.at_ms));
            let (kind, body) = (Bind::Text(&entry.kind), Bind::Text(&entry.body));
            if tx.execute(sql, &[rollout, seq, at_ms, kind, body]).await? == 0 {
                let rows = tx.rows(LAST, &[rollout]).await?;
                let last = rows.first().map_or(Ok(0), |row| row.try_get("last"))?;
                return Ok(Appended::NoneButEndsAt(last));
            }
        }
        if let Some(snapshot) = self.snapshot {
            let (seq, version) = (Bind::Int(snapshot.seq), Bind::Int(snapshot.version));
            tx.execute(SNAPSHOT, &[rollout, seq, version, Bind::Text(&snapshot.body)]).await?;
        }
        Ok(Appended::All)
    }
}

struct History<'a> {
    rollout: &'a str,
    before: Seq,
    limit: u32,
}

#[async_trait]
impl Job for History<'_> {
    type Output = Vec<Entry>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<Entry>, sqlx::Error> {
        const PAGE: &str = "SELECT seq, at_ms, kind, body FROM rollout_journal \
                            WHERE rollout = $1 AND seq < $2 ORDER BY seq DESC LIMIT $3";
        let binds =
            [Bind::Text(self.rollout), Bind::Int(self.before), Bind::Int(i64::from(self.limit))];
        tx.rows(PAGE, &binds).await?.iter().map(entry).collect()
    }
}

struct HistoryOf<'a> {
    rollout: &'a str,
    kinds: &'a [&'a str],
    before: Seq,
    limit: u32,
}

impl HistoryOf<'_> {
    /// The newest entries of each kind by itself, then the newest of these. A plain
    /// `kind IN (…)` leaves it to the planner to walk the whole journal backwards
    /// instead of using the index.
    fn sql(&self) -> String {
        let each = (0..self.kinds.len()).map(|index| {
            format!(
                "SELECT * FROM (SELECT seq, at_ms, kind, body FROM rollout_journal \
                 WHERE rollout = $1 AND kind = ${} AND seq < $2 \
                 ORDER BY seq DESC LIMIT $3) AS of_{index}",
                index + 4
            )
        });
        let each = each.collect::<Vec<_>>().join(" UNION ALL ");
        format!("SELECT seq, at_ms, kind, body FROM ({each}) AS newest ORDER BY seq DESC LIMIT $3")
    }
}

#[async_trait]
impl Job for HistoryOf<'_> {
    type Output = Vec<Entry>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<Entry>, sqlx::Error> {
        let mut binds = vec![
            Bind::Text(self.rollout),
            Bind::Int(self.before),
            Bind::Int(i64::from(self.limit)),
        ];
        binds.extend(self.kinds.iter().copied().map(Bind::Text));
        tx.rows(AssertSqlSafe(self.sql()), &binds).await?.iter().map(entry).collect()
    }
}

struct Prune<'a> {
    rollout: &'a str,
    kind: &'a str,
    before_ms: i64,
}

#[async_trait]
impl Job for Prune<'_> {
    type Output = u64;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<u64, sqlx::Error> {
        // The last entry stays, whatever its kind: the next number is counted from it.
        const OLD: &str = "DELETE FROM rollout_journal \
             WHERE rollout = $1 AND kind = $2 AND at_ms < $3 \
             AND seq <= COALESCE((SELECT s.seq FROM rollout_snapshot s WHERE s.rollout = $1), 0) \
             AND seq < (SELECT MAX(j.seq) FROM rollout_journal j WHERE j.rollout = $1)";
        let binds = [Bind::Text(self.rollout), Bind::Text(self.kind), Bind::Int(self.before_ms)];
        tx.execute(OLD, &binds).await
    }
}

fn entry(row: &AnyRow) -> Result<Entry, sqlx::Error> {
    Ok(Entry {
        seq: row.try_get("seq")?,
        at_ms: row.try_get("at_ms")?,
        kind: row.try_get("kind")?,
        body: row.try_get("body")?,
    })
}

fn snapshot(row: &AnyRow) -> Result<Snapshot, sqlx::Error> {
    Ok(Snapshot {
        seq: row.try_get("seq")?,
        version: row.try_get("version")?,
        body: row.try_get("body")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(url: &str) -> SqlLedger {
        SqlLedger::new(url.parse().expect("an address"), Login::in_url())
    }

    async fn on_disk(directory: &tempfile::TempDir) -> SqlLedger {
        let url = format!("sqlite://{}?mode=rwc", directory.path().join("ledger.db").display());
        migrate(&url.parse().expect("an address"), &Login::in_url()).await.expect("migrated");
        at(&url)
    }

    fn entry_of(seq: Seq, kind: &str) -> Entry {
        Entry { seq, at_ms: seq, kind: kind.to_owned(), body: "{}".to_owned() }
    }

    /// A hundred minutes with a change after each ten.
    async fn filled(ledger: &SqlLedger, rollout: &str) {
        let kind = |seq: Seq| match seq % 20 {
            0 => "applied",
            10 => "intended",
            _ => "ticked",
        };
        let entries: Vec<Entry> = (1..=100).map(|seq| entry_of(seq, kind(seq))).collect();
        assert_eq!(ledger.insert(rollout, &entries, None).await.expect("written"), Inserted::Won);
    }

    #[tokio::test]
    async fn changes_are_found_by_their_kinds_newest_first() {
        let directory = tempfile::tempdir().expect("a directory");
        let ledger = on_disk(&directory).await;
        filled(&ledger, "scorer").await;
        filled(&ledger, "other").await;
        let seqs = async |kinds: &[&str], before, limit| -> Vec<Seq> {
            let found = ledger.history_of("scorer", kinds, before, limit).await.expect("read");
            found.into_iter().map(|entry| entry.seq).collect()
        };
        let both = ["intended", "applied"];
        assert_eq!(seqs(&both, None, 3).await, [100, 90, 80]);
        assert_eq!(seqs(&both, Some(90), 3).await, [80, 70, 60]);
        assert_eq!(seqs(&["intended"], None, 100).await, [90, 70, 50, 30, 10]);
        assert_eq!(seqs(&["paused"], None, 100).await, [0; 0]);
        assert_eq!(seqs(&[], None, 100).await, [0; 0]);
        let all = crate::domain::event::Event::CHANGES;
        assert_eq!(seqs(&all, None, 1).await, [100]);
    }

    /// How SQLite would run a page of changes.
    struct Plan<'a>(HistoryOf<'a>);

    #[async_trait]
    impl Job for Plan<'_> {
        type Output = Vec<String>;

        async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<String>, sqlx::Error> {
            let rows = tx.rows(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {}", self.0.sql())), &[]);
            rows.await?.iter().map(|row| row.try_get("detail")).collect()
        }
    }

    #[tokio::test]
    async fn changes_are_read_from_the_index_and_not_from_the_journal() {
        let directory = tempfile::tempdir().expect("a directory");
        let ledger = on_disk(&directory).await;
        let kinds = ["intended", "applied"];
        let page = HistoryOf { rollout: "scorer", kinds: &kinds, before: Seq::MAX, limit: 8 };
        let plan = ledger.transact("planning", "scorer", &Plan(page)).await.expect("a plan");
        let searches = plan.iter().filter(|step| step.contains("rollout_journal"));
        let searches: Vec<&String> = searches.collect();
        assert_eq!(searches.len(), kinds.len(), "{plan:#?}");
        for step in searches {
            let by = "USING INDEX rollout_journal_by_kind (rollout=? AND kind=? AND seq<?)";
            assert!(step.contains(by), "{plan:#?}");
        }
    }

    #[tokio::test]
    async fn a_database_that_does_not_answer_is_unreachable() {
        // Takes connections and says nothing.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let ledger = at(&format!("postgres://u:p@127.0.0.1:{port}/d?sslmode=disable"));
        let silent = ledger.read("scorer", 1).await.expect_err("nobody answers");
        assert!(matches!(silent, LedgerError::Unreachable { .. }), "{silent:?}");
    }
}
