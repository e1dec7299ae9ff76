//! CloudWatch: alarms.

use super::AwsError;
use super::cloudwatch::{read_dimensions, write_dimensions};
use super::value::{Val, text};
use crate::alarms::{Alarm, AlarmKind, AlarmState};
use crate::cloud::Cloud;
use crate::metrics::Statistic;
use crate::topology::{AlarmSpec, CompositeAlarmSpec};

pub(super) fn call(cloud: &Cloud, operation: &str, input: &Val) -> Result<Val, AwsError> {
    let nothing = Val::Map(Vec::new());
    match operation {
        "DescribeAlarms" => describe(cloud, input),
        "SetAlarmState" => {
            let state = required(input, "StateValue")?;
            let state = AlarmState::parse(state).ok_or_else(|| {
                AwsError::validation(format!("StateValue '{state}' is not a state"))
            })?;
            let reason = required(input, "StateReason")?;
            let data = input.text("StateReasonData").map(str::to_owned);
            let changed =
                cloud.alarms.set_state(required(input, "AlarmName")?, state, reason, data)?;
            cloud.dispatch(&changed);
            Ok(nothing)
        }
        "PutMetricAlarm" => {
            cloud.alarms.put_metric(read_metric_alarm(input)?)?;
            Ok(nothing)
        }
        "PutCompositeAlarm" => {
            cloud.alarms.put_composite(CompositeAlarmSpec {
                name: required(input, "AlarmName")?.to_owned(),
                description: input.text("AlarmDescription").unwrap_or_default().to_owned(),
                rule: required(input, "AlarmRule")?.to_owned(),
                alarm_actions: input.texts("AlarmActions"),
                ok_actions: input.texts("OKActions"),
                insufficient_data_actions: input.texts("InsufficientDataActions"),
            })?;
            Ok(nothing)
        }
        "DeleteAlarms" => {
            cloud.alarms.delete(&input.texts("AlarmNames"))?;
            Ok(nothing)
        }
        "EnableAlarmActions" | "DisableAlarmActions" => {
            let enabled = operation == "EnableAlarmActions";
            cloud.alarms.enable_actions(&input.texts("AlarmNames"), enabled);
            Ok(nothing)
        }
        other => Err(AwsError::unsupported(other)),
    }
}

fn describe(cloud: &Cloud, input: &Val) -> Result<Val, AwsError> {
    let types = input.texts("AlarmTypes");
    let wants = |kind: &str| {
        // Without AlarmTypes only metric alarms come back, as at AWS.
        if types.is_empty() { kind == "MetricAlarm" } else { types.iter().any(|one| one == kind) }
    };
    let names = input.texts("AlarmNames");
    if names.len() > 100 {
        return Err(AwsError::validation("at most 100 AlarmNames"));
    }
    let prefix = input.text("AlarmNamePrefix").unwrap_or_default();
    let state = input.text("StateValue");
    let mut found: Vec<Alarm> = cloud.alarms.list();
    found.retain(|alarm| {
        let kind = match alarm.kind {
            AlarmKind::Metric(_) => "MetricAlarm",
            AlarmKind::Composite(_) => "CompositeAlarm",
        };
        wants(kind)
            && (names.is_empty() || names.iter().any(|name| name == alarm.name()))
            && alarm.name().starts_with(prefix)
            && state.is_none_or(|state| state == alarm.now.state.as_str())
    });
    let size = usize::try_from(input.int("MaxRecords").unwrap_or(50)).unwrap_or(0);
    if !(1..=100).contains(&size) {
        return Err(AwsError::validation("MaxRecords must be between 1 and 100"));
    }
    let start = match input.text("NextToken") {
        None => 0,
        Some(token) => token
            .strip_prefix("at-")
            .and_then(|at| at.parse().ok())
            .filter(|at| *at < found.len())
            .ok_or_else(|| AwsError::sender("InvalidNextToken", "The next token is not valid"))?,
    };
    let end = (start + size).min(found.len());
    let (mut metric, mut composite) = (Vec::new(), Vec::new());
    for alarm in &found[start..end] {
        match &alarm.kind {
            AlarmKind::Metric(spec) => metric.push(write_metric_alarm(cloud, alarm, spec)),
            AlarmKind::Composite(spec) => {
                let mut members = write_common(cloud, alarm, &spec.description);
                members.push(("AlarmRule".to_owned(), text(spec.rule.clone())));
                composite.push(Val::Map(members));
            }
        }
    }
    let mut answer = vec![
        ("MetricAlarms".to_owned(), Val::List(metric)),
        ("CompositeAlarms".to_owned(), Val::List(composite)),
    ];
    if end < found.len() {
        answer.push(("NextToken".to_owned(), text(format!("at-{end}"))));
    }
    Ok(Val::Map(answer))
}

