//! Described worlds: what two services do minute by minute, with a seed.
//!
//! Chance comes in two kinds. What *happens* in a minute (how many requests come,
//! how far latency has drifted, whether there is an incident) is drawn from the
//! seed and the minute alone, so every policy meets the same minutes. What the
//! share changes (how the requests are split, which of them fail) is drawn on top.
//! [`catalogue`] names the worlds.

pub mod catalogue;
mod draw;
mod oracle;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rollout_controller::domain::evidence2::{Counts, HistoryMinute, Part, Reading};
use rollout_controller::domain::minute::{Edges, Minute, SideCounts};
use rollout_controller::domain::weight::Weight;

pub use draw::{Latency, Tail};
use draw::{binomial, histogram, normal, poisson};

/// When something is the case.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum When {
    /// In every minute, also before the rollout.
    Always,
    /// While the new side has at least this share, 0.0 to 1.0.
    FromShare(f64),
    /// In minutes `from..to` of the rollout.
    Minutes(i64, i64),
    /// In minutes `from..to` of the bake.
    Bake(i64, i64),
    /// In this minute of every stage, from 0.
    StageMinute(i64),
    /// In minutes `at` modulo `period`.
    Every {
        /// Minutes from one to the next.
        period: i64,
        /// Which one of them.
        at: i64,
    },
    /// In each minute with this probability.
    Random(f64),
}

/// What is then the case.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum What {
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
pub struct Drift {
    /// What a minute keeps of the one before, 0.0 to 1.0.
    pub keep: f64,
    /// Standard deviation of `a` in the long run.
    pub sd: f64,
}

/// One side.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// Share of requests that fail.
    pub error_rate: f64,
    /// How long requests take.
    pub latency: Latency,
    /// Share of requests above 630 ms, besides those of `latency`.
    pub over_630: f64,
    /// Whether latency wanders.
    pub drift: Option<Drift>,
    /// Latency: `exp(sd·N − sd²/2)` anew each minute.
    pub jitter: f64,
    /// Errors: the rate times `exp(sd·N − sd²/2)` anew each minute.
    pub error_jitter: f64,
    /// Errors come in groups of 1 + Poisson(4).
    pub clusters: bool,
    /// What else happens, and when.
    pub effects: Vec<(When, What)>,
}

/// One route: its part of the traffic and its two services.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Its part of all requests, 0.0 to 1.0.
    pub traffic: f64,
    /// The side being replaced.
    pub old: Service,
    /// The side being rolled out.
    pub new: Service,
    /// Its rule gets each step so many minutes late.
    pub late: i64,
}

/// When an incident begins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Begin {
    /// At any time, so many minutes after the one before on average.
    ByChance(f64),
    /// Every so many minutes of the rollout, from a minute of them on that is drawn; never before
    /// the rollout.
    Every(i64),
}

/// Incidents that have nothing to do with the rollout: errors on both sides.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Incidents {
    /// When one begins.
    pub begin: Begin,
    /// How long each lasts, minutes.
    pub minutes: i64,
    /// Share of requests that fail besides the others.
    pub errors: f64,
}

/// When the counts of a minute can be read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Metrics {
    /// All after the usual lag.
    OnTime,
    /// Each minute with this probability only so many minutes later.
    Late {
        /// Of a minute being late.
        probability: f64,
        /// How much later.
        minutes: i64,
    },
    /// Each minute with this probability at first without most of its errors.
    Trickling {
        /// Of a minute being incomplete at first.
        probability: f64,
        /// How much later it is complete.
        minutes: i64,
    },
    /// Nothing of minutes `from..to` before `to`.
    Blind {
        /// First minute.
        from: i64,
        /// The minute after the last.
        to: i64,
    },
}

/// A world, and what must be true of rollouts in it.
#[derive(Clone, Debug, PartialEq)]
pub struct World {
    /// Its name: `h_` healthy, `f_` a fault of the new side, `s_` both sides hurt.
    pub name: String,
    /// At least one; traffic sums to 1.
    pub routes: Vec<Route>,
    /// Both sides drift together.
    pub shared_drift: Option<Drift>,
    /// Traffic, latency and errors follow the time of day.
    pub day: bool,
    /// Incidents on both sides.
    pub incidents: Option<Incidents>,
    /// When counts can be read.
    pub metrics: Metrics,
    /// What must be true.
    pub expect: Expect,
}

