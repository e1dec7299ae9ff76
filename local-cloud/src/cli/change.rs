//! Changing what the controller reads: code, aliases, targets, parameters.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use hyper::Method;
use serde_json::json;

use super::{Where, print_json};
use crate::topology::{AliasSpec, AuthenticateSpec, Deployment, SplitSpec};

/// Give a function new code or configuration.
///
/// What is not given stays as it is. Running requests finish on the old code.
#[derive(Debug, clap::Args)]
pub struct DeployArgs {
    #[command(flatten)]
    cloud: Where,
    /// Name of the function
    function: String,
    /// NAME=VALUE to set, any number of times
    #[arg(long = "env", value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// Working directory
    #[arg(long)]
    cwd: Option<PathBuf>,
    /// Publish a version of it
    #[arg(long)]
    publish: bool,
    /// Publish a version of it and point this alias there
    #[arg(long, value_name = "NAME")]
    alias: Option<String>,
    /// Simulated time for which the update is in progress, for example 1m
    #[arg(long, value_parser = humantime::parse_duration, value_name = "TIME")]
    settle: Option<Duration>,
    /// Let the update fail
    #[arg(long)]
    fails: bool,
    /// Program and arguments
    #[arg(last = true)]
    command: Vec<String>,
}

/// Deploys and prints the version.
///
/// # Errors
/// No cloud at the endpoint, no such function, and what the cloud refuses.
pub async fn deploy(args: DeployArgs) -> anyhow::Result<ExitCode> {
    let variables = args.env.iter().map(|text| {
        let pair = text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        pair.with_context(|| format!("--env {text}: write NAME=VALUE"))
    });
    let deployment = Deployment {
        command: Some(args.command).filter(|words| !words.is_empty()),
        cwd: args.cwd,
        env: variables.collect::<anyhow::Result<_>>()?,
        publish: args.publish,
        alias: args.alias,
        settle: args.settle.unwrap_or_default(),
        fails: args.fails,
    };
    let path = format!("functions/{}/deploy", args.function);
    let body = serde_json::to_value(&deployment)?;
    print_json(&args.cloud.call(Method::POST, &path, Some(body)).await?)?;
    Ok(ExitCode::SUCCESS)
}

/// Point an alias of a function to a version, or remove it.
#[derive(Debug, clap::Args)]
pub struct AliasArgs {
    #[command(flatten)]
    cloud: Where,
    /// Name of the function
    function: String,
    /// Name of the alias
    alias: String,
    /// A published version or $LATEST; `none` removes the alias
    version: String,
    /// VERSION=SHARE: a second version and its share of the requests, 0 to 1
    #[arg(long, value_name = "VERSION=SHARE")]
    split: Option<String>,
}

/// Sets it.
///
/// # Errors
/// No cloud at the endpoint, no such function or version.
pub async fn alias(args: AliasArgs) -> anyhow::Result<ExitCode> {
    let path = format!("functions/{}/aliases/{}", args.function, args.alias);
    if args.version == "none" {
        print_json(&args.cloud.call(Method::DELETE, &path, None).await?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let split = args.split.map(|text| {
        let (version, weight) =
            text.split_once('=').with_context(|| format!("--split {text}: write VERSION=SHARE"))?;
        let weight = weight.parse().with_context(|| format!("--split {text}: 0 to 1"))?;
        Ok::<_, anyhow::Error>(SplitSpec { version: version.to_owned(), weight })
    });
    let to = AliasSpec { version: args.version, split: split.transpose()? };
    args.cloud.call(Method::PUT, &path, Some(serde_json::to_value(&to)?)).await?;
    Ok(ExitCode::SUCCESS)
}

/// Register a target group's target, take it away, or set its health.
#[derive(Debug, clap::Args)]
pub struct TargetArgs {
    #[command(flatten)]
    cloud: Where,
    /// Name of the target group
    group: String,
    #[command(subcommand)]
    change: TargetChange,
}

#[derive(Debug, clap::Subcommand)]
enum TargetChange {
    /// Register a function, or function:QUALIFIER with a version or an alias
    Register {
        /// The function
        function: String,
    },
    /// Take the target away: requests to the group are answered 503
    Deregister,
    /// Set how the target is shown; a draining one gets no more requests
    Health {
        /// healthy, unhealthy, initial, unavailable or draining
        health: String,
    },
}

/// Changes it.
///
/// # Errors
/// No cloud at the endpoint, no such group or function.
pub async fn target(args: TargetArgs) -> anyhow::Result<ExitCode> {
    let path = format!("targets/{}", args.group);
    let (method, body) = match args.change {
        TargetChange::Register { function } => (Method::PUT, Some(json!({ "function": function }))),
        TargetChange::Deregister => (Method::DELETE, None),
        TargetChange::Health { health } => (Method::PUT, Some(json!({ "health": health }))),
    };
    args.cloud.call(method, &path, body).await?;
    Ok(ExitCode::SUCCESS)
}

/// Write or remove an SSM parameter; `show parameters` reads them.
#[derive(Debug, clap::Args)]
pub struct ParameterArgs {
    #[command(flatten)]
    cloud: Where,
    /// Name, for example /rollout/score/order
    name: String,
    /// Its value; without one, the parameter is removed
    value: Option<String>,
}

/// Writes or removes it and prints what became of it.
///
/// # Errors
/// No cloud at the endpoint, a name or value outside the limits.
pub async fn parameter(args: ParameterArgs) -> anyhow::Result<ExitCode> {
    let answer = if let Some(value) = args.value {
        let body = json!({ "name": args.name, "value": value });
        args.cloud.call(Method::PUT, "parameters", Some(body)).await?
    } else {
        let name = form_urlencoded::byte_serialize(args.name.as_bytes()).collect::<String>();
        args.cloud.call(Method::DELETE, &format!("parameters?name={name}"), None).await?
    };
    print_json(&answer)?;
    Ok(ExitCode::SUCCESS)
}

/// Put an action that signs people in in front of a rule, or take it away.
#[derive(Debug, clap::Args)]
pub struct AuthenticateArgs {
    #[command(flatten)]
    cloud: Where,
    /// ARN of the rule
    rule: String,
    #[command(subcommand)]
    kind: AuthenticateKind,
}

#[derive(Debug, clap::Subcommand)]
enum AuthenticateKind {
    /// authenticate-oidc; no API returns the client secret
    Oidc {
        /// For example <https://idp.example.com>
        issuer: String,
        /// Client id
        client_id: String,
        /// Client secret
        client_secret: String,
    },
    /// authenticate-cognito
    Cognito {
        /// ARN of the user pool
        user_pool_arn: String,
        /// Client id
        client_id: String,
        /// Domain
        domain: String,
    },
    /// No such action
    None,
}

/// Sets it.
///
/// # Errors
/// No cloud at the endpoint, no such rule.
pub async fn authenticate(args: AuthenticateArgs) -> anyhow::Result<ExitCode> {
    let spec = match args.kind {
        AuthenticateKind::Oidc { issuer, client_id, client_secret } => {
            Some(AuthenticateSpec::Oidc { issuer, client_id, client_secret })
        }
        AuthenticateKind::Cognito { user_pool_arn, client_id, domain } => {
            Some(AuthenticateSpec::Cognito { user_pool_arn, client_id, domain })
        }
        AuthenticateKind::None => None,
    };
    let body = json!({ "rule": args.rule, "authenticate": spec });
    args.cloud.call(Method::PUT, "authenticate", Some(body)).await?;
    Ok(ExitCode::SUCCESS)
}
