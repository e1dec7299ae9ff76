//! Which minutes to read, and what became of each: known, unknown, revised, late
//! or lost. Missing data is never read as good data.

use super::event::{MinuteEntry, Part, Span};
use super::evidence2;
use super::gathered::{LOST_AFTER_MINUTES, MOST_REVISIONS, REVISED_WITHIN_MINUTES, due_on_new};
use super::minute::{CommittedMinute, Minute, SideCounts};
use super::observation::{MinuteRead, RouteMinute, Seen, Unread};
use super::run::Run;
use super::weight::Weight;
use crate::planted::planted;

/// Requests that must have been due for their absence to be doubted: chance alone
/// would miss 5 expected ones once in 150 minutes.
const FEW_REQUESTS: f64 = 5.0;

/// Metrics that were unsteady in this many of the last 60 minutes are given a
/// minute more.
const UNSTEADY_MINUTES: usize = 4;

/// Most that metrics are waited for, in minutes.
const MOST_LAG: u32 = 5;

/// Minutes to ask CloudWatch for: from the first to before the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// First minute wanted.
    pub from: Minute,
    /// First minute that is not wanted any more.
    pub until: Minute,
}

/// The minutes that a tick of this run needs: those that became due, the newest
/// twelve again, and what is still unknown. `None` before the history was read.
pub fn window(run: &Run, tick_ms: i64) -> Option<Window> {
    let through = run.gathered.through()?;
    let until = run.newest_due(tick_ms).plus(1);
    let again = through.plus(1 - REVISED_WITHIN_MINUTES);
    let oldest_unknown = run.gathered.unknown().next().unwrap_or(again);
    let from = again.min(oldest_unknown).max(until.plus(-LOST_AFTER_MINUTES));
    // The history was learnt from already.
    let from = run.gathered.learnt_through().map_or(from, |learnt| from.max(learnt.plus(1)));
    (from < until).then_some(Window { from, until })
}

/// The minutes of the history before the first step.
pub fn history_window(run: &Run, tick_ms: i64) -> Window {
    let until = run.newest_due(tick_ms).plus(1);
    Window { from: until.plus(-i64::from(run.terms.history_minutes)), until }
}

/// What to journal of a read: minutes that became due, changed, came, or are lost.
pub fn entries(run: &Run, read: &Seen<Vec<MinuteRead>>, tick_ms: i64) -> Vec<MinuteEntry> {
    let Some(through) = run.gathered.through() else { return Vec::new() };
    let Some(Window { from, until }) = window(run, tick_ms) else { return Vec::new() };
    let mut entries = Vec::new();
    let oldest_due = through.plus(1);
    if oldest_due < from {
        entries.push(MinuteEntry::Lost { lost: Span { from: oldest_due, to: from.plus(-1) } });
    }
    let too_old: Vec<Minute> = run.gathered.unknown().filter(|minute| *minute < from).collect();
    if let (Some(first), Some(last)) = (too_old.first(), too_old.last()) {
        entries.insert(0, MinuteEntry::Lost { lost: Span { from: *first, to: *last } });
    }
    let mut at = from;
    while at < until {
        let entry = entry(run, at, read);
        let entry = match run.gathered.recent(at) {
            Some(before) => entry.with_what_was_known(&before.entry),
            None => entry,
        };
        if is_news(run, &entry, at, until.plus(-1)) {
            entries.push(entry);
        }
        at = at.plus(1);
    }
    entries
}

/// Whether an entry says what the journal does not know yet.
fn is_news(run: &Run, entry: &MinuteEntry, minute: Minute, newest_due: Minute) -> bool {
    let gathered = &run.gathered;
    if Some(minute) > gathered.through() {
        return true;
    }
    let was_unknown = gathered.unknown().any(|unknown| unknown == minute);
    if was_unknown && entry.is_known() {
        return true;
    }
    let Some(before) = gathered.recent(minute) else { return false };
    let last_look = newest_due.since(minute) >= REVISED_WITHIN_MINUTES - 1;
    let may_change = |revisions| revisions < MOST_REVISIONS || last_look;
    // Each by itself: comparisons that trickle in do not use up the changes of counts.
    let counts = entry.is_known() && !was_unknown && !before.entry.has_counts_of(entry);
    (counts && may_change(before.revisions))
        || (before.entry.comparisons() != entry.comparisons()
            && may_change(before.comparison_revisions))
}

fn entry(run: &Run, minute: Minute, read: &Seen<Vec<MinuteRead>>) -> MinuteEntry {
    let names = run.terms.routes.iter().map(|route| &route.name);
    let comparisons = read.as_ref().ok().and_then(|read| {
        read.iter().find(|one| one.minute == minute).and_then(|one| one.comparisons.clone())
    });
    let parts = match read {
        Err(why) => names.map(|route| unknown(route, why.clone())).collect(),
        Ok(read) => match read.iter().find(|one| one.minute == minute) {
            None => {
                let why = Unread::because("CloudWatch did not answer for this minute");
                names.map(|route| unknown(route, why.clone())).collect()
            }
            Some(one) => {
                let expected = expected(run, one);
                let each = names.zip(&one.routes);
                each.map(|(route, read)| part(route, run.weight_of(route, minute), read, expected))
                    .collect()
            }
        },
    };
    MinuteEntry::Read { minute, parts, comparisons }
}

