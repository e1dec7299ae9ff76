//! The evidence of a run, and the minutes it was gathered from.
//!
//! CloudWatch corrects itself: a minute may grow after it was read, or come late.
//! So the newest minutes stay beside the engine's state at a frontier behind them,
//! and are folded anew whenever one of them changes. Behind the frontier a minute
//! that comes late can only count against the new side.

use super::both_sides::Sides;
use super::engine::{Engine, EngineError};
use super::event::{MinuteEntry, Part, Span};
use super::evidence::{self, Judged, Silence};
use super::evidence2::{self, Counts, Reading, Rules, Timeline};
use super::minute::{CommittedMinute, Minute, SideCounts};
use super::plan::Terms;
use super::weight::Weight;
use super::wrong_answers::{self, ComparisonsRead, Judge, Look};
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

/// Shares with the minute in which each began, oldest first.
pub type Shares = [(Minute, Weight)];

/// The evidence of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Gathered {
    /// The engine's state.
    fold: Fold,
    /// The evidence about wrong answers, where they are an objective.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    wrong_answers: Option<Box<wrong_answers::Timeline>>,
    /// How both sides stood to the limits, for a raise that hurts both.
    #[serde(default)]
    sides: Sides,
    /// The newest minute that is not read again.
    settled: Option<Minute>,
    /// Minutes after `settled`, as read last.
    recent: BTreeMap<Minute, Kept>,
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

/// The state of one engine or the other.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Fold {
    /// Before the history.
    #[default]
    Nothing,
    One(Box<One>),
    Two(Box<Timeline>),
}

/// Evidence-1 at a frontier behind the newest minutes, and with them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct One {
    /// With every minute up to `settled`.
    frontier: evidence::Evidence,
    /// The last judgement in `frontier`.
    judged_before: Option<Judged>,
    /// `frontier` with the recent minutes folded in.
    now: evidence::Evidence,
    /// The judgement of the newest minute that is known on every route.
    judged: Option<Judged>,
}

/// A recent minute.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// As read last.
    pub entry: MinuteEntry,
    /// How often its counts changed.
    pub revisions: u32,
    /// How often only its comparisons did.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub comparison_revisions: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape serde calls")]
const fn is_zero(n: &u32) -> bool {
    *n == 0
}

impl One {
    fn start(engine: &evidence::Engine, terms: &Terms) -> Self {
        let stages = u32::try_from(terms.stages.len()).unwrap_or(u32::MAX);
        let now = engine.start(stages);
        Self { frontier: now.clone(), judged_before: None, now, judged: None }
    }
}

impl Gathered {
    /// Begins with the old side's history; judging begins after `through`.
    /// Evidence-2 has its history in the engine's choices.
    pub fn begin(
        &mut self,
        engine: &Engine,
        terms: &Terms,
        history: &[CommittedMinute],
        through: Minute,
    ) {
        self.fold = match engine {
            Engine::One(engine) => {
                let mut one = One::start(engine, terms);
                one.frontier.learn_history(engine, history);
                one.now = one.frontier.clone();
                Fold::One(Box::new(one))
            }
            Engine::Two(engine) => Fold::Two(Box::new(Timeline::start(engine))),
        };
        self.wrong_answers = match super::engine::judge(terms) {
            Ok(Some(judge)) => Some(Box::new(wrong_answers::Timeline::start(&judge))),
            // The engine was made of the same terms.
            Ok(None) | Err(_) => None,
        };
        self.through = Some(through);
        self.settled = Some(through);
        self.learnt_through = Some(through);
    }

    /// Evidence-1's state and its judgement of the newest minute that is known on
    /// every route; `None` in a run of evidence-2.
    pub fn one(&self) -> Option<(&evidence::Evidence, Option<&Judged>)> {
        match &self.fold {
            Fold::One(one) => Some((&one.now, one.judged.as_ref())),
            Fold::Nothing | Fold::Two(_) => None,
        }
    }

