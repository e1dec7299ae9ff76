//! The HTTP request that a load balancer turns into a recorded event, if there
//! is one.
//!
//! Not every event can come from HTTP: it trims header values, it has no body
//! in the answer to HEAD, a load balancer keeps some headers to itself. Whether
//! a request gives the recorded event is asked of the load balancer's own code,
//! so that a step is never judged by another event than its own.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Uri};
use serde_json::Value;

use super::compare::is_set_on_the_way;
use crate::alb::preview;

/// The request for this event; else why HTTP has none.
///
/// # Errors
/// What in the event does not come through, as a phrase.
pub fn as_http(event: &Value) -> Result<Request<Full<Bytes>>, &'static str> {
    let headers = event["headers"].as_object().ok_or("no headers")?;
    let method = event["httpMethod"].as_str().ok_or("no httpMethod")?;
    match method {
        "HEAD" => return Err("HEAD, whose answer has no body in HTTP"),
        "CONNECT" => return Err("CONNECT, whose answer has no body in HTTP"),
        _ => {}
    }
    if headers.keys().any(|name| *name != name.to_lowercase()) {
        return Err("a header name in capitals");
    }
    let (body, kind) = body(event)?;
    let mut request = Request::builder().method(method).uri(target(event)?);
    for (name, value) in headers {
        // HTTP needs the true length; a recorded one may be of another encoding.
        if name == "content-length" {
            continue;
        }
        let value = value.as_str().ok_or("a header that is no text")?;
        if value.trim_matches([' ', '\t']) != value {
            return Err("a header value with blanks around it");
        }
        request = request.header(name, value);
    }
    if !body.is_empty() && !headers.contains_key("content-type") {
        request = request.header("content-type", kind);
    }
    let request = request.body(()).map_err(|_| "a header that HTTP does not carry")?;
    let made = preview(&request, &body).ok_or("the load balancer refuses such a request")?;
    match changed(&made, event) {
        None => Ok(request.map(|()| Full::new(Bytes::from(body)))),
        Some(why) => Err(why),
    }
}

/// What a load balancer's event has otherwise than the recorded one; the
/// target group and the headers that are set on the way do not count.
pub fn changed(made: &Value, recorded: &Value) -> Option<&'static str> {
    let fields = [
        ("httpMethod", "a method that HTTP changes"),
        ("path", "a path that HTTP changes"),
        ("queryStringParameters", "a query that HTTP changes"),
        ("isBase64Encoded", "a body that the load balancer encodes otherwise"),
        ("body", "a body that the load balancer encodes otherwise"),
    ];
    if let Some((_, why)) = fields.into_iter().find(|(field, _)| made[field] != recorded[field]) {
        return Some(why);
    }
    let headers = |event: &Value| {
        let mut headers = event["headers"].as_object().cloned().unwrap_or_default();
        headers.retain(|name, _| !is_set_on_the_way(name, recorded));
        headers
    };
    if headers(made) != headers(recorded) {
        return Some("a header that HTTP or the load balancer keeps or changes");
    }
    let more = recorded.as_object()?.keys().any(|field| made.get(field).is_none());
    more.then_some("a field that a load balancer does not send")
}

