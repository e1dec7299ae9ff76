//! A page that plays CloudWatch's part for one custom widget, so that what a
//! dashboard shows can be seen, and pressed, without AWS.
//!
//! The page's own script (`local-cloud/widget/page.js`) asks the view function,
//! strips what CloudWatch strips and carries out `cwdb-action`; the content
//! security policy sees to it that nothing in the widget itself runs.

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{CONTENT_SECURITY_POLICY, HeaderValue};
use hyper::{Method, Request, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cloud::Cloud;
use crate::functions::CallContext;
use crate::serve::{Answer, answer, json as answer_json, read_body};

const PAGE: &str = include_str!("../widget/page.html");
const SCRIPT: &str = include_str!("../widget/page.js");
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'";

/// More than an event with its forms takes.
const MAX_CALL_BYTES: usize = 256 * 1024;

/// Functions that a page asks unless told otherwise.
const VIEW: &str = "rollout-view";
const COMMAND: &str = "rollout-command";

/// Real time between two looks unless told otherwise.
const REFRESH_MS: u32 = 2_000;

/// Address of a rollout's page in the cloud at this AWS endpoint, for people.
///
/// `?theme=dark`, `view=FUNCTION`, `command=FUNCTION` and `refresh_ms=N` change
/// what it shows and asks.
pub fn address(aws_endpoint: &str, rollout: &str) -> String {
    format!("{aws_endpoint}/_local/widget/{rollout}")
}

/// Answers the page, its script, and the calls it makes; `None` for other paths.
pub(crate) async fn handle(
    cloud: &Arc<Cloud>,
    request: Request<Incoming>,
) -> Result<Answer, Request<Incoming>> {
    let path = request.uri().path().to_owned();
    match (request.method(), path.as_str()) {
        (&Method::GET, "/_local/widget.js") => {
            Ok(answer(StatusCode::OK, "text/javascript; charset=utf-8", SCRIPT))
        }
        (&Method::POST, "/_local/widget-call") => Ok(call(cloud, request).await),
        (&Method::GET, path) => match path.strip_prefix("/_local/widget/") {
            Some(rollout) if is_name(rollout) => {
                Ok(page(cloud, rollout, request.uri().query().unwrap_or_default()))
            }
            _ => Err(request),
        },
        _ => Err(request),
    }
}

/// Only what needs no escaping, in HTML or anywhere else.
fn is_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !text.is_empty() && text.bytes().all(plain)
}

fn page(cloud: &Cloud, rollout: &str, query: &str) -> Answer {
    let asked = |key: &str| {
        form_urlencoded::parse(query.as_bytes())
            .find(|(name, _)| name == key)
            .map(|(_, value)| value.into_owned())
    };
    let function = |key, otherwise: &str| {
        let name = asked(key).filter(|name| is_name(name));
        cloud.names.function(name.as_deref().unwrap_or(otherwise))
    };
    let refresh = asked("refresh_ms").and_then(|text| text.parse::<u32>().ok());
    let refresh = refresh.unwrap_or(REFRESH_MS).max(100);
    let html = PAGE
        .replace("{{ROLLOUT}}", rollout)
        .replace("{{VIEW}}", &function("view", VIEW))
        .replace("{{COMMAND}}", &function("command", COMMAND))
        .replace("{{ACCOUNT}}", &cloud.names.account)
        .replace("{{REFRESH_MS}}", &refresh.to_string());
    let mut answer = answer(StatusCode::OK, "text/html; charset=utf-8", html);
    answer.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    answer
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    /// Name or ARN of the function.
    endpoint: String,
    event: Value,
}

/// Invokes a function as the viewer's browser would.
async fn call(cloud: &Cloud, request: Request<Incoming>) -> Answer {
    let refuse = |status, text: String| answer_json(status, &json!({ "error": text }));
    let Ok(body) = read_body(request.into_body(), MAX_CALL_BYTES).await else {
        return refuse(
            StatusCode::PAYLOAD_TOO_LARGE,
            "the call is too large or was cut off".to_owned(),
        );
    };
    let Call { endpoint, event } = match serde_json::from_slice(&body) {
        Ok(call) => call,
        Err(error) => return refuse(StatusCode::BAD_REQUEST, error.to_string()),
    };
    let payload = event.to_string().into();
    let context = CallContext::default();
    match cloud.functions.invoke(&endpoint, payload, context).await {
        Ok(bytes) => match serde_json::from_slice::<Value>(&bytes) {
            Ok(value) => answer_json(StatusCode::OK, &json!({ "answer": value })),
            Err(error) => refuse(StatusCode::BAD_GATEWAY, format!("{endpoint}: {error}")),
        },
        Err(error) => refuse(StatusCode::BAD_GATEWAY, format!("{endpoint}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_get_a_page() {
        assert!(is_name("score") && is_name("score-2.eu_west"));
        for other in ["", "a b", "<b>", "a/b", "a\"b", "%41"] {
            assert!(!is_name(other), "{other}");
        }
    }

    #[test]
    fn the_page_runs_its_own_script_only() {
        assert_eq!(PAGE.matches("<script").count(), 1);
        assert!(PAGE.contains("<script src=\"/_local/widget.js\">"));
        assert!(POLICY.contains("script-src 'self';"));
    }
}
