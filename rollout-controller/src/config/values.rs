//! From plain values to types that carry their meaning. Collects every problem.

use super::{Config, LedgerConfig, Paging, Problem, Rollout, raw};
use crate::domain::calendar::{Calendar, Freeze, Window};
use crate::domain::engine::Method;
use crate::domain::evidence::{ConfigError, EvidenceConfig};
use crate::domain::evidence2::{self, Preset};
use crate::domain::labels::{self, Labels};
use crate::domain::minute::Edges;
use crate::domain::plan::{Settings, StartAt, Terms};
use crate::domain::route::{GroupArn, HeaderRule, Route, RuleArn};
use crate::domain::slo::Slo;
use crate::domain::weight::Weight;
use crate::domain::wrong_answers::Objective;
use serde::Deserialize as _;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::Duration;

/// A bake may be added; ten minutes each would make a working day.
const MOST_STAGES: usize = 49;

const DEFAULT_STAGES: [&str; 6] = ["1%", "5%", "10%", "25%", "50%", "100%"];

/// Problems found so far, and where we are in the file.
#[derive(Default)]
struct Findings(Vec<Problem>);

impl Findings {
    fn add(&mut self, key: impl Into<String>, value: impl Display, fix: impl Into<String>) {
        let (key, value, fix) = (key.into(), value.to_string(), fix.into());
        self.0.push(Problem { key, value, fix });
    }

    fn parsed<T>(&mut self, key: &str, value: &str, result: Result<T, impl Display>) -> Option<T> {
        match result {
            Ok(parsed) => Some(parsed),
            Err(error) => {
                self.add(key, format!("{value:?}"), error.to_string());
                None
            }
        }
    }

    fn duration(&mut self, key: &str, text: Option<&str>, default: Duration) -> Duration {
        let Some(text) = text else { return default };
        let fix = "is not a duration; write it like \"90s\", \"30m\", \"1h 30m\"";
        self.parsed(key, text, humantime::parse_duration(text).map_err(|_| fix)).unwrap_or(default)
    }

    /// A duration of whole minutes within `range`.
    fn minutes(
        &mut self,
        key: &str,
        text: Option<&str>,
        default: u32,
        range: std::ops::RangeInclusive<u32>,
    ) -> u32 {
        let duration = self.duration(key, text, Duration::from_mins(u64::from(default)));
        let whole = duration.subsec_nanos() == 0 && duration.as_secs().is_multiple_of(60);
        let minutes = u32::try_from(duration.as_secs() / 60).unwrap_or(u32::MAX);
        if whole && range.contains(&minutes) {
            return minutes;
        }
        let (low, high) = (range.start(), range.end());
        self.add(
            key,
            format!("{:?}", text.unwrap_or_default()),
            format!("must be whole minutes, from {low}m to {high}m"),
        );
        default
    }

    /// A share, written in percent.
    fn percentage(&mut self, key: &str, text: &str) -> Option<f64> {
        let number = text.trim().strip_suffix('%').and_then(|n| n.trim().parse::<f64>().ok());
        let fix = "is not a percentage; write it like \"1%\" or \"0.5%\"";
        self.parsed(key, text, number.ok_or(fix)).map(|percent| percent / 100.0)
    }

    /// A latency, which has to be one of the histogram's edges: checked later.
    fn millis(&mut self, key: &str, text: Option<&str>, default: f64) -> f64 {
        let default = Duration::from_secs_f64(default / 1000.0);
        self.duration(key, text, default).as_secs_f64() * 1000.0
    }
}

/// Checks everything; all problems at once.
pub(super) fn check(raw: raw::Config) -> Result<Config, Vec<Problem>> {
    let mut found = Findings::default();
    let ledger = ledger(&mut found, raw.ledger);
    let paging = paging(&mut found, raw.paging);
    if raw.rollout.is_empty() {
        found.add(
            "rollout",
            "",
            "missing; add a table [[rollout]] with at least one [[rollout.route]]",
        );
    }
    let rollouts: Vec<Rollout> = raw
        .rollout
        .into_iter()
        .enumerate()
        .filter_map(|(index, raw)| rollout(&mut found, &format!("rollout[{index}]"), raw))
        .collect();
    unique_names(&mut found, &rollouts);
    unique_groups_and_rules(&mut found, &rollouts);
    if found.0.is_empty() {
        Ok(Config { ledger, paging, bus: raw.events.bus, rollouts })
    } else {
        Err(found.0)
    }
}

