//! Ends of processes, and what people were told.

use super::track::Intent;
use super::{Books, Invariant, Sight, Work};
use crate::cloud::Shown;
use crate::fate::{Call, Fate, Stand};
use rollout_controller::api::{CommandOutcome, Status};
use rollout_controller::domain::command::{Order, Request, Verdict};
use rollout_controller::domain::copy::{Copy, OutsideOrder};
use rollout_controller::domain::health::Kind;
use rollout_controller::domain::message::Channel;
use rollout_controller::domain::observation::AlarmState;
use std::collections::BTreeMap;

/// A tick whose lowering came second, or that was overtaken, looks again so often.
const LOOKS_AGAIN: u32 = 3;

/// What is outside the processes, by rollout.
#[derive(Clone, Debug, Default)]
pub struct Truth {
    /// What each rule really shows.
    pub shown: BTreeMap<String, Vec<Shown>>,
    /// The revision of the copy.
    pub copies: BTreeMap<String, i64>,
}

impl Books {
    /// A tick ended by itself.
    pub fn tick_ended(&mut self, uid: u64, old_is_bad: bool, truth: &Truth, now_ms: i64) {
        let Some(sight) = self.sights.get(&uid).cloned() else { return };
        for rollout in self.names() {
            if let Some((invariant, text)) = self.after_tick(uid, &sight, &rollout, old_is_bad) {
                self.breaks(invariant, now_ms, format!("{rollout}: {text}"));
            }
            if let Some((invariant, text)) = self.after_write(uid, &sight, &rollout, truth) {
                self.breaks(invariant, now_ms, format!("{rollout}: {text}"));
            }
            if let Some((invariant, text)) = self.after_look(uid, &sight, &rollout) {
                self.breaks(invariant, now_ms, format!("{rollout}: {text}"));
            }
        }
    }

    /// What a tick that nothing hindered has noticed.
    fn after_look(&self, uid: u64, sight: &Sight, rollout: &str) -> Option<(Invariant, String)> {
        let track = self.tracks.get(rollout)?;
        let Work::Tick(tick_ms) = sight.work else { return None };
        let lowers = track.intents.iter().any(|intent| intent.uid == uid && intent.to == 0);
        let routes = sight.config.rollout(Some(rollout)).ok()?.terms.routes.iter();
        let untried = routes.clone().find(|route| !sight.tried.contains(route.rule.as_str()));
        if let Some(route) = untried.filter(|_| lowers && sight.listed(rollout)) {
            let text = format!("{} was not tried", route.name);
            return Some((Invariant::EveryRouteIsTried, text));
        }
        let hindered = sight.faults.iter().any(|(call, _)| {
            !matches!(call, Call::Pager | Call::Chat | Call::Bus | Call::JournalPrune)
        });
        let other = self.beside(uid, sight);
        // What someone else wrote meanwhile is the next tick's to notice.
        let meddled = self.meddled_ms >= Some(sight.began_ms);
        let on_time = (sight.began_ms - tick_ms).abs() < 10_000 && sight.people_ms == 0;
        if sight.sluggish
            || sight.lost_races.contains_key(rollout)
            || self.cut_ms.is_some()
            || !on_time
        {
            return None;
        }
        for channel in Channel::ALL {
            let call = match channel {
                Channel::Pager => Call::Pager,
                Channel::Chat => Call::Chat,
                Channel::Bus => Call::Bus,
            };
            let down = |(failed, _): &(Call, Fate)| {
                *failed == call || matches!(failed, Call::JournalRead | Call::JournalAppend)
            };
            if sight.faults.iter().any(down) || !sight.read_journal.contains_key(rollout) {
                continue;
            }
            if let Some(text) = track.waiting(channel, sight.began_ms, tick_ms) {
                return Some((Invariant::WorkingChannelsWork, text));
            }
        }
        let left: Vec<(String, Shown)> = Self::rules_seen(sight, rollout).collect();
        let raised = left.iter().find(|(_, shown)| !shown.is_reached());
        let copy = sight.parameters(rollout).and_then(|outside| outside.run.as_ref());
        let begun =
            copy.is_some_and(|copy| copy.run as usize == track.runs() && copy.lowers(tick_ms));
        if begun
            && track.is_open()
            && !(sight.cannot_lower() || other || meddled || track.is_shadow())
            && let Some((name, shown)) = raised
        {
            let text =
                format!("{name} is left at {shown:?}, and the copy says that the new side leaves");
            return Some((Invariant::ProtectionIsFinished, text));
        }
        if hindered || other || meddled {
            return None;
        }
        if track.stand() == Stand::RolledBack
            && track.ended_ms.is_some_and(|ended| tick_ms - ended < 14 * 60_000)
            && let Some((name, shown)) = raised
        {
            let text = format!("{name} is left at {shown:?} after a rollback");
            return Some((Invariant::RaisedSharesArePutBack, text));
        }
        // A rule that is gone is told as one that cannot be read.
        let gone = sight.last_rules().any(|(_, rule, _)| rule.is_none());
        let strange = left.iter().filter(|_| !gone).find(|(_, shown)| match shown {
            Shown::Tenths(tenths) => *tenths != track.weight().tenths(),
            Shown::Other { .. } => true,
        });
        let rising = track.open_intent().is_some();
        if track.is_open()
            && !rising
            && !matches!(track.stand(), Stand::Moved | Stand::RollingBack)
            && let Some((name, shown)) = strange
        {
            let text = format!(
                "{name} is left at {shown:?}, the journal says {}, and nobody is told",
                track.weight()
            );
            return Some((Invariant::StrangeSharesAreTold, text));
        }
        None
    }

