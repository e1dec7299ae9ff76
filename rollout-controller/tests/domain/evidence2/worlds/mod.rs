//! Described worlds: what two services do minute by minute, with a seed.
//!
//! A rollout runs in one closed loop: the share that the engine decided splits the
//! next minute's traffic. [`catalogue`] names the worlds, [`rollout`] runs them.

pub(crate) mod catalogue;
mod draw;
pub(crate) mod interval;
pub(crate) mod rollout;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rollout_controller::domain::evidence2::{Counts, HistoryMinute, Part, Reading};
use rollout_controller::domain::minute::{Edges, Minute, SideCounts};
use rollout_controller::domain::weight::Weight;

use draw::{Latency, binomial, histogram, normal, poisson};

/// When something is the case.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum When {
    Always,
    /// At shares of at least this.
    FromShare(f64),
    /// In minutes `from..to` of the rollout.
    Minutes(i64, i64),
    /// In minutes `from..to` of the bake.
    Bake(i64, i64),
    /// In this minute of every stage, from 0.
    StageMinute(i64),
    /// In minutes with this remainder.
    Every(i64, i64),
    /// In each minute by itself.
    Random(f64),
}

/// What is then the case.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum What {
    /// So many more requests fail, as a share of all.
    Errors(f64),
    /// This share fails.
    ErrorRate(f64),
    /// Everything takes so many times as long.
    Slower(f64),
    /// Everything takes 1.05 times as long as a minute before, from this minute
    /// on, at most 20 times.
    Leak(i64),
    /// The median latency in milliseconds.
    Median(f64),
    /// A share of requests takes longer than 630 ms, besides the others.
    Over630(f64),
}

/// A scale of all latencies that wanders: `a` becomes `keep·a` and a random step,
/// so that `exp(a)` spreads by `sd`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Drift {
    pub(crate) keep: f64,
    pub(crate) sd: f64,
}

/// One side.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Service {
    pub(crate) error_rate: f64,
    pub(crate) latency: Latency,
    pub(crate) over_630: f64,
    pub(crate) drift: Option<Drift>,
    /// Latency: `exp(sd·N − sd²/2)` anew each minute.
    pub(crate) jitter: f64,
    /// Errors: the rate times `exp(sd·N − sd²/2)` anew each minute.
    pub(crate) error_jitter: f64,
    /// Errors come in groups of 1 + Poisson(4).
    pub(crate) clusters: bool,
    pub(crate) effects: Vec<(When, What)>,
}

/// One route: its part of the traffic and its two services.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Route {
    pub(crate) traffic: f64,
    pub(crate) old: Service,
    pub(crate) new: Service,
    /// Its rule gets each step so many minutes late.
    pub(crate) late: i64,
}

/// A world, and what must be true of rollouts in it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct World {
    pub(crate) name: &'static str,
    pub(crate) routes: Vec<Route>,
    /// Both sides drift together.
    pub(crate) shared_drift: Option<Drift>,
    /// Traffic, latency and errors follow the time of day.
    pub(crate) day: bool,
    pub(crate) expect: Expect,
}

/// The promise, or what was found instead and is published.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Expect {
    /// Completes; rolled back in at most this share of rollouts.
    Healthy { rolled_back: f64 },
    /// May be held for ever; the same.
    Held { rolled_back: f64 },
    /// Completes in at most this share of rollouts.
    Fault { completed: f64 },
    /// Neither is promised.
    Published,
}

/// What a minute's traffic depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    pub(crate) minute: i64,
    pub(crate) share: Weight,
    pub(crate) previous: Weight,
    /// Minutes since the stage began.
    pub(crate) of_stage: i64,
    /// Minutes since the bake began.
    pub(crate) of_bake: Option<i64>,
}

impl When {
    fn holds(self, now: &Now, rng: &mut ChaCha8Rng) -> bool {
        match self {
            Self::Always => true,
            Self::FromShare(share) => now.share.ratio() >= share - 1e-9,
            Self::Minutes(from, to) => (from..to).contains(&now.minute),
            Self::Bake(from, to) => now.of_bake.is_some_and(|m| (from..to).contains(&m)),
            Self::StageMinute(at) => now.minute >= 0 && now.of_stage == at,
            Self::Every(period, at) => now.minute >= 0 && now.minute.rem_euclid(period) == at,
            Self::Random(p) => rng.random::<f64>() < p,
        }
    }
}

impl Drift {
    fn step(self, a: &mut f64, rng: &mut ChaCha8Rng) -> f64 {
        *a = self.keep * *a + self.sd * (1.0 - self.keep * self.keep).sqrt() * normal(rng);
        a.exp()
    }
}

