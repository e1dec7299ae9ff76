//! The operators' command line: parse, run, print. See [`rollout_controller::cli`].

use std::process::ExitCode;

use clap::Parser as _;
use rollout_controller::cli::Cli;

fn main() -> ExitCode {
    Cli::parse().command.run().unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
