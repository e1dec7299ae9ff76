//! What both entry points serve: one handler for events.
//!
//! An event from Lambda goes to it as it came, because HTTP cannot say that a
//! field is missing. Plain HTTP becomes such an event first. There is one route,
//! and everything else falls back to it: the contract looks at the last and the
//! third last segment of any path, and at no method.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use function_kit::emf;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::answer::Answer;
use crate::config::Config;
use crate::event::Event;
use crate::live::Live;
use crate::log::{self, Line};
use crate::score::{Answered, Notes, Scorer};
use crate::telemetry::Telemetry;
use crate::time;

/// Largest body, in bytes: an ALB passes no more to a Lambda.
const MAX_BODY: usize = 1 << 20;

/// The load balancer's trace header.
const TRACE: &str = "x-amzn-trace-id";

/// So long before the function's timeout there must be an answer.
const MARGIN: Duration = Duration::from_millis(250);

/// The service and what it says about itself.
#[derive(Debug)]
pub struct App {
    scorer: Scorer,
    /// True until the first request is answered.
    cold: AtomicBool,
    lines: Lines,
    telemetry: Telemetry,
    /// Repeats requests to Python, if that is on.
    live: Option<Live>,
    /// What is still to be done for answers that are out.
    loose_ends: Mutex<JoinSet<()>>,
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
        let live = config.compare.clone().map(Live::new);
        Arc::new(Self {
            scorer: Scorer::new(config),
            cold: AtomicBool::new(true),
            lines,
            telemetry,
            live,
            loose_ends: Mutex::default(),
        })
    }

    /// Answers a raw ALB event in the form that an ALB takes. [`flush`](Self::flush)
    /// waits for the rest.
    pub async fn serve_alb(self: &Arc<Self>, raw: &Value, call: Call) -> Value {
        self.answer(&Event::from_alb(raw), Some(raw), call).await.to_alb()
    }

    /// Answers an event. Its analytics row, its line in the log, its report to
    /// the collector and the comparison with Python come when the answer is out, in a task of their own.
    async fn answer(self: &Arc<Self>, event: &Event, raw: Option<&Value>, call: Call) -> Answer {
        let started = Instant::now();
        let now = time::now();
        let cold = self.cold.swap(false, Ordering::Relaxed);
        let until = call.deadline.map(|deadline| deadline.checked_sub(MARGIN).unwrap_or(started));
        let Answered { answer, mut notes, unsettled } =
            self.suffer_or_score(event, now, until).await;
        #[cfg(feature = "faults")]
        let answer = crate::fault::spoil(answer);
        let took = started.elapsed();
        let asked = self.live.as_ref().zip(raw);
        let repeat = asked.and_then(|(live, raw)| live.wants(raw, event, &answer, &notes));
        let (app, status) = (self.clone(), answer.status);
        let trace = event.header(TRACE).unwrap_or_default().to_owned();
        let mut loose_ends = self.loose_ends();
        while loose_ends.try_join_next().is_some() {}
        loose_ends.spawn(async move {
            app.scorer.settle(unsettled, &mut notes).await;
            let (call, trace, notes) = (&call, trace.as_str(), &notes);
            let line = Line { call, trace, status, notes, started, took, cold };
            if app.lines == Lines::Print {
                emf::print(&line.to_json());
            }
            app.telemetry.note(&line);
            if let Some((live, repeat)) = app.live.as_ref().zip(repeat) {
                for counted in live.compare(repeat, until).await {
                    if app.lines == Lines::Print {
                        emf::print(&counted);
                    }
                }
            }
        });
        answer
    }

    async fn suffer_or_score(
        &self,
        event: &Event,
        now: time::Micros,
        until: Option<Instant>,
    ) -> Answered {
        #[cfg(feature = "faults")]
        if self.scorer.obeys_faults()
            && let Some(answer) = crate::fault::suffer(event).await
        {
            return Answered { answer, notes: Notes::default(), unsettled: None };
        }
        // Boxed: it is deep, and what holds it need not be laid out with it.
        within(until, Box::pin(self.scorer.answer(event, now, until))).await
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

    /// Waits for the analytics rows of answers that are out, and sends what the
    /// collector has not got yet. Call it when the answer is out and before the
    /// process may be frozen: it never goes past a request's deadline. A row takes up
    /// to 500 ms, the collector up to 200 ms, a comparison up to its budget.
    pub async fn flush(&self) {
        let mut loose_ends = std::mem::take(&mut *self.loose_ends());
        while loose_ends.join_next().await.is_some() {}
        self.telemetry.flush().await;
    }

    /// Sends to the collector after each request, until dropped. For plain HTTP,
    /// where nobody else knows when an answer is out, and no process is frozen.
    pub async fn flush_always(&self) {
        loop {
            self.telemetry.noted().await;
            self.telemetry.flush().await;
        }
    }

    fn loose_ends(&self) -> std::sync::MutexGuard<'_, JoinSet<()>> {
        self.loose_ends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The router, for plain HTTP.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/v2/stamps/{scorer_id}/score/{address}", any(handle))
        .fallback(handle)
        .with_state(app)
}

async fn handle(State(app): State<Arc<App>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = http_body_util::Limited::new(body, MAX_BODY).collect().await else {
        return Answer::plain_error(413, "The body is larger than 1 MB.").into_response();
    };
    let event = Event::from_http(&parts, &body.to_bytes());
    let request_id = log::http_request_id(event.header(TRACE).unwrap_or_default());
    app.answer(&event, None, Call { request_id, ..Call::default() }).await.into_response()
}

/// Answers 503 when `until` has come: a stopped function is a 502 at the load
/// balancer, and nobody knows why.
async fn within(until: Option<Instant>, work: impl Future<Output = Answered>) -> Answered {
    let Some(until) = until else {
        return work.await;
    };
    if let Ok(done) = tokio::time::timeout_at(until.into(), work).await {
        return done;
    }
    let text = "the work was given up shortly before the function's timeout";
    let trouble = Some(("deadline", text.to_owned()));
    let answer = Answer::plain_error(503, "The service is busy, try again.");
    Answered { answer, notes: Notes { trouble, ..Notes::default() }, unsettled: None }
}
