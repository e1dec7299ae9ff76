//! What the engines say of recorded rollouts, wherever those are cut: `tests/data/said.txt`.

use crate::{data, kept_text};
use rollout_controller::replay::{self, With};
use std::fmt::Write as _;
use std::path::Path;

/// Recordings with their description, and minutes between two cuts.
const FOLDERS: [(&str, &str, With); 2] = [
    ("traces", "traces/truth.json", With::Evidence1),
    ("evidence2", "evidence2/truth.json", With::Evidence2),
];
const CUTS: usize = 24;

fn recordings(folder: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(folder);
    let names = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = names
        .filter_map(|name| Some(name.into_string().ok()?.strip_suffix(".csv")?.to_owned()))
        .collect();
    names.sort();
    names
}

/// The recording up to so many parts of its lines.
fn cut(text: &str, part: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let minute = |line: &&str| line.split(',').next().map(str::to_owned);
    let last = lines.get(lines.len() * part / CUTS).and_then(minute);
    // Whole minutes only.
    let kept = lines.iter().take_while(|line| part == CUTS || minute(line) != last);
    kept.fold(String::new(), |text, line| text + line + "\n")
}

fn all() -> String {
    let mut out = String::new();
    for (folder, meta, with) in FOLDERS {
        let meta = data(meta);
        for name in recordings(folder) {
            let text = data(&format!("{folder}/{name}.csv"));
            let _ = writeln!(out, "\n## {name}, {with:?}");
            let mut said = Vec::new();
            for part in 1..=CUTS {
                let Ok(came) = replay::run(&name, &cut(&text, part), &meta, Some(with)) else {
                    continue;
                };
                // Most of what is said of a part was said of the shorter one.
                for line in came.render().lines().skip(1).map(str::to_owned) {
                    if !line.starts_with("differs") && !said.contains(&line) {
                        let _ = writeln!(out, "{line}");
                        said.push(line);
                    }
                }
            }
        }
    }
    out
}

#[test]
fn the_engines_say_of_recordings_what_was_kept() {
    kept_text::holds("said.txt", &all());
}
