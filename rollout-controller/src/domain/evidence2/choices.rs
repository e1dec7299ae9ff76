//! What the old side's last day decides, once, before the first bet.

use serde::{Deserialize, Serialize};

use crate::domain::evidence::Count;
use crate::domain::evidence::math::{Pair, lf_rel};
use crate::domain::minute::{Histogram, SideCounts};
use crate::domain::slo::Metric;

use super::bets::SIZES;
use super::engine::Rules;
use super::history::{HOUR, History};
use super::noise::Noise;
use super::settings::{LONGEST_BURST, Settings, WIDEST_MARGIN};
use super::tally::VISIBLE;

/// Most parts that are compared by themselves: each costs the others a share of
/// the false-alarm budget.
const MOST_STRATA: usize = 20;
/// Minutes in a block of the comparison of the old side with itself.
const BLOCK: usize = 5;
/// A block is compared with the one half an hour earlier: drift that forgets in
/// ten minutes has made its whole way by then.
const BLOCKS_BACK: usize = 6;
/// Margins tried, in edges.
const MARGINS_TRIED: [u8; 5] = [1, 2, 3, 4, 6];
/// A single incident in a day is not drift.
const OCCASIONS_ALLOWED: u32 = 1;
/// Blocks with traffic that make six hours.
const BLOCKS_NEEDED: usize = 72;
/// Margin when the history is too short to tell: 1.6 times.
const MARGIN_UNKNOWN: u8 = 2;
/// Only what happened three times a day recurs.
const RECURS: usize = 3;

/// Choices made from the old side's last day. Journalled once with the start; with
/// the minutes they rebuild everything.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choices {
    /// Routes that are compared as one part; one entry a route up to 20 routes.
    pub strata: Vec<Stratum>,
    /// Edges by which the new side's P50, P95, P99 may lie above the old side's.
    pub margin: [u8; 3],
    /// Minutes that a burst may last, per metric in the order of [`Metric::ALL`].
    pub tolerance: [u8; 4],
    /// The old side's requests a minute in the last hour, over all routes.
    pub requests_per_minute: f64,
    /// Known minutes of the last day.
    pub known_minutes: u32,
    /// Known minutes since the old side last was visibly bad, at most a day.
    pub(super) quiet_minutes: u32,
    /// Noise and rates of the last hour.
    pub(super) noise: Noise,
}

/// Routes that are compared with the old side together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stratum {
    /// Positions among the rollout's routes.
    pub routes: Vec<usize>,
    /// Edges that at most half, 5% and 1% of the old side's requests exceeded in
    /// the last hour. `None`: too few requests to place it, so that quantile is
    /// not compared.
    pub edges: [Option<u16>; 3],
}

impl Choices {
    pub(super) fn from_history(rules: &Rules, settings: &Settings, history: &History) -> Self {
        let totals = history.totals();
        let hour = &totals[totals.len().saturating_sub(HOUR)..];
        let mut noise = Noise::default();
        let mut latency = Histogram::default();
        let (mut requests, mut known) = (0.0, 0.0_f64);
        for minute in hour {
            let Some(minute) = minute else {
                noise.interrupt();
                continue;
            };
            noise.learn(&rules.counts(minute), &[Count::default(); 4]);
            latency += &minute.latency;
            requests += minute.requests as f64;
            known += 1.0;
        }
        let edges = rules.quantile_edges(&latency);
        let blocks = blocks(&totals);
        let runs = bad_runs(rules, &totals);
        let margin = std::array::from_fn(|q| {
            settings.relative_margin.or(|| match edges[q] {
                Some(edge) => rules.margin(&blocks, usize::from(edge)),
                None => MARGIN_UNKNOWN,
            })
        });
        Self {
            strata: strata(rules, history),
            margin,
            tolerance: runs.map(|runs| settings.burst_tolerance.or(|| tolerance(runs))),
            requests_per_minute: requests / known.max(1.0),
            known_minutes: u32::try_from(totals.iter().flatten().count()).unwrap_or(u32::MAX),
            quiet_minutes: quiet(rules, &totals),
            noise,
        }
    }

