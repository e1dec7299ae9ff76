//! `check`: the doctor, with your eyes and the controller's.

use super::remote::{Place, Remote, ask, block_on};
use crate::adapters::alb::Alb;
use crate::adapters::aws::Aws;
use crate::adapters::clock;
use crate::adapters::cloudwatch::CloudWatch;
use crate::adapters::invoke::Function;
use crate::adapters::wire;
use crate::api;
use crate::check::errand::Errand;
use crate::check::{Examination, Examiner, Finding, Level, Pulse};
use crate::config::{self, Config};
use crate::ports::{Clock as _, SystemClock};
use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// Look at everything that a rollout rests on, and say what to fix.
///
/// Asks the controller, which looks with its own role, network and database login,
/// and with --config looks with your credentials too (target groups only you read).
/// Nothing is changed, except by --write-test.
///
/// Exit codes: 0 all is well, 11 warnings, 12 something is bad, 1 error, 2 usage.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  rolloutctl check --config rollout.toml\n  rolloutctl check --config rollout.toml --direct      before the controller is deployed\n  rolloutctl check --write-test                        may the controller move the weights?\n  rolloutctl check --json | jq '.findings[] | select(.level == \"bad\")'"
)]
pub struct Args {
    /// The controller's configuration, to look with your own credentials too.
    #[arg(long, value_name = "FILE", env = "ROLLOUT_CONFIG_FILE")]
    config: Option<PathBuf>,
    /// Do not ask the controller; the ledger is then read from here.
    #[arg(long, requires = "config")]
    direct: bool,
    /// Write every rule exactly as it is, to prove ModifyRule. For quiet moments: a
    /// change by somebody else in the same tenth of a second would be undone.
    #[arg(long)]
    write_test: bool,
    /// Judge ages for this time, not for now (a simulated cloud's time).
    #[arg(long, value_name = "TIME")]
    as_of: Option<Timestamp>,
    #[command(flatten)]
    remote: Remote,
}

/// Everything found, for `--json`.
#[derive(Debug, Serialize)]
struct Report<'a> {
    level: Level,
    examinations: &'a [Examination],
    /// All findings, for filters.
    findings: Vec<&'a Finding>,
}

/// Runs `check`.
///
/// # Errors
/// If stdout fails or the runtime cannot start. What cannot be reached is a finding.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let examinations = block_on(async { Ok(examine(args).await) })?;
    let level = examinations.iter().map(Examination::level).max();
    let level = level.unwrap_or(Level::Ok);
    let text = if args.remote.json {
        let report = Report {
            level,
            examinations: &examinations,
            findings: examinations.iter().flat_map(|e| &e.findings).collect(),
        };
        serde_json::to_string_pretty(&report)? + "\n"
    } else {
        render(&examinations)
    };
    super::out(&text)?;
    Ok(ExitCode::from(level.exit_code()))
}

fn render(examinations: &[Examination]) -> String {
    let all = || examinations.iter().flat_map(|e| &e.findings);
    let count = |level| all().filter(|finding| finding.level == level).count();
    let each: Vec<String> = examinations.iter().map(Examination::render).collect();
    let of = |n: usize, unit: &str| match n {
        0 => None,
        1 => Some(format!("1 {unit}")),
        n => Some(format!("{n} {unit}s")),
    };
    let (warnings, problems) = (count(Level::Warn), count(Level::Bad));
    let mut counts = vec![format!("{} ok", count(Level::Ok))];
    counts.extend(of(warnings, "warning"));
    counts.extend(of(problems, "problem"));
    let follows = if problems > 0 { " Do not start yet." } else { "" };
    format!("{}\n{}.{follows}\n", each.join("\n"), counts.join(", "))
}

async fn examine(args: &Args) -> Vec<Examination> {
    let place = match args.remote.place() {
        Ok(place) => place,
        Err(error) => return vec![alone(args, "you", unusable_profile(&error))],
    };
    let aws = place.aws.clone();
    let mut examinations = Vec::new();
    if let Some(file) = &args.config {
        examinations.push(match config::load(file) {
            Ok(config) => with_own_eyes(args, &aws, &config).await,
            Err(error) => alone(
                args,
                "you",
                Finding::bad(
                    "config",
                    "",
                    crate::errors::chain(&error),
                    "the controller refuses every event until its configuration is right",
                    "mend the keys named above; `rolloutctl config example` shows them all",
                ),
            ),
        });
    }
    if !args.direct {
        examinations.push(through_the_view(args, &place).await);
        if args.write_test {
            examinations.push(through_the_command(args, &place).await);
        }
    }
    examinations
}

fn unusable_profile(error: &anyhow::Error) -> Finding {
    Finding::bad(
        "profile",
        "",
        format!("{error:#}"),
        "rolloutctl does not know where the controller is",
        "write it anew: pulumi stack output rolloutctlProfile | rolloutctl setup - --force",
    )
}

