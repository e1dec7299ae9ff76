//! What every screen keeps: its terminal's size, the project's words, a published
//! schema.

use crate::pretend::{Night, config};
use rollout_controller::api::{OVERVIEW_SCHEMA, Overview, STATUS_SCHEMA, schemas};
use rollout_controller::controller::query;
use rollout_controller::domain::health::Kind;
use rollout_controller::report::screen::{self, Screen, display_width};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Words that a reader at three in the morning stumbles over; see docs/screens.md.
const WORDS: [&str; 19] = [
    "somebody",
    "whoever",
    "mend",
    "mends",
    "owe",
    "owes",
    "owed",
    "tells",
    "told",
    "stands",
    "nights",
    "afresh",
    "odds",
    "simply",
    "please",
    "successfully",
    "sorry",
    "violated",
    "breached",
];

/// The same of several words.
const PHRASES: [&str; 9] = [
    "nothing pretended",
    "to know of",
    "nobody's fault",
    "must look",
    "by force",
    "shown to hold",
    "least clearly",
    "requests hurt",
    "requests were hurt",
];

/// Fails with the line that uses a word of the list, or a percentage with a space.
pub(crate) fn in_voice(what: &str, text: &str) {
    for line in text.lines() {
        let small = line.to_lowercase();
        for phrase in PHRASES {
            assert!(!small.contains(phrase), "{what}: `{phrase}` in: {line}");
        }
        let words = small.split(|letter: char| !letter.is_alphanumeric() && letter != '\'');
        for word in words {
            assert!(!WORDS.contains(&word), "{what}: `{word}` in: {line}");
        }
        for (at, _) in line.match_indices(" %") {
            let digit = line[..at].ends_with(|letter: char| letter.is_ascii_digit());
            assert!(!digit, "{what}: a percentage with a space in: {line}");
        }
    }
}

/// Fails with the line that is wider than the terminal, or if there are too many. A
/// command that must be pasted is never cut, so one long word is no fault.
pub(crate) fn fits(shown: &str, columns: usize, rows: usize) {
    for line in shown.lines() {
        let wide = display_width(line) > columns && line.trim().contains(' ');
        assert!(!wide, "{} of {columns} columns: {line}\n{shown}", display_width(line));
    }
    if columns >= 80 && rows >= 24 {
        assert!(shown.lines().count() < rows, "{rows} rows:\n{shown}");
    }
}

fn below(folder: &str, ending: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let files =
        std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let files = files.map(|file| file.expect("a file").path());
    files.filter(|file| file.to_string_lossy().ends_with(ending)).collect()
}

#[test]
fn stories_and_runbooks_use_the_projects_words() {
    let stories = below("tests/stories", ".story");
    let runbooks = below("../runbooks", ".md");
    assert!(stories.len() > 5 && runbooks.len() > 20, "{stories:?} {runbooks:?}");
    for file in stories.into_iter().chain(runbooks) {
        let text = std::fs::read_to_string(&file).expect("a text");
        in_voice(&file.display().to_string(), &text);
    }
}

/// What stands between quotation marks in a source file, without its tests.
fn texts_in(source: &str) -> Vec<String> {
    let source = source.split("#[cfg(test)]").next().unwrap_or_default();
    let mut texts = Vec::new();
    for line in source.lines().filter(|line| !line.trim_start().starts_with("//")) {
        let mut text: Option<String> = None;
        let mut letters = line.chars();
        while let Some(letter) = letters.next() {
            match (letter, &mut text) {
                ('\\', Some(open)) => open.extend(letters.next()),
                ('"', Some(_)) => texts.extend(text.take()),
                ('"', None) => text = Some(String::new()),
                (other, Some(open)) => open.push(other),
                (_, None) => {}
            }
        }
        // It goes on in the next line.
        texts.extend(text);
    }
    texts
}

