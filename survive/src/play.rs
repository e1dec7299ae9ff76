//! Plays a plan: one thread, simulated time, the production code in it.

mod calm;
pub mod explore;
mod happen;
mod processes;
mod setting;

use crate::books::{Books, Broken, Invariant};
use crate::cloud::{Cloud, Ours, Rows, Service, State, Timeline};
use crate::effects::Effects;
use crate::fate::{Call, Cells, Fate};
use crate::plan::Plan;
use crate::time::Time;
use jiff::SignedDuration;
use rollout_controller::api::{CommandOutcome, Status};
use rollout_controller::controller::protect::Memory;
use rollout_controller::controller::step::StepError;
use rollout_controller::controller::store;
use rollout_controller::controller::tick::{TickOutcome, TickResult};
use rollout_controller::domain::code::{Code, CodeSeen};
use rollout_controller::domain::command::Request;
use rollout_controller::domain::copy::OutsideOrder;
use rollout_controller::domain::event::Stamped;
use rollout_controller::domain::observation::AlarmState;
use rollout_controller::report::tick::TickReport;
use setting::{build, configuration};
use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// When histories begin, each some minutes after: 24 November 2026, 08:00 UTC, in
/// milliseconds.
pub const BEGINS_MS: i64 = 1_795_507_200_000;
/// A process may write for so long, `BUDGET` of the Lambda handler.
const BUDGET: SignedDuration = SignedDuration::from_secs(20);
/// Lambda ends a process after this, in milliseconds.
const TIMEOUT_MS: i64 = 60_000;
/// A healthy service must be at 100% so many minutes after the last fault.
pub const COMPLETES_WITHIN: i64 = 100;
/// A bad one at 0%.
pub const ENDS_WITHIN: i64 = 45;

/// How a history went.
#[derive(Clone, Debug)]
pub struct Played {
    /// When it began.
    pub begins_ms: i64,
    /// The first invariant that did not hold.
    pub broken: Option<Broken>,
    /// Faults that happened: process, number of the call, and what.
    pub faults: Vec<(u64, u32, Call, Fate)>,
    /// How often each cell was reached.
    pub cells: Cells,
    /// Simulated minutes.
    pub minutes: i64,
    /// Calls that were made.
    pub calls: u64,
    /// Processes that were ended.
    pub kills: u64,
    /// Processes that stood still.
    pub freezes: u64,
    /// What happened; empty unless asked for.
    pub story: Vec<(i64, String)>,
    /// A number that depends on everything that happened.
    pub fingerprint: u64,
    /// A number that depends on everything that was written, sent and answered; 0 unless
    /// asked for.
    pub effects: u64,
}

enum Done {
    Tick(Vec<TickOutcome>),
    Answer(Box<Request>, Box<Result<CommandOutcome, StepError>>),
    Direct(String, Box<OutsideOrder>, bool),
    Status(Box<Status>),
    Pressed,
}

struct Flag {
    uid: u64,
    queued: AtomicBool,
    ready: Arc<Mutex<VecDeque<u64>>>,
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        if !self.queued.swap(true, Ordering::Relaxed) {
            self.ready.lock().unwrap_or_else(PoisonError::into_inner).push_back(self.uid);
        }
    }
}

struct Process {
    name: String,
    work: Pin<Box<dyn Future<Output = Done> + Send>>,
    flag: Arc<Flag>,
    began_ms: i64,
    frozen_until_ms: i64,
    memory: Arc<Memory>,
}
struct Player<'a> {
    plan: &'a Plan,
    cloud: Cloud,
    version: usize,
    builds: u32,
    skew: (i64, i64),
    processes: BTreeMap<u64, Process>,
    ready: Arc<Mutex<VecDeque<u64>>>,
    memories: Vec<Arc<Memory>>,
    last: BTreeMap<&'static str, Request>,
    robots: u64,
    kills: u64,
    freezes: u64,
    fingerprint: u64,
}

/// Plays a plan to its end, or to the first invariant that does not hold.
pub fn play(plan: &Plan, tell: bool) -> Played {
    let mut player = Player::new(plan, tell);
    player.run();
    player.finish()
}

/// The same, and what was written, sent and answered in it.
pub fn play_for_effects(plan: &Plan) -> Played {
    let mut player = Player::new(plan, false);
    player.cloud.state().effects = Some(Effects::default());
    player.run();
    player.finish()
}

