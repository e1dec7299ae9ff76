//! The few lines of the Lambda Runtime API that one function process needs.

use std::collections::HashMap;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio::task::JoinHandle;

type Waiting = HashMap<String, oneshot::Sender<Value>>;

/// A running function with its Runtime API.
pub(crate) struct Function {
    events: mpsc::UnboundedSender<(Value, oneshot::Sender<Value>)>,
    process: Child,
    /// Reads along, so that the pipe never fills up.
    printed: JoinHandle<String>,
    /// Answers that it has posted.
    answered: Arc<AtomicUsize>,
    asked: watch::Receiver<usize>,
}

struct Api {
    events: Mutex<mpsc::UnboundedReceiver<(Value, oneshot::Sender<Value>)>>,
    waiting: Mutex<Waiting>,
    answered: Arc<AtomicUsize>,
    asked: watch::Sender<usize>,
}

impl Function {
    /// Starts the binary with `variables` beside those that Lambda sets.
    pub(crate) async fn start(
        binary: &str,
        variables: &[(String, String)],
    ) -> anyhow::Result<Self> {
        let (events, receiver) = mpsc::unbounded_channel();
        let answered = Arc::<AtomicUsize>::default();
        let (counts, asked) = watch::channel(0);
        let api = Arc::new(Api {
            events: Mutex::new(receiver),
            waiting: Mutex::default(),
            answered: answered.clone(),
            asked: counts,
        });
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
            .with_state(api);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        tokio::spawn(async move { axum::serve(listener, router).await });
        let mut process = Command::new(binary)
            .env_clear()
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", "scorer-fn")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {binary}"))?;
        let mut output = process.stdout.take().context("its output is piped")?;
        let printed = tokio::spawn(async move {
            let mut bytes = Vec::new();
            // What was read before an error is what there is to show.
            let _ = output.read_to_end(&mut bytes).await;
            String::from_utf8_lossy(&bytes).into_owned()
        });
        Ok(Self { events, process, printed, answered, asked })
    }

    /// Invokes it; an error if it does not answer within half a minute.
    pub(crate) async fn invoke(&self, event: Value) -> anyhow::Result<Value> {
        let (sender, answer) = oneshot::channel();
        self.events.send((event, sender)).context("the Runtime API has ended")?;
        let answer = tokio::time::timeout(Duration::from_secs(30), answer).await;
        answer.context("no answer within 30 s")?.context("the function has ended")
    }

    /// Ends when it has asked for an event for the first time.
    pub(crate) async fn asks(&self) -> anyhow::Result<()> {
        self.asked.clone().wait_for(|asked| *asked > 0).await?;
        Ok(())
    }

    /// How many answers it has posted.
    pub(crate) fn answered(&self) -> Arc<AtomicUsize> {
        self.answered.clone()
    }

    /// Resident memory in KiB.
    pub(crate) fn resident_kib(&self) -> anyhow::Result<u64> {
        let id = self.process.id().context("the function has ended")?;
        let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
        let line =
            status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }

    /// What it has printed; ends it once it has done with its events.
    pub(crate) async fn end(mut self) -> anyhow::Result<String> {
        let done = self.answered.load(Ordering::SeqCst);
        let mut asked = self.asked.clone();
        tokio::select! {
            asks = asked.wait_for(|asked| *asked > done) => drop(asks?),
            ended = self.process.wait() => drop(ended?),
        }
        self.process.kill().await?;
        Ok(self.printed.await?)
    }
}

async fn next(State(api): State<Arc<Api>>) -> (StatusCode, [(&'static str, String); 4], String) {
    api.asked.send_modify(|asked| *asked += 1);
    let received = api.events.lock().await.recv().await;
    // The test is over: nobody waits for an answer any more.
    let Some((event, answer)) = received else {
        return std::future::pending().await;
    };
    let mut waiting = api.waiting.lock().await;
    let id = format!(
        "request-{}",
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos()
    );
    waiting.insert(id.clone(), answer);
    let deadline = SystemTime::now() + Duration::from_secs(30);
    let deadline = deadline.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let headers = [
        ("Lambda-Runtime-Aws-Request-Id", id),
        ("Lambda-Runtime-Deadline-Ms", deadline.to_string()),
        (
            "Lambda-Runtime-Invoked-Function-Arn",
            "arn:aws:lambda:eu-west-1:000000000000:function:scorer-fn".to_owned(),
        ),
        (
            "Lambda-Runtime-Trace-Id",
            "Root=1-65000000-0123456789abcdef01234567;Parent=0123456789abcdef;Sampled=1".to_owned(),
        ),
    ];
    (StatusCode::OK, headers, event.to_string())
}

async fn response(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    answer: Bytes,
) -> StatusCode {
    let answer = serde_json::from_slice(&answer).unwrap_or_default();
    api.answered.fetch_add(1, Ordering::SeqCst);
    if let Some(sender) = api.waiting.lock().await.remove(&id) {
        // Whoever asked may have given up.
        let _ = sender.send(answer);
    }
    StatusCode::ACCEPTED
}
