//! A world in words: what traffic, both sides, CloudWatch and people do, as TOML.

use crate::domain::weight::Weight;
use jiff::Timestamp;
use serde::Deserialize;
use std::collections::BTreeSet;

/// Why a description makes no world.
#[derive(Debug, thiserror::Error)]
pub enum DescribedError {
    /// Not TOML, or not of the form described here.
    #[error("the world does not have the expected form")]
    Form(#[source] toml::de::Error),
    /// A value that makes no sense.
    #[error("{field} is {value}; {fix}")]
    Value {
        /// Where in the file.
        field: String,
        /// What stands there.
        value: String,
        /// What to write instead.
        fix: String,
    },
}

/// A world: everything that a rollout meets and does not decide itself.
///
/// Minutes are counted from the start of the rollout; the first is 0. Ranges of
/// minutes `[from, until]` hold both ends.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Described {
    /// What happens, in one sentence; `{old}` and `{new}` are the sides' labels.
    pub what: String,
    /// The simulation ends here if the rollout has not ended before.
    #[serde(default = "half_a_day")]
    pub minutes: u32,
    /// When the rollout starts.
    #[serde(default = "a_monday")]
    pub starts: Timestamp,
    /// How much is asked.
    pub traffic: Traffic,
    /// The side that traffic leaves.
    #[serde(default = "SideWords::python")]
    pub old: SideWords,
    /// The side that traffic goes to.
    #[serde(default = "SideWords::rust")]
    pub new: SideWords,
    /// How many of the new side's answers are compared; none if left out.
    pub compared: Option<Compared>,
    /// Latency that drifts on both sides together.
    pub drift: Option<Drift>,
    /// Parts of the traffic; one part of everything if none is named.
    #[serde(default, rename = "route")]
    pub routes: Vec<Part>,
    /// What happens, and when.
    #[serde(default, rename = "change")]
    pub changes: Vec<Change>,
    /// How numbers arrive.
    #[serde(default)]
    pub cloudwatch: CloudWatch,
    /// What people do.
    #[serde(default, rename = "operator")]
    pub operators: Vec<Operator>,
    /// CloudWatch alarms.
    #[serde(default, rename = "alarm")]
    pub alarms: Vec<AlarmWords>,
}

/// How much is asked.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Traffic {
    /// Requests a minute on all routes and both sides together, on average of the day.
    pub per_minute: f64,
    /// Factor for each hour of the day in UTC, 24 of them, linear in between.
    #[serde(default)]
    pub by_hour: Vec<f64>,
}

/// Live comparison of the new side's answers with the old side's.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compared {
    /// Answers compared a minute, on all routes together; never more than there are.
    pub per_minute: f64,
    /// Share of the calls to the old side that fail, 0 to 1.
    #[serde(default)]
    pub failed: f64,
}

/// How one side behaves: a mixture of two lognormal latencies, and errors.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SideWords {
    /// Share of requests that fail, 0 to 1.
    pub errors: f64,
    /// Mean number of errors that come together; 1: each alone.
    pub error_cluster: f64,
    /// Standard deviation of the log of `errors`, drawn each minute.
    pub error_jitter: f64,
    /// Median of most requests, milliseconds.
    pub median_ms: f64,
    /// Standard deviation of their log.
    pub spread: f64,
    /// Share of requests in the tail, 0 to 1.
    pub tail: f64,
    /// Median of the tail, milliseconds.
    pub tail_ms: f64,
    /// Standard deviation of its log.
    pub tail_spread: f64,
    /// Exponent of a Pareto tail that begins at half of `tail_ms`, instead.
    pub tail_exponent: Option<f64>,
    /// Share of requests that take from 630 ms on, besides.
    pub very_slow: f64,
    /// Share of this side's answers that differ from the other side's, 0 to 1. Only the new
    /// side's are compared.
    pub different: f64,
    /// Standard deviation of the log of all latencies, drawn each minute.
    pub jitter: f64,
    /// Latency that drifts on this side alone.
    pub drift: Option<Drift>,
}

impl SideWords {
    /// P50 60 ms, P99 about 500 ms.
    pub fn python() -> Self {
        Self { median_ms: 60.0, tail_ms: 250.0, tail: 0.03, ..Self::rust() }
    }

