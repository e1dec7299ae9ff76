//! What all commands share that talk to a running controller.

use super::profile::{self, Profile};
use crate::adapters::aws::Aws;
use crate::adapters::invoke::{Function, who};
use crate::api;
use crate::api::{CommandOutcome, RouteShown, Status};
use crate::check::Level;
use crate::domain::command::{Order, Request, Verdict};
use crate::domain::explain::{self, preview};
use crate::report::screen::{Style, paint, told};
use anyhow::{Context as _, bail};
use jiff::Timestamp;
use serde_json::Value;
use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

/// Where the controller is and whose rollout is meant.
#[derive(Clone, Debug, clap::Args)]
pub struct Remote {
    /// The rollout; may be left out if the controller has only one.
    #[arg(long, short = 'r', env = "ROLLOUT_NAME")]
    pub rollout: Option<String>,
    /// Function (name or ARN) that takes commands; default: the profile's (see
    /// `setup`), or rollout-command.
    #[arg(long, env = "ROLLOUT_COMMAND_FUNCTION", value_name = "FUNCTION")]
    pub command_function: Option<String>,
    /// Function (name or ARN) that answers questions; default: the profile's, or
    /// rollout-view.
    #[arg(long, env = "ROLLOUT_VIEW_FUNCTION", value_name = "FUNCTION")]
    pub view_function: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Where the controller is, with everything that was not said on the command line.
#[derive(Clone, Debug)]
pub struct Place {
    /// The SDK's settings.
    pub aws: Aws,
    /// The rollout's name; `None`: the only one.
    pub rollout: Option<String>,
    /// Function that takes commands.
    pub command: String,
    /// Function that answers questions.
    pub view: String,
}

impl Remote {
    /// Flags and variables, then the profile, then the names of the defaults.
    ///
    /// # Errors
    /// If there is a profile and it cannot be used.
    pub fn place(&self) -> anyhow::Result<Place> {
        let Profile { rollout, region, command_function, view_function, .. } = profile::load()?;
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let elsewhere = set("AWS_REGION") || set("AWS_DEFAULT_REGION");
        let aws = match region {
            Some(region) if !elsewhere => Aws::in_region(region),
            Some(_) | None => Aws::new(),
        };
        let or = |flag: &Option<String>, profile: Option<String>, default: &str| {
            flag.clone().or(profile).unwrap_or_else(|| default.to_owned())
        };
        Ok(Place {
            aws,
            rollout: self.rollout.clone().or(rollout),
            command: or(&self.command_function, command_function, "rollout-command"),
            view: or(&self.view_function, view_function, "rollout-view"),
        })
    }
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
    /// Only show what would happen.
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
pub async fn ask(place: &Place, question: &api::Question) -> anyhow::Result<api::Answer> {
    let payload = serde_json::to_value(question)?;
    let answer = Function::new(place.aws.clone(), place.view.as_str()).invoke(&payload).await?;
    let answer: api::Answer = serde_json::from_value(answer).with_context(|| {
        format!("function `{}` does not answer like a view function of this version", place.view)
    })?;
    match answer {
        api::Answer::Refused { message } => bail!("{message}"),
        other => Ok(other),
    }
}

/// Asks for the status of the rollout, or of all where there are several and none is
/// named; at least one.
///
/// # Errors
/// As [`ask`].
pub async fn statuses(place: &Place) -> anyhow::Result<Vec<Status>> {
    let question = api::Question::Status { rollout: place.rollout.clone() };
    match ask(place, &question).await? {
        api::Answer::Status { rollouts } if !rollouts.is_empty() => Ok(rollouts),
        api::Answer::Status { .. }
        | api::Answer::History(_)
        | api::Answer::Check(_)
        | api::Answer::Refused { .. } => {
            bail!("function `{}` answered another question", place.view)
        }
    }
}

/// The status of the one rollout that is meant.
///
/// # Errors
/// As [`ask`], and if there are several and none is named.
pub async fn status(place: &Place) -> anyhow::Result<Status> {
    let mut all = statuses(place).await?;
    match (all.len(), all.pop()) {
        (1, Some(status)) => Ok(status),
        (_, last) => {
            let mut names: Vec<String> = all.into_iter().map(|status| status.rollout).collect();
            names.extend(last.map(|status| status.rollout));
            bail!("there are several rollouts, name one: -r {}", names.join(", -r "))
        }
    }
}

/// An id that no other command has.
pub(super) fn fresh_id() -> String {
    format!("{:032x}", rand::random::<u128>())
}

/// Gives an order: looks first, shows, asks, sends, prints.
///
/// # Errors
/// If the controller cannot be reached or fails, or the person did not confirm.
pub fn give(remote: &Remote, giving: &Giving, order: Order) -> anyhow::Result<ExitCode> {
    block_on(async {
        let place = remote.place()?;
        let mut request = Request {
            rollout: place.rollout.clone(),
            id: fresh_id(),
            if_revision: giving.if_revision,
            identity: who(&place.aws).await,
            reason: giving.reason.trim().to_owned(),
            dry_run: true,
            order,
        };
        if request.reason.is_empty() {
            let verb = request.order.name();
            bail!(
                "Not {}: a reason is needed, it is journalled: rolloutctl {verb} --reason \"…\"",
                explain::done(verb)
            );
        }
        if request.if_revision.is_none() && request.order.needs_fresh_sight() {
            request.if_revision = status(&place).await?.revision;
        }
        let asks = !giving.yes && !giving.dry_run;
        if giving.dry_run || asks {
            // An emergency order need not be tried out first when --yes is given.
            let tried = send(&place, &request).await?;
            if giving.dry_run || tried.outcome != Verdict::Applied {
                return finish(remote, &tried);
            }
            eprint!("{}", question(&tried));
            if request.order == Order::Start {
                let names = tried.routes.iter().map(|route| route.name.chars().count());
                let wide = names.max().unwrap_or(0).max(preview::NAMES);
                eprintln!("  {:<wide$}  {}\n", "check", checked(&place).await);
            }
            confirm(request.order.name())?;
        }
        request.dry_run = false;
        finish(remote, &send(&place, &request).await?)
    })
}

async fn send(place: &Place, request: &Request) -> anyhow::Result<CommandOutcome> {
    let payload = serde_json::to_value(request)?;
    let answer: Value =
        Function::new(place.aws.clone(), place.command.as_str()).invoke(&payload).await?;
    serde_json::from_value(answer).with_context(|| {
        format!(
            "function `{}` does not answer like a command function of this version",
            place.command
        )
    })
}

/// Asks on the terminal.
///
/// # Errors
/// If the answer is not yes, or there is no terminal to ask on.
pub fn confirm(verb: &str) -> anyhow::Result<()> {
    let done = explain::done(verb);
    if !std::io::stdin().is_terminal() {
        bail!("Not {done}: no terminal to ask on. In scripts add --yes. Traffic is unchanged");
    }
    let asked = explain::sentence(verb_with_space(verb));
    eprint!("{}? [y/N] ", asked.trim_end_matches('.'));
    std::io::stderr().flush()?;
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    if matches!(line.trim(), "y" | "Y" | "yes") {
        Ok(())
    } else {
        bail!("Not {done}: you did not confirm. Traffic is unchanged")
    }
}

/// `roll back`: the verb of a command, whose name may be a noun.
fn verb_with_space(verb: &str) -> &str {
    if verb == "rollback" { "roll back" } else { verb }
}

/// What will be different, before it asks.
fn question(preview: &CommandOutcome) -> String {
    let verb = explain::sentence(verb_with_space(&preview.command));
    let verb = verb.trim_end_matches('.');
    let (first, rest) = preview.message.split_once('\n').unwrap_or((&preview.message, ""));
    let joint = if rest.is_empty() { ": " } else { ", " };
    let mut text = format!("{verb} {}{joint}{first}\n", preview.rollout);
    for line in rest.lines() {
        text.push_str(&format!("  {line}\n"));
    }
    text
}

/// What the view function's doctor found, in a line: a start is a good moment to know.
async fn checked(place: &Place) -> String {
    let question = api::Question::Check { rollout: place.rollout.clone(), as_of_ms: None };
    let examination = match ask(place, &question).await {
        Ok(api::Answer::Check(examination)) => examination,
        Ok(_) => return "the view function answered another question".to_owned(),
        Err(error) => return format!("not done ({error:#})"),
    };
    let of = |level: Level| examination.findings.iter().filter(move |f| f.level == level);
    let mut counts = vec![format!("{} ok", of(Level::Ok).count())];
    for (level, unit) in [(Level::Warn, "warning"), (Level::Bad, "problem")] {
        counts.extend(match of(level).count() {
            0 => None,
            1 => Some(format!("1 {unit}")),
            n => Some(format!("{n} {unit}s")),
        });
    }
    let worst = of(Level::Bad).chain(of(Level::Warn)).next();
    let worst = worst.map_or_else(String::new, |found| format!(": {}", found.what));
    format!("{}{worst}", counts.join(", "))
}

fn finish(remote: &Remote, answer: &CommandOutcome) -> anyhow::Result<ExitCode> {
    if remote.json {
        super::out(&(serde_json::to_string_pretty(answer)? + "\n"))?;
    } else {
        super::terminal::print(&render(answer))?;
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
    let done = explain::done(&answer.command);
    let dry = answer.dry_run && answer.outcome == Verdict::Applied;
    let (sign, style, head) = match answer.outcome {
        Verdict::Applied if dry => {
            ("•", Style::Plain, format!("Dry run, nothing was changed: {}", answer.message))
        }
        Verdict::Applied => ("✔", Style::Good, answer.message.clone()),
        Verdict::AlreadySo => ("✔", Style::Good, format!("Nothing to do: {}", answer.message)),
        Verdict::Incomplete => ("✖", Style::Bad, answer.message.clone()),
        Verdict::Refused | Verdict::Stale => {
            ("✖", Style::Bad, format!("Not {done}: {}", explain::stopped(&answer.message)))
        }
    };
    let mut lines = head.lines();
    let first = lines.next().unwrap_or_default();
    let mut text = paint(style, &format!("{sign} {first}")) + "\n";
    for line in lines {
        text.push_str(&format!("  {line}\n"));
    }
    if !answer.changed_since.is_empty() {
        text.push_str("  Since you looked:\n");
        let now_ms = answer.read_at.map_or(0, Timestamp::as_millisecond);
        for change in &answer.changed_since {
            let at = explain::hour(change.at.as_millisecond(), now_ms);
            text.push_str(&format!("  {at}  {}\n", told(change)));
        }
    }
    if !answer.routes.is_empty() {
        let read = answer
            .read_at
            .map_or_else(String::new, |at| format!(" · read back {}", at.strftime("%H:%M:%S UTC")));
        let revision = match answer.revision {
            Some(revision) => format!(" · revision {revision}"),
            None => " · revision unknown".to_owned(),
        };
        let routes = RouteShown::list(&answer.routes);
        text.push_str(&format!("  {routes}{read}{revision}\n"));
    }
    if answer.command == "start" && answer.outcome == Verdict::Applied && !dry {
        text.push_str("  Follow it: rolloutctl status --watch\n");
    }
    text
}
