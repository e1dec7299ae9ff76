//! Minutes drawn from a described world.
//!
//! Counts are drawn as wholes (Poisson, binomial, multinomial over the buckets of
//! latency) and not request by request, so that a minute costs the same at ten
//! requests and at a million.

use super::described::{Change, Compared, Described, Drift, On, Part, SideWords};
use crate::domain::minute::{Edges, Histogram, SideCounts};
use crate::domain::observation::RouteMinute;
use crate::domain::weight::Weight;
use crate::domain::wrong_answers::{Comparisons, ComparisonsRead};
use answers::Kind;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Binomial, Distribution as _, Poisson, StandardNormal};
use std::collections::BTreeMap;
use std::ops::AddAssign;

/// A request slower than this is counted as slow. The widest limit that a rollout
/// has by default (P99).
const SLOW_MS: f64 = 500.0;

/// Where `very_slow` begins, milliseconds.
const VERY_SLOW_MS: f64 = 630.0;

/// Tells the draws of comparisons from all others of the same seed.
const COMPARED: u64 = 0x636f_6d70_6172_6564;

/// What the new side did in a minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Tally {
    /// Requests to it.
    pub requests: u64,
    /// Of these, failed.
    pub failed: u64,
    /// Of these, failed or took longer than 500 ms.
    pub hurt: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.requests += other.requests;
        self.failed += other.failed;
        self.hurt += other.hurt;
    }
}

/// A described world under way.
#[derive(Debug)]
pub(super) struct Process {
    world: Described,
    parts: Vec<PartUnderWay>,
    rng: ChaCha8Rng,
    /// Logs of the scales of latency: both sides, old, new.
    drift: [f64; 3],
    /// For each change, its first minute.
    began: Vec<Option<i64>>,
    /// For each change, when every route first showed its share.
    there: Vec<Option<i64>>,
    /// What was compared in the minute under way.
    compared: Comparisons,
    /// Draws what is compared, so that nothing else depends on it.
    answers: ChaCha8Rng,
}

#[derive(Debug)]
struct PartUnderWay {
    part: Part,
    shows: Weight,
    before: Weight,
    since: i64,
}

/// One side in one minute.
struct Now {
    side: SideWords,
    /// Of every latency.
    scale: f64,
}

