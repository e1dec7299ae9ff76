//! The run so far, minute by minute: what the charts draw.

use crate::api::{Change, ChangeKind};
use crate::domain::event::{Event, MinuteEntry, Part, Stamped};
use crate::domain::journal::Journal;
use crate::domain::minute::{Minute, SideCounts};
use crate::domain::run::Run;
use crate::domain::weight::Weight;
use std::collections::BTreeMap;

/// Charts show at most the run's last 24 hours.
const LONGEST_MINUTES: i64 = 24 * 60;

/// Points of the evidence's line; a chart has hardly more pixels.
const MOST_POINTS: usize = 400;

/// The run so far.
#[derive(Clone, Debug)]
pub struct Course {
    /// First and last minute shown.
    pub range: (Minute, Minute),
    /// Counts of both sides, summed over the routes that could be read; `None`: the
    /// minute is unknown.
    pub minutes: BTreeMap<Minute, Option<[SideCounts; 2]>>,
    /// Shares with the minute in which each began, oldest first.
    pub shares: Vec<(Minute, Weight)>,
    /// How full proof and suspicion were after each tick, 0 to 1; empty where the
    /// run's beginning is not at hand.
    pub evidence: Vec<EvidencePoint>,
    /// From when to when a person had paused it.
    pub pauses: Vec<(Minute, Minute)>,
    /// When a share rose by proof.
    pub steps: Vec<Minute>,
    /// When it was rolled back.
    pub rollback: Option<Minute>,
}

/// Proof and suspicion at one time, 0.0 to 1.0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EvidencePoint {
    /// When.
    pub minute: Minute,
    /// The emptiest limit's.
    pub proof: f64,
    /// All limits' together.
    pub suspicion: f64,
}

impl Course {
    /// From the run's entries, oldest first, up to `now`; `zoom` is what the dashboard
    /// shows, in milliseconds.
    pub fn of(
        name: &str,
        run: &Run,
        entries: &[Stamped],
        changes: &[Change],
        now: Minute,
        zoom: Option<(i64, i64)>,
    ) -> Self {
        let mut course = Self {
            range: (Minute(0), Minute(0)),
            minutes: BTreeMap::new(),
            shares: run.timeline.clone(),
            evidence: evidence(name, entries),
            pauses: Vec::new(),
            steps: Vec::new(),
            rollback: None,
        };
        for stamped in entries {
            if let Event::Ticked { minutes, .. } = &stamped.event {
                for entry in minutes {
                    if let Ok(minute) = entry.minute() {
                        course.minutes.insert(minute, summed(entry));
                    }
                }
            }
        }
        let minute = |ms: i64| Minute(ms.div_euclid(60_000));
        let at = |change: &Change| minute(change.at.as_millisecond());
        let of_run = |change: &&Change| change.at.as_millisecond() >= run.started_ms;
        for change in changes.iter().filter(of_run) {
            match change.kind {
                ChangeKind::Rollback if change.text.starts_with("ROLLBACK") => {
                    course.rollback = Some(at(change));
                }
                // The first share rests on the history, not on proof.
                ChangeKind::Step if !change.text.starts_with("0% →") => {
                    course.steps.push(at(change));
                }
                ChangeKind::Pause => {
                    let open = course.pauses.last_mut().filter(|(_, end)| end.0 == i64::MAX);
                    match (open, change.text.starts_with("paused")) {
                        (None, true) => course.pauses.push((at(change), Minute(i64::MAX))),
                        (Some((_, end)), false) => *end = at(change),
                        (Some(_), true) | (None, false) => {}
                    }
                }
                _ => {}
            }
        }
        let end =
            course.rollback.filter(|_| !run.is_open()).map_or(now, |end| end.plus(7).min(now));
        let newest = course.minutes.keys().next_back().copied().unwrap_or(end);
        let end = if run.is_open() { now } else { end.max(newest.min(now)) };
        let begin = minute(run.started_ms).max(end.plus(-LONGEST_MINUTES));
        course.range = match zoom.map(|(from, to)| (minute(from), minute(to))) {
            Some((from, to)) if from < to && to > begin && from < end => {
                (from.max(begin), to.min(end))
            }
            Some(_) | None => (begin, end),
        };
        // A chart of nothing has no width.
        course.range.1 = course.range.1.max(course.range.0.plus(5));
        for (_, end) in &mut course.pauses {
            *end = (*end).min(course.range.1);
        }
        course
    }

    /// Whether a minute is shown.
    pub fn shows(&self, minute: Minute) -> bool {
        self.range.0 <= minute && minute <= self.range.1
    }

    /// The share in force at a minute.
    pub fn share_at(&self, minute: Minute) -> Weight {
        crate::domain::gathered::share_at(&self.shares, minute)
    }
}

/// The routes that could be read; `None` if none could.
fn summed(entry: &MinuteEntry) -> Option<[SideCounts; 2]> {
    match entry {
        MinuteEntry::Read { parts, .. } => {
            let mut sum: Option<[SideCounts; 2]> = None;
            for part in parts {
                let Part::Known { old, new, .. } = part else { continue };
                let [of_old, of_new] = sum.get_or_insert_default();
                *of_old += old;
                *of_new += new;
            }
            sum
        }
        MinuteEntry::Summed(minute) => Some([minute.old.clone(), minute.new.clone()]),
        MinuteEntry::Lost { .. } => None,
    }
}

/// The evidence after each tick, by folding the run's entries again. Nothing where
/// they do not begin with its start.
fn evidence(name: &str, entries: &[Stamped]) -> Vec<EvidencePoint> {
    let Some(first) = entries.first().filter(|first| matches!(first.event, Event::Started { .. }))
    else {
        return Vec::new();
    };
    let mut journal = Journal::new(name);
    journal.revision = first.seq.saturating_sub(1);
    let mut points = Vec::new();
    let ticks = entries.iter().filter(|entry| matches!(entry.event, Event::Ticked { .. })).count();
    let step = ticks / MOST_POINTS + 1;
    let mut tick = 0;
    for stamped in entries {
        if journal.apply(stamped).is_err() {
            break;
        }
        if !matches!(stamped.event, Event::Ticked { .. }) {
            continue;
        }
        tick += 1;
        // The newest one always: it is what the rest of the page says.
        if tick % step != 0 && tick != ticks {
            continue;
        }
        let Some(seen) = journal.run.as_ref().and_then(Run::summary) else { continue };
        let part = |has: f64, needs: f64| {
            if needs > 0.0 && has.is_finite() { (has / needs).clamp(0.0, 1.0) } else { 1.0 }
        };
        let proof =
            seen.proofs.iter().map(|proof| part(proof.has, proof.needs)).fold(1.0, f64::min);
        let suspicion = if seen.rolled_back_at.is_some() {
            1.0
        } else {
            (seen.log_e / seen.rollback_at).clamp(0.0, 1.0)
        };
        let minute = Minute(stamped.at_ms.div_euclid(60_000));
        points.push(EvidencePoint { minute, proof, suspicion });
    }
    points
}
