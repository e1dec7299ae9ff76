//! Evidence-1 in words, in the voice of evidence-2: one sentence for a decision.
//!
//! Pure functions from the reasons that travel with a decision. Log, page,
//! terminal and dashboard all quote the same sentence.

use crate::domain::evidence::{Breach, HoldReason, OpenGate, Proof, Rate, TimeLeft};
use crate::domain::figures::{
    SHOW_SHARE_FROM, count, estimate, false_alarm, latency_limit, limit, percent, percent_beside,
    whole,
};
use crate::domain::labels::Labels;
use crate::domain::minute::Minute;
use crate::domain::slo::Metric;
use crate::domain::weight::Weight;

/// How times are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// As time of day in UTC, `14:32 UTC`, for a reader at this time in milliseconds:
    /// another day's time has its date.
    At(i64),
    /// As counted in a recorded trace, `minute 23`.
    Counted,
}

impl Clock {
    fn minute(self, minute: Minute) -> String {
        match self {
            Self::At(now_ms) => super::time(minute.epoch_secs().saturating_mul(1000), now_ms),
            Self::Counted => format!("minute {}", minute.0),
        }
    }

    /// A time in milliseconds.
    pub(super) fn ms(self, ms: i64) -> String {
        match self {
            Self::At(now_ms) => super::time(ms, now_ms),
            Self::Counted => super::time(ms, ms),
        }
    }
}

/// `Rust failed 2.5% of 1,240 requests, limit 1%. False alarm: at most 1 in 2,000.`
///
/// The total evidence's certainty: the leading family's alone leaves out that it
/// was one of eight, and claims up to eight times too much.
pub fn rollback(breach: &Breach, sides: &Labels) -> String {
    format!("{} {}", fault(breach, sides), false_alarm(breach.log_e))
}

/// Whether the counts of the present share show it. Evidence lasts longer than those: it may
/// come from an earlier share, or from minutes that many good ones outweigh.
fn shows(breach: &Breach) -> bool {
    let Breach { lead, new, old, .. } = breach;
    let beside = if lead.is_relative() { old.ratio().unwrap_or(0.0) } else { breach.limit };
    new.ratio().unwrap_or(0.0) > beside
}

/// What is wrong, without what follows from it.
fn fault(breach: &Breach, sides: &Labels) -> String {
    let (new_side, old_side) = (&sides.new, &sides.old);
    let Breach { lead, new, old, new_ms, old_ms, .. } = breach;
    let metric = lead.metric();
    let allowed = limit(breach.limit);
    if !shows(breach) {
        let (was, is) = match (lead.is_relative(), metric) {
            (true, Metric::Err) => (format!("failed more often than {old_side}"), "does not"),
            (true, _) => (format!("was slower than {old_side}"), "is not"),
            (false, _) => (format!("broke {}", metric.title()), "does not"),
        };
        return format!("{new_side} {was} earlier; over all minutes at this share it {is}.");
    }
    if !lead.is_relative() {
        return match new_ms {
            None => {
                format!("{new_side} failed {}, limit {allowed}.", of_requests(new, breach.limit))
            }
            Some(ms) => format!(
                "{new_side} broke {}: {} took over {}, limit {allowed}.",
                metric.title(),
                of_requests(new, breach.limit),
                latency_limit(*ms)
            ),
        };
    }
    let normal = old.ratio().map_or_else(|| "none".to_owned(), percent);
    let share = percent_beside(new.ratio().unwrap_or(0.0), old.ratio().unwrap_or(0.0));
    match (metric, new_ms) {
        (Metric::Err, _) | (_, None) => {
            format!("{new_side} failed {share} of {} requests, {old_side} {normal}.", count(new.n))
        }
        // The edges are one bucket apart: slower by that much would be allowed.
        (_, Some(ms)) => {
            let over = latency_limit(old_ms.unwrap_or(*ms).max(*ms));
            format!(
                "{new_side} is slower than {old_side}: {share} took over {over}, {normal} would be normal."
            )
        }
    }
}

/// `every limit is proven (159 requests in 10 minutes, none failed)`
pub fn proven(proof: &Proof) -> String {
    let Proof { ticks, errors, .. } = proof;
    let failed = match errors.k {
        0 => "none failed".to_owned(),
        k => format!("{} failed", count(k)),
    };
    let requests = requests(errors.n);
    format!("every limit is proven ({requests} in {}, {failed})", minutes(u64::from(*ticks)))
}

