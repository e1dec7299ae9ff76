//! Health in words: a headline for each case with its numbers, why, and what to do.
//!
//! "Serving safely" is written in one place, for [`Case::Safe`], which takes a proof
//! of everything that it claims.

use super::event::no_stop;
use super::{hour, short, time};
use crate::domain::decision::{Decision, Hold};
use crate::domain::engine::Missing;
use crate::domain::event::RouteFound;
use crate::domain::evidence::Count;
use crate::domain::evidence2;
use crate::domain::figures::{
    capital, count, distinct, duration, latency_limit, limit, percent_beside, share_of,
};
use crate::domain::health::{Case, Ended, Kind, Next};
use crate::domain::labels::Labels;
use crate::domain::limits::{SideStanding, Standing};
use crate::domain::message::Topic;
use crate::domain::minute::Minute;
use crate::domain::phase::Phase;
use crate::domain::run::Run;
use crate::domain::slo::Metric;
use crate::domain::weight::Weight;
use crate::domain::wrong_answers;

/// Whose health it is, for sentences.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// The newest run, if the journal can be used and has one.
    pub run: Option<&'a Run>,
    /// What the sides are called.
    pub sides: &'a Labels,
    /// The new side's share by the rules as read now: `None` where one cannot be
    /// read or the routes differ.
    pub share: Option<Weight>,
    /// What each rule shows, in words.
    pub shows: &'a [RouteFound],
    /// The reader's time in milliseconds.
    pub clock_ms: i64,
    /// ` -r NAME` where the controller has several rollouts, else nothing.
    pub flag: &'a str,
}

/// What a person can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// The line, with the command in it.
    pub text: String,
    /// The command alone; `None` if nothing need be done.
    pub command: Option<String>,
}

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
pub fn sign(kind: Kind) -> &'static str {
    match kind {
        Kind::NotProtected | Kind::Hurting => "✖",
        Kind::Unknown => "?",
        Kind::Degraded => "!",
        Kind::Safe => "✔",
        Kind::Idle => "•",
    }
}

/// `Serving safely. Rust has 25%; no limit is broken up to 14:29.`
pub fn headline(first: &Case, at: &Situation<'_>) -> String {
    let what = case(first, at);
    match first {
        // Before the first run there is no health to claim.
        Case::Idle { ended: Ended::NeverStarted } => what,
        Case::Safe { .. } if paused(at) => format!("{}, paused. {what}", kind(first.kind())),
        Case::NoTick { .. }
        | Case::NoRun { .. }
        | Case::ShadowWithTraffic { .. }
        | Case::NothingReadable { .. }
        | Case::RollbackIncomplete { .. }
        | Case::RaisedAfterRollback { .. }
        | Case::RollingBack
        | Case::NewOver { .. }
        | Case::BothOver { .. }
        | Case::OldOver { .. }
        | Case::WrongAnswers { .. }
        | Case::Alarm { .. }
        | Case::BothAlarms { .. }
        | Case::RuleUnreadable { .. }
        | Case::JournalUnreadable { .. }
        | Case::Blind { .. }
        | Case::CodeNotRead
        | Case::RaiseUnderWay { .. }
        | Case::RolledBackOutside
        | Case::NoTraffic { .. }
        | Case::AlarmsUnreadable { .. }
        | Case::Moved { .. }
        | Case::CompletedButMoved { .. }
        | Case::UnsafeRules { .. }
        | Case::StepRefused { .. }
        | Case::CodeUnknown { .. }
        | Case::NewCode { .. }
        | Case::CopyDiffers
        | Case::Unsent { .. }
        | Case::NotRunning { .. }
        | Case::Safe { .. }
        | Case::Idle { .. } => format!("{}. {what}", kind(first.kind())),
    }
}

fn paused(at: &Situation<'_>) -> bool {
    at.run.is_some_and(|run| run.phase.pause().is_some())
}

/// `Rust has 25%`, as read now; never a share that is not known.
fn has(at: &Situation<'_>) -> String {
    let new = &at.sides.new;
    match at.share {
        Some(share) => format!("{new} has {share}"),
        None if at.shows.is_empty() => format!("{new}'s share is unknown"),
        None => RouteFound::list(at.shows),
    }
}

