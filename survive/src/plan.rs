//! What happens in a history, drawn from its seed: a list that can be read, shortened
//! and played again.

use crate::chance::Dice;
use crate::cloud::Service;
use crate::fate::{Call, Fate, Rates, impossible};
use crate::play::BEGINS_MS;
use rollout_controller::domain::command::Order;
use rollout_controller::domain::observation::AlarmState;
use std::collections::{BTreeMap, BTreeSet};

/// Something that happens.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// A tick, meant for a time so many milliseconds before now.
    Tick {
        /// How late it is; negative: ahead of time.
        late_ms: i64,
    },
    /// A command.
    Order {
        /// Whose.
        rollout: &'static str,
        /// Which.
        order: Order,
        /// Revisions that the person has not seen.
        stale: i64,
        /// It has the id of the command before.
        again: bool,
        /// It comes from the page's button.
        pressed: bool,
    },
    /// A rollback with a person's own credentials.
    Direct {
        /// Whose.
        rollout: &'static str,
    },
    /// A look at the status.
    View {
        /// Whose.
        rollout: &'static str,
    },
    /// Another version of the controller, with this configuration.
    Release(usize),
    /// Another build of the scorer.
    Build,
    /// The new group loses its target, or has one again.
    Target(bool),
    /// Someone writes a share of tenths of a percent.
    Console(usize, u16),
    /// Someone adds a third group with this weight.
    Third(usize, i32),
    /// Someone switches stickiness.
    Sticky(usize, bool),
    /// Someone deletes the header rule, or makes it again.
    Header(usize, bool),
    /// Someone deletes the weighted rule, or makes it again.
    Rule(usize, bool),
    /// The services behave otherwise.
    Serves(Service),
    /// Answers are compared from now on, or are no longer.
    Compares(bool),
    /// An alarm changes its state.
    Alarm(&'static str, AlarmState),
    /// Dependencies fail for everybody, for so many milliseconds.
    Outage(Vec<Call>, Fate, i64),
    /// CloudWatch is late by so many milliseconds, for so many minutes.
    Late(i64, i64),
    /// The database is replaced by a copy that lacks so many entries.
    Restore(&'static str, i64),
    /// New processes have a clock that is ahead by so many milliseconds for deadlines,
    /// and by so many for people.
    Skew(i64, i64),
}

/// Something that happens at its time.
#[derive(Clone, Debug, PartialEq)]
pub struct Happening {
    /// Its number: what is drawn for it depends on nothing else.
    pub uid: u64,
    /// When, in milliseconds after the beginning.
    pub at_ms: i64,
    /// What.
    pub what: What,
    /// The process ends when it has suspended so often.
    pub dies_at: Option<u32>,
    /// The process stands still when it has suspended so often, for so long.
    pub freezes: Option<(u32, i64)>,
}

/// Whether the new side's answers are compared with the old side's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Compared {
    /// They are not.
    No,
    /// What differs counts against the new side.
    Counts,
    /// A step needs proof that little differs, too.
    Required,
}

impl Compared {
    /// In every second history, by a draw of its own: with this key none of those that are
    /// kept because they go where few do ([`RARE`](crate::effects::RARE)).
    fn of(seed: u64) -> Self {
        match Dice::of(seed, &[19_033]).below(6) {
            0 => Self::Required,
            1 | 2 => Self::Counts,
            _ => Self::No,
        }
    }

    /// How a bad service is bad where it is not drawn: in a way that only comparisons tell,
    /// if there are any.
    pub fn bad(self) -> Service {
        match self {
            Self::No => Service::NewFails,
            Self::Counts | Self::Required => Service::NewWrong,
        }
    }
}

/// The engine of a history's rollouts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Engine {
    /// The first one.
    One,
    /// The default.
    Two,
}

impl Engine {
    /// The first one in every eighth history without comparisons, which it does not judge, by a
    /// draw of its own as that of [`Compared::of`].
    fn of(seed: u64, compared: Compared) -> Self {
        let first = Dice::of(seed, &[19_111]).one_in(8);
        if first && compared == Compared::No { Self::One } else { Self::Two }
    }
}

/// A history to be played.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The seed.
    pub seed: u64,
    /// Minutes past the hour at which it begins: once an hour journals are pruned.
    pub past_the_hour: i64,
    /// Routes of the first rollout.
    pub routes: usize,
    /// Whether there is a second rollout.
    pub second: bool,
    /// Whether answers are compared.
    pub compared: Compared,
    /// Who judges.
    pub engine: Engine,
    /// Minutes with faults.
    pub minutes: i64,
    /// Whether the new side is good in the end.
    pub ends_well: bool,
    /// How often calls fail.
    pub rates: Rates,
    /// In order of time.
    pub happenings: Vec<Happening>,
    /// Faults that are left out: process and number of the call.
    pub muted: BTreeSet<(u64, u32)>,
}

