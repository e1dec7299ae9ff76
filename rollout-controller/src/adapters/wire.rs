//! Puts the real world together from the configuration.

use crate::adapters::alb::Alb;
use crate::adapters::aws::Aws;
use crate::adapters::cloudwatch::CloudWatch;
use crate::adapters::eventbridge::EventBridge;
use crate::adapters::ledger::{LedgerUrl, LedgerUrlError, Login, SqlLedger};
use crate::adapters::sns::SnsPager;
use crate::config::{Config, LedgerConfig};
use crate::ports::{SystemClock, World};
use std::sync::Arc;

/// The ledger's address and login. `ROLLOUT_LEDGER_IAM=1` logs in with an RDS
/// token instead of a password.
///
/// # Errors
/// The URL's problem; its password is not shown.
pub fn ledger(
    config: &LedgerConfig,
    aws: &Aws,
    iam: bool,
) -> Result<(LedgerUrl, Login), LedgerUrlError> {
    let address = config.url.parse::<LedgerUrl>()?;
    let login = match &config.secret_arn {
        Some(arn) => Login::secret(aws.clone(), arn.as_str()),
        None if iam => Login::rds_iam(aws.clone()),
        None => Login::in_url(),
    };
    Ok((address, login))
}

/// Nothing is connected yet: clients and the database connect when first used.
///
/// # Errors
/// As [`ledger`].
pub fn world(config: &Config, aws: &Aws, iam: bool) -> Result<World, LedgerUrlError> {
    let (address, login) = ledger(&config.ledger, aws, iam)?;
    let cloudwatch = Arc::new(CloudWatch::new(aws.clone()));
    let clock = Arc::new(SystemClock);
    let paging = config.paging.clone();
    Ok(World {
        ledger: Arc::new(SqlLedger::new(address, login)),
        traffic: Arc::new(Alb::new(aws.clone(), clock.clone())),
        metrics: cloudwatch.clone(),
        alarms: cloudwatch,
        pager: Arc::new(SnsPager::new(
            aws.clone(),
            paging.topic_arn,
            paging.chat_topic_arn,
            paging.runbooks,
        )),
        announcer: Arc::new(EventBridge::new(aws.clone(), config.bus.clone())),
        clock,
    })
}
