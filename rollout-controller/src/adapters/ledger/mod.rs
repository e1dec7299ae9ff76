//! The journal in SQL: one text for PostgreSQL and SQLite.

mod address;
mod login;
mod migrate;
mod session;
mod text;

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use sqlx::Row as _;
use sqlx::any::AnyRow;

pub use address::{Backend, LedgerUrl, LedgerUrlError};
pub use login::{Login, LoginError};
pub use migrate::{Migrated, MigrationError, migrate};

use self::session::{Answer, Failure, Session};
use self::text::Bind;
use crate::errors::chain;
use crate::ports::{Entry, Inserted, Ledger, LedgerError, Seq, Snapshot, Written};

/// Journals of one question. SQLite takes a condition of at most a thousand terms.
const MOST_JOURNALS: usize = 200;

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

    async fn rows(
        &self,
        operation: &'static str,
        rollout: &str,
        sql: &str,
        binds: &[Bind<'_>],
    ) -> Result<Vec<AnyRow>, LedgerError> {
        let answer = self.session.run(sql, binds).await;
        Ok(answer.map_err(|failure| failed(operation, rollout, failure))?.rows)
    }

    /// Journals that are read by one question of each kind.
    async fn read_some(&self, rollouts: &[&str], version: i64) -> Result<Vec<Written>, Failure> {
        let names = place_holders(2, rollouts.len());
        let snapshots = format!(
            "SELECT rollout, seq, version, body FROM rollout_snapshot \
             WHERE version = $1 AND rollout IN ({names})"
        );
        let mut binds = vec![Bind::Int(version)];
        binds.extend(rollouts.iter().copied().map(Bind::Text));
        let mut read: HashMap<String, Written> = HashMap::new();
        for row in self.session.run(&snapshots, &binds).await?.rows {
            let found = Some(snapshot(&row)?);
            read.insert(row.try_get("rollout")?, Written { snapshot: found, entries: Vec::new() });
        }
        // One range of the primary key for each.
        let ranges = (0..rollouts.len())
            .map(|at| format!("(rollout = ${} AND seq > ${})", 2 * at + 1, 2 * at + 2))
            .collect::<Vec<_>>()
            .join(" OR ");
        let entries = format!(
            "SELECT rollout, seq, at_ms, kind, body FROM rollout_journal WHERE {ranges} \
             ORDER BY rollout, seq"
        );
        let mut binds = Vec::with_capacity(2 * rollouts.len());
        for rollout in rollouts {
            let snapshot = read.get(*rollout).and_then(|written| written.snapshot.as_ref());
            let after = snapshot.map_or(0, |snapshot| snapshot.seq);
            binds.extend([Bind::Text(rollout), Bind::Int(after)]);
        }
        for row in self.session.run(&entries, &binds).await?.rows {
            read.entry(row.try_get("rollout")?).or_default().entries.push(entry(&row)?);
        }
        Ok(rollouts.iter().map(|rollout| read.remove(*rollout).unwrap_or_default()).collect())
    }

    /// Where the journal ends, after an insert that did not fit there.
    async fn last(&self, rollout: &str) -> Result<Seq, LedgerError> {
        const LAST: &str =
            "SELECT COALESCE(MAX(seq), 0) AS last FROM rollout_journal WHERE rollout = $1";
        let rows = self.rows("writing", rollout, LAST, &[Bind::Text(rollout)]).await?;
        let last = rows.first().map_or(Ok(0), |row| row.try_get("last"));
        last.map_err(|error| failed("writing", rollout, Failure::from(error)))
    }

    async fn keep(&self, rollout: &str, snapshot: &Snapshot) {
        // An older fold never replaces a newer one.
        const SNAPSHOT: &str = "INSERT INTO rollout_snapshot (rollout, seq, version, body) \
             VALUES ($1, $2, $3, $4) ON CONFLICT (rollout) DO UPDATE SET \
             seq = excluded.seq, version = excluded.version, body = excluded.body \
             WHERE excluded.seq >= rollout_snapshot.seq \
             OR excluded.version <> rollout_snapshot.version";
        let (seq, version) = (Bind::Int(snapshot.seq), Bind::Int(snapshot.version));
        let binds = [Bind::Text(rollout), seq, version, Bind::Text(&snapshot.body)];
        if let Err(error) = self.rows("writing", rollout, SNAPSHOT, &binds).await {
            tracing::warn!(rollout.name = rollout, "no snapshot: {}", chain(&error));
        }
    }
}