/// `all traffic is on Python`, if that was read.
fn traffic(at: &Situation<'_>) -> String {
    let Labels { old, new } = at.sides;
    match at.share {
        Some(Weight::ZERO) => format!("all traffic is on {old}"),
        Some(Weight::FULL) => format!("all traffic is on {new}"),
        Some(_) | None if at.shows.iter().all(|route| route.reached) && !at.shows.is_empty() => {
            format!("{new} has no traffic")
        }
        Some(_) | None => has(at),
    }
}

/// `` `internal` still sends 25% to Rust ``, or what became of reading or writing it.
fn each(routes: &[RouteFound], says: impl Fn(Weight) -> String) -> String {
    let each: Vec<String> = routes
        .iter()
        .map(|route| match route.weight {
            Some(weight) => format!("`{}` {}", route.route, says(weight)),
            None => format!("`{}` {}", route.route, route.text),
        })
        .collect();
    each.join(", ")
}

fn shows(weight: Weight) -> String {
    format!("shows {weight}")
}

/// One case, one sentence.
pub fn case(case: &Case, at: &Situation<'_>) -> String {
    let Labels { old, new } = at.sides;
    let clock_ms = at.clock_ms;
    match case {
        Case::NoTick { since_ms } => {
            format!("The controller {}; {}.", last_ran(*since_ms, clock_ms), has(at))
        }
        Case::NoRun { share } => format!("{new} has {share}, and no run protects it."),
        Case::ShadowWithTraffic { share } => {
            format!("{new} has {share}; shadow never rolls back.")
        }
        Case::NothingReadable { .. } => {
            format!("Neither journal, metrics nor alarms can be read; {}.", has(at))
        }
        Case::RollbackIncomplete { routes } => {
            let sends = |weight| format!("still sends {weight} to {new}");
            format!("Rollback incomplete: {}.", each(routes, sends))
        }
        Case::RaisedAfterRollback { routes } => {
            let gives = |weight| format!("gives {new} {weight}");
            format!("Rolled back, but {} again.", each(routes, gives))
        }
        Case::RollingBack => format!("Rolling back now; {}.", has(at)),
        Case::NewOver { standing } => {
            let close = if suspected(at) { "; rollback is close" } else { "" };
            match standing.limit_ms {
                None => format!(
                    "{new} fails {} of requests{}{close}.",
                    measured(&standing.new, standing.limit),
                    at.share.map_or_else(String::new, |share| format!(" at {share}"))
                ),
                Some(_) => format!("{new} breaks {}{close}.", standing.metric.title()),
            }
        }
        Case::BothOver { standing } => {
            let stays =
                at.share.map_or_else(String::new, |share| format!("; {new} stays at {share}"));
            format!("{old} and {new} both break {}{stays}.", standing.metric.title())
        }
        Case::OldOver { standing } => {
            let title = standing.metric.title();
            match standing.new.doubt {
                None => format!("{old} breaks {title}; {new} keeps it."),
                Some(Count { n: 0, .. }) => {
                    format!("{old} breaks {title}; nothing is known of {new}.")
                }
                Some(Count { k, n }) => {
                    let (k, n) = (count(k.min(n)), count(n));
                    let bad = match standing.limit_ms {
                        None => "failed".to_owned(),
                        Some(ms) => format!("took over {}", latency_limit(ms)),
                    };
                    format!("{old} breaks {title}; {new} may too, {k} of {n} requests {bad}.")
                }
            }
        }
        Case::WrongAnswers { standing } => {
            let close = if suspected(at) { "; rollback is close" } else { "" };
            let counts = standing.rate.map_or_else(String::new, |rate| {
                format!(": {} of {} compared", count(rate.k), count(rate.n))
            });
            format!("{new} answers differ from {old}'s{counts}{close}.")
        }
        Case::Alarm { name } => format!("Alarm `{name}` is in ALARM; {}.", has(at)),
        Case::BothAlarms { name } => {
            format!("Alarm `{name}` and {old}'s counterpart are both in ALARM; {}.", has(at))
        }
        Case::RuleUnreadable { route, .. } => {
            format!("The rule of `{route}` cannot be read, so its share is unknown.")
        }
        Case::JournalUnreadable { .. } => match at.share {
            Some(share) => format!("The journal cannot be read; the rules give {new} {share}."),
            None => format!("The journal cannot be read; {}.", has(at)),
        },
        Case::Blind { since: Some(since) } => {
            let since_ms = since.plus(1).epoch_secs().saturating_mul(1000);
            let long = duration(clock_ms.saturating_sub(since_ms));
            format!("No metrics for {long}; {}.", has(at))
        }
        Case::Blind { since: None } => format!("Nothing is judged yet; {}.", has(at)),
        Case::CodeNotRead => format!("It is not known which code runs; {}.", has(at)),
        Case::RaiseUnderWay { to } => format!("A step to {to} is under way; {}.", has(at)),
        Case::RolledBackOutside => {
            format!("Rolled back, and the journal does not have it yet; {}.", traffic(at))
        }
        Case::NoTraffic { share, minutes } => {
            format!("No request reaches {new} at {share}, for {minutes} minutes now.")
        }
        Case::AlarmsUnreadable { why } => format!("Alarms cannot be read ({why})."),
        Case::Moved { found, expected } => {
            let found: Vec<RouteFound> =
                found.iter().filter(|route| route.weight != Some(*expected)).cloned().collect();
            format!("Moved by someone else: {}, not {expected}.", each(&found, shows))
        }
        Case::CompletedButMoved { routes } => {
            let at = at.run.map_or(Weight::FULL, |run| run.weight);
            format!("Completed at {at}, but {} now.", each(routes, shows))
        }
        Case::UnsafeRules { finding } => super::sentence(finding),
        Case::StepRefused { to, routes } => {
            format!("AWS refuses the step to {to}: {}.", RouteFound::list(routes))
        }
        Case::CodeUnknown { since_ms } => {
            format!("It is not known since {} which code runs.", hour(*since_ms, clock_ms))
        }
        Case::NewCode { since_ms } => {
            format!("{new} was redeployed at {}; not judged yet.", hour(*since_ms, clock_ms))
        }
        Case::CopyDiffers => {
            "The copy of this run outside the journal is missing or differs.".to_owned()
        }
        Case::Unsent { channel, messages } => {
            let n = count(*messages as u64);
            let unit = if *messages == 1 { "message" } else { "messages" };
            format!("{n} {unit} did not reach {}.", channel.name())
        }
        Case::NotRunning { since_ms } => {
            format!("The controller {}.", last_ran(*since_ms, clock_ms))
        }
        Case::Safe { share, through, held } => {
            let verb = if *held { "stays at" } else { "has" };
            let through = minute(*through, clock_ms);
            format!("{new} {verb} {share}; no limit is broken up to {through}.")
        }
        Case::Idle { ended } => idle(*ended, at),
    }
}

