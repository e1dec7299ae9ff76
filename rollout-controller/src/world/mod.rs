//! A pretend world behind the same ports: in memory, seeded, a thousand times
//! faster than sockets. Tests and `simulate` use it.
//!
//! It has state (weights, traffic, a journal, a pager), not a list of expected
//! calls: tests assert what the world became and that nothing else was written.

mod ledger;
mod ports;
mod traffic;

use crate::domain::code::{Code, CodeSeen};
use crate::domain::message::{Channel, Page, StateChange};
use crate::domain::minute::{Edges, Minute};
use crate::domain::observation::{AlarmSeen, AlarmState, Foreign, MinuteRead, Share};
use crate::domain::route::Route;
use crate::domain::weight::Weight;
use crate::domain::wrong_answers::Logged;
use crate::ports::{Outside, Service, World};
use jiff::Timestamp;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

pub use traffic::{Compared, Side};

/// What goes wrong, until told otherwise.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Trouble {
    /// The load balancer's reads fail.
    pub rules_unreadable: bool,
    /// This many writes of weights are refused.
    pub refuse_writes: u32,
    /// This many writes are made, and then answered with an error.
    pub commit_then_fail: u32,
    /// Writes to routes with these names fail.
    pub dead_routes: Vec<String>,
    /// CloudWatch fails.
    pub metrics_fail: bool,
    /// CloudWatch publishes nothing for these minutes and later ones.
    pub metrics_silent_from: Option<Minute>,
    /// Alarms cannot be read.
    pub alarms_fail: bool,
    /// Minutes of which one number is missing.
    pub minutes_broken: BTreeSet<Minute>,
    /// Minutes that CloudWatch has only from this time on, in milliseconds.
    pub minutes_late: BTreeMap<Minute, i64>,
    /// The database is away.
    pub ledger_down: bool,
    /// The database can be read and not written.
    pub ledger_read_only: bool,
    /// Channels that refuse every message.
    pub channels_broken: BTreeSet<Channel>,
    /// What is written beside the journal cannot be read or written.
    pub outposts_fail: bool,
    /// It cannot be told which code runs.
    pub code_unreadable: bool,
    /// Services that do not answer.
    pub silent: Vec<Service>,
    /// The process dies after this many writes of weights, before it can journal them.
    pub die_after_writes: Option<u32>,
}

/// One rule of the pretend load balancer.
#[derive(Clone, Debug)]
pub struct Rule {
    /// What it shows.
    pub share: Share,
    /// Group stickiness.
    pub sticky: bool,
    /// What is wrong with the header rule.
    pub header_rule: Vec<String>,
    /// Which other rules use its groups.
    pub mixed: Vec<String>,
    /// How often it was written.
    pub writes: u32,
}

/// Everything there is.
#[derive(Clone)]
pub struct State {
    /// Simulated time in milliseconds; also the real time of deadlines.
    pub now_ms: i64,
    /// By route name.
    pub rules: BTreeMap<String, Rule>,
    /// Requests a minute on every route.
    pub requests_per_minute: f64,
    /// How each side behaves.
    pub old: Side,
    /// See `old`.
    pub new: Side,
    /// What is compared of the new side's answers; `None`: nothing.
    pub compared: Option<Compared>,
    /// What the new side's functions logged; `None`: the log cannot be read.
    pub logged: Option<Logged>,
    /// Minutes that the log was asked for, each from one until before another.
    pub log_reads: Vec<(Minute, Minute)>,
    /// What goes wrong.
    pub trouble: Trouble,
    /// By name.
    pub alarms: BTreeMap<String, AlarmSeen>,
    /// Pages that arrived.
    pub pages: Vec<Page>,
    /// State changes that arrived.
    pub changes: Vec<StateChange>,
    /// Requests to the new side that failed or were slower than 500 ms.
    pub hurt: u64,
    /// What the old groups run.
    pub old_code: CodeSeen,
    /// What the new groups run.
    pub new_code: CodeSeen,
    /// What is written about each rollout beside the journal.
    pub outside: BTreeMap<String, Outside>,
    edges: Edges,
    minutes: BTreeMap<Minute, MinuteRead>,
    journals: BTreeMap<String, ledger::Rows>,
    rng: ChaCha8Rng,
    dead: bool,
}

/// A pretend world; clones share it.
#[derive(Clone)]
pub struct Pretend {
    state: Arc<Mutex<State>>,
    routes: Arc<Vec<Route>>,
}

/// A published version of a function.
pub fn version(function: &str, number: u32) -> CodeSeen {
    CodeSeen::Is(Code::Version { function: function.to_owned(), version: number.to_string() })
}

/// Actions of a rule that are no share of ours.
pub fn foreign(what: &str, reaches_new: bool) -> Share {
    Share::Foreign(Foreign { what: what.to_owned(), reaches_new })
}

