//! What every order comes to wherever a rollout may stand, as tables: what a dry run answers
//! (`tests/data/orders.txt`), and what becomes of it given, sent again, and given once more by
//! somebody else (`tests/data/given.txt`).

use crate::kept_text;
use crate::pretend::{Night, config_with, word};
use rollout_controller::api::Status;
use rollout_controller::controller::command::command;
use rollout_controller::controller::query;
use rollout_controller::domain::command::{Order, Request};
use rollout_controller::domain::copy::OutsideOrder;
use rollout_controller::domain::message::Channel;
use rollout_controller::domain::observation::AlarmState;
use rollout_controller::domain::plan::Mode;
use rollout_controller::domain::weight::Weight;
use rollout_controller::world::version;
use std::collections::BTreeSet;
use std::fmt::Write as _;

const TABLES: &str = "[rollout.alarms]\nrollback_on = [\"rs\"]\nhold_on = [\"db\"]\n\
    [rollout.alarms.python_twin]\nrs = \"py\"";
pub(crate) const ROUTES: &[&str] = &["public", "internal"];

fn percent(value: f64) -> Weight {
    Weight::from_percent(value).unwrap()
}

fn orders() -> Vec<Order> {
    let promote = |to: Option<f64>, force| Order::Promote { to: to.map(percent), force };
    vec![
        Order::Start,
        Order::Pause { for_minutes: None },
        Order::Pause { for_minutes: Some(30) },
        Order::Pause { for_minutes: Some(0) },
        Order::Resume { adopt: false },
        Order::Resume { adopt: true },
        promote(None, false),
        promote(None, true),
        promote(Some(10.0), false),
        promote(Some(50.0), false),
        promote(Some(50.0), true),
        promote(Some(33.0), true),
        promote(Some(100.0), true),
        Order::Rollback,
        Order::Activate,
        Order::Abandon,
    ]
}

fn words(order: &Order) -> String {
    match order {
        Order::Pause { for_minutes: Some(minutes) } => format!("pause --for {minutes}m"),
        Order::Resume { adopt: true } => "resume --adopt".to_owned(),
        Order::Promote { to, force } => {
            let to = to.map(|to| format!(" --to {to}")).unwrap_or_default();
            format!("promote{to}{}", if *force { " --force" } else { "" })
        }
        other => other.name().to_owned(),
    }
}

/// Where a rollout may stand.
pub(crate) const PLACES: &[&str] = &[
    "no run",
    "starting",
    "a stage",
    "a raise is due",
    "half a raise",
    "the bake",
    "paused",
    "moved",
    "rolling back",
    "rolled back",
    "completed",
    "abandoned",
    "shadow",
    "shadow, rolled back",
];

pub(crate) async fn at(place: &str) -> Night {
    let mut config = config_with("", TABLES, ROUTES);
    if place.starts_with("shadow") {
        config.rollouts[0].mode = Mode::Shadow;
    }
    let night = Night::new(config);
    for alarm in ["rs", "py", "db"] {
        night.pretend.alarm(alarm, AlarmState::Ok);
    }
    night.hour_of_python();
    if place == "no run" {
        return night;
    }
    night.order(Order::Start).await;
    match place {
        "starting" => {}
        "rolling back" => {
            night.until_weight(200, 10.0).await;
            night.pretend.state().trouble.dead_routes = vec!["internal".into()];
            night.order(Order::Rollback).await;
        }
        "completed" => drop(night.until(900, |report| report.state == "completed").await),
        "the bake" => night.until_weight(600, 100.0).await,
        "half a raise" => {
            night.until_weight(200, 5.0).await;
            night.pretend.state().trouble.dead_routes = vec!["internal".into()];
            night.until(60, |_| night.shows("public") > 5.0).await;
        }
        "a raise is due" => {
            night.until_weight(200, 10.0).await;
            // Proven, but for an alarm that holds.
            night.pretend.alarm("db", AlarmState::Alarm);
            night.minutes(60).await;
            night.pretend.alarm("db", AlarmState::Ok);
        }
        "shadow" => drop(night.minutes(5).await),
        "shadow, rolled back" => {
            night.minutes(2).await;
            night.pretend.alarm("rs", AlarmState::Alarm);
            night.minutes(2).await;
            night.pretend.alarm("rs", AlarmState::Ok);
        }
        _ => {
            night.until_weight(200, 10.0).await;
            match place {
                "paused" => drop(night.order(Order::Pause { for_minutes: None }).await),
                "abandoned" => drop(night.order(Order::Abandon).await),
                "rolled back" => drop(night.order(Order::Rollback).await),
                "moved" => {
                    for route in ROUTES {
                        night.pretend.console_change(route, percent(33.0));
                    }
                    night.minutes(2).await;
                }
                _ => drop(night.minutes(1).await),
            }
        }
    }
    night
}