/// `10% → 25%: every limit is proven (…).`
pub fn advance(to: Weight, proof: &Proof) -> String {
    format!("{} → {to}: {}.", proof.weight, proven(proof))
}

/// `Completed: every limit is proven at 100% (…).`
pub fn complete(proof: &Proof) -> String {
    format!("Completed: {}.", proven(proof))
}

/// `Holding at 50%: …`.
pub fn hold(stage: Weight, reason: &HoldReason, sides: &Labels, clock: Clock) -> String {
    format!("Holding at {stage}: {}", hold_reason(reason, sides, clock))
}

/// Why, without where.
pub fn hold_reason(reason: &HoldReason, sides: &Labels, clock: Clock) -> String {
    let (new_side, old_side) = (&sides.new, &sides.old);
    match reason {
        HoldReason::NoTraffic => "No requests on either side.".to_owned(),
        HoldReason::NoTrafficOnNew { silence } => {
            let expected = whole(silence.expected);
            let minutes = minutes(u64::from(silence.minutes));
            format!("No request reached {new_side} for {minutes}; about {expected} were expected.")
        }
        HoldReason::EarlierStage { weight } => {
            format!(
                "The newest judged minute is from {weight}; waiting for the first of this share."
            )
        }
        HoldReason::SharedIncident { metric, since, limit_ms, both, excused, .. } => {
            let since = clock.minute(*since);
            let what = which_limit(*metric, *limit_ms);
            let compared =
                if *excused { format!("; {new_side} is no worse") } else { String::new() };
            if *both {
                format!("{old_side} and {new_side} both break {what} since {since}{compared}.")
            } else {
                format!("{old_side} breaks {what} since {since}; waiting until it is good again.")
            }
        }
        HoldReason::UnderSuspicion { breach } => {
            format!("{} Suspicion is raised; not enough to roll back.", fault(breach, sides))
        }
        HoldReason::NotProven { gate, left } => not_proven(gate, *left),
        HoldReason::TooShort { ticks, required } => {
            let required = minutes((*required).into());
            format!("Proven; the stage lasts at least {required} ({ticks} so far).")
        }
        HoldReason::Baking { ticks, required } => {
            format!("Baking: {ticks} of {}, all limits kept so far.", minutes((*required).into()))
        }
    }
}

fn not_proven(gate: &OpenGate, left: TimeLeft) -> String {
    let what = format!("Not proven yet for {}: {}.", gate.next, gate.metric.label());
    match left {
        TimeLeft::Minutes { minutes: left } => match estimate(left) {
            None => format!("{what} More than 3 hours left."),
            Some(left) => format!("{what} About {} at this traffic.", more(left)),
        },
        TimeLeft::NotOnCourse { .. } => {
            let seen = percent_beside(gate.rate.ratio().unwrap_or(0.0), gate.to_disprove);
            format!("{what} {seen} now; proof needs less than {}.", limit(gate.to_disprove))
        }
        TimeLeft::TooEarly => {
            format!("{what} {} so far; no estimate yet.", requests(gate.rate.n))
        }
    }
}

/// `6 of 22 requests`, `2.5% of 1,240 requests`.
fn of_requests(rate: &Rate, beside: f64) -> String {
    if rate.n < SHOW_SHARE_FROM {
        return format!("{} of {}", count(rate.k), requests(rate.n));
    }
    format!("{} of {}", percent_beside(rate.ratio().unwrap_or(0.0), beside), requests(rate.n))
}

fn which_limit(metric: Metric, limit_ms: Option<f64>) -> String {
    match limit_ms {
        Some(ms) => format!("{} {}", metric.title(), latency_limit(ms)),
        None => metric.title().to_owned(),
    }
}

fn more(n: u64) -> String {
    if n == 1 { "1 more minute".to_owned() } else { format!("{n} more minutes") }
}

fn requests(n: u64) -> String {
    format!("{} {}", count(n), if n == 1 { "request" } else { "requests" })
}

fn minutes(n: u64) -> String {
    format!("{} {}", count(n), if n == 1 { "minute" } else { "minutes" })
}
