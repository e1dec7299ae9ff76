//! Decisions in words: one sentence each, with a full stop. Log, page, terminal and
//! dashboard quote the same sentence. The words are those of `docs/screens.md`.

pub mod event;
pub mod evidence;
pub mod health;
pub mod preview;

use self::evidence::Clock;
use crate::domain::both_sides::{GOOD_MINUTES, OVER_MINUTES};
use crate::domain::decision::{AlarmHolds, Decision, Hold, RollBackReason, StepBackReason};
use crate::domain::engine::{Breach, Missing, Proof};
use crate::domain::event::RouteFound;
use crate::domain::figures::whole;
use crate::domain::labels::Labels;
use crate::domain::phase::Phase;
use crate::domain::run::{Refused, Run};
use crate::domain::weight::Weight;
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A time of day for a reader at `now_ms`: `14:32 UTC`, on another day
/// `24 Nov 14:32 UTC`.
pub fn time(ms: i64, now_ms: i64) -> String {
    format!("{} UTC", hour(ms, now_ms))
}

/// The same without the zone, for lists that name it once.
pub fn hour(ms: i64, now_ms: i64) -> String {
    let utc = |ms| {
        let time = Timestamp::from_millisecond(ms).unwrap_or_default();
        time.to_zoned_datetime(TimeZone::UTC)
    };
    let (time, now) = (utc(ms), utc(now_ms));
    let form = if time.date() == now.date() {
        "%H:%M"
    } else if time.year() == now.year() {
        "%-d %b %H:%M"
    } else {
        "%-d %b %Y %H:%M"
    };
    time.strftime(form).to_string()
}

/// Who gave a command, short: the session of an assumed role, the user, or the name
/// that was typed on the dashboard. The whole identity is in the journal.
pub fn person(identity: &str) -> String {
    let typed = identity
        .strip_prefix("widget, name as typed: ")
        .and_then(|rest| rest.strip_suffix(", no AWS identity"));
    if let Some(name) = typed {
        return format!("{name} (name as typed)");
    }
    if identity.starts_with("widget, no name typed") {
        return "a visitor of the dashboard".to_owned();
    }
    match identity.strip_prefix("arn:") {
        // The account's own user has no name after a slash.
        Some(arn) => {
            let (_, last) =
                arn.rsplit_once('/').or_else(|| arn.rsplit_once(':')).unwrap_or(("", arn));
            last.to_owned()
        }
        None => identity.to_owned(),
    }
}

/// `text` as a sentence: a capital first, a full stop last.
pub fn sentence(text: &str) -> String {
    let text = text.trim();
    let mut letters = text.chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    let stop = if text.ends_with(['.', '!', '?', '…', '"', '”']) || text.is_empty() {
        ""
    } else {
        "."
    };
    format!("{first}{}{stop}", letters.as_str())
}

/// `text` without ARNs, which are for `--json`: `reading listener rule: throttled`.
pub fn short(text: &str) -> String {
    let mut lines = Vec::new();
    for line in text.split('\n') {
        let mut kept = String::with_capacity(line.len());
        for word in line.split(' ') {
            let bare = word.trim_start_matches(['(', '`', '"']);
            if bare.starts_with("arn:aws") {
                // What stood around it stays.
                let end: String =
                    word.chars().rev().take_while(|c| ":;,.)`\"".contains(*c)).collect();
                kept.extend(end.chars().rev().filter(|c| *c != '`'));
                continue;
            }
            if !kept.is_empty() {
                kept.push(' ');
            }
            kept.push_str(word);
        }
        lines.push(kept);
    }
    lines.join("\n")
}

/// `paused`: what a command did, or for a refused one did not.
pub fn done(verb: &str) -> &'static str {
    match verb {
        "start" => "started",
        "pause" => "paused",
        "resume" => "resumed",
        "rollback" => "rolled back",
        "promote" => "promoted",
        "activate" => "activated",
        "abandon" => "abandoned",
        _ => "done",
    }
}

/// `text` with a full stop, if it ends without one.
pub fn stopped(text: &str) -> String {
    let end = text.trim_end();
    if end.ends_with(['.', '!', '?', '…', '"']) { end.to_owned() } else { format!("{end}.") }
}

/// `` `public`, `internal` ``.
fn listed(names: &[String]) -> String {
    let each: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    each.join(", ")
}