/// The promise, or what was found instead and is published.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Expect {
    /// Completes; rolled back in at most this share of rollouts.
    Healthy {
        /// The largest share.
        rolled_back: f64,
    },
    /// May be held for ever; the same.
    Held {
        /// The largest share.
        rolled_back: f64,
    },
    /// Completes in at most this share of rollouts.
    Fault {
        /// The largest share.
        completed: f64,
    },
    /// Neither is promised, because the objective is met (`false`) or broken.
    Published {
        /// The new side has a fault.
        fault: bool,
    },
}

impl Expect {
    /// Whether the new side has a fault.
    pub const fn is_fault(self) -> bool {
        match self {
            Self::Fault { .. } | Self::Published { fault: true } => true,
            Self::Healthy { .. } | Self::Held { .. } | Self::Published { fault: false } => false,
        }
    }
}

/// The minute that is drawn next.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Minutes since the rollout began; negative before it.
    pub minute: i64,
    /// The share in force.
    pub share: Weight,
    /// The one before it.
    pub previous: Weight,
    /// Minutes since the share changed.
    pub of_stage: i64,
    /// Minutes since the bake began.
    pub of_bake: Option<i64>,
}

impl When {
    fn holds(self, now: &Now, rng: &mut ChaCha8Rng) -> bool {
        match self {
            Self::Always => true,
            Self::FromShare(share) => now.share.ratio() >= share - 1e-9,
            Self::Minutes(from, to) => (from..to).contains(&now.minute),
            Self::Bake(from, to) => now.of_bake.is_some_and(|m| (from..to).contains(&m)),
            Self::StageMinute(at) => now.minute >= 0 && now.of_stage == at,
            Self::Every { period, at } => now.minute >= 0 && now.minute.rem_euclid(period) == at,
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

/// What one side is like in one minute.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Condition {
    rate: f64,
    latency: Latency,
    scale: f64,
    over_630: f64,
}

/// Bucket shares of a side's last minute: most services do not change.
type Cached = Option<(Condition, Vec<f64>)>;

/// A world under way.
#[derive(Clone)]
pub struct Running<'w> {
    world: &'w World,
    requests_per_minute: f64,
    rng: ChaCha8Rng,
    edges: Edges,
    /// Wandering scales: shared, then old and new of each route.
    shared: f64,
    drifts: Vec<[f64; 2]>,
    /// The minute after the present incident's last one.
    incident_until: i64,
    cached: Vec<[Cached; 2]>,
}

/// Streams of random numbers a minute: one for what happens, three a route.
const STREAMS: u64 = 64;
/// Minutes before the rollout that have streams of their own.
const PAST: i64 = 1 << 20;

impl<'w> Running<'w> {
    /// Before its first minute.
    pub fn new(world: &'w World, requests_per_minute: f64, seed: u64) -> Self {
        assert!(world.routes.len() <= 21, "three streams a route");
        Self {
            world,
            requests_per_minute,
            rng: ChaCha8Rng::seed_from_u64(seed),
            edges: Edges::default(),
            shared: 0.0,
            drifts: vec![[0.0; 2]; world.routes.len()],
            incident_until: i64::MIN,
            cached: vec![[None, None]; world.routes.len()],
        }
    }

    /// The numbers of one stream of one minute, whatever was drawn before.
    fn stream(&self, minute: i64, stream: usize) -> ChaCha8Rng {
        let mut rng = self.rng.clone();
        let minute = u64::try_from(minute + PAST).unwrap_or_default();
        rng.set_stream(minute * STREAMS + stream as u64);
        rng.set_word_pos(0);
        rng
    }

    /// A minute of the old side alone, before the rollout.
    pub fn history_minute(&mut self, minute: i64) -> HistoryMinute {
        let (share, previous) = (Weight::ZERO, Weight::ZERO);
        let reading = self.minute(&Now { minute, share, previous, of_stage: 0, of_bake: None });
        let old = reading.parts.into_iter().map(|part| match part.counts {
            Counts::Known { old, .. } => Some(old),
            Counts::Unknown => None,
        });
        HistoryMinute { minute: Minute(minute), old: old.collect() }
    }

