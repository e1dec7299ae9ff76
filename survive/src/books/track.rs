//! One rollout by its journal's entries, in the simulation's own words: a second,
//! simpler reading of the same events.

use super::Invariant;
use crate::fate::Stand;
use rollout_controller::domain::code::Code;
use rollout_controller::domain::decision::{Decision, RollBackReason};
use rollout_controller::domain::engine::Proof;
use rollout_controller::domain::event::{End, Event, Item, LoweredBy, MinuteEntry, Stamped, Who};
use rollout_controller::domain::message::{Channel, Topic};
use rollout_controller::domain::plan::Mode;
use rollout_controller::domain::weight::Weight;
use rollout_controller::domain::wrong_answers::ComparisonsRead;
use rollout_controller::ports::Outside;
use std::collections::{BTreeMap, BTreeSet};

/// An intent in the journal.
#[derive(Clone, Debug)]
pub struct Intent {
    /// Its entry.
    pub seq: i64,
    /// Tenths of a percent before.
    pub from: u16,
    /// Tenths of a percent after.
    pub to: u16,
    /// Whether it raises.
    pub raises: bool,
    /// The process that wrote it.
    pub uid: u64,
    /// Until when that may write, by its own clock.
    pub deadline_ms: i64,
    /// The time of its entry.
    pub at_ms: i64,
    /// When it was committed.
    pub committed_ms: i64,
    /// Whether the deadline is one by everybody's clock.
    pub true_clock: bool,
    /// Whether its own process journalled what became of it.
    pub own_outcome: bool,
}

/// A rollback that a person ordered.
#[derive(Clone, Debug, Default)]
pub struct Rollback {
    /// The command's id.
    pub command: String,
    /// Its entry, once it has one.
    pub seq: Option<i64>,
    /// When that was committed.
    pub committed_ms: Option<i64>,
    /// When it was left outside the journal.
    pub order_ms: Option<i64>,
    /// The time that it names for itself.
    pub given_ms: i64,
    /// When it was answered as done.
    pub answered_ms: Option<i64>,
    /// Identity and reason.
    pub who: (String, String),
    /// Whether the database that had it was replaced by an older one.
    pub excused: bool,
}

/// An entry that a person would call a change.
#[derive(Clone, Copy, Debug)]
pub struct Changed {
    /// It.
    pub seq: i64,
    /// The process that wrote it.
    pub uid: u64,
    /// Entries that were written by then, in all rollouts.
    pub written: u64,
}

#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
struct Run {
    shadow: bool,
    stages: Vec<Weight>,
    weight: Weight,
    paused: bool,
    moved: bool,
    rolling_back: bool,
    ended: Option<Ended>,
    baked: bool,
    code: Option<Code>,
    alarms_before: Vec<String>,
    newest: Option<i64>,
    known: Option<i64>,
    pause: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    RolledBack,
    Completed,
    Abandoned,
}

#[derive(Clone, Debug)]
struct Owed {
    at_ms: i64,
    /// The time of its entry.
    entry_ms: i64,
    channels: Vec<Channel>,
}

/// One rollout.
#[derive(Clone, Debug, Default)]
pub struct Track {
    /// The last entry.
    pub seq: i64,
    at_ms: i64,
    /// The newest tick's time.
    pub ticked_ms: Option<i64>,
    /// The same before the entries that are being written.
    pub ticked_before_ms: Option<i64>,
    /// When that was journalled.
    pub ticked_at_ms: Option<i64>,
    /// The last entry that changed the run.
    pub changed: i64,
    run: Option<Run>,
    /// Every intent, oldest first.
    pub intents: Vec<Intent>,
    open: Option<usize>,
    /// Entries that began runs.
    pub starts: Vec<i64>,
    commands: BTreeMap<String, (i64, Who)>,
    /// Rollbacks by people.
    pub rollbacks: Vec<Rollback>,
    /// Where a forced promotion goes, until its intent.
    pub forced_to: Option<Weight>,
    /// Minutes that the newest tick says to have proven a step.
    pub proven_minutes: usize,
    /// Whether a step needs proof of right answers.
    pub needs_comparisons: bool,
    compared: BTreeMap<i64, u64>,
    owed: BTreeMap<(i64, Option<Topic>), Owed>,
    delivered: BTreeMap<(Channel, i64, Option<Topic>), u64>,
    /// Messages that arrived.
    pub arrived: BTreeSet<(Channel, i64, Option<Topic>)>,
    /// Topics that are raised.
    pub raised: BTreeMap<Topic, i64>,
    /// Entries that a person would call a change.
    pub changes: Vec<Changed>,
    /// When the newest run ended.
    pub ended_ms: Option<i64>,
    /// When the newest run began, by the world's time.
    pub started_true_ms: i64,
    since_ms: i64,
    /// The share before, and since when.
    share_before: Option<(Weight, i64)>,
    lag: i64,
    lag_before: i64,
    paused_until_ms: Option<i64>,
    /// How often the journal was replaced by an older one.
    pub cut: u32,
}

