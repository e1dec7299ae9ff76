//! What people read: a line of at most about 100 characters with the number, its
//! limit and how sure it is. The only place of this module that makes strings.

use crate::domain::evidence::Count;
use crate::domain::minute::Minute;
use crate::domain::slo::{Metric, Slo};
use crate::domain::weight::Weight;

use super::Engine;
use super::against::Lead;
use super::choices::Choices;
use super::settings::Preset;
use super::verdict::{Breach, Gate, Hold, Leg, MinutesLeft, Proven, Verdict};
use crate::domain::figures::{
    SHOW_SHARE_FROM, count, estimate, false_alarm, latency_limit as latency, limit, percent,
    percent_beside, whole,
};

/// How minutes are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// `14:32`, UTC.
    Utc,
    /// `minute 32`, counted from 0: recordings.
    Counted,
}

/// The names that a rollout's sentences use.
#[derive(Clone, Copy, Debug)]
pub struct Words<'a> {
    /// Label of the old side, like `Python`.
    pub old: &'a str,
    /// Label of the new side, like `Rust`.
    pub new: &'a str,
    /// Names of the routes, in order.
    pub routes: &'a [String],
    /// How minutes are named.
    pub clock: Clock,
}

impl Words<'_> {
    /// What the evidence says, in one sentence; for a rollback in two.
    pub fn verdict(&self, engine: &Engine, verdict: &Verdict) -> String {
        match verdict {
            Verdict::Breach(breach) => self.breach(engine, breach),
            Verdict::Proven(proven) => Self::proven(proven),
            Verdict::Unproven(unproven) => self.hold(engine, unproven.reason()),
        }
    }

    /// What was broken, and how seldom that would be a false alarm.
    pub fn breach(&self, engine: &Engine, breach: &Breach) -> String {
        format!("{} {}", self.broken(engine, breach), false_alarm(breach.log_e))
    }

    /// What speaks against the new side, without how sure that is.
    pub fn broken(&self, engine: &Engine, breach: &Breach) -> String {
        let (new, spell) = (self.new, breach.spell);
        let metric = breach.lead.metric();
        let limit_text = limit(breach.limit);
        let (share, old_share) = (share_of(spell.new), share_of(spell.old));
        // The counts since the suspicion began may not show it: correlated minutes
        // and caps weigh them differently. Then nothing is said about them.
        let unclear = || {
            format!("The evidence that {new} breaks {} is full.", limit_name(metric, engine.slo()))
        };
        let unclear_beside = || {
            format!(
                "The evidence that {new} is worse than {} in {} is full.",
                self.old,
                name(metric)
            )
        };
        match breach.lead {
            Lead::Limit(_) if share <= breach.limit => unclear(),
            Lead::Limit(Metric::Err) => {
                format!("{}, limit {limit_text}.", self.failed(spell.new, spell.old, breach.limit))
            }
            Lead::Limit(_) => format!(
                "{new} broke {}: {} took over {}, limit {limit_text}.",
                title(metric),
                percent_beside(share, breach.limit),
                latency(breach.new_ms.unwrap_or_default()),
            ),
            Lead::Minutes(_) => {
                let mean = spell.share_sum / f64::from(spell.minutes.max(1));
                if mean <= breach.limit {
                    return unclear();
                }
                let mean = percent_beside(mean, breach.limit);
                let (bad, all) = (spell.bad_minutes, spell.minutes);
                let of = format!("in an average minute ({bad} of {all} were bad)");
                match breach.new_ms {
                    None => format!("{new} failed {mean} {of}, limit {limit_text}."),
                    Some(ms) => format!(
                        "{new} broke {}: {mean} took over {} {of}, limit {limit_text}.",
                        title(metric),
                        latency(ms)
                    ),
                }
            }
            Lead::OldSide(_) | Lead::Route { .. } if share <= old_share => unclear_beside(),
            Lead::OldSide(Metric::Err) => {
                format!("{}.", self.failed(spell.new, spell.old, old_share))
            }
            Lead::OldSide(_) => {
                format!("{new} is slower than {}: {}.", self.old, slower(breach, share, old_share))
            }
            Lead::Route { stratum, metric } => {
                let part = self.part(engine.choices(), stratum);
                match metric {
                    Metric::Err => {
                        let other =
                            if old_share > 0.0 { percent(old_share) } else { "none".to_owned() };
                        let share = percent_beside(share, old_share);
                        format!("{part} fails {share} on {new}, {other} on {}.", self.old)
                    }
                    Metric::P50 | Metric::P95 | Metric::P99 => {
                        format!("{part} is slower on {new}: {}.", slower(breach, share, old_share))
                    }
                }
            }
        }
    }

    /// `Rust failed 25 of 78 requests, Python none of 240`.
    fn failed(&self, new: Count, old: Count, beside: f64) -> String {
        let (label, other) = (self.new, self.old);
        let of_new = if new.n < SHOW_SHARE_FROM {
            format!("{label} failed {} of {} requests", count(new.k), count(new.n))
        } else {
            let share = percent_beside(share_of(new), beside);
            format!("{label} failed {share} of {} requests", count(new.n))
        };
        match old {
            Count { n: 0, .. } => of_new,
            Count { k: 0, n } => format!("{of_new}, {other} none of {}", count(n)),
            Count { k, n } if n < SHOW_SHARE_FROM => {
                format!("{of_new}, {other} {} of {}", count(k), count(n))
            }
            old => format!("{of_new}, {other} {}", percent(share_of(old))),
        }
    }

    /// `` `scores` (1 of 20 routes) ``.
    fn part(&self, choices: &Choices, stratum: usize) -> String {
        let all: usize = choices.strata.iter().map(|stratum| stratum.routes.len()).sum();
        match choices.strata.get(stratum).map(|stratum| stratum.routes.as_slice()) {
            Some(&[route]) => format!("{} (1 of {all} routes)", self.route(route)),
            Some(routes) => format!("The sum of {} small routes (of {all})", routes.len()),
            None => "A route".to_owned(),
        }
    }

    fn route(&self, route: usize) -> String {
        self.routes.get(route).map_or_else(|| format!("route {route}"), |name| format!("`{name}`"))
    }

    fn proven(proven: &Proven) -> String {
        let because = Self::because(proven);
        match proven.next {
            Some(next) => format!("{} → {}: {because}.", proven.share, next),
            None => format!("Completed: {because}."),
        }
    }

    /// What a step or the completion rests on, without saying which: no full stop.
    pub fn because(proven: &Proven) -> String {
        if proven.next.is_none() {
            return match proven.bake {
                Some((share, minutes)) if share < Weight::FULL => format!(
                    "every limit kept at {} for {minutes} minutes and at 100% for {}",
                    share, proven.minutes
                ),
                _ => format!("every limit kept at 100% for {} minutes", proven.minutes),
            };
        }
        let failed = match proven.errors.k {
            0 => "none failed".to_owned(),
            k => format!("{} failed", count(k)),
        };
        format!(
            "every limit is proven ({} requests in {} minutes, {failed})",
            count(proven.errors.n),
            proven.error_minutes
        )
    }

    /// Why nothing follows yet.
    pub fn hold(&self, engine: &Engine, hold: &Hold) -> String {
        let (old, new) = (self.old, self.new);
        match hold {
            Hold::EarlierStage { newest: None } => "No minute has been judged yet.".to_owned(),
            Hold::EarlierStage { newest: Some((minute, share)) } => format!(
                "The newest judged minute, {}, is from {}; waiting for the first of this share.",
                self.time(*minute),
                share
            ),
            Hold::OfOtherCode { minute } => {
                format!("{} was still other code; proving this share again.", self.time(*minute))
            }
            Hold::Unread { minute } => format!("The metrics of {} are late.", self.time(*minute)),
            Hold::Apart { route, weight, share } => format!(
                "{} has {}, the rollout {}; each route is compared with itself.",
                self.route(*route),
                weight,
                share
            ),
            Hold::NoTraffic { minute } => {
                format!("No requests on either side at {}.", self.time(*minute))
            }
            Hold::NoTrafficOnNew { silence } => {
                let expected = whole(silence.expected);
                let minutes = minutes(u64::from(silence.minutes));
                format!("No request reached {new} for {minutes}; about {expected} were expected.")
            }
            Hold::OldSideBad { metric, minute, old: seen, both, good_minutes_needed, .. } => {
                let waiting = match good_minutes_needed {
                    1 => "waiting for 1 good minute".to_owned(),
                    n => format!("waiting for {n} good minutes"),
                };
                let at = self.time(*minute);
                if *both {
                    let name = broken_name(*metric);
                    return format!("{old} and {new} both broke {name} at {at}; {waiting}.");
                }
                let rate = engine.rules.limits[metric.index()];
                let bad = Self::bad_minute(engine, *metric, *seen, rate);
                format!("{old} broke {} at {at}: {bad}; {waiting}.", broken_name(*metric))
            }
            Hold::RecentlyBad { metric, bad_minutes, last, free_at, .. } => {
                let free = self.time(*free_at);
                let at = self.time(last.minute);
                let free = format!("Free to step at {free} if it stays good.");
                match last.bad[metric.index()] {
                    Some(seen) if *bad_minutes == 1 => {
                        let rate = engine.rules.limits[metric.index()];
                        let bad = Self::bad_minute(engine, *metric, seen, rate);
                        format!("{at} was bad: {bad}. {free}")
                    }
                    _ => format!(
                        "{bad_minutes} of the last 15 minutes broke {}, {at} the last. {free}",
                        limit_name(*metric, engine.slo())
                    ),
                }
            }
            Hold::AboveLimit { metric, rate } => {
                let allowed = engine.rules.limits[metric.index()];
                let share = percent_beside(rate.ratio().unwrap_or(0.0), allowed);
                format!(
                    "{share} of requests {} at this share, limit {}.",
                    Self::did(engine, *metric),
                    limit(allowed)
                )
            }
            Hold::WholeRun { metric, mean, .. } => {
                let allowed = engine.rules.limits[metric.index()];
                format!(
                    "Over this run {} of requests {} in an average minute, limit {}.",
                    percent_beside(*mean, allowed),
                    Self::did(engine, *metric),
                    limit(allowed)
                )
            }
            Hold::Suspicion { breach } => {
                let broken = self.broken(engine, breach);
                let broken = broken.replace(" is full.", " grows.");
                format!("{broken} Suspicion is raised; not enough to roll back.")
            }
            Hold::FirstMinutes => {
                "First minutes at this share are not in yet; metrics arrive a little late."
                    .to_owned()
            }
            Hold::NotProven { gate, left } => Self::not_proven(gate, *left),
            Hold::TooShort { minutes, required, leg } => match leg {
                Leg::Stage => {
                    format!(
                        "Proven; the stage lasts at least {required} minutes ({minutes} of {required})."
                    )
                }
                Leg::Bake => {
                    format!("Baking: {minutes} of {required} minutes, all limits kept so far.")
                }
                Leg::Watch => format!("Watching 100%: {minutes} of {required} minutes."),
            },
        }
    }

    fn not_proven(gate: &Gate, left: MinutesLeft) -> String {
        let what = format!("Not proven yet for {}: {}.", gate.step, name(gate.metric));
        match left {
            MinutesLeft::About(n) => match estimate(n) {
                None => format!("{what} More than 3 hours left."),
                Some(1) => format!("{what} About 1 more minute at this traffic."),
                Some(n) => format!("{what} About {n} more minutes at this traffic."),
            },
            MinutesLeft::TooEarly => {
                format!("{what} {} requests so far; no estimate yet.", count(gate.rate.n))
            }
            MinutesLeft::NotOnCourse => {
                let seen = gate.rate.ratio().unwrap_or(0.0);
                let bar = gate.to_disprove;
                let seen = percent_beside(seen, bar);
                format!("{what} {seen} now; proof needs less than {}.", limit(bar))
            }
        }
    }

    /// What was chosen from the old side's last day, one line each.
    pub fn choices(&self, engine: &Engine) -> Vec<String> {
        let choices = engine.choices();
        let hours = (f64::from(choices.known_minutes) / 60.0).round();
        let source = |preset| match preset {
            Preset::Auto => format!("auto, from {hours} h"),
            Preset::Fixed(_) => "set".to_owned(),
        };
        let worse = |what: &str, edges: u8| {
            // Ten edges a decade.
            let times = 10_f64.powf(f64::from(edges) / 10.0);
            let source = source(engine.settings().relative_margin);
            format!("{what} counts as worse from {times:.1} times {}'s ({source}).", self.old)
        };
        let [first, ..] = choices.margin;
        let margins = if choices.margin == [first; 3] {
            vec![worse("Latency", first)]
        } else {
            let each = Metric::LATENCY.into_iter().zip(choices.margin);
            each.map(|(metric, edges)| worse(title(metric), edges)).collect()
        };
        let bursts = Metric::ALL.into_iter().filter(|m| choices.tolerance[m.index()] > 1);
        let bursts = bursts.map(|metric| {
            let minutes = choices.tolerance[metric.index()];
            let source = source(engine.settings().burst_tolerance);
            format!(
                "Bursts of {} of up to {minutes} minutes are normal here ({source}).",
                name(metric)
            )
        });
        margins.into_iter().chain(bursts).collect()
    }

    /// `all requests failed`, `6 of 22 requests took over 500 ms`.
    fn bad_minute(engine: &Engine, metric: Metric, seen: Count, limit: f64) -> String {
        let did = Self::did(engine, metric);
        if seen.k >= seen.n {
            format!("all requests {did}")
        } else if seen.n < SHOW_SHARE_FROM {
            format!("{} of {} requests {did}", count(seen.k), count(seen.n))
        } else {
            format!("{} of requests {did}", percent_beside(share_of(seen), limit))
        }
    }

    fn did(engine: &Engine, metric: Metric) -> String {
        match engine.slo().limit_ms(metric) {
            None => "failed".to_owned(),
            Some(ms) => format!("took over {}", latency(ms)),
        }
    }

    fn time(&self, minute: Minute) -> String {
        match (self.clock, minute.start()) {
            (Clock::Utc, Some(start)) => start.strftime("%H:%M").to_string(),
            (Clock::Utc | Clock::Counted, _) => format!("minute {}", minute.0),
        }
    }
}

