//! What judgements mean for a stage, told as short rollouts.

use crate::{engine, minute, percent, side};
use rollout_controller::domain::evidence::{
    Engine, Evidence, EvidenceConfig, FamilyWeights, HoldReason, JudgeError, Judged, Says, Signal,
    Stage, TimeLeft,
};
use rollout_controller::domain::minute::{CommittedMinute, Histogram, Minute};
use rollout_controller::domain::slo::{Metric, Slo};
use rollout_controller::domain::weight::Weight;

const FAST: [(f64, u64); 2] = [(40.0, 95), (90.0, 5)];

/// A hundred requests on each side, none slow; the new side fails `errors`.
fn quiet(engine: &Engine, at: i64, weight: Weight, errors: u64) -> CommittedMinute {
    minute(at, weight, side(engine, 100, 0, &FAST), side(engine, 100, errors, &FAST))
}

fn judge(engine: &Engine, evidence: &mut Evidence, minute: &CommittedMinute) -> Judged {
    engine.judge(evidence, minute, percent(100.0)).unwrap()
}

fn gate(engine: &Engine, evidence: &Evidence, judged: &Judged, stage: Stage) -> Says {
    let decision = engine.stage_gate(evidence, judged, stage);
    // Decisions are journalled: what is written must read back.
    let written = serde_json::to_value((&decision, judged)).unwrap();
    let read: (Says, Judged) = serde_json::from_value(written).unwrap();
    assert_eq!((&read.0, &read.1), (&decision, judged));
    decision
}

fn hold(decision: Says) -> HoldReason {
    match decision {
        Says::Unproven { reason } => reason,
        other => panic!("expected a hold, got {other:?}"),
    }
}

#[test]
fn a_rollback_stays_one_even_if_the_new_side_recovers() {
    let engine = engine();
    let mut evidence = engine.start(6);
    let stage = Stage { weight: percent(25.0), next: Some(percent(50.0)) };
    let mut fell_again = false;
    for at in 0..60 {
        // The old side fails a little all along, so that going on without a
        // single failure is a sign of being better.
        let errors = if at < 3 { 60 } else { 0 };
        let old = side(&engine, 100, 2, &FAST);
        let new = side(&engine, 100, errors, &FAST);
        let judged = judge(&engine, &mut evidence, &minute(at, stage.weight, old, new));
        let decision = gate(&engine, &evidence, &judged, stage);
        let rolls_back = matches!(decision, Says::Breach { .. });
        assert_eq!(rolls_back, at >= 1, "minute {at}: {decision:?}");
        fell_again |= at > 3 && judged.signal != Signal::Rollback;
    }
    assert!(fell_again, "the story is about evidence that falls again");
    assert_eq!(evidence.rolled_back_at(), Some(Minute(1)));
}

#[test]
fn a_stage_is_left_after_three_good_minutes_and_not_by_minutes_from_before_it() {
    let engine = engine();
    let mut evidence = engine.start(6);
    let (ten, quarter, half) = (percent(10.0), percent(25.0), percent(50.0));
    let first = Stage { weight: ten, next: Some(quarter) };
    let mut decisions = Vec::new();
    for at in 0..4 {
        let minute = quiet(&engine, at, ten, 0);
        let judged = engine.judge(&mut evidence, &minute, first.to_prove()).unwrap();
        decisions.push(gate(&engine, &evidence, &judged, first));
    }
    assert!(decisions[..3].iter().all(|d| matches!(d, Says::Unproven { .. })));
    assert!(matches!(decisions[3], Says::Proven { .. }));
    // The step is taken; a minute at the old weight becomes due.
    let second = Stage { weight: quarter, next: Some(half) };
    let judged = engine.judge(&mut evidence, &quiet(&engine, 4, ten, 0), quarter).unwrap();
    assert_eq!(judged.signal, Signal::Advance);
    let reason = hold(gate(&engine, &evidence, &judged, second));
    assert_eq!(reason, HoldReason::EarlierStage { weight: ten });
    // The first minute at the new weight starts the gates afresh.
    let judged = engine.judge(&mut evidence, &quiet(&engine, 5, quarter, 0), half).unwrap();
    assert_eq!(judged.gate_ticks, 0);
    assert_eq!(evidence.stage().minutes, 1);
    assert!(matches!(
        hold(gate(&engine, &evidence, &judged, second)),
        HoldReason::NotProven { left: TimeLeft::TooEarly, .. }
    ));
}