    /// The next minute, as it was. Minutes must be asked for in order.
    pub fn minute(&mut self, now: &Now) -> Reading {
        let world = self.world;
        let mut happens = self.stream(now.minute, 0);
        let shared = world.shared_drift.map_or(1.0, |d| d.step(&mut self.shared, &mut happens));
        let incident = self.incident(now.minute, &mut happens);
        let mut parts = Vec::with_capacity(world.routes.len());
        for (at, route) in world.routes.iter().enumerate() {
            let mut mean = self.requests_per_minute * route.traffic;
            if world.day {
                mean *= 10_f64.powf(0.5 * day_sine(now.minute));
            }
            let requests = poisson(&mut happens, mean);
            let mut condition = |which: usize, service: &Service| {
                let drift = &mut self.drifts[at][which];
                service.condition(now, world.day, shared, incident, drift, &mut happens)
            };
            let (of_old, of_new) = (condition(0, &route.old), condition(1, &route.new));
            let late = now.of_stage < route.late;
            let weight = if late { now.previous } else { now.share };
            let mut split = self.stream(now.minute, 1 + 3 * at);
            let to_new = binomial(&mut split, requests, weight.ratio());
            let old = self.side(now.minute, at, 0, &route.old, of_old, requests - to_new);
            let new = self.side(now.minute, at, 1, &route.new, of_new, to_new);
            parts.push(Part { weight, counts: Counts::Known { old, new } });
        }
        Reading { minute: Minute(now.minute), share: now.share, parts }
    }

    /// Errors on both sides by an incident that nobody is to blame for.
    fn incident(&mut self, minute: i64, rng: &mut ChaCha8Rng) -> f64 {
        let Some(incidents) = self.world.incidents else { return 0.0 };
        let begins = match incidents.begin {
            Begin::ByChance(apart) => rng.random::<f64>() < 1.0 / apart,
            Begin::Every(period) => {
                let first = self.stream(-PAST, 0).random_range(0..period);
                minute >= 0 && minute.rem_euclid(period) == first
            }
        };
        if minute >= self.incident_until && begins {
            self.incident_until = minute + incidents.minutes;
        }
        if minute < self.incident_until { incidents.errors } else { 0.0 }
    }

    fn side(
        &mut self,
        minute: i64,
        route: usize,
        which: usize,
        service: &Service,
        condition: Condition,
        requests: u64,
    ) -> SideCounts {
        if requests == 0 {
            return SideCounts::default();
        }
        let rng = &mut self.stream(minute, 2 + 3 * route + which);
        let errors = if service.clusters {
            let groups = poisson(rng, requests as f64 * condition.rate / 5.0);
            (0..groups).map(|_| 1 + poisson(rng, 4.0)).sum::<u64>().min(requests)
        } else {
            binomial(rng, requests, condition.rate)
        };
        let cached = &mut self.cached[route][which];
        let shares = match cached {
            Some((of, shares)) if Condition { rate: of.rate, ..condition } == *of => &*shares,
            Some(_) | None => {
                let Condition { latency, scale, over_630, .. } = condition;
                let shares = latency.buckets(&self.edges, scale, over_630);
                &cached.insert((condition, shares)).1
            }
        };
        SideCounts { requests, errors, latency: histogram(rng, requests, shares) }
    }

