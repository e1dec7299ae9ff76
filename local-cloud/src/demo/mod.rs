//! `local-cloud demo`: two rollouts on this machine, with the production binaries.
//!
//! Everything is real but AWS: a private PostgreSQL, the Python and the Rust
//! scorer and the controller as processes behind a load balancer, open-loop
//! load from clients, operators' orders by `rolloutctl`. The first release is
//! healthy and goes to 100 %; the second begins to fail at 25 % and is taken
//! back. What was expected is compared with what was measured.

mod ctl;
mod figures;
mod follow;
mod home;
mod plan;
mod screen;
mod traffic;
mod verdict;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::LocalCloud;
use crate::postgres::PrivatePostgres;

use ctl::Ctl;
use figures::{Figures, stretches};
use follow::{Follower, Played};
use home::{Folder, Home};
use plan::{BALANCER, Plan, TESTER_HEADER, WEIGHTED_PRIORITY};
use screen::Screen;
use traffic::Traffic;
use verdict::{Evidence, judge};

/// Simulated minutes after which a rollout that has not ended is a failure.
const MOST_MINUTES: u32 = 75;

/// How to read the timeline.
const LEGEND: [&str; 3] = [
    "each minute: simulated time, Rust's share as the load balancer shows it now,",
    "  against: evidence that an objective is broken (ln E) / rollback from here,",
    "  for: proof per objective that the next step is safe (ln G) / a step needs all of them there",
];

/// Watch two rollouts on this machine: one to 100 %, one taken back.
///
/// Needs PostgreSQL and a Python environment (`make demo` sees to both). Exit
/// codes: 0 all as expected, 1 not, 2 usage, 130 or 143 interrupted; whatever
/// happens, everything that was started is gone at the end.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Two stages instead of four: under a minute
    #[arg(long)]
    short: bool,
    /// Seed of every draw
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Real length of a simulated minute [default: 1.5s, with --short 1s]
    #[arg(long, value_parser = humantime::parse_duration, value_name = "DURATION")]
    minute: Option<Duration>,
    /// Requests a second [default: 100]
    #[arg(long)]
    rate: Option<f64>,
    /// Write every function's output there; else it is kept only on failure
    #[arg(long, value_name = "DIR")]
    keep_logs: Option<PathBuf>,
}

impl Args {
    fn plan(&self) -> Plan {
        let mut plan = if self.short { Plan::short() } else { Plan::long() };
        plan.seed = self.seed;
        plan.minute = self.minute.unwrap_or(plan.minute);
        plan.rate = self.rate.unwrap_or(plan.rate);
        plan
    }
}

/// Everything that was started. Clearing it waits until all is gone; dropping
/// it ends all the same.
#[derive(Default)]
struct Started {
    // Clients before the cloud, the cloud before its database.
    traffic: Option<Traffic>,
    cloud: Option<LocalCloud>,
    postgres: Option<PrivatePostgres>,
    folder: Option<Folder>,
}

impl Started {
    async fn clear(&mut self) {
        drop(self.traffic.take());
        if let Some(cloud) = self.cloud.take() {
            cloud.shutdown().await;
        }
        drop(self.postgres.take());
    }
}

/// Runs the demo.
///
/// # Errors
/// What is missing or could not be started; the output names the fix.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::new()?;
    let home = Home::find()?;
    let plan = args.plan();
    let screen = Screen::new();
    let mut started =
        Started { folder: Some(Folder::make(args.keep_logs.as_deref())?), ..Started::default() };
    let ended = tokio::select! {
        ended = play(&mut started, &home, &plan, &screen) => Ok(ended),
        code = signals.any() => Err(code),
    };
    started.clear().await;
    let folder = started.folder.take();
    match ended {
        Err(code) => {
            eprintln!("local-cloud: interrupted; everything is stopped");
            Ok(ExitCode::from(code))
        }
        Ok(Ok(true)) => Ok(ExitCode::SUCCESS),
        Ok(failed) => {
            if let Some(busy) = busy_machine() {
                eprintln!("local-cloud: {busy}");
            }
            if let Some(folder) = folder {
                eprintln!("local-cloud: output of every function: {}", folder.keep().display());
            }
            failed.map(|_| ExitCode::FAILURE)
        }
    }
}

/// A likely cause of broken limits: others who want the processors too.
fn busy_machine() -> Option<String> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    let load: f64 = text.split_whitespace().next()?.parse().ok()?;
    let cores = std::thread::available_parallelism().ok()?.get();
    (load > 1.5 * cores as f64).then(|| {
        format!(
            "this machine is busy (load {load} on {cores} cores); the demo needs two cores \
             for itself to keep its latency limits"
        )
    })
}

/// Signals that end the demo.
struct Signals([(Signal, u8); 3]);

impl Signals {
    fn new() -> anyhow::Result<Self> {
        let one = |kind: SignalKind| -> anyhow::Result<(Signal, u8)> {
            // As shells tell it: 128 and the signal's number.
            let code = u8::try_from(128 + kind.as_raw_value()).unwrap_or(1);
            Ok((signal(kind).context("listening for signals")?, code))
        };
        let [interrupt, terminate, hangup] =
            [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(one);
        Ok(Self([interrupt?, terminate?, hangup?]))
    }

    /// Waits for one; the exit code that tells it.
    async fn any(&mut self) -> u8 {
        let [(interrupt, int), (terminate, term), (hangup, hup)] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => *int,
            _ = terminate.recv() => *term,
            _ = hangup.recv() => *hup,
        }
    }
}

