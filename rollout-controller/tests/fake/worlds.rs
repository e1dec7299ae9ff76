//! What becomes of a rollout in each world of the library, by the production tick:
//! `tests/data/worlds.txt`.

use crate::kept_text;
use rollout_controller::domain::labels::Labels;
use rollout_controller::simulate::{self, Described};
use std::fmt::Write as _;

/// Worlds that take longer than the others together.
const LONG: [&str; 9] = [
    "down-one-minute-an-hour",
    "down-one-minute-in-thirty",
    "error-rate-exactly-at-the-limit",
    "healthy-at-ten-requests-a-minute",
    "healthy-at-the-edge-of-its-limits",
    "just-over-the-limit",
    "one-of-twenty-routes-fails-more",
    "one-of-twenty-routes-fails-often",
    "one-point-more-errors-at-full-traffic",
];

#[tokio::test]
async fn every_world_goes_as_it_was_kept() {
    let mut now = String::new();
    for (name, text) in simulate::LIBRARY.iter().filter(|(name, _)| !LONG.contains(name)) {
        let world = Described::parse(text).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        let config = simulate::defaults(&world.route_names()).unwrap();
        let played = simulate::play(&world, &config, 7).await.unwrap();
        let _ = writeln!(
            now,
            "{}",
            simulate::show::text(name, &world.what, &Labels::default(), &played)
        );
    }
    kept_text::holds("worlds.txt", &now);
}