#[test]
fn the_demo_and_the_contest_use_the_projects_words() {
    let demo = below("../local-cloud/src/demo", ".rs");
    assert!(demo.len() > 10, "{demo:?}");
    let mut texts = 0;
    for file in demo {
        let source = std::fs::read_to_string(&file).expect("a source");
        for text in texts_in(&source) {
            // A variable's name is not printed, and a number may stand in its place.
            let shown = text.replace("{told}", "").replace('}', "0");
            in_voice(&file.display().to_string(), &shown);
            let hurt = shown.split(|letter: char| !letter.is_alphanumeric()).any(|w| w == "hurt");
            assert!(!hurt, "{}: requests fail or are too slow: {shown}", file.display());
            texts += 1;
        }
    }
    assert!(texts > 300, "only {texts} texts were found");
    let contest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/contest/README.md");
    in_voice("docs/contest", &std::fs::read_to_string(contest).expect("a text"));
}

#[test]
fn the_published_schemas_are_those_of_this_version() {
    for (name, schema) in schemas() {
        let text = serde_json::to_string_pretty(&schema).expect("JSON") + "\n";
        let file = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join(format!("../docs/schemas/{name}.schema.json"));
        if std::env::var("UPDATE_SCHEMAS").is_ok_and(|value| value == "1") {
            std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
            std::fs::write(&file, text).expect("written");
            continue;
        }
        let published = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(
            published == text,
            "{} is not this version's; UPDATE_SCHEMAS=1 takes it over, and a change that breaks \
             readers raises the number in `schema`",
            file.display()
        );
    }
}

#[tokio::test]
async fn json_has_a_version_numbers_as_numbers_and_no_tables() {
    let night = Night::started(config()).await;
    night.until_weight(60, 10.0).await;
    night.minutes(3).await;
    let status = query::status_of(&night.world, &night.config.rollouts[0]).await;
    let json: Value = serde_json::to_value(&status).expect("JSON");
    assert_eq!(json["schema"], STATUS_SCHEMA);
    assert_eq!(json["health"], "safe");
    assert_eq!(json["next"], Value::Null);
    assert_eq!(json["share"]["journal"], 10.0);
    assert_eq!(json["share"]["next"], 25.0);
    assert_eq!(json["routes"][0]["share"], 10.0);
    assert!(json["last_tick_at"].as_str().is_some_and(|at| at.ends_with('Z')), "{json}");
    assert_eq!(json["metrics"][0]["name"], "errors");
    assert!(json["metrics"][0]["proof"].is_number(), "{json}");
    assert!(json["suspicion"]["log_e_rollback"].is_number(), "{json}");
    no_tables(&json);
    // What was read is what was written: one shape for both ends.
    let back: rollout_controller::api::Status = serde_json::from_value(json.clone()).expect("read");
    assert_eq!(serde_json::to_value(&back).expect("JSON"), json);
    // Several are an object too, with the exit code of the worst.
    let mut hurt = status.clone();
    (hurt.health, hurt.exit_code) = (Kind::Hurting, 50);
    let several =
        serde_json::to_value(Overview::of(vec![status.clone(), hurt, status])).expect("JSON");
    assert_eq!((&several["schema"], &several["exit_code"]), (&json!(OVERVIEW_SCHEMA), &json!(50)));
    assert_eq!(several["rollouts"][0], json);
}

fn no_tables(value: &Value) {
    match value {
        Value::String(text) => {
            assert!(!text.contains("  ") && !text.contains('█'), "a drawing: {text}");
        }
        Value::Array(all) => all.iter().for_each(no_tables),
        Value::Object(all) => all.values().for_each(no_tables),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[tokio::test]
async fn a_terminal_without_utf_8_gets_the_same_in_ascii() {
    let night = Night::started(config()).await;
    night.until_weight(60, 10.0).await;
    night.minutes(3).await;
    let status = query::status_of(&night.world, &night.config.rollouts[0]).await;
    let ascii = screen::status(&status, &Screen { unicode: false, ..Screen::default() });
    let ascii = anstream::adapter::strip_str(&ascii).to_string();
    assert!(ascii.is_ascii(), "{ascii}");
    assert!(ascii.contains("OK Serving safely."), "{ascii}");
    assert!(ascii.contains("######..."), "{ascii}");
}
