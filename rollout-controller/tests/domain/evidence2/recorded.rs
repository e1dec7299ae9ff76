//! Recorded rollouts, and the decisions that every right engine agrees on.

use std::collections::BTreeMap;

use rollout_controller::domain::evidence2::{
    Clock, Counts, Engine, History, HistoryMinute, Part, Position, Proven, Reading, Settings,
    Verdict, Words,
};
use rollout_controller::domain::minute::{Edges, Histogram, Minute, SideCounts};
use rollout_controller::domain::slo::Slo;
use rollout_controller::domain::weight::Weight;
use rollout_controller::{replay, simulate};
use serde_json::Value;

use crate::evidence2::{data, percent, stages};

const WORDS: Words<'static> =
    Words { old: "Python", new: "Rust", routes: &[], clock: Clock::Counted };

/// Both sides of one route in one minute, with the share in force.
#[derive(Default, Clone)]
struct Row {
    weight: f64,
    old: SideCounts,
    new: SideCounts,
}

/// Minutes of a recording, each with one row a route.
fn parse(text: &str) -> (usize, BTreeMap<i64, BTreeMap<usize, Row>>) {
    let mut lines = text.lines();
    let with_routes = lines.next().unwrap().starts_with("minute,route,");
    let mut minutes: BTreeMap<i64, BTreeMap<usize, Row>> = BTreeMap::new();
    let mut routes = 1;
    for line in lines {
        let mut fields: Vec<&str> = line.split(',').collect();
        let route = if with_routes { fields.remove(1).parse().unwrap() } else { 0 };
        routes = routes.max(route + 1);
        let number = |at: usize| fields[at].parse::<u64>().unwrap();
        let counts = SideCounts {
            requests: number(3),
            errors: number(4),
            latency: Histogram::new(number(5), (6..fields.len()).map(number).collect()),
        };
        let row = minutes.entry(fields[0].parse().unwrap()).or_default().entry(route).or_default();
        row.weight = fields[2].parse().unwrap();
        *(if fields[1] == "old" { &mut row.old } else { &mut row.new }) = counts;
    }
    (routes, minutes)
}

