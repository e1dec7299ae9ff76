//! Lambda: `Invoke`, `GetFunctionConfiguration`, `GetAlias`; REST and JSON.
//! `GetAccountSettings` is understood and refused.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::header::{HeaderMap, HeaderValue};
use hyper::{Method, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::AwsError;
use crate::cloud::Cloud;
use crate::functions::{
    CallContext, Described, InvokeError, UpdateStatus, aws_time, not_found, qualified,
};
use crate::serve::{Answer, answer};

/// Greatest payload of a synchronous and of an asynchronous invocation.
const MAX_SYNC_BYTES: usize = 6 * 1024 * 1024;
const MAX_ASYNC_BYTES: usize = 1024 * 1024;

/// Prefix of every path.
pub(super) const PREFIX: &str = "/2015-03-31/functions/";

/// Path of `GetAccountSettings`.
pub(super) const ACCOUNT: &str = "/2016-08-19/account-settings";

/// One call, understood.
pub(super) enum Call {
    Invoke { function: String, headers: HeaderMap, payload: Bytes },
    GetFunctionConfiguration { function: String },
    GetAlias { function: String, alias: String },
    GetAccountSettings,
}

impl Call {
    /// Reads path, query and headers; `None` is a call that we do not have.
    pub(super) fn read(
        method: &Method,
        path: &str,
        query: &str,
        headers: HeaderMap,
        payload: Bytes,
    ) -> Result<Option<Self>, AwsError> {
        if path.trim_end_matches('/') == ACCOUNT {
            return Ok((method == Method::GET).then_some(Self::GetAccountSettings));
        }
        let rest = path.strip_prefix(PREFIX).unwrap_or_default();
        let part = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let segments: Vec<&str> = rest.split('/').collect();
        let asked = form_urlencoded::parse(query.as_bytes())
            .find(|(key, _)| key == "Qualifier")
            .map(|(_, value)| value.into_owned());
        Ok(match (method, segments.as_slice()) {
            (&Method::POST, [function, "invocations"]) => {
                let function = with_qualifier(part(function), asked.as_deref())?;
                Some(Self::Invoke { function, headers, payload })
            }
            (&Method::GET, [function, "configuration"]) => {
                let function = with_qualifier(part(function), asked.as_deref())?;
                Some(Self::GetFunctionConfiguration { function })
            }
            (&Method::GET, [function, "aliases", alias]) => {
                Some(Self::GetAlias { function: part(function), alias: part(alias) })
            }
            _ => None,
        })
    }

    pub(super) fn operation(&self) -> &'static str {
        match self {
            Self::Invoke { .. } => "Invoke",
            Self::GetFunctionConfiguration { .. } => "GetFunctionConfiguration",
            Self::GetAlias { .. } => "GetAlias",
            Self::GetAccountSettings => "GetAccountSettings",
        }
    }

    /// The function, as the caller named it.
    pub(super) fn function(&self) -> Option<&str> {
        match self {
            Self::Invoke { function, .. }
            | Self::GetFunctionConfiguration { function }
            | Self::GetAlias { function, .. } => Some(function),
            Self::GetAccountSettings => None,
        }
    }
}

/// A qualifier may stand in the name or beside it; in both it must be the same.
fn with_qualifier(name: String, asked: Option<&str>) -> Result<String, AwsError> {
    match (qualified(&name).1, asked) {
        (_, None) => Ok(name),
        (None, Some(asked)) => Ok(format!("{name}:{asked}")),
        (Some(own), Some(asked)) if own == asked => Ok(name),
        (Some(_), Some(_)) => Err(AwsError::sender(
            "InvalidParameterValueException",
            "The derived qualifier from the function name does not match the specified qualifier.",
        )),
    }
}

/// Carries out one call.
pub(super) async fn call(cloud: &Cloud, call: Call) -> Result<Answer, AwsError> {
    match call {
        Call::Invoke { function, headers, payload } => {
            invoke(cloud, &function, &headers, payload).await
        }
        Call::GetFunctionConfiguration { function } => {
            let described =
                cloud.functions.describe(&function).map_err(|error| not_found(&error))?;
            Ok(shown(&configuration(cloud, &described)))
        }
        Call::GetAlias { function, alias } => Ok(shown(&get_alias(cloud, &function, &alias)?)),
        Call::GetAccountSettings => Err(AwsError::unsupported("GetAccountSettings")),
    }
}

fn shown(value: &Value) -> Answer {
    answer(StatusCode::OK, "application/json", value.to_string())
}

