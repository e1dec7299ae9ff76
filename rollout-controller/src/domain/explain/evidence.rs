//! Evidence in words: one sentence for a decision, one table for the stage.
//!
//! Pure functions from the reasons that travel with a decision. Log, page,
//! terminal and widget all quote the same sentence.

use jiff::tz::TimeZone;

use super::number::{count, limit, odds, share, share_with_interval, whole};
use crate::domain::evidence::{Breach, HoldReason, OpenGate, Proof, Rate, TimeLeft};
use crate::domain::minute::Minute;
use crate::domain::slo::Metric;
use crate::domain::weight::Weight;

/// How minutes are told.
#[derive(Clone, Debug)]
pub enum Clock {
    /// As time of day, `14:32 UTC`.
    Zone(TimeZone),
    /// As counted in a recorded trace, `minute 23`.
    Counted,
}

impl Clock {
    /// Time of day in UTC.
    pub const fn utc() -> Self {
        Self::Zone(TimeZone::UTC)
    }

    fn tell(&self, minute: Minute) -> String {
        match (self, minute.start()) {
            (Self::Zone(zone), Some(start)) => {
                start.to_zoned_datetime(zone.clone()).strftime("%H:%M %Z").to_string()
            }
            (Self::Counted, _) | (_, None) => format!("minute {}", minute.0),
        }
    }
}

/// `rollback at 25 %: after 1,240 requests, 2.5 % took longer than 500 ms
/// [1.2 %, 4.5 %], limit 1 %; odds 1:2,000`
pub fn rollback(breach: &Breach) -> String {
    // The total evidence's odds: the leading family's alone leave out that it was
    // one of eight, and claim up to eight times too much.
    let Breach { weight, new, log_e, .. } = breach;
    let requests = requests(new.n);
    format!("rollback at {weight}: after {requests}, {}; odds {}", fault(breach), odds(*log_e))
}

/// What is wrong, without what follows from it.
fn fault(breach: &Breach) -> String {
    let Breach { lead, new, old, new_ms, old_ms, factor, margin, .. } = breach;
    let seen = rate(lead.metric(), new, *new_ms);
    if !lead.is_relative() {
        return format!("{seen}, limit {}", limit(breach.limit));
    }
    let on_old = old.ratio().map_or_else(|| "nothing".to_owned(), share);
    if lead.metric() == Metric::Err {
        let allowed = margin * 100.0;
        return format!(
            "{seen}, old side {on_old}, allowed {factor} times that plus {allowed} points"
        );
    }
    // The edges are one bucket apart: slower by that much would be allowed.
    match old_ms {
        Some(ms) => format!("{seen}, but {on_old} longer than {ms} ms on the old side"),
        None => format!("{seen}, old side {on_old}"),
    }
}

/// `advance from 10 % to 25 %: …`
pub fn advance(to: Weight, proof: &Proof) -> String {
    let Proof { weight, .. } = proof;
    format!("advance from {weight} to {to}: {}", shown(proof))
}

/// `complete at 100 %: …`
pub fn complete(proof: &Proof) -> String {
    format!("complete at {}: {}", proof.weight, shown(proof))
}

fn shown(proof: &Proof) -> String {
    let Proof { ticks, errors, weakest, log_gate_weakest, .. } = proof;
    let (requests, errors) = (requests(errors.n), rate(Metric::Err, errors, None));
    let minutes = minutes(u64::from(*ticks));
    format!(
        "{requests} in {minutes}, {errors}; every limit shown to hold by now, least clearly {} at odds {}",
        name(*weakest),
        odds(*log_gate_weakest)
    )
}

/// `hold at 50 %: …` and why.
pub fn hold(stage: Weight, reason: &HoldReason, clock: &Clock) -> String {
    format!("hold at {stage}: {}", hold_reason(reason, clock))
}

