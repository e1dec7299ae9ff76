//! `rolloutctl replay`: what would the engine have decided?

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;

use crate::replay;

/// Judge a recorded rollout again and show the decisions.
///
/// Exit code 0 if they are those on record in the meta file, or if none are on
/// record; 1 if they differ or a file cannot be read.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  rolloutctl replay healthy.csv --meta meta.json")]
pub struct Args {
    /// The recording, CSV: one line a minute and side.
    file: PathBuf,
    /// The file that describes it, JSON: edges, lag, stages, bake, and by the
    /// recording's name the decisions on record.
    #[arg(long)]
    meta: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Replays the recording and prints the decisions.
///
/// # Errors
/// If a file cannot be read or does not have the expected form.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let read = |path: &Path| {
        std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))
    };
    let name = args.file.file_stem().map(|stem| stem.to_string_lossy()).unwrap_or_default();
    let replay = replay::run(&name, &read(&args.file)?, &read(&args.meta)?).with_context(|| {
        format!("replaying {} with {}", args.file.display(), args.meta.display())
    })?;
    let text = if args.json {
        serde_json::to_string_pretty(&replay)?
            + "
"
    } else {
        replay.render()
    };
    super::out(&text)?;
    let agrees = replay.agreement.is_none_or(|agreement| agreement.agrees);
    Ok(if agrees { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
