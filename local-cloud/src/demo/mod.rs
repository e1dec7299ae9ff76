//! `local-cloud demo`: two rollouts on this machine, with the production binaries.
//!
//! Everything is real but AWS: a private PostgreSQL, the Python and the Rust
//! scorer and the controller as processes behind a load balancer, load from
//! clients, operators' orders by `rolloutctl`. The first release is healthy and
//! goes to 100%; the second begins to fail at 25% and is taken back. What was
//! expected is compared with what was measured.
//!
//! A slow or busy machine makes the demo slower and not different: rate, length
//! of the minute and limits are chosen from what the machine does at the start
//! (`machine.rs`), simulated time waits for a tick that is late (`follow.rs`), and
//! expectations are about behaviour, not about milliseconds (`verdict.rs`).

mod compare;
mod ctl;
mod figures;
mod follow;
mod home;
mod machine;
mod plan;
pub mod play;
mod screen;
pub mod stand;
mod traffic;
mod verdict;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::clock::MINUTE_MS;
use crate::postgres::PrivatePostgres;
use crate::{LocalCloud, Topology, widget};

use ctl::Ctl;
use figures::{Figures, stretches};
use follow::{Follower, Played};
use home::{Files, Folder, Home};
use machine::{Chosen, measure};
use plan::{BALANCER, Plan, TESTER_HEADER, WEIGHTED_PRIORITY};
use screen::Screen;
use traffic::Traffic;
use verdict::{Evidence, judge};

/// Simulated minutes after which a rollout that has not ended is a failure. A
/// healthy one needs some twenty; one that a busy machine holds needs more.
const MOST_MINUTES: u32 = 150;

/// How to read the timeline.
const LEGEND: [&str; 3] = [
    "each minute: simulated time, Rust's share as the load balancer shows it now,",
    "  suspicion: evidence against Rust; 50% stops steps, 100% rolls back,",
    "  proven: limits for which the next step is proven; a step needs all of them",
];

/// Watch two rollouts on this machine: one to 100%, one taken back.
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
    /// Real length of a simulated minute [default: what this machine can do, at
    /// least 1.5s, with --short 1s]
    #[arg(long, value_parser = humantime::parse_duration, value_name = "DURATION")]
    minute: Option<Duration>,
    /// Requests a second [default: a third of what this machine can do, at most 100]
    #[arg(long, value_parser = positive)]
    rate: Option<f64>,
    /// Write every function's output there; else it is kept only on failure
    #[arg(long, value_name = "DIR")]
    keep_logs: Option<PathBuf>,
}

impl Args {
    fn plan(&self) -> Plan {
        let mut plan = if self.short { Plan::short() } else { Plan::long() };
        plan.seed = self.seed;
        plan.minute = self.minute;
        plan.rate = self.rate;
        plan
    }
}