fn idle(ended: Ended, at: &Situation<'_>) -> String {
    let now = at.clock_ms;
    let since =
        |ms: Option<i64>| ms.map_or_else(String::new, |ms| format!(" at {}", hour(ms, now)));
    match ended {
        Ended::NeverStarted => super::sentence(&format!("Not started. {}", capital(&traffic(at)))),
        Ended::Starting if at.run.is_some_and(was_raised) => {
            format!("The first step was taken back; {}.", traffic(at))
        }
        Ended::Starting => format!("Starting: no step is taken yet; {}.", traffic(at)),
        Ended::Shadow => format!("Shadow: {}; nothing is moved.", has(at)),
        Ended::RolledBack => {
            let then = at.run.and_then(|run| match &run.phase {
                Phase::RolledBack { at_ms, .. } => Some(*at_ms),
                _ => None,
            });
            if at.run.is_some_and(|run| run.mode == crate::domain::plan::Mode::Shadow) {
                return format!("The shadow run ended{}; {}.", since(then), traffic(at));
            }
            format!("Rolled back{}; {}.", since(then), traffic(at))
        }
        Ended::Completed => {
            let then = at.run.and_then(|run| match &run.phase {
                Phase::Completed { at_ms } => Some(*at_ms),
                _ => None,
            });
            format!("Completed{}; {}.", since(then), traffic(at))
        }
        Ended::Abandoned => {
            let (by, then) = match at.run.map(|run| &run.phase) {
                Some(Phase::Abandoned { by, at_ms, .. }) => {
                    (super::person(&by.identity), Some(*at_ms))
                }
                _ => ("a person".to_owned(), None),
            };
            format!("The run was closed by {by}{}; {}.", since(then), traffic(at))
        }
    }
}

