//! What the old side's day decides, over random days: `tests/data/choices.txt`.

use std::fmt::Write as _;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rollout_controller::domain::evidence2::{
    Clock, Engine, History, HistoryMinute, Settings, Stages, Words,
};
use rollout_controller::domain::minute::{Edges, Minute, SideCounts};
use rollout_controller::domain::slo::Slo;

use crate::evidence2::{stages, timed};
use crate::kept_text;

/// Days that differ in routes, traffic, length, drift, bursts and what could be read.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a bucket is between 0 and 30"
)]
fn day(rng: &mut ChaCha8Rng) -> History {
    let routes = [1, 2, 3, 19, 20, 21, 25][rng.random_range(0..7)];
    let minutes = [20, 60, 359, 360, 365, 900, 1440, 1500][rng.random_range(0..8)];
    let traffic: Vec<u64> = (0..routes).map(|_| [0, 1, 12, 90][rng.random_range(0..4)]).collect();
    let keeps: f64 = [0.0, 0.9, 0.98][rng.random_range(0..3)];
    let (drift, burst) = ([0.0, 0.5, 2.0][rng.random_range(0..3)], rng.random_range(0..4));
    let unknown = [0, 0, 3, 20][rng.random_range(0..4)];
    let (mut at, mut left, mut unread) = (0.0, 0, 0);
    let mut read = Vec::new();
    for minute in -minutes..0_i64 {
        at = keeps * at + drift * (1.0 - keeps * keeps).sqrt() * (rng.random::<f64>() - 0.5) * 3.5;
        if left == 0 && burst > 0 && rng.random_range(0..150) == 0 {
            left = rng.random_range(1..=(6 * burst));
        }
        unread = if unread > 0 { unread - 1 } else { 0 };
        if unknown > 0 && rng.random_range(0..120) == 0 {
            unread = unknown;
        }
        let bad = left > 0;
        left = left.max(1) - 1;
        let moved = |bucket: f64| (bucket + at).clamp(0.0, 30.0) as usize;
        let old = traffic.iter().map(|&requests| {
            let rate = if bad { 0.2 } else { 0.01 };
            let mut draw =
                |rate: f64| (0..requests).filter(|_| rng.random::<f64>() < rate).count() as u64;
            let (errors, slow) = (draw(rate / 5.0), draw(rate * 3.0));
            let counts = timed(errors, &[(moved(9.0), requests - slow), (moved(15.0), slow)]);
            (unread == 0).then_some(counts)
        });
        let old: Vec<Option<SideCounts>> = old.collect();
        read.push(HistoryMinute { minute: Minute(minute), old });
    }
    History::of_known(routes, Minute(-1), read).unwrap()
}

#[test]
fn the_old_sides_day_decides_what_was_kept() {
    let names: Vec<String> = (0..25).map(|route| format!("r{route}")).collect();
    let words = Words { old: "Python", new: "Rust", routes: &names, clock: Clock::Counted };
    let mut now = String::new();
    for seed in 0..40 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let history = day(&mut rng);
        let (settings, slo, edges) = (Settings::default(), Slo::default(), Edges::default());
        let choices = Engine::choose(&settings, &slo, &edges, &history).unwrap();
        let _ = writeln!(now, "\n## seed {seed}\n{choices:.4?}");
        let shares = stages(&[1.0, 5.0, 25.0, 50.0, 100.0]).shares().to_vec();
        let planned = Stages::with_bake(shares, choices.requests_per_minute).unwrap();
        let _ = writeln!(now, "{:?}", planned.shares());
        let engine = Engine::new(settings, slo, edges, planned, choices).unwrap();
        for line in words.choices(&engine) {
            let _ = writeln!(now, "{line}");
        }
    }
    kept_text::holds("choices.txt", &now);
}
