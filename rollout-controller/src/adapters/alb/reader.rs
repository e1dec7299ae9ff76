//! DescribeRules and ModifyRule.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_elasticloadbalancingv2::config::Builder as ConfigBuilder;
use aws_sdk_elasticloadbalancingv2::config::retry::RetryConfig;
use aws_sdk_elasticloadbalancingv2::config::timeout::TimeoutConfig;
use aws_sdk_elasticloadbalancingv2::types::{Action, Rule};
use tokio::sync::OnceCell;

use crate::adapters::aws::{Aws, CallError};
use crate::domain::route::{ListenerArn, Route};
use crate::ports::TrafficError;

/// More pages than a load balancer can have rules (100; a quota that can be raised).
const MOST_PAGES: usize = 20;
const PAGE_SIZE: i32 = 100;

/// The calls that reads and writes of weights are made of: AWS, or a simulated load
/// balancer that interrupts a change of weights between any two of them.
#[async_trait]
pub trait RuleCalls: Send + Sync {
    /// All rules of a listener, in any order.
    async fn of_listener(&self, listener: &str) -> Result<Vec<Rule>, CallError>;

    /// One rule; `None` if the answer does not have it.
    async fn rule(&self, rule: &str) -> Result<Option<Rule>, CallError>;

    /// Replaces a rule's actions, in one attempt that ends within `limit`.
    async fn modify(
        &self,
        rule: &str,
        actions: Vec<Action>,
        limit: Duration,
    ) -> Result<(), CallError>;
}

#[async_trait]
impl RuleCalls for Aws {
    async fn of_listener(&self, listener: &str) -> Result<Vec<Rule>, CallError> {
        let client = self.elb().await;
        let (mut rules, mut marker) = (Vec::new(), None);
        for _ in 0..MOST_PAGES {
            let page = client
                .describe_rules()
                .listener_arn(listener)
                .page_size(PAGE_SIZE)
                .set_marker(marker)
                .send()
                .await
                .map_err(|error| CallError::new(DESCRIBE, &error))?;
            rules.extend(page.rules.unwrap_or_default());
            marker = page.next_marker.filter(|marker| !marker.is_empty());
            if marker.is_none() {
                return Ok(rules);
            }
        }
        Err(CallError::finding(DESCRIBE, format!("more than {MOST_PAGES} pages of rules")))
    }

    async fn rule(&self, rule: &str) -> Result<Option<Rule>, CallError> {
        let asked = self.elb().await.describe_rules().rule_arns(rule).send().await;
        let answer = asked.map_err(|error| CallError::new(DESCRIBE, &error))?;
        let mut rules = answer.rules.unwrap_or_default().into_iter();
        Ok(rules.find(|found| found.rule_arn() == Some(rule)))
    }

    /// The SDK's own retries are off: they would repeat the write without looking
    /// at the rule again, over whatever somebody else wrote meanwhile.
    async fn modify(
        &self,
        rule: &str,
        actions: Vec<Action>,
        limit: Duration,
    ) -> Result<(), CallError> {
        let once = ConfigBuilder::new().retry_config(RetryConfig::disabled()).timeout_config(
            TimeoutConfig::builder()
                .operation_timeout(limit)
                .operation_attempt_timeout(limit)
                .build(),
        );
        self.elb()
            .await
            .modify_rule()
            .rule_arn(rule)
            .set_actions(Some(actions))
            .customize()
            .config_override(once)
            .send()
            .await
            .map(drop)
            .map_err(|error| CallError::new(MODIFY, &error))
    }
}

type Listing = Result<Arc<Vec<Rule>>, CallError>;

/// Reads rules; routes of one listener that are read at the same time share a call.
pub(super) struct Reader {
    calls: Arc<dyn RuleCalls>,
    /// Calls under way. Nothing outlives the readers that wait for it.
    under_way: Mutex<HashMap<ListenerArn, Weak<OnceCell<Listing>>>>,
}

impl Reader {
    pub(super) fn new(calls: Arc<dyn RuleCalls>) -> Self {
        Self { calls, under_way: Mutex::default() }
    }

    /// All rules of the route's listener, by priority, the default rule last.
    pub(super) async fn rules_of_listener(
        &self,
        route: &Route,
    ) -> Result<Arc<Vec<Rule>>, TrafficError> {
        let listener = route.rule.listener();
        let call = self.join(&listener);
        let listing = call.get_or_init(|| self.list(&listener)).await;
        listing.clone().map_err(|error| read_error(route, error))
    }

    /// The call of this listener that is under way, or a new one.
    fn join(&self, listener: &ListenerArn) -> Arc<OnceCell<Listing>> {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        under_way.retain(|_, call| call.strong_count() > 0);
        let running = under_way.get(listener).and_then(Weak::upgrade);
        // A finished call is the past: whoever comes later asks again.
        running.filter(|call| !call.initialized()).unwrap_or_else(|| {
            let call = Arc::new(OnceCell::new());
            under_way.insert(listener.clone(), Arc::downgrade(&call));
            call
        })
    }

    async fn list(&self, listener: &ListenerArn) -> Listing {
        let mut rules = self.calls.of_listener(listener.as_str()).await?;
        // The answer's order is not promised.
        rules.sort_by_key(|rule| priority(rule).unwrap_or(u32::MAX));
        Ok(Arc::new(rules))
    }

    /// The route's rule alone, read now.
    pub(super) async fn rule(&self, route: &Route) -> Result<Rule, TrafficError> {
        let answer = self.calls.rule(route.rule.as_str()).await;
        answer.map_err(|error| read_error(route, error))?.ok_or_else(|| unknown(route))
    }

    /// Replaces the actions of the route's rule, in one attempt that ends within `limit`.
    pub(super) async fn write(
        &self,
        route: &Route,
        actions: Vec<Action>,
        limit: Duration,
    ) -> Result<(), CallError> {
        self.calls.modify(route.rule.as_str(), actions, limit).await
    }
}

const DESCRIBE: &str = "DescribeRules";
const MODIFY: &str = "ModifyRule";

/// The rule's number; `None` for the default rule.
pub(super) fn priority(rule: &Rule) -> Option<u32> {
    rule.priority().and_then(|number| number.parse().ok())
}

/// Whether AWS says that the rule (or its listener) is not there.
pub(super) fn says_unknown(error: &CallError) -> bool {
    matches!(error.code(), Some("RuleNotFound" | "ListenerNotFound"))
}

pub(super) fn unknown(route: &Route) -> TrafficError {
    TrafficError::Unknown { rule: route.rule.clone(), route: route.name.clone() }
}

fn read_error(route: &Route, error: CallError) -> TrafficError {
    if says_unknown(&error) {
        unknown(route)
    } else {
        TrafficError::Read { rule: route.rule.clone(), source: error.into() }
    }
}