fn ledger(found: &mut Findings, raw: raw::Ledger) -> LedgerConfig {
    let known = ["sqlite:", "postgres://", "postgresql://"];
    if !known.iter().any(|scheme| raw.url.starts_with(scheme)) {
        // The value may hold a password, so only its beginning is shown.
        let scheme = raw.url.split([':', '/']).next().unwrap_or_default();
        found.add("ledger.url", format!("{scheme}:…"), "must begin with sqlite: or postgres://");
    }
    let keep = Duration::from_hours(30 * 24);
    let keep_minutes = found.duration("ledger.keep_minutes", raw.keep_minutes.as_deref(), keep);
    if keep_minutes < Duration::from_hours(24) {
        found.add(
            "ledger.keep_minutes",
            humantime::format_duration(keep_minutes),
            "must be at least 1day",
        );
    }
    if let Some(arn) = &raw.secret_arn
        && !(arn.starts_with("arn:") && arn.contains(":secretsmanager:"))
    {
        found.add("ledger.secret_arn", arn, "is not the ARN of a Secrets Manager secret");
    }
    LedgerConfig { url: raw.url, secret_arn: raw.secret_arn, keep_minutes }
}

fn paging(found: &mut Findings, raw: raw::Paging) -> Paging {
    for (key, arn) in [("topic_arn", &raw.topic_arn), ("chat_topic_arn", &raw.chat_topic_arn)] {
        if let Some(arn) = arn
            && !(arn.starts_with("arn:") && arn.contains(":sns:"))
        {
            found.add(
                format!("paging.{key}"),
                arn,
                "is not the ARN of an SNS topic: arn:aws:sns:REGION:ACCOUNT:NAME",
            );
        }
    }
    Paging { topic_arn: raw.topic_arn, chat_topic_arn: raw.chat_topic_arn, runbooks: raw.runbooks }
}

fn rollout(found: &mut Findings, at: &str, raw: raw::Rollout) -> Option<Rollout> {
    let before = found.0.len();
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if raw.name.is_empty() || raw.name.len() > 40 || !raw.name.chars().all(plain) {
        found.add(
            format!("{at}.name"),
            format!("{:?}", raw.name),
            "use 1 to 40 letters, digits, - or _",
        );
    }
    let stages = stages(found, at, raw.stages.clone());
    let start = start(found, at, raw.start.as_deref(), &stages);
    let slo = slo(found, at, &raw.slo);
    let evidence = method(found, at, &raw, &slo);
    let answers_log = answers_log(found, at, raw.wrong_answers.as_ref());
    let evidence = match &raw.wrong_answers {
        Some(raw) => wrong_answers(found, at, raw, evidence),
        None => evidence,
    };
    // Evidence-2 reads young minutes again, and wants the old side's whole day.
    let (lag, history, most_history) = match &evidence {
        Method::Two(_) => (2, 1440, 1440),
        Method::One(_) => (3, 60, 180),
    };
    let lag_minutes = found.minutes(&format!("{at}.lag"), raw.lag.as_deref(), lag, 1..=15);
    let history_key = format!("{at}.history");
    let history_minutes =
        found.minutes(&history_key, raw.history.as_deref(), history, 1..=most_history);
    let max_hold =
        found.minutes(&format!("{at}.max_hold"), raw.max_hold.as_deref(), 360, 10..=43_200);
    let blind_after =
        found.minutes(&format!("{at}.blind_after"), raw.blind_after.as_deref(), 10, 2..=120);
    let calendar = calendar(found, at, raw.calendar);
    let on_new_code = raw.on_new_code.unwrap_or_default();
    alarms(found, at, &raw.alarms);
    for problem in raw.compare.check().err().unwrap_or_default() {
        let key = format!("{at}.compare.{}", problem.key);
        found.add(key, format!("{:?}", problem.value), problem.fix);
    }
    let labels = labels(found, at, raw.labels);
    if raw.route.is_empty() {
        found.add(format!("{at}.route"), "", "missing; add a table [[rollout.route]]");
    }
    let routes: Vec<Route> = raw
        .route
        .into_iter()
        .enumerate()
        .filter_map(|(index, raw)| route(found, &format!("{at}.route[{index}]"), raw))
        .collect();
    (found.0.len() == before).then_some(Rollout {
        name: raw.name,
        mode: raw.mode,
        terms: Terms {
            stages,
            start,
            lag_minutes,
            history_minutes,
            slo,
            evidence,
            routes,
            labels: labels.clone(),
        },
        settings: Settings {
            labels,
            max_hold_minutes: max_hold,
            blind_after_minutes: blind_after,
            rollback_on: raw.alarms.rollback_on,
            hold_on: raw.alarms.hold_on,
            python_twin: raw.alarms.python_twin,
            calendar,
            on_new_code,
            answers_log,
        },
        compare: raw.compare,
    })
}

