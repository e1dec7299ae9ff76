//! One JSON line per request: for people, for searches, and for CloudWatch,
//! which reads the metrics out of the same line (embedded metric format).
//!
//! Neither the key nor the wallet is in it.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use function_kit::emf::{self, Unit};
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
        let mut line = emf::Line::new(json!({
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
        }));
        line.metric("Requests", Unit::Count, 1);
        line.metric("Errors", Unit::Count, u8::from(self.is_error()));
        line.metric("Duration", Unit::Milliseconds, took);
        line.metric("DatabaseRoundTrips", Unit::Count, self.notes.trips.round_trips);
        if let Some(why) = &self.notes.analytics_lost {
            line.set("analytics_error", why.as_str());
            line.metric("AnalyticsLost", Unit::Count, 1);
        }
        if let Some((kind, text)) = &self.notes.trouble {
            line.set("error_type", *kind);
            line.set("error", text.as_str());
        }
        if !self.notes.left_out.is_empty() {
            let list =
                self.notes.left_out.iter().map(|(provider, why)| format!("{provider}: {why}"));
            line.set("stamps_left_out", list.collect::<Vec<_>>());
        }
        line.into_json(NAMESPACE, &[&["Service"], &["Service", "StatusClass"]], now / 1000)
    }
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
    emf::print(&line);
}

/// The id of a plain HTTP request: what the load balancer says, else a number.
pub fn http_request_id(trace: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    if !trace.is_empty() {
        return trace.to_owned();
    }
    format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}
