//! Rollouts in described worlds, thousands of times faster than the clock.
//!
//! The controller in them is the production one: its tick, its commands, its journal.
//! What is simulated is around it: traffic, both services, CloudWatch, people.

mod described;
mod library;
pub mod number;
mod process;
mod run;
pub mod show;

use crate::config::Config;
use std::sync::atomic::{AtomicUsize, Ordering};

pub use described::{Change, Deed, Described, DescribedError, On, SideWords, Traffic};
pub use library::{LIBRARY, find};
pub use process::Tally;
pub use run::{End, Played, Row, SimulateError, acting, defaults, play};

/// Plays one rollout for each seed on all processors; the order is that of the
/// seeds. Minute by minute rows are kept only if asked for. `progress` is called
/// with how many are done.
///
/// # Errors
/// The first [`SimulateError`].
pub fn play_all(
    described: &Described,
    config: &Config,
    seeds: std::ops::Range<u64>,
    progress: &(dyn Fn(usize) + Sync),
) -> Result<Vec<Played>, SimulateError> {
    let seeds: Vec<u64> = seeds.collect();
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(seeds.len());
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(SimulateError::Runtime)?;
        let mut played = Vec::new();
        while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
            let mut one = runtime.block_on(play(described, config, *seed))?;
            one.rows = Vec::new();
            played.push(one);
            progress(done.fetch_add(1, Ordering::Relaxed) + 1);
        }
        Ok(played)
    };
    let parts: Vec<Result<Vec<Played>, SimulateError>> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let joined = workers.into_iter().map(|worker| match worker.join() {
            Ok(part) => part,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        joined.collect()
    });
    let mut all = Vec::new();
    for part in parts {
        all.extend(part?);
    }
    all.sort_by_key(|played| played.seed);
    Ok(all)
}