impl<'a> Player<'a> {
    fn new(plan: &'a Plan, tell: bool) -> Self {
        let config = configuration(plan, 0);
        let mut rules = BTreeMap::new();
        for rollout in &config.rollouts {
            for route in &rollout.terms.routes {
                let ours = Ours::new(&rollout.name, route);
                rules.insert(route.rule.as_str().to_owned(), ours);
            }
        }
        let names: Vec<&str> = config.rollouts.iter().map(|r| r.name.as_str()).collect();
        let alarms = ["rs-errors", "py-errors", "db"]
            .map(|name| (name.to_owned(), Timeline::new(AlarmState::Ok)));
        let state = State {
            seed: plan.seed,
            rates: plan.rates.clone(),
            calm_ms: plan.begins_ms() + plan.minutes * 60_000,
            muted: plan.muted.clone(),
            faults: Vec::new(),
            outages: Vec::new(),
            rules,
            journals: BTreeMap::new(),
            outside: BTreeMap::new(),
            alarms: alarms.into(),
            service: Timeline::new(Service::Good),
            compares: Timeline::new(true),
            old_code: Timeline::new(CodeSeen::Is(Code::Version {
                function: "scorer-py".to_owned(),
                version: "1".to_owned(),
            })),
            new_code: Timeline::new(build(1)),
            late_ms: BTreeMap::new(),
            inbox: Vec::new(),
            books: Books::new(&names),
            cells: BTreeMap::new(),
            kills: Vec::new(),
            freezes: Vec::new(),
            story: tell.then(Vec::new),
            effects: None,
            steps: None,
        };
        Self::on(plan, state, plan.begins_ms())
    }

    /// In a world that is there already, at this time.
    fn on(plan: &'a Plan, state: State, now_ms: i64) -> Self {
        Self {
            plan,
            cloud: Cloud::new(state, Time::new(now_ms)),
            version: 0,
            builds: 1,
            skew: (0, 0),
            processes: BTreeMap::new(),
            ready: Arc::default(),
            memories: Vec::new(),
            last: BTreeMap::new(),
            robots: 0,
            kills: 0,
            freezes: 0,
            fingerprint: 0,
        }
    }

    fn now_ms(&self) -> i64 {
        self.cloud.time.now_ms()
    }

    fn is_broken(&self) -> bool {
        self.cloud.state().books.broken.is_some()
    }

    fn tell(&self, sentence: impl FnOnce() -> String) {
        let now_ms = self.now_ms();
        self.cloud.state().tell(now_ms, sentence);
    }

    // ------------------------------------------------------------- the course

    fn run(&mut self) {
        let plan = self.plan;
        for happening in &plan.happenings {
            self.pass(plan.begins_ms() + happening.at_ms);
            if self.is_broken() {
                return;
            }
            self.happen(happening);
        }
        let calm_ms = plan.begins_ms() + plan.minutes * 60_000;
        self.pass(calm_ms);
        self.calm(calm_ms);
    }

    // ------------------------------------------------------------ the executor

    /// Lets everything happen up to a time.
    fn pass(&mut self, until_ms: i64) {
        loop {
            self.poll_ready();
            if self.is_broken() {
                return;
            }
            match self.cloud.time.next_ms() {
                Some(next_ms) if next_ms <= until_ms => self.cloud.time.step(),
                Some(_) | None => break,
            }
        }
        self.cloud.time.pass_to(until_ms);
        let now_ms = self.now_ms();
        let old: Vec<u64> = self
            .processes
            .iter()
            .filter(|(_, process)| now_ms - process.began_ms > TIMEOUT_MS + 90_000)
            .map(|(uid, _)| *uid)
            .collect();
        for uid in old {
            self.kill(uid, "times out");
        }
    }

    fn poll_ready(&mut self) {
        loop {
            let next = self.ready.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some(uid) = next else { return };
            let now_ms = self.now_ms();
            let Some(process) = self.processes.get_mut(&uid) else { continue };
            if process.frozen_until_ms > now_ms {
                let (flag, wakes_ms) = (Arc::clone(&process.flag), process.frozen_until_ms);
                self.cloud.time.at(
                    wakes_ms,
                    Box::new(move || {
                        flag.queued.store(false, Ordering::Relaxed);
                        flag.wake();
                    }),
                );
                continue;
            }
            process.flag.queued.store(false, Ordering::Relaxed);
            let waker = Waker::from(Arc::clone(&process.flag));
            let done = process.work.as_mut().poll(&mut Context::from_waker(&waker));
            self.fingerprint = crate::chance::number(
                self.fingerprint,
                &[uid, now_ms.unsigned_abs(), u64::from(done.is_ready())],
            );
            if let Poll::Ready(done) = done
                && let Some(process) = self.processes.remove(&uid)
            {
                self.cloud.state().books.over(uid, now_ms);
                self.memories.push(process.memory);
                self.ended(uid, &process.name, done);
            }
            self.obey();
        }
    }

