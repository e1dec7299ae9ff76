//! The command line as a whole: what there is, and what runs it.

use super::remote::{Gives, Giving, Remote, give};
use super::{
    check, compare, completions, configure, export, look, notify, operate, plan, profile, replay,
    rollback, simulate,
};
use crate::domain::command::Order;
use std::process::ExitCode;

/// Watch and steer a rollout.
///
/// Commands talk to the controller's functions through Lambda Invoke with your AWS
/// credentials; `setup` says once where they are. Exit codes: 0 done or safe, 1
/// error (compare: differences), 2 usage, 10 held or degraded, 11 warnings and 12 a fault (check, notify),
/// 20 rolled back, 30 unknown, 31 not protected, 40 refused, 41 stale, 42 incomplete,
/// 50 users are hurt.
#[derive(Debug, clap::Parser)]
#[command(
    name = "rolloutctl",
    version,
    after_help = "Examples:\n  rolloutctl status\n  rolloutctl rollback --reason \"users see errors\" --yes\n  rolloutctl check --config rollout.toml"
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What there is to do.
#[derive(Debug, clap::Subcommand)]
#[expect(missing_docs, reason = "each type documents itself, for --help too")]
pub enum Command {
    Status(look::Status),
    History(look::History),
    Start(operate::Start),
    Pause(operate::Pause),
    Resume(operate::Resume),
    Rollback(rollback::Args),
    Promote(operate::Promote),
    Activate(operate::Activate),
    Abandon(operate::Abandon),
    Setup(profile::Setup),
    Check(check::Args),
    Compare(compare::Compare),
    Notify(notify::Args),
    Config(configure::Config),
    Migrate(configure::Migrate),
    Replay(replay::Args),
    Export(export::Export),
    Backtest(replay::Backtest),
    Plan(plan::Plan),
    Simulate(simulate::Simulate),
    Completions(completions::Completions),
    Man(completions::Man),
}

impl Command {
    /// The order that this gives to the controller, if it is one.
    pub fn order(&self) -> Option<(&Remote, &Giving, Order)> {
        match self {
            Self::Start(args) => Some(args.gives()),
            Self::Pause(args) => Some(args.gives()),
            Self::Resume(args) => Some(args.gives()),
            Self::Rollback(args) => Some(args.gives()),
            Self::Promote(args) => Some(args.gives()),
            Self::Activate(args) => Some(args.gives()),
            Self::Abandon(args) => Some(args.gives()),
            Self::Status(_)
            | Self::History(_)
            | Self::Setup(_)
            | Self::Check(_)
            | Self::Compare(_)
            | Self::Notify(_)
            | Self::Config(_)
            | Self::Migrate(_)
            | Self::Replay(_)
            | Self::Export(_)
            | Self::Backtest(_)
            | Self::Plan(_)
            | Self::Simulate(_)
            | Self::Completions(_)
            | Self::Man(_) => None,
        }
    }

    /// Runs it and prints. Returns the exit code.
    ///
    /// # Errors
    /// Each subcommand's own; printed once, with its chain, by the caller.
    pub fn run(&self) -> anyhow::Result<ExitCode> {
        if let Self::Rollback(args) = self {
            return rollback::run(args);
        }
        if let Some((remote, giving, order)) = self.order() {
            return give(remote, giving, order);
        }
        match self {
            Self::Status(args) => look::run_status(args),
            Self::History(args) => look::run_history(args),
            Self::Setup(args) => profile::run(args),
            Self::Check(args) => check::run(args),
            Self::Compare(args) => compare::run(args),
            Self::Notify(args) => notify::run(args),
            Self::Config(args) => configure::run_config(args),
            Self::Migrate(args) => configure::run_migrate(args),
            Self::Replay(args) => replay::run(args),
            Self::Export(args) => export::run(args),
            Self::Backtest(args) => replay::run_backtest(args),
            Self::Plan(args) => plan::run(args),
            Self::Simulate(args) => simulate::run(args),
            Self::Completions(args) => completions::run(args),
            Self::Man(args) => completions::run_man(args),
            Self::Start(_)
            | Self::Pause(_)
            | Self::Resume(_)
            | Self::Rollback(_)
            | Self::Promote(_)
            | Self::Activate(_)
            | Self::Abandon(_) => unreachable!("orders have been given above"),
        }
    }
}
