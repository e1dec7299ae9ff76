//! Requests by hour, for plans alone.

use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, Metric, MetricDataQuery, MetricStat, StatusCode};
use jiff::Timestamp;
use std::collections::BTreeMap;

use super::CloudWatch;
use crate::adapters::aws::CallError;
use crate::domain::route::{GroupArn, Route};

const OPERATION: &str = "GetMetricData";

impl CloudWatch {
    /// Requests to all groups of these routes in each whole hour from one time until
    /// before another, by the hour's beginning in seconds of Unix time. An hour
    /// without requests is absent.
    ///
    /// # Errors
    /// [`CallError`] if a call fails or AWS does not answer completely.
    pub async fn hours(
        &self,
        routes: &[Route],
        from: Timestamp,
        until: Timestamp,
    ) -> Result<BTreeMap<i64, f64>, CallError> {
        let mut groups: Vec<(&Route, &GroupArn)> = Vec::new();
        for route in routes {
            for group in [&route.old_group, &route.new_group] {
                if !groups.iter().any(|(_, known)| *known == group) {
                    groups.push((route, group));
                }
            }
        }
        let queries = groups.iter().enumerate().map(|(n, (route, group))| query(n, route, group));
        let client = self.aws.cloudwatch().await;
        let mut pages = client
            .get_metric_data()
            .set_metric_data_queries(Some(queries.collect()))
            .start_time(DateTime::from_secs(from.as_second()))
            .end_time(DateTime::from_secs(until.as_second()))
            .into_paginator()
            .send();
        let mut hours: BTreeMap<i64, f64> = BTreeMap::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| CallError::new(OPERATION, &error))?;
            for result in page.metric_data_results() {
                let whole = [Some(&StatusCode::Complete), Some(&StatusCode::PartialData)];
                if !whole.contains(&result.status_code()) {
                    return Err(CallError::finding(OPERATION, "the answer is not complete"));
                }
                for (at, value) in result.timestamps().iter().zip(result.values()) {
                    *hours.entry(at.secs()).or_default() += value;
                }
            }
        }
        Ok(hours)
    }
}

fn query(n: usize, route: &Route, group: &GroupArn) -> MetricDataQuery {
    let dimension = |name: &str, value: &str| Dimension::builder().name(name).value(value).build();
    let metric = Metric::builder()
        .namespace("AWS/ApplicationELB")
        .metric_name("RequestCount")
        .dimensions(dimension("LoadBalancer", &route.rule.load_balancer_dimension()))
        .dimensions(dimension("TargetGroup", group.dimension()))
        .build();
    let stat = MetricStat::builder().metric(metric).period(3_600).stat("Sum").build();
    MetricDataQuery::builder().id(format!("g{n}")).metric_stat(stat).build()
}