/// A world under way.
pub(crate) struct Running<'w> {
    world: &'w World,
    requests_per_minute: f64,
    rng: ChaCha8Rng,
    edges: Edges,
    /// Wandering scales: shared, then old and new of each route.
    shared: f64,
    drifts: Vec<[f64; 2]>,
    /// Bucket shares of the last minute, by route and side: most services do not change.
    cached: Vec<[Option<Cached>; 2]>,
}

/// Bucket shares, and what they were made of.
#[derive(Clone)]
struct Cached {
    latency: Latency,
    scale: f64,
    over_630: f64,
    buckets: Vec<f64>,
}

impl<'w> Running<'w> {
    pub(crate) fn new(world: &'w World, requests_per_minute: f64, seed: u64) -> Self {
        Self {
            world,
            requests_per_minute,
            rng: ChaCha8Rng::seed_from_u64(seed),
            edges: Edges::default(),
            shared: 0.0,
            drifts: vec![[0.0; 2]; world.routes.len()],
            cached: vec![[None, None]; world.routes.len()],
        }
    }

    /// A minute of the old side alone, before the rollout.
    pub(crate) fn history_minute(&mut self, minute: i64) -> HistoryMinute {
        let (share, previous) = (Weight::ZERO, Weight::ZERO);
        let reading = self.minute(&Now { minute, share, previous, of_stage: 0, of_bake: None });
        let old = reading.parts.into_iter().map(|part| match part.counts {
            Counts::Known { old, .. } => Some(old),
            Counts::Unknown => None,
        });
        HistoryMinute { minute: Minute(minute), old: old.collect() }
    }

    pub(crate) fn minute(&mut self, now: &Now) -> Reading {
        let world = self.world;
        let shared = world.shared_drift.map_or(1.0, |d| d.step(&mut self.shared, &mut self.rng));
        let parts = world.routes.iter().enumerate().map(|(at, route)| {
            let late = now.of_stage < route.late;
            let weight = if late { now.previous } else { now.share };
            let mut side = |which: usize, service: &Service, share: f64| {
                let mean = self.requests_per_minute * route.traffic * share;
                self.side(at, which, service, now, mean, shared)
            };
            let old = side(0, &route.old, 1.0 - weight.ratio());
            let new = side(1, &route.new, weight.ratio());
            Part { weight, counts: Counts::Known { old, new } }
        });
        let parts = parts.collect();
        Reading { minute: Minute(now.minute), share: now.share, parts }
    }

    fn side(
        &mut self,
        route: usize,
        which: usize,
        service: &Service,
        now: &Now,
        mean: f64,
        shared: f64,
    ) -> SideCounts {
        let rng = &mut self.rng;
        let drift = service.drift.map_or(1.0, |d| d.step(&mut self.drifts[route][which], rng));
        let (mut rate, mut over_630) = (service.error_rate, service.over_630);
        let (mut scale, mut latency, mut mean) = (shared * drift, service.latency, mean);
        for &(when, what) in &service.effects {
            if !when.holds(now, rng) {
                continue;
            }
            match what {
                What::Errors(more) => rate += more,
                What::ErrorRate(whole) => rate = whole,
                What::Slower(times) => scale *= times,
                What::Leak(from) if now.minute >= from => {
                    scale *= 1.05_f64.powf((now.minute - from) as f64).min(20.0);
                }
                What::Leak(_) => {}
                What::Median(ms) => latency.median_ms = ms,
                What::Over630(share) => over_630 = share,
            }
        }
        if self.world.day {
            let sin = (std::f64::consts::TAU * now.minute as f64 / 1440.0).sin();
            mean *= 10_f64.powf(0.5 * sin);
            scale *= 1.0 + 0.25 * sin;
            rate *= 1.0 + 0.9 * sin;
        }
        let jitter = |sd: f64, rng: &mut ChaCha8Rng| {
            if sd > 0.0 { (sd * normal(rng) - sd * sd / 2.0).exp() } else { 1.0 }
        };
        scale *= jitter(service.jitter, rng);
        rate *= jitter(service.error_jitter, rng);
        let requests = poisson(rng, mean);
        let errors = if service.clusters {
            let groups = poisson(rng, requests as f64 * rate / 5.0);
            (0..groups).map(|_| 1 + poisson(rng, 4.0)).sum::<u64>().min(requests)
        } else {
            binomial(rng, requests, rate)
        };
        let cached = &mut self.cached[route][which];
        let same = |cached: &Cached| {
            // Bit for bit: it is a cache.
            cached.latency == latency
                && cached.scale.to_bits() == scale.to_bits()
                && cached.over_630.to_bits() == over_630.to_bits()
        };
        let buckets = match cached {
            Some(cached) if same(cached) => &cached.buckets,
            _ => {
                let buckets = latency.buckets(&self.edges, scale, over_630);
                &cached.insert(Cached { latency, scale, over_630, buckets }).buckets
            }
        };
        SideCounts { requests, errors, latency: histogram(rng, requests, buckets) }
    }
}
