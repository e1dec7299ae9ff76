//! One side under one condition.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures_util::future::join_all;
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};

use super::usage::{Cost, Meter};
use super::{BenchArgs, median};
use crate::latency::LatencyProxy;
use crate::load::{self, Ask, Plan, Summary};
use crate::postgres::PrivatePostgres;
use crate::{FunctionSpec, LoadBalancerSpec, LocalCloud, Topology};

const FUNCTION: &str = "scorer";

/// Names of the sides.
pub(super) const PYTHON: &str = "python";
pub(super) const RUST: &str = "rust";
/// Rust with its statements as functions, which a server session plans once.
pub(super) const PLANNED: &str = "rust, planned once";

/// Network in which round trips are counted: so far away that what a client
/// sends without waiting is on its way before an answer can be there.
const COUNTING: Duration = Duration::from_millis(5);

/// Requests a second to one environment: less than the slower side can do, so
/// that neither is measured in its queue.
pub(super) const RATE: f64 = 25.0;
/// Environments at a time, and requests a second, under [`Condition::Tls`].
pub(super) const MANY: (u32, f64) = (8, 60.0);

/// How the function reaches its database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Condition {
    /// Loopback, no TLS, plain password.
    Plain,
    /// Loopback, TLS with a verified certificate, SCRAM-SHA-256.
    Tls,
    /// The same with [`FAR`] between.
    TlsFar,
}

/// Round trip of [`Condition::TlsFar`], as between availability zones.
pub(super) const FAR: Duration = Duration::from_millis(1);

impl Condition {
    pub(super) const ALL: [Self; 3] = [Self::Plain, Self::Tls, Self::TlsFar];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Tls => "TLS + SCRAM",
            Self::TlsFar => "TLS + SCRAM + 1 ms",
        }
    }

    fn database(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Tls => "tls",
            Self::TlsFar => "tls_far",
        }
    }
}

/// One of the functions.
pub(super) struct Candidate {
    pub(super) name: &'static str,
    /// What its databases begin with.
    pub(super) prefix: &'static str,
    /// A migration that it needs, and the setting that makes it use it.
    pub(super) migration: Option<(PathBuf, (&'static str, &'static str))>,
    pub(super) command: Vec<String>,
    pub(super) folder: Option<PathBuf>,
}

/// Figures of one side under one condition.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) side: &'static str,
    pub(super) condition: Condition,
    /// Process start to first answer in milliseconds, sorted.
    pub(super) cold_ms: Vec<f64>,
    /// One environment, [`RATE`].
    pub(super) one: Warm,
    /// [`MANY`] environments; under [`Condition::Tls`].
    pub(super) many: Option<Warm>,
    /// Median of the function's own `Duration` in milliseconds, if it logs one.
    pub(super) own_p50_ms: Option<f64>,
    /// Round trips to the database of a request that scored: fewest, most.
    pub(super) round_trips: [u64; 2],
    /// Write-ahead log of a wallet's first score, in bytes.
    pub(super) wal_bytes_first: f64,
    /// Greatest resident size of one process in MiB.
    pub(super) peak_rss_mib: f64,
}

#[derive(Debug, Serialize)]
pub(super) struct Warm {
    pub(super) environments: u32,
    pub(super) rate: f64,
    pub(super) summary: Summary,
    pub(super) cost: Cost,
}

impl Warm {
    /// P50, P95 and P99.
    pub(super) fn quantiles_ms(&self) -> [f64; 3] {
        let latency = self.summary.total.latency;
        [latency.p50_us, latency.p95_us, latency.p99_us].map(|us| us as f64 / 1e3)
    }
}

/// The demo's settings and wallets.
pub(super) struct Data {
    environment: Vec<(String, String)>,
    key: String,
    paths: Vec<String>,
    pub(super) seed: PathBuf,
}

