//! Faults: what goes wrong, where, how often, from which share on.
//!
//! Faults of functions are drawn at the load balancer, with the cloud's seed,
//! and handed to the function as the request header [`FAULT_HEADER`]; a
//! function honours it only while `LOCAL_CLOUD_FAULTS=1`, which the local
//! cloud sets and nobody else. Clients cannot send the header.

use std::sync::Mutex;
use std::time::Duration;

use jiff::Timestamp;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::clock::{MINUTE_MS, timestamp};
use crate::metrics::{Dimensions, Metric, Statistic};
use crate::topology::Share;

/// Header that tells a function how to fail: `error`, `latency=MS`, `crash` or `hang`.
pub const FAULT_HEADER: &str = "x-local-cloud-fault";

/// Something that goes wrong until it is cleared or used up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "on", rename_all = "snake_case")]
pub enum Fault {
    /// A function behind a load balancer misbehaves.
    Function(FunctionFault),
    /// An AWS call misbehaves.
    Api(ApiFault),
    /// Metrics are late, lost or wrong.
    Metrics(MetricsFault),
}

/// A function behind a load balancer misbehaves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FunctionFault {
    /// Name of the function.
    pub function: String,
    /// Only requests that come through this target group. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// What it does.
    pub kind: FunctionFaultKind,
    /// Share of requests, 0 to 1. Default 1.
    #[serde(default = "always")]
    pub probability: f64,
    /// Only while a weighted rule gives the function at least this share, in
    /// percent. Default: at any share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_share: Option<f64>,
    /// For [`FunctionFaultKind::Latency`]: added milliseconds. Default 0.
    #[serde(default)]
    pub latency_ms: u32,
}

/// How a function misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FunctionFaultKind {
    /// Answers 500 itself.
    Error,
    /// Answers later.
    Latency,
    /// The process ends.
    Crash,
    /// Never answers.
    Hang,
}

/// An AWS call misbehaves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiFault {
    /// For example `ModifyRule`, `GetMetricData`, `Publish`; `*` for all.
    pub operation: String,
    /// Only calls that name this: the ARN of a rule or topic, a parameter, a
    /// function. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// What happens.
    pub kind: ApiFaultKind,
    /// Share of calls, 0 to 1. Default 1.
    #[serde(default = "always")]
    pub probability: f64,
    /// How many calls it hits before it is gone. Default: until cleared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// For [`ApiFaultKind::Delay`]: real milliseconds. Default 0.
    #[serde(default)]
    pub delay_ms: u64,
    /// For [`ApiFaultKind::ForeignWrite`]: the rule whose weights change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// For [`ApiFaultKind::ForeignWrite`]: the new weights, by group name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub weights: Vec<Share>,
}

impl ApiFault {
    /// A fault that hits every call.
    pub fn new(operation: &str, kind: ApiFaultKind) -> Self {
        Self {
            operation: operation.to_owned(),
            resource: None,
            kind,
            probability: 1.0,
            count: None,
            delay_ms: 0,
            rule: None,
            weights: Vec::new(),
        }
    }

    /// Hits only calls that name this ARN or name.
    #[must_use]
    pub fn on(mut self, resource: &str) -> Self {
        self.resource = Some(resource.to_owned());
        self
    }

    /// For [`ApiFaultKind::Delay`]: sets how much later the call is carried out, in real time.
    #[must_use]
    pub fn delayed(mut self, by: Duration) -> Self {
        self.delay_ms = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self
    }

    /// Limits the number of calls it hits.
    #[must_use]
    pub fn times(mut self, count: u32) -> Self {
        self.count = Some(count);
        self
    }
}

/// How an AWS call misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApiFaultKind {
    /// Refused: rate exceeded.
    Throttle,
    /// Refused: access denied.
    Denied,
    /// HTTP 500, nothing done.
    Error,
    /// The connection is closed without an answer, nothing done.
    Drop,
    /// No answer until the client gives up, nothing done.
    Hang,
    /// The change is made, the answer is HTTP 500.
    ErrorAfterCommit,
    /// The change is made, the connection is closed without an answer.
    DropAfterCommit,
    /// The change is made, and no answer comes until the client gives up.
    HangAfterCommit,
    /// The call is carried out later, also if the client has given up by then.
    Delay,
    /// `GetMetricData` says `PartialData` without a token and leaves values out.
    PartialData,
    /// `GetMetricData` says `InternalError` for every query.
    InternalError,
    /// `PutEvents` answers 200 and refuses every entry.
    RefuseEntries,
    /// After the answer somebody else changes weights.
    ForeignWrite,
}