/// As AWS, with the variables in clear text: a caller that logs the answer logs them.
fn configuration(cloud: &Cloud, described: &Described) -> Value {
    let Described { arn, build, status } = described;
    let spec = &build.spec;
    let mut shown = json!({
        "FunctionName": spec.name,
        "FunctionArn": arn,
        "Runtime": "provided.al2023",
        "Role": format!("arn:aws:iam::{}:role/{}", cloud.names.account, spec.name),
        "Handler": spec.command.last(),
        "CodeSize": 0,
        "Description": "",
        "Timeout": spec.timeout.as_secs().max(1),
        "MemorySize": spec.memory_mb,
        "LastModified": aws_time(build.modified_ms),
        "CodeSha256": build.code_sha256,
        "Version": build.version,
        "Environment": { "Variables": spec.env },
        "TracingConfig": { "Mode": "PassThrough" },
        "RevisionId": revision(&format!("{arn}#{}#{}", build.number, status.as_str())),
        "State": "Active",
        "LastUpdateStatus": status.as_str(),
        "PackageType": "Zip",
        "Architectures": ["arm64"],
        "EphemeralStorage": { "Size": 512 },
    });
    match status {
        UpdateStatus::Successful => {}
        UpdateStatus::InProgress => {
            shown["LastUpdateStatusReason"] = "The function is being updated.".into();
            shown["LastUpdateStatusReasonCode"] = "Creating".into();
        }
        UpdateStatus::Failed => {
            shown["LastUpdateStatusReason"] = "The update was made to fail.".into();
            shown["LastUpdateStatusReasonCode"] = "InternalError".into();
        }
    }
    shown
}

fn get_alias(cloud: &Cloud, function: &str, alias: &str) -> Result<Value, AwsError> {
    let (bare, _) = qualified(function);
    let arn = cloud.names.function(&format!("{bare}:{alias}"));
    let found = cloud.functions.alias(function, alias).map_err(|error| not_found(&error))?;
    let Some(spec) = found else {
        return Err(AwsError {
            status: 404,
            code: "ResourceNotFoundException".to_owned(),
            message: format!("Cannot find alias arn: {arn}"),
        });
    };
    let mut shown = json!({
        "AliasArn": arn,
        "Name": alias,
        "FunctionVersion": spec.version,
        "Description": "",
        "RevisionId": revision(&format!("{arn}#{spec:?}")),
    });
    if let Some(split) = spec.split {
        let weights = BTreeMap::from([(split.version, split.weight)]);
        shown["RoutingConfig"] = json!({ "AdditionalVersionWeights": weights });
    }
    Ok(shown)
}

/// A revision id: another one whenever what it stands for differs.
fn revision(of: &str) -> String {
    let (a, b) = (crate::names::id("revision", of), crate::names::id("revision of", of));
    format!("{}-{}-4{}-8{}-{}", &a[..8], &a[8..12], &a[13..16], &b[1..4], &b[4..])
}

/// Lambda `Invoke`. Errors of the function are answers, not errors.
async fn invoke(
    cloud: &Cloud,
    function: &str,
    headers: &HeaderMap,
    payload: Bytes,
) -> Result<Answer, AwsError> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let kind = header("x-amz-invocation-type").unwrap_or("RequestResponse");
    let limit = if kind == "Event" { MAX_ASYNC_BYTES } else { MAX_SYNC_BYTES };
    if payload.len() > limit {
        return Err(AwsError {
            status: 413,
            code: "RequestTooLargeException".to_owned(),
            message: format!("{} byte payload is too large", payload.len()),
        });
    }
    let payload = if payload.is_empty() { Bytes::from_static(b"{}") } else { payload };
    if serde_json::from_slice::<Value>(&payload).is_err() {
        return Err(AwsError::sender(
            "InvalidRequestContentException",
            "Could not parse request body into json",
        ));
    }
    let target = cloud.functions.target(function).map_err(|error| not_found(&error))?;
    let version = target.version().to_owned();
    match kind {
        "DryRun" => Ok(invoked(StatusCode::NO_CONTENT, &version, Bytes::new(), None)),
        "Event" => {
            cloud
                .functions
                .invoke_later(function, payload, "invoke")
                .map_err(|error| not_found(&error))?;
            Ok(invoked(StatusCode::ACCEPTED, &version, Bytes::new(), None))
        }
        "RequestResponse" => {
            let client_context = header("x-amz-client-context")
                .and_then(|text| STANDARD.decode(text).ok())
                .and_then(|bytes| String::from_utf8(bytes).ok());
            let trace = header("x-amzn-trace-id").map(str::to_owned);
            let context = CallContext { trace, client_context };
            match target.invoke(payload, context).await {
                Ok(payload) => Ok(invoked(StatusCode::OK, &version, payload, None)),
                Err(InvokeError::Function { payload, .. }) => {
                    Ok(invoked(StatusCode::OK, &version, payload, Some("Unhandled")))
                }
                Err(error @ InvokeError::Throttled { .. }) => Err(AwsError {
                    status: 429,
                    code: "TooManyRequestsException".to_owned(),
                    message: error.to_string(),
                }),
                Err(error @ InvokeError::NotFound { .. }) => Err(not_found(&error)),
                Err(error @ InvokeError::Service(_)) => Err(AwsError {
                    status: 500,
                    code: "ServiceException".to_owned(),
                    message: error.to_string(),
                }),
            }
        }
        other => Err(AwsError::sender(
            "InvalidParameterValueException",
            format!("InvocationType '{other}' is not one of RequestResponse, Event, DryRun"),
        )),
    }
}

fn invoked(
    status: StatusCode,
    version: &str,
    payload: Bytes,
    error: Option<&'static str>,
) -> Answer {
    let mut answer = answer(status, "application/json", payload);
    let headers = answer.headers_mut();
    if let Ok(version) = HeaderValue::from_str(version) {
        headers.insert("x-amz-executed-version", version);
    }
    if let Some(error) = error {
        headers.insert("x-amz-function-error", HeaderValue::from_static(error));
    }
    answer
}
