//! Health in words: one headline for each case, with its numbers.

use super::clock_time;
use super::number::{count, share};
use crate::domain::event::RouteFound;
use crate::domain::health::{Case, Ended, Health, Kind, Next};
use crate::domain::limits::Standing;
use crate::domain::minute::Minute;
use crate::domain::slo::Metric;

/// The kind in one or two words, as people read it first.
pub fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::NotProtected => "Not protected",
        Kind::Hurting => "Hurting",
        Kind::Unknown => "Unknown",
        Kind::Degraded => "Degraded",
        Kind::Safe => "Serving safely",
        Kind::Idle => "Idle",
    }
}

/// A sign beside the words, so that colour is never the only signal.
pub fn icon(kind: Kind) -> &'static str {
    match kind {
        Kind::NotProtected | Kind::Hurting => "✖",
        Kind::Unknown => "?",
        Kind::Degraded => "⚠",
        Kind::Safe => "✔",
        Kind::Idle => "•",
    }
}

/// `Serving safely. Rust has 25 %; every limit is kept up to 14:29.`
pub fn headline(health: &Health, clock_ms: i64) -> String {
    format!("{}. {}", kind(health.kind()), case(&health.first, clock_ms))
}

/// One case, one sentence.
pub fn case(case: &Case, clock_ms: i64) -> String {
    match case {
        Case::NoTick { since_ms } => {
            format!("Nobody protects traffic: {}.", last_tick(*since_ms, clock_ms))
        }
        Case::NoRun { share } => format!("{share} goes to Rust and no rollout protects it."),
        Case::ShadowWithTraffic { share } => {
            format!("{share} goes to Rust; shadow only watches and never rolls back.")
        }
        Case::NothingReadable { why } => {
            format!("The journal cannot be read, nor metrics, alarms or the last known run: {why}.")
        }
        Case::RollbackIncomplete { routes } => {
            format!("Rollback incomplete: {}.", RouteFound::list(routes))
        }
        Case::RaisedAfterRollback { routes } => {
            format!("Rolled back, but Rust has traffic again: {}.", RouteFound::list(routes))
        }
        Case::RollingBack => "Rolling back now; not every route is read back yet.".to_owned(),
        Case::NewOver { standing } => format!("Rust breaks {}; Python keeps it.", broken(standing)),
        Case::BothOver { standing } => {
            let compared = match (standing.new.rate.ratio(), standing.old.rate.ratio()) {
                (Some(new), Some(old)) if new <= old => "; Rust is not worse than Python",
                (Some(_), Some(_)) if standing.new.rate.low <= standing.old.rate.high => {
                    "; no difference between them is shown"
                }
                (Some(_) | None, Some(_) | None) => "",
            };
            format!("Python and Rust both break {}{compared}.", broken(standing))
        }
        Case::OldOver { standing } => {
            format!(
                "Python breaks {}; Rust keeps it. Do not roll back for this.",
                name(standing.metric)
            )
        }
        Case::Alarm { name } => format!("Alarm `{name}` is in ALARM."),
        Case::RuleUnreadable { route, why } => {
            format!("The load balancer cannot be read (`{route}`): {why}.")
        }
        Case::JournalUnreadable { why, shows } => format!(
            "The journal cannot be used ({why}); the rules: {}. Protection stays on.",
            RouteFound::list(shows)
        ),
        Case::Blind { since: Some(since) } => {
            format!("Nothing was judged since {}; alarms still protect.", minute(*since))
        }
        Case::Blind { since: None } => "Nothing has been judged yet; alarms protect.".to_owned(),
        Case::NoTraffic { share, minutes } => {
            format!("{share} is due to Rust and nothing has arrived for {minutes} minutes.")
        }
        Case::AlarmsUnreadable { why } => {
            format!("Alarms cannot be read ({why}); metrics still protect.")
        }
        Case::Moved { found, expected } => format!(
            "Moved by someone else: {}, the journal says {expected}. No step is taken; protection stays on.",
            RouteFound::list(found)
        ),
        Case::CompletedButMoved { routes } => {
            format!("Completed, but {}.", RouteFound::list(routes))
        }
        Case::UnsafeRules { finding } => {
            format!("{}.", finding.trim_end_matches('.'))
        }
        Case::StepRefused { to, routes } => {
            format!("The step to {to} is refused: {}.", RouteFound::list(routes))
        }
        Case::CodeUnknown { since_ms } => {
            format!("It is not known which code runs since {}.", clock_time(*since_ms))
        }
        Case::NewCode { since_ms } => {
            format!("Other Rust code since {}, not proven yet.", clock_time(*since_ms))
        }
        Case::CopyDiffers => {
            "The copy of this run outside the journal is missing, differs, or cannot be read."
                .to_owned()
        }
        Case::Unsent { channel, messages } => {
            format!("{} messages did not reach {}.", count(*messages as u64), channel.name())
        }
        Case::NotRunning { since_ms } => {
            format!("The controller is not running: {}.", last_tick(*since_ms, clock_ms))
        }
        Case::Safe { share, through, held } => {
            let held = if *held { " It is held there." } else { "" };
            format!("Rust has {share}; every limit is kept up to {}.{held}", minute(*through))
        }
        Case::Idle { ended } => match ended {
            Ended::NeverStarted => "No rollout has been started; all traffic is on Python.",
            Ended::Starting => "Starting: the first step has not been taken.",
            Ended::Shadow => "Shadow: everything is judged, nothing is moved.",
            Ended::RolledBack => "Rolled back: all traffic is on Python.",
            Ended::Completed => "Completed: all traffic is on Rust.",
            Ended::Abandoned => "Abandoned: the run was closed by a person.",
        }
        .to_owned(),
    }
}

