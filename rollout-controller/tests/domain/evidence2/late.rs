//! Minutes that are unknown, revised, late or lost, and new code.

use rollout_controller::domain::evidence2::{
    Counts, Engine, Evidence, Hold, Part, Read, Reading, Timeline, Verdict,
};
use rollout_controller::domain::minute::{Minute, SideCounts};

use crate::evidence2::{engine, fast, one_route, percent, verdict_at};

fn good(at: i64) -> Reading {
    one_route(at, percent(50.0), fast(600, 0), fast(600, 0))
}

fn failing(at: i64, errors: u64) -> Reading {
    one_route(at, percent(50.0), fast(600, 0), fast(600, errors))
}

fn unknown(at: i64) -> Reading {
    let parts = vec![Part { weight: percent(50.0), counts: Counts::Unknown }];
    Reading { minute: Minute(at), share: percent(50.0), parts }
}

fn folded(engine: &Engine, readings: impl IntoIterator<Item = Reading>) -> Evidence {
    let mut evidence = engine.start();
    for reading in readings {
        engine.fold(&mut evidence, &reading).unwrap();
    }
    evidence
}

fn read(engine: &Engine, timeline: &mut Timeline, reading: Reading) -> Read {
    timeline.read(engine, reading).unwrap()
}

fn is_proven(engine: &Engine, evidence: &Evidence) -> bool {
    matches!(verdict_at(engine, evidence, percent(50.0)), Verdict::Proven(_))
}

#[test]
fn a_revised_minute_is_as_if_it_had_been_read_so_at_first() {
    let engine = engine();
    let mut timeline = Timeline::start(&engine);
    for at in 0..40 {
        let first = if at == 30 { failing(at, 3) } else { good(at) };
        assert_eq!(read(&engine, &mut timeline, first), Read::New);
    }
    assert_eq!(read(&engine, &mut timeline, failing(30, 9)), Read::Revised);
    assert_eq!(read(&engine, &mut timeline, failing(30, 9)), Read::Ignored);
    let whole = folded(&engine, (0..40).map(|at| if at == 30 { failing(at, 9) } else { good(at) }));
    assert_eq!(timeline.evidence(), &whole);
    assert_eq!(timeline.unsteady_minutes(), 1);
    // And it stays so when the minute has settled.
    for at in 40..60 {
        read(&engine, &mut timeline, good(at));
    }
    let whole = folded(&engine, (0..60).map(|at| if at == 30 { failing(at, 9) } else { good(at) }));
    assert_eq!(timeline.evidence(), &whole);
}

#[test]
fn a_minute_that_keeps_changing_is_folded_again_three_times_and_at_its_last_look() {
    let engine = engine();
    let mut timeline = Timeline::start(&engine);
    for at in 0..40 {
        read(&engine, &mut timeline, good(at));
    }
    for errors in 1..=3 {
        assert_eq!(read(&engine, &mut timeline, failing(35, errors)), Read::Revised);
    }
    assert_eq!(read(&engine, &mut timeline, failing(35, 4)), Read::Ignored);
    for at in 40..46 {
        read(&engine, &mut timeline, good(at));
        assert_eq!(read(&engine, &mut timeline, failing(35, 5)), Read::Ignored, "{at}");
    }
    read(&engine, &mut timeline, good(46));
    assert_eq!(read(&engine, &mut timeline, failing(35, 6)), Read::Revised, "its last look");
    let whole = folded(&engine, (0..47).map(|at| if at == 35 { failing(at, 6) } else { good(at) }));
    assert_eq!(timeline.evidence(), &whole);
    assert_eq!(timeline.unsteady_minutes(), 1, "one minute, however often it changed");
    read(&engine, &mut timeline, good(47));
    assert_eq!(read(&engine, &mut timeline, failing(35, 7)), Read::Ignored, "it has settled");
}

#[test]
fn what_was_known_once_is_not_forgotten_by_a_worse_answer() {
    let engine = engine();
    let mut timeline = Timeline::start(&engine);
    for at in 0..20 {
        read(&engine, &mut timeline, good(at));
    }
    let before = timeline.clone();
    assert_eq!(read(&engine, &mut timeline, unknown(15)), Read::Ignored);
    assert_eq!(timeline, before);
}

