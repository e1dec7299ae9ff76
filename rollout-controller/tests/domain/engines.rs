//! Journals of both engines: what was written by versions that had only the first
//! one reads as it always did, and what is written now reads back as written.

use rollout_controller::domain::decision::{Decision, Hold, RollBackReason};
use rollout_controller::domain::engine::{Breach, Engine, Method, Missing, Proof, Said};
use rollout_controller::domain::event::{Event, MinuteEntry, Part, Span};
use rollout_controller::domain::evidence::{EvidenceConfig, HoldReason};
use rollout_controller::domain::evidence2::{self, Choices, Preset, Settings};
use rollout_controller::domain::explain::evidence::Clock;
use rollout_controller::domain::gathered::Gathered;
use rollout_controller::domain::labels::Labels;
use rollout_controller::domain::minute::{Edges, Minute};
use rollout_controller::domain::observation::Unread;
use rollout_controller::domain::plan::Terms;
use rollout_controller::domain::slo::Slo;
use rollout_controller::domain::weight::Weight;
use rollout_controller::domain::wrong_answers::ComparisonsRead;

use crate::percent;

#[test]
fn terms_that_name_no_engine_mean_the_first_one() {
    let plain = serde_json::to_value(EvidenceConfig::default()).unwrap();
    let one = Method::One(Box::default());
    assert_eq!(serde_json::from_value::<Method>(plain.clone()).unwrap(), one);
    assert_eq!(serde_json::from_str::<Method>("{}").unwrap(), one, "every key has a default");
    assert_eq!(serde_json::to_value(&one).unwrap(), plain, "and it is written as before");
    let two = Method::two(Settings::default(), Edges::default());
    let text = serde_json::to_string(&two).unwrap();
    assert!(text.starts_with(r#"{"engine":"evidence-2""#), "{text}");
    assert_eq!(serde_json::from_str::<Method>(&text).unwrap(), two);
}

#[test]
fn a_setting_of_another_kind_is_refused_with_what_it_may_be() {
    let said = serde_json::from_str::<Preset>("[]").unwrap_err().to_string();
    assert!(said.contains("expected \"auto\" or a whole number from 1 to 15"), "{said}");
}

#[test]
fn decisions_of_the_first_engine_are_read_as_they_were_written() {
    let hold = r#"{"event":"ticked","minutes":[],"decision":{"do":"hold","reason":{"why":"evidence",
        "reason":{"kind":"earlier_stage","weight":"5%"}}}}"#;
    let weight = serde_json::to_string(&percent(5.0)).unwrap();
    let hold = hold.replace("\"5%\"", &weight);
    let Event::Ticked { decision: Decision::Hold { reason }, .. } =
        serde_json::from_str(&hold).unwrap()
    else {
        panic!("no hold")
    };
    let earlier = HoldReason::EarlierStage { weight: percent(5.0) };
    assert_eq!(reason, Hold::Evidence { reason: Missing::One(earlier) });

    let rate = r#"{"k":31,"n":1240,"low":0.012,"high":0.045}"#;
    let breach = format!(
        r#"{{"why":"evidence","breach":{{"weight":{weight},"lead":"abs_p99","log_e":7.8,
        "log_e_lead":9.8,"new":{rate},"old":{rate},"limit":0.01,"new_ms":500.0,"old_ms":500.0,
        "factor":1.25,"margin":0.0}}}}"#
    );
    let breach: RollBackReason = serde_json::from_str(&breach).unwrap();
    assert!(matches!(breach, RollBackReason::Evidence { breach: Breach::One(_) }), "{breach:?}");
    let said = rollout_controller::domain::explain::rollback_reason(&breach, &Labels::default());
    assert!(said.ends_with(" False alarm: at most 1 in 2,400."), "the total evidence's: {said}");

    let proof = format!(
        r#"{{"do":"finish","proof":{{"weight":{weight},"ticks":30,"errors":{rate},
        "weakest":"err","log_gate_weakest":5.0}}}}"#
    );
    let Decision::Complete { proof } = serde_json::from_str(&proof).unwrap() else {
        panic!("not complete")
    };
    assert!(matches!(proof, Proof::One(_)));
}

#[test]
fn what_the_second_engine_says_is_written_with_its_sentence_and_reads_back() {
    let hold = evidence2::Hold::EarlierStage { newest: Some((Minute(7), percent(5.0))) };
    let said = Said { why: hold, text: "The newest judged minute, 00:07, is from 5%".to_owned() };
    let decision =
        Decision::Hold { reason: Hold::Evidence { reason: Missing::Two(Box::new(said)) } };
    let text = serde_json::to_string(&decision).unwrap();
    assert_eq!(serde_json::from_str::<Decision>(&text).unwrap(), decision, "{text}");
}

