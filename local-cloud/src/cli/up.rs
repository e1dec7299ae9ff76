//! `up`: a cloud from a file, or the demo's, until a signal.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

use crate::clock::{CLOCK_VARIABLE, Pace};
use crate::demo::stand::Stand;
use crate::handle::LocalCloud;
use crate::topology::Topology;
use crate::widget;

/// A topology with every part of the scorer's rollout.
pub const EXAMPLE: &str = include_str!("example.toml");

/// Start the cloud of a topology file, or the demo's, and run until a signal.
///
/// Without a file it makes its own database, configuration and journal, and prints
/// what a shell needs for `rolloutctl`. Addresses go to standard error for people and to standard output as one
/// line of JSON for programs.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Topology, see `local-cloud example` [default: the demo's cloud]
    file: Option<PathBuf>,
    /// Real length of a simulated minute, in place of the file's [default: 2s]
    #[arg(long, value_parser = humantime::parse_duration)]
    minute: Option<Duration>,
    /// Seed of every draw, in place of the file's
    #[arg(long)]
    seed: Option<u64>,
}

/// Runs until SIGINT, SIGTERM or SIGHUP; then ends everything it started.
///
/// # Errors
/// A topology that cannot be used, a taken port.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let started = tokio::select! {
        started = Up::start(&args) => started?,
        _ = interrupt.recv() => return Ok(ExitCode::SUCCESS),
        _ = terminate.recv() => return Ok(ExitCode::SUCCESS),
        _ = hangup.recv() => return Ok(ExitCode::SUCCESS),
    };
    let state = started.cloud().state();
    eprint!("{}", addresses(&state));
    if let Up::Demo(stand) = &started {
        eprint!("{}", pasted(stand));
    }
    println!("{}", summary(&state));
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
    eprintln!("local-cloud: stopping");
    started.end().await;
    Ok(ExitCode::SUCCESS)
}

/// What was started.
enum Up {
    File(LocalCloud),
    Demo(Box<Stand>),
}

impl Up {
    async fn start(args: &Args) -> anyhow::Result<Self> {
        let Some(file) = &args.file else {
            let minute = args.minute.unwrap_or(Duration::from_secs(2));
            return Ok(Self::Demo(Box::new(Stand::start(minute, args.seed.unwrap_or(1)).await?)));
        };
        let text =
            std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
        let mut topology =
            Topology::from_toml(&text).with_context(|| file.display().to_string())?;
        if let Some(minute) = args.minute {
            topology.minute = Pace::Minute(minute);
        }
        topology.seed = args.seed.unwrap_or(topology.seed);
        Ok(Self::File(LocalCloud::start_printing(topology).await?))
    }

    fn cloud(&self) -> &LocalCloud {
        match self {
            Self::File(cloud) => cloud,
            Self::Demo(stand) => stand.cloud(),
        }
    }

    async fn end(self) {
        match self {
            Self::File(cloud) => cloud.shutdown().await,
            Self::Demo(stand) => stand.end().await,
        }
    }
}

/// To paste into a shell.
fn pasted(stand: &Stand) -> String {
    let page = widget::address(&stand.cloud().aws_endpoint(), "score");
    let mut lines = format!("  the rollout's page: {page}\nfor rolloutctl, paste this:\n");
    for set in stand.environment() {
        let _ = writeln!(lines, "export {set}");
    }
    lines
}

fn addresses(state: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut lines = format!(
        "local-cloud is up at {} (simulated)\n  AWS_ENDPOINT_URL={}\n",
        text(&state["now"]),
        text(&state["aws_endpoint"])
    );
    // A manual clock has none.
    if let Some(clock) = state["rollout_clock"].as_str() {
        let _ = writeln!(lines, "  {CLOCK_VARIABLE}={clock}");
    }
    for balancer in state["load_balancers"].as_array().into_iter().flatten() {
        let _ = writeln!(
            lines,
            "  load balancer {}: {}",
            text(&balancer["name"]),
            text(&balancer["url"])
        );
        for rule in balancer["rules"].as_array().into_iter().flatten() {
            let weights = rule["weights"].as_array().into_iter().flatten();
            let weights: Vec<String> = weights
                .map(|share| format!("{}={}", text(&share["group"]), share["weight"]))
                .collect();
            let priority = rule["priority"]
                .as_u64()
                .map_or_else(|| "default".to_owned(), |one| one.to_string());
            let _ =
                writeln!(lines, "    rule {priority} {} {}", weights.join(" "), text(&rule["arn"]));
        }
    }
    lines
}

fn summary(state: &Value) -> Value {
    json!({
        "aws_endpoint": state["aws_endpoint"],
        "rollout_clock": state["rollout_clock"],
        "region": state["region"],
        "load_balancers": state["load_balancers"],
        "target_groups": state["target_groups"],
        "topics": state["topics"],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_one_a_line() {
        let state = json!({
            "now": "then", "aws_endpoint": "http://127.0.0.1:1", "rollout_clock": "start=then",
            "load_balancers": [{ "name": "lb", "url": "http://127.0.0.1:2", "rules": [
                { "arn": "arn", "priority": 100, "weights": [{ "group": "a", "weight": 5 }] },
                { "arn": "last", "priority": null, "weights": [] },
            ] }],
        });
        let expected = "local-cloud is up at then (simulated)\n\
                        \x20 AWS_ENDPOINT_URL=http://127.0.0.1:1\n\
                        \x20 ROLLOUT_CLOCK=start=then\n\
                        \x20 load balancer lb: http://127.0.0.1:2\n\
                        \x20   rule 100 a=5 arn\n\
                        \x20   rule default  last\n";
        assert_eq!(addresses(&state), expected);
        let manual = json!({ "now": "then", "aws_endpoint": "x", "rollout_clock": null });
        assert!(!addresses(&manual).contains("ROLLOUT_CLOCK"));
    }

    #[test]
    fn the_example_is_a_topology() {
        let mut text = EXAMPLE.to_owned();
        while let Some(start) = text.find("${") {
            let end = start + text[start..].find('}').unwrap();
            text.replace_range(start..=end, "x");
        }
        let topology = Topology::from_toml(&text).unwrap();
        let rules = &topology.load_balancers[0].rules;
        assert_eq!(rules.iter().map(|rule| rule.priority).collect::<Vec<_>>(), [99, 100]);
        assert_eq!(topology.schedules.len(), 1);
    }
}
