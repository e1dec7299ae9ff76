//! One minute of counts for both sides: the only input of the statistics.

use std::fmt;
use std::ops::AddAssign;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::weight::Weight;

/// Minutes since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Minute(pub i64);

impl Minute {
    /// The minute that contains this time.
    pub fn containing(time: Timestamp) -> Self {
        Self(time.as_second().div_euclid(60))
    }

    /// When the minute began, in seconds since the Unix epoch.
    pub const fn epoch_secs(self) -> i64 {
        self.0.saturating_mul(60)
    }

    /// When the minute began; `None` outside the years -9999 to 9999.
    pub fn start(self) -> Option<Timestamp> {
        Timestamp::from_second(self.epoch_secs()).ok()
    }

    /// This many minutes later (earlier if negative).
    #[must_use]
    pub const fn plus(self, minutes: i64) -> Self {
        Self(self.0.saturating_add(minutes))
    }

    /// Minutes from `earlier` to this one; negative if it is the later one.
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Minute {
    /// When it began, like `2025-03-01T14:32Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.start() {
            Some(start) => f.pad(&start.strftime("%Y-%m-%dT%H:%MZ").to_string()),
            None => write!(f, "minute {}", self.0),
        }
    }
}

/// Bounds between latency buckets, in milliseconds, rising.
///
/// Bucket 0 holds latencies up to the first edge, bucket `i` those above edge
/// `i - 1` up to edge `i` inclusive, the last one those above the last edge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<f64>", into = "Vec<f64>")]
pub struct Edges(Vec<f64>);

/// Why a list of numbers cannot be the bounds between buckets.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum EdgesError {
    /// Fewer than two.
    #[error("edges_ms has {found} entries; give at least 2 rising latencies in milliseconds")]
    TooFew {
        /// How many were given.
        found: usize,
    },
    /// Not positive, not finite, or not above the one before.
    #[error("edges_ms[{index}] is {found}; edges must be positive and rise")]
    NotRising {
        /// Position in the list.
        index: usize,
        /// The value there.
        found: f64,
    },
}

impl Edges {
    /// Checks that there are at least two and that they are positive and rise.
    ///
    /// # Errors
    /// [`EdgesError`] naming the first entry that does not fit.
    pub fn new(edges_ms: Vec<f64>) -> Result<Self, EdgesError> {
        if edges_ms.len() < 2 {
            return Err(EdgesError::TooFew { found: edges_ms.len() });
        }
        let mut below = 0.0;
        for (index, &edge) in edges_ms.iter().enumerate() {
            if !edge.is_finite() || edge <= below {
                return Err(EdgesError::NotRising { index, found: edge });
            }
            below = edge;
        }
        Ok(Self(edges_ms))
    }

    /// The edges in milliseconds, rising.
    pub fn as_ms(&self) -> &[f64] {
        &self.0
    }

    /// Buckets between and beyond the edges: one more than there are edges.
    pub fn buckets(&self) -> usize {
        self.0.len() + 1
    }

    /// The position of an edge with this value, if there is one.
    pub fn position(&self, edge_ms: f64) -> Option<usize> {
        self.0.iter().position(|&e| (e - edge_ms).abs() <= 1e-9 * edge_ms.abs())
    }

    /// The bucket a latency falls into.
    pub fn bucket_of(&self, latency_ms: f64) -> usize {
        self.0.partition_point(|&edge| edge < latency_ms)
    }
}

impl Default for Edges {
    /// 34 edges from 5 ms to 10 s, a factor of about 1.26 apart (ten a decade),
    /// among them the default limits 100, 200 and 500 ms.
    fn default() -> Self {
        Self(vec![
            5.0, 6.3, 8.0, 10.0, 12.5, 16.0, 20.0, 25.0, 31.5, 40.0, 50.0, 63.0, 80.0, 100.0,
            125.0, 160.0, 200.0, 250.0, 315.0, 400.0, 500.0, 630.0, 800.0, 1000.0, 1250.0, 1600.0,
            2000.0, 2500.0, 3150.0, 4000.0, 5000.0, 6300.0, 8000.0, 10000.0,
        ])
    }
}

impl TryFrom<Vec<f64>> for Edges {
    type Error = EdgesError;

    fn try_from(edges_ms: Vec<f64>) -> Result<Self, EdgesError> {
        Self::new(edges_ms)
    }
}

impl From<Edges> for Vec<f64> {
    fn from(edges: Edges) -> Self {
        edges.0
    }
}

/// What two counts of a minute may differ by, as 1 in so many: a request and its
/// answer can fall into two minutes.
const ONE_IN: u64 = 50;
/// Requests that are few: so many answers may have no latency, or stand in the
/// minute after their request's.
const FEW: u64 = 5;

