//! `rolloutctl export`: minutes out of CloudWatch, as a replay reads them.

use super::remote::block_on;
use crate::adapters::aws::Aws;
use crate::adapters::cloudwatch::CloudWatch;
use crate::config;
use crate::domain::minute::Minute;
use crate::ports::{Metrics as _, MinutesWanted};
use crate::replay::export;
use anyhow::{Context as _, bail};
use jiff::Timestamp;
use std::path::PathBuf;
use std::process::ExitCode;

/// Write recorded minutes as CSV for `backtest` and `replay`.
///
/// Reads the target groups of the configuration from CloudWatch, which keeps minutes
/// for 15 days. All routes are summed.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  rolloutctl export --config rollout.toml --from 2026-11-24T08:00:00Z --to 2026-11-24T12:00:00Z > minutes.csv"
)]
pub struct Export {
    /// The controller's configuration.
    #[arg(long)]
    config: PathBuf,
    /// Which rollout of the configuration; needed only if it has several.
    #[arg(long)]
    rollout: Option<String>,
    /// The first minute, RFC 3339. Begin a day before the rollout: that is its history.
    #[arg(long, value_name = "TIME")]
    from: Timestamp,
    /// The minute after the last one.
    #[arg(long, value_name = "TIME")]
    to: Timestamp,
    /// When the rollout began; default: the first minute with requests to the new
    /// side.
    #[arg(long, value_name = "TIME")]
    start: Option<Timestamp>,
}

/// Reads and prints.
///
/// # Errors
/// If the config makes no sense or CloudWatch cannot be read.
pub fn run(args: &Export) -> anyhow::Result<ExitCode> {
    let config = config::load(&args.config)?;
    let rollout = config.rollout(args.rollout.as_deref())?;
    let (from, until) = (Minute::containing(args.from), Minute::containing(args.to));
    if until <= from {
        bail!("--to is {}, not after --from, {}; give a later time", args.to, args.from);
    }
    let terms = &rollout.terms;
    let edges_ms = terms.evidence.edges().as_ms();
    let comparisons = terms.evidence.wrong_answers().is_some();
    let wanted = MinutesWanted { routes: &terms.routes, from, until, edges_ms, comparisons };
    let read = block_on(async {
        let mut answers = CloudWatch::new(Aws::new()).minutes(&[wanted]).await;
        let read = answers.pop().context("no answer")?;
        Ok(read?)
    })?;
    let exported = export::csv(&read, terms, args.start.map(Minute::containing));
    super::out(&exported.csv)?;
    eprint!("{} minutes", exported.minutes);
    match exported.first.and_then(Minute::start) {
        Some(first) => eprint!(", the rollout begins at {first}"),
        None => eprint!(", none with requests to {}", terms.labels.new),
    }
    match exported.left_out {
        Some((count, why)) => eprintln!("; {count} left out: {why}"),
        None => eprintln!(),
    }
    Ok(ExitCode::SUCCESS)
}
