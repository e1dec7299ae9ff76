//! What a Lambda target may answer, and what makes the load balancer say 502.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::header::{CONTENT_LENGTH, HeaderName, HeaderValue, SERVER};
use hyper::{HeaderMap, StatusCode};
use serde_json::{Map, Value};

/// Greatest answer, the whole JSON.
pub(super) const MAX_ANSWER_BYTES: usize = 1024 * 1024;

/// Greatest sum of answer headers.
const MAX_HEADER_BYTES: usize = 32 * 1024;

/// Members an answer may have.
const MEMBERS: [&str; 6] =
    ["statusCode", "statusDescription", "isBase64Encoded", "headers", "multiValueHeaders", "body"];

/// Whether an answer may have members that the load balancer does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extra {
    Ignored,
    Refused,
}

/// A valid answer.
#[derive(Debug, PartialEq)]
pub(super) struct TargetAnswer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// Reads an answer, strictly: `None` is `LambdaInvalidResponse`.
///
/// Absent members are accepted except `statusCode`; a null or a wrong type is not.
///
/// An extra member is `Extra`'s choice: a field report has the load balancer
/// answer 502, yet the scorer in production sends one (`statusCategory`) with
/// every error and is served.
pub(super) fn parse(payload: &[u8], multi_value: bool, extra: Extra) -> Option<TargetAnswer> {
    let Value::Object(answer) = serde_json::from_slice(payload).ok()? else {
        return None;
    };
    let has_extra = answer.keys().any(|key| !MEMBERS.contains(&key.as_str()));
    if has_extra && extra == Extra::Refused {
        return None;
    }
    let code = u16::try_from(answer.get("statusCode")?.as_u64()?).ok()?;
    let status = StatusCode::from_u16(code).ok().filter(|_| (200..600).contains(&code))?;
    if !answer.get("statusDescription").is_none_or(Value::is_string) {
        return None;
    }
    let encoded = answer.get("isBase64Encoded").map_or(Some(false), Value::as_bool)?;
    let body = answer.get("body").map_or(Some(""), Value::as_str)?;
    let body = if encoded { STANDARD.decode(body).ok()? } else { body.as_bytes().to_vec() };
    let single = member(&answer, "headers")?;
    let multiple = member(&answer, "multiValueHeaders")?;
    let mut headers = HeaderMap::new();
    let mut size = 0;
    // Both must be well formed, but only the one that the group is set to counts.
    for (name, value) in single {
        let value = value.as_str()?;
        if !multi_value {
            size += add(&mut headers, name, value)?;
        }
    }
    for (name, values) in multiple {
        for value in values.as_array()? {
            let value = value.as_str()?;
            if multi_value {
                size += add(&mut headers, name, value)?;
            }
        }
    }
    if size > MAX_HEADER_BYTES {
        return None;
    }
    for hop in ["connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"] {
        headers.remove(hop);
    }
    // Ours is right by construction.
    headers.remove(CONTENT_LENGTH);
    headers.entry(SERVER).or_insert(HeaderValue::from_static("awselb/2.0"));
    Some(TargetAnswer { status, headers, body: body.into() })
}

/// The object under `key`; empty if absent, `None` if it is something else.
fn member<'a>(answer: &'a Map<String, Value>, key: &str) -> Option<Vec<(&'a String, &'a Value)>> {
    match answer.get(key) {
        None => Some(Vec::new()),
        Some(value) => Some(value.as_object()?.iter().collect()),
    }
}

fn add(headers: &mut HeaderMap, name: &str, value: &str) -> Option<usize> {
    let key = HeaderName::from_bytes(name.as_bytes()).ok()?;
    headers.append(key, HeaderValue::from_str(value).ok()?);
    Some(name.len() + value.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_minimum_and_both_header_forms_are_accepted() {
        let minimum = parse(br#"{"statusCode": 200}"#, false, Extra::Refused).unwrap();
        assert_eq!(minimum.status, StatusCode::OK);
        assert_eq!(minimum.headers[SERVER], "awselb/2.0");
        let both = br#"{"statusCode": 201, "statusDescription": "201 Created",
            "isBase64Encoded": true, "body": "YWJj",
            "headers": {"a": "one", "server": "mine"}, "multiValueHeaders": {"a": ["two", "three"]}}"#;
        let off = parse(both, false, Extra::Refused).unwrap();
        assert_eq!((off.body.as_ref(), off.status.as_u16()), (b"abc".as_slice(), 201));
        assert_eq!(off.headers["a"], "one");
        assert_eq!(off.headers[SERVER], "mine");
        let on = parse(both, true, Extra::Refused).unwrap();
        let values: Vec<_> = on.headers.get_all("a").iter().collect();
        assert_eq!(values, ["two", "three"]);
    }

    #[test]
    fn nulls_and_wrong_types_are_invalid() {
        let table = [
            "",
            "[]",
            "null",
            "{}",
            "\"text\"",
            r#"{"statusCode": "200"}"#,
            r#"{"statusCode": 200.5}"#,
            r#"{"statusCode": 99}"#,
            r#"{"statusCode": 200, "headers": null}"#,
            r#"{"statusCode": 200, "body": null}"#,
            r#"{"statusCode": 200, "body": {}}"#,
            r#"{"statusCode": 200, "headers": {"a": 1}}"#,
            r#"{"statusCode": 200, "headers": {"a": ["b"]}}"#,
            r#"{"statusCode": 200, "headers": {"a b": "c"}}"#,
            r#"{"statusCode": 200, "multiValueHeaders": {"a": "b"}}"#,
            r#"{"statusCode": 200, "isBase64Encoded": "true"}"#,
            r#"{"statusCode": 200, "isBase64Encoded": true, "body": "%"}"#,
        ];
        for text in table {
            assert_eq!(parse(text.as_bytes(), false, Extra::Ignored), None, "{text}");
        }
    }

    #[test]
    fn an_extra_member_is_ignored_unless_it_is_refused() {
        let text = br#"{"statusCode": 401, "statusCategory": "4XX"}"#;
        assert_eq!(parse(text, false, Extra::Ignored).unwrap().status.as_u16(), 401);
        assert_eq!(parse(text, false, Extra::Refused), None);
    }
}