/// `$from, $from+1, …`
fn place_holders(from: usize, count: usize) -> String {
    let each: Vec<String> = (from..from + count).map(|number| format!("${number}")).collect();
    each.join(", ")
}

fn failed(operation: &'static str, rollout: &str, failure: impl Into<Arc<Failure>>) -> LedgerError {
    let (rollout, failure) = (rollout.to_owned(), failure.into());
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
    async fn read_all(&self, rollouts: &[&str], version: i64) -> Vec<Result<Written, LedgerError>> {
        let mut all = Vec::with_capacity(rollouts.len());
        for some in rollouts.chunks(MOST_JOURNALS) {
            match self.read_some(some, version).await {
                Ok(read) => all.extend(read.into_iter().map(Ok)),
                Err(failure) => {
                    let failure = Arc::new(failure);
                    let each =
                        some.iter().map(|rollout| failed("reading", rollout, Arc::clone(&failure)));
                    all.extend(each.map(Err));
                }
            }
        }
        all
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
        if let Some(first) = entries.first() {
            let (sql, binds) = insert(rollout, entries);
            match self.session.run(&sql, &binds).await {
                Ok(Answer { written: 0, .. }) => {
                    let last = self.last(rollout).await?;
                    let is_hole = last.saturating_add(1) < first.seq;
                    return if is_hole {
                        Err(hole(rollout, first.seq, last))
                    } else {
                        Ok(Inserted::Lost)
                    };
                }
                Ok(_) => {}
                Err(failure)
                    if failure
                        .database()
                        .is_some_and(sqlx::error::DatabaseError::is_unique_violation) =>
                {
                    return Ok(Inserted::Lost);
                }
                Err(failure) => return Err(failed("writing", rollout, failure)),
            }
        }
        if let Some(snapshot) = snapshot {
            self.keep(rollout, snapshot).await;
        }
        Ok(Inserted::Won)
    }

    async fn history(
        &self,
        rollout: &str,
        before: Option<Seq>,
        limit: u32,
    ) -> Result<Vec<Entry>, LedgerError> {
        const PAGE: &str = "SELECT seq, at_ms, kind, body FROM rollout_journal \
                            WHERE rollout = $1 AND seq < $2 ORDER BY seq DESC LIMIT $3";
        let before = Bind::Int(before.unwrap_or(Seq::MAX));
        let binds = [Bind::Text(rollout), before, Bind::Int(i64::from(limit))];
        entries(rollout, &self.rows("reading", rollout, PAGE, &binds).await?)
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
        let before = Bind::Int(before.unwrap_or(Seq::MAX));
        let mut binds = vec![Bind::Text(rollout), before, Bind::Int(i64::from(limit))];
        binds.extend(kinds.iter().copied().map(Bind::Text));
        let sql = history_of(kinds.len());
        entries(rollout, &self.rows("reading", rollout, &sql, &binds).await?)
    }

    async fn prune(&self, rollout: &str, kind: &str, before_ms: i64) -> Result<u64, LedgerError> {
        // The last entry stays, whatever its kind: the next number is counted from it.
        const OLD: &str = "DELETE FROM rollout_journal \
             WHERE rollout = $1 AND kind = $2 AND at_ms < $3 \
             AND seq <= COALESCE((SELECT s.seq FROM rollout_snapshot s WHERE s.rollout = $1), 0) \
             AND seq < (SELECT MAX(j.seq) FROM rollout_journal j WHERE j.rollout = $1)";
        let binds = [Bind::Text(rollout), Bind::Text(kind), Bind::Int(before_ms)];
        let answer = self.session.run(OLD, &binds).await;
        Ok(answer.map_err(|failure| failed("pruning", rollout, failure))?.written)
    }
}

