//! Operator scripts against a pretend world: the whole transcript is compared.
//!
//! A story is one file: a world in TOML between two lines `---`, then lines that
//! begin with `$ ` and what they print. `#` begins a comment. A change in behaviour
//! is a readable diff; `UPDATE_STORIES=1 cargo test --test fake stories::` takes it over.
//!
//! `$ rolloutctl …` is parsed and rendered by the product's own code. What happens
//! to the world has words of its own, see [`World::happen`].

use crate::pretend::{Night, config_with};
use clap::Parser as _;
use rollout_controller::api::{Answer, Question};
use rollout_controller::cli::remote::{exit_code, render};
use rollout_controller::cli::{Cli, Command};
use rollout_controller::controller::{command, query};
use rollout_controller::domain::command::Request;
use rollout_controller::domain::message::{Channel, Urgency};
use rollout_controller::domain::minute::Minute;
use rollout_controller::domain::observation::AlarmState;
use rollout_controller::domain::plan::Mode;
use rollout_controller::domain::weight::Weight;
use rollout_controller::report::screen::{self, Screen};
use rollout_controller::report::tick::TickReport;
use rollout_controller::world::{Pretend, Side};
use serde::Deserialize;
use std::fmt::Write as _;
use std::path::Path;

/// The world before the first line.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Setting {
    seed: u64,
    start: jiff::Timestamp,
    #[serde(default)]
    shadow: bool,
    #[serde(default)]
    settings: String,
    #[serde(default)]
    tables: String,
    routes: Vec<String>,
}

