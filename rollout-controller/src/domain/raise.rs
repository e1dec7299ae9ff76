//! What a raise needs: one list for a step, a promotion, and the second half of a
//! raise. The first condition that fails is the reason.

use super::assess::Assessment;
use super::both_sides::{GOOD_MINUTES, NotYet, not_yet};
use super::code::{CodeChange, CodeLook};
use super::copy::Copy;
use super::decision::{AlarmHolds, Hold};
use super::engine::{Proof, Says};
use super::journal::Journal;
use super::observation::{AlarmSeen, AlarmState, Now, Observation};
use super::phase::Phase;
use super::plan::{Mode, Settings};
use super::run::{Intent, Run};
use super::weight::Weight;
use crate::planted::planted;
use jiff::Timestamp;

/// A tick this far behind the clock raises nothing: who knows what happened since.
/// 5 minutes.
const STALE_MS: i64 = 5 * 60_000;
/// Grace after an intent's deadline before another process settles it.
pub const SETTLE_GRACE_MS: i64 = 2_000;

/// What a person may waive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waived {
    /// A step by the controller itself.
    Nothing,
    /// `promote`: the least minutes of a stage.
    Minutes,
    /// `promote --force`: the minutes and the proof.
    Proof,
}

/// The facts that a raise is judged by.
#[derive(Clone, Copy, Debug)]
pub struct Raise<'a> {
    /// The run with everything judged that was read.
    pub run: &'a Run,
    /// What was seen now.
    pub seen: &'a Observation,
    /// The settings of today.
    pub settings: &'a Settings,
    /// When.
    pub now: Now,
    /// The journal before this tick or command.
    pub journal: &'a Journal,
}

impl<'a> Raise<'a> {
    /// For a tick, with what it has just assessed.
    pub fn of(
        assessment: &'a Assessment,
        seen: &'a Observation,
        settings: &'a Settings,
        now: Now,
        journal: &'a Journal,
    ) -> Self {
        Self { run: &assessment.run, seen, settings, now, journal }
    }

    /// What speaks against raising the share at all, before any evidence. What a
    /// half-done raise does not wait for comes last: missing minutes.
    pub fn obstacle(&self, code: &CodeLook) -> Option<Hold> {
        self.phase()
            .or_else(|| self.rules())
            .or_else(|| self.outside())
            .or_else(|| self.alarms())
            .or_else(|| self.stale())
            .or_else(|| self.code(code))
            .or_else(|| self.behind())
    }

    /// The proof of the present stage, or what is missing.
    ///
    /// # Errors
    /// The hold.
    pub fn proof(&self, says: &Says, waived: Waived) -> Result<Option<Proof>, Box<Hold>> {
        if waived == Waived::Proof {
            return Ok(None);
        }
        // The run's judgement is of another share, or of other code.
        let judged = self.run.summary();
        if judged.is_none_or(|judged| judged.share != self.run.weight) {
            return Err(Box::new(Hold::NotJudgedYet));
        }
        if let Some(hold) = self.both_sides() {
            return Err(Box::new(hold));
        }
        match (says, waived) {
            (Says::Proven(proof), _) => Ok(Some(proof.clone())),
            (Says::Unproven(missing), Waived::Minutes) if missing.is_only_time() => Ok(None),
            (Says::Unproven(missing), _) => {
                Err(Box::new(Hold::Evidence { reason: missing.clone() }))
            }
            (Says::Breach(_), _) => Err(Box::new(Hold::Breach)),
        }
    }

    /// A raise from this share hurt both sides and was undone not long ago.
    pub fn both_sides(&self) -> Option<Hold> {
        let sides = self.run.gathered.sides();
        let Run { undone, weight, .. } = self.run;
        let NotYet { harm, good, needed } = not_yet(undone, sides, *weight, GOOD_MINUTES)?;
        Some(Hold::BothSides { harm, good_minutes: good, needed })
    }

    /// Whether the calendar allows a raise now.
    pub fn calendar(&self, to: Weight) -> Option<Hold> {
        let time = Timestamp::from_millisecond(self.now.tick_ms).unwrap_or_default();
        let calendar = &self.settings.calendar;
        (!calendar.allows(time)).then(|| Hold::Calendar {
            to,
            next_ms: calendar.next_allowed(time).map(Timestamp::as_millisecond),
        })
    }

    fn phase(&self) -> Option<Hold> {
        if self.run.mode == Mode::Shadow {
            return None;
        }
        if self.run.gathered.is_rolled_back() {
            return Some(Hold::Breach);
        }
        match &self.run.phase {
            Phase::Starting | Phase::Advancing { .. } => None,
            Phase::Paused { .. } if planted!(PauseIgnored) => None,
            Phase::Paused { pause } => Some(Hold::Paused {
                by: pause.who.identity.clone(),
                reason: pause.who.reason.clone(),
                until_ms: pause.until_ms,
            }),
            Phase::Moved { .. } => Some(Hold::MovedByOther),
            Phase::RollingBack { .. }
            | Phase::RolledBack { .. }
            | Phase::Completed { .. }
            | Phase::Abandoned { .. } => Some(Hold::NotOpen),
        }
    }

    fn rules(&self) -> Option<Hold> {
        if let Some(why) = self.seen.unreadable_rule() {
            return Some(Hold::RulesUnreadable { error: why.to_string() });
        }
        if let Some(intent) = in_flight(self.run, self.now) {
            return Some(Hold::InFlight { to: intent.to });
        }
        let half_done = self.run.intent.is_some();
        if !half_done && !self.seen.all_show(self.run.weight) {
            return Some(Hold::RoutesApart);
        }
        let mut unsafe_rules = self.seen.unsafe_rules().into_iter();
        let finding = unsafe_rules.find(|_| !planted!(UnsafeRulesIgnored))?;
        Some(Hold::RulesUnsafe { finding })
    }

