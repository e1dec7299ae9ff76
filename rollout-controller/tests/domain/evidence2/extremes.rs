//! Settings and situations at the edge of what is allowed, and some that only an
//! attacker of the rules would think of.

use rollout_controller::domain::evidence2::{
    Choices, Counts, Engine, EngineError, FoldError, History, HistoryError, HistoryMinute, Hold,
    Lead, Part, Position, Preset, Proven, Reading, Settings, Stages, Verdict, start_stage,
};
use rollout_controller::domain::minute::{Edges, Minute, SideCounts};
use rollout_controller::domain::slo::{Metric, Slo};
use rollout_controller::domain::weight::Weight;

use crate::evidence2::{
    engine, engine_on, fast, one_route, percent, side, stages, steady_history, timed, verdict_at,
};

/// Folds minutes of one route at one share until something is decided.
fn decide(
    engine: &Engine,
    at: Position,
    minutes: i64,
    counts: impl Fn(i64) -> (SideCounts, SideCounts),
) -> Option<(i64, Verdict)> {
    let mut evidence = engine.start();
    for minute in 0..minutes {
        let (old, new) = counts(minute);
        engine.fold(&mut evidence, &one_route(minute, at.share, old, new)).unwrap();
        match engine.verdict(&evidence, at) {
            Verdict::Unproven(_) => {}
            decided => return Some((minute, decided)),
        }
    }
    None
}

const AT_FULL: Position = Position { share: Weight::FULL, baked: false };

#[test]
fn a_plan_of_one_stage_bakes_at_full_traffic() {
    let engine =
        engine_on(&steady_history(60, &fast(600, 0)), Settings::default(), stages(&[100.0]));
    let none = SideCounts::default;
    let (minute, verdict) = decide(&engine, AT_FULL, 100, |_| (none(), fast(600, 0))).unwrap();
    assert!(matches!(verdict, Verdict::Proven(proven) if proven.next.is_none()), "{verdict:?}");
    assert!(minute >= 30, "completed after {minute} minutes");
    // A version at its limit must not complete with the watch's weaker proof.
    let verdict = decide(&engine, AT_FULL, 300, |_| (none(), fast(600, 6)));
    assert!(verdict.is_none(), "{verdict:?}");
    let (_, verdict) = decide(&engine, AT_FULL, 60, |_| (none(), fast(600, 60))).unwrap();
    assert!(matches!(verdict, Verdict::Breach(_)));
}

#[test]
fn twenty_stages_and_a_millionth_neither_hang_nor_hurry() {
    let shares: Vec<f64> = (1..=20).map(|n| f64::from(n) * 5.0).collect();
    let settings = Settings { alpha: 1e-6, beta: 1e-6, ..Settings::default() };
    let engine = engine_on(&steady_history(60, &fast(6000, 0)), settings, stages(&shares));
    let mut evidence = engine.start();
    let mut at = Position { share: percent(5.0), baked: false };
    let mut completed = None;
    for minute in 0..400 {
        let requests = u64::from(at.share.tenths()) * 6;
        let (old, new) = (fast(6000 - requests, 0), fast(requests, 0));
        engine.fold(&mut evidence, &one_route(minute, at.share, old, new)).unwrap();
        match engine.verdict(&evidence, at) {
            Verdict::Proven(Proven { next: Some(next), .. }) => {
                at = Position { share: next, baked: at.share >= percent(95.0) };
            }
            Verdict::Proven(Proven { next: None, .. }) => {
                completed = Some(minute);
                break;
            }
            Verdict::Unproven(_) => {}
            Verdict::Breach(breach) => panic!("{breach:?}"),
        }
    }
    assert!(completed.is_some_and(|minute| minute > 18 * 3 + 30), "{completed:?}");
    let (_, verdict) = decide(&engine, Position { share: percent(50.0), baked: false }, 60, |_| {
        (fast(3000, 0), fast(3000, 900))
    })
    .unwrap();
    let Verdict::Breach(breach) = verdict else { panic!("{verdict:?}") };
    assert!(breach.log_e >= 1e6_f64.ln());
}

#[test]
fn one_request_an_hour_and_a_million_a_minute() {
    let one =
        |minute: i64| if minute % 60 == 0 { timed(0, &[(9, 1)]) } else { SideCounts::default() };
    let engine = engine();
    let half = Position { share: percent(50.0), baked: false };
    assert!(decide(&engine, half, 3000, |m| (one(m), one(m + 30))).is_none());
    let million = || fast(1_000_000, 100);
    let (minute, verdict) = decide(&engine, half, 100, |_| (million(), million())).unwrap();
    assert!(matches!(verdict, Verdict::Proven(_)) && minute == 2, "{minute} {verdict:?}");
}

