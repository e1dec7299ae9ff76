//! Metrics in a log line: CloudWatch's embedded metric format.
//!
//! The line is an ordinary log entry, and CloudWatch makes metrics of those members
//! that `_aws` names: no call, no permission, nobody waits.

use std::io::Write as _;

use serde_json::{Map, Value, json};

/// What a metric counts, as CloudWatch spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Things.
    Count,
    /// Thousandths of a second.
    Milliseconds,
    /// Hundredths of a whole.
    Percent,
    /// A number without a unit.
    None,
}

impl Unit {
    fn as_str(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Milliseconds => "Milliseconds",
            Self::Percent => "Percent",
            Self::None => "None",
        }
    }
}

/// A log line with metrics in it.
#[derive(Clone, Debug, Default)]
pub struct Line {
    members: Map<String, Value>,
    metrics: Vec<Value>,
}

impl Line {
    /// A line of these members: what people read, and the values of dimensions.
    /// Anything but an object counts as none.
    pub fn new(members: Value) -> Self {
        let members = match members {
            Value::Object(members) => members,
            _ => Map::new(),
        };
        Self { members, metrics: Vec::new() }
    }

    /// Adds or replaces a member that is no metric.
    pub fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.members.insert(name.to_owned(), value.into());
    }

    /// Adds a metric.
    pub fn metric(&mut self, name: &str, unit: Unit, value: impl Into<Value>) {
        self.metrics.push(json!({"Name": name, "Unit": unit.as_str()}));
        self.set(name, value);
    }

    /// The line. Each of `dimensions` is a set of members' names for which
    /// CloudWatch keeps the metrics apart; `at_ms` is Unix time.
    pub fn into_json(mut self, namespace: &str, dimensions: &[&[&str]], at_ms: i64) -> Value {
        let about = json!({
            "Timestamp": at_ms,
            "CloudWatchMetrics": [{
                "Namespace": namespace,
                "Dimensions": dimensions,
                "Metrics": self.metrics,
            }],
        });
        self.members.insert("_aws".to_owned(), about);
        Value::Object(self.members)
    }
}

/// Writes a line to standard output, which Lambda turns into the log.
pub fn print(line: &Value) {
    // A closed pipe must not stop the service, and nobody is left to tell.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cloudwatch_finds_each_metric_it_is_told_of_and_each_dimension() {
        let mut line = Line::new(json!({"message": "answered", "Service": "scorer"}));
        line.metric("Requests", Unit::Count, 1);
        line.metric("Duration", Unit::Milliseconds, 1.5);
        line.set("StatusClass", "2xx");
        let line = line.into_json("Ns", &[&["Service"], &["Service", "StatusClass"]], 1_700);
        assert_eq!(
            line,
            json!({
                "message": "answered", "Service": "scorer", "StatusClass": "2xx",
                "Requests": 1, "Duration": 1.5,
                "_aws": {"Timestamp": 1700, "CloudWatchMetrics": [{
                    "Namespace": "Ns",
                    "Dimensions": [["Service"], ["Service", "StatusClass"]],
                    "Metrics": [
                        {"Name": "Requests", "Unit": "Count"},
                        {"Name": "Duration", "Unit": "Milliseconds"},
                    ],
                }]},
            })
        );
    }
}
