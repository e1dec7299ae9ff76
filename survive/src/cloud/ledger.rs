//! The database: a list of rows with the SQL adapter's rules.

use super::{Door, NOTHING, State};
use crate::fate::Call;
use async_trait::async_trait;
use rollout_controller::controller::store::event_of;
use rollout_controller::domain::labels::Labels;
use rollout_controller::ports::{Entry, Inserted, Ledger, LedgerError, Seq, Snapshot, Written};
use rollout_controller::report::story::story;
use serde_json::Value;

/// One journal's rows.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// Ascending, and without holes but for pruned minutes.
    pub entries: Vec<Entry>,
    /// The newest snapshot.
    pub snapshot: Option<Snapshot>,
}

impl Rows {
    /// An older copy of the database: nothing after this entry.
    pub fn cut(&mut self, last: Seq) {
        self.entries.retain(|entry| entry.seq <= last);
        self.snapshot = self.snapshot.take().filter(|snapshot| snapshot.seq <= last);
    }

    fn read(&self, version: i64) -> Written {
        let snapshot = self.snapshot.clone().filter(|snapshot| snapshot.version == version);
        let after = snapshot.as_ref().map_or(0, |snapshot| snapshot.seq);
        let entries = self.entries.iter().filter(|entry| entry.seq > after).cloned().collect();
        Written { snapshot, entries }
    }

    fn newest_first(&self, before: Option<Seq>) -> impl Iterator<Item = &Entry> {
        let earlier = self.entries.iter().rev();
        earlier.filter(move |entry| before.is_none_or(|before| entry.seq < before))
    }
}

fn unreachable(operation: &'static str, rollout: &str, why: &'static str) -> LedgerError {
    let source = if why == NOTHING { "no answer in time" } else { "connection reset by peer" };
    LedgerError::Unreachable { operation, rollout: rollout.to_owned(), source: source.into() }
}

#[async_trait]
impl Ledger for Door {
    async fn read_all(&self, rollouts: &[&str], version: i64) -> Vec<Result<Written, LedgerError>> {
        let names: Vec<String> = rollouts.iter().map(|&name| name.to_owned()).collect();
        let serve = move |state: &mut State, _, _| {
            let rows = |name: &String| state.journals.get(name).map(|rows| rows.read(version));
            let all: Vec<Written> =
                names.iter().map(|name| rows(name).unwrap_or_default()).collect();
            (all, state.books.written())
        };
        let call = Call::JournalRead;
        let which = rollouts.first().copied().unwrap_or_default();
        let came = self.call(call, which, call.patience_ms(), serve).await;
        match came.answer() {
            Ok(((all, entries), _)) => {
                for rollout in rollouts {
                    self.cloud.state().books.read_journal(self.me.uid, rollout, entries);
                }
                all.into_iter().map(Ok).collect()
            }
            Err(why) => {
                rollouts.iter().map(|name| Err(unreachable("reading", name, why))).collect()
            }
        }
    }

    async fn insert(
        &self,
        rollout: &str,
        entries: &[Entry],
        snapshot: Option<&Snapshot>,
    ) -> Result<Inserted, LedgerError> {
        let (name, me) = (rollout.to_owned(), self.me.clone());
        let (entries, snapshot) = (entries.to_vec(), snapshot.cloned());
        let is_step = entries.first().is_some_and(|first| !notes_messages(&first.kind));
        let skew_ms = self.me.skew_ms;
        let serve = move |state: &mut State, now_ms: i64, _| {
            let rows = state.journals.entry(name.clone()).or_default();
            let last = rows.entries.last();
            if !entries.first().is_some_and(|first| first.follows(last)) {
                return Inserted::Lost;
            }
            rows.entries.extend_from_slice(&entries);
            if snapshot.is_some() {
                rows.snapshot.clone_from(&snapshot);
            }
            let folded = snapshot.iter().map(|snapshot| &snapshot.body);
            for body in entries.iter().map(|entry| &entry.body).chain(folded) {
                state.effect(|| serde_json::from_str::<Value>(body).ok());
            }
            let events: Vec<_> =
                entries.iter().filter_map(|entry| event_of(&name, entry).ok()).collect();
            for change in story(&name, &Labels::default(), &events) {
                state.tell(now_ms, || {
                    format!("{}: journals “{} {}”", me.name, change.by, change.text)
                });
            }
            let shown = state.shown(&name);
            let ground = state.ground(me.uid, &name);
            let clock_ms = now_ms + skew_ms;
            state.books.committed(me.uid, &name, &events, &shown, ground, now_ms, clock_ms);
            Inserted::Won
        };
        let call = Call::JournalAppend;
        let came = self.call(call, rollout, call.patience_ms(), serve).await;
        let (inserted, _) = came.answer().map_err(|why| unreachable("writing", rollout, why))?;
        if inserted == Inserted::Lost {
            self.cloud.state().books.lost_race(self.me.uid, rollout, is_step);
        }
        Ok(inserted)
    }

    async fn history(
        &self,
        rollout: &str,
        before: Option<Seq>,
        limit: u32,
    ) -> Result<Vec<Entry>, LedgerError> {
        let name = rollout.to_owned();
        let serve = move |state: &mut State, _, _| {
            let rows = state.journals.get(&name).cloned().unwrap_or_default();
            rows.newest_first(before).take(limit as usize).cloned().collect::<Vec<_>>()
        };
        let call = Call::JournalHistory;
        let came = self.call(call, rollout, call.patience_ms(), serve).await;
        Ok(came.answer().map_err(|why| unreachable("reading", rollout, why))?.0)
    }

    async fn history_of(
        &self,
        rollout: &str,
        kinds: &[&str],
        before: Option<Seq>,
        limit: u32,
    ) -> Result<Vec<Entry>, LedgerError> {
        let name = rollout.to_owned();
        let kinds: Vec<String> = kinds.iter().map(|kind| (*kind).to_owned()).collect();
        let serve = move |state: &mut State, _, _| {
            let Some(rows) = state.journals.get(&name) else { return Vec::new() };
            let these = rows.newest_first(before).filter(|entry| kinds.contains(&entry.kind));
            these.take(limit as usize).cloned().collect::<Vec<_>>()
        };
        let call = Call::JournalHistory;
        let came = self.call(call, rollout, call.patience_ms(), serve).await;
        Ok(came.answer().map_err(|why| unreachable("reading", rollout, why))?.0)
    }

    async fn prune(&self, rollout: &str, kind: &str, before_ms: i64) -> Result<u64, LedgerError> {
        let (name, kind) = (rollout.to_owned(), kind.to_owned());
        let serve = move |state: &mut State, _, _| {
            let Some(rows) = state.journals.get_mut(&name) else { return 0 };
            let folded = rows.snapshot.as_ref().map_or(0, |snapshot| snapshot.seq);
            let had = rows.entries.len();
            rows.entries.retain(|e| !(e.kind == kind && e.at_ms < before_ms && e.seq <= folded));
            (had - rows.entries.len()) as u64
        };
        let call = Call::JournalPrune;
        let came = self.call(call, rollout, call.patience_ms(), serve).await;
        Ok(came.answer().map_err(|why| unreachable("pruning", rollout, why))?.0)
    }
}

/// Whether an entry of this kind begins a note of what became of messages.
fn notes_messages(kind: &str) -> bool {
    ["delivered", "given_up", "channel_failed", "channel_works"].contains(&kind)
}
