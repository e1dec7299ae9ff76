//! `status` and `history`.

use super::remote::{NO_ANSWER, Place, Remote, ask, block_on, status};
use crate::api;
use anyhow::bail;
use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// How the rollout stands: is traffic safe, what share goes where, why.
///
/// Exit codes: 0 serving safely or nothing to protect, 10 held or degraded, 20
/// rolled back or on the way, 30 unknown, 31 not protected, 42 incomplete or
/// refused, 50 users are hurt, 2 usage.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  rolloutctl status\n  rolloutctl status --watch\n  rolloutctl status --json | jq .routes"
)]
pub struct Status {
    /// Show again every few seconds until the rollout ends.
    #[arg(long, short = 'w')]
    watch: bool,
    /// Time between two looks.
    #[arg(long, default_value = "5s", value_parser = humantime::parse_duration, value_name = "DURATION")]
    every: Duration,
    /// Stop watching after this time, with the exit code of the last look.
    #[arg(long, requires = "watch", value_parser = humantime::parse_duration, value_name = "DURATION")]
    timeout: Option<Duration>,
    #[command(flatten)]
    remote: Remote,
}

/// What happened, oldest first.
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
        let began = Instant::now();
        let every = args.every.max(Duration::from_millis(200));
        loop {
            let look = show(args, &place).await?;
            let left = args.timeout.map(|timeout| timeout.saturating_sub(began.elapsed()));
            if !args.watch || look.ended || left.is_some_and(|left| left <= every) {
                return Ok(ExitCode::from(look.code));
            }
            tokio::time::sleep(every).await;
        }
    })
}

/// What one look showed.
struct Shown {
    code: u8,
    /// The run is over: nothing will change by itself.
    ended: bool,
}

async fn show(args: &Status, place: &Place) -> anyhow::Result<Shown> {
    match status(place).await {
        Ok(status) => {
            let text = if args.remote.json {
                serde_json::to_string_pretty(&status)? + "\n"
            } else {
                status.render()
            };
            let on_terminal = std::io::stdout().is_terminal();
            let clear =
                if args.watch && !args.remote.json && on_terminal { "\x1b[2J\x1b[H" } else { "" };
            super::out(&format!("{clear}{text}"))?;
            Ok(Shown { code: status.health.exit_code, ended: status.ended })
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            Ok(Shown { code: NO_ANSWER, ended: false })
        }
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
        let mut text = history.lines.join("\n");
        if !text.is_empty() {
            text.push('\n');
        }
        super::out(&text)?;
        if let Some(before) = history.earlier {
            eprintln!("earlier: rolloutctl history --before {before}");
        }
        Ok(ExitCode::SUCCESS)
    })
}
