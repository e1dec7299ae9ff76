//! The score endpoint as a Lambda function behind an Application Load Balancer.
//!
//! Before the first `next` this reads the environment and nothing else. The
//! database, Secrets Manager and the collector are met by the first request
//! that needs them. Only an environment with provisioned concurrency connects
//! to the database first, since it is started before anybody waits for it.
//!
//! The analytics row is waited for and telemetry sent between the answer and the
//! next `next`: the client has its answer, and the process is not frozen yet.

use std::time::{Duration, Instant, SystemTime};

use lambda_runtime::{Error, LambdaEvent, Runtime, service_fn};
use scorer_fn::app::{App, Call, Lines};
use scorer_fn::config::Config;
use scorer_fn::log;
use serde_json::{Value, json};
use tower::util::ThenLayer;

fn main() -> Result<(), Error> {
    let config = match Config::read(|name| std::env::var(name).ok()) {
        Ok(config) => config,
        Err(error) => {
            log::print_event(
                "ERROR",
                &format!("not started: {error}"),
                &json!({"error_type": "configuration"}),
            );
            std::process::exit(1);
        }
    };
    // One request at a time: one thread is enough, and starts faster.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let app = App::new(config, Lines::Print);
    let serving = app.clone();
    let handler = service_fn(move |event: LambdaEvent<Value>| {
        let app = serving.clone();
        async move {
            let left = event
                .context
                .deadline()
                .duration_since(SystemTime::now())
                .unwrap_or(Duration::ZERO);
            let call = Call {
                request_id: event.context.request_id,
                xray: event.context.xray_trace_id.unwrap_or_default(),
                deadline: Some(Instant::now() + left),
            };
            Ok::<_, Error>(app.serve_alb(&event.payload, call).await)
        }
    });
    runtime.block_on(async {
        if std::env::var("AWS_LAMBDA_INITIALIZATION_TYPE").as_deref()
            == Ok("provisioned-concurrency")
        {
            app.warm_up().await;
        }
        let answered = ThenLayer::new(move |posted| {
            let app = app.clone();
            async move {
                app.flush().await;
                posted
            }
        });
        Runtime::new(handler).layer(answered).run().await
    })
}
