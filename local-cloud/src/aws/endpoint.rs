//! Who is asked, in which format, and which fault comes in between.

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::{HeaderMap, Method, Request, StatusCode};
use tokio::net::TcpListener;

use super::calls::caller;
use super::form::Form;
use super::value::Val;
use super::xml::{self, Xml};
use super::{AwsError, cloudwatch, elbv2, lambda, logs, others, ssm};
use crate::admin;
use crate::cloud::Cloud;
use crate::faults::{ApiFault, ApiFaultKind};
use crate::functions::qualified;
use crate::serve::{Answer, answer, read_body, serve};
use crate::tasks::Tasks;

/// More than any call may carry.
const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;

/// Prefix of CloudWatch's CBOR operations, and its target in JSON.
const CLOUDWATCH: &str = "GraniteServiceVersion20100801";

/// How a client speaks; decides how errors are written.
#[derive(Clone, Copy, Debug)]
enum Wire {
    Query {
        namespace: &'static str,
    },
    Cbor,
    /// awsJson; CloudWatch also names its old error codes in a header.
    Json {
        query_codes: bool,
    },
    Rest,
}

/// One call, understood.
enum Call {
    Elbv2(String, Form),
    Sns(String, Form),
    Sts(String),
    CloudWatch(String, Val, Wire),
    Events(String, serde_json::Value),
    Secrets(String, serde_json::Value),
    Ssm(String, serde_json::Value),
    Logs(String, serde_json::Value),
    Lambda(lambda::Call),
}

impl Call {
    fn operation(&self) -> &str {
        match self {
            Self::Elbv2(name, _)
            | Self::Sns(name, _)
            | Self::Sts(name)
            | Self::CloudWatch(name, ..)
            | Self::Events(name, _)
            | Self::Secrets(name, _)
            | Self::Ssm(name, _)
            | Self::Logs(name, _) => name,
            Self::Lambda(call) => call.operation(),
        }
    }

    fn wire(&self) -> Wire {
        match self {
            Self::Elbv2(..) => Wire::Query { namespace: elbv2::NAMESPACE },
            Self::Sns(..) => Wire::Query { namespace: others::SNS_NAMESPACE },
            Self::Sts(_) => Wire::Query { namespace: others::STS_NAMESPACE },
            Self::CloudWatch(_, _, wire) => *wire,
            Self::Events(..) | Self::Secrets(..) | Self::Ssm(..) | Self::Logs(..) => {
                Wire::Json { query_codes: false }
            }
            Self::Lambda(_) => Wire::Rest,
        }
    }

