//! `local-cloud bench-scorer`: the Python twin against the Rust function, on
//! this machine, on one database, in one run.
//!
//! Cold starts go straight to the function, from spawn to the first answer;
//! warm latencies go through the load balancer, open loop, so a slow answer
//! cannot hide the requests that waited behind it. Both sides get the same
//! requests at the same rate.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use futures_util::future::join_all;
use serde::Serialize;
use serde_json::{Value, json};

use super::cli::sibling;
use crate::load::{self, Ask, Plan, Summary};
use crate::postgres::PrivatePostgres;
use crate::{FunctionSpec, LoadBalancerSpec, LocalCloud, Topology};

const FUNCTION: &str = "scorer";
/// Environments at a time, and requests a second that they get: less than the
/// slower side can do, so that neither is measured in its queue.
const LOADS: [(u32, f64); 2] = [(1, 30.0), (8, 60.0)];

/// What the real Python service needed, measured when the cases were recorded
/// (three stamps, two shared cores): the twin does less, so both are shown.
const RECORDED: Recorded = Recorded {
    cold_ms: [1900.0, 2000.0],
    p50_ms: [44.0, 46.0],
    p95_ms: [48.0, 65.0],
    p99_ms: [51.0, 71.0],
    rss_mib: [142.0, 142.0],
};

/// What the function promises: cold start, P50, P95, P99 in milliseconds,
/// memory in MiB, and how many times faster than recorded it starts.
const TARGETS: Targets =
    Targets { cold_ms: 100.0, latency_ms: [100.0, 200.0, 500.0], rss_mib: 256.0, cold_ratio: 20.0 };

