//! A team's own names for the sides: every story is told with them, on every screen
//! and in every message, and the usual ones appear nowhere.

use crate::pretend::{Night, config_with};
use crate::stories;
use rollout_controller::check::errand::Errand;
use rollout_controller::controller::query;
use rollout_controller::domain::command::Order;
use rollout_controller::domain::event::Event;
use rollout_controller::domain::labels::Labels;
use rollout_controller::lambda::handler::{Door, answer};
use rollout_controller::replay;
use rollout_controller::report::screen::{self, Screen};
use rollout_controller::report::{chat, eventbridge, sns};
use rollout_controller::simulate::{self, Described, forecast, show};
use rollout_controller::world::Trouble;
use serde_json::json;
use std::collections::BTreeMap;

const LABELS: &str = "[rollout.labels]\nold = \"Go service\"\nnew = \"Zig service\"\n";
/// The longest: screens of 80 columns hold them, too.
const LONGEST: [&str; 2] = ["Checkout service, NodeJS", "Checkout service, ZigZag"];
const TOPIC: &str = "arn:aws:sns:eu-west-1:111122223333:oncall";

/// What people read, by where they read it.
#[derive(Default)]
struct Read(BTreeMap<&'static str, String>);

impl Read {
    fn add(&mut self, outlet: &'static str, text: &str) {
        for line in text.lines() {
            let mut words = line.split(|letter: char| !letter.is_alphanumeric());
            let usual = words.find(|word| matches!(*word, "Python" | "Rust"));
            assert!(usual.is_none(), "{outlet}: {line}");
        }
        let all = self.0.entry(outlet).or_default();
        all.push_str(text);
        all.push('\n');
    }

    /// Both sides are named there, or the outlet was never used.
    fn name_both(&self, labels: [&str; 2], outlets: &[&str]) {
        for outlet in outlets {
            let text = self.0.get(outlet).map_or("", String::as_str);
            for label in labels {
                assert!(text.contains(label), "{outlet} never says {label}: {text}");
            }
        }
    }

    /// Every place where a rollout is looked at.
    async fn look(&mut self, night: &Night) {
        let Night { world, config, pretend } = night;
        let status = query::status_of(world, &config.rollouts[0]).await;
        for (columns, explain) in [(80, false), (80, true), (200, false), (200, true)] {
            let rows = (columns == 80 && !explain).then_some(24);
            let screen = Screen { columns, explain, rows, ..Screen::default() };
            let shown = screen::status(&status, &screen);
            let shown = anstream::adapter::strip_str(&shown).to_string();
            if !explain && columns == 80 {
                crate::screens::fits(&shown, 80, 24);
            }
            self.add(if explain { "status --explain" } else { "status" }, &shown);
        }
        self.add("status --json", &serde_json::to_string(&status).unwrap());
        let view = async |event| {
            let seen = answer(Door::View, world, config, &event, None).await.unwrap();
            seen.as_str().map_or_else(|| seen.to_string(), str::to_owned)
        };
        for zoom in [400, 800, 1600] {
            let context = json!({"width": zoom, "height": 600, "theme": "light", "params": {}, "forms": {"all": {}}});
            let page = json!({"widget": {"rollout": "score"}, "commandFunction": "c", "widgetContext": context});
            self.add("page", &view(page).await);
        }
        for all in [false, true] {
            let history = json!({"view": "history", "limit": 500, "all": all});
            self.add("history", &view(history).await);
        }
        self.add("check", &view(json!({"view": "check"})).await);
        let errand = Errand::WriteTest { rollout: None, as_of_ms: None };
        let found = errand.run(world, config, pretend.now()).await;
        self.add("check", &found.render());
    }

    /// Every message that was sent.
    fn letters(&mut self, night: &Night) {
        let state = night.pretend.state();
        for page in &state.pages {
            let message = sns::message(page, TOPIC, Some("https://wiki.example.com"));
            self.add("page to a telephone", &format!("{message:?}"));
            self.add("chat", &chat::message(page, Some("https://wiki.example.com")));
        }
        for change in &state.changes {
            self.add("event", &eventbridge::detail(change));
        }
    }

    /// Every sentence that the journal keeps.
    async fn journal(&mut self, night: &Night) {
        for stamped in night.events().await {
            self.add("journal", &serde_json::to_string(&stamped.event).unwrap());
        }
    }
}

#[tokio::test]
async fn every_outlet_calls_the_sides_as_the_config_does() {
    let mut read = Read::default();
    for story in stories::NAMES {
        let mut told = stories::Telling::of(story, LABELS);
        let mut looked = 0;
        while let Some(printed) = told.line().await {
            read.add("commands and ticks", &printed);
            // Not after every line: what follows a look is the same.
            if looked % 3 == 0 {
                read.look(told.night()).await;
            }
            looked += 1;
        }
        let night = told.night();
        night.pretend.state().trouble = Trouble::default();
        read.look(night).await;
        read.letters(night);
        read.journal(night).await;
    }
    read.name_both(
        ["Go service", "Zig service"],
        &[
            "commands and ticks",
            "status",
            "status --explain",
            "status --json",
            "page",
            "history",
            "check",
            "page to a telephone",
            "chat",
            "event",
            "journal",
        ],
    );
}

/// Failures that the stories do not have: for each, a world that goes wrong.
#[tokio::test]
async fn so_do_failures_of_every_kind() {
    let mut read = Read::default();
    let [old, new] = LONGEST;
    let alarms = format!(
        "[rollout.alarms]\nrollback_on = [\"a\"]\npython_twin = {{ a = \"b\" }}\n\
         [rollout.labels]\nold = \"{old}\"\nnew = \"{new}\""
    );
    for (engine, fault) in ["evidence-1", "evidence-2"]
        .into_iter()
        .flat_map(|engine| (0..9).map(move |fault| (engine, fault)))
    {
        let settings = format!("engine = \"{engine}\"\nblind_after = \"2m\"");
        let config = config_with(&settings, &alarms, &["public", "internal"]);
        let night = Night::new(config);
        for name in ["a", "b"] {
            night.pretend.alarm(name, rollout_controller::domain::observation::AlarmState::Ok);
        }
        read.look(&night).await;
        night.pretend.console_change("public", "5%".parse().unwrap());
        let refused = night.order(Order::Start).await;
        read.add("commands", &refused.message);
        read.add("log", &night.tick().await.message);
        night.pretend.console_change("public", "0%".parse().unwrap());
        night.hour_of_python();
        read.add("commands", &night.order(Order::Start).await.message);
        read.add("commands", &night.order(Order::Resume { adopt: false }).await.message);
        night.until_weight(90, 5.0).await;
        night.minutes(2).await;
        {
            let mut state = night.pretend.state();
            match fault {
                0 => state.new.error_ratio = 0.4,
                1 => state.new.slow_ratio = 0.6,
                2 => (state.new.slow_ratio, state.old.slow_ratio) = (0.7, 0.7),
                3 => state.old.slow_ratio = 0.7,
                4 => state.trouble.ledger_down = true,
                5 => state.trouble.metrics_fail = true,
                6 => {
                    state.trouble.ledger_down = true;
                    state.new.error_ratio = 0.5;
                }
                7 => state.new_code = rollout_controller::domain::code::CodeSeen::NoTarget,
                _ => {}
            }
        }
        if fault == 8 {
            night.pretend.deploy(7);
        }
        for _ in 0..8 {
            read.add("log", &night.tick().await.message);
            read.look(&night).await;
            night.pretend.pass_minute();
        }
        let ended = night.order_if_it_can(Order::Rollback).await;
        read.add("commands", &ended);
        night.pretend.state().trouble = Trouble::default();
        night.minutes(2).await;
        night.pretend.console_change("public", "5%".parse().unwrap());
        night.minutes(20).await;
        night.pretend.console_change("public", "10%".parse().unwrap());
        night.minutes(2).await;
        read.look(&night).await;
        read.letters(&night);
        read.journal(&night).await;
    }
    read.name_both(LONGEST, &["commands", "log", "chat", "journal", "page"]);
}

#[tokio::test]
async fn a_run_keeps_the_names_that_it_began_with_and_the_usual_ones_are_not_journalled() {
    let usual = Night::started(config_with("", "", &["public"])).await;
    let started = serde_json::to_value(&usual.events().await[0].event).unwrap();
    assert!(started["terms"].get("labels").is_none(), "{started}");

    let mut night = Night::started(config_with("", LABELS, &["public"])).await;
    let started = serde_json::to_value(&night.events().await[0].event).unwrap();
    assert_eq!(started["terms"]["labels"], json!({"old": "Go service", "new": "Zig service"}));
    night.until_weight(60, 5.0).await;
    let renamed = Labels { old: "A".to_owned(), new: "B".to_owned() };
    night.config.rollouts[0].terms.labels = renamed.clone();
    night.config.rollouts[0].settings.labels = renamed;
    let labels = async |night: &Night| {
        let status = query::status_of(&night.world, &night.config.rollouts[0]).await;
        format!("{}, {}; {}", status.labels.old, status.labels.new, status.headline)
    };
    let under_way = labels(&night).await;
    assert!(under_way.starts_with("Go service, Zig service;"), "{under_way}");
    night.order(Order::Rollback).await;
    night.order(Order::Start).await;
    let next = labels(&night).await;
    assert!(next.starts_with("A, B;"), "{next}");

    // A page of the history that begins inside the first run uses its names.
    night.until_weight(60, 5.0).await;
    let of_second = night.run().await.number;
    assert_eq!(of_second, 2);
    let events = night.events().await;
    let second = events.iter().rposition(|one| matches!(one.event, Event::Started { .. })).unwrap();
    let within =
        events[..second].iter().position(|one| matches!(one.event, Event::CodeChanged { .. }));
    let within = within.expect("the code was seen");
    let sides = query::sides_before(
        &night.world,
        &night.config.rollouts[0],
        Some(&night.run().await),
        &events[within..],
    )
    .await;
    assert_eq!(sides.new, "Zig service");
    let sides =
        query::sides_before(&night.world, &night.config.rollouts[0], None, &events[second + 1..])
            .await;
    assert_eq!(sides.new, "B");
}

#[tokio::test]
async fn simulations_plans_and_backtests_name_them_too() {
    let mut read = Read::default();
    let config = config_with("", LABELS, &["public"]);
    let labels = simulate::labels(&config);
    for (name, text) in simulate::LIBRARY {
        let world = Described::parse(text).unwrap();
        read.add("worlds", &format!("{name}: {}", labels.fill(&world.what)));
        assert!(!labels.fill(&world.what).contains('{'), "{name}: {}", world.what);
    }
    for name in ["outage", "step-that-saturates-the-database", "new-build-half-way"] {
        let world = Described::parse(simulate::find(name).unwrap()).unwrap();
        let what = labels.fill(&world.what);
        let played = simulate::play(&world, &config, 1).await.unwrap();
        read.add("simulate", &show::text(name, &what, &labels, &played));
        read.add("simulate", &show::html(name, &what, &labels, &played));
        read.add("simulate", &show::csv(&played).unwrap());
    }
    let world = Described::parse(simulate::find("healthy").unwrap()).unwrap();
    let effort = forecast::Effort { healthy: 1, each_fault: 1, seed: 1 };
    let plan = std::thread::spawn(move || {
        let plan = forecast::forecast(&world, &config, effort, &|| ()).unwrap();
        let labels = simulate::labels(&config);
        let json = serde_json::to_string(&plan).unwrap();
        format!("{}\n{}\n{json}", show::plan(&plan, &labels), show::plan_html(&plan, &labels))
    });
    read.add("plan", &plan.join().unwrap());
    for engine in ["evidence-1", "evidence-2"] {
        let trace = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/traces/p99-breach-600.csv");
        let trace = std::fs::read_to_string(trace).unwrap();
        let config = config_with(&format!("engine = \"{engine}\""), LABELS, &["public"]);
        let judged = replay::backtest("slow", &trace, &config.rollouts[0].terms).unwrap();
        read.add("backtest", &judged.render());
    }
    read.name_both(["Go service", "Zig service"], &["worlds", "simulate", "plan", "backtest"]);
}
