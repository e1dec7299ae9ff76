//! Examples of wrong answers, out of the log of the new side's functions.
//!
//! A scorer that compares answers logs up to three a minute as JSON lines with a member
//! `differences_from_python`: kinds, places and shapes, no values. Lambda hands such a
//! line to CloudWatch Logs as it is, whether the function's log format is `Text` or `JSON`
//! (Lambda Developer Guide, *Configuring JSON and plain text log formats*: what is JSON
//! already is not encoded again). Another shipper may put the line, or its text, into a
//! member `message` of its own; both are understood.
//!
//! Whoever can write to the log group can write anything into it. Of every text only a
//! [`Difference`] as `answers` displays it is kept; the rest is counted and dropped, so no
//! value, markup or address gets from a log into a page.

use std::time::Duration;

use answers::{Difference, LOG_MEMBER};
use async_trait::async_trait;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::aws::{Aws, CallError};
use crate::domain::wrong_answers::Logged;
use crate::ports::{AnswersLog, AnswersLogError, LogWanted};

const FILTER: &str = "FilterLogEvents";
/// Pages of one reading, each of up to 1 MB or 10,000 events (API reference,
/// FilterLogEvents). An hour of 20 environments with three examples a minute is 3,600
/// events of about 1 KB; pages may also come back empty.
const MOST_PAGES: usize = 10;
/// Differences in one line: the scorer writes five, and a forged line may have any number.
const MOST_IN_A_LINE: usize = 16;

/// Log groups of one region.
#[derive(Clone, Debug)]
pub struct Logs {
    aws: Aws,
}

impl Logs {
    /// Speaks with these settings.
    pub fn new(aws: Aws) -> Self {
        Self { aws }
    }

    /// Adds one page, and gives the token of the next.
    async fn page(
        &self,
        wanted: &LogWanted<'_>,
        token: Option<String>,
        logged: &mut Logged,
    ) -> Result<Option<String>, CallError> {
        let client = self.aws.logs().await;
        // A term in quotation marks is looked for in the whole message, of JSON and of other
        // lines alike (CloudWatch Logs User Guide, *Filter pattern syntax*).
        let pattern = format!("\"{LOG_MEMBER}\"");
        // The end is part of the range: "later than this time are not returned".
        let until_ms = wanted.until.epoch_secs().saturating_mul(1000) - 1;
        let asked = client
            .filter_log_events()
            .log_group_name(wanted.log_group)
            .filter_pattern(pattern)
            .start_time(wanted.from.epoch_secs().saturating_mul(1000))
            .end_time(until_ms)
            .set_next_token(token);
        let answer = asked.send().await.map_err(|error| CallError::new(FILTER, &error))?;
        let Some(events) = answer.events else {
            return Err(CallError::finding(FILTER, "the answer has no list of events"));
        };
        for event in &events {
            take(event.message().unwrap_or_default(), &wanted.groups, logged);
        }
        Ok(answer.next_token)
    }
}

#[async_trait]
impl AnswersLog for Logs {
    async fn read(&self, wanted: &LogWanted<'_>) -> Result<Logged, AnswersLogError> {
        let until = Instant::now() + wanted.limit;
        let mut logged = Logged::default();
        let mut token = None;
        let mut trouble = CallError::finding(FILTER, format!("more than {MOST_PAGES} pages"));
        for _ in 0..MOST_PAGES {
            let page = self.page(wanted, token.take(), &mut logged);
            match timeout_at(until, page).await {
                Ok(Ok(None)) => {
                    logged.whole = true;
                    break;
                }
                Ok(Ok(next)) => token = next,
                Ok(Err(error)) => {
                    trouble = error;
                    break;
                }
                Err(_) => {
                    trouble = slow(wanted.limit);
                    break;
                }
            }
        }
        // A part of the log is worth showing; nothing out of a part means nothing.
        if logged.whole || !logged.answers.is_empty() {
            return Ok(logged);
        }
        let log_group = wanted.log_group.to_owned();
        Err(AnswersLogError { log_group, source: trouble.into() })
    }
}

fn slow(limit: Duration) -> CallError {
    CallError::finding(FILTER, format!("no end within {} ms", limit.as_millis()))
}