fn unknown(route: &str, why: Unread) -> Part {
    Part::Unknown { route: route.to_owned(), unknown: why, due_on_new: None }
}

/// Requests a minute that a route would have had on both sides in the last hour.
fn expected(run: &Run, read: &MinuteRead) -> f64 {
    let mut minutes = 0.0;
    let mut requests = 0.0;
    for known in run.gathered.recent_known() {
        minutes += 1.0;
        requests += (known.old.requests + known.new.requests) as f64;
    }
    let all = if minutes > 0.0 { requests / minutes } else { run.requests_per_minute };
    all / (read.routes.len().max(1) as f64)
}

/// A side without `RequestCount` had no request, if few were due; otherwise it is
/// not known what it had.
fn part(route: &str, weight: Weight, read: &RouteMinute, expected: f64) -> Part {
    let (old, new) = match read {
        RouteMinute::Unknown(why) => return unknown(route, why.clone()),
        RouteMinute::Known { old, new } => (old, new),
    };
    let requests = |side: &Option<SideCounts>| side.as_ref().map_or(0, |counts| counts.requests);
    let share = weight.ratio();
    let both_due = (expected * (1.0 - share)).max(expected * share) >= FEW_REQUESTS;
    let (due_old, due_new) = match (requests(old), requests(new)) {
        // At full traffic the old side says nothing about the new one.
        (0, 0) if both_due && share < 1.0 => {
            let why = format!("no request of either side, and about {expected:.0} were due");
            return unknown(route, Unread::because(why));
        }
        (0, 0) => (expected * (1.0 - share), expected * share),
        (0, n) => {
            let by_new = (share > 0.0).then(|| n as f64 * (1.0 - share) / share);
            (by_new.unwrap_or(expected), 0.0)
        }
        (n, 0) => (0.0, due_on_new(weight, n).unwrap_or(expected)),
        (_, _) => (0.0, 0.0),
    };
    if due_new >= FEW_REQUESTS && requests(new) == 0 && !planted!(SilenceIsGood) {
        return Part::Unknown {
            route: route.to_owned(),
            unknown: Unread::because(format!(
                "no request of the new side, and about {due_new:.0} were due"
            )),
            due_on_new: Some(due_new),
        };
    }
    if due_old >= FEW_REQUESTS && requests(old) == 0 {
        let why = format!("no request of the old side, and about {due_old:.0} were due");
        return unknown(route, Unread::because(why));
    }
    Part::Known {
        route: route.to_owned(),
        weight,
        old: old.clone().unwrap_or_default(),
        new: new.clone().unwrap_or_default(),
    }
}

/// Why a history is not one to begin with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HistoryProblem {
    /// CloudWatch failed.
    #[error("{0}")]
    Unread(#[from] Unread),
    /// No request of the old side anywhere.
    #[error(
        "CloudWatch has no request of the old side yet; check `old_group` and the load balancer's traffic"
    )]
    NoTraffic,
    /// The newest minute that is due is not known.
    #[error("the newest minute that is due, {0}, cannot be read yet")]
    NewestMissing(Minute),
    /// An answer that is not one for these routes.
    #[error(transparent)]
    Routes(#[from] evidence2::HistoryError),
    /// Too little of the last hour is known.
    #[error("only {known} of the last {of} minutes can be read, and {needed} are needed")]
    TooLittle {
        /// Minutes that could be read.
        known: usize,
        /// Minutes looked at.
        of: usize,
        /// Minutes needed.
        needed: usize,
    },
}

/// The old side's minutes that are known, for the first step: unknown ones are
/// left out. The newest due minute and half of the last hour must be known, so
/// that the rollout begins with its eyes open.
///
/// # Errors
/// [`HistoryProblem`]
pub fn history(
    run: &Run,
    read: &Seen<Vec<MinuteRead>>,
    tick_ms: i64,
) -> Result<Vec<CommittedMinute>, HistoryProblem> {
    let read = read.as_ref().map_err(Clone::clone)?;
    let mut minutes: Vec<CommittedMinute> = Vec::new();
    for one in read {
        let Some(sum) = old_side(one) else { continue };
        minutes.push(sum);
    }
    let first = minutes.iter().position(|minute| minute.old.requests > 0);
    let first = first.ok_or(HistoryProblem::NoTraffic)?;
    minutes.drain(..first);
    let newest_due = run.newest_due(tick_ms);
    let newest = minutes.iter().rev().find(|minute| minute.old.requests > 0);
    // Few requests a minute leave gaps that are none.
    let quiet = minutes.iter().map(|minute| minute.old.requests).sum::<u64>() as f64
        / (minutes.len().max(1) as f64)
        < FEW_REQUESTS;
    if !quiet && newest.is_none_or(|newest| newest.minute != newest_due) {
        return Err(HistoryProblem::NewestMissing(newest_due));
    }
    // A service that is younger than an hour has no older minutes.
    let oldest = minutes.first().map_or(newest_due, |minute| minute.minute);
    let of = usize::try_from(newest_due.since(oldest) + 1).unwrap_or(0).min(60);
    let known = minutes.iter().filter(|minute| newest_due.since(minute.minute) < 60).count();
    let needed = of.div_ceil(2);
    if known < needed {
        return Err(HistoryProblem::TooLittle { known, of, needed });
    }
    Ok(minutes)
}

