//! A pretend world with a rollout in it, for tests of ticks and commands.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "every test binary uses a part of it")]

use jiff::{SignedDuration, Timestamp};
use rollout_controller::api::CommandOutcome;
use rollout_controller::config::{self, Config};
use rollout_controller::controller::tick::tick;
use rollout_controller::controller::{Schedule, command, store};
use rollout_controller::domain::command::{Order, Request};
use rollout_controller::domain::event::Stamped;
use rollout_controller::domain::journal::Journal;
use rollout_controller::domain::observation::Share;
use rollout_controller::domain::plan::Mode;
use rollout_controller::domain::run::Run;
use rollout_controller::domain::weight::Weight;
use rollout_controller::ports::World;
use rollout_controller::report::tick::TickReport;
use rollout_controller::world::Pretend;
use std::sync::atomic::{AtomicU64, Ordering};

pub const START: &str = "2026-11-24T08:00:00Z";

/// A rollout with this TOML between the name and the routes, and these routes.
pub fn config_with(settings: &str, tables: &str, routes: &[&str]) -> Config {
    use std::fmt::Write as _;
    let mut text = format!(
        "[ledger]\nurl = \"sqlite::memory:\"\n[[rollout]]\nname = \"score\"\nmode = \"active\"\nlag = \"2m\"\n{settings}\n{tables}\n"
    );
    for (n, route) in routes.iter().enumerate() {
        let arn = |kind: &str, rest: &str| {
            format!("arn:aws:elasticloadbalancing:eu-west-1:111122223333:{kind}{rest}")
        };
        let _ = writeln!(
            text,
            "[[rollout.route]]\nname = \"{route}\"\nrule = \"{}\"\nold_group = \"{}\"\nnew_group = \"{}\"",
            arn("listener-rule/app/lb/1/2/", &format!("{n}")),
            arn("targetgroup/py", &format!("{n}/1")),
            arn("targetgroup/rs", &format!("{n}/2")),
        );
    }
    config::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

pub fn config() -> Config {
    config_with("", "", &["public"])
}

/// The same in shadow mode.
pub fn shadow_config() -> Config {
    let mut config = config();
    config.rollouts[0].mode = Mode::Shadow;
    config
}

/// A pretend world, its config, and a hand on the clock.
pub struct Night {
    pub pretend: Pretend,
    pub world: World,
    pub config: Config,
}

static IDS: AtomicU64 = AtomicU64::new(0);

impl Night {
    pub fn new(config: Config) -> Self {
        Self::seeded(config, 1)
    }

    pub fn seeded(config: Config, seed: u64) -> Self {
        let start: Timestamp = START.parse().unwrap();
        let pretend = Pretend::new(seed, &config.rollouts[0].terms.routes, start);
        Self { world: pretend.world(), pretend, config }
    }

    /// A night in which traffic ran for an hour, and the rollout was started.
    pub async fn started(config: Config) -> Self {
        let night = Self::new(config);
        night.hour_of_python();
        let answer = night.order(Order::Start).await;
        assert_eq!(word(&answer), "applied", "{}", answer.message);
        night
    }

    pub fn hour_of_python(&self) {
        for _ in 0..60 {
            self.pretend.pass_minute();
        }
    }

    pub fn schedule(&self) -> Schedule {
        let scheduled = self.pretend.now();
        Schedule {
            scheduled,
            deadline: scheduled.saturating_add(SignedDuration::from_secs(20)).unwrap(),
        }
    }

    /// One tick now.
    pub async fn tick(&self) -> TickReport {
        self.tick_at(self.schedule()).await.remove(0)
    }

    /// One tick of every rollout for this schedule.
    pub async fn tick_at(&self, schedule: Schedule) -> Vec<TickReport> {
        let at_ms = schedule.scheduled.as_millisecond();
        let outcomes = tick(&self.world, &self.config, schedule).await;
        outcomes.iter().map(|outcome| TickReport::of(outcome, at_ms)).collect()
    }

    /// A tick, then a minute of traffic, this many times. The last report.
    pub async fn minutes(&self, count: usize) -> TickReport {
        let mut last = None;
        for _ in 0..count {
            last = Some(self.tick().await);
            self.pretend.pass_minute();
        }
        last.expect("at least one minute")
    }

    /// Goes on until the report fits, at most `limit` minutes.
    pub async fn until(&self, limit: usize, fits: impl Fn(&TickReport) -> bool) -> TickReport {
        let mut seen = Vec::new();
        for _ in 0..limit {
            let report = self.tick().await;
            self.pretend.pass_minute();
            if fits(&report) {
                return report;
            }
            seen.push(report.message);
        }
        panic!("not within {limit} minutes; last: {:#?}", &seen[seen.len().saturating_sub(5)..]);
    }

    pub async fn until_weight(&self, limit: usize, percent: f64) {
        let to = Weight::from_percent(percent).unwrap();
        self.until(limit, |report| report.weight == Some(to)).await;
    }

    pub fn request(order: Order, revision: i64) -> Request {
        let id = IDS.fetch_add(1, Ordering::Relaxed);
        Request {
            rollout: None,
            id: format!("command-{id}"),
            if_revision: Some(revision),
            identity: "arn:aws:sts::111122223333:assumed-role/oncall/ada".to_owned(),
            reason: "story".to_owned(),
            dry_run: false,
            order,
        }
    }

    /// An order by somebody who has just looked.
    pub async fn order(&self, order: Order) -> CommandOutcome {
        let revision = self.journal().await.revision;
        let request = Self::request(order, revision);
        command::command(&self.world, &self.config, &request, self.schedule()).await.unwrap()
    }

    /// The same where the journal may be away: the answer's or the error's words.
    pub async fn order_if_it_can(&self, order: Order) -> String {
        let revision = store::load(&*self.world.ledger, "score").await;
        let revision = revision.map_or(0, |loaded| loaded.journal.revision);
        let request = Self::request(order, revision);
        match command::command(&self.world, &self.config, &request, self.schedule()).await {
            Ok(answer) => answer.message,
            Err(error) => rollout_controller::errors::chain(&error),
        }
    }

    pub async fn journal(&self) -> Journal {
        store::load(&*self.world.ledger, "score").await.unwrap().journal
    }

    pub async fn run(&self) -> Run {
        self.journal().await.run.expect("a run")
    }

    /// Every event so far, oldest first.
    pub async fn events(&self) -> Vec<Stamped> {
        let mut entries = self.world.ledger.history("score", None, u32::MAX).await.unwrap();
        entries.reverse();
        entries.iter().map(|entry| store::event_of("score", entry).unwrap()).collect()
    }

    pub fn shows(&self, route: &str) -> f64 {
        match self.pretend.shows(route) {
            Share::Weight(weight) => weight.percent(),
            Share::Foreign(what) => panic!("{route} shows {what}"),
        }
    }

    pub fn writes(&self) -> u32 {
        self.pretend.state().rules.values().map(|rule| rule.writes).sum()
    }

    /// Topics of pages that arrived, in order.
    pub fn pages(&self) -> Vec<(&'static str, rollout_controller::domain::message::Urgency)> {
        self.pretend.state().pages.iter().map(|page| (page.topic.name(), page.urgency)).collect()
    }
}

pub fn word(answer: &CommandOutcome) -> String {
    serde_json::to_value(answer.outcome).unwrap().as_str().unwrap().to_owned()
}
