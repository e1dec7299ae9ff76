//! What the simulation itself knows: who was told what, what is in the journal, which
//! answers people got. Every write of a weight, every entry, every answer and every end
//! of a process is held against it. Nothing here asks the code under test.

mod ends;
mod invariant;
mod raise;
mod track;

pub use ends::Truth;
pub use invariant::{Broken, Invariant};
pub use raise::{Ground, Write};
pub use track::{Rollback, Track};

use crate::cloud::Shown;
use crate::fate::{Call, Fate, Stand};
use aws_sdk_elasticloadbalancingv2::types::Rule;
use raise::{may_intend, settles_live};
use rollout_controller::config::Config;
use rollout_controller::domain::code::{CodeSeen, RouteCodeSeen};
use rollout_controller::domain::command::Request;
use rollout_controller::domain::copy::OutsideOrder;
use rollout_controller::domain::event::{Event, Stamped};
use rollout_controller::domain::message::Channel;
use rollout_controller::domain::observation::{AlarmSeen, AlarmState};
use rollout_controller::domain::outbox::Debt;
use rollout_controller::ports::Outside;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What kind of process it is.
#[derive(Clone, Debug, PartialEq)]
pub enum Work {
    /// A tick for this time in milliseconds.
    Tick(i64),
    /// A command.
    Command(Box<Request>),
    /// A question.
    View,
    /// A rollback with a person's own credentials.
    Direct,
}

/// What was served again and again, each time with the time in milliseconds of which it
/// tells.
#[derive(Clone, Debug)]
pub(crate) struct Looks<T>(Vec<(i64, T)>);

impl<T> Default for Looks<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Looks<T> {
    fn push(&mut self, as_of_ms: i64, look: T) {
        self.0.push((as_of_ms, look));
    }

    /// The last one.
    fn last(&self) -> Option<&(i64, T)> {
        self.0.last()
    }

    /// The last one that tells of a time up to this. What a process read after a request
    /// had left tells nothing of the request.
    fn by(&self, ms: i64) -> Option<&(i64, T)> {
        self.0.iter().rev().find(|(as_of_ms, _)| *as_of_ms <= ms)
    }
}

/// What one process was served.
#[derive(Clone, Debug)]
pub struct Sight {
    work: Work,
    config: Arc<Config>,
    began_ms: i64,
    ends_ms: i64,
    /// Whether it ended in the middle of its work.
    died: bool,
    /// How far its clock for people goes ahead.
    people_ms: i64,
    /// Rules by ARN.
    rules: BTreeMap<String, Looks<(Option<Rule>, Shown)>>,
    /// Whether each header rule was there.
    headers: BTreeMap<String, bool>,
    /// Parameters by rollout.
    outside: BTreeMap<String, Looks<Outside>>,
    /// Alarms by name, once for each time they were served: a second look may be for
    /// another rollout.
    alarms: Vec<BTreeMap<String, AlarmState>>,
    newest: BTreeMap<String, Option<i64>>,
    /// By rollout: one whose journal turns out to be cut is looked at again, alone.
    code: BTreeMap<String, RouteCodeSeen>,
    read_journal: BTreeMap<String, u64>,
    /// Rollouts in which an append of its lost a race, and how many of these were of what
    /// it decided or did, and not of what became of messages.
    lost_races: BTreeMap<String, u32>,
    /// Its last raise of each rollout, and when it took effect.
    raised: BTreeMap<String, (i64, i64)>,
    /// When a write of its own last left the new side traffic.
    left_traffic: BTreeMap<String, i64>,
    faults: Vec<(Call, Fate)>,
    sent: BTreeSet<(Channel, String)>,
    sluggish: bool,
    /// Rules that it began to change.
    tried: BTreeSet<String>,
    /// What each rule showed at its first look.
    first_shown: BTreeMap<String, Shown>,
}

/// The books.
#[derive(Clone, Debug, Default)]
pub struct Books {
    tracks: BTreeMap<String, Track>,
    sights: BTreeMap<u64, Sight>,
    /// The first invariant that did not hold.
    pub broken: Option<Broken>,
    /// Entries that were written, in all rollouts, to tell what came before what.
    written: u64,
    /// Journals that were restored, with the time.
    cut_ms: Option<i64>,
    /// When someone else changed a rule last.
    meddled_ms: Option<i64>,
}