/// The engine, with what is set about it.
fn method(found: &mut Findings, at: &str, raw: &raw::Rollout, slo: &Slo) -> Method {
    match raw.engine.as_deref() {
        None | Some("evidence-2") => evidence_2(found, at, raw, slo),
        Some("evidence-1") => evidence_1(found, at, raw, slo),
        Some(other) => {
            let fix = "must be \"evidence-2\", or \"evidence-1\" for the one before it";
            found.add(format!("{at}.engine"), format!("{other:?}"), fix);
            evidence_2(found, at, raw, slo)
        }
    }
}

fn evidence_2(found: &mut Findings, at: &str, raw: &raw::Rollout, slo: &Slo) -> Method {
    let mut settings = evidence2::Settings::default();
    let mut edges = Edges::default();
    for (key, value) in &raw.evidence {
        let key_path = format!("{at}.evidence.{key}");
        let number = || value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64));
        let preset = |most: u8| {
            let fix = format!("give 1 to {most}, or \"auto\"");
            Preset::deserialize(value.clone()).map_err(|_| fix)
        };
        let known = match key.as_str() {
            "alpha" => number().ok_or("give a number".to_owned()).map(|n| settings.alpha = n),
            "beta" => number().ok_or("give a number".to_owned()).map(|n| settings.beta = n),
            "relative_margin" => preset(8).map(|edges| settings.relative_margin = edges),
            "burst_tolerance" => preset(15).map(|minutes| settings.burst_tolerance = minutes),
            "edges_ms" => Edges::deserialize(value.clone())
                .map(|read| edges = read)
                .map_err(|error| error.message().to_owned()),
            "bake_minutes" => Err("write it as `bake`, beside `stages`".to_owned()),
            _ => Err("is not a setting of evidence-2, which has alpha, beta, relative_margin, \
                      burst_tolerance and edges_ms, and `bake` beside `stages`; for all of \
                      evidence-1's write engine = \"evidence-1\""
                .to_owned()),
        };
        if let Err(fix) = known {
            found.add(key_path, value, fix);
        }
    }
    let bake = format!("{at}.bake");
    settings.bake_minutes =
        found.minutes(&bake, raw.bake.as_deref(), settings.bake_minutes, 2..=1440);
    refused(found, at, settings.check(slo, &edges));
    Method::two(settings, edges)
}

fn evidence_1(found: &mut Findings, at: &str, raw: &raw::Rollout, slo: &Slo) -> Method {
    let read = EvidenceConfig::deserialize(toml::Value::Table(raw.evidence.clone()));
    let mut config = read.unwrap_or_else(|error| {
        found.add(format!("{at}.evidence"), "", error.message());
        EvidenceConfig::default()
    });
    if let Some(bake) = raw.bake.as_deref() {
        config.bake_ticks =
            found.minutes(&format!("{at}.bake"), Some(bake), config.bake_ticks, 1..=1440);
    }
    refused(found, at, config.check());
    refused(found, at, config.check_slo(slo));
    Method::One(Box::new(config))
}

/// The objective for compared answers, which evidence-1 does not have.
fn wrong_answers(
    found: &mut Findings,
    at: &str,
    raw: &raw::WrongAnswers,
    evidence: Method,
) -> Method {
    let default = Objective::default();
    let key = format!("{at}.wrong_answers.limit");
    let limit = raw.limit.as_deref().map_or(default.limit, |text| {
        let limit = found.percentage(&key, text).unwrap_or(default.limit);
        let objective = Objective { limit, ..default };
        found.parsed(&key, text, objective.check()).map_or(default.limit, |()| limit)
    });
    if let Method::One(_) = evidence {
        let fix = "needs engine = \"evidence-2\": evidence-1 does not judge answers";
        found.add(format!("{at}.wrong_answers"), "", fix);
    }
    evidence.with_wrong_answers(Objective { limit, required: raw.required })
}

/// The log that examples of wrong answers are read from.
fn answers_log(found: &mut Findings, at: &str, raw: Option<&raw::WrongAnswers>) -> Option<String> {
    let name = raw?.log_group.clone()?;
    // CloudWatch Logs: 1 to 512 of these (API reference, FilterLogEvents, logGroupName).
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/#".contains(c);
    if name.is_empty() || name.len() > 512 || !name.chars().all(plain) {
        let fix = "give the name of the scorer's log group, not its ARN, such as \"/aws/lambda/scorer-rs\"";
        found.add(format!("{at}.wrong_answers.log_group"), format!("{name:?}"), fix);
    }
    Some(name)
}