impl Pretend {
    /// A world in which every rule shows 0% and both sides are healthy.
    pub fn new(seed: u64, routes: &[Route], start: Timestamp) -> Self {
        let rule = Rule {
            share: Share::Weight(Weight::ZERO),
            sticky: false,
            header_rule: Vec::new(),
            mixed: Vec::new(),
            writes: 0,
        };
        let state = State {
            now_ms: start.as_millisecond(),
            rules: routes.iter().map(|route| (route.name.clone(), rule.clone())).collect(),
            requests_per_minute: 600.0,
            old: Side::healthy_python(),
            new: Side::healthy_rust(),
            compared: None,
            logged: None,
            log_reads: Vec::new(),
            trouble: Trouble::default(),
            alarms: BTreeMap::new(),
            pages: Vec::new(),
            changes: Vec::new(),
            hurt: 0,
            old_code: version("python", 1),
            new_code: version("rust", 1),
            outside: BTreeMap::new(),
            edges: Edges::default(),
            minutes: BTreeMap::new(),
            journals: BTreeMap::new(),
            rng: ChaCha8Rng::seed_from_u64(seed),
            dead: false,
        };
        Self { state: Arc::new(Mutex::new(state)), routes: Arc::new(routes.to_vec()) }
    }

    /// The ports of this world.
    pub fn world(&self) -> World {
        let this = Arc::new(self.clone());
        World {
            ledger: this.clone(),
            traffic: this.clone(),
            metrics: this.clone(),
            answers_log: this.clone(),
            alarms: this.clone(),
            deployments: this.clone(),
            outposts: this.clone(),
            messages: this.clone(),
            endpoints: this.clone(),
            clock: this,
            memory: Arc::default(),
        }
    }

    /// Looks at the world, or changes it.
    pub fn state(&self) -> MutexGuard<'_, State> {
        // A test that panicked while it held the lock has failed already.
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Simulated time.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.state().now_ms).unwrap_or_default()
    }

    /// Lets one minute of traffic pass at the present weights.
    pub fn pass_minute(&self) {
        let mut state = self.state();
        let minute = Minute(state.now_ms.div_euclid(60_000));
        let routes: Vec<_> =
            self.routes.iter().map(|route| traffic::minute(&mut state, &route.name)).collect();
        let comparisons = traffic::comparisons(&mut state, &routes);
        state.minutes.insert(minute, MinuteRead { minute, routes, comparisons });
        state.now_ms += 60_000;
        state.dead = false;
    }

    /// Lets one minute pass in which this was counted. A minute of the past is only
    /// put where it belongs.
    pub fn put_minute(&self, read: MinuteRead) {
        let mut state = self.state();
        let next_ms = read.minute.plus(1).0.saturating_mul(60_000);
        state.now_ms = state.now_ms.max(next_ms);
        state.minutes.insert(read.minute, read);
        state.dead = false;
    }

    /// Changes what CloudWatch has of a minute, as records that come late do.
    pub fn revise(&self, minute: Minute, change: impl FnOnce(&mut MinuteRead)) {
        if let Some(read) = self.state().minutes.get_mut(&minute) {
            change(read);
        }
    }

    /// Another process takes the place of one that died.
    pub fn revive(&self) {
        self.state().dead = false;
    }

    /// What the rule of a route shows.
    pub fn shows(&self, route: &str) -> Share {
        let state = self.state();
        state
            .rules
            .get(route)
            .map_or_else(|| foreign("no such route", false), |rule| rule.share.clone())
    }

    /// Somebody else writes a weight.
    pub fn console_change(&self, route: &str, weight: Weight) {
        if let Some(rule) = self.state().rules.get_mut(route) {
            rule.share = Share::Weight(weight);
        }
    }

    /// Puts an alarm into a state.
    pub fn alarm(&self, name: &str, to: AlarmState) {
        let mut state = self.state();
        let since_ms = Some(state.now_ms);
        let alarm = AlarmSeen {
            name: name.to_owned(),
            state: to,
            since_ms,
            reason: "Threshold Crossed".to_owned(),
        };
        state.alarms.insert(name.to_owned(), alarm);
    }

    /// Another version answers on the new side.
    pub fn deploy(&self, number: u32) {
        self.state().new_code = version("rust", number);
    }

    /// Adds a row to a journal as another version would have written it.
    pub fn foreign_row(&self, rollout: &str, kind: &str, body: &str) {
        let mut state = self.state();
        let at_ms = state.now_ms;
        state.journals.entry(rollout.to_owned()).or_default().push(at_ms, kind, body);
    }

    /// Empties a journal, as a database restored from nothing.
    pub fn lose_journal(&self, rollout: &str) {
        self.state().journals.remove(rollout);
    }
}
