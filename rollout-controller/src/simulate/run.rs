//! A whole rollout in a described world: the production tick and commands, minute
//! by minute, against the pretend cloud.

use super::described::{Deed, Described};
use super::process::{Process, Tally};
use crate::config::{self, Config, ConfigError, WhichRollout};
use crate::controller::step::StepError;
use crate::controller::tick::{TickResult, tick};
use crate::controller::{Schedule, command, store};
use crate::domain::command::{Order, Request};
use crate::domain::event::{Event, Stamped};
use crate::domain::journal::Journal;
use crate::domain::minute::Minute;
use crate::domain::observation::{AlarmState, MinuteRead};
use crate::domain::phase::Phase;
use crate::domain::plan::Mode;
use crate::domain::weight::Weight;
use crate::ports::{LedgerError, World};
use crate::report::tick::TickReport;
use crate::world::Pretend;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use std::fmt::Write as _;

/// Why a rollout could not be simulated.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// The world has a route that the config lacks.
    #[error("route[].name is `{name}`; the config of `{rollout}` has {known}")]
    Route {
        /// What the world names.
        name: String,
        /// The rollout's name.
        rollout: String,
        /// What there is.
        known: String,
    },
    /// The world has an alarm that the config does not read.
    #[error("alarm[].name is `{name}`; [rollout.alarms] of `{rollout}` names {known}")]
    Alarm {
        /// What the world names.
        name: String,
        /// The rollout's name.
        rollout: String,
        /// What there is.
        known: String,
    },
    /// The world begins before time does.
    #[error("starts is {0}; give a time of this century")]
    Starts(Timestamp),
    /// The start was refused.
    #[error("the rollout does not start: {0}")]
    Start(String),
    /// The machine gives no threads or timers.
    #[error("starting a runtime")]
    Runtime(#[source] std::io::Error),
    /// Our own bug: the pretend journal is always there.
    #[error("the simulated journal")]
    Ledger(#[from] LedgerError),
    /// Our own bug.
    #[error("the controller failed")]
    Step(#[from] StepError),
}

/// How a simulated rollout ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// All traffic is on the new side, and the watch is over.
    Completed,
    /// The new side is out of traffic.
    RolledBack,
    /// Neither within the world's minutes.
    Open,
}

/// One minute of a simulated rollout.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Counted from the start.
    pub minute: u32,
    /// When it began.
    pub at: Timestamp,
    /// Share that the first route showed during it.
    pub share: Weight,
    /// One word: what the tick at its beginning did.
    pub did: &'static str,
    /// The same in a sentence.
    pub message: String,
    /// What people did at its beginning, and what came of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub people: Vec<String>,
    /// Topics of pages that were sent at its beginning.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pages: Vec<String>,
    /// What the new side did during it.
    pub new: Tally,
}

/// A simulated rollout.
#[derive(Clone, Debug, Serialize)]
pub struct Played {
    /// The seed of everything that is random in it.
    pub seed: u64,
    /// How it ended.
    pub end: End,
    /// The minute in which it ended; the last one if it did not.
    pub minutes: u32,
    /// The minute at which the first of the stages with at least this share began,
    /// for each stage that was reached, rising.
    pub reached: Vec<(Weight, u32)>,
    /// What the engine chose from the old side's day, one sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub chosen: Vec<String>,
    /// What the new side did in all.
    pub new: Tally,
    /// The last sentence.
    pub last: String,
    /// Minute by minute.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<Row>,
}

/// A config with the defaults of everything and these routes, for a world alone.
///
/// # Errors
/// If a route's name cannot be one.
pub fn defaults(routes: &[&str]) -> Result<Config, ConfigError> {
    let mut text = String::from(
        "[ledger]\nurl = \"sqlite::memory:\"\n[[rollout]]\nname = \"score\"\nmode = \"active\"\n",
    );
    for (n, route) in routes.iter().enumerate() {
        let elb = "arn:aws:elasticloadbalancing:eu-west-1:111122223333";
        let _ = writeln!(
            text,
            "[[rollout.route]]\nname = {route:?}\n\
             rule = \"{elb}:listener-rule/app/lb/1/2/{n}\"\n\
             old_group = \"{elb}:targetgroup/python{n}/1\"\n\
             new_group = \"{elb}:targetgroup/rust{n}/2\""
        );
    }
    config::parse(&text)
}

/// The part of a config that a simulation runs: one rollout, and it acts.
///
/// # Errors
/// [`WhichRollout`]
pub fn acting(config: &Config, rollout: Option<&str>) -> Result<Config, WhichRollout> {
    let mut rollout = config.rollout(rollout)?.clone();
    rollout.mode = Mode::Active;
    Ok(Config { rollouts: vec![rollout], ..config.clone() })
}

