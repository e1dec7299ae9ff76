//! The sentences people read, word for word.

use rollout_controller::domain::evidence::{
    Breach, Family, HoldReason, OpenGate, Proof, Rate, Silence, TimeLeft,
};
use rollout_controller::domain::explain::evidence::{self as sentence, Clock};
use rollout_controller::domain::minute::Minute;
use rollout_controller::domain::slo::Metric;
use rollout_controller::domain::summary::StageSeen;
use rollout_controller::domain::weight::Weight;
use rollout_controller::report::stage_table::StageTable;

use crate::{engine, minute, percent, side};

fn rate(k: u64, n: u64, low: f64, high: f64) -> Rate {
    Rate { k, n, low, high }
}

fn breach() -> Breach {
    Breach {
        weight: percent(25.0),
        lead: Family::AbsP99,
        // The lead's alone, without its weight of an eighth, is no certainty to show.
        log_e: 2000_f64.ln(),
        log_e_lead: 15_000_f64.ln(),
        new: rate(31, 1240, 0.012, 0.045),
        old: rate(12, 3700, 0.001, 0.006),
        limit: 0.01,
        new_ms: Some(500.0),
        old_ms: Some(500.0),
        factor: 1.25,
        margin: 0.0,
    }
}

fn rollback(breach: &Breach) -> String {
    sentence::rollback(breach)
}

fn hold(at: f64, reason: &HoldReason) -> String {
    sentence::hold(percent(at), reason, &Clock::utc())
}

#[test]
fn rollbacks() {
    assert_eq!(
        rollback(&breach()),
        "rollback at 25 %: after 1,240 requests, 2.5 % took longer than 500 ms [1.2 %, 4.5 %], \
         limit 1 %; odds 1:2,000"
    );
    let errors = Breach {
        lead: Family::RelErr,
        new_ms: None,
        old_ms: None,
        factor: 2.0,
        margin: 0.001,
        ..breach()
    };
    assert_eq!(
        rollback(&errors),
        "rollback at 25 %: after 1,240 requests, errors 2.5 % [1.2 %, 4.5 %], old side 0.3 %, \
         allowed 2 times that plus 0.1 points; odds 1:2,000"
    );
    let slower = Breach {
        lead: Family::RelP99,
        new_ms: Some(400.0),
        old_ms: Some(315.0),
        factor: 1.0,
        ..breach()
    };
    assert_eq!(
        rollback(&slower),
        "rollback at 25 %: after 1,240 requests, 2.5 % took longer than 400 ms [1.2 %, 4.5 %], \
         but 0.3 % longer than 315 ms on the old side; odds 1:2,000"
    );
}

fn gate(to_disprove: f64, next: f64) -> OpenGate {
    OpenGate {
        metric: Metric::Err,
        rate: rate(1, 1000, 0.0, 0.01),
        limit: 0.01,
        limit_ms: None,
        to_disprove,
        next: percent(next),
    }
}

#[test]
fn holds() {
    let left = TimeLeft::Minutes { minutes: 14 };
    assert_eq!(
        hold(50.0, &HoldReason::NotProven { gate: gate(0.01, 100.0), left }),
        "hold at 50 %: errors 0.1 % [0.0 %, 1.0 %], limit 1 %; not proven yet, about 14 more \
         minutes at this traffic"
    );
    let left = TimeLeft::NotOnCourse { metric: Metric::Err };
    assert_eq!(
        hold(25.0, &HoldReason::NotProven { gate: gate(0.02, 50.0), left }),
        "hold at 25 %: errors 0.1 % [0.0 %, 1.0 %], limit 1 %, 50 % needs below 2 %; not on \
         course to be proven"
    );
    let since = Minute::containing("2025-03-01T14:32:00Z".parse().unwrap());
    let incident = |metric, limit_ms, both, excused| HoldReason::SharedIncident {
        metric,
        since,
        limit_ms,
        old: rate(50, 1000, 0.03, 0.07),
        new: rate(90, 1000, 0.03, 0.07),
        both,
        excused,
    };
    assert_eq!(
        hold(50.0, &incident(Metric::Err, None, true, true)),
        "hold at 50 %: both sides above the error limit since 14:32 UTC, new no worse than old; \
         waiting"
    );
    assert_eq!(
        hold(50.0, &incident(Metric::P99, Some(500.0), false, false)),
        "hold at 50 %: old side above the P99 limit of 500 ms since 14:32 UTC, new 9.0 % against \
         5.0 % in this stage; waiting"
    );
    let silence = Silence { minutes: 6, expected: 66.7 };
    assert_eq!(
        hold(10.0, &HoldReason::NoTrafficOnNew { silence }),
        "hold at 10 %: no traffic reached the new side for 6 minutes, about 67 requests were due; \
         check the weight and the target group"
    );
    assert_eq!(
        hold(100.0, &HoldReason::Baking { ticks: 12, required: 30 }),
        "hold at 100 %: every limit shown to hold; bake 12 of 30 minutes"
    );
    assert_eq!(
        hold(
            25.0,
            &HoldReason::UnderSuspicion { breach: Breach { log_e: 15_f64.ln(), ..breach() } }
        ),
        "hold at 25 %: 2.5 % took longer than 500 ms [1.2 %, 4.5 %], limit 1 %; suspicion at odds \
         1:15, not enough to roll back"
    );
}

#[test]
fn steps() {
    let proof = Proof {
        weight: percent(12.5),
        ticks: 1,
        errors: rate(0, 1, 0.0, 0.9),
        weakest: Metric::P99,
        log_gate_weakest: 120_f64.ln(),
    };
    assert_eq!(
        sentence::advance(percent(25.0), &proof),
        "advance from 12.5 % to 25 %: 1 request in 1 minute, errors 0.0 % [0.0 %, 90.0 %]; every \
         limit shown to hold by now, least clearly P99 at odds 1:120"
    );
}

#[test]
fn the_stage_in_a_table() {
    let engine = engine();
    let mut evidence = engine.start(6);
    let empty = StageTable::new(&StageSeen::of_one(&engine, &evidence)).render();
    assert!(empty.contains("no data") && empty.lines().count() == 6, "{empty}");
    let old = side(&engine, 1000, 2, &[(45.0, 600), (90.0, 385), (300.0, 15)]);
    let new = side(&engine, 300, 0, &[(30.0, 300)]);
    let counts = minute(0, Weight::FULL, old, new);
    let _ = engine.judge(&mut evidence, &counts, Weight::FULL).unwrap();
    let table = StageTable::new(&StageSeen::of_one(&engine, &evidence)).render();
    let expected = "          old                        new                        limit
requests  1,000                      300
errors    0.2 % [0.0 %, 1.2 %]       0.0 % [0.0 %, 2.1 %]       1 %
P50       50 ms [40, 50]             31.5 ms [25, 31.5]         100 ms
P95       100 ms [80, 100]           31.5 ms [25, 31.5]         200 ms
P99       315 ms [80, 315]           31.5 ms [25, …]            500 ms
";
    assert_eq!(table, expected);
}