impl Sight {
    /// Whether a call failed without which no share is lowered.
    fn cannot_lower(&self) -> bool {
        self.faults.iter().any(|(call, _)| {
            matches!(
                call,
                Call::Rules
                    | Call::Rule
                    | Call::Modify
                    | Call::OutsideRead
                    | Call::JournalRead
                    | Call::JournalAppend
            )
        })
    }

    /// Each rule as it was served last.
    fn last_rules(&self) -> impl Iterator<Item = (&str, Option<&Rule>, Shown)> {
        self.rules.iter().filter_map(|(arn, looks)| {
            let (_, (rule, shown)) = looks.last()?;
            Some((arn.as_str(), rule.as_ref(), *shown))
        })
    }

    /// What a rule showed last.
    fn last_shown(&self, arn: &str) -> Option<Shown> {
        self.rules.get(arn)?.last().map(|(_, (_, shown))| *shown)
    }

    /// What a rollout's parameters said last.
    fn parameters(&self, rollout: &str) -> Option<&Outside> {
        self.outside.get(rollout)?.last().map(|(_, outside)| outside)
    }

    /// When they were read last; long ago, if never.
    fn looked_ms(&self, rollout: &str) -> i64 {
        let last = self.outside.get(rollout).and_then(Looks::last);
        last.map_or(i64::MIN, |(as_of_ms, _)| *as_of_ms)
    }

    /// Whether the rules of a rollout were listed.
    fn listed(&self, rollout: &str) -> bool {
        let found = self.config.rollout(Some(rollout)).ok();
        let routes = found.map(|found| &found.terms.routes[..]).unwrap_or_default();
        routes.iter().all(|route| self.rules.contains_key(route.rule.as_str()))
    }
}

impl Books {
    /// For these rollouts.
    pub fn new(names: &[&str]) -> Self {
        let tracks = names.iter().map(|name| ((*name).to_owned(), Track::default())).collect();
        Self { tracks, ..Self::default() }
    }

    /// Whether a database was restored from an older copy.
    pub fn was_restored(&self) -> bool {
        self.cut_ms.is_some()
    }

    /// One rollout's.
    pub fn track(&self, rollout: &str) -> Option<&Track> {
        self.tracks.get(rollout)
    }

    /// Names of the rollouts.
    pub fn names(&self) -> Vec<String> {
        self.tracks.keys().cloned().collect()
    }

    /// Entries that were written so far, in all rollouts.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Where a rollout stands.
    pub fn stand(&self, rollout: &str) -> Stand {
        self.tracks.get(rollout).map_or(Stand::None, Track::stand)
    }

    /// Notes that an invariant does not hold; the first counts.
    pub fn breaks(&mut self, invariant: Invariant, at_ms: i64, text: impl Into<String>) {
        if self.broken.is_none() {
            self.broken = Some(Broken { invariant, at_ms, text: text.into() });
        }
    }

    // ------------------------------------------------------- what was served

    /// A process begins.
    pub fn began(
        &mut self,
        uid: u64,
        work: Work,
        config: Arc<Config>,
        began_ms: i64,
        people_ms: i64,
    ) {
        let sight = Sight {
            work,
            config,
            began_ms,
            ends_ms: i64::MAX,
            died: false,
            people_ms,
            rules: BTreeMap::new(),
            headers: BTreeMap::new(),
            outside: BTreeMap::new(),
            alarms: Vec::new(),
            newest: BTreeMap::new(),
            code: BTreeMap::new(),
            read_journal: BTreeMap::new(),
            lost_races: BTreeMap::new(),
            raised: BTreeMap::new(),
            left_traffic: BTreeMap::new(),
            faults: Vec::new(),
            sent: BTreeSet::new(),
            sluggish: false,
            tried: BTreeSet::new(),
            first_shown: BTreeMap::new(),
        };
        self.sights.insert(uid, sight);
    }

    fn see(&mut self, uid: u64, note: impl FnOnce(&mut Sight)) {
        if let Some(sight) = self.sights.get_mut(&uid) {
            note(sight);
        }
    }

    /// A call of a process has a fault.
    pub fn faulted(&mut self, uid: u64, call: Call, fate: Fate) {
        self.see(uid, |sight| sight.faults.push((call, fate)));
    }

    /// Someone else changes a rule.
    pub fn meddled(&mut self, now_ms: i64) {
        self.meddled_ms = Some(now_ms);
    }

    /// A process stood still.
    pub fn froze(&mut self, uid: u64) {
        self.see(uid, |sight| sight.sluggish = true);
    }

