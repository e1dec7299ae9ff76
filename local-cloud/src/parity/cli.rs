//! `local-cloud parity`.

use std::path::PathBuf;
use std::process::ExitCode;

use super::run::{Options, run};

/// Replay the recorded cases through the load balancer
#[derive(Debug, clap::Args)]
pub struct ParityArgs {
    /// Directory with cases.json and seed.sql
    #[arg(long, value_name = "DIR", default_value = "scorer-fn/tests/golden")]
    cases: PathBuf,
    /// The function; by default the scorer-fn beside this program
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// Only cases whose name contains one of these
    #[arg(value_name = "NAME")]
    only: Vec<String>,
}

/// Runs the cases; failure if any differs.
///
/// # Errors
/// What kept the cases from being tried.
pub async fn parity(args: ParityArgs) -> anyhow::Result<ExitCode> {
    let binary = args.binary.map_or_else(|| sibling("scorer-fn"), Ok)?;
    let options = Options { cases: args.cases, binary, only: args.only };
    let outcomes = run(&options, |outcome| println!("{outcome}")).await?;
    let failed = outcomes.iter().filter(|outcome| !outcome.passed()).count();
    println!("{} passed, {failed} failed", outcomes.len() - failed);
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A program of the same build.
pub(super) fn sibling(name: &str) -> anyhow::Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name(name))
}
