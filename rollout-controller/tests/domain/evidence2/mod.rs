//! The second evidence engine against its worked numbers and recorded rollouts,
//! and the properties and promises that its guarantees rest on.

mod choices;
mod cost;
mod extremes;
mod guarantees;
mod late;
mod numbers;
mod properties;
mod recorded;
mod sentences;
mod worked;

use rollout_controller::domain::evidence2::{
    Engine, Evidence, History, HistoryMinute, Position, Reading, Settings, Stages, Verdict,
};
use rollout_controller::domain::minute::{Edges, Histogram, Minute, SideCounts};
use rollout_controller::domain::slo::Slo;
use rollout_controller::domain::weight::Weight;

fn data(name: &str) -> String {
    let path = format!("{}/tests/data/evidence2/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn percent(percent: f64) -> Weight {
    Weight::from_percent(percent).expect("a whole tenth")
}

fn stages(percents: &[f64]) -> Stages {
    Stages::new(percents.iter().map(|&p| percent(p)).collect()).expect("rising to 100")
}

/// A side whose latencies are given as (bucket, how many).
fn side(requests: u64, errors: u64, buckets: &[(usize, u64)]) -> SideCounts {
    let mut counts = vec![0; Edges::default().buckets()];
    for &(bucket, n) in buckets {
        counts[bucket] += n;
    }
    let samples = counts.iter().sum();
    SideCounts { requests, errors, latency: Histogram::new(samples, counts) }
}

/// As many requests as `buckets` says, all timed.
pub(crate) fn timed(errors: u64, buckets: &[(usize, u64)]) -> SideCounts {
    side(buckets.iter().map(|&(_, n)| n).sum(), errors, buckets)
}

/// Requests of an ordinary service: half at most 50 ms, 5% over 100 ms.
fn fast(requests: u64, errors: u64) -> SideCounts {
    let slow = requests / 20;
    timed(errors, &[(10, requests / 2), (11, requests - requests / 2 - slow), (14, slow)])
}

/// History of one route whose every minute is the same.
fn steady_history(minutes: i64, old: &SideCounts) -> History {
    let minute = |at| HistoryMinute { minute: Minute(at), old: vec![Some(old.clone())] };
    History::new(1, Minute(-1), (-minutes..0).map(minute)).expect("the newest minute is known")
}

fn engine_on(history: &History, settings: Settings, stages: Stages) -> Engine {
    engine_for(Slo::default(), history, settings, stages)
}

fn engine_for(slo: Slo, history: &History, settings: Settings, stages: Stages) -> Engine {
    let edges = Edges::default();
    let choices = Engine::choose(&settings, &slo, &edges, history).expect("valid settings");
    Engine::new(settings, slo, edges, stages, choices).expect("choices of these routes")
}

/// Default settings and stages, an hour of an ordinary service before.
fn engine() -> Engine {
    let stages = stages(&[1.0, 5.0, 10.0, 25.0, 50.0, 90.0, 100.0]);
    engine_on(&steady_history(60, &fast(600, 0)), Settings::default(), stages)
}

fn one_route(at: i64, share: Weight, old: SideCounts, new: SideCounts) -> Reading {
    Reading::of_one_route(Minute(at), share, old, new)
}

fn verdict_at(engine: &Engine, evidence: &Evidence, share: Weight) -> Verdict {
    engine.verdict(evidence, Position { share, baked: false })
}
