//! CloudWatch Logs: what functions printed, found again with FilterLogEvents.
//!
//! Every function has the log group `/aws/lambda/NAME`. It holds the newest lines of the
//! function's ring, each with the simulated time at which it was printed; nothing is ever
//! late. Filter patterns are terms only, which all have to occur.

use serde_json::{Value, json};

use super::AwsError;
use crate::functions::{Functions, LogLine};
use crate::names::id;

const GROUPS: &str = "/aws/lambda/";
/// Events of one page at most, and the default.
const MOST_EVENTS: u64 = 10_000;
/// Bytes of messages in one page.
const MOST_BYTES: usize = 1024 * 1024;
/// Lines that one call looks through. What comes after is another page, so a page may be
/// empty and have a successor, as at AWS.
const MOST_LINES: usize = 500;
const MOST_PATTERN: usize = 1024;

/// Carries out one operation.
pub(super) fn call(
    functions: &Functions,
    operation: &str,
    input: &Value,
) -> Result<Value, AwsError> {
    match operation {
        "FilterLogEvents" => filter(functions, input),
        other => Err(AwsError::unsupported(other)),
    }
}

fn filter(functions: &Functions, input: &Value) -> Result<Value, AwsError> {
    for member in ["logGroupIdentifier", "logStreamNames", "logStreamNamePrefix", "unmask"] {
        if !input[member].is_null() {
            return Err(AwsError::unsupported(&format!("{member} of FilterLogEvents")));
        }
    }
    let group = input["logGroupName"].as_str().unwrap_or_default();
    let name = group.strip_prefix(GROUPS).filter(|name| !name.contains(':'));
    let lines = name.and_then(|name| functions.logs(name).ok()).ok_or_else(|| {
        AwsError::sender("ResourceNotFoundException", "The specified log group does not exist.")
    })?;
    let from_ms = time(input, "startTime")?.unwrap_or(0);
    let until_ms = time(input, "endTime")?.unwrap_or(i64::MAX);
    if from_ms > until_ms {
        return Err(invalid("startTime is after endTime"));
    }
    let terms = terms(input["filterPattern"].as_str().unwrap_or_default())?;
    let most = match &input["limit"] {
        Value::Null => MOST_EVENTS,
        limit => limit
            .as_u64()
            .filter(|limit| (1..=MOST_EVENTS).contains(limit))
            .ok_or_else(|| invalid(format!("limit is {limit}: must be 1 to {MOST_EVENTS}")))?,
    };
    let after = match input["nextToken"].as_str() {
        None => None,
        Some(token) => {
            Some(place(token).ok_or_else(|| invalid("The specified nextToken is invalid."))?)
        }
    };
    let mut lines: Vec<LogLine> = lines
        .into_iter()
        .filter(|line| (from_ms..=until_ms).contains(&line.at_ms))
        .filter(|line| after.is_none_or(|after| (line.at_ms, line.number) > after))
        .collect();
    lines.sort_by_key(|line| (line.at_ms, line.number));
    let (mut events, mut bytes, mut last) = (Vec::new(), 0, None);
    for line in lines.iter().take(MOST_LINES) {
        if events.len() as u64 == most || bytes > MOST_BYTES {
            break;
        }
        last = Some(line);
        if terms.iter().all(|term| line.text.contains(term.as_str())) {
            bytes += line.text.len();
            events.push(event(group, line));
        }
    }
    let more = last.is_some_and(|last| lines.last().is_some_and(|end| end.number != last.number));
    let token = last.filter(|_| more).map(|line| format!("{}-{}", line.at_ms, line.number));
    Ok(json!({ "events": events, "searchedLogStreams": [], "nextToken": token }))
}

fn event(group: &str, line: &LogLine) -> Value {
    let stream = id(group, &line.environment.to_string());
    let day = crate::clock::timestamp(line.at_ms);
    let day = day.to_string();
    let day = day.get(..10).unwrap_or_default().replace('-', "/");
    json!({
        "logStreamName": format!("{day}/[$LATEST]{stream}{stream}"),
        "timestamp": line.at_ms,
        "ingestionTime": line.at_ms,
        "eventId": format!("{:020}{:036}", line.at_ms, line.number),
        // Lambda's events keep the end of the line.
        "message": format!("{}\n", line.text),
    })
}

fn time(input: &Value, member: &str) -> Result<Option<i64>, AwsError> {
    match &input[member] {
        Value::Null => Ok(None),
        value => match value.as_i64().filter(|ms| *ms >= 0) {
            Some(ms) => Ok(Some(ms)),
            None => Err(invalid(format!("{member} is {value}: must be milliseconds, 0 or more"))),
        },
    }
}

/// The line after which a page begins.
fn place(token: &str) -> Option<(i64, u64)> {
    let (at_ms, number) = token.split_once('-')?;
    Some((at_ms.parse().ok()?, number.parse().ok()?))
}

/// Terms of a pattern: words of letters, digits and `_`, and anything else in quotation
/// marks. Optional and excluded terms, JSON, columns and regular expressions are not offered.
fn terms(pattern: &str) -> Result<Vec<String>, AwsError> {
    let refused = || {
        invalid(format!(
            "Invalid filter pattern: {pattern}; local-cloud has only words and quoted terms, \
             which all must occur"
        ))
    };
    if pattern.len() > MOST_PATTERN {
        return Err(refused());
    }
    let mut terms = Vec::new();
    let mut rest = pattern.trim_start();
    while !rest.is_empty() {
        let (term, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').ok_or_else(refused)?,
            None => rest.split_at(rest.find(' ').unwrap_or(rest.len())),
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let bare = !rest.starts_with('"');
        let ends = after.is_empty() || after.starts_with(' ');
        if term.is_empty() || term.contains('\\') || !ends || (bare && !term.chars().all(plain)) {
            return Err(refused());
        }
        terms.push(term.to_owned());
        rest = after.trim_start();
    }
    Ok(terms)
}

fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::sender("InvalidParameterException", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_terms_that_all_must_occur_and_nothing_else() {
        let read = |pattern| terms(pattern).map_err(|error| error.code);
        assert_eq!(read(""), Ok(Vec::new()));
        assert_eq!(read(" ERROR  \"a b: c\" "), Ok(vec!["ERROR".into(), "a b: c".into()]));
        let long = "a".repeat(1025);
        for other in [
            "{ $.level = \"WARN\" }",
            "[ip, user]",
            "?ERROR ?WARN",
            "-DEBUG",
            "%x%",
            "a-b",
            "\"open",
            "\"\"",
            "\"a\"b",
            "\"a\\\"b\"",
            &long,
        ] {
            assert_eq!(read(other), Err("InvalidParameterException".to_owned()), "{other}");
        }
    }
}
