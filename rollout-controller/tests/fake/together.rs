//! Many rollouts in one tick: one slow dependency costs all of them once, and
//! whoever is sick goes first.

use crate::in_front::{Differs, InFront};
use crate::pretend::{Night, config_with};
use async_trait::async_trait;
use rollout_controller::config::Config;
use rollout_controller::controller::command::command;
use rollout_controller::controller::tick::{TickOutcome, TickResult, tick};
use rollout_controller::domain::command::Order;
use rollout_controller::domain::message::Channel;
use rollout_controller::domain::observation::{AlarmState, RouteSeen, Share};
use rollout_controller::domain::outbox::Debt;
use rollout_controller::domain::route::Route;
use rollout_controller::domain::weight::Weight;
use rollout_controller::ports::{
    Entry, Inserted, Ledger, LedgerError, MessageError, Messages, Snapshot, Traffic, TrafficError,
    World, WritePermit, Written,
};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const ROLLOUTS: usize = 100;
const SICK: [usize; 7] = [3, 17, 31, 48, 64, 82, 99];
const WELL: [usize; 7] = [0, 16, 32, 49, 65, 83, 98];

/// One rollout for each route, all over one pretend world; each has an alarm.
fn hundred() -> (Night, Config) {
    let names: Vec<String> = (0..ROLLOUTS).map(|number| format!("r{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let all = config_with("", "[rollout.alarms]\nrollback_on = [\"rust\"]", &names);
    let night = Night::new(all.clone());
    let mut config = all.clone();
    config.rollouts = all.rollouts[0]
        .terms
        .routes
        .iter()
        .map(|route| {
            let mut rollout = all.rollouts[0].clone();
            rollout.name.clone_from(&route.name);
            rollout.terms.routes = vec![route.clone()];
            rollout.settings.rollback_on = vec![format!("{}-errors", route.name)];
            rollout
        })
        .collect();
    for name in names {
        night.pretend.alarm(&format!("{name}-errors"), AlarmState::Ok);
    }
    night.pretend.state().requests_per_minute = 30.0;
    night.hour_of_python();
    (night, config)
}

async fn start(night: &Night, config: &Config, rollouts: impl Iterator<Item = usize>) {
    for number in rollouts {
        let mut request = Night::request(Order::Start, 0);
        request.rollout = Some(config.rollouts[number].name.clone());
        let answer = command(&night.world, config, &request, night.schedule()).await.unwrap();
        assert_eq!(crate::pretend::word(&answer), "applied", "{}", answer.message);
    }
}

/// A ledger that takes five milliseconds, counts, and may stop to answer.
struct Far {
    ledger: Arc<dyn Ledger>,
    reads: AtomicU32,
    inserts: AtomicU32,
    unanswered: AtomicU32,
    reads_hang: AtomicBool,
    inserts_hang: AtomicBool,
}

impl Far {
    fn over(ledger: Arc<dyn Ledger>) -> Arc<InFront<Self>> {
        Arc::new(InFront(Self {
            ledger,
            reads: AtomicU32::new(0),
            inserts: AtomicU32::new(0),
            unanswered: AtomicU32::new(0),
            reads_hang: AtomicBool::new(false),
            inserts_hang: AtomicBool::new(false),
        }))
    }

    async fn trip(&self, calls: &AtomicU32, hangs: &AtomicBool) {
        calls.fetch_add(1, Ordering::Relaxed);
        if hangs.load(Ordering::Relaxed) {
            self.unanswered.fetch_add(1, Ordering::Relaxed);
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[async_trait]
impl Differs for Far {
    fn behind(&self) -> &dyn Ledger {
        &*self.ledger
    }
    async fn read_all(&self, rollouts: &[&str], version: i64) -> Vec<Result<Written, LedgerError>> {
        self.trip(&self.reads, &self.reads_hang).await;
        self.ledger.read_all(rollouts, version).await
    }
    async fn insert(
        &self,
        rollout: &str,
        entries: &[Entry],
        snapshot: Option<&Snapshot>,
    ) -> Result<Inserted, LedgerError> {
        self.trip(&self.inserts, &self.inserts_hang).await;
        self.ledger.insert(rollout, entries, snapshot).await
    }
}

/// A load balancer that takes a while to write, and remembers in which order.
struct Watched {
    traffic: Arc<dyn Traffic>,
    /// Begin (`true`) and end of each write, and whether it was a raise.
    writes: Mutex<Vec<(bool, bool)>>,
}

#[async_trait]
impl Traffic for Watched {
    async fn read(&self, route: &Route) -> Result<RouteSeen, TrafficError> {
        self.traffic.read(route).await
    }
    async fn shift(
        &self,
        permit: &WritePermit,
        route: &Route,
        from: Option<Weight>,
        to: Weight,
    ) -> Result<Share, TrafficError> {
        let raises = from.is_some_and(|from| to > from);
        self.writes.lock().unwrap().push((true, raises));
        tokio::time::sleep(Duration::from_millis(20)).await;
        let shifted = self.traffic.shift(permit, route, from, to).await;
        self.writes.lock().unwrap().push((false, raises));
        shifted
    }
    async fn rewrite(&self, permit: &WritePermit, route: &Route) -> Result<Share, TrafficError> {
        self.traffic.rewrite(permit, route).await
    }
}

/// Seven with an alarm and seven that are well at their first stage, and all the
/// others about to rise to it.
async fn some_sick() -> (Night, Config) {
    let (night, config) = hundred();
    start(&night, &config, SICK.into_iter().chain(WELL)).await;
    let _ = tick(&night.world, &config, night.schedule()).await;
    for number in SICK.into_iter().chain(WELL) {
        assert!(night.shows(&format!("r{number}")) > 0.0, "r{number} has risen");
    }
    night.pretend.pass_minute();
    let others = (0..ROLLOUTS).filter(|number| !SICK.contains(number) && !WELL.contains(number));
    start(&night, &config, others).await;
    for sick in SICK {
        night.pretend.alarm(&format!("r{sick}-errors"), AlarmState::Alarm);
    }
    (night, config)
}

fn sick_are_down(night: &Night) {
    for sick in SICK {
        assert!(night.shows(&format!("r{sick}")).abs() < f64::EPSILON, "r{sick}");
    }
}

#[tokio::test]
async fn seven_of_a_hundred_are_sick_and_go_first() {
    let (mut night, config) = some_sick().await;
    let far = Far::over(night.world.ledger.clone());
    let watched =
        Arc::new(Watched { traffic: night.world.traffic.clone(), writes: Mutex::default() });
    night.world = World { ledger: far.clone(), traffic: watched.clone(), ..night.world };
    let begin = Instant::now();
    let outcomes = tick(&night.world, &config, night.schedule()).await;
    eprintln!("{ROLLOUTS} rollouts, {} of them sick: {:?}", SICK.len(), begin.elapsed());
    sick_are_down(&night);
    let writes = watched.writes.lock().unwrap().clone();
    let lowerings = writes.iter().filter(|write| **write == (false, false)).count();
    let raises = writes.iter().filter(|write| **write == (true, true)).count();
    assert_eq!((lowerings, raises), (SICK.len(), ROLLOUTS - SICK.len() - WELL.len()));
    let last = writes.iter().rposition(|write| *write == (false, false));
    let first = writes.iter().position(|write| *write == (true, true));
    assert!(last < first, "every lowering ends before any raise begins: {writes:?}");

    assert_eq!(far.reads.load(Ordering::Relaxed), 1, "all journals by one question");
    let moved = outcomes.iter().filter(|outcome| moved(outcome)).count();
    // One entry each, and for a change its outcome and the note of what was sent.
    let inserts = far.inserts.load(Ordering::Relaxed) as usize;
    assert!(inserts <= ROLLOUTS + 2 * moved, "{inserts} with {moved} changes");

    // A tick in which nothing changes.
    night.pretend.pass_minute();
    far.reads.store(0, Ordering::Relaxed);
    far.inserts.store(0, Ordering::Relaxed);
    let _ = tick(&night.world, &config, night.schedule()).await;
    assert_eq!(far.reads.load(Ordering::Relaxed), 1);
    assert!(far.inserts.load(Ordering::Relaxed) as usize <= ROLLOUTS, "one entry each at most");
}

#[tokio::test]
async fn a_ledger_that_hangs_is_waited_for_once() {
    for hangs_on_reading in [true, false] {
        let (mut night, config) = some_sick().await;
        let far = Far::over(night.world.ledger.clone());
        let hangs = if hangs_on_reading { &far.reads_hang } else { &far.inserts_hang };
        hangs.store(true, Ordering::Relaxed);
        night.world = World { ledger: far.clone(), ..night.world };
        // Nothing is remembered from before: what a cold start knows.
        night.world.memory = Arc::default();
        let _ = tick(&night.world, &config, night.schedule()).await;
        assert_eq!(far.unanswered.load(Ordering::Relaxed), 1, "the second to ask is not kept");
        sick_are_down(&night);
        for number in WELL {
            assert!(night.shows(&format!("r{number}")) > 0.0, "r{number} is well and stays");
        }
    }
}

/// A channel that takes every message and never says so.
struct Mute {
    messages: Arc<dyn Messages>,
    asked: AtomicU32,
}

#[async_trait]
impl Messages for Mute {
    fn has(&self, channel: Channel) -> bool {
        self.messages.has(channel)
    }
    async fn send(&self, channel: Channel, message: &Debt) -> Result<(), MessageError> {
        if channel == Channel::Pager {
            self.asked.fetch_add(1, Ordering::Relaxed);
            std::future::pending::<()>().await;
        }
        self.messages.send(channel, message).await
    }
}

#[tokio::test]
async fn a_pager_that_hangs_keeps_no_rollout_from_acting_and_no_chat_from_speaking() {
    let (mut night, config) = some_sick().await;
    let mute = Arc::new(Mute { messages: night.world.messages.clone(), asked: AtomicU32::new(0) });
    night.world = World { messages: mute.clone(), ..night.world };
    let outcomes = tick(&night.world, &config, night.schedule()).await;
    sick_are_down(&night);
    assert!(outcomes.iter().all(|outcome| matches!(outcome.result, TickResult::Recorded { .. })));
    assert!(mute.asked.load(Ordering::Relaxed) >= 7, "each had its turn");
    let TickResult::Recorded { journal, .. } = &outcomes[SICK[0]].result else {
        unreachable!("all are recorded")
    };
    assert!(!journal.outbox.is_empty(), "what the pager did not take is still due");
}

fn moved(outcome: &TickOutcome) -> bool {
    matches!(&outcome.result, TickResult::Recorded { step: Some(_), .. })
}
