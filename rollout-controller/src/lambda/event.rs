//! The events of the tick function, and why an event is refused.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

/// Why an event got no answer. `error_type` is stable; alarms match on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// `UnknownEvent`, `Config`, `LedgerError`, `FoldError`, `CommandError`.
    pub error_type: &'static str,
    /// For people.
    pub message: String,
}

/// What the tick door accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bell {
    /// The schedule, with the time it was meant for.
    Schedule(Timestamp),
    /// An alarm changed its state.
    Alarm {
        /// When.
        at: Timestamp,
        /// Which.
        name: String,
    },
}

impl Bell {
    /// The time the tick is judged for.
    pub fn time(&self) -> Timestamp {
        match self {
            Self::Schedule(at) | Self::Alarm { at, .. } => *at,
        }
    }
}

#[derive(Deserialize)]
struct Envelope {
    source: Option<String>,
    time: Option<String>,
    #[serde(rename = "detail-type")]
    detail_type: Option<String>,
    detail: Option<Value>,
    #[serde(rename = "alarmData")]
    alarm_data: Option<Value>,
}

/// A time as AWS writes it: `…Z`, or with `+0000` in alarm events.
fn aws_time(text: &str) -> Option<Timestamp> {
    let plain = text.parse::<Timestamp>().ok();
    plain.or_else(|| format!("{}Z", text.strip_suffix("+0000")?).parse().ok())
}

/// Reads an event of the tick door.
///
/// # Errors
/// What is missing, with the events that are accepted.
pub fn bell(event: &Value) -> Result<Bell, Refusal> {
    let unknown = |problem: &str| Refusal {
        error_type: "UnknownEvent",
        message: format!(
            "{problem}; a tick takes {{\"source\":\"rollout.schedule\",\"time\":\"<aws.scheduler.scheduled-time>\"}}, an EventBridge schedule, or a CloudWatch alarm state change"
        ),
    };
    let envelope: Envelope = serde_json::from_value(event.clone())
        .map_err(|_| unknown("the event is not an object of that kind"))?;
    let text = envelope.time.ok_or_else(|| unknown("the event has no `time`"))?;
    let at = aws_time(&text)
        .ok_or_else(|| unknown(&format!("`time` is `{text}`, not an ISO 8601 time")))?;
    let alarm = |name: Option<&Value>| {
        let name = name.and_then(Value::as_str);
        let name = name.ok_or_else(|| unknown("the alarm event has no alarm name"))?;
        Ok(Bell::Alarm { at, name: name.to_owned() })
    };
    match (envelope.source.as_deref(), envelope.detail_type.as_deref()) {
        (Some("aws.cloudwatch"), Some("CloudWatch Alarm State Change")) => {
            alarm(envelope.detail.as_ref().and_then(|detail| detail.get("alarmName")))
        }
        (Some("aws.cloudwatch"), None) => {
            alarm(envelope.alarm_data.as_ref().and_then(|data| data.get("alarmName")))
        }
        (Some("rollout.schedule" | "aws.events" | "aws.scheduler"), _) => Ok(Bell::Schedule(at)),
        (Some(other), _) => Err(unknown(&format!("source `{other}` is not for this function"))),
        (None, _) => Err(unknown("the event has no `source`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_schedule_is_judged_for_the_time_it_was_meant_for() {
        let at: Timestamp = "2026-11-24T04:17:00Z".parse().unwrap();
        for source in ["rollout.schedule", "aws.events", "aws.scheduler"] {
            let event = json!({"source": source, "time": "2026-11-24T04:17:00Z", "detail": "{}"});
            assert_eq!(bell(&event), Ok(Bell::Schedule(at)));
        }
    }

    #[test]
    fn both_forms_of_alarm_events_ring() {
        let bridge = json!({
            "detail-type": "CloudWatch Alarm State Change", "source": "aws.cloudwatch",
            "time": "2026-11-24T04:17:40Z", "detail": {"alarmName": "scorer-rs-errors"}
        });
        let direct = json!({
            "source": "aws.cloudwatch", "alarmArn": "arn:aws:cloudwatch:r:1:alarm:a",
            "time": "2026-11-24T04:17:40.987+0000", "alarmData": {"alarmName": "scorer-rs-errors"}
        });
        for event in [bridge, direct] {
            let rung = bell(&event).unwrap();
            assert!(matches!(rung, Bell::Alarm { ref name, .. } if name == "scorer-rs-errors"));
            assert_eq!(rung.time().as_second(), 1_795_493_860);
        }
    }

    #[test]
    fn a_truncated_event_is_refused_with_what_would_be_accepted() {
        for event in [
            json!(null),
            json!("tick"),
            json!({}),
            json!({"source": "rollout.schedule"}),
            json!({"source": "rollout.schedule", "time": "noon"}),
            json!({"source": "aws.s3", "time": "2026-11-24T04:17:00Z"}),
            json!({"source": "aws.cloudwatch", "time": "2026-11-24T04:17:00Z"}),
        ] {
            let refusal = bell(&event).unwrap_err();
            assert_eq!(refusal.error_type, "UnknownEvent");
            assert!(refusal.message.contains("rollout.schedule"), "{}", refusal.message);
        }
    }
}
