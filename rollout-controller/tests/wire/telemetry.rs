//! Traces of the real function, as a collector on this machine receives them.

use crate::functions::{Functions, text};
use serde_json::json;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// A span as protobuf holds it (opentelemetry/proto/trace/v1/trace.proto).
#[derive(Clone, Debug, Default, PartialEq)]
struct Span {
    trace: Vec<u8>,
    id: Vec<u8>,
    parent: Vec<u8>,
    name: String,
    attributes: Vec<(String, String)>,
    events: usize,
    /// 2 is an error.
    status: u64,
}

/// One field of a message: its number, and its value as a number or as bytes.
enum Field<'a> {
    Number(u64, u64),
    Bytes(u64, &'a [u8]),
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let (mut value, mut shift) = (0, 0);
    loop {
        let (first, rest) = bytes.split_first().expect("a whole varint");
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        shift += 7;
        if first & 0x80 == 0 {
            return value;
        }
    }
}

/// The fields of a message, in order.
fn fields(mut bytes: &[u8]) -> Vec<Field<'_>> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let number = key >> 3;
        let size = match key & 7 {
            0 => {
                fields.push(Field::Number(number, varint(&mut bytes)));
                continue;
            }
            1 => 8,
            2 => usize::try_from(varint(&mut bytes)).expect("a size"),
            5 => 4,
            other => panic!("no wire type {other}"),
        };
        let (value, rest) = bytes.split_at(size);
        bytes = rest;
        fields.push(Field::Bytes(number, value));
    }
    fields
}

/// The messages in a field of this number.
fn within(bytes: &[u8], wanted: u64) -> Vec<&[u8]> {
    let inner = fields(bytes).into_iter().filter_map(|field| match field {
        Field::Bytes(number, value) if number == wanted => Some(value),
        Field::Bytes(..) | Field::Number(..) => None,
    });
    inner.collect()
}

fn word(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn attribute(bytes: &[u8]) -> (String, String) {
    let key = within(bytes, 1).first().map(|key| word(key));
    let value = within(bytes, 2).first().and_then(|any| Some(word(within(any, 1).first()?)));
    (key.unwrap_or_default(), value.unwrap_or_default())
}

fn span(bytes: &[u8]) -> Span {
    let mut span = Span::default();
    for field in fields(bytes) {
        match field {
            Field::Bytes(1, value) => span.trace = value.to_vec(),
            Field::Bytes(2, value) => span.id = value.to_vec(),
            Field::Bytes(4, value) => span.parent = value.to_vec(),
            Field::Bytes(5, value) => span.name = word(value),
            Field::Bytes(9, value) => span.attributes.push(attribute(value)),
            Field::Bytes(11, _) => span.events += 1,
            Field::Bytes(15, value) => {
                span.status = fields(value)
                    .into_iter()
                    .find_map(|field| match field {
                        Field::Number(3, code) => Some(code),
                        Field::Number(..) | Field::Bytes(..) => None,
                    })
                    .unwrap_or_default();
            }
            Field::Bytes(..) | Field::Number(..) => {}
        }
    }
    span
}

/// What arrived: spans, and the attributes of their resource.
#[derive(Debug, Default)]
struct Received {
    requests: Vec<String>,
    spans: Vec<Span>,
    resource: Vec<(String, String)>,
}

/// A collector of a few lines.
struct Collector {
    endpoint: String,
    received: Arc<Mutex<Received>>,
}

/// What a collector does with a request.
#[derive(Clone, Copy)]
enum Manner {
    Takes,
    NeverAnswers,
    Refuses,
}

impl Collector {
    fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let received = Arc::new(Mutex::new(Received::default()));
        let shared = received.clone();
        // Ends with the test's process.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let received = shared.clone();
                thread::spawn(move || serve(stream, manner, &received));
            }
        });
        Self { endpoint, received }
    }

    fn spans(&self) -> Vec<Span> {
        self.received.lock().expect("not poisoned").spans.clone()
    }

    /// All spans, once the one of this name is there. `None`: it was lost. A function
    /// gives its collector 250 ms, and a busy machine may take longer to get round to it.
    async fn once(&self, name: &str) -> Option<Vec<Span>> {
        for _ in 0..200 {
            let spans = self.spans();
            if spans.iter().any(|span| span.name == name) {
                return Some(spans);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        None
    }

    /// Attributes of whoever sent last.
    fn resource(&self) -> Vec<(String, String)> {
        self.received.lock().expect("not poisoned").resource.clone()
    }

    fn requests(&self) -> Vec<String> {
        self.received.lock().expect("not poisoned").requests.clone()
    }
}

/// Requests of one connection, until it is closed.
fn serve(mut stream: TcpStream, manner: Manner, received: &Mutex<Received>) {
    let mut buffer = Vec::new();
    let mut chunk = [0; 8_192];
    loop {
        let head = buffer.windows(4).position(|four| four == b"\r\n\r\n");
        let whole = head.and_then(|head| {
            let text = word(&buffer[..head]).to_lowercase();
            let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.unwrap_or("0").trim().parse().expect("a length");
            (buffer.len() >= head + 4 + length).then_some((head, length, text))
        });
        let Some((head, length, text)) = whole else {
            match stream.read(&mut chunk) {
                Ok(0) | Err(_) => return,
                Ok(read) => buffer.extend_from_slice(&chunk[..read]),
            }
            continue;
        };
        let body: Vec<u8> = buffer.drain(..head + 4 + length).skip(head + 4).collect();
        take(&text, &body, received);
        let answer = match manner {
            Manner::Takes => "200 OK",
            Manner::Refuses => "503 Service Unavailable",
            Manner::NeverAnswers => continue,
        };
        let answer = format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\n\r\n");
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn take(head: &str, body: &[u8], received: &Mutex<Received>) {
    let mut received = received.lock().expect("not poisoned");
    received.requests.push(head.to_owned());
    for resource_spans in within(body, 1) {
        for resource in within(resource_spans, 1) {
            received.resource = within(resource, 1).into_iter().map(attribute).collect();
        }
        for scope_spans in within(resource_spans, 2) {
            received.spans.extend(within(scope_spans, 2).into_iter().map(span));
        }
    }
}

fn named<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let found: Vec<&Span> = spans.iter().filter(|span| span.name == name).collect();
    let names: Vec<&str> = spans.iter().map(|span| span.name.as_str()).collect();
    assert!(!found.is_empty(), "no span `{name}` in {names:?}");
    found[0]
}

fn attribute_of<'a>(span: &'a Span, key: &str) -> Option<&'a str> {
    let found = span.attributes.iter().find(|(name, _)| name == key);
    found.map(|(_, value)| value.as_str())
}

