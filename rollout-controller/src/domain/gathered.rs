//! The evidence of a run, and the minutes it was gathered from.
//!
//! CloudWatch corrects itself: a minute may grow after it was read, or come late.
//! So the newest minutes stay beside the engine's state at a frontier behind them,
//! and are folded anew whenever one of them changes. Behind the frontier a minute
//! that comes late can only count against the new side.

use super::event::{MinuteEntry, Part, Span};
use super::evidence::{Engine, Evidence, JudgeError, Judged, Silence};
use super::minute::{CommittedMinute, Minute, SideCounts};
use super::plan::Terms;
use super::weight::Weight;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A minute that changes within this many minutes is folded as if it had been
/// read so at first. CloudWatch is complete after 2 to 5 minutes, rarely 10.
pub const REVISED_WITHIN_MINUTES: i64 = 12;

/// An unknown minute is read again until it is this old. What ended three hours
/// ago hurts nobody.
pub const LOST_AFTER_MINUTES: i64 = 180;

/// Times that one minute's change is journalled.
pub const MOST_REVISIONS: u32 = 3;

/// The evidence of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gathered {
    /// The engine's state with every minute up to `settled`.
    frontier: Evidence,
    /// The newest minute in `frontier`.
    settled: Option<Minute>,
    /// The last judgement in `frontier`.
    judged_before: Option<Judged>,
    /// Minutes after `settled`, as read last.
    recent: BTreeMap<Minute, Reading>,
    /// `frontier` with `recent` folded in.
    now: Evidence,
    /// The judgement of the newest minute that is known on every route.
    judged: Option<Judged>,
    /// The newest minute that was known on every route, whatever it proved.
    known_through: Option<Minute>,
    /// The newest minute that was read or looked for.
    through: Option<Minute>,
    /// Minutes that are still looked for.
    unknown: BTreeSet<Minute>,
    /// The newest minutes that were incomplete or changed after the first look.
    unsteady: BTreeSet<Minute>,
    /// The newest minute of the history.
    learnt_through: Option<Minute>,
    /// Minutes up to this one were not gathered on the present code at the
    /// present share: they count against, and prove nothing.
    proves_after: Option<Minute>,
}

/// A recent minute.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Reading {
    entry: MinuteEntry,
    revisions: u32,
}

impl Gathered {
    /// Nothing yet.
    pub fn start(evidence: Evidence) -> Self {
        Self {
            frontier: evidence.clone(),
            settled: None,
            judged_before: None,
            recent: BTreeMap::new(),
            now: evidence,
            judged: None,
            known_through: None,
            through: None,
            unknown: BTreeSet::new(),
            unsteady: BTreeSet::new(),
            learnt_through: None,
            proves_after: None,
        }
    }

    /// Learns from the old side's history; judging begins after `through`.
    pub fn learn_history(&mut self, engine: &Engine, history: &[CommittedMinute], through: Minute) {
        self.frontier.learn_history(engine, history);
        self.now = self.frontier.clone();
        self.through = Some(through);
        self.settled = Some(through);
        self.learnt_through = Some(through);
    }

    /// The evidence as it stands.
    pub fn evidence(&self) -> &Evidence {
        &self.now
    }

    /// The judgement of the newest minute that is known on every route.
    pub fn judged(&self) -> Option<&Judged> {
        self.judged.as_ref()
    }

    /// The newest minute that was read or looked for; judging goes on after it.
    pub fn through(&self) -> Option<Minute> {
        self.through
    }

    /// The newest minute of the history before the first step.
    pub fn learnt_through(&self) -> Option<Minute> {
        self.learnt_through
    }

    /// The newest minute whose counts were judged.
    pub fn judged_through(&self) -> Option<Minute> {
        self.judged.as_ref().map(|judged| judged.minute)
    }

    /// The newest minute that was known on every route. Minutes from before new
    /// code are among them: they were judged, and prove nothing.
    pub fn known_through(&self) -> Option<Minute> {
        self.known_through
    }

