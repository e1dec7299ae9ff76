//! The subcommands of `rolloutctl`, one module each.
//!
//! Each has an `Args` for clap and a `run` that prints to stdout and returns
//! the exit code. An error is printed once, with its chain, by the caller.

pub mod vectors;
