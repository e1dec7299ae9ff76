//! Several at once, twice, late, or cut off: exactly one effect (invariant 5).
//!
//! The journal is a real PostgreSQL behind a transaction pooler with fewer servers
//! than clients; every contender has a connection of its own, as a Lambda has.
//! Traffic and metrics are pretended, so that the end is known.

use crate::in_front::Halting;
use crate::pretend::{self, config};
use crate::{journal, peers};
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use local_cloud::pgbouncer::Pgbouncer;
use local_cloud::postgres::PrivatePostgres;
use rollout_controller::adapters::ledger::SqlLedger;
use rollout_controller::api::CommandOutcome;
use rollout_controller::config::Config;
use rollout_controller::controller::command::command;
use rollout_controller::controller::tick::tick;
use rollout_controller::controller::{Schedule, store};
use rollout_controller::domain::command::{Order, Request, Verdict};
use rollout_controller::domain::event::{Event, Stamped};
use rollout_controller::domain::journal::Journal;
use rollout_controller::domain::message::Page;
use rollout_controller::domain::observation::Share;
use rollout_controller::domain::weight::Weight;
use rollout_controller::ports::World;
use rollout_controller::report::tick::TickReport;
use rollout_controller::world::Pretend;
use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A database behind a pooler, with the tables made.
struct Database {
    _postgres: PrivatePostgres,
    pooler: Pgbouncer,
}

impl Database {
    /// `None` where it is not installed; required where peers are.
    async fn new() -> Option<Self> {
        let postgres = peers::plain_postgres().await?;
        let pooler = peers::pgbouncer(&postgres).await?;
        journal::migrated(&postgres.url("postgres")).await;
        Some(Self { _postgres: postgres, pooler })
    }

    fn ledger(&self) -> SqlLedger {
        journal::ledger_at(&self.pooler.url("postgres"))
    }
}

/// One rollout in a pretend world, with its journal in the database.
struct Arena<'a> {
    database: &'a Database,
    pretend: Pretend,
    config: Config,
}

impl<'a> Arena<'a> {
    fn new(database: &'a Database, name: &str) -> Self {
        let mut config = config();
        name.clone_into(&mut config.rollouts[0].name);
        let start: Timestamp = pretend::START.parse().expect("a time");
        let pretend = Pretend::new(1, &config.rollouts[0].terms.routes, start);
        for _ in 0..60 {
            pretend.pass_minute();
        }
        Self { database, pretend, config }
    }

    fn name(&self) -> &str {
        &self.config.rollouts[0].name
    }

    /// A process of its own: the same world, another connection.
    fn process(&self) -> World {
        World { ledger: Arc::new(self.database.ledger()), ..self.pretend.world() }
    }

    fn schedule(&self) -> Schedule {
        let scheduled = self.pretend.now();
        let deadline = scheduled.saturating_add(SignedDuration::from_secs(20));
        Schedule { scheduled, deadline: deadline.expect("a time") }
    }

    async fn tick(&self, process: &World) -> TickReport {
        self.tick_at(process, self.schedule()).await
    }

    async fn tick_at(&self, process: &World, schedule: Schedule) -> TickReport {
        let outcome = tick(process, &self.config, schedule).await.remove(0);
        TickReport::of(&outcome, schedule.scheduled.as_millisecond())
    }

    async fn order(&self, process: &World, id: &str, order: Order) -> CommandOutcome {
        let revision = self.journal().await.revision;
        let request = Request {
            rollout: Some(self.name().to_owned()),
            id: id.to_owned(),
            if_revision: Some(revision),
            identity: "ada".to_owned(),
            reason: "race".to_owned(),
            dry_run: false,
            order,
        };
        command(process, &self.config, &request, self.schedule()).await.expect("an answer")
    }

    async fn journal(&self) -> Journal {
        let ledger = self.database.ledger();
        let loaded = store::load(&ledger, self.name()).await;
        loaded.expect("a journal").journal
    }

    async fn events(&self) -> Vec<Stamped> {
        events(&self.process(), self.name()).await
    }

    fn share(&self) -> Weight {
        share(&self.pretend)
    }

    fn writes(&self) -> u32 {
        writes(&self.pretend)
    }
}

async fn events(world: &World, name: &str) -> Vec<Stamped> {
    let entries = world.ledger.history(name, None, u32::MAX).await;
    let mut entries = entries.expect("entries");
    entries.reverse();
    let read = entries.iter().map(|entry| store::event_of(name, entry));
    read.map(|event| event.expect("an event")).collect()
}

