//! Answers of AWS, changed at random, on their way to the adapters over a real socket:
//! XML, CBOR and JSON, headers and status too. The adapters read them or say which call
//! failed. Samples are what the local cloud answers, and the files in `tests/data/fuzz/aws`.

use crate::scenes::{local_cloud, percent, scene_of};
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_lambda::config::Credentials;
use fuzz_kit::{Corpus, fuzz};
use jiff::{Timestamp, ToSpan as _};
use rollout_controller::adapters::alb::Alb;
use rollout_controller::adapters::aws::Aws;
use rollout_controller::adapters::cloudwatch::CloudWatch;
use rollout_controller::adapters::deployments::Lambdas;
use rollout_controller::adapters::invoke::{Function, who};
use rollout_controller::adapters::messages::Channels;
use rollout_controller::adapters::ssm::Parameters;
use rollout_controller::config::Paging;
use rollout_controller::domain::message::{Channel, Page, StateChange, Topic, Urgency};
use rollout_controller::domain::minute::{Edges, Minute};
use rollout_controller::domain::outbox::Debt;
use rollout_controller::domain::route::Route;
use rollout_controller::domain::weight::Weight;
use rollout_controller::errors::chain;
use rollout_controller::ports::{
    Alarms as _, Deployments as _, Messages as _, Metrics as _, MinutesWanted, Outposts as _,
    SystemClock, Traffic as _, WritePermit,
};
use serde_json::json;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What the next requests are answered with, or where they are passed on to.
#[derive(Clone)]
enum Play {
    Answer(Vec<u8>),
    PassOn(String),
}

struct Server {
    url: String,
    play: Rc<RefCell<Play>>,
    /// Answers that were passed on, whole.
    heard: Rc<RefCell<Vec<Vec<u8>>>>,
}

/// Bytes of a message up to and with the empty line.
fn head_of(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

fn is_whole(bytes: &[u8]) -> bool {
    let Some(head) = head_of(bytes) else { return false };
    let text = String::from_utf8_lossy(&bytes[..head]).to_lowercase();
    let length = text.split("content-length:").nth(1).and_then(|rest| rest.lines().next());
    let length = length.and_then(|length| length.trim().parse::<usize>().ok()).unwrap_or(0);
    bytes.len() >= head + length
}

async fn message(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 8192]);
    while !is_whole(&bytes) {
        match stream.read(&mut buffer).await? {
            0 => break,
            read => bytes.extend_from_slice(&buffer[..read]),
        }
    }
    Ok(bytes)
}

/// The answer with a length that fits its body, so that the body is what is read; other
/// framing would only be refused.
fn framed(answer: &[u8]) -> Vec<u8> {
    let Some(head) = head_of(answer) else { return answer.to_vec() };
    let (head, body) = answer.split_at(head);
    let mut framed = Vec::new();
    for line in head.split(|byte| *byte == b'\n') {
        let lower = line.to_ascii_lowercase();
        let framing: [&[u8]; 3] = [b"content-length", b"transfer-encoding", b"connection"];
        if !line.is_empty() && line != b"\r" && !framing.iter().any(|name| lower.starts_with(name))
        {
            framed.extend_from_slice(line);
            framed.push(b'\n');
        }
    }
    framed.extend_from_slice(
        format!("content-length: {}\r\nconnection: close\r\n\r\n", body.len()).as_bytes(),
    );
    framed.extend_from_slice(body);
    framed
}

async fn serve(
    mut stream: TcpStream,
    play: Play,
    heard: Rc<RefCell<Vec<Vec<u8>>>>,
) -> std::io::Result<()> {
    let request = message(&mut stream).await?;
    let answer = match play {
        Play::Answer(answer) => framed(&answer),
        Play::PassOn(address) => {
            let mut cloud = TcpStream::connect(address).await?;
            cloud.write_all(&request).await?;
            let answer = message(&mut cloud).await?;
            heard.borrow_mut().push(answer.clone());
            framed(&answer)
        }
    };
    stream.write_all(&answer).await?;
    stream.shutdown().await
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let play = Rc::new(RefCell::new(Play::Answer(Vec::new())));
        let heard = Rc::new(RefCell::new(Vec::new()));
        let (playing, hearing) = (play.clone(), heard.clone());
        tokio::task::spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (play, heard) = (playing.borrow().clone(), hearing.clone());
                // A client that hangs up has its reasons.
                tokio::task::spawn_local(async move { drop(serve(stream, play, heard).await) });
            }
        });
        Self { url, play, heard }
    }
}

/// As the product's settings, but for one attempt and little patience: an answer is there
/// at once, or never.
async fn aws(url: &str) -> Aws {
    let second = Duration::from_secs(1);
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(second);
    let config = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "fuzz"))
        .endpoint_url(url)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .timeout_config(timeouts.operation_timeout(2 * second).build())
        .retry_config(RetryConfig::disabled())
        .load()
        .await;
    Aws::with_config(config)
}

/// A failure names the call, in a length that a log takes.
fn assert_told(what: &str, error: &dyn std::error::Error, bytes: usize) {
    let told = chain(error);
    assert!(!told.trim().is_empty(), "{what} failed without a word");
    assert!(told.len() <= 20_000 + 8 * bytes, "{what}: {} bytes of error", told.len());
}

struct Asked {
    aws: Aws,
    route: Route,
}

