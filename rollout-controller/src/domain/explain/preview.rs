//! What a start will do, before a person says yes to it.

use super::person;
use crate::domain::code::CodeSeen;
use crate::domain::engine::Method;
use crate::domain::figures::{latency_limit, limit};
use crate::domain::observation::Observation;
use crate::domain::plan::{Mode, Settings, StartAt, Terms};
use crate::domain::weight::Weight;

/// Columns of the names of lines; a route's may need more.
pub const NAMES: usize = "stages".len();

/// What a start is previewed from.
#[derive(Clone, Copy, Debug)]
pub struct Preview<'a> {
    /// Number that the run will have.
    pub run: u32,
    /// Who starts it: an identity.
    pub identity: &'a str,
    /// Why, in the person's words.
    pub reason: &'a str,
    /// Whether it moves anything.
    pub mode: Mode,
    /// What it fixes.
    pub terms: &'a Terms,
    /// Today's settings.
    pub settings: &'a Settings,
    /// Rules and code as seen now.
    pub seen: &'a Observation,
    /// Channels that pages go to, as people call them.
    pub channels: &'a [&'a str],
}

/// `run 8 by ada: "scorer 2.4.1, change 1190"`, then a line for each thing to know.
pub fn start(of: &Preview<'_>) -> String {
    let Preview { run, identity, reason, terms, .. } = of;
    let mut lines = vec![format!("run {run} by {}: \"{reason}\"", person(identity))];
    let wide = terms.routes.iter().map(|route| route.name.chars().count()).max().unwrap_or(0);
    let wide = wide.max(NAMES);
    let mut line = |name: &str, text: &str| lines.push(format!("{name:<wide$}  {text}"));
    for (route, seen) in terms.routes.iter().zip(&of.seen.rules) {
        let shows = match seen {
            Ok(seen) => {
                seen.share.weight().map_or_else(|| seen.share.to_string(), |now| share(of, now))
            }
            Err(error) => format!("unknown ({error})"),
        };
        line(&route.name, &format!("{shows} → {}", first(of)));
    }
    line("stages", &stages(terms));
    line("limits", &limits(terms));
    for (route, code) in terms.routes.iter().zip(&of.seen.code) {
        let name = if terms.routes.len() > 1 { format!("{}: ", route.name) } else { String::new() };
        let [old, new] = [&code.old, &code.new].map(runs);
        let labels = &terms.labels;
        line("code", &format!("{name}{} {new}, {} {old}", labels.new, labels.old));
    }
    line("alarms", &alarms(of.settings));
    let pages = match of.channels {
        [] => "nowhere: they are only logged".to_owned(),
        channels => format!("to {}", channels.join(" and ")),
    };
    line("pages", &pages);
    lines.join("\n")
}

/// `100% Python`.
fn share(of: &Preview<'_>, now: Weight) -> String {
    match now {
        Weight::ZERO => format!("100% {}", of.terms.labels.old),
        now => format!("{now} {}", of.terms.labels.new),
    }
}

fn first(of: &Preview<'_>) -> String {
    let new = &of.terms.labels.new;
    match (of.mode, of.terms.start) {
        (Mode::Shadow, _) => "unchanged: shadow moves nothing".to_owned(),
        (Mode::Active, StartAt::Stage(to)) => format!("first {to} {new}, in 2 minutes"),
        (Mode::Active, StartAt::Auto) => {
            let most = match of.terms.evidence {
                Method::Two(_) => "50%",
                Method::One(_) => "25%",
            };
            format!("first share by traffic, at most {most} {new}, in 2 minutes")
        }
    }
}

/// `1% 5% 10% 25% 50% 100%; a bake of 30 min before 100%`.
fn stages(terms: &Terms) -> String {
    let stages: Vec<String> = terms.stages.iter().map(ToString::to_string).collect();
    let stages = stages.join(" ");
    match &terms.evidence {
        Method::Two(method) if terms.stages.len() > 1 => {
            format!("{stages}; a bake of {} min before 100%", method.settings.bake_minutes)
        }
        Method::Two(_) => stages,
        Method::One(config) => format!("{stages}; {} min at 100%", config.bake_ticks),
    }
}

/// `errors 1% · P50 100 ms · P95 200 ms · P99 500 ms`.
fn limits(terms: &Terms) -> String {
    let slo = &terms.slo;
    let [p50, p95, p99] = [slo.p50_ms, slo.p95_ms, slo.p99_ms].map(latency_limit);
    format!("errors {} · P50 {p50} · P95 {p95} · P99 {p99}", limit(slo.max_error_ratio))
}

fn runs(code: &CodeSeen) -> String {
    match code {
        CodeSeen::Is(code) => code.short(),
        CodeSeen::Split(_) => "is split between versions".to_owned(),
        CodeSeen::Settling(_) => "is being updated".to_owned(),
        CodeSeen::NoTarget => "has no target".to_owned(),
        CodeSeen::Unread(why) => format!("unknown ({why})"),
    }
}

fn alarms(settings: &Settings) -> String {
    let does = |what: &str, names: &[String]| {
        (!names.is_empty()).then(|| format!("{what} on {}", names.join(", ")))
    };
    let each = [does("rolls back", &settings.rollback_on), does("holds", &settings.hold_on)];
    let each: Vec<String> = each.into_iter().flatten().collect();
    if each.is_empty() { "none: only the limits roll back".to_owned() } else { each.join("; ") }
}
