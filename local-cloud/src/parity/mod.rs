//! Is the Rust function a drop-in for the recorded Python service?
//!
//! The golden cases were recorded from the real service. This module reads
//! them, watches what a request writes, and compares as the file's own
//! preamble says; [`run`](mod@run) sends every step through the local cloud's load
//! balancer.

pub mod bench;
pub mod cases;
pub mod cli;
pub mod compare;
pub mod http;
pub mod request;
pub mod run;
pub mod snapshot;
