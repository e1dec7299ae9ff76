//! The cloud behind the controller's ports. Every call suspends twice, on its way and
//! on the way back, and has a fate; what it does to the world happens at its own time,
//! whatever has become of the process that made it.

mod balancer;
mod ledger;
mod metrics;
mod ports;
mod steps;

pub use balancer::{Ours, Shown, tenths};
pub use ledger::Rows;
pub use metrics::Service;
pub use steps::{LONG_MS, Steps};

use crate::books::Books;
use crate::chance::{Dice, number};
use crate::effects::Effects;
use crate::fate::{Call, Cells, Fate, Rates, impossible};
use crate::time::Time;
use rollout_controller::domain::code::CodeSeen;
use rollout_controller::domain::message::Channel;
use rollout_controller::domain::observation::AlarmState;
use rollout_controller::domain::outbox::Debt;
use rollout_controller::ports::Outside;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A value with its past.
#[derive(Clone, Debug)]
pub struct Timeline<T>(Vec<(i64, T)>);

impl<T: Clone> Timeline<T> {
    /// Has always been this.
    pub fn new(value: T) -> Self {
        Self(vec![(i64::MIN, value)])
    }

    /// Is this from now on.
    pub fn set(&mut self, at_ms: i64, value: T) {
        self.0.push((at_ms, value));
    }

    /// What it was at a time.
    pub fn at(&self, at_ms: i64) -> &T {
        let found = self.0.iter().rev().find(|(since, _)| *since <= at_ms);
        &found.unwrap_or(&self.0[0]).1
    }

    /// What it is.
    pub fn now(&self) -> &T {
        &self.0[self.0.len() - 1].1
    }

    /// Every value within a stretch of time, the one at its beginning included.
    pub fn within(&self, from_ms: i64, until_ms: i64) -> Vec<(i64, T)> {
        let mut all = vec![(from_ms, self.at(from_ms).clone())];
        let later = self.0.iter().filter(|(at, _)| *at > from_ms && *at < until_ms);
        all.extend(later.cloned());
        all
    }
}

/// A dependency that fails for a while, for everybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outage {
    /// Which calls.
    pub calls: Vec<Call>,
    /// How.
    pub fate: Fate,
    /// Until when, in milliseconds.
    pub until_ms: i64,
}

/// Everything there is.
#[derive(Clone)]
pub struct State {
    /// The seed of every draw.
    pub seed: u64,
    /// How often calls fail.
    pub rates: Rates,
    /// No call fails after this time.
    pub calm_ms: i64,
    /// Faults that shrinking left out: process and number of the call.
    pub muted: BTreeSet<(u64, u32)>,
    /// Faults that happened, in order.
    pub faults: Vec<(u64, u32, Call, Fate)>,
    /// What fails for a while.
    pub outages: Vec<Outage>,
    /// By ARN.
    pub rules: BTreeMap<String, Ours>,
    /// By rollout.
    pub journals: BTreeMap<String, Rows>,
    /// By rollout.
    pub outside: BTreeMap<String, Timeline<Outside>>,
    /// By name.
    pub alarms: BTreeMap<String, Timeline<AlarmState>>,
    /// How the services behave.
    pub service: Timeline<Service>,
    /// Whether answers are compared where a rollout asks for it.
    pub compares: Timeline<bool>,
    /// Code of both sides.
    pub old_code: Timeline<CodeSeen>,
    /// See `old_code`.
    pub new_code: Timeline<CodeSeen>,
    /// Extra time until CloudWatch has a minute, in milliseconds, by minute.
    pub late_ms: BTreeMap<i64, i64>,
    /// Messages that arrived.
    pub inbox: Vec<(i64, Channel, Debt)>,
    /// What was promised, and whether it is kept.
    pub books: Books,
    /// How often each cell was reached.
    pub cells: Cells,
    /// Processes to end now.
    pub kills: Vec<u64>,
    /// Processes to stop until a time.
    pub freezes: Vec<(u64, i64)>,
    /// Sentences about what happened; `None`: nobody reads them.
    pub story: Option<Vec<(i64, String)>>,
    /// Everything that the processes wrote, sent and answered; `None`: nobody asks.
    pub effects: Option<Effects>,
    /// Calls that wait to be let go one by one; `None`: each goes at its own time.
    pub steps: Option<Steps>,
}

