//! `rolloutctl replay`: what would the engine have decided?

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;

use crate::{config, replay};

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
    /// Judge with this engine; default: the one that the meta file is of.
    #[arg(long, value_enum)]
    engine: Option<Which>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// An engine.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Which {
    /// The first.
    #[value(name = "evidence-1")]
    One,
    /// The second, for new rollouts.
    #[value(name = "evidence-2")]
    Two,
}

/// Judge recorded minutes with a configuration: where would it have advanced, held,
/// rolled back?
///
/// What the new side got in each minute is what was recorded, whatever this configuration
/// would have given it; a step counts only when the recording has made it, too.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  rolloutctl backtest minutes.csv --config rollout.toml\n  rolloutctl backtest minutes.csv --config rollout.toml --against stricter.toml"
)]
pub struct Backtest {
    /// The recording, CSV, as `rolloutctl export` writes it.
    file: PathBuf,
    /// The controller's configuration.
    #[arg(long)]
    config: PathBuf,
    /// Another configuration, to see both beside each other.
    #[arg(long)]
    against: Option<PathBuf>,
    /// Which rollout of the configurations; needed only if they have several.
    #[arg(long)]
    rollout: Option<String>,
    /// Print JSON: one replay for each configuration.
    #[arg(long)]
    json: bool,
}

/// Judges the recording with one or two configurations.
///
/// # Errors
/// If a file cannot be read or does not have the expected form.
pub fn run_backtest(args: &Backtest) -> anyhow::Result<ExitCode> {
    let text = read(&args.file)?;
    let mut replays = Vec::new();
    for file in [Some(&args.config), args.against.as_ref()].into_iter().flatten() {
        let config = config::load(file)?;
        let rollout = config.rollout(args.rollout.as_deref())?;
        let name = file.display().to_string();
        let replay = replay::backtest(&name, &text, &rollout.terms)
            .with_context(|| format!("judging {} with {name}", args.file.display()))?;
        replays.push(replay);
    }
    super::out(&if args.json {
        serde_json::to_string_pretty(&replays)? + "\n"
    } else {
        replays.iter().map(replay::Replay::render).collect::<Vec<_>>().join("\n")
    })?;
    Ok(ExitCode::SUCCESS)
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))
}

/// Replays the recording and prints the decisions.
///
/// # Errors
/// If a file cannot be read or does not have the expected form.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let with = args.engine.map(|which| match which {
        Which::One => replay::With::Evidence1,
        Which::Two => replay::With::Evidence2,
    });
    let name = args.file.file_stem().map(|stem| stem.to_string_lossy()).unwrap_or_default();
    let replay =
        replay::run(&name, &read(&args.file)?, &read(&args.meta)?, with).with_context(|| {
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
