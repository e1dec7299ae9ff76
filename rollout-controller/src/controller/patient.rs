//! A ledger that is waited for once.
//!
//! A database that takes connections and never answers costs whoever asks the whole
//! timeout. All rollouts of a tick share it, so the second to ask is answered at
//! once, and protection has its turn while there is still time.

use crate::ports::{Clock, Entry, Inserted, Ledger, LedgerError, Seq, Snapshot, Written, within};
use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// One question. A ledger that does not answer in this time is down for the rest of
/// the tick. 2 seconds.
const LIMIT: Duration = Duration::from_secs(2);

/// A ledger for one tick.
pub(super) struct Patient {
    ledger: Arc<dyn Ledger>,
    clock: Arc<dyn Clock>,
    /// Whether it once did not answer. Questions take turns: the connection is one,
    /// and none should wait its whole time behind one that gets no answer.
    gone: Mutex<bool>,
}

impl Patient {
    pub(super) fn new(ledger: Arc<dyn Ledger>, clock: Arc<dyn Clock>) -> Self {
        Self { ledger, clock, gone: Mutex::new(false) }
    }

    /// The answer, or `None` if the ledger is gone.
    async fn ask<T>(&self, question: impl Future<Output = T>) -> Option<T> {
        let mut gone = self.gone.lock().await;
        if *gone {
            return None;
        }
        let answer = within(&*self.clock, LIMIT, question).await;
        *gone = answer.is_none();
        answer
    }

    async fn ask_of<T>(
        &self,
        operation: &'static str,
        rollout: &str,
        question: impl Future<Output = Result<T, LedgerError>>,
    ) -> Result<T, LedgerError> {
        self.ask(question).await.unwrap_or_else(|| Err(silent(operation, rollout)))
    }
}

fn silent(operation: &'static str, rollout: &str) -> LedgerError {
    LedgerError::Unreachable {
        operation,
        rollout: rollout.to_owned(),
        source: format!("no answer within {} s", LIMIT.as_secs()).into(),
    }
}

#[async_trait]
impl Ledger for Patient {
    async fn read_all(&self, rollouts: &[&str], version: i64) -> Vec<Result<Written, LedgerError>> {
        let read = self.ask(self.ledger.read_all(rollouts, version)).await;
        let silent = || rollouts.iter().map(|rollout| Err(silent("reading", rollout))).collect();
        read.unwrap_or_else(silent)
    }

    async fn insert(
        &self,
        rollout: &str,
        entries: &[Entry],
        snapshot: Option<&Snapshot>,
    ) -> Result<Inserted, LedgerError> {
        let insert = self.ledger.insert(rollout, entries, snapshot);
        self.ask_of("writing", rollout, insert).await
    }

    async fn history(
        &self,
        rollout: &str,
        before: Option<Seq>,
        limit: u32,
    ) -> Result<Vec<Entry>, LedgerError> {
        self.ask_of("reading", rollout, self.ledger.history(rollout, before, limit)).await
    }

    async fn history_of(
        &self,
        rollout: &str,
        kinds: &[&str],
        before: Option<Seq>,
        limit: u32,
    ) -> Result<Vec<Entry>, LedgerError> {
        let history = self.ledger.history_of(rollout, kinds, before, limit);
        self.ask_of("reading", rollout, history).await
    }

    async fn prune(&self, rollout: &str, kind: &str, before_ms: i64) -> Result<u64, LedgerError> {
        self.ask_of("pruning", rollout, self.ledger.prune(rollout, kind, before_ms)).await
    }
}