const PAGES: [Channel; 2] = [Channel::Pager, Channel::Chat];

impl Track {
    /// The number of the newest run; 0 without one.
    pub fn runs(&self) -> usize {
        self.starts.len()
    }

    /// Where it stands.
    pub fn stand(&self) -> Stand {
        let Some(run) = &self.run else { return Stand::None };
        let bake = run.stages.iter().rev().nth(1).or(run.stages.last()).copied();
        match run.ended {
            Some(Ended::RolledBack) => Stand::RolledBack,
            Some(Ended::Completed) => Stand::Completed,
            Some(Ended::Abandoned) => Stand::Abandoned,
            None if run.rolling_back => Stand::RollingBack,
            None if run.moved => Stand::Moved,
            None if run.paused => Stand::Paused,
            None if run.weight == Weight::ZERO => Stand::Starting,
            None if Some(run.weight) < bake => Stand::Stage,
            None if run.baked => Stand::Watch,
            None => Stand::Bake,
        }
    }

    /// Whether a run goes on.
    pub fn is_open(&self) -> bool {
        self.run.as_ref().is_some_and(|run| run.ended.is_none())
    }

    /// Whether breaches and alarms must take the new side out of traffic.
    pub fn is_protected(&self) -> bool {
        self.run.as_ref().is_some_and(|run| run.ended.is_none() && !run.shadow)
    }

    /// Whether the run only tells.
    pub fn is_shadow(&self) -> bool {
        self.run.as_ref().is_some_and(|run| run.shadow)
    }

    /// Whether a pause stands.
    pub fn is_paused(&self) -> bool {
        self.run.as_ref().is_some_and(|run| run.paused)
    }

    /// The share by the journal.
    pub fn weight(&self) -> Weight {
        self.run.as_ref().map_or(Weight::ZERO, |run| run.weight)
    }

    /// The next stage after this share.
    pub fn next_after(&self, weight: Weight) -> Option<Weight> {
        self.run.as_ref()?.stages.iter().copied().find(|stage| *stage > weight)
    }

    /// The new side's code by the journal.
    pub fn new_code(&self) -> Option<&Code> {
        self.run.as_ref()?.code.as_ref()
    }

    /// Alarms from before the start that have not been OK since.
    pub fn alarms_before(&self) -> Vec<String> {
        self.run.as_ref().map(|run| run.alarms_before.clone()).unwrap_or_default()
    }

    /// The newest minute that the journal knows on every route.
    pub fn newest_known(&self) -> Option<i64> {
        self.run.as_ref()?.known
    }

    /// Minutes until CloudWatch has a minute, by the journal.
    pub fn lag(&self) -> i64 {
        self.lag
    }

    /// The intent whose outcome is not known.
    pub fn open_intent(&self) -> Option<&Intent> {
        self.intents.get(self.open?)
    }

    /// The newest raise that a process intended.
    pub fn own_raise(&self, uid: u64) -> Option<&Intent> {
        self.intents.iter().rev().find(|intent| intent.uid == uid && intent.raises)
    }

    /// Who gave a command, if it is in the journal.
    pub fn who(&self, command: &str) -> Option<&Who> {
        self.commands.get(command).map(|(_, who)| who)
    }

    /// Whether the journal has the order that stands outside.
    pub fn knows(&self, outside: &Outside) -> bool {
        let order = outside.order.as_ref();
        order.is_none_or(|order| self.commands.contains_key(&order.command))
    }