    /// Evidence-2's state; `None` before the history, and in a run of evidence-1.
    pub fn two(&self) -> Option<&Timeline> {
        match &self.fold {
            Fold::Two(timeline) => Some(timeline),
            Fold::Nothing | Fold::One(_) => None,
        }
    }

    /// The evidence about wrong answers; `None` before the history, and where they are no
    /// objective.
    pub fn wrong_answers(&self) -> Option<&wrong_answers::Timeline> {
        self.wrong_answers.as_deref()
    }

    /// How both sides stood to the limits in the newest minutes.
    pub fn sides(&self) -> &Sides {
        &self.sides
    }

    /// The newest minute that was read or looked for; judging goes on after it.
    pub fn through(&self) -> Option<Minute> {
        self.through
    }

    /// The newest minute of the history before the first step.
    pub fn learnt_through(&self) -> Option<Minute> {
        self.learnt_through
    }

    /// The newest minute whose counts were judged on the present code.
    pub fn judged_through(&self) -> Option<Minute> {
        match &self.fold {
            Fold::Nothing => None,
            Fold::One(one) => one.judged.as_ref().map(|judged| judged.minute),
            Fold::Two(_) => self.known_through.filter(|known| Some(*known) > self.proves_after),
        }
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
    pub fn recent(&self, minute: Minute) -> Option<&Kept> {
        self.recent.get(&minute)
    }

    /// The recent minutes that are known on every route, newest first.
    pub fn recent_known(&self) -> impl Iterator<Item = CommittedMinute> + '_ {
        self.recent.values().rev().filter_map(|kept| kept.entry.whole())
    }

    /// Those of them that are of the present code.
    pub fn recent_of_this_code(&self) -> impl Iterator<Item = CommittedMinute> + '_ {
        self.recent_known().filter(|minute| Some(minute.minute) > self.proves_after)
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
        for kept in self.recent.values().rev() {
            let Some(due) = kept.entry.due_on_silent_new_side() else { break };
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
        shares: &Shares,
        entries: &[MinuteEntry],
    ) -> Result<(), EngineError> {
        if entries.is_empty() {
            return Ok(());
        }
        let rules = Rules::new(&terms.slo, terms.evidence.edges());
        for entry in entries {
            self.sides.note(&rules, entry);
        }
        // Taken out, so that the books and the engine's state are changed apart.
        let fold = match (std::mem::take(&mut self.fold), engine) {
            (Fold::One(mut one), Engine::One(engine)) => {
                self.take_one(&mut one, engine, terms, entries)?;
                Fold::One(one)
            }
            (Fold::Nothing, Engine::One(engine)) => {
                let mut one = Box::new(One::start(engine, terms));
                self.take_one(&mut one, engine, terms, entries)?;
                Fold::One(one)
            }
            (Fold::Two(mut timeline), Engine::Two(engine)) => {
                self.take_two(&mut timeline, engine, terms, shares, entries)?;
                Fold::Two(timeline)
            }
            (Fold::Two(_), Engine::One(_)) | (Fold::Nothing | Fold::One(_), Engine::Two(_)) => {
                return Err(EngineError::OtherEngine);
            }
        };
        self.fold = fold;
        Ok(())
    }

    /// What the books say of a minute that was read.
    fn note(&mut self, minute: Minute, entry: &MinuteEntry) {
        let known = entry.is_known();
        let before = self.recent.get(&minute);
        // Comparisons come by another way than counts, and no lag is raised for them.
        let only_compared = before.is_some_and(|before| {
            before.entry.comparisons() != entry.comparisons() && before.entry.has_counts_of(entry)
        });
        let (mut revisions, mut comparison_revisions) =
            before.map_or((0, 0), |kept| (kept.revisions, kept.comparison_revisions));
        if only_compared {
            comparison_revisions += 1;
        } else if before.is_some() {
            revisions += 1;
        }
        if (!known || before.is_some()) && !only_compared {
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
            let entry = entry.clone();
            self.recent.insert(minute, Kept { entry, revisions, comparison_revisions });
        }
    }

