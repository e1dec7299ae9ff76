//! Rollout policies against each other in simulated worlds.
//!
//! [`worlds`] say what two services do minute by minute, [`policy`] what each policy
//! does about it, [`rollout`] runs one of them in one world, [`cell`] many of them,
//! [`store`] all of the [`jobs`], and [`report`] writes down what came of it, also
//! against the [`goals`].

pub mod cell;
pub mod goals;
pub mod interval;
pub mod jobs;
pub mod policy;
pub mod report;
pub mod rollout;
pub mod store;
pub mod worlds;
