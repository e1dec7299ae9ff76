//! Weights of listener rules, on ELBv2.
//!
//! The API knows no compare-and-swap: [`Traffic::shift`] reads, compares, writes
//! once and reads back, and the load balancer is the only judge of what it became.

mod conditions;
mod groups;
mod header;
mod reader;
mod rewrite;
mod shift;
mod weights;

use std::sync::Arc;

use async_trait::async_trait;

use self::reader::Reader;
pub use self::reader::RuleCalls;
use crate::adapters::aws::Aws;
use crate::domain::route::Route;
use crate::domain::weight::Weight;
use crate::planted::planted;
use crate::ports::{Clock, RouteSeen, Share, Traffic, TrafficError, WritePermit};

/// The load balancers of one region.
pub struct Alb {
    aws: Aws,
    rules: Rules,
}

impl Alb {
    /// Speaks with these settings; the clock is only for deadlines of writes.
    pub fn new(aws: Aws, clock: Arc<dyn Clock>) -> Self {
        Self { rules: Rules::over(Arc::new(aws.clone()), clock), aws }
    }
}

#[async_trait]
impl Traffic for Alb {
    async fn read(&self, route: &Route) -> Result<RouteSeen, TrafficError> {
        self.rules.read(route).await
    }

    async fn shift(
        &self,
        permit: &WritePermit,
        route: &Route,
        from: Option<Weight>,
        to: Weight,
    ) -> Result<Share, TrafficError> {
        self.rules.shift(permit, route, from, to).await
    }

    async fn rewrite(&self, permit: &WritePermit, route: &Route) -> Result<Share, TrafficError> {
        self.rules.rewrite(permit, route).await
    }
}

/// Listener rules and their weights, over whatever makes the calls.
pub struct Rules {
    reader: Reader,
    clock: Arc<dyn Clock>,
}

impl Rules {
    /// Over these calls; the clock is for pauses and for deadlines of writes.
    pub fn over(calls: Arc<dyn RuleCalls>, clock: Arc<dyn Clock>) -> Self {
        Self { reader: Reader::new(calls), clock }
    }
}

#[async_trait]
impl Traffic for Rules {
    /// Reads of routes on one listener share a call if they run at the same time.
    async fn read(&self, route: &Route) -> Result<RouteSeen, TrafficError> {
        let rules = self.reader.rules_of_listener(route).await?;
        let Some(rule) = rules.iter().find(|rule| rule.rule_arn() == Some(route.rule.as_str()))
        else {
            return Err(TrafficError::Unknown {
                rule: route.rule.clone(),
                route: route.name.clone(),
            });
        };
        Ok(RouteSeen {
            share: weights::share(rule, route),
            priority: reader::priority(rule),
            sticky: weights::is_sticky(rule) && !planted!(StickinessUnseen),
            header_rule: if planted!(HeaderRuleUnseen) {
                Vec::new()
            } else {
                header::complaints(&rules, rule, route)
            },
            mixed: weights::mixed(&rules, rule, route),
        })
    }

    async fn shift(
        &self,
        permit: &WritePermit,
        route: &Route,
        from: Option<Weight>,
        to: Weight,
    ) -> Result<Share, TrafficError> {
        shift::shift(&self.reader, self.clock.as_ref(), permit, route, from, to).await
    }

    async fn rewrite(&self, permit: &WritePermit, route: &Route) -> Result<Share, TrafficError> {
        let clock = self.clock.as_ref();
        rewrite::rewrite(&self.reader, clock, permit, route).await
    }
}
