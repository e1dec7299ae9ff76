//! `local-cloud bench-scorer`: the Python twin beside the Rust function, and that
//! with its statements planned once, on this machine, on the same rows, in one run.
//!
//! Three conditions, each side after the other: a plain database on loopback; TLS
//! with a verified certificate and SCRAM-SHA-256, as RDS has them; the same with a
//! millisecond of network between. The tables have production's indexes.
//!
//! - Cold starts go straight to the function, from spawn to the first answer.
//! - Latencies go through the load balancer, open loop, so a slow answer cannot
//!   hide the requests that waited behind it.
//! - Round trips are counted in the network, not believed ([`crate::latency`]).
//! - Write-ahead log and processor time are the server's and the kernel's counts.
//!
//! Absolute times belong to the machine; compare the rows of one run.

mod measure;
mod table;
mod usage;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::json;

use self::measure::{
    Candidate, Condition, Data, FAR, PLANNED, PYTHON, RUST, measure, statement_ms,
};
use self::table::{RECORDED, TARGETS, is_judged, missed, table};
use super::cli::sibling;
use crate::latency::LatencyProxy;
use crate::postgres::PrivatePostgres;

/// Compare cold start, latency and cost of the Python twin and the Rust function
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
    /// The migration with the Rust function's statements as SQL functions
    #[arg(long, default_value = "scorer-fn/sql/functions.sql", value_name = "FILE")]
    functions: PathBuf,
    /// Requests for each row; with the default, 12 of them are slower than P99
    #[arg(long, default_value_t = 1200)]
    requests: u32,
    /// Cold starts for each row
    #[arg(long, default_value_t = 21)]
    cold: usize,
    /// Only this condition, which may be given again; all of them by default
    #[arg(long, value_name = "NAME")]
    condition: Vec<Condition>,
    /// Where the figures go
    #[arg(long, default_value = "target/bench/scorer.json", value_name = "FILE")]
    json: PathBuf,
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
    let twin = [text(&args.python), "-m".into(), "awslambdaric".into(), "app.handler".into()];
    let rust = vec![text(&std::path::absolute(&rust)?)];
    let candidates = [
        Candidate {
            name: PYTHON,
            prefix: "python",
            migration: None,
            command: twin.into(),
            folder: Some(std::path::absolute(&args.twin)?),
        },
        Candidate {
            name: RUST,
            prefix: "rust",
            migration: None,
            command: rust.clone(),
            folder: None,
        },
        Candidate {
            name: PLANNED,
            prefix: "planned",
            migration: Some((args.functions.clone(), ("DATABASE_FUNCTIONS", "on"))),
            command: rust.clone(),
            folder: None,
        },
    ];
    let [plain, tls] = [PrivatePostgres::start_plain().await?, PrivatePostgres::start().await?];
    for postgres in [&plain, &tls] {
        postgres.create_database("seeded").await?;
        postgres.load_sql_file("seeded", &data.seed).await?;
    }
    let network_ms = network_ms(&plain).await?;
    let mut rows = Vec::new();
    let chosen =
        |condition: &Condition| args.condition.is_empty() || args.condition.contains(condition);
    for condition in Condition::ALL.into_iter().filter(chosen) {
        let postgres = match condition {
            Condition::Plain => &plain,
            Condition::Tls | Condition::TlsFar => &tls,
        };
        for candidate in &candidates {
            let what = format!("{}, {}", candidate.name, condition.title());
            eprintln!("bench-scorer: {what}");
            let row = measure(candidate, condition, postgres, &data, &args).await;
            rows.push(row.with_context(|| what)?);
        }
    }
    print!("{}", table(&rows));
    println!("The network of 1 ms added {network_ms:.2} ms to a statement.");
    let missed = missed(&rows);
    let report = json!({
        "binary": rust, "network_ms": network_ms, "recorded_python": RECORDED,
        "targets": TARGETS, "missed": missed, "rows": rows,
    });
    if let Some(folder) = args.json.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    }
    std::fs::write(&args.json, format!("{report:#}\n"))
        .with_context(|| format!("writing {}", args.json.display()))?;
    println!("figures: {}", args.json.display());
    for target in &missed {
        println!("missed: {target}");
    }
    Ok(if missed.is_empty() {
        println!(
            "{}",
            if rows.iter().any(is_judged) {
                "all targets met"
            } else {
                "no target missed, but most are about TLS + SCRAM, which was not measured"
            }
        );
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Milliseconds that [`FAR`] really adds to a round trip.
async fn network_ms(postgres: &PrivatePostgres) -> anyhow::Result<f64> {
    let network = LatencyProxy::start(([127, 0, 0, 1], postgres.port()).into(), FAR).await?;
    let far = statement_ms(&postgres.url_at(network.address().port(), "postgres")).await?;
    Ok(far - statement_ms(&postgres.url("postgres")).await?)
}

fn median(sorted: &[f64]) -> f64 {
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
