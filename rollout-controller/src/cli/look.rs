//! `status` and `history`.

use super::remote::{Place, Remote, ask, block_on, statuses};
use super::{terminal, watch};
use crate::api;
use crate::report::screen;
use anyhow::bail;
use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::time::Duration;

/// Is traffic safe, what share goes where, why, and what to do.
///
/// Exit codes: 0 serving safely or nothing to protect, 10 held or degraded, 20
/// rolled back or on the way, 30 unknown, 31 not protected, 42 incomplete or
/// refused, 50 users are hurt, 2 usage; of --watch also 124: the time is over.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  rolloutctl status\n  rolloutctl status --watch\n  rolloutctl status --json | jq .routes"
)]
pub struct Status {
    /// Draw it again every few seconds until the run ends; q quits.
    #[arg(long, short = 'w')]
    watch: bool,
    /// Time between two looks.
    #[arg(
        long,
        visible_alias = "every",
        default_value = "5s",
        value_parser = humantime::parse_duration,
        value_name = "DURATION"
    )]
    interval: Duration,
    /// Stop watching after this time, with exit code 124.
    #[arg(long, requires = "watch", value_parser = humantime::parse_duration, value_name = "DURATION")]
    timeout: Option<Duration>,
    /// Also ranges, logarithms, families and the code's full names.
    #[arg(long, short = 'e')]
    explain: bool,
    #[command(flatten)]
    remote: Remote,
}

impl Status {
    /// Whether the details are wanted.
    pub fn explains(&self) -> bool {
        self.explain
    }
}

/// What happened: one line for each change, oldest first.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  rolloutctl history\n  rolloutctl history --all --limit 200\n  rolloutctl history --before 118"
)]
pub struct History {
    /// Only what came before this revision.
    #[arg(long, value_name = "REVISION")]
    before: Option<i64>,
    /// At most this many entries, 1 to 500.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=500))]
    limit: u32,
    /// Also every tick's judgement and every message sent.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    remote: Remote,
}

impl History {
    /// The newest changes, as without flags.
    pub(super) fn of(remote: Remote) -> Self {
        Self { before: None, limit: 50, all: false, remote }
    }

    /// The question that this asks the view function.
    pub fn question(&self, rollout: Option<String>) -> api::Question {
        api::Question::History { rollout, before: self.before, limit: self.limit, all: self.all }
    }
}

/// Runs `status`.
///
/// # Errors
/// If stdout fails. A controller without an answer is exit code 30.
pub fn run_status(args: &Status) -> anyhow::Result<ExitCode> {
    block_on(async {
        let place = args.remote.place()?;
        if args.watch {
            let every = args.interval.max(Duration::from_millis(200));
            let wish = watch::Wish {
                every,
                timeout: args.timeout,
                explain: args.explain,
                json: args.remote.json,
                draws: std::io::stdout().is_terminal() && std::io::stdin().is_terminal(),
            };
            return watch::watch(&place, wish).await;
        }
        let code = show(args, &place).await?;
        Ok(ExitCode::from(code))
    })
}

async fn show(args: &Status, place: &Place) -> anyhow::Result<u8> {
    match statuses(place).await {
        Ok(rollouts) => {
            if args.remote.json {
                super::out(&json(&rollouts)?)?;
            } else {
                terminal::print(&text(&rollouts, &terminal::screen(args.explain)))?;
            }
            Ok(api::worst(&rollouts))
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            Ok(api::NO_ANSWER)
        }
    }
}

/// [`api::Status`] of one rollout, [`api::Overview`] of several.
pub(super) fn json(rollouts: &[api::Status]) -> serde_json::Result<String> {
    let text = match rollouts {
        [one] => serde_json::to_string_pretty(one)?,
        all => serde_json::to_string_pretty(&api::Overview::of(all.to_vec()))?,
    };
    Ok(text + "\n")
}

/// One rollout, or a line for each.
pub(super) fn text(rollouts: &[api::Status], screen: &screen::Screen) -> String {
    match rollouts {
        [one] => screen::status(one, screen),
        all => screen::overview(all, screen),
    }
}

/// Runs `history`.
///
/// # Errors
/// If the controller cannot be reached or fails.
pub fn run_history(args: &History) -> anyhow::Result<ExitCode> {
    block_on(async {
        let place = args.remote.place()?;
        let question = args.question(place.rollout.clone());
        let api::Answer::History(history) = ask(&place, &question).await? else {
            bail!("function `{}` answered another question", place.view);
        };
        if args.remote.json {
            super::out(&(serde_json::to_string_pretty(&history)? + "\n"))?;
            return Ok(ExitCode::SUCCESS);
        }
        let screen = terminal::screen(false);
        terminal::page(&screen::history(&history, &screen), &screen)?;
        Ok(ExitCode::SUCCESS)
    })
}