fn of_the_first_engine() -> Terms {
    serde_json::from_value(serde_json::json!({
        "stages": [percent(50.0), percent(100.0)],
        "start": "auto",
        "lag_minutes": 2,
        "history_minutes": 0,
        "slo": Slo { max_error_ratio: 0.02, ..Slo::default() },
        "evidence": EvidenceConfig::default(),
        "routes": [],
    }))
    .unwrap()
}

#[test]
fn a_minute_that_nobody_knows_restarts_the_first_engines_proof_and_routes_apart_do_not() {
    let (first, half, terms) = (crate::engine(), percent(50.0), of_the_first_engine());
    let read = |at, weights: [Option<Weight>; 2]| {
        let part = |(route, weight): (&str, Option<Weight>)| {
            let (route, side) = (route.to_owned(), || crate::side(&first, 300, 0, &[(20.0, 300)]));
            let Some(weight) = weight else {
                let unknown = Unread::because("throttled");
                return Part::Unknown { route, unknown, due_on_new: None };
            };
            Part::Known { route, weight, old: side(), new: side() }
        };
        let parts = ["a", "b"].into_iter().zip(weights).map(part).collect();
        MinuteEntry::Read { minute: Minute(at), parts, comparisons: None }
    };
    let engine = Engine::new(&terms, None).unwrap();
    let shares = [(Minute(0), half)];
    let mut gathered = Gathered::default();
    gathered.begin(&engine, &terms, &[], Minute(-1));
    let mut ticks_after = |at, weights| {
        gathered.take(&engine, &terms, &shares, &[read(at, weights)]).unwrap();
        gathered.one().unwrap().0.gate_ticks()
    };
    for at in 0..20 {
        ticks_after(at, [Some(half); 2]);
    }
    let before = ticks_after(20, [Some(half); 2]);
    assert_eq!(ticks_after(21, [Some(half), Some(percent(10.0))]), before, "apart");
    assert_eq!(ticks_after(22, [Some(half), None]), 0, "not known");
    let again = ticks_after(23, [Some(half); 2]);
    assert_eq!(ticks_after(3, [Some(half), None]), again, "its time is over");
}

#[test]
fn minutes_that_are_lost_restart_the_first_engines_proof() {
    let (first, half, terms) = (crate::engine(), percent(50.0), of_the_first_engine());
    let engine = Engine::new(&terms, None).unwrap();
    let shares = [(Minute(0), half)];
    let mut gathered = Gathered::default();
    gathered.begin(&engine, &terms, &[], Minute(-1));
    let side = || crate::side(&first, 300, 0, &[(20.0, 300)]);
    let minutes: Vec<MinuteEntry> =
        (0..20).map(|at| MinuteEntry::Summed(crate::minute(at, half, side(), side()))).collect();
    gathered.take(&engine, &terms, &shares, &minutes).unwrap();
    assert!(gathered.one().unwrap().0.gate_ticks() > 0);
    let lost = MinuteEntry::Lost { lost: Span { from: Minute(20), to: Minute(24) } };
    gathered.take(&engine, &terms, &shares, &[lost]).unwrap();
    assert_eq!(gathered.one().unwrap().0.gate_ticks(), 0);
    assert!(!gathered.is_recent(Minute(24)) && gathered.is_recent(Minute(25)), "settled");
}

#[test]
fn minutes_of_other_code_are_told_from_those_after_it() {
    let (first, half) = (crate::engine(), percent(50.0));
    let mut terms = of_the_first_engine();
    terms.evidence = Method::two(Settings::default(), Edges::default());
    let arn = |rest: &str| format!("arn:aws:elasticloadbalancing:eu-west-1:111122223333:{rest}");
    let route = serde_json::json!({
        "name": "a",
        "rule": arn("listener-rule/app/lb/1/2/3"),
        "old_group": arn("targetgroup/py/1"),
        "new_group": arn("targetgroup/rs/2"),
    });
    terms.routes = vec![serde_json::from_value(route).unwrap()];
    let engine = Engine::new(&terms, Some(&Choices::without_history(1))).unwrap();
    let mut gathered = Gathered::default();
    gathered.begin(&engine, &terms, &[], Minute(-1));
    let side = || crate::side(&first, 300, 0, &[(20.0, 300)]);
    let read = |at| {
        let part = Part::Known { route: "a".to_owned(), weight: half, old: side(), new: side() };
        MinuteEntry::Read { minute: Minute(at), parts: vec![part], comparisons: None }
    };
    let minutes: Vec<MinuteEntry> = (0..10).map(read).collect();
    gathered.take(&engine, &terms, &[(Minute(0), half)], &minutes).unwrap();
    gathered.restart_proof(&engine, None, Minute(6));
    let of_this_code: Vec<i64> =
        gathered.recent_of_this_code().map(|known| known.minute.0).collect();
    assert_eq!(of_this_code, [9, 8, 7]);
}

