//! Reads only. A failed read is something we saw, not an error of ours.

use crate::domain::conditions::newest_due;
use crate::domain::event::End;
use crate::domain::journal::Journal;
use crate::domain::minute::{CommittedMinute, Minute, SideCounts};
use crate::domain::observation::{MinuteRead, RouteSeen, Seen};
use crate::domain::plan::Settings;
use crate::domain::route::Route;
use crate::domain::run::Run;
use crate::domain::weight::Weight;
use crate::errors::chain;
use crate::ports::{MinutesWanted, World};
use futures_util::future::join_all;

/// A minute with no traffic where some was due is believed this many minutes
/// after it was due; until then CloudWatch may simply be late.
const PATIENCE_MINUTES: i64 = 5;

/// At most this many minutes are judged in one tick; the rest follows in the next.
const MOST_MINUTES: i64 = 180;

/// Requests that must have been due for their absence to be doubted:
/// chance alone would miss 5 expected ones once in 150 minutes.
const FEW_REQUESTS: f64 = 5.0;

/// What to read for one rollout.
pub struct Look<'a> {
    /// Its journal, before this tick.
    pub journal: &'a Journal,
    /// Its settings of today.
    pub settings: &'a Settings,
}

/// Minutes to ask CloudWatch for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Nothing,
    History { from: Minute, until: Minute },
    Due { from: Minute, until: Minute },
}

fn wish(run: &Run, tick_ms: i64) -> Wish {
    let until = newest_due(run, tick_ms).plus(1);
    match run.through {
        _ if !run.is_open() => Wish::Nothing,
        None => {
            let from = until.plus(-i64::from(run.terms.history_minutes));
            Wish::History { from, until }
        }
        Some(through) if through.plus(1) < until => {
            let from = through.plus(1);
            Wish::Due { from, until: until.min(from.plus(MOST_MINUTES)) }
        }
        Some(_) => Wish::Nothing,
    }
}

/// Whether anything about a rollout has to be read at all: a run that goes on,
/// or a rollback that has to stay one.
pub fn needs_reading(journal: &Journal) -> bool {
    match &journal.run {
        None => false,
        Some(run) => match &run.end {
            None | Some((End::RolledBack, ..)) => true,
            Some((End::Completed, ..)) => false,
        },
    }
}

