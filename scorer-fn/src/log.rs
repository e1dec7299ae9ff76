//! One JSON line per request: for people, for searches, and for CloudWatch,
//! which reads the metrics out of the same line (embedded metric format).
//!
//! Neither the key nor the wallet is in it.

use std::io::Write;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::app::Call;
use crate::score::Notes;
use crate::time::{self, OffsetTime};

/// Where the metrics go in CloudWatch.
const NAMESPACE: &str = "ScorerFn";

/// The function's name, so that two stacks of one account do not add up.
static SERVICE: LazyLock<String> = LazyLock::new(|| {
    std::env::var("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_else(|_| "scorer-http".to_owned())
});

/// What is known of a request when it has been answered.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// Who called.
    pub call: &'a Call,
    /// The load balancer's trace header, perhaps empty.
    pub trace: &'a str,
    /// HTTP status of the answer.
    pub status: u16,
    /// What happened meanwhile.
    pub notes: &'a Notes,
    /// When the event arrived.
    pub started: Instant,
    /// From then to the answer.
    pub took: Duration,
    /// Whether this was the first request of the process.
    pub cold: bool,
}

impl Line<'_> {
    /// Whether the answer is an error of ours.
    pub fn is_error(&self) -> bool {
        self.status >= 500
    }

    /// Milliseconds, to the microsecond.
    pub fn took_ms(&self) -> f64 {
        (self.took.as_secs_f64() * 1e6).round() / 1e3
    }

    /// The line.
    pub fn to_json(&self) -> Value {
        let now = time::now();
        let status = self.status;
        let took = self.took_ms();
        let mut line = json!({
            "timestamp": OffsetTime::from_micros(now).event_spelling(),
            "level": if self.is_error() { "ERROR" } else { "INFO" },
            "message": format!("answered {status} in {took:.1} ms"),
            "request_id": self.call.request_id,
            "trace_id": self.trace,
            "status": status,
            "cold_start": self.cold,
            "database.statements": self.notes.trips.statements,
            "retries": self.notes.retries,
            "Service": *SERVICE,
            "StatusClass": format!("{}xx", status / 100),
            "Requests": 1,
            "Errors": u8::from(self.is_error()),
            "Duration": took,
            "DatabaseRoundTrips": self.notes.trips.round_trips,
            "_aws": {
                "Timestamp": now / 1000,
                "CloudWatchMetrics": [{
                    "Namespace": NAMESPACE,
                    "Dimensions": [["Service"], ["Service", "StatusClass"]],
                    "Metrics": [
                        {"Name": "Requests", "Unit": "Count"},
                        {"Name": "Errors", "Unit": "Count"},
                        {"Name": "Duration", "Unit": "Milliseconds"},
                        {"Name": "DatabaseRoundTrips", "Unit": "Count"},
                    ],
                }],
            },
        });
        if let Some(why) = &self.notes.analytics_lost {
            line["analytics_error"] = Value::from(why.as_str());
            line["AnalyticsLost"] = Value::from(1);
            if let Some(metrics) = line["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array_mut() {
                metrics.push(json!({"Name": "AnalyticsLost", "Unit": "Count"}));
            }
        }
        if let Some((kind, text)) = &self.notes.trouble {
            line["error_type"] = Value::from(*kind);
            line["error"] = Value::from(text.as_str());
        }
        if !self.notes.left_out.is_empty() {
            let list =
                self.notes.left_out.iter().map(|(provider, why)| format!("{provider}: {why}"));
            line["stamps_left_out"] = list.collect::<Vec<_>>().into();
        }
        line
    }
}

/// Writes a line to standard output, which Lambda turns into the log.
pub fn print(line: &Value) {
    // A closed pipe must not stop the service.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// A line about the process itself.
pub fn print_event(level: &str, message: &str, fields: &Value) {
    let mut line = json!({
        "timestamp": OffsetTime::from_micros(time::now()).event_spelling(),
        "level": level,
        "message": message,
    });
    for (key, value) in fields.as_object().into_iter().flatten() {
        line[key] = value.clone();
    }
    print(&line);
}

/// The id of a plain HTTP request: what the load balancer says, else a number.
pub fn http_request_id(trace: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    if !trace.is_empty() {
        return trace.to_owned();
    }
    format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}
