//! What the next minutes bring wherever a rollout stands and whatever happens: reports of
//! ticks, shares, entries, messages and the status (`tests/data/next-minutes.txt`).

use crate::kept_text;
use crate::orders::{CASES, Case, PLACES, ROUTES, at, heading, said};
use crate::pretend::Night;
use rollout_controller::controller::query;
use rollout_controller::domain::code::CodeSeen;
use rollout_controller::domain::minute::Minute;
use rollout_controller::domain::observation::AlarmState;
use std::fmt::Write as _;

/// What only minutes show.
const MORE: &[Case] = &[
    ("the new side fails", fails),
    ("both sides fail", |night| {
        fails(night);
        night.pretend.state().old.error_ratio = 0.5;
    }),
    ("the new side fails and one route takes no write", |night| {
        fails(night);
        one_route_is_dead(night);
    }),
    ("the journal is away", |night| night.pretend.state().trouble.ledger_down = true),
    ("the journal is away and the new side fails", |night| {
        night.pretend.state().trouble.ledger_down = true;
        fails(night);
    }),
    ("the journal cannot be written and an alarm stands", |night| {
        night.pretend.state().trouble.ledger_read_only = true;
        night.pretend.alarm("rs", AlarmState::Alarm);
    }),
    ("the journal is away, an alarm stands, one route takes no write", |night| {
        night.pretend.state().trouble.ledger_down = true;
        night.pretend.alarm("rs", AlarmState::Alarm);
        one_route_is_dead(night);
    }),
    ("the journal and everything outside are away", |night| {
        night.pretend.state().trouble.ledger_down = true;
        night.pretend.state().trouble.outposts_fail = true;
    }),
    ("an alarm stands and one route takes no write", |night| {
        night.pretend.alarm("rs", AlarmState::Alarm);
        one_route_is_dead(night);
    }),
    ("metrics cannot be read", |night| night.pretend.state().trouble.metrics_fail = true),
    ("metrics end", |night| {
        let newest = Minute(night.pretend.now().as_second() / 60);
        night.pretend.state().trouble.metrics_silent_from = Some(newest);
    }),
    ("no requests come", |night| night.pretend.state().requests_per_minute = 0.0),
    ("the new side has no target", |night| {
        night.pretend.state().new_code = CodeSeen::NoTarget;
    }),
    ("three writes are refused", |night| night.pretend.state().trouble.refuse_writes = 3),
    ("a write is made and answered with an error", |night| {
        night.pretend.state().trouble.commit_then_fail = 1;
    }),
    ("rules are sticky", |night| {
        for rule in night.pretend.state().rules.values_mut() {
            rule.sticky = true;
        }
    }),
];

fn fails(night: &Night) {
    night.pretend.state().new.error_ratio = 0.5;
}

fn one_route_is_dead(night: &Night) {
    night.pretend.state().trouble.dead_routes = vec!["internal".into()];
}

const MINUTES: usize = 4;

/// Kinds of what the journal has, also while it is away.
async fn events(night: &Night) -> Vec<&'static str> {
    let away = std::mem::take(&mut night.pretend.state().trouble.ledger_down);
    let events = night.events().await.iter().map(|stamped| stamped.event.kind()).collect();
    night.pretend.state().trouble.ledger_down = away;
    events
}

/// One minute: a tick, what it left, and what people see then.
async fn minute(night: &Night) -> Vec<String> {
    let known = events(night).await.len();
    let (pages, changes) = {
        let state = night.pretend.state();
        (state.pages.len(), state.changes.len())
    };
    let report = night.minutes(1).await;
    let shares: Vec<String> =
        ROUTES.iter().map(|route| format!("{}%", night.shows(route))).collect();
    let mut flags = String::new();
    for (is, word) in [
        (report.refused, "refused".to_owned()),
        (report.blind_minutes > 0, format!("{} blind", report.blind_minutes)),
        (report.unsent_messages > 0, format!("{} unsent", report.unsent_messages)),
        (report.error_type.is_some(), report.error_type.unwrap_or_default().to_owned()),
    ] {
        if is {
            let _ = write!(flags, ", {word}");
        }
    }
    let (did, state, shares) = (report.did, &report.state, shares.join(" and "));
    let mut lines = vec![format!("{did} ({state}, {shares}{flags}): {}", report.message)];
    let gained = events(night).await.split_off(known);
    lines.push(format!("    {}", gained.join(" ")));
    for page in night.pretend.state().pages.iter().skip(pages) {
        let (topic, urgency) = (page.topic.name(), page.urgency);
        lines.push(format!("    {urgency:?} {topic}: {} / {}", page.title, page.text));
    }
    for change in night.pretend.state().changes.iter().skip(changes) {
        let (from, to) = (change.from, change.to);
        lines.push(format!("    {from} → {to} {}: {}", change.state, change.reason));
    }
    let status = query::status_of(&night.world, &night.config.rollouts[0]).await;
    lines.push(format!("    {}", said(&status)));
    lines.into_iter().map(|line| line.replace('\n', " / ")).collect()
}

async fn table() -> String {
    let mut out = String::new();
    for place in PLACES {
        let Night { pretend, config, .. } = at(place).await;
        let before = pretend.state().clone();
        let mut plain: Vec<Vec<String>> = Vec::new();
        for (case, makes) in CASES.iter().chain(MORE) {
            *pretend.state() = before.clone();
            // A new process remembers nothing of the cases before.
            let (world, pretend, config) = (pretend.world(), pretend.clone(), config.clone());
            let night = Night { pretend, world, config };
            makes(&night);
            let mut minutes = Vec::new();
            for _ in 0..MINUTES {
                minutes.push(minute(&night).await);
            }
            let _ = writeln!(out, "{}", heading(place, case));
            let mut last: &[String] = &[];
            for (at, lines) in minutes.iter().enumerate() {
                // Of a case, only what it changes.
                let same = |line: &&String| {
                    last.contains(line) || plain.get(at).is_some_and(|plain| plain.contains(line))
                };
                for line in lines.iter().filter(|line| !same(line)) {
                    let _ = writeln!(out, "{} {line}", at + 1);
                }
                last = lines;
            }
            if case.is_empty() {
                plain = minutes;
            }
        }
    }
    out
}

#[tokio::test]
async fn the_next_minutes_bring_what_the_table_says() {
    kept_text::holds("next-minutes.txt", &table().await);
}
