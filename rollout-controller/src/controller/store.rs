//! Journals between the ledger's rows and the domain's events.

use crate::domain::draft::Draft;
use crate::domain::event::{Event, Stamped};
use crate::domain::journal::{FoldError, Journal};
use crate::ports::{self, Entry, Ledger, LedgerError, Snapshot, Turn, Written};
use jiff::Timestamp;

/// Shape of a snapshot's body. Raise it with every change of [`Journal`] or of
/// the engine's state: older snapshots are then passed over and rebuilt.
pub const SNAPSHOT_VERSION: i64 = 1;

/// A snapshot is written once this many events came since the last one.
const SNAPSHOT_EVERY: i64 = 30;

/// A journal as read, and how far its snapshot reached.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The fold.
    pub journal: Journal,
    /// Last event of the snapshot in the table; 0 without one.
    pub snapshot_seq: i64,
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
        /// Whose journal.
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

fn fold(rollout: &str, written: &Written) -> Result<Loaded, JournalError> {
    let usable = written.snapshot.as_ref().and_then(|snapshot| {
        let journal: Journal = serde_json::from_str(&snapshot.body).ok()?;
        (journal.revision == snapshot.seq).then_some(journal)
    });
    let snapshot_seq = usable.as_ref().map_or(0, |journal| journal.revision);
    let mut journal = usable.unwrap_or_else(|| Journal::new(rollout));
    // Without a snapshot: minutes of runs that have ended may have been pruned (see
    // `retention`), and their evidence decides nothing any more.
    let ends = |entry: &Entry| matches!(entry.kind.as_str(), "started" | "finished");
    let ended = match snapshot_seq {
        0 => written.entries.iter().rposition(ends),
        _ => None,
    };
    for (index, entry) in written.entries.iter().enumerate() {
        if ended.is_some_and(|ended| index <= ended) && entry.seq > journal.revision {
            journal.revision = entry.seq - 1;
        }
        let stamped = event_of(rollout, entry)?;
        let applied = journal.apply(&stamped);
        applied.map_err(|source| JournalError::Fold { rollout: rollout.to_owned(), source })?;
    }
    Ok(Loaded { journal, snapshot_seq })
}

/// Reads a journal and folds it.
///
/// # Errors
/// [`JournalError`]. A snapshot that cannot be used is no error: the journal is
/// then read from its first entry.
pub async fn load(ledger: &dyn Ledger, rollout: &str) -> Result<Loaded, JournalError> {
    let written = ledger.read(rollout, SNAPSHOT_VERSION).await?;
    let broken = written
        .snapshot
        .as_ref()
        .is_some_and(|snapshot| serde_json::from_str::<Journal>(&snapshot.body).is_err());
    if broken {
        // No snapshot has this version, so all entries come.
        let whole = ledger.read(rollout, i64::MIN).await?;
        return fold(rollout, &whole);
    }
    fold(rollout, &written)
}

/// Appends a draft's events. `None`: somebody else was first, nothing was written.
///
/// # Errors
/// [`JournalError::Ledger`] if the ledger fails; then nothing was written, or the whole.
pub async fn append(
    ledger: &dyn Ledger,
    rollout: &str,
    draft: &Draft,
    snapshot_seq: i64,
    deadline: Timestamp,
) -> Result<Option<Turn>, JournalError> {
    let entries: Result<Vec<Entry>, LedgerError> =
        draft.events.iter().map(|stamped| entry_of(rollout, stamped)).collect();
    let due = draft.journal.revision - snapshot_seq >= SNAPSHOT_EVERY;
    let snapshot = if due { snapshot_of(&draft.journal) } else { None };
    let turn = ports::append(ledger, rollout, &entries?, snapshot.as_ref(), deadline).await?;
    Ok(turn)
}

fn snapshot_of(journal: &Journal) -> Option<Snapshot> {
    let body = serde_json::to_string(journal).ok()?;
    Some(Snapshot { seq: journal.revision, version: SNAPSHOT_VERSION, body })
}
