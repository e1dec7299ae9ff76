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
    /// A variable of the function, such as LOCAL_CLOUD_WRONG=drops-a-field
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = pair)]
    environment: Vec<(String, String)>,
    /// Only cases whose name contains one of these
    #[arg(value_name = "NAME")]
    only: Vec<String>,
}

/// Runs the cases; failure if any differs.
///
/// # Errors
/// What kept the cases from being tried.
pub async fn parity(args: ParityArgs) -> anyhow::Result<ExitCode> {
    let ParityArgs { cases, binary, environment, only } = args;
    let binary = binary.map_or_else(|| sibling("scorer-fn"), Ok)?;
    let options = Options { cases, binary, only, environment };
    let outcomes = run(&options, |outcome| println!("{outcome}")).await?;
    let failed = outcomes.iter().filter(|outcome| !outcome.passed()).count();
    println!("{} passed, {failed} failed", outcomes.len() - failed);
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn pair(text: &str) -> Result<(String, String), &'static str> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// A program of the same build.
pub(super) fn sibling(name: &str) -> anyhow::Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name(name))
}
