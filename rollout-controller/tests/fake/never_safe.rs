//! No screen says "safe" while anything bad holds: random worlds, looked at from
//! outside the controller's own sight, and the words that people read.

use crate::pretend::{Night, config_with};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rollout_controller::api::Status;
use rollout_controller::controller::command::command;
use rollout_controller::controller::query;
use rollout_controller::domain::command::{Order, Verdict};
use rollout_controller::domain::health::Kind;
use rollout_controller::domain::message::Channel;
use rollout_controller::domain::minute::Minute;
use rollout_controller::domain::observation::{AlarmState, Share};
use rollout_controller::domain::weight::Weight;
use rollout_controller::lambda::handler::{Door, answer};
use rollout_controller::report::screen::{self, Screen};
use rollout_controller::world::Trouble;
use serde_json::json;

const ROUTES: [&str; 2] = ["public", "internal"];
const ALARMS: &str = "[rollout.alarms]\nrollback_on = [\"rs\"]\nhold_on = [\"db\"]";

/// As a pipe gets it.
fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

/// What a browser shows of HTML, without its style and what buttons send.
fn text_of(page: &str) -> String {
    let mut text = String::new();
    for part in page.split('<').skip(1) {
        let hidden = part.starts_with("style") || part.starts_with("cwdb-action");
        if let Some((_, words)) = part.split_once('>').filter(|_| !hidden) {
            text.push_str(words);
            text.push(' ');
        }
    }
    text
}

/// A world, and what is bad in it without asking the controller.
struct Scene {
    night: Night,
    rng: ChaCha8Rng,
    told: Vec<String>,
    /// When the last tick that could use the journal ended, in milliseconds.
    ticked_ms: Option<i64>,
    /// Since when the new side has failed half of its requests.
    failing_since: Option<Minute>,
    deployed_since_tick: bool,
}

impl Scene {
    async fn begin(seed: u64) -> Self {
        let night = Night::seeded(config_with("bake = \"5m\"", ALARMS, &ROUTES), seed);
        for name in ["rs", "db"] {
            night.pretend.alarm(name, AlarmState::Ok);
        }
        night.hour_of_python();
        night.order(Order::Start).await;
        Self {
            night,
            rng: ChaCha8Rng::seed_from_u64(seed),
            told: vec![format!("seed {seed}")],
            ticked_ms: None,
            failing_since: None,
            deployed_since_tick: false,
        }
    }

    fn one_in(&mut self, n: u32) -> bool {
        self.rng.random_range(0..n) == 0
    }

    fn happen(&mut self) {
        let pretend = self.night.pretend.clone();
        if self.one_in(8) {
            let mut trouble = Trouble::default();
            match self.rng.random_range(0..12) {
                0 => trouble.rules_unreadable = true,
                1 => trouble.dead_routes = vec!["internal".to_owned()],
                2 => trouble.metrics_fail = true,
                3 => trouble.metrics_silent_from = Some(Minute::containing(pretend.now())),
                4 => trouble.alarms_fail = true,
                5 => trouble.ledger_down = true,
                6 => trouble.ledger_read_only = true,
                7 => trouble.outposts_fail = true,
                8 => trouble.code_unreadable = true,
                9 => trouble.channels_broken = Channel::ALL.into(),
                _ => {}
            }
            self.told.push(format!("{} {trouble:?}", pretend.now()));
            pretend.state().trouble = trouble;
        }
        if self.one_in(15) {
            let percent = f64::from(self.rng.random_range(0..=10_u32)) * 10.0;
            let route = ROUTES[self.rng.random_range(0..2)];
            self.told.push(format!("{} console {route} {percent}", pretend.now()));
            pretend.console_change(route, Weight::from_percent(percent).unwrap());
        }
        if self.one_in(15) {
            let name = ["rs", "db"][self.rng.random_range(0..2)];
            let state = if self.one_in(2) { AlarmState::Alarm } else { AlarmState::Ok };
            self.told.push(format!("{} alarm {name} {state:?}", pretend.now()));
            pretend.alarm(name, state);
        }
        if self.one_in(15) {
            let sticky = self.one_in(2);
            pretend.state().rules.get_mut("public").unwrap().sticky = sticky;
        }
        if self.one_in(20) {
            let bad = self.one_in(2);
            let both = self.one_in(2);
            self.told.push(format!("{} fails: {bad}, both sides: {both}", pretend.now()));
            let mut state = pretend.state();
            state.new.error_ratio = if bad { 0.5 } else { 0.001 };
            state.old.error_ratio = if bad && both { 0.5 } else { 0.001 };
            drop(state);
            self.failing_since = bad.then(|| Minute::containing(pretend.now()));
        }
        if self.one_in(20) {
            let number = self.rng.random_range(2..9);
            self.deployed_since_tick = true;
            self.told.push(format!("{} version {number}", pretend.now()));
            pretend.deploy(number);
        }
    }

