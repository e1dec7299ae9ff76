//! All requests, so many at once.

use super::client::{Client, Forced};
use super::requests::Ask;
use super::state::{StateError, StateFile};
use super::{Outcome, Side};
use answers::{Comparer, Show};
use futures_util::stream::{self, StreamExt as _};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;

/// How to compare.
#[derive(Debug)]
pub struct Plan<'a> {
    /// What to send.
    pub asks: &'a [Ask],
    /// Most requests that wait for an answer at once, at least 1.
    pub concurrency: usize,
    /// Seed of the order in which the sides are asked.
    pub seed: u64,
    /// How answers are compared.
    pub comparer: &'a Comparer,
    /// Whether values are kept.
    pub show: Show,
}

/// Sends what is not in `done` yet, and notes what comes of it there and in the state
/// file. `each` is called for every request that ends.
///
/// # Errors
/// If the state file cannot be written.
pub async fn run(
    plan: &Plan<'_>,
    client: &Client,
    done: &mut BTreeMap<usize, Outcome>,
    mut state: Option<&mut StateFile>,
    each: impl Fn(),
) -> Result<(), StateError> {
    done.retain(|_, outcome| outcome.is_final());
    let left: Vec<usize> = (0..plan.asks.len()).filter(|n| !done.contains_key(n)).collect();
    let mut ending = stream::iter(left)
        .map(|n| async move { (n, one(plan, client, n).await) })
        .buffer_unordered(plan.concurrency.max(1));
    while let Some((n, outcome)) = ending.next().await {
        if let Some(state) = &mut state {
            state.note(n, &outcome)?;
        }
        done.insert(n, outcome);
        each();
    }
    Ok(())
}

/// Asks Python, then Python and Rust in an order of its own, one after the other.
async fn one(plan: &Plan<'_>, client: &Client, n: usize) -> Outcome {
    let ask = &plan.asks[n];
    let own_seed = plan.seed.wrapping_add((n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let rust_first: bool = ChaCha8Rng::seed_from_u64(own_seed).random();
    let python = async || client.send(ask, Forced::No).await.map_err(|why| (Side::Python, why));
    let rust = async || client.send(ask, Forced::Yes).await.map_err(|why| (Side::Rust, why));
    let all = async {
        let first = python().await?;
        let (second, forced) = if rust_first {
            let forced = rust().await?;
            (python().await?, forced)
        } else {
            (python().await?, rust().await?)
        };
        Ok(([first, second], forced))
    };
    match all.await {
        Ok((python, rust)) => Outcome::judge(plan.comparer, &python, &rust, plan.show),
        Err((side, why)) => Outcome::Unanswered { side, why },
    }
}