impl State {
    /// Notes a sentence.
    pub fn tell(&mut self, at_ms: i64, sentence: impl FnOnce() -> String) {
        if let Some(story) = &mut self.story {
            story.push((at_ms, sentence()));
        }
    }

    /// Notes what a process wrote, sent or answered.
    pub fn effect<T: Serialize>(&mut self, what: impl FnOnce() -> T) {
        if let Some(effects) = &mut self.effects {
            effects.add(&what());
        }
    }

    fn fate(&mut self, now_ms: i64, me: &Caller, number: u32, call: Call, rollout: &str) -> Fate {
        let fate = self.draw(now_ms, me, number, call);
        let stand = self.books.stand(rollout);
        *self.cells.entry((call, fate, stand)).or_insert(0) += 1;
        if fate != Fate::Answered {
            self.faults.push((me.uid, number, call, fate));
            self.books.faulted(me.uid, call, fate);
            self.tell(now_ms, || format!("{}: {} — {}", me.name, call.name(), fate.name()));
        }
        fate
    }

    fn draw(&mut self, now_ms: i64, me: &Caller, number_: u32, call: Call) -> Fate {
        self.outages.retain(|outage| now_ms < outage.until_ms);
        let out = self.outages.iter().find(|outage| outage.calls.contains(&call));
        if let Some(outage) = out {
            return outage.fate;
        }
        if now_ms >= self.calm_ms || self.muted.contains(&(me.uid, number_)) {
            return Fate::Answered;
        }
        let rate = self.rates.0.get(&call).copied().unwrap_or(0);
        let mut dice = Dice::of(self.seed, &[1, me.uid, u64::from(number_)]);
        if dice.below(1000) >= rate {
            return Fate::Answered;
        }
        let possible = Fate::FAULTS.into_iter().filter(|fate| impossible(call, *fate).is_none());
        let possible: Vec<Fate> = possible.collect();
        dice.pick(&possible).copied().unwrap_or(Fate::Answered)
    }
}

/// Who calls: one process of the controller.
#[derive(Debug)]
pub struct Caller {
    /// Its number in the plan.
    pub uid: u64,
    /// For the story.
    pub name: String,
    /// The process ends when it has suspended so often.
    pub dies_at: Option<u32>,
    /// The process stands still when it has suspended so often, for so many milliseconds.
    pub freezes: Option<(u32, i64)>,
    /// How far its clock for deadlines goes ahead, in milliseconds.
    pub skew_ms: i64,
    /// How far its clock for people goes ahead, in milliseconds.
    pub people_ms: i64,
    calls: AtomicU32,
    points: AtomicU32,
}

impl Caller {
    /// A process of the plan.
    pub fn new(uid: u64, name: String) -> Self {
        Self {
            uid,
            name,
            dies_at: None,
            freezes: None,
            skew_ms: 0,
            people_ms: 0,
            calls: AtomicU32::new(0),
            points: AtomicU32::new(0),
        }
    }
}

/// The cloud; clones share it.
#[derive(Clone)]
pub struct Cloud {
    state: Arc<Mutex<State>>,
    /// The one time.
    pub time: Time,
}

impl Cloud {
    /// With this in it.
    pub fn new(state: State, time: Time) -> Self {
        Self { state: Arc::new(Mutex::new(state)), time }
    }

    /// Looks at it, or changes it.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One process's way into the cloud: every port of the controller.
#[derive(Clone)]
pub struct Door {
    cloud: Cloud,
    me: Arc<Caller>,
}

/// What came of a call.
enum Came<T> {
    /// An answer, and the time of which it tells.
    Answer(T, i64),
    /// An error.
    Error,
    /// Nothing in time.
    Nothing,
}

/// How a call is served.
#[derive(Clone, Copy, Debug)]
struct Served {
    /// Time of which it may tell, in milliseconds.
    as_of_ms: i64,
    /// A part is missing.
    partial: bool,
}

impl Door {
    /// For this process.
    pub fn new(cloud: Cloud, me: Arc<Caller>) -> Self {
        Self { cloud, me }
    }

