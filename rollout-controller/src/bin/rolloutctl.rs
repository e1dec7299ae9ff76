//! The operators' command line: parse, run, print. See [`rollout_controller::cli`].

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use rollout_controller::cli;

/// Watch and steer a rollout.
///
/// Commands talk to the controller's functions through Lambda Invoke with your AWS
/// credentials and AWS_REGION. Exit codes: 0 done or fine, 1 error, 2 usage,
/// 10 holding, 11 warnings and 12 something to mend (check, notify), 20 rolled back,
/// 30 could not tell, 40 refused, 41 stale.
#[derive(Debug, Parser)]
#[command(name = "rolloutctl", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Status(cli::look::Status),
    History(cli::look::History),
    Start(cli::operate::Start),
    Pause(cli::operate::Pause),
    Resume(cli::operate::Resume),
    Rollback(cli::rollback::Args),
    Promote(cli::operate::Promote),
    Activate(cli::operate::Activate),
    Check(cli::check::Args),
    Notify(cli::notify::Args),
    Config(cli::configure::Config),
    Migrate(cli::configure::Migrate),
    Replay(cli::replay::Args),
    Vectors(cli::vectors::Args),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Status(args) => cli::look::run_status(&args),
        Command::History(args) => cli::look::run_history(&args),
        Command::Start(args) => cli::operate::start(&args),
        Command::Pause(args) => cli::operate::pause(&args),
        Command::Resume(args) => cli::operate::resume(&args),
        Command::Rollback(args) => cli::rollback::run(&args),
        Command::Promote(args) => cli::operate::promote(&args),
        Command::Activate(args) => cli::operate::activate(&args),
        Command::Check(args) => cli::check::run(&args),
        Command::Notify(args) => cli::notify::run(&args),
        Command::Config(args) => cli::configure::run_config(&args),
        Command::Migrate(args) => cli::configure::run_migrate(&args),
        Command::Replay(args) => cli::replay::run(&args),
        Command::Vectors(args) => cli::vectors::run(&args),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
