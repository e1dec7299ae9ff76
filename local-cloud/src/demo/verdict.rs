//! What was expected, and whether it came.

#[cfg(test)]
mod tests;

use serde_json::Value;

use crate::Page;

use super::figures::{Figures, Stretch, back_at};
use super::follow::{Played, Ticks};
use super::plan::{CONTROLLER_FUNCTIONS, MEMORY_LIMIT_KIB, Plan, RUST_FUNCTION};
use super::screen::count;

/// A fair draw is farther off than this once in 150,000 stretches.
const MOST_DEVIATIONS: f64 = 4.5;

/// One expectation.
#[derive(Clone, Debug)]
pub(super) struct Expectation {
    what: &'static str,
    found: String,
    holds: bool,
}

impl Expectation {
    pub(super) fn holds(&self) -> bool {
        self.holds
    }

    /// One line; the sign is never the only signal.
    pub(super) fn line(&self) -> String {
        let (sign, word) = if self.holds { ("✔", "") } else { ("✖", "NOT AS EXPECTED: ") };
        format!("  {sign} {:<50} {word}{}", self.what, self.found)
    }
}

/// Everything the demo can be judged by.
pub(super) struct Evidence<'a> {
    pub(super) plan: &'a Plan,
    pub(super) figures: &'a Figures,
    pub(super) healthy: &'a Played,
    pub(super) failing: &'a Played,
    /// All changes of the weighted rule that the load balancer saw.
    pub(super) changes: &'a [(i64, f64)],
    /// The whole journal.
    pub(super) journal: &'a [Value],
    /// One scheduled in every simulated minute.
    pub(super) ticks: Ticks,
}

/// The table of expectations.
pub(super) fn judge(evidence: &Evidence<'_>) -> Vec<Expectation> {
    let mut all = Vec::new();
    all.extend(healthy(evidence));
    all.extend(failing(evidence));
    all.extend(testers(evidence.figures));
    all.extend(world(evidence));
    all
}

fn expect(what: &'static str, holds: bool, found: impl Into<String>) -> Expectation {
    Expectation { what, found: found.into(), holds }
}

fn shares(changes: &[(i64, f64)]) -> Vec<f64> {
    changes.iter().map(|(_, weight)| *weight).collect()
}

fn steps(shares: &[f64]) -> String {
    let texts: Vec<String> = shares.iter().map(|share| format!("{share}%")).collect();
    if texts.is_empty() { "no change".to_owned() } else { texts.join(" → ") }
}

fn as_shares(percents: &[u32]) -> Vec<f64> {
    percents.iter().map(|percent| f64::from(*percent)).collect()
}

fn healthy(evidence: &Evidence<'_>) -> Vec<Expectation> {
    let Evidence { plan, figures, healthy, .. } = evidence;
    let found = shares(&healthy.changes);
    let hurt = figures.during(healthy);
    let alarms = alarms(&healthy.pages);
    vec![
        expect(
            "1. healthy: stage by stage to 100%, in order, once each",
            found == as_shares(&plan.way_up()),
            steps(&found),
        ),
        expect(
            "1. healthy: completed after the bake, exit code 0",
            healthy.status.state == "completed" && healthy.exit == 0,
            format!("{}, exit code {}", healthy.status.state, healthy.exit),
        ),
        expect(
            "1. healthy: no request failed",
            hurt.hurt == 0 && hurt.requests > 0,
            format!("{} of {} requests", count(hurt.hurt), count(hurt.requests)),
        ),
        expect("1. healthy: nobody paged", alarms.is_empty(), subjects(&alarms)),
    ]
}

fn failing(evidence: &Evidence<'_>) -> Vec<Expectation> {
    let Evidence { plan, figures, failing, .. } = evidence;
    let found = shares(&failing.changes);
    let why = &failing.status.reason.text;
    let alarms = alarms(&failing.pages);
    let rolled_back: Vec<&Page> =
        alarms.iter().copied().filter(|page| topic(page) == "rolled-back").collect();
    let (python, rust) = (figures.python(), figures.rust());
    let (late, after) = back_at(failing).map_or((0, 0), |at| figures.on_rust_after(at));
    vec![
        expect(
            "2. failing: up to where it fails, then 0%",
            found == as_shares(&plan.way_back()),
            steps(&found),
        ),
        expect(
            "2. failing: rolled back, exit code 20",
            failing.status.state == "rolled back" && failing.exit == 20,
            format!("{}, exit code {}", failing.status.state, failing.exit),
        ),
        expect(
            "2. failing: on evidence, not on an alarm or an order",
            why.contains("False alarm: "),
            why,
        ),
        expect(
            "2. failing: one page, about the rollback",
            alarms.len() == 1 && rolled_back.len() == 1,
            subjects(&alarms),
        ),
        expect(
            "2. failing: after that nothing reaches Rust",
            late == 0 && after > 0,
            format!("{} of {} requests", count(late), count(after)),
        ),
        expect(
            "only requests that we broke failed, none of Python's",
            rust.hurt == figures.broken() && rust.hurt > 0 && python.hurt == 0,
            format!(
                "{} broken; failed: {} on Rust, {} on Python",
                count(figures.broken()),
                count(rust.hurt),
                count(python.hurt)
            ),
        ),
    ]
}

