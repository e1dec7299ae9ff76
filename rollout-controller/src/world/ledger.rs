//! The pretend journal: the same rules as the SQL one, in a list.

use super::Pretend;
use crate::ports::{Entry, Inserted, Ledger, LedgerError, Seq, Snapshot, Written};
use async_trait::async_trait;

/// One rollout's rows.
#[derive(Clone, Debug, Default)]
pub(super) struct Rows {
    entries: Vec<Entry>,
    snapshot: Option<Snapshot>,
}

impl Rows {
    pub(super) fn push(&mut self, at_ms: i64, kind: &str, body: &str) {
        let seq = self.entries.last().map_or(1, |entry| entry.seq + 1);
        let (kind, body) = (kind.to_owned(), body.to_owned());
        self.entries.push(Entry { seq, at_ms, kind, body });
    }
}

impl Pretend {
    fn reach(&self, operation: &'static str, rollout: &str) -> Result<(), LedgerError> {
        let state = self.state();
        if state.trouble.ledger_down || state.dead {
            let source = "connection refused".into();
            return Err(LedgerError::Unreachable {
                operation,
                rollout: rollout.to_owned(),
                source,
            });
        }
        Ok(())
    }

    fn read_one(&self, rollout: &str, version: i64) -> Result<Written, LedgerError> {
        self.reach("reading", rollout)?;
        let state = self.state();
        let Some(rows) = state.journals.get(rollout) else {
            return Ok(Written::default());
        };
        let snapshot = rows.snapshot.clone().filter(|snapshot| snapshot.version == version);
        let after = snapshot.as_ref().map_or(0, |snapshot| snapshot.seq);
        let entries = rows.entries.iter().filter(|entry| entry.seq > after).cloned().collect();
        Ok(Written { snapshot, entries })
    }
}

#[async_trait]
impl Ledger for Pretend {
    async fn read_all(&self, rollouts: &[&str], version: i64) -> Vec<Result<Written, LedgerError>> {
        rollouts.iter().map(|rollout| self.read_one(rollout, version)).collect()
    }

    async fn insert(
        &self,
        rollout: &str,
        entries: &[Entry],
        snapshot: Option<&Snapshot>,
    ) -> Result<Inserted, LedgerError> {
        self.reach("writing", rollout)?;
        let mut state = self.state();
        if state.trouble.ledger_read_only {
            return Err(LedgerError::Unreachable {
                operation: "writing",
                rollout: rollout.to_owned(),
                source: "cannot execute INSERT in a read-only transaction".into(),
            });
        }
        let rows = state.journals.entry(rollout.to_owned()).or_default();
        let last = rows.entries.last();
        if !entries.first().is_some_and(|first| first.follows(last)) {
            return Ok(Inserted::Lost);
        }
        rows.entries.extend_from_slice(entries);
        if let Some(snapshot) = snapshot {
            rows.snapshot = Some(snapshot.clone());
        }
        Ok(Inserted::Won)
    }

    async fn history(
        &self,
        rollout: &str,
        before: Option<Seq>,
        limit: u32,
    ) -> Result<Vec<Entry>, LedgerError> {
        self.reach("reading", rollout)?;
        let state = self.state();
        let Some(rows) = state.journals.get(rollout) else {
            return Ok(Vec::new());
        };
        let earlier = rows.entries.iter().rev();
        let earlier = earlier.filter(|entry| before.is_none_or(|before| entry.seq < before));
        Ok(earlier.take(limit as usize).cloned().collect())
    }

    async fn history_of(
        &self,
        rollout: &str,
        kinds: &[&str],
        before: Option<Seq>,
        limit: u32,
    ) -> Result<Vec<Entry>, LedgerError> {
        let mut entries = self.history(rollout, before, u32::MAX).await?;
        entries.retain(|entry| kinds.contains(&entry.kind.as_str()));
        entries.truncate(limit as usize);
        Ok(entries)
    }

    async fn prune(&self, rollout: &str, kind: &str, before_ms: i64) -> Result<u64, LedgerError> {
        self.reach("pruning", rollout)?;
        let mut state = self.state();
        let Some(rows) = state.journals.get_mut(rollout) else {
            return Ok(0);
        };
        let folded = rows.snapshot.as_ref().map_or(0, |snapshot| snapshot.seq);
        let before = rows.entries.len();
        rows.entries.retain(|e| !(e.kind == kind && e.at_ms < before_ms && e.seq <= folded));
        Ok((before - rows.entries.len()) as u64)
    }
}
