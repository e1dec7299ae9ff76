//! `rolloutctl simulate`: a whole rollout in a described world.

use super::progress::Progress;
use super::remote::block_on;
use crate::config;
use crate::domain::labels::Labels;
use crate::simulate::{self, Described, LIBRARY, Played};
use anyhow::{Context as _, bail};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Play a rollout against a described world, in seconds instead of hours.
///
/// The controller in it is the production one; traffic, services, CloudWatch and
/// people are simulated. Reads nothing of AWS. Exit code 0 whatever the outcome.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  rolloutctl simulate --list\n  rolloutctl simulate down-one-minute-in-ten\n  rolloutctl simulate down-one-minute-in-ten --print > world.toml\n  rolloutctl simulate world.toml --config rollout.toml --runs 100"
)]
pub struct Simulate {
    /// A TOML file, or the name of a world that comes with the program.
    #[arg(required_unless_present = "list")]
    world: Option<String>,
    /// List the worlds that come with the program.
    #[arg(long, exclusive = true)]
    list: bool,
    /// Print the world's TOML instead, to begin one of your own.
    #[arg(long)]
    print: bool,
    /// The controller's configuration; default: the defaults, on the world's routes.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Which rollout of the configuration; needed only if it has several.
    #[arg(long)]
    rollout: Option<String>,
    /// Seed of everything random: the same seed gives the same rollout.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Instead of the world's requests a minute.
    #[arg(long, value_name = "N")]
    requests: Option<f64>,
    /// This many rollouts, seeds counted up from --seed; prints a summary.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    runs: u64,
    /// How to print.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// How to print a simulated rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// A line for each change.
    Text,
    /// Everything, minute by minute.
    Json,
    /// One line a minute.
    Csv,
    /// A page with charts.
    Html,
}

/// Plays and prints.
///
/// # Errors
/// If the world or the config cannot be read or makes no sense.
pub fn run(args: &Simulate) -> anyhow::Result<ExitCode> {
    let Some(world) = args.world.as_deref().filter(|_| !args.list) else {
        for (name, text) in LIBRARY {
            let world = Described::parse(text).with_context(|| name.to_owned())?;
            let what = Labels::default().fill(&world.what);
            super::out(&format!("{name:<46} {what}\n"))?;
        }
        return Ok(ExitCode::SUCCESS);
    };
    if args.runs > 1 && matches!(args.format, Format::Csv | Format::Html) {
        bail!("--runs is {}; --format csv and html show one rollout: leave --runs out", args.runs);
    }
    let (name, text) = source(world)?;
    if args.print {
        super::out(&text)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut described = Described::parse(&text).with_context(|| format!("reading {world}"))?;
    if let Some(requests) = args.requests {
        described = described.with_requests(requests).context("--requests")?;
    }
    let config = match &args.config {
        Some(file) => config::load(file)?,
        None => simulate::defaults(&described.route_names())?,
    };
    let config = simulate::acting(&config, args.rollout.as_deref())?;
    let text = if args.runs > 1 {
        many(args, &name, &described, &config)?
    } else {
        one(args, &name, &described, &config)?
    };
    super::out(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Name and text of a world.
pub(super) fn source(world: &str) -> anyhow::Result<(String, String)> {
    if let Some(text) = simulate::find(world) {
        return Ok((world.to_owned(), text.to_owned()));
    }
    let path = Path::new(world);
    let text = std::fs::read_to_string(path).with_context(|| {
        format!(
            "reading {world}: no file, and no world of this name; see rolloutctl simulate --list"
        )
    })?;
    let name = path.file_stem().map_or_else(|| world.into(), |stem| stem.to_string_lossy());
    Ok((name.into_owned(), text))
}

fn one(
    args: &Simulate,
    name: &str,
    described: &Described,
    config: &config::Config,
) -> anyhow::Result<String> {
    let labels = simulate::labels(config);
    let what = labels.fill(&described.what);
    let played = block_on(async { Ok(simulate::play(described, config, args.seed).await?) })?;
    Ok(match args.format {
        Format::Text => simulate::show::text(name, &what, &labels, &played),
        Format::Csv => simulate::show::csv(&played)?,
        Format::Html => simulate::show::html(name, &what, &labels, &played),
        Format::Json => {
            let all = json!({"schema_version": 1, "world": name, "what": what, "rollout": played});
            format!("{all:#}\n")
        }
    })
}

fn many(
    args: &Simulate,
    name: &str,
    described: &Described,
    config: &config::Config,
) -> anyhow::Result<String> {
    let progress = Progress::of(args.runs);
    let seeds = args.seed..args.seed.saturating_add(args.runs);
    // A summary needs no minutes.
    let ends = |played: Played| Played { rows: Vec::new(), ..played };
    let what = simulate::labels(config).fill(&described.what);
    let all = simulate::play_all(described, config, seeds, ends, &|| progress.one_more())?;
    Ok(match args.format {
        Format::Json => {
            let all = json!({"schema_version": 1, "world": name, "what": what, "rollouts": all});
            format!("{all:#}\n")
        }
        Format::Text | Format::Csv | Format::Html => simulate::show::many(name, &what, &all),
    })
}