fn testers(figures: &Figures) -> Vec<Expectation> {
    let all = figures.testers();
    let reached: u64 = figures.stretches.iter().map(|stretch| stretch.testers_on_rust).sum();
    let weights: Vec<String> =
        figures.stretches.iter().map(|stretch| format!("{}", stretch.weight)).collect();
    let everywhere = figures
        .stretches
        .iter()
        .all(|stretch| stretch.testers > 0 && stretch.testers == stretch.testers_on_rust);
    vec![expect(
        "testers reach Rust at every weight, and none failed",
        everywhere && all.hurt == 0,
        format!(
            "{} of {} requests at {}%, {} failed",
            count(reached),
            count(all.requests),
            weights.join(", "),
            count(all.hurt)
        ),
    )]
}

fn world(evidence: &Evidence<'_>) -> Vec<Expectation> {
    let Evidence { figures, changes, journal, ticks, .. } = evidence;
    let journalled = applied(journal);
    let seen = shares(changes);
    let worst = figures.stretches.iter().map(Stretch::deviation).map(f64::abs).fold(0.0, f64::max);
    let controller = |name: &str| CONTROLLER_FUNCTIONS.iter().any(|(one, _)| *one == name);
    let controllers = figures.functions.iter().filter(|function| controller(&function.name));
    let (calls, errors) = controllers.fold((0, 0), |(calls, errors), function| {
        (calls + function.invocations, errors + function.errors)
    });
    let mut all = vec![
        expect(
            "the journal has every change that the load balancer saw",
            journalled == seen,
            if journalled == seen {
                format!("{} changes", seen.len())
            } else {
                format!("journal {}; load balancer {}", steps(&journalled), steps(&seen))
            },
        ),
        expect(
            "requests are drawn as the weights say",
            worst < MOST_DEVIATIONS,
            format!("at most {worst:.1} standard deviations off"),
        ),
        expect(
            "a tick in every simulated minute, and none fails",
            ticks.failed == 0 && ticks.done > 0,
            format!("{} of {} ticks failed", count(ticks.failed), count(ticks.done)),
        ),
        expect(
            "the controller fails no call",
            errors == 0 && calls > 0,
            format!("{} of {} calls failed", count(errors), count(calls)),
        ),
    ];
    let memory = |what, picks: &dyn Fn(&str) -> bool| {
        let kib = figures.peak_kib(picks);
        expect(what, kib > 0 && kib < MEMORY_LIMIT_KIB, format!("{:.1} MiB", kib as f64 / 1024.0))
    };
    all.push(memory("controller below 64 MiB resident", &controller));
    all.push(memory("Rust scorer below 64 MiB resident", &|name| name == RUST_FUNCTION));
    all
}

/// Shares that the journal says were applied, in percent.
fn applied(journal: &[Value]) -> Vec<f64> {
    let applied = journal.iter().filter(|event| event["event"] == "applied");
    // Weights are journalled in tenths of a percent.
    applied.filter_map(|event| event["to"].as_f64()).map(|tenths| tenths / 10.0).collect()
}

/// Pages that wake somebody.
fn alarms(pages: &[Page]) -> Vec<&Page> {
    pages.iter().filter(|page| body(page)["NewStateValue"] == "ALARM").collect()
}

fn topic(page: &Page) -> String {
    body(page)["rollout"]["topic"].as_str().unwrap_or_default().to_owned()
}

fn body(page: &Page) -> Value {
    serde_json::from_str(&page.message).unwrap_or_default()
}

fn subjects(pages: &[&Page]) -> String {
    let subjects: Vec<&str> =
        pages.iter().map(|page| page.subject.as_deref().unwrap_or("(no subject)")).collect();
    if subjects.is_empty() { "no page".to_owned() } else { subjects.join("; ") }
}
