//! Old minutes go, and nothing that anybody needs goes with them.

use crate::in_front::{Differs, InFront};
use crate::journal;
use crate::pretend::{self, Night, config};
use rollout_controller::controller::{query, store};
use rollout_controller::domain::command::Order;
use rollout_controller::domain::event::{Event, Stamped};
use rollout_controller::domain::weight::Weight;
use rollout_controller::ports::{
    Entry, Inserted, Ledger, LedgerError, Seq, Snapshot, World, Written,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

fn minutes(events: &[Stamped]) -> usize {
    let ticked = events.iter().filter(|s| s.event.kind() == Event::TICKED);
    ticked.count()
}

fn others(events: &[Stamped]) -> Vec<Stamped> {
    let others = events.iter().filter(|s| s.event.kind() != Event::TICKED);
    others.cloned().collect()
}

/// A night that keeps minutes for one hour only; the file would not allow it.
fn night() -> Night {
    let mut config = config();
    config.ledger.keep_minutes = Duration::from_hours(1);
    Night::new(config)
}

/// Everything that must hold, whatever the ledger.
async fn minutes_of_ended_runs_go(night: &Night) {
    night.hour_of_python();
    night.order(Order::Start).await;
    night.until(150, |report| report.state == "completed").await;
    let before = night.events().await;
    assert!(minutes(&before) > 60);
    // Old now, and an hour's tick passes by.
    night.minutes(130).await;
    let after = night.events().await;
    let left = minutes(&after);
    assert!(left < 30, "only those beyond the snapshot stay: {left}");
    assert_eq!(others(&after), others(&before), "nothing else went");

    // The weight is taken back, and a second run begins behind the holes.
    night.pretend.console_change("public", Weight::ZERO);
    let answer = night.order(Order::Start).await;
    assert_eq!(pretend::word(&answer), "applied", "{}", answer.message);
    night.until_weight(40, 5.0).await;
    night.order(Order::Pause { for_minutes: None }).await;
    night.minutes(200).await;
    let events = night.events().await;
    let run = night.run().await;
    let own = events.iter().filter(|s| s.at_ms >= run.started_ms);
    let own: Vec<Stamped> = own.cloned().collect();
    assert!(minutes(&own) > 200, "an open run keeps its minutes");

    // A version that cannot read the snapshot comes to the same state.
    let folded = night.journal().await;
    let whole = InFront(Unsnapshot(night.world.ledger.clone()));
    let rebuilt = store::load(&whole, "score").await.expect("a fold");
    assert_eq!(rebuilt.snapshot_seq, 0);
    assert_eq!(
        serde_json::to_value(&rebuilt.journal).unwrap(),
        serde_json::to_value(&folded).unwrap()
    );
}

#[tokio::test]
async fn a_page_reads_a_run_from_its_first_entry_however_many_follow() {
    let night = Night::started(config()).await;
    night.until_weight(40, 5.0).await;
    night.order(Order::Pause { for_minutes: None }).await;
    night.minutes(520).await;
    let entries = query::entries_of(&night.world, &night.config.rollouts[0], 1).await;
    assert!(entries.len() > 520, "{}", entries.len());
    assert_eq!(entries, night.events().await);
}

/// A ledger whose snapshots nobody can use.
struct Unsnapshot(Arc<dyn Ledger>);

#[async_trait::async_trait]
impl Differs for Unsnapshot {
    fn behind(&self) -> &dyn Ledger {
        &*self.0
    }
    async fn read_all(&self, rollouts: &[&str], _: i64) -> Vec<Result<Written, LedgerError>> {
        self.0.read_all(rollouts, i64::MIN).await
    }
}

#[tokio::test]
async fn minutes_of_ended_runs_go_from_a_pretend_ledger() {
    minutes_of_ended_runs_go(&night()).await;
}

#[tokio::test]
async fn minutes_of_ended_runs_go_from_sqlite() {
    let file = journal::sqlite();
    journal::migrated(&file.url).await;
    let mut night = night();
    night.world =
        World { ledger: Arc::new(journal::ledger_at(&file.url)), ..night.pretend.world() };
    minutes_of_ended_runs_go(&night).await;
}

/// A ledger that counts prunes, and fails them.
struct NoPrune(Arc<dyn Ledger>, AtomicU32);

#[async_trait::async_trait]
impl Differs for NoPrune {
    fn behind(&self) -> &dyn Ledger {
        &*self.0
    }
    async fn prune(&self, rollout: &str, kind: &str, _: i64) -> Result<u64, LedgerError> {
        assert_eq!(kind, Event::TICKED);
        self.1.fetch_add(1, Ordering::Relaxed);
        Err(LedgerError::Unreachable {
            operation: "pruning",
            rollout: rollout.to_owned(),
            source: "lock timeout".into(),
        })
    }
}

#[tokio::test]
async fn a_failed_prune_changes_nothing_and_comes_once_an_hour() {
    let mut night = night();
    night.hour_of_python();
    let ledger = Arc::new(InFront(NoPrune(night.world.ledger.clone(), AtomicU32::new(0))));
    night.world.ledger = ledger.clone();
    night.order(Order::Start).await;
    let end = night.until(150, |report| report.state == "completed").await;
    assert_eq!(end.error_type, None);
    night.minutes(180).await;
    let hours = night.pretend.now().as_second() / 3_600
        - pretend::START.parse::<jiff::Timestamp>().unwrap().as_second() / 3_600;
    let prunes = i64::from(ledger.1.load(Ordering::Relaxed));
    // Python's hour had no ticks.
    assert!((hours - 2..=hours).contains(&prunes), "{prunes} in {hours} hours");
    assert!(prunes >= 3);
}

#[tokio::test]
async fn a_hole_in_a_run_that_goes_on_is_never_passed_over() {
    let night = Night::started(config()).await;
    night.minutes(5).await;
    let whole = night.world.ledger.read("score", i64::MIN).await.expect("entries");
    let mut entries = whole.entries;
    let at = entries.iter().rposition(|e| e.kind == Event::TICKED).expect("a tick");
    entries.remove(at - 2);
    let holed = Holed(entries);
    let loaded = store::load(&holed, "score").await.expect("what comes before the hole");
    let error = loaded.broken.expect("a hole");
    assert!(error.to_string().contains("cannot be folded"), "{error}");
}

struct Holed(Vec<Entry>);

#[async_trait::async_trait]
impl Ledger for Holed {
    async fn read_all(&self, rollouts: &[&str], _: i64) -> Vec<Result<Written, LedgerError>> {
        let holed = || Ok(Written { snapshot: None, entries: self.0.clone() });
        rollouts.iter().map(|_| holed()).collect()
    }
    async fn insert(
        &self,
        _: &str,
        _: &[Entry],
        _: Option<&Snapshot>,
    ) -> Result<Inserted, LedgerError> {
        Ok(Inserted::Lost)
    }
    async fn history(&self, _: &str, _: Option<Seq>, _: u32) -> Result<Vec<Entry>, LedgerError> {
        Ok(self.0.clone())
    }
    async fn history_of(
        &self,
        _: &str,
        _: &[&str],
        _: Option<Seq>,
        _: u32,
    ) -> Result<Vec<Entry>, LedgerError> {
        Ok(self.0.clone())
    }
    async fn prune(&self, _: &str, _: &str, _: i64) -> Result<u64, LedgerError> {
        Ok(0)
    }
}
