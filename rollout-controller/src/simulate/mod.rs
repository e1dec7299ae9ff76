//! Rollouts in described worlds, thousands of times faster than the clock.
//!
//! The controller in them is the production one: its tick, its commands, its journal.
//! What is simulated is around it: traffic, both services, CloudWatch, people.

mod described;
pub mod forecast;
mod library;
pub mod number;
mod process;
mod run;
pub mod show;

use crate::config::Config;
use crate::domain::labels::Labels;
use std::sync::atomic::{AtomicUsize, Ordering};

pub use described::{Change, Deed, Described, DescribedError, On, SideWords, Traffic};
pub use library::{LIBRARY, find};
pub use process::Tally;
pub use run::{End, Played, Row, SimulateError, acting, defaults, play};

/// What the config's one rollout calls its sides.
pub fn labels(config: &Config) -> Labels {
    config.rollouts.first().map(|rollout| rollout.terms.labels.clone()).unwrap_or_default()
}

/// Plays one rollout for each seed on all processors, and keeps of each what `keep`
/// makes of it, in the order of the seeds. `progress` is called after each.
///
/// # Errors
/// The first [`SimulateError`].
pub fn play_all<T: Send>(
    described: &Described,
    config: &Config,
    seeds: std::ops::Range<u64>,
    keep: impl Fn(Played) -> T + Sync,
    progress: &(dyn Fn() + Sync),
) -> Result<Vec<T>, SimulateError> {
    let seeds: Vec<u64> = seeds.collect();
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(seeds.len());
    let next = AtomicUsize::new(0);
    let work = || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(SimulateError::Runtime)?;
        let mut kept = Vec::new();
        while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
            kept.push((*seed, keep(runtime.block_on(play(described, config, *seed))?)));
            progress();
        }
        Ok(kept)
    };
    let parts: Vec<Result<Vec<(u64, T)>, SimulateError>> = std::thread::scope(|scope| {
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
    all.sort_by_key(|(seed, _)| *seed);
    Ok(all.into_iter().map(|(_, kept)| kept).collect())
}
