//! Calls that AWS does not have: look at everything, break things, move time.
//!
//! All under `/_local/` on the AWS endpoint, JSON in and out.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::{Method, Request, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::alb::TargetHealth;
use crate::aws::AwsError;
use crate::cloud::Cloud;
use crate::faults::Fault;
use crate::functions::InvokeError;
use crate::serve::{Answer, json as answer_json, read_body};
use crate::topology::{AliasSpec, AuthenticateSpec, Deployment, Share};

const MAX_BODY_BYTES: usize = 1024 * 1024;

/// An answer that is an error, with its text.
type Refused = (StatusCode, String);

pub(crate) async fn handle(cloud: &Arc<Cloud>, request: Request<Incoming>) -> Answer {
    let request = match crate::widget::handle(cloud, request).await {
        Ok(answer) => return answer,
        Err(request) => request,
    };
    match route(cloud, request).await {
        Ok(value) => answer_json(StatusCode::OK, &value),
        Err((status, text)) => answer_json(status, &json!({ "error": text })),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Weights {
    rule: String,
    weights: Vec<Share>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TargetChange {
    /// A function or `function:QUALIFIER` to register.
    function: Option<String>,
    /// How it is shown.
    health: Option<TargetHealth>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewParameter {
    name: String,
    value: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewAuthenticate {
    rule: String,
    /// None takes it away.
    authenticate: Option<AuthenticateSpec>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    /// For example `1m`.
    advance: String,
}

async fn route(cloud: &Arc<Cloud>, request: Request<Incoming>) -> Result<Value, Refused> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().trim_start_matches("/_local/").to_owned();
    let query = |key: &str| {
        let pairs = form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes());
        pairs.into_owned().find(|(name, _)| name == key).map(|(_, value)| value)
    };
    let body = read_body(body, MAX_BODY_BYTES)
        .await
        .map_err(|_| bad("the body is too large or was cut off".to_owned()))?;
    let segments: Vec<&str> = path.split('/').collect();
    match (&parts.method, segments.as_slice()) {
        (&Method::GET, ["state"]) => Ok(cloud.state()),
        (&Method::GET, ["functions"]) => show(&cloud.functions.stats()),
        (&Method::GET, ["functions", name, "logs"]) => {
            show(&cloud.functions.logs(name).map_err(|error| missing(&error))?)
        }
        (&Method::POST, ["functions", name, "recycle"]) => {
            let ended = cloud.functions.recycle(name).map_err(|error| missing(&error))?;
            Ok(json!({ "ended": ended }))
        }
        (&Method::GET, ["code"]) => show(&cloud.functions.code()),
        (&Method::POST, ["functions", name, "deploy"]) => {
            let deployment: Deployment = read(&body)?;
            let version = cloud.functions.deploy(name, &deployment).map_err(|error| no(&error))?;
            Ok(json!({ "version": version }))
        }
        (&Method::PUT, ["functions", name, "aliases", alias]) => {
            let to: AliasSpec = read(&body)?;
            cloud.functions.set_alias(name, alias, to).map_err(|error| no(&error))?;
            Ok(json!({}))
        }
        (&Method::DELETE, ["functions", name, "aliases", alias]) => {
            let removed = cloud.functions.remove_alias(name, alias);
            Ok(json!({ "removed": removed.map_err(|error| missing(&error))? }))
        }
        (&Method::PUT, ["targets", group]) => {
            let wanted: TargetChange = read(&body)?;
            if let Some(function) = &wanted.function {
                cloud.register_target(group, function).map_err(|error| no(&error))?;
            }
            if let Some(health) = wanted.health {
                cloud.balancers.set_health(group, health).map_err(|error| no(&error))?;
            }
            Ok(json!({}))
        }
        (&Method::DELETE, ["targets", group]) => {
            cloud.balancers.set_target(group, None).map_err(|error| no(&error))?;
            Ok(json!({}))
        }
        (&Method::GET, ["parameters"]) => show(&cloud.parameters.all()),
        (&Method::PUT, ["parameters"]) => {
            let wanted: NewParameter = read(&body)?;
            let now_ms = cloud.clock.now_ms();
            let version = cloud.parameters.put(&wanted.name, &wanted.value, now_ms);
            Ok(json!({ "version": version.map_err(|error| no(&error))? }))
        }
        (&Method::DELETE, ["parameters"]) => {
            let name = query("name").ok_or_else(|| bad("name is needed".to_owned()))?;
            Ok(json!({ "removed": cloud.parameters.remove(&name) }))
        }
        (&Method::PUT, ["authenticate"]) => {
            let wanted: NewAuthenticate = read(&body)?;
            let spec = wanted.authenticate.as_ref();
            let set = cloud.balancers.set_authenticate(&wanted.rule, spec, "foreign");
            set.map_err(|error| no(&error))?;
            Ok(json!({}))
        }
        (&Method::GET, ["async"]) => show(&cloud.functions.async_records()),
        (&Method::GET, ["calls"]) => show(&cloud.calls.all()),
        (&Method::GET, ["pages"]) => show(&cloud.pages.all()),
        (&Method::GET, ["events"]) => show(&cloud.events.all()),
        (&Method::GET, ["access-log"]) => show(&cloud.plane.access_log()),
        (&Method::GET, ["changes"]) => show(&cloud.balancers.changes()),
        (&Method::GET, ["faults"]) => show(&cloud.faults.list()),
        (&Method::POST, ["faults"]) => {
            let fault: Fault = read(&body)?;
            check_fault(cloud, &fault)?;
            Ok(json!({ "id": cloud.faults.add(fault, cloud.clock.now_ms()) }))
        }
        (&Method::DELETE, ["faults"]) => Ok(json!({ "cleared": cloud.faults.clear(None) })),
        (&Method::DELETE, ["faults", id]) => {
            let id = id.parse().map_err(|_| bad(format!("{id} is not a number")))?;
            Ok(json!({ "cleared": cloud.faults.clear(Some(id)) }))
        }
        (&Method::POST, ["weights"]) => {
            let wanted: Weights = read(&body)?;
            cloud
                .balancers
                .set_weights(&wanted.rule, &wanted.weights, "foreign")
                .map_err(|error| bad(error.to_string()))?;
            Ok(json!({}))
        }
        (&Method::GET, ["clock"]) => Ok(clock(cloud)),
        (&Method::POST, ["clock"]) => {
            let wanted: Advance = read(&body)?;
            let by = humantime::parse_duration(&wanted.advance)
                .map_err(|error| bad(format!("advance = {:?}: {error}", wanted.advance)))?;
            if by > Duration::from_hours(24 * 31) {
                return Err(bad(format!("advance = {:?}: at most 31 days", wanted.advance)));
            }
            cloud.clock.advance(by);
            Ok(clock(cloud))
        }
        (&Method::POST, ["alarms", "evaluate"]) => {
            cloud.evaluate_alarms();
            show(&cloud.alarms.list())
        }
        (&Method::POST, ["schedules", name, action @ ("pause" | "resume")]) => {
            if cloud.scheduler.enable(name, *action == "resume") {
                show(&cloud.scheduler.list())
            } else {
                Err((StatusCode::NOT_FOUND, format!("no schedule is called {name}")))
            }
        }
        (&Method::POST, ["schedules", name, "fire"]) => {
            let at_ms = match query("time") {
                None => cloud.clock.now_ms(),
                Some(text) => text
                    .parse::<jiff::Timestamp>()
                    .map_err(|error| bad(format!("time = {text:?}: {error}")))?
                    .as_millisecond(),
            };
            let fired = cloud.fire(name, at_ms).await;
            Ok(match fired {
                Ok(answer) => json!({ "answer": text_or_json(&answer) }),
                Err(error) => json!({ "error": error.to_string() }),
            })
        }
        _ => Err((
            StatusCode::NOT_FOUND,
            format!("no admin call {} /_local/{path}; see local-cloud/README.md", parts.method),
        )),
    }
}

/// A fault that names what does not exist would silently never hit.
fn check_fault(cloud: &Cloud, fault: &Fault) -> Result<(), Refused> {
    crate::topology::check_fault(
        fault,
        &|function| cloud.functions.find(function).is_ok(),
        &|group| cloud.balancers.group_by_name(group).is_some(),
    )
    .map_err(|error| bad(error.to_string()))
}

fn clock(cloud: &Cloud) -> Value {
    json!({
        "now": cloud.clock.now().to_string(),
        "now_ms": cloud.clock.now_ms(),
        "rollout_clock": cloud.clock.as_variable(),
    })
}

fn text_or_json(bytes: &Bytes) -> Value {
    serde_json::from_slice(bytes)
        .unwrap_or_else(|_| String::from_utf8_lossy(bytes).into_owned().into())
}

fn read<T: for<'de> Deserialize<'de>>(body: &[u8]) -> Result<T, Refused> {
    serde_json::from_slice(body).map_err(|error| bad(error.to_string()))
}

fn show<T: serde::Serialize>(value: &T) -> Result<Value, Refused> {
    serde_json::to_value(value)
        .map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}

fn bad(text: String) -> Refused {
    (StatusCode::BAD_REQUEST, text)
}

/// What an API of AWS would refuse, with its status.
fn no(error: &AwsError) -> Refused {
    (StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_REQUEST), error.to_string())
}

fn missing(error: &InvokeError) -> Refused {
    (StatusCode::NOT_FOUND, error.to_string())
}
