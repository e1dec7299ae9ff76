//! Runs the contest: `contest --help`.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Result, bail};
use clap::{Args, Parser, Subcommand};

use contest::cell::Cell;
use contest::jobs;
use contest::policy::Kind;
use contest::report::{self, Found};
use contest::store::{Job, Store};
use rollout_controller::domain::both_sides::GOOD_MINUTES;

/// Rollout policies against each other in simulated worlds.
#[derive(Parser)]
struct Contest {
    #[command(subcommand)]
    part: Part,
}

#[derive(Subcommand)]
enum Part {
    /// Every world at every rate of traffic, all policies.
    Run(Run),
    /// Evidence-2 where the first engine failed: the table of what has changed.
    Before(Run),
    /// Evidence-2 in all healthy worlds with a promise: the headline figure.
    Headline(Run),
    /// Evidence-2 in every cell with a number to reach.
    Goals(Run),
    /// Some worlds now, on the terminal; nothing is kept.
    Show(Show),
}

#[derive(Args, Clone)]
struct Run {
    /// Rollouts a cell; for the headline figure in all; for the numbers to reach of a
    /// healthy cell.
    #[arg(long)]
    n: u64,
    /// Of the first rollout; the others follow.
    #[arg(long, default_value_t = 7_000_000)]
    seed: u64,
    /// Threads.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Finished cells, so that a run that was cut goes on.
    #[arg(long, default_value = "target/contest/cells.jsonl")]
    kept: PathBuf,
    /// Results of each part. The report has what was published of those that are not here.
    #[arg(long, default_value = "target/contest")]
    parts: PathBuf,
    /// Folder for tables and figures.
    #[arg(long, default_value = "docs/contest")]
    out: PathBuf,
}

#[derive(Args)]
struct Show {
    /// Rollouts of each policy.
    #[arg(long, default_value_t = 50)]
    n: u64,
    /// Of the first rollout.
    #[arg(long, default_value_t = 7_000_000)]
    seed: u64,
    /// All policies, not evidence-2 alone.
    #[arg(long)]
    all: bool,
    /// Minutes of history.
    #[arg(long, default_value_t = 1440)]
    history: i64,
    /// Good minutes after a step back before evidence-2 tries again.
    #[arg(long, default_value_t = GOOD_MINUTES)]
    good_minutes: u32,
    /// WORLD:REQUESTS_PER_MINUTE, like h_iid:600.
    #[arg(required = true)]
    cells: Vec<String>,
}

fn main() -> Result<()> {
    match Contest::parse().part {
        Part::Run(run) => part(&run, "run", &jobs::full(run.n, run.seed)),
        Part::Before(run) => part(&run, "before", &jobs::before(run.n, run.seed)),
        Part::Headline(run) => part(&run, "headline", &jobs::headline(run.n, run.seed)),
        Part::Goals(run) => part(&run, "goals", &jobs::goals(run.n, run.seed)),
        Part::Show(show) => self::show(&show),
    }
}

/// Runs the jobs of one part, keeps its cells, and writes the report of all parts.
fn part(run: &Run, name: &str, jobs: &[Job]) -> Result<()> {
    let store = Store::open(&run.kept)?;
    let (began, first_left) = (Instant::now(), std::sync::OnceLock::new());
    let cells = store.run(jobs, run.threads, |job, left| {
        let open = *first_left.get_or_init(|| left + 1);
        let done = (open - left).max(1);
        let minutes = began.elapsed().as_secs_f64() / 60.0 / done as f64 * left as f64;
        let (world, rate) = (&job.world.name, job.requests_per_minute);
        eprintln!("{world} at {rate} requests a minute; {left} cells left, about {minutes:.0} min");
    })?;
    std::fs::create_dir_all(&run.parts)?;
    std::fs::write(run.parts.join(format!("{name}.json")), serde_json::to_string(&cells)?)?;
    let published = report::read(&run.out)?;
    let part = |name: &str, published: Vec<Cell>| -> Result<_> {
        match std::fs::read_to_string(run.parts.join(format!("{name}.json"))) {
            Ok(text) => Ok(serde_json::from_str(&text)?),
            Err(_) => Ok(published),
        }
    };
    let found = Found {
        cells: part("run", published.cells)?,
        before: part("before", published.before)?,
        headline: part("headline", published.headline)?,
        goals: part("goals", published.goals)?,
    };
    report::write(&run.out, &found)?;
    eprintln!("wrote {}", run.out.join("tables.md").display());
    let broken = jobs.iter().flat_map(|job| {
        let of_job = |cell: &&Cell| cell.world == job.world.name && cell.policy == Kind::Evidence2;
        cells.iter().filter(of_job).filter_map(|cell| cell.broken(job.world.expect))
    });
    let broken: std::collections::BTreeSet<String> = broken.collect();
    for promise in &broken {
        eprintln!("broken promise: {promise}");
    }
    Ok(())
}

fn show(show: &Show) -> Result<()> {
    let policies: &[Kind] = if show.all { &Kind::ALL } else { &[Kind::Evidence2] };
    for asked in &show.cells {
        let Some((world, rate)) = asked.rsplit_once(':') else {
            bail!("{asked} names no rate; write WORLD:REQUESTS_PER_MINUTE, like h_iid:600");
        };
        let Some(world) = contest::worlds::catalogue::find(world) else {
            bail!("there is no world {world}; docs/contest/tables.md lists them");
        };
        let Ok(requests_per_minute) = rate.parse::<f64>() else {
            bail!("{rate} is no number of requests a minute");
        };
        let conditions = contest::rollout::Conditions {
            history_minutes: show.history,
            good_minutes: show.good_minutes,
            ..contest::rollout::Conditions::new(requests_per_minute)
        };
        let (began, seeds) = (Instant::now(), show.seed..show.seed + show.n);
        for cell in contest::cell::run(&world, conditions, policies, seeds) {
            println!("{asked:22} {cell}");
        }
        let each = began.elapsed().as_secs_f64() * 1000.0 / show.n as f64;
        eprintln!("{each:.1} ms a rollout");
    }
    Ok(())
}
