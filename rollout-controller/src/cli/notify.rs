//! `notify --test`: does a page arrive?

use super::check::send;
use super::remote::{Remote, block_on};
use crate::adapters::aws::Aws;
use crate::adapters::clock;
use crate::adapters::invoke::who;
use crate::adapters::wire;
use crate::check::Examination;
use crate::check::errand::{Errand, notify};
use crate::config;
use anyhow::{Context as _, bail};
use std::path::PathBuf;
use std::process::ExitCode;

/// Prove every channel before the first night: a test page, its clear, an event.
///
/// The controller sends, with its own role; with --direct you do, with yours. The
/// clear has the key of the page, so the incident it opens is closed again. Nothing
/// is journalled.
///
/// Exit codes as `check`: 0 accepted everywhere, 11 not proven, 12 refused.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  rolloutctl notify --test\n  rolloutctl notify --test --direct --config rollout.toml"
)]
pub struct Args {
    /// Send a test message.
    #[arg(long, required = true)]
    test: bool,
    /// Send with your own credentials, without the controller.
    #[arg(long, requires = "config")]
    direct: bool,
    /// The controller's configuration, for --direct.
    #[arg(long, value_name = "FILE", env = "ROLLOUT_CONFIG_FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    remote: Remote,
}

/// Runs `notify`.
///
/// # Errors
/// If the controller cannot be reached, or the configuration cannot be used.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let examination = block_on(async {
        let place = args.remote.place()?;
        match (&args.config, args.direct) {
            (Some(file), true) => direct(args, &place.aws, file).await,
            (None, true) => bail!("--direct needs --config FILE"),
            (_, false) => {
                let errand = Errand::NotifyTest {
                    rollout: place.rollout.clone(),
                    identity: who(&place.aws).await,
                };
                send(&place, &errand).await
            }
        }
    })?;
    let text = if args.remote.json {
        serde_json::to_string_pretty(&examination)? + "\n"
    } else {
        examination.render()
    };
    super::out(&text)?;
    Ok(ExitCode::from(examination.level().exit_code()))
}

async fn direct(args: &Args, aws: &Aws, file: &std::path::Path) -> anyhow::Result<Examination> {
    let config = config::load(file).with_context(|| format!("reading {}", file.display()))?;
    let rollout = config.rollout(args.remote.rollout.as_deref())?;
    let clock = clock::clock(|name| std::env::var(name).ok())?;
    let world = wire::world(&config, aws, false, clock.clone())?;
    let identity = who(aws).await;
    let now = clock.now();
    Ok(notify("you", &world, &config, rollout, &identity, now).await)
}
