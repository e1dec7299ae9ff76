//! The Lambda Runtime API, and as much of the Extensions API as lets an
//! extension register and wait.

use std::sync::Arc;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::{Method, Request, StatusCode};
use serde_json::json;

use super::InvokeError;
use super::environment::{Environment, Taken};
use crate::serve::{self, Answer, BodyError, read_body};

/// Greatest answer of a synchronous invocation.
const MAX_ANSWER_BYTES: usize = 6 * 1024 * 1024;

/// Trace header of an event that came without one.
const NO_TRACE: &str = "Root=1-00000000-000000000000000000000000;Sampled=0";

pub(super) async fn handle(
    environment: Arc<Environment>,
    request: Request<Incoming>,
) -> Option<Answer> {
    let path = request.uri().path().to_owned();
    let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match (request.method(), segments.as_slice()) {
        (&Method::GET, ["2018-06-01", "runtime", "invocation", "next"]) => {
            let Taken { request_id, payload, arn, context, deadline_ms } =
                environment.next().await?;
            let mut answer = serve::answer(StatusCode::OK, "application/json", payload);
            let headers = answer.headers_mut();
            let mut set = |name: &'static str, value: &str| {
                if let Ok(value) = HeaderValue::from_str(value) {
                    headers.insert(name, value);
                }
            };
            set("lambda-runtime-aws-request-id", &request_id);
            set("lambda-runtime-deadline-ms", &deadline_ms.to_string());
            set("lambda-runtime-invoked-function-arn", &arn);
            let trace = context.trace.as_deref().unwrap_or(NO_TRACE);
            set("lambda-runtime-trace-id", trace);
            if let Some(client_context) = &context.client_context {
                set("lambda-runtime-client-context", client_context);
            }
            Some(answer)
        }
        (&Method::POST, ["2018-06-01", "runtime", "invocation", id, "response"]) => {
            let id = (*id).to_owned();
            Some(match read_body(request.into_body(), MAX_ANSWER_BYTES).await {
                Ok(body) => accepted(environment.finish(&id, Ok(body))),
                Err(BodyError::TooLarge) => {
                    let error = super::platform_error(
                        "Function.ResponseSizeTooLarge",
                        "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
                    );
                    environment.finish(&id, Err(error));
                    refused(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge")
                }
                Err(BodyError::Broken) => return None,
            })
        }
        (&Method::POST, ["2018-06-01", "runtime", "invocation", id, "error"]) => {
            let id = (*id).to_owned();
            let error = function_error(request).await?;
            Some(accepted(environment.finish(&id, Err(error))))
        }
        (&Method::POST, ["2018-06-01", "runtime", "init", "error"]) => {
            environment.fail_init(function_error(request).await?);
            Some(accepted(true))
        }
        (&Method::POST, ["2020-01-01", "extension", "register"]) => {
            let mut answer = serve::json(
                StatusCode::OK,
                &json!({ "functionName": environment.build.spec.name,
                         "functionVersion": environment.build.version, "handler": "" }),
            );
            let id = super::environment::request_id();
            if let Ok(value) = HeaderValue::from_str(&id) {
                answer.headers_mut().insert("lambda-extension-identifier", value);
            }
            Some(answer)
        }
        (&Method::GET, ["2020-01-01", "extension", "event", "next"]) => {
            // No INVOKE events are sent: the extension waits until its process is ended.
            std::future::pending().await
        }
        _ => Some(refused(StatusCode::NOT_FOUND, "UnknownPath")),
    }
}

async fn function_error(request: Request<Incoming>) -> Option<InvokeError> {
    let header = request
        .headers()
        .get("lambda-runtime-function-error-type")
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    let payload: Bytes = read_body(request.into_body(), MAX_ANSWER_BYTES).await.ok()?;
    let in_body = serde_json::from_slice::<serde_json::Value>(&payload)
        .ok()
        .and_then(|body| body["errorType"].as_str().map(str::to_owned));
    let error_type = in_body.or(header).unwrap_or_else(|| "Unhandled".to_owned());
    Some(InvokeError::Function { error_type, payload })
}

fn accepted(known: bool) -> Answer {
    if known {
        serve::json(StatusCode::ACCEPTED, &json!({ "status": "OK" }))
    } else {
        refused(StatusCode::BAD_REQUEST, "InvalidRequestID")
    }
}

fn refused(status: StatusCode, error_type: &str) -> Answer {
    serve::json(status, &json!({ "errorType": error_type, "errorMessage": error_type }))
}
