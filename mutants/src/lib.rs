//! All mutants of the controller in one build.
//!
//! `cargo mutants` names small changes of the code (`--list --json`): another operator, a
//! function that returns at once, a match arm left out. It builds and tests one after
//! another, a minute or more for each. Here all are [woven](weave) into one copy of the
//! code, each behind a switch that is read from the environment when a test starts, so that
//! one build serves all of them ([the idea](https://doi.org/10.1145/154183.154265): mutant
//! schemata, R. Untch, A. Offutt and M. J. Harrold, 1993), and a mutant costs only
//! [what notices it](try_out), of the tests that [reach](reach) it.

pub mod known;
pub mod list;
pub mod reach;
pub mod reasons;
pub mod try_out;
pub mod weave;