pub(super) fn parts(weight: Weight, counts: &[(SideCounts, SideCounts)]) -> Vec<Part> {
    let part = |(old, new): &(SideCounts, SideCounts)| Part {
        weight,
        counts: Counts::Known { old: old.clone(), new: new.clone() },
    };
    counts.iter().map(part).collect()
}

pub(super) fn engine_of_routes(requests: &[u64]) -> Engine {
    let minute = |at| HistoryMinute {
        minute: Minute(at),
        old: requests.iter().map(|&n| Some(fast(n, 0))).collect(),
    };
    let history = History::new(requests.len(), Minute(-1), (-60..0).map(minute)).unwrap();
    let plan = stages(&[1.0, 5.0, 10.0, 25.0, 50.0, 90.0, 100.0]);
    engine_on(&history, Settings::default(), plan)
}

#[test]
fn the_first_share_counts_the_minutes_until_metrics_arrive() {
    let plan = stages(&[1.0, 5.0, 10.0, 25.0, 50.0, 100.0]);
    for (lag, first) in [(2, 10.0), (10, 5.0), (60, 1.0)] {
        assert_eq!(start_stage(&plan, 30.0, lag), percent(first), "{lag} minutes late");
    }
    assert_eq!(Vec::from(plan.clone()), plan.shares());
}

#[test]
fn a_limit_may_stand_on_a_bound_that_is_not_the_defaults() {
    let slo = Slo { p99_ms: 20_000.0, ..Slo::default() };
    let own = Edges::default().as_ms().iter().copied().chain([20_000.0]).collect();
    assert!(Settings::default().check(&slo, &Edges::new(own).unwrap()).is_ok());
    assert!(Settings::default().check(&slo, &Edges::default()).is_err());
}

#[test]
fn the_smallest_of_thirty_routes_are_compared_together() {
    let requests: Vec<u64> = (1..=30).map(|n| n * 20).collect();
    let engine = engine_of_routes(&requests);
    let strata = &engine.choices().strata;
    assert_eq!(strata.len(), 20);
    assert_eq!(strata[0].routes, (0..11).collect::<Vec<_>>());
    // A fault in the largest route is found, and named.
    let mut evidence = engine.start();
    for minute in 0..60 {
        let mut counts: Vec<_> = requests.iter().map(|&n| (fast(n, 0), fast(n, 0))).collect();
        counts[29].1 = fast(600, 60);
        let parts = parts(percent(50.0), &counts);
        engine.fold(&mut evidence, &Reading::of_parts(Minute(minute), parts)).unwrap();
    }
    let breach = evidence.rolled_back().expect("a tenth of a route fails");
    let of_largest = |stratum: usize| strata[stratum].routes == [29];
    assert!(
        matches!(breach.lead, Lead::Route { stratum, .. } if of_largest(stratum))
            || breach.lead == Lead::OldSide(Metric::Err)
            || breach.lead == Lead::Limit(Metric::Err),
        "{breach:?}"
    );
}

#[test]
fn a_fault_in_any_of_the_routes_that_are_compared_together_is_found() {
    let requests: Vec<u64> = (0..30).map(|route| if route < 11 { 60 } else { 6_000 }).collect();
    let engine = engine_of_routes(&requests);
    assert_eq!(engine.choices().strata[0].routes, (0..11).collect::<Vec<_>>());
    let total: u64 = requests.iter().sum();
    for failing in 0..11 {
        let mut evidence = engine.start();
        for minute in 0..60 {
            let mut counts: Vec<_> = requests.iter().map(|&n| (fast(n, 0), fast(n, 0))).collect();
            counts[failing].1 = fast(60, 60);
            let parts = parts(percent(50.0), &counts);
            engine.fold(&mut evidence, &Reading::of_parts(Minute(minute), parts)).unwrap();
            let minutes = u64::from(evidence.stage().minutes);
            let of_stage = evidence.stage().new[Metric::Err.index()];
            assert_eq!((of_stage.k, of_stage.n), (60 * minutes, total * minutes));
            if evidence.rolled_back().is_some() {
                break;
            }
        }
        let breach = evidence.rolled_back().expect("a small route fails altogether");
        assert_eq!(breach.lead, Lead::Route { stratum: 0, metric: Metric::Err }, "{failing}");
    }
}

