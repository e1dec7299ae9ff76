//! The router that both entry points serve.
//!
//! There is one route, and everything else falls back to the same handler: the
//! contract looks at the last and the third last segment of any path, and at
//! no method. An event that comes from Lambda travels beside the HTTP request
//! as it was, because HTTP cannot say that a field is missing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::answer::Answer;
use crate::config::Config;
use crate::event::Event;
use crate::fault::Fault;
use crate::log::{self, Line};
use crate::score::{Notes, Scorer};
use crate::telemetry::Telemetry;
use crate::time;

/// Largest body, in bytes: an ALB passes no more to a Lambda.
const MAX_BODY: usize = 1 << 20;

/// The service and what it says about itself.
#[derive(Debug)]
pub struct App {
    scorer: Scorer,
    /// True until the first request is answered.
    cold: AtomicBool,
    lines: Lines,
    telemetry: Telemetry,
}

/// What becomes of the line per request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lines {
    /// To standard output.
    Print,
    /// Nowhere, for tests.
    Drop,
}

/// Who calls, as far as the log needs to know.
#[derive(Clone, Debug, Default)]
pub struct Call {
    /// The invocation's id; for plain HTTP the trace header, or a number.
    pub request_id: String,
    /// Lambda's own trace header, which says whether the request is sampled;
    /// empty for plain HTTP.
    pub xray: String,
    /// When the function must have answered; none for plain HTTP.
    pub deadline: Option<Instant>,
}

impl App {
    /// Connects to nothing yet.
    pub fn new(config: Config, lines: Lines) -> Arc<Self> {
        let telemetry = Telemetry::new(config.collector.as_deref());
        Arc::new(Self {
            scorer: Scorer::new(config),
            cold: AtomicBool::new(true),
            lines,
            telemetry,
        })
    }

    /// Opens a database connection ahead of the first request, for environments
    /// that are started and paid for before there is one. A failure is logged
    /// and forgotten: the first request tries again.
    pub async fn warm_up(&self) {
        if let Err(error) = self.scorer.connect().await {
            let fields = json!({"error_type": "database_unavailable", "error": error.to_string()});
            log::print_event("WARN", "no connection ahead of the first request", &fields);
        }
    }

    /// Sends what the collector has not got yet. Call it when the answer is
    /// out: it takes up to 200 ms, and never goes past a request's deadline.
    pub async fn flush(&self) {
        self.telemetry.flush().await;
    }

    /// Flushes after each request, until dropped. For plain HTTP, where nobody
    /// else knows when an answer is out.
    pub async fn flush_always(&self) {
        loop {
            self.telemetry.noted().await;
            self.flush().await;
        }
    }
}

/// The router.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/v2/stamps/{scorer_id}/score/{address}", any(handle))
        .fallback(handle)
        .with_state(app)
}

/// Answers a raw ALB event through the router, in the form that an ALB takes.
pub async fn serve_alb(router: Router, raw: &Value, call: Call) -> Value {
    let event = Event::from_alb(raw);
    let method = raw.get("httpMethod").and_then(Value::as_str).unwrap_or("GET");
    // A path that HTTP would not carry still reaches the handler, in the event.
    let uri = event.path.as_deref().filter(|path| path.starts_with('/')).unwrap_or("/");
    let request =
        Request::builder().method(method).uri(uri).body(Body::empty()).unwrap_or_default();
    let request = with_extensions(request, event, call);
    let response = match router.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    match response.extensions().get::<Answer>() {
        Some(answer) => answer.to_alb(),
        None => Answer::internal("the router gave no answer of ours").to_alb(),
    }
}

fn with_extensions(mut request: Request, event: Event, call: Call) -> Request {
    request.extensions_mut().insert(event);
    request.extensions_mut().insert(call);
    request
}

async fn handle(State(app): State<Arc<App>>, request: Request) -> Response {
    let started = Instant::now();
    let now = time::now();
    let cold = app.cold.swap(false, Ordering::Relaxed);
    let (mut parts, body) = request.into_parts();
    let call = parts.extensions.remove::<Call>();
    let event = match parts.extensions.remove::<Event>() {
        Some(event) => event,
        None => match http_body_util::Limited::new(body, MAX_BODY).collect().await {
            Ok(body) => Event::from_http(&parts, &body.to_bytes()),
            Err(_) => {
                return Answer::plain_error(413, "The body is larger than 1 MB.").into_response();
            }
        },
    };
    let trace = event.header("x-amzn-trace-id").unwrap_or_default().to_owned();
    let call = call
        .unwrap_or_else(|| Call { request_id: log::http_request_id(&trace), ..Call::default() });

    let injected = if app.scorer.obeys_faults() { Fault::asked_by(&event) } else { Vec::new() };
    let (answer, notes) = match crate::fault::suffer(&injected).await {
        Some(answer) => (answer, Notes::default()),
        None => within(call.deadline, app.scorer.answer(&event, now)).await,
    };
    let took = started.elapsed();
    let line = Line { call: &call, trace: &trace, answer: &answer, notes: &notes, took, cold };
    if app.lines == Lines::Print {
        log::print(&line.to_json());
    }
    app.telemetry.note(&line);
    answer.into_response()
}

/// Answers 503 shortly before the function would be stopped: a stopped function
/// is a 502 at the load balancer, and nobody knows why.
async fn within(
    deadline: Option<Instant>,
    work: impl Future<Output = (Answer, Notes)>,
) -> (Answer, Notes) {
    const MARGIN: Duration = Duration::from_millis(250);
    let Some(left) = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    else {
        return work.await;
    };
    if let Ok(done) = tokio::time::timeout(left.saturating_sub(MARGIN), work).await {
        return done;
    }
    let text = "the work was given up shortly before the function's timeout";
    let trouble = Some(("deadline", text.to_owned()));
    (
        Answer::plain_error(503, "The service is busy, try again."),
        Notes { trouble, ..Notes::default() },
    )
}