/// Whether the new side ever had a share of this run.
fn was_raised(run: &Run) -> bool {
    run.timeline.iter().any(|(_, share)| *share > Weight::ZERO)
}

/// Whether the evidence against the new side is half way to a rollback.
fn suspected(at: &Situation<'_>) -> bool {
    at.run.and_then(Run::summary).is_some_and(|seen| seen.log_e >= seen.rollback_at / 2.0)
}

/// What AWS said, as short as it still tells: call and code. The journal has all of it.
fn refusal(text: &str) -> String {
    let text = short(text);
    let text = text.strip_prefix("writing weights of listener rule: ").unwrap_or(&text);
    let parts: Vec<&str> = text.splitn(3, ": ").take(2).collect();
    parts.join(": ")
}

/// Why, in at most two lines; each with a full stop.
pub fn why(first: &Case, at: &Situation<'_>) -> Vec<String> {
    let last = || at.run.map(super::last_decision).into_iter().collect::<Vec<_>>();
    match first {
        Case::NoTick { .. } => {
            let judged = at.run.and_then(|run| run.gathered.judged_through());
            let judged = judged.map_or_else(
                || "Nothing was judged.".to_owned(),
                |through| format!("Judged up to {} only.", minute(through, at.clock_ms)),
            );
            vec![format!("A broken limit would go unnoticed. {judged}")]
        }
        Case::NoRun { .. } => vec!["A broken limit would go unnoticed.".to_owned()],
        Case::NothingReadable { why } => {
            vec![format!("A broken limit would go unnoticed ({why}).")]
        }
        Case::RollbackIncomplete { .. } => {
            // What the rules show says nothing of why they do.
            let unreached = at.run.map(|run| run.phase.unreached()).unwrap_or_default();
            if unreached.is_empty() {
                vec!["The journal does not have it yet. The next tick goes on with it.".to_owned()]
            } else {
                let said = distinct(unreached.iter().map(|route| refusal(&route.text)));
                vec![
                    format!("AWS: {}.", no_stop(&said.join("; "))),
                    "The controller tries again each minute.".to_owned(),
                ]
            }
        }
        Case::RaisedAfterRollback { .. } => vec![
            "Someone raised a share after the rollback.".to_owned(),
            "For 15 minutes after a rollback the controller sets it back to 0%.".to_owned(),
        ],
        Case::RollingBack => at
            .run
            .and_then(|run| run.phase.rolling_back())
            .map(|reason| super::rollback_reason(reason, at.sides))
            .into_iter()
            .collect(),
        Case::NewOver { standing } => {
            vec![format!("{}{}", compared(standing, at.sides), level(at))]
        }
        Case::BothOver { standing } => vec![blame(standing, at.sides)],
        Case::OldOver { standing } => vec![compared(standing, at.sides)],
        Case::WrongAnswers { standing } => {
            let kinds = standing.seen.as_ref().and_then(wrong_answers::kinds);
            let kinds = kinds.map_or_else(String::new, |kinds| format!(" Kinds: {kinds}."));
            vec![format!(
                "At most {} of compared answers may differ.{kinds}{}",
                limit(standing.limit),
                level(at)
            )]
        }
        Case::Alarm { .. } => {
            vec!["It is one that rolls back. The controller acts at its next tick.".to_owned()]
        }
        Case::BothAlarms { .. } => {
            vec![format!("{} is not blamed. No step is taken.", at.sides.new)]
        }
        Case::RuleUnreadable { why, .. } => vec![format!("No step is taken ({why}).")],
        Case::JournalUnreadable { why, .. } => vec![
            "No step is taken. Protection goes on from the last hour of metrics.".to_owned(),
            format!("Journal: {why}."),
        ],
        Case::Blind { since } => {
            let mut lines = Vec::new();
            if let Some(since) = since {
                lines.push(format!(
                    "Nothing was judged since {}. Missing minutes never count as good.",
                    minute(*since, at.clock_ms)
                ));
            }
            lines.extend(last());
            lines
        }
        Case::RaiseUnderWay { .. } => {
            vec!["The next tick finishes it, or takes it back.".to_owned()]
        }
        Case::RolledBackOutside => {
            vec!["The next tick that can write journals it, with its reason.".to_owned()]
        }
        Case::NoTraffic { .. } => {
            vec!["Rule or target group is wrong, or metrics are missing.".to_owned()]
        }
        Case::AlarmsUnreadable { .. } => {
            vec!["No step is taken. A broken limit still rolls back.".to_owned()]
        }
        Case::CompletedButMoved { .. } => {
            vec!["Someone changed the rule. The controller leaves it as it is.".to_owned()]
        }
        Case::StepRefused { .. } => {
            vec!["The share stays. A rollback may be refused as well.".to_owned()]
        }
        Case::Moved { .. } | Case::UnsafeRules { .. } | Case::CopyDiffers => {
            vec!["No step is taken; protection stays on.".to_owned()]
        }
        Case::NewCode { .. } => vec!["What was proven before does not count for it.".to_owned()],
        Case::Unsent { .. } => {
            vec!["Nobody was paged on that channel. Traffic is not affected.".to_owned()]
        }
        Case::NotRunning { .. } => vec![format!("There is nothing to protect: {}.", traffic(at))],
        // The last decision has AWS' words.
        Case::ShadowWithTraffic { .. }
        | Case::CodeNotRead
        | Case::CodeUnknown { .. }
        | Case::Safe { .. } => last(),
        Case::Idle { ended } => ended_why(*ended, at),
    }
}