fn refused(found: &mut Findings, at: &str, result: Result<(), ConfigError>) {
    if let Err(error) = result {
        // The limits have human names here.
        let field = match error.field.as_str() {
            "slo.max_error_ratio" => "slo.error_rate".to_owned(),
            slo if slo.starts_with("slo.") => slo.trim_end_matches("_ms").to_owned(),
            "bake_minutes" => "bake".to_owned(),
            other => format!("evidence.{other}"),
        };
        found.add(format!("{at}.{field}"), error.found, error.fix);
    }
}

fn stages(found: &mut Findings, at: &str, raw: Option<Vec<String>>) -> Vec<Weight> {
    let texts = raw.unwrap_or_else(|| DEFAULT_STAGES.map(String::from).to_vec());
    let mut stages = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        let key = format!("{at}.stages[{index}]");
        let Some(weight) = found.parsed(&key, text, text.parse::<Weight>()) else {
            continue;
        };
        if weight == Weight::ZERO {
            found.add(&key, format!("{text:?}"), "a stage must be above 0%");
        } else if stages.last().is_some_and(|last| *last >= weight) {
            found.add(&key, format!("{text:?}"), "stages must rise");
        } else {
            stages.push(weight);
        }
    }
    if texts.len() > MOST_STAGES {
        let fix = format!("has {} stages; give at most {MOST_STAGES}", texts.len());
        found.add(format!("{at}.stages"), "", fix);
    }
    if stages.last() != Some(&Weight::FULL) {
        found.add(format!("{at}.stages"), format!("{texts:?}"), "the last stage must be \"100%\"");
    }
    stages
}

fn start(found: &mut Findings, at: &str, text: Option<&str>, stages: &[Weight]) -> StartAt {
    let key = format!("{at}.start");
    match text {
        None | Some("auto") => StartAt::Auto,
        Some(text) => match found.parsed(&key, text, text.parse::<Weight>()) {
            Some(weight) if stages.contains(&weight) => StartAt::Stage(weight),
            Some(_) => {
                found.add(key, format!("{text:?}"), "must be \"auto\" or one of `stages`");
                StartAt::Auto
            }
            None => StartAt::Auto,
        },
    }
}

fn slo(found: &mut Findings, at: &str, raw: &raw::Slo) -> Slo {
    let default = Slo::default();
    let max_error_ratio = raw.error_rate.as_deref().map_or(default.max_error_ratio, |text| {
        let key = format!("{at}.slo.error_rate");
        found.percentage(&key, text).unwrap_or(default.max_error_ratio)
    });
    Slo {
        max_error_ratio,
        p50_ms: found.millis(&format!("{at}.slo.p50"), raw.p50.as_deref(), default.p50_ms),
        p95_ms: found.millis(&format!("{at}.slo.p95"), raw.p95.as_deref(), default.p95_ms),
        p99_ms: found.millis(&format!("{at}.slo.p99"), raw.p99.as_deref(), default.p99_ms),
    }
}

/// Both sides' labels. Every screen names them, so they must differ, and a label that
/// is left out is the usual one.
fn labels(found: &mut Findings, at: &str, raw: raw::Labels) -> Labels {
    let usual = Labels::default();
    for (side, text) in [("old", &raw.old), ("new", &raw.new)] {
        if let Some(text) = text {
            found.parsed(&format!("{at}.labels.{side}"), text, labels::check(text));
        }
    }
    let read = Labels { old: raw.old.unwrap_or(usual.old), new: raw.new.unwrap_or(usual.new) };
    if read.old == read.new {
        let fix = format!("must differ from `labels.old`, which is {:?}", read.old);
        found.add(format!("{at}.labels.new"), format!("{:?}", read.new), fix);
    }
    read
}

fn alarms(found: &mut Findings, at: &str, raw: &raw::Alarms) {
    for (list, names) in [("rollback_on", &raw.rollback_on), ("hold_on", &raw.hold_on)] {
        for (index, name) in names.iter().enumerate() {
            alarm_name(found, &format!("{at}.alarms.{list}[{index}]"), name);
        }
    }
    for (alarm, twin) in &raw.python_twin {
        alarm_name(found, &format!("{at}.alarms.python_twin.{alarm}"), twin);
    }
    for name in raw.python_twin.keys() {
        if !raw.rollback_on.contains(name) {
            found.add(
                format!("{at}.alarms.python_twin"),
                format!("{name:?}"),
                "is not in `rollback_on`; a twin only matters for an alarm that rolls back",
            );
        }
    }
}