    /// P50 30 ms.
    pub fn rust() -> Self {
        Self {
            errors: 0.001,
            error_cluster: 1.0,
            error_jitter: 0.0,
            median_ms: 30.0,
            spread: 0.5,
            tail: 0.015,
            tail_ms: 150.0,
            tail_spread: 0.6,
            tail_exponent: None,
            very_slow: 0.0,
            different: 0.0,
            jitter: 0.0,
            drift: None,
        }
    }
}

impl Default for SideWords {
    fn default() -> Self {
        Self::rust()
    }
}

/// The log of a scale of all latencies, as an autoregression of order one.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drift {
    /// What a minute keeps of the one before, 0 to below 1.
    pub keep: f64,
    /// Standard deviation in the long run.
    pub sd: f64,
}

/// A part of the traffic behind one rule.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// The route's name in `rollout.toml`.
    pub name: String,
    /// Its share of all requests; those of all routes sum to 1.
    pub traffic: f64,
    /// It keeps the weight of the stage before for this many minutes.
    #[serde(default)]
    pub late_minutes: u32,
    /// Its old side, where it differs.
    pub old: Option<SideWords>,
    /// Its new side, where it differs.
    pub new: Option<SideWords>,
}

/// Whom a change is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum On {
    /// The side that traffic leaves.
    Old,
    /// The side that traffic goes to.
    New,
    /// Both in the same way.
    Both,
}

/// Something that happens while all of its conditions hold.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// Whom it hits.
    pub on: On,
    /// Only the route with this name.
    pub route: Option<String>,
    /// Condition: these minutes; the end may be left out.
    #[serde(default)]
    pub minutes: Vec<i64>,
    /// Condition: the route shows at least this many percent.
    pub from_share: Option<f64>,
    /// Condition: these minutes since all routes first showed `from_share`.
    #[serde(default)]
    pub minutes_there: Vec<i64>,
    /// Condition: the first so many minutes of each stage.
    pub first_minutes_of_stage: Option<i64>,
    /// Condition: one minute in so many,
    pub every: Option<i64>,
    /// namely the one with this remainder.
    #[serde(default)]
    pub at: i64,
    /// Condition: each minute with this probability.
    pub chance: Option<f64>,
    /// Adds this share of failing requests; 1 is an outage.
    #[serde(default)]
    pub errors: f64,
    /// Multiplies every latency.
    #[serde(default = "one")]
    pub scale: f64,
    /// Multiplies every latency once more each minute since its first, at most 20 times in all.
    #[serde(default = "one")]
    pub scale_each_minute: f64,
    /// Median of most requests, milliseconds.
    pub median_ms: Option<f64>,
    /// Adds this share of requests that take from 630 ms on.
    #[serde(default)]
    pub very_slow: f64,
    /// Adds this share of answers that differ.
    #[serde(default)]
    pub different: f64,
    /// Multiplies the requests of both sides.
    #[serde(default = "one")]
    pub traffic: f64,
}

/// How numbers arrive.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CloudWatch {
    /// Minutes that arrive later than the others.
    #[serde(default)]
    pub late: Vec<Late>,
    /// Ranges in which CloudWatch answers with errors.
    #[serde(default)]
    pub unreadable: Vec<[i64; 2]>,
    /// Ranges of minutes that never arrive.
    #[serde(default)]
    pub lost: Vec<[i64; 2]>,
}

/// Minutes that arrive later than the others.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Late {
    /// Which.
    pub minutes: [i64; 2],
    /// By how many minutes.
    pub by: u32,
}

/// What a person does at a minute.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operator {
    /// When.
    pub minute: u32,
    /// What.
    #[serde(rename = "do")]
    pub what: Deed,
    /// Target of `promote` and `console`, percent.
    pub to: Option<f64>,
    /// What is written beside it.
    #[serde(default = "simulated")]
    pub reason: String,
}

/// What people do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Deed {
    /// `rolloutctl pause`
    Pause,
    /// `rolloutctl resume`
    Resume,
    /// `rolloutctl resume --adopt`
    Adopt,
    /// `rolloutctl rollback`
    Rollback,
    /// `rolloutctl promote`
    Promote,
    /// `rolloutctl promote --force`
    ForcePromote,
    /// Another version of the new side is deployed.
    Deploy,
    /// Weights are written by hand, past the controller.
    Console,
}

/// An alarm that stands for some minutes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlarmWords {
    /// Its name in `rollout.toml`.
    pub name: String,
    /// When it is in ALARM.
    pub minutes: [i64; 2],
}

const fn half_a_day() -> u32 {
    720
}

const fn one() -> f64 {
    1.0
}