/// Reads everything that the ticks of these rollouts need, in as few calls as possible.
pub async fn observe(world: &World, looks: &[Look<'_>], tick_ms: i64) -> Vec<Seen> {
    let wishes: Vec<Wish> = looks
        .iter()
        .map(|look| look.journal.run.as_ref().map_or(Wish::Nothing, |run| wish(run, tick_ms)))
        .collect();
    let wanted: Vec<MinutesWanted<'_>> = looks
        .iter()
        .zip(&wishes)
        .filter_map(|(look, wish)| {
            let run = look.journal.run.as_ref()?;
            let (from, until) = match *wish {
                Wish::Nothing => return None,
                Wish::History { from, until } | Wish::Due { from, until } => (from, until),
            };
            let edges_ms = run.terms.evidence.edges_ms.as_ms();
            Some(MinutesWanted { routes: &run.terms.routes, from, until, edges_ms })
        })
        .collect();
    let rules = join_all(looks.iter().map(|look| async {
        match &look.journal.run {
            Some(run) if needs_reading(look.journal) => read_routes(world, &run.terms.routes).await,
            Some(_) | None => Vec::new(),
        }
    }));
    let alarms = join_all(looks.iter().map(|look| async {
        let open = look.journal.open_run().is_some();
        let names = if open { look.settings.alarm_names() } else { Vec::new() };
        world.alarms.read(&names).await.map_err(|error| chain(&error))
    }));
    let (minutes, rules, alarms) = tokio::join!(world.metrics.minutes(&wanted), rules, alarms);

    let mut minutes = minutes.into_iter();
    let mut seen = Vec::with_capacity(looks.len());
    for (((look, wish), routes), alarms) in looks.iter().zip(&wishes).zip(rules).zip(alarms) {
        let mut one = Seen { routes, minutes: Vec::new(), gap: None, history: None, alarms };
        if let (Some(run), Wish::History { .. } | Wish::Due { .. }) = (&look.journal.run, wish) {
            let missing = || Err("CloudWatch was not asked".to_owned());
            let read = minutes.next().map_or_else(missing, |read| read.map_err(|e| chain(&e)));
            sort_out(&mut one, run, *wish, read, tick_ms);
        }
        seen.push(one);
    }
    seen
}

/// Reads every route, or why not.
pub async fn read_routes(world: &World, routes: &[Route]) -> Vec<Result<RouteSeen, String>> {
    let reads = routes.iter().map(|route| world.traffic.read(route));
    join_all(reads).await.into_iter().map(|read| read.map_err(|error| chain(&error))).collect()
}

fn sort_out(
    seen: &mut Seen,
    run: &Run,
    wish: Wish,
    read: Result<Vec<MinuteRead>, String>,
    tick_ms: i64,
) {
    match (wish, read) {
        (Wish::Nothing, _) => {}
        (Wish::History { .. }, Err(error)) => seen.history = Some(Err(error)),
        (Wish::History { .. }, Ok(read)) => seen.history = Some(history(&read)),
        (Wish::Due { .. }, Err(error)) => seen.gap = Some(error),
        (Wish::Due { .. }, Ok(read)) => {
            let (minutes, gap) =
                commit(&read, newest_due(run, tick_ms), |minute| run.weight_at(minute));
            seen.minutes = minutes;
            seen.gap = gap;
        }
    }
}

/// The old side's history: only if its newest minute can be read, so that the
/// rollout begins with its eyes open.
fn history(read: &[MinuteRead]) -> Result<Vec<CommittedMinute>, String> {
    let newest_full = read.iter().rposition(|minute| requests(minute, Side::Old) > 0);
    match newest_full {
        Some(newest) => {
            let first = read.iter().position(|minute| requests(minute, Side::Old) > 0).unwrap_or(0);
            let minutes = read[first..=newest].iter();
            Ok(minutes.map(|minute| minute.committed(Weight::ZERO)).collect())
        }
        None => Err("CloudWatch has no request of the old side yet; check `old_group` and the load balancer's traffic".to_owned()),
    }
}

#[derive(Clone, Copy)]
enum Side {
    Old,
    New,
}

fn side(route: &crate::domain::observation::RouteMinute, side: Side) -> Option<&SideCounts> {
    match side {
        Side::Old => route.old.as_ref(),
        Side::New => route.new.as_ref(),
    }
}

fn requests(minute: &MinuteRead, which: Side) -> u64 {
    minute.routes.iter().filter_map(|route| side(route, which)).map(|counts| counts.requests).sum()
}

/// Which minutes are final. Missing data is never read as good data: a minute in
/// which a side is silent although requests were due is not final until a later
/// minute has them (so CloudWatch has moved on) or patience is over.
fn commit(
    read: &[MinuteRead],
    newest_due: Minute,
    weight_at: impl Fn(Minute) -> Weight,
) -> (Vec<CommittedMinute>, Option<String>) {
    let mut minutes: Vec<CommittedMinute> = Vec::new();
    for (index, minute) in read.iter().enumerate() {
        let weight = weight_at(minute.minute);
        let patience_over = newest_due.since(minute.minute) >= PATIENCE_MINUTES;
        let silent = silent_sides(minute, weight);
        let later = |which: Side| read[index + 1..].iter().any(|m| requests(m, which) > 0);
        if let Some((which, name)) = silent
            && !later(which)
            && !patience_over
        {
            let gap =
                format!("CloudWatch has no requests of {name} in minute {} yet", minute.minute);
            return (minutes, Some(gap));
        }
        minutes.push(minute.committed(weight));
    }
    (minutes, None)
}

/// A side without requests that should have had some by its share.
fn silent_sides(minute: &MinuteRead, weight: Weight) -> Option<(Side, &'static str)> {
    let (old, new) = (requests(minute, Side::Old), requests(minute, Side::New));
    if old == 0 && new == 0 {
        let which = if weight == Weight::FULL { Side::New } else { Side::Old };
        return Some((which, "either side"));
    }
    let share = weight.ratio();
    let due_new = if share < 1.0 { old as f64 * share / (1.0 - share) } else { f64::INFINITY };
    if new == 0 && weight > Weight::ZERO && due_new > FEW_REQUESTS {
        return Some((Side::New, "the new side"));
    }
    let due_old = if share > 0.0 { new as f64 * (1.0 - share) / share } else { f64::INFINITY };
    if old == 0 && weight < Weight::FULL && due_old > FEW_REQUESTS {
        return Some((Side::Old, "the old side"));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::observation::RouteMinute;

    #[expect(clippy::unnecessary_wraps, reason = "a side that was read, beside None")]
    fn counts(requests: u64) -> Option<SideCounts> {
        Some(SideCounts { requests, ..SideCounts::default() })
    }

    fn minute(at: i64, old: Option<SideCounts>, new: Option<SideCounts>) -> MinuteRead {
        MinuteRead { minute: Minute(at), routes: vec![RouteMinute { old, new }] }
    }

    fn half(_: Minute) -> Weight {
        Weight::from_percent(50.0).unwrap()
    }

    #[test]
    fn a_silent_newest_minute_is_not_final_until_a_later_one_speaks() {
        let late = [minute(10, counts(300), counts(300)), minute(11, None, None)];
        let (minutes, gap) = commit(&late, Minute(11), half);
        assert_eq!(minutes.len(), 1);
        assert!(gap.unwrap().contains("either side"));

        let spoken = [minute(10, None, None), minute(11, counts(300), counts(300))];
        let (minutes, gap) = commit(&spoken, Minute(11), half);
        assert_eq!((minutes.len(), gap), (2, None));
    }

    #[test]
    fn a_new_side_that_is_late_is_waited_for_and_then_believed_silent() {
        let read = [minute(10, counts(300), None)];
        let (minutes, gap) = commit(&read, Minute(12), half);
        assert!(minutes.is_empty() && gap.unwrap().contains("the new side"));
        let (minutes, gap) = commit(&read, Minute(15), half);
        assert_eq!((minutes.len(), gap), (1, None));
    }

    #[test]
    fn few_expected_requests_may_well_be_none() {
        let one_percent = |_| Weight::from_percent(1.0).unwrap();
        let read = [minute(10, counts(60), None)];
        assert_eq!(commit(&read, Minute(10), one_percent).1, None);
    }

    #[test]
    fn history_begins_and_ends_with_traffic_and_may_not_be_empty() {
        let read = [
            minute(1, None, None),
            minute(2, counts(5), None),
            minute(3, None, None),
            minute(4, counts(5), None),
            minute(5, None, None),
        ];
        let minutes = history(&read).unwrap();
        assert_eq!(minutes.first().map(|m| m.minute), Some(Minute(2)));
        assert_eq!(minutes.last().map(|m| m.minute), Some(Minute(4)));
        assert!(history(&read[..1]).is_err());
    }

    #[test]
    fn counts_of_routes_are_added() {
        let mut read = minute(1, counts(5), None);
        read.routes.push(RouteMinute { old: counts(7), new: counts(1) });
        let sum = read.committed(Weight::ZERO);
        assert_eq!((sum.old.requests, sum.new.requests), (12, 1));
    }
}