/// Why the run is where it is, by its last decision; or that there is none yet.
pub fn last_decision(run: &Run) -> String {
    match &run.last {
        Some((Decision::Hold { reason }, at_ms)) => {
            hold(reason, &run.terms.labels, Clock::At(*at_ms))
        }
        Some((last, at_ms)) => decision(last, run, Clock::At(*at_ms)),
        None => "No tick has decided yet.".to_owned(),
    }
}

/// `AWS refused the step to 25% twice: public AccessDenied.`
pub fn refused(refused: &Refused) -> String {
    let times = match refused.times {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        times => format!("{times} times"),
    };
    let routes = RouteFound::list(&refused.routes);
    format!("AWS refused the step to {} {times}: {routes}.", refused.to)
}

/// How a run ended, or that it goes on.
pub fn ended(run: &Run) -> String {
    match &run.phase {
        Phase::RolledBack { reason, .. } => stopped(reason),
        Phase::Completed { at_ms } => format!("Completed at {}.", time(*at_ms, *at_ms)),
        Phase::Abandoned { by, .. } => {
            format!("{} abandoned the run: \"{}\".", person(&by.identity), by.reason)
        }
        Phase::Starting
        | Phase::Advancing { .. }
        | Phase::Paused { .. }
        | Phase::Moved { .. }
        | Phase::RollingBack { .. } => sentence(run.phase.words()),
    }
}

/// What was decided and why. `run` is the run before the decision took effect.
pub fn decision(decision: &Decision, run: &Run, clock: Clock) -> String {
    let sides = &run.terms.labels;
    match decision {
        Decision::Advance { to, proof: Some(proof) } => advance(*to, proof),
        Decision::Advance { to, proof: None } => format!(
            "First share {to}, chosen for {} requests a minute.",
            whole(run.requests_per_minute)
        ),
        Decision::Continue { to } => {
            format!("Finishing the change to {to} that was interrupted.")
        }
        Decision::Hold { reason } if run.is_open() => {
            format!("Holding at {}: {}", run.weight, hold(reason, sides, clock))
        }
        Decision::Hold { reason: Hold::NotOpen } => ended(run),
        Decision::Hold { reason } => hold(reason, sides, clock),
        Decision::StepBack { to, why } => step_back(*to, why, sides),
        Decision::RollBack { reason } => rollback_reason(reason, sides),
        Decision::Complete { proof } => complete(proof),
    }
}

/// What a tick decided, without its run: for the journal's minutes.
fn standalone(decision: &Decision, sides: &Labels, clock: Clock) -> String {
    match decision {
        Decision::Advance { to, proof: Some(proof) } => advance(*to, proof),
        Decision::Advance { to, proof: None } => format!("First share {to}."),
        Decision::Continue { to } => {
            format!("Finishing the change to {to} that was interrupted.")
        }
        Decision::Hold { reason } => hold(reason, sides, clock),
        Decision::StepBack { to, why } => step_back(*to, why, sides),
        Decision::RollBack { reason } => rollback_reason(reason, sides),
        Decision::Complete { proof } => complete(proof),
    }
}

/// A step, and what it rests on.
pub fn advance(to: Weight, proof: &Proof) -> String {
    match proof {
        Proof::One(proof) => evidence::advance(to, proof),
        Proof::Two(said) => format!("{} → {to}: {}.", said.why.share, said.text),
    }
}

/// The end, and what it rests on.
pub fn complete(proof: &Proof) -> String {
    match proof {
        Proof::One(proof) => evidence::complete(proof),
        Proof::Two(said) => format!("Completed: {}.", said.text),
    }
}

/// What a change of share rests on, where the change itself is said beside it:
/// `every limit is proven (…)`, without a full stop.
pub fn because(decision: &Decision, run: &Run) -> String {
    match decision {
        Decision::Advance { proof: Some(Proof::Two(said)), .. } => said.text.clone(),
        Decision::Advance { proof: Some(Proof::One(proof)), .. } => evidence::proven(proof),
        Decision::Advance { proof: None, .. } => {
            format!("first share for {} requests a minute", whole(run.requests_per_minute))
        }
        Decision::Continue { .. }
        | Decision::Hold { .. }
        | Decision::StepBack { .. }
        | Decision::RollBack { .. }
        | Decision::Complete { .. } => {
            let at_ms = run.last.as_ref().map_or(run.since_ms, |(_, at_ms)| *at_ms);
            self::decision(decision, run, Clock::At(at_ms))
        }
    }
}

