//! Looking into a running cloud, and the small interventions.

use std::process::ExitCode;

use anyhow::Context as _;
use hyper::Method;
use serde_json::{Value, json};

use super::{Where, print, print_json};

/// What can be shown.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Subject {
    /// Everything at a glance
    State,
    /// Functions: processes, memory, cold starts
    Functions,
    /// Functions: versions and aliases
    Code,
    /// SSM parameters
    Parameters,
    /// Messages on topics
    Pages,
    /// Events on the bus
    Events,
    /// Requests through the load balancers
    AccessLog,
    /// Changes of rules
    Changes,
    /// What became of asynchronous invocations
    Async,
    /// Faults that stand
    Faults,
    /// Simulated time
    Clock,
}

/// Show something of a running cloud, as JSON.
#[derive(Debug, clap::Args)]
pub struct ShowArgs {
    #[command(flatten)]
    cloud: Where,
    /// What to show
    #[arg(value_enum)]
    subject: Subject,
}

/// Prints the subject.
///
/// # Errors
/// No cloud at the endpoint.
pub async fn show(args: ShowArgs) -> anyhow::Result<ExitCode> {
    let path = match args.subject {
        Subject::State => "state",
        Subject::Functions => "functions",
        Subject::Code => "code",
        Subject::Parameters => "parameters",
        Subject::Pages => "pages",
        Subject::Events => "events",
        Subject::AccessLog => "access-log",
        Subject::Changes => "changes",
        Subject::Async => "async",
        Subject::Faults => "faults",
        Subject::Clock => "clock",
    };
    print_json(&args.cloud.call(Method::GET, path, None).await?)?;
    Ok(ExitCode::SUCCESS)
}

/// Print what a function has printed lately.
#[derive(Debug, clap::Args)]
pub struct LogsArgs {
    #[command(flatten)]
    cloud: Where,
    /// Name of the function
    function: String,
}

/// Prints the lines, oldest first.
///
/// # Errors
/// No cloud at the endpoint, no such function.
pub async fn logs(args: LogsArgs) -> anyhow::Result<ExitCode> {
    let path = format!("functions/{}/logs", args.function);
    let lines = args.cloud.call(Method::GET, &path, None).await?;
    let mut shown = String::new();
    for line in lines.as_array().into_iter().flatten() {
        let text = line["text"].as_str().unwrap_or_default();
        let stream = line["stream"].as_str().unwrap_or_default();
        shown.push_str(&format!("[{}] {stream} {text}\n", line["environment"]));
    }
    print(&shown)?;
    Ok(ExitCode::SUCCESS)
}

/// Change the weights of a rule as somebody else would.
#[derive(Debug, clap::Args)]
pub struct WeightsArgs {
    #[command(flatten)]
    cloud: Where,
    /// ARN of the rule
    rule: String,
    /// `group=weight`, 0 to 999
    #[arg(required = true)]
    weights: Vec<String>,
}

/// Sets them.
///
/// # Errors
/// A weight that is none, and what the cloud refuses.
pub async fn weights(args: WeightsArgs) -> anyhow::Result<ExitCode> {
    let weights = args
        .weights
        .iter()
        .map(|text| {
            let (group, weight) =
                text.split_once('=').with_context(|| format!("{text}: write group=weight"))?;
            let weight: u32 = weight.parse().with_context(|| format!("{text}: 0 to 999"))?;
            Ok(json!({ "group": group, "weight": weight }))
        })
        .collect::<anyhow::Result<Vec<Value>>>()?;
    let body = json!({ "rule": args.rule, "weights": weights });
    args.cloud.call(Method::POST, "weights", Some(body)).await?;
    Ok(ExitCode::SUCCESS)
}

/// What to do with a schedule.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum ScheduleAction {
    /// Stop firing
    Pause,
    /// Fire every minute again
    Resume,
    /// Fire once now and wait for the answer
    Fire,
}

/// Pause, resume or fire a schedule.
#[derive(Debug, clap::Args)]
pub struct ScheduleArgs {
    #[command(flatten)]
    cloud: Where,
    /// Name of the schedule
    name: String,
    /// What to do
    #[arg(value_enum)]
    action: ScheduleAction,
}

/// Does it and prints the answer.
///
/// # Errors
/// No cloud at the endpoint, no such schedule.
pub async fn schedule(args: ScheduleArgs) -> anyhow::Result<ExitCode> {
    let action = match args.action {
        ScheduleAction::Pause => "pause",
        ScheduleAction::Resume => "resume",
        ScheduleAction::Fire => "fire",
    };
    let path = format!("schedules/{}/{action}", args.name);
    let answer = args.cloud.call(Method::POST, &path, None).await?;
    print_json(&answer)?;
    let failed = answer.get("error").is_some();
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Move simulated time forward.
#[derive(Debug, clap::Args)]
pub struct AdvanceArgs {
    #[command(flatten)]
    cloud: Where,
    /// Simulated time, for example 1m
    by: String,
}

/// Moves it and prints the new time.
///
/// # Errors
/// No cloud at the endpoint, or not a duration.
pub async fn advance(args: AdvanceArgs) -> anyhow::Result<ExitCode> {
    let body = json!({ "advance": args.by });
    print_json(&args.cloud.call(Method::POST, "clock", Some(body)).await?)?;
    Ok(ExitCode::SUCCESS)
}
