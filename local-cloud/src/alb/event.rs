//! A request as the event that a Lambda target gets.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::{HeaderMap, Request};
use serde_json::{Map, Value, json};

use super::failure::refuse_head;
use super::rule::query_pairs;
use crate::faults::FAULT_HEADER;

/// Headers of one connection, which are not the function's business.
const HOP_BY_HOP: [&str; 7] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Content types whose bodies are passed as text; `text/*` besides.
const TEXT_TYPES: [&str; 3] = ["application/json", "application/javascript", "application/xml"];

/// Greatest request body.
pub(super) const MAX_BODY_BYTES: usize = 1024 * 1024;

/// What went to a function for one request, and what came back.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The event, JSON.
    pub event: Bytes,
    /// The function's answer as it gave it; maybe no valid one.
    pub answer: Bytes,
}

/// The event that a request with this body becomes in a group without
/// multi-value headers; `None` if the load balancer answers by itself.
///
/// What it adds of its own (target group, trace, `x-forwarded-…`) is empty or
/// made up; all else is as it would be.
pub(crate) fn preview(request: &Request<()>, body: &[u8]) -> Option<Value> {
    if refuse_head(request).is_some() || body.len() > MAX_BODY_BYTES {
        return None;
    }
    let incoming = Incoming {
        group_arn: "",
        multi_value: false,
        method: request.method().as_str(),
        path: request.uri().path(),
        query: request.uri().query().unwrap_or_default(),
        headers: request.headers(),
        body,
        peer: "127.0.0.1",
        port: 80,
        trace: "",
        fault: None,
    };
    incoming.event().ok()
}

/// What an event is made of.
#[derive(Debug)]
pub(super) struct Incoming<'a> {
    pub(super) group_arn: &'a str,
    pub(super) multi_value: bool,
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a [u8],
    /// Address of the client.
    pub(super) peer: &'a str,
    pub(super) port: u16,
    pub(super) trace: &'a str,
    pub(super) fault: Option<&'a str>,
}

/// A request that cannot be written as an event: not UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotText;

impl Incoming<'_> {
    pub(super) fn event(&self) -> Result<Value, NotText> {
        let headers = self.event_headers()?;
        let query: Vec<(String, String)> = query_pairs(self.query)
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        let encode = !self.body.is_empty() && self.is_binary();
        let body = if encode {
            STANDARD.encode(self.body)
        } else {
            std::str::from_utf8(self.body).map_err(|_| NotText)?.to_owned()
        };
        let mut event = json!({
            "requestContext": { "elb": { "targetGroupArn": self.group_arn } },
            "httpMethod": self.method,
            "path": self.path,
            "body": body,
            "isBase64Encoded": encode,
        });
        let (headers_key, query_key) = if self.multi_value {
            ("multiValueHeaders", "multiValueQueryStringParameters")
        } else {
            ("headers", "queryStringParameters")
        };
        event[headers_key] = self.pairs(headers);
        event[query_key] = self.pairs(query);
        Ok(event)
    }

    /// Without multi-value headers the last of several values wins.
    fn pairs(&self, pairs: Vec<(String, String)>) -> Value {
        let mut map = Map::new();
        for (name, value) in pairs {
            if self.multi_value {
                let values = map.entry(name).or_insert_with(|| json!([]));
                if let Value::Array(values) = values {
                    values.push(value.into());
                }
            } else {
                map.insert(name, value.into());
            }
        }
        Value::Object(map)
    }

    fn event_headers(&self) -> Result<Vec<(String, String)>, NotText> {
        let mut pairs = Vec::new();
        let mut forwarded = String::new();
        for (name, value) in self.headers {
            let name = name.as_str();
            let value = std::str::from_utf8(value.as_bytes()).map_err(|_| NotText)?;
            match name {
                FAULT_HEADER | "x-forwarded-proto" | "x-forwarded-port" | "x-amzn-trace-id" => {}
                "x-forwarded-for" => {
                    forwarded.push_str(value);
                    forwarded.push_str(", ");
                }
                _ if HOP_BY_HOP.contains(&name) => {}
                _ => pairs.push((name.to_owned(), value.to_owned())),
            }
        }
        forwarded.push_str(self.peer);
        let mut add = |name: &str, value: String| pairs.push((name.to_owned(), value));
        add("x-amzn-trace-id", self.trace.to_owned());
        add("x-forwarded-for", forwarded);
        add("x-forwarded-port", self.port.to_string());
        add("x-forwarded-proto", "http".to_owned());
        if let Some(fault) = self.fault {
            add(FAULT_HEADER, fault.to_owned());
        }
        Ok(pairs)
    }

    fn is_binary(&self) -> bool {
        if self.headers.contains_key("content-encoding") {
            return true;
        }
        let content_type = self
            .headers
            .get("content-type")
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase();
        !(content_type.starts_with("text/") || TEXT_TYPES.contains(&content_type.as_str()))
    }
}

