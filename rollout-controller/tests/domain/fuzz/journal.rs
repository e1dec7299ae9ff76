//! Rows of a journal, and snapshots of other versions: read or refused, and what could be
//! read can be folded on.

use super::assert_readable;
use fuzz_kit::{Corpus, fuzz};
use rollout_controller::domain::copy::{Copy, OutsideOrder};
use rollout_controller::domain::event::{Event, Stamped};
use rollout_controller::domain::journal::Journal;
use serde_json::Value;

fn kept() -> Vec<Value> {
    let folder = format!("{}/tests/data/journals", env!("CARGO_MANIFEST_DIR"));
    let corpus = Corpus::new("kept").folder(folder);
    let files = corpus.samples().iter();
    files.map(|file| serde_json::from_slice(file).expect("a kept journal")).collect()
}

/// Bodies of one event of each kind from each kept journal.
fn bodies() -> Vec<String> {
    let mut seen = std::collections::BTreeSet::new();
    let mut bodies = Vec::new();
    for (story, kept) in kept().iter().enumerate() {
        for row in kept["entries"].as_array().expect("entries") {
            if seen.insert((story, row["kind"].to_string())) {
                bodies.push(row["body"].to_string());
            }
        }
    }
    bodies
}

#[test]
fn any_row_is_folded_or_refused() {
    // Journals in every phase, to go on from.
    let journals: Vec<Journal> = kept()
        .into_iter()
        .map(|kept| serde_json::from_value(kept["snapshot"]["body"].clone()).expect("a snapshot"))
        .chain([Journal::new("score")])
        .collect();
    fuzz!(Corpus::new("journal-rows").all(bodies()), |bytes| {
        match serde_json::from_slice::<Event>(bytes) {
            Ok(event) => {
                for journal in &journals {
                    for at_ms in [0, journal.at_ms, i64::MAX] {
                        let mut journal = journal.clone();
                        let seq = journal.revision.saturating_add(1);
                        let stamped = Stamped { seq, at_ms, event: event.clone() };
                        if let Err(error) = journal.apply(&stamped) {
                            assert_readable(&error, bytes);
                        }
                    }
                }
            }
            Err(error) => assert_readable(&error, bytes),
        }
    });
}

#[test]
fn any_snapshot_is_read_or_refused() {
    let snapshots = kept().into_iter().map(|kept| kept["snapshot"]["body"].to_string());
    let ticks: Vec<Event> =
        bodies().iter().map(|body| serde_json::from_str(body).expect("an event")).collect();
    fuzz!(Corpus::new("snapshots").all(snapshots).inputs(200), |bytes| {
        match serde_json::from_slice::<Journal>(bytes) {
            Ok(journal) => {
                for event in &ticks {
                    let mut journal = journal.clone();
                    let Some(seq) = journal.revision.checked_add(1) else { continue };
                    let stamped = Stamped { seq, at_ms: journal.at_ms, event: event.clone() };
                    if let Err(error) = journal.apply(&stamped) {
                        assert_readable(&error, bytes);
                    }
                }
            }
            Err(error) => assert_readable(&error, bytes),
        }
    });
}

#[test]
fn any_text_outside_the_journal_is_read_or_refused() {
    let samples = super::corpus("outside");
    fuzz!(samples, |bytes| {
        if let Err(error) = serde_json::from_slice::<Copy>(bytes) {
            assert_readable(&error, bytes);
        }
        if let Err(error) = serde_json::from_slice::<OutsideOrder>(bytes) {
            assert_readable(&error, bytes);
        }
    });
}
