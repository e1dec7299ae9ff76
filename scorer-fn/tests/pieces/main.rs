//! The pure pieces, without a server.

mod fuzz;
mod parts;
mod proof;
mod python;
mod scoring;