/// Names of the rollouts.
pub const SCORE: &str = "score";
/// See [`SCORE`].
pub const OTHER: &str = "other";

/// Every call to the database.
pub const JOURNAL: [Call; 4] =
    [Call::JournalRead, Call::JournalAppend, Call::JournalHistory, Call::JournalPrune];

struct Draft {
    dice: Dice,
    happenings: Vec<Happening>,
    uid: u64,
}

impl Draft {
    fn add(&mut self, at_ms: i64, what: What) {
        self.uid += 1;
        let process = matches!(
            what,
            What::Tick { .. } | What::Order { .. } | What::Direct { .. } | What::View { .. }
        );
        let (mut dies_at, mut freezes) = (None, None);
        if process && self.dice.one_in(12) {
            dies_at = u32::try_from(self.dice.between(1, 45)).ok();
        } else if process && self.dice.one_in(14) {
            let ms = *self.dice.pick(&[900, 3_000, 15_000, 24_000, 70_000]).unwrap_or(&900);
            freezes = u32::try_from(self.dice.between(1, 40)).ok().map(|at| (at, ms));
        }
        let uid = self.uid;
        self.happenings.push(Happening { uid, at_ms, what, dies_at, freezes });
    }

    /// In every second history with comparisons nothing is compared for some minutes. By a
    /// draw of its own, so that nothing else is drawn otherwise.
    fn stops_comparing(&mut self, seed: u64, compared: Compared, minutes: i64) {
        let mut dice = Dice::of(seed, &[19_034]);
        if compared == Compared::No || dice.one_in(2) {
            return;
        }
        let from_ms = dice.between(1, minutes.max(2) - 1) * 60_000;
        let until_ms = from_ms + dice.between(3, 9) * 60_000;
        for (at_ms, compares) in [(from_ms, false), (until_ms.min(minutes * 60_000), true)] {
            self.add(at_ms, What::Compares(compares));
        }
    }

    fn rates(&mut self) -> Rates {
        let mut rates = BTreeMap::new();
        // Most histories have faults in a few places; in some everything fails a little.
        let all = self.dice.one_in(6);
        for call in Call::ALL {
            if all || self.dice.one_in(5) {
                let most = if all { 40 } else { 250 };
                rates.insert(call, 1 + self.dice.below(most));
            }
        }
        Rates(rates)
    }

