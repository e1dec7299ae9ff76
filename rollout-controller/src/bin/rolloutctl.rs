//! The operators' command line: parse, run, print. See [`rollout_controller::cli`].

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use rollout_controller::cli;

/// Watch and steer a rollout.
#[derive(Debug, Parser)]
#[command(name = "rolloutctl", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Replay(cli::replay::Args),
    Vectors(cli::vectors::Args),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Replay(args) => cli::replay::run(&args),
        Command::Vectors(args) => cli::vectors::run(&args),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