/// The same history with each route by itself, for evidence-2. A minute without a
/// request is unknown where many were due.
///
/// # Errors
/// [`HistoryProblem`]
pub fn history_by_route(
    run: &Run,
    read: &Seen<Vec<MinuteRead>>,
    tick_ms: i64,
) -> Result<evidence2::History, HistoryProblem> {
    let known = history(run, read, tick_ms)?;
    let requests: u64 = known.iter().map(|minute| minute.old.requests).sum();
    let busy = requests as f64 / (known.len().max(1) as f64) >= FEW_REQUESTS;
    let oldest = known.first().map(|minute| minute.minute);
    let read = read.as_ref().map_err(Clone::clone)?;
    let minutes = read.iter().filter(|one| Some(one.minute) >= oldest).map(|one| {
        let silent = old_side(one).is_some_and(|sum| sum.old.requests == 0);
        let old = one.routes.iter().map(|route| match route {
            RouteMinute::Unknown(_) => None,
            RouteMinute::Known { .. } if busy && silent => None,
            RouteMinute::Known { old, .. } => Some(old.clone().unwrap_or_default()),
        });
        evidence2::HistoryMinute { minute: one.minute, old: old.collect() }
    });
    let (routes, newest) = (run.terms.routes.len(), run.newest_due(tick_ms));
    Ok(evidence2::History::of_known(routes, newest, minutes)?)
}

fn old_side(read: &MinuteRead) -> Option<CommittedMinute> {
    let mut sum = CommittedMinute {
        minute: read.minute,
        weight: Weight::ZERO,
        old: SideCounts::default(),
        new: SideCounts::default(),
    };
    for route in &read.routes {
        match route {
            RouteMinute::Unknown(_) => return None,
            RouteMinute::Known { old, new } => {
                sum.old += old.as_ref().unwrap_or(&SideCounts::default());
                sum.new += new.as_ref().unwrap_or(&SideCounts::default());
            }
        }
    }
    Some(sum)
}

/// The lag from now on, if metrics were seen to need longer: four of the last 60
/// minutes were incomplete or changed after the first look.
pub fn measured_lag(run: &Run) -> Option<u32> {
    let unsteady = run.gathered.unsteady() >= UNSTEADY_MINUTES;
    (unsteady && run.lag_minutes < MOST_LAG).then_some(run.lag_minutes + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(requests: u64) -> Option<SideCounts> {
        (requests > 0).then(|| SideCounts { requests, ..SideCounts::default() })
    }

    /// Which side's silence makes a minute unknown.
    fn silent(expected: f64, weight: Weight, old: u64, new: u64) -> Option<&'static str> {
        let read = RouteMinute::Known { old: counts(old), new: counts(new) };
        let Part::Unknown { unknown, .. } = part("public", weight, &read, expected) else {
            return None;
        };
        let said = unknown.to_string();
        let sides = ["either side", "the old side", "the new side"];
        sides.into_iter().find(|side| said.starts_with(&format!("no request of {side}")))
    }

    #[test]
    fn silence_of_a_side_is_doubted_where_five_requests_of_it_were_due() {
        for tenths in [0_u16, 1, 10, 50, 250, 500, 750, 950, 990, 999, 1000] {
            let weight = Weight::from_percent(f64::from(tenths) / 10.0).expect("a weight");
            let (on_new, on_old) = (f64::from(tenths), f64::from(1000 - tenths));
            for expected in [0.0, 1.0, 4.0, 5.5, 9.0, 11.0, 60.0, 600.0, 6_000.0] {
                let many = |due: f64| due >= 5.0 * 1000.0;
                let both = match (many(expected * on_old), many(expected * on_new)) {
                    (true, _) | (_, true) if tenths < 1000 => Some("either side"),
                    (_, true) => Some("the new side"),
                    (_, false) => None,
                };
                assert_eq!(silent(expected, weight, 0, 0), both, "{expected} at {weight}");
                for heard in [1_u64, 7, 100, 5_000] {
                    // What the other side had says what was due; at 0% and at 100% nothing does.
                    let by_other = |here: f64, there: f64| {
                        if there > 0.0 {
                            heard as f64 * here / there * 1000.0
                        } else {
                            expected * here
                        }
                    };
                    let old = many(by_other(on_old, on_new)).then_some("the old side");
                    assert_eq!(silent(expected, weight, 0, heard), old, "{expected} at {weight}");
                    let new = many(by_other(on_new, on_old)).then_some("the new side");
                    assert_eq!(silent(expected, weight, heard, 0), new, "{expected} at {weight}");
                    assert_eq!(silent(expected, weight, heard, heard), None);
                }
            }
        }
    }
}