impl Asked {
    /// Rules and targets: XML.
    async fn balancers(&self, bytes: usize) {
        let alb = Alb::new(self.aws.clone(), Arc::new(SystemClock));
        if let Err(error) = alb.read(&self.route).await {
            assert_told("reading", &error, bytes);
        }
        let permit = WritePermit::lower_only(Timestamp::now() + 1.minute());
        for from in [None, Some(percent(10.0))] {
            if let Err(error) = alb.shift(&permit, &self.route, from, Weight::ZERO).await {
                assert_told("shifting", &error, bytes);
            }
        }
        let who = who(&self.aws).await;
        assert!(!who.is_empty() && who.len() <= 20_000 + 8 * bytes, "{who}");
    }

    /// Minutes and alarms: CBOR.
    async fn cloudwatch(&self, bytes: usize) {
        let watch = CloudWatch::new(self.aws.clone());
        let from = Minute::containing(Timestamp::now()).plus(-20);
        let edges = Edges::default();
        let wanted = MinutesWanted {
            routes: std::slice::from_ref(&self.route),
            from,
            until: from.plus(5),
            edges_ms: edges.as_ms(),
            comparisons: true,
        };
        for read in watch.minutes(&[wanted]).await {
            match read {
                Ok(minutes) => assert_eq!(minutes.len(), 5, "each minute has its answer"),
                Err(error) => assert_told("minutes", &error, bytes),
            }
        }
        let names = ["rs".to_owned(), "other".to_owned()];
        match watch.read(&names).await {
            Ok(alarms) => {
                let seen: Vec<&str> = alarms.iter().map(|alarm| alarm.name.as_str()).collect();
                assert_eq!(seen, ["rs", "other"], "an answer for each name, in order");
            }
            Err(error) => assert_told("alarms", &error, bytes),
        }
    }

    /// Code, parameters, functions: JSON, behind targets in XML.
    async fn functions(&self, bytes: usize) {
        let code = Lambdas::new(self.aws.clone());
        let routes = [self.route.clone()];
        let seen = code.look(&[&routes]).await;
        assert_eq!((seen.len(), seen[0].len()), (1, 1), "an answer for each route");
        let read = Parameters::new(self.aws.clone()).read(&["score", "other"]).await;
        assert_eq!(read.len(), 2, "an answer for each rollout");
        for error in read.into_iter().filter_map(Result::err) {
            assert_told("parameters", &error, bytes);
        }
        let function = Function::new(self.aws.clone(), "rollout-view");
        if let Err(error) = function.invoke(&json!({"view": "status"})).await {
            assert_told("invoking", &error, bytes);
        }
    }

    /// Topics in XML, the bus in JSON.
    async fn messages(&self, bytes: usize) {
        let topic = "arn:aws:sns:eu-west-1:111122223333:oncall".to_owned();
        let paging =
            Paging { topic_arn: Some(topic.clone()), chat_topic_arn: Some(topic), runbooks: None };
        let channels = Channels::new(self.aws.clone(), paging, Some("default".to_owned()));
        let page = Debt::Page(Page {
            rollout: "score".to_owned(),
            run: 1,
            revision: 42,
            topic: Topic::RolledBack,
            urgency: Urgency::Trigger,
            title: "score rolled back".to_owned(),
            text: "P99".to_owned(),
            from: Some(percent(25.0)),
            to: Some(Weight::ZERO),
            at_ms: 1_795_493_860_987,
        });
        let change = Debt::Change(StateChange {
            rollout: "score".to_owned(),
            run: 1,
            revision: 42,
            state: "rolled back".to_owned(),
            from: percent(12.5),
            to: Weight::ZERO,
            reason: "P99".to_owned(),
            at_ms: 1_795_493_860_000,
        });
        for (channel, message) in
            [(Channel::Pager, &page), (Channel::Chat, &page), (Channel::Bus, &change)]
        {
            if let Err(error) = channels.send(channel, message).await {
                assert_told("sending", &error, bytes);
            }
        }
    }
}

/// Searches among the answers to what `$ask` asks for, `$inputs` of them in a short run.
macro_rules! search {
    ($name:literal, $ask:ident, $inputs:literal) => {{
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let local = tokio::task::LocalSet::new();
        let (server, asked, samples) = local.block_on(&runtime, async {
            let server = Server::start().await;
            let cloud = local_cloud().await;
            let asked = Asked { aws: aws(&server.url).await, route: scene_of(&cloud).await.route };
            let address = cloud.aws_endpoint().replace("http://", "");
            *server.play.borrow_mut() = Play::PassOn(address);
            asked.$ask(0).await;
            let samples = server.heard.borrow().clone();
            cloud.shutdown().await;
            (server, asked, samples)
        });
        assert!(samples.len() >= 2, "the local cloud was asked");
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/fuzz/aws");
        let corpus = Corpus::new($name).folder(folder).all(samples).words(&[
            "HTTP/1.1 500 x",
            "HTTP/1.1 429 x",
            "<member>",
            "</member>",
            "<!DOCTYPE x [<!ENTITY a \"aa\">]>",
            "&a;",
            "<![CDATA[",
            "\u{9f}\u{7f}",
            "\"NextToken\":\"x\",",
            "<NextMarker>x</NextMarker>",
        ]);
        fuzz!(corpus.inputs($inputs), |bytes| {
            *server.play.borrow_mut() = Play::Answer(bytes.to_vec());
            local.block_on(&runtime, asked.$ask(bytes.len()));
        });
    }};
}

#[test]
fn any_answer_about_rules_is_read_or_told() {
    search!("aws-balancers", balancers, 250);
}

#[test]
fn any_answer_about_metrics_and_alarms_is_read_or_told() {
    search!("aws-cloudwatch", cloudwatch, 250);
}

#[test]
fn any_answer_about_code_and_parameters_is_read_or_told() {
    search!("aws-functions", functions, 80);
}

#[test]
fn any_answer_to_a_message_is_read_or_told() {
    search!("aws-messages", messages, 250);
}
