//! Ledgers in front of another one.

use async_trait::async_trait;
use rollout_controller::ports::{Entry, Inserted, Ledger, LedgerError, Seq, Snapshot, Written};
use std::ops::Deref;
use std::sync::Arc;
use tokio::task::yield_now;

/// A ledger that differs in a call or two; the others go to the one behind it.
#[async_trait]
pub(crate) trait Differs: Send + Sync {
    fn behind(&self) -> &dyn Ledger;
    async fn read_all(&self, rollouts: &[&str], version: i64) -> Vec<Result<Written, LedgerError>> {
        self.behind().read_all(rollouts, version).await
    }
    async fn insert(
        &self,
        rollout: &str,
        entries: &[Entry],
        snapshot: Option<&Snapshot>,
    ) -> Result<Inserted, LedgerError> {
        self.behind().insert(rollout, entries, snapshot).await
    }
    async fn prune(&self, rollout: &str, kind: &str, before_ms: i64) -> Result<u64, LedgerError> {
        self.behind().prune(rollout, kind, before_ms).await
    }
}

/// Makes one a [`Ledger`].
pub(crate) struct InFront<T>(pub(crate) T);

impl<T> Deref for InFront<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

#[async_trait]
impl<T: Differs> Ledger for InFront<T> {
    async fn read_all(&self, rollouts: &[&str], version: i64) -> Vec<Result<Written, LedgerError>> {
        self.0.read_all(rollouts, version).await
    }
    async fn insert(
        &self,
        rollout: &str,
        entries: &[Entry],
        snapshot: Option<&Snapshot>,
    ) -> Result<Inserted, LedgerError> {
        self.0.insert(rollout, entries, snapshot).await
    }
    async fn history(
        &self,
        rollout: &str,
        before: Option<Seq>,
        limit: u32,
    ) -> Result<Vec<Entry>, LedgerError> {
        self.0.behind().history(rollout, before, limit).await
    }
    async fn history_of(
        &self,
        rollout: &str,
        kinds: &[&str],
        before: Option<Seq>,
        limit: u32,
    ) -> Result<Vec<Entry>, LedgerError> {
        self.0.behind().history_of(rollout, kinds, before, limit).await
    }
    async fn prune(&self, rollout: &str, kind: &str, before_ms: i64) -> Result<u64, LedgerError> {
        self.0.prune(rollout, kind, before_ms).await
    }
}

/// One place to be cut, the call, one place.
pub(crate) async fn halting<T>(call: impl Future<Output = T>) -> T {
    yield_now().await;
    let answer = call.await;
    yield_now().await;
    answer
}

/// A ledger with a place to be cut before and after each call.
pub(crate) struct Halting(pub(crate) Arc<dyn Ledger>);

#[async_trait]
impl Ledger for Halting {
    async fn read_all(&self, rollouts: &[&str], version: i64) -> Vec<Result<Written, LedgerError>> {
        halting(self.0.read_all(rollouts, version)).await
    }
    async fn insert(
        &self,
        rollout: &str,
        entries: &[Entry],
        snapshot: Option<&Snapshot>,
    ) -> Result<Inserted, LedgerError> {
        halting(self.0.insert(rollout, entries, snapshot)).await
    }
    async fn history(
        &self,
        rollout: &str,
        before: Option<Seq>,
        limit: u32,
    ) -> Result<Vec<Entry>, LedgerError> {
        halting(self.0.history(rollout, before, limit)).await
    }
    async fn history_of(
        &self,
        rollout: &str,
        kinds: &[&str],
        before: Option<Seq>,
        limit: u32,
    ) -> Result<Vec<Entry>, LedgerError> {
        halting(self.0.history_of(rollout, kinds, before, limit)).await
    }
    async fn prune(&self, rollout: &str, kind: &str, before_ms: i64) -> Result<u64, LedgerError> {
        halting(self.0.prune(rollout, kind, before_ms)).await
    }
}