    /// A rule was served.
    pub fn saw_rule(
        &mut self,
        uid: u64,
        _rollout: &str,
        arn: &str,
        rule: Option<Rule>,
        shown: Shown,
        as_of_ms: i64,
    ) {
        self.see(uid, |sight| {
            sight.first_shown.entry(arn.to_owned()).or_insert(shown);
            sight.rules.entry(arn.to_owned()).or_default().push(as_of_ms, (rule, shown));
        });
    }

    /// A process began to change a rule.
    pub fn tries(&mut self, uid: u64, arn: &str) {
        self.see(uid, |sight| {
            sight.tried.insert(arn.to_owned());
        });
    }

    /// Whether a header rule was served.
    pub fn saw_header(&mut self, uid: u64, arn: &str, there: bool) {
        self.see(uid, |sight| {
            sight.headers.insert(arn.to_owned(), there);
        });
    }

    /// Alarms were served.
    pub fn saw_alarms(&mut self, uid: u64, alarms: &[AlarmSeen]) {
        let states = alarms.iter().map(|alarm| (alarm.name.clone(), alarm.state)).collect();
        self.see(uid, |sight| sight.alarms.push(states));
    }

    /// Minutes were served; the newest that is known on every route.
    pub fn saw_minutes(&mut self, uid: u64, rollout: &str, newest: Option<i64>) {
        self.see(uid, |sight| {
            sight.newest.insert(rollout.to_owned(), newest);
        });
    }

    /// The code of a rollout's groups was served.
    pub fn saw_code(&mut self, uid: u64, rollout: &str, seen: &RouteCodeSeen) {
        self.see(uid, |sight| {
            sight.code.insert(rollout.to_owned(), seen.clone());
        });
    }

    /// The parameters of a rollout were served.
    pub fn saw_outside(&mut self, uid: u64, rollout: &str, outside: &Outside, as_of_ms: i64) {
        self.see(uid, |sight| {
            sight.outside.entry(rollout.to_owned()).or_default().push(as_of_ms, outside.clone());
        });
    }

    /// A journal was served.
    pub fn read_journal(&mut self, uid: u64, rollout: &str, written: u64) {
        self.see(uid, |sight| {
            sight.read_journal.insert(rollout.to_owned(), written);
        });
    }

    /// An append lost its race. `is_step`: it was more than a note of what became of
    /// messages.
    pub fn lost_race(&mut self, uid: u64, rollout: &str, is_step: bool) {
        self.see(uid, |sight| {
            *sight.lost_races.entry(rollout.to_owned()).or_insert(0) += u32::from(is_step);
        });
    }

    // ------------------------------------------------------------ the journal

    /// Newest minute that a process was served of a rollout.
    pub fn newest_served(&self, uid: u64, rollout: &str) -> Option<i64> {
        self.sights.get(&uid)?.newest.get(rollout).copied().flatten()
    }

    /// The new side's code that a process was served for a rollout.
    pub fn code_served(&self, uid: u64, rollout: &str) -> Option<&CodeSeen> {
        self.sights.get(&uid)?.code.get(rollout).map(|code| &code.new)
    }

