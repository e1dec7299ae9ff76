//! Comparing as the preamble of the recorded cases says.
//!
//! `<now>` stands for the time of the request and `<id>` for any id; JSON is
//! compared as JSON; rows are a set; `evidence.rawScore` counts to five
//! decimals, since its last digits depend on the row order of the database.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::cases::{Change, Step};
use super::snapshot::Snapshot;

/// How far from this machine's clock a time still reads as `<now>`.
const NOW_WITHIN_SECS: i64 = 600;

/// The headers that the contract names.
const HEADERS: [&str; 4] = [
    "Content-Type",
    "Access-Control-Allow-Origin",
    "Access-Control-Allow-Methods",
    "Access-Control-Allow-Headers",
];

/// One difference, expected against found.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// What differs, such as `body` or `registry_score, added`.
    pub what: String,
    /// As recorded; none if nothing was expected.
    pub expected: Option<String>,
    /// As seen; none if something is missing.
    pub found: Option<String>,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(out, "  {}", self.what)?;
        if let Some(expected) = &self.expected {
            writeln!(out, "  - {expected}")?;
        }
        if let Some(found) = &self.found {
            writeln!(out, "  + {found}")?;
        }
        Ok(())
    }
}

/// What a client sees of an answer.
#[derive(Clone, Debug)]
pub struct Seen {
    /// HTTP status.
    pub status: u16,
    /// Header names in any case, and values.
    pub headers: Vec<(String, String)>,
    /// Body text.
    pub body: String,
}