    /// Minutes that are still looked for, oldest first.
    pub fn unknown(&self) -> impl Iterator<Item = Minute> + '_ {
        self.unknown.iter().copied()
    }

    /// What was read last of a minute after the frontier, and how often it changed.
    pub fn recent(&self, minute: Minute) -> Option<(&MinuteEntry, u32)> {
        self.recent.get(&minute).map(|reading| (&reading.entry, reading.revisions))
    }

    /// The recent minutes that are known on every route, newest first.
    pub fn recent_known(&self) -> impl Iterator<Item = CommittedMinute> + '_ {
        self.recent.values().rev().filter_map(|reading| reading.entry.whole())
    }

    /// Minutes of the last 60 that were incomplete or changed after the first look.
    pub fn unsteady(&self) -> usize {
        let oldest = self.through.map(|newest| newest.plus(-60));
        self.unsteady.iter().filter(|minute| Some(**minute) > oldest).count()
    }

    /// Forgets them, after the lag was raised because of them.
    pub fn forget_unsteady(&mut self) {
        self.unsteady.clear();
    }

    /// The newest minutes in which the new side should have had requests and had none.
    pub fn silence(&self) -> Silence {
        let mut silence = Silence::default();
        for reading in self.recent.values().rev() {
            let Some(due) = reading.entry.due_on_silent_new_side() else { break };
            silence.minutes = silence.minutes.saturating_add(1);
            silence.expected += due;
        }
        silence
    }

    /// Whether this minute may still change the fold as if it had been read so at first.
    pub fn is_recent(&self, minute: Minute) -> bool {
        self.settled.is_none_or(|settled| minute > settled)
    }

    /// Takes in what a tick read.
    ///
    /// # Errors
    /// What the engine says.
    pub fn take(
        &mut self,
        engine: &Engine,
        terms: &Terms,
        entries: &[MinuteEntry],
    ) -> Result<(), JudgeError> {
        if entries.is_empty() {
            return Ok(());
        }
        for entry in entries {
            match entry.minute() {
                Ok(minute) => self.take_minute(engine, minute, entry)?,
                Err(span) => self.lose(engine, terms, span)?,
            }
        }
        self.settle_old(engine, terms)?;
        self.fold_recent(engine, terms)
    }

    fn take_minute(
        &mut self,
        engine: &Engine,
        minute: Minute,
        entry: &MinuteEntry,
    ) -> Result<(), JudgeError> {
        let known = entry.is_known();
        if !known || self.recent.contains_key(&minute) {
            self.unsteady.insert(minute);
            while self.unsteady.len() > 60 {
                self.unsteady.pop_first();
            }
        }
        if known {
            self.known_through = self.known_through.max(Some(minute));
            self.unknown.remove(&minute);
        } else {
            self.unknown.insert(minute);
        }
        self.through = self.through.max(Some(minute));
        if self.is_recent(minute) {
            let revisions = self.recent.get(&minute).map_or(0, |before| before.revisions + 1);
            self.recent.insert(minute, Reading { entry: entry.clone(), revisions });
        } else if let Some(late) = entry.known_sum() {
            // Late: it can only count against.
            engine.count_against(&mut self.frontier, &late)?;
        }
        Ok(())
    }

    fn lose(&mut self, engine: &Engine, terms: &Terms, span: Span) -> Result<(), JudgeError> {
        self.unknown.retain(|minute| *minute < span.from || *minute > span.to);
        if self.is_recent(span.to) {
            while let Some((minute, reading)) = self.recent.pop_first() {
                if minute > span.to {
                    self.recent.insert(minute, reading);
                    break;
                }
                self.settle(engine, terms, minute, &reading.entry)?;
            }
            self.settled = Some(span.to);
        }
        self.through = self.through.max(Some(span.to));
        self.frontier.restart_gates();
        Ok(())
    }

    fn settle_old(&mut self, engine: &Engine, terms: &Terms) -> Result<(), JudgeError> {
        let Some(newest) = self.through else { return Ok(()) };
        while let Some(entry) = self.recent.first_entry()
            && newest.since(*entry.key()) > REVISED_WITHIN_MINUTES
        {
            let (minute, reading) = entry.remove_entry();
            self.settle(engine, terms, minute, &reading.entry)?;
        }
        Ok(())
    }

    fn settle(
        &mut self,
        engine: &Engine,
        terms: &Terms,
        minute: Minute,
        entry: &MinuteEntry,
    ) -> Result<(), JudgeError> {
        if let Some(judged) = fold(engine, terms, &mut self.frontier, entry, self.proves_after)? {
            self.judged_before = Some(judged);
        }
        self.settled = Some(minute);
        Ok(())
    }

    fn fold_recent(&mut self, engine: &Engine, terms: &Terms) -> Result<(), JudgeError> {
        self.now = self.frontier.clone();
        self.judged = self.judged_before.clone();
        for reading in self.recent.values() {
            if let Some(judged) =
                fold(engine, terms, &mut self.now, &reading.entry, self.proves_after)?
            {
                self.judged = Some(judged);
            }
        }
        Ok(())
    }

    /// Only minutes after `minute` prove anything from now on: other code answers
    /// since, or another share was taken over. What counts against stays.
    pub fn restart_proof(&mut self, minute: Minute) {
        self.proves_after = Some(minute);
        self.frontier = self.now.clone();
        self.frontier.restart_gates();
        self.settled = self.through;
        self.judged_before = None;
        self.recent.clear();
        self.now = self.frontier.clone();
        self.judged = None;
    }
}