    /// A place where the process may end or stand still.
    async fn point(&self) {
        let passed = self.me.points.fetch_add(1, Ordering::Relaxed) + 1;
        if self.me.dies_at == Some(passed) {
            self.cloud.state().kills.push(self.me.uid);
            std::future::pending::<()>().await;
        }
        if let Some((at, ms)) = self.me.freezes
            && at == passed
        {
            let now_ms = self.cloud.time.now_ms();
            self.cloud.state().freezes.push((self.me.uid, now_ms + ms));
            // Not this call alone: every one of the process.
            self.cloud.time.until(now_ms + 1).await;
        }
    }

    /// Makes one call. `serve` runs when the request arrives, in the cloud's time.
    async fn call<T: Send + 'static>(
        &self,
        call: Call,
        rollout: &str,
        patience_ms: i64,
        serve: impl FnOnce(&mut State, i64, Served) -> T + Send + 'static,
    ) -> Came<T> {
        let number_ = self.me.calls.fetch_add(1, Ordering::Relaxed) + 1;
        if self.cloud.state().steps.is_some() {
            return self.step(call, number_, serve).await;
        }
        let time = &self.cloud.time;
        self.point().await;
        let sent_ms = time.now_ms();
        let mut dice =
            Dice::of(number(self.cloud.state().seed, &[2]), &[self.me.uid, u64::from(number_)]);
        let fate = self.cloud.state().fate(sent_ms, &self.me, number_, call, rollout);
        // Most answers come in milliseconds; a few do not, and those make the races.
        let mut way = |drags: bool| match (drags, dice.below(8)) {
            (true, _) => dice.between(patience_ms / 4, patience_ms / 2 - 60),
            (false, 0) => dice.between(100, 700),
            (false, _) => dice.between(1, 60),
        };
        let drags = fate == Fate::Slow;
        let (there, back) = (way(drags), way(drags));
        let served = Served { as_of_ms: 0, partial: fate == Fate::Partial };
        let stale_ms = if fate == Fate::Stale { dice.between(200, 1500) } else { 0 };
        let (arrives, answers) = match fate {
            Fate::Answered | Fate::Stale | Fate::Slow | Fate::Partial | Fate::FailsAfter => {
                (Some(there), Some(there + back))
            }
            Fate::FailsBefore => (None, Some(there + back)),
            // It may arrive after the caller has given up.
            Fate::Lost => {
                let arrives = call.writes() && dice.one_in(2);
                (arrives.then(|| dice.between(1, patience_ms + 1_500)), None)
            }
        };
        let slot = Arc::new(Mutex::new(None));
        if let Some(arrives) = arrives {
            let (cloud, slot) = (self.cloud.clone(), Arc::clone(&slot));
            let deed = move || {
                let now_ms = cloud.time.now_ms();
                let served = Served { as_of_ms: now_ms - stale_ms, ..served };
                let answer = serve(&mut cloud.state(), now_ms, served);
                *slot.lock().unwrap_or_else(PoisonError::into_inner) =
                    Some((answer, served.as_of_ms));
            };
            time.at(sent_ms + arrives, Box::new(deed));
        }
        let until_ms = sent_ms + answers.unwrap_or(patience_ms).min(patience_ms);
        time.until(until_ms).await;
        self.point().await;
        let in_time = answers.is_some_and(|answers| answers <= patience_ms);
        match (fate, slot.lock().unwrap_or_else(PoisonError::into_inner).take()) {
            (Fate::FailsBefore | Fate::FailsAfter, _) => Came::Error,
            (Fate::Lost, _) => Came::Nothing,
            (_, Some((answer, as_of_ms))) if in_time => Came::Answer(answer, as_of_ms),
            (_, _) => Came::Nothing,
        }
    }

    /// Its clock's time in milliseconds.
    fn clock_ms(&self) -> i64 {
        self.cloud.time.now_ms() + self.me.skew_ms
    }
}

/// What an error says.
const SIMULATED: &str = "simulated failure";
/// What no answer says.
const NOTHING: &str = "simulated: no answer in time";

impl<T> Came<T> {
    /// The answer with its time, or what to say of its absence.
    fn answer(self) -> Result<(T, i64), &'static str> {
        match self {
            Self::Answer(answer, as_of_ms) => Ok((answer, as_of_ms)),
            Self::Error => Err(SIMULATED),
            Self::Nothing => Err(NOTHING),
        }
    }
}
