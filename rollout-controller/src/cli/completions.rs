//! `completions` and `man`: made from the same definitions as `--help`.

use super::Cli;
use anyhow::Context as _;
use clap::CommandFactory as _;
use clap_complete::Shell;
use std::path::PathBuf;
use std::process::ExitCode;

/// Print a script that completes rolloutctl's words in a shell.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  rolloutctl completions bash > /etc/bash_completion.d/rolloutctl\n  rolloutctl completions zsh > ~/.zfunc/_rolloutctl"
)]
pub struct Completions {
    /// For this shell.
    shell: Shell,
}

/// Print the manual, or write one page for each subcommand.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  rolloutctl man | man -l -\n  rolloutctl man --dir /usr/local/share/man/man1"
)]
pub struct Man {
    /// Write `rolloutctl.1`, `rolloutctl-status.1`, … into this folder.
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
}

/// Runs `completions`.
///
/// # Errors
/// If stdout fails.
pub fn run(args: &Completions) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "rolloutctl", &mut script);
    super::out(&String::from_utf8(script)?)?;
    Ok(ExitCode::SUCCESS)
}

/// Runs `man`.
///
/// # Errors
/// If stdout or the folder fails.
pub fn run_man(args: &Man) -> anyhow::Result<ExitCode> {
    let cli = Cli::command().disable_help_subcommand(true);
    match &args.dir {
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(cli).render(&mut page)?;
            super::out(&String::from_utf8(page)?)?;
        }
        Some(dir) => clap_mangen::generate_to(cli, dir)
            .with_context(|| format!("writing manual pages into {}", dir.display()))?,
    }
    Ok(ExitCode::SUCCESS)
}