/// Folds one minute; the judgement if it is known on every route.
fn fold(
    engine: &Engine,
    terms: &Terms,
    evidence: &mut Evidence,
    entry: &MinuteEntry,
    proves_after: Option<Minute>,
) -> Result<Option<Judged>, JudgeError> {
    let proves = entry.minute().is_ok_and(|minute| Some(minute) > proves_after);
    if proves && let Some(minute) = entry.whole() {
        let next = terms.next_after(minute.weight).unwrap_or(Weight::FULL);
        return engine.judge(evidence, &minute, next).map(Some);
    }
    if let Some(sum) = entry.known_sum() {
        engine.count_against(evidence, &sum)?;
    }
    // Routes that stand apart prove nothing and are no gap.
    if proves && !entry.is_known() {
        evidence.restart_gates();
    }
    Ok(None)
}

impl MinuteEntry {
    /// Which minute, or which span was lost.
    ///
    /// # Errors
    /// The span.
    pub fn minute(&self) -> Result<Minute, Span> {
        match self {
            Self::Read { minute, .. } => Ok(*minute),
            Self::Summed(minute) => Ok(minute.minute),
            Self::Lost { lost } => Err(*lost),
        }
    }

    /// Whether every route is known.
    pub fn is_known(&self) -> bool {
        match self {
            Self::Read { parts, .. } => {
                !parts.is_empty() && parts.iter().all(|part| matches!(part, Part::Known { .. }))
            }
            Self::Summed(_) => true,
            Self::Lost { .. } => false,
        }
    }

    /// The sum over all routes, if every route is known and all had one weight.
    pub fn whole(&self) -> Option<CommittedMinute> {
        let sum = self.known_sum()?;
        let together = match self {
            Self::Read { parts, .. } => parts.iter().all(|part| match part {
                Part::Known { weight, .. } => *weight == sum.weight,
                Part::Unknown { .. } => false,
            }),
            Self::Summed(_) => true,
            Self::Lost { .. } => false,
        };
        together.then_some(sum)
    }

    /// The sum over the routes that are known, at the weight of the first of them.
    fn known_sum(&self) -> Option<CommittedMinute> {
        match self {
            Self::Read { minute, parts } => {
                let mut sum: Option<CommittedMinute> = None;
                for part in parts {
                    let Part::Known { weight, old, new, .. } = part else { continue };
                    let sum = sum.get_or_insert_with(|| CommittedMinute {
                        minute: *minute,
                        weight: *weight,
                        old: SideCounts::default(),
                        new: SideCounts::default(),
                    });
                    sum.old += old;
                    sum.new += new;
                }
                sum
            }
            Self::Summed(minute) => Some(minute.clone()),
            Self::Lost { .. } => None,
        }
    }

    /// Requests that the new side should have had in a minute in which it had none.
    fn due_on_silent_new_side(&self) -> Option<f64> {
        let Self::Read { parts, .. } = self else { return None };
        let mut due = 0.0;
        for part in parts {
            due += match part {
                Part::Known { weight, old, new, .. } => {
                    if new.requests > 0 || *weight == Weight::ZERO {
                        return None;
                    }
                    due_on_new(*weight, old.requests).unwrap_or(0.0)
                }
                Part::Unknown { due_on_new, .. } => (*due_on_new)?,
            };
        }
        Some(due)
    }
}

/// Requests that the new side should have by the old side's; `None` at full
/// traffic, where the old side says nothing.
pub fn due_on_new(weight: Weight, old: u64) -> Option<f64> {
    let share = weight.ratio();
    (share < 1.0).then(|| old as f64 * share / (1.0 - share))
}
