//! What the scorer and the controller both need around their work, written once.

pub mod errors;