/// Metrics are late, lost or wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricsFault {
    /// What happens.
    pub kind: MetricsFaultKind,
    /// Only metrics with this target group. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Only metrics of this name, for example `RequestCount`. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// Only this statistic, for example `SampleCount` or `TC(:0.2)`; `TC`, `TS`,
    /// `TM`, `WM` or `PR` alone mean any range. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statistic: Option<String>,
    /// Only minutes that start at this simulated time or later. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Only minutes that start before this simulated time. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
    /// Simulated minutes after which it is over by itself. Default: until cleared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minutes: Option<u32>,
    /// For [`MetricsFaultKind::Late`]: simulated minutes, besides the usual lag.
    #[serde(default)]
    pub late_minutes: u32,
    /// For [`MetricsFaultKind::Altered`]: what is added to the value, not below 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub add: Option<f64>,
    /// For [`MetricsFaultKind::Altered`]: the value that is read, also where
    /// there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<f64>,
    /// For [`MetricsFaultKind::Altered`]: simulated minutes from the time at
    /// which a minute is complete until its value changes. Default 0: it is
    /// altered from the first reading.
    #[serde(default)]
    pub after_minutes: u32,
}

impl MetricsFault {
    /// A fault of all metrics.
    pub fn new(kind: MetricsFaultKind) -> Self {
        Self {
            kind,
            group: None,
            metric: None,
            statistic: None,
            from: None,
            to: None,
            minutes: None,
            late_minutes: 0,
            add: None,
            set: None,
            after_minutes: 0,
        }
    }

    /// A metric that can be read so many simulated minutes later than usual.
    pub fn late(minutes: u32) -> Self {
        Self { late_minutes: minutes, ..Self::new(MetricsFaultKind::Late) }
    }

    /// A value that is changed by so much.
    pub fn adding(value: f64) -> Self {
        Self { add: Some(value), ..Self::new(MetricsFaultKind::Altered) }
    }

    /// A value that is read in place of the true one.
    pub fn reading(value: f64) -> Self {
        Self { set: Some(value), ..Self::new(MetricsFaultKind::Altered) }
    }

    /// Only metrics of this target group.
    #[must_use]
    pub fn group(mut self, group: &str) -> Self {
        self.group = Some(group.to_owned());
        self
    }

    /// Only metrics of this name.
    #[must_use]
    pub fn metric(mut self, metric: &str) -> Self {
        self.metric = Some(metric.to_owned());
        self
    }

    /// Only this statistic.
    #[must_use]
    pub fn statistic(mut self, statistic: &str) -> Self {
        self.statistic = Some(statistic.to_owned());
        self
    }

    /// Only minutes that start in `from..to`.
    #[must_use]
    pub fn between(mut self, from: Timestamp, to: Timestamp) -> Self {
        (self.from, self.to) = (Some(from), Some(to));
        self
    }

    /// Only the minute that starts then.
    #[must_use]
    pub fn minute(self, start: Timestamp) -> Self {
        let end = timestamp(start.as_millisecond() + MINUTE_MS);
        self.between(start, end)
    }

    /// Changes the value only so many simulated minutes after the minute is complete.
    #[must_use]
    pub fn after(mut self, minutes: u32) -> Self {
        self.after_minutes = minutes;
        self
    }

    /// Whether it is about this metric, whatever the minute; `statistic` is
    /// `None` for a sample that is counted and not yet read.
    fn concerns(&self, metric: &Metric, statistic: Option<Statistic>) -> bool {
        let group = group_name(&metric.dimensions);
        self.group.as_deref().is_none_or(|name| group == Some(name))
            && self.metric.as_deref().is_none_or(|name| metric.name == name)
            && self
                .statistic
                .as_deref()
                .is_none_or(|name| statistic.is_some_and(|statistic| statistic.is_called(name)))
    }

    /// Whether it is about a minute that starts then.
    pub(crate) fn covers(&self, start_ms: i64) -> bool {
        self.from.is_none_or(|from| start_ms >= from.as_millisecond())
            && self.to.is_none_or(|to| start_ms < to.as_millisecond())
    }

