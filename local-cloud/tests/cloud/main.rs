//! The parts of the local cloud, each with real processes and clients.

mod arm64;
mod aws_endpoint;
mod boto3;
mod common;
mod data_plane;
mod e2e_scorer;
mod foreign;
mod functions;
mod latency;
mod load;
mod play;
mod postgres;
mod python_scorer;