fn share(pretend: &Pretend) -> Weight {
    match pretend.shows("public") {
        Share::Weight(weight) => weight,
        Share::Foreign(what) => panic!("{what}"),
    }
}

fn writes(pretend: &Pretend) -> u32 {
    pretend.state().rules.values().map(|rule| rule.writes).sum()
}

fn percent(value: f64) -> Weight {
    Weight::from_percent(value).expect("a weight")
}

/// Changes of weight that were made, in order.
fn applied(events: &[Stamped]) -> Vec<(Weight, Weight)> {
    let applied = events.iter().filter_map(|stamped| match &stamped.event {
        Event::Applied { from, to, .. } => Some((*from, *to)),
        _ => None,
    });
    applied.collect()
}

/// Minutes judged, in the order of the journal.
fn judged(events: &[Stamped]) -> Vec<i64> {
    let minutes = events.iter().filter_map(|stamped| match &stamped.event {
        Event::Ticked { minutes, .. } => {
            Some(minutes.iter().filter_map(|entry| Some(entry.minute().ok()?.0)))
        }
        _ => None,
    });
    minutes.flatten().collect()
}

fn each_once_and_in_order(minutes: &[i64]) {
    for pair in minutes.windows(2) {
        assert_eq!(pair[1], pair[0] + 1, "minutes are judged once each, in order");
    }
}

