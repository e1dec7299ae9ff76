//! Samples per metric and simulated minute, and when they can be read.
//!
//! A sample can be read once the publication lag has passed since it was
//! taken, so the newest minutes grow and older ones are complete, as at AWS.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock};

use super::gather::{Bucket, Gathered, Metric, StatisticSet, Window};
use super::{Dimensions, Statistic, dimensions};
use crate::clock::{Clock, MINUTE_MS};
use crate::faults::{Faults, MetricsFaultKind};
use crate::topology::MetricsOptions;

/// What a caller puts.
#[derive(Clone, Debug, PartialEq)]
pub enum Datum {
    /// Value and how often it was seen.
    Values(Vec<(f64, f64)>),
    /// A statistic set.
    Set(StatisticSet),
}

/// All metrics.
#[derive(Debug)]
pub struct Metrics {
    clock: Arc<Clock>,
    faults: Arc<Faults>,
    options: MetricsOptions,
    /// Dimensions `(LoadBalancer, TargetGroup)` of groups with a target.
    registered: OnceLock<Vec<(String, String)>>,
    buckets: Mutex<BTreeMap<Metric, BTreeMap<i64, Bucket>>>,
}

/// Metrics of an idle group for which zeros can be published.
const ZERO_WHEN_IDLE: [&str; 5] = [
    "RequestCount",
    "HTTPCode_Target_2XX_Count",
    "HTTPCode_Target_3XX_Count",
    "HTTPCode_Target_4XX_Count",
    "HTTPCode_Target_5XX_Count",
];

impl Metrics {
    pub(crate) fn new(clock: Arc<Clock>, faults: Arc<Faults>, options: MetricsOptions) -> Self {
        Self { clock, faults, options, registered: OnceLock::new(), buckets: Mutex::default() }
    }

    /// Names the groups that may publish explicit zeros, once.
    pub(crate) fn register(&self, groups: Vec<(String, String)>) {
        self.registered.get_or_init(|| groups);
    }

    /// Adds one sample, taken at a simulated time.
    pub fn count(
        &self,
        namespace: &str,
        name: &str,
        dimensions: &Dimensions,
        at_ms: i64,
        value: f64,
    ) {
        let metric = Metric {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            dimensions: dimensions.clone(),
        };
        self.put(metric, at_ms, &Datum::Values(vec![(value, 1.0)]));
    }

    /// Adds samples, taken at a simulated time.
    pub fn put(&self, metric: Metric, at_ms: i64, datum: &Datum) {
        if self.faults.loses(&metric, at_ms, self.clock.now_ms()) {
            return;
        }
        let minute = at_ms.div_euclid(MINUTE_MS);
        let offset = at_ms.rem_euclid(MINUTE_MS);
        let oldest = self.clock.minute() - i64::from(self.options.retention_hours) * 60;
        let mut buckets = self.buckets.lock().expect("metrics lock");
        let minutes = buckets.entry(metric).or_default();
        while minutes.first_key_value().is_some_and(|(minute, _)| *minute < oldest) {
            minutes.pop_first();
        }
        let bucket = minutes.entry(minute).or_default();
        match datum {
            Datum::Set(set) => bucket.sets.push((offset, *set)),
            Datum::Values(values) => {
                for (value, count) in values {
                    // Counters mostly repeat themselves; within a second they share an entry.
                    match bucket.samples.last_mut() {
                        Some((at, last, repeated))
                            if last.to_bits() == value.to_bits() && *at / 1000 == offset / 1000 =>
                        {
                            *repeated += count;
                        }
                        _ => bucket.samples.push((offset, *value, *count)),
                    }
                }
            }
        }
    }

    /// Value of one period that starts at `start_ms`, as it can be read now.
    ///
    /// `None` is a missing datapoint.
    pub fn value(
        &self,
        metric: &Metric,
        statistic: Statistic,
        start_ms: i64,
        period_ms: i64,
    ) -> Option<f64> {
        self.values(metric, statistic, start_ms, start_ms + period_ms, period_ms)
            .pop()
            .map(|(_, value)| value)
    }

