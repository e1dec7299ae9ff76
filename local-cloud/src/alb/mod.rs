//! The load balancer: rules, weighted draw, Lambda targets, metrics, access log.
//!
//! Left out: TLS, HTTP/2, WebSockets (400), redirects, authentication, group
//! stickiness (shown, logged, not honoured), health checks, several listeners
//! or nodes per load balancer.

mod control;
mod data;
mod event;
mod response;
pub(crate) mod rule;

pub(crate) use control::{Balancer, Balancers, Group, RuleInput};
pub(crate) use data::DataPlane;

pub use control::RuleChange;
pub use data::AccessEntry;