    /// A minute as it can be read at first, and when it can be read whole.
    pub fn readable(&self, whole: &Reading) -> (Reading, Option<i64>) {
        let minute = whole.minute.0;
        let chance = || self.stream(minute, 63).random::<f64>();
        let unknown = || {
            let part = |part: &Part| Part { weight: part.weight, counts: Counts::Unknown };
            Reading { parts: whole.parts.iter().map(part).collect(), ..whole.clone() }
        };
        match self.world.metrics {
            Metrics::Late { probability, minutes } if chance() < probability => {
                (unknown(), Some(minute + minutes))
            }
            Metrics::Trickling { probability, minutes } if chance() < probability => {
                (with_few_errors(whole), Some(minute + minutes))
            }
            Metrics::Blind { from, to } if (from..to).contains(&minute) => (unknown(), Some(to)),
            Metrics::OnTime
            | Metrics::Late { .. }
            | Metrics::Trickling { .. }
            | Metrics::Blind { .. } => (whole.clone(), None),
        }
    }
}

/// A quarter of the errors, as when log lines come after the load balancer's counts.
fn with_few_errors(whole: &Reading) -> Reading {
    let mut reading = whole.clone();
    for part in &mut reading.parts {
        if let Counts::Known { old, new } = &mut part.counts {
            old.errors /= 4;
            new.errors /= 4;
        }
    }
    reading
}

fn day_sine(minute: i64) -> f64 {
    (std::f64::consts::TAU * minute as f64 / 1440.0).sin()
}

impl Service {
    fn condition(
        &self,
        now: &Now,
        day: bool,
        shared: f64,
        incident: f64,
        drift: &mut f64,
        rng: &mut ChaCha8Rng,
    ) -> Condition {
        let drift = self.drift.map_or(1.0, |d| d.step(drift, rng));
        let (mut rate, mut over_630) = (self.error_rate, self.over_630);
        let (mut scale, mut latency) = (shared * drift, self.latency);
        for &(when, what) in &self.effects {
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
        if day {
            let sine = day_sine(now.minute);
            scale *= 1.0 + 0.25 * sine;
            rate *= 1.0 + 0.9 * sine;
        }
        let mut jitter = |sd: f64| {
            if sd > 0.0 { (sd * normal(rng) - sd * sd / 2.0).exp() } else { 1.0 }
        };
        scale *= jitter(self.jitter);
        rate *= jitter(self.error_jitter);
        Condition { rate: (rate + incident).min(1.0), latency, scale, over_630 }
    }
}

impl World {
    /// Whether the new side is worse from this minute on, by what the world says.
    pub fn fault_begins(&self, now: &Now) -> bool {
        let begins = |&(when, what): &(When, What)| match (when, what) {
            // Twenty-one minutes make a leak of 5% a minute threefold.
            (_, What::Leak(from)) => now.minute >= from + 21,
            (When::FromShare(share), _) => now.share.ratio() >= share - 1e-9,
            (When::Minutes(from, _), _) => now.minute >= from,
            (When::Always | When::Every { .. } | When::Random(_), _) => true,
            (When::Bake(..) | When::StageMinute(_), _) => false,
        };
        // A new side that is slower by itself has no effects.
        let worse = |route: &Route| {
            route.new.effects.iter().any(begins)
                || (route.new.effects.is_empty() && route.new != route.old)
        };
        self.expect.is_fault() && self.routes.iter().any(worse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minutes(world: &World, share: Weight) -> Vec<Reading> {
        let mut running = Running::new(world, 600.0, 7);
        let now =
            |minute| Now { minute, share, previous: Weight::ZERO, of_stage: minute, of_bake: None };
        (-5..40).map(|minute| running.minute(&now(minute))).collect()
    }

    fn requests(reading: &Reading) -> u64 {
        let of_part = |part: &Part| match &part.counts {
            Counts::Known { old, new } => old.requests + new.requests,
            Counts::Unknown => 0,
        };
        reading.parts.iter().map(of_part).sum()
    }

    #[test]
    fn every_share_meets_the_same_minutes() {
        let world = catalogue::named("h_same_ar20");
        let half = Weight::from_percent(50.0).expect("a share");
        let (none, half) = (minutes(&world, Weight::ZERO), minutes(&world, half));
        assert_eq!(
            none.iter().map(requests).collect::<Vec<_>>(),
            half.iter().map(requests).collect::<Vec<_>>()
        );
        assert_eq!(minutes(&world, Weight::FULL), minutes(&world, Weight::FULL));
        assert_ne!(none, half);
    }

    #[test]
    fn what_is_late_is_the_same_in_the_end() {
        let mut world = catalogue::named("h_iid");
        world.metrics = Metrics::Late { probability: 0.5, minutes: 4 };
        let running = Running::new(&world, 600.0, 7);
        let whole = minutes(&world, Weight::FULL);
        let late = whole.iter().map(|w| running.readable(w)).filter(|(_, at)| at.is_some());
        let late: Vec<_> = late.collect();
        assert!(late.len() > 10 && late.len() < 40, "{}", late.len());
        assert!(late.iter().all(|(first, _)| !first.is_complete()));
    }

    #[test]
    fn regular_incidents_come_at_their_period_on_both_sides() {
        let world = catalogue::named("h_every10");
        let half = Weight::from_percent(50.0).expect("a share");
        let bad = |reading: &Reading| {
            let Counts::Known { old, new } = &reading.parts[0].counts else { panic!("known") };
            let bad = |side: &SideCounts| side.errors * 20 > side.requests;
            assert_eq!(bad(old), bad(new), "{reading:?}");
            bad(old)
        };
        let bad: Vec<bool> = minutes(&world, half).iter().map(bad).collect();
        let (before, during) = bad.split_at(5);
        assert!(!before.contains(&true), "{before:?}");
        let first = during.iter().position(|bad| *bad).expect("one within ten minutes");
        for (minute, bad) in during.iter().enumerate().skip(first) {
            assert_eq!(*bad, (minute - first) % 10 < 4, "minute {minute} of {during:?}");
        }
    }
}
