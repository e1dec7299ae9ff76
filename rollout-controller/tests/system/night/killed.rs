//! `kill -9` of the controller while it stands at each of the calls that a tick makes.
//!
//! A call to AWS is held by a delay at the endpoint, a statement by a lock on the
//! journal's table. The process is killed only when the call has arrived there, so
//! that no test depends on how fast anything is.

use super::scene::{PATIENCE, Scene, Setup};
use super::servers::Database;
use local_cloud::{ApiFault, ApiFaultKind, Fault};
use rollout_controller::domain::event::Event;
use rollout_controller::domain::message::Channel;
use sqlx::{Connection as _, PgConnection};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Where a tick stands when it is killed, in the order of a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Its first statement, reading the journal.
    Reading,
    /// A call while it observes.
    Observing(&'static str),
    /// The append of the intent, not committed.
    Intending,
    /// Reading the rule right before the write.
    Comparing,
    /// The write, not carried out.
    Writing,
    /// Reading the rule back after the write.
    ReadingBack,
    /// The append of the outcome, not committed.
    Recording,
    /// A message, not accepted.
    Sending(&'static str),
    /// The append of what was sent, not committed.
    Noting,
}

const PLACES: [Place; 12] = [
    Place::Reading,
    Place::Observing("DescribeRules"),
    Place::Observing("GetMetricData"),
    Place::Observing("DescribeAlarms"),
    Place::Intending,
    Place::Comparing,
    Place::Writing,
    Place::ReadingBack,
    Place::Recording,
    Place::Sending("Publish"),
    Place::Sending("PutEvents"),
    Place::Noting,
];

/// Longer than any test runs: the call is held until its caller is gone.
const HELD_MS: u64 = 120_000;
/// Long enough to put the next hold in place while a call is on its way.
const BRIEFLY_MS: u64 = 500;

/// A lock on the journal's table.
struct Lock(PgConnection);

impl Lock {
    /// In this mode: `SHARE` holds writers, `ACCESS EXCLUSIVE` readers too.
    async fn take(url: &str, mode: &str) -> Self {
        let mut connection = PgConnection::connect(url).await.expect("PostgreSQL");
        let sql = format!("BEGIN; LOCK TABLE rollout_journal IN {mode} MODE");
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.expect("a lock");
        Self(connection)
    }

    /// Waits until somebody waits for it.
    async fn is_waited_for(&mut self) {
        const WAITING: &str = "SELECT COUNT(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation \
             WHERE c.relname = 'rollout_journal' AND NOT l.granted \
             AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        loop {
            let waiting: i64 =
                sqlx::query_scalar(WAITING).fetch_one(&mut self.0).await.expect("a count");
            if waiting > 0 {
                return;
            }
            sleep(Duration::from_millis(2)).await;
        }
    }

    async fn release(self) {
        self.0.close().await.expect("closed");
    }
}

/// Holds the next call of an operation this long.
fn hold(scene: &Scene, operation: &str, delay_ms: u64) -> u64 {
    let fault = ApiFault { delay_ms, ..ApiFault::new(operation, ApiFaultKind::Delay) };
    scene.cloud.add_fault(Fault::Api(fault.times(1)))
}

/// Waits until a held call is there.
async fn arrived(scene: &Scene, fault: u64) {
    while scene.cloud.faults().iter().any(|standing| standing.id == fault) {
        sleep(Duration::from_millis(1)).await;
    }
}

/// What holds a tick at its first stop on the way to a place.
enum Hold {
    Statement(Lock),
    Call(u64),
}

/// Puts the first hold in place, before the tick begins.
async fn hold_first(scene: &Scene, place: Place) -> Hold {
    let url = scene.database.direct.as_str();
    match place {
        Place::Reading => Hold::Statement(Lock::take(url, "ACCESS EXCLUSIVE").await),
        Place::Intending | Place::Comparing | Place::ReadingBack | Place::Recording => {
            Hold::Statement(Lock::take(url, "SHARE").await)
        }
        Place::Observing(operation) | Place::Sending(operation) => {
            Hold::Call(hold(scene, operation, HELD_MS))
        }
        Place::Writing => Hold::Call(hold(scene, "ModifyRule", HELD_MS)),
        Place::Noting => Hold::Call(hold(scene, "Publish", BRIEFLY_MS)),
    }
}

/// Returns when the tick stands at `place`; with the lock that holds it there.
async fn stands_at(scene: &Scene, place: Place, first: Hold) -> Option<Lock> {
    let mut lock = match first {
        Hold::Call(fault) => {
            arrived(scene, fault).await;
            if place != Place::Noting {
                return None;
            }
            Lock::take(&scene.database.direct, "SHARE").await
        }
        Hold::Statement(lock) => lock,
    };
    lock.is_waited_for().await;
    match place {
        Place::Comparing => {
            let fault = hold(scene, "DescribeRules", HELD_MS);
            lock.release().await;
            arrived(scene, fault).await;
            None
        }
        Place::ReadingBack => {
            let fault = hold(scene, "ModifyRule", BRIEFLY_MS);
            lock.release().await;
            arrived(scene, fault).await;
            let fault = hold(scene, "DescribeRules", HELD_MS);
            arrived(scene, fault).await;
            None
        }
        Place::Recording => {
            let fault = hold(scene, "ModifyRule", BRIEFLY_MS);
            lock.release().await;
            arrived(scene, fault).await;
            let mut lock = Lock::take(&scene.database.direct, "SHARE").await;
            lock.is_waited_for().await;
            Some(lock)
        }
        Place::Reading
        | Place::Observing(_)
        | Place::Intending
        | Place::Writing
        | Place::Sending(_)
        | Place::Noting => Some(lock),
    }
}

