//! The journal's protocol in every order: scenarios of a few processes each, explored to
//! the last state by [`explore`].

pub use crate::play::explore::{Actor, Explored, Scenario, explore};
use rollout_controller::domain::command::Order;
#[cfg(feature = "planted")]
use rollout_controller::planted::{Defect, plant};

fn scenario(name: &'static str, actors: Vec<Actor>) -> Scenario {
    Scenario { name, actors, deaths: 0, faults: 0, writes: 0, delays: 0 }
}

/// All of them. Every tick among them raises from 10% to 50%.
pub fn scenarios() -> Vec<Scenario> {
    let tick = || Actor::Tick;
    let rollback = || Actor::Order(Order::Rollback);
    let promote = || Actor::Order(Order::Promote { to: None, force: true });
    let pause = || Actor::Order(Order::Pause { for_minutes: None });
    vec![
        Scenario { deaths: 1, faults: 1, writes: 1, delays: 2, ..scenario("a tick", vec![tick()]) },
        Scenario { deaths: 1, delays: 1, ..scenario("two ticks", vec![tick(), tick()]) },
        Scenario {
            deaths: 1,
            faults: 1,
            writes: 1,
            delays: 1,
            ..scenario("a tick and a direct rollback", vec![tick(), Actor::Direct])
        },
        Scenario { deaths: 1, delays: 1, ..scenario("a tick and a pause", vec![tick(), pause()]) },
        Scenario {
            deaths: 1,
            ..scenario("a promotion and a rollback", vec![promote(), rollback()])
        },
        Scenario {
            deaths: 1,
            ..scenario("a tick and a rollback, one dies", vec![tick(), rollback()])
        },
        Scenario {
            delays: 1,
            ..scenario("a tick and a rollback, time passes", vec![tick(), rollback()])
        },
        Scenario {
            faults: 1,
            ..scenario("a tick and a rollback, one call fails", vec![tick(), rollback()])
        },
        Scenario {
            writes: 1,
            ..scenario("a tick and a rollback, another writer", vec![tick(), rollback()])
        },
        scenario("two ticks and a direct rollback", vec![tick(), tick(), Actor::Direct]),
        scenario("a tick, a promotion, a direct rollback", vec![tick(), promote(), Actor::Direct]),
    ]
}

/// What the protocol rests on, each with a scenario that goes wrong without it. Others
/// need more time to pass, or more people, than a scenario has: histories find those.
#[cfg(feature = "planted")]
pub const SAFEGUARDS: &[(Defect, &str)] = &[
    (Defect::LostRaceIsWon, "two ticks"),
    (Defect::WritesOverOthers, "a tick"),
    (Defect::SettlesLiveIntent, "two ticks"),
    (Defect::NoSecondLook, "a tick and a rollback, one dies"),
    (Defect::PromotionDoesNotGiveWay, "a promotion and a rollback"),
    (Defect::NoLookForOrdersAfter, "a tick and a direct rollback"),
    (Defect::OrderNotLeft, "a tick and a rollback, one call fails"),
    (Defect::OrderIsForgotten, "a tick and a direct rollback"),
    (Defect::AnswersTooEarly, "a tick and a rollback, one dies"),
    (Defect::PauseIgnored, "a tick and a pause"),
];

/// The scenario of this name.
///
/// # Panics
/// If none is called so.
pub fn named(name: &str) -> Scenario {
    let found = scenarios().into_iter().find(|scenario| scenario.name == name);
    found.unwrap_or_else(|| panic!("no scenario is called {name}"))
}

/// Explores a scenario without a safeguard.
///
/// # Panics
/// If no scenario has this name.
#[cfg(feature = "planted")]
pub fn without(defect: Defect, name: &str, most: usize, threads: usize) -> Explored {
    let explored = explore(&named(name), most, threads, &|| plant(Some(defect)), &|_| ());
    plant(None);
    explored
}
