//! Properties over random histories.

use proptest::prelude::*;
use rollout_controller::domain::evidence2::{
    Counts, Engine, Evidence, Part, Position, Reading, Timeline, Verdict,
};
use rollout_controller::domain::minute::{Histogram, Minute, SideCounts};
use rollout_controller::domain::weight::Weight;

use crate::evidence2::{engine, fast};

/// From nothing to a thousand million, contradictions excluded.
fn any_side() -> BoxedStrategy<SideCounts> {
    let count = prop_oneof![
        Just(0_u64),
        Just(1),
        2_u64..100,
        100_u64..100_000,
        Just(1_000_000_000),
        Just(999_999_999)
    ];
    (count.clone(), count.clone(), proptest::collection::vec((0_usize..35, count), 0..4))
        .prop_map(|(requests, errors, buckets)| {
            let mut counts = vec![0; 35];
            for (bucket, n) in buckets {
                counts[bucket] += n;
            }
            let samples = counts.iter().sum();
            let latency = Histogram::new(samples, counts);
            SideCounts { requests, errors: errors.min(requests), latency }
        })
        .boxed()
}

/// An ordinary side that now and then fails or is slow.
fn plausible_side() -> BoxedStrategy<SideCounts> {
    let errors = prop_oneof![8 => Just(0_u64), 2 => 0_u64..20, 1 => Just(1_000)];
    (errors, 0_u64..1_000, prop_oneof![9 => Just(0_u64), 1 => 1_u64..1_000])
        .prop_map(|(errors, requests, slow)| {
            let mut side = fast(requests, errors.min(requests));
            let mut counts = vec![0; 35];
            counts[22] = slow.min(requests);
            counts[9] = requests - slow.min(requests);
            side.latency = Histogram::new(requests, counts);
            side
        })
        .boxed()
}

fn share() -> impl Strategy<Value = Weight> {
    let tenths =
        prop_oneof![Just(10_u16), Just(100), Just(500), Just(900), Just(1000), 1_u16..=1000];
    tenths.prop_map(|tenths| Weight::from_tenths(tenths).unwrap())
}

fn counts(side: BoxedStrategy<SideCounts>) -> impl Strategy<Value = Counts> {
    prop_oneof![
        9 => (side.clone(), side).prop_map(|(old, new)| Counts::Known { old, new }),
        1 => Just(Counts::Unknown),
    ]
}

/// Minutes at shares that last a while, some of them unknown.
fn minutes(side: BoxedStrategy<SideCounts>, most: usize) -> impl Strategy<Value = Vec<Reading>> {
    let run = (share(), proptest::collection::vec(counts(side), 1..15));
    proptest::collection::vec(run, 1..5).prop_map(move |runs| {
        let minutes =
            runs.into_iter().flat_map(|(share, run)| run.into_iter().map(move |c| (share, c)));
        let part = |weight, counts| vec![Part { weight, counts }];
        let reading = |(at, (share, counts))| Reading {
            minute: Minute(at),
            share,
            parts: part(share, counts),
        };
        (0..).zip(minutes.take(most)).map(reading).collect()
    })
}