    fn rollout(&mut self, second: bool) -> &'static str {
        if second && self.dice.one_in(3) { OTHER } else { SCORE }
    }

    fn order(&mut self) -> Order {
        let minutes = u32::try_from(self.dice.between(1, 12)).ok();
        match self.dice.below(16) {
            0..3 => Order::Rollback,
            3 => Order::Pause { for_minutes: None },
            4..6 => Order::Pause { for_minutes: minutes },
            6 => Order::Resume { adopt: false },
            7..9 => Order::Resume { adopt: true },
            9..11 => Order::Promote { to: None, force: false },
            11..13 => Order::Promote { to: None, force: true },
            13 => Order::Abandon,
            _ => Order::Start,
        }
    }

    fn outage(&mut self) -> What {
        let ms = self.dice.between(20, 400) * 1_000;
        let fate = |dice: &mut Dice, call: Call| {
            let fates = [Fate::FailsBefore, Fate::FailsBefore, Fate::Lost, Fate::FailsAfter];
            let fate = dice.pick(&fates).copied().unwrap_or(Fate::FailsBefore);
            if impossible(call, fate).is_some() { Fate::FailsBefore } else { fate }
        };
        let calls = match self.dice.below(9) {
            0 => JOURNAL.to_vec(),
            1 => vec![Call::JournalAppend],
            2 => vec![Call::Metrics],
            3 => vec![Call::Alarms],
            4 => vec![Call::OutsideRead, Call::CopyWrite, Call::OrderWrite],
            5 => vec![Call::Rules, Call::Rule],
            6 => vec![Call::Modify],
            7 => vec![Call::Code],
            _ => {
                let channels = [Call::Pager, Call::Chat, Call::Bus];
                vec![self.dice.pick(&channels).copied().unwrap_or(Call::Pager)]
            }
        };
        let fate = fate(&mut self.dice, calls[0]);
        What::Outage(calls, fate, ms)
    }

    /// Something that nobody asked for.
    fn trouble(&mut self, at_ms: i64, routes: usize, second: bool) {
        let route = usize::try_from(self.dice.below(routes as u64)).unwrap_or(0);
        let later = at_ms + self.dice.between(40, 500) * 1_000;
        match self.dice.below(20) {
            0..5 => {
                let outage = self.outage();
                self.add(at_ms, outage);
            }
            5 | 6 => {
                let bad = [
                    Service::NewFails,
                    Service::NewFails,
                    Service::NewSlow,
                    Service::NewSilent,
                    Service::BothSlow,
                    Service::OldFails,
                ];
                let bad = self.dice.pick(&bad).copied().unwrap_or(Service::NewFails);
                self.add(at_ms, What::Serves(bad));
                if bad == Service::NewFails && self.dice.one_in(2) {
                    self.alarm(at_ms + 70_000, "rs-errors", later);
                }
                self.add(later, What::Serves(Service::Good));
            }
            7 => self.alarm(at_ms, "rs-errors", later),
            8 => {
                let name = if self.dice.one_in(2) { "db" } else { "py-errors" };
                self.alarm(at_ms, name, later);
            }
            9 => {
                let tenths = [0, 10, 50, 100, 500, 900, 1000];
                let tenths = self.dice.pick(&tenths).copied().unwrap_or(0);
                self.add(at_ms, What::Console(route, tenths));
            }
            10 => {
                let weight = i32::try_from(self.dice.between(0, 40)).unwrap_or(0);
                self.add(at_ms, What::Third(route, weight));
            }
            11 => {
                self.add(at_ms, What::Sticky(route, true));
                self.add(later, What::Sticky(route, false));
            }
            12 => {
                self.add(at_ms, What::Header(route, false));
                self.add(later, What::Header(route, true));
            }
            13 => {
                self.add(at_ms, What::Rule(route, false));
                self.add(later, What::Rule(route, true));
            }
            14 => self.add(at_ms, What::Build),
            15 => {
                let config = usize::try_from(self.dice.below(2)).unwrap_or(0);
                self.add(at_ms, What::Release(config));
            }
            16 => {
                let (ms, minutes) = (self.dice.between(20, 400) * 1_000, self.dice.between(1, 12));
                self.add(at_ms, What::Late(ms, minutes));
            }
            17 => {
                if self.dice.one_in(3) {
                    let back = *self.dice.pick(&[1, 3, 20, 10_000]).unwrap_or(&1);
                    let rollout = self.rollout(second);
                    self.add(at_ms, What::Restore(rollout, back));
                }
            }
            18 => {
                self.add(at_ms, What::Target(false));
                self.add(later, What::Target(true));
            }
            _ => {
                let people_ms = *self.dice.pick(&[0, -1_200_000, 1_200_000]).unwrap_or(&0);
                let real_ms = self.dice.between(-900, 900);
                self.add(at_ms, What::Skew(real_ms, people_ms));
                self.add(later, What::Skew(0, 0));
            }
        }
    }

    /// Something while a tick runs.
    fn clash(&mut self, at_ms: i64, routes: usize, second: bool) {
        let rollout = self.rollout(second);
        let route = usize::try_from(self.dice.below(routes as u64)).unwrap_or(0);
        let plain =
            |order: Order| What::Order { rollout, order, stale: 0, again: false, pressed: false };
        match self.dice.below(16) {
            14 | 15 => {
                // Nothing is known of the newest minutes, and somebody is in a hurry.
                if self.dice.one_in(2) {
                    self.add(at_ms, What::Serves(Service::NewSilent));
                    self.add(at_ms + 400_000, What::Serves(Service::Good));
                } else {
                    let outage = What::Outage(vec![Call::Metrics], Fate::FailsBefore, 300_000);
                    self.add(at_ms, outage);
                }
                let hurry_ms = at_ms + self.dice.between(120, 290) * 1_000;
                self.add(hurry_ms, plain(Order::Promote { to: None, force: true }));
            }
            0..2 => self.add(at_ms, plain(Order::Rollback)),
            2 => self.add(at_ms, plain(Order::Pause { for_minutes: Some(2) })),
            3 => {
                self.add(at_ms, plain(Order::Promote { to: None, force: true }));
                let at_ms = at_ms + self.dice.between(50, 1_500);
                let order = if self.dice.one_in(2) {
                    Order::Rollback
                } else {
                    Order::Pause { for_minutes: Some(3) }
                };
                self.add(at_ms, plain(order));
            }
            4 => self.add(at_ms, What::Direct { rollout }),
            5 => {
                let tenths = *self.dice.pick(&[0, 50, 100, 500]).unwrap_or(&50);
                self.add(at_ms, What::Console(route, tenths));
            }
            6 => self.add(at_ms, What::Build),
            // The database goes, and then what it was to be there for happens.
            7..10 => {
                let fates = [Fate::FailsBefore, Fate::Lost];
                let fate = self.dice.pick(&fates).copied().unwrap_or(Fate::Lost);
                let calls =
                    if self.dice.one_in(2) { JOURNAL.to_vec() } else { vec![Call::JournalAppend] };
                let ms = self.dice.between(30, 200) * 1_000;
                self.add(at_ms, What::Outage(calls, fate, ms));
                let then_ms = at_ms + self.dice.between(500, 20_000);
                match self.dice.below(4) {
                    0 => self.add(then_ms, plain(Order::Rollback)),
                    1 => self.alarm(then_ms, "rs-errors", then_ms + 120_000),
                    3 => self.add(then_ms, What::Build),
                    _ => self.add(then_ms, What::Direct { rollout }),
                }
            }
            10 => {
                self.add(at_ms, What::Outage(vec![Call::Modify], Fate::FailsBefore, 4_000));
                self.alarm(at_ms + 100, "rs-errors", at_ms + 90_000);
            }
            11 => {
                self.add(at_ms, What::Sticky(route, true));
                let later = at_ms + self.dice.between(60, 300) * 1_000;
                self.add(later, What::Sticky(route, false));
            }
            12 => {
                let channels = [Call::Pager, Call::Chat, Call::Bus];
                let channel = self.dice.pick(&channels).copied().unwrap_or(Call::Bus);
                let fates = [Fate::FailsBefore, Fate::Lost];
                let fate = self.dice.pick(&fates).copied().unwrap_or(Fate::Lost);
                self.add(at_ms, What::Outage(vec![channel], fate, 200_000));
            }
            _ => {
                let (late_ms, minutes) = (self.dice.between(30, 200) * 1_000, 3);
                self.add(at_ms - 50_000, What::Late(late_ms, minutes));
            }
        }
    }

    fn alarm(&mut self, at_ms: i64, name: &'static str, until_ms: i64) {
        self.add(at_ms, What::Alarm(name, AlarmState::Alarm));
        let rings_ms = at_ms + self.dice.between(100, 5_000);
        self.add(rings_ms, What::Tick { late_ms: 0 });
        self.add(until_ms.max(at_ms + 30_000), What::Alarm(name, AlarmState::Ok));
    }

    fn minute(&mut self, minute: i64, silent: bool, busy: u64, second: bool, routes: usize) {
        let start_ms = minute * 60_000;
        let jitter = self.dice.between(50, 4_000);
        if silent && self.dice.one_in(4) {
            let rollout = self.rollout(second);
            let order = Order::Promote { to: None, force: true };
            let what = What::Order { rollout, order, stale: 0, again: false, pressed: false };
            self.add(start_ms + 30_000, what);
        }
        if !silent && !self.dice.one_in(25) {
            self.add(start_ms + jitter, What::Tick { late_ms: jitter });
        }
        if self.dice.one_in(5) {
            let at_ms = start_ms + jitter + self.dice.between(100, 3_500);
            self.clash(at_ms, routes, second);
        }
        if self.dice.one_in(10) {
            let after = jitter + self.dice.between(1, 2_500);
            self.add(start_ms + after, What::Tick { late_ms: after });
        }
        if self.dice.one_in(30) {
            let late = *self.dice.pick(&[150_000, 900_000, 36_000_000]).unwrap_or(&150_000);
            let at_ms = start_ms + self.dice.between(0, 59_000);
            self.add(at_ms, What::Tick { late_ms: late });
        }
        if self.dice.one_in(60) {
            let at_ms = start_ms + self.dice.between(0, 59_000);
            let ahead = *self.dice.pick(&[-60_000, -600_000, -86_400_000]).unwrap_or(&-60_000);
            self.add(at_ms, What::Tick { late_ms: ahead });
        }
        if self.dice.one_in(6 + busy) {
            let at_ms = start_ms + self.dice.between(0, 20_000);
            self.person(at_ms, second);
        }
        if self.dice.one_in(8 + busy) {
            let at_ms = start_ms + self.dice.between(0, 59_000);
            self.trouble(at_ms, routes, second);
        }
        if self.dice.one_in(9) {
            let at_ms = start_ms + self.dice.between(0, 59_000);
            let rollout = self.rollout(second);
            self.add(at_ms, What::View { rollout });
        }
    }

    /// Someone moves a weight, and a person closes the run; then the others go on.
    fn abandons(&mut self, minutes: i64, routes: usize, second: bool) {
        let at_ms = self.dice.between(minutes / 3, minutes * 2 / 3) * 60_000 + 10_000;
        let route = usize::try_from(self.dice.below(routes as u64)).unwrap_or(0);
        self.add(at_ms, What::Console(route, 130));
        for step in 1..=4 {
            let order = if step < 3 {
                Order::Abandon
            } else if self.dice.one_in(2) {
                Order::Rollback
            } else {
                self.order()
            };
            let rollout = SCORE;
            let what = What::Order { rollout, order, stale: 0, again: false, pressed: false };
            self.add(at_ms + step * 70_000, what);
            self.person(at_ms + step * 70_000 + 20_000, second);
        }
    }

    fn person(&mut self, at_ms: i64, second: bool) {
        let rollout = self.rollout(second);
        if self.dice.one_in(14) {
            self.add(at_ms, What::Direct { rollout });
            return;
        }
        let order = self.order();
        let stale = if self.dice.one_in(6) { self.dice.between(1, 8) } else { 0 };
        let pressed = self.dice.one_in(5)
            && matches!(
                order,
                Order::Rollback
                    | Order::Pause { for_minutes: None }
                    | Order::Resume { adopt: false }
            );
        self.add(
            at_ms,
            What::Order { rollout, order: order.clone(), stale, again: false, pressed },
        );
        if self.dice.one_in(5) {
            let at_ms = at_ms + self.dice.between(5, 90_000);
            let again = What::Order { rollout, order, stale, again: true, pressed: false };
            self.add(at_ms, again);
        }
    }
}