impl Process {
    /// For routes with these names, in order: the described ones, or equal parts.
    pub(super) fn new(world: Described, routes: &[&str], seed: u64) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "a handful of routes")]
        let equal = 1.0 / routes.len().max(1) as f64;
        let part = |name: &&str| {
            let found = world.routes.iter().find(|part| part.name == *name).cloned();
            found.unwrap_or_else(|| Part {
                name: (*name).to_owned(),
                traffic: if world.routes.is_empty() { equal } else { 0.0 },
                late_minutes: 0,
                old: None,
                new: None,
            })
        };
        let under_way = |part: Part| PartUnderWay {
            part,
            shows: Weight::ZERO,
            before: Weight::ZERO,
            since: i64::MIN,
        };
        let parts = routes.iter().map(part).map(under_way).collect();
        let count = world.changes.len();
        Self {
            world,
            parts,
            rng: ChaCha8Rng::seed_from_u64(seed),
            drift: [0.0; 3],
            began: vec![None; count],
            there: vec![None; count],
            compared: Comparisons::default(),
            answers: ChaCha8Rng::seed_from_u64(seed ^ COMPARED),
        }
    }

    /// What was compared in the minute drawn last; `None` if nothing was.
    pub(super) fn comparisons(&mut self) -> Option<ComparisonsRead> {
        let counts = std::mem::take(&mut self.compared);
        let any = counts.compared > 0 || counts.failed > 0;
        any.then_some(ComparisonsRead::Counted(counts))
    }

    fn compare(&mut self, requests: u64, traffic: f64, different: f64) {
        let Some(Compared { per_minute, failed }) = self.world.compared else { return };
        let asked = requests.min(whole((per_minute * traffic).round()));
        let mut draw = |count, ratio: f64| {
            let drawn = Binomial::new(count, ratio.clamp(0.0, 1.0));
            drawn.map_or(0, |binomial| binomial.sample(&mut self.answers))
        };
        let failed = draw(asked, failed);
        let different = draw(asked - failed, different);
        let kinds =
            if different > 0 { [(Kind::Number, different)].into() } else { BTreeMap::new() };
        self.compared += &Comparisons { compared: asked - failed, different, failed, kinds };
    }

    /// The numbers of a minute in which the routes show these shares.
    pub(super) fn minute(
        &mut self,
        minute: i64,
        shows: &[Weight],
        edges: &Edges,
    ) -> (Vec<RouteMinute>, Tally) {
        for (part, &now) in self.parts.iter_mut().zip(shows) {
            if part.shows != now {
                (part.before, part.shows, part.since) = (part.shows, now, minute);
            }
        }
        let drifts = [self.world.drift, self.world.old.drift, self.world.new.drift];
        for (at, drift) in drifts.into_iter().enumerate() {
            self.drift[at] = self.drifted(self.drift[at], drift);
        }
        let active: Vec<bool> =
            (0..self.world.changes.len()).map(|at| self.holds(at, minute, shows)).collect();
        let mut tally = Tally::default();
        let routes = (0..self.parts.len())
            .map(|at| self.route(at, minute, &active, edges, &mut tally))
            .collect();
        (routes, tally)
    }

    fn drifted(&mut self, was: f64, drift: Option<Drift>) -> f64 {
        let Some(Drift { keep, sd }) = drift else { return 0.0 };
        keep * was + sd * (1.0 - keep * keep).sqrt() * self.normal()
    }

    /// Whether a change's conditions hold, but for those of a single route.
    fn holds(&mut self, at: usize, minute: i64, shows: &[Weight]) -> bool {
        let change = self.world.changes[at].clone();
        let least = shows.iter().min().copied().unwrap_or(Weight::ZERO);
        if let Some(share) = change.from_share
            && least.percent() >= share
        {
            self.there[at].get_or_insert(minute);
        }
        // Drawn whether or not it counts, so that nothing else depends on it.
        let drawn = change.chance.is_none_or(|chance| self.rng.random::<f64>() < chance);
        let there = within(&change.minutes_there, self.there[at].map(|there| minute - there));
        drawn
            && within(&change.minutes, Some(minute))
            && (change.minutes_there.is_empty() || there)
            && change.every.is_none_or(|every| minute.rem_euclid(every) == change.at)
    }

    fn route(
        &mut self,
        at: usize,
        minute: i64,
        active: &[bool],
        edges: &Edges,
        tally: &mut Tally,
    ) -> RouteMinute {
        let PartUnderWay { part, shows, before, since } = &self.parts[at];
        let age = minute.saturating_sub(*since);
        let late = age < i64::from(part.late_minutes);
        let share = if late { *before } else { *shows };
        let (part, stage_age) = (part.clone(), age);

        let world = &self.world;
        let base = |own: &Option<SideWords>, all: &SideWords| own.as_ref().unwrap_or(all).clone();
        let mut old = Now { side: base(&part.old, &world.old), scale: 1.0 };
        let mut new = Now { side: base(&part.new, &world.new), scale: 1.0 };
        let mut traffic = world.traffic.per_minute * part.traffic * self.by_hour(minute);
        for (at, change) in world.changes.iter().enumerate() {
            let here = change.route.as_ref().is_none_or(|route| *route == part.name)
                && change.from_share.is_none_or(|from| share.percent() >= from)
                && change.first_minutes_of_stage.is_none_or(|first| stage_age < first);
            if !active[at] || !here {
                continue;
            }
            let began = *self.began[at].get_or_insert(minute);
            traffic *= change.traffic;
            if matches!(change.on, On::Old | On::Both) {
                old.apply(change, minute - began);
            }
            if matches!(change.on, On::New | On::Both) {
                new.apply(change, minute - began);
            }
        }
        let [both, old_drift, new_drift] = self.drift;
        old.scale *= (both + old_drift).exp();
        new.scale *= (both + new_drift).exp();

        let requests = self.poisson(traffic);
        let to_new = self.binomial(requests, share.ratio());
        let (old_counts, _) = self.side(&old, requests - to_new, edges);
        let (new_counts, slow) = self.side(&new, to_new, edges);
        self.compare(to_new, part.traffic, new.side.different);
        tally.add_assign(Tally {
            requests: to_new,
            failed: new_counts.errors,
            hurt: hurt(&new_counts, slow),
        });
        let there = |counts: SideCounts| (counts.requests > 0).then_some(counts);
        RouteMinute::Known { old: there(old_counts), new: there(new_counts) }
    }

    /// Counts of a side, and how many requests were slow.
    fn side(&mut self, now: &Now, requests: u64, edges: &Edges) -> (SideCounts, u64) {
        let side = &now.side;
        let jitter = |sd: f64, drawn: f64| (sd * drawn - sd * sd / 2.0).exp();
        let scale = if side.jitter > 0.0 {
            now.scale * jitter(side.jitter, self.normal())
        } else {
            now.scale
        };
        let mut ratio = side.errors;
        if side.error_jitter > 0.0 {
            ratio *= jitter(side.error_jitter, self.normal());
        }
        let errors = self.errors(requests, ratio.clamp(0.0, 1.0), side.error_cluster);
        let below: Vec<f64> =
            edges.as_ms().iter().map(|edge| share_below(side, edge / scale)).collect();
        let far = edges.as_ms().iter().filter(|edge| **edge >= VERY_SLOW_MS).count().max(1);
        #[expect(clippy::cast_precision_loss, reason = "a few buckets")]
        let far_each = side.very_slow / far as f64;
        let (mut left, mut left_ratio, mut under, mut slow) = (requests, 1.0, 0.0, 0);
        let mut buckets = Vec::with_capacity(below.len() + 1);
        for bucket in 0..=below.len() {
            let from_ms = bucket.checked_sub(1).map_or(0.0, |at| edges.as_ms()[at]);
            let until = below.get(bucket).copied().unwrap_or(1.0);
            let mut ratio = (until - under) * (1.0 - side.very_slow);
            under = until;
            if from_ms >= VERY_SLOW_MS {
                ratio += far_each;
            }
            let count = if bucket == below.len() {
                left
            } else {
                self.binomial(left, (ratio / left_ratio).clamp(0.0, 1.0))
            };
            left -= count;
            left_ratio = f64::max(left_ratio - ratio, f64::MIN_POSITIVE);
            if from_ms >= SLOW_MS {
                slow += count;
            }
            buckets.push(count);
        }
        (SideCounts { requests, errors, latency: Histogram::new(requests, buckets) }, slow)
    }

    fn errors(&mut self, requests: u64, ratio: f64, cluster: f64) -> u64 {
        if cluster <= 1.0 {
            return self.binomial(requests, ratio);
        }
        #[expect(clippy::cast_precision_loss, reason = "a rate")]
        let clusters = self.poisson(requests as f64 * ratio / cluster);
        let sizes: u64 = (0..clusters).map(|_| 1 + self.poisson(cluster - 1.0)).sum();
        sizes.min(requests)
    }

    fn by_hour(&self, minute: i64) -> f64 {
        let factors = &self.world.traffic.by_hour;
        if factors.is_empty() {
            return 1.0;
        }
        let of_day = (self.world.starts.as_second().div_euclid(60) + minute).rem_euclid(1_440);
        let (hour, into) = (of_day / 60, of_day % 60);
        let at = |hour: i64| {
            usize::try_from(hour).ok().and_then(|hour| factors.get(hour)).copied().unwrap_or(1.0)
        };
        #[expect(clippy::cast_precision_loss, reason = "minutes of an hour")]
        let part = into as f64 / 60.0;
        at(hour) * (1.0 - part) + at((hour + 1) % 24) * part
    }

    fn normal(&mut self) -> f64 {
        StandardNormal.sample(&mut self.rng)
    }

    fn poisson(&mut self, mean: f64) -> u64 {
        match Poisson::new(mean) {
            Ok(poisson) => whole(poisson.sample(&mut self.rng)),
            // A mean of 0.
            Err(_) => 0,
        }
    }

    fn binomial(&mut self, count: u64, ratio: f64) -> u64 {
        // The ratio was clamped to 0 to 1; there is no other error.
        Binomial::new(count, ratio).map_or(0, |binomial| binomial.sample(&mut self.rng))
    }
}