impl Data {
    pub(super) fn read(folder: &Path) -> anyhow::Result<Self> {
        let read = |name: &str| {
            let file = folder.join(name);
            std::fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))
        };
        let environment = read("environment")?;
        let pairs = environment.lines().filter_map(|line| line.split_once('='));
        let key = read("seed.sql")?
            .lines()
            .find_map(|line| line.strip_prefix("-- API key: ").map(str::to_owned));
        let paths: Vec<String> = read("addresses.txt")?
            .lines()
            .map(|address| format!("/v2/stamps/1/score/{address}"))
            .collect();
        anyhow::ensure!(!paths.is_empty(), "addresses.txt is empty");
        Ok(Self {
            environment: pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            key: key.context("seed.sql does not say `-- API key: …`")?,
            paths,
            seed: folder.join("seed.sql"),
        })
    }

    fn event(&self, path: &str) -> String {
        json!({
            "httpMethod": "GET", "path": path, "queryStringParameters": {},
            "headers": {"x-api-key": self.key}, "body": "", "isBase64Encoded": false,
        })
        .to_string()
    }

    /// A wallet with three stamps, as the recorded one.
    fn usual(&self) -> &str {
        self.paths.get(3).unwrap_or(&self.paths[0])
    }
}

/// Everything about one side under one condition, on a fresh copy of the
/// database `seeded`.
pub(super) async fn measure(
    candidate: &Candidate,
    condition: Condition,
    postgres: &PrivatePostgres,
    data: &Data,
    args: &BenchArgs,
) -> anyhow::Result<Row> {
    let database = format!("{}_{}", candidate.prefix, condition.database());
    postgres.create_from_template(&database, "seeded").await?;
    if let Some((file, _)) = &candidate.migration {
        postgres.load_sql_file(&database, file).await?;
    }
    let server = ([127, 0, 0, 1], postgres.port()).into();

    let far = LatencyProxy::start(server, COUNTING).await?;
    let url = postgres.url_at(far.address().port(), &database);
    let cloud = start(candidate, &url, data, 1).await?;
    let counted = count(&cloud, &far, postgres, &database, data).await?;
    cloud.shutdown().await;
    far.set_round_trip(FAR);

    let url = match condition {
        Condition::Plain | Condition::Tls => postgres.url(&database),
        Condition::TlsFar => url,
    };
    let cloud = start(candidate, &url, data, 1).await?;
    let mut cold_ms = Vec::new();
    for _ in 0..args.cold.max(1) {
        cloud.recycle(FUNCTION)?;
        cold_ms.push(ask(&cloud, data, data.usual()).await?);
    }
    cold_ms.sort_by(f64::total_cmp);
    let mut meter = Meter::connect(postgres, &database).await?;
    let one = warm(&cloud, &mut meter, data, (1, RATE), args.requests).await?;
    let own_p50_ms = own_p50_ms(&cloud);
    let mut peak_rss_mib = peak_rss_mib(&cloud);
    cloud.shutdown().await;

    let many = match condition {
        Condition::Tls => {
            let cloud = start(candidate, &url, data, MANY.0).await?;
            let many = warm(&cloud, &mut meter, data, MANY, args.requests).await?;
            peak_rss_mib = peak_rss_mib.max(self::peak_rss_mib(&cloud));
            cloud.shutdown().await;
            Some(many)
        }
        Condition::Plain | Condition::TlsFar => None,
    };
    Ok(Row {
        side: candidate.name,
        condition,
        cold_ms,
        one,
        many,
        own_p50_ms,
        round_trips: counted.round_trips,
        wal_bytes_first: counted.wal_bytes_first,
        peak_rss_mib,
    })
}

async fn start(
    candidate: &Candidate,
    url: &str,
    data: &Data,
    environments: u32,
) -> anyhow::Result<LocalCloud> {
    let mut function = FunctionSpec::new(FUNCTION, candidate.command.clone())
        .timeout(Duration::from_secs(30))
        .max_environments(environments)
        .env("DATABASE_URL", url);
    for (variable, value) in &data.environment {
        function = function.env(variable, value);
    }
    if let Some((_, (variable, value))) = &candidate.migration {
        function = function.env(variable, *value);
    }
    if let Some(folder) = &candidate.folder {
        function = function.cwd(folder);
    }
    let topology = Topology::new()
        .manual_clock()
        .function(function)
        .target_group(FUNCTION, FUNCTION)
        .load_balancer(LoadBalancerSpec::new("scorer").default_group(FUNCTION));
    Ok(LocalCloud::start(topology).await?)
}