/// Plays a rollout to its end, or to the end of the world. `config` has one rollout.
///
/// # Errors
/// [`SimulateError`]
pub async fn play(
    described: &Described,
    config: &Config,
    seed: u64,
) -> Result<Played, SimulateError> {
    let mut stage = Stage::new(described, config, seed)?;
    stage.start().await?;
    let mut rows = Vec::new();
    let (mut end, mut chosen) = (End::Open, Vec::new());
    for minute in 0..described.minutes {
        let row = stage.minute(minute).await?;
        end = row.1;
        rows.push(row.0);
        if chosen.is_empty() && minute < 3 {
            chosen = stage.chosen().await?;
        }
        if end != End::Open {
            break;
        }
    }
    Ok(Played {
        seed,
        end,
        minutes: rows.last().map_or(0, |row| row.minute),
        reached: reached(&rows),
        chosen,
        new: rows.iter().fold(Tally::default(), |mut sum, row| {
            sum += row.new;
            sum
        }),
        last: rows.last().map(|row| row.message.clone()).unwrap_or_default(),
        rows,
    })
}

fn reached(rows: &[Row]) -> Vec<(Weight, u32)> {
    let mut all: Vec<(Weight, u32)> = Vec::new();
    for row in rows {
        if row.share > all.last().map_or(Weight::ZERO, |(share, _)| *share) {
            all.push((row.share, row.minute));
        }
    }
    all
}

struct Stage<'a> {
    described: &'a Described,
    config: &'a Config,
    pretend: Pretend,
    world: World,
    process: Process,
    routes: Vec<String>,
    /// The rollout's first minute.
    first: Minute,
    commands: u32,
    deployed: u32,
    pages: usize,
}

impl<'a> Stage<'a> {
    fn new(described: &'a Described, config: &'a Config, seed: u64) -> Result<Self, SimulateError> {
        let Some(rollout) = config.rollouts.first() else {
            return Err(SimulateError::Start("the config has no rollout".to_owned()));
        };
        let terms = &rollout.terms;
        let routes: Vec<String> = terms.routes.iter().map(|route| route.name.clone()).collect();
        if let Some(part) = described.routes.iter().find(|part| !routes.contains(&part.name)) {
            return Err(SimulateError::Route {
                name: part.name.clone(),
                rollout: rollout.name.clone(),
                known: routes.join(", "),
            });
        }
        let alarms = rollout.settings.alarm_names();
        if let Some(alarm) = described.alarms.iter().find(|alarm| !alarms.contains(&alarm.name)) {
            let known = if alarms.is_empty() { "none".to_owned() } else { alarms.join(", ") };
            let (name, rollout) = (alarm.name.clone(), rollout.name.clone());
            return Err(SimulateError::Alarm { name, rollout, known });
        }
        // Some minutes more than the history, for what the lag hides.
        let before = i64::from(terms.history_minutes) + i64::from(terms.lag_minutes) + 5;
        let first = Minute::containing(described.starts);
        let opens =
            Minute(first.0 - before).start().ok_or(SimulateError::Starts(described.starts))?;
        let pretend = Pretend::new(seed, &terms.routes, opens);
        for name in alarms {
            pretend.alarm(&name, AlarmState::Ok);
        }
        let names: Vec<&str> = routes.iter().map(String::as_str).collect();
        let mut process = Process::new(described.clone(), &names, seed);
        for minute in -before..0 {
            let shows = vec![Weight::ZERO; names.len()];
            let (routes, _) = process.minute(minute, &shows, terms.evidence.edges());
            let minute = Minute(first.0 + minute);
            pretend.put_minute(MinuteRead { minute, routes, comparisons: None });
        }
        pretend.state().trouble.minutes_late = hidden(described, first);
        let world = pretend.world();
        let (commands, deployed, pages) = (0, 1, 0);
        Ok(Self {
            described,
            config,
            pretend,
            world,
            process,
            routes,
            first,
            commands,
            deployed,
            pages,
        })
    }

    fn schedule(&self) -> Schedule {
        let scheduled = self.pretend.now();
        let deadline = scheduled.saturating_add(SignedDuration::from_secs(20));
        Schedule { scheduled, deadline: deadline.unwrap_or(scheduled) }
    }

    async fn start(&mut self) -> Result<(), SimulateError> {
        let answer = self.order(Order::Start, "simulated").await?;
        if self.journal().await?.run.is_none() {
            return Err(SimulateError::Start(answer));
        }
        Ok(())
    }

    async fn journal(&self) -> Result<Journal, SimulateError> {
        let name = &self.config.rollouts[0].name;
        Ok(store::load(&*self.world.ledger, name).await?.journal)
    }

    /// What the engine chose when it read the old side's history, if it has.
    async fn chosen(&self) -> Result<Vec<String>, SimulateError> {
        let name = &self.config.rollouts[0].name;
        let entries = self.world.ledger.history(name, None, u32::MAX).await?;
        for entry in &entries {
            if let Ok(Stamped { event: Event::Baseline { chosen: Some(chosen), .. }, .. }) =
                store::event_of(name, entry)
            {
                return Ok(chosen.text);
            }
        }
        Ok(Vec::new())
    }

    /// The answer in a sentence.
    async fn order(&mut self, order: Order, reason: &str) -> Result<String, SimulateError> {
        self.commands += 1;
        let revision = self.journal().await?.revision;
        let request = Request {
            rollout: None,
            id: format!("simulated-{}", self.commands),
            if_revision: Some(revision),
            identity: "arn:aws:sts::111122223333:assumed-role/oncall/simulated".to_owned(),
            reason: reason.to_owned(),
            dry_run: false,
            order,
        };
        let schedule = self.schedule();
        let answer = command::command(&self.world, self.config, &request, schedule).await?;
        Ok(answer.message)
    }

