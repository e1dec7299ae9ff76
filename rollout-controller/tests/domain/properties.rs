//! Properties that hold for any counts.

use proptest::prelude::*;

use crate::{engine, minute, percent};
use rollout_controller::domain::evidence::{Engine, Evidence, Judged, Signal};
use rollout_controller::domain::minute::{CommittedMinute, Edges, Histogram, SideCounts};

/// A side of one minute: requests, errors (perhaps more than requests), and
/// buckets that need not add up to the samples.
fn any_side(most: u64) -> impl Strategy<Value = SideCounts> {
    (0..=most, 0..=most, 0..=most, prop::collection::vec(0..=most, 0..40)).prop_map(
        |(requests, errors, samples, buckets)| SideCounts {
            requests,
            errors,
            latency: Histogram::new(samples, buckets),
        },
    )
}

/// A plausible side: a few hundred requests, few errors, every request timed.
fn busy_side() -> impl Strategy<Value = SideCounts> {
    prop::collection::vec((0_usize..25, 0_u64..40), 1..12).prop_flat_map(|spread| {
        let mut buckets = vec![0; 35];
        for (bucket, n) in spread {
            buckets[bucket] += n;
        }
        let requests: u64 = buckets.iter().sum();
        (0..=requests / 20).prop_map(move |errors| SideCounts {
            requests,
            errors,
            latency: Histogram::new(requests, buckets.clone()),
        })
    })
}

fn rollout(
    old: impl Strategy<Value = SideCounts>,
    new: impl Strategy<Value = SideCounts>,
) -> impl Strategy<Value = Vec<CommittedMinute>> {
    let weight = prop::sample::select(vec![1.0, 5.0, 25.0, 100.0]);
    prop::collection::vec((old, new, weight, 1_i64..3), 1..25).prop_map(|minutes| {
        let mut at = 0;
        let mut next = |(old, new, weight, step)| {
            at += step;
            minute(at, percent(weight), old, new)
        };
        minutes.into_iter().map(&mut next).collect()
    })
}

fn judge_all(engine: &Engine, evidence: &mut Evidence, minutes: &[CommittedMinute]) -> Vec<Judged> {
    let next = percent(100.0);
    minutes.iter().map(|minute| engine.judge(evidence, minute, next).unwrap()).collect()
}

fn started(engine: &Engine) -> Evidence {
    let mut evidence = engine.start(6);
    evidence.set_relative_edges(engine.relative_edges_at([63.0, 160.0, 400.0].map(Some)));
    evidence
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_counts_give_numbers(
        minutes in rollout(any_side(u64::MAX), any_side(u64::MAX)),
        modest in rollout(any_side(30), any_side(30)),
    ) {
        for minutes in [minutes, modest] {
            let engine = engine();
            for judged in judge_all(&engine, &mut started(&engine), &minutes) {
                prop_assert!(judged.log_e.is_finite());
                prop_assert!(judged.log_e_family.iter().all(|x| x.is_finite()));
                prop_assert!(judged.log_gates.iter().all(|x| x.is_finite()));
                prop_assert!(judged.dispersion.iter().all(|d| (1.0..=9.0).contains(d)));
            }
        }
    }

    #[test]
    fn silence_of_the_new_side_decides_nothing(
        minutes in rollout(any_side(5000), Just(SideCounts::default())),
    ) {
        let engine = engine();
        for judged in judge_all(&engine, &mut started(&engine), &minutes) {
            prop_assert_eq!(judged.signal, Signal::Hold);
            prop_assert!(judged.log_e.abs() < 1e-12);
        }
    }

    #[test]
    fn no_weight_is_left_without_requests_in_the_minute_judged(
        minutes in rollout(busy_side(), prop_oneof![busy_side(), Just(SideCounts::default())]),
    ) {
        let engine = engine();
        let judged = judge_all(&engine, &mut started(&engine), &minutes);
        for (judged, minute) in judged.iter().zip(&minutes) {
            prop_assert!(judged.signal != Signal::Advance || minute.new.requests > 0);
        }
    }

    #[test]
    fn judging_is_a_function_of_the_minutes(minutes in rollout(busy_side(), busy_side())) {
        let engine = engine();
        let (mut one, mut other) = (started(&engine), started(&engine));
        let first = judge_all(&engine, &mut one, &minutes);
        let second = judge_all(&engine, &mut other, &minutes);
        prop_assert_eq!(first, second);
        prop_assert_eq!(one, other);
    }

    #[test]
    fn a_stored_state_goes_on_as_if_never_stored(
        before in rollout(busy_side(), busy_side()),
        after in rollout(busy_side(), busy_side()),
    ) {
        let engine = engine();
        let mut kept = started(&engine);
        judge_all(&engine, &mut kept, &before);
        let stored = serde_json::to_value(&kept).unwrap();
        let read: Evidence = serde_json::from_value(stored).unwrap();
        prop_assert_eq!(&read, &kept);
        // Through text: the last binary digit of a number may differ, no more.
        let text = serde_json::to_string(&kept).unwrap();
        prop_assert!(text.len() < 4096, "{} bytes", text.len());
        let mut read: Evidence = serde_json::from_str(&text).unwrap();
        let last = before.last().unwrap().minute.0;
        let later = |m: &CommittedMinute| CommittedMinute { minute: m.minute.plus(last), ..m.clone() };
        let after: Vec<_> = after.iter().map(later).collect();
        let (kept, read) =
            (judge_all(&engine, &mut kept, &after), judge_all(&engine, &mut read, &after));
        for (kept, read) in kept.iter().zip(&read) {
            prop_assert_eq!(kept.signal, read.signal);
            prop_assert!((kept.log_e - read.log_e).abs() < 1e-9);
        }
    }

    #[test]
    fn counts_of_two_routes_add_up_to_those_of_all_requests(
        one in prop::collection::vec(0.1_f64..20_000.0, 0..60),
        other in prop::collection::vec(0.1_f64..20_000.0, 0..60),
        errors in (0_u64..60, 0_u64..60),
    ) {
        let edges = Edges::default();
        let route = |latencies: &[f64], errors| SideCounts {
            requests: latencies.len() as u64,
            errors,
            latency: Histogram::of_latencies(&edges, latencies.iter().copied()),
        };
        let mut merged = route(&one, errors.0);
        merged += &route(&other, errors.1);
        let all: Vec<f64> = one.iter().chain(&other).copied().collect();
        prop_assert_eq!(&merged, &route(&all, errors.0 + errors.1));
        for (at, &edge) in edges.as_ms().iter().enumerate() {
            let slower = all.iter().filter(|&&ms| ms > edge).count() as u64;
            prop_assert_eq!(merged.latency.slower_than(at), slower);
        }
    }

    #[test]
    fn a_minute_reads_back_as_written(minutes in rollout(any_side(1000), any_side(1000))) {
        let text = serde_json::to_string(&minutes).unwrap();
        prop_assert_eq!(serde_json::from_str::<Vec<CommittedMinute>>(&text).unwrap(), minutes);
    }
}
