//! What the scorer and the controller both need around their work, written once.

#[cfg(feature = "aws")]
pub mod aws;
pub mod emf;
pub mod errors;
pub mod login;
#[cfg(feature = "rds-iam")]
pub mod rds_iam;
