//! The AWS endpoint: one port for all services, each told apart by how its
//! SDK speaks. Signatures are ignored.

mod calls;
mod cloudwatch;
mod cloudwatch_alarms;
mod elbv2;
mod elbv2_wire;
mod endpoint;
mod error;
mod form;
mod lambda;
mod logs;
mod others;
mod ssm;
mod value;
mod xml;

pub use calls::ApiCall;
pub use error::AwsError;
pub use ssm::Parameter;

pub(crate) use calls::Calls;
pub(crate) use endpoint::listen;
pub(crate) use ssm::{Parameters, check_parameter};