    /// Values of all periods that start in `start_ms..end_ms`, oldest first.
    /// Missing ones are left out.
    pub fn values(
        &self,
        metric: &Metric,
        statistic: Statistic,
        start_ms: i64,
        end_ms: i64,
        period_ms: i64,
    ) -> Vec<(i64, f64)> {
        let window = self.window(metric, Some(statistic));
        let buckets = self.buckets.lock().expect("metrics lock");
        let period_minutes = (period_ms / MINUTE_MS).max(1);
        let mut minute = start_ms.div_euclid(MINUTE_MS);
        let mut found = Vec::new();
        while minute * MINUTE_MS < end_ms {
            let range = minute..minute + period_minutes;
            let datum = Gathered::from(&buckets, metric, range.clone(), &window)
                .or_else(|| self.explicit_zero(&buckets, metric, range.clone(), &window));
            let value = datum.and_then(|gathered| gathered.statistic(statistic));
            if let Some(value) = window.altered(value, &range) {
                found.push((minute * MINUTE_MS, value));
            }
            minute += period_minutes;
        }
        found
    }

    /// All metrics that have a readable sample.
    pub fn list(&self) -> Vec<Metric> {
        let buckets = self.buckets.lock().expect("metrics lock");
        buckets
            .iter()
            .filter(|(metric, minutes)| {
                let window = self.window(metric, None);
                minutes.iter().any(|(minute, _)| minute * MINUTE_MS <= window.visible_ms)
            })
            .map(|(metric, _)| metric.clone())
            .collect()
    }

    /// Worst status that a fault gives a query of these minutes.
    pub(crate) fn query_fault(
        &self,
        metric: &Metric,
        statistic: Statistic,
        start_ms: i64,
        end_ms: i64,
    ) -> Option<MetricsFaultKind> {
        let standing = self.faults.of_metric(metric, Some(statistic), self.clock.now_ms());
        let first = start_ms.div_euclid(MINUTE_MS) * MINUTE_MS;
        let minutes = || (first..end_ms).step_by(60_000);
        let hit = |kind: MetricsFaultKind| {
            let mut faults = standing.iter().filter(|(_, fault)| fault.kind == kind);
            faults.any(|(_, fault)| minutes().any(|minute| fault.covers(minute)))
        };
        [MetricsFaultKind::InternalError, MetricsFaultKind::PartialData]
            .into_iter()
            .find(|kind| hit(*kind))
    }

    fn window(&self, metric: &Metric, statistic: Option<Statistic>) -> Window {
        let now_ms = self.clock.now_ms();
        let standing = self.faults.of_metric(metric, statistic, now_ms);
        let frozen = standing.iter().filter(|(_, fault)| fault.kind == MetricsFaultKind::Stale);
        let frozen_ms = frozen.map(|(since_ms, _)| *since_ms).min();
        #[allow(clippy::cast_possible_truncation)] // checked: at most 60 minutes
        let lag_ms = (self.options.lag_minutes * MINUTE_MS as f64) as i64;
        Window {
            visible_ms: frozen_ms.unwrap_or(now_ms).min(now_ms) - lag_ms,
            faults: standing.into_iter().map(|(_, fault)| fault).collect(),
        }
    }