/// The body's bytes, and the content type with which a load balancer encodes
/// them as recorded.
fn body(event: &Value) -> Result<(Vec<u8>, &'static str), &'static str> {
    let text = event["body"].as_str().ok_or("a body that is no text")?;
    match event["isBase64Encoded"].as_bool() {
        None => Err("no isBase64Encoded"),
        Some(false) => Ok((text.as_bytes().to_vec(), "application/json")),
        Some(true) => {
            let bytes = STANDARD.decode(text);
            Ok((bytes.map_err(|_| "a body that is no base64")?, "application/octet-stream"))
        }
    }
}

/// Path and query, joined raw: a load balancer does not decode them either.
fn target(event: &Value) -> Result<Uri, &'static str> {
    let path = event["path"].as_str().ok_or("no path")?;
    let query = event["queryStringParameters"].as_object().ok_or("no queryStringParameters")?;
    let pairs = query
        .iter()
        .map(|(key, value)| {
            let value = value.as_str().ok_or("a query value that is no text")?;
            Ok(format!("{key}={value}"))
        })
        .collect::<Result<Vec<_>, &'static str>>()?;
    let target =
        if pairs.is_empty() { path.to_owned() } else { format!("{path}?{}", pairs.join("&")) };
    let uri: Uri = target.parse().map_err(|_| "a path that is no URI")?;
    if !path.starts_with('/') || uri.path() != path {
        return Err("a path that is no URI");
    }
    Ok(uri)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn recorded() -> Value {
        json!({
            "requestContext": {"elb": {"targetGroupArn": "arn:recorded"}},
            "httpMethod": "GET",
            "path": "/v2/stamps/1/score/0xab",
            "queryStringParameters": {"a": "b%20c", "flag": ""},
            "headers": {
                "host": "api.example.test", "x-api-key": "one.two",
                "x-amzn-trace-id": "Root=1-2-3", "x-forwarded-for": "192.0.2.10",
            },
            "body": "",
            "isBase64Encoded": false,
        })
    }

    /// `recorded` with members of the event or, after `headers.`, of its headers replaced.
    fn with(changes: &[(&str, Value)]) -> Value {
        let mut event = recorded();
        for (name, value) in changes {
            match name.strip_prefix("headers.") {
                Some(header) => event["headers"][header] = value.clone(),
                None => event[*name] = value.clone(),
            }
        }
        event
    }

    #[test]
    fn what_http_carries_goes_by_http() {
        let table: [&[(&str, Value)]; 8] = [
            &[],
            &[("httpMethod", json!("TRACE"))],
            &[("queryStringParameters", json!({"": "1", "b": "c=d", "e": "x+y"}))],
            &[("body", json!("{\"a\":1}"))],
            &[("body", json!("eyJhIjoxfQ==")), ("isBase64Encoded", json!(true))],
            &[("body", json!("{}")), ("headers.content-type", json!("application/json"))],
            &[("body", json!("{}")), ("headers.content-length", json!("200"))],
            &[("headers.expect", json!("100-continue"))],
        ];
        for changes in table {
            let found = as_http(&with(changes)).map(|_| ());
            assert_eq!(found, Ok(()), "{changes:?}");
        }
        let request = as_http(&with(&[("headers.content-length", json!("200"))])).unwrap();
        assert!(!request.headers().contains_key("content-length"));
    }

    #[test]
    fn what_http_does_not_carry_says_so() {
        let long = "a".repeat(17_000);
        let query = "a query that HTTP changes";
        let header = "a header that HTTP or the load balancer keeps or changes";
        let body = "a body that the load balancer encodes otherwise";
        let refused = "the load balancer refuses such a request";
        let blanks = "a header value with blanks around it";
        let table: [(&[(&str, Value)], &str); 29] = [
            (&[("httpMethod", json!("HEAD"))], "HEAD, whose answer has no body in HTTP"),
            (&[("httpMethod", json!("CONNECT"))], "CONNECT, whose answer has no body in HTTP"),
            (&[("httpMethod", json!(null))], "no httpMethod"),
            (&[("headers.x-api-key", json!("one.two "))], blanks),
            (&[("headers.x-api-key", json!("\tone.two"))], blanks),
            (&[("headers.x-api-key", json!(7))], "a header that is no text"),
            (&[("headers.X-Api-Key", json!("one"))], "a header name in capitals"),
            (&[("headers.a b", json!("one"))], "a header that HTTP does not carry"),
            (&[("queryStringParameters", json!({"x=y": "1"}))], query),
            (&[("queryStringParameters", json!({"x&y": "1"}))], query),
            (&[("queryStringParameters", json!({"x#y": "1"}))], query),
            (&[("queryStringParameters", json!({"x": "1&2"}))], query),
            (&[("queryStringParameters", json!({"x": "1#2"}))], query),
            (&[("queryStringParameters", json!({"x": null}))], "a query value that is no text"),
            (&[("headers.connection", json!("keep-alive"))], header),
            (&[("headers.transfer-encoding", json!("chunked"))], header),
            (&[("headers.te", json!("trailers"))], header),
            (&[("headers.x-local-cloud-fault", json!("none"))], header),
            (&[("headers.upgrade", json!("h2c"))], refused),
            (&[("headers.x-long", json!(long))], refused),
            (&[("path", json!(format!("/{long}")))], refused),
            (&[("path", json!("/a?b"))], "a path that is no URI"),
            (
                &[
                    ("body", json!("/w==")),
                    ("isBase64Encoded", json!(true)),
                    ("headers.content-type", json!("text/plain")),
                ],
                refused,
            ),
            (
                &[
                    ("body", json!("e30=")),
                    ("isBase64Encoded", json!(true)),
                    ("headers.content-type", json!("application/json")),
                ],
                body,
            ),
            (&[("body", json!("{}")), ("headers.content-encoding", json!("gzip"))], body),
            (&[("body", json!("")), ("isBase64Encoded", json!(true))], body),
            (&[("body", json!(null))], "a body that is no text"),
            (&[("isBase64Encoded", json!(null))], "no isBase64Encoded"),
            (
                &[("multiValueQueryStringParameters", json!({}))],
                "a field that a load balancer does not send",
            ),
        ];
        for (changes, why) in table {
            let found = as_http(&with(changes)).map(|_| ());
            assert_eq!(found, Err(why), "{changes:?}");
        }
    }
}