/// What does not exist in CloudWatch is told by `check` and by a start: a running
/// controller that refused its configuration would protect nothing.
fn alarm_name(found: &mut Findings, at: &str, name: &str) {
    if name.trim().is_empty() {
        found.add(at, format!("{name:?}"), "give an alarm's name");
    }
}

fn calendar(found: &mut Findings, at: &str, raw: raw::Calendar) -> Calendar {
    let mut calendar = Calendar { time_zone: raw.time_zone, ..Calendar::default() };
    if let Err(error) = calendar.check() {
        found.add(
            format!("{at}.calendar.time_zone"),
            format!("{:?}", error.text),
            error.to_string(),
        );
        calendar.time_zone.clear();
    }
    for (index, text) in raw.windows.into_iter().enumerate() {
        let key = format!("{at}.calendar.windows[{index}]");
        calendar.windows.extend(found.parsed(&key, &text.clone(), Window::try_from(text)));
    }
    for (index, text) in raw.freeze.into_iter().enumerate() {
        let key = format!("{at}.calendar.freeze[{index}]");
        calendar.freeze.extend(found.parsed(&key, &text.clone(), Freeze::try_from(text)));
    }
    calendar
}

fn route(found: &mut Findings, at: &str, raw: raw::Route) -> Option<Route> {
    let key = |field: &str| format!("{at}.{field}");
    let rule = found.parsed(&key("rule"), &raw.rule, RuleArn::parse(&raw.rule));
    let old = found.parsed(&key("old_group"), &raw.old_group, GroupArn::parse(&raw.old_group));
    let new = found.parsed(&key("new_group"), &raw.new_group, GroupArn::parse(&raw.new_group));
    if old.is_some() && old == new {
        found.add(key("new_group"), format!("{:?}", raw.new_group), "must differ from `old_group`");
    }
    let header_rule = match raw.header_rule {
        None => None,
        Some(header) => {
            let group = found.parsed(
                &key("header_rule.group"),
                &header.group,
                GroupArn::parse(&header.group),
            );
            if header.header.is_empty() || header.header.len() > 40 {
                found.add(
                    key("header_rule.header"),
                    format!("{:?}", header.header),
                    "use 1 to 40 characters",
                );
            }
            if !(1..=50_000).contains(&header.priority) {
                found.add(key("header_rule.priority"), header.priority, "must be from 1 to 50000");
            }
            group.map(|group| HeaderRule {
                priority: header.priority,
                header: header.header,
                value: header.value,
                group,
            })
        }
    };
    Some(Route { name: raw.name, rule: rule?, old_group: old?, new_group: new?, header_rule })
}

fn unique_names(found: &mut Findings, rollouts: &[Rollout]) {
    for (index, rollout) in rollouts.iter().enumerate() {
        if rollouts[..index].iter().any(|other| other.name == rollout.name) {
            found.add(
                format!("rollout[{index}].name"),
                format!("{:?}", rollout.name),
                "is used twice",
            );
        }
        let routes = &rollout.terms.routes;
        for (r, route) in routes.iter().enumerate() {
            if routes[..r].iter().any(|other| other.name == route.name) {
                let key = format!("rollout[{index}].route[{r}].name");
                found.add(key, format!("{:?}", route.name), "is used twice");
            }
        }
    }
}

/// A new group in two routes would mix their metrics; a rule in two routes
/// would have two masters.
fn unique_groups_and_rules(found: &mut Findings, rollouts: &[Rollout]) {
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    for (index, rollout) in rollouts.iter().enumerate() {
        for (r, route) in rollout.terms.routes.iter().enumerate() {
            let at = format!("rollout[{index}].route[{r}]");
            let why = [
                ("rule", route.rule.as_str(), "a rule belongs to exactly one route"),
                (
                    "new_group",
                    route.new_group.as_str(),
                    "sharing it would mix the metrics; give each route a new_group of its own",
                ),
            ];
            for (field, arn, reason) in why {
                let key = format!("{at}.{field}");
                if let Some(first) = seen.insert(arn.to_owned(), key.clone()) {
                    found.add(key, format!("{arn:?}"), format!("is {first} already: {reason}"));
                }
            }
        }
    }
    for (index, rollout) in rollouts.iter().enumerate() {
        for (r, route) in rollout.terms.routes.iter().enumerate() {
            let tester = route.header_rule.as_ref().map(|header| &header.group);
            if let Some(first) = tester.and_then(|group| seen.get(group.as_str())) {
                found.add(
                    format!("rollout[{index}].route[{r}].header_rule.group"),
                    format!("{:?}", tester.map_or("", |group| group.as_str())),
                    format!("is {first} already: testers' requests would count as evidence; give them a group of their own (the same function may serve both)"),
                );
            }
        }
    }
}
