//! Load balancers and target groups as the data plane sees them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

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

/// A target group.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) arn: String,
    /// Value of the `TargetGroup` dimension.
    pub(crate) dimension: String,
    pub(crate) function: Option<String>,
    pub(crate) multi_value: bool,
    pub(crate) extra: Extra,
}