#[test]
fn a_failed_read_takes_back_nothing_that_was_known() {
    let first = crate::engine();
    let entry = |parts: Vec<Part>, compared: Option<&str>| {
        let comparisons = compared.map(|why| ComparisonsRead::Unread(Unread::because(why)));
        MinuteEntry::Read { minute: Minute(7), parts, comparisons }
    };
    let known = |requests| {
        let side = || crate::side(&first, requests, 0, &[(20.0, requests)]);
        let (route, weight) = ("a".to_owned(), percent(50.0));
        vec![Part::Known { route, weight, old: side(), new: side() }]
    };
    let unknown = |why: &str| {
        let (route, unknown) = ("a".to_owned(), Unread::because(why));
        vec![Part::Unknown { route, unknown, due_on_new: None }]
    };
    let after = |later: Vec<Part>, earlier: Vec<Part>| {
        entry(later, None).with_what_was_known(&entry(earlier, None))
    };
    assert_eq!(after(unknown("throttled"), known(300)), entry(known(300), None));
    assert_eq!(after(unknown("late"), unknown("throttled")), entry(unknown("late"), None));
    assert_eq!(after(known(301), known(300)), entry(known(301), None), "it was revised");
    let compared = |parts| entry(parts, Some("late"));
    assert!(entry(known(300), None).has_counts_of(&compared(known(300))));
    assert!(!entry(known(300), None).has_counts_of(&compared(known(301))));
}

#[test]
fn an_engine_has_the_bounds_of_its_terms() {
    let edges = Edges::default().as_ms().iter().copied().chain([20_000.0]).collect();
    let edges = Edges::new(edges).unwrap();
    let one = EvidenceConfig { edges_ms: edges.clone(), ..EvidenceConfig::default() };
    let mut terms = of_the_first_engine();
    for method in [Method::One(Box::new(one)), Method::two(Settings::default(), edges.clone())] {
        assert_eq!(method.edges(), &edges);
        terms.evidence = method;
        let engine = Engine::new(&terms, Some(&Choices::without_history(1))).unwrap();
        assert_eq!(engine.edges(), &edges);
    }
}

#[test]
fn a_step_back_of_a_journal_that_names_no_number_waits_for_ten_good_minutes() {
    let weight = serde_json::to_string(&percent(5.0)).unwrap();
    let hold = format!(
        r#"{{"why":"both_sides","harm":{{"from":{weight},"to":{weight},"raised":7,"metric":"err",
        "within_minutes":2}},"good_minutes":4}}"#
    );
    let hold: Hold = serde_json::from_str(&hold).unwrap();
    let said = rollout_controller::domain::explain::hold(&hold, &Labels::default(), Clock::Counted);
    assert!(said.contains("4 of 10 good minutes"), "{said}");
}

#[test]
fn a_minute_that_comes_when_its_time_is_over_proves_nothing_to_the_first_engine() {
    let terms = of_the_first_engine();
    let (first, weight) = (crate::engine(), percent(50.0));
    let read = |at, errors| {
        let side = |errors| crate::side(&first, 600, errors, &[(20.0, 600)]);
        MinuteEntry::Summed(crate::minute(at, weight, side(0), side(errors)))
    };
    let engine = Engine::new(&terms, None).unwrap();
    let shares = [(Minute(0), weight)];
    assert_eq!(engine.slo(), &terms.slo, "the run's own");
    let mut gathered = Gathered::default();
    gathered.begin(&engine, &terms, &[], Minute(-1));
    let minutes: Vec<MinuteEntry> = (10..60).map(|at| read(at, 0)).collect();
    gathered.take(&engine, &terms, &shares, &minutes).unwrap();
    let gates = |gathered: &Gathered| {
        let evidence = serde_json::to_value(gathered.one().unwrap().0).unwrap();
        (evidence["gates"].clone(), evidence["gate_ticks"].clone(), evidence["last"].clone())
    };
    let before = gates(&gathered);
    assert!(!gathered.is_recent(Minute(20)) && gathered.is_recent(Minute(59)));
    gathered.take(&engine, &terms, &shares, &[read(5, 0)]).unwrap();
    assert_eq!(gates(&gathered), before);
    assert_eq!(gathered.one().unwrap().0.rolled_back_at(), None);
    for at in 6..9 {
        gathered.take(&engine, &terms, &shares, &[read(at, 600)]).unwrap();
    }
    assert!(gathered.one().unwrap().0.rolled_back_at().is_some(), "three minutes of outage");
}
