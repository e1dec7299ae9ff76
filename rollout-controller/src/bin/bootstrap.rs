//! The Lambda: configuration, wiring, run. One binary for the three functions.

use jiff::Timestamp;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use rollout_controller::adapters::aws::Aws;
use rollout_controller::adapters::{clock, wire};
use rollout_controller::errors::chain;
use rollout_controller::lambda::event::Refusal;
use rollout_controller::lambda::handler::{Door, answer};
use rollout_controller::lambda::telemetry::Telemetry;
use rollout_controller::ports::World;
use rollout_controller::{config, widget};
use serde_json::Value;
use tokio::sync::OnceCell;

/// What every invocation needs, or why this function cannot work.
struct Setup {
    door: Door,
    config: config::Config,
    world: World,
}

/// An environment variable; empty is not set.
fn var(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn set_up() -> Result<Setup, String> {
    let door = Door::parse(var("ROLLOUT_DOOR").as_deref())?;
    let config = config::from_environment(var).map_err(|error| chain(&error))?;
    let iam = var("ROLLOUT_LEDGER_IAM").is_some_and(|value| value == "1");
    let clock = clock::clock(var).map_err(|error| chain(&error))?;
    let world = wire::world(&config, &Aws::new(), iam, clock).map_err(|error| chain(&error))?;
    Ok(Setup { door, config, world })
}

async fn handle(setup: &OnceCell<Setup>, event: LambdaEvent<Value>) -> Result<Value, Diagnostic> {
    let refuse = |refusal: Refusal| {
        tracing::error!(error_type = refusal.error_type, "{}", refusal.message);
        Diagnostic { error_type: refusal.error_type.to_owned(), error_message: refusal.message }
    };
    // A configuration that cannot work is told on every event, so that it shows in
    // the caller's answer and not only in a restart loop; mended, it works at once.
    let setup = setup.get_or_try_init(async || set_up()).await;
    let setup = setup.map_err(|message| refuse(Refusal { error_type: "Config", message }))?;
    let until = i64::try_from(event.context.deadline).ok();
    let until = until.and_then(|ms| Timestamp::from_millisecond(ms).ok());
    let Setup { door, config, world } = setup;
    let payload = widget::with_own_arn(event.payload, &event.context.invoked_function_arn);
    answer(*door, world, config, &payload, until).await.map_err(refuse)
}

fn main() -> Result<(), lambda_runtime::Error> {
    // Before the runtime, see there.
    let telemetry = Telemetry::install(var);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let setup = OnceCell::new();
        let handler = service_fn(|event| async {
            let answer = handle(&setup, event).await;
            telemetry.flush().await;
            answer
        });
        lambda_runtime::run(handler).await
    })
}