#[test]
fn a_merged_part_never_compares_routes_of_different_shares() {
    // Of the 11 small routes the slow one got its step first: summed, the new side
    // would look slower only because more of its requests are of that route.
    let requests = [60_u64; 30];
    let engine = engine_of_routes(&requests);
    let merged = engine.choices().strata.iter().find(|s| s.routes.len() > 1).unwrap();
    let slow = merged.routes[0];
    let slow_side = |n: u64| timed(0, &[(16, n)]);
    let mut evidence = engine.start();
    for minute in 0..60 {
        let mut all = Vec::new();
        for route in 0..30 {
            let (weight, old, new) = match route {
                r if r == slow => (percent(50.0), slow_side(30), slow_side(30)),
                r if merged.routes.contains(&r) => (percent(1.0), fast(59, 0), fast(1, 0)),
                _ => (percent(50.0), fast(30, 0), fast(30, 0)),
            };
            all.push(Part { weight, counts: Counts::Known { old, new } });
        }
        engine.fold(&mut evidence, &Reading::of_parts(Minute(minute), all)).unwrap();
    }
    assert_eq!(evidence.rolled_back(), None, "{:?}", engine.suspicion(&evidence));
}

#[test]
fn a_route_at_full_traffic_cannot_be_excused_by_the_others() {
    // Someone moved one route to 100% by hand: its old side is silent, so only the
    // limit can tell that it fails.
    let engine = engine_of_routes(&[600, 600]);
    let mut evidence = engine.start();
    for minute in 0..10 {
        let known = |old, new| Counts::Known { old, new };
        let parts = vec![
            Part { weight: Weight::FULL, counts: known(SideCounts::default(), fast(600, 600)) },
            Part { weight: percent(10.0), counts: known(fast(540, 0), fast(60, 0)) },
        ];
        let reading = Reading { minute: Minute(minute), share: percent(10.0), parts };
        engine.fold(&mut evidence, &reading).unwrap();
    }
    assert!(evidence.rolled_back().is_some(), "{:?}", engine.suspicion(&evidence));
}

#[test]
fn silence_is_no_proof() {
    let engine = engine();
    let mut evidence = engine.start();
    for minute in 0..3 {
        let reading = one_route(minute, percent(50.0), fast(6000, 0), fast(6000, 0));
        engine.fold(&mut evidence, &reading).unwrap();
    }
    assert!(matches!(verdict_at(&engine, &evidence, percent(50.0)), Verdict::Proven(_)));
    // The new side loses its target: the proof from before must not raise the share.
    let silent = one_route(3, percent(50.0), fast(6000, 0), SideCounts::default());
    engine.fold(&mut evidence, &silent).unwrap();
    let Verdict::Unproven(why) = verdict_at(&engine, &evidence, percent(50.0)) else {
        panic!("a step on a silent minute")
    };
    assert!(matches!(why.reason(), Hold::NoTrafficOnNew { .. }), "{why:?}");
}

#[test]
fn a_share_that_is_no_stage_leads_to_the_next_one() {
    let engine = engine();
    let at = Position { share: percent(7.0), baked: false };
    let (_, verdict) = decide(&engine, at, 60, |_| (fast(5000, 0), fast(400, 0))).unwrap();
    assert!(matches!(verdict, Verdict::Proven(proven) if proven.next == Some(percent(10.0))));
}

#[test]
fn a_quiet_night_is_no_proof_of_a_steady_service() {
    // A day of known minutes, but requests only in the last hour.
    let minute = |at: i64| HistoryMinute {
        minute: Minute(at),
        old: vec![Some(if at < -60 { SideCounts::default() } else { fast(600, 0) })],
    };
    let history = History::new(1, Minute(-1), (-1440..0).map(minute)).unwrap();
    let engine = engine_on(&history, Settings::default(), stages(&[50.0, 100.0]));
    assert_eq!(engine.choices().margin, [2; 3]);
    let steady = |minutes: i64| {
        let history = steady_history(minutes, &fast(600, 0));
        engine_on(&history, Settings::default(), stages(&[100.0])).choices().margin
    };
    assert_eq!(steady(1440), [1; 3]);
    assert_eq!((steady(360), steady(359)), ([1; 3], [2; 3]), "six hours are enough");
}