    /// Answers that were compared since the share stands, by the journal.
    pub fn compared(&self) -> u64 {
        self.compared.range(self.since_ms.div_euclid(60_000)..).map(|(_, compared)| compared).sum()
    }

    /// Since when the share stands, by the journal.
    pub fn since_ms(&self) -> i64 {
        self.since_ms
    }

    /// The entry of a command.
    pub fn seq_of(&self, command: &str) -> Option<i64> {
        self.commands.get(command).map(|(seq, _)| *seq)
    }

    /// Minutes until CloudWatch has a minute, as the newest tick before knew.
    pub fn lag_before(&self) -> i64 {
        self.lag_before
    }

    /// A page that should have gone out on a channel: owed before this time, young
    /// enough to be tried at every tick, one of few.
    pub fn waiting(&self, channel: Channel, began_ms: i64, tick_ms: i64) -> Option<String> {
        let key = |(revision, topic): &(i64, Option<Topic>)| (channel, *revision, *topic);
        let waits = self.owed.iter().filter(|(id, owed)| {
            owed.channels.contains(&channel)
                && !self.arrived.contains(&key(id))
                && !self.delivered.contains_key(&key(id))
        });
        let waits: Vec<_> = waits.collect();
        let due = waits
            .iter()
            .find(|(_, owed)| owed.at_ms < began_ms && tick_ms - owed.entry_ms < 8 * 60_000);
        let ((revision, topic), _) = due.filter(|_| waits.len() < 5)?;
        let topic = topic.map_or("state change", Topic::name);
        Some(format!("{topic} of entry {revision} still waits for {}", channel.name()))
    }

    /// Since when a message is owed.
    pub fn owed_since(&self, item: Item) -> Option<i64> {
        self.owed.get(&(item.revision, item.topic)).map(|owed| owed.at_ms)
    }

    /// When the journal was told that a channel accepted a message.
    pub fn delivered_when(
        &self,
        channel: Channel,
        revision: i64,
        topic: Option<Topic>,
    ) -> Option<u64> {
        self.delivered.get(&(channel, revision, topic)).copied()
    }