/// Why the evidence lets nothing follow yet.
pub fn missing(missing: &Missing, sides: &Labels, clock: Clock) -> String {
    match missing {
        Missing::One(reason) => evidence::hold_reason(reason, sides, clock),
        Missing::Two(said) => sentence(&said.text),
        Missing::WrongAnswers(said) => sentence(&said.text),
    }
}

/// Why the share goes back without leaving traffic.
pub fn step_back(to: Weight, why: &StepBackReason, sides: &Labels) -> String {
    let Labels { old, new } = sides;
    match why {
        StepBackReason::Undo { to: going } => format!(
            "Back to {to}: the change to {going} reached only some routes and may not go on."
        ),
        StepBackReason::BothSides { harm } => format!(
            "Back to {to}: {old} and {new} both broke {} within {} of the step to {}. Up again after {GOOD_MINUTES} good minutes, after {OVER_MINUTES} if going back did not help.",
            harm.metric.title(),
            minutes(harm.within_minutes),
            harm.to
        ),
        StepBackReason::NewCode => {
            format!("Back to {to}: other code answers on {new}, and it has proven nothing yet.")
        }
    }
}

/// Why nothing moves, without where.
pub fn hold(reason: &Hold, sides: &Labels, clock: Clock) -> String {
    let Labels { old, new } = sides;
    match reason {
        Hold::InFlight { to } => {
            format!("A change to {to} is under way; the next tick continues it.")
        }
        Hold::MovedByOther => {
            "Someone else changed a share. Accept it with `resume --adopt`, or set it back."
                .to_owned()
        }
        Hold::RulesUnreadable { error } => {
            format!("The load balancer's rules cannot be read ({error}).")
        }
        Hold::RulesUnsafe { finding } => sentence(finding),
        Hold::Paused { by, reason, until_ms } => {
            let until = until_ms.map_or_else(String::new, |ms| format!(" until {}", clock.ms(ms)));
            format!("Paused by {}{until}: \"{reason}\".", person(by))
        }
        Hold::AlarmsUnreadable { error } => format!("Alarms cannot be read ({error})."),
        Hold::Alarm { name, because } => match because {
            AlarmHolds::Listed => format!("Alarm `{name}` is in ALARM."),
            AlarmHolds::TwinStands => format!(
                "Alarm `{name}` and {old}'s counterpart are both in ALARM, so {new} is not blamed."
            ),
            AlarmHolds::StoodBefore => {
                format!("Alarm `{name}` was in ALARM before the start and has not been OK since.")
            }
            AlarmHolds::Missing => {
                format!("Alarm `{name}` does not exist. Create it, or remove it from the config.")
            }
        },
        Hold::Blind { minutes: 0 | 1, error } => format!("The newest metrics are late ({error})."),
        Hold::Blind { minutes, error } => format!("No metrics for {minutes} minutes ({error})."),
        Hold::NoHistory { error } => {
            format!("Reading {old}'s last 24 hours before the first step ({error}).")
        }
        Hold::Calendar { to, next_ms } => match next_ms {
            Some(next) => {
                format!("Proven for {to}; the calendar allows steps from {}.", clock.ms(*next))
            }
            None => format!("Proven for {to}; the calendar allows no step within a year."),
        },
        Hold::NotJudgedYet => {
            "First minutes at this share are not in yet; metrics arrive about 2 minutes late."
                .to_owned()
        }
        Hold::Evidence { reason } => missing(reason, sides, clock),
        Hold::Behind { minutes: 1 } => {
            "The newest minute that is due is not judged yet.".to_owned()
        }
        Hold::Behind { minutes } => {
            format!("{minutes} minutes that are due are not judged yet; they come before any step.")
        }
        Hold::StaleTick { minutes } => {
            format!("This tick is {minutes} minutes late, so it takes no step.")
        }
        Hold::RoutesApart => "The routes have different shares.".to_owned(),
        Hold::CodeUnknown { error } => format!("It is not known which code runs ({error})."),
        Hold::NewCode => {
            format!("Other code answers on {new} or {old}; this share is proven again.")
        }
        Hold::OrderedOutside => {
            "A rollback was ordered while the journal could not be written.".to_owned()
        }
        Hold::CopyUnreadable { error } => {
            format!("The copy of this run outside the journal cannot be read ({error}).")
        }
        Hold::CopyDiffers => {
            "The copy of this run outside the journal does not say that it is open yet.".to_owned()
        }
        Hold::BothSides { harm, good_minutes, needed } => format!(
            "{old} and {new} both broke {} after the step to {}, which was undone; {good_minutes} of {needed} good minutes before the next try.",
            harm.metric.title(),
            harm.to
        ),
        Hold::NotOpen => "The run has ended or is being rolled back.".to_owned(),
        Hold::Shadow => "Shadow: nothing is moved.".to_owned(),
        Hold::Breach => format!("{new} is being rolled back."),
        Hold::ShadowRolledBack => {
            "Shadow: it would have rolled back. Start again to go on judging.".to_owned()
        }
    }
}