fn now(args: &Args) -> Timestamp {
    args.as_of.unwrap_or_else(shared_now)
}

/// The time that the functions have, too: with fast time it is not the machine's.
fn shared_now() -> Timestamp {
    let clock = clock::clock(|name| std::env::var(name).ok());
    clock.map_or_else(|_| SystemClock.now(), |clock| clock.now())
}

fn alone(args: &Args, examiner: &str, finding: Finding) -> Examination {
    Examination {
        examiner: examiner.to_owned(),
        at_ms: now(args).as_millisecond(),
        findings: vec![finding],
    }
}

async fn with_own_eyes(args: &Args, aws: &Aws, config: &Config) -> Examination {
    const EXAMINER: &str = "you";
    let iam = std::env::var("ROLLOUT_LEDGER_IAM").is_ok_and(|value| value == "1");
    let clock = match clock::clock(|name| std::env::var(name).ok()) {
        Ok(clock) => clock,
        Err(error) => {
            let why = "ages are judged by the clock";
            let finding =
                Finding::bad("clock", "", error.to_string(), why, "correct ROLLOUT_CLOCK");
            return alone(args, EXAMINER, finding);
        }
    };
    let world = match wire::world(config, aws, iam, clock) {
        Ok(world) => world,
        Err(error) => {
            let why = "the journal is the only state of a rollout";
            let finding = Finding::bad("ledger", "", error.to_string(), why, "correct ledger.url");
            return alone(args, EXAMINER, finding);
        }
    };
    let pulse = CloudWatch::new(aws.clone());
    let groups = Alb::new(aws.clone(), Arc::new(SystemClock));
    let until = SystemClock.now().saturating_add(SignedDuration::from_secs(60));
    let examiner = Examiner {
        world: &world,
        config,
        groups: Some(&groups),
        // Before the first deployment nothing beats.
        pulse: (!args.direct).then_some(&pulse as &dyn Pulse),
        ledger: args.direct,
        write_until: until.ok().filter(|_| args.direct && args.write_test),
        now: now(args),
    };
    let examination = examiner.examine(EXAMINER, args.remote.rollout.as_deref()).await;
    examination.unwrap_or_else(|which| {
        let why = "nothing was looked at";
        let which = which.to_string();
        alone(args, EXAMINER, Finding::bad("rollout", "", which, why, "give --rollout NAME"))
    })
}

async fn through_the_view(args: &Args, place: &Place) -> Examination {
    const EXAMINER: &str = "the view function";
    let question = api::Question::Check {
        rollout: args.remote.rollout.clone(),
        as_of_ms: args.as_of.map(Timestamp::as_millisecond),
    };
    match ask(place, &question).await {
        Ok(api::Answer::Check(mut examination)) => {
            if args.as_of.is_none() {
                examination.findings.extend(skew(examination.at_ms));
            }
            examination
        }
        Ok(_) => alone(args, EXAMINER, unanswered("it answered another question".to_owned())),
        Err(error) => alone(args, EXAMINER, unanswered(format!("{error:#}"))),
    }
}

async fn through_the_command(args: &Args, place: &Place) -> Examination {
    const EXAMINER: &str = "the command function";
    let errand = Errand::WriteTest {
        rollout: args.remote.rollout.clone(),
        as_of_ms: args.as_of.map(Timestamp::as_millisecond),
    };
    match send(place, &errand).await {
        Ok(examination) => examination,
        Err(error) => alone(args, EXAMINER, unanswered(format!("{error:#}"))),
    }
}

/// Gives the command function an errand.
///
/// # Errors
/// If it cannot be reached, fails, or is of another version.
pub(super) async fn send(place: &Place, errand: &Errand) -> anyhow::Result<Examination> {
    let payload = serde_json::to_value(errand)?;
    let function = place.command.as_str();
    let answer = Function::new(place.aws.clone(), function).invoke(&payload).await?;
    serde_json::from_value(answer).with_context(|| {
        format!("function `{function}` does not answer like a command function of this version")
    })
}

fn unanswered(what: String) -> Finding {
    Finding::bad(
        "function",
        "",
        what,
        "without its functions nobody can look, stop, or roll back through the controller",
        "deploy it, or give --view-function and --command-function; --direct looks without it",
    )
}

/// Clocks more than half a minute apart make ages and pauses confusing.
fn skew(function_ms: i64) -> Option<Finding> {
    const LIMIT_MS: i64 = 30_000;
    let apart_ms = (shared_now().as_millisecond() - function_ms).abs();
    (apart_ms > LIMIT_MS).then(|| {
        Finding::warn(
            "clock",
            "",
            format!("your clock and the function's are {} s apart", apart_ms / 1000),
            "times that you read and times that you give mean something else there",
            "set your machine's clock",
        )
    })
}
