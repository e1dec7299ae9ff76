//! What an alarm tells: its reason, the EventBridge event, the direct Lambda
//! payload, the SNS message.

use serde_json::{Value, json};

use super::{Alarm, AlarmKind, AlarmState, StateNote, Transition};
use crate::clock::timestamp;
use crate::metrics::Statistic;
use crate::names::Names;
use crate::topology::AlarmSpec;

/// State, reason for people, reason data.
pub(super) fn reason(
    spec: &AlarmSpec,
    state: AlarmState,
    recent: &[f64],
    now_ms: i64,
) -> (AlarmState, String, String) {
    let n = spec.evaluation_periods;
    let text = match state {
        AlarmState::InsufficientData => {
            "Insufficient Data: no datapoints were received in the evaluation range.".to_owned()
        }
        AlarmState::Ok | AlarmState::Alarm => {
            let m = spec.datapoints_to_alarm.unwrap_or(n);
            let comparison = serde_json::to_value(spec.comparison).unwrap_or_default();
            format!(
                "Threshold Crossed: {m} out of the last {n} datapoints {recent:?} decide \
                 {} against {} {}",
                state.as_str(),
                comparison.as_str().unwrap_or_default(),
                spec.threshold
            )
        }
    };
    let data = json!({
        "version": "1.0",
        "queryDate": stamp(now_ms),
        "statistic": spec.statistic,
        "period": spec.period_secs,
        "recentDatapoints": recent,
        "threshold": spec.threshold,
    });
    (state, text, data.to_string())
}

/// The event that EventBridge gets.
pub(crate) fn event(names: &Names, transition: &Transition) -> Value {
    let alarm = &transition.alarm;
    json!({
        "version": "0",
        "id": crate::functions::request_id(),
        "detail-type": "CloudWatch Alarm State Change",
        "source": "aws.cloudwatch",
        "account": names.account,
        "region": names.region,
        "time": whole_second(alarm.now.updated_ms),
        "resources": [names.alarm(alarm.name())],
        "detail": detail(transition),
    })
}

/// The payload of a Lambda function as alarm action.
pub(crate) fn lambda_payload(names: &Names, transition: &Transition) -> Value {
    let alarm = &transition.alarm;
    json!({
        "source": "aws.cloudwatch",
        "alarmArn": names.alarm(alarm.name()),
        "accountId": names.account,
        "time": stamp(alarm.now.updated_ms),
        "region": names.region,
        "alarmData": detail(transition),
    })
}

/// Subject and message for SNS.
pub(crate) fn sns(names: &Names, transition: &Transition) -> (String, String) {
    let alarm = &transition.alarm;
    let state = alarm.now.state.as_str();
    let mut message = json!({
        "AlarmName": alarm.name(),
        "AlarmDescription": description(alarm),
        "AWSAccountId": names.account,
        "AlarmConfigurationUpdatedTimestamp": stamp(alarm.configured_ms),
        "NewStateValue": state,
        "NewStateReason": alarm.now.reason,
        "StateChangeTime": stamp(alarm.now.updated_ms),
        "Region": names.region,
        "AlarmArn": names.alarm(alarm.name()),
        "OldStateValue": transition.before.state.as_str(),
        "OKActions": alarm.actions(AlarmState::Ok),
        "AlarmActions": alarm.actions(AlarmState::Alarm),
        "InsufficientDataActions": alarm.actions(AlarmState::InsufficientData),
    });
    match &alarm.kind {
        AlarmKind::Composite(spec) => message["AlarmRule"] = spec.rule.clone().into(),
        AlarmKind::Metric(spec) => {
            let dimensions: Vec<Value> = spec
                .dimensions
                .iter()
                .map(|(name, value)| json!({ "value": value, "name": name }))
                .collect();
            let mut trigger = json!({
                "MetricName": spec.metric,
                "Namespace": spec.namespace,
                "Dimensions": dimensions,
                "Period": spec.period_secs,
                "EvaluationPeriods": spec.evaluation_periods,
                "DatapointsToAlarm": spec.datapoints_to_alarm.unwrap_or(spec.evaluation_periods),
                "ComparisonOperator": spec.comparison,
                "Threshold": spec.threshold,
                "TreatMissingData": spec.missing_data,
            });
            let extended = spec.statistic.parse::<Statistic>().is_ok_and(Statistic::needs_samples);
            let (kind, key) = if extended {
                ("ExtendedStatistic", "ExtendedStatistic")
            } else {
                ("Statistic", "Statistic")
            };
            trigger["StatisticType"] = kind.into();
            trigger[key] = spec.statistic.clone().into();
            message["Trigger"] = trigger;
        }
    }
    let mut subject = format!("{state}: \"{}\" in {}", alarm.name(), names.region);
    subject.truncate(99);
    (subject, message.to_string())
}

fn detail(transition: &Transition) -> Value {
    let alarm = &transition.alarm;
    let configuration = match &alarm.kind {
        AlarmKind::Composite(spec) => {
            json!({ "description": spec.description, "alarmRule": spec.rule })
        }
        AlarmKind::Metric(spec) => json!({
            "description": spec.description,
            "metrics": [{
                "id": "m1",
                "metricStat": {
                    "metric": {
                        "namespace": spec.namespace,
                        "name": spec.metric,
                        "dimensions": spec.dimensions,
                    },
                    "period": spec.period_secs,
                    "stat": spec.statistic,
                },
                "returnData": true,
            }],
        }),
    };
    json!({
        "alarmName": alarm.name(),
        "configuration": configuration,
        "previousState": note(&transition.before),
        "state": note(&alarm.now),
    })
}

fn note(note: &StateNote) -> Value {
    let mut value = json!({
        "value": note.state.as_str(),
        "reason": note.reason,
        "timestamp": stamp(note.updated_ms),
    });
    if let Some(data) = &note.reason_data {
        value["reasonData"] = data.clone().into();
    }
    value
}

fn description(alarm: &Alarm) -> &str {
    match &alarm.kind {
        AlarmKind::Metric(spec) => &spec.description,
        AlarmKind::Composite(spec) => &spec.description,
    }
}

/// `2026-11-24T04:17:40.987+0000`, as alarms write it.
fn stamp(ms: i64) -> String {
    timestamp(ms).strftime("%Y-%m-%dT%H:%M:%S.%3f+0000").to_string()
}

/// `2026-11-24T04:17:40Z`, as EventBridge writes it.
pub(crate) fn whole_second(ms: i64) -> String {
    timestamp(ms).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
