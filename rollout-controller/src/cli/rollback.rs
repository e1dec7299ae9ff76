//! `rollback`: through the controller, or directly with your own credentials.

use super::remote::{Gives, Giving, INCOMPLETE, Remote, block_on, confirm, give};
use crate::adapters::alb::Alb;
use crate::adapters::aws::Aws;
use crate::adapters::invoke::who;
use crate::config::{self, Rollout};
use crate::controller::act::act;
use crate::domain::command::Order;
use crate::domain::decision::{CauseKind, Shift};
use crate::domain::weight::Weight;
use crate::errors::chain;
use crate::ports::{Clock as _, SystemClock, Traffic as _, WritePermit};
use anyhow::{Context as _, bail};
use jiff::SignedDuration;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// All traffic back to Python, now. Works while paused and while the ledger is down.
///
/// With --direct nothing of the controller is used: your own credentials change
/// the rules. The controller finds them at 0 and journals the end of the run.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  rolloutctl rollback --reason \"users see errors\" --yes\n  rolloutctl rollback --direct --config rollout.toml --reason \"controller is down\" --yes"
)]
pub struct Args {
    /// Change the rules with your own credentials, without the controller.
    #[arg(long, requires = "config")]
    direct: bool,
    /// The controller's configuration, for the ARNs of rules and groups.
    #[arg(long, value_name = "FILE", env = "ROLLOUT_CONFIG_FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    giving: Giving,
}

impl Gives for Args {
    fn gives(&self) -> (&Remote, &Giving, Order) {
        (&self.remote, &self.giving, Order::Rollback)
    }
}

/// Runs `rollback`.
///
/// # Errors
/// If the controller (or, with --direct, the load balancer) cannot be reached.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match (&args.config, args.direct) {
        (Some(file), true) => {
            let config =
                config::load(file).with_context(|| format!("reading {}", file.display()))?;
            let rollout =
                config.rollout(args.remote.rollout.as_deref()).map_err(anyhow::Error::msg)?;
            block_on(direct(args, rollout))
        }
        _ => give(&args.remote, &args.giving, Order::Rollback),
    }
}

async fn direct(args: &Args, rollout: &Rollout) -> anyhow::Result<ExitCode> {
    if args.giving.reason.trim().is_empty() {
        bail!("give a reason: rolloutctl rollback --direct --reason \"…\"");
    }
    let aws = Aws::new();
    let clock = Arc::new(SystemClock);
    let alb = Alb::new(aws.clone(), clock.clone());
    let mut shown = String::new();
    for route in &rollout.terms.routes {
        let share = match alb.read(route).await {
            Ok(seen) => seen.share.to_string(),
            Err(error) => chain(&error),
        };
        shown.push_str(&format!("  {} shows {share}, goes to 0 %\n", route.name));
    }
    if args.giving.dry_run {
        super::out(&format!("• dry run: {}\n{shown}", rollout.name))?;
        return Ok(ExitCode::SUCCESS);
    }
    if !args.giving.yes {
        eprint!("Roll back {} directly:\n{shown}", rollout.name);
        confirm()?;
    }
    let identity = who(&aws).await;
    let deadline = clock.real().saturating_add(SignedDuration::from_secs(60))?;
    let permit = WritePermit::lower_only(deadline);
    let text = format!("direct rollback by {identity}: {}", args.giving.reason);
    let shift = Shift::out_of_traffic(CauseKind::RollBack, text);
    let outcome = act(&alb, &rollout.terms.routes, &permit, &shift).await;
    let done = outcome.arrived(Weight::ZERO);
    let head =
        if done { "✔ applied: every route at 0 %" } else { "✖ not every route is at 0 %" };
    let mut answer = format!("{head} ({identity})\n");
    for route in &outcome.routes {
        answer.push_str(&format!("  {} {}\n", route.route, route.text));
    }
    if done {
        answer.push_str("The controller's next tick journals it and ends the run.\n");
    } else {
        answer.push_str(
            "Repeat the command; runbook `rollback-incomplete` has the AWS CLI commands.\n",
        );
    }
    super::out(&answer)?;
    Ok(if done { ExitCode::SUCCESS } else { ExitCode::from(INCOMPLETE) })
}