fn ended_why(ended: Ended, at: &Situation<'_>) -> Vec<String> {
    match (ended, at.run) {
        (Ended::NeverStarted, _) | (_, None) => Vec::new(),
        (Ended::Completed, Some(run)) => match &run.last {
            Some((Decision::Complete { proof }, _)) => {
                let text = super::complete(proof);
                vec![super::sentence(text.trim_start_matches("Completed: "))]
            }
            Some(_) | None => Vec::new(),
        },
        // Two sentences are two lines: what was broken, and how sure that is.
        (Ended::RolledBack, Some(run)) => match &run.phase {
            Phase::RolledBack { reason, .. } => {
                let reason = super::stopped(reason);
                match reason.split_once(" False alarm: ") {
                    Some((fault, sure)) => vec![fault.to_owned(), format!("False alarm: {sure}")],
                    None => vec![reason],
                }
            }
            _ => Vec::new(),
        },
        (Ended::Abandoned, Some(run)) => vec![super::ended(run)],
        (Ended::Starting | Ended::Shadow, Some(run)) => vec![super::last_decision(run)],
    }
}

/// ` Suspicion is raised.`
fn level(at: &Situation<'_>) -> &'static str {
    if suspected(at) { " Suspicion is raised." } else { "" }
}

/// Both sides against one limit: `Rust failed 6 of 22 requests, Python 0 of 96 (limit 1%).`
fn compared(standing: &Standing, sides: &Labels) -> String {
    let Labels { old, new } = sides;
    let of = |rate: &crate::domain::evidence::Rate| share_of(rate.k, rate.n);
    match standing.limit_ms {
        None => format!(
            "{new} failed {}, {old} {} requests (limit {}).",
            of(&standing.new.rate),
            of(&standing.old.rate),
            limit(standing.limit)
        ),
        Some(ms) => format!(
            "Over {}: {new} {}, {old} {} of requests (limit {}).",
            latency_limit(ms),
            measured(&standing.new, standing.limit),
            measured(&standing.old, standing.limit),
            limit(standing.limit)
        ),
    }
}

/// Why the new side is blamed for a limit that both break, or is not.
fn blame(standing: &Standing, sides: &Labels) -> String {
    let (new, old) = (&standing.new.rate, &standing.old.rate);
    let numbers = compared(standing, sides);
    match (new.ratio(), old.ratio()) {
        (Some(is), Some(was)) if is <= was => format!("{numbers} {} is not worse.", sides.new),
        (Some(_), Some(_)) if new.low <= old.high => {
            format!("{numbers} No difference is shown.")
        }
        (Some(_) | None, Some(_) | None) => numbers,
    }
}

fn measured(side: &SideStanding, beside: f64) -> String {
    match side.rate.ratio() {
        None => "none seen".to_owned(),
        Some(ratio) => percent_beside(ratio, beside),
    }
}

/// What helps, as a line and as a command.
pub fn advice(first: &Case, at: &Situation<'_>) -> Advice {
    let flag = at.flag;
    let Labels { old, new } = at.sides;
    let rollback = format!("rolloutctl rollback{flag} --reason \"…\"");
    let direct = format!("rolloutctl rollback{flag} --direct --reason \"…\"");
    let act = |lead: &str, command: String| Advice {
        text: format!("{lead}{command}"),
        command: Some(command),
    };
    let nothing = |text: String| Advice { text, command: None };
    match first.next() {
        Next::RollbackDirect => match first {
            Case::RollbackIncomplete { .. } => act("Run now, with your own rights:\n", direct),
            _ => act("In doubt: ", direct),
        },
        Next::Rollback => match first {
            Case::CompletedButMoved { .. } => act(&format!("All to {old}: "), rollback),
            _ => act("At once: ", rollback),
        },
        Next::Watch => act("Follow it: ", format!("rolloutctl status{flag} --watch")),
        Next::Check => act("Cause: ", format!("rolloutctl check{flag}")),
        Next::Adopt => Advice {
            text: format!(
                "Accept it: rolloutctl resume{flag} --adopt --reason \"…\"\nOr all to {old}: {rollback}"
            ),
            command: Some(format!("rolloutctl resume{flag} --adopt --reason \"…\"")),
        },
        Next::Notify => act("Try it: ", "rolloutctl notify --test".to_owned()),
        Next::Runbook(Topic::BothSides) => match first {
            Case::OldOver { standing } if standing.new.doubt.is_none() => {
                nothing(format!("Do not roll back for this. Look at {old}: runbook both-sides"))
            }
            _ => nothing(format!("Look at what both share: database, network. Still: {rollback}")),
        },
        Next::Runbook(topic) => nothing(format!("Runbook {}", topic.name())),
        Next::Activate => act("Let it act: ", format!("rolloutctl activate{flag} --reason \"…\"")),
        Next::Start => Advice {
            text: format!(
                "Begin: rolloutctl start{flag} --reason \"…\"   Before that: rolloutctl check"
            ),
            command: Some(format!("rolloutctl start{flag} --reason \"…\"")),
        },
        Next::Nothing => match first {
            Case::Idle { ended: Ended::RolledBack } => {
                let runbook = if for_wrong_answers(at) { "wrong-answers" } else { "rolled-back" };
                nothing(format!(
                    "Nothing urgent. Why it failed: rolloutctl history{flag}; runbook {runbook}"
                ))
            }
            Case::Idle { ended: Ended::Completed } => nothing(format!(
                "Nothing to do. {new} is no longer judged each minute; alarms remain."
            )),
            Case::Idle { ended: Ended::Shadow } => nothing(format!(
                "Nothing to do. To let it act: rolloutctl activate{flag} --reason \"…\""
            )),
            Case::Idle { ended: Ended::Abandoned } => nothing(format!(
                "Nothing to do. Begin another: rolloutctl start{flag} --reason \"…\""
            )),
            _ if paused(at) => nothing(format!(
                "Protection stays on. Sooner: rolloutctl resume{flag} --reason \"…\""
            )),
            _ => nothing(format!("Nothing to do. To stop it: {rollback}")),
        },
    }
}

/// Whether the run was rolled back because of its answers.
fn for_wrong_answers(at: &Situation<'_>) -> bool {
    at.run.is_some_and(|run| run.rolled_back_for_answers().is_some())
}

/// A stable word for programs.
pub fn code(first: &Case, run: Option<&Run>) -> &'static str {
    match first {
        Case::NoTick { .. } => "no_tick",
        Case::NoRun { .. } => "no_run",
        Case::ShadowWithTraffic { .. } => "shadow_with_traffic",
        Case::NothingReadable { .. } => "nothing_readable",
        Case::RollbackIncomplete { .. } => "rollback_incomplete",
        Case::RaisedAfterRollback { .. } => "raised_after_rollback",
        Case::RollingBack => "rolling_back",
        Case::NewOver { .. } => "new_side_over",
        Case::BothOver { .. } => "both_sides_over",
        Case::OldOver { .. } => "old_side_over",
        Case::WrongAnswers { .. } => "wrong_answers",
        Case::Alarm { .. } => "alarm",
        Case::BothAlarms { .. } => "both_sides_alarm",
        Case::RuleUnreadable { .. } => "rule_unreadable",
        Case::JournalUnreadable { .. } => "journal_unreadable",
        Case::Blind { .. } => "no_metrics",
        Case::CodeNotRead => "code_not_read",
        Case::RaiseUnderWay { .. } => "raise_under_way",
        Case::RolledBackOutside => "rolled_back_outside",
        Case::NoTraffic { .. } => "no_traffic",
        Case::AlarmsUnreadable { .. } => "alarms_unreadable",
        Case::Moved { .. } => "moved",
        Case::CompletedButMoved { .. } => "completed_but_moved",
        Case::UnsafeRules { .. } => "unsafe_rules",
        Case::StepRefused { .. } => "step_refused",
        Case::CodeUnknown { .. } => "code_unknown",
        Case::NewCode { .. } => "new_code",
        Case::CopyDiffers => "copy_differs",
        Case::Unsent { .. } => "unsent",
        Case::NotRunning { .. } => "not_running",
        Case::Safe { .. } => {
            run.and_then(|run| run.last.as_ref()).map_or("judging", |(last, _)| waits(last))
        }
        Case::Idle { ended } => match ended {
            Ended::NeverStarted => "not_started",
            Ended::Starting => "starting",
            Ended::Shadow => "shadow",
            Ended::RolledBack => "rolled_back",
            Ended::Completed => "completed",
            Ended::Abandoned => "abandoned",
        },
    }
}