    fn note_lost(&mut self, span: Span) {
        self.unknown.retain(|minute| *minute < span.from || *minute > span.to);
        self.through = self.through.max(Some(span.to));
    }

    /// The oldest recent minute, if it is not read again.
    fn settle_next(&mut self) -> Option<(Minute, MinuteEntry)> {
        let newest = self.through?;
        let entry = self.recent.first_entry()?;
        if newest.since(*entry.key()) <= REVISED_WITHIN_MINUTES {
            return None;
        }
        let (minute, kept) = entry.remove_entry();
        self.settled = Some(minute);
        Some((minute, kept.entry))
    }

    // -------------------------------------------------------------- evidence-2

    fn take_two(
        &mut self,
        timeline: &mut Timeline,
        engine: &evidence2::Engine,
        terms: &Terms,
        shares: &Shares,
        entries: &[MinuteEntry],
    ) -> Result<(), EngineError> {
        let judge = super::engine::judge(terms)?;
        // Taken out, so that the books and this evidence are changed apart.
        let mut compared = judge.as_ref().zip(self.wrong_answers.take());
        for entry in entries {
            match entry.minute() {
                Ok(minute) => {
                    self.note(minute, entry);
                    if !self.is_recent(minute)
                        && let Some((judge, compared)) = &mut compared
                    {
                        compared.arrive(judge, &self.compared(minute, entry, shares));
                    }
                    let _ = timeline.read(engine, entry.reading(minute, terms, shares))?;
                }
                Err(span) => {
                    self.note_lost(span);
                    timeline.lose(engine, span.to);
                    if self.is_recent(span.to) {
                        let later = self.recent.split_off(&span.to.plus(1));
                        let lost = std::mem::replace(&mut self.recent, later);
                        for (minute, kept) in lost {
                            if let Some((judge, compared)) = &mut compared {
                                compared.settle(judge, &self.compared(minute, &kept.entry, shares));
                            }
                        }
                        self.settled = Some(span.to);
                    }
                }
            }
        }
        while let Some((minute, entry)) = self.settle_next() {
            if let Some((judge, compared)) = &mut compared {
                compared.settle(judge, &self.compared(minute, &entry, shares));
            }
        }
        if let Some((judge, mut compared)) = compared {
            let recent = self.recent.iter();
            let looks = recent.map(|(at, kept)| self.compared(*at, &kept.entry, shares));
            compared.renew(judge, looks);
            self.wrong_answers = Some(compared);
        }
        Ok(())
    }