fn steps(stages: &[f64]) -> Vec<(Weight, Weight)> {
    let stages = stages.iter().map(|stage| percent(*stage));
    let stages: Vec<Weight> = stages.collect();
    stages.windows(2).map(|pair| (pair[0], pair[1])).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ticks_at_the_same_time_have_the_effect_of_one() {
    let Some(database) = Database::new().await else {
        return;
    };
    let arena = Arena::new(&database, "together");
    let processes = [arena.process(), arena.process(), arena.process()];
    arena.order(&processes[0], "start", Order::Start).await;
    let mut lost = 0;
    for _ in 0..200 {
        let together = processes.iter().map(|process| arena.tick(process));
        for report in join_all(together).await {
            assert_eq!(report.error_type, None, "{}", report.message);
            lost += usize::from(report.did == "skipped");
        }
        if arena.journal().await.run.is_some_and(|run| !run.is_open()) {
            break;
        }
        arena.pretend.pass_minute();
    }
    let events = arena.events().await;
    let all = steps(&[0.0, 1.0, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0]);
    assert_eq!(applied(&events), all);
    assert_eq!(arena.writes(), 7, "each change was written once");
    each_once_and_in_order(&judged(&events));
    assert!(lost > 0, "no tick ever lost a race: nothing was tested");
    // Pages may be repeated under the same id, and every one is known to be sent.
    let pages: BTreeSet<String> = arena.pretend.state().pages.iter().map(Page::id).collect();
    assert_eq!(pages.len(), 9, "started, seven stages, completed: {pages:?}");
    assert!(arena.journal().await.outbox.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_rollback_beside_a_tick_always_ends_at_zero() {
    let Some(database) = Database::new().await else {
        return;
    };
    let arena = Arena::new(&database, "beside");
    let (ticking, commanding) = (arena.process(), arena.process());
    for round in 0..16_usize {
        let started = arena.order(&commanding, &format!("start-{round}"), Order::Start).await;
        assert_eq!(started.outcome, Verdict::Applied, "{}", started.message);
        // Now beside the first step, now beside a quiet minute, now beside an advance.
        for _ in 0..round {
            arena.tick(&ticking).await;
            arena.pretend.pass_minute();
        }
        let id = format!("rollback-{round}");
        let (report, answer) =
            tokio::join!(arena.tick(&ticking), arena.order(&commanding, &id, Order::Rollback));
        assert_eq!(report.error_type, None, "{}", report.message);
        // Incomplete where its last look met the tick's step, which the tick takes back.
        let taken =
            matches!(answer.outcome, Verdict::Applied | Verdict::AlreadySo | Verdict::Incomplete);
        assert!(taken, "round {round}: {}", answer.message);
        for _ in 0..3 {
            arena.pretend.pass_minute();
            arena.tick(&ticking).await;
            assert_eq!(arena.share(), Weight::ZERO, "round {round}");
        }
        let run = arena.journal().await.run.expect("a run");
        assert_eq!(run.phase.words(), "rolled back", "round {round}");
    }
    let events = arena.events().await;
    let mut ordered = 0;
    let mut rolled_back = false;
    for stamped in &events {
        match &stamped.event {
            Event::Started { .. } => rolled_back = false,
            Event::RollbackOrdered { .. } => {
                ordered += 1;
                rolled_back = true;
            }
            Event::Intended { to, .. } => {
                assert!(!rolled_back || *to == Weight::ZERO, "{stamped:?}");
            }
            _ => {}
        }
    }
    assert!(ordered > 0 && ordered <= 16, "{ordered}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_command_sent_by_several_is_one_command() {
    let Some(database) = Database::new().await else {
        return;
    };
    let arena = Arena::new(&database, "one-command");
    let processes: Vec<World> = (0..5).map(|_| arena.process()).collect();
    let start = |process| arena.order(process, "start", Order::Start);
    let answers = join_all(processes.iter().map(start)).await;
    let count = |verdict| answers.iter().filter(|a| a.outcome == verdict).count();
    assert_eq!((count(Verdict::Applied), count(Verdict::AlreadySo)), (1, 4));

    arena.tick(&processes[0]).await;
    let pause = Order::Pause { for_minutes: None };
    let send = |process| arena.order(process, "pause", pause.clone());
    let answers = join_all(processes.iter().map(send)).await;
    let count = |verdict| answers.iter().filter(|a| a.outcome == verdict).count();
    assert_eq!((count(Verdict::Applied), count(Verdict::AlreadySo)), (1, 4));
    let events = arena.events().await;
    let kinds = |kind| events.iter().filter(|s| s.event.kind() == kind).count();
    assert_eq!((kinds("started"), kinds("paused")), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ticks_that_come_twice_and_out_of_order_change_nothing() {
    let Some(database) = Database::new().await else {
        return;
    };
    let arena = Arena::new(&database, "twice");
    let process = arena.process();
    arena.order(&process, "start", Order::Start).await;
    let mut schedules = Vec::new();
    for _ in 0..25 {
        let schedule = arena.schedule();
        arena.tick_at(&process, schedule).await;
        schedules.push(schedule);
        arena.pretend.pass_minute();
    }
    let (before, writes) = (arena.events().await, arena.writes());
    assert!(applied(&before).len() >= 2, "something was at stake");
    for schedule in schedules.iter().rev().chain(&schedules) {
        // The queue hands it out again, late: its deadline counts from now.
        let late = Schedule { scheduled: schedule.scheduled, deadline: arena.schedule().deadline };
        let other = arena.process();
        let (one, two) = tokio::join!(arena.tick_at(&process, late), arena.tick_at(&other, late));
        assert_eq!((one.error_type, two.error_type), (None, None));
    }
    let after = arena.events().await;
    assert_eq!(applied(&after), applied(&before));
    assert_eq!(judged(&after), judged(&before));
    assert_eq!(arena.writes(), writes);
}

/// A process that is killed: its future is polled this often and then dropped.
struct Cut<F> {
    work: Pin<Box<F>>,
    polls: usize,
}

impl<F: Future> Future for Cut<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.polls == 0 {
            return Poll::Ready(None);
        }
        self.polls -= 1;
        match self.work.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            // A killed process does not wait for its last answer.
            Poll::Pending if self.polls == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }
}

fn cut<F: Future>(work: F, polls: usize) -> Cut<F> {
    Cut { work: Box::pin(work), polls }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_tick_killed_anywhere_on_its_way_through_the_database_is_made_good() {
    let Some(database) = Database::new().await else {
        return;
    };
    for polls in 1..400 {
        let arena = Arena::new(&database, &format!("cut-{polls}"));
        arena.order(&arena.process(), "start", Order::Start).await;
        let process = arena.process();
        let process = World { ledger: Arc::new(Halting(process.ledger.clone())), ..process };
        let ended = cut(arena.tick(&process), polls).await;
        let survivor = arena.process();
        for _ in 0..3 {
            arena.pretend.pass_minute();
            let report = arena.tick(&survivor).await;
            assert_eq!(report.error_type, None, "{polls}: {}", report.message);
        }
        assert_eq!(arena.share(), percent(1.0), "{polls}");
        assert_eq!(arena.writes(), 1, "{polls}: written once");
        let events = arena.events().await;
        assert_eq!(applied(&events), steps(&[0.0, 1.0]), "{polls}");
        each_once_and_in_order(&judged(&events));
        let journal = arena.journal().await;
        assert!(journal.outbox.is_empty(), "{polls}: {:?}", journal.outbox);
        assert!(journal.run.expect("a run").intent.is_none(), "{polls}");
        if ended.is_some() {
            assert!(polls > 8, "only {polls} places to cut: {ended:?}");
            return;
        }
    }
    panic!("a tick takes more than 400 polls");
}
