//! The current stage in numbers: rates and latency quantiles of both sides.

use std::fmt::Write as _;

use serde::Serialize;

use crate::domain::evidence::{Quantile, Rate, quantile};
use crate::domain::explain::number::{count, limit, share_with_interval};
use crate::domain::minute::Histogram;
use crate::domain::slo::Metric;
use crate::domain::summary::StageSeen;

/// Share of looks at which an interval may miss: 95 %.
const MISS: f64 = 0.05;

/// Rates and quantiles of the current stage, with intervals that hold at every
/// look.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StageTable {
    /// Requests of the old and the new side.
    pub requests: [u64; 2],
    /// Errors of the old and the new side.
    pub errors: [Rate; 2],
    /// Largest allowed share of errors, 0.0 to 1.0.
    pub error_limit: f64,
    /// P50, P95, P99.
    pub latency: [LatencyRow; 3],
}

/// One latency quantile on both sides.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LatencyRow {
    /// `P50`, `P95` or `P99`.
    pub quantile: &'static str,
    /// The old side; `None` without a sample.
    pub old: Option<Quantile>,
    /// The new side; `None` without a sample.
    pub new: Option<Quantile>,
    /// The limit, milliseconds.
    pub limit_ms: f64,
}

impl StageTable {
    /// The stage as the evidence has it.
    pub fn new(stage: &StageSeen) -> Self {
        let row = |metric: Metric, quantile| {
            let read = |latency| read(stage, latency, metric);
            LatencyRow {
                quantile,
                old: read(&stage.old_latency),
                new: read(&stage.new_latency),
                limit_ms: stage.slo.limit_ms(metric).unwrap_or_default(),
            }
        };
        let errors = Metric::Err.index();
        Self {
            requests: stage.requests,
            errors: [stage.old[errors], stage.new[errors]]
                .map(|count| Rate::new(count, stage.dispersion[errors])),
            error_limit: stage.slo.max_error_ratio,
            latency: [row(Metric::P50, "P50"), row(Metric::P95, "P95"), row(Metric::P99, "P99")],
        }
    }

    /// Five lines of text, columns aligned, each ending in a newline.
    pub fn render(&self) -> String {
        let mut text = String::new();
        let mut line = |cells: [&str; 4]| {
            let [name, old, new, limit] = cells;
            let _ = writeln!(text, "{name:<9} {old:<26} {new:<26} {limit}");
        };
        line(["", "old", "new", "limit"]);
        let [old, new] = self.requests.map(count);
        line(["requests", &old, &new, ""]);
        let [old, new] = self.errors.map(|rate| match rate.ratio() {
            Some(k) => share_with_interval(k, &rate),
            None => "no data".to_owned(),
        });
        line(["errors", &old, &new, &limit(self.error_limit)]);
        for LatencyRow { quantile, old, new, limit_ms } in &self.latency {
            let [old, new] = [old, new].map(|q| q.as_ref().map_or("no data".to_owned(), tell));
            line([quantile, &old, &new, &format!("{limit_ms} ms")]);
        }
        text.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
    }
}

fn read(stage: &StageSeen, latency: &Histogram, metric: Metric) -> Option<Quantile> {
    let q = metric.quantile().filter(|_| latency.samples() > 0)?;
    Some(quantile(&stage.edges, latency, q, stage.dispersion[metric.index()], MISS))
}

/// `63 ms [50, 80]`; an open end is written as three dots.
fn tell(quantile: &Quantile) -> String {
    let edge = |ms: Option<f64>| ms.map_or_else(|| "…".to_owned(), |ms| ms.to_string());
    let bounds = format!("[{}, {}]", quantile.low_ms, edge(quantile.high_ms));
    match quantile.point_ms {
        Some(ms) => format!("{ms} ms {bounds}"),
        None => format!("off the scale {bounds}"),
    }
}