    /// Whether another process ran at the same time.
    fn beside(&self, uid: u64, sight: &Sight) -> bool {
        let mut others = self.sights.iter().filter(|(other, _)| **other != uid);
        others.any(|(_, other)| other.ends_ms >= sight.began_ms)
    }

    /// A process is over.
    pub fn over(&mut self, uid: u64, now_ms: i64) {
        self.see(uid, |sight| sight.ends_ms = now_ms);
    }

    /// A process is over, in the middle of its work.
    pub fn died(&mut self, uid: u64, now_ms: i64) {
        self.over(uid, now_ms);
        self.see(uid, |sight| sight.died = true);
    }

    /// Whether a rollback that only the journal has is still the work of whoever journalled
    /// it: that one is on its way to the copy outside, or died on it.
    fn is_under_way(&self, uid: u64, sight: &Sight, intent: &Intent) -> bool {
        let Some(other) = self.sights.get(&intent.uid).filter(|_| intent.uid != uid) else {
            return false;
        };
        let copied = !other.faults.iter().any(|(call, _)| *call == Call::CopyWrite);
        !intent.raises && (other.ends_ms >= sight.began_ms || other.died || !copied)
    }

    fn after_tick(
        &self,
        uid: u64,
        sight: &Sight,
        rollout: &str,
        old_is_bad: bool,
    ) -> Option<(Invariant, String)> {
        let track = self.tracks.get(rollout)?;
        let settings = sight.config.rollout(Some(rollout)).ok().map(|found| &found.settings)?;
        // Later looks are for rollouts that lost a race.
        let lost_races = sight.lost_races.get(rollout).copied();
        let alarms = match lost_races {
            None => sight.alarms.first()?,
            Some(_) => sight.alarms.last()?,
        };
        let stands = |name: &String| alarms.get(name) == Some(&AlarmState::Alarm);
        let before = track.alarms_before();
        let alarm = settings.rollback_on.iter().find(|name| {
            stands(name)
                && !before.contains(name)
                && !settings.python_twin.get(*name).is_some_and(stands)
        })?;
        // Whoever stands alone on the old side says that it is dead.
        let old_is_dead = settings.python_twin.values().any(stands) || old_is_bad;
        let hindered = sight.faults.iter().any(|(call, _)| match call {
            Call::Rules
            | Call::Rule
            | Call::Modify
            | Call::OutsideRead
            | Call::Code
            | Call::Alarms
            | Call::Metrics => true,
            Call::JournalRead
            | Call::JournalAppend
            | Call::JournalHistory
            | Call::JournalPrune
            | Call::CopyWrite
            | Call::OrderWrite
            | Call::Pager
            | Call::Chat
            | Call::Bus => false,
        });
        if hindered
            || old_is_dead
            || sight.sluggish
            || lost_races.is_some_and(|lost| lost >= LOOKS_AGAIN)
            || !track.is_protected()
            || self.cut_ms.is_some()
        {
            return None;
        }
        // The run as it is now may be another one than the tick knew, and what someone
        // else wrote meanwhile is the next tick's to lower.
        let read = sight.read_journal.get(rollout).copied().unwrap_or(u64::MAX);
        if self.meddled_ms >= Some(sight.began_ms)
            || track.changes.iter().any(|change| change.uid != uid && change.written > read)
        {
            return None;
        }
        let left = Self::rules_seen(sight, rollout).find(|(_, shown)| !shown.is_reached())?;
        // Whoever knows of no run leaves 100% alone: there may be no old side any more.
        let unread = sight.faults.iter().any(|(call, _)| *call == Call::JournalRead);
        let outside = sight.parameters(rollout).and_then(|outside| outside.run.as_ref());
        if unread && outside.is_none() && left.1 == Shown::Tenths(1000) {
            return None;
        }
        let begun = track.open_intent().is_some_and(|one| self.is_under_way(uid, sight, one));
        if unread && begun && !outside.is_some_and(Copy::has_left) {
            return None;
        }
        let text = format!("alarm {alarm} stands, and the tick leaves {} at {:?}", left.0, left.1);
        Some((Invariant::AlarmsRollBack, text))
    }

