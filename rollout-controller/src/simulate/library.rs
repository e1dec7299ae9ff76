//! Worlds that come with the program, named after what happens in them.

/// Name and description in TOML, in alphabetical order.
pub const LIBRARY: [(&str, &str); 62] = [
    ("a-route-3-minutes-behind", include_str!("worlds/a-route-3-minutes-behind.toml")),
    ("a-route-6-minutes-behind", include_str!("worlds/a-route-6-minutes-behind.toml")),
    ("cloudwatch-away", include_str!("worlds/cloudwatch-away.toml")),
    ("cold-starts-at-each-stage", include_str!("worlds/cold-starts-at-each-stage.toml")),
    ("day-and-night", include_str!("worlds/day-and-night.toml")),
    ("down-at-random", include_str!("worlds/down-at-random.toml")),
    ("down-one-minute-an-hour", include_str!("worlds/down-one-minute-an-hour.toml")),
    ("down-one-minute-in-ten", include_str!("worlds/down-one-minute-in-ten.toml")),
    ("down-one-minute-in-thirty", include_str!("worlds/down-one-minute-in-thirty.toml")),
    (
        "equal-sides-that-drift-by-10-percent",
        include_str!("worlds/equal-sides-that-drift-by-10-percent.toml"),
    ),
    (
        "equal-sides-that-drift-by-20-percent",
        include_str!("worlds/equal-sides-that-drift-by-20-percent.toml"),
    ),
    (
        "equal-sides-that-drift-by-40-percent",
        include_str!("worlds/equal-sides-that-drift-by-40-percent.toml"),
    ),
    (
        "equal-sides-that-drift-slowly-by-10-percent",
        include_str!("worlds/equal-sides-that-drift-slowly-by-10-percent.toml"),
    ),
    (
        "equal-sides-that-drift-slowly-by-20-percent",
        include_str!("worlds/equal-sides-that-drift-slowly-by-20-percent.toml"),
    ),
    (
        "equal-sides-that-drift-together",
        include_str!("worlds/equal-sides-that-drift-together.toml"),
    ),
    (
        "equal-sides-that-jitter-by-20-percent",
        include_str!("worlds/equal-sides-that-jitter-by-20-percent.toml"),
    ),
    (
        "equal-sides-that-jitter-by-40-percent",
        include_str!("worlds/equal-sides-that-jitter-by-40-percent.toml"),
    ),
    (
        "error-rate-exactly-at-the-limit",
        include_str!("worlds/error-rate-exactly-at-the-limit.toml"),
    ),
    ("error-rate-that-jitters", include_str!("worlds/error-rate-that-jitters.toml")),
    ("errors-in-clusters", include_str!("worlds/errors-in-clusters.toml")),
    ("errors-one-minute-in-four", include_str!("worlds/errors-one-minute-in-four.toml")),
    ("errors-one-minute-in-ten", include_str!("worlds/errors-one-minute-in-ten.toml")),
    ("five-points-more-errors", include_str!("worlds/five-points-more-errors.toml")),
    (
        "five-points-more-errors-at-the-last-steps",
        include_str!("worlds/five-points-more-errors-at-the-last-steps.toml"),
    ),
    (
        "five-points-more-errors-from-25-percent",
        include_str!("worlds/five-points-more-errors-from-25-percent.toml"),
    ),
    ("half-down-one-minute-in-twenty", include_str!("worlds/half-down-one-minute-in-twenty.toml")),
    ("healthy", include_str!("worlds/healthy.toml")),
    (
        "healthy-at-ten-requests-a-minute",
        include_str!("worlds/healthy-at-ten-requests-a-minute.toml"),
    ),
    (
        "healthy-at-the-edge-of-its-limits",
        include_str!("worlds/healthy-at-the-edge-of-its-limits.toml"),
    ),
    ("healthy-near-its-limits", include_str!("worlds/healthy-near-its-limits.toml")),
    ("heavy-tails", include_str!("worlds/heavy-tails.toml")),
    ("incident-during-the-bake", include_str!("worlds/incident-during-the-bake.toml")),
    (
        "incident-just-after-the-last-step",
        include_str!("worlds/incident-just-after-the-last-step.toml"),
    ),
    ("incident-on-both-sides", include_str!("worlds/incident-on-both-sides.toml")),
    ("just-over-the-limit", include_str!("worlds/just-over-the-limit.toml")),
    ("late-minutes", include_str!("worlds/late-minutes.toml")),
    ("lost-minutes", include_str!("worlds/lost-minutes.toml")),
    ("median-half-as-slow-again", include_str!("worlds/median-half-as-slow-again.toml")),
    ("median-over-its-limit", include_str!("worlds/median-over-its-limit.toml")),
    ("median-twice-as-slow", include_str!("worlds/median-twice-as-slow.toml")),
    ("new-build-half-way", include_str!("worlds/new-build-half-way.toml")),
    ("one-of-five-routes-fails-more", include_str!("worlds/one-of-five-routes-fails-more.toml")),
    (
        "one-of-twenty-routes-fails-more",
        include_str!("worlds/one-of-twenty-routes-fails-more.toml"),
    ),
    (
        "one-of-twenty-routes-fails-often",
        include_str!("worlds/one-of-twenty-routes-fails-often.toml"),
    ),
    ("one-point-more-errors", include_str!("worlds/one-point-more-errors.toml")),
    (
        "one-point-more-errors-at-full-traffic",
        include_str!("worlds/one-point-more-errors-at-full-traffic.toml"),
    ),
    (
        "one-point-more-errors-at-the-last-steps",
        include_str!("worlds/one-point-more-errors-at-the-last-steps.toml"),
    ),
    (
        "one-point-more-errors-from-25-percent",
        include_str!("worlds/one-point-more-errors-from-25-percent.toml"),
    ),
    ("outage", include_str!("worlds/outage.toml")),
    ("outage-from-10-percent", include_str!("worlds/outage-from-10-percent.toml")),
    ("paused-over-lunch", include_str!("worlds/paused-over-lunch.toml")),
    ("rare-minutes-of-half-an-outage", include_str!("worlds/rare-minutes-of-half-an-outage.toml")),
    ("short-bursts-of-errors", include_str!("worlds/short-bursts-of-errors.toml")),
    ("slow-leak", include_str!("worlds/slow-leak.toml")),
    ("slow-on-both-sides", include_str!("worlds/slow-on-both-sides.toml")),
    (
        "step-that-saturates-the-database",
        include_str!("worlds/step-that-saturates-the-database.toml"),
    ),
    ("tail-half-as-slow-again", include_str!("worlds/tail-half-as-slow-again.toml")),
    ("tail-twice-as-slow", include_str!("worlds/tail-twice-as-slow.toml")),
    ("three-in-a-hundred-very-slow", include_str!("worlds/three-in-a-hundred-very-slow.toml")),
    ("unrelated-incidents", include_str!("worlds/unrelated-incidents.toml")),
    ("weights-written-by-hand", include_str!("worlds/weights-written-by-hand.toml")),
    ("worse-within-the-limit", include_str!("worlds/worse-within-the-limit.toml")),
];

/// The world of this name.
pub fn find(name: &str) -> Option<&'static str> {
    LIBRARY.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    use super::super::described::Described;
    use super::LIBRARY;

    #[test]
    fn every_world_can_be_read_and_says_what_happens() {
        for (name, text) in LIBRARY {
            let world = Described::parse(text).unwrap_or_else(|error| panic!("{name}: {error:?}"));
            assert!(world.what.ends_with('.') && world.what.len() < 120, "{name}: {}", world.what);
        }
        assert!(LIBRARY.is_sorted_by_key(|(name, _)| *name));
    }
}