#[test]
fn a_service_is_off_course_only_by_what_was_really_seen() {
    let engine = engine();
    let stage = Stage { weight: percent(25.0), next: Some(percent(50.0)) };
    let time_left = |requests| {
        let mut evidence = engine.start(6);
        let mut of = |at, errors| {
            let fast = [(20.0, requests)];
            let (old, new) =
                (side(&engine, requests, 0, &fast), side(&engine, requests, errors, &fast));
            let judged = judge(&engine, &mut evidence, &minute(at, stage.weight, old, new));
            gate(&engine, &evidence, &judged, stage)
        };
        // The first minute of a stage proves nothing.
        let _ = of(0, 0);
        match hold(of(1, 1)) {
            HoldReason::NotProven { left, .. } => left,
            other => panic!("{other:?}"),
        }
    };
    // One failed request of so many is below 1%, and one and a half are above.
    assert_eq!(time_left(101), TimeLeft::TooEarly);
    assert_eq!(time_left(99), TimeLeft::NotOnCourse { metric: Metric::Err });
}

#[test]
fn a_proven_stage_is_not_left_in_a_minute_that_does_not_reach_the_new_side() {
    let engine = engine();
    let mut evidence = engine.start(6);
    let ten = percent(10.0);
    let mut signal = |at, reached| {
        let new = if reached { quiet(&engine, at, ten, 0).new } else { side(&engine, 0, 0, &[]) };
        let counts = minute(at, ten, side(&engine, 100, 0, &FAST), new);
        engine.judge(&mut evidence, &counts, percent(25.0)).unwrap().signal
    };
    let proof: Vec<Signal> = (0..4).map(|at| signal(at, true)).collect();
    assert_eq!(proof[2..], [Signal::Hold, Signal::Advance]);
    assert_eq!(signal(4, false), Signal::Hold);
    assert_eq!(signal(5, true), Signal::Advance);
}

#[test]
fn a_minute_from_before_the_step_can_still_roll_back() {
    let engine = engine();
    let mut evidence = engine.start(6);
    let stage = Stage { weight: percent(25.0), next: Some(percent(50.0)) };
    let mut decision = None;
    for at in 0..3 {
        let judged = judge(&engine, &mut evidence, &quiet(&engine, at, percent(10.0), 90));
        decision = Some(gate(&engine, &evidence, &judged, stage));
    }
    assert!(matches!(decision, Some(Says::Breach { .. })));
}

#[test]
fn full_traffic_bakes_for_thirty_minutes_before_the_rollout_is_complete() {
    let engine = engine();
    let mut evidence = engine.start(6);
    let stage = Stage { weight: Weight::FULL, next: None };
    for at in 0..=30 {
        let new = side(&engine, 600, 0, &[(40.0, 600)]);
        let counts = minute(at, Weight::FULL, side(&engine, 0, 0, &[]), new);
        let judged = judge(&engine, &mut evidence, &counts);
        match gate(&engine, &evidence, &judged, stage) {
            Says::Proven { proof } => {
                assert_eq!((at, proof.ticks), (30, 30));
                let least = judged.log_gates.iter().copied().fold(f64::INFINITY, f64::min);
                let weakest = judged.log_gates[proof.weakest.index()];
                assert_eq!(
                    [proof.log_gate_weakest, weakest].map(f64::to_bits),
                    [least.to_bits(); 2]
                );
            }
            Says::Unproven { reason: HoldReason::Baking { ticks, required } } => {
                assert_eq!((i64::from(ticks), required), (at, 30));
            }
            other => assert!(at < 4, "minute {at}: {other:?}"),
        }
    }
    assert_eq!(evidence.gate_ticks(), 30);
}

#[test]
fn holds_and_alarms_when_no_traffic_reaches_the_new_side() {
    let engine = engine();
    let mut evidence = engine.start(6);
    let stage = Stage { weight: percent(10.0), next: Some(percent(25.0)) };
    for at in 0..6 {
        let old = side(&engine, 100, 0, &FAST);
        let counts = minute(at, stage.weight, old, side(&engine, 0, 0, &[]));
        let judged = judge(&engine, &mut evidence, &counts);
        match hold(gate(&engine, &evidence, &judged, stage)) {
            // 11.1 requests were due each minute.
            HoldReason::NoTrafficOnNew { silence } => {
                assert_eq!(i64::from(silence.minutes), at + 1);
                assert_eq!(silence.is_alarming(), at >= 4, "minute {at}: {silence:?}");
            }
            other => panic!("minute {at}: {other:?}"),
        }
    }
    let judged = judge(&engine, &mut evidence, &quiet(&engine, 6, stage.weight, 0));
    assert_eq!(judged.silence.minutes, 0);
    let nobody = minute(7, stage.weight, side(&engine, 0, 0, &[]), side(&engine, 0, 0, &[]));
    let judged = judge(&engine, &mut evidence, &nobody);
    assert_eq!(hold(gate(&engine, &evidence, &judged, stage)), HoldReason::NoTraffic);
}

