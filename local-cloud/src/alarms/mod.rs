//! Alarms: evaluated at every simulated minute, metric and composite.
//!
//! Left out: metric math and anomaly alarms, action suppressors, history.

mod composite;
mod evaluate;
pub(crate) mod report;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};

use crate::aws::AwsError;
use crate::clock::{Clock, MINUTE_MS};
use crate::metrics::{Metric, Metrics, Statistic};
use crate::names::{Names, dimension};
use crate::topology::{AlarmSpec, Comparison, CompositeAlarmSpec};
use composite::Expression;
use evaluate::{Verdict, evaluate};

/// State of an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AlarmState {
    /// Within its threshold.
    Ok,
    /// Outside its threshold.
    Alarm,
    /// Not enough data to say.
    InsufficientData,
}

impl AlarmState {
    /// As the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Alarm => "ALARM",
            Self::InsufficientData => "INSUFFICIENT_DATA",
        }
    }

    /// Reads the API's word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Ok, Self::Alarm, Self::InsufficientData]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

/// What an alarm looks at.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum AlarmKind {
    /// One metric.
    Metric(AlarmSpec),
    /// Other alarms.
    Composite(CompositeAlarmSpec),
}

/// A state with its reason.
#[derive(Clone, Debug, Serialize)]
pub struct StateNote {
    /// The state.
    pub state: AlarmState,
    /// For people.
    pub reason: String,
    /// JSON text for programs, if any.
    pub reason_data: Option<String>,
    /// Simulated milliseconds since 1970 of the last write.
    pub updated_ms: i64,
}

/// An alarm.
#[derive(Clone, Debug, Serialize)]
pub struct Alarm {
    /// What it looks at.
    pub kind: AlarmKind,
    /// How it stands.
    pub now: StateNote,
    /// Simulated milliseconds since 1970 of the last real change.
    pub transitioned_ms: i64,
    /// Simulated milliseconds since 1970 of the last configuration.
    pub configured_ms: i64,
    /// Whether actions are carried out.
    pub actions_enabled: bool,
}

impl Alarm {
    /// Its name.
    pub fn name(&self) -> &str {
        match &self.kind {
            AlarmKind::Metric(spec) => &spec.name,
            AlarmKind::Composite(spec) => &spec.name,
        }
    }

    /// Who is told about a state: ARNs.
    pub fn actions(&self, state: AlarmState) -> &[String] {
        match (&self.kind, state) {
            (AlarmKind::Metric(spec), AlarmState::Ok) => &spec.ok_actions,
            (AlarmKind::Metric(spec), AlarmState::Alarm) => &spec.alarm_actions,
            (AlarmKind::Metric(spec), AlarmState::InsufficientData) => {
                &spec.insufficient_data_actions
            }
            (AlarmKind::Composite(spec), AlarmState::Ok) => &spec.ok_actions,
            (AlarmKind::Composite(spec), AlarmState::Alarm) => &spec.alarm_actions,
            (AlarmKind::Composite(spec), AlarmState::InsufficientData) => {
                &spec.insufficient_data_actions
            }
        }
    }
}

/// A change of state.
#[derive(Clone, Debug)]
pub(crate) struct Transition {
    /// The alarm as it is afterwards.
    pub(crate) alarm: Alarm,
    /// How it stood before.
    pub(crate) before: StateNote,
}

/// All alarms.
#[derive(Debug)]
pub(crate) struct Alarms {
    names: Names,
    functions: BTreeSet<String>,
    clock: Arc<Clock>,
    metrics: Arc<Metrics>,
    inner: Mutex<BTreeMap<String, Alarm>>,
}

impl Alarms {
    /// `functions` tells names of functions from names of topics in actions.
    pub(crate) fn new(
        names: &Names,
        functions: BTreeSet<String>,
        clock: &Arc<Clock>,
        metrics: &Arc<Metrics>,
    ) -> Self {
        Self {
            names: names.clone(),
            functions,
            clock: clock.clone(),
            metrics: metrics.clone(),
            inner: Mutex::default(),
        }
    }