    fn explicit_zero(
        &self,
        buckets: &BTreeMap<Metric, BTreeMap<i64, Bucket>>,
        metric: &Metric,
        minutes: Range<i64>,
        window: &Window,
    ) -> Option<Gathered> {
        if !self.options.explicit_zeros
            || metric.namespace != "AWS/ApplicationELB"
            || !ZERO_WHEN_IDLE.contains(&metric.name.as_str())
        {
            return None;
        }
        let balancer = metric.dimensions.get("LoadBalancer")?;
        let group = metric.dimensions.get("TargetGroup")?;
        let registered = self.registered.get()?;
        registered.iter().find(|(lb, tg)| lb == balancer && tg == group)?;
        let busy = Metric {
            namespace: metric.namespace.clone(),
            name: "RequestCount".to_owned(),
            dimensions: dimensions([("LoadBalancer", balancer)]),
        };
        Gathered::from(buckets, &busy, minutes, window)?;
        Some(Gathered { samples: vec![(0.0, 1.0)], sets: Vec::new() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Pace, timestamp};
    use crate::faults::{Fault, MetricsFault};
    use std::time::Duration;

    struct Bench {
        clock: Arc<Clock>,
        faults: Arc<Faults>,
        metrics: Metrics,
        start: i64,
    }

    fn bench(options: MetricsOptions) -> Bench {
        let start: jiff::Timestamp = "2026-11-24T08:00:00Z".parse().unwrap();
        let clock = Arc::new(Clock::new(Pace::Manual, start));
        let faults = Arc::new(Faults::new(1));
        let metrics = Metrics::new(clock.clone(), faults.clone(), options);
        Bench { clock, faults, metrics, start: start.as_millisecond() }
    }

    fn requests(group: Option<&str>) -> Metric {
        let mut set = dimensions([("LoadBalancer", "app/lb/1")]);
        if let Some(group) = group {
            set.insert("TargetGroup".into(), format!("targetgroup/{group}/1"));
        }
        Metric {
            namespace: "AWS/ApplicationELB".into(),
            name: "RequestCount".into(),
            dimensions: set,
        }
    }

    fn one() -> Datum {
        Datum::Values(vec![(1.0, 1.0)])
    }

    impl Bench {
        fn sum(&self, metric: &Metric) -> Option<f64> {
            self.metrics.value(metric, Statistic::Sum, self.start, MINUTE_MS)
        }
    }

    #[test]
    fn the_newest_minute_grows_until_the_lag_has_passed() {
        let bench = bench(MetricsOptions { lag_minutes: 2.0, ..MetricsOptions::default() });
        let metric = requests(Some("rust"));
        for second in [0, 20, 40] {
            bench.metrics.put(metric.clone(), bench.start + second * 1000, &one());
        }
        assert_eq!(bench.sum(&metric), None);
        bench.clock.advance(Duration::from_secs(130));
        assert_eq!(bench.sum(&metric), Some(1.0));
        bench.clock.advance(Duration::from_secs(20));
        assert_eq!(bench.sum(&metric), Some(2.0));
        bench.clock.advance(Duration::from_secs(30));
        assert_eq!(bench.sum(&metric), Some(3.0));
    }

    #[test]
    fn a_longer_period_joins_minutes_and_a_missing_one_is_left_out() {
        let bench = bench(MetricsOptions { lag_minutes: 0.0, ..MetricsOptions::default() });
        let metric = requests(None);
        bench.metrics.put(metric.clone(), bench.start, &one());
        bench.metrics.put(metric.clone(), bench.start + 2 * MINUTE_MS, &one());
        bench.clock.advance(Duration::from_mins(9));
        let (from, to) = (bench.start, bench.start + 9 * MINUTE_MS);
        let minutes = bench.metrics.values(&metric, Statistic::Sum, from, to, MINUTE_MS);
        assert_eq!(minutes, [(from, 1.0), (from + 2 * MINUTE_MS, 1.0)]);
        let joined = bench.metrics.values(&metric, Statistic::Sum, from, to, 3 * MINUTE_MS);
        assert_eq!(joined, [(from, 2.0)]);
    }

    #[test]
    fn an_idle_group_of_a_busy_balancer_is_zero_only_if_switched_on() {
        for (explicit_zeros, expected) in [(false, None), (true, Some(0.0))] {
            let bench = bench(MetricsOptions {
                lag_minutes: 0.0,
                explicit_zeros,
                ..MetricsOptions::default()
            });
            bench.metrics.register(vec![("app/lb/1".into(), "targetgroup/rust/1".into())]);
            assert_eq!(bench.sum(&requests(Some("rust"))), None);
            bench.metrics.put(requests(None), bench.start, &one());
            assert_eq!(bench.sum(&requests(Some("rust"))), expected);
            assert_eq!(bench.sum(&requests(Some("unknown"))), None);
        }
    }

    #[test]
    fn a_statistic_set_has_a_sum_and_no_percentile() {
        let bench = bench(MetricsOptions { lag_minutes: 0.0, ..MetricsOptions::default() });
        let metric = requests(None);
        let set = StatisticSet { count: 4.0, sum: 10.0, minimum: 1.0, maximum: 5.0 };
        bench.metrics.put(metric.clone(), bench.start, &Datum::Set(set));
        bench.metrics.put(metric.clone(), bench.start, &Datum::Values(vec![(7.0, 2.0)]));
        let value = |statistic| bench.metrics.value(&metric, statistic, bench.start, MINUTE_MS);
        assert_eq!(value(Statistic::Sum), Some(24.0));
        assert_eq!(value(Statistic::Average), Some(4.0));
        assert_eq!(value(Statistic::Minimum), Some(1.0));
        assert_eq!(value(Statistic::Maximum), Some(7.0));
        assert_eq!(value(Statistic::Percentile(50.0)), None);
    }

    #[test]
    fn stale_metrics_come_back_and_missing_ones_do_not() {
        let bench = bench(MetricsOptions { lag_minutes: 0.0, ..MetricsOptions::default() });
        let metric = requests(Some("rust"));
        let set =
            |kind, at| bench.faults.add(Fault::Metrics(MetricsFault::new(kind).group("rust")), at);
        set(MetricsFaultKind::Stale, bench.start - 1);
        bench.metrics.put(metric.clone(), bench.start, &one());
        assert_eq!(bench.sum(&metric), None);
        bench.faults.clear(None);
        assert_eq!(bench.sum(&metric), Some(1.0));
        let id = set(MetricsFaultKind::Missing, bench.start);
        bench.metrics.put(metric.clone(), bench.start, &one());
        bench.faults.clear(Some(id));
        assert_eq!(bench.sum(&metric), Some(1.0));
    }

    #[test]
    fn a_fault_with_a_length_is_over_by_itself() {
        let bench = bench(MetricsOptions { lag_minutes: 0.0, ..MetricsOptions::default() });
        let metric = requests(Some("rust"));
        let mut lost = MetricsFault::new(MetricsFaultKind::Missing);
        lost.minutes = Some(2);
        bench.faults.add(Fault::Metrics(lost), bench.start);
        let value = |minute: i64| {
            let start_ms = bench.start + minute * MINUTE_MS;
            bench.metrics.value(&metric, Statistic::Sum, start_ms, MINUTE_MS)
        };
        for _ in 0..3 {
            bench.metrics.put(metric.clone(), bench.clock.now_ms(), &one());
            bench.clock.advance(Duration::from_mins(1));
        }
        assert_eq!([value(0), value(1), value(2)], [None, None, Some(1.0)]);
    }

    #[test]
    fn a_fault_of_one_statistic_of_one_minute_leaves_all_others() {
        let bench = bench(MetricsOptions { lag_minutes: 0.0, ..MetricsOptions::default() });
        let metric = requests(Some("rust"));
        for minute in 0..3 {
            bench.metrics.put(metric.clone(), bench.start + minute * MINUTE_MS, &one());
        }
        bench.clock.advance(Duration::from_mins(5));
        let at = |minute: i64| timestamp(bench.start + minute * MINUTE_MS);
        let read = |statistic: &str| -> Vec<(i64, f64)> {
            let (from, to) = (bench.start, bench.start + 3 * MINUTE_MS);
            let statistic = statistic.parse().unwrap();
            let points = bench.metrics.values(&metric, statistic, from, to, MINUTE_MS);
            points.into_iter().map(|(ms, value)| ((ms - from) / MINUTE_MS, value)).collect()
        };
        let absent = MetricsFault::new(MetricsFaultKind::Absent)
            .group("rust")
            .metric("RequestCount")
            .statistic("TC")
            .minute(at(1));
        bench.faults.add(Fault::Metrics(absent), 0);
        assert_eq!(read("TC(:2)"), [(0, 1.0), (2, 1.0)]);
        assert_eq!(read("Sum"), [(0, 1.0), (1, 1.0), (2, 1.0)]);
        bench.faults.clear(None);
        assert_eq!(read("TC(:2)").len(), 3);
        let other = MetricsFault::reading(12.5).metric("HTTPCode_Target_5XX_Count");
        bench.faults.add(Fault::Metrics(other), 0);
        let half = MetricsFault::adding(-0.5).metric("RequestCount").minute(at(2));
        bench.faults.add(Fault::Metrics(half), 0);
        assert_eq!(read("Sum"), [(0, 1.0), (1, 1.0), (2, 0.5)]);
    }

    #[test]
    fn a_late_minute_comes_and_a_revised_one_changes_after_the_first_reading() {
        let bench = bench(MetricsOptions { lag_minutes: 2.0, ..MetricsOptions::default() });
        let metric = requests(Some("rust"));
        bench.metrics.put(metric.clone(), bench.start, &one());
        let minute = || bench.sum(&metric);
        let late = MetricsFault::late(3).minute(timestamp(bench.start));
        let id = bench.faults.add(Fault::Metrics(late), 0);
        bench.clock.advance(Duration::from_mins(4));
        assert_eq!(minute(), None);
        bench.clock.advance(Duration::from_mins(1));
        assert_eq!(minute(), Some(1.0));
        bench.faults.clear(Some(id));
        // Complete two minutes after its end, revised four minutes later.
        bench
            .faults
            .add(Fault::Metrics(MetricsFault::adding(3.0).metric("RequestCount").after(4)), 0);
        bench.clock.advance(Duration::from_secs(119));
        assert_eq!(minute(), Some(1.0));
        bench.clock.advance(Duration::from_secs(1));
        assert_eq!(minute(), Some(4.0));
    }

    #[test]
    fn a_value_can_be_read_where_nothing_was_counted_once_the_minute_is_complete() {
        let bench = bench(MetricsOptions { lag_minutes: 1.0, ..MetricsOptions::default() });
        let metric = requests(Some("rust"));
        let made = MetricsFault::reading(2.5).metric("RequestCount");
        bench.faults.add(Fault::Metrics(made), 0);
        bench.clock.advance(Duration::from_secs(119));
        assert_eq!(bench.sum(&metric), None);
        bench.clock.advance(Duration::from_secs(1));
        assert_eq!(bench.sum(&metric), Some(2.5));
    }

    #[test]
    fn a_query_learns_of_partial_data_only_for_the_minutes_it_asks_for() {
        let bench = bench(MetricsOptions { lag_minutes: 0.0, ..MetricsOptions::default() });
        let metric = requests(Some("rust"));
        let at = |minute: i64| bench.start + minute * MINUTE_MS;
        let partial = MetricsFault::new(MetricsFaultKind::PartialData).minute(timestamp(at(1)));
        bench.faults.add(Fault::Metrics(partial), 0);
        let status =
            |from, to| bench.metrics.query_fault(&metric, Statistic::Sum, at(from), at(to));
        assert_eq!(status(0, 1), None);
        assert_eq!(status(0, 2), Some(MetricsFaultKind::PartialData));
        assert_eq!(status(2, 9), None);
    }

    #[test]
    fn old_minutes_are_forgotten() {
        let bench = bench(MetricsOptions { lag_minutes: 0.0, ..MetricsOptions::default() });
        let metric = requests(None);
        bench.metrics.put(metric.clone(), bench.start, &one());
        bench.clock.advance(Duration::from_hours(7));
        bench.metrics.put(metric.clone(), bench.clock.now_ms(), &one());
        assert_eq!(bench.sum(&metric), None);
    }
}
