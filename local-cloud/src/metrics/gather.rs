//! Samples of some minutes put together, as far as they can be read.

use std::collections::BTreeMap;

use super::{Dimensions, Statistic};
use crate::clock::MINUTE_MS;

/// Identity of a metric.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Metric {
    /// For example `AWS/ApplicationELB`.
    pub namespace: String,
    /// For example `RequestCount`.
    pub name: String,
    /// Exactly a published set.
    pub dimensions: Dimensions,
}

/// A pre-aggregated sample, from which no percentile can be had.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StatisticSet {
    /// `SampleCount`.
    pub count: f64,
    /// `Sum`.
    pub sum: f64,
    /// `Minimum`.
    pub minimum: f64,
    /// `Maximum`.
    pub maximum: f64,
}

#[derive(Debug, Default)]
pub(super) struct Bucket {
    /// When in the minute (ms), value, count; in order of arrival.
    pub(super) samples: Vec<(i64, f64, f64)>,
    pub(super) sets: Vec<(i64, StatisticSet)>,
}

pub(super) struct Gathered {
    pub(super) samples: Vec<(f64, f64)>,
    pub(super) sets: Vec<StatisticSet>,
}

impl Gathered {
    /// What can be read of a metric's minutes; `None` if that is nothing.
    pub(super) fn from(
        buckets: &BTreeMap<Metric, BTreeMap<i64, Bucket>>,
        metric: &Metric,
        minutes: std::ops::Range<i64>,
        visible_ms: i64,
    ) -> Option<Self> {
        let mut gathered = Self { samples: Vec::new(), sets: Vec::new() };
        for (minute, bucket) in buckets.get(metric)?.range(minutes) {
            let readable = |offset: i64| minute * MINUTE_MS + offset <= visible_ms;
            for (offset, value, count) in &bucket.samples {
                if readable(*offset) {
                    gathered.samples.push((*value, *count));
                }
            }
            gathered.sets.extend(
                bucket.sets.iter().filter(|(offset, _)| readable(*offset)).map(|(_, set)| *set),
            );
        }
        (!gathered.samples.is_empty() || !gathered.sets.is_empty()).then_some(gathered)
    }

    pub(super) fn statistic(mut self, statistic: Statistic) -> Option<f64> {
        self.samples.sort_by(|a, b| a.0.total_cmp(&b.0));
        if self.sets.is_empty() {
            return statistic.of(&self.samples);
        }
        if statistic.needs_samples() {
            return None;
        }
        let over_samples = |which: Statistic| which.of(&self.samples).unwrap_or(0.0);
        let count = over_samples(Statistic::SampleCount)
            + self.sets.iter().map(|set| set.count).sum::<f64>();
        let sum = over_samples(Statistic::Sum) + self.sets.iter().map(|set| set.sum).sum::<f64>();
        let least = Statistic::Minimum.of(&self.samples);
        let greatest = Statistic::Maximum.of(&self.samples);
        match statistic {
            Statistic::SampleCount => Some(count),
            Statistic::Sum => Some(sum),
            Statistic::Average => Some(sum / count),
            Statistic::Minimum => {
                self.sets.iter().map(|set| set.minimum).chain(least).reduce(f64::min)
            }
            Statistic::Maximum => {
                self.sets.iter().map(|set| set.maximum).chain(greatest).reduce(f64::max)
            }
            Statistic::Percentile(_) | Statistic::Ranged(..) => None,
        }
    }
}