    /// The rules of a rollout as a process saw them last.
    fn rules_seen<'a>(
        sight: &'a Sight,
        rollout: &str,
    ) -> impl Iterator<Item = (String, Shown)> + 'a {
        let found = sight.config.rollout(Some(rollout)).ok();
        let routes = found.map(|found| found.terms.routes.clone()).unwrap_or_default();
        routes.into_iter().filter_map(|route| {
            let shown = sight.last_shown(route.rule.as_str())?;
            Some((route.name, shown))
        })
    }

    /// What a process owes that left the new side traffic.
    fn after_write(
        &self,
        uid: u64,
        sight: &Sight,
        rollout: &str,
        truth: &Truth,
    ) -> Option<(Invariant, String)> {
        let left_ms = sight.left_traffic.get(rollout).copied()?;
        let track = self.tracks.get(rollout)?;
        if sight.cannot_lower() || sight.sluggish || self.cut_ms.is_some() {
            return None;
        }
        let looked_ms = sight.looked_ms(rollout);
        if looked_ms < left_ms {
            let text = "no look for orders after the write".to_owned();
            return Some((Invariant::OrdersAreLookedFor, text));
        }
        let (seq, at_ms) = sight.raised.get(rollout).copied()?;
        let lost_steps = sight.lost_races.get(rollout).copied().unwrap_or_default();
        // As often as it looks again: so were its looks.
        let overtaken = lost_steps < LOOKS_AGAIN
            && track.intents.iter().any(|intent| intent.seq == seq && !intent.own_outcome);
        let rolled_back = track.rollbacks.iter().any(|rollback| {
            let lost = lost_steps > 0 || rollback.committed_ms < Some(at_ms);
            rollback.seq.is_some_and(|rolled| {
                rolled > seq && lost && !track.starts.iter().any(|start| *start > rolled)
            })
        });
        // Whoever ordered the rollback may be lowering still.
        let lowered = track.open_intent().is_some_and(|intent| intent.uid != uid && !intent.raises);
        let now = truth.shown.get(rollout).map(Vec::as_slice).unwrap_or_default();
        let left = now.iter().find(|shown| !shown.is_reached());
        let shown = left.filter(|_| overtaken && rolled_back && !lowered)?;
        if self.meddled_ms >= Some(at_ms) {
            // Someone else wrote after the raise: the page or the next tick tells of that.
            return None;
        }
        let text = format!("a raise was overtaken by a rollback, and a rule is left at {shown:?}");
        Some((Invariant::OvertakenLooksAgain, text))
    }

    /// A person got an answer.
    pub fn answered(
        &mut self,
        uid: u64,
        request: &Request,
        outcome: &CommandOutcome,
        truth: &Truth,
        now_ms: i64,
    ) {
        if let Some((invariant, text)) = self.check_answer(uid, request, outcome) {
            let text = format!("{} answered {:?}: {text}", request.order.name(), outcome.outcome);
            self.breaks(invariant, now_ms, text);
        }
        let sight = self.sights.get(&uid).cloned();
        if let Some(sight) = sight
            && let Some((invariant, text)) = self.after_write(uid, &sight, &outcome.rollout, truth)
        {
            self.breaks(invariant, now_ms, text);
        }
        if let Some(text) = self.copy_ahead(uid, request, outcome, truth) {
            self.breaks(Invariant::TheCopyFollowsPeople, now_ms, text);
        }
        let done = matches!(outcome.outcome, Verdict::Applied | Verdict::Incomplete);
        if request.order == Order::Rollback
            && done
            && !request.dry_run
            && let Some(track) = self.tracks.get_mut(&outcome.rollout)
        {
            let rollback = track.rollback(&request.id);
            // Where neither journal nor parameter could be written, the answer says so.
            let promised = outcome.outcome == Verdict::Applied
                || rollback.seq.is_some()
                || rollback.order_ms.is_some();
            if promised {
                rollback.answered_ms = Some(now_ms);
                rollback.who = (request.identity.clone(), request.reason.clone());
            }
        }
    }

    /// The journal was older than the copy, and a person's order did not end that.
    fn copy_ahead(
        &self,
        uid: u64,
        request: &Request,
        outcome: &CommandOutcome,
        truth: &Truth,
    ) -> Option<String> {
        let decides = match &request.order {
            Order::Start | Order::Resume { adopt: true } | Order::Rollback | Order::Abandon => true,
            Order::Resume { adopt: false }
            | Order::Pause { .. }
            | Order::Promote { .. }
            | Order::Activate => false,
        };
        let sight = self.sights.get(&uid)?;
        let track = self.tracks.get(&outcome.rollout)?;
        let hindered = sight.faults.iter().any(|(call, _)| {
            matches!(
                call,
                Call::CopyWrite | Call::OutsideRead | Call::JournalRead | Call::JournalAppend
            )
        });
        let done = outcome.outcome == Verdict::Applied && !request.dry_run;
        if !decides || !done || hindered || self.beside(uid, sight) || sight.sluggish {
            return None;
        }
        let seq = track.seq_of(&request.id)?;
        let copy = truth.copies.get(&outcome.rollout)?;
        (*copy > track.seq).then(|| {
            format!(
                "{} is entry {seq} of a journal of {}, and the copy outside knows {copy}",
                request.order.name(),
                track.seq
            )
        })
    }

    fn check_answer(
        &self,
        uid: u64,
        request: &Request,
        outcome: &CommandOutcome,
    ) -> Option<(Invariant, String)> {
        let track = self.tracks.get(&outcome.rollout)?;
        let sight = self.sights.get(&uid)?;
        let cut = self.cut_ms.is_some_and(|cut_ms| cut_ms >= sight.began_ms);
        if request.dry_run || cut {
            return None;
        }
        let rollback = request.order == Order::Rollback;
        if outcome.outcome == Verdict::Applied {
            let who = track.who(&request.id);
            let left = track
                .rollbacks
                .iter()
                .any(|rollback| rollback.command == request.id && rollback.order_ms.is_some());
            let same = who.is_some_and(|who| {
                who.identity == request.identity && who.reason == request.reason.trim()
            });
            if let (Some(seen), Some(seq)) = (request.if_revision, track.seq_of(&request.id))
                && request.order.needs_fresh_sight()
                && let Some(change) = track
                    .changes
                    .iter()
                    .find(|change| change.seq > seen && change.seq < seq && change.uid != uid)
            {
                let text =
                    format!("revision {seen} was seen, and entry {} came before {seq}", change.seq);
                return Some((Invariant::StaleCommandsDoNotCount, text));
            }
            if !(same || rollback && left) {
                let text = format!("the journal has {who:?}");
                return Some((Invariant::AnswersAreJournalled, text));
            }
        }
        let claims = matches!(outcome.outcome, Verdict::Applied | Verdict::AlreadySo);
        let shadow = track.is_shadow();
        if rollback && claims && !shadow {
            let left = Self::rules_seen(sight, &outcome.rollout).find(|(_, s)| !s.is_reached());
            if let Some((name, shown)) = left {
                let text = format!("{name} was last seen at {shown:?}");
                return Some((Invariant::AnswersAreTrue, text));
            }
        }
        None
    }

    /// A rollback with a person's own credentials was answered as done.
    pub fn direct_answered(&mut self, rollout: &str, order: &OutsideOrder, now_ms: i64) {
        if let Some(track) = self.tracks.get_mut(rollout) {
            let rollback = track.rollback(&order.command);
            rollback.answered_ms = Some(now_ms);
            rollback.who = (order.identity.clone(), order.reason.clone());
        }
    }

    /// A person was shown a status.
    pub fn shown_status(&mut self, uid: u64, status: &Status, now_ms: i64) {
        let Some(sight) = self.sights.get(&uid) else { return };
        let blind = sight.faults.iter().find(|(call, fate)| {
            let needed = matches!(call, Call::JournalRead | Call::Rules | Call::Alarms);
            needed && !matches!(fate, Fate::Stale | Fate::Slow)
        });
        let problem = match (status.health, blind) {
            (Kind::Safe, Some((call, fate))) => {
                Some(format!("safe, and {} {}", call.name(), fate.name()))
            }
            (Kind::Safe, None) => {
                let told = status.share.journal.unwrap_or(-1.0);
                Self::rules_seen(sight, &status.rollout).find_map(|(name, shown)| {
                    let same = match shown {
                        Shown::Tenths(tenths) => (f64::from(tenths) / 10.0 - told).abs() < 0.01,
                        Shown::Other { .. } => false,
                    };
                    (!same).then(|| format!("safe at {told}%, and {name} was {shown:?}"))
                })
            }
            (
                Kind::NotProtected | Kind::Hurting | Kind::Unknown | Kind::Degraded | Kind::Idle,
                _,
            ) => None,
        };
        if let Some(text) = problem {
            self.breaks(Invariant::StatusClaimsNoMore, now_ms, text);
        }
    }
}
