//! The ledger, and what its journal tells about ticks, clock, messages and pages.

use super::Finding;
use crate::controller::store::Loaded;
use crate::domain::explain::{self, event::no_stop};
use crate::domain::journal::Journal;
use crate::domain::plan::Mode;
use crate::domain::run::Run;
use crate::errors::chain;
use crate::ports::LedgerError;
use jiff::Timestamp;

/// A tick comes every minute; three missed in a row are no coincidence.
const TICK_LATE_MS: i64 = 4 * 60_000;
/// Journal times come from the schedule, which may be seconds ahead of a clock.
const SKEW_MS: i64 = 60_000;
/// A message is tried every minute.
const OUTBOX_MS: i64 = 5 * 60_000;

pub(super) fn findings(
    name: &str,
    loaded: &Result<Loaded, LedgerError>,
    now: Timestamp,
) -> Vec<Finding> {
    let loaded = match loaded {
        Ok(loaded) => loaded,
        Err(error) => {
            let fix = match error {
                LedgerError::NotMigrated { .. } => {
                    "run `rolloutctl migrate` on the database's own address"
                }
                LedgerError::Unreachable { .. } => {
                    "check ledger.url, the login, and the way to the database (security group, proxy)"
                }
                LedgerError::Corrupt { .. } => ANOTHER_VERSION,
            };
            return vec![Finding::bad("ledger", name, chain(error), UNREADABLE, fix)];
        }
    };
    if let Some(broken) = &loaded.broken {
        let what = format!("read up to revision {}: {}", loaded.journal.revision, chain(broken));
        return vec![Finding::bad("ledger", name, what, UNREADABLE, ANOTHER_VERSION)];
    }
    let journal = &loaded.journal;
    let mut findings = vec![Finding::ok(
        "ledger",
        name,
        format!("migrated, and read up to revision {}", journal.revision),
        "the journal is the only state of a rollout",
    )];
    findings.extend(clock(journal, now));
    findings.push(ticks(journal, now));
    findings.extend(standing(journal));
    findings.push(outbox(journal, now));
    findings
}

const UNREADABLE: &str =
    "without the journal nothing advances, and protection knows only the last hour";
const ANOTHER_VERSION: &str =
    "deploy the version that wrote the journal, or take the table's rows to its authors";

fn clock(journal: &Journal, now: Timestamp) -> Option<Finding> {
    let ahead_ms = journal.at_ms.saturating_sub(now.as_millisecond());
    (ahead_ms > SKEW_MS).then(|| {
        Finding::bad(
            "clock",
            &journal.name,
            format!("the journal is {} ahead of this clock", duration(ahead_ms)),
            "ages and deadlines are judged by clocks that disagree",
            "set this machine's clock; with a simulated cloud give its time with --as-of",
        )
    })
}

fn ticks(journal: &Journal, now: Timestamp) -> Finding {
    const CHECK: &str = "schedule";
    const WHY: &str = "the schedule is what advances, and what protects";
    const FIX: &str = "look at the schedule (enabled, its role), the tick function's log, throttles and reserved concurrency";
    let name = &journal.name;
    let Some(run) = journal.open_run() else {
        let what = "no rollout goes on, so ticks leave nothing in the journal; the Heartbeat metric shows them";
        return Finding::ok(CHECK, name, what, WHY);
    };
    let last_ms = run.last.as_ref().map_or(run.started_ms, |(_, at)| *at);
    let age_ms = now.as_millisecond() - last_ms;
    if age_ms > TICK_LATE_MS {
        let what = match &run.last {
            Some(_) => format!("the last tick decided {} ago", duration(age_ms)),
            None => format!("no tick since the start {} ago", duration(age_ms)),
        };
        return Finding::bad(CHECK, name, what, WHY, FIX);
    }
    match &run.last {
        Some((decision, _)) if decision.is_blind() => Finding::warn(
            CHECK,
            name,
            format!(
                "the last tick could not read everything: {}",
                no_stop(&explain::last_decision(run))
            ),
            "missing metrics never count as good, so no step is taken",
            "see the runbook `blind`",
        ),
        Some(_) => Finding::ok(
            CHECK,
            name,
            format!(
                "the last tick decided {} ago: {}",
                duration(age_ms),
                no_stop(&explain::last_decision(run))
            ),
            WHY,
        ),
        None => Finding::ok(CHECK, name, "started; the first tick is due", WHY),
    }
}

/// Conditions of which people have been told, and that still stand.
fn standing(journal: &Journal) -> Vec<Finding> {
    let conditions = |run: &Run| {
        let raised = journal.raised.iter().map(|(topic, since)| {
            let topic = topic.name();
            Finding::warn(
                "page",
                &journal.name,
                format!("`{topic}` is open since {}", explain::time(*since, journal.at_ms)),
                "a page was sent about it, and it is not resolved",
                &format!("see the runbook `{topic}`"),
            )
        });
        let mut found: Vec<Finding> = raised.collect();
        if run.mode == Mode::Shadow && run.is_open() {
            found.push(Finding::ok(
                "mode",
                &journal.name,
                "shadow: decides and reports, moves nothing",
                "`rolloutctl activate` lets it act",
            ));
        }
        found
    };
    journal.run.as_ref().map(conditions).unwrap_or_default()
}

fn outbox(journal: &Journal, now: Timestamp) -> Finding {
    const CHECK: &str = "outbox";
    const WHY: &str = "messages that are owed reach nobody until their channel takes them";
    let owed = journal.outbox.owed().len();
    let oldest_ms = journal.outbox.owed().iter().map(|owed| owed.at_ms).min();
    let age_ms = oldest_ms.map_or(0, |at| now.as_millisecond() - at);
    if age_ms > OUTBOX_MS {
        let age = duration(age_ms);
        let what = format!("{owed} message(s) not sent, the oldest for {age}");
        let fix = "look for `a message stays in the outbox` in the tick function's log; allow sns:Publish and events:PutEvents";
        return Finding::bad(CHECK, &journal.name, what, WHY, fix);
    }
    let what = match owed {
        0 => "every message was sent".to_owned(),
        owed => format!("{owed} message(s) on their way"),
    };
    Finding::ok(CHECK, &journal.name, what, WHY)
}

/// `40 s`, `12 min`, `3 h`.
pub(super) fn duration(ms: i64) -> String {
    match ms / 1000 {
        seconds if seconds < 120 => format!("{seconds} s"),
        seconds if seconds < 7_200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3_600),
    }
}
