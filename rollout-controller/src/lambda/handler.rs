//! Three doors, one binary: which events a function accepts, and what it answers.
//!
//! What a function may do is its IAM role, what it does is the event it gets. The
//! door (`ROLLOUT_DOOR`) says which of the events are for it: `view` cannot be
//! talked into a tick, even by somebody who may invoke it.

use super::event::{Bell, Incoming, Refusal};
use super::metrics;
use crate::api::CommandOutcome;
use crate::config::Config;
use crate::controller::tick;
use crate::controller::{self, Schedule, command, query};
use crate::domain::command::Request;
use crate::domain::weight::Weight;
use crate::errors::chain;
use crate::ports::World;
use crate::report::tick::TickReport;
use crate::widget;
use function_kit::emf;
use jiff::{SignedDuration, Timestamp};
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

/// Writes end this long before the function's own timeout.
const MARGIN: SignedDuration = SignedDuration::from_millis(1_500);
/// And never later than this after the start, whatever the timeout.
const BUDGET: SignedDuration = SignedDuration::from_secs(20);

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
    let deadline = controller::deadline(world, BUDGET, latest);
    let now = || Schedule { scheduled: world.clock.now(), deadline };
    match Incoming::read(door, event)? {
        Incoming::Tick(bell) => {
            if let Bell::Alarm { name, .. } = &bell {
                tracing::info!(
                    alarm.name = name,
                    "alarm `{name}` changed its state: ticking at once"
                );
            }
            ticked(world, config, Schedule { scheduled: bell.time(), deadline }).await
        }
        Incoming::Press(event) => Ok(widget::press(world, config, &event, now()).await),
        Incoming::Page(event) => Ok(widget::show(world, config, &event).await),
        Incoming::Errand(errand) => to_json(&errand.run(world, config, deadline).await),
        Incoming::Command(request) => commanded(world, config, &request, now()).await,
        Incoming::Question(question) => to_json(&query::view(world, config, &question).await),
    }
}

fn to_json(answer: &impl serde::Serialize) -> Result<Value, Refusal> {
    serde_json::to_value(answer)
        .map_err(|error| Refusal { error_type: "CommandError", message: error.to_string() })
}

async fn ticked(world: &World, config: &Config, schedule: Schedule) -> Result<Value, Refusal> {
    let started = std::time::Instant::now();
    let outcomes = tick::tick(world, config, schedule).await;
    let tick_ms = started.elapsed().as_secs_f64() * 1000.0;
    let at_ms = schedule.scheduled.as_millisecond();
    let reports: Vec<TickReport> =
        outcomes.iter().map(|outcome| TickReport::of(outcome, at_ms)).collect();
    for report in &reports {
        log_tick(report, tick_ms, schedule.scheduled);
        emf::print(&metrics::tick(report, tick_ms, schedule.scheduled));
    }
    match reports.iter().find_map(|report| Some((report, report.error_type?))) {
        None => to_json(&reports),
        Some((failed, error_type)) => Err(Refusal {
            error_type: match error_type {
                "ledger" => "LedgerError",
                "future" => "FutureTick",
                _ => "FoldError",
            },
            message: failed.message.clone(),
        }),
    }
}

fn log_tick(report: &TickReport, tick_ms: f64, scheduled: Timestamp) {
    let TickReport { rollout, run, revision, state, weight, stage, log_e, did, message, .. } =
        report;
    if let Some(error_type) = report.error_type {
        tracing::error!(rollout.name = rollout, error_type, duration_ms = tick_ms, %scheduled, "{message}");
        return;
    }
    tracing::info!(
        rollout.name = rollout,
        rollout.run = run,
        rollout.revision = revision,
        rollout.state = state,
        weight.percent = weight.map(Weight::percent),
        stage = stage.map(|(stage, _)| stage),
        stages = stage.map(|(_, stages)| stages),
        log_e,
        decision = did,
        blind_minutes = report.blind_minutes,
        messages.unsent = report.unsent_messages,
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
    let answer: CommandOutcome = answer.map_err(|error| Refusal {
        error_type: "CommandError",
        message: format!("{} was not carried out: {}", request.order.name(), chain(&error)),
    })?;
    answer.log(request);
    to_json(&answer)
}