fn positive(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| "give a number, like 50".to_owned())?;
    if rate > 0.0 && rate <= 10_000.0 { Ok(rate) } else { Err("give 1 to 10000".to_owned()) }
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
            if let Some(folder) = folder {
                eprintln!("local-cloud: output of every function: {}", folder.keep().display());
            }
            failed.map(|_| ExitCode::FAILURE)
        }
    }
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
    let port = free_port()?;
    let endpoint = format!("http://127.0.0.1:{port}");
    screen.line(&format!("The rollout's page: {}", widget::address(&endpoint, "score")))?;
    screen
        .line("  (from \"The cloud\" on; its buttons work. What else to try is listed there.)")?;
    screen.head("Starting")?;
    let database = start_database(home, screen, postgres).await?;
    screen.head("Measuring this machine")?;
    let chosen = chosen(cloud, home, plan, folder, &database).await?;
    for line in chosen.lines() {
        screen.line(&line)?;
    }
    screen.head("The cloud")?;
    let files = folder.demo();
    let mut topology = plan.topology(home, &files, &database, &chosen);
    topology.aws_port = port;
    let rule = topology.names().rule(BALANCER, WEIGHTED_PRIORITY);
    let region = topology.region.clone();
    for (order, said) in prepare(home, plan, &topology, &files, &chosen).await? {
        screen.line(&format!("$ {order}\n  {}", said.trim()))?;
    }
    let cloud = &*cloud.insert(LocalCloud::start(topology).await?);
    let ctl = Ctl::new(&home.rolloutctl, cloud.aws_endpoint(), &region);
    let mut follower = Follower::new(screen, cloud, &ctl, rule, chosen.requests_a_minute());
    addresses(screen, cloud, home, &files)?;
    screen.head("Before any traffic: a wrong build is caught")?;
    if !compare::play(cloud, &ctl, home, folder, &files, screen).await? {
        return Ok(false);
    }
    let traffic_now = traffic.insert(Traffic::start(cloud, home, plan.seed, &chosen)?);

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
    screen
        .head(&format!("2. A release that fails from {}% on, 3 requests in 10", plan.fails_from))?;
    cloud.add_fault(plan.fault());
    let failing = follower.play(traffic_now, "release 2 of the Rust scorer", MOST_MINUTES).await?;
    if !ended_as(screen, &failing, "rolled back")? {
        return Ok(false);
    }
    screen.head("After: all traffic on Python, testers on Rust")?;
    follower.minutes(traffic_now, plan.aftermath).await?;

    let journal = ctl.history().await?;
    let changes = follower.changes_since(0);
    let stood = cloud.clock().held_for();
    let Some(traffic) = traffic.take() else {
        return Ok(false);
    };
    let (journeys, load) = traffic.end(cloud).await;
    let figures = Figures {
        stretches: stretches(&journeys, &changes),
        journeys,
        functions: cloud.function_stats(),
        late_ms: load.lag.p99_us as f64 / 1000.0,
        held_back: Duration::from_secs_f64(load.held_secs),
        stood,
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
        ticks: follower.ticks(),
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

/// Writes the configuration and makes the journal's tables, before the first
/// tick looks for them. Commands and what they said.
async fn prepare(
    home: &Home,
    plan: &Plan,
    topology: &Topology,
    files: &Files,
    chosen: &Chosen,
) -> anyhow::Result<Vec<(&'static str, String)>> {
    let text = plan.config(topology, files, chosen);
    std::fs::write(&files.config, text).context("writing the configuration")?;
    let config = files.config.to_string_lossy();
    let ctl = Ctl::new(&home.rolloutctl, String::new(), &topology.region);
    Ok(vec![
        ("rolloutctl config check", ctl.run(&["config", "check", &config]).await?),
        ("rolloutctl migrate", ctl.run(&["migrate", "--config", &config]).await?),
    ])
}

/// Measures this machine in a cloud of its own and chooses how to play on it.
async fn chosen(
    place: &mut Option<LocalCloud>,
    home: &Home,
    plan: &Plan,
    folder: &Folder,
    database: &str,
) -> anyhow::Result<Chosen> {
    let files = folder.measuring();
    let nothing_yet = Chosen::to_measure(plan);
    let topology = plan.topology(home, &files, database, &nothing_yet).manual_clock();
    prepare(home, plan, &topology, &files, &nothing_yet).await?;
    let region = topology.region.clone();
    let cloud = &*place.insert(LocalCloud::start(topology).await?);
    let ctl = Ctl::new(&home.rolloutctl, cloud.aws_endpoint(), &region);
    let machine = measure(cloud, home, &ctl, plan).await.context("measuring this machine")?;
    if let Some(cloud) = place.take() {
        cloud.shutdown().await;
    }
    Ok(Chosen::from(machine, plan))
}

fn addresses(
    screen: &Screen,
    cloud: &LocalCloud,
    home: &Home,
    files: &Files,
) -> anyhow::Result<()> {
    let alb = cloud.alb_url(BALANCER);
    let address = home.addresses.first().map_or("0x0", String::as_str);
    let (header, value) = TESTER_HEADER;
    for line in [
        format!("load balancer    {alb}"),
        format!("AWS endpoint     {}  (/_local/state shows everything)", cloud.aws_endpoint()),
        format!("functions' logs  {}", files.logs.display()),
        "try it while it runs:".to_owned(),
        format!("  curl -H 'x-api-key: {}' \\", home.api_key),
        format!("    {alb}/v2/stamps/1/score/{address}"),
        format!("  (with -H '{header}: {value}' Rust answers, whatever its share)"),
        "  the page, or by hand and at leisure: make play".to_owned(),
    ] {
        screen.line(&line)?;
    }
    Ok(())
}

/// A port that nobody listens on now.
fn free_port() -> anyhow::Result<u16> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).context("finding a free port")?;
    Ok(listener.local_addr().context("finding a free port")?.port())
}

/// Says so if a rollout did not end as it should; the rest then makes no sense.
fn ended_as(screen: &Screen, played: &Played, wanted: &str) -> anyhow::Result<bool> {
    let state = &played.status.state;
    if state == wanted {
        return Ok(true);
    }
    screen.line(&format!(
        "✖ NOT AS EXPECTED: after {} minutes the rollout is {state} at {}%, not {wanted}: {}",
        (played.ended_ms - played.started_ms) / MINUTE_MS,
        played
            .status
            .shares
            .journal
            .map_or_else(|| "unknown".to_owned(), |share| share.to_string()),
        played.status.reason.text
    ))?;
    Ok(false)
}