/// What a run waits for.
fn waits(decision: &Decision) -> &'static str {
    match decision {
        Decision::Advance { .. } | Decision::Continue { .. } => "step",
        Decision::StepBack { .. } => "step_back",
        Decision::RollBack { .. } => "rolling_back",
        Decision::Complete { .. } => "completed",
        Decision::Hold { reason } => match reason {
            Hold::Paused { .. } => "paused",
            Hold::Calendar { .. } => "calendar",
            Hold::Alarm { .. } => "alarm_holds",
            Hold::NotJudgedYet => "first_minutes",
            Hold::Evidence { reason: Missing::Two(said) } => match said.why {
                evidence2::Hold::NotProven { .. } => "not_proven",
                evidence2::Hold::TooShort { .. } => "too_short",
                evidence2::Hold::Suspicion { .. } => "suspicion",
                _ => "evidence",
            },
            Hold::Evidence { reason: Missing::WrongAnswers(said) } => match said.why {
                wrong_answers::Hold::WrongAnswersNotProven { .. } => "not_proven",
                wrong_answers::Hold::WrongAnswersSuspected { .. } => "suspicion",
                wrong_answers::Hold::WrongAnswers { .. } => "evidence",
            },
            Hold::Evidence { reason: Missing::One(_) } => "evidence",
            _ => "waiting",
        },
    }
}

