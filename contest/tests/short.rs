//! The contest, short: fails when a promise of evidence-2 is surely broken in some
//! world, or a healthy rollout hangs. `make contest` runs all worlds and policies.

use contest::cell::{self, Cell};
use contest::policy::Kind;
use contest::rollout::Conditions;
use contest::worlds::{Expect, World, catalogue};

/// World, requests a minute, minutes of history: a day where the margin matters.
const SHORT: [(&str, f64, i64); 21] = [
    ("h_iid", 600.0, 60),
    ("h_near", 6000.0, 60),
    ("h_burst", 6000.0, 1440),
    ("h_same_ar20", 600.0, 1440),
    ("h_inc100", 600.0, 60),
    ("h_incstep", 6000.0, 60),
    ("h_simpson3", 6000.0, 60),
    ("h_cold", 6000.0, 60),
    ("s_db25_errors", 600.0, 60),
    ("h_late", 600.0, 60),
    ("h_blind", 600.0, 60),
    ("f_e5", 600.0, 60),
    ("f_e5@25", 6000.0, 60),
    ("f_e5_late", 600.0, 60),
    ("f_out@10", 600.0, 60),
    ("f_p50x2", 6000.0, 60),
    ("f_flap10_100", 6000.0, 60),
    ("f_flap4_10", 6000.0, 60),
    ("f_one5_5", 6000.0, 60),
    ("f_duty15_20", 600.0, 60),
    ("f_duty30_5", 600.0, 60),
];
const ROLLOUTS: u64 = 12;
const SEED: u64 = 10_000;

fn run(world: &World, requests: f64, history_minutes: i64, policy: Kind, n: u64) -> Cell {
    let conditions = Conditions { history_minutes, ..Conditions::new(requests) };
    cell::run(world, conditions, &[policy], SEED..SEED + n).remove(0)
}

#[test]
fn promises_are_kept_and_no_healthy_rollout_hangs() {
    let cells: Vec<Option<String>> = std::thread::scope(|scope| {
        let halves = SHORT.chunks(SHORT.len().div_ceil(2)).map(|half| {
            scope.spawn(move || {
                let cells = half.iter().map(|&(name, requests, history)| {
                    let world = catalogue::named(name);
                    let cell = run(&world, requests, history, Kind::Evidence2, ROLLOUTS);
                    cell.broken(world.expect)
                });
                cells.collect::<Vec<_>>()
            })
        });
        let halves: Vec<_> = halves.collect();
        halves.into_iter().flat_map(|half| half.join().expect("no panic")).collect()
    });
    let broken: Vec<String> = cells.into_iter().flatten().collect();
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn a_broken_promise_is_noticed() {
    // A healthy service held to the promise for faults, and the other way round.
    let mut healthy = catalogue::named("h_iid");
    healthy.expect = Expect::Fault { completed: 0.01 };
    let mut outage = catalogue::named("f_out@10");
    outage.expect = Expect::Healthy { rolled_back: 0.01 };
    // Nobody can prove a rate at the limit to be below it.
    let mut never = catalogue::named("h_bound");
    never.expect = Expect::Healthy { rolled_back: 0.01 };
    for (world, policy) in
        [(&healthy, Kind::Evidence2), (&outage, Kind::Evidence2), (&never, Kind::Evidence2)]
    {
        let cell = run(world, 600.0, 60, policy, 4);
        let broken = cell.broken(world.expect);
        assert!(broken.is_some_and(|said| said.contains(&world.name)), "{cell:?}");
    }
}

#[test]
fn every_policy_ends_a_healthy_rollout_and_most_find_an_outage() {
    for policy in Kind::ALL {
        let cell = run(&catalogue::named("h_iid"), 6000.0, 60, policy, 2);
        assert_eq!((cell.completed.k, cell.hangs.k), (2, 0), "{}", policy.name());
        let cell = run(&catalogue::named("f_out"), 600.0, 60, policy, 2);
        assert_eq!((cell.rolled_back.k, cell.completed.k), (2, 0), "{}", policy.name());
    }
}

#[test]
fn a_seed_gives_the_same_rollouts_again() {
    let world = catalogue::named("f_e1@25");
    let cells = [1, 2].map(|_| run(&world, 600.0, 60, Kind::Evidence2, 2));
    assert_eq!(cells[0], cells[1]);
}
