//! `rolloutctl plan`: what the rollout will be like, before it starts.

use super::progress::Progress;
use super::remote::block_on;
use crate::adapters::aws::Aws;
use crate::adapters::cloudwatch::CloudWatch;
use crate::config::{self, Config};
use crate::simulate::forecast::{self, Effort};
use crate::simulate::{self, Described, show};
use anyhow::{Context as _, bail};
use jiff::{SignedDuration, Timestamp};
use std::path::PathBuf;
use std::process::ExitCode;

/// Say how long a rollout will take, what faults it would find, and what it costs.
///
/// Plays many rollouts of the production controller with your configuration at your
/// traffic. How the new side will behave is an assumption: give a world of your own with
/// --world (`rolloutctl simulate healthy --print`).
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  rolloutctl plan --config rollout.toml --requests 600\n  rolloutctl plan --config rollout.toml --last-week\n  rolloutctl plan --config rollout.toml --requests 600 --html > plan.html"
)]
pub struct Plan {
    /// The controller's configuration.
    #[arg(long)]
    config: PathBuf,
    /// Which rollout of the configuration; needed only if it has several.
    #[arg(long)]
    rollout: Option<String>,
    /// Requests a minute on all routes together.
    #[arg(long, value_name = "N", required_unless_present_any = ["last_week", "world"])]
    requests: Option<f64>,
    /// Read the requests of the last seven days from CloudWatch, by hour of the day.
    #[arg(long, conflicts_with = "requests")]
    last_week: bool,
    /// Answers compared a minute, where wrong answers are a limit and the world does not say.
    #[arg(long, value_name = "N", default_value_t = 60.0)]
    compared: f64,
    /// A world in TOML, or the name of one, instead of a healthy one.
    #[arg(long)]
    world: Option<String>,
    /// Rollouts without a fault.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    runs: u64,
    /// Rollouts for each fault.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    runs_each_fault: u64,
    /// Seed of everything random.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print JSON.
    #[arg(long, conflicts_with = "html")]
    json: bool,
    /// Print a page with charts.
    #[arg(long)]
    html: bool,
}

/// Plays and prints.
///
/// # Errors
/// If config or world make no sense, or CloudWatch cannot be read.
pub fn run(args: &Plan) -> anyhow::Result<ExitCode> {
    let config = config::load(&args.config)?;
    let config = simulate::acting(&config, args.rollout.as_deref())?;
    let (_, text) = super::simulate::source(args.world.as_deref().unwrap_or("healthy"))?;
    let mut world = Described::parse(&text).context("--world")?;
    if let Some(requests) = args.requests {
        world = world.with_requests(requests).context("--requests")?;
    }
    if args.last_week {
        let (per_minute, by_hour) = block_on(last_week(&config))?;
        world.traffic.by_hour = by_hour;
        world = world.with_requests(per_minute).context("the traffic of the last week")?;
    }
    if config.rollouts.iter().any(|one| one.terms.evidence.wrong_answers().is_some()) {
        world = world.with_compared(args.compared).context("--compared")?;
    }
    let effort = Effort { healthy: args.runs, each_fault: args.runs_each_fault, seed: args.seed };
    let progress = Progress::of(forecast::rollouts(&config, effort));
    let forecast = forecast::forecast(&world, &config, effort, &|| progress.one_more())?;
    drop(progress);
    let labels = simulate::labels(&config);
    super::out(&if args.json {
        format!("{}\n", serde_json::to_string_pretty(&forecast)?)
    } else if args.html {
        show::plan_html(&forecast, &labels)
    } else {
        show::plan(&forecast, &labels)
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Requests a minute on average, and the factor of each hour of the day in UTC.
async fn last_week(config: &Config) -> anyhow::Result<(f64, Vec<f64>)> {
    const WEEK: SignedDuration = SignedDuration::from_hours(7 * 24);
    let now = Timestamp::now().as_second();
    let until = Timestamp::from_second(now - now.rem_euclid(3_600))?;
    let routes = config.rollouts.first().map_or(&[][..], |rollout| &rollout.terms.routes);
    let hours = CloudWatch::new(Aws::new()).hours(routes, until - WEEK, until).await?;
    let Some((first, _)) = hours.first_key_value() else {
        bail!(
            "CloudWatch has no requests of these target groups in the last seven days; \
             give --requests, or correct the groups in the configuration"
        );
    };
    // A week that began later than seven days ago is averaged over what there is.
    let mut sums = [(0.0, 0_u32); 24];
    for at in (*first..until.as_second()).step_by(3_600) {
        let hour = usize::try_from(at.div_euclid(3_600).rem_euclid(24))?;
        sums[hour].0 += hours.get(&at).copied().unwrap_or(0.0) / 60.0;
        sums[hour].1 += 1;
    }
    let known: f64 = sums.iter().map(|(sum, _)| sum).sum();
    let count: u32 = sums.iter().map(|(_, count)| count).sum();
    let mean = known / f64::from(count.max(1));
    let factor = |(sum, count): &(f64, u32)| match count {
        0 => 1.0,
        count => sum / f64::from(*count) / mean,
    };
    Ok((mean, sums.iter().map(factor).collect()))
}
