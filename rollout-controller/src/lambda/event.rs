//! An event is read once, into one of the things that the functions do; or it is
//! refused, and what is wrong with it names itself.

use super::handler::Door;
use crate::api::Question;
use crate::check::errand::Errand;
use crate::domain::command::{Order, Request};
use crate::widget;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What a function is asked to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Incoming {
    /// One attempt to move every rollout.
    Tick(Bell),
    /// A press on the dashboard's page.
    Press(Value),
    /// The dashboard's page.
    Page(Value),
    /// A proof that leaves no trace in the journal.
    Errand(Errand),
    /// An operator's command.
    Command(Request),
    /// A question.
    Question(Question),
}

const COMMANDS: &str = "{\"command\":\"pause\",\"id\":\"…\",\"identity\":\"…\",\"reason\":\"…\"}";
const QUESTIONS: &str =
    "{\"view\":\"status\"}, {\"view\":\"history\",\"limit\":50} or {\"view\":\"check\"}";

/// Verbs of errands, beside [`Order::VERBS`].
const ERRANDS: [&str; 2] = ["notify_test", "write_test"];

impl Incoming {
    /// Reads an event that came in by a door.
    ///
    /// # Errors
    /// What is missing, unknown or wrong, with an event that the door accepts.
    pub fn read(door: Door, event: &Value) -> Result<Self, Refusal> {
        match door {
            Door::Tick => bell(event).map(Self::Tick),
            Door::Command if widget::is_widget(event) => Ok(Self::Press(event.clone())),
            Door::View if widget::is_widget(event) => Ok(Self::Page(event.clone())),
            Door::Command => command(event),
            Door::View => {
                const FIELDS: [&str; 6] = ["view", "rollout", "before", "limit", "all", "as_of_ms"];
                known(event, &FIELDS, QUESTIONS)?;
                typed(event, QUESTIONS).map(Self::Question)
            }
        }
    }
}

fn command(event: &Value) -> Result<Incoming, Refusal> {
    let verb = event.get("command").and_then(Value::as_str).ok_or_else(|| {
        let verbs = Order::VERBS.join(", ");
        refusal(&format!("the event has no `command`; it is one of {verbs}"), COMMANDS)
    })?;
    if ERRANDS.contains(&verb) {
        known(event, &["command", "rollout", "identity", "as_of_ms"], COMMANDS)?;
        return typed(event, COMMANDS).map(Incoming::Errand);
    }
    let own: &[&str] = match verb {
        "pause" => &["for_minutes"],
        "resume" => &["adopt"],
        "promote" => &["to", "force"],
        _ => &[],
    };
    let all = ["command", "rollout", "id", "if_revision", "identity", "reason", "dry_run"];
    known(event, &[&all[..], own].concat(), COMMANDS)?;
    typed(event, COMMANDS).map(Incoming::Command)
}

fn refusal(problem: &str, accepted: &str) -> Refusal {
    let message = format!("{problem}; this function takes {accepted}");
    Refusal { error_type: "UnknownEvent", message }
}

/// A field that nobody reads may be a misspelt one that somebody meant.
fn known(event: &Value, fields: &[&str], accepted: &str) -> Result<(), Refusal> {
    let Some(object) = event.as_object() else {
        return Err(refusal("the event is no JSON object", accepted));
    };
    match object.keys().find(|key| !fields.contains(&key.as_str())) {
        None => Ok(()),
        Some(key) => {
            let known = fields.join(", ");
            Err(refusal(
                &format!("the event has an unknown field `{key}`; known: {known}"),
                accepted,
            ))
        }
    }
}

fn typed<T: DeserializeOwned>(event: &Value, accepted: &str) -> Result<T, Refusal> {
    serde_json::from_value(event.clone()).map_err(|error| refusal(&error.to_string(), accepted))
}

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
fn bell(event: &Value) -> Result<Bell, Refusal> {
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
    fn an_unknown_field_or_a_wrong_verb_names_itself() {
        let base = json!({"id": "1", "identity": "me", "reason": "r"});
        let with = |more: Value| {
            let mut event = base.clone();
            event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            event
        };
        for (event, named) in [
            (with(json!({"command": "pauze"})), "unknown variant `pauze`"),
            (with(json!({"command": "pause", "for_minuts": 5})), "unknown field `for_minuts`"),
            (with(json!({"command": "rollback", "to": "5%"})), "unknown field `to`"),
            (with(json!({})), "no `command`; it is one of start, pause"),
            (with(json!({"command": 7})), "no `command`"),
            (json!({"command": "pause", "identity": "me"}), "missing field `id`"),
            (json!({"command": "write_test", "id": "1"}), "unknown field `id`"),
            (json!([1]), "no `command`"),
        ] {
            let refused = Incoming::read(Door::Command, &event).unwrap_err();
            assert_eq!(refused.error_type, "UnknownEvent");
            assert!(refused.message.contains(named), "{}", refused.message);
            assert!(
                refused.message.contains("this function takes {\"command\""),
                "{}",
                refused.message
            );
        }
        for (event, named) in [
            (json!({"view": "statuss"}), "unknown variant `statuss`"),
            (json!({"view": "history", "page": 2}), "unknown field `page`"),
            (json!("status"), "no JSON object"),
        ] {
            let refused = Incoming::read(Door::View, &event).unwrap_err();
            assert!(refused.message.contains(named), "{}", refused.message);
        }
        let pause =
            Incoming::read(Door::Command, &with(json!({"command": "pause", "for_minutes": 5})));
        assert!(matches!(pause, Ok(Incoming::Command(_))), "{pause:?}");
        let test =
            Incoming::read(Door::Command, &json!({"command": "notify_test", "identity": "me"}));
        assert!(matches!(test, Ok(Incoming::Errand(_))), "{test:?}");
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