    /// Prefix of the service's actions in a policy.
    fn service(&self) -> &'static str {
        match self {
            Self::Elbv2(..) => "elasticloadbalancing",
            Self::Sns(..) => "SNS",
            Self::Sts(_) => "sts",
            Self::CloudWatch(..) => "cloudwatch",
            Self::Events(..) => "events",
            Self::Secrets(..) => "secretsmanager",
            Self::Ssm(..) => "ssm",
            Self::Logs(..) => "logs",
            Self::Lambda(_) => "lambda",
        }
    }

    /// Whether the request names this resource: an ARN or a name in any of its members.
    fn names(&self, resource: &str) -> bool {
        match self {
            Self::Elbv2(_, form) | Self::Sns(_, form) => form.values().any(|one| one == resource),
            Self::Sts(_) => false,
            Self::CloudWatch(_, input, _) => in_json(&input.to_json(), resource),
            Self::Events(_, input)
            | Self::Secrets(_, input)
            | Self::Ssm(_, input)
            | Self::Logs(_, input) => in_json(input, resource),
            Self::Lambda(call) => {
                call.function().is_some_and(|name| qualified(name).0 == qualified(resource).0)
            }
        }
    }

    /// The action in a policy.
    fn action(&self) -> String {
        let operation = match self.operation() {
            "Invoke" => "InvokeFunction",
            operation => operation,
        };
        format!("{}:{operation}", self.service().to_lowercase())
    }

    /// What a policy's resources are held against. Reads of rules, metrics and alarms
    /// know none.
    fn resources(&self) -> Vec<String> {
        let in_form = |form: &Form, key| form.get(key).map(str::to_owned).into_iter().collect();
        let texts_at = |input: &serde_json::Value, pointer| match input.pointer(pointer) {
            Some(serde_json::Value::String(text)) => vec![text.clone()],
            Some(serde_json::Value::Array(all)) => {
                all.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect()
            }
            _ => Vec::new(),
        };
        match self {
            Self::Elbv2(_, form) => in_form(form, "RuleArn"),
            Self::Sns(_, form) => in_form(form, "TopicArn"),
            Self::Sts(_) | Self::CloudWatch(..) => Vec::new(),
            Self::Events(_, input) => {
                ["/Entries/0/EventBusName", "/Name"].map(|at| texts_at(input, at)).concat()
            }
            Self::Secrets(_, input) => texts_at(input, "/SecretId"),
            Self::Ssm(_, input) => ["/Name", "/Names"].map(|at| texts_at(input, at)).concat(),
            Self::Logs(_, input) => texts_at(input, "/logGroupName"),
            // Of an alias or a version that is invoked, a policy must name that. The others
            // are about the function:
            // https://docs.aws.amazon.com/service-authorization/latest/reference/list_awslambda.html
            Self::Lambda(call) => {
                let name = |function: &str| match (call, qualified(function)) {
                    (lambda::Call::Invoke { .. }, (name, Some(qualifier))) => {
                        format!("{name}:{qualifier}")
                    }
                    (_, (name, _)) => name.to_owned(),
                };
                call.function().map(name).into_iter().collect()
            }
        }
    }

    /// The code for too many calls, which differs from service to service.
    fn throttle(&self) -> AwsError {
        match self {
            Self::CloudWatch(..) | Self::Sns(..) | Self::Sts(_) => {
                AwsError::sender("Throttling", "Rate exceeded")
            }
            Self::Lambda(_) => AwsError {
                status: 429,
                code: "TooManyRequestsException".to_owned(),
                message: "Rate Exceeded.".to_owned(),
            },
            Self::Elbv2(..)
            | Self::Events(..)
            | Self::Secrets(..)
            | Self::Ssm(..)
            | Self::Logs(..) => AwsError::sender("ThrottlingException", "Rate exceeded"),
        }
    }

    /// Access denied, which differs from service to service as well.
    fn denied(&self, account: &str) -> AwsError {
        let action = format!("{}:{}", self.service(), self.operation());
        let (status, code) = match self {
            Self::Sns(..) => (403, "AuthorizationError"),
            Self::Elbv2(..) | Self::Sts(_) => (403, "AccessDenied"),
            Self::CloudWatch(..) | Self::Lambda(_) => (403, "AccessDeniedException"),
            Self::Events(..) | Self::Secrets(..) | Self::Ssm(..) | Self::Logs(..) => {
                (400, "AccessDeniedException")
            }
        };
        let message = format!(
            "User: arn:aws:iam::{account}:user/local-cloud is not authorized to perform: {action} \
             because no identity-based policy allows the {action} action"
        );
        AwsError { status, code: code.to_owned(), message }
    }
}

/// Whether a text anywhere in the value is this one.
fn in_json(value: &serde_json::Value, text: &str) -> bool {
    match value {
        serde_json::Value::String(found) => found == text,
        serde_json::Value::Array(values) => values.iter().any(|one| in_json(one, text)),
        serde_json::Value::Object(pairs) => pairs.values().any(|one| in_json(one, text)),
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {
            false
        }
    }
}

/// Serves the endpoint and the admin calls.
pub(crate) fn listen(cloud: &Arc<Cloud>, tasks: &Tasks, on: TcpListener) {
    let (cloud, detached) = (cloud.clone(), tasks.clone());
    serve(tasks, on, move |request, _peer| {
        let (cloud, tasks) = (cloud.clone(), detached.clone());
        async move { handle(&cloud, &tasks, request).await }
    });
}

async fn handle(cloud: &Arc<Cloud>, tasks: &Tasks, request: Request<Incoming>) -> Option<Answer> {
    if request.uri().path().starts_with("/_local/") {
        return Some(admin::handle(cloud, request).await);
    }
    let guess = wire_of(request.uri().path(), request.headers());
    let caller = caller(request.headers());
    let call = match understand(request).await {
        Ok(call) => call,
        Err(error) => return Some(write_error(guess, &error)),
    };
    cloud.calls.note(&caller, &call.action(), call.resources());
    let fault = cloud.faults.draw_api(call.operation(), &|resource| call.names(resource));
    let Some(fault) = fault else {
        let wire = call.wire();
        let result = carry_out(cloud, call, None).await;
        return Some(result.unwrap_or_else(|error| write_error(wire, &error)));
    };
    with_fault(cloud, tasks, call, &fault).await
}

