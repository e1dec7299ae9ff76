//! What people, other programs and old versions hand us, changed at random: read or
//! refused, never a panic, with memory bounded by the input's length, and an error that
//! says where. Inputs that were defects are samples in `tests/data/fuzz`.

mod answers;
mod config;
mod events;
mod journal;
mod messages;
mod replay;
mod requests;

use fuzz_kit::Corpus;

/// Samples of a target in the repository.
fn corpus(name: &'static str) -> Corpus {
    let folder = format!("{}/tests/data/fuzz/{name}", env!("CARGO_MANIFEST_DIR"));
    Corpus::new(name).folder(folder)
}

/// Most characters of an error that a person reads, beside what the input brings.
const LONGEST_ERROR: usize = 20_000;

/// An error says something, in a length that a person and a log take.
fn assert_readable(error: &impl std::fmt::Display, input: &[u8]) {
    let text = error.to_string();
    assert!(!text.trim().is_empty(), "an error without words");
    let longest = LONGEST_ERROR + 8 * input.len();
    assert!(text.len() <= longest, "{} bytes of error: {}", text.len(), &text[..200]);
}