#[test]
fn an_incident_on_both_sides_holds_and_does_not_roll_back() {
    let engine = engine();
    let mut evidence = engine.start(6);
    let stage = Stage { weight: percent(50.0), next: Some(Weight::FULL) };
    for at in 0..20 {
        let errors = if at >= 5 { 20 } else { 0 };
        let counts = minute(
            at,
            stage.weight,
            side(&engine, 100, errors, &FAST),
            side(&engine, 100, errors, &FAST),
        );
        let judged = judge(&engine, &mut evidence, &counts);
        assert_ne!(judged.signal, Signal::Rollback);
        if at >= 6 {
            match hold(gate(&engine, &evidence, &judged, stage)) {
                HoldReason::SharedIncident { metric, since, both, excused, .. } => {
                    assert_eq!((metric, both, excused), (Metric::Err, true, true));
                    assert!((5..=6).contains(&since.0), "{since:?}");
                }
                other => panic!("minute {at}: {other:?}"),
            }
        }
    }
}

#[test]
fn tells_about_how_long_the_proof_will_take_and_when_it_never_will() {
    let engine = engine();
    let stage = Stage { weight: percent(50.0), next: Some(Weight::FULL) };
    // No errors among 100 requests a minute: the estimate must come true.
    let mut evidence = engine.start(6);
    let mut promised = None;
    for at in 0..60 {
        let judged = judge(&engine, &mut evidence, &quiet(&engine, at, stage.weight, 0));
        match gate(&engine, &evidence, &judged, stage) {
            Says::Unproven { reason: HoldReason::NotProven { left, gate } } => {
                assert_eq!(gate.to_disprove.to_bits(), gate.limit.to_bits());
                if let (TimeLeft::Minutes { minutes }, 3) = (left, at) {
                    promised = Some(at + i64::try_from(minutes).unwrap());
                }
            }
            Says::Proven { .. } => {
                let off = (at - promised.expect("an estimate in minute 3")).abs();
                assert!(off <= 3, "promised {promised:?}, came in {at}");
                break;
            }
            other => panic!("minute {at}: {other:?}"),
        }
    }
    // Two in a hundred fail on both sides: never below 1%.
    let mut evidence = engine.start(6);
    let mut last = None;
    for at in 0..4 {
        let judged = judge(&engine, &mut evidence, &quiet(&engine, at, stage.weight, 2));
        last = Some(gate(&engine, &evidence, &judged, stage));
    }
    assert!(matches!(
        hold(last.unwrap()),
        HoldReason::NotProven { left: TimeLeft::NotOnCourse { metric: Metric::Err }, .. }
    ));
}

#[test]
fn a_minute_counts_once_and_in_order() {
    let engine = engine();
    let mut evidence = engine.start(6);
    let counts = quiet(&engine, 7, percent(10.0), 0);
    let _ = judge(&engine, &mut evidence, &counts);
    let before = evidence.clone();
    for at in [7, 6] {
        let again = quiet(&engine, at, percent(10.0), 50);
        let refused = engine.judge(&mut evidence, &again, percent(25.0));
        let not_newer = JudgeError::NotNewer { found: Minute(at), last: Minute(7) };
        assert_eq!(refused, Err(not_newer));
    }
    assert_eq!(evidence, before);
}

#[test]
fn evidence_gathered_under_other_settings_is_refused() {
    let few = EvidenceConfig { odds: vec![2.0, 50.0], ..EvidenceConfig::default() };
    let other = Engine::new(few, Slo::default()).unwrap();
    let mut evidence = engine().start(6);
    let refused = other.judge(&mut evidence, &quiet(&other, 0, percent(1.0), 0), percent(5.0));
    assert_eq!(refused, Err(JudgeError::OtherSettings));
}

