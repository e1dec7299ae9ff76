//! Counts and latency histograms.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::{End, Record};

/// Three significant digits: a value is off by at most 0.1%.
const DIGITS: u8 = 3;
/// Longer latencies count as an hour.
const MAX_MICROS: u64 = 3_600_000_000;

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, MAX_MICROS, DIGITS).expect("constant bounds are valid")
}

pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Latency from when requests were due, in microseconds; all of them count,
/// failed ones too. Zero if there were none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Latency {
    /// Half of the requests took at most this long.
    pub p50_us: u64,
    /// 95% of the requests took at most this long.
    pub p95_us: u64,
    /// 99% of the requests took at most this long.
    pub p99_us: u64,
    /// Where the true P99 is, in 19 of 20 runs: from the ranks of the sample
    /// that lie 1.96 standard deviations, √(n · 0.99 · 0.01), beside its own.
    pub p99_range_us: [u64; 2],
    /// The slowest.
    pub max_us: u64,
}

impl From<&Histogram<u64>> for Latency {
    fn from(histogram: &Histogram<u64>) -> Self {
        let off = 1.96 * (0.99 * 0.01 / histogram.len().max(1) as f64).sqrt();
        let p99_range = [0.99 - off, 0.99 + off].map(|at| at.clamp(0.0, 1.0));
        Self {
            p50_us: histogram.value_at_quantile(0.50),
            p95_us: histogram.value_at_quantile(0.95),
            p99_us: histogram.value_at_quantile(0.99),
            p99_range_us: p99_range.map(|at| histogram.value_at_quantile(at)),
            max_us: histogram.max(),
        }
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |us: u64| us as f64 / 1000.0;
        write!(
            f,
            "P50 {:.1} ms  P95 {:.1} ms  P99 {:.1} ms  max {:.1} ms",
            ms(self.p50_us),
            ms(self.p95_us),
            ms(self.p99_us),
            ms(self.max_us)
        )
    }
}

/// Requests that ended at one side.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Side {
    /// How many ended.
    pub ended: u64,
    /// Of these, answered with a status below 500 ([`End::served`]).
    pub served: u64,
    /// How long they took.
    pub latency: Latency,
}

/// Everything counted so far.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Summary {
    /// Time since the start, in seconds.
    pub elapsed_secs: f64,
    /// Of that, how long the schedule stood still: `Plan::max_unanswered`.
    pub held_secs: f64,
    /// Requests that became due.
    pub sent: u64,
    /// All that ended.
    pub total: Side,
    /// Answers by status.
    pub by_status: BTreeMap<u16, u64>,
    /// No connection.
    pub not_connected: u64,
    /// Connection broke.
    pub broken: u64,
    /// No answer in time.
    pub timed_out: u64,
    /// By the classifier's names.
    pub sides: BTreeMap<String, Side>,
    /// How late requests were sent, by our own fault. It is part of the
    /// latencies; if it is not small beside them, the machine was too busy.
    pub lag: Latency,
}

impl Summary {
    /// Requests whose clients did not get what they asked for.
    pub fn hurt(&self) -> u64 {
        self.total.ended - self.total.served
    }
}

struct Counted {
    served: u64,
    latency: Histogram<u64>,
}

impl Default for Counted {
    fn default() -> Self {
        Self { served: 0, latency: histogram() }
    }
}

impl Counted {
    fn add(&mut self, record: &Record) {
        self.served += u64::from(record.end.served());
        self.latency.saturating_record(micros(record.latency));
    }

    fn side(&self) -> Side {
        Side {
            ended: self.latency.len(),
            served: self.served,
            latency: Latency::from(&self.latency),
        }
    }
}

pub(super) struct Tally {
    total: Counted,
    ends: BTreeMap<End, u64>,
    sides: BTreeMap<String, Counted>,
    lag: Histogram<u64>,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            total: Counted::default(),
            ends: BTreeMap::new(),
            sides: BTreeMap::new(),
            lag: histogram(),
        }
    }
}

impl Tally {
    pub(super) fn add(&mut self, record: &Record, lag: Duration, side: Option<String>) {
        self.total.add(record);
        *self.ends.entry(record.end).or_default() += 1;
        self.lag.saturating_record(micros(lag));
        if let Some(side) = side {
            self.sides.entry(side).or_default().add(record);
        }
    }

    pub(super) fn summary(&self, sent: u64, elapsed: Duration, held: Duration) -> Summary {
        let count = |end| self.ends.get(&end).copied().unwrap_or(0);
        let statuses = self.ends.iter().filter_map(|(end, count)| match end {
            End::Status(status) => Some((*status, *count)),
            End::NotConnected | End::Broken | End::TimedOut => None,
        });
        Summary {
            elapsed_secs: elapsed.as_secs_f64(),
            held_secs: held.as_secs_f64(),
            sent,
            total: self.total.side(),
            by_status: statuses.collect(),
            not_connected: count(End::NotConnected),
            broken: count(End::Broken),
            timed_out: count(End::TimedOut),
            sides: self.sides.iter().map(|(name, side)| (name.clone(), side.side())).collect(),
            lag: Latency::from(&self.lag),
        }
    }
}
