//! The pure pieces, without a server.

mod parts;
mod proof;
mod python;
mod scoring;
#[path = "../support/signer.rs"]
mod signer;