    async fn tick(&mut self) {
        let trouble = self.night.pretend.state().trouble.clone();
        let report = self.night.tick().await;
        self.told.push(format!("{} {}: {}", self.night.pretend.now(), report.did, report.message));
        if !trouble.ledger_down && !trouble.ledger_read_only && report.error_type.is_none() {
            self.ticked_ms = Some(self.night.pretend.now().as_millisecond());
            if !trouble.code_unreadable {
                self.deployed_since_tick = false;
            }
        }
    }

    async fn person(&mut self) {
        let order = match self.rng.random_range(0..6) {
            0 => Order::Pause { for_minutes: Some(10) },
            1 => Order::Resume { adopt: true },
            2 => Order::Rollback,
            3 => Order::Promote { to: None, force: true },
            _ => Order::Start,
        };
        let status = query::status_of(&self.night.world, self.rollout()).await;
        let revision = status.revision.unwrap_or_default();
        let request = Night::request(order.clone(), revision);
        let (world, config) = (&self.night.world, &self.night.config);
        let answer = command(world, config, &request, self.night.schedule()).await;
        let Ok(answer) = answer else { return };
        self.told.push(format!("{} {order:?}: {}", self.night.pretend.now(), answer.message));
        // "Applied" is what was read back, on every route.
        if answer.outcome == Verdict::Applied && order == Order::Rollback {
            for route in ROUTES {
                let shows = self.night.pretend.shows(route);
                assert_eq!(
                    shows,
                    Share::Weight(Weight::ZERO),
                    "{answer:?}\n{}",
                    self.told.join("\n")
                );
            }
        }
    }

    fn rollout(&self) -> &rollout_controller::config::Rollout {
        &self.night.config.rollouts[0]
    }

