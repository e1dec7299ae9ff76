//! Three doors, one binary: which events a function accepts, and what it answers.
//!
//! What a function may do is its IAM role, what it does is the event it gets. The
//! door (`ROLLOUT_DOOR`) says which of the events are for it: `view` cannot be
//! talked into a tick, even by somebody who may invoke it.

use crate::check::errand::Errand;
use crate::config::Config;
use crate::controller::command::{self, Answer};
use crate::controller::query::{self, Question};
use crate::controller::tick::{self, Schedule, TickReport};
use crate::domain::command::Request;
use crate::errors::chain;
use crate::lambda::metrics;
use crate::ports::World;
use crate::widget;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;
use tracing::field::Empty;
use tracing::{Instrument as _, info_span};

/// Which of the three functions this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// Schedule and alarm events.
    Tick,
    /// Operator commands.
    Command,
    /// Status and history.
    View,
}

impl Door {
    /// Reads `ROLLOUT_DOOR`.
    ///
    /// # Errors
    /// A sentence that names the variable and its values.
    pub fn parse(text: Option<&str>) -> Result<Self, String> {
        match text {
            Some("tick") => Ok(Self::Tick),
            Some("command") => Ok(Self::Command),
            Some("view") => Ok(Self::View),
            Some(other) => Err(format!("ROLLOUT_DOOR is `{other}`: must be tick, command or view")),
            None => Err("ROLLOUT_DOOR is not set: must be tick, command or view".to_owned()),
        }
    }
}

/// Why an event got no answer. `error_type` is stable; alarms match on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// `UnknownEvent`, `Config`, `LedgerError`, `FoldError`, `CommandError`.
    pub error_type: &'static str,
    /// For people.
    pub message: String,
}

/// Writes end this long before the function's own timeout.
const MARGIN: SignedDuration = SignedDuration::from_millis(1_500);
/// And never later than this after the start, whatever the timeout.
const BUDGET: SignedDuration = SignedDuration::from_secs(20);

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

/// Answers one event. `until` is the function's own deadline in real time.
///
/// # Errors
/// [`Refusal`]: the function then fails with that error type.
pub async fn answer(
    door: Door,
    world: &World,
    config: &Config,
    event: &Value,
    until: Option<Timestamp>,
) -> Result<Value, Refusal> {
    let span = match door {
        Door::Tick => info_span!("tick", otel.status_code = Empty, error.type = Empty),
        Door::Command => info_span!("command", otel.status_code = Empty, error.type = Empty),
        Door::View => info_span!("view", otel.status_code = Empty, error.type = Empty),
    };
    let answer = answer_inside(door, world, config, event, until);
    let answer = answer.instrument(span.clone()).await;
    if let Err(refusal) = &answer {
        span.record("otel.status_code", "ERROR");
        span.record("error.type", refusal.error_type);
    }
    answer
}

async fn answer_inside(
    door: Door,
    world: &World,
    config: &Config,
    event: &Value,
    until: Option<Timestamp>,
) -> Result<Value, Refusal> {
    let latest = until.and_then(|until| until.checked_sub(MARGIN).ok());
    let deadline = tick::deadline(world, BUDGET, latest);
    match door {
        Door::Tick => {
            let bell = bell(event)?;
            if let Bell::Alarm { name, .. } = &bell {
                tracing::info!(
                    alarm.name = name,
                    "alarm `{name}` changed its state: ticking at once"
                );
            }
            ticked(world, config, Schedule { scheduled: bell.time(), deadline }).await
        }
        Door::Command => {
            if widget::is_widget(event) {
                let scheduled = world.clock.now();
                let schedule = Schedule { scheduled, deadline };
                return Ok(widget::press(world, config, event, schedule).await);
            }
            if let Some(errand) = Errand::of(event) {
                let done = errand.run(world, config, deadline).await;
                return to_json(&done);
            }
            let request: Request = parse(
                event,
                "a command such as {\"command\":\"pause\",\"id\":\"…\",\"identity\":\"…\",\"reason\":\"…\"}",
            )?;
            let schedule = Schedule { scheduled: world.clock.now(), deadline };
            commanded(world, config, &request, schedule).await
        }
        Door::View if widget::is_widget(event) => Ok(widget::show(world, config, event).await),
        Door::View => {
            let question: Question = parse(
                event,
                "a question such as {\"view\":\"status\"} or {\"view\":\"history\",\"limit\":50}",
            )?;
            to_json(&query::view(world, config, &question).await)
        }
    }
}

fn parse<T: serde::de::DeserializeOwned>(event: &Value, accepted: &str) -> Result<T, Refusal> {
    serde_json::from_value(event.clone()).map_err(|error| Refusal {
        error_type: "UnknownEvent",
        message: format!("{error}; this function takes {accepted}"),
    })
}

fn to_json(answer: &impl serde::Serialize) -> Result<Value, Refusal> {
    serde_json::to_value(answer)
        .map_err(|error| Refusal { error_type: "CommandError", message: error.to_string() })
}

async fn ticked(world: &World, config: &Config, schedule: Schedule) -> Result<Value, Refusal> {
    let started = std::time::Instant::now();
    let reports = tick::tick(world, config, schedule).await;
    let tick_ms = started.elapsed().as_secs_f64() * 1000.0;
    for report in &reports {
        log_tick(report, tick_ms, schedule.scheduled);
        metrics::print(&metrics::tick(report, tick_ms, schedule.scheduled));
    }
    match reports.iter().find(|report| report.error_type.is_some()) {
        None => to_json(&reports),
        Some(failed) => Err(Refusal {
            error_type: match failed.error_type.as_deref() {
                Some("ledger") => "LedgerError",
                _ => "FoldError",
            },
            message: failed.message.clone(),
        }),
    }
}

fn log_tick(report: &TickReport, tick_ms: f64, scheduled: Timestamp) {
    let TickReport { rollout, run, revision, state, weight, stage, log_e, did, message, .. } =
        report;
    if let Some(error_type) = &report.error_type {
        tracing::error!(rollout.name = rollout, error_type, duration_ms = tick_ms, %scheduled, "{message}");
        return;
    }
    tracing::info!(
        rollout.name = rollout,
        rollout.run = run,
        rollout.revision = revision,
        rollout.state = state,
        weight.percent = weight.percent(),
        stage = stage.0,
        stages = stage.1,
        log_e,
        decision = did,
        blind_minutes = report.blind_minutes,
        duration_ms = tick_ms,
        %scheduled,
        "{message}"
    );
}

async fn commanded(
    world: &World,
    config: &Config,
    request: &Request,
    schedule: Schedule,
) -> Result<Value, Refusal> {
    let answer = command::command(world, config, request, schedule).await;
    let answer: Answer = answer.map_err(|error| Refusal {
        error_type: "CommandError",
        message: format!("{} was not carried out: {}", request.order.name(), chain(&error)),
    })?;
    answer.log(request);
    to_json(&answer)
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