    /// What contradicts itself: the key, its value and what to write.
    pub(crate) fn contradiction(&self) -> Option<(&'static str, String, &'static str)> {
        use MetricsFaultKind::{Altered, Late, Missing, Stale};
        let text = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
        match (self.kind, &self.statistic) {
            (Missing, Some(name)) => {
                return Some((
                    "fault.statistic",
                    name.clone(),
                    "samples are lost whole: use absent",
                ));
            }
            (_, Some(name)) if !Statistic::is_name(name) => {
                return Some(("fault.statistic", name.clone(), "write Sum, p99, TC(:0.2), TC, …"));
            }
            _ => {}
        }
        if self.kind == Stale && (self.from.is_some() || self.to.is_some()) {
            return Some(("fault.from", "set".into(), "stale freezes all minutes: use absent"));
        }
        if (self.kind == Late) != (self.late_minutes > 0) {
            let value = self.late_minutes.to_string();
            return Some(("fault.late_minutes", value, "at least 1 for late, and for late only"));
        }
        if self.kind == Altered {
            if self.add.is_some() == self.set.is_some() {
                return Some(("fault.add", text(self.add), "altered needs either add or set"));
            }
            if self.metric.is_none() {
                return Some(("fault.metric", String::new(), "altered needs the name of a metric"));
            }
        } else if self.add.is_some() || self.set.is_some() || self.after_minutes > 0 {
            return Some(("fault.add", text(self.add.or(self.set)), "only for altered"));
        }
        if [self.add, self.set].into_iter().flatten().any(|value| !value.is_finite()) {
            return Some(("fault.add", text(self.add.or(self.set)), "a finite number"));
        }
        None
    }
}

/// How metrics misbehave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MetricsFaultKind {
    /// Nothing newer than the moment of the fault can be read until it is
    /// cleared; then all of it can.
    Stale,
    /// What is counted while the fault stands is lost for good.
    Missing,
    /// The datapoints cannot be read while the fault stands; the answer is
    /// `Complete` all the same.
    Absent,
    /// The datapoints can be read later than others.
    Late,
    /// The datapoints are read with another value, from the first reading on
    /// or later (`after_minutes`): revised, contradictory, no whole number.
    Altered,
    /// The datapoints are left out and `GetMetricData` says `PartialData` for
    /// each query that asks for one of them.
    PartialData,
    /// As `PartialData`, with `InternalError`.
    InternalError,
}

fn always() -> f64 {
    1.0
}

/// A fault with its number.
#[derive(Clone, Debug, Serialize)]
pub struct StandingFault {
    /// Number to clear it by.
    pub id: u64,
    /// Simulated milliseconds since 1970 at which it was set.
    pub since_ms: i64,
    /// The fault; `count` is what is left of it.
    #[serde(flatten)]
    pub fault: Fault,
}

/// All faults that stand, and the dice.
#[derive(Debug)]
pub(crate) struct Faults {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    standing: Vec<StandingFault>,
    next_id: u64,
    dice: ChaCha8Rng,
}

impl Faults {
    pub(crate) fn new(seed: u64) -> Self {
        // Another stream than the weights', so that a fault does not shift the draws.
        let mut dice = ChaCha8Rng::seed_from_u64(seed);
        dice.set_stream(1);
        Self { inner: Mutex::new(Inner { standing: Vec::new(), next_id: 1, dice }) }
    }

    pub(crate) fn add(&self, fault: Fault, now_ms: i64) -> u64 {
        let mut inner = self.inner.lock().expect("faults lock");
        let id = inner.next_id;
        inner.next_id += 1;
        inner.standing.push(StandingFault { id, since_ms: now_ms, fault });
        id
    }

    /// Removes one fault, or all; says how many went.
    pub(crate) fn clear(&self, id: Option<u64>) -> usize {
        let mut inner = self.inner.lock().expect("faults lock");
        let before = inner.standing.len();
        inner.standing.retain(|standing| id.is_some_and(|id| standing.id != id));
        before - inner.standing.len()
    }

    pub(crate) fn list(&self) -> Vec<StandingFault> {
        self.inner.lock().expect("faults lock").standing.clone()
    }

    /// What the fault header of this request says, if anything.
    ///
    /// `share` is the greatest percentage that a weighted rule gives the function.
    pub(crate) fn draw_function(&self, function: &str, group: &str, share: f64) -> Option<String> {
        let mut inner = self.inner.lock().expect("faults lock");
        let Inner { standing, dice, .. } = &mut *inner;
        for standing in standing {
            let Fault::Function(fault) = &standing.fault else {
                continue;
            };
            let applies = fault.function == function
                && fault.group.as_deref().is_none_or(|name| name == group)
                && fault.from_share.is_none_or(|from| share >= from);
            if applies && dice.random_bool(fault.probability.clamp(0.0, 1.0)) {
                return Some(match fault.kind {
                    FunctionFaultKind::Error => "error".to_owned(),
                    FunctionFaultKind::Latency => format!("latency={}", fault.latency_ms),
                    FunctionFaultKind::Crash => "crash".to_owned(),
                    FunctionFaultKind::Hang => "hang".to_owned(),
                });
            }
        }
        None
    }

