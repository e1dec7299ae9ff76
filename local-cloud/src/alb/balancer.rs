//! Load balancers and target groups as the data plane sees them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::response::Extra;
use super::rule::Rule;
use crate::clock::Clock;

/// A load balancer with its one listener.
#[derive(Debug)]
pub(crate) struct Balancer {
    pub(crate) name: String,
    pub(crate) arn: String,
    pub(crate) listener_arn: String,
    /// Value of the `LoadBalancer` dimension.
    pub(crate) dimension: String,
    pub(crate) port: u16,
    pub(super) propagation: Duration,
    pub(super) published: Mutex<VecDeque<(Instant, Arc<Vec<Rule>>)>>,
}

impl Balancer {
    /// The rules that the data plane follows now, in the order they are tried.
    pub(crate) fn effective_rules(&self) -> Arc<Vec<Rule>> {
        let mut published = self.published.lock().expect("published lock");
        let now = Instant::now();
        while published.get(1).is_some_and(|(from, _)| *from <= now) {
            published.pop_front();
        }
        published.front().map(|(_, rules)| rules.clone()).unwrap_or_default()
    }

    /// Lets the data plane follow these rules after `delay`; the simulated time
    /// of the change. No request that comes later follows the old ones, as both
    /// happen under one lock.
    pub(super) fn publish(&self, mut rules: Vec<Rule>, delay: Duration, clock: &Clock) -> i64 {
        rules.sort_by_key(Rule::rank);
        let mut published = self.published.lock().expect("published lock");
        published.push_back((Instant::now() + delay, Arc::new(rules)));
        clock.now_ms()
    }
}

/// How a target of a group is shown, and whether it gets requests.
///
/// A Lambda group has one target; the load balancer sends to it whatever its
/// health is, since there is no other one, except while it is draining.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetHealth {
    /// Health checks are on and pass.
    Healthy,
    /// Health checks are on and fail.
    Unhealthy,
    /// Health checks are on and have not said anything yet.
    Initial,
    /// Health checks are off: AWS's default for Lambda groups.
    Unavailable,
    /// Being deregistered: gets no new request.
    Draining,
}

/// The target of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// A function, or `function:QUALIFIER`.
    pub(crate) function: String,
    pub(crate) health: TargetHealth,
}

/// A target group; its target changes and is kept by the control plane.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) arn: String,
    /// Value of the `TargetGroup` dimension.
    pub(crate) dimension: String,
    pub(crate) health_check: bool,
    /// Whether several load balancers may forward to it.
    pub(crate) shared: bool,
    pub(crate) multi_value: bool,
    pub(crate) extra: Extra,
}