struct World {
    night: Night,
    /// Who types.
    who: String,
    commands: usize,
    pages: usize,
    /// What the last printed tick was like.
    last: Option<(&'static str, String, Option<Weight>)>,
    /// The terminal of whoever types.
    screen: Screen,
}

/// As a pipe gets it: without colours.
fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

/// Words of a line; double quotes keep a phrase together.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
    for character in line.chars() {
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

fn percent(text: &str) -> f64 {
    let number = text.strip_suffix('%').expect("a percentage");
    number.parse::<f64>().expect("a number") / 100.0
}

impl World {
    fn new(setting: &Setting) -> Self {
        let routes: Vec<&str> = setting.routes.iter().map(String::as_str).collect();
        let mut config = config_with(&setting.settings, &setting.tables, &routes);
        if setting.shadow {
            config.rollouts[0].mode = Mode::Shadow;
        }
        let routes = &config.rollouts[0].terms.routes;
        let pretend = Pretend::new(setting.seed, routes, setting.start);
        Self {
            night: Night { world: pretend.world(), pretend, config },
            who: "ada".to_owned(),
            commands: 0,
            pages: 0,
            last: None,
            screen: Screen::default(),
        }
    }

    /// Carries out one line and tells what it prints.
    async fn run(&mut self, line: &str) -> String {
        let words = words(line);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["rolloutctl", ..] => self.rolloutctl(&words).await,
            ["minutes", count] => self.minutes(count.parse().expect("a number")).await,
            ["until", goal] => self.until(goal).await,
            ["pages"] => self.new_pages(),
            ["terminal", size] => {
                let (columns, rows) = size.split_once('x').expect("COLUMNSxROWS");
                self.screen.columns = columns.parse().expect("columns");
                self.screen.rows = Some(rows.parse().expect("rows"));
                String::new()
            }
            _ => {
                self.happen(&words);
                String::new()
            }
        }
    }

    /// What happens to the world, without a word.
    fn happen(&mut self, words: &[&str]) {
        let pretend = self.night.pretend.clone();
        let now = Minute::containing(pretend.now());
        let mut state = pretend.state();
        let trouble = &mut state.trouble;
        match words {
            ["person", name] => (*name).clone_into(&mut self.who),
            ["traffic-alone", count] => {
                drop(state);
                for _ in 0..count.parse::<u32>().expect("a number") {
                    pretend.pass_minute();
                }
            }
            ["requests-a-minute", rate] => {
                state.requests_per_minute = rate.parse().expect("a number");
            }
            ["console", route, weight] => {
                drop(state);
                pretend.console_change(route, weight.parse().expect("a weight"));
            }
            ["alarm", name, to] => {
                drop(state);
                let to = match *to {
                    "OK" => AlarmState::Ok,
                    "ALARM" => AlarmState::Alarm,
                    "INSUFFICIENT_DATA" => AlarmState::InsufficientData,
                    other => panic!("no alarm state: {other}"),
                };
                pretend.alarm(name, to);
            }
            ["rust", "errors", ratio] => state.new.error_ratio = percent(ratio),
            ["rust", "slow", ratio] => state.new.slow_ratio = percent(ratio),
            ["rust", "healthy"] => state.new = Side::healthy_rust(),
            ["both", "slow", ratio] => {
                state.new.slow_ratio = percent(ratio);
                state.old.slow_ratio = percent(ratio);
            }
            ["both", "healthy"] => {
                state.new = Side::healthy_rust();
                state.old = Side::healthy_python();
            }
            ["ledger", to] => trouble.ledger_down = *to == "down",
            ["sns", to] => {
                trouble.channels_broken.clear();
                if *to == "down" {
                    trouble.channels_broken.extend([Channel::Pager, Channel::Chat]);
                }
            }
            ["cloudwatch", to] => trouble.metrics_fail = *to == "down",
            ["cloudwatch-silent", "on"] => trouble.metrics_silent_from = Some(now),
            ["cloudwatch-silent", "off"] => trouble.metrics_silent_from = None,
            ["load-balancer", to] => trouble.rules_unreadable = *to == "down",
            ["next-write", "commits-then-fails"] => trouble.commit_then_fail = 1,
            ["next-write", "is-refused"] => trouble.refuse_writes = 1,
            ["controller", "dies-after-its-next-write"] => trouble.die_after_writes = Some(1),
            ["route", route, "dead"] => trouble.dead_routes = vec![(*route).to_owned()],
            ["route", _, "alive"] => trouble.dead_routes.clear(),
            ["stickiness", to] => {
                for rule in state.rules.values_mut() {
                    rule.sticky = *to == "on";
                }
            }
            other => panic!("nothing is called `{}`", other.join(" ")),
        }
    }

    /// Ticks, with a minute of traffic after each. Prints what is new.
    async fn minutes(&mut self, count: usize) -> String {
        let mut told = String::new();
        for _ in 0..count {
            let report = self.minute().await;
            self.tell(&report.0, &report.1, &mut told);
        }
        told
    }

    async fn minute(&mut self) -> (String, TickReport) {
        let at = self.night.pretend.now();
        let report = self.night.tick().await;
        self.night.pretend.pass_minute();
        let at = at.strftime("%H:%M").to_string();
        (at, report)
    }

    fn tell(&mut self, at: &str, report: &TickReport, told: &mut String) {
        let now = (report.did, report.state.clone(), report.weight);
        if self.last.as_ref() != Some(&now) {
            let _ = writeln!(told, "{at}  [{}] {}", report.state, report.message);
            self.last = Some(now);
        }
    }

    /// Until a state or a weight is reached, at most a day.
    async fn until(&mut self, goal: &str) -> String {
        let weight = goal.parse::<Weight>().ok();
        let mut told = String::new();
        for _ in 0..1440 {
            let (at, report) = self.minute().await;
            self.tell(&at, &report, &mut told);
            if report.state.replace(' ', "-") == goal.replace(' ', "-")
                || weight.is_some_and(|weight| report.weight == Some(weight))
            {
                return told;
            }
        }
        panic!("`{goal}` was not reached within a day:\n{told}");
    }

    fn new_pages(&mut self) -> String {
        let state = self.night.pretend.state();
        let mut told = String::new();
        for page in &state.pages[self.pages..] {
            let urgency = match page.urgency {
                Urgency::Trigger => "TRIGGER",
                Urgency::Clear => "CLEAR",
                Urgency::Info => "INFO",
            };
            let _ = writeln!(told, "{urgency:<7} {}: {}", page.topic.name(), page.title);
        }
        self.pages = state.pages.len();
        if told.is_empty() {
            told.push_str("(none)\n");
        }
        told
    }

    async fn rolloutctl(&mut self, words: &[&str]) -> String {
        let cli = match Cli::try_parse_from(words) {
            Ok(cli) => cli,
            Err(error) => return format!("{error}[exit 2]\n"),
        };
        let (text, code) = match &cli.command {
            Command::Status(args) => {
                let rollout = &self.night.config.rollouts[0];
                let status = query::status_of(&self.night.world, rollout).await;
                let shown = Screen { explain: args.explains(), ..self.screen.clone() };
                (plain(&screen::status(&status, &shown)), status.exit_code)
            }
            Command::History(args) => (self.ask(&args.question(None)).await, 0),
            other => {
                let (_, giving, order) = other.order().expect("an order, status or history");
                let fresh = order.needs_fresh_sight() && giving.if_revision.is_none();
                let revision = if fresh {
                    let rollout = &self.night.config.rollouts[0];
                    query::status_of(&self.night.world, rollout).await.revision
                } else {
                    giving.if_revision
                };
                self.commands += 1;
                let request = Request {
                    rollout: None,
                    id: format!("command-{}", self.commands),
                    if_revision: revision,
                    identity: format!("arn:aws:sts::111122223333:assumed-role/oncall/{}", self.who),
                    reason: giving.reason.clone(),
                    dry_run: giving.dry_run,
                    order,
                };
                self.command(&request).await
            }
        };
        match code {
            0 => text,
            code => format!("{text}[exit {code}]\n"),
        }
    }

    async fn command(&self, request: &Request) -> (String, u8) {
        let Night { world, config, .. } = &self.night;
        let schedule = self.night.schedule();
        match command::command(world, config, request, schedule).await {
            Ok(answer) => (plain(&render(&answer)), exit_code(&answer)),
            Err(error) => {
                let chain = rollout_controller::errors::chain(&error);
                (format!("error: {chain}\n"), 1)
            }
        }
    }

    async fn ask(&self, question: &Question) -> String {
        match query::view(&self.night.world, &self.night.config, question).await {
            Answer::History(history) => plain(&screen::history(&history, &self.screen)),
            other => panic!("{other:?}"),
        }
    }
}

/// Every story.
pub(crate) const NAMES: [&str; 6] = [
    "a-night-on-call",
    "a-quiet-rollout",
    "on-every-terminal",
    "shadow-first",
    "the-database-is-away",
    "two-routes-and-a-broken-one",
];

fn file_of(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/stories/{name}.story"))
}

/// A story that is played line by line, for what else is to be seen on its way.
pub(crate) struct Telling {
    world: World,
    lines: std::vec::IntoIter<String>,
}

impl Telling {
    /// The story of this name, with `tables` added to its config.
    pub(crate) fn of(name: &str, tables: &str) -> Self {
        let story = std::fs::read_to_string(file_of(name)).expect("the story");
        let mut parts = story.splitn(3, "---\n").skip(1);
        let setting = parts.next().expect("a world");
        let mut setting: Setting = toml::from_str(setting).expect("a world");
        setting.tables.push('\n');
        setting.tables.push_str(tables);
        let lines = parts.next().expect("a script").lines();
        let lines = lines.filter_map(|line| line.strip_prefix("$ ")).map(str::to_owned);
        Self { world: World::new(&setting), lines: lines.collect::<Vec<_>>().into_iter() }
    }