impl Seen {
    /// Reads an answer of a Lambda to its ALB.
    pub fn from_alb(answer: &Value) -> Self {
        let headers = answer["headers"].as_object().into_iter().flatten();
        Self {
            status: answer["statusCode"]
                .as_u64()
                .and_then(|status| u16::try_from(status).ok())
                .unwrap_or(0),
            headers: headers
                .map(|(name, value)| (name.clone(), value.as_str().unwrap_or("").to_owned()))
                .collect(),
            body: answer["body"].as_str().unwrap_or("").to_owned(),
        }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// Status, named headers and body.
pub fn answers(step: &Step, seen: &Seen) -> Vec<Difference> {
    let expected = Seen::from_alb(&step.response);
    let mut found = Vec::new();
    push(&mut found, "status", Some(expected.status.to_string()), Some(seen.status.to_string()));
    for name in HEADERS {
        let (expected, seen) = (expected.header(name), seen.header(name));
        push(&mut found, name, expected.map(str::to_owned), seen.map(str::to_owned));
    }
    let body = |text: &str| match serde_json::from_str(text) {
        Ok(value) => normal(value).to_string(),
        Err(_) => format!("no JSON: {text}"),
    };
    push(&mut found, "body", Some(body(&expected.body)), Some(body(&seen.body)));
    found
}

/// The fields beside them in the Lambda's own answer, of which HTTP shows nothing.
pub fn envelopes(step: &Step, answer: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    for key in ["statusCategory", "statusDescription", "isBase64Encoded"] {
        let text = |answer: &Value| answer.get(key).map(ToString::to_string);
        push(&mut found, key, text(&step.response), text(answer));
    }
    found
}

/// How a step reached the function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// As the recorded event.
    Event,
    /// As HTTP through a load balancer, which has its own say about some headers.
    LoadBalancer,
}

/// Rows added and gone between two looks at the tables, for each table that was looked at.
pub fn changes(before: &Snapshot, after: &Snapshot) -> BTreeMap<String, Change> {
    let of = |(table, rows_after): (&&str, &Vec<Value>)| {
        let rows_before = before.get(table).map_or(&[][..], Vec::as_slice);
        let (added, gone) = (minus(rows_after, rows_before), minus(rows_before, rows_after));
        ((*table).to_owned(), Change { added, gone })
    };
    after.iter().map(of).collect()
}

/// Rows added and gone between two looks at the tables, against those of the step.
pub fn writes(step: &Step, before: &Snapshot, after: &Snapshot, via: Via) -> Vec<Difference> {
    changes_differ(step, &changes(before, after), via)
}

/// What was written, against what the step says; `seen` has an entry for each table that
/// was looked at.
pub fn changes_differ(step: &Step, seen: &BTreeMap<String, Change>, via: Via) -> Vec<Difference> {
    let none = Change::default();
    let mut found = Vec::new();
    for (table, seen) in seen {
        let expected = step.writes.get(table).unwrap_or(&none);
        let all = [&expected.added, &expected.gone, &seen.added, &seen.gone];
        let [added, gone, seen_added, seen_gone] = all.map(|rows| {
            rows.iter()
                .cloned()
                .map(|row| seen_via(normal(row), via, &step.event))
                .collect::<Vec<_>>()
        });
        rows_differ(&mut found, table, "added", &added, &seen_added);
        rows_differ(&mut found, table, "gone", &gone, &seen_gone);
    }
    for table in step.writes.keys().filter(|table| !seen.contains_key(*table)) {
        found.push(Difference {
            what: format!("{table} is not looked at"),
            expected: None,
            found: None,
        });
    }
    found
}

/// Whether a load balancer sets this request header or HTTP needs it, so that
/// its value is not the recorded one.
///
/// A content type counts if it was recorded; only one that was not is ours.
pub fn is_set_on_the_way(name: &str, recorded: &Value) -> bool {
    match name {
        "x-amzn-trace-id" | "x-forwarded-for" | "x-forwarded-port" | "x-forwarded-proto"
        | "content-length" => true,
        "content-type" => recorded["headers"].get(name).is_none(),
        _ => false,
    }
}

/// The row without the request headers that are set on the way.
fn seen_via(mut row: Value, via: Via, recorded: &Value) -> Value {
    if via == Via::LoadBalancer
        && let Some(headers) = row.get_mut("headers").and_then(Value::as_object_mut)
    {
        headers.retain(|name, _| !is_set_on_the_way(name, recorded));
    }
    row
}

fn rows_differ(
    found: &mut Vec<Difference>,
    table: &str,
    which: &str,
    expected: &[Value],
    seen: &[Value],
) {
    let what = format!("{table}, {which}");
    for row in minus(expected, seen) {
        found.push(Difference { what: what.clone(), expected: Some(row.to_string()), found: None });
    }
    for row in minus(seen, expected) {
        found.push(Difference { what: what.clone(), expected: None, found: Some(row.to_string()) });
    }
}

/// Rows of `all` without those of `others`, as often as they occur.
fn minus(all: &[Value], others: &[Value]) -> Vec<Value> {
    let mut others: Vec<&Value> = others.iter().collect();
    let mut left = Vec::new();
    for row in all {
        match others.iter().position(|other| *other == row) {
            Some(at) => drop(others.swap_remove(at)),
            None => left.push(row.clone()),
        }
    }
    left
}

fn push(found: &mut Vec<Difference>, what: &str, expected: Option<String>, seen: Option<String>) {
    if expected != seen {
        found.push(Difference { what: what.to_owned(), expected, found: seen });
    }
}

/// The form in which two values are equal if the preamble calls them equal.
pub fn normal(value: Value) -> Value {
    match value {
        Value::Object(members) => normal_object(members),
        Value::Array(items) => items.into_iter().map(normal).collect(),
        Value::Number(number) => number.as_f64().map_or(Value::Number(number), Value::from),
        Value::String(text) if is_now(&text) => Value::from("<now>"),
        other => other,
    }
}

fn normal_object(members: Map<String, Value>) -> Value {
    // The event about a score carries two ids; they are the only ones left in a row.
    let is_score = members.get("model").is_some_and(|model| model == "registry.score");
    let mut normal_members = Map::new();
    for (key, value) in members {
        let value = match (key.as_str(), value) {
            ("pk", _) if is_score => Value::from("<id>"),
            ("passport", Value::Number(_)) => Value::from("<id>"),
            ("rawScore", Value::String(text)) => {
                Value::from(text.parse::<f64>().map_or(text, |score| format!("{score:.5}")))
            }
            // The analytics row holds the body as a text; it is JSON, too.
            ("response", Value::String(text)) => match serde_json::from_str(&text) {
                Ok(inner) => normal(inner),
                Err(_) => Value::String(text),
            },
            (_, value) => normal(value),
        };
        normal_members.insert(key, value);
    }
    Value::Object(normal_members)
}

fn is_now(text: &str) -> bool {
    let Ok(time) = text.parse::<jiff::Timestamp>() else {
        return false;
    };
    (time.as_second() - jiff::Timestamp::now().as_second()).abs() <= NOW_WITHIN_SECS
}