#[test]
fn a_rollback_that_a_revision_takes_back_stays_and_one_that_it_brings_counts() {
    let engine = engine();
    let mut timeline = Timeline::start(&engine);
    for at in 0..20 {
        read(&engine, &mut timeline, good(at));
    }
    for at in 20..25 {
        read(&engine, &mut timeline, failing(at, 600));
    }
    let decided = *timeline.evidence().rolled_back().expect("an outage");
    for at in 20..25 {
        read(&engine, &mut timeline, good(at));
    }
    assert_eq!(timeline.evidence().rolled_back(), Some(&decided));

    let mut timeline = Timeline::start(&engine);
    for at in 0..20 {
        read(&engine, &mut timeline, good(at));
    }
    for at in 10..12 {
        assert_eq!(timeline.evidence().rolled_back(), None);
        read(&engine, &mut timeline, failing(at, 600));
    }
    assert!(timeline.evidence().rolled_back().is_some());
}

#[test]
fn an_unknown_minute_restarts_the_stages_proof_and_is_never_good() {
    let engine = engine();
    let mut evidence = folded(&engine, (0..10).map(good));
    assert!(is_proven(&engine, &evidence));
    engine.fold(&mut evidence, &unknown(10)).unwrap();
    let Verdict::Unproven(why) = verdict_at(&engine, &evidence, percent(50.0)) else {
        panic!("a step on a minute that nobody has seen")
    };
    assert_eq!(why.reason(), &Hold::Unread { minute: Minute(10) });
    assert_eq!(evidence.ticks(), 0);
    engine.fold(&mut evidence, &good(11)).unwrap();
    assert!(!is_proven(&engine, &evidence), "one minute is not enough");
    for at in 12..16 {
        engine.fold(&mut evidence, &good(at)).unwrap();
    }
    assert!(is_proven(&engine, &evidence));
}

#[test]
fn a_minute_that_was_skipped_counts_as_unknown() {
    let engine = engine();
    let evidence = folded(&engine, (0..10).chain(11..12).map(good));
    assert_eq!(evidence.ticks(), 1, "the proof begins again after the hole");
    assert!(!is_proven(&engine, &evidence));
}

#[test]
fn unknown_minutes_do_not_end_an_incident_or_a_bad_window() {
    let engine = engine();
    let incident = |at| one_route(at, percent(50.0), fast(600, 300), fast(600, 300));
    let mut evidence = folded(&engine, (0..10).map(good).chain([incident(10)]));
    for at in 11..20 {
        engine.fold(&mut evidence, &unknown(at)).unwrap();
    }
    let Verdict::Unproven(why) = verdict_at(&engine, &evidence, percent(50.0)) else { panic!() };
    let waits = |hold: &Hold| matches!(hold, Hold::OldSideBad { good_minutes_needed: 3, .. });
    assert!(why.reasons().iter().any(waits), "{why:?}");

    let mut evidence = folded(&engine, (0..10).map(good).chain([failing(10, 600)]));
    for at in 11..40 {
        engine.fold(&mut evidence, &unknown(at)).unwrap();
    }
    let Verdict::Unproven(why) = verdict_at(&engine, &evidence, percent(50.0)) else { panic!() };
    let bad = |hold: &Hold| matches!(hold, Hold::RecentlyBad { .. });
    assert!(why.reasons().iter().any(bad), "{why:?}");
}

#[test]
fn a_late_bad_minute_counts_against_and_a_late_good_one_proves_nothing() {
    let engine = engine();
    let mut timeline = Timeline::start(&engine);
    for at in 0..60 {
        let reading = if (20..24).contains(&at) { unknown(at) } else { good(at) };
        read(&engine, &mut timeline, reading);
    }
    let (before, _) = engine.suspicion(timeline.evidence());
    let ticks = timeline.evidence().ticks();
    assert_eq!(read(&engine, &mut timeline, unknown(20)), Read::Ignored, "it may still arrive");
    assert_eq!(read(&engine, &mut timeline, good(20)), Read::Late);
    assert_eq!(read(&engine, &mut timeline, good(20)), Read::Ignored, "each minute counts once");
    assert!(engine.suspicion(timeline.evidence()).0 <= before);
    assert_eq!(timeline.evidence().ticks(), ticks);
    for at in 21..24 {
        assert_eq!(timeline.evidence().rolled_back(), None);
        assert_eq!(read(&engine, &mut timeline, failing(at, 600)), Read::Late);
    }
    assert!(timeline.evidence().rolled_back().is_some(), "three minutes of outage");
}