    /// The fault that hits this call, if any; counts it down.
    ///
    /// `names` says whether the call names a resource.
    pub(crate) fn draw_api(
        &self,
        operation: &str,
        names: &dyn Fn(&str) -> bool,
    ) -> Option<ApiFault> {
        let mut inner = self.inner.lock().expect("faults lock");
        let Inner { standing, dice, .. } = &mut *inner;
        let hit = standing.iter_mut().position(|standing| match &standing.fault {
            Fault::Api(fault) => {
                (fault.operation == "*" || fault.operation == operation)
                    && fault.resource.as_deref().is_none_or(names)
                    && dice.random_bool(fault.probability.clamp(0.0, 1.0))
            }
            _ => false,
        })?;
        let Fault::Api(fault) = &mut standing[hit].fault else {
            return None;
        };
        let drawn = fault.clone();
        if let Some(count) = &mut fault.count {
            *count = count.saturating_sub(1);
            if *count == 0 {
                standing.remove(hit);
            }
        }
        Some(drawn)
    }

    /// Whether a sample that is counted now is lost.
    pub(crate) fn loses(&self, metric: &Metric, at_ms: i64, now_ms: i64) -> bool {
        let standing = self.of_metric(metric, None, now_ms);
        standing
            .iter()
            .any(|(_, fault)| fault.kind == MetricsFaultKind::Missing && fault.covers(at_ms))
    }

    /// Faults of a metric and when they were set, in simulated milliseconds.
    pub(crate) fn of_metric(
        &self,
        metric: &Metric,
        statistic: Option<Statistic>,
        now_ms: i64,
    ) -> Vec<(i64, MetricsFault)> {
        let inner = self.inner.lock().expect("faults lock");
        let found = inner.standing.iter().filter_map(|standing| {
            let Fault::Metrics(fault) = &standing.fault else {
                return None;
            };
            let over = fault.minutes.is_some_and(|minutes| {
                now_ms >= standing.since_ms + i64::from(minutes) * MINUTE_MS
            });
            (!over && fault.concerns(metric, statistic)).then(|| (standing.since_ms, fault.clone()))
        });
        found.collect()
    }
}

/// Name of the target group in a metric's dimensions: `targetgroup/NAME/ID`.
fn group_name(dimensions: &Dimensions) -> Option<&str> {
    dimensions.get("TargetGroup")?.split('/').nth(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failing(from_share: Option<f64>) -> Fault {
        Fault::Function(FunctionFault {
            function: "scorer".into(),
            group: None,
            kind: FunctionFaultKind::Error,
            probability: 1.0,
            from_share,
            latency_ms: 0,
        })
    }

    #[test]
    fn a_fault_waits_for_its_share() {
        let faults = Faults::new(1);
        faults.add(failing(Some(25.0)), 0);
        assert_eq!(faults.draw_function("scorer", "rust", 24.9), None);
        assert_eq!(faults.draw_function("scorer", "rust", 25.0).as_deref(), Some("error"));
        assert_eq!(faults.draw_function("other", "rust", 100.0), None);
    }

    #[test]
    fn a_counted_api_fault_is_used_up() {
        let faults = Faults::new(1);
        faults.add(Fault::Api(ApiFault::new("ModifyRule", ApiFaultKind::Throttle).times(2)), 0);
        let hits = |operation| faults.draw_api(operation, &|_| false).is_some();
        assert!(!hits("DescribeRules"));
        assert!(hits("ModifyRule"));
        assert!(hits("ModifyRule"));
        assert!(!hits("ModifyRule"));
        assert!(faults.list().is_empty());
    }

    #[test]
    fn a_fault_of_a_resource_spares_calls_that_do_not_name_it() {
        let faults = Faults::new(1);
        faults.add(Fault::Api(ApiFault::new("Publish", ApiFaultKind::Error).on("chat")), 0);
        assert!(faults.draw_api("Publish", &|name| name == "pager").is_none());
        assert!(faults.draw_api("Publish", &|name| name == "chat").is_some());
    }

    #[test]
    fn an_unknown_key_in_a_fault_is_refused() {
        let text = r#"{"on": "api", "operation": "*", "kind": "throttle", "cuont": 1}"#;
        assert!(serde_json::from_str::<Fault>(text).unwrap_err().to_string().contains("cuont"));
    }
}
