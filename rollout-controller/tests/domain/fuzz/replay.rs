//! Recordings and their descriptions, as people export and edit them.

use super::assert_readable;
use crate::data;
use fuzz_kit::{Corpus, fuzz};
use rollout_controller::replay::{ReplayError, With, run};

/// The recording's beginning: a search tries many, and judging costs.
fn some_minutes(name: &str) -> String {
    let text = data(name);
    let lines: Vec<&str> = text.lines().take(90).collect();
    lines.join("\n") + "\n"
}

fn assert_says_where(error: &ReplayError, trace: &[u8]) {
    assert_readable(error, trace);
    if let ReplayError::Line { line, problem } = error {
        let lines = 1 + trace.iter().filter(|byte| **byte == b'\n' || **byte == b'\r').count();
        assert!((1..=lines).contains(line), "line {line} of {lines}: {problem}");
    }
}

#[test]
fn any_recording_is_judged_or_refused_with_its_line() {
    let samples = Corpus::new("recordings")
        .sample(some_minutes("traces/healthy-60.csv"))
        .sample(some_minutes("traces/outage-60.csv"))
        .sample(some_minutes("evidence2/routes-apart-3-min-6000.csv"))
        .words(&[
            "minute,side,weight_pct",
            "route,",
            "old,",
            "new,",
            "1e15,",
            "\"",
            "\r",
            "-28999,",
            "28999,",
        ])
        .inputs(200);
    let metas = [data("traces/truth.json"), data("evidence2/truth.json")];
    fuzz!(samples, |bytes| {
        let trace = String::from_utf8_lossy(bytes);
        for meta in &metas {
            for with in [With::Evidence1, With::Evidence2] {
                match run("healthy-60", &trace, meta, Some(with)) {
                    Ok(replay) => drop(replay.render()),
                    Err(error) => assert_says_where(&error, bytes),
                }
            }
        }
    });
}

#[test]
fn any_description_is_taken_or_refused() {
    let trace = some_minutes("traces/healthy-60.csv");
    let second = some_minutes("evidence2/healthy-600.csv");
    let samples = Corpus::new("descriptions")
        .sample(data("traces/truth.json"))
        .sample(data("evidence2/truth.json"))
        .inputs(200);
    fuzz!(samples, |bytes| {
        let meta = String::from_utf8_lossy(bytes);
        for (name, trace) in [("healthy-60", &trace), ("healthy-600", &second)] {
            match run(name, trace, &meta, None) {
                Ok(replay) => drop(replay.render()),
                Err(error) => assert_says_where(&error, trace.as_bytes()),
            }
        }
    });
}