    /// Without a history, for protection when the journal cannot be read: nothing is
    /// compared with the old side's own tails, and no burst is forgiven.
    pub fn without_history(routes: usize) -> Self {
        let part = |routes| Stratum { routes, edges: [None; 3] };
        let strata = if routes > MOST_STRATA {
            let mut strata: Vec<_> = (0..MOST_STRATA - 1).map(|route| part(vec![route])).collect();
            strata.push(part((MOST_STRATA - 1..routes).collect()));
            strata
        } else {
            (0..routes).map(|route| part(vec![route])).collect()
        };
        Self {
            strata,
            margin: [MARGIN_UNKNOWN; 3],
            tolerance: [1; 4],
            requests_per_minute: 0.0,
            known_minutes: 0,
            quiet_minutes: 0,
            noise: Noise::default(),
        }
    }

    /// Known minutes up to the newest since the old side last was visibly bad.
    pub const fn quiet_minutes(&self) -> u32 {
        self.quiet_minutes
    }

    /// How many parts are compared by themselves.
    pub(super) fn strata(&self) -> usize {
        self.strata.len()
    }

    /// `T` of a metric, minutes, at least 1.
    pub(super) fn tolerance(&self, metric: Metric) -> f64 {
        f64::from(self.tolerance[metric.index()]).max(1.0)
    }

    /// Whether `routes` routes and this many edges are what was chosen for.
    pub(super) fn fits(&self, routes: usize, edges: usize) -> bool {
        let mut seen: Vec<usize> =
            self.strata.iter().flat_map(|stratum| stratum.routes.iter().copied()).collect();
        seen.sort_unstable();
        let placed = self.strata.iter().flat_map(|stratum| stratum.edges).flatten();
        !self.strata.is_empty()
            && seen.iter().copied().eq(0..routes)
            && placed.into_iter().all(|edge| usize::from(edge) + 1 < edges)
            && self.margin.iter().all(|margin| (1..=WIDEST_MARGIN).contains(margin))
            && self.tolerance.iter().all(|minutes| (1..=LONGEST_BURST).contains(minutes))
            && self.noise.is_sound()
    }
}

/// Each route by itself; with more than 20 the 19 with the most requests in the
/// last hour, and the rest together.
fn strata(rules: &Rules, history: &History) -> Vec<Stratum> {
    let mut routes: Vec<(usize, u64)> = (0..history.routes())
        .map(|route| {
            let requests = history.hour_of(route).fold(0, |a: u64, s| a.saturating_add(s.requests));
            (route, requests)
        })
        .collect();
    let mut groups: Vec<Vec<usize>> = Vec::new();
    if routes.len() > MOST_STRATA {
        routes.sort_by_key(|&(route, requests)| (std::cmp::Reverse(requests), route));
        let mut rest: Vec<usize> =
            routes.split_off(MOST_STRATA - 1).into_iter().map(|(route, _)| route).collect();
        rest.sort_unstable();
        groups.push(rest);
    }
    groups.extend(routes.into_iter().map(|(route, _)| vec![route]));
    groups.sort_unstable();
    groups
        .into_iter()
        .map(|routes| {
            let mut latency = Histogram::default();
            for side in routes.iter().flat_map(|&route| history.hour_of(route)) {
                latency += &side.latency;
            }
            Stratum { edges: rules.quantile_edges(&latency), routes }
        })
        .collect()
}

/// Latencies in blocks of five minutes, counted back from the newest; `None` where
/// a minute is not known.
fn blocks(totals: &[Option<SideCounts>]) -> Vec<Option<Histogram>> {
    let mut blocks: Vec<Option<Histogram>> = totals
        .rchunks_exact(BLOCK)
        .map(|minutes| {
            let mut block = Histogram::default();
            for minute in minutes {
                block += &minute.as_ref()?.latency;
            }
            Some(block)
        })
        .collect();
    blocks.reverse();
    blocks
}

