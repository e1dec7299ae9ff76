//! Runbooks that cannot rot: every command in them is run against a local cloud
//! with the real binaries, and must print what the page says it prints.
//!
//! A page names its situation in a comment, `<!-- situation: at 10% -->`; from
//! there on its commands run one after another in one cloud. `<!-- minutes: 3 -->`
//! lets so many minutes of traffic and ticks pass. Each block marked `sh` is
//! followed by one marked `text` with the output to expect, in which `<words>`
//! stand for anything within a line, and a line `…` for any number of lines.
//! `sh exit=41` says which exit code to expect. Blocks marked `console` are for
//! what cannot run here (Pulumi, a second person); they are few and named below.

use crate::stage::{self, Stage};
use futures_util::StreamExt as _;
use local_cloud::{ApiFaultKind, Deployment};
use rollout_controller::domain::message::Topic;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Commands that cannot run here; each must still be recognised.
const NOT_HERE: [&str; 4] = [
    "pulumi ",
    "make ",
    "docker ",
    // Asks functions that really score; `compare::` runs it.
    "rolloutctl compare ",
];

/// Pages that are no answer to a page of the controller.
const OTHERS: [&str; 10] = [
    // Alarms say it: whoever is not there cannot.
    "not-protected",
    // Alarms on the scorer's own metrics.
    "wrong-answers",
    "first-deploy",
    "start-a-rollout",
    "force-rust-for-one-request",
    "pause-and-resume",
    "manual-rollback",
    "cut-over-and-decommission-python",
    "upgrade-the-controller-mid-rollout",
    "post-mortem-template",
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../runbooks")
}

fn page(name: &str) -> String {
    let file = folder().join(format!("{name}.md"));
    std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn names() -> BTreeSet<String> {
    let files = std::fs::read_dir(folder()).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    names.filter_map(|name| name.strip_suffix(".md").map(str::to_owned)).collect()
}

/// Something that happens on a page, in order.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Situation(String),
    Minutes(usize),
    Run { line: usize, script: String, exit: i32, expected: String },
    Elsewhere { line: usize, script: String },
}

fn steps(text: &str) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    let mut waiting: Option<(usize, String, i32)> = None;
    let mut lines = text.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        let at = at + 1;
        if let Some(info) = line.trim_start().strip_prefix("```") {
            let indent = line.len() - line.trim_start().len();
            let mut block = String::new();
            for (_, line) in lines.by_ref() {
                if line.trim() == "```" {
                    break;
                }
                block.push_str(line.get(indent..).unwrap_or(line.trim_start()));
                block.push('\n');
            }
            match (info.split(' ').next().unwrap_or_default(), waiting.take()) {
                ("text", Some((line, script, exit))) => {
                    steps.push(Step::Run { line, script, exit, expected: block });
                }
                (_, Some((line, ..))) => {
                    return Err(format!("line {line}: no output to expect after the command"));
                }
                ("sh", None) => {
                    let exit = info.split("exit=").nth(1).unwrap_or("0");
                    let exit = exit.parse().map_err(|_| format!("line {at}: {info}"))?;
                    waiting = Some((at, block, exit));
                }
                ("console", None) => steps.push(Step::Elsewhere { line: at, script: block }),
                ("toml" | "markdown", None) => {}
                (other, None) => return Err(format!("line {at}: a block marked `{other}`")),
            }
            continue;
        }
        let comment = line.trim().strip_prefix("<!-- ").and_then(|rest| rest.strip_suffix(" -->"));
        match comment.and_then(|comment| comment.split_once(": ")) {
            Some(("situation", name)) => steps.push(Step::Situation(name.to_owned())),
            Some(("minutes", count)) => {
                let count = count.parse().map_err(|_| format!("line {at}: {count}"))?;
                steps.push(Step::Minutes(count));
            }
            Some((other, _)) => return Err(format!("line {at}: unknown comment `{other}`")),
            None => {}
        }
    }
    match waiting {
        Some((line, ..)) => Err(format!("line {line}: no output to expect after the command")),
        None => Ok(steps),
    }
}

/// Whether a line is as expected; `<words>` stand for at least one character.
fn line_fits(expected: &str, actual: &str) -> bool {
    let Some((before, rest)) = expected.split_once('<') else {
        return expected == actual;
    };
    let Some((_, after)) = rest.split_once('>') else {
        return expected == actual;
    };
    let Some(actual) = actual.strip_prefix(before) else {
        return false;
    };
    let mut ends = actual.char_indices().skip(1).map(|(at, _)| at);
    ends.any(|at| line_fits(after, &actual[at..])) || (!actual.is_empty() && line_fits(after, ""))
}