    /// What the next line prints; `None` at the end.
    pub(crate) async fn line(&mut self) -> Option<String> {
        let line = self.lines.next()?;
        Some(self.world.run(&line).await)
    }

    pub(crate) fn night(&self) -> &Night {
        &self.world.night
    }
}

/// Runs a story and writes its transcript anew.
async fn transcript(story: &str) -> String {
    let mut parts = story.splitn(3, "---\n");
    let (Some(before), Some(setting), Some(script)) = (parts.next(), parts.next(), parts.next())
    else {
        panic!("a story has a world between two lines `---`");
    };
    let parsed: Setting = toml::from_str(setting).expect("a world");
    let mut world = World::new(&parsed);
    let mut text = format!("{before}---\n{setting}---\n");
    for line in script.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            let _ = writeln!(text, "$ {command}");
            text.push_str(&world.run(command).await);
        } else if line.starts_with('#') {
            // One empty line before each comment; what was printed is printed anew.
            let gap = if text.ends_with("---\n") || text.ends_with("\n\n") || last_is_comment(&text)
            {
                ""
            } else {
                "\n"
            };
            let _ = writeln!(text, "{gap}{line}");
        }
    }
    text
}

fn last_is_comment(text: &str) -> bool {
    text.lines().next_back().is_some_and(|line| line.starts_with('#'))
}

/// The first line in which two texts differ, with what was expected and found.
fn difference(expected: &str, found: &str) -> String {
    let (mut left, mut right) = (expected.lines(), found.lines());
    for number in 1.. {
        match (left.next(), right.next()) {
            (None, None) => return "line ends differ".to_owned(),
            (left, right) if left == right => {}
            (left, right) => {
                let shown = |line: Option<&str>| line.unwrap_or("(end)").to_owned();
                return format!(
                    "line {number}\n  expected: {}\n  found:    {}",
                    shown(left),
                    shown(right)
                );
            }
        }
    }
    unreachable!("one of the texts ends");
}

async fn tell(name: &str) {
    let file = file_of(name);
    let story = std::fs::read_to_string(&file).expect("the story");
    let told = transcript(&story).await;
    if std::env::var("UPDATE_STORIES").is_ok_and(|value| value == "1") {
        std::fs::write(&file, &told).expect("written");
        return;
    }
    assert!(
        told == story,
        "{name}: {}\nUPDATE_STORIES=1 takes it over if it is right",
        difference(&story, &told)
    );
}

#[test]
fn every_story_is_told_by_a_test() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stories");
    let source = include_str!("stories.rs");
    for entry in std::fs::read_dir(folder).expect("stories") {
        let name = entry.expect("an entry").file_name();
        let name = name.to_string_lossy();
        let name = name.strip_suffix(".story").expect("only stories lie here");
        assert!(source.contains(&format!("tell(\"{name}\")")), "{name}");
        assert!(NAMES.contains(&name), "{name}");
    }
}

#[tokio::test]
async fn a_quiet_rollout() {
    tell("a-quiet-rollout").await;
}

#[tokio::test]
async fn a_night_on_call() {
    tell("a-night-on-call").await;
}

#[tokio::test]
async fn on_every_terminal() {
    tell("on-every-terminal").await;
}

#[tokio::test]
async fn the_database_is_away() {
    tell("the-database-is-away").await;
}

#[tokio::test]
async fn shadow_first() {
    tell("shadow-first").await;
}

#[tokio::test]
async fn two_routes_and_a_broken_one() {
    tell("two-routes-and-a-broken-one").await;
}
