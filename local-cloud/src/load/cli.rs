//! `local-cloud load`: the generator by hand.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use hyper::Uri;

use super::{Ask, Plan, Spacing, Summary, start};

/// Send requests at a fixed rate and show how long they took.
///
/// Exit code 0 if every request was served (status below 500), 1 if not.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where to, on this machine: http://127.0.0.1:PORT
    #[arg(long)]
    url: Uri,
    /// Requests a second
    #[arg(long, default_value_t = 100.0)]
    rate: f64,
    /// For how long, e.g. 30s
    #[arg(long, default_value = "10s", value_parser = humantime::parse_duration)]
    duration: Duration,
    /// Path with query; repeat for several, sent in turn [default: that of --url]
    #[arg(long = "path")]
    paths: Vec<String>,
    /// Header of every request, as `name: value`; repeat for several
    #[arg(long = "header")]
    headers: Vec<String>,
    /// How requests are spread
    #[arg(long, value_enum, default_value = "poisson")]
    spacing: Spacing,
    /// Draws the gaps
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Requests not answered this long after they were due have failed
    #[arg(long, default_value = "30s", value_parser = humantime::parse_duration)]
    timeout: Duration,
    /// Stop after so many requests
    #[arg(long, default_value_t = 1_000_000)]
    max_requests: u64,
    /// Count per value of this response header
    #[arg(long)]
    side_header: Option<String>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// Runs to the end, progress to standard error, result to standard output.
///
/// # Errors
/// An argument that cannot be used.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let address = address(&args.url)?;
    let plan = Plan {
        rate: args.rate,
        spacing: args.spacing,
        duration: args.duration,
        max_requests: args.max_requests,
        timeout: args.timeout,
        seed: args.seed,
        ..Plan::default()
    };
    let asks = asks(&args)?;
    let side_header = args.side_header;
    let mut running = start(
        address,
        asks,
        &plan,
        Arc::new(move |_, headers| {
            let value = headers.get(side_header.as_ref()?)?;
            Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
        }),
    )?;

    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    seconds.tick().await;
    loop {
        tokio::select! {
            () = running.wait() => break,
            _ = tokio::signal::ctrl_c() => running.stop(),
            _ = seconds.tick() => {
                let now = running.summary();
                eprintln!(
                    "{:>4.0} s  {} of about {} sent, {} ended, {} hurt, {}",
                    now.elapsed_secs,
                    now.sent,
                    running.expected(),
                    now.total.ended,
                    now.hurt(),
                    now.total.latency
                );
            }
        }
    }
    let summary = running.summary();
    let mut text =
        if args.json { serde_json::to_string_pretty(&summary)? } else { described(&summary)? };
    text.push('\n');
    crate::cli::print(&text)?;
    Ok(if summary.hurt() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn asks(args: &Args) -> anyhow::Result<Vec<Ask>> {
    let own = args.url.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let paths = if args.paths.is_empty() { vec![own] } else { args.paths.clone() };
    paths
        .iter()
        .map(|path| {
            args.headers.iter().try_fold(Ask::get(path)?, |ask, header| {
                // Only the name is shown: the value may be a key.
                let (name, value) =
                    header.split_once(':').context("--header must be `name: value`")?;
                Ok(ask.header(name.trim(), value.trim())?)
            })
        })
        .collect()
}

fn address(url: &Uri) -> anyhow::Result<SocketAddr> {
    ensure!(url.scheme_str() == Some("http"), "--url must start with http://");
    let host = url.host().context("--url names no host")?;
    let ip = match host.trim_matches(['[', ']']) {
        "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
        host => match host.parse() {
            Ok(ip) => ip,
            Err(_) => bail!("--url must name a loopback address or localhost, not {host}"),
        },
    };
    Ok(SocketAddr::new(ip, url.port_u16().unwrap_or(80)))
}

fn described(summary: &Summary) -> Result<String, std::fmt::Error> {
    let mut text = format!(
        "{} sent in {:.1} s, {} served, {} hurt",
        summary.sent,
        summary.elapsed_secs,
        summary.total.served,
        summary.hurt()
    );
    for (status, count) in &summary.by_status {
        write!(text, "\n  status {status}: {count}")?;
    }
    for (name, count) in [
        ("not connected", summary.not_connected),
        ("connection broke", summary.broken),
        ("timed out", summary.timed_out),
    ] {
        if count > 0 {
            write!(text, "\n  {name}: {count}")?;
        }
    }
    write!(text, "\n  all: {}", summary.total.latency)?;
    for (name, side) in &summary.sides {
        write!(text, "\n  {name}: {} ended, {} served, {}", side.ended, side.served, side.latency)?;
    }
    write!(text, "\n  sent late by: {}", summary.lag)?;
    Ok(text)
}