fn simulated() -> String {
    "simulated".to_owned()
}

fn a_monday() -> Timestamp {
    // 2026-01-05T09:00:00Z: inside of every usual calendar.
    Timestamp::constant(1_767_603_600, 0)
}

/// A year; more is a mistake.
const MOST_MINUTES: u32 = 366 * 24 * 60;

impl Described {
    /// Reads and checks a description.
    ///
    /// # Errors
    /// [`DescribedError`] naming field, value and fix.
    pub fn parse(text: &str) -> Result<Self, DescribedError> {
        let world: Self = toml::from_str(text).map_err(DescribedError::Form)?;
        world.check()?;
        Ok(world)
    }

    /// The same world with this many requests a minute.
    ///
    /// # Errors
    /// [`DescribedError::Value`] if there cannot be so many.
    pub fn with_requests(mut self, per_minute: f64) -> Result<Self, DescribedError> {
        self.traffic.per_minute = per_minute;
        self.check()?;
        Ok(self)
    }

    /// The same world with so many answers compared a minute, unless it says how many.
    ///
    /// # Errors
    /// [`DescribedError::Value`] if there cannot be so many.
    pub fn with_compared(mut self, per_minute: f64) -> Result<Self, DescribedError> {
        self.compared.get_or_insert(Compared { per_minute, failed: 0.0 });
        self.check()?;
        Ok(self)
    }

    /// Names of its routes; `public` if it names none.
    pub fn route_names(&self) -> Vec<&str> {
        if self.routes.is_empty() {
            return vec!["public"];
        }
        self.routes.iter().map(|part| part.name.as_str()).collect()
    }

    fn check(&self) -> Result<(), DescribedError> {
        between("minutes", f64::from(self.minutes), 1.0, f64::from(MOST_MINUTES))?;
        between("traffic.per_minute", self.traffic.per_minute, 0.0, 1e7)?;
        if !matches!(self.traffic.by_hour.len(), 0 | 24) {
            let count = self.traffic.by_hour.len();
            return Err(value("traffic.by_hour", format!("a list of {count}"), "give 24 factors"));
        }
        for (hour, factor) in self.traffic.by_hour.iter().enumerate() {
            between(&format!("traffic.by_hour[{hour}]"), *factor, 0.0, 1e4)?;
        }
        if let Some(Compared { per_minute, failed }) = self.compared {
            between("compared.per_minute", per_minute, 0.0, 1e7)?;
            between("compared.failed", failed, 0.0, 1.0)?;
        }
        self.old.check("old")?;
        self.new.check("new")?;
        check_drift("drift", self.drift)?;
        self.check_routes()?;
        for (n, change) in self.changes.iter().enumerate() {
            change.check(&format!("change[{n}]"))?;
            if let Some(route) = &change.route
                && !self.routes.iter().any(|part| part.name == *route)
            {
                let field = format!("change[{n}].route");
                return Err(value(&field, format!("`{route}`"), "name one of the [[route]]"));
            }
        }
        for (n, operator) in self.operators.iter().enumerate() {
            let field = format!("operator[{n}].to");
            let needs = matches!(operator.what, Deed::Console);
            match operator.to {
                Some(to) => {
                    let _: Weight = percent(&field, to)?;
                }
                None if needs => {
                    return Err(value(&field, "absent".to_owned(), "give a percentage"));
                }
                None => {}
            }
        }
        for (n, late) in self.cloudwatch.late.iter().enumerate() {
            rising(&format!("cloudwatch.late[{n}].minutes"), &late.minutes)?;
        }
        let ranges = [("unreadable", &self.cloudwatch.unreadable), ("lost", &self.cloudwatch.lost)];
        for (name, list) in ranges {
            for (n, range) in list.iter().enumerate() {
                rising(&format!("cloudwatch.{name}[{n}]"), range)?;
            }
        }
        for (n, alarm) in self.alarms.iter().enumerate() {
            rising(&format!("alarm[{n}].minutes"), &alarm.minutes)?;
        }
        Ok(())
    }

