//! The command line itself: help, completions, manual, and what it refuses.

use crate::stage::Stage;
use clap::{Command, CommandFactory as _};
use rollout_controller::cli::Cli;
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::process::{Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

fn rolloutctl(args: &[&str]) -> Output {
    std::process::Command::new(env!("CARGO_BIN_EXE_rolloutctl"))
        .args(args)
        .env_clear()
        .output()
        .expect("rolloutctl runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

/// Every command and subcommand, with the words that lead to it.
fn all(command: &Command, words: &str, found: &mut Vec<(String, Command)>) {
    for sub in command.get_subcommands() {
        let words = format!("{words} {}", sub.get_name());
        all(sub, &words, found);
        found.push((words, sub.clone()));
    }
}

fn commands() -> Vec<(String, Command)> {
    let mut found = Vec::new();
    all(&Cli::command(), "rolloutctl", &mut found);
    found
}

#[test]
fn the_definitions_do_not_contradict_each_other() {
    Cli::command().debug_assert();
}

#[test]
fn every_subcommand_shows_an_example_that_begins_with_its_own_words() {
    let commands = commands();
    assert!(commands.len() >= 16, "{}", commands.len());
    for (words, command) in commands {
        let help = command.get_after_help().map(ToString::to_string);
        let help = help.unwrap_or_else(|| panic!("`{words}` has no example"));
        assert!(help.starts_with("Example"), "{words}: {help}");
        let examples: Vec<&str> = help.lines().skip(1).map(str::trim).collect();
        assert!(!examples.is_empty(), "{words}: {help}");
        for example in examples {
            assert!(example.starts_with(&words), "{words}: {example}");
        }
        assert!(command.get_about().is_some(), "`{words}` says what it does");
    }
}

/// The words of an example up to the first redirection or pipe.
fn arguments(example: &str) -> Vec<String> {
    let command = example.split(" | ").next().unwrap_or_default();
    let command = command.split(" > ").next().unwrap_or_default();
    let command = command.split("      ").next().unwrap_or_default();
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
    for character in command.trim().chars() {
        match character {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(std::mem::take(&mut word)),
            other => word.push(other),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

#[test]
fn every_example_is_accepted_by_the_parser() {
    let mut tried = 0;
    for (words, command) in commands() {
        let help = command.get_after_help().map(ToString::to_string);
        for example in help.unwrap_or_default().lines().skip(1) {
            let parsed = Cli::command().try_get_matches_from(arguments(example));
            assert!(parsed.is_ok(), "{words}: {example}: {}", parsed.unwrap_err());
            tried += 1;
        }
    }
    assert!(tried >= 20, "{tried}");
}

#[test]
fn completions_are_made_for_every_shell() {
    for (shell, sign) in [
        ("bash", "complete -F"),
        ("zsh", "#compdef rolloutctl"),
        ("fish", "complete -c rolloutctl"),
        ("powershell", "Register-ArgumentCompleter"),
        ("elvish", "edit:completion"),
    ] {
        let output = rolloutctl(&["completions", shell]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let script = text(&output.stdout);
        assert!(script.contains(sign), "{shell}");
        assert!(script.contains("rollback") && script.contains("adopt"), "{shell}");
    }
    assert_eq!(rolloutctl(&["completions", "tcsh"]).status.code(), Some(2));
}

#[test]
fn the_manual_has_a_page_for_each_subcommand() {
    let output = rolloutctl(&["man"]);
    let page = text(&output.stdout);
    assert!(page.contains(".TH rolloutctl 1"), "{page}");
    assert!(page.contains("40 refused"), "exit codes are documented");

    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_str().expect("a path");
    assert!(rolloutctl(&["man", "--dir", path]).status.success());
    for (words, _) in commands() {
        let file = folder.path().join(format!("{}.1", words.replace(' ', "-")));
        let page = std::fs::read_to_string(&file).unwrap_or_else(|_| panic!("{}", file.display()));
        assert!(page.contains(words.as_str()), "{words} shows its example");
    }
    let missing = folder.path().join("missing");
    let refused = rolloutctl(&["man", "--dir", missing.to_str().expect("a path")]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("missing"), "{}", text(&refused.stderr));
}

#[test]
fn a_command_without_a_reason_is_refused_before_anything_is_called() {
    let output = rolloutctl(&["pause", "--yes"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("rolloutctl pause --reason"), "{}", text(&output.stderr));
}

#[test]
fn a_direct_rollback_says_where_it_may_read_the_rules() {
    let output = rolloutctl(&["rollback", "--direct", "--reason", "x"]);
    assert_eq!(output.status.code(), Some(1));
    let told = text(&output.stderr);
    assert!(told.contains("--config FILE") && told.contains("rolloutctl setup"), "{told}");
}

#[test]
fn a_profile_is_written_once_and_found_by_every_command() {
    let home = tempfile::tempdir().expect("a folder");
    let rolloutctl = |args: &[&str]| {
        std::process::Command::new(env!("CARGO_BIN_EXE_rolloutctl"))
            .args(args)
            .env_clear()
            .env("HOME", home.path())
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .output()
            .expect("rolloutctl runs")
    };
    let lb = "arn:aws:elasticloadbalancing:eu-west-1:111122223333";
    let profile = format!(
        "[profile]\nrollout = \"score\"\nregion = \"eu-west-1\"\n\
         command_function = \"score-command\"\nview_function = \"score-view\"\n\
         [[rollout]]\nname = \"score\"\n[[rollout.route]]\nname = \"public\"\n\
         rule = \"{lb}:listener-rule/app/lb/1/2/3\"\n\
         old_group = \"{lb}:targetgroup/py/1\"\nnew_group = \"{lb}:targetgroup/rs/2\"\n"
    );
    let file = home.path().join("profile.toml");
    let path = file.to_str().expect("a path");
    std::fs::write(&file, profile.replace("region", "regain")).expect("a file");
    let refused = rolloutctl(&["setup", path]);
    assert!(text(&refused.stderr).contains("profile.region is missing"), "{refused:?}");
    std::fs::write(&file, &profile).expect("a file");
    let written = rolloutctl(&["setup", path]);
    assert!(written.status.success(), "{written:?}");
    let there = home.path().join(".config/rollout/profile.toml");
    assert_eq!(std::fs::read_to_string(&there).expect("the profile"), profile);
    assert!(rolloutctl(&["setup", path]).status.success(), "the same once more");
    std::fs::write(&file, profile.replace("score-view", "other-view")).expect("a file");
    let differs = rolloutctl(&["setup", path]);
    assert!(text(&differs.stderr).contains("--force writes over it"), "{differs:?}");
    assert!(rolloutctl(&["setup", path, "--force"]).status.success());
    // Nobody answers here: the error names the function that the profile names.
    let status = rolloutctl(&["status"]);
    assert_eq!(status.status.code(), Some(30));
    assert!(text(&status.stderr).contains("other-view"), "{status:?}");
}

#[test]
fn usage_errors_name_what_is_missing_and_exit_with_2() {
    for (args, words) in [
        (&["check", "--direct"][..], "--config"),
        (&["notify"], "--test"),
        (&["pause", "--for", "90s", "--reason", "x"], "whole minutes"),
        (&["promote", "--to", "101%"], "101%"),
        (&["history", "--limit", "0"], "1..=500"),
        (&["abort"], "abort"),
    ] {
        let output = rolloutctl(args);
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {told}");
        assert!(told.contains(words), "{args:?}: {told}");
    }
}

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data");

/// `rolloutctl` in the folder of recorded rollouts.
fn in_data(args: &[&str]) -> Output {
    std::process::Command::new(env!("CARGO_BIN_EXE_rolloutctl"))
        .args(args)
        .current_dir(DATA)
        .output()
        .expect("rolloutctl runs")
}

#[test]
fn replay_prints_decisions_and_tells_by_its_exit_code_whether_they_are_on_record() {
    let trace = "traces/outage-60.csv";
    let good = in_data(&["replay", trace, "--meta", "traces/truth.json", "--json"]);
    assert_eq!(good.status.code(), Some(0));
    let found: Value = serde_json::from_slice(&good.stdout).unwrap();
    let last = &found["decisions"][1];
    assert_eq!(last["verdict"], "ROLLBACK");
    assert_eq!((&last["minute"], &last["lead"]), (&Value::from(26), &Value::from("rel_err")));
    assert!(last["reason"].as_str().unwrap().starts_with("Rust "));

    let folder = tempfile::tempdir().unwrap();
    let meta = folder.path().join("truth.json");
    let truth = std::fs::read_to_string(format!("{DATA}/traces/truth.json")).unwrap();
    let truth = truth.replace("8.734817", "8.734917");
    std::fs::write(&meta, truth).unwrap();
    let differs = in_data(&["replay", trace, "--meta", meta.to_str().unwrap()]);
    assert_eq!(differs.status.code(), Some(1));
    assert!(text(&differs.stdout).contains("differs from the record: ROLLBACK at minute 26"));

    let absent = in_data(&["replay", "nowhere.csv", "--meta", "traces/truth.json"]);
    assert_eq!(absent.status.code(), Some(1));
    assert!(text(&absent.stderr).contains("reading nowhere.csv"));
}

#[tokio::test(flavor = "multi_thread")]
async fn colours_and_drawing_are_for_terminals_alone() {
    let stage = Stage::ready(62).await;
    let look = async |command: &str| stage.sh(command).await;
    let has_codes = |output: &Output| text(&output.stdout).contains('\x1b');
    let piped = look("rolloutctl status").await;
    assert!(text(&piped.stdout).contains("Not started. All traffic is on Python."), "{piped:?}");
    assert!(!has_codes(&piped), "{piped:?}");
    let forced = look("CLICOLOR_FORCE=1 rolloutctl status").await;
    assert!(has_codes(&forced), "{forced:?}");
    let never = look("NO_COLOR=1 rolloutctl status").await;
    assert_eq!(text(&never.stdout).lines().count(), text(&piped.stdout).lines().count());
    assert!(!has_codes(&never), "{never:?}");
    // In a pipe a watch prints what is new, and ends in time.
    let watched = look("rolloutctl status --watch --interval 200ms --timeout 1s").await;
    assert_eq!(watched.status.code(), Some(124), "{watched:?}");
    assert_eq!(text(&watched.stdout).matches("Not started").count(), 1, "{watched:?}");
    assert!(!has_codes(&watched), "{watched:?}");
    // On a terminal it draws in place, and gives the terminal back.
    if std::process::Command::new("script").arg("--version").output().is_err() {
        eprintln!("NOT TESTED: the watch on a terminal needs `script` of util-linux");
        return;
    }
    let drawn = look(
        "script -qec 'stty cols 80 rows 24; rolloutctl status --watch --interval 200ms --timeout 2s' \
         /dev/null </dev/null",
    )
    .await;
    let drawn = text(&drawn.stdout);
    for code in ["\x1b[?1049h", "\x1b[?25l", "q quit", "\x1b[?25h", "\x1b[?1049l"] {
        assert!(drawn.contains(code), "{code:?} is not in {drawn:?}");
    }
    stage.cloud.shutdown().await;
}

/// A program on a terminal of its own: what it draws, and a keyboard.
struct Terminal {
    program: std::process::Child,
    drawn: Arc<Mutex<String>>,
    /// What was expected so far ends here.
    read: usize,
}

impl Terminal {
    /// Runs `line` in a terminal of 80 × 24, with the operator's surroundings.
    fn run(stage: &Stage, line: &str) -> Self {
        let mut program = std::process::Command::new("script")
            .args(["-qec", &format!("stty cols 80 rows 24; {line}"), "/dev/null"])
            .current_dir(stage.dir.path())
            .env_clear()
            .envs(stage.env())
            .envs([stage.agree_on_time()])
            .env("TERM", "xterm-256color")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("script");
        let drawn = Arc::new(Mutex::new(String::new()));
        let mut output = program.stdout.take().expect("its output");
        let into = drawn.clone();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(1..) = output.read(&mut bytes).inspect(|count| {
                let text = String::from_utf8_lossy(&bytes[..*count]).into_owned();
                into.lock().unwrap().push_str(&text);
            }) {}
        });
        Self { program, drawn, read: 0 }
    }

    /// Waits until this is drawn, after what was expected before.
    async fn expect(&mut self, words: &str) {
        for _ in 0..1200 {
            let drawn = self.drawn.lock().unwrap().clone();
            if let Some(at) = drawn.get(self.read..).and_then(|rest| rest.find(words)) {
                self.read += at + words.len();
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("`{words}` is not drawn: {:?}", self.drawn.lock().unwrap().get(self.read..));
    }

    fn press(&mut self, keys: &str) {
        let keyboard = self.program.stdin.as_mut().expect("a keyboard");
        keyboard.write_all(keys.as_bytes()).expect("typed");
        keyboard.flush().expect("typed");
    }

    /// Its exit code, once it has ended by itself.
    async fn ended(mut self) -> Option<i32> {
        for _ in 0..1200 {
            if let Some(status) = self.program.try_wait().expect("a child") {
                return status.code();
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("it goes on: {:?}", self.drawn.lock().unwrap());
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

fn has_script() -> bool {
    let there = std::process::Command::new("script").arg("--version").output().is_ok();
    if !there {
        eprintln!("NOT TESTED: a terminal needs `script` of util-linux");
    }
    there
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_a_watch_explain_pause_resume_and_quit() {
    if !has_script() {
        return;
    }
    let mut stage = Stage::at(62, 1).await;
    let mut watch = Terminal::run(&stage, "rolloutctl status --watch --interval 200ms");
    watch.expect("q quit").await;
    watch.press("e");
    watch.expect("Engine: evidence-2").await;
    // Nothing acts on one key: an empty reason is a no, and so is an n.
    watch.press("p");
    watch.expect("Pause, reason (empty: not now): ").await;
    watch.press("\r");
    watch.expect("q quit").await;
    watch.press("p");
    watch.expect("Pause, reason (empty: not now): ").await;
    watch.press("gateway\r");
    watch.expect("Pause? [y/N] ").await;
    watch.press("n\r");
    watch.expect("you did not confirm").await;
    watch.expect("Enter goes back. ").await;
    watch.press("\r");
    watch.expect("q quit").await;
    assert_eq!(phase(&stage).await, "advancing");

    watch.press("p");
    watch.expect("Pause, reason (empty: not now): ").await;
    watch.press("gateway\r");
    watch.expect("Pause? [y/N] ").await;
    watch.press("y\r");
    watch.expect("Paused at 1%").await;
    watch.press("\r");
    watch.expect("q quit").await;
    assert_eq!(phase(&stage).await, "paused");
    let history = stage.rolloutctl(&["history"]).await;
    assert!(text(&history.stdout).contains("paused: \"gateway\""), "{history:?}");

    watch.press("r");
    watch.expect("Resume, reason (empty: not now): ").await;
    watch.press("gateway is out\r");
    watch.expect("Resume? [y/N] ").await;
    watch.press("y\r");
    watch.expect("Resumed at 1%").await;
    watch.press("\r");
    watch.expect("q quit").await;
    assert_eq!(phase(&stage).await, "advancing");

    // `B` asks as the command does; a `b` is no key.
    watch.press("b");
    watch.press("B");
    watch.expect("Roll back, reason (empty: not now): ").await;
    watch.press("\r");
    watch.expect("q quit").await;
    let status = stage.rolloutctl(&["status"]).await.status.code();
    watch.press("q");
    // The cursor and the screen before are given back, and the code is the status's.
    watch.expect("\x1b[?25h").await;
    watch.expect("\x1b[?1049l").await;
    assert_eq!(watch.ended().await, status);
    assert_eq!(stage.rust_percent(), 1);
    stage.minutes(1).await;
    stage.cloud.shutdown().await;
}

async fn phase(stage: &Stage) -> String {
    let status = stage.rolloutctl(&["status", "--json"]).await;
    let status: Value = serde_json::from_slice(&status.stdout).expect("JSON");
    status["phase"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_shows_what_it_will_do_before_it_asks() {
    if !has_script() {
        return;
    }
    let stage = Stage::ready(62).await;
    let start = "rolloutctl start --reason 'scorer 2.4, change 1187'";
    let mut asked = Terminal::run(&stage, start);
    for line in [
        "Start score, run 1 by ",
        ": \"scorer 2.4, change 1187\"",
        "  public  100% Python → first share by traffic, at most 50% Rust, in 2 minutes",
        "  stages  1% 5% 10% 25% 50% 100%; a bake of 30 min before 100%",
        "  limits  errors 1% · P50 100 ms · P95 200 ms · P99 500 ms",
        "  code    Rust ",
        "  alarms  holds on rds-cpu",
        "  pages   to ",
        "  check   ",
        " ok",
        "Start? [y/N] ",
    ] {
        asked.expect(line).await;
    }
    asked.press("\r");
    asked.expect("Not started: you did not confirm. Traffic is unchanged").await;
    assert_eq!(asked.ended().await, Some(1));
    assert!(phase(&stage).await.contains("not started"));
    let mut asked = Terminal::run(&stage, start);
    asked.expect("Start? [y/N] ").await;
    asked.press("y\r");
    asked.expect("Run 1 started").await;
    assert_eq!(asked.ended().await, Some(0));
    stage.cloud.shutdown().await;
}
