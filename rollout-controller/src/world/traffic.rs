//! Requests of one minute, drawn one by one.

use super::State;
use crate::domain::minute::{Histogram, SideCounts};
use crate::domain::observation::{RouteMinute, Share};
use crate::domain::weight::Weight;
use crate::domain::wrong_answers::{Comparisons, ComparisonsRead};
use answers::Kind;
use rand::RngExt as _;

/// How one side behaves.
#[derive(Clone, Debug)]
pub struct Side {
    /// Share of requests that fail, 0.0 to 1.0.
    pub error_ratio: f64,
    /// Median latency, milliseconds.
    pub median_ms: f64,
    /// Spread of the log of latency; 0.5 puts P99 at 3.2 times the median.
    pub log_sd: f64,
    /// Share of requests with an extra second of latency, 0.0 to 1.0.
    pub slow_ratio: f64,
    /// The fault holds only from this share on.
    pub from: Weight,
}

impl Side {
    /// About as recorded in the contract: P50 45 ms.
    pub fn healthy_python() -> Self {
        Self {
            error_ratio: 0.001,
            median_ms: 45.0,
            log_sd: 0.35,
            slow_ratio: 0.0,
            from: Weight::ZERO,
        }
    }

    /// P50 20 ms.
    pub fn healthy_rust() -> Self {
        Self { median_ms: 20.0, ..Self::healthy_python() }
    }
}

/// Live comparison of the new side's answers.
#[derive(Clone, Copy, Debug)]
pub struct Compared {
    /// Most answers compared a minute.
    pub per_minute: u64,
    /// Share of them that differ, 0.0 to 1.0.
    pub different: f64,
    /// Share of the calls to the old side that fail, 0.0 to 1.0.
    pub failed: f64,
}

/// What was compared in a minute with this traffic; `None` if nothing was.
pub(super) fn comparisons(state: &mut State, routes: &[RouteMinute]) -> Option<ComparisonsRead> {
    let Compared { per_minute, different, failed } = state.compared?;
    let requests = routes.iter().map(|route| match route {
        RouteMinute::Known { new, .. } => new.as_ref().map_or(0, |counts| counts.requests),
        RouteMinute::Unknown(_) => 0,
    });
    let asked = requests.sum::<u64>().min(per_minute);
    let mut counts = Comparisons::default();
    for _ in 0..asked {
        if state.rng.random::<f64>() < failed {
            counts.failed += 1;
            continue;
        }
        counts.compared += 1;
        if state.rng.random::<f64>() < different {
            counts.different += 1;
            *counts.kinds.entry(Kind::Number).or_default() += 1;
        }
    }
    (asked > 0).then_some(ComparisonsRead::Counted(counts))
}

/// One minute of one route.
pub(super) fn minute(state: &mut State, route: &str) -> RouteMinute {
    let weight = match state.rules.get(route).map(|rule| &rule.share) {
        Some(Share::Weight(weight)) => *weight,
        Some(Share::Foreign(_)) | None => Weight::ZERO,
    };
    let requests = poisson(state, state.requests_per_minute);
    let mut counts = [Counting::default(), Counting::default()];
    for _ in 0..requests {
        let new = state.rng.random::<f64>() < weight.ratio();
        let side = if new { state.new.clone() } else { state.old.clone() };
        let faulty = weight >= side.from;
        let latency = latency(state, &side, faulty);
        let error_ratio = if faulty { side.error_ratio } else { 0.001 };
        let failed = state.rng.random::<f64>() < error_ratio;
        if new && (failed || latency > 500.0) {
            state.hurt += 1;
        }
        counts[usize::from(new)].add(latency, failed);
    }
    let edges = state.edges.clone();
    let [old, new] = counts.map(|count| (count.requests > 0).then(|| count.finish(&edges)));
    RouteMinute::Known { old, new }
}

#[derive(Default)]
struct Counting {
    requests: u64,
    errors: u64,
    latencies: Vec<f64>,
}

impl Counting {
    fn add(&mut self, latency_ms: f64, failed: bool) {
        self.requests += 1;
        self.errors += u64::from(failed);
        self.latencies.push(latency_ms);
    }

    fn finish(self, edges: &crate::domain::minute::Edges) -> SideCounts {
        let latency = Histogram::of_latencies(edges, self.latencies.iter().copied());
        SideCounts { requests: self.requests, errors: self.errors, latency }
    }
}

/// A count with this mean; the normal approximation is good enough above 50.
fn poisson(state: &mut State, mean: f64) -> u64 {
    if mean <= 0.0 {
        return 0;
    }
    if mean > 50.0 {
        let drawn = mean + mean.sqrt() * normal(state);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped to 0 and above"
        )]
        return drawn.round().max(0.0) as u64;
    }
    let (limit, mut product, mut count) = ((-mean).exp(), 1.0, 0);
    loop {
        product *= state.rng.random::<f64>();
        if product <= limit {
            return count;
        }
        count += 1;
    }
}

/// Standard normal by Box and Muller (1958).
fn normal(state: &mut State) -> f64 {
    let (u, v): (f64, f64) = (1.0 - state.rng.random::<f64>(), state.rng.random());
    (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

fn latency(state: &mut State, side: &Side, faulty: bool) -> f64 {
    let body = side.median_ms * (side.log_sd * normal(state)).exp();
    let slow = faulty && state.rng.random::<f64>() < side.slow_ratio;
    if slow { body + 1000.0 } else { body }
}