/// Starts, plays, measures, judges. True if all was as expected.
async fn play(
    started: &mut Started,
    home: &Home,
    plan: &Plan,
    screen: &Screen,
) -> anyhow::Result<bool> {
    let Started { traffic, cloud, postgres, folder } = started;
    let folder = folder.as_ref().context("the folder was made before")?;
    screen.head("Starting")?;
    let database = start_database(home, screen, postgres).await?;
    let topology = plan.topology(home, folder, &database);
    let rule = topology.names().rule(BALANCER, WEIGHTED_PRIORITY);
    let config = folder.config();
    std::fs::write(&config, plan.config(&topology, folder)).context("writing the configuration")?;
    let region = topology.region.clone();
    // The journal's tables are made before the first tick looks for them.
    let config_file = config.to_string_lossy();
    let before = Ctl::new(&home.rolloutctl, String::new(), &region);
    for order in [vec!["config", "check", &config_file], vec!["migrate", "--config", &config_file]]
    {
        let said = before.run(&order).await?;
        screen.line(&format!("$ rolloutctl {}\n  {}", order[..2].join(" "), said.trim()))?;
    }
    let cloud = &*cloud.insert(LocalCloud::start(topology).await?);
    let ctl = Ctl::new(&home.rolloutctl, cloud.aws_endpoint(), &region);
    addresses(screen, cloud, home, folder)?;
    let traffic_now = traffic.insert(Traffic::start(cloud, home, plan)?);

    let mut follower = Follower::new(screen, cloud, &ctl, rule);
    screen.head("Before: all traffic on Python, testers on Rust")?;
    follower.minutes(traffic_now, plan.history + 1).await?;
    screen.head("1. A healthy release")?;
    for line in LEGEND {
        screen.line(line)?;
    }
    let healthy = follower.play(traffic_now, "release 1 of the Rust scorer", MOST_MINUTES).await?;
    if !ended_as(screen, &healthy, "completed")? {
        return Ok(false);
    }
    screen.head("Between: release 2 begins on Python again")?;
    follower.order(&["rollback", "--yes", "--reason", "release 2 starts from Python"]).await?;
    // Old minutes with traffic, and the one in which the weight changed.
    follower.minutes(traffic_now, plan.history + 2).await?;
    screen.head(&format!(
        "2. A release that fails from {} % on, 3 requests in 10",
        plan.fails_from
    ))?;
    cloud.add_fault(plan.fault());
    let failing = follower.play(traffic_now, "release 2 of the Rust scorer", MOST_MINUTES).await?;
    if !ended_as(screen, &failing, "rolled back")? {
        return Ok(false);
    }
    screen.head("After: all traffic on Python, testers on Rust")?;
    follower.minutes(traffic_now, plan.aftermath).await?;

    let journal = ctl.history().await?;
    let changes = follower.changes_since(0);
    let Some(traffic) = traffic.take() else {
        return Ok(false);
    };
    let (journeys, load) = traffic.end(cloud).await;
    let figures = Figures {
        stretches: stretches(&journeys, &changes),
        journeys,
        functions: cloud.function_stats(),
        late_ms: load.lag.p99_us as f64 / 1000.0,
    };
    screen.head("Measured")?;
    for line in figures.lines(&[("1. healthy", &healthy), ("2. failing", &failing)]) {
        screen.line(&line)?;
    }
    let (healthy, failing) = (&healthy, &failing);
    let evidence = Evidence {
        plan,
        figures: &figures,
        healthy,
        failing,
        changes: &changes,
        journal: &journal,
    };
    screen.head("Expected")?;
    let expectations = judge(&evidence);
    for expectation in &expectations {
        screen.line(&expectation.line())?;
    }
    let good = expectations.iter().all(verdict::Expectation::holds);
    let end = if good { "✔ all as expected" } else { "✖ not all as expected" };
    screen.line(&format!("\n{end}, after {:.0} s", screen.secs()))?;
    Ok(good)
}

async fn start_database(
    home: &Home,
    screen: &Screen,
    place: &mut Option<PrivatePostgres>,
) -> anyhow::Result<String> {
    screen.line("a private PostgreSQL with the scorers' tables")?;
    let postgres = &*place.insert(PrivatePostgres::start().await?);
    postgres.create_database("scorer").await?;
    postgres.load_sql_file("scorer", &home.seed).await?;
    Ok(postgres.url("scorer"))
}

fn addresses(
    screen: &Screen,
    cloud: &LocalCloud,
    home: &Home,
    folder: &Folder,
) -> anyhow::Result<()> {
    let alb = cloud.alb_url(BALANCER);
    let address = home.addresses.first().map_or("0x0", String::as_str);
    let (header, value) = TESTER_HEADER;
    for line in [
        format!("load balancer  {alb}"),
        format!("AWS endpoint   {}  (/_local/state shows everything)", cloud.aws_endpoint()),
        format!("functions' logs {}", folder.logs().display()),
        "try it while it runs:".to_owned(),
        format!("  curl -H 'x-api-key: {}' {alb}/v2/stamps/1/score/{address}", home.api_key),
        format!("  (with -H '{header}: {value}' Rust answers, whatever the weights are)"),
    ] {
        screen.line(&line)?;
    }
    Ok(())
}

/// Says so if a rollout did not end as it should; the rest then makes no sense.
fn ended_as(screen: &Screen, played: &Played, wanted: &str) -> anyhow::Result<bool> {
    let state = &played.status.state;
    if state == wanted {
        return Ok(true);
    }
    screen.line(&format!(
        "✖ NOT AS EXPECTED: the rollout is {state} at {} %, not {wanted}: {}",
        played.status.weight_percent, played.status.why
    ))?;
    Ok(false)
}
