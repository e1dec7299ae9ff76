//! `config check`, `config example`, and `migrate`.

use super::remote::block_on;
use crate::adapters::aws::Aws;
use crate::adapters::ledger::migrate;
use crate::adapters::wire;
use crate::config;
use anyhow::Context as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// Look at a configuration before the controller does.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  rolloutctl config example > rollout.toml\n  rolloutctl config check rollout.toml"
)]
pub struct Config {
    #[command(subcommand)]
    what: ConfigCommand,
}

#[derive(Debug, clap::Subcommand)]
enum ConfigCommand {
    /// Read a file, and report every problem with key, value and fix.
    #[command(after_help = "Example:\n  rolloutctl config check rollout.toml")]
    Check {
        /// The TOML file.
        file: PathBuf,
    },
    /// Print a complete example.
    #[command(after_help = "Example:\n  rolloutctl config example > rollout.toml")]
    Example,
}

/// Runs `config`.
///
/// # Errors
/// What is wrong with the file.
pub fn run_config(args: &Config) -> anyhow::Result<ExitCode> {
    match &args.what {
        ConfigCommand::Example => super::out(config::EXAMPLE)?,
        ConfigCommand::Check { file } => {
            let config = config::load(file)?;
            for rollout in &config.rollouts {
                let terms = &rollout.terms;
                let stages: Vec<String> = terms.stages.iter().map(ToString::to_string).collect();
                super::out(&format!(
                    "ok: rollout `{}`: {} route(s), stages {}, {:?}\n",
                    rollout.name,
                    terms.routes.len(),
                    stages.join(", "),
                    rollout.mode
                ))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Make or update the journal's tables. Part of a deployment, never of a tick.
///
/// Use the database's own address, not the proxy's: migrations lock a session.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  rolloutctl migrate --config rollout.toml --ledger-url postgres://admin@db-host/rollout"
)]
pub struct Migrate {
    /// The controller's configuration.
    #[arg(long, value_name = "FILE", env = "ROLLOUT_CONFIG_FILE")]
    config: PathBuf,
    /// Address of the database, instead of the configuration's.
    #[arg(long, env = "ROLLOUT_LEDGER_URL", hide_env_values = true, value_name = "URL")]
    ledger_url: Option<String>,
}

/// Runs `migrate`.
///
/// # Errors
/// If the configuration or the database does not allow it.
pub fn run_migrate(args: &Migrate) -> anyhow::Result<ExitCode> {
    let mut config = config::load(&args.config)?;
    if let Some(url) = &args.ledger_url {
        config.ledger.url.clone_from(url);
    }
    let iam = std::env::var("ROLLOUT_LEDGER_IAM").is_ok_and(|value| value == "1");
    let (address, login) = wire::ledger(&config.ledger, &Aws::new(), iam)?;
    let migrated =
        block_on(async { migrate(&address, &login).await.context("migrating the ledger") })?;
    let applied = migrated.applied.len();
    super::out(&format!(
        "ok: the ledger is at version {}, {applied} migration(s) applied\n",
        migrated.version
    ))?;
    Ok(ExitCode::SUCCESS)
}