#[test]
fn counts_that_were_bet_on_are_not_bet_on_again_when_the_rest_arrives() {
    let two = |at: i64, second: Option<(SideCounts, SideCounts)>| {
        let counts = |pair: Option<(SideCounts, SideCounts)>| match pair {
            Some((old, new)) => Counts::Known { old, new },
            None => Counts::Unknown,
        };
        let weight = percent(50.0);
        let first = Part { weight, counts: counts(Some((fast(600, 0), fast(600, 40)))) };
        let second = Part { weight, counts: counts(second) };
        Reading { minute: Minute(at), share: weight, parts: vec![first, second] }
    };
    let minute = |at| rollout_controller::domain::evidence2::HistoryMinute {
        minute: Minute(at),
        old: vec![Some(fast(600, 0)); 2],
    };
    let history =
        rollout_controller::domain::evidence2::History::new(2, Minute(-1), (-60..0).map(minute));
    let plan = crate::evidence2::stages(&[50.0, 90.0, 100.0]);
    let engine =
        crate::evidence2::engine_on(&history.unwrap(), crate::evidence2::Settings::default(), plan);
    let mut evidence = engine.start();
    engine.fold(&mut evidence, &two(0, None)).unwrap();
    let (once, _) = engine.suspicion(&evidence);
    assert!(once > 0.0, "a known route speaks although the other is not known");
    let whole = two(0, Some((fast(600, 0), fast(600, 0))));
    engine.fold_late(&mut evidence, &whole, &[true, false], false).unwrap();
    let (after, _) = engine.suspicion(&evidence);
    assert!(after <= once, "the first route's errors counted twice: {once} then {after}");
}

#[test]
fn a_minute_older_than_three_hours_is_lost() {
    let engine = engine();
    let mut timeline = Timeline::start(&engine);
    read(&engine, &mut timeline, good(0));
    read(&engine, &mut timeline, unknown(1));
    for at in 2..190 {
        read(&engine, &mut timeline, good(at));
    }
    let before = timeline.clone();
    assert_eq!(read(&engine, &mut timeline, failing(1, 600)), Read::Ignored);
    assert_eq!(timeline, before);
    timeline.lose(&engine, Minute(500));
    assert_eq!(timeline.evidence().newest_minute(), Some(Minute(500)));
    assert!(!is_proven(&engine, timeline.evidence()));
}

#[test]
fn new_code_is_proven_anew_and_keeps_what_speaks_against_it() {
    let engine = engine();
    let mut evidence = folded(&engine, (0..10).map(good).chain((10..12).map(|at| failing(at, 12))));
    let (against, _) = engine.suspicion(&evidence);
    engine.restart_proof(&mut evidence, Minute(14));
    assert_eq!(engine.suspicion(&evidence).0.to_bits(), against.to_bits());
    // Nobody knows which code minutes 12 and 13 were of.
    for at in 12..14 {
        engine.fold(&mut evidence, &good(at)).unwrap();
        assert_eq!(evidence.ticks(), 0);
    }
    for at in 14..30 {
        engine.fold(&mut evidence, &good(at)).unwrap();
    }
    assert_eq!(evidence.ticks(), 16);
    assert!(is_proven(&engine, &evidence));
}

#[test]
fn a_revision_after_new_code_restarts_the_proof_where_it_was_restarted() {
    let engine = engine();
    let mut timeline = Timeline::start(&engine);
    for at in 0..30 {
        read(&engine, &mut timeline, good(at));
        if at == 22 {
            timeline.restart_proof(&engine, Minute(25));
        }
    }
    read(&engine, &mut timeline, failing(21, 2));
    let mut whole =
        folded(&engine, (0..23).map(|at| if at == 21 { failing(at, 2) } else { good(at) }));
    engine.restart_proof(&mut whole, Minute(25));
    for at in 23..30 {
        engine.fold(&mut whole, &good(at)).unwrap();
    }
    assert_eq!(timeline.evidence(), &whole);
}

#[test]
fn what_is_lost_is_unread_and_proves_nothing() {
    let engine = engine();
    let mut evidence = folded(&engine, (0..40).map(good));
    assert!(is_proven(&engine, &evidence));
    engine.fold_lost(&mut evidence, Minute(20));
    assert!(is_proven(&engine, &evidence), "minutes before the newest are no news");
    engine.fold_lost(&mut evidence, Minute(41));
    let verdict = verdict_at(&engine, &evidence, percent(50.0));
    let Verdict::Unproven(unproven) = &verdict else { panic!("{verdict:?}") };
    assert!(matches!(unproven.reason(), Hold::Unread { minute: Minute(41) }), "{verdict:?}");
}