    fn outside(&self) -> Option<Hold> {
        if planted!(CopyIgnored) {
            return None;
        }
        match &self.seen.order {
            Err(why) => return Some(Hold::CopyUnreadable { error: why.to_string() }),
            Ok(Some(order)) if self.journal.lacks(order) => return Some(Hold::OrderedOutside),
            Ok(Some(_) | None) => {}
        }
        match &self.seen.copy {
            Err(why) => Some(Hold::CopyUnreadable { error: why.to_string() }),
            Ok(copy) => {
                let open = copy.as_ref().is_some_and(|copy: &Copy| copy.lets_rise(self.run.number));
                (!open && self.run.mode == Mode::Active).then_some(Hold::CopyDiffers)
            }
        }
    }

    fn alarms(&self) -> Option<Hold> {
        let alarms = match &self.seen.alarms {
            Ok(alarms) => alarms,
            Err(why) => return Some(Hold::AlarmsUnreadable { error: why.to_string() }),
        };
        alarms.iter().find_map(|alarm| {
            let because = match alarm_says(self.settings, &self.run.alarms_before, alarms, alarm) {
                AlarmSays::Nothing => return None,
                AlarmSays::Hold(because) => because,
                AlarmSays::RollBack => AlarmHolds::Listed,
            };
            Some(Hold::Alarm { name: alarm.name.clone(), because })
        })
    }

    fn stale(&self) -> Option<Hold> {
        let behind_clock = self.now.clock_ms.saturating_sub(self.now.tick_ms);
        let behind_last =
            self.journal.ticked_ms.map_or(0, |last| last.saturating_sub(self.now.tick_ms));
        let stale = (behind_clock > STALE_MS || behind_last > 0) && !planted!(OldTickRaises);
        let minutes = behind_clock.max(behind_last).div_euclid(60_000);
        stale.then_some(Hold::StaleTick { minutes })
    }

    fn behind(&self) -> Option<Hold> {
        self.run.first?;
        let minutes = self.run.minutes_behind(self.now.tick_ms);
        (minutes > 0 && !planted!(MissingMinutesIgnored)).then_some(Hold::Behind { minutes })
    }

    fn code(&self, code: &CodeLook) -> Option<Hold> {
        match code {
            CodeLook::AsJournalled => None,
            _ if planted!(OtherCodeIgnored) => None,
            // The first step rests on no proof; the code gets into the journal with it.
            CodeLook::Changed(CodeChange::First, _) if self.run.phase == Phase::Starting => None,
            // Seen first or anew: it has to be in the journal before a raise rests on it.
            CodeLook::Changed(_, _) => Some(Hold::NewCode),
            CodeLook::Unknown(why) => Some(Hold::CodeUnknown { error: why.clone() }),
        }
    }
}

/// Another process may still be writing for this intent.
pub fn in_flight(run: &Run, now: Now) -> Option<&Intent> {
    let intent = run.intent.as_ref()?;
    let lives = now.real_ms <= intent.deadline_ms.saturating_add(SETTLE_GRACE_MS);
    (lives && !planted!(SettlesLiveIntent)).then_some(intent)
}

/// What one alarm means for a run.
enum AlarmSays {
    /// Nothing, or it is not one of ours.
    Nothing,
    /// Nothing rises.
    Hold(AlarmHolds),
    /// The new side leaves traffic.
    RollBack,
}

/// The alarm that takes the new side out of traffic, if one does.
pub fn rolls_back<'a>(
    settings: &Settings,
    before: &[String],
    seen: &'a Observation,
) -> Option<&'a AlarmSeen> {
    let alarms = seen.alarms.as_ref().ok()?;
    alarms
        .iter()
        .find(|alarm| matches!(alarm_says(settings, before, alarms, alarm), AlarmSays::RollBack))
}

/// The alarm that would do so, if its counterpart on the old side did not stand as well.
pub fn stands_on_both<'a>(settings: &Settings, seen: &'a Observation) -> Option<&'a AlarmSeen> {
    let alarms = seen.alarms.as_ref().ok()?;
    let says = |alarm: &AlarmSeen| alarm_says(settings, &[], alarms, alarm);
    alarms.iter().find(|alarm| matches!(says(alarm), AlarmSays::Hold(AlarmHolds::TwinStands)))
}

/// An alarm and its counterpart on the old side, for a run before whose start the
/// alarms `before` stood.
fn alarm_says(
    settings: &Settings,
    before: &[String],
    all: &[AlarmSeen],
    alarm: &AlarmSeen,
) -> AlarmSays {
    let rolls_back = settings.rollback_on.contains(&alarm.name);
    if !rolls_back && !settings.hold_on.contains(&alarm.name) {
        return AlarmSays::Nothing;
    }
    match alarm.state {
        AlarmState::Ok | AlarmState::InsufficientData => return AlarmSays::Nothing,
        AlarmState::Missing => return AlarmSays::Hold(AlarmHolds::Missing),
        AlarmState::Alarm => {}
    }
    if !rolls_back {
        return if planted!(HoldingAlarmIgnored) {
            AlarmSays::Nothing
        } else {
            AlarmSays::Hold(AlarmHolds::Listed)
        };
    }
    if before.contains(&alarm.name) {
        return AlarmSays::Hold(AlarmHolds::StoodBefore);
    }
    let twin = settings.python_twin.get(&alarm.name);
    let twin_stands = twin.is_some_and(|twin| {
        all.iter().any(|other| other.name == *twin && other.state == AlarmState::Alarm)
    });
    if twin_stands || planted!(AlarmDoesNotRollBack) {
        AlarmSays::Hold(AlarmHolds::TwinStands)
    } else {
        AlarmSays::RollBack
    }
}