/// What else may be the case.
pub(crate) type Case = (&'static str, fn(&Night));

pub(crate) const CASES: &[Case] = &[
    ("", |_| ()),
    ("an alarm stands", |night| night.pretend.alarm("rs", AlarmState::Alarm)),
    ("both sides' alarms stand", |night| {
        night.pretend.alarm("rs", AlarmState::Alarm);
        night.pretend.alarm("py", AlarmState::Alarm);
    }),
    ("an alarm that holds stands", |night| night.pretend.alarm("db", AlarmState::Alarm)),
    ("an alarm is gone", |night| night.pretend.alarm("rs", AlarmState::Missing)),
    ("alarms cannot be read", |night| night.pretend.state().trouble.alarms_fail = true),
    ("rules cannot be read", |night| night.pretend.state().trouble.rules_unreadable = true),
    ("code cannot be read", |night| night.pretend.state().trouble.code_unreadable = true),
    ("the new side has other code", |night| {
        night.pretend.state().new_code = version("rust", 7);
    }),
    ("the copy outside is gone", |night| night.pretend.state().outside.clear()),
    ("nothing outside can be read", |night| night.pretend.state().trouble.outposts_fail = true),
    ("a rollback stands outside the journal", |night| {
        let mut state = night.pretend.state();
        let at_ms = state.now_ms;
        let outside = state.outside.entry("score".to_owned()).or_default();
        outside.order = Some(OutsideOrder {
            command: "direct-1".to_owned(),
            verb: "rollback".to_owned(),
            identity: "bob".to_owned(),
            reason: "the journal was away".to_owned(),
            at_ms,
            found: Vec::new(),
        });
    }),
    ("someone moved a share", |night| night.pretend.console_change("public", percent(20.0))),
    ("nobody ticked for ten minutes", |night| {
        for _ in 0..10 {
            night.pretend.pass_minute();
        }
    }),
    ("the pager is broken", |night| {
        night.pretend.state().trouble.channels_broken.insert(Channel::Pager);
    }),
    ("the journal cannot be written", |night| {
        night.pretend.state().trouble.ledger_read_only = true;
    }),
];

pub(crate) fn said(status: &Status) -> String {
    let also: Vec<String> = status.also.iter().map(|also| also.text.clone()).collect();
    let next = status.next.as_deref().unwrap_or("nothing to do");
    format!("{} {} / {next} / {}", status.exit_code, status.headline, also.join(" / "))
}

pub(crate) fn heading(place: &str, case: &str) -> String {
    let comma = if case.is_empty() { "" } else { ", " };
    format!("\n## {place}{comma}{case}\n")
}

async fn table() -> String {
    let mut out = String::new();
    for place in PLACES {
        let mut plain = Vec::new();
        let night = at(place).await;
        let before = night.pretend.state().clone();
        for (case, makes) in CASES {
            makes(&night);
            let status = query::status_of(&night.world, &night.config.rollouts[0]).await;
            let mut lines = vec![("status".to_owned(), said(&status))];
            let revision = night.journal().await.revision;
            for order in orders() {
                let words = words(&order);
                let request = Night::request(order, revision);
                let request = Request { dry_run: true, ..request };
                let answer = command(&night.world, &night.config, &request, night.schedule()).await;
                let told = match answer {
                    Ok(answer) => format!("{}: {}", word(&answer), answer.message),
                    Err(error) => rollout_controller::errors::chain(&error),
                };
                lines.push((words, told.replace('\n', " / ")));
            }
            // Of a case, only what it changes.
            let changed: Vec<_> = lines.iter().filter(|line| !plain.contains(*line)).collect();
            if !changed.is_empty() {
                let _ = writeln!(out, "{}", heading(place, case));
                for told in changed.iter().map(|(_, told)| told).collect::<BTreeSet<_>>() {
                    let orders = changed.iter().filter(|(_, same)| same == told);
                    let orders: Vec<&str> = orders.map(|(order, _)| order.as_str()).collect();
                    let _ = writeln!(out, "{}\n    {told}", orders.join(", "));
                }
            }
            if case.is_empty() {
                plain = lines;
            }
            *night.pretend.state() = before.clone();
        }
    }
    out
}

/// Cases in which an order is carried out in another way.
const GIVEN_IN: &[&str] = &["", "someone moved a share", "the journal cannot be written"];

/// Gives an order: the answer, what the journal gained, and where the shares are.
async fn given(night: &Night, request: &Request) -> String {
    let known = night.events().await.len();
    let answer = command(&night.world, &night.config, request, night.schedule()).await;
    let verdict = match &answer {
        Ok(answer) => word(answer).clone(),
        Err(error) => format!("fails ({})", rollout_controller::errors::chain(error)),
    };
    let events = night.events().await;
    let gained: Vec<&str> = events[known..].iter().map(|gained| gained.event.kind()).collect();
    let shares = ROUTES.iter().map(|route| format!("{}%", night.shows(route)));
    let shares: Vec<String> = shares.collect();
    format!("{verdict}; {}; {}", shares.join(" and "), gained.join(" ")).trim_end().to_owned()
}

async fn table_of_given() -> String {
    let mut out = String::new();
    for place in PLACES {
        let night = at(place).await;
        let before = night.pretend.state().clone();
        for (case, makes) in CASES.iter().filter(|(case, _)| GIVEN_IN.contains(case)) {
            let _ = writeln!(out, "{}", heading(place, case));
            let mut same: Vec<(String, Vec<String>)> = Vec::new();
            for order in orders() {
                makes(&night);
                let words = words(&order);
                let revision = night.journal().await.revision;
                let request = Night::request(order.clone(), revision);
                let first = given(&night, &request).await;
                let again = given(&night, &request).await;
                let revision = night.journal().await.revision;
                let bobs = Night::request(order, revision);
                let bobs = given(&night, &Request { identity: "bob".to_owned(), ..bobs }).await;
                let told = format!("{first}\n    again: {again}\n    bob: {bobs}");
                match same.iter_mut().find(|(other, _)| *other == told) {
                    Some((_, orders)) => orders.push(words),
                    None => same.push((told, vec![words])),
                }
                *night.pretend.state() = before.clone();
            }
            for (told, orders) in same {
                let _ = writeln!(out, "{}\n    {told}", orders.join(", "));
            }
        }
    }
    out
}

#[tokio::test]
async fn what_becomes_of_every_order_is_as_the_table_says() {
    kept_text::holds("given.txt", &table_of_given().await);
}

#[tokio::test]
async fn every_order_comes_to_what_the_table_says() {
    kept_text::holds("orders.txt", &table().await);
}
