//! What all commands share that talk to a running controller.

use crate::adapters::aws::Aws;
use crate::adapters::invoke::{Function, who};
use crate::api;
use crate::api::{CommandOutcome, Status};
use crate::domain::command::{Order, Request, Verdict};
use anyhow::{Context as _, bail};
use serde_json::Value;
use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

/// Where the controller is and whose rollout is meant.
#[derive(Clone, Debug, clap::Args)]
pub struct Remote {
    /// The rollout; may be left out if the controller has only one.
    #[arg(long, short = 'r', env = "ROLLOUT_NAME")]
    pub rollout: Option<String>,
    /// Function (name or ARN) that takes commands.
    #[arg(
        long,
        env = "ROLLOUT_COMMAND_FUNCTION",
        default_value = "rollout-command",
        value_name = "FUNCTION"
    )]
    pub command_function: String,
    /// Function (name or ARN) that answers questions.
    #[arg(
        long,
        env = "ROLLOUT_VIEW_FUNCTION",
        default_value = "rollout-view",
        value_name = "FUNCTION"
    )]
    pub view_function: String,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// How an order is given.
#[derive(Clone, Debug, clap::Args)]
pub struct Giving {
    /// Why; journalled with your AWS identity.
    #[arg(long, default_value = "", value_name = "TEXT")]
    pub reason: String,
    /// Do not ask.
    #[arg(long, short = 'y')]
    pub yes: bool,
    /// Only tell what would happen.
    #[arg(long)]
    pub dry_run: bool,
    /// Revision that you saw; default: the newest, shown before you confirm.
    #[arg(long, value_name = "N")]
    pub if_revision: Option<i64>,
}

/// A subcommand that gives an order.
pub trait Gives {
    /// To whom, how, and what.
    fn gives(&self) -> (&Remote, &Giving, Order);
}

/// Exit code of a command that was refused.
pub const REFUSED: u8 = 40;
/// Exit code of a command that not every route shows.
pub const INCOMPLETE: u8 = 42;
/// Exit code of a command that was stale.
pub const STALE: u8 = 41;
/// Exit code when the controller gave no answer.
pub const NO_ANSWER: u8 = 30;

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("starting the async runtime")
}

/// Runs something async to its end.
///
/// # Errors
/// If the runtime cannot start, and what the future says.
pub fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    runtime()?.block_on(work)
}

/// Asks the view function.
///
/// # Errors
/// If it cannot be reached, fails, or refuses the question.
pub async fn ask(
    aws: &Aws,
    remote: &Remote,
    question: &api::Question,
) -> anyhow::Result<api::Answer> {
    let payload = serde_json::to_value(question)?;
    let answer = Function::new(aws.clone(), remote.view_function.as_str()).invoke(&payload).await?;
    let answer: api::Answer = serde_json::from_value(answer).with_context(|| {
        format!(
            "function `{}` does not answer like a view function of this version",
            remote.view_function
        )
    })?;
    match answer {
        api::Answer::Refused { message } => bail!("{message}"),
        other => Ok(other),
    }
}

/// Asks how the rollout stands.
///
/// # Errors
/// As [`ask`].
pub async fn status(aws: &Aws, remote: &Remote) -> anyhow::Result<Status> {
    let question = api::Question::Status { rollout: remote.rollout.clone() };
    match ask(aws, remote, &question).await? {
        api::Answer::Status(status) => Ok(*status),
        api::Answer::History(_) | api::Answer::Check(_) | api::Answer::Refused { .. } => {
            bail!("function `{}` answered another question", remote.view_function)
        }
    }
}

/// An id that no other command has.
fn fresh_id() -> String {
    format!("{:032x}", rand::random::<u128>())
}

