//! When did a tick of this rollout last say that it ran? For the doctor alone.

use async_trait::async_trait;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{
    Dimension, Metric, MetricDataQuery, MetricStat, ScanBy, StatusCode,
};

use super::CloudWatch;
use crate::adapters::aws::CallError;
use crate::check::Pulse;
use crate::domain::minute::Minute;
use crate::lambda::metrics::{HEARTBEAT, NAMESPACE, ROLLOUT};
use crate::ports::BoxError;

const OPERATION: &str = "GetMetricData";

#[async_trait]
impl Pulse for CloudWatch {
    async fn last_beat(
        &self,
        rollout: &str,
        from: Minute,
        until: Minute,
    ) -> Result<Option<Minute>, BoxError> {
        let answer = self
            .aws
            .cloudwatch()
            .await
            .get_metric_data()
            .metric_data_queries(query(rollout))
            .start_time(DateTime::from_secs(from.epoch_secs()))
            .end_time(DateTime::from_secs(until.epoch_secs()))
            .scan_by(ScanBy::TimestampDescending)
            .send()
            .await
            .map_err(|error| CallError::new(OPERATION, &error))?;
        let result = answer.metric_data_results().first();
        let whole = result.is_some_and(|r| r.status_code() == Some(&StatusCode::Complete));
        let Some(result) = result.filter(|_| whole) else {
            return Err(CallError::finding(OPERATION, "the answer is not complete").into());
        };
        let minutes = result.timestamps().iter();
        Ok(minutes.map(|at| Minute(at.secs().div_euclid(60))).max())
    }
}

fn query(rollout: &str) -> MetricDataQuery {
    let metric = Metric::builder()
        .namespace(NAMESPACE)
        .metric_name(HEARTBEAT)
        .dimensions(Dimension::builder().name(ROLLOUT).value(rollout).build())
        .build();
    let stat = MetricStat::builder().metric(metric).period(60).stat("Sum");
    MetricDataQuery::builder().id("beat").metric_stat(stat.build()).build()
}
