//! The load balancer: rules, weighted draw, Lambda targets, metrics, access log.
//!
//! Left out: TLS, HTTP/2, WebSockets (400), signing people in (authenticate
//! actions are kept and shown, requests pass), group stickiness (shown, logged,
//! not honoured), health checks, several listeners
//! or nodes per load balancer.

pub(crate) mod authenticate;
mod balancer;
mod control;
mod data;
mod event;
mod failure;
mod limits;
pub(crate) mod redirect;
mod response;
pub(crate) mod rule;
mod setup;

pub(crate) use balancer::{Balancer, Group};
pub(crate) use control::{Balancers, RuleInput};
pub(crate) use data::DataPlane;
pub(crate) use event::preview;
pub(crate) use limits::group_not_found;

pub use balancer::TargetHealth;
pub use control::RuleChange;
pub use data::AccessEntry;
pub use event::Exchange;