/// A call that a fault hits. `None` closes the connection without an answer.
async fn with_fault(
    cloud: &Arc<Cloud>,
    tasks: &Tasks,
    call: Call,
    fault: &ApiFault,
) -> Option<Answer> {
    let wire = call.wire();
    let kind = fault.kind;
    let refused = |error: &AwsError| Some(write_error(wire, error));
    let internal = AwsError {
        status: 500,
        code: "InternalFailure".to_owned(),
        message: "The request processing has failed because of an unknown error".to_owned(),
    };
    let delay = Duration::from_millis(fault.delay_ms);
    match kind {
        ApiFaultKind::Throttle => refused(&call.throttle()),
        ApiFaultKind::Denied => refused(&call.denied(&cloud.names.account)),
        ApiFaultKind::Error => refused(&internal),
        ApiFaultKind::Drop => None,
        // The connection's end drops this, so it lasts until the client gives up.
        ApiFaultKind::Hang => std::future::pending().await,
        ApiFaultKind::ErrorAfterCommit => {
            let _ = carry_out(cloud, call, Some(kind)).await;
            refused(&internal)
        }
        ApiFaultKind::DropAfterCommit => {
            let _ = carry_out(cloud, call, Some(kind)).await;
            None
        }
        ApiFaultKind::HangAfterCommit => {
            let _ = carry_out(cloud, call, Some(kind)).await;
            std::future::pending().await
        }
        ApiFaultKind::Delay => {
            // In a task of its own: what was sent is carried out, whether or not the client waits.
            let (tell, told) = tokio::sync::oneshot::channel();
            let cloud = cloud.clone();
            tasks.spawn(async move {
                tokio::time::sleep(delay).await;
                let result = carry_out(&cloud, call, Some(kind)).await;
                // Fails only if the client has left.
                let _ = tell.send(result.unwrap_or_else(|error| write_error(wire, &error)));
            });
            told.await.ok()
        }
        ApiFaultKind::PartialData
        | ApiFaultKind::InternalError
        | ApiFaultKind::RefuseEntries
        | ApiFaultKind::ForeignWrite => {
            let result = carry_out(cloud, call, Some(kind)).await;
            if kind == ApiFaultKind::ForeignWrite {
                cloud.foreign_write(fault);
            }
            Some(result.unwrap_or_else(|error| write_error(wire, &error)))
        }
    }
}

/// How a client speaks, before its request is understood.
fn wire_of(path: &str, headers: &HeaderMap) -> Wire {
    let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok());
    if path.starts_with("/service/") {
        Wire::Cbor
    } else if let Some(target) = target {
        Wire::Json { query_codes: target.starts_with(CLOUDWATCH) }
    } else if path.starts_with(lambda::PREFIX) || path.starts_with(lambda::ACCOUNT) {
        Wire::Rest
    } else {
        Wire::Query { namespace: "http://webservices.amazon.com/" }
    }
}

async fn understand(request: Request<Incoming>) -> Result<Call, AwsError> {
    let (parts, body) = request.into_parts();
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let path = parts.uri.path().to_owned();
    if header("content-encoding")
        .is_some_and(|encoding| encoding != "identity" && encoding != "aws-chunked")
    {
        return Err(AwsError::unsupported("request compression"));
    }
    let body = read_body(body, MAX_BODY_BYTES)
        .await
        .map_err(|_| AwsError::validation("the body is too large or was cut off"))?;
    if path.starts_with(lambda::PREFIX) || path.starts_with(lambda::ACCOUNT) {
        let query = parts.uri.query().unwrap_or_default();
        let call = lambda::Call::read(&parts.method, &path, query, parts.headers, body)?;
        return call
            .map(Call::Lambda)
            .ok_or_else(|| AwsError::unsupported(&format!("{} {path}", parts.method)));
    }
    if let Some(operation) = path.strip_prefix(&format!("/service/{CLOUDWATCH}/operation/")) {
        let input = Val::from_cbor(&body)
            .ok_or_else(|| AwsError::sender("SerializationException", "the body is not CBOR"))?;
        return Ok(Call::CloudWatch(operation.to_owned(), input, Wire::Cbor));
    }
    if let Some((service, operation)) =
        header("x-amz-target").and_then(|target| target.split_once('.'))
    {
        let operation = operation.to_owned();
        let bad = || AwsError::sender("SerializationException", "the body is not JSON");
        return match service {
            CLOUDWATCH => {
                let input = Val::from_json(&body).ok_or_else(bad)?;
                Ok(Call::CloudWatch(operation, input, Wire::Json { query_codes: true }))
            }
            "AWSEvents" => {
                Ok(Call::Events(operation, serde_json::from_slice(&body).map_err(|_| bad())?))
            }
            "secretsmanager" => {
                Ok(Call::Secrets(operation, serde_json::from_slice(&body).map_err(|_| bad())?))
            }
            "AmazonSSM" => {
                Ok(Call::Ssm(operation, serde_json::from_slice(&body).map_err(|_| bad())?))
            }
            "Logs_20140328" => {
                Ok(Call::Logs(operation, serde_json::from_slice(&body).map_err(|_| bad())?))
            }
            other => Err(AwsError::unsupported(other)),
        };
    }
    if parts.method != Method::POST {
        return Err(AwsError::unsupported(&format!("{} {path}", parts.method)));
    }
    let form = Form::parse(&body);
    let operation = form.required("Action")?.to_owned();
    match form.get("Version") {
        Some("2015-12-01") => Ok(Call::Elbv2(operation, form)),
        Some("2010-03-31") => Ok(Call::Sns(operation, form)),
        Some("2011-06-15") => Ok(Call::Sts(operation)),
        Some("2010-08-01") => {
            Err(AwsError::unsupported(&format!("{operation} as a query; use CBOR or JSON")))
        }
        version => Err(AwsError::unsupported(&format!("version {version:?} of {operation}"))),
    }
}

