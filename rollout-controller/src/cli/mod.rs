//! The subcommands of `rolloutctl`, one module each.
//!
//! Each has an `Args` for clap and a `run` that prints to stdout and returns
//! the exit code. An error is printed once, with its chain, by the caller.

use std::io::{self, Write as _};

pub mod check;
pub mod compare;
pub mod completions;
pub mod configure;
pub mod export;
pub mod look;
pub mod notify;
pub mod operate;
pub mod plan;
pub mod profile;
mod progress;
pub mod remote;
pub mod replay;
pub mod rollback;
mod root;
pub mod simulate;
mod terminal;
mod watch;

pub use root::{Cli, Command};

/// Writes to stdout. A reader that has seen enough (`| head`) is no error.
fn out(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}