    /// Entries were committed. `shown` is what the rollout's rules really show, `clock_ms`
    /// the writer's own clock.
    #[expect(clippy::too_many_arguments, reason = "one call, with all that was true then")]
    pub fn committed(
        &mut self,
        uid: u64,
        rollout: &str,
        events: &[Stamped],
        shown: &[Shown],
        ground: Ground,
        now_ms: i64,
        clock_ms: i64,
    ) {
        if let Some(track) = self.tracks.get_mut(rollout) {
            track.ticked_before_ms = track.ticked_ms;
        }
        for stamped in events {
            self.written += 1;
            self.check_entry(uid, rollout, stamped, shown, ground, now_ms, clock_ms);
            let written = self.written;
            let Some(track) = self.tracks.get_mut(rollout) else { continue };
            if let Err((invariant, text)) = track.apply(stamped, uid, now_ms, written) {
                self.breaks(invariant, now_ms, text);
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one call, with all that was true then")]
    fn check_entry(
        &mut self,
        uid: u64,
        rollout: &str,
        stamped: &Stamped,
        shown: &[Shown],
        ground: Ground,
        now_ms: i64,
        clock_ms: i64,
    ) {
        let (Some(track), Some(sight)) = (self.tracks.get(rollout), self.sights.get(&uid)) else {
            return;
        };
        let here = track.weight().tenths();
        let dated_by = track.intents.iter().rev().find(|intent| intent.to == here);
        let dated_by = dated_by.and_then(|intent| self.sights.get(&intent.uid));
        let is_misdated = dated_by.is_some_and(|sight| sight.people_ms != 0);
        let ground = Ground { is_misdated, ..ground };
        let problem = match &stamped.event {
            Event::Intended { to, from, cause, .. } if cause.kind.raises() => {
                may_intend(track, sight, rollout, *from, *to, cause.kind, ground, clock_ms)
            }
            Event::NotApplied { .. } => settles_live(track, uid, shown, now_ms),
            Event::GivenUp { items, .. } => items.iter().find_map(|item| {
                let owed_ms = track.owed_since(*item)?;
                let early = now_ms - owed_ms < 59 * 60_000;
                early.then(|| {
                    let seconds = (now_ms - owed_ms) / 1000;
                    let text = format!("message {item:?} is given up after {seconds} s");
                    (Invariant::NoMessageIsGivenUpEarly, text)
                })
            }),
            _ => None,
        };
        if let Some((invariant, text)) = problem {
            let text = format!("{rollout}, entry {}: {text}", stamped.seq);
            self.breaks(invariant, now_ms, text);
        }
    }

    /// A journal was restored to an older state: nothing after this entry. What was
    /// promised on the lost ones cannot be kept.
    pub fn cut(&mut self, rollout: &str, left: &[Stamped], now_ms: i64) {
        self.cut_ms = Some(now_ms);
        let names = self.sights.values_mut();
        for sight in names {
            sight.read_journal.clear();
        }
        if let Some(track) = self.tracks.get_mut(rollout) {
            let before = std::mem::take(track);
            track.cut = before.cut + 1;
            track.rollbacks = before.rollbacks;
            for rollback in &mut track.rollbacks {
                if rollback.seq.is_some_and(|seq| left.last().is_none_or(|last| last.seq < seq)) {
                    rollback.excused = true;
                }
            }
            for stamped in left {
                // It was in order when it was written, at about its own time.
                let _ = track.apply(stamped, 0, stamped.at_ms.min(now_ms), self.written);
            }
            track.arrived = before.arrived;
        }
    }

    /// An order was left outside the journal.
    pub fn ordered_outside(&mut self, rollout: &str, order: &OutsideOrder, now_ms: i64) {
        let Some(track) = self.tracks.get_mut(rollout) else { return };
        let (identity, reason) = (order.identity.clone(), order.reason.clone());
        let rollback = track.rollback(&order.command);
        rollback.order_ms = Some(now_ms);
        rollback.given_ms = order.at_ms;
        rollback.who = (identity, reason);
        // A parameter holds one order: the one before is gone, if the journal had not
        // taken it in. That is stated in the design, and repeated orders are one will.
        let command = order.command.clone();
        for other in &mut track.rollbacks {
            if other.command != command && other.order_ms.is_some() && other.seq.is_none() {
                other.excused = true;
            }
        }
    }

    // -------------------------------------------------------------- messages

    /// A channel accepted a message.
    pub fn arrived(&mut self, uid: u64, channel: Channel, debt: &Debt) {
        let (rollout, id) = match debt {
            Debt::Page(page) => (page.rollout.clone(), page.id()),
            Debt::Change(change) => (change.rollout.clone(), change.id()),
        };
        let Some(track) = self.tracks.get_mut(&rollout) else { return };
        let (revision, topic) = match debt {
            Debt::Page(page) => (page.revision, Some(page.topic)),
            Debt::Change(change) => (change.revision, None),
        };
        // Without the journal a page has the hour for its revision.
        let journalled = track.delivered_when(channel, revision, topic);
        let knew = self.sights.get(&uid).and_then(|sight| {
            let read = *sight.read_journal.get(&rollout)?;
            journalled.filter(|written| *written <= read)
        });
        track.arrived.insert((channel, revision, topic));
        if knew.is_some() {
            let text = format!("{id} on {} after its delivery was read", channel.name());
            self.breaks(Invariant::NoMessageTwice, 0, text);
        }
        let again = self
            .sights
            .get_mut(&uid)
            .is_some_and(|sight| !sight.sent.insert((channel, id.clone())));
        if again {
            let text = format!("{id} twice on {} by one process", channel.name());
            self.breaks(Invariant::NoMessageTwice, 0, text);
        }
    }
}