async fn carry_out(
    cloud: &Arc<Cloud>,
    call: Call,
    fault: Option<ApiFaultKind>,
) -> Result<Answer, AwsError> {
    let query = |operation: &str, namespace: &'static str, result: Xml| {
        let request_id = crate::functions::request_id();
        let body = xml::response(operation, namespace, &request_id, &result.finish());
        answer(StatusCode::OK, "text/xml", body)
    };
    let json = |value: serde_json::Value| {
        answer(StatusCode::OK, "application/x-amz-json-1.1", value.to_string())
    };
    let mut result = Xml::default();
    match call {
        Call::Elbv2(operation, form) => {
            elbv2::call(&cloud.balancers, &operation, &form, &mut result)?;
            Ok(query(&operation, elbv2::NAMESPACE, result))
        }
        Call::Sns(operation, form) => {
            others::sns(cloud, &operation, &form, &mut result)?;
            Ok(query(&operation, others::SNS_NAMESPACE, result))
        }
        Call::Sts(operation) => {
            others::sts(cloud, &operation, &mut result)?;
            Ok(query(&operation, others::STS_NAMESPACE, result))
        }
        Call::CloudWatch(operation, input, wire) => {
            let value = cloudwatch::call(cloud, &operation, &input, fault)?;
            Ok(if matches!(wire, Wire::Cbor) {
                cbor(StatusCode::OK, &value)
            } else {
                answer(StatusCode::OK, "application/x-amz-json-1.0", value.to_json().to_string())
            })
        }
        Call::Events(operation, input) => {
            let refuse = fault == Some(ApiFaultKind::RefuseEntries);
            Ok(json(others::events(cloud, &operation, &input, refuse)?))
        }
        Call::Secrets(operation, input) => Ok(json(others::secrets(cloud, &operation, &input)?)),
        Call::Ssm(operation, input) => {
            let Cloud { parameters, names, clock, .. } = cloud.as_ref();
            Ok(json(ssm::call(parameters, names, clock, &operation, &input)?))
        }
        Call::Logs(operation, input) => Ok(json(logs::call(&cloud.functions, &operation, &input)?)),
        Call::Lambda(call) => lambda::call(cloud, call).await,
    }
}

fn cbor(status: StatusCode, value: &Val) -> Answer {
    let mut answer = answer(status, "application/cbor", value.to_cbor());
    answer.headers_mut().insert("smithy-protocol", HeaderValue::from_static("rpc-v2-cbor"));
    answer
}

fn write_error(wire: Wire, error: &AwsError) -> Answer {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let side = if error.status < 500 { "Sender" } else { "Receiver" };
    let with_query_code = |mut answer: Answer| {
        if let Ok(value) = HeaderValue::from_str(&format!("{};{side}", error.code)) {
            answer.headers_mut().insert("x-amzn-query-error", value);
        }
        answer
    };
    match wire {
        Wire::Query { namespace } => {
            let request_id = crate::functions::request_id();
            answer(status, "text/xml", xml::error(error, namespace, &request_id))
        }
        Wire::Cbor => {
            let body = super::value::map([
                (
                    "__type",
                    super::value::text(format!("com.amazonaws.cloudwatch#{}", shape(&error.code))),
                ),
                ("message", super::value::text(error.message.clone())),
            ]);
            with_query_code(cbor(status, &body))
        }
        Wire::Json { query_codes } => {
            let code = if query_codes { shape(&error.code) } else { &error.code };
            let body = serde_json::json!({ "__type": code, "message": error.message });
            let answer = answer(status, "application/x-amz-json-1.1", body.to_string());
            if query_codes { with_query_code(answer) } else { answer }
        }
        Wire::Rest => {
            let body = serde_json::json!({ "Type": "User", "Message": error.message, "message": error.message });
            let mut answer = answer(status, "application/json", body.to_string());
            if let Ok(value) = HeaderValue::from_str(&error.code) {
                answer.headers_mut().insert("x-amzn-errortype", value);
            }
            answer
        }
    }
}

/// Name of the error structure behind an old error code of CloudWatch.
fn shape(code: &str) -> &str {
    match code {
        "Throttling" => "ThrottlingException",
        "InvalidParameterValue" => "InvalidParameterValueException",
        "MissingParameter" => "MissingRequiredParameterException",
        "InternalFailure" => "InternalServiceFault",
        other => other,
    }
}