    /// A minute as the judge of wrong answers reads it.
    fn compared<'a>(&self, minute: Minute, entry: &'a MinuteEntry, shares: &Shares) -> Look<'a> {
        Look {
            minute,
            share: share_at(shares, minute),
            read: entry.comparisons(),
            proves: Some(minute) > self.proves_after,
            looked_for: !entry.is_known(),
        }
    }

    // -------------------------------------------------------------- evidence-1

    fn take_one(
        &mut self,
        one: &mut One,
        engine: &evidence::Engine,
        terms: &Terms,
        entries: &[MinuteEntry],
    ) -> Result<(), EngineError> {
        for entry in entries {
            match entry.minute() {
                Ok(minute) => {
                    self.note(minute, entry);
                    if !self.is_recent(minute)
                        && let Some(late) = entry.known_sum()
                    {
                        // Late: it can only count against.
                        engine.count_against(&mut one.frontier, &late)?;
                    }
                }
                Err(span) => self.lose_one(one, engine, terms, span)?,
            }
        }
        while let Some((_, entry)) = self.settle_next() {
            one.settle(engine, terms, &entry, self.proves_after)?;
        }
        one.now = one.frontier.clone();
        one.judged = one.judged_before.clone();
        for kept in self.recent.values() {
            if let Some(judged) = fold(engine, terms, &mut one.now, &kept.entry, self.proves_after)?
            {
                one.judged = Some(judged);
            }
        }
        Ok(())
    }

    fn lose_one(
        &mut self,
        one: &mut One,
        engine: &evidence::Engine,
        terms: &Terms,
        span: Span,
    ) -> Result<(), EngineError> {
        if self.is_recent(span.to) {
            let later = self.recent.split_off(&span.to.plus(1));
            for kept in std::mem::replace(&mut self.recent, later).into_values() {
                one.settle(engine, terms, &kept.entry, self.proves_after)?;
            }
            self.settled = Some(span.to);
        }
        self.note_lost(span);
        one.frontier.restart_gates();
        Ok(())
    }

    /// Only minutes after `minute` prove anything from now on: other code answers
    /// since, or another share was taken over. What counts against stays.
    pub fn restart_proof(&mut self, engine: &Engine, judge: Option<&Judge>, minute: Minute) {
        self.proves_after = Some(minute);
        match (&mut self.fold, engine) {
            (Fold::One(one), _) => {
                one.frontier = one.now.clone();
                one.frontier.restart_gates();
                one.judged_before = None;
                one.now = one.frontier.clone();
                one.judged = None;
                self.settled = self.through;
                self.recent.clear();
            }
            (Fold::Two(timeline), Engine::Two(engine)) => {
                timeline.restart_proof(engine, minute.plus(1));
            }
            (Fold::Nothing | Fold::Two(_), _) => {}
        }
        if let Some((judge, compared)) = judge.zip(self.wrong_answers.as_mut()) {
            compared.restart_proof(judge);
        }
    }
}

impl One {
    fn settle(
        &mut self,
        engine: &evidence::Engine,
        terms: &Terms,
        entry: &MinuteEntry,
        proves_after: Option<Minute>,
    ) -> Result<(), EngineError> {
        if let Some(judged) = fold(engine, terms, &mut self.frontier, entry, proves_after)? {
            self.judged_before = Some(judged);
        }
        Ok(())
    }
}