    /// What is bad, each in a few words.
    fn bad(&self) -> Vec<&'static str> {
        let state = self.night.pretend.state();
        let trouble = &state.trouble;
        let now_ms = state.now_ms;
        let mut bad = Vec::new();
        let mut note = |holds: bool, what: &'static str| {
            if holds {
                bad.push(what);
            }
        };
        note(trouble.ledger_down, "the ledger is down");
        note(trouble.rules_unreadable, "rules cannot be read");
        note(trouble.alarms_fail, "alarms cannot be read");
        note(self.ticked_ms.is_none_or(|at| now_ms - at > 3 * 60_000), "no tick for three minutes");
        note(state.rules.values().any(|rule| rule.sticky), "stickiness is on");
        let stands = |name: &str| state.alarms[name].state == AlarmState::Alarm;
        note(stands("rs"), "an alarm stands that rolls back");
        let shares: Vec<&Share> = state.rules.values().map(|rule| &rule.share).collect();
        note(shares.iter().any(|share| **share != *shares[0]), "routes stand apart");
        note(shares.iter().all(|share| share.is_reached()), "nothing is on the new side");
        // Lag, three minutes to see it, and the ticks that were skipped.
        let failing = self
            .failing_since
            .is_some_and(|since| Minute(now_ms.div_euclid(60_000)).since(since) > 25);
        let sighted = !trouble.metrics_fail && trouble.metrics_silent_from.is_none();
        note(failing && sighted, "half of the requests have failed for 25 minutes");
        let blind = trouble
            .metrics_silent_from
            .is_some_and(|from| Minute(now_ms.div_euclid(60_000)).since(from) > 16);
        note(blind, "CloudWatch has published nothing for 16 minutes");
        bad
    }

    async fn look(&self) -> Status {
        let status = query::status_of(&self.night.world, self.rollout()).await;
        let text = plain(&screen::status(&status, &Screen { explain: true, ..Screen::default() }));
        // The page folds the whole run anew, so it is asked in every eighth minute.
        let asked = self.night.pretend.now().as_second() / 60 % 8 == 0;
        let event = json!({"widgetContext": {}, "widget": {"rollout": "score"}});
        let (world, config) = (&self.night.world, &self.night.config);
        let mut screens = vec![("status", text.clone())];
        if asked {
            let page = answer(Door::View, world, config, &event, None).await.expect("a page");
            let page = page.to_string();
            crate::screens::in_voice("page", &text_of(&page));
            screens.push(("page", page));
        }
        // The words that people read, wherever they read them, and however small.
        for (columns, rows) in [(40, 20), (80, 24), (140, 40), (200, 50)] {
            let terminal = Screen { columns, rows: Some(rows), ..Screen::default() };
            let shown = plain(&screen::status(&status, &terminal));
            crate::screens::fits(&shown, columns, rows);
            crate::screens::in_voice("status", &shown);
            screens.push(("terminal", shown));
            screens.push((
                "overview",
                plain(&screen::overview(std::slice::from_ref(&status), &terminal)),
            ));
        }
        let json = serde_json::to_string(&status).expect("JSON");
        screens.push(("json", json));
        for (screen, words) in screens {
            let says = words.to_lowercase().contains("serving safely");
            assert_eq!(
                says,
                status.health == Kind::Safe,
                "{screen} against health {:?}:\n{words}",
                status.health
            );
        }
        let all_is_well = matches!(status.health, Kind::Safe | Kind::Idle);
        assert!(all_is_well || status.exit_code != 0, "{:?}", status.health);
        let bad = self.bad();
        let safe = status.health == Kind::Safe;
        assert!(!safe || bad.is_empty(), "safe although {bad:?}\n{}\n{text}", self.told.join("\n"));
        status
    }
}

#[tokio::test]
async fn no_screen_is_safe_while_anything_bad_holds() {
    let seeds = std::env::var("NEVER_SAFE_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(30);
    let (mut safe, mut other) = (0, 0);
    for seed in 0..seeds {
        let mut scene = Scene::begin(seed).await;
        for _ in 0..80 {
            scene.happen();
            if scene.one_in(12) {
                scene.person().await;
            }
            // Now and then the schedule is off for some minutes.
            if !scene.one_in(10) {
                scene.tick().await;
            }
            match scene.look().await.health {
                Kind::Safe => safe += 1,
                _ => other += 1,
            }
            scene.night.pretend.pass_minute();
            scene.look().await;
        }
    }
    // The property means nothing where nothing is ever safe, or always.
    assert!(safe > 30 && other > 30, "{safe} safe, {other} not");
}

#[tokio::test]
async fn a_share_that_nobody_protects_is_never_safe() {
    // T11: an empty ledger, and the rule gives Rust a quarter.
    let night = Night::new(config_with("", "", &["public"]));
    night.hour_of_python();
    night.pretend.console_change("public", Weight::from_percent(25.0).unwrap());
    for _ in 0..5 {
        night.minutes(1).await;
        let status = query::status_of(&night.world, &night.config.rollouts[0]).await;
        assert_eq!(status.health, Kind::NotProtected, "{}", status.headline);
        assert_eq!(status.exit_code, 31);
    }
    assert!(night.pages().iter().any(|(topic, _)| *topic == "moved-by-someone-else"));
}