impl Rules {
    /// Smallest margin at which the old side was not worse than itself half an
    /// hour earlier on more than one occasion; wider by one where that is not 1.
    fn margin(&self, blocks: &[Option<Histogram>], edge: usize) -> u8 {
        // A quiet night says nothing about drift: only blocks with traffic count.
        let with_traffic = blocks.iter().flatten().filter(|block| block.samples() > 0).count();
        if with_traffic < BLOCKS_NEEDED {
            return MARGIN_UNKNOWN;
        }
        for margin in MARGINS_TRIED {
            let occasions = self.occasions(blocks, edge, usize::from(margin));
            if occasions <= OCCASIONS_ALLOWED {
                return if margin == 1 && occasions == 0 { 1 } else { margin + 1 };
            }
        }
        WIDEST_MARGIN
    }

    /// Runs of blocks that are worse than the block half an hour earlier. A block
    /// that is not known neither begins nor ends one.
    fn occasions(&self, blocks: &[Option<Histogram>], edge: usize, margin: usize) -> u32 {
        let further = (edge + margin).min(self.last_edge);
        let (mut occasions, mut within) = (0, false);
        for (before, after) in blocks.iter().zip(blocks.iter().skip(BLOCKS_BACK)) {
            let (Some(before), Some(after)) = (before, after) else { continue };
            let pair = Pair {
                k_new: after.slower_than(further),
                n_new: after.samples(),
                k_old: before.slower_than(edge),
                n_old: before.samples(),
            };
            let worse = is_worse(pair, 1.0);
            if worse && !within {
                occasions += 1;
            }
            within = worse;
        }
        occasions
    }
}

/// Whether one minute (or block) anybody would call worse: a likelihood ratio of
/// at least 20 for some size, against `factor` times the old rate.
pub(super) fn is_worse(pair: Pair, factor: f64) -> bool {
    // Not above the old rate: no bet on a higher one can win. Spares the logarithms.
    let above =
        pair.k_new as f64 * pair.n_old as f64 > factor * pair.k_old as f64 * pair.n_new as f64;
    above && SIZES.iter().any(|r| lf_rel(pair, factor, 0.0, factor * r, 1.0) >= VISIBLE)
}

/// Lengths of the runs of visibly bad minutes per metric. A minute that is not
/// known neither lengthens nor ends a run.
fn bad_runs(rules: &Rules, totals: &[Option<SideCounts>]) -> [Vec<u8>; 4] {
    let mut runs: [Vec<u8>; 4] = Default::default();
    let mut within = [false; 4];
    for minute in totals.iter().flatten() {
        let counts = rules.counts(minute);
        for metric in Metric::ALL {
            let at = metric.index();
            let bad = rules.visible(metric, counts[at]);
            match (bad, within[at], runs[at].last_mut()) {
                (true, true, Some(run)) => *run = run.saturating_add(1),
                (true, _, _) => runs[at].push(1),
                (false, _, _) => {}
            }
            within[at] = bad;
        }
    }
    runs
}

/// Third-longest run and one more minute, at most 15; 1 without three runs.
fn tolerance(mut runs: Vec<u8>) -> u8 {
    runs.sort_unstable_by(|a, b| b.cmp(a));
    runs.get(RECURS - 1).map_or(1, |run| run.saturating_add(1).min(LONGEST_BURST))
}

fn quiet(rules: &Rules, totals: &[Option<SideCounts>]) -> u32 {
    let calm = totals.iter().rev().flatten().take_while(|minute| {
        let counts = rules.counts(minute);
        Metric::ALL.iter().all(|&metric| !rules.visible(metric, counts[metric.index()]))
    });
    u32::try_from(calm.count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_history_every_route_is_in_one_stratum() {
        for routes in 0..=2 * MOST_STRATA {
            let strata = Choices::without_history(routes).strata;
            assert_eq!(strata.len(), routes.min(MOST_STRATA));
            let each: Vec<usize> = strata.into_iter().flat_map(|stratum| stratum.routes).collect();
            assert_eq!(each, (0..routes).collect::<Vec<_>>());
        }
    }
}
