//! Metrics as CloudWatch embedded metric format: one JSON object on stdout.
//!
//! Format: aws-facts B.6. No PutMetricData call, no permission.

use crate::report::tick::TickReport;
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
    let mut metrics = vec![
        metric(HEARTBEAT, "Count"),
        metric("TickMs", "Milliseconds"),
        metric("LedgerErrors", "Count"),
    ];
    let mut body = json!({
        ROLLOUT: report.rollout,
        HEARTBEAT: 1,
        "TickMs": tick_ms,
        "LedgerErrors": u8::from(report.error_type == Some("ledger")),
        "decision": report.message,
    });
    let mut add = |name: &str, unit: &str, value: f64| {
        metrics.push(metric(name, unit));
        body[name] = json!(value);
    };
    add("StepRefused", "Count", f64::from(u8::from(report.refused)));
    if report.error_type.is_none() {
        if let Some(weight) = report.weight {
            add("WeightRust", "Percent", weight.percent());
        }
        if let Some((stage, _)) = report.stage {
            add("Stage", "Count", stage as f64);
        }
        add("MinutesBlind", "Count", f64::from(report.blind_minutes));
        add("MessagesUnsent", "Count", report.unsent_messages as f64);
        if let Some(log_e) = report.log_e.filter(|log_e| log_e.is_finite()) {
            add("LogE", "None", log_e);
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
    add(kind, "Count", 1.0);
    body["_aws"] = json!({
        "Timestamp": scheduled.as_millisecond(),
        "CloudWatchMetrics": [{
            "Namespace": NAMESPACE,
            "Dimensions": [[ROLLOUT]],
            "Metrics": metrics,
        }],
    });
    body
}

fn metric(name: &str, unit: &str) -> Value {
    json!({"Name": name, "Unit": unit})
}

/// Prints one EMF line.
pub fn print(line: &Value) {
    use std::io::Write as _;
    // Nobody is left to tell if stdout is gone.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}
