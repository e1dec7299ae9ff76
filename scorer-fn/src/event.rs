//! Requests, in the one form that the scoring reads: an ALB event.
//!
//! The contract tells a missing field from an empty one, so this is read from
//! the raw event. `lambda_http` would turn both into the same HTTP request.

use axum::body::Bytes;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use serde_json::{Map, Value};

use crate::python;
use crate::python_json::{self, Json};

/// An ALB target-group event, as far as it matters here.
#[derive(Clone, Debug, Default)]
pub struct Event {
    /// Undecoded path.
    pub path: Option<String>,
    /// Why there is none, as the text of Python's exception; empty if there is one.
    pub path_problem: String,
    /// Headers; absent on a target group with multi-value headers.
    pub headers: Option<Map<String, Value>>,
    /// Query as given, still percent-encoded; absent in some test events.
    pub query: Option<Value>,
    /// Body text, perhaps base64; None if there is none, or nothing in it.
    pub body: Option<String>,
    /// Python's name for the type of a body that is no text. No load balancer sends one.
    pub body_type: Option<&'static str>,
    /// `isBase64Encoded`; None if the event has no such field.
    pub base64: Option<bool>,
}

impl Event {
    /// Reads a raw event; whatever is malformed counts as missing.
    pub fn from_alb(event: &Value) -> Self {
        let text = |key: &str| event.get(key).and_then(Value::as_str).map(str::to_owned);
        let path_problem = match event.get("path") {
            Some(Value::String(_)) => String::new(),
            Some(other) => {
                format!("'{}' object has no attribute 'split'", python::type_name(other))
            }
            None => "'path'".to_owned(),
        };
        Self {
            path: text("path"),
            path_problem,
            headers: event.get("headers").and_then(Value::as_object).cloned(),
            query: event.get("queryStringParameters").cloned(),
            body: text("body"),
            body_type: event
                .get("body")
                .filter(|body| !body.is_string())
                .and_then(|body| python::is_truthy(body).then(|| python::type_name(body))),
            base64: event.get("isBase64Encoded").map(python::is_truthy),
        }
    }

    /// The event that an ALB would make of an HTTP request: last value of a
    /// repeated header or key, query undecoded, base64 unless the body is text.
    pub fn from_http(parts: &http::request::Parts, body: &Bytes) -> Self {
        let mut headers = Map::new();
        for (name, value) in &parts.headers {
            headers
                .insert(name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into());
        }
        let mut query = Map::new();
        for pair in parts.uri.query().unwrap_or("").split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            query.insert(key.to_owned(), value.into());
        }
        let text = std::str::from_utf8(body).ok().filter(|_| is_text(&parts.headers));
        Self {
            path: Some(parts.uri.path().to_owned()),
            path_problem: String::new(),
            headers: Some(headers),
            query: Some(Value::Object(query)),
            body: Some(text.map_or_else(|| STANDARD.encode(body), str::to_owned)),
            body_type: None,
            base64: Some(text.is_none()),
        }
    }

    /// A header by its exact, lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.as_ref()?.get(name)?.as_str()
    }

    /// The parsed body; `{}` if there is none.
    ///
    /// # Errors
    /// The text of the exception that Python raises.
    pub fn payload(&self) -> Result<Json, String> {
        let base64 = self.base64.ok_or("'isBase64Encoded'")?;
        match self.body_type {
            Some(name) if base64 => {
                return Err(format!(
                    "argument should be a bytes-like object or ASCII string, not '{name}'"
                ));
            }
            Some(name) => {
                return Err(format!("the JSON object must be str, bytes or bytearray, not {name}"));
            }
            None => {}
        }
        let Some(body) = self.body.as_deref().filter(|body| !body.is_empty()) else {
            return Ok(Json { value: Value::Object(Map::new()), storable: true });
        };
        if !base64 {
            return python_json::loads(body);
        }
        let bytes = python::b64decode(body)?;
        match std::str::from_utf8(&bytes) {
            Ok(text) => python_json::loads(text),
            Err(error) => Err(python::decode_error(&bytes, error)),
        }
    }
}

/// The content types that an ALB passes on as text (none at all is text, too).
fn is_text(headers: &HeaderMap) -> bool {
    if headers.contains_key(http::header::CONTENT_ENCODING) {
        return false;
    }
    let Some(kind) = headers.get(http::header::CONTENT_TYPE) else {
        return true;
    };
    let kind =
        kind.to_str().unwrap_or("").split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    kind.starts_with("text/")
        || matches!(
            kind.as_str(),
            "application/json" | "application/javascript" | "application/xml"
        )
}
