//! Every order of a few processes' calls, and not a sample of them: the journal's
//! protocol checked over the production code itself.
//!
//! The state is what processes share (journals, rules, what is left outside) and what
//! each of them has been answered so far: its code is deterministic, so that says where
//! it stands. A state is expanded once, by playing a shortest way to it again. From each
//! state every call that waits may be next; a process may die, with its request on the
//! way or not; an answer may be lost or be an error; someone else may write the rule; and
//! time may pass, beyond every deadline. What is bounded is how often, see [`Scenario`].
//!
//! Three things are no part of the state. Milliseconds that pass in pauses: deadlines are
//! 20 s away, and pauses come to less than 2 s. The order in which calls are answered that
//! a process makes at once: it waits for all of them. And what a process was answered
//! that is over, with no request on its way: what it did and answered is in the books.

use super::Player;
use crate::books::Broken;
use crate::books::Invariant;
use crate::cloud::{LONG_MS, Shown, State, Steps};
use crate::fate::{Fate, Rates, Stand};
use crate::plan::{Compared, Engine, Happening, Plan, SCORE, What};
use rollout_controller::domain::command::Order;
use std::collections::{BTreeSet, HashSet};
use std::sync::Mutex;
use std::sync::PoisonError;

/// Who acts, and how much else may happen.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// For tables.
    pub name: &'static str,
    /// Processes, which all begin at once.
    pub actors: Vec<Actor>,
    /// How many of them may die.
    pub deaths: u8,
    /// How many calls may fail, before or after their effect.
    pub faults: u8,
    /// How often someone else writes 30% into the rule.
    pub writes: u8,
    /// How often time passes every deadline.
    pub delays: u8,
}

/// A process.
#[derive(Clone, Debug, PartialEq)]
pub enum Actor {
    /// A tick of this minute, which raises.
    Tick,
    /// A command.
    Order(Order),
    /// A rollback with a person's own credentials.
    Direct,
}

/// What may come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    /// A call is let go.
    Go((u64, u32), Fate),
    /// A process dies.
    Dies(u64),
    /// Someone else writes the rule.
    Writes,
    /// Time passes.
    Delay,
}

/// What came of a scenario.
#[derive(Clone, Debug)]
pub struct Explored {
    /// States, the first included.
    pub states: u64,
    /// Those of them from which nothing was tried yet.
    pub open: u64,
    /// Steps from one to another.
    pub steps: u64,
    /// States in which every process was over.
    pub ends: u64,
    /// Steps of the longest way.
    pub longest: usize,
    /// The first invariant that did not hold, on a shortest way to it, and that way's
    /// story.
    pub broken: Option<(Broken, Vec<(i64, String)>)>,
    /// Whether there was nothing left to explore.
    pub whole: bool,
}

#[derive(Clone, Copy)]
struct Node {
    parent: u32,
    choice: Choice,
    depth: u16,
}

/// What is common to all ways: where they begin.
struct Ground<'a> {
    scenario: &'a Scenario,
    plan: Plan,
    /// Behind a lock since calls in it belong to one thread.
    base: Mutex<State>,
    now_ms: i64,
}

/// A start, and so many ticks.
fn prelude(ticks: i64) -> Plan {
    let order =
        |order| What::Order { rollout: SCORE, order, stale: 0, again: false, pressed: false };
    let mut course = vec![(500, order(Order::Start))];
    course.extend((1..=ticks).map(|minute| (minute * 60_000 + 400, What::Tick { late_ms: 400 })));
    let happenings = course.into_iter().zip(1..).map(|((at_ms, what), uid)| Happening {
        uid,
        at_ms,
        what,
        dies_at: None,
        freezes: None,
    });
    Plan {
        seed: 7,
        past_the_hour: 0,
        routes: 1,
        second: false,
        compared: Compared::No,
        engine: Engine::Two,
        minutes: 0,
        ends_well: true,
        rates: Rates::default(),
        happenings: happenings.collect(),
        muted: BTreeSet::new(),
    }
}