    /// Ends and stops what is to be ended and stopped.
    fn obey(&mut self) {
        let (kills, freezes) = {
            let mut state = self.cloud.state();
            (std::mem::take(&mut state.kills), std::mem::take(&mut state.freezes))
        };
        for (uid, until_ms) in freezes {
            if let Some(process) = self.processes.get_mut(&uid) {
                process.frozen_until_ms = until_ms;
                let name = process.name.clone();
                self.freezes += 1;
                self.cloud.state().books.froze(uid);
                let ms = until_ms - self.now_ms();
                self.tell(|| format!("{name}: stands still for {ms} ms"));
            }
        }
        for uid in kills {
            self.kill(uid, "dies");
        }
    }

    fn kill(&mut self, uid: u64, how: &str) {
        if let Some(process) = self.processes.remove(&uid) {
            self.kills += 1;
            let now_ms = self.now_ms();
            self.cloud.state().books.died(uid, now_ms);
            self.tell(|| format!("{}: {how}", process.name));
        }
    }

    fn ended(&mut self, uid: u64, name: &str, done: Done) {
        let now_ms = self.now_ms();
        match done {
            Done::Tick(outcomes) => {
                for outcome in &outcomes {
                    let said = said(outcome);
                    self.tell(|| format!("{name}: ends, {}: {said}", outcome.rollout));
                    self.cloud.state().effect(|| TickReport::of(outcome, now_ms));
                    if let TickResult::Failed(error) = &outcome.result {
                        let text = error.to_string();
                        if !matches!(error, StepError::Journal(_)) {
                            self.cloud.state().books.breaks(Invariant::NothingFails, now_ms, text);
                        }
                    }
                }
                let mut state = self.cloud.state();
                let lately = state.service.within(now_ms - 8 * 60_000, now_ms);
                let old_is_bad = lately
                    .iter()
                    .any(|(_, service)| matches!(service, Service::OldFails | Service::BothSlow));
                let truth = state.truth();
                state.books.tick_ended(uid, old_is_bad, &truth, now_ms);
            }
            Done::Answer(request, answer) => match *answer {
                Ok(outcome) => {
                    self.tell(|| format!("{name}: {:?}, {}", outcome.outcome, outcome.message));
                    let mut state = self.cloud.state();
                    state.effect(|| &outcome);
                    let truth = state.truth();
                    state.books.answered(uid, &request, &outcome, &truth, now_ms);
                }
                Err(error) => {
                    self.tell(|| format!("{name}: fails, {error}"));
                    if !matches!(error, StepError::Journal(_)) {
                        let text = error.to_string();
                        self.cloud.state().books.breaks(Invariant::NothingFails, now_ms, text);
                    }
                }
            },
            Done::Direct(rollout, order, done) => {
                self.tell(|| format!("{name}: done {done}"));
                if done {
                    self.cloud.state().books.direct_answered(&rollout, &order, now_ms);
                }
            }
            Done::Status(status) => {
                self.tell(|| format!("{name}: “{}”", status.headline));
                self.cloud.state().effect(|| &status);
                self.cloud.state().books.shown_status(uid, &status, now_ms);
            }
            Done::Pressed => {}
        }
    }

    fn finish(self) -> Played {
        let mut state = self.cloud.state();
        let calls = state.cells.values().sum();
        Played {
            broken: state.books.broken.clone(),
            faults: std::mem::take(&mut state.faults),
            cells: std::mem::take(&mut state.cells),
            begins_ms: self.plan.begins_ms(),
            minutes: (self.now_ms() - self.plan.begins_ms()) / 60_000,
            calls,
            kills: self.kills,
            freezes: self.freezes,
            story: state.story.take().unwrap_or_default(),
            fingerprint: self.fingerprint,
            effects: state.effects.take().map_or(0, Effects::number),
        }
    }
}

fn events(rollout: &str, rows: &Rows) -> Vec<Stamped> {
    let read = rows.entries.iter().map(|entry| store::event_of(rollout, entry));
    read.filter_map(Result::ok).collect()
}

fn said(outcome: &TickOutcome) -> String {
    match &outcome.result {
        TickResult::Recorded { decision, step, .. } => {
            let decided = decision.as_ref().map_or("no run".to_owned(), |d| format!("{d:?}"));
            let decided: String = decided.chars().take(160).collect();
            format!("{decided}{}", step.as_ref().map_or("", |_| ", wrote"))
        }
        TickResult::LostRace(_) => "another was first".to_owned(),
        TickResult::FromTheFuture(protected) => format!("from the future, {:?}", protected.did),
        TickResult::Protected { why, protected } => {
            format!("protects ({why}): {:?}", protected.did)
        }
        TickResult::Failed(error) => format!("fails: {error}"),
    }
}