/// The limit that a run waits for, if it is one.
pub fn waits_for(run: &Run) -> Option<Metric> {
    match &run.last.as_ref()?.0 {
        Decision::Hold { reason: Hold::Evidence { reason: Missing::Two(said) } } => {
            match said.why {
                evidence2::Hold::NotProven { gate, .. } => Some(gate.metric),
                _ => None,
            }
        }
        _ => None,
    }
}

fn last_ran(since_ms: Option<i64>, clock_ms: i64) -> String {
    match since_ms {
        None => "has not run yet".to_owned(),
        Some(since) => {
            let ago = duration(clock_ms.saturating_sub(since));
            format!("last ran {ago} ago ({})", time(since, clock_ms).trim_end_matches(" UTC"))
        }
    }
}

fn minute(minute: Minute, clock_ms: i64) -> String {
    hour(minute.epoch_secs().saturating_mul(1000), clock_ms)
}

#[cfg(test)]
mod tests {
    use super::refusal;

    #[test]
    fn what_aws_said_is_its_call_and_its_code() {
        let rule =
            "listener rule arn:aws:elasticloadbalancing:eu-west-1:1:listener-rule/app/a/b/c/d";
        for (rest, said) in [
            ("ModifyRule: AccessDenied: User is not authorized: none", "ModifyRule: AccessDenied"),
            ("ModifyRule: no answer", "ModifyRule: no answer"),
            ("500", "500"),
        ] {
            assert_eq!(refusal(&format!("writing weights of {rule}: {rest}")), said);
        }
        assert_eq!(
            refusal(&format!("reading {rule}: throttled")),
            "reading listener rule: throttled"
        );
    }
}
