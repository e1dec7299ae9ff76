//! When a raise hurts both sides.
//!
//! Both functions share a database, so a new side that asks more of it makes both
//! slow. A comparison excuses that: the old side is as bad. What tells it apart from
//! an incident that nobody here caused is when it began and when it ended: soon after
//! a raise, at a limit that the old side kept before, and over once the share went
//! back. The first time that undoes the raise and blames nobody; the second time at
//! the same step it is a rollback.
//!
//! ```text
//! 10 minutes kept │ raise │ ≤ 10 minutes │ both break a limit in 2 of 3 minutes → one stage back
//!                                          ├ over within 10 minutes: noted against the step
//!                                          └ not over: it was something else
//! 10 good minutes in a row → may rise again by proof; the same again → rollback
//!  3 where it was something else: that is over, as any incident is
//! ```

use super::event::MinuteEntry;
use super::evidence::Count;
use super::evidence2::Rules;
use super::minute::Minute;
use super::slo::Metric;
use super::weight::Weight;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Trouble that begins later than this after a raise is not put down to it. Caches
/// fill and pools run dry within minutes; the longer this is, the more incidents that
/// nobody caused fall into it.
pub const BEGINS_WITHIN_MINUTES: i64 = 10;
/// Before the raise the old side must have kept the limit for so long.
const KEPT_MINUTES: i64 = 10;
/// As many of them must be known.
const KNOWN_MINUTES: usize = 5;
/// One bad minute is chance: two of the newest three.
const NEWEST_MINUTES: usize = 3;
const BAD_MINUTES: usize = 2;
/// Trouble that goes on for longer after the share went back was not the share's.
pub const ENDS_WITHIN_MINUTES: i64 = 10;
/// So many good minutes in a row end it, as they end an incident for the engine. Where
/// going back did not help, the share may rise again then.
pub const OVER_MINUTES: u32 = 3;
/// Before the share rises again over a step that may be to blame, both sides must have
/// been good for so many minutes in a row: what a database needs to catch up, and what
/// [`KEPT_MINUTES`] asks for. Any number lets trouble of some period be put down to a step
/// twice; smaller ones more of it, and with larger ones rollouts hang (`docs/contest/README.md`).
pub const GOOD_MINUTES: u32 = 10;
/// Minutes remembered: before a raise, until trouble is noticed, and the lag.
const REMEMBERED: usize = 60;

/// How both sides stood to the limits in the newest minutes that are known whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sides(BTreeMap<Minute, Look>);

/// One minute, per metric in the order of [`Metric::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Look {
    /// The old side visibly broke the limit.
    old: [bool; 4],
    /// And the new side was above it too.
    both: [bool; 4],
}

impl Look {
    fn is_good(self) -> bool {
        !self.old.contains(&true)
    }
}

impl Sides {
    /// Takes in a minute; one that was read before is replaced.
    pub fn note(&mut self, rules: &Rules, entry: &MinuteEntry) {
        let Some(minute) = entry.whole() else { return };
        let (old, new) = (rules.counts(&minute.old), rules.counts(&minute.new));
        let bad = Metric::ALL.map(|metric| rules.visible(metric, old[metric.index()]));
        let both = Metric::ALL.map(|metric| {
            let at = metric.index();
            bad[at] && above(new[at], rules.limits()[at])
        });
        self.0.insert(minute.minute, Look { old: bad, both });
        while self.0.len() > REMEMBERED {
            self.0.pop_first();
        }
    }

    /// Good minutes in a row up to the newest, only those from `since` on.
    fn good_since(&self, since: Minute) -> u32 {
        let newest = self.0.range(since..).rev();
        let good = newest.take_while(|(_, look)| look.is_good()).count();
        u32::try_from(good).unwrap_or(u32::MAX)
    }

    /// The first of the minutes in which this limit is broken on both sides up to
    /// now, from `since` on: bad ones with at most two good ones between them.
    fn spell(&self, metric: Metric, since: Minute) -> Option<Minute> {
        let at = metric.index();
        let newest: Vec<(Minute, bool)> =
            self.0.range(since..).rev().map(|(minute, look)| (*minute, look.both[at])).collect();
        let bad = newest.iter().take(NEWEST_MINUTES).filter(|(_, bad)| *bad).count();
        if bad < BAD_MINUTES {
            return None;
        }
        let (mut first, mut good) = (None, 0);
        for (minute, bad) in newest {
            good = if bad { 0 } else { good + 1 };
            if good >= OVER_MINUTES {
                break;
            }
            if bad {
                first = Some(minute);
            }
        }
        first
    }

    /// Whether the old side kept this limit before the raise, as far as is known. `over`:
    /// since when the trouble is over for which this raise was undone before.
    fn kept_before(
        &self,
        metric: Metric,
        raised: Minute,
        over: Option<Minute>,
        quiet_minutes: u32,
    ) -> bool {
        let since = raised.plus(-KEPT_MINUTES);
        let (since, least) = match over.filter(|over| (since..raised).contains(over)) {
            Some(over) => (over, OVER_MINUTES as usize),
            None => (since, KNOWN_MINUTES),
        };
        let (mut known, mut kept) = (0, true);
        for (_, look) in self.0.range(since..raised) {
            known += 1;
            kept &= !look.old[metric.index()];
        }
        // Before the first step only the history tells.
        kept && (known >= least || i64::from(quiet_minutes) >= KEPT_MINUTES)
    }

