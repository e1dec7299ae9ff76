//! Whether each AWS service answers where this process runs.
//!
//! In a VPC without a way out each service needs an endpoint of its own, and a
//! missing one, or one whose security group lets nobody in, shows as a call that
//! is never answered. So each is asked for something small that changes nothing. The
//! roles may not ask for all of it, and need not: a refusal is an answer.

use super::aws::{Aws, CallError};
use crate::config::Config;
use crate::ports::{Endpoints, Reached, Service, Tried};
use async_trait::async_trait;
use aws_sdk_lambda::error::{ProvideErrorMetadata, SdkError};
use futures_util::future::join_all;
use std::time::Duration;

/// Time for one service, with the connection and everything tried again. All are
/// asked at once.
const LIMIT: Duration = Duration::from_secs(3);

/// What is asked of each service.
#[derive(Clone, Debug)]
enum Asked {
    Rule(String),
    Alarms,
    Parameter(String),
    Account,
    Topic(String),
    Bus(String),
    Secret(String),
    Log(String),
}

/// The services that a configuration needs.
pub struct Network {
    aws: Aws,
    asked: Vec<(Service, Asked)>,
}

impl Network {
    /// Of this configuration, with these settings.
    pub fn new(aws: Aws, config: &Config) -> Self {
        let mut asked =
            vec![(Service::Monitoring, Asked::Alarms), (Service::Functions, Asked::Account)];
        if let Some(rollout) = config.rollouts.first() {
            let name = format!("/rollout/{}/run", rollout.name);
            asked.push((Service::Parameters, Asked::Parameter(name)));
            let rule = rollout.terms.routes.first().map(|route| route.rule.as_str().to_owned());
            asked.extend(rule.map(|rule| (Service::LoadBalancing, Asked::Rule(rule))));
        }
        let topic = config.paging.topic_arn.clone().or(config.paging.chat_topic_arn.clone());
        asked.extend(topic.map(|arn| (Service::Topics, Asked::Topic(arn))));
        asked.extend(config.bus.clone().map(|bus| (Service::Buses, Asked::Bus(bus))));
        let secret = config.ledger.secret_arn.clone();
        asked.extend(secret.map(|arn| (Service::Secrets, Asked::Secret(arn))));
        let log = config.rollouts.iter().find_map(|rollout| rollout.settings.answers_log.clone());
        asked.extend(log.map(|name| (Service::Logs, Asked::Log(name))));
        asked.sort_by_key(|(service, _)| *service);
        Self { aws, asked }
    }

    async fn ask(&self, asked: &Asked) -> Reached {
        match asked {
            Asked::Rule(arn) => {
                let call = self.aws.elb().await.describe_rules().rule_arns(arn);
                reached("DescribeRules", call.send().await)
            }
            Asked::Alarms => {
                let call = self.aws.cloudwatch().await.describe_alarms().max_records(1);
                reached("DescribeAlarms", call.send().await)
            }
            Asked::Parameter(name) => {
                let call = self.aws.ssm().await.get_parameters().names(name);
                reached("GetParameters", call.send().await)
            }
            Asked::Account => {
                let call = self.aws.lambda().await.get_account_settings();
                reached("GetAccountSettings", call.send().await)
            }
            Asked::Topic(arn) => {
                let call = self.aws.sns().await.get_topic_attributes().topic_arn(arn);
                reached("GetTopicAttributes", call.send().await)
            }
            Asked::Bus(name) => {
                let call = self.aws.eventbridge().await.describe_event_bus().name(name);
                reached("DescribeEventBus", call.send().await)
            }
            Asked::Secret(arn) => {
                let call = self.aws.secrets().await.describe_secret().secret_id(arn);
                reached("DescribeSecret", call.send().await)
            }
            Asked::Log(name) => {
                let call = self.aws.logs().await.describe_log_groups();
                let call = call.log_group_name_prefix(name).limit(1);
                reached("DescribeLogGroups", call.send().await)
            }
        }
    }
}

fn reached<T, E, R>(operation: &'static str, answer: Result<T, SdkError<E, R>>) -> Reached
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    match answer {
        Ok(_) | Err(SdkError::ServiceError(_) | SdkError::ResponseError(_)) => Reached::Answered,
        Err(error @ SdkError::ConstructionFailure(_)) => {
            Reached::Untried(CallError::new(operation, &error).into())
        }
        Err(error) => {
            let error = CallError::new(operation, &error);
            let untried = error.is_not_set_up();
            if untried { Reached::Untried(error.into()) } else { Reached::Silent(error.into()) }
        }
    }
}

#[async_trait]
impl Endpoints for Network {
    async fn try_all(&self) -> Vec<Tried> {
        let each = self.asked.iter().map(async |(service, asked)| {
            let reached = tokio::time::timeout(LIMIT, self.ask(asked)).await;
            let reached = reached.unwrap_or_else(|_| {
                Reached::Silent(format!("no answer within {} s", LIMIT.as_secs()).into())
            });
            Tried { service: *service, reached }
        });
        join_all(each).await
    }
}
