//! Faults: what goes wrong, where, how often, from which share on.
//!
//! Faults of functions are drawn at the load balancer, with the cloud's seed,
//! and handed to the function as the request header [`FAULT_HEADER`]; a
//! function honours it only while `LOCAL_CLOUD_FAULTS=1`, which the local
//! cloud sets and nobody else. Clients cannot send the header.

use std::sync::Mutex;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::clock::MINUTE_MS;
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
    /// Metrics are late or lost.
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
            kind,
            probability: 1.0,
            count: None,
            delay_ms: 0,
            rule: None,
            weights: Vec::new(),
        }
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
    /// The change is made, the answer is HTTP 500.
    ErrorAfterCommit,
    /// The change is made, the connection is closed without an answer.
    DropAfterCommit,
    /// The answer comes later.
    Delay,
    /// `GetMetricData` says `PartialData` without a token and leaves values out.
    PartialData,
    /// `GetMetricData` says `InternalError` for every query.
    InternalError,
    /// After the answer somebody else changes weights.
    ForeignWrite,
}

/// Metrics are late or lost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricsFault {
    /// What happens.
    pub kind: MetricsFaultKind,
    /// Only metrics with this target group. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Simulated minutes after which it is over by itself. Default: until cleared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minutes: Option<u32>,
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
    pub(crate) fn draw_api(&self, operation: &str) -> Option<ApiFault> {
        let mut inner = self.inner.lock().expect("faults lock");
        let Inner { standing, dice, .. } = &mut *inner;
        let hit = standing.iter_mut().position(|standing| match &standing.fault {
            Fault::Api(fault) => {
                (fault.operation == "*" || fault.operation == operation)
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

    /// Whether a sample counted now is lost. `group` is a target group's name.
    pub(crate) fn loses_metrics(&self, group: Option<&str>, now_ms: i64) -> bool {
        self.metrics_fault(MetricsFaultKind::Missing, group, now_ms).is_some()
    }

    /// The moment after which nothing can be read, if metrics are stale.
    pub(crate) fn stale_since(&self, group: Option<&str>, now_ms: i64) -> Option<i64> {
        self.metrics_fault(MetricsFaultKind::Stale, group, now_ms)
    }

    fn metrics_fault(
        &self,
        kind: MetricsFaultKind,
        group: Option<&str>,
        now_ms: i64,
    ) -> Option<i64> {
        let inner = self.inner.lock().expect("faults lock");
        inner.standing.iter().find_map(|standing| {
            let Fault::Metrics(fault) = &standing.fault else {
                return None;
            };
            let over = fault.minutes.is_some_and(|minutes| {
                now_ms >= standing.since_ms + i64::from(minutes) * MINUTE_MS
            });
            let applies = fault.kind == kind
                && !over
                && fault.group.as_deref().is_none_or(|name| group == Some(name));
            applies.then_some(standing.since_ms)
        })
    }
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
        assert!(faults.draw_api("DescribeRules").is_none());
        assert!(faults.draw_api("ModifyRule").is_some());
        assert!(faults.draw_api("ModifyRule").is_some());
        assert!(faults.draw_api("ModifyRule").is_none());
        assert!(faults.list().is_empty());
    }

    #[test]
    fn an_unknown_key_in_a_fault_is_refused() {
        let text = r#"{"on": "api", "operation": "*", "kind": "throttle", "cuont": 1}"#;
        assert!(serde_json::from_str::<Fault>(text).unwrap_err().to_string().contains("cuont"));
    }
}