/// One tick that is killed at `place`.
async fn tick_killed(scene: &mut Scene, place: Place) {
    scene.pass_minute();
    scene.cloud.evaluate_alarms();
    let first = hold_first(scene, place).await;
    let killed = async {
        let lock = timeout(PATIENCE, stands_at(scene, place, first)).await;
        let lock = lock.unwrap_or_else(|_| panic!("the tick never stood at {place:?}"));
        scene.kill_tick();
        lock
    };
    let (answer, lock) = tokio::join!(scene.tick(), killed);
    let error = answer.expect_err("killed");
    assert!(error.contains("Runtime.ExitError"), "{place:?}: {error}");
    if let Some(lock) = lock {
        lock.release().await;
    }
}

/// Minutes until the controller has brought its work to an end.
async fn until(scene: &mut Scene, place: Place, done: impl Fn(&Scene, &serde_json::Value) -> bool) {
    let goes_on = async {
        loop {
            let report = scene.minute().await;
            if done(scene, &report) {
                return;
            }
            // An intent of a dead process is settled after its deadline, in real time.
            sleep(Duration::from_millis(300)).await;
        }
    };
    let ended = timeout(PATIENCE, goes_on).await;
    ended.unwrap_or_else(|_| panic!("it did not go on after {place:?}"));
}

fn setup() -> Setup {
    Setup {
        // The deadline of a write is 1.5 s before it, and a dead process's intent is
        // settled 2 s after that.
        timeout: Duration::from_secs(6),
        ..Setup::default()
    }
}

/// What must be so after each killed tick has been made good.
async fn sound(scene: &Scene, place: Place) {
    let journal = scene.journal().await;
    assert!(journal.outbox.is_empty(), "{place:?}: {:?}", journal.outbox);
    let run = journal.run.expect("a run");
    assert!(run.intent.is_none(), "{place:?}: nothing is left open");

    let mut sent: BTreeMap<String, usize> = BTreeMap::new();
    for (id, _) in scene.page_ids() {
        *sent.entry(id).or_default() += 1;
    }
    let mut noted = 0;
    let mut last_minute = None;
    for stamped in scene.events().await {
        match stamped.event {
            Event::Delivered { channel: Channel::Pager, items } => noted += items.len(),
            Event::Started { .. } => last_minute = None,
            Event::Ticked { minutes, .. } => {
                for minute in minutes.iter().filter_map(|entry| entry.minute().ok()) {
                    let next = last_minute.is_none_or(|last| minute.0 == last + 1);
                    assert!(next, "{place:?}: each minute once, in order");
                    last_minute = Some(minute.0);
                }
            }
            _ => {}
        }
    }
    assert_eq!(noted, sent.len(), "{place:?}: every page came and is noted once: {sent:?}");
    // A page that was accepted and not noted comes again under the same id.
    let again = sent.values().filter(|times| **times > 1).count();
    let may = usize::from(matches!(place, Place::Sending("PutEvents") | Place::Noting));
    assert!(again <= may * sent.len(), "{place:?}: {sent:?}");
}

fn applied(events: &[rollout_controller::domain::event::Stamped], percent: f64) -> usize {
    let is = |event: &Event| matches!(event, Event::Applied { to, .. } if (to.percent() - percent).abs() < 1e-9);
    events.iter().filter(|stamped| is(&stamped.event)).count()
}

/// Plays a scene for every place, three at a time: most of it is waiting.
async fn everywhere<S: Future<Output = ()> + Send>(
    scene: impl Fn(Place) -> S + Copy + Send + 'static,
) {
    let mut players = JoinSet::new();
    for first in 0..3 {
        players.spawn(async move {
            for place in PLACES.iter().skip(first).step_by(3) {
                scene(*place).await;
            }
        });
    }
    players.join_all().await;
}

/// `None`: no database here.
async fn started() -> Option<Scene> {
    let scene = Scene::new(Database::shared().await, setup()).await?;
    scene.order(&["start", "--reason", "scorer 2.4", "--yes"]).await;
    Some(scene)
}

fn written(shares: &[u32]) -> Vec<(String, u32)> {
    let by_us = |share: &u32| ("ModifyRule".to_owned(), *share);
    shares.iter().map(by_us).collect()
}

async fn first_step(place: Place) {
    let Some(mut scene) = started().await else {
        return;
    };
    tick_killed(&mut scene, place).await;
    until(&mut scene, place, |scene, report| scene.rust_percent() == 1 && report["weight"] == 10)
        .await;
    scene.minute().await;
    assert_eq!(scene.changes(), written(&[1]), "{place:?}: written once");
    assert_eq!(applied(&scene.events().await, 1.0), 1, "{place:?}");
    sound(&scene, place).await;
    scene.cloud.shutdown().await;
}

async fn rollback(place: Place) {
    let Some(mut scene) = started().await else {
        return;
    };
    scene.reach(1).await;
    scene.errors = 0.5;
    tick_killed(&mut scene, place).await;
    until(&mut scene, place, |scene, report| {
        scene.rust_percent() == 0 && report["state"] == "rolled back"
    })
    .await;
    scene.minute().await;
    assert_eq!(scene.changes(), written(&[1, 0]), "{place:?}");
    assert_eq!(applied(&scene.events().await, 0.0), 1, "{place:?}");
    assert_eq!(scene.rust_percent(), 0);
    sound(&scene, place).await;
    scene.cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_step_killed_anywhere_happens_once() {
    everywhere(first_step).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_killed_anywhere_reaches_zero() {
    everywhere(rollback).await;
}