/// Compare cold start, latency and memory of the Python twin and the Rust function
#[derive(Debug, clap::Args)]
pub struct BenchArgs {
    /// The Rust function, built for release; by default the scorer-fn beside this program
    #[arg(long, value_name = "FILE")]
    rust: Option<PathBuf>,
    /// Python with awslambdaric and psycopg
    #[arg(long, env = "LOCAL_CLOUD_PYTHON", default_value = "python3", value_name = "FILE")]
    python: PathBuf,
    /// Folder of the Python twin
    #[arg(long, default_value = "local-cloud/python-scorer", value_name = "DIR")]
    twin: PathBuf,
    /// Folder with seed.sql, addresses.txt and environment
    #[arg(long, default_value = "scorer-fn/demo", value_name = "DIR")]
    data: PathBuf,
    /// Requests for each side and number of environments; with the default,
    /// 30 of them are slower than P99
    #[arg(long, default_value_t = 3000)]
    requests: u32,
    /// Cold starts of each side
    #[arg(long, default_value_t = 10)]
    cold: usize,
    /// Where the figures go
    #[arg(long, default_value = "target/bench/scorer.json", value_name = "FILE")]
    json: PathBuf,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Recorded {
    cold_ms: [f64; 2],
    p50_ms: [f64; 2],
    p95_ms: [f64; 2],
    p99_ms: [f64; 2],
    rss_mib: [f64; 2],
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Targets {
    cold_ms: f64,
    latency_ms: [f64; 3],
    rss_mib: f64,
    cold_ratio: f64,
}

/// Figures of one side.
#[derive(Debug, Serialize)]
struct Side {
    name: &'static str,
    /// Spawn to first answer in milliseconds, sorted.
    cold_ms: Vec<f64>,
    /// By number of environments.
    warm: BTreeMap<u32, Warm>,
    /// Greatest resident size of one process.
    peak_rss_mib: f64,
    /// Round trips to the database of a request that scored, fewest and most, if it tells.
    round_trips: Option<(u64, u64)>,
}

#[derive(Debug, Serialize)]
struct Warm {
    rate: f64,
    summary: Summary,
}

/// Runs the comparison and prints it.
///
/// # Errors
/// A program or file that is missing, or a side that does not answer 200.
/// The exit code is 1 if the Rust function misses a target.
pub async fn bench(args: BenchArgs) -> anyhow::Result<ExitCode> {
    let rust = args.rust.clone().map_or_else(|| sibling("scorer-fn"), Ok)?;
    anyhow::ensure!(
        rust.is_file(),
        "{} is missing; build it with `cargo build --release -p scorer-fn`",
        rust.display()
    );
    let data = Data::read(&args.data)?;
    let postgres = PrivatePostgres::start().await?;
    let mut sides = Vec::new();
    for (name, command, cwd) in [
        (
            "python",
            vec![
                text(&args.python),
                "-m".to_owned(),
                "awslambdaric".to_owned(),
                "app.handler".to_owned(),
            ],
            Some(&args.twin),
        ),
        ("rust", vec![text(&std::path::absolute(&rust)?)], None),
    ] {
        eprintln!("bench-scorer: {name}");
        postgres.create_database(name).await?;
        postgres.load_sql_file(name, &args.data.join("seed.sql")).await?;
        let mut function = FunctionSpec::new(FUNCTION, command).timeout(Duration::from_secs(30));
        for (variable, value) in &data.environment {
            function = function.env(variable, value);
        }
        function = function.env("DATABASE_URL", postgres.url(name));
        if let Some(cwd) = cwd {
            function = function.cwd(std::path::absolute(cwd)?);
        }
        sides.push(
            measure(name, function, &data, &args).await.with_context(|| format!("side {name}"))?,
        );
    }
    let report = json!({
        "binary": text(&rust), "recorded_python": RECORDED, "targets": TARGETS, "sides": sides,
    });
    if let Some(folder) = args.json.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    }
    std::fs::write(&args.json, format!("{report:#}\n"))
        .with_context(|| format!("writing {}", args.json.display()))?;
    print!("{}", table(&sides[0], &sides[1]));
    println!("figures: {}", args.json.display());
    let missed = missed(&sides[1]);
    for target in &missed {
        println!("missed: {target}");
    }
    Ok(if missed.is_empty() {
        println!("all targets met");
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The targets that the function missed.
fn missed(rust: &Side) -> Vec<String> {
    let mut missed = Vec::new();
    let mut below = |what: &str, value: f64, limit: f64, unit: &str| {
        if value >= limit {
            missed.push(format!("{what} is {value:.1} {unit}, not below {limit} {unit}"));
        }
    };
    let cold = median(&rust.cold_ms);
    below("cold start, median", cold, TARGETS.cold_ms, "ms");
    for (environments, warm) in &rust.warm {
        for ((name, value), limit) in NAMES.iter().zip(warm.quantiles_ms()).zip(TARGETS.latency_ms)
        {
            below(&format!("{name}, {environments} env"), value, limit, "ms");
        }
    }
    below("resident memory", rust.peak_rss_mib, TARGETS.rss_mib, "MiB");
    let slowest = RECORDED.cold_ms[0] / TARGETS.cold_ratio;
    let what = format!("cold start, {} times below the recorded one", TARGETS.cold_ratio);
    below(&what, cold, slowest, "ms");
    missed
}

const NAMES: [&str; 3] = ["P50", "P95", "P99"];

impl Warm {
    /// P50, P95 and P99.
    fn quantiles_ms(&self) -> [f64; 3] {
        let latency = self.summary.total.latency;
        [latency.p50_us, latency.p95_us, latency.p99_us].map(|us| us as f64 / 1e3)
    }
}

struct Data {
    environment: Vec<(String, String)>,
    key: String,
    paths: Vec<String>,
}

impl Data {
    fn read(folder: &Path) -> anyhow::Result<Self> {
        let read = |name: &str| {
            let file = folder.join(name);
            std::fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))
        };
        let environment = read("environment")?;
        let pairs = environment.lines().filter_map(|line| line.split_once('='));
        let key = read("seed.sql")?
            .lines()
            .find_map(|line| line.strip_prefix("-- API key: ").map(str::to_owned));
        Ok(Self {
            environment: pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            key: key.context("seed.sql does not say `-- API key: …`")?,
            paths: read("addresses.txt")?
                .lines()
                .map(|address| format!("/v2/stamps/1/score/{address}"))
                .collect(),
        })
    }

    fn event(&self) -> Value {
        json!({
            "httpMethod": "GET", "path": self.paths.get(3).or(self.paths.first()), "queryStringParameters": {},
            "headers": {"x-api-key": self.key}, "body": "", "isBase64Encoded": false,
        })
    }
}

async fn measure(
    name: &'static str,
    function: FunctionSpec,
    data: &Data,
    args: &BenchArgs,
) -> anyhow::Result<Side> {
    let mut side = Side {
        name,
        cold_ms: Vec::new(),
        warm: BTreeMap::new(),
        peak_rss_mib: 0.0,
        round_trips: None,
    };
    for (environments, rate) in LOADS {
        let topology = Topology::new()
            .manual_clock()
            .function(function.clone().max_environments(environments))
            .target_group(FUNCTION, FUNCTION)
            .load_balancer(LoadBalancerSpec::new("scorer").default_group(FUNCTION));
        let cloud = LocalCloud::start(topology).await?;
        if side.cold_ms.is_empty() {
            for _ in 0..args.cold.max(1) {
                cloud.recycle(FUNCTION)?;
                side.cold_ms.push(once(&cloud, data).await?);
            }
            side.cold_ms.sort_by(f64::total_cmp);
        }
        let length = Duration::from_secs_f64(f64::from(args.requests) / rate);
        let summary = warm(&cloud, data, environments, rate, length).await?;
        side.warm.insert(environments, Warm { rate, summary });
        for stats in cloud.function_stats() {
            side.peak_rss_mib = side.peak_rss_mib.max(stats.peak_rss_kib as f64 / 1024.0);
        }
        side.round_trips = round_trips(&cloud).or(side.round_trips);
        cloud.shutdown().await;
    }
    Ok(side)
}

/// One invocation that must answer 200, in milliseconds.
async fn once(cloud: &LocalCloud, data: &Data) -> anyhow::Result<f64> {
    let started = Instant::now();
    let answer = cloud.invoke(FUNCTION, data.event().to_string()).await?;
    let took = started.elapsed().as_secs_f64() * 1e3;
    let answer: Value = serde_json::from_slice(&answer)?;
    anyhow::ensure!(answer["statusCode"] == 200, "it answered {answer}");
    Ok(took)
}

async fn warm(
    cloud: &LocalCloud,
    data: &Data,
    environments: u32,
    rate: f64,
    duration: Duration,
) -> anyhow::Result<Summary> {
    // So many at a time start so many processes; twice, so that each has its connection.
    for _ in 0..2 {
        let first = (0..environments).map(|_| once(cloud, data));
        for started in join_all(first).await {
            started?;
        }
    }
    let address =
        cloud.alb_url("scorer").trim_start_matches("http://").trim_end_matches('/').parse()?;
    let asks: Result<Vec<_>, _> = data
        .paths
        .iter()
        .map(|path| Ask::get(path).and_then(|ask| ask.header("x-api-key", &data.key)))
        .collect();
    // A request beyond the environments would be throttled; it waits for a connection
    // instead, and the wait counts.
    let max_connections = usize::try_from(environments)?;
    let plan = Plan { rate, duration, seed: 7, max_connections, ..Plan::default() };
    let mut running = load::start(address, asks?, &plan, Arc::new(|_, _| None))?;
    running.wait().await;
    let (summary, _) = running.finish().await;
    anyhow::ensure!(summary.hurt() == 0, "{} of {} requests failed", summary.hurt(), summary.sent);
    Ok(summary)
}

/// What the function's own log lines say about requests that scored.
fn round_trips(cloud: &LocalCloud) -> Option<(u64, u64)> {
    let lines = cloud.logs(FUNCTION);
    let counts = lines.iter().filter_map(|line| serde_json::from_str::<Value>(&line.text).ok());
    let counts = counts
        .filter(|line| line["status"] == 200)
        .filter_map(|line| line["DatabaseRoundTrips"].as_u64());
    let counts: Vec<u64> = counts.collect();
    Some((*counts.iter().min()?, *counts.iter().max()?))
}

fn table(python: &Side, rust: &Side) -> String {
    const HEAD: [&str; 6] = ["", "recorded", "twin", "rust", "recorded/rust", "twin/rust"];
    let mut rows = vec![HEAD.map(str::to_owned)];
    let mut row = |what: String, recorded: Option<[f64; 2]>, python: f64, rust: f64, unit: &str| {
        let ratio = |slow: f64| format!("{:.1}", slow / rust);
        let known = recorded.map(|[least, most]| {
            // The smaller ratio: what can be said of every run.
            let shown = if (most - least).abs() < 0.5 {
                format!("{most:.0} {unit}")
            } else {
                format!("{least:.0}-{most:.0} {unit}")
            };
            (shown, ratio(least))
        });
        let (recorded, recorded_ratio) = known.unwrap_or_default();
        rows.push([
            what,
            recorded,
            format!("{python:.1} {unit}"),
            format!("{rust:.1} {unit}"),
            recorded_ratio,
            ratio(python),
        ]);
    };
    row(
        "cold start, median".to_owned(),
        Some(RECORDED.cold_ms),
        median(&python.cold_ms),
        median(&rust.cold_ms),
        "ms",
    );
    let worst = |side: &Side| side.cold_ms.last().copied().unwrap_or_default();
    row("cold start, worst".to_owned(), None, worst(python), worst(rust), "ms");
    for ((environments, python), rust) in python.warm.iter().zip(rust.warm.values()) {
        let recorded = [RECORDED.p50_ms, RECORDED.p95_ms, RECORDED.p99_ms];
        let figures = python.quantiles_ms().into_iter().zip(rust.quantiles_ms());
        for ((name, recorded), (twin, rust)) in NAMES.iter().zip(recorded).zip(figures) {
            let what = format!("{name}, {environments} env, {}/s", python.rate);
            // Recorded one request at a time.
            let recorded = (*environments == 1).then_some(recorded);
            row(what, recorded, twin, rust, "ms");
        }
    }
    row(
        "resident memory, peak".to_owned(),
        Some(RECORDED.rss_mib),
        python.peak_rss_mib,
        rust.peak_rss_mib,
        "MiB",
    );
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..HEAD.len()).map(|column| width(column).unwrap_or(0)).collect();
    let mut out = String::new();
    for row in &rows {
        for (at, (cell, width)) in row.iter().zip(&widths).enumerate() {
            out.push_str(&if at == 0 {
                format!("{cell:<width$}")
            } else {
                format!("  {cell:>width$}")
            });
        }
        out.push('\n');
    }
    for (environments, warm) in &rust.warm {
        let [least, most] = warm.summary.total.latency.p99_range_us.map(|us| us as f64 / 1e3);
        let sent = warm.summary.sent;
        out.push_str(&format!(
            "rust, {environments} env: {sent} samples; the true P99 is between {least:.1} and {most:.1} ms (95 %)\n"
        ));
    }
    if let Some((fewest, most)) = rust.round_trips {
        out.push_str(&format!("round trips to the database per score: recorded 37 (3 new stamps), rust {fewest} to {most}\n"));
    }
    out.push_str(
        "recorded: the real Python service, one request at a time, three stamps; it does more than the twin\n\
         latencies: open loop, through the load balancer\n",
    );
    out
}

fn median(sorted: &[f64]) -> f64 {
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