impl Plan {
    /// When it begins, in milliseconds.
    pub fn begins_ms(&self) -> i64 {
        BEGINS_MS + self.past_the_hour * 60_000
    }

    /// The history of a seed.
    pub fn of(seed: u64) -> Self {
        let mut draft = Draft { dice: Dice::of(seed, &[0]), happenings: Vec::new(), uid: 0 };
        let rates = draft.rates();
        let routes = 1 + usize::from(draft.dice.one_in(3));
        let second = draft.dice.one_in(4);
        // In every seventh history nothing happens until the run may be complete.
        let late = seed % 7 == 3;
        let quiet = if late { draft.dice.between(20, 32) } else { 0 };
        let minutes = quiet + draft.dice.between(8, if late { 20 } else { 45 });
        let ends_well = !draft.dice.one_in(4);
        let busy = draft.dice.below(24);
        // In some histories the scheduler stands still for a while.
        let gap = if draft.dice.one_in(3) {
            let first = draft.dice.between(6, 30);
            first..first + draft.dice.between(4, 9)
        } else {
            0..0
        };
        draft.add(500, start(SCORE));
        if second {
            draft.add(700, start(OTHER));
        }
        for minute in 1..quiet {
            let late_ms = draft.dice.between(50, 4_000);
            draft.add(minute * 60_000 + late_ms, What::Tick { late_ms });
        }
        for minute in quiet.max(1)..minutes {
            draft.minute(minute, gap.contains(&minute), busy, second, routes);
        }
        // Every seventh history fails everywhere, and goes to where few get by chance.
        let dense = seed % 7 == 5;
        if dense {
            draft.abandons(minutes, routes, second);
        }
        let rates = if dense { Rates(Call::ALL.map(|call| (call, 90)).into()) } else { rates };
        let past_the_hour = draft.dice.between(0, 59);
        let compared = Compared::of(seed);
        draft.stops_comparing(seed, compared, minutes);
        let mut happenings = draft.happenings;
        happenings.sort_by_key(|happening| (happening.at_ms, happening.uid));
        for happening in &mut happenings {
            if happening.what == What::Serves(Service::NewSlow) && compared != Compared::No {
                happening.what = What::Serves(compared.bad());
            }
        }
        Self {
            seed,
            past_the_hour,
            routes,
            second,
            compared,
            engine: Engine::of(seed, compared),
            minutes,
            ends_well,
            rates,
            happenings,
            muted: BTreeSet::new(),
        }
    }
}

fn start(rollout: &'static str) -> What {
    What::Order { rollout, order: Order::Start, stale: 0, again: false, pressed: false }
}
