//! `hunt`: random wallets and requests against Rust and another implementation.

use clap::Parser as _;
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    hunt::cli::run(hunt::cli::Args::parse()).await.unwrap_or_else(|error| {
        eprintln!("hunt: {error:#}");
        ExitCode::FAILURE
    })
}