    fn check_routes(&self) -> Result<(), DescribedError> {
        let mut names = BTreeSet::new();
        for (n, part) in self.routes.iter().enumerate() {
            let field = |name: &str| format!("route[{n}].{name}");
            between(&field("traffic"), part.traffic, 0.0, 1.0)?;
            if !names.insert(&part.name) {
                let shown = format!("`{}`", part.name);
                return Err(value(&field("name"), shown, "give each route a name of its own"));
            }
            for (name, side) in [("old", &part.old), ("new", &part.new)] {
                if let Some(side) = side {
                    side.check(&field(name))?;
                }
            }
        }
        let sum: f64 = self.routes.iter().map(|part| part.traffic).sum();
        if !self.routes.is_empty() && (sum - 1.0).abs() > 1e-6 {
            return Err(value(
                "route[].traffic",
                format!("{sum} in all"),
                "the routes must sum to 1",
            ));
        }
        Ok(())
    }
}

impl SideWords {
    fn check(&self, at: &str) -> Result<(), DescribedError> {
        for (name, found, low, high) in [
            ("errors", self.errors, 0.0, 1.0),
            ("error_cluster", self.error_cluster, 1.0, 1e4),
            ("error_jitter", self.error_jitter, 0.0, 5.0),
            ("median_ms", self.median_ms, 1e-3, 1e7),
            ("spread", self.spread, 1e-3, 5.0),
            ("tail", self.tail, 0.0, 1.0),
            ("tail_ms", self.tail_ms, 1e-3, 1e7),
            ("tail_spread", self.tail_spread, 1e-3, 5.0),
            ("tail_exponent", self.tail_exponent.unwrap_or(1.0), 0.1, 20.0),
            ("very_slow", self.very_slow, 0.0, 1.0),
            ("different", self.different, 0.0, 1.0),
            ("jitter", self.jitter, 0.0, 5.0),
        ] {
            between(&format!("{at}.{name}"), found, low, high)?;
        }
        check_drift(&format!("{at}.drift"), self.drift)
    }
}

impl Change {
    fn check(&self, at: &str) -> Result<(), DescribedError> {
        let field = |name: &str| format!("{at}.{name}");
        for (name, range) in [("minutes", &self.minutes), ("minutes_there", &self.minutes_there)] {
            if range.len() > 2 {
                let shown = format!("a list of {}", range.len());
                return Err(value(&field(name), shown, "give [from, until] or [from]"));
            }
            rising(&field(name), range)?;
        }
        if !self.minutes_there.is_empty() && self.from_share.is_none() {
            let fix = "give from_share beside it: minutes are counted from there";
            return Err(value(&field("minutes_there"), format!("{:?}", self.minutes_there), fix));
        }
        if let Some(share) = self.from_share {
            percent(&field("from_share"), share)?;
        }
        if self.every.is_some_and(|every| every < 1) {
            return Err(value(&field("every"), format!("{:?}", self.every), "give 1 or more"));
        }
        between(&field("chance"), self.chance.unwrap_or(1.0), 0.0, 1.0)?;
        between(&field("errors"), self.errors, -1.0, 1.0)?;
        between(&field("scale"), self.scale, 1e-3, 1e4)?;
        between(&field("scale_each_minute"), self.scale_each_minute, 1e-3, 1e3)?;
        between(&field("median_ms"), self.median_ms.unwrap_or(1.0), 1e-3, 1e7)?;
        between(&field("very_slow"), self.very_slow, 0.0, 1.0)?;
        between(&field("different"), self.different, -1.0, 1.0)?;
        between(&field("traffic"), self.traffic, 0.0, 1e4)
    }
}

fn check_drift(at: &str, drift: Option<Drift>) -> Result<(), DescribedError> {
    let Some(Drift { keep, sd }) = drift else { return Ok(()) };
    between(&format!("{at}.keep"), keep, 0.0, 0.9999)?;
    between(&format!("{at}.sd"), sd, 0.0, 5.0)
}

fn value(field: &str, value: String, fix: impl Into<String>) -> DescribedError {
    DescribedError::Value { field: field.to_owned(), value, fix: fix.into() }
}

fn between(field: &str, found: f64, low: f64, high: f64) -> Result<(), DescribedError> {
    if (low..=high).contains(&found) {
        return Ok(());
    }
    let fix = format!("give a number from {low} to {high}");
    Err(value(field, found.to_string(), fix))
}

fn rising(field: &str, range: &[i64]) -> Result<(), DescribedError> {
    match range {
        [from, until] if from > until => {
            Err(value(field, format!("[{from}, {until}]"), "give [from, until] with until last"))
        }
        _ => Ok(()),
    }
}

fn percent(field: &str, found: f64) -> Result<Weight, DescribedError> {
    Weight::from_percent(found)
        .map_err(|_| value(field, found.to_string(), "give a percentage in tenths, 0 to 100"))
}
