//! What a minute costs, against the first engine on the same minutes.

use std::time::{Duration, Instant};

use rollout_controller::domain::evidence;
use rollout_controller::domain::evidence2::Reading;
use rollout_controller::domain::minute::{CommittedMinute, Minute};
use rollout_controller::domain::slo::Slo;
use rollout_controller::domain::weight::Weight;

use crate::evidence2::{engine, fast, one_route, percent};

/// Minutes a run.
const DAY: i64 = 1440;

fn readings() -> Vec<Reading> {
    let minute = |at: i64| {
        let errors = u64::try_from(at % 3).unwrap();
        one_route(at, percent(10.0), fast(5400, errors), fast(600, errors / 2))
    };
    (0..DAY).map(minute).collect()
}

fn shortest(mut run: impl FnMut()) -> Duration {
    let timed = (0..5).map(|_| {
        let start = Instant::now();
        run();
        start.elapsed()
    });
    timed.min().expect("five runs")
}

#[test]
fn a_day_costs_a_small_multiple_of_the_first_engines() {
    let readings = readings();
    let second = engine();
    let position =
        rollout_controller::domain::evidence2::Position { share: percent(10.0), baked: false };
    let of_second = shortest(|| {
        let mut evidence = second.start();
        for reading in &readings {
            second.fold(&mut evidence, reading).unwrap();
            let _ = std::hint::black_box(second.verdict(&evidence, position));
        }
    });
    let first = evidence::Engine::new(evidence::EvidenceConfig::default(), Slo::default()).unwrap();
    let minutes: Vec<CommittedMinute> = (0..DAY)
        .map(|at| {
            let errors = u64::try_from(at % 3).unwrap();
            let (old, new) = (fast(5400, errors), fast(600, errors / 2));
            CommittedMinute { minute: Minute(at), weight: percent(10.0), old, new }
        })
        .collect();
    let of_first = shortest(|| {
        let mut evidence = first.start(7);
        for minute in &minutes {
            let _ = std::hint::black_box(first.judge(&mut evidence, minute, Weight::FULL).unwrap());
        }
    });
    let ratio = of_second.as_secs_f64() / of_first.as_secs_f64();
    let minute = of_second / u32::try_from(DAY).expect("a day");
    println!(
        "a minute: {minute:.1?}, a day: {of_second:.1?}, verdicts included; the first engine: \
         {of_first:.1?} a day, ratio {ratio:.2}"
    );
    // 224 bets instead of 72, and most are decided without an exponential.
    assert!(ratio < 3.0, "{of_second:?} against {of_first:?}");
}
