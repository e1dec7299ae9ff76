//! Journals between the ledger's rows and the domain's events.

use crate::domain::draft::Draft;
use crate::domain::event::{Event, Stamped};
use crate::domain::journal::{FoldError, Journal};
use crate::domain::observation::Observation;
use crate::planted::planted;
use crate::ports::{self, Entry, Ledger, LedgerError, Snapshot, WritePermit, Written};
use futures_util::future::join_all;
use jiff::Timestamp;

/// Shape of a snapshot's body. Raise it with every change of [`Journal`] or of
/// the engine's state: older snapshots are then passed over and rebuilt.
pub const SNAPSHOT_VERSION: i64 = 4;

/// A snapshot is written once this many events came since the last one.
const SNAPSHOT_EVERY: i64 = 30;

/// A journal as read.
#[derive(Debug)]
pub struct Loaded {
    /// The fold, as far as it could be made.
    pub journal: Journal,
    /// Last event of the snapshot in the table; 0 without one.
    pub snapshot_seq: i64,
    /// Why the fold ends before the last row. Nothing may be appended then.
    pub broken: Option<JournalError>,
}

/// The journal, if it was read to its end: the only one to decide on.
pub fn whole(loaded: &Result<Loaded, LedgerError>) -> Option<&Journal> {
    loaded.as_ref().ok().filter(|loaded| loaded.broken.is_none()).map(|loaded| &loaded.journal)
}

/// Whether more is known outside the journal than it says.
pub fn is_behind(journal: &Journal, seen: &Observation) -> bool {
    matches!(&seen.copy, Ok(Some(copy)) if copy.is_ahead_of(journal))
}

/// Why a journal could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The rows are there and make no sense.
    #[error("the journal of rollout `{rollout}` cannot be folded")]
    Fold {
        /// The rollout's name.
        rollout: String,
        /// Where it breaks.
        #[source]
        source: FoldError,
    },
}

fn corrupt(rollout: &str, seq: i64, error: serde_json::Error) -> LedgerError {
    LedgerError::Corrupt { rollout: rollout.to_owned(), seq, source: Box::new(error) }
}

/// Reads an entry's event.
///
/// # Errors
/// [`LedgerError::Corrupt`] if this version does not know it.
pub fn event_of(rollout: &str, entry: &Entry) -> Result<Stamped, LedgerError> {
    let event: Event =
        serde_json::from_str(&entry.body).map_err(|error| corrupt(rollout, entry.seq, error))?;
    Ok(Stamped { seq: entry.seq, at_ms: entry.at_ms, event })
}

fn entry_of(rollout: &str, stamped: &Stamped) -> Result<Entry, LedgerError> {
    let body = serde_json::to_string(&stamped.event)
        .map_err(|error| corrupt(rollout, stamped.seq, error))?;
    Ok(Entry {
        seq: stamped.seq,
        at_ms: stamped.at_ms,
        kind: stamped.event.kind().to_owned(),
        body,
    })
}

fn snapshot_in(written: &Written) -> Option<Journal> {
    let snapshot = written.snapshot.as_ref()?;
    let journal: Journal = serde_json::from_str(&snapshot.body).ok()?;
    (journal.revision == snapshot.seq).then_some(journal)
}

/// Folds as far as the rows make sense.
fn fold(rollout: &str, written: &Written) -> Loaded {
    match fold_to(rollout, written, written.entries.len()) {
        Ok(loaded) => loaded,
        Err((index, error)) => {
            // What came before the bad row tells at least which run there is.
            let prefix = fold_to(rollout, written, index).unwrap_or_else(|_| Loaded {
                journal: Journal::new(rollout),
                snapshot_seq: 0,
                broken: None,
            });
            Loaded { broken: Some(error), ..prefix }
        }
    }
}

/// Folds the snapshot and the first `count` entries.
///
/// # Errors
/// The index of the entry that cannot follow, and why.
fn fold_to(
    rollout: &str,
    written: &Written,
    count: usize,
) -> Result<Loaded, (usize, JournalError)> {
    let usable = snapshot_in(written);
    let snapshot_seq = usable.as_ref().map_or(0, |journal| journal.revision);
    let mut journal = usable.unwrap_or_else(|| Journal::new(rollout));
    let entries = &written.entries[..count];
    // Without a snapshot: minutes of runs that have ended may have been pruned (see
    // `retention`), and their evidence decides nothing any more.
    let ends = |entry: &Entry| matches!(entry.kind.as_str(), "started" | "finished");
    let ended = match snapshot_seq {
        0 => entries.iter().rposition(ends),
        _ => None,
    };
    for (index, entry) in entries.iter().enumerate() {
        if ended.is_some_and(|ended| index <= ended) {
            journal.revision = journal.revision.max(entry.seq.saturating_sub(1));
        }
        let stamped = event_of(rollout, entry).map_err(|error| (index, error.into()))?;
        journal.apply(&stamped).map_err(|source| {
            (index, JournalError::Fold { rollout: rollout.to_owned(), source })
        })?;
    }
    Ok(Loaded { journal, snapshot_seq, broken: None })
}

/// Reads a journal and folds it as far as it goes.
///
/// # Errors
/// The ledger's. A snapshot that cannot be used is no error: the journal is then
/// read from its first entry.
pub async fn load(ledger: &dyn Ledger, rollout: &str) -> Result<Loaded, LedgerError> {
    let written = ledger.read(rollout, SNAPSHOT_VERSION).await?;
    loaded(ledger, rollout, written).await
}

/// The same for several journals, in order and by one question.
pub async fn load_all(ledger: &dyn Ledger, rollouts: &[&str]) -> Vec<Result<Loaded, LedgerError>> {
    let read = ledger.read_all(rollouts, SNAPSHOT_VERSION).await;
    let each = rollouts.iter().zip(read);
    join_all(each.map(|(rollout, written)| async { loaded(ledger, rollout, written?).await })).await
}

async fn loaded(
    ledger: &dyn Ledger,
    rollout: &str,
    written: Written,
) -> Result<Loaded, LedgerError> {
    if written.snapshot.is_some() && snapshot_in(&written).is_none() {
        // No snapshot has this version, so all entries come.
        let whole = ledger.read(rollout, i64::MIN).await?;
        return Ok(fold(rollout, &whole));
    }
    Ok(fold(rollout, &written))
}

/// Appends a draft's events. `None`: another writer was first, nothing was written.
///
/// # Errors
/// If the ledger fails; then nothing was written, or the whole.
pub async fn append(
    ledger: &dyn Ledger,
    rollout: &str,
    draft: &Draft,
    snapshot_seq: i64,
    deadline: Timestamp,
) -> Result<Option<WritePermit>, LedgerError> {
    let entries: Result<Vec<Entry>, LedgerError> =
        draft.events.iter().map(|stamped| entry_of(rollout, stamped)).collect();
    let due = draft.journal.revision.saturating_sub(snapshot_seq) >= SNAPSHOT_EVERY;
    let snapshot = if due { snapshot_of(&draft.journal) } else { None };
    ports::append(ledger, rollout, &entries?, snapshot.as_ref(), deadline).await
}

fn snapshot_of(journal: &Journal) -> Option<Snapshot> {
    let body = if planted!(SnapshotForgets) {
        serde_json::to_string(&Journal { commands: Vec::new(), ..journal.clone() })
    } else {
        serde_json::to_string(journal)
    };
    let body = body.ok()?;
    Some(Snapshot { seq: journal.revision, version: SNAPSHOT_VERSION, body })
}