    /// Creates or replaces a metric alarm; an existing one keeps its state.
    pub(crate) fn put_metric(&self, mut spec: AlarmSpec) -> Result<(), AwsError> {
        spec.statistic.parse::<Statistic>().map_err(|error| {
            AwsError::sender("InvalidParameterValue", format!("{}: {error}", spec.name))
        })?;
        let m = spec.datapoints_to_alarm.unwrap_or(spec.evaluation_periods);
        let n = spec.evaluation_periods;
        if m == 0 || m > n {
            return Err(AwsError::validation(format!(
                "{}: DatapointsToAlarm {m} must be between 1 and EvaluationPeriods {n}",
                spec.name
            )));
        }
        if spec.period_secs == 0 || !spec.period_secs.is_multiple_of(60) {
            return Err(AwsError::validation(format!(
                "{}: Period {} must be a multiple of 60 here",
                spec.name, spec.period_secs
            )));
        }
        if u64::from(spec.period_secs) * u64::from(n) > 86_400 {
            return Err(AwsError::validation(format!(
                "{}: Period times EvaluationPeriods must not exceed one day",
                spec.name
            )));
        }
        for (key, of) in [
            ("load_balancer", Names::load_balancer as fn(&Names, &str) -> String),
            ("target_group", Names::target_group),
        ] {
            if let Some(name) = spec.dimensions.remove(key) {
                let arn = of(&self.names, &name);
                let aws_key = if key == "load_balancer" { "LoadBalancer" } else { "TargetGroup" };
                let value = dimension(&arn).unwrap_or_default().to_owned();
                spec.dimensions.insert(aws_key.to_owned(), value);
            }
        }
        for actions in
            [&mut spec.alarm_actions, &mut spec.ok_actions, &mut spec.insufficient_data_actions]
        {
            self.resolve(actions)?;
        }
        self.put(spec.name.clone(), AlarmKind::Metric(spec));
        Ok(())
    }

    /// Creates or replaces a composite alarm.
    pub(crate) fn put_composite(&self, mut spec: CompositeAlarmSpec) -> Result<(), AwsError> {
        let expression = Expression::parse(&spec.rule).map_err(|error| {
            AwsError::validation(format!("AlarmRule of {}: {error}", spec.name))
        })?;
        let known = self.lock();
        for child in expression.children() {
            if !known.contains_key(bare_name(child)) {
                return Err(AwsError::validation(format!(
                    "AlarmRule of {}: no alarm is called {child}",
                    spec.name
                )));
            }
        }
        drop(known);
        for actions in
            [&mut spec.alarm_actions, &mut spec.ok_actions, &mut spec.insufficient_data_actions]
        {
            self.resolve(actions)?;
        }
        self.put(spec.name.clone(), AlarmKind::Composite(spec));
        Ok(())
    }

    fn resolve(&self, actions: &mut [String]) -> Result<(), AwsError> {
        if actions.len() > 5 {
            return Err(AwsError::validation("at most 5 actions per state"));
        }
        for action in actions {
            if !action.starts_with("arn:") {
                *action = if self.functions.contains(action) {
                    self.names.function(action)
                } else {
                    self.names.topic(action)
                };
            }
        }
        Ok(())
    }

    fn put(&self, name: String, kind: AlarmKind) {
        let now_ms = self.clock.now_ms();
        let mut inner = self.lock();
        if let Some(alarm) = inner.get_mut(&name) {
            alarm.kind = kind;
            alarm.configured_ms = now_ms;
            return;
        }
        let now = StateNote {
            state: AlarmState::InsufficientData,
            reason: "Unchecked: Initial alarm creation".to_owned(),
            reason_data: None,
            updated_ms: now_ms,
        };
        let alarm = Alarm {
            kind,
            now,
            transitioned_ms: now_ms,
            configured_ms: now_ms,
            actions_enabled: true,
        };
        inner.insert(name, alarm);
    }

    /// All alarms by name.
    pub(crate) fn list(&self) -> Vec<Alarm> {
        self.lock().values().cloned().collect()
    }

    pub(crate) fn delete(&self, names: &[String]) -> Result<(), AwsError> {
        let mut inner = self.lock();
        for name in names {
            if inner.remove(name).is_none() {
                return Err(AwsError {
                    status: 404,
                    code: "ResourceNotFound".to_owned(),
                    message: format!("no alarm is called {name}"),
                });
            }
        }
        Ok(())
    }

    pub(crate) fn enable_actions(&self, names: &[String], enabled: bool) {
        let mut inner = self.lock();
        for name in names {
            if let Some(alarm) = inner.get_mut(name) {
                alarm.actions_enabled = enabled;
            }
        }
    }

    /// Sets a state by hand; the next evaluation may change it again.
    pub(crate) fn set_state(
        &self,
        name: &str,
        state: AlarmState,
        reason: &str,
        reason_data: Option<String>,
    ) -> Result<Vec<Transition>, AwsError> {
        let mut inner = self.lock();
        let now_ms = self.clock.now_ms();
        let Some(alarm) = inner.get_mut(name) else {
            return Err(AwsError {
                status: 404,
                code: "ResourceNotFound".to_owned(),
                message: "Alarm does not exist".to_owned(),
            });
        };
        let mut transitions = Vec::new();
        transitions.extend(enter(alarm, state, reason.to_owned(), reason_data, now_ms));
        transitions.extend(settle_composites(&mut inner, now_ms));
        Ok(transitions)
    }

    /// Evaluates every alarm once; says which changed their state.
    pub(crate) fn evaluate(&self) -> Vec<Transition> {
        let now_ms = self.clock.now_ms();
        let mut inner = self.lock();
        let mut transitions = Vec::new();
        for alarm in inner.values_mut() {
            let AlarmKind::Metric(spec) = &alarm.kind else {
                continue;
            };
            if let Some((state, reason, data)) = self.judge(spec, now_ms) {
                transitions.extend(enter(alarm, state, reason, Some(data), now_ms));
            }
        }
        transitions.extend(settle_composites(&mut inner, now_ms));
        transitions
    }

