//! Samples of some minutes put together, as far as they can be read.

use std::collections::BTreeMap;
use std::ops::Range;

use super::{Dimensions, Statistic};
use crate::clock::MINUTE_MS;
use crate::faults::{MetricsFault, MetricsFaultKind};

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

/// What can be read of one metric and statistic now, with the faults that stand.
pub(super) struct Window {
    /// Samples up to this simulated time can be read.
    pub(super) visible_ms: i64,
    pub(super) faults: Vec<MetricsFault>,
}

impl Window {
    /// Until when a minute's samples can be read; `None` if it cannot be read at all.
    pub(super) fn visible_until(&self, minute: i64) -> Option<i64> {
        let mut visible_ms = self.visible_ms;
        for fault in self.faults.iter().filter(|fault| fault.covers(minute * MINUTE_MS)) {
            match fault.kind {
                MetricsFaultKind::Absent
                | MetricsFaultKind::PartialData
                | MetricsFaultKind::InternalError => return None,
                MetricsFaultKind::Late => {
                    visible_ms -= i64::from(fault.late_minutes) * MINUTE_MS;
                }
                // Stale is in `visible_ms`, missing samples were never kept, and an altered
                // value is altered once it is computed.
                MetricsFaultKind::Stale | MetricsFaultKind::Missing | MetricsFaultKind::Altered => {
                }
            }
        }
        Some(visible_ms)
    }

    /// The value of a period as it is read.
    pub(super) fn altered(&self, value: Option<f64>, minutes: &Range<i64>) -> Option<f64> {
        let complete_ms = minutes.end * MINUTE_MS;
        let Some(visible_ms) = self.visible_until(minutes.start) else { return value };
        let mut value = value;
        for fault in self.faults.iter().filter(|fault| fault.covers(minutes.start * MINUTE_MS)) {
            let revised_ms = complete_ms + i64::from(fault.after_minutes) * MINUTE_MS;
            if fault.kind != MetricsFaultKind::Altered
                || (fault.after_minutes > 0 && visible_ms < revised_ms)
            {
                continue;
            }
            let made = fault.set.filter(|_| value.is_some() || visible_ms >= complete_ms);
            value = made.or_else(|| Some((value? + fault.add.unwrap_or(0.0)).max(0.0)));
        }
        value
    }
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
        minutes: Range<i64>,
        window: &Window,
    ) -> Option<Self> {
        let mut gathered = Self { samples: Vec::new(), sets: Vec::new() };
        for (minute, bucket) in buckets.get(metric)?.range(minutes) {
            let Some(visible_ms) = window.visible_until(*minute) else { continue };
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
