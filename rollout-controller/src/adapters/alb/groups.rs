//! Target groups as the doctor looks at them. Ticks never read these.

use async_trait::async_trait;
use aws_sdk_elasticloadbalancingv2::Client;
use aws_sdk_elasticloadbalancingv2::types::{TargetGroup, TargetHealthDescription, TargetTypeEnum};

use super::Alb;
use crate::adapters::aws::CallError;
use crate::check::{GroupError, GroupSeen, Groups, TargetSeen};
use crate::domain::route::GroupArn;

const MULTI_VALUE: &str = "lambda.multi_value_headers.enabled";

#[async_trait]
impl Groups for Alb {
    async fn look(&self, group: &GroupArn) -> Result<GroupSeen, GroupError> {
        let client = self.aws.elb().await;
        let found = describe(client, group).await?;
        let of_lambda = found.target_type() == Some(&TargetTypeEnum::Lambda);
        let targets = targets(client, group).await?;
        // Other types of groups do not have the attribute.
        let multi_value_headers = of_lambda && multi_value(client, group).await?;
        Ok(GroupSeen {
            target_type: found.target_type().map_or("unknown", TargetTypeEnum::as_str).to_owned(),
            load_balancers: found.load_balancer_arns().to_vec(),
            targets,
            multi_value_headers,
        })
    }
}

fn failed(group: &GroupArn, operation: &'static str, error: CallError) -> GroupError {
    match error.code() {
        Some("TargetGroupNotFound" | "TargetGroupNotFoundException") => GroupError::Unknown,
        _ => GroupError::Unreadable { operation, group: group.clone(), source: error.into() },
    }
}

async fn describe(client: &Client, group: &GroupArn) -> Result<TargetGroup, GroupError> {
    const OPERATION: &str = "DescribeTargetGroups";
    let asked = client.describe_target_groups().target_group_arns(group.as_str());
    let answer = asked.send().await;
    let answer =
        answer.map_err(|error| failed(group, OPERATION, CallError::new(OPERATION, &error)))?;
    let mut groups = answer.target_groups.unwrap_or_default().into_iter();
    groups.find(|found| found.target_group_arn() == Some(group.as_str())).ok_or(GroupError::Unknown)
}

async fn targets(client: &Client, group: &GroupArn) -> Result<Vec<TargetSeen>, GroupError> {
    const OPERATION: &str = "DescribeTargetHealth";
    let asked = client.describe_target_health().target_group_arn(group.as_str());
    let answer = asked.send().await;
    let answer =
        answer.map_err(|error| failed(group, OPERATION, CallError::new(OPERATION, &error)))?;
    Ok(answer.target_health_descriptions().iter().map(target).collect())
}

fn target(described: &TargetHealthDescription) -> TargetSeen {
    let health = described.target_health();
    let state = health.and_then(|health| health.state());
    TargetSeen {
        id: described.target().and_then(|target| target.id()).unwrap_or("unnamed").to_owned(),
        state: state.map_or("unknown", |state| state.as_str()).to_owned(),
        reason: health.and_then(|health| health.description()).unwrap_or_default().to_owned(),
    }
}

async fn multi_value(client: &Client, group: &GroupArn) -> Result<bool, GroupError> {
    const OPERATION: &str = "DescribeTargetGroupAttributes";
    let asked = client.describe_target_group_attributes().target_group_arn(group.as_str());
    let answer = asked.send().await;
    let answer =
        answer.map_err(|error| failed(group, OPERATION, CallError::new(OPERATION, &error)))?;
    Ok(answer
        .attributes()
        .iter()
        .any(|attribute| attribute.key() == Some(MULTI_VALUE) && attribute.value() == Some("true")))
}