/// Names of the spans above this one, nearest first.
fn ancestors(spans: &[Span], of: &Span) -> Vec<String> {
    let mut names = Vec::new();
    let mut parent = &of.parent;
    while let Some(span) = spans.iter().find(|span| span.id == *parent && !parent.is_empty()) {
        names.push(span.name.clone());
        parent = &span.parent;
    }
    names
}

/// Does it all again while traces are lost on the way.
async fn until_traced(attempt: impl AsyncFn() -> Option<()>) {
    for _ in 0..5 {
        if attempt().await.is_some() {
            return;
        }
        eprintln!("a trace was lost; once more from the start");
    }
    panic!("every time a trace was lost");
}

/// Functions that send traces at the end of an event and at no other time.
async fn traced(collector: &Collector) -> Functions {
    let endpoint = collector.endpoint.clone();
    let an_hour = "3600000".to_owned();
    let env = [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint), ("OTEL_BSP_SCHEDULE_DELAY", an_hour)];
    Functions::deployed(&env).await
}

async fn start(stage: &Functions) {
    let started = stage.rolloutctl(&["start", "--reason", "test", "--yes"]).await;
    assert!(started.status.success(), "{}", text(&started.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tick_is_one_trace_with_its_phases_and_aws_calls() {
    until_traced(a_tick).await;
}

async fn a_tick() -> Option<()> {
    let collector = Collector::start(Manner::Takes);
    let stage = traced(&collector).await;
    start(&stage).await;
    collector.once("view").await?;
    let before = collector.once("command").await?.len();
    let ticked = stage.tick().await;
    assert_eq!(ticked[0]["did"], "advance", "{ticked}");
    let all = collector.once("tick").await?;
    let spans = &all[before..];

    let root = named(spans, "tick");
    assert!(root.parent.is_empty(), "{root:?}");
    for span in spans {
        assert_eq!(span.trace, root.trace, "one trace: {}", span.name);
        assert_eq!(span.events, 0, "no chatter of clients in {}", span.name);
    }
    for phase in ["read journal", "observe", "copy", "decide", "append", "act", "record", "send"] {
        assert_eq!(ancestors(spans, named(spans, phase)), ["tick"], "{phase}");
    }
    for (call, phase) in [
        ("CloudWatch.GetMetricData", "observe"),
        ("CloudWatch.DescribeAlarms", "observe"),
        ("SSM.GetParameters", "observe"),
        ("Elastic Load Balancing v2.DescribeTargetHealth", "observe"),
        ("Lambda.GetFunctionConfiguration", "observe"),
        ("SSM.PutParameter", "copy"),
        ("Elastic Load Balancing v2.ModifyRule", "act"),
        ("SNS.Publish", "send"),
        ("EventBridge.PutEvents", "send"),
    ] {
        assert_eq!(ancestors(spans, named(spans, call)), [phase, "tick"], "{call}");
    }
    assert_eq!(attribute_of(named(spans, "act"), "rollout.name"), Some("score"));
    // The filter: nothing of HTTP clients, TLS or the database driver.
    let ours =
        ["tick", "read journal", "observe", "copy", "decide", "append", "act", "record", "send"];
    let foreign = spans.iter().filter(|span| {
        !ours.contains(&span.name.as_str()) && attribute_of(span, "rpc.system") != Some("aws-api")
    });
    assert_eq!(foreign.count(), 0, "{spans:?}");

    let requests = collector.requests();
    let request = requests.first().expect("a request");
    assert!(request.starts_with("post /v1/traces "), "{request}");
    assert!(request.contains("content-type: application/x-protobuf"), "{request}");
    let resource = collector.resource();
    let about = |key: &str| {
        let found = resource.iter().find(|(name, _)| name == key);
        found.map(|(_, value)| value.as_str())
    };
    assert_eq!(about("service.name"), Some("rollout-controller"));
    assert_eq!(about("faas.name"), Some("rollout-tick"));
    stage.cloud.shutdown().await;
    Some(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_event_is_an_error_with_its_stable_type() {
    until_traced(a_refused_event).await;
}

async fn a_refused_event() -> Option<()> {
    let collector = Collector::start(Manner::Takes);
    let stage = traced(&collector).await;
    let event = json!({"source": "aws.s3", "time": "2026-11-24T04:17:00Z"});
    let refused = stage.cloud.invoke("rollout-tick", event.to_string()).await;
    assert!(format!("{refused:?}").contains("UnknownEvent"), "{refused:?}");
    let spans = collector.once("tick").await?;
    let root = named(&spans, "tick");
    assert_eq!(attribute_of(root, "error.type"), Some("UnknownEvent"));
    assert_eq!(root.status, 2, "{root:?}");
    stage.cloud.shutdown().await;
    Some(())
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_and_questions_are_traces_of_their_own() {
    until_traced(a_command_and_a_question).await;
}

async fn a_command_and_a_question() -> Option<()> {
    let collector = Collector::start(Manner::Takes);
    let stage = traced(&collector).await;
    start(&stage).await;
    collector.once("view").await?;
    let spans = collector.once("command").await?;
    let (command, view) = (named(&spans, "command"), named(&spans, "view"));
    assert_ne!(command.trace, view.trace);
    assert!(command.parent.is_empty() && view.parent.is_empty());
    stage.cloud.shutdown().await;
    Some(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_in_trouble_changes_nothing_about_a_tick() {
    for manner in [Manner::NeverAnswers, Manner::Refuses] {
        let collector = Collector::start(manner);
        let stage = traced(&collector).await;
        start(&stage).await;
        for _ in 0..3 {
            let ticked = stage.tick().await;
            assert!(ticked[0]["error_type"].is_null(), "{ticked}");
            stage.python_minutes(1);
        }
        assert!(!collector.requests().is_empty(), "it was tried");
        let logs = stage.cloud.logs("rollout-tick");
        let told = logs.iter().any(|line| line.text.contains("traces"));
        assert!(!told, "a lost trace is no line every minute: {logs:?}");
        stage.cloud.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_endpoint_or_with_a_wrong_one_everything_works() {
    for (endpoint, told) in [("", false), ("https://collector.example.com", true)] {
        let env = [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.to_owned())];
        let stage = Functions::deployed(&env).await;
        start(&stage).await;
        assert_eq!(stage.tick().await[0]["did"], "advance");
        let logs = stage.cloud.logs("rollout-tick");
        let warned = logs.iter().any(|line| line.text.contains("no traces are sent"));
        assert_eq!(warned, told, "{logs:?}");
        stage.cloud.shutdown().await;
    }
}
