//! DescribeAlarms.

use std::collections::HashMap;

use async_trait::async_trait;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{AlarmType, StateValue};

use super::CloudWatch;
use crate::adapters::aws::CallError;
use crate::ports::{AlarmSeen, AlarmState, Alarms, AlarmsError};

const OPERATION: &str = "DescribeAlarms";
/// Names and records of one call.
const MOST_NAMES: usize = 100;
/// Pages of one call; each holds at least one of at most a hundred alarms.
const MOST_PAGES: usize = 100;

#[async_trait]
impl Alarms for CloudWatch {
    async fn read(&self, names: &[String]) -> Result<Vec<AlarmSeen>, AlarmsError> {
        let mut seen = HashMap::new();
        for some in names.chunks(MOST_NAMES) {
            self.describe(some, &mut seen)
                .await
                .map_err(|error| AlarmsError { count: names.len(), source: error.into() })?;
        }
        // A name without an alarm is absent from the answer, without a word.
        let alarms = names.iter().map(|name| {
            seen.get(name).cloned().unwrap_or_else(|| AlarmSeen {
                name: name.clone(),
                state: AlarmState::Missing,
                since_ms: None,
                reason: "no alarm has this name".to_owned(),
            })
        });
        Ok(alarms.collect())
    }
}

impl CloudWatch {
    async fn describe(
        &self,
        names: &[String],
        seen: &mut HashMap<String, AlarmSeen>,
    ) -> Result<(), CallError> {
        let client = self.aws.cloudwatch().await;
        let mut token = None;
        for _ in 0..MOST_PAGES {
            let page = client
                .describe_alarms()
                .set_alarm_names(Some(names.to_vec()))
                // Without types only metric alarms come back.
                .alarm_types(AlarmType::MetricAlarm)
                .alarm_types(AlarmType::CompositeAlarm)
                .set_next_token(token)
                .send()
                .await
                .map_err(|error| CallError::new(OPERATION, &error))?;
            let metric = page.metric_alarms().iter().map(|alarm| {
                let since = alarm.state_transitioned_timestamp();
                (alarm.alarm_name(), alarm.state_value(), since, alarm.state_reason())
            });
            let composite = page.composite_alarms().iter().map(|alarm| {
                let since = alarm.state_transitioned_timestamp();
                (alarm.alarm_name(), alarm.state_value(), since, alarm.state_reason())
            });
            for (name, state, since, reason) in metric.chain(composite) {
                let name = name.unwrap_or_default().to_owned();
                let alarm = AlarmSeen {
                    name: name.clone(),
                    state: alarm_state(&name, state)?,
                    since_ms: since.copied().and_then(|time: DateTime| time.to_millis().ok()),
                    reason: reason.unwrap_or_default().to_owned(),
                };
                seen.insert(name, alarm);
            }
            token = page.next_token.filter(|token| !token.is_empty());
            if token.is_none() {
                return Ok(());
            }
        }
        Err(CallError::finding(OPERATION, format!("more than {MOST_PAGES} pages")))
    }
}

/// A state that we do not know is an error, not a guess.
fn alarm_state(name: &str, state: Option<&StateValue>) -> Result<AlarmState, CallError> {
    match state {
        Some(StateValue::Ok) => Ok(AlarmState::Ok),
        Some(StateValue::Alarm) => Ok(AlarmState::Alarm),
        Some(StateValue::InsufficientData) => Ok(AlarmState::InsufficientData),
        other => {
            let state = other.map_or("none", StateValue::as_str);
            Err(CallError::finding(OPERATION, format!("alarm `{name}` has the state {state}")))
        }
    }
}