/// One invocation that must answer 200, in milliseconds.
async fn ask(cloud: &LocalCloud, data: &Data, path: &str) -> anyhow::Result<f64> {
    let started = Instant::now();
    let answer = cloud.invoke(FUNCTION, data.event(path)).await?;
    let took = started.elapsed().as_secs_f64() * 1e3;
    let answer: Value = serde_json::from_slice(&answer)?;
    anyhow::ensure!(answer["statusCode"] == 200, "it answered {answer}");
    Ok(took)
}

struct Counted {
    round_trips: [u64; 2],
    wal_bytes_first: f64,
}

/// Asks for every wallet twice, one request after the other, and looks at the
/// network between: nothing here depends on what the function says of itself.
async fn count(
    cloud: &LocalCloud,
    network: &LatencyProxy,
    postgres: &PrivatePostgres,
    database: &str,
    data: &Data,
) -> anyhow::Result<Counted> {
    let mut meter = Meter::connect(postgres, database).await?;
    // Opens the connection.
    ask(cloud, data, &data.paths[0]).await?;
    let wallets = &data.paths[1..];
    let before = meter.wal_bytes().await?;
    let mut trips = Vec::new();
    let mut first = 0;
    for pass in 0..2 {
        for path in wallets {
            let before = network.traffic().round_trips;
            ask(cloud, data, path).await?;
            trips.push(network.traffic().round_trips - before);
        }
        if pass == 0 {
            first = meter.wal_bytes().await? - before;
        }
    }
    let (Some(&fewest), Some(&most)) = (trips.iter().min(), trips.iter().max()) else {
        anyhow::bail!("addresses.txt needs two wallets");
    };
    anyhow::ensure!(most > 0, "the function does not use DATABASE_URL");
    Ok(Counted {
        round_trips: [fewest, most],
        wal_bytes_first: first as f64 / wallets.len() as f64,
    })
}

/// Steady load through the load balancer, open loop: a slow answer cannot hide
/// the requests that waited behind it.
async fn warm(
    cloud: &LocalCloud,
    meter: &mut Meter,
    data: &Data,
    (environments, rate): (u32, f64),
    requests: u32,
) -> anyhow::Result<Warm> {
    // So many at a time start so many processes; twice, so that each has its connection.
    for _ in 0..2 {
        let first = (0..environments).map(|_| ask(cloud, data, data.usual()));
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
    let duration = Duration::from_secs_f64(f64::from(requests) / rate);
    let plan = Plan { rate, duration, seed: 7, max_connections, ..Plan::default() };
    let before = meter.read(cloud).await?;
    let mut running = load::start(address, asks?, &plan, Arc::new(|_, _| None))?;
    running.wait().await;
    let (summary, _) = running.finish().await;
    let cost = meter.read(cloud).await?.since(&before, summary.sent);
    anyhow::ensure!(summary.hurt() == 0, "{} of {} requests failed", summary.hurt(), summary.sent);
    Ok(Warm { environments, rate, summary, cost })
}

/// The median of `Duration` in the log lines that local-cloud still has: the last
/// 2000, cold starts left out.
fn own_p50_ms(cloud: &LocalCloud) -> Option<f64> {
    let lines = cloud.logs(FUNCTION);
    let lines = lines.iter().filter_map(|line| serde_json::from_str::<Value>(&line.text).ok());
    let mut durations: Vec<f64> = lines
        .filter(|line| line["status"] == 200 && line["cold_start"] == false)
        .filter_map(|line| line["Duration"].as_f64())
        .collect();
    durations.sort_by(f64::total_cmp);
    (!durations.is_empty()).then(|| median(&durations))
}

fn peak_rss_mib(cloud: &LocalCloud) -> f64 {
    let peaks = cloud.function_stats().into_iter().map(|stats| stats.peak_rss_kib);
    peaks.max().unwrap_or_default() as f64 / 1024.0
}

/// Median milliseconds of a statement that does nothing, over an open connection.
pub(super) async fn statement_ms(url: &str) -> anyhow::Result<f64> {
    let mut connection = PgConnection::connect(url).await?;
    let mut times = Vec::new();
    for _ in 0..101 {
        let started = Instant::now();
        sqlx::raw_sql("SELECT 1").execute(&mut connection).await?;
        times.push(started.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    Ok(median(&times))
}