/// Whether an output is as expected; a line `…` stands for any number of lines.
fn fits(expected: &[&str], actual: &[&str]) -> bool {
    match expected.split_first() {
        None => actual.is_empty(),
        Some((&"…", rest)) => (0..=actual.len()).any(|at| fits(rest, &actual[at..])),
        Some((first, rest)) => actual
            .split_first()
            .is_some_and(|(line, more)| line_fits(first, line) && fits(rest, more)),
    }
}

fn trimmed(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    while lines.last().is_some_and(|line| line.is_empty()) {
        lines.pop();
    }
    lines
}

/// The cloud in the state that a page is about.
async fn situation(name: &str) -> Option<Stage> {
    Some(match name {
        "the controller is deployed, and its ledger is empty" => Stage::bare(62).await.past_hour(),
        "no rollout has been started" => Stage::ready(62).await,
        "just started" => {
            let mut stage = Stage::ready(62).await;
            stage.start().await;
            stage.minutes(2).await;
            stage
        }
        "at 10%" => Stage::at(62, 10).await,
        "paused at 10%" => {
            let mut stage = Stage::at(62, 10).await;
            let paused = ["pause", "--reason", "database maintenance", "--yes"];
            assert!(stage.rolloutctl(&paused).await.status.success());
            stage.minutes(1).await;
            stage
        }
        "a pause is about to end" => {
            let mut stage = Stage::at(62, 10).await;
            let pause = ["pause", "--for", "1h", "--reason", "gateway deploy", "--yes"];
            assert!(stage.rolloutctl(&pause).await.status.success());
            stage.minutes(52).await;
            stage
        }
        "an alarm holds it at 10% for half an hour" => {
            let mut stage = Stage::at(62, 10).await;
            stage.alarm();
            for _ in 0..33 {
                stage.minutes(1).await;
                stage.alarm();
            }
            stage
        }
        "CloudWatch cannot be read" => {
            let mut stage = Stage::at(62, 10).await;
            stage.fail_api("GetMetricData", ApiFaultKind::Denied);
            stage.minutes(14).await;
            stage.cloud.clear_faults(None);
            stage
        }
        "no request reaches Rust" => {
            let mut stage = Stage::at(62, 10).await;
            stage.rust.reached = false;
            stage.minutes(20).await;
            stage
        }
        "someone changed the weight from 10% to 30%" => {
            let mut stage = Stage::at(62, 10).await;
            stage.console(30);
            stage.minutes(1).await;
            stage
        }
        "someone changed the header rule" => {
            let mut stage = Stage::at(62, 10).await;
            let changed = stage
                .sh("aws elbv2 modify-rule --rule-arn \"$HEADER_RULE\" --actions Type=forward,TargetGroupArn=\"$PYTHON_GROUP\"")
                .await;
            assert!(changed.status.success(), "{changed:?}");
            stage.minutes(1).await;
            stage
        }
        "rolled back on errors" => {
            let mut stage = Stage::at(62, 10).await;
            stage.rust.errors = 0.2;
            stage.until(15, |report| report["state"] == "rolled back").await;
            stage
        }
        "Rust answers wrongly at 10%" => {
            let mut stage = Stage::at(62, 10).await;
            stage.compared(40.0, 12.0, "number");
            let shapes = "text of 7 characters, then text of 7 characters";
            stage.example(&format!("number stamps.*.score: {shapes}")).await;
            stage.minutes(1).await;
            stage
        }
        "the load balancer refuses the rollback" => {
            let mut stage = Stage::at(62, 10).await;
            stage.fail_api("ModifyRule", ApiFaultKind::Denied);
            stage.rust.errors = 0.2;
            stage.until(15, |report| report["state"] == "rolling back").await;
            stage.minutes(1).await;
            stage.cloud.clear_faults(None);
            stage
        }
        "Python and Rust are both slow" => {
            let mut stage = Stage::at(62, 10).await;
            stage.seconds = 0.15;
            stage.minutes(6).await;
            stage
        }
        "AWS refuses the step from 5% to 10%" => {
            let mut stage = Stage::at(62, 5).await;
            stage.fail_api("ModifyRule", ApiFaultKind::Denied);
            stage.minutes(8).await;
            stage.cloud.clear_faults(None);
            stage
        }
        "Rust was deployed at 10%" => {
            let mut stage = Stage::at(62, 10).await;
            let release = Deployment::new().env("RELEASE", "2.5");
            stage.cloud.deploy("scorer-rs", &release).expect("a deployment");
            stage.minutes(2).await;
            stage
        }
        "an update of Rust does not settle" => {
            let mut stage = Stage::at(62, 10).await;
            let mut release = Deployment::new().env("RELEASE", "2.5");
            release.settle = Duration::from_hours(2);
            stage.cloud.deploy("scorer-rs", &release).expect("a deployment");
            stage.minutes(13).await;
            stage
        }
        "the topic refuses every page" => {
            let mut stage = Stage::at(62, 10).await;
            stage.fail_api("Publish", ApiFaultKind::Denied);
            stage.console(30);
            stage.minutes(8).await;
            stage
        }
        "no tick for ten minutes" => {
            let mut stage = Stage::at(62, 10).await;
            for _ in 0..10 {
                stage.pass_minute();
            }
            stage
        }
        "complete" => {
            let mut stage = Stage::ready(62).await;
            stage.start().await;
            stage.until(180, |report| report["state"] == "completed").await;
            stage
        }
        "the ledger is down" => {
            let mut stage = Stage::at(62, 10).await;
            let ledger = stage.dir.path().join("ledger");
            std::fs::rename(&ledger, stage.dir.path().join("gone")).unwrap();
            // Open connections would go on with the moved file.
            for function in ["rollout-tick", "rollout-command", "rollout-view"] {
                stage.cloud.recycle(function).unwrap();
            }
            stage.minutes(1).await;
            stage
        }
        "the ledger was lost and made anew at 10%" => {
            let mut stage = Stage::at(62, 10).await;
            let ledger = stage.dir.path().join("ledger");
            std::fs::rename(&ledger, stage.dir.path().join("gone")).unwrap();
            std::fs::create_dir(&ledger).unwrap();
            for function in ["rollout-tick", "rollout-command", "rollout-view"] {
                stage.cloud.recycle(function).unwrap();
            }
            let made = stage.rolloutctl(&["migrate", "--config", "rollout.toml"]).await;
            assert!(made.status.success(), "{made:?}");
            stage.minutes(1).await;
            stage
        }
        _ => return None,
    })
}