/// Gives an order: looks first, shows, asks, sends, prints.
///
/// # Errors
/// If the controller cannot be reached or fails, or nobody confirmed.
pub fn give(remote: &Remote, giving: &Giving, order: Order) -> anyhow::Result<ExitCode> {
    block_on(async {
        let aws = Aws::new();
        let mut request = Request {
            rollout: remote.rollout.clone(),
            id: fresh_id(),
            if_revision: giving.if_revision,
            identity: who(&aws).await,
            reason: giving.reason.trim().to_owned(),
            dry_run: true,
            order,
        };
        if request.reason.is_empty() {
            bail!(
                "give a reason, it is journalled: rolloutctl {} --reason \"…\"",
                request.order.name()
            );
        }
        if request.if_revision.is_none() && request.order.needs_fresh_sight() {
            request.if_revision = status(&aws, remote).await?.revision;
        }
        let asks = !giving.yes && !giving.dry_run;
        if giving.dry_run || asks {
            // An emergency order need not be tried out first when --yes is given.
            let preview = send(&aws, remote, &request).await?;
            if giving.dry_run || preview.outcome != Verdict::Applied {
                return finish(remote, &preview);
            }
            eprint!("{}", render(&preview));
            confirm()?;
        }
        request.dry_run = false;
        finish(remote, &send(&aws, remote, &request).await?)
    })
}

async fn send(aws: &Aws, remote: &Remote, request: &Request) -> anyhow::Result<CommandOutcome> {
    let payload = serde_json::to_value(request)?;
    let answer: Value =
        Function::new(aws.clone(), remote.command_function.as_str()).invoke(&payload).await?;
    serde_json::from_value(answer).with_context(|| {
        format!(
            "function `{}` does not answer like a command function of this version",
            remote.command_function
        )
    })
}

/// Asks on the terminal.
///
/// # Errors
/// If the answer is not yes, or there is nobody to ask.
pub fn confirm() -> anyhow::Result<()> {
    if !std::io::stdin().is_terminal() {
        bail!("there is no terminal to confirm on; nothing was done. Scripts give --yes");
    }
    eprint!("Go on? [y/N] ");
    std::io::stderr().flush()?;
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    if matches!(line.trim(), "y" | "Y" | "yes") {
        Ok(())
    } else {
        bail!("not confirmed; nothing was done")
    }
}

fn finish(remote: &Remote, answer: &CommandOutcome) -> anyhow::Result<ExitCode> {
    if remote.json {
        super::out(&(serde_json::to_string_pretty(answer)? + "\n"))?;
    } else {
        super::out(&render(answer))?;
    }
    Ok(ExitCode::from(exit_code(answer)))
}

/// What a script learns from an answer.
pub fn exit_code(answer: &CommandOutcome) -> u8 {
    match answer.outcome {
        Verdict::Applied | Verdict::AlreadySo => 0,
        Verdict::Incomplete => INCOMPLETE,
        Verdict::Refused => REFUSED,
        Verdict::Stale => STALE,
    }
}

/// An answer for a terminal.
pub fn render(answer: &CommandOutcome) -> String {
    let outcome = match answer.outcome {
        Verdict::Applied => "✔ applied",
        Verdict::AlreadySo => "✔ already so",
        Verdict::Incomplete => "✖ incomplete",
        Verdict::Refused => "✖ refused",
        Verdict::Stale => "✖ stale",
    };
    let outcome = if answer.dry_run && answer.outcome == Verdict::Applied {
        "• nothing is done yet, this would be"
    } else {
        outcome
    };
    let mut text = format!("{outcome}: {}: {}\n", answer.rollout, answer.message);
    for route in &answer.routes {
        text.push_str(&format!("  {} shows {}\n", route.route, route.shows));
    }
    if !answer.changed_since.is_empty() {
        text.push_str("Since then:\n");
        for line in &answer.changed_since {
            text.push_str(&format!("{line}\n"));
        }
        text.push_str("Look at `rolloutctl status`, then give the command again.\n");
    }
    text.push_str(&format!("  {} at revision {}\n", answer.state, answer.revision));
    text
}