/// The trace header that goes on: a new root, or the client's with our part in front.
pub(super) fn trace_header(from_client: Option<&str>, now_secs: i64, unique: &str) -> String {
    let own = format!("1-{:08x}-{}", now_secs & 0xffff_ffff, unique);
    match from_client {
        Some(client) if client.contains("Root=") => format!("Self={own};{client}"),
        _ => format!("Root={own}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::{HeaderName, HeaderValue};

    fn event(multi_value: bool, headers: &[(&str, &str)], body: &[u8]) -> Result<Value, NotText> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_bytes(value.as_bytes()).unwrap(),
            );
        }
        let incoming = Incoming {
            group_arn: "arn:group",
            multi_value,
            method: "POST",
            path: "/score/a%2Fb",
            query: "name=a%20b&name=c+d&flag&community=7",
            headers: &map,
            body,
            peer: "127.0.0.1",
            port: 8080,
            trace: "Root=1-2-3",
            fault: None,
        };
        incoming.event()
    }

    #[test]
    fn with_multi_value_off_the_last_value_wins_and_encoding_stays() {
        let found = event(
            false,
            &[
                ("Host", "api"),
                ("X-Double", "first"),
                ("x-double", "second"),
                ("content-type", "application/json; charset=utf-8"),
                ("connection", "close"),
                ("x-forwarded-for", "203.0.113.7"),
                ("x-local-cloud-fault", "crash"),
            ],
            b"{\"k\":1}",
        );
        let expected = json!({
            "requestContext": {"elb": {"targetGroupArn": "arn:group"}},
            "httpMethod": "POST",
            "path": "/score/a%2Fb",
            "queryStringParameters": {"name": "c+d", "flag": "", "community": "7"},
            "headers": {
                "host": "api", "x-double": "second",
                "content-type": "application/json; charset=utf-8",
                "x-amzn-trace-id": "Root=1-2-3", "x-forwarded-for": "203.0.113.7, 127.0.0.1",
                "x-forwarded-port": "8080", "x-forwarded-proto": "http"
            },
            "body": "{\"k\":1}",
            "isBase64Encoded": false
        });
        assert_eq!(found, Ok(expected));
    }

    #[test]
    fn with_multi_value_on_every_value_is_kept_and_the_single_forms_are_absent() {
        let found = event(true, &[("x-double", "first"), ("x-double", "second")], b"").unwrap();
        assert_eq!(found["multiValueHeaders"]["x-double"], json!(["first", "second"]));
        let query = &found["multiValueQueryStringParameters"];
        assert_eq!(query["name"], json!(["a%20b", "c+d"]));
        assert!(found.get("headers").is_none() && found.get("queryStringParameters").is_none());
        assert_eq!(found["body"], "");
        assert_eq!(found["isBase64Encoded"], false);
    }

    #[test]
    fn bodies_are_encoded_unless_they_are_plain_text() {
        let table: [(&[(&str, &str)], bool); 6] = [
            (&[("content-type", "text/csv")], false),
            (&[("content-type", "application/xml")], false),
            (&[("content-type", "application/json"), ("content-encoding", "gzip")], true),
            (&[("content-type", "application/x-www-form-urlencoded")], true),
            (&[("content-type", "image/png")], true),
            (&[], true),
        ];
        for (headers, encoded) in table {
            let found = event(false, headers, b"abc").unwrap();
            assert_eq!(found["isBase64Encoded"], encoded, "{headers:?}");
            assert_eq!(found["body"], if encoded { "YWJj" } else { "abc" });
        }
    }

    #[test]
    fn a_text_body_that_is_not_utf8_is_refused() {
        assert_eq!(event(false, &[("content-type", "text/plain")], b"\xff"), Err(NotText));
    }

    #[test]
    fn a_client_trace_stays_behind_our_own() {
        assert_eq!(trace_header(None, 1, "ab"), "Root=1-00000001-ab");
        let ours = trace_header(Some("Root=1-x;Sampled=1"), 1, "ab");
        assert_eq!(ours, "Self=1-00000001-ab;Root=1-x;Sampled=1");
    }
}