#[test]
fn latencies_are_compared_only_where_the_history_can_place_the_quantile() {
    let engine = engine();
    let history = |samples: u64| {
        let old = side(&engine, samples, 0, &[(40.0, samples)]);
        [minute(-1, Weight::ZERO, old, side(&engine, 0, 0, &[]))]
    };
    for (samples, compared) in
        [(0, [false, false, false]), (30, [true, true, false]), (200, [true, true, true])]
    {
        let mut evidence = engine.start(6);
        evidence.learn_history(&engine, &history(samples));
        assert_eq!(Metric::LATENCY.map(|m| evidence.compares_latency(m)), compared, "{samples}");
        assert!(!evidence.compares_latency(Metric::Err));
    }
    let mut beyond = engine.start(6);
    let mut minute = history(1000)[0].clone();
    minute.old.latency = Histogram::new(1000, vec![]);
    beyond.learn_history(&engine, &[minute]);
    assert!(!beyond.compares_latency(Metric::P50), "slower than the last edge: no next edge");
}

/// Makes one setting nonsense.
type Spoil = fn(&mut EvidenceConfig, &mut Slo);

#[test]
fn settings_that_make_no_sense_are_named_with_value_and_fix() {
    let refused = |change: Spoil| {
        let (mut config, mut slo) = (EvidenceConfig::default(), Slo::default());
        change(&mut config, &mut slo);
        Engine::new(config, slo).unwrap_err().to_string()
    };
    let cases: [(&str, Spoil); 30] = [
        ("alpha is 0.5;", |c, _| c.alpha = 0.5),
        ("horizon_ticks is 0;", |c, _| c.horizon_ticks = 0.0),
        ("entry_share is 1;", |c, _| c.entry_share = 1.0),
        ("guard_factor is 1;", |c, _| c.guard_factor = 1.0),
        ("guard_min_ratio is -0.1;", |c, _| c.guard_min_ratio = -0.1),
        ("error_factor is 0.9;", |c, _| c.error_factor = 0.9),
        ("error_margin is 1;", |c, _| c.error_margin = 1.0),
        ("dispersion_prior is 0;", |c, _| c.dispersion_prior = 0.0),
        ("dispersion_clip is 0.9;", |c, _| c.dispersion_clip = 0.9),
        ("baseline_decay is 1;", |c, _| c.baseline_decay = 1.0),
        ("baseline_prior is 0;", |c, _| c.baseline_prior = 0.0),
        ("incident_odds is 1;", |c, _| c.incident_odds = 1.0),
        ("incident_on is 0;", |c, _| c.incident_on = 0.0),
        ("alpha is 0;", |c, _| c.alpha = 0.0),
        ("beta is NaN;", |c, _| c.beta = f64::NAN),
        ("horizon_ticks is -1;", |c, _| c.horizon_ticks = -1.0),
        ("odds[1] is 1.2;", |c, _| c.odds = vec![1.5, 1.2]),
        ("odds[1] is 1.5;", |c, _| c.odds = vec![1.5, 1.5]),
        ("odds is a list of 0;", |c, _| c.odds.clear()),
        ("odds is a list of 33;", |c, _| c.odds = (2..35).map(f64::from).collect()),
        ("breach_caps is a list of 1;", |c, _| {
            c.breach_caps = Some(vec![1.0]);
        }),
        ("gate_caps[5] is 0;", |c, _| {
            c.gate_caps = Some(vec![1.0, 1.0, 1.0, 1.0, 1.0, 0.0]);
        }),
        ("family_weights is a list that sums to 2;", |c, _| {
            c.family_weights = FamilyWeights::from_array([0.25; 8]);
        }),
        ("family_weights.rel_p99 is -1;", |c, _| {
            c.family_weights.rel_p99 = -1.0;
        }),
        ("min_gate_ticks is 0;", |c, _| c.min_gate_ticks = 0),
        ("bake_ticks is 2; give at least min_gate_ticks, 3", |c, _| c.bake_ticks = 2),
        ("incident_cap is 1; give at least incident_on", |c, _| {
            c.incident_cap = 1.0;
        }),
        ("slo.max_error_ratio is 1;", |_, s| s.max_error_ratio = 1.0),
        ("slo.p95_ms is 50;", |_, s| s.p95_ms = 50.0),
        ("slo.p99_ms is 450; use one of edges_ms (400 or 500) or add it there", |_, s| {
            s.p99_ms = 450.0;
        }),
    ];
    for (expected, change) in cases {
        let message = refused(change);
        assert!(message.contains(expected), "{message:?} does not contain {expected:?}");
    }
    let at_the_edge = EvidenceConfig {
        guard_min_ratio: 0.0,
        error_factor: 1.0,
        error_margin: 0.0,
        dispersion_clip: 1.0,
        ..EvidenceConfig::default()
    };
    Engine::new(at_the_edge, Slo::default()).expect("the edges themselves make sense");
}