/// `29% took over 63 ms, 16% would be normal`.
fn slower(breach: &Breach, share: f64, old_share: f64) -> String {
    let share = percent_beside(share, old_share);
    let normal = if old_share > 0.0 { percent(old_share) } else { "none".to_owned() };
    match breach.new_ms {
        Some(ms) => format!("{share} took over {}, {normal} would be normal", latency(ms)),
        None => format!("{share} are among its slowest, {normal} would be normal"),
    }
}

fn share_of(Count { k, n }: Count) -> f64 {
    k.min(n) as f64 / (n as f64).max(1.0)
}

/// `errors`, `P99`.
const fn name(metric: Metric) -> &'static str {
    match metric {
        Metric::Err => "errors",
        Metric::P50 | Metric::P95 | Metric::P99 => title(metric),
    }
}

const fn title(metric: Metric) -> &'static str {
    match metric {
        Metric::Err => "Errors",
        Metric::P50 => "P50",
        Metric::P95 => "P95",
        Metric::P99 => "P99",
    }
}

const fn broken_name(metric: Metric) -> &'static str {
    match metric {
        Metric::Err => "the error limit",
        Metric::P50 | Metric::P95 | Metric::P99 => title(metric),
    }
}

/// `errors 1%`, `P95 200 ms`: as configured.
fn limit_name(metric: Metric, slo: &Slo) -> String {
    match slo.limit_ms(metric) {
        None => format!("errors {}", limit(slo.max_error_ratio)),
        Some(ms) => format!("{} {}", title(metric), latency(ms)),
    }
}

fn minutes(n: u64) -> String {
    if n == 1 { "1 minute".to_owned() } else { format!("{n} minutes") }
}
