//! `local-cloud`: starts a cloud, looks into it, breaks it.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use local_cloud::{cli, demo, load, parity};

/// A load balancer and a few AWS APIs on this machine, for development.
///
/// Exit codes: 0 fine, 1 failed (the text says why), 2 usage.
#[derive(Debug, Parser)]
#[command(name = "local-cloud")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Watch two rollouts on this machine: one to 100%, one taken back
    Demo(demo::Args),
    /// Try a rollout by hand: start it, break it, pause it, take it back
    Play(demo::play::Args),
    /// Start the cloud of a topology file, or the demo's, and run until a signal
    Up(cli::up::Args),
    /// Print a topology with every part of the scorer's rollout
    Example,
    /// Show something of a running cloud, as JSON
    Show(cli::look::ShowArgs),
    /// Print what a function has printed lately
    Logs(cli::look::LogsArgs),
    /// Set, list and clear faults of a running cloud
    Fault(cli::fault::Args),
    /// Change the weights of a rule as somebody else would
    Weights(cli::look::WeightsArgs),
    /// Give a function new code or configuration
    Deploy(cli::change::DeployArgs),
    /// Point an alias of a function to a version
    Alias(cli::change::AliasArgs),
    /// Register a target group's target, take it away, set its health
    Target(cli::change::TargetArgs),
    /// Write or remove an SSM parameter
    Parameter(cli::change::ParameterArgs),
    /// Put an action that signs people in in front of a rule
    Authenticate(cli::change::AuthenticateArgs),
    /// Pause, resume or fire a schedule
    Schedule(cli::look::ScheduleArgs),
    /// Move simulated time forward
    Advance(cli::look::AdvanceArgs),
    /// Send requests at a fixed rate and show how long they took
    Load(load::cli::Args),
    /// Replay the recorded cases of the Python service through the load balancer
    Parity(parity::cli::ParityArgs),
    /// Compare the Python twin and the Rust function: cold start, latency, memory
    BenchScorer(parity::bench::BenchArgs),
}

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Args::parse().command {
        Command::Demo(args) => demo::run(args).await,
        Command::Play(args) => demo::play::run(args).await,
        Command::Up(args) => cli::up::run(args).await,
        Command::Example => {
            print!("{}", cli::up::EXAMPLE);
            Ok(ExitCode::SUCCESS)
        }
        Command::Show(args) => cli::look::show(args).await,
        Command::Logs(args) => cli::look::logs(args).await,
        Command::Fault(args) => cli::fault::run(args).await,
        Command::Weights(args) => cli::look::weights(args).await,
        Command::Deploy(args) => cli::change::deploy(args).await,
        Command::Alias(args) => cli::change::alias(args).await,
        Command::Target(args) => cli::change::target(args).await,
        Command::Parameter(args) => cli::change::parameter(args).await,
        Command::Authenticate(args) => cli::change::authenticate(args).await,
        Command::Schedule(args) => cli::look::schedule(args).await,
        Command::Advance(args) => cli::look::advance(args).await,
        Command::Load(args) => load::cli::run(args).await,
        Command::Parity(args) => parity::cli::parity(args).await,
        Command::BenchScorer(args) => parity::bench::bench(args).await,
    };
    done.unwrap_or_else(|error| {
        eprintln!("local-cloud: {error:#}");
        ExitCode::FAILURE
    })
}