    /// Messages that should have arrived and have not.
    pub fn missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        for ((revision, topic), owed) in &self.owed {
            for channel in &owed.channels {
                let key = (*channel, *revision, *topic);
                if !self.arrived.contains(&key) && !self.delivered.contains_key(&key) {
                    let topic = topic.map_or("state change", Topic::name);
                    missing.push(format!("{topic} of entry {revision} on {}", channel.name()));
                }
            }
        }
        missing
    }

    /// Messages that the journal notes as accepted and that never arrived.
    pub fn invented(&self) -> Vec<String> {
        let noted = self.delivered.keys().filter(|key| !self.arrived.contains(*key));
        // The clear of an alarm that is owed as well goes out with it.
        let noted = noted.filter(|(channel, revision, topic)| {
            !self.delivered.keys().any(|(other, earlier, same)| {
                other == channel
                    && same == topic
                    && earlier < revision
                    && self.arrived.contains(&(*other, *earlier, *same))
            })
        });
        noted
            .map(|(channel, revision, topic)| {
                format!("{:?} of entry {revision} on {}", topic.map(Topic::name), channel.name())
            })
            .collect()
    }

    /// The entry of a rollback by its command, made if there is none.
    pub fn rollback(&mut self, command: &str) -> &mut Rollback {
        let at = self.rollbacks.iter().position(|rollback| rollback.command == command);
        let at = at.unwrap_or_else(|| {
            let seq = self.commands.get(command).map(|(seq, _)| *seq);
            let command = command.to_owned();
            self.rollbacks.push(Rollback { command, seq, ..Rollback::default() });
            self.rollbacks.len() - 1
        });
        &mut self.rollbacks[at]
    }

    fn owe(&mut self, stamped: &Stamped, topic: Option<Topic>, channels: &[Channel], now_ms: i64) {
        let owed = Owed { at_ms: now_ms, entry_ms: stamped.at_ms, channels: channels.to_vec() };
        self.owed.insert((stamped.seq, topic), owed);
    }

    /// Takes in an entry.
    ///
    /// # Errors
    /// The invariant that it breaks by itself.
    pub fn apply(
        &mut self,
        stamped: &Stamped,
        uid: u64,
        now_ms: i64,
        written: u64,
    ) -> Result<(), (Invariant, String)> {
        let disorder = |text: String| Err((Invariant::TheJournalIsInOrder, text));
        if stamped.seq != self.seq + 1 {
            return disorder(format!("entry {} follows {}", stamped.seq, self.seq));
        }
        if stamped.at_ms < self.at_ms {
            return disorder(format!("entry {} goes back in time", stamped.seq));
        }
        (self.seq, self.at_ms) = (stamped.seq, stamped.at_ms);
        if stamped.event.is_change() {
            self.changed = stamped.seq;
            self.changes.push(Changed { seq: stamped.seq, uid, written });
        }
        self.person(stamped, now_ms)?;
        self.messages(stamped, now_ms, written);
        let becomes = match &stamped.event {
            Event::Applied { to, .. } => Some(*to).filter(|to| *to != self.weight()),
            Event::Adopted { weight, .. } => Some(*weight),
            _ => None,
        };
        if let Some(to) = becomes {
            // Whoever journals the outcome: the share began with the intent, at its tick's
            // time if that is ahead.
            let intent = self.open_intent();
            let began_ms = intent.map_or(now_ms, |intent| intent.committed_ms.min(now_ms));
            let began_ms = began_ms.max(intent.map_or(stamped.at_ms, |intent| intent.at_ms));
            let left = (self.weight(), self.since_ms);
            // Back within the minute: none was at another share.
            let same_minute = began_ms.div_euclid(60_000) == self.since_ms.div_euclid(60_000);
            let back = self.share_before.filter(|(share, _)| *share == to && same_minute);
            self.since_ms = back.map_or(began_ms, |(_, since_ms)| since_ms);
            self.share_before = Some(left);
        }
        self.intents(stamped, uid, now_ms);
        if matches!(stamped.event, Event::Ticked { .. }) {
            self.ticked_at_ms = Some(now_ms);
        }
        self.run(stamped, now_ms)
    }

    /// A person's action has a name and a reason, and is one action.
    fn person(&mut self, stamped: &Stamped, now_ms: i64) -> Result<(), (Invariant, String)> {
        let Some(command) = stamped.event.command() else { return Ok(()) };
        let who = match &stamped.event {
            Event::Started { who, .. }
            | Event::Adopted { who, .. }
            | Event::Paused { who, .. }
            | Event::Resumed { who, .. }
            | Event::Promoted { who, .. }
            | Event::RollbackOrdered { who, .. }
            | Event::Activated { who, .. }
            | Event::Abandoned { who, .. }
            | Event::LoweredOutside { by: LoweredBy::Person { who, .. }, .. } => who.clone(),
            _ => return Ok(()),
        };
        if who.identity.is_empty() || who.reason.is_empty() {
            let text = format!("entry {} has no name or no reason", stamped.seq);
            return Err((Invariant::AnswersAreJournalled, text));
        }
        let rollback =
            matches!(stamped.event, Event::RollbackOrdered { .. } | Event::LoweredOutside { .. });
        let always = rollback || matches!(stamped.event, Event::Paused { .. });
        let before = self.commands.insert(command.to_owned(), (stamped.seq, who.clone()));
        if let Some((earlier, _)) = before.filter(|_| !always) {
            let text = format!("command {command} is entry {earlier} and entry {}", stamped.seq);
            return Err((Invariant::OneCommandOnce, text));
        }
        if rollback {
            let command = command.to_owned();
            let rollback = self.rollback(&command);
            (rollback.seq, rollback.committed_ms) = (Some(stamped.seq), Some(now_ms));
            if rollback.who == (String::new(), String::new()) {
                rollback.who = (who.identity, who.reason);
            } else if rollback.who.0 != who.identity || rollback.who.1.trim() != who.reason {
                let text =
                    format!("rollback {command} by {:?} is journalled as {who:?}", rollback.who);
                return Err((Invariant::RollbacksAreJournalledLater, text));
            }
        }
        Ok(())
    }

    fn messages(&mut self, stamped: &Stamped, now_ms: i64, written: u64) {
        match &stamped.event {
            Event::Started { .. } => self.owe(stamped, Some(Topic::Started), &PAGES, now_ms),
            Event::Applied { to, .. } if *to > Weight::ZERO => {
                self.owe(stamped, Some(Topic::StageReached), &PAGES, now_ms);
            }
            Event::Finished { end: End::RolledBack, .. } => {
                self.owe(stamped, Some(Topic::RolledBack), &PAGES, now_ms);
            }
            Event::Finished { end: End::Completed, .. } => {
                self.owe(stamped, Some(Topic::Completed), &PAGES, now_ms);
            }
            Event::Raised { topic, .. } => {
                self.raised.insert(*topic, stamped.seq);
                // The broken channel cannot carry the news that it is broken.
                if *topic != Topic::ChannelBroken {
                    self.owe(stamped, Some(*topic), &PAGES, now_ms);
                }
            }
            Event::Cleared { topic, .. } => {
                self.raised.remove(topic);
            }
            Event::Delivered { channel, items } => {
                for item in items {
                    self.delivered.insert((*channel, item.revision, item.topic), written);
                }
            }
            Event::GivenUp { channel, items } => {
                for item in items {
                    if let Some(owed) = self.owed.get_mut(&(item.revision, item.topic)) {
                        owed.channels.retain(|owed| owed != channel);
                    }
                }
            }
            _ => {}
        }
        if matches!(
            stamped.event,
            Event::Started { .. }
                | Event::Paused { .. }
                | Event::Resumed { .. }
                | Event::Adopted { .. }
                | Event::RollbackOrdered { .. }
                | Event::Applied { .. }
                | Event::Finished { .. }
                | Event::Abandoned { .. }
        ) {
            self.owe(stamped, None, &[Channel::Bus], now_ms);
        }
        if matches!(stamped.event, Event::Finished { .. } | Event::Abandoned { .. }) {
            self.raised.retain(|topic, _| *topic == Topic::ChannelBroken);
        }
    }

    fn intents(&mut self, stamped: &Stamped, uid: u64, now_ms: i64) {
        match &stamped.event {
            Event::Intended { from, to, cause, deadline_ms, .. } => {
                self.intents.push(Intent {
                    seq: stamped.seq,
                    from: from.tenths(),
                    to: to.tenths(),
                    raises: cause.kind.raises(),
                    uid,
                    deadline_ms: *deadline_ms,
                    at_ms: stamped.at_ms,
                    committed_ms: now_ms,
                    true_clock: (*deadline_ms - now_ms) < 25_000,
                    own_outcome: false,
                });
                self.open = Some(self.intents.len() - 1);
                self.forced_to = None;
            }
            Event::Applied { .. }
            | Event::NotApplied { .. }
            | Event::Finished { .. }
            | Event::Adopted { .. }
            | Event::Abandoned { .. }
            | Event::LoweredOutside { .. } => {
                let open = self.open.take().and_then(|at| self.intents.get_mut(at));
                if let Some(intent) = open.filter(|intent| intent.uid == uid) {
                    intent.own_outcome = true;
                }
            }
            Event::Promoted { to, forced: true, .. } => self.forced_to = Some(*to),
            _ => {}
        }
    }

    fn run(&mut self, stamped: &Stamped, now_ms: i64) -> Result<(), (Invariant, String)> {
        if let Event::Started { mode, terms, alarms_before, .. } = &stamped.event {
            self.starts.push(stamped.seq);
            self.started_true_ms = now_ms;
            self.ended_ms = None;
            self.needs_comparisons =
                terms.evidence.wrong_answers().is_some_and(|objective| objective.required);
            self.compared.clear();
            self.lag = i64::from(terms.lag_minutes);
            self.lag_before = self.lag;
            self.open = None;
            self.run = Some(Run {
                shadow: *mode == Mode::Shadow,
                stages: terms.stages.clone(),
                weight: Weight::ZERO,
                paused: false,
                moved: false,
                rolling_back: false,
                ended: None,
                baked: false,
                code: None,
                alarms_before: alarms_before.clone(),
                newest: None,
                known: None,
                pause: None,
            });
            return Ok(());
        }
        let Some(run) = &mut self.run else { return Ok(()) };
        match &stamped.event {
            Event::Baseline { through, chosen, .. } => {
                run.newest = Some(through.0);
                run.known = run.newest;
                if let Some(chosen) = chosen {
                    run.stages.clone_from(&chosen.stages);
                }
            }
            Event::Ticked { minutes, decision, recovered, lag_minutes, .. } => {
                self.lag_before = self.lag;
                self.lag = lag_minutes.map_or(self.lag, i64::from);
                self.ticked_ms = Some(stamped.at_ms);
                run.alarms_before.retain(|name| !recovered.contains(name));
                self.proven_minutes = match decision {
                    Decision::Advance { proof: Some(Proof::Two(said)), .. } => {
                        usize::try_from(said.why.minutes).unwrap_or(usize::MAX)
                    }
                    _ => 0,
                };
                if let Decision::RollBack { reason } = decision
                    && !run.shadow
                    && !matches!(reason, RollBackReason::PutBack)
                {
                    run.rolling_back = true;
                }
                for entry in minutes {
                    if let (true, Ok(minute)) = (entry.is_known(), entry.minute()) {
                        run.known = run.known.max(Some(minute.0));
                    }
                    if let (Some(ComparisonsRead::Counted(counts)), Ok(minute)) =
                        (entry.comparisons(), entry.minute())
                    {
                        self.compared.insert(minute.0, counts.compared);
                    }
                    let (first, last) = match entry {
                        MinuteEntry::Read { minute, .. } => (minute.0, minute.0),
                        MinuteEntry::Lost { lost } => (lost.from.0, lost.to.0),
                        MinuteEntry::Summed(minute) => (minute.minute.0, minute.minute.0),
                    };
                    let Some(newest) = run.newest else { continue };
                    if first > newest + 1 {
                        let text = format!("minute {first} is judged after {newest}");
                        return Err((Invariant::TheJournalIsInOrder, text));
                    }
                    run.newest = Some(newest.max(last));
                }
            }
            Event::CodeChanged { codes, .. } => {
                run.code = codes.first().and_then(|code| code.new.clone());
                run.baked = false;
            }
            Event::Applied { from, to, cause } => {
                let bake = run.stages.iter().rev().nth(1).or(run.stages.last()).copied();
                if cause.kind.raises() && bake.is_some_and(|bake| *from >= bake) {
                    run.baked = true;
                }
                run.weight = *to;
            }
            Event::MovedByOther { .. } => run.moved = true,
            Event::Cleared { topic: Topic::MovedBySomeoneElse, .. } => run.moved = false,
            Event::LoweredOutside { .. } | Event::FoundAtZero { .. } => run.weight = Weight::ZERO,
            Event::Followed { weight } => run.weight = *weight,
            Event::Adopted { weight, .. } => {
                (run.weight, run.moved, run.paused) = (*weight, false, false);
            }
            Event::Paused { until_ms, command, .. } => {
                if run.paused && run.pause.as_ref() == Some(command) {
                    let text = format!("entry {} is a pause that stands already", stamped.seq);
                    return Err((Invariant::OneCommandOnce, text));
                }
                run.pause = Some(command.clone());
                run.paused = true;
                self.paused_until_ms = *until_ms;
            }
            Event::PauseEnded {} => {
                if let Some(until_ms) = self.paused_until_ms
                    && stamped.at_ms < until_ms
                {
                    let text = format!("entry {} ends a pause early", stamped.seq);
                    return Err((Invariant::APauseHolds, text));
                }
                run.paused = false;
            }
            Event::Resumed { .. } => run.paused = false,
            Event::RollbackOrdered { .. } => {
                (run.rolling_back, run.ended) = (true, None);
            }
            Event::Activated { .. } => run.shadow = false,
            Event::Abandoned { .. } => run.ended = Some(Ended::Abandoned),
            Event::Finished { end, .. } => {
                run.ended = Some(match end {
                    End::Completed => Ended::Completed,
                    End::RolledBack => Ended::RolledBack,
                });
                if *end == End::RolledBack && !run.shadow {
                    run.weight = Weight::ZERO;
                }
                run.moved = false;
                self.ended_ms = Some(stamped.at_ms);
            }
            _ => {}
        }
        Ok(())
    }
}