impl<'a> Ground<'a> {
    fn new(scenario: &'a Scenario) -> Self {
        let share = |ticks| {
            let plan = prelude(ticks);
            let player = Self::played(&plan);
            let state = player.cloud.state();
            state.books.track(SCORE).map_or(0, |track| track.weight().tenths())
        };
        // The tick after these raises from a share that has traffic.
        let ticks = (1..20).find(|ticks| share(*ticks) > 0 && share(ticks + 1) > share(*ticks));
        let plan = prelude(ticks.unwrap_or(1));
        let player = Self::played(&plan);
        let (base, now_ms) = (player.cloud.state().clone(), player.now_ms());
        drop(player);
        Self { scenario, plan, base: Mutex::new(base), now_ms }
    }

    fn played(plan: &Plan) -> Player<'_> {
        let mut player = Player::new(plan, false);
        for happening in &plan.happenings {
            player.pass(plan.begins_ms() + happening.at_ms);
            player.happen(happening);
        }
        let last = plan.happenings.last().map_or(0, |last| last.at_ms);
        // To the minute of the next one.
        player.pass(plan.begins_ms() + last + 60_000);
        player
    }

    /// A world in which the actors have begun.
    fn begin(&self, tell: bool) -> Way<'_> {
        let mut state = self.base.lock().unwrap_or_else(PoisonError::into_inner).clone();
        state.steps = Some(Steps::beginning(self.now_ms));
        state.story = tell.then(Vec::new);
        let mut player = Player::on(&self.plan, state, self.now_ms);
        for (actor, uid) in self.scenario.actors.iter().zip(100_u64..) {
            match actor {
                Actor::Tick => player.spawn_tick(uid, 400, None, None),
                Actor::Order(order) => {
                    let request = player.request(uid, SCORE, order.clone(), 0);
                    player.spawn_command(uid, request, None, None);
                }
                Actor::Direct => {
                    let what = What::Direct { rollout: SCORE };
                    let happening = Happening { uid, at_ms: 0, what, dies_at: None, freezes: None };
                    player.spawn_direct(&happening, SCORE);
                }
            }
        }
        let mut way = Way { scenario: self.scenario, player, used: [0; 4] };
        way.settle();
        way
    }
}

/// One way through a scenario.
struct Way<'a> {
    scenario: &'a Scenario,
    player: Player<'a>,
    /// Deaths, faults, writes, delays.
    used: [u8; 4],
}

