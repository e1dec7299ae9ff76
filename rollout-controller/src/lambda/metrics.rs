//! Metrics as CloudWatch embedded metric format: one JSON object on stdout.
//!
//! Format: aws-facts B.6.

use crate::report::tick::TickReport;
use function_kit::emf::{Line, Unit};
use jiff::Timestamp;
use serde_json::{Value, json};

/// CloudWatch namespace of the controller's own metrics.
pub const NAMESPACE: &str = "Rollout/Controller";
/// Metric that every tick sends, whatever happened.
pub const HEARTBEAT: &str = "Heartbeat";
/// The only dimension: a rollout's name.
pub const ROLLOUT: &str = "Rollout";

/// Metrics of one tick of one rollout. `Heartbeat` is there whatever happened,
/// for an alarm that treats missing data as breaching.
pub fn tick(report: &TickReport, tick_ms: f64, scheduled: Timestamp) -> Value {
    let mut line = Line::new(json!({ROLLOUT: report.rollout, "decision": report.message}));
    line.metric(HEARTBEAT, Unit::Count, 1);
    line.metric("TickMs", Unit::Milliseconds, tick_ms);
    line.metric("LedgerErrors", Unit::Count, u8::from(report.error_type == Some("ledger")));
    line.metric("StepRefused", Unit::Count, u8::from(report.refused));
    if report.error_type.is_none() {
        if let Some(weight) = report.weight {
            line.metric("WeightRust", Unit::Percent, weight.percent());
        }
        if let Some((stage, _)) = report.stage {
            line.metric("Stage", Unit::Count, stage);
        }
        line.metric("MinutesBlind", Unit::Count, report.blind_minutes);
        line.metric("MessagesUnsent", Unit::Count, report.unsent_messages);
        if let Some(log_e) = report.log_e.filter(|log_e| log_e.is_finite()) {
            line.metric("LogE", Unit::None, log_e);
        }
    }
    // Decisions by kind: a metric each, so that a dashboard can sum them.
    let kind = match report.did {
        "advance" | "continue" => "DecisionAdvance",
        "rollback" => "DecisionRollback",
        "step back" => "DecisionStepBack",
        "complete" => "DecisionComplete",
        "failed" => "DecisionFailed",
        _ => "DecisionHold",
    };
    line.metric(kind, Unit::Count, 1);
    line.into_json(NAMESPACE, &[&[ROLLOUT]], scheduled.as_millisecond())
}