/// Why counts cannot be those of one side in one minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they are; variants are documented")]
pub enum Contradiction {
    /// The buckets do not add up to the samples, within 2%. What little is missing
    /// then counts as slow, the safe reading; more means that somebody counts
    /// differently (one stand-in answers every unknown statistic with the average).
    Buckets { sum: u64, samples: u64 },
    /// Far more errors were answered than there were requests.
    ErrorsAboveRequests { errors: u64, requests: u64 },
    /// Far more latencies than requests.
    SamplesAboveRequests { samples: u64, requests: u64 },
    /// Requests that were answered well have no latency.
    NoLatencies { fine: u64 },
}

/// What speaks against counts of one minute, for the controller and for recordings
/// alike. `answered` are the errors that a target answered: calls that fail before
/// are in no request count.
pub fn contradiction(
    requests: u64,
    errors: u64,
    answered: u64,
    samples: u64,
    buckets: &[u64],
) -> Option<Contradiction> {
    let sum = buckets.iter().fold(0_u64, |sum, &bucket| sum.saturating_add(bucket));
    if sum.abs_diff(samples) > samples / ONE_IN {
        return Some(Contradiction::Buckets { sum, samples });
    }
    let most = requests.saturating_add(FEW.max(requests / ONE_IN));
    if answered > most {
        return Some(Contradiction::ErrorsAboveRequests { errors: answered, requests });
    }
    if samples > most {
        return Some(Contradiction::SamplesAboveRequests { samples, requests });
    }
    let fine = requests.saturating_sub(errors);
    (samples == 0 && fine >= FEW).then_some(Contradiction::NoLatencies { fine })
}

/// How many requests fell between which latencies.
///
/// In JSON only the occupied stretch is written: `{"samples":3,"first":5,"counts":[2,0,1]}`
/// means two in bucket 5 and one in bucket 7. Which latencies a bucket covers
/// is told by the [`Edges`] in force when it was counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "SparseHistogram", into = "SparseHistogram")]
pub struct Histogram {
    samples: u64,
    /// Counts from bucket 0 on, without the empty ones at the end.
    buckets: Vec<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SparseHistogram {
    samples: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    first: usize,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    counts: Vec<u64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape serde calls")]
const fn is_zero(n: &usize) -> bool {
    *n == 0
}

/// A histogram has at most this many buckets; a stored one that claims more is
/// cut there rather than allowed to ask for memory.
const MOST_BUCKETS: usize = 4096;

impl Histogram {
    /// From the number of samples and the count of each bucket.
    ///
    /// The two may differ (they are separate CloudWatch queries): a sample in no
    /// bucket counts as slower than every edge, which is the safe reading.
    pub fn new(samples: u64, mut buckets: Vec<u64>) -> Self {
        let used = buckets.iter().rposition(|&n| n > 0).map_or(0, |last| last + 1);
        buckets.truncate(used);
        Self { samples, buckets }
    }

    /// Counts latencies given one by one, in milliseconds.
    pub fn of_latencies(edges: &Edges, latencies_ms: impl IntoIterator<Item = f64>) -> Self {
        let mut buckets = vec![0; edges.buckets()];
        let mut samples = 0;
        for latency_ms in latencies_ms {
            buckets[edges.bucket_of(latency_ms)] += 1;
            samples += 1;
        }
        Self::new(samples, buckets)
    }

    /// Number of latency samples.
    pub const fn samples(&self) -> u64 {
        self.samples
    }

    /// Counts from bucket 0 on; empty buckets at the end are left out.
    pub fn counts(&self) -> &[u64] {
        &self.buckets
    }

    /// Samples slower than the edge at this position: all that are not in the
    /// buckets up to it. Never more than there are samples.
    pub fn slower_than(&self, edge: usize) -> u64 {
        let within = self.buckets.iter().take(edge + 1).fold(0, |a: u64, &b| a.saturating_add(b));
        self.samples.saturating_sub(within)
    }
}

impl AddAssign<&Self> for Histogram {
    fn add_assign(&mut self, other: &Self) {
        self.samples = self.samples.saturating_add(other.samples);
        if self.buckets.len() < other.buckets.len() {
            self.buckets.resize(other.buckets.len(), 0);
        }
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine = mine.saturating_add(*theirs);
        }
    }
}

impl From<SparseHistogram> for Histogram {
    fn from(sparse: SparseHistogram) -> Self {
        let mut buckets = vec![0; sparse.first.min(MOST_BUCKETS)];
        buckets.extend(sparse.counts);
        buckets.truncate(MOST_BUCKETS);
        Self::new(sparse.samples, buckets)
    }
}

impl From<Histogram> for SparseHistogram {
    fn from(full: Histogram) -> Self {
        let first = full.buckets.iter().position(|&n| n > 0).unwrap_or(0);
        Self { samples: full.samples, first, counts: full.buckets[first..].to_vec() }
    }
}

/// What one side did in one minute (or several, summed).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SideCounts {
    /// Requests sent to this side.
    pub requests: u64,
    /// Requests that failed. Counted apart from `requests`, so it may exceed
    /// them by a late record; readers use [`SideCounts::failed`].
    pub errors: u64,
    /// Latencies of the requests that were timed.
    pub latency: Histogram,
}

