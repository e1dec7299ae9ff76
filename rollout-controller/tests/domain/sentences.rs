//! The sentences people read, word for word.

use rollout_controller::domain::evidence::{
    Breach, Family, HoldReason, OpenGate, Proof, Rate, Silence, TimeLeft,
};
use rollout_controller::domain::explain::evidence::{self as sentence, Clock};
use rollout_controller::domain::labels::Labels;
use rollout_controller::domain::minute::Minute;
use rollout_controller::domain::slo::Metric;

use crate::percent;

/// 2025-03-01 15:00 UTC, when the sentences are read.
const NOW_MS: i64 = 1_740_841_200_000;

fn rate(k: u64, n: u64, low: f64, high: f64) -> Rate {
    Rate { k, n, low, high }
}

fn breach() -> Breach {
    Breach {
        weight: percent(25.0),
        lead: Family::AbsP99,
        // The lead's alone, without its weight of an eighth, is no certainty to show.
        log_e: 2001_f64.ln(),
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
    sentence::rollback(breach, &Labels::default())
}

fn hold(at: f64, reason: &HoldReason) -> String {
    sentence::hold(percent(at), reason, &Labels::default(), Clock::At(NOW_MS))
}

#[test]
fn rollbacks() {
    assert_eq!(
        rollback(&breach()),
        "Rust broke P99: 2.5% of 1,240 requests took over 500 ms, limit 1%. \
         False alarm: at most 1 in 2,000."
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
        "Rust failed 2.5% of 1,240 requests, Python 0.3%. False alarm: at most 1 in 2,000."
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
        "Rust is slower than Python: 2.5% took over 400 ms, 0.3% would be normal. \
         False alarm: at most 1 in 2,000."
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
        "Holding at 50%: Not proven yet for 100%: errors. About 15 more minutes at this traffic."
    );
    let left = TimeLeft::NotOnCourse { metric: Metric::Err };
    assert_eq!(
        hold(25.0, &HoldReason::NotProven { gate: gate(0.02, 50.0), left }),
        "Holding at 25%: Not proven yet for 50%: errors. 0.1% now; proof needs less than 2%."
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
        "Holding at 50%: Python and Rust both break the error limit since 14:32 UTC; Rust is no \
         worse."
    );
    assert_eq!(
        hold(50.0, &incident(Metric::P99, Some(500.0), false, false)),
        "Holding at 50%: Python breaks P99 500 ms since 14:32 UTC; waiting until it is good again."
    );
    let silence = Silence { minutes: 6, expected: 66.7 };
    assert_eq!(
        hold(10.0, &HoldReason::NoTrafficOnNew { silence }),
        "Holding at 10%: No request reached Rust for 6 minutes; about 67 were expected."
    );
    assert_eq!(
        hold(100.0, &HoldReason::Baking { ticks: 12, required: 30 }),
        "Holding at 100%: Baking: 12 of 30 minutes, all limits kept so far."
    );
    assert_eq!(
        hold(
            25.0,
            &HoldReason::UnderSuspicion { breach: Breach { log_e: 15_f64.ln(), ..breach() } }
        ),
        "Holding at 25%: Rust broke P99: 2.5% of 1,240 requests took over 500 ms, limit 1%. \
         Suspicion is raised; not enough to roll back."
    );
    let gone = |lead, said: &str| {
        let none = rate(0, 1240, 0.0, 0.003);
        let breach = Breach { lead, new: none, old: none, ..breach() };
        assert_eq!(
            hold(90.0, &HoldReason::UnderSuspicion { breach }),
            format!("Holding at 90%: {said} Suspicion is raised; not enough to roll back.")
        );
    };
    gone(
        Family::RelP99,
        "Rust was slower than Python earlier; over all minutes at this share it is not.",
    );
    gone(
        Family::RelErr,
        "Rust failed more often than Python earlier; over all minutes at this share it does not.",
    );
    gone(Family::AbsP99, "Rust broke P99 earlier; over all minutes at this share it does not.");
    gone(
        Family::AbsErr,
        "Rust broke the error limit earlier; over all minutes at this share it does not.",
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
        "12.5% → 25%: every limit is proven (1 request in 1 minute, none failed)."
    );
}