    /// The state that the metric asks for; `None` keeps the present one.
    fn judge(&self, spec: &AlarmSpec, now_ms: i64) -> Option<(AlarmState, String, String)> {
        let statistic: Statistic = spec.statistic.parse().ok()?;
        let metric = Metric {
            namespace: spec.namespace.clone(),
            name: spec.metric.clone(),
            dimensions: spec.dimensions.clone(),
        };
        let period_ms = i64::from(spec.period_secs) * 1000;
        let n = spec.evaluation_periods;
        let m = spec.datapoints_to_alarm.unwrap_or(n);
        // Two periods more than are judged, as AWS's example has 5 for 3.
        let range = i64::from(n) + 2;
        let end_ms = now_ms.div_euclid(period_ms) * period_ms;
        let start_ms = end_ms - range * period_ms;
        let values = self.metrics.values(&metric, statistic, start_ms, end_ms, period_ms);
        let value_at = |index: i64| {
            let at = start_ms + index * period_ms;
            values.iter().find(|(start, _)| *start == at).map(|(_, value)| *value)
        };
        let points: Vec<Option<f64>> = (0..range).map(value_at).collect();
        if spec.ignore_low_samples
            && let Statistic::Percentile(percent) = statistic
        {
            let p = percent / 100.0;
            // 10/(1-p) samples above the median, 10/p below it.
            let needed = if p >= 0.5 { 10.0 / (1.0 - p).max(1e-9) } else { 10.0 / p.max(1e-9) };
            let newest = values.last().map(|(start, _)| *start)?;
            let count = self.metrics.value(&metric, Statistic::SampleCount, newest, period_ms)?;
            if count < needed {
                return None;
            }
        }
        let breaches: Vec<Option<bool>> = points
            .iter()
            .map(|point| point.map(|value| breach(spec.comparison, value, spec.threshold)))
            .collect();
        let state = match evaluate(&breaches, n as usize, m as usize, spec.missing_data) {
            Verdict::Keep => return None,
            Verdict::Ok => AlarmState::Ok,
            Verdict::Alarm => AlarmState::Alarm,
            Verdict::InsufficientData => AlarmState::InsufficientData,
        };
        let recent: Vec<f64> = points.iter().flatten().copied().collect();
        Some(report::reason(spec, state, &recent, now_ms))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Alarm>> {
        self.inner.lock().expect("alarms lock")
    }
}

fn breach(comparison: Comparison, value: f64, threshold: f64) -> bool {
    match comparison {
        Comparison::GreaterThanOrEqualToThreshold => value >= threshold,
        Comparison::GreaterThanThreshold => value > threshold,
        Comparison::LessThanThreshold => value < threshold,
        Comparison::LessThanOrEqualToThreshold => value <= threshold,
    }
}

fn enter(
    alarm: &mut Alarm,
    state: AlarmState,
    reason: String,
    reason_data: Option<String>,
    now_ms: i64,
) -> Option<Transition> {
    if alarm.now.state == state {
        return None;
    }
    let now = StateNote { state, reason, reason_data, updated_ms: now_ms };
    let before = std::mem::replace(&mut alarm.now, now);
    alarm.transitioned_ms = now_ms;
    Some(Transition { alarm: alarm.clone(), before })
}

/// Composites may look at composites: repeat until nothing changes.
fn settle_composites(alarms: &mut BTreeMap<String, Alarm>, now_ms: i64) -> Vec<Transition> {
    let mut transitions = Vec::new();
    for _ in 0..alarms.len() {
        let states: BTreeMap<String, AlarmState> =
            alarms.iter().map(|(name, alarm)| (name.clone(), alarm.now.state)).collect();
        let mut changed = false;
        for alarm in alarms.values_mut() {
            let AlarmKind::Composite(spec) = &alarm.kind else {
                continue;
            };
            let Ok(expression) = Expression::parse(&spec.rule) else {
                continue;
            };
            let holds = expression.holds(&|child| {
                states.get(bare_name(child)).copied().unwrap_or(AlarmState::InsufficientData)
            });
            let state = if holds { AlarmState::Alarm } else { AlarmState::Ok };
            let reason = format!("{} is {}: {}", spec.name, state.as_str(), spec.rule);
            if let Some(transition) = enter(alarm, state, reason, None, now_ms) {
                transitions.push(transition);
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    transitions
}

/// Composite rules may name children by ARN.
fn bare_name(name_or_arn: &str) -> &str {
    name_or_arn.split_once(":alarm:").map_or(name_or_arn, |(_, name)| name)
}

/// Minute boundary after `now_ms`, when alarms are evaluated next.
pub(crate) fn next_evaluation(now_ms: i64) -> i64 {
    (now_ms.div_euclid(MINUTE_MS) + 1) * MINUTE_MS
}
