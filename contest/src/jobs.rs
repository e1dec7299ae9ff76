//! What is run: all of it, the table of what has changed, the headline figure, the cells
//! with a number to reach.

use crate::goals;
use crate::policy::Kind;
use crate::store::Job;
use crate::worlds::{Expect, World, catalogue};

/// Traffic of the contest, requests a minute of both sides together.
pub const RATES: [f64; 5] = [10.0, 60.0, 600.0, 6000.0, 60_000.0];
/// Traffic of the duty × severity map and of the headline figure.
pub const MIDDLE_RATES: [f64; 2] = [600.0, 6000.0];

/// Every world at every rate, all policies.
pub fn full(n: u64, seed: u64) -> Vec<Job> {
    let job = |world: &World, requests_per_minute| Job {
        world: world.clone(),
        requests_per_minute,
        // Many routes cost many draws.
        n: if world.routes.len() > 10 { (n / 5).max(1) } else { n },
        seed,
        policies: Kind::ALL.to_vec(),
    };
    let worlds = catalogue::all();
    let worlds = worlds.iter().flat_map(|world| RATES.map(|rate| job(world, rate)));
    let duties = catalogue::duties();
    let duties = duties.iter().flat_map(|world| MIDDLE_RATES.map(|rate| job(world, rate)));
    worlds.chain(duties).collect()
}

/// What the second engine was made for: the rows of `report::before`.
pub const BEFORE: [(&str, &[f64]); 8] = [
    ("f_flap10_100", &[6000.0]),
    ("h_burst", &[6000.0]),
    ("h_inc100", &[600.0, 6000.0]),
    ("f_e1@full", &[600.0, 6000.0]),
    ("h_same_ar20", &[600.0, 6000.0]),
    ("h_simpson", &[600.0, 6000.0]),
    ("f_e1_trickle", &[600.0]),
    ("h_iid", &[60.0, 600.0, 6000.0]),
];

/// Many rollouts of evidence-2 where the first engine failed.
pub fn before(n: u64, seed: u64) -> Vec<Job> {
    let jobs = BEFORE.iter().flat_map(|&(world, rates)| {
        rates.iter().map(move |&requests_per_minute| Job {
            world: catalogue::named(world),
            requests_per_minute,
            n,
            seed,
            policies: vec![Kind::Evidence2],
        })
    });
    jobs.collect()
}

/// At least so many rollouts of evidence-2 over all healthy worlds with a promise.
pub fn headline(n: u64, seed: u64) -> Vec<Job> {
    let promised = |world: &World| matches!(world.expect, Expect::Healthy { .. });
    let worlds: Vec<World> = catalogue::all().into_iter().filter(promised).collect();
    let each = n.div_ceil(worlds.len() as u64 * MIDDLE_RATES.len() as u64);
    let jobs = worlds.into_iter().flat_map(|world| {
        MIDDLE_RATES.map(|requests_per_minute| Job {
            world: world.clone(),
            requests_per_minute,
            n: each,
            seed,
            policies: vec![Kind::Evidence2],
        })
    });
    jobs.collect()
}

/// Rollouts of evidence-2 in every cell with a number to reach: so many where the new side
/// is healthy, three in ten of them where it has a fault, and a fifth where there is little
/// traffic and a rollout takes a day.
pub fn goals(n: u64, seed: u64) -> Vec<Job> {
    let jobs = goals::all().into_iter().map(|goal| {
        let world = catalogue::named(goal.world);
        let n = match world.expect.is_fault() {
            _ if goal.requests_per_minute < MIDDLE_RATES[0] => n / 5,
            true => n * 3 / 10,
            false => n,
        };
        let requests_per_minute = goal.requests_per_minute;
        Job { world, requests_per_minute, n: n.max(1), seed, policies: vec![Kind::Evidence2] }
    });
    jobs.collect()
}