impl SideCounts {
    /// Failed requests, at most [`SideCounts::requests`].
    pub fn failed(&self) -> u64 {
        self.errors.min(self.requests)
    }

    /// Whether nothing at all was counted.
    pub fn is_empty(&self) -> bool {
        self.requests == 0 && self.errors == 0 && self.latency.samples == 0
    }
}

impl AddAssign<&Self> for SideCounts {
    /// Adds the counts of another route, or of another minute.
    fn add_assign(&mut self, other: &Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.errors = self.errors.saturating_add(other.errors);
        self.latency += &other.latency;
    }
}

/// One minute that is final: it ended long enough ago and was read completely.
///
/// A minute that could not be read is not a minute with zeros; it is simply not
/// committed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommittedMinute {
    /// Which minute.
    pub minute: Minute,
    /// Share of the new side in force in that minute, as read back.
    pub weight: Weight,
    /// The side being replaced, summed over routes.
    pub old: SideCounts,
    /// The side being rolled out, summed over routes.
    pub new: SideCounts,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_counted_nothing_at_all_is_empty() {
        assert!(SideCounts::default().is_empty());
        let latency = Histogram::new(1, vec![1]);
        for counts in [
            SideCounts { requests: 1, ..SideCounts::default() },
            SideCounts { errors: 1, ..SideCounts::default() },
            SideCounts { latency, ..SideCounts::default() },
        ] {
            assert!(!counts.is_empty(), "{counts:?}");
        }
    }

    #[test]
    fn a_bucket_includes_its_upper_edge_only() {
        let edges = Edges::default();
        assert_eq!(edges.buckets(), 35);
        assert_eq!(edges.bucket_of(5.0), 0);
        assert_eq!(edges.bucket_of(5.01), 1);
        assert_eq!(edges.bucket_of(500.0), edges.position(500.0).unwrap());
        assert_eq!(edges.bucket_of(1e9), 34);
    }

    #[test]
    fn samples_outside_the_buckets_count_as_slow() {
        let short = Histogram::new(10, vec![4, 3]);
        assert_eq!(short.slower_than(0), 6);
        assert_eq!(short.slower_than(1), 3);
        assert_eq!(short.slower_than(30), 3);
        let long = Histogram::new(5, vec![4, 3]);
        assert_eq!(long.slower_than(1), 0, "never below zero");
    }

    #[test]
    fn a_minute_is_stored_in_a_few_hundred_bytes_and_reads_back() {
        let edges = Edges::default();
        let latency = Histogram::of_latencies(&edges, (0..600).map(|i| 20.0 + f64::from(i)));
        let side = SideCounts { requests: 600, errors: 3, latency };
        let minute = CommittedMinute {
            minute: Minute(29_000_000),
            weight: Weight::FULL,
            old: SideCounts::default(),
            new: side,
        };
        let text = serde_json::to_string(&minute).unwrap();
        assert!(text.len() < 300, "{} bytes: {text}", text.len());
        assert_eq!(serde_json::from_str::<CommittedMinute>(&text).unwrap(), minute);
    }

    #[test]
    fn a_hostile_histogram_cannot_ask_for_memory() {
        let text = r#"{"samples":1,"first":18446744073709551615,"counts":[1]}"#;
        let read: Histogram = serde_json::from_str(text).unwrap();
        assert!(read.counts().len() <= MOST_BUCKETS);
    }

    #[test]
    fn edges_must_be_positive_and_rise() {
        assert_eq!(Edges::new(vec![1.0]), Err(EdgesError::TooFew { found: 1 }));
        for bad in [vec![0.0, 1.0], vec![2.0, 2.0], vec![1.0, f64::NAN], vec![1.0, f64::INFINITY]] {
            assert!(matches!(Edges::new(bad), Err(EdgesError::NotRising { .. })));
        }
    }

    #[test]
    fn minutes_know_their_time() {
        let time: Timestamp = "2025-03-01T14:32:59Z".parse().unwrap();
        let minute = Minute::containing(time);
        assert_eq!(minute.to_string(), "2025-03-01T14:32Z");
        assert_eq!(minute.plus(2).since(minute), 2);
        assert_eq!(Minute::containing("1969-12-31T23:59:30Z".parse().unwrap()), Minute(-1));
    }
}
