//! The evidence engine against its recorded vectors and rollouts, its worked
//! numbers, and the properties its guarantees rest on.

#[path = "../support/kept_text.rs"]
mod kept_text;

mod both_sides;
mod engines;
mod evidence2;
mod fuzz;
mod guarantees;
mod numbers;
mod properties;
mod recorded;
mod said;
mod sentences;
mod stages;
mod vectors;
mod worked;
mod wrong_answers;

use rollout_controller::domain::evidence::{Engine, EvidenceConfig};
use rollout_controller::domain::minute::{CommittedMinute, Histogram, Minute, SideCounts};
use rollout_controller::domain::slo::Slo;
use rollout_controller::domain::weight::Weight;

fn data(name: &str) -> String {
    let path = format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn engine() -> Engine {
    Engine::new(EvidenceConfig::default(), Slo::default()).expect("the defaults are valid")
}

fn percent(percent: f64) -> Weight {
    Weight::from_percent(percent).expect("a whole tenth")
}

/// A side whose latencies are given as (milliseconds, how many).
fn side(engine: &Engine, requests: u64, errors: u64, latencies: &[(f64, u64)]) -> SideCounts {
    let edges = &engine.config().edges_ms;
    let mut buckets = vec![0; edges.buckets()];
    let mut samples = 0;
    for &(ms, n) in latencies {
        buckets[edges.bucket_of(ms)] += n;
        samples += n;
    }
    SideCounts { requests, errors, latency: Histogram::new(samples, buckets) }
}

fn minute(at: i64, weight: Weight, old: SideCounts, new: SideCounts) -> CommittedMinute {
    CommittedMinute { minute: Minute(at), weight, old, new }
}