    async fn minute(&mut self, minute: u32) -> Result<(Row, End), SimulateError> {
        let at = self.pretend.now();
        self.surroundings(i64::from(minute));
        let people = self.people(minute).await?;
        let schedule = self.schedule();
        let outcomes = tick(&self.world, self.config, schedule).await;
        let mut end = End::Open;
        let (mut did, mut message) = ("failed", String::new());
        if let Some(outcome) = outcomes.first() {
            let report = TickReport::of(outcome, schedule.scheduled.as_millisecond());
            (did, message) = (report.did, report.message);
            if let TickResult::Recorded { journal, .. } = &outcome.result {
                end = journal.run.as_ref().map_or(End::Open, |run| ended(&run.phase));
            }
        }
        let shows: Vec<Weight> = self
            .routes
            .iter()
            .map(|route| self.pretend.shows(route).weight().unwrap_or(Weight::ZERO))
            .collect();
        let edges = self.config.rollouts[0].terms.evidence.edges();
        let (routes, new) = self.process.minute(i64::from(minute), &shows, edges);
        let comparisons = self.process.comparisons();
        let now = Minute(self.first.0 + i64::from(minute));
        self.pretend.put_minute(MinuteRead { minute: now, routes, comparisons });
        let share = shows.first().copied().unwrap_or(Weight::ZERO);
        let pages = self.new_pages();
        Ok((Row { minute, at, share, did, message, people, pages, new }, end))
    }

    fn new_pages(&mut self) -> Vec<String> {
        let state = self.pretend.state();
        let new = state.pages.iter().skip(self.pages).map(|page| page.topic.name().to_owned());
        let new: Vec<String> = new.collect();
        self.pages = state.pages.len();
        new
    }

    /// CloudWatch and alarms, as they are from this minute on.
    fn surroundings(&self, minute: i64) {
        let unreadable = &self.described.cloudwatch.unreadable;
        let fails = unreadable.iter().any(|[from, until]| (*from..=*until).contains(&minute));
        self.pretend.state().trouble.metrics_fail = fails;
        for alarm in &self.described.alarms {
            let [from, until] = alarm.minutes;
            if minute == from {
                self.pretend.alarm(&alarm.name, AlarmState::Alarm);
            }
            if minute == until + 1 {
                self.pretend.alarm(&alarm.name, AlarmState::Ok);
            }
        }
    }

    async fn people(&mut self, minute: u32) -> Result<Vec<String>, SimulateError> {
        let mut told = Vec::new();
        let deeds: Vec<_> =
            self.described.operators.iter().filter(|deed| deed.minute == minute).collect();
        for deed in deeds {
            let to = deed.to.and_then(|percent| Weight::from_percent(percent).ok());
            let order = match deed.what {
                Deed::Pause => Order::Pause { for_minutes: None },
                Deed::Resume => Order::Resume { adopt: false },
                Deed::Adopt => Order::Resume { adopt: true },
                Deed::Rollback => Order::Rollback,
                Deed::Promote => Order::Promote { to, force: false },
                Deed::ForcePromote => Order::Promote { to, force: true },
                Deed::Deploy => {
                    self.deployed += 1;
                    let new = super::labels(self.config).new;
                    self.pretend.deploy(self.deployed);
                    told.push(format!("version {} of {} is deployed", self.deployed, new));
                    continue;
                }
                Deed::Console => {
                    let to = to.unwrap_or(Weight::ZERO);
                    for route in &self.routes {
                        self.pretend.console_change(route, to);
                    }
                    told.push(format!("weights are written by hand: {to}"));
                    continue;
                }
            };
            let name = order.name();
            told.push(format!("{name}: {}", self.order(order, &deed.reason).await?));
        }
        Ok(told)
    }
}

fn ended(phase: &Phase) -> End {
    match phase {
        Phase::Completed { .. } => End::Completed,
        Phase::RolledBack { .. } => End::RolledBack,
        Phase::Starting
        | Phase::Advancing { .. }
        | Phase::Paused { .. }
        | Phase::Moved { .. }
        | Phase::RollingBack { .. }
        | Phase::Abandoned { .. } => End::Open,
    }
}

/// Minutes that CloudWatch does not show at once, and from when on it does.
fn hidden(described: &Described, first: Minute) -> std::collections::BTreeMap<Minute, i64> {
    let mut hidden = std::collections::BTreeMap::new();
    for late in &described.cloudwatch.late {
        let [from, until] = late.minutes;
        for minute in from..=until {
            let minute = Minute(first.0 + minute);
            let shown = minute.plus(1 + i64::from(late.by)).0.saturating_mul(60_000);
            hidden.insert(minute, shown);
        }
    }
    for [from, until] in &described.cloudwatch.lost {
        for minute in *from..=*until {
            hidden.insert(Minute(first.0 + minute), i64::MAX);
        }
    }
    hidden
}
