//! `status` and `history`.

use super::remote::{NO_ANSWER, Remote, ask, block_on, status};
use crate::adapters::aws::Aws;
use crate::api;
use anyhow::bail;
use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::time::Duration;

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
    pub fn question(&self) -> api::Question {
        api::Question::History {
            rollout: self.remote.rollout.clone(),
            before: self.before,
            limit: self.limit,
            all: self.all,
        }
    }
}

/// Runs `status`.
///
/// # Errors
/// If stdout fails. A controller without an answer is exit code 30.
pub fn run_status(args: &Status) -> anyhow::Result<ExitCode> {
    block_on(async {
        let aws = Aws::new();
        loop {
            let code = show(args, &aws).await?;
            let ended = matches!(code, Code::Ended(_));
            if !args.watch || ended {
                return Ok(ExitCode::from(code.exit()));
            }
            tokio::time::sleep(args.every.max(Duration::from_millis(200))).await;
        }
    })
}

#[derive(PartialEq, Eq)]
enum Code {
    Ended(u8),
    Goes(u8),
    Final(u8),
}

impl Code {
    fn exit(&self) -> u8 {
        match self {
            Self::Ended(code) | Self::Goes(code) | Self::Final(code) => *code,
        }
    }
}

async fn show(args: &Status, aws: &Aws) -> anyhow::Result<Code> {
    match status(aws, &args.remote).await {
        Ok(status) => {
            let text = if args.remote.json {
                serde_json::to_string_pretty(&status)? + "\n"
            } else {
                status.render()
            };
            let on_terminal = std::io::stdout().is_terminal();
            let clear = if args.watch && !args.remote.json && on_terminal { "\x1b[2J\x1b[H" } else { "" };
            super::out(&format!("{clear}{text}"))?;
            let code = status.health.exit_code;
            Ok(if status.ended { Code::Ended(code) } else { Code::Goes(code) })
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            Ok(Code::Final(NO_ANSWER))
        }
    }
}

/// Runs `history`.
///
/// # Errors
/// If the controller cannot be reached or fails.
pub fn run_history(args: &History) -> anyhow::Result<ExitCode> {
    block_on(async {
        let question = args.question();
        let api::Answer::History(history) = ask(&Aws::new(), &args.remote, &question).await? else {
            bail!("function `{}` answered another question", args.remote.view_function);
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