impl Now {
    /// `age`: minutes since the change first held.
    fn apply(&mut self, change: &Change, age: i64) {
        self.side.errors = (self.side.errors + change.errors).clamp(0.0, 1.0);
        self.side.very_slow = (self.side.very_slow + change.very_slow).min(1.0);
        self.side.different = (self.side.different + change.different).clamp(0.0, 1.0);
        if let Some(median_ms) = change.median_ms {
            self.side.median_ms = median_ms;
        }
        let age = i32::try_from(age).unwrap_or(i32::MAX);
        self.scale *= change.scale * change.scale_each_minute.powi(age).min(20.0);
    }
}

fn within(range: &[i64], found: Option<i64>) -> bool {
    let Some(found) = found else { return false };
    let from = range.first().is_none_or(|from| found >= *from);
    from && range.get(1).is_none_or(|until| found <= *until)
}

/// Failed, or slow and not failed: latency and errors are drawn independently.
fn hurt(counts: &SideCounts, slow: u64) -> u64 {
    let fine = counts.requests.saturating_sub(counts.errors);
    let slow = u128::from(slow) * u128::from(fine) / u128::from(counts.requests.max(1));
    counts.errors + u64::try_from(slow).unwrap_or(0)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
fn whole(drawn: f64) -> u64 {
    drawn.max(0.0) as u64
}

/// Share of a side's requests that take less than this, without `very_slow`.
fn share_below(side: &SideWords, ms: f64) -> f64 {
    let lognormal = |median: f64, spread: f64| normal_below((ms / median).ln() / spread);
    let tail = match side.tail_exponent {
        None => lognormal(side.tail_ms, side.tail_spread),
        Some(exponent) => {
            let least = side.tail_ms / 2.0;
            if ms <= least { 0.0 } else { 1.0 - (least / ms).powf(exponent) }
        }
    };
    (1.0 - side.tail) * lognormal(side.median_ms, side.spread) + side.tail * tail
}

/// The standard normal distribution function.
fn normal_below(z: f64) -> f64 {
    0.5 * libm::erfc(-z / std::f64::consts::SQRT_2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(text: &str, minutes: i64, shows: Weight) -> (SideCounts, SideCounts, Tally) {
        let world = Described::parse(text).expect("a world");
        let mut process = Process::new(world, &["public"], 7);
        let (mut old, mut new, mut all) =
            (SideCounts::default(), SideCounts::default(), Tally::default());
        let edges = Edges::default();
        for minute in 0..minutes {
            let (routes, tally) = process.minute(minute, &[shows], &edges);
            all += tally;
            for route in routes {
                if let RouteMinute::Known { old: a, new: b } = route {
                    old += &a.unwrap_or_default();
                    new += &b.unwrap_or_default();
                }
            }
        }
        (old, new, all)
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of a test")]
    fn near(found: u64, expected: f64, deviations: f64) {
        let off = (found as f64 - expected).abs();
        assert!(off <= deviations * expected.max(1.0).sqrt(), "{found} is not near {expected}");
    }

    #[test]
    fn traffic_shares_errors_and_latency_are_those_described() {
        let text = "what = \"a test\"\n[traffic]\nper_minute = 6000\n[new]\nerrors = 0.01\n\
                    median_ms = 30\nspread = 0.5\ntail = 0\nvery_slow = 0.02";
        let (old, new, tally) = drawn(text, 100, Weight::from_percent(25.0).unwrap());
        near(old.requests, 450_000.0, 5.0);
        near(new.requests, 150_000.0, 5.0);
        near(new.errors, 1_500.0, 5.0);
        // One standard deviation of the log above the median: 84.13% are faster.
        let edges = Edges::default();
        let (at, expected) = edges
            .as_ms()
            .iter()
            .enumerate()
            .map(|(at, edge)| (at, 0.98 * normal_below((edge / 30.0).ln() / 0.5)))
            .find(|(_, below)| *below > 0.8)
            .unwrap();
        let above = new.latency.slower_than(at);
        near(new.requests - above, 150_000.0 * expected, 5.0);
        // A share of 0.02 takes 630 ms or more, and 0.01 fails.
        near(tally.hurt, 150_000.0 * (0.01 + 0.99 * 0.02), 6.0);
    }

    #[test]
    fn a_change_holds_in_its_minutes_at_its_share_and_on_its_side_alone() {
        let world = "what = \"a test\"\n[traffic]\nper_minute = 1000\n[old]\nerrors = 0\n\
                     [new]\nerrors = 0\n[[change]]\non = \"new\"\nerrors = 1\n\
                     from_share = 50\nminutes = [3, 4]";
        let (old, new, _) = drawn(world, 10, Weight::from_percent(50.0).unwrap());
        assert_eq!(old.errors, 0);
        near(new.errors, 1_000.0, 5.0);
        let (_, new, _) = drawn(world, 10, Weight::from_percent(25.0).unwrap());
        assert_eq!(new.errors, 0);
    }

    #[test]
    fn errors_in_clusters_keep_their_mean_and_spread_more() {
        let spread = |cluster: u32| {
            let text = format!(
                "what = \"a test\"\n[traffic]\nper_minute = 1000\n[new]\nerrors = 0.02\n\
                 error_cluster = {cluster}"
            );
            let world = Described::parse(&text).expect("a world");
            let mut process = Process::new(world, &["public"], 7);
            let counts: Vec<f64> = (0..400)
                .map(|minute| {
                    let (_, tally) = process.minute(minute, &[Weight::FULL], &Edges::default());
                    f64::from(u32::try_from(tally.failed).unwrap())
                })
                .collect();
            let mean = counts.iter().sum::<f64>() / 400.0;
            let variance = counts.iter().map(|n| (n - mean).powi(2)).sum::<f64>() / 400.0;
            assert!((15.0..25.0).contains(&mean), "{mean}");
            variance / mean
        };
        let (alone, together) = (spread(1), spread(5));
        assert!(together > 2.5 * alone, "{together} and {alone}");
    }
}