impl Way<'_> {
    /// Lets every process go on until it waits for a call.
    fn settle(&mut self) {
        loop {
            self.player.poll_ready();
            if self.player.is_broken() {
                return;
            }
            let pauses = {
                let state = self.player.cloud.state();
                let steps = state.steps.as_ref();
                self.player.processes.keys().any(|uid| !steps.is_some_and(|s| s.waits(*uid)))
            };
            if !pauses || self.player.cloud.time.next_ms().is_none() {
                return;
            }
            self.player.cloud.time.step();
        }
    }

    fn choices(&self) -> Vec<Choice> {
        let state = self.player.cloud.state();
        let waiting: Vec<_> = state.steps.iter().flat_map(Steps::waiting).collect();
        drop(state);
        let scenario = self.scenario;
        let mut choices: Vec<Choice> =
            waiting.iter().map(|(place, ..)| Choice::Go(*place, Fate::Answered)).collect();
        if self.used[1] < scenario.faults {
            for (place, call, alone) in &waiting {
                if *alone {
                    continue;
                }
                choices.push(Choice::Go(*place, Fate::FailsBefore));
                if call.writes() {
                    choices.push(Choice::Go(*place, Fate::FailsAfter));
                }
            }
        }
        if self.used[0] < scenario.deaths {
            choices.extend(self.player.processes.keys().map(|uid| Choice::Dies(*uid)));
        }
        let alive = !self.player.processes.is_empty();
        if self.used[2] < scenario.writes && alive {
            choices.push(Choice::Writes);
        }
        if self.used[3] < scenario.delays && alive {
            choices.push(Choice::Delay);
        }
        choices
    }

    fn take(&mut self, choice: Choice) {
        match choice {
            Choice::Go(place, fate) => {
                if fate != Fate::Answered {
                    self.used[1] += 1;
                }
                self.player.cloud.let_go(place, fate);
            }
            Choice::Dies(uid) => {
                self.used[0] += 1;
                self.player.kill(uid, "dies");
            }
            Choice::Writes => {
                self.used[2] += 1;
                self.player.someone(&What::Console(0, 300));
            }
            Choice::Delay => {
                self.used[3] += 1;
                self.player.tell(|| "time passes every deadline".to_owned());
                for uid in self.player.processes.keys() {
                    self.player.cloud.state().books.froze(*uid);
                }
                let until_ms = self.player.now_ms() + LONG_MS;
                while let Some(next_ms) = self.player.cloud.time.next_ms()
                    && next_ms <= until_ms
                {
                    self.player.cloud.time.step();
                }
                self.player.cloud.time.pass_to(until_ms);
            }
        }
        self.settle();
    }

    fn key(&self) -> u64 {
        let used = self.used.map(u64::from);
        let alive = self.player.processes.keys().copied();
        let parts: Vec<u64> = used.into_iter().chain(alive).collect();
        crate::chance::number(self.player.cloud.state().key(), &parts)
    }

    fn is_over(&self) -> bool {
        self.player.processes.is_empty()
    }

    fn broken(&self) -> Option<Broken> {
        self.player.cloud.state().books.broken.clone()
    }

    /// What follows when nobody interferes any more: three ticks.
    fn aftermath(mut self) -> (Option<Broken>, Vec<(i64, String)>) {
        self.player.cloud.state().steps = None;
        self.player.tell(|| "— undisturbed from here on —".to_owned());
        let first_ms = (self.player.now_ms() / 60_000 + 1) * 60_000;
        for minute in 0..3 {
            self.player.pass(first_ms + minute * 60_000 + 300);
            self.player.spawn_tick(1_000_000 + minute.unsigned_abs(), 300, None, None);
            self.player.pass(first_ms + minute * 60_000 + 59_000);
        }
        let now_ms = self.player.now_ms();
        let wrong = wrong_at_the_end(&self.player.cloud.state());
        if let Some((invariant, text)) = wrong {
            self.player.cloud.state().books.breaks(invariant, now_ms, text);
        }
        let story = self.player.cloud.state().story.take().unwrap_or_default();
        (self.broken(), story)
    }
}

/// What does not hold three minutes after everyone is done.
fn wrong_at_the_end(state: &State) -> Option<(Invariant, String)> {
    let track = state.books.track(SCORE)?;
    let (stand, shown) = (track.stand(), state.shown(SCORE));
    for rollback in track.rollbacks.iter().filter(|rollback| rollback.answered_ms.is_some()) {
        let command = &rollback.command;
        if rollback.seq.is_none() && !rollback.excused {
            let text = format!("{command} was answered and is not in the journal");
            return Some((Invariant::RollbacksAreJournalledLater, text));
        }
        if !shown.iter().all(|one| one.is_reached()) {
            let text = format!("{command} was answered, and the rule shows {shown:?}");
            return Some((Invariant::NothingRisesAfterARollback, text));
        }
    }
    let weight = Shown::Tenths(track.weight().tenths());
    if stand != Stand::Moved && shown.iter().any(|one| *one != weight) {
        let text = format!("{} at {weight:?}, and the rule shows {shown:?}", stand.name());
        return Some((Invariant::StrangeSharesAreTold, text));
    }
    if let Some(intent) = track.open_intent() {
        let text = format!("the intent of entry {} is open for ever", intent.seq);
        return Some((Invariant::TheJournalIsInOrder, text));
    }
    None
}