/// The one command that helps.
pub fn next(next: Next) -> String {
    match next {
        Next::Nothing => "nothing to do".to_owned(),
        Next::Start => "rolloutctl start --reason \"…\"".to_owned(),
        Next::RollbackDirect => {
            "rolloutctl rollback --direct --config rollout.toml --reason \"…\"".to_owned()
        }
        Next::Rollback => "rolloutctl rollback --reason \"…\"".to_owned(),
        Next::Watch => "rolloutctl status --watch".to_owned(),
        Next::Check => "rolloutctl check".to_owned(),
        Next::Adopt => {
            "rolloutctl resume --adopt --reason \"…\", or rolloutctl rollback --reason \"…\""
                .to_owned()
        }
        Next::Notify => "rolloutctl notify --test".to_owned(),
        Next::Runbook(topic) => format!("see runbooks/{}.md", topic.name()),
        Next::Activate => {
            "rolloutctl activate --reason \"…\", or rolloutctl rollback --direct".to_owned()
        }
    }
}

fn last_tick(since_ms: Option<i64>, clock_ms: i64) -> String {
    match since_ms {
        None => "no tick is known".to_owned(),
        Some(since) => {
            let minutes = (clock_ms - since).div_euclid(60_000);
            format!("the last tick was {minutes} min ago")
        }
    }
}

fn minute(minute: Minute) -> String {
    clock_time(minute.0.saturating_mul(60_000))
}

fn name(metric: Metric) -> &'static str {
    match metric {
        Metric::Err => "the error limit",
        Metric::P50 => "P50",
        Metric::P95 => "P95",
        Metric::P99 => "P99",
    }
}

/// `P95: 3.1 % over 200 ms, 1 % allowed`
fn broken(standing: &Standing) -> String {
    let side = if standing.new.over { &standing.new } else { &standing.old };
    let rate = side.rate.ratio().map_or_else(|| "nothing counted".to_owned(), share);
    let allowed = share(standing.limit);
    match standing.limit_ms {
        Some(ms) => format!("{}: {rate} over {ms} ms, {allowed} allowed", name(standing.metric)),
        None => format!("{}: {rate} failed, {allowed} allowed", name(standing.metric)),
    }
}