    /// The first minute of three good ones in a row after the share went back.
    fn over_after(&self, lowered: Minute) -> Option<Minute> {
        let after: Vec<(Minute, bool)> =
            self.0.range(lowered..).map(|(minute, look)| (*minute, look.is_good())).collect();
        let good =
            after.windows(OVER_MINUTES as usize).find(|three| three.iter().all(|(_, good)| *good));
        good.map(|three| three[0].0)
    }

    fn newest(&self) -> Option<Minute> {
        self.0.last_key_value().map(|(minute, _)| *minute)
    }
}

/// Whether a side was above a limit. A side that is hardly used says little alone, but
/// beside an old side that is visibly bad it says enough.
fn above(count: Count, limit: f64) -> bool {
    count.k.min(count.n) as f64 > limit * count.n as f64
}

/// A raise after which both sides broke a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Harm {
    /// The share before the raise.
    pub from: Weight,
    /// The share it led to.
    pub to: Weight,
    /// The minute of the raise.
    pub raised: Minute,
    /// The limit.
    pub metric: Metric,
    /// It began within so many minutes of the raise, 1 or more.
    pub within_minutes: u32,
}

/// A raise that was undone because of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undone {
    /// What was seen.
    pub harm: Harm,
    /// When the share went back; `None` until the load balancer shows it.
    pub lowered: Option<Minute>,
    /// What became of the trouble.
    pub ending: Ending,
}

/// What became of the trouble once the share went back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// It cannot be told yet.
    Open,
    /// It ended: the step is under suspicion.
    WithTheStep,
    /// It went on: it was something else.
    NotWithTheStep,
}

/// What follows from the newest minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The first time at this step.
    StepBack(Harm),
    /// It happened at this step before, and ended when the share went back.
    RollBack {
        /// The first time.
        first: Harm,
        /// Now.
        second: Harm,
    },
}

/// What both sides say about the last raise. `shares`: with the minute in which each
/// began, oldest first. `quiet_minutes`: known minutes before the first step since
/// the old side last was visibly bad.
pub fn answer(
    sides: &Sides,
    shares: &[(Minute, Weight)],
    undone: &[Undone],
    quiet_minutes: u32,
) -> Option<Answer> {
    let &(raised, to) = shares.last()?;
    let before = shares.len().checked_sub(2).map(|at| shares[at].1);
    let from = before.unwrap_or(Weight::ZERO);
    // At full traffic there is no old side that could be hurt.
    if from >= to || to == Weight::FULL {
        return None;
    }
    let quiet_minutes = if from == Weight::ZERO { quiet_minutes } else { 0 };
    let same_step = |undone: &&Undone| (undone.harm.from, undone.harm.to) == (from, to);
    let earlier = undone.iter().rev().filter(|undone| undone.harm.raised < raised);
    let over = earlier.clone().find(same_step).and_then(|last| sides.over_after(last.lowered?));
    let harm = Metric::ALL.into_iter().find_map(|metric| {
        let began = sides.spell(metric, raised)?;
        let after = began.since(raised);
        let blamed = after <= BEGINS_WITHIN_MINUTES
            && sides.kept_before(metric, raised, over, quiet_minutes);
        let within_minutes = u32::try_from(after.max(0) + 1).unwrap_or(u32::MAX);
        blamed.then_some(Harm { from, to, raised, metric, within_minutes })
    })?;
    let first = earlier.filter(same_step).find(|undone| undone.ending == Ending::WithTheStep);
    Some(match first {
        Some(first) => Answer::RollBack { first: first.harm, second: harm },
        None => Answer::StepBack(harm),
    })
}

/// Notes what became of the trouble that undid a raise.
pub fn settle(undone: &mut [Undone], sides: &Sides) {
    let Some(last) = undone.last_mut().filter(|undone| undone.ending == Ending::Open) else {
        return;
    };
    let Some(lowered) = last.lowered else { return };
    let due = lowered.plus(ENDS_WITHIN_MINUTES);
    if sides.over_after(lowered).is_some_and(|over| over <= due) {
        last.ending = Ending::WithTheStep;
    } else if sides.newest().is_some_and(|newest| newest.since(due) >= 3) {
        // The last three minutes that could have ended it are known.
        last.ending = Ending::NotWithTheStep;
    }
}

/// Why the share must not rise again yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotYet {
    /// The raise that was undone.
    pub harm: Harm,
    /// Good minutes in a row since.
    pub good: u32,
    /// So many are needed: [`GOOD_MINUTES`], or [`OVER_MINUTES`] where it was something else.
    pub needed: u32,
}

/// Whether a raise that was undone at this share keeps it from rising again. `good_minutes`:
/// [`GOOD_MINUTES`], or another number in a comparison of numbers.
pub fn not_yet(
    undone: &[Undone],
    sides: &Sides,
    share: Weight,
    good_minutes: u32,
) -> Option<NotYet> {
    let Undone { harm, lowered, ending } = *undone.last()?;
    let good = sides.good_since(lowered?);
    let needed = match ending {
        Ending::Open | Ending::WithTheStep => good_minutes,
        Ending::NotWithTheStep => OVER_MINUTES,
    };
    (harm.from == share && good < needed).then_some(NotYet { harm, good, needed })
}
