//! `rolloutctl vectors`: does this build compute the evidence as it should?

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;

use crate::vectors;

/// Run test vectors against the evidence engine.
///
/// Exit code 0 if all agree, 1 if any does not or the file cannot be read.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  rolloutctl vectors evidence-vectors.json")]
pub struct Args {
    /// The file of vectors, JSON.
    file: PathBuf,
}

/// Runs the file and prints what passed and failed.
///
/// # Errors
/// If the file cannot be read or does not have the expected form.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let text = std::fs::read_to_string(&args.file)
        .with_context(|| format!("reading {}", args.file.display()))?;
    let outcome = vectors::run(&text).with_context(|| format!("in {}", args.file.display()))?;
    super::out(&outcome.render())?;
    Ok(if outcome.failed() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
