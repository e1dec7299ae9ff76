use std::time::Duration;

use serde_json::json;

use super::super::ctl::{Reason, Shares, Status};
use super::super::figures::stretches;
use super::super::plan::{PYTHON, PYTHON_FUNCTION, RUST, TESTER};
use super::super::traffic::Journey;
use super::*;
use crate::FunctionStats;

/// A demo in which all is as it should be, small enough to spoil by hand.
struct Demo {
    plan: Plan,
    journeys: Vec<Journey>,
    functions: Vec<FunctionStats>,
    healthy: Played,
    failing: Played,
    changes: Vec<(i64, f64)>,
    journal: Vec<Value>,
    ticks: Ticks,
}

fn status(state: &str, why: &str) -> Status {
    Status {
        state: state.to_owned(),
        shares: Shares { journal: Some(0.0) },
        routes: Vec::new(),
        reason: Reason { text: why.to_owned() },
        metrics: Vec::new(),
        suspicion: None,
        changes: Vec::new(),
    }
}

fn page(state: &str, topic: &str) -> Page {
    Page {
        id: String::new(),
        at_ms: 0,
        topic_arn: String::new(),
        subject: Some(format!("{state}: {topic}")),
        message: json!({"NewStateValue": state, "rollout": {"topic": topic}}).to_string(),
    }
}

fn function(name: &str) -> FunctionStats {
    FunctionStats {
        name: name.to_owned(),
        environments: 1,
        busy: 0,
        pids: Vec::new(),
        invocations: 10,
        errors: 0,
        throttles: 0,
        peak_rss_kib: 40_000,
        cold_starts: Vec::new(),
    }
}

impl Demo {
    fn good() -> Self {
        let healthy = vec![(100, 50.0), (150, 80.0), (200, 100.0)];
        let failing = vec![(400, 50.0), (500, 0.0)];
        let changes = [healthy.clone(), vec![(300, 0.0)], failing.clone()].concat();
        let weight = |at: i64| {
            let before = changes.iter().rev().find(|(since, _)| *since <= at);
            before.map_or(0.0, |(_, weight)| *weight)
        };
        let journey = |due_ms, group: &str, broken: bool| Journey {
            due_ms,
            end_ms: due_ms + 1,
            latency: Duration::from_millis(20),
            function_ms: 10.0,
            served: !broken,
            group: Some(group.to_owned()),
            broken,
            tester: group == TESTER,
        };
        let mut journeys = Vec::new();
        for at in (0..600).step_by(10) {
            let (weight, even) = (weight(at), at % 20 == 0);
            let rust = weight > 75.0 || weight > 25.0 && even;
            let broken = rust && at >= 400 && at % 40 == 0;
            journeys.push(journey(at, if rust { RUST } else { PYTHON }, broken));
            journeys.push(journey(at, TESTER, false));
        }
        let applied = changes.iter().enumerate().map(|(seq, (at, weight))| {
            json!({"seq": seq, "at_ms": at, "event": "applied", "to": weight * 10.0})
        });
        let names = CONTROLLER_FUNCTIONS.iter().map(|(name, _)| *name);
        let played = |changes: &[(i64, f64)], until, status, exit, pages| Played {
            started_ms: changes[0].0 - 10,
            ended_ms: until,
            status,
            exit,
            changes: changes.to_vec(),
            pages,
        };
        let why = "Rust failed 4 of 5 requests. False alarm: at most 1 in 100.";
        Self {
            plan: Plan::short(),
            journeys,
            functions: names.chain([RUST_FUNCTION, PYTHON_FUNCTION]).map(function).collect(),
            healthy: played(
                &healthy,
                290,
                status("completed", "complete at 100%"),
                0,
                vec![page("INFO", "completed")],
            ),
            failing: played(
                &failing,
                510,
                status("rolled back", why),
                20,
                vec![page("ALARM", "rolled-back")],
            ),
            journal: applied.collect(),
            ticks: Ticks { done: 10, failed: 0 },
            changes,
        }
    }

    /// What does not hold.
    fn broken(self) -> Vec<&'static str> {
        let figures = Figures {
            stretches: stretches(&self.journeys, &self.changes),
            journeys: self.journeys,
            functions: self.functions,
            late_ms: 0.0,
            held_back: Duration::ZERO,
            stood: Duration::ZERO,
        };
        let evidence = Evidence {
            plan: &self.plan,
            figures: &figures,
            healthy: &self.healthy,
            failing: &self.failing,
            changes: &self.changes,
            journal: &self.journal,
            ticks: self.ticks,
        };
        let all = judge(&evidence);
        all.iter().filter(|one| !one.holds()).map(|one| one.what).collect()
    }
}

#[test]
fn a_good_demo_holds() {
    assert_eq!(Demo::good().broken(), [""; 0]);
}

#[test]
fn whatever_is_spoiled_is_named() {
    type Spoil = fn(&mut Demo);
    let cases: [(&str, Spoil); 20] = [
        ("stage by stage", |demo| demo.healthy.changes.swap(0, 1)),
        ("completed after the bake", |demo| demo.healthy.exit = 10),
        ("1. healthy: no request failed", |demo| {
            demo.journeys[30].served = false;
        }),
        ("nobody paged", |demo| {
            demo.healthy.pages.push(page("ALARM", "blind"));
        }),
        ("up to where it fails", |demo| {
            demo.failing.changes.truncate(1);
        }),
        ("2. failing: rolled back", |demo| {
            "advancing".clone_into(&mut demo.failing.status.state);
        }),
        ("on evidence", |demo| {
            "Alarm `x` went to ALARM.".clone_into(&mut demo.failing.status.reason.text);
        }),
        ("one page", |demo| demo.failing.pages.clear()),
        ("one page", |demo| {
            demo.failing.pages.push(page("ALARM", "rolled-back"));
        }),
        ("nothing reaches Rust", |demo| {
            demo.journeys[110].group = Some(RUST.to_owned());
        }),
        ("none of Python's", |demo| demo.journeys[0].served = false),
        ("testers reach Rust", |demo| {
            demo.journeys[1].group = Some(PYTHON.to_owned());
        }),
        ("testers reach Rust", |demo| demo.journeys[3].served = false),
        ("the journal has every change", |demo| {
            drop(demo.journal.pop());
        }),
        ("a tick in every", |demo| demo.ticks.failed = 1),
        ("a tick in every", |demo| demo.ticks.done = 0),
        ("drawn as the weights say", |demo| {
            // At 100%.
            demo.journeys[50].group = Some(PYTHON.to_owned());
        }),
        ("the controller fails no call", |demo| {
            demo.functions[0].errors = 1;
        }),
        ("controller below", |demo| {
            demo.functions[1].peak_rss_kib = 64 * 1024;
        }),
        ("Rust scorer below", |demo| {
            demo.functions[3].peak_rss_kib = 0;
        }),
    ];
    for (named, spoil) in cases {
        let mut demo = Demo::good();
        spoil(&mut demo);
        let broken = demo.broken();
        assert!(broken.iter().any(|what| what.contains(named)), "{named}: {broken:?}");
    }
}