#[test]
fn unknown_history_is_left_out_and_too_little_is_refused() {
    let hour = |known: fn(i64) -> bool| {
        let minute = move |at: i64| HistoryMinute {
            minute: Minute(at),
            old: vec![known(at).then(|| fast(600, 0))],
        };
        History::new(1, Minute(-1), (-60..0).map(minute))
    };
    assert!(hour(|at| at % 2 != 0).is_ok());
    let newest = Err(HistoryError::NewestUnknown { minute: Minute(-1) });
    assert_eq!(hour(|at| at != -1), newest);
    assert_eq!(hour(|at| at >= -29), Err(HistoryError::TooFew { known: 29, needed: 30 }));
    // Bursts of two minutes with a hole in them are still bursts that recur.
    let minute = |at: i64| {
        let old = match at.rem_euclid(60) {
            10 | 12 => Some(fast(600, 300)),
            11 => None,
            _ => Some(fast(600, 0)),
        };
        HistoryMinute { minute: Minute(at), old: vec![old] }
    };
    let history = History::new(1, Minute(-1), (-1440..0).map(minute)).unwrap();
    let engine = engine_on(&history, Settings::default(), stages(&[100.0]));
    assert_eq!(engine.choices().tolerance, [3, 1, 1, 1]);
    assert_eq!(engine.choices().known_minutes, 1440 - 24);
}

#[test]
fn settings_name_the_field_the_value_and_the_fix() {
    let refused = |settings: Settings| {
        settings.check(&Slo::default(), &Edges::default()).unwrap_err().to_string()
    };
    let default = Settings::default();
    assert_eq!(
        refused(Settings { relative_margin: Preset::Fixed(9), ..default }),
        "relative_margin is 9; give 1 to 8 edges, or \"auto\""
    );
    assert_eq!(
        refused(Settings { burst_tolerance: Preset::Fixed(0), ..default }),
        "burst_tolerance is 0; give 1 to 15 minutes, or \"auto\""
    );
    assert!(refused(Settings { alpha: 0.5, ..default }).starts_with("alpha is 0.5;"));
    assert!(refused(Settings { bake_minutes: 1, ..default }).starts_with("bake_minutes is 1;"));
    let text = serde_json::to_string(&Settings { relative_margin: Preset::Fixed(3), ..default });
    let text = text.unwrap();
    assert!(text.contains(r#""relative_margin":3,"burst_tolerance":"auto""#), "{text}");
    assert_eq!(serde_json::from_str::<Settings>("{}").unwrap(), default);
    for bad in [r#"{"relative_margin":"wide"}"#, r#"{"relative_margin":300}"#, r#"{"bake":30}"#] {
        assert!(serde_json::from_str::<Settings>(bad).is_err(), "{bad}");
    }
}

#[test]
fn what_belongs_to_another_rollout_is_refused() {
    let engine = engine();
    let two = engine_of_routes(&[600, 600]);
    let mut evidence = two.start();
    let reading = one_route(0, percent(1.0), fast(600, 0), fast(6, 0));
    let routes = FoldError::Routes { minute: Minute(0), found: 1, expected: 2 };
    assert_eq!(two.fold(&mut evidence, &reading), Err(routes));
    assert_eq!(engine.fold(&mut evidence, &reading), Err(FoldError::OtherRollout));
    let mut evidence = engine.start();
    engine.fold(&mut evidence, &reading).unwrap();
    let again = FoldError::NotNewer { found: Minute(0), last: Minute(0) };
    assert_eq!(engine.fold(&mut evidence, &reading), Err(again));
    let plan = Stages::new(vec![percent(10.0), Weight::FULL]).unwrap();
    let choices = engine.choices().clone();
    let other = Engine::new(Settings::default(), Slo::default(), Edges::default(), plan, choices);
    let of_other_stages = other.unwrap().fold(&mut engine.start(), &reading);
    assert_eq!(of_other_stages, Err(FoldError::OtherRollout));
    let mut choices: Choices = engine.choices().clone();
    choices.strata[0].routes = vec![1];
    let plan = Stages::standard(600.0);
    let other = Engine::new(Settings::default(), Slo::default(), Edges::default(), plan, choices);
    assert!(matches!(other, Err(EngineError::OtherChoices)));
}

#[test]
fn an_outage_that_both_sides_share_blames_nobody() {
    let engine = engine();
    let mut evidence = engine.start();
    for minute in 0..30 {
        let bad = (5..15).contains(&minute);
        let errors = |n: u64| if bad { n / 2 } else { 0 };
        let (old, new) = (side(600, errors(600), &[(9, 600)]), side(600, errors(600), &[(9, 600)]));
        engine.fold(&mut evidence, &one_route(minute, percent(50.0), old, new)).unwrap();
        let verdict = verdict_at(&engine, &evidence, percent(50.0));
        let waits = (5..17).contains(&minute);
        match verdict {
            Verdict::Breach(breach) => panic!("{breach:?}"),
            Verdict::Unproven(why) if waits => {
                assert!(
                    matches!(why.reason(), Hold::OldSideBad { both: true, .. }),
                    "{minute} {why:?}"
                );
            }
            Verdict::Proven(_) => assert!(!waits, "a step in minute {minute}"),
            Verdict::Unproven(_) => {}
        }
    }
}