/// A rollout as the engine decided it on the recorded minutes.
struct Replay {
    engine: Engine,
    /// Judged minute, what was decided, `ln E`.
    decisions: Vec<(i64, Decision, f64)>,
    sentence: String,
    /// The largest share that it stepped to.
    reached: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Decision {
    Advance(f64),
    Complete,
    Rollback,
}

fn replay(name: &str, truth: &Value) -> Replay {
    let (routes, minutes) = parse(&data(&format!("{name}.csv")));
    let history_minutes = minutes.range(..0).map(|(&minute, rows)| HistoryMinute {
        minute: Minute(minute),
        old: (0..routes).map(|r| Some(rows.get(&r).cloned().unwrap_or_default().old)).collect(),
    });
    let history = History::new(routes, Minute(-1), history_minutes).unwrap();
    let plan = truth["stages_pct"].as_array().unwrap();
    let plan: Vec<f64> = plan.iter().map(|share| share.as_f64().unwrap()).collect();
    let (settings, slo, edges) = (Settings::default(), Slo::default(), Edges::default());
    let choices = Engine::choose(&settings, &slo, &edges, &history).unwrap();
    let engine = Engine::new(settings, slo, edges, stages(&plan), choices).unwrap();

    let mut evidence = engine.start();
    let mut at = Position { share: percent(truth["start_pct"].as_f64().unwrap()), baked: false };
    let mut decisions = Vec::new();
    let mut sentence = String::new();
    let last_judged = truth["last_minute"].as_i64().unwrap() - 2;
    let mut weights = vec![0.0; routes];
    for minute in 0..=last_judged {
        let rows = minutes.get(&minute);
        let parts: Vec<Part> = (0..routes)
            .map(|route| {
                // A side without requests has no row; without either the share stays.
                let row = rows.and_then(|rows| rows.get(&route));
                weights[route] = row.map_or(weights[route], |row| row.weight);
                let Row { old, new, .. } = row.cloned().unwrap_or_default();
                Part { weight: percent(weights[route]), counts: Counts::Known { old, new } }
            })
            .collect();
        let reading = Reading { minute: Minute(minute), share: parts[0].weight, parts };
        engine.fold(&mut evidence, &reading).unwrap();
        let verdict = engine.verdict(&evidence, at);
        let log_e = engine.suspicion(&evidence).0;
        sentence = WORDS.verdict(&engine, &verdict);
        match verdict {
            Verdict::Breach(_) => {
                decisions.push((minute, Decision::Rollback, log_e));
                break;
            }
            Verdict::Proven(Proven { next: Some(next), .. }) => {
                at = Position { share: next, baked: next == Weight::FULL };
                decisions.push((minute, Decision::Advance(next.percent()), log_e));
            }
            Verdict::Proven(Proven { next: None, .. }) => {
                decisions.push((minute, Decision::Complete, log_e));
                break;
            }
            Verdict::Unproven(_) => {}
        }
    }
    Replay { engine, decisions, sentence, reached: at.share.percent() }
}

fn all() -> Vec<(String, Value)> {
    let truth: Value = serde_json::from_str(&data("truth.json")).unwrap();
    let traces = truth["traces"].as_object().unwrap();
    traces.iter().map(|(name, truth)| (name.clone(), truth.clone())).collect()
}

#[test]
fn every_recorded_rollout_ends_as_every_right_engine_agrees() {
    let traces = all();
    assert_eq!(traces.len(), 17);
    for (name, truth) in traces {
        let replay = replay(&name, &truth);
        let expect = &truth["expect"];
        let last = replay.decisions.last().copied();
        let judged = last.map(|(minute, ..)| minute);
        let between = |minute: i64| match expect["judged_minute_between"].as_array() {
            Some(b) => (b[0].as_i64().unwrap()..=b[1].as_i64().unwrap()).contains(&minute),
            None => true,
        };
        let end = match last.map(|(_, decision, _)| decision) {
            Some(Decision::Complete) => "complete",
            Some(Decision::Rollback) => "rollback",
            Some(Decision::Advance(_)) | None => "hold",
        };
        let shown = (&name, &replay.decisions, &replay.sentence);
        let held = expect["also_right"].as_str().is_some_and(|also| also.starts_with("hold"));
        if !(held && end == "hold") {
            assert_eq!(end, expect["end"], "{shown:?}");
            if end != "hold" {
                assert!(judged.is_some_and(between), "{shown:?}");
            }
        }
        if name.ends_with("path-of-evidence-1") {
            assert!(replay.reached <= 5.0, "{shown:?}");
        }
    }
}

#[test]
fn the_choices_are_those_that_history_must_give() {
    for (name, truth) in all() {
        let engine = replay(&name, &truth).engine;
        let numbers = |key: &str| -> Vec<f64> {
            truth[key].as_array().unwrap().iter().map(|n| n.as_f64().unwrap()).collect()
        };
        let choices = engine.choices();
        assert_eq!(choices.margin.map(f64::from).to_vec(), numbers("margin_edges"), "{name}");
        assert_eq!(choices.tolerance.map(f64::from).to_vec(), numbers("burst_minutes"), "{name}");
    }
}

#[test]
fn every_decision_is_the_references_within_a_minute() {
    for (name, truth) in all() {
        let replay = replay(&name, &truth);
        let reference = truth["reference_decisions"].as_array().unwrap();
        assert_eq!(replay.decisions.len(), reference.len(), "{name}: {:?}", replay.decisions);
        for (&(minute, decision, log_e), reference) in replay.decisions.iter().zip(reference) {
            let expected = reference["minute"].as_i64().unwrap();
            assert!((minute - expected).abs() <= 1, "{name}: {decision:?} at {minute}, {expected}");
            if let (true, Some(expected)) = (minute == expected, reference["log_e"].as_f64()) {
                // The reference stakes nothing on a route in a minute without its requests.
                let close = if truth["routes"] == true { 0.05 } else { 0.02 };
                assert!((log_e - expected).abs() < close, "{name} {minute}: {log_e} {expected}");
            }
        }
    }
}

#[test]
fn the_command_judges_recordings_of_either_engine_and_compares_them() {
    let meta = data("truth.json");
    for (name, _) in all() {
        let replay = replay::run(&name, &data(&format!("{name}.csv")), &meta, None).unwrap();
        let agreement = replay.agreement.as_ref().expect("something is on record");
        assert!(agreement.agrees, "{name}: {}", replay.render());
        assert_eq!(replay.engine, "evidence-2");
    }
    let healthy = data("healthy-600.csv");
    let first = replay::run("healthy-600", &healthy, &meta, Some(replay::With::Evidence1)).unwrap();
    assert_eq!(first.engine, "evidence-1");

    let truth = meta.replace("\"complete\"", "\"rollback\"");
    let differs = replay::run("healthy-600", &healthy, &truth, None).unwrap();
    let differences = differs.agreement.expect("something is on record").differences;
    assert!(differences.concat().contains("the end is complete"), "{differences:?}");
}

#[test]
fn a_backtest_judges_with_the_terms_of_a_config() {
    let config = simulate::defaults(&["public"]).unwrap();
    let terms = &config.rollouts[0].terms;
    let fault = data("flap-1-in-10-total-6000.csv");
    let second = replay::backtest("today", &fault, terms).unwrap();
    assert_eq!((second.engine, second.end), ("evidence-2", replay::End::Rollback));
    assert!(!second.choices.is_empty(), "{second:?}");
    assert!(second.render().contains("the new side is out of traffic"), "{}", second.render());
}