fn write_common(cloud: &Cloud, alarm: &Alarm, description: &str) -> Vec<(String, Val)> {
    let time = |ms: i64| Val::Time(ms as f64 / 1000.0);
    let arns =
        |state| Val::List(alarm.actions(state).iter().map(|arn| text(arn.as_str())).collect());
    let mut members = vec![
        ("AlarmName", text(alarm.name())),
        ("AlarmArn", text(cloud.names.alarm(alarm.name()))),
        ("AlarmDescription", text(description)),
        ("AlarmConfigurationUpdatedTimestamp", time(alarm.configured_ms)),
        ("ActionsEnabled", Val::Bool(alarm.actions_enabled)),
        ("OKActions", arns(AlarmState::Ok)),
        ("AlarmActions", arns(AlarmState::Alarm)),
        ("InsufficientDataActions", arns(AlarmState::InsufficientData)),
        ("StateValue", text(alarm.now.state.as_str())),
        ("StateReason", text(alarm.now.reason.clone())),
        ("StateUpdatedTimestamp", time(alarm.now.updated_ms)),
        ("StateTransitionedTimestamp", time(alarm.transitioned_ms)),
    ];
    if let Some(data) = &alarm.now.reason_data {
        members.push(("StateReasonData", text(data.clone())));
    }
    members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn write_metric_alarm(cloud: &Cloud, alarm: &Alarm, spec: &AlarmSpec) -> Val {
    let mut members = write_common(cloud, alarm, &spec.description);
    let extended = spec.statistic.parse::<Statistic>().is_ok_and(Statistic::needs_samples);
    let word = |value: serde_json::Result<serde_json::Value>| {
        text(value.ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default())
    };
    let n = spec.evaluation_periods;
    let mut add = |key: &str, value: Val| members.push((key.to_owned(), value));
    add("MetricName", text(spec.metric.clone()));
    add("Namespace", text(spec.namespace.clone()));
    add(if extended { "ExtendedStatistic" } else { "Statistic" }, text(spec.statistic.clone()));
    add("Dimensions", write_dimensions(&spec.dimensions));
    add("Period", Val::Int(spec.period_secs.into()));
    add("EvaluationPeriods", Val::Int(n.into()));
    add("DatapointsToAlarm", Val::Int(spec.datapoints_to_alarm.unwrap_or(n).into()));
    add("Threshold", Val::Float(spec.threshold));
    add("ComparisonOperator", word(serde_json::to_value(spec.comparison)));
    add("TreatMissingData", word(serde_json::to_value(spec.missing_data)));
    if spec.ignore_low_samples {
        add("EvaluateLowSampleCountPercentile", text("ignore"));
    }
    Val::Map(members)
}

fn read_metric_alarm(input: &Val) -> Result<AlarmSpec, AwsError> {
    if input.get("Metrics").is_some() || input.get("ThresholdMetricId").is_some() {
        return Err(AwsError::unsupported("metric math and anomaly alarms"));
    }
    let statistic = input
        .text("Statistic")
        .or_else(|| input.text("ExtendedStatistic"))
        .ok_or_else(|| AwsError::sender("MissingParameter", "Statistic or ExtendedStatistic"))?;
    let whole = |key: &str| {
        input.int(key).map(|value| {
            u32::try_from(value)
                .map_err(|_| AwsError::validation(format!("{key} {value} is out of range")))
        })
    };
    let needed =
        |key: &str| whole(key).unwrap_or_else(|| Err(AwsError::sender("MissingParameter", key)));
    let word = |key: &str| serde_json::Value::from(input.text(key).unwrap_or_default());
    let bad = |key: &str| AwsError::validation(format!("{key} '{}' is not known here", word(key)));
    Ok(AlarmSpec {
        name: required(input, "AlarmName")?.to_owned(),
        description: input.text("AlarmDescription").unwrap_or_default().to_owned(),
        namespace: required(input, "Namespace")?.to_owned(),
        metric: required(input, "MetricName")?.to_owned(),
        dimensions: read_dimensions(input).ok_or_else(|| bad("Dimensions"))?,
        statistic: statistic.to_owned(),
        period_secs: needed("Period")?,
        evaluation_periods: needed("EvaluationPeriods")?,
        datapoints_to_alarm: whole("DatapointsToAlarm").transpose()?,
        threshold: input
            .float("Threshold")
            .ok_or_else(|| AwsError::sender("MissingParameter", "Threshold"))?,
        comparison: serde_json::from_value(word("ComparisonOperator"))
            .map_err(|_| bad("ComparisonOperator"))?,
        missing_data: match input.text("TreatMissingData") {
            None => crate::topology::MissingData::default(),
            Some(_) => serde_json::from_value(word("TreatMissingData"))
                .map_err(|_| bad("TreatMissingData"))?,
        },
        ignore_low_samples: input.text("EvaluateLowSampleCountPercentile") == Some("ignore"),
        alarm_actions: input.texts("AlarmActions"),
        ok_actions: input.texts("OKActions"),
        insufficient_data_actions: input.texts("InsufficientDataActions"),
    })
}

fn required<'a>(input: &'a Val, key: &str) -> Result<&'a str, AwsError> {
    input
        .text(key)
        .filter(|text| !text.is_empty())
        .ok_or_else(|| AwsError::sender("MissingParameter", format!("{key} must be given")))
}