fn fold_all(engine: &Engine, readings: &[Reading]) -> Evidence {
    let mut evidence = engine.start();
    for reading in readings {
        engine.fold(&mut evidence, reading).unwrap();
    }
    evidence
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn no_count_makes_it_panic_or_lose_its_numbers(readings in minutes(any_side(), 60), baked: bool) {
        let engine = engine();
        let mut evidence = engine.start();
        for reading in &readings {
            engine.fold(&mut evidence, reading).unwrap();
            let (log_e, _) = engine.suspicion(&evidence);
            prop_assert!(log_e.is_finite(), "{log_e}");
            for gate in engine.gates(&evidence, Position { share: reading.share, baked }) {
                prop_assert!(gate.fresh.0.is_finite() && gate.pooled.0.is_finite());
                prop_assert!((0.0..=1.0).contains(&gate.fullness()));
            }
            let at = Position { share: reading.share, baked };
            if evidence.rolled_back().is_some() {
                prop_assert!(matches!(engine.verdict(&evidence, at), Verdict::Breach(_)));
            }
        }
    }

    #[test]
    fn the_state_reads_back_bit_for_bit_in_the_middle(
        readings in minutes(plausible_side(), 60), cut in 0_usize..60,
    ) {
        let engine = engine();
        let whole = fold_all(&engine, &readings);
        let cut = cut.min(readings.len());
        let before = fold_all(&engine, &readings[..cut]);
        let text = serde_json::to_string(&before).unwrap();
        let mut resumed: Evidence = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(&resumed, &before);
        for reading in &readings[cut..] {
            engine.fold(&mut resumed, reading).unwrap();
        }
        let bits = |evidence: &Evidence| engine.suspicion(evidence).0.to_bits();
        prop_assert_eq!(bits(&resumed), bits(&whole));
        prop_assert_eq!(serde_json::to_string(&resumed).unwrap(), serde_json::to_string(&whole).unwrap());
    }

    #[test]
    fn revisions_within_twelve_minutes_leave_no_trace(
        readings in minutes(plausible_side(), 60),
        first in proptest::collection::vec(counts(plausible_side()), 60),
        delay in proptest::collection::vec(1_i64..11, 60),
        stored in 0_usize..60,
    ) {
        let engine = engine();
        let mut timeline = Timeline::start(&engine);
        let mut revised = Vec::new();
        for (at, reading) in readings.iter().enumerate() {
            // Only what is known at last can differ from what was read at first.
            let final_known = reading.parts[0].counts != Counts::Unknown;
            let mut early = reading.clone();
            if final_known {
                early.parts[0].counts = first[at].clone();
            }
            timeline.read(&engine, early).unwrap();
            if at == stored {
                let text = serde_json::to_string(&timeline).unwrap();
                timeline = serde_json::from_str(&text).unwrap();
            }
            revised.push((reading.minute.0 + delay[at], reading));
            for (due, reading) in &revised {
                if *due == reading.minute.0 + delay[usize::try_from(reading.minute.0).unwrap()]
                    && *due == i64::try_from(at).unwrap()
                {
                    timeline.read(&engine, (*reading).clone()).unwrap();
                }
            }
        }
        for (_, reading) in &revised {
            let age = i64::try_from(readings.len()).unwrap() - 1 - reading.minute.0;
            if age < 12 {
                timeline.read(&engine, (*reading).clone()).unwrap();
            }
        }
        let whole = fold_all(&engine, &readings);
        // A rollback that an early reading reached is kept, by rule.
        if timeline.evidence().rolled_back() == whole.rolled_back() {
            prop_assert_eq!(timeline.evidence(), &whole);
        } else {
            prop_assert!(timeline.evidence().rolled_back().is_some());
            let bits = |evidence: &Evidence| engine.suspicion(evidence).0.to_bits();
            prop_assert_eq!(bits(timeline.evidence()), bits(&whole));
        }
    }

    #[test]
    fn a_worse_minute_is_never_better_evidence(
        readings in minutes(plausible_side(), 30), at in 0_usize..30, more in 1_u64..50,
    ) {
        // More errors in the last minute: no more proof, and no less suspicion
        // by the limit's bets for one route.
        let engine = engine();
        let at = at.min(readings.len() - 1);
        let good = fold_all(&engine, &readings[..=at]);
        let mut readings = readings[..=at].to_vec();
        if let Counts::Known { new, .. } = &mut readings[at].parts[0].counts {
            new.errors = (new.errors + more).min(new.requests);
        }
        let bad = fold_all(&engine, &readings);
        let position = Position { share: readings[at].share, baked: false };
        let [good_gate, ..] = engine.gates(&good, position);
        let [bad_gate, ..] = engine.gates(&bad, position);
        prop_assert!(bad_gate.fresh.0 <= good_gate.fresh.0 + 1e-9);
        prop_assert!(bad_gate.pooled.0 <= good_gate.pooled.0 + 1e-9);
        prop_assert!(engine.suspicion(&bad).0 >= engine.suspicion(&good).0 - 1e-9);
    }
}