/// Writes only the number after the last one, and all entries or none: two writers
/// meet in the unique key, and nobody can leave a hole. Nor is anything written that is
/// older than the last entry: its writer read another journal, from before a restore that
/// others have written on since. A single statement, so that it is a transaction, and that
/// SQLite takes its write lock before it reads.
fn insert<'a>(rollout: &'a str, entries: &'a [Entry]) -> (String, Vec<Bind<'a>>) {
    let mut binds = vec![Bind::Text(rollout)];
    let mut rows = Vec::with_capacity(entries.len());
    for entry in entries {
        let at = binds.len();
        rows.push(format!(
            "(CAST(${} AS BIGINT), CAST(${} AS BIGINT), CAST(${} AS TEXT), CAST(${} AS TEXT))",
            at + 1,
            at + 2,
            at + 3,
            at + 4
        ));
        binds.extend([Bind::Int(entry.seq), Bind::Int(entry.at_ms)]);
        binds.extend([Bind::Text(&entry.kind), Bind::Text(&entry.body)]);
    }
    // Both databases call the columns of a list of values so.
    let sql = format!(
        "INSERT INTO rollout_journal (rollout, seq, at_ms, kind, body) \
         SELECT CAST($1 AS TEXT), column1, column2, column3, column4 \
         FROM (VALUES {}) AS new WHERE CAST($2 AS BIGINT) = 1 + \
         COALESCE((SELECT MAX(seq) FROM rollout_journal WHERE rollout = CAST($1 AS TEXT)), 0) \
         AND CAST($3 AS BIGINT) >= COALESCE((SELECT last.at_ms FROM rollout_journal AS last \
         WHERE last.rollout = CAST($1 AS TEXT) ORDER BY last.seq DESC LIMIT 1), CAST($3 AS BIGINT))",
        rows.join(", ")
    );
    (sql, binds)
}

/// The newest entries of each of so many kinds by itself, then the newest of these. A
/// plain `kind IN (…)` leaves it to the planner to walk the whole journal backwards
/// instead of using the index.
fn history_of(kinds: usize) -> String {
    let each = (0..kinds).map(|index| {
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

fn hole(rollout: &str, seq: Seq, last: Seq) -> LedgerError {
    LedgerError::Corrupt {
        rollout: rollout.to_owned(),
        seq,
        source: format!("it would follow entry {last}: entries have no holes between them").into(),
    }
}

fn entries(rollout: &str, rows: &[AnyRow]) -> Result<Vec<Entry>, LedgerError> {
    let entries: Result<_, sqlx::Error> = rows.iter().map(entry).collect();
    entries.map_err(|error| failed("reading", rollout, Failure::from(error)))
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

    #[tokio::test]
    async fn changes_are_read_from_the_index_and_not_from_the_journal() {
        let directory = tempfile::tempdir().expect("a directory");
        let ledger = on_disk(&directory).await;
        let sql = format!("EXPLAIN QUERY PLAN {}", history_of(2));
        let (kinds, page) = (["intended", "applied"], [Bind::Int(Seq::MAX), Bind::Int(8)]);
        let binds: Vec<Bind<'_>> = [Bind::Text("scorer")]
            .into_iter()
            .chain(page)
            .chain(kinds.iter().copied().map(Bind::Text))
            .collect();
        let plan = ledger.rows("planning", "scorer", &sql, &binds).await.expect("a plan");
        let plan: Vec<String> =
            plan.iter().map(|row| row.try_get("detail").expect("a step")).collect();
        let searches: Vec<&String> =
            plan.iter().filter(|step| step.contains("rollout_journal")).collect();
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