fn minutes(n: u32) -> String {
    if n == 1 { "1 minute".to_owned() } else { format!("{n} minutes") }
}

/// Why the new side leaves traffic.
pub fn rollback_reason(reason: &RollBackReason, sides: &Labels) -> String {
    let Labels { old, new } = sides;
    match reason {
        RollBackReason::Evidence { breach: Breach::One(breach) } => {
            evidence::rollback(breach, sides)
        }
        RollBackReason::Evidence { breach: Breach::Two(said) } => sentence(&said.text),
        RollBackReason::Evidence { breach: Breach::WrongAnswers(said) } => sentence(&said.text),
        RollBackReason::Alarm { name, reason } if reason.is_empty() => {
            format!("Alarm `{name}` went to ALARM.")
        }
        RollBackReason::Alarm { name, reason } => {
            format!("Alarm `{name}` went to ALARM ({}).", reason.trim_end_matches('.'))
        }
        RollBackReason::Ordered { by, reason } => {
            format!("{} rolled back: \"{reason}\".", person(by))
        }
        RollBackReason::NoTarget { routes } => {
            format!("{new}'s group has no target on {}.", listed(routes))
        }
        RollBackReason::TwiceBothSides { first, second } => {
            let (one, two) = (first.metric.title(), second.metric.title());
            let limits = if one == two { one.to_owned() } else { format!("{one} and {two}") };
            format!(
                "Twice, {old} and {new} both broke {limits} within {} of the step from {} to {}.",
                minutes(first.within_minutes.max(second.within_minutes)),
                second.from,
                second.to
            )
        }
        RollBackReason::Begun { reason } => {
            format!("Begun while the journal was out of reach: {}", sentence(reason))
        }
        RollBackReason::PutBack => {
            "Someone raised a share within 15 minutes after the rollback; set back to 0%."
                .to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_named_as_a_colleague_would_say_it() {
        let cases = [
            ("arn:aws:sts::111122223333:assumed-role/oncall/ada", "ada"),
            ("arn:aws:iam::111122223333:user/teams/ops/grace", "grace"),
            ("widget, name as typed: Ada <b>, no AWS identity", "Ada <b> (name as typed)"),
            ("widget, no name typed, no AWS identity", "a visitor of the dashboard"),
            ("unknown", "unknown"),
        ];
        for (identity, name) in cases {
            assert_eq!(person(identity), name);
        }
    }

    #[test]
    fn only_another_days_time_has_a_date() {
        let now = 1_795_530_720_000; // 2026-11-24 14:32 UTC
        assert_eq!(time(now - 7_200_000, now), "12:32 UTC");
        assert_eq!(time(now - 86_400_000, now), "23 Nov 14:32 UTC");
        assert_eq!(time(0, now), "1 Jan 1970 00:00 UTC");
    }

    #[test]
    fn identifiers_of_aws_are_left_out_of_sentences() {
        let text = "No step is taken (reading listener rule arn:aws:x:1:rule/a/b: throttled).";
        assert_eq!(short(text), "No step is taken (reading listener rule: throttled).");
        assert_eq!(short("a  b"), "a  b");
    }

    #[test]
    fn sentences_begin_and_end_like_sentences() {
        assert_eq!(sentence("rolled back"), "Rolled back.");
        assert_eq!(sentence("`public` has 80%"), "`public` has 80%.");
        assert_eq!(sentence("Done."), "Done.");
        assert_eq!(sentence(""), "");
    }
}