/// Adds the differences that a message holds, if it is about one of these groups.
fn take(message: &str, groups: &[&str], logged: &mut Logged) {
    let Some(line) = line(message) else {
        logged.dropped += 1;
        return;
    };
    let ours = line["TargetGroup"].as_str().is_some_and(|group| groups.contains(&group));
    if !ours {
        // Testers reach the same function, and so may other rollouts.
        return;
    }
    let Some(texts) = line[LOG_MEMBER].as_array() else {
        logged.dropped += 1;
        return;
    };
    let read = |text: &Value| text.as_str().and_then(|text| text.parse::<Difference>().ok());
    let found: Vec<Difference> = texts.iter().take(MOST_IN_A_LINE).filter_map(read).collect();
    logged.dropped += (texts.len() - found.len()) as u64;
    if !found.is_empty() {
        logged.answers.push(found);
    }
}

/// The scorer's line: the message itself, or what another's `message` holds.
fn line(message: &str) -> Option<Value> {
    let mut value: Value = serde_json::from_str(message).ok()?;
    if value.get(LOG_MEMBER).is_some() {
        return Some(value);
    }
    match value.get_mut("message").map(Value::take)? {
        Value::String(text) => serde_json::from_str(&text).ok(),
        inner @ Value::Object(_) => Some(inner),
        _ => None,
    }
    .filter(|inner: &Value| inner.get(LOG_MEMBER).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const GROUP: &str = "targetgroup/rs/1";
    const NUMBER: &str = "number score: text of 7 characters, then text of 8 characters";

    fn taken(message: &str) -> (Vec<String>, u64) {
        let mut logged = Logged::default();
        take(message, &[GROUP], &mut logged);
        let found = logged.answers.iter().flatten().map(ToString::to_string).collect();
        (found, logged.dropped)
    }

    fn scorer(texts: &[&str]) -> Value {
        json!({"level": "WARN", "message": "Python answers differently", "TargetGroup": GROUP,
            "differences_from_python": texts, "_aws": {"Timestamp": 1}})
    }

    #[test]
    fn the_scorers_line_is_read_as_it_is_and_inside_of_anothers() {
        let line = scorer(&[NUMBER]);
        let wrapped = json!({"timestamp": "2026-11-29T14:00:00Z", "message": line});
        let quoted = json!({"log": "stdout", "message": line.to_string()});
        for message in [format!("{line}\n"), wrapped.to_string(), quoted.to_string()] {
            assert_eq!(taken(&message), (vec![NUMBER.to_owned()], 0), "{message}");
        }
    }

    #[test]
    fn what_a_scorer_does_not_write_is_dropped_and_counted() {
        let forged = [
            "<script>alert(1)</script>",
            "number score: 0x9037a47be439c0410959c1c1a16f489809d4ab7c, then null",
            "member 0x9037a47be439c0410959c1c1a16f489809d4ab7c: null, then absent",
            NUMBER,
        ];
        let (found, dropped) = taken(&scorer(&forged).to_string());
        assert_eq!((found.as_slice(), dropped), ([NUMBER.to_owned()].as_slice(), 3));
        let mut odd = scorer(&[]);
        odd["differences_from_python"] = json!([7, null, {"a": NUMBER}]);
        assert_eq!(taken(&odd.to_string()), (Vec::new(), 3));
        odd["differences_from_python"] = json!(NUMBER);
        for message in [odd.to_string(), "differences_from_python".to_owned(), "{".to_owned()] {
            assert_eq!(taken(&message), (Vec::new(), 1), "{message}");
        }
        let many = vec![NUMBER; 100];
        assert_eq!(taken(&scorer(&many).to_string()).1, 84);
    }

    #[test]
    fn lines_about_other_target_groups_are_not_ours() {
        let mut testers = scorer(&[NUMBER]);
        testers["TargetGroup"] = json!("targetgroup/tester/2");
        assert_eq!(taken(&testers.to_string()), (Vec::new(), 0));
        testers["TargetGroup"] = json!(null);
        assert_eq!(taken(&testers.to_string()), (Vec::new(), 0));
    }
}