/// Runs a page; every line that is not as it says.
async fn run(name: String) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut stage: Option<Stage> = None;
    let steps = match steps(&page(&name)) {
        Ok(steps) => steps,
        Err(problem) => return vec![format!("{name}.md: {problem}")],
    };
    for step in steps {
        match step {
            Step::Situation(now) => {
                stage = situation(&now).await;
                if stage.is_none() {
                    wrong.push(format!("{name}.md: no situation `{now}`"));
                }
            }
            Step::Minutes(count) => match &mut stage {
                Some(stage) => stage.minutes(count).await,
                None => wrong.push(format!("{name}.md: minutes without a situation")),
            },
            Step::Elsewhere { line, script } => {
                for command in script.lines().filter(|line| !line.starts_with('#')) {
                    if !NOT_HERE.iter().any(|known| command.starts_with(known)) {
                        wrong.push(format!("{name}.md:{line}: `{command}` could run here"));
                    }
                }
            }
            Step::Run { line, script, exit, expected } => {
                let Some(stage) = &stage else {
                    wrong.push(format!("{name}.md:{line}: a command without a situation"));
                    continue;
                };
                let output = stage.sh(&script).await;
                let out = String::from_utf8_lossy(&output.stdout).into_owned();
                let err = String::from_utf8_lossy(&output.stderr).into_owned();
                let both = out.clone() + &err;
                if output.status.code() != Some(exit) || !fits(&trimmed(&expected), &trimmed(&both))
                {
                    let mut text = format!("{name}.md:{line}: {script}");
                    let _ = write!(
                        text,
                        "--- expected, exit {exit}\n{expected}--- found, {}\n{both}",
                        output.status
                    );
                    wrong.push(text);
                }
            }
        }
    }
    if let Some(stage) = stage {
        stage.cloud.shutdown().await;
    }
    wrong
}

fn has_aws_cli() -> bool {
    std::process::Command::new("aws")
        .arg("--version")
        .env("PATH", stage::path())
        .output()
        .is_ok_and(|output| output.status.success())
}

