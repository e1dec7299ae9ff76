//! Puts the real world together from the configuration.

use crate::adapters::alb::Alb;
use crate::adapters::aws::Aws;
use crate::adapters::cloudwatch::CloudWatch;
use crate::adapters::deployments::Lambdas;
use crate::adapters::endpoints::Network;
use crate::adapters::ledger::{LedgerUrl, LedgerUrlError, Login, SqlLedger};
use crate::adapters::logs::Logs;
use crate::adapters::messages::Channels;
use crate::adapters::ssm::Parameters;
use crate::config::{Config, LedgerConfig};
use crate::ports::{Clock, World};
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
pub fn world(
    config: &Config,
    aws: &Aws,
    iam: bool,
    clock: Arc<dyn Clock>,
) -> Result<World, LedgerUrlError> {
    let (address, login) = ledger(&config.ledger, aws, iam)?;
    let cloudwatch = Arc::new(CloudWatch::new(aws.clone()));
    let (paging, bus) = (config.paging.clone(), config.bus.clone());
    Ok(World {
        ledger: Arc::new(SqlLedger::new(address, login)),
        traffic: Arc::new(Alb::new(aws.clone(), clock.clone())),
        metrics: cloudwatch.clone(),
        answers_log: Arc::new(Logs::new(aws.clone())),
        alarms: cloudwatch,
        deployments: Arc::new(Lambdas::new(aws.clone())),
        outposts: Arc::new(Parameters::new(aws.clone())),
        messages: Arc::new(Channels::new(aws.clone(), paging, bus)),
        endpoints: Arc::new(Network::new(aws.clone(), config)),
        clock,
        memory: Arc::default(),
    })
}
