//! The limits a rollout must keep.

use serde::{Deserialize, Serialize};

/// What is measured about a side. Every metric is a rate: errors per request,
/// or requests slower than a limit per request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Metric {
    /// Requests that failed.
    Err,
    /// Requests slower than the P50 limit.
    P50,
    /// Requests slower than the P95 limit.
    P95,
    /// Requests slower than the P99 limit.
    P99,
}

impl Metric {
    /// All metrics in the order of every per-metric array.
    pub const ALL: [Self; 4] = [Self::Err, Self::P50, Self::P95, Self::P99];
    /// The latency metrics, in order.
    pub const LATENCY: [Self; 3] = [Self::P50, Self::P95, Self::P99];

    /// Position in a per-metric array.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Whether it counts slow requests (true) or failed ones (false).
    pub const fn is_latency(self) -> bool {
        !matches!(self, Self::Err)
    }

    /// The quantile a latency metric bounds, in 0.0..1.0; `None` for errors.
    pub const fn quantile(self) -> Option<f64> {
        match self {
            Self::Err => None,
            Self::P50 => Some(0.50),
            Self::P95 => Some(0.95),
            Self::P99 => Some(0.99),
        }
    }

    /// Name in sentences: `the error limit`, `P95`.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Err => "the error limit",
            Self::P50 => "P50",
            Self::P95 => "P95",
            Self::P99 => "P99",
        }
    }

    /// Name in tables: `errors`, `P95`.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Err => "errors",
            Self::P50 | Self::P95 | Self::P99 => self.title(),
        }
    }

    /// Short name: `err`, `p50`, `p95`, `p99`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Err => "err",
            Self::P50 => "p50",
            Self::P95 => "p95",
            Self::P99 => "p99",
        }
    }
}

/// The service level objectives: what the new side must keep at every weight.
///
/// "P99 below 500 ms" is tested as "less than 1% of requests take longer than
/// 500 ms", so each latency limit must be an edge of the histogram.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Slo {
    /// Largest share of requests that may fail, 0.0 to 1.0 exclusive. Default 0.01.
    pub max_error_ratio: f64,
    /// Half of the requests must be at most this slow, milliseconds. Default 100.
    pub p50_ms: f64,
    /// 95% of the requests must be at most this slow, milliseconds. Default 200.
    pub p95_ms: f64,
    /// 99% of the requests must be at most this slow, milliseconds. Default 500.
    pub p99_ms: f64,
}

impl Default for Slo {
    fn default() -> Self {
        Self { max_error_ratio: 0.01, p50_ms: 100.0, p95_ms: 200.0, p99_ms: 500.0 }
    }
}

impl Slo {
    /// The latency limit of a metric, milliseconds; `None` for errors.
    pub const fn limit_ms(&self, metric: Metric) -> Option<f64> {
        match metric {
            Metric::Err => None,
            Metric::P50 => Some(self.p50_ms),
            Metric::P95 => Some(self.p95_ms),
            Metric::P99 => Some(self.p99_ms),
        }
    }

    /// The largest allowed rate of each metric: the error ratio, then the share
    /// of requests that may be slower than each latency limit.
    pub const fn limits(&self) -> [f64; 4] {
        [self.max_error_ratio, 0.50, 0.05, 0.01]
    }
}