/// Why, without where.
pub fn hold_reason(reason: &HoldReason, clock: &Clock) -> String {
    match reason {
        HoldReason::NoTraffic => "no traffic on either side; waiting".to_owned(),
        HoldReason::NoTrafficOnNew { silence } => {
            let due = whole(silence.expected);
            let since = minutes(u64::from(silence.minutes));
            let what = format!(
                "no traffic reached the new side for {since}, about {due} requests were due"
            );
            if silence.is_alarming() {
                format!("{what}; check the weight and the target group")
            } else {
                format!("{what}; waiting")
            }
        }
        HoldReason::EarlierStage { weight } => {
            format!(
                "the newest minute judged still had {weight}; waiting for minutes of this stage"
            )
        }
        HoldReason::SharedIncident { metric, since, limit_ms, old, new, both, excused } => {
            let who = if *both { "both sides" } else { "old side" };
            let what = which_limit(*metric, *limit_ms);
            let since = clock.tell(*since);
            let compared = match (old.ratio(), new.ratio()) {
                (Some(_), Some(_)) if *excused => "new no worse than old".to_owned(),
                (Some(old), Some(new)) => {
                    format!("new {} against {} in this stage", share(new), share(old))
                }
                _ => "no comparison in this stage".to_owned(),
            };
            format!("{who} above {what} since {since}, {compared}; waiting")
        }
        HoldReason::UnderSuspicion { breach } => {
            let (what, odds) = (fault(breach), odds(breach.log_e));
            format!("{what}; suspicion at odds {odds}, not enough to roll back")
        }
        HoldReason::NotProven { gate, left } => not_proven(gate, *left),
        HoldReason::TooShort { ticks, required } => {
            format!(
                "every limit shown to hold; {ticks} of at least {}",
                minutes((*required).into())
            )
        }
        HoldReason::Baking { ticks, required } => {
            format!("every limit shown to hold; bake {ticks} of {}", minutes((*required).into()))
        }
    }
}

fn not_proven(gate: &OpenGate, left: TimeLeft) -> String {
    let OpenGate { metric, rate: seen, limit: allowed, limit_ms, to_disprove, next } = gate;
    let seen = rate(*metric, seen, *limit_ms);
    let goal = if to_disprove > allowed {
        format!("limit {}, {next} needs below {}", limit(*allowed), limit(*to_disprove))
    } else {
        format!("limit {}", limit(*allowed))
    };
    match left {
        TimeLeft::Minutes { minutes: left } => format!(
            "{seen}, {goal}; not proven yet, about {} more {} at this traffic",
            count(left),
            if left == 1 { "minute" } else { "minutes" }
        ),
        TimeLeft::NotOnCourse { .. } => format!("{seen}, {goal}; not on course to be proven"),
        TimeLeft::TooEarly => format!("{seen}, {goal}; too early to say how long"),
    }
}

/// `errors 0.1 % [0.0 %, 1.0 %]` or `2.5 % took longer than 500 ms [1.2 %, 4.5 %]`.
pub(super) fn rate(metric: Metric, rate: &Rate, ms: Option<f64>) -> String {
    let what = ms.map_or_else(
        || name(metric).to_owned() + " limit broken",
        |ms| format!("took longer than {ms} ms"),
    );
    match (metric, rate.ratio()) {
        (Metric::Err, None) => "no requests yet".to_owned(),
        (Metric::Err, Some(k)) => format!("errors {}", share_with_interval(k, rate)),
        (_, None) => "no latencies yet".to_owned(),
        (_, Some(k)) => {
            let (low, high) = (share(rate.low), share(rate.high));
            format!("{} {what} [{low}, {high}]", share(k))
        }
    }
}

fn which_limit(metric: Metric, limit_ms: Option<f64>) -> String {
    match limit_ms {
        Some(ms) => format!("the {} limit of {ms} ms", name(metric)),
        None => format!("the {} limit", if metric == Metric::Err { "error" } else { name(metric) }),
    }
}

const fn name(metric: Metric) -> &'static str {
    match metric {
        Metric::Err => "errors",
        Metric::P50 => "P50",
        Metric::P95 => "P95",
        Metric::P99 => "P99",
    }
}

fn requests(n: u64) -> String {
    format!("{} {}", count(n), if n == 1 { "request" } else { "requests" })
}

fn minutes(n: u64) -> String {
    format!("{} {}", count(n), if n == 1 { "minute" } else { "minutes" })
}