/// `RUNBOOK=blind` runs one page alone.
#[tokio::test(flavor = "multi_thread")]
async fn every_command_prints_what_its_page_says() {
    if !has_aws_cli() {
        eprintln!("skipped: no AWS CLI beside LOCAL_CLOUD_PYTHON or on PATH; run `make dev-env`");
        return;
    }
    let wanted = std::env::var("RUNBOOK").ok();
    let names =
        names().into_iter().filter(|name| wanted.as_ref().is_none_or(|wanted| wanted == name));
    let wrong: Vec<String> = futures_util::stream::iter(names.map(run))
        .buffer_unordered(2)
        .collect::<Vec<_>>()
        .await
        .concat();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n\n"));
}

#[test]
fn every_page_of_the_controller_has_its_runbook_and_every_runbook_is_linked() {
    let mut expected: BTreeSet<String> = Topic::ALL
        .into_iter()
        .filter(|topic| *topic != Topic::Test)
        .map(|topic| topic.name().to_owned())
        .collect();
    expected.extend(OTHERS.map(str::to_owned));
    let mut found = names();
    assert!(found.remove("README"));
    assert_eq!(found, expected);
    let index = page("README");
    for name in &found {
        assert!(index.contains(&format!("]({name}.md)")), "{name} is not linked");
    }
}

#[test]
fn links_lead_somewhere() {
    for name in names() {
        for link in page(&name).split("](").skip(1) {
            let link = link.split(')').next().unwrap();
            let file = link.split('#').next().unwrap();
            if !file.is_empty() && !file.contains("://") {
                assert!(folder().join(file).exists(), "{name}.md links to {link}");
            }
        }
    }
}

/// The parts of a page, in order: the first screen with safety, then what a reader
/// asks.
const OUTLINE: [&str; 9] = [
    "**Users:**",
    "**Traffic:**",
    "**Do now:**",
    "rolloutctl ",
    "[manual-rollback](manual-rollback.md)",
    "## What happened",
    "## Find the cause",
    "## Put it right",
    "## Normal, not a fault",
];

/// Lines of the first screen, without what only the test reads.
const FIRST_SCREEN: usize = 10;

/// The first screen of an answer to a page: is it hurting users, and the one
/// command that makes it safe; then the other parts, in order.
#[test]
fn every_answer_to_a_page_begins_with_safety_and_has_its_parts() {
    let topics = Topic::ALL.into_iter().filter(|topic| *topic != Topic::Test);
    for name in topics.map(Topic::name).chain(["not-protected", "wrong-answers"]) {
        let text = page(name);
        let mut from = 0;
        for part in OUTLINE {
            let at = text[from..].find(part);
            from += at.unwrap_or_else(|| panic!("{name}.md: `{part}` missing or late"));
        }
        let first = text.split("\n---\n").next().unwrap();
        let shown = first.lines().filter(|line| {
            let frame = line.starts_with("<!-- ") || line.starts_with("```") || *line == "…";
            !(frame || line.is_empty())
        });
        assert!(shown.count() <= FIRST_SCREEN, "{name}.md: first screen");
        assert!(
            text.lines().next() == Some(&format!("# {name}")),
            "{name}.md: the title is the page's name"
        );
    }
}

mod reading {
    use super::{Step, fits, line_fits, steps};

    #[test]
    fn placeholders_stand_for_something_within_a_line() {
        assert!(line_fits("revision <n>", "revision 118"));
        assert!(!line_fits("revision <n>", "revision "));
        assert!(line_fits("at <a> of <b>.", "at 10% of 6 stages."));
        assert!(!line_fits("at <a> of <b>.", "at 10% of 6 stages"));
        assert!(line_fits("p < 5", "p < 5"));
        assert!(!line_fits("plain", "plain "));
    }

    #[test]
    fn an_ellipsis_stands_for_lines_and_nothing_else_does() {
        assert!(fits(&["a", "…", "z"], &["a", "b", "c", "z"]));
        assert!(fits(&["a", "…"], &["a"]));
        assert!(!fits(&["a", "…", "z"], &["a", "b"]));
        assert!(!fits(&["a"], &["a", "b"]));
    }

    #[test]
    fn a_command_without_an_output_to_expect_is_found() {
        assert!(steps("```sh\nls\n```\n").is_err());
        assert!(steps("```sh\nls\n```\n```sh\nls\n```\n").is_err());
        assert!(steps("```bash\nls\n```\n").is_err());
        assert_eq!(
            steps("<!-- situation: x -->\n```sh exit=2\nls\n```\nprints\n```text\nno\n```\n"),
            Ok(vec![
                Step::Situation("x".to_owned()),
                Step::Run {
                    line: 2,
                    script: "ls\n".to_owned(),
                    exit: 2,
                    expected: "no\n".to_owned()
                }
            ])
        );
    }
}