/// Folds one minute into evidence-1; the judgement if it is known on every route.
fn fold(
    engine: &evidence::Engine,
    terms: &Terms,
    evidence: &mut evidence::Evidence,
    entry: &MinuteEntry,
    proves_after: Option<Minute>,
) -> Result<Option<Judged>, EngineError> {
    let proves = entry.minute().is_ok_and(|minute| Some(minute) > proves_after);
    if proves && let Some(minute) = entry.whole() {
        let next = terms.next_after(minute.weight).unwrap_or(Weight::FULL);
        return Ok(engine.judge(evidence, &minute, next).map(Some)?);
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

/// The share in force for most of a minute: the last one that began in it or
/// before. The minute of a change thereby counts as the new stage's entry.
pub fn share_at(shares: &Shares, minute: Minute) -> Weight {
    let began = shares.iter().rev().find(|(start, _)| *start <= minute);
    began.map_or(Weight::ZERO, |(_, weight)| *weight)
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

    /// Answers that were compared, as read; `None`: CloudWatch has none, or nobody asked.
    pub fn comparisons(&self) -> Option<&ComparisonsRead> {
        match self {
            Self::Read { comparisons, .. } => comparisons.as_ref(),
            Self::Lost { .. } | Self::Summed(_) => None,
        }
    }

    /// Whether both say the same of the minute's requests, whatever they say of answers.
    pub fn has_counts_of(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Read { minute, parts, comparisons: _ },
                Self::Read { minute: other_minute, parts: other_parts, comparisons: _ },
            ) => minute == other_minute && parts == other_parts,
            (Self::Read { .. } | Self::Lost { .. } | Self::Summed(_), _) => self == other,
        }
    }

    /// This reading, with what an earlier one knew where this one does not know it: what
    /// was known does not become unknown again by a failed read.
    #[must_use]
    pub fn with_what_was_known(self, before: &Self) -> Self {
        let known = self.is_known() || !before.is_known();
        match (self, before) {
            (
                Self::Read { minute, parts, comparisons },
                Self::Read { parts: parts_before, comparisons: compared_before, .. },
            ) => {
                let counted = comparisons.as_ref().is_some_and(|read| read.counted().is_some());
                Self::Read {
                    minute,
                    parts: if known { parts } else { parts_before.clone() },
                    comparisons: if counted {
                        comparisons
                    } else {
                        compared_before.clone().or(comparisons)
                    },
                }
            }
            (entry, _) => entry,
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
            Self::Read { minute, parts, .. } => {
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

    /// The minute as evidence-2 reads it: each route by itself.
    fn reading(&self, minute: Minute, terms: &Terms, shares: &Shares) -> Reading {
        let share = share_at(shares, minute);
        let unknown = || evidence2::Part { weight: share, counts: Counts::Unknown };
        let parts = terms.routes.iter().map(|route| match self {
            Self::Read { parts, .. } => {
                let of_route = parts.iter().find_map(|part| match part {
                    Part::Known { route: name, weight, old, new } if *name == route.name => {
                        let (old, new) = (old.clone(), new.clone());
                        let counts = Counts::Known { old, new };
                        Some(evidence2::Part { weight: *weight, counts })
                    }
                    Part::Known { .. } | Part::Unknown { .. } => None,
                });
                of_route.unwrap_or_else(unknown)
            }
            // A sum over routes: only evidence-1's runs have such.
            Self::Summed(_) | Self::Lost { .. } => unknown(),
        });
        Reading { minute, share, parts: parts.collect() }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::wrong_answers::Comparisons;

    #[test]
    fn only_minutes_of_a_lost_span_are_no_longer_looked_for() {
        let mut gathered = Gathered {
            unknown: [1, 2, 4, 7, 8].map(Minute).into(),
            through: Some(Minute(8)),
            ..Gathered::default()
        };
        gathered.note_lost(Span { from: Minute(2), to: Minute(7) });
        assert_eq!(gathered.unknown, [1, 8].map(Minute).into());
        gathered.note_lost(Span { from: Minute(8), to: Minute(11) });
        assert_eq!((gathered.unknown, gathered.through), ([Minute(1)].into(), Some(Minute(11))));
    }

    #[test]
    fn a_snapshot_knows_how_often_only_comparisons_changed() {
        for times in [0, 3] {
            let entry =
                MinuteEntry::Read { minute: Minute(7), parts: Vec::new(), comparisons: None };
            let kept = Kept { entry, revisions: 1, comparison_revisions: times };
            let text = serde_json::to_string(&kept).expect("JSON");
            // Runs that compare nothing are written as they were before there was such a count.
            assert_eq!(text.contains("comparison_revisions"), times > 0, "{text}");
            assert_eq!(serde_json::from_str::<Kept>(&text).expect("a minute"), kept);
        }
    }

    #[test]
    fn comparisons_that_trickle_in_are_counted_beside_changes_of_counts() {
        let (mut gathered, minute) = (Gathered::default(), Minute(7));
        let counts = || SideCounts { requests: 60, ..SideCounts::default() };
        let mut changes_after = |compared, failed| {
            let (route, weight) = ("public".to_owned(), Weight::FULL);
            let new = SideCounts { errors: failed, ..counts() };
            let parts = vec![Part::Known { route, weight, old: counts(), new }];
            let comparisons = Comparisons { compared, ..Comparisons::default() };
            let comparisons = Some(ComparisonsRead::Counted(comparisons));
            gathered.note(minute, &MinuteEntry::Read { minute, parts, comparisons });
            let kept = gathered.recent(minute).expect("the newest minute");
            (kept.revisions, kept.comparison_revisions, gathered.unsteady())
        };
        assert_eq!(changes_after(6, 0), (0, 0, 0));
        assert_eq!(changes_after(7, 0), (0, 1, 0));
        assert_eq!(changes_after(8, 0), (0, 2, 0));
        assert_eq!(changes_after(8, 1), (1, 2, 1));
        assert_eq!(changes_after(9, 1), (1, 3, 1));
    }
}
