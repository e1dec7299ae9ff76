//! `rollback`: through the controller, or directly with your own credentials.

use super::profile;
use super::remote::{Gives, Giving, INCOMPLETE, Remote, block_on, confirm, fresh_id, give};
use super::terminal::print;
use crate::adapters::alb::Alb;
use crate::adapters::aws::Aws;
use crate::adapters::clock;
use crate::adapters::invoke::who;
use crate::adapters::ssm::Parameters;
use crate::config::emergency::{self, Emergency};
use crate::controller::act::act;
use crate::domain::command::{Order, rolled_back};
use crate::domain::copy::OutsideOrder;
use crate::domain::decision::{CauseKind, RollBackReason, Shift};
use crate::domain::explain;
use crate::domain::weight::Weight;
use crate::errors::chain;
use crate::ports::{Clock as _, Outposts as _, SystemClock, Traffic as _, WritePermit};
use crate::report::screen::{Style, paint};
use anyhow::{Context as _, bail};
use jiff::SignedDuration;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// All traffic back to the old side, now. Works while paused and while the ledger is down.
///
/// With --direct nothing of the controller is used: your own credentials change
/// the rules, which are read from --config or from the profile that `setup` wrote.
/// An order is left for the controller, which journals it with your name and reason
/// and raises nothing in the meantime.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  rolloutctl rollback --reason \"users see errors\" --yes\n  rolloutctl rollback --direct --config rollout.toml --reason \"controller is down\" --yes"
)]
pub struct Args {
    /// Change the rules with your own credentials, without the controller.
    #[arg(long)]
    direct: bool,
    /// The controller's configuration, for the ARNs of rules and groups; nothing
    /// else in it is looked at.
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
    if !args.direct {
        return give(&args.remote, &args.giving, Order::Rollback);
    }
    // A profile that cannot be used must not be in the way of a file that can.
    let aws = args.remote.place().map_or_else(|_| Aws::new(), |place| place.aws);
    let file = match (&args.config, profile::path()) {
        (Some(file), _) => file.clone(),
        (None, Some(profile)) if profile.exists() => profile,
        (None, _) => bail!(
            "--direct needs the ARNs of rules and groups: give --config FILE, or run `rolloutctl setup` once"
        ),
    };
    let rollout = emergency::load(&file, args.remote.rollout.as_deref());
    let rollout = rollout.with_context(|| format!("reading {}", file.display()))?;
    block_on(direct(args, &aws, &rollout))
}

async fn direct(args: &Args, aws: &Aws, rollout: &Emergency) -> anyhow::Result<ExitCode> {
    let reason = args.giving.reason.trim();
    if reason.is_empty() {
        bail!("Not rolled back: a reason is needed. Add --reason \"…\"");
    }
    let clock = Arc::new(SystemClock);
    let alb = Alb::new(aws.clone(), clock.clone());
    let mut shown = Vec::new();
    let mut found = Vec::new();
    for route in &rollout.routes {
        let share = match alb.read(route).await {
            Ok(seen) => seen.share.to_string(),
            Err(error) => chain(&error),
        };
        shown.push(format!("{} {share} → 0%", route.name));
        found.push(format!("{} shows {share}", route.name));
    }
    let shown = shown.join(", ");
    if args.giving.dry_run {
        print(&format!("• Dry run, nothing was changed: {shown}\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    if !args.giving.yes {
        eprintln!("Roll back {} with your own rights: {shown}", rollout.name);
        confirm("rollback")?;
    }
    let identity = who(aws).await;
    let deadline = clock.real().saturating_add(SignedDuration::from_secs(60))?;
    let permit = WritePermit::lower_only(deadline);
    let (by, why) = (identity.clone(), reason.to_owned());
    let text =
        explain::rollback_reason(&RollBackReason::Ordered { by, reason: why }, &rollout.labels);
    let shift = Shift::out_of_traffic(CauseKind::RollBack, text);
    let outcome = act(&alb, &rollout.routes, &permit, &shift).await;
    let reached = outcome.arrived(Weight::ZERO);
    // After the lowering: users come first.
    let given = clock::clock(|name| std::env::var(name).ok())
        .map_or_else(|_| clock.now(), |clock| clock.now());
    let order = OutsideOrder {
        command: fresh_id(),
        verb: "rollback".to_owned(),
        identity: identity.clone(),
        reason: reason.to_owned(),
        at_ms: given.as_millisecond(),
        found,
    };
    let left = Parameters::new(aws.clone()).write_order(&rollout.name, &order).await;
    let (style, head) = match (reached, &left) {
        (true, Ok(())) => (Style::Good, format!("✔ {}", rolled_back(&rollout.labels))),
        (true, Err(_)) => (
            Style::Bad,
            "✖ Rollback incomplete: every route is at 0%, but the controller does not know."
                .to_owned(),
        ),
        (false, _) => (Style::Bad, "✖ Rollback incomplete: not every route is at 0%.".to_owned()),
    };
    let routes: Vec<String> =
        outcome.routes.iter().map(|route| format!("{} {}", route.route, route.text)).collect();
    let read = clock.real().strftime("%H:%M:%S UTC");
    let mut answer = paint(style, &head) + "\n";
    answer.push_str(&format!(
        "  {} · read back {read}, as {}\n",
        routes.join(" · "),
        explain::person(&identity)
    ));
    match &left {
        Ok(()) => answer.push_str(
            "  The controller's next tick journals it with your name and reason, and ends the run.\n",
        ),
        Err(error) => answer.push_str(&format!(
            "  The order could not be left for the controller ({}), so a step under way may undo \
             this.\n  Look again in a minute.\n",
            chain(error)
        )),
    }
    if !reached {
        answer.push_str("  Repeat the command. With the AWS CLI: runbook rollback-incomplete\n");
    }
    print(&answer)?;
    let done = reached && left.is_ok();
    Ok(if done { ExitCode::SUCCESS } else { ExitCode::from(INCOMPLETE) })
}