/// Explores a scenario breadth first, to the last state or to `most` of them. `plant`
/// runs in every thread before anything else; `watch` is told how far it is.
pub fn explore(
    scenario: &Scenario,
    most: usize,
    threads: usize,
    plant: &(dyn Fn() + Sync),
    watch: &dyn Fn(&Explored),
) -> Explored {
    plant();
    let ground = Ground::new(scenario);
    let first = ground.begin(false);
    let mut seen: HashSet<u64> = HashSet::from([first.key()]);
    drop(first);
    let mut nodes: Vec<Node> = vec![Node { parent: u32::MAX, choice: Choice::Delay, depth: 0 }];
    let mut layer: Vec<u32> = vec![0];
    let mut explored =
        Explored { states: 1, open: 1, steps: 0, ends: 0, longest: 0, broken: None, whole: true };
    while !layer.is_empty() && explored.broken.is_none() {
        if nodes.len() > most {
            explored.whole = false;
            break;
        }
        let found = Mutex::new(Vec::new());
        let (all, ground) = (&nodes, &ground);
        std::thread::scope(|scope| {
            let size = layer.len().div_ceil(threads.max(1)).max(1);
            for part in layer.chunks(size) {
                let found = &found;
                scope.spawn(move || {
                    plant();
                    let mine: Vec<Expanded> =
                        part.iter().map(|node| expand(ground, all, *node)).collect();
                    found.lock().unwrap_or_else(PoisonError::into_inner).extend(mine);
                });
            }
        });
        let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        // The same in every run, however the threads went.
        found.sort_by_key(|expanded| expanded.node);
        layer.clear();
        for expanded in found {
            explored.ends += u64::from(expanded.ended);
            if let Some((broken, choice)) = expanded.broken {
                let way = path(&nodes, expanded.node).into_iter().chain(choice);
                explored.broken = Some((broken, tell(ground, way)));
                break;
            }
            let depth = nodes[expanded.node as usize].depth + 1;
            for (choice, key) in expanded.next {
                explored.steps += 1;
                if seen.insert(key) {
                    let new = u32::try_from(nodes.len()).unwrap_or(u32::MAX);
                    nodes.push(Node { parent: expanded.node, choice, depth });
                    layer.push(new);
                    explored.longest = explored.longest.max(depth.into());
                }
            }
        }
        (explored.states, explored.open) = (seen.len() as u64, layer.len() as u64);
        watch(&explored);
    }
    explored
}

struct Expanded {
    node: u32,
    next: Vec<(Choice, u64)>,
    ended: bool,
    /// An invariant did not hold: after this choice, or in the aftermath.
    broken: Option<(Broken, Option<Choice>)>,
}

fn path(nodes: &[Node], mut at: u32) -> Vec<Choice> {
    let mut way = Vec::new();
    while let Some(node) = nodes.get(at as usize)
        && node.parent != u32::MAX
    {
        way.push(node.choice);
        at = node.parent;
    }
    way.reverse();
    way
}

fn walk<'a>(ground: &'a Ground<'_>, way: &[Choice], tell: bool) -> Way<'a> {
    let mut walked = ground.begin(tell);
    for choice in way {
        walked.take(*choice);
    }
    walked
}

fn expand(ground: &Ground<'_>, nodes: &[Node], node: u32) -> Expanded {
    let way = path(nodes, node);
    let mut here = Some(walk(ground, &way, false));
    let mut expanded = Expanded { node, next: Vec::new(), ended: false, broken: None };
    let choices = here.as_ref().map(Way::choices).unwrap_or_default();
    expanded.ended = here.as_ref().is_some_and(Way::is_over);
    for choice in choices {
        let mut after = here.take().unwrap_or_else(|| walk(ground, &way, false));
        after.take(choice);
        if let Some(broken) = after.broken() {
            expanded.broken = Some((broken, Some(choice)));
            return expanded;
        }
        expanded.next.push((choice, after.key()));
    }
    if expanded.ended {
        let end = here.take().unwrap_or_else(|| walk(ground, &way, false));
        expanded.broken = end.aftermath().0.map(|broken| (broken, None));
    }
    expanded
}

fn tell(ground: &Ground<'_>, way: impl Iterator<Item = Choice>) -> Vec<(i64, String)> {
    let way: Vec<Choice> = way.collect();
    let walked = walk(ground, &way, true);
    if walked.broken().is_some() {
        return walked.player.cloud.state().story.take().unwrap_or_default();
    }
    walked.aftermath().1
}
