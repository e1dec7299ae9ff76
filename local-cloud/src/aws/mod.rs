//! The AWS endpoint: one port for all services, each told apart by how its
//! SDK speaks. Signatures are ignored.

mod cloudwatch;
mod cloudwatch_alarms;
mod elbv2;
mod elbv2_wire;
mod endpoint;
mod error;
mod form;
mod others;
mod value;
mod xml;

pub use error::AwsError;

pub(crate) use endpoint::listen;
