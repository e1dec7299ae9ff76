//! Examples of wrong answers out of CloudWatch Logs: at moto, which keeps what is put into
//! it, and in the local cloud, over what a function has really printed.

use std::time::Duration;

use crate::peers;
use aws_sdk_cloudwatchlogs::types::InputLogEvent;
use local_cloud::{ApiFault, ApiFaultKind, Fault, FunctionSpec, LocalCloud, Topology};
use rollout_controller::adapters::aws::Aws;
use rollout_controller::adapters::logs::Logs;
use rollout_controller::domain::minute::Minute;
use rollout_controller::domain::wrong_answers::{Examples, ExamplesRead, Logged};
use rollout_controller::errors::chain;
use rollout_controller::ports::{AnswersLog as _, AnswersLogError, LogWanted};
use serde_json::json;

const GROUP: &str = "/aws/lambda/scorer-rs";
const TARGETS: &str = "targetgroup/rs/09966783158cda59";
/// Much longer than any answer of a stand-in takes.
const PATIENCE: Duration = Duration::from_mins(1);

const ROUNDED: &str = "number stamps.*.score: text of 7 characters, then text of 7 characters";
const DROPPED: &str = "missing threshold: text of 8 characters, then absent";
const SECRET: &str = "0x9037a47be439c0410959c1c1a16f489809d4ab7c";

fn line(group: &str, texts: &[&str]) -> String {
    json!({"level": "WARN", "message": "Python answers differently", "TargetGroup": group,
        "differences_from_python": texts})
    .to_string()
}

async fn read(
    logs: &Logs,
    log_group: &str,
    from: Minute,
    limit: Duration,
) -> Result<Logged, AnswersLogError> {
    let groups = vec![TARGETS];
    logs.read(&LogWanted { log_group, groups, from, until: from.plus(2), limit }).await
}

fn said(logged: &Logged) -> Vec<String> {
    ExamplesRead::Read(Examples::of(logged)).lines()
}

/// What every log group holds in the minute that is asked for: lines of scorers, forged
/// ones among them, and others.
fn lines() -> Vec<String> {
    let mut lines: Vec<String> = (0..3).map(|_| line(TARGETS, &[ROUNDED])).collect();
    lines.push(line(TARGETS, &[ROUNDED, DROPPED]));
    // The same function behind the testers' group.
    lines.push(line("targetgroup/tester/1a2b3c4d5e6f7a8b", &[DROPPED, DROPPED]));
    lines.push(json!({"level": "INFO", "message": "answered 200 in 3.1 ms"}).to_string());
    let values = format!("member address: {SECRET}, then null");
    lines.push(line(TARGETS, &["<img src=x onerror=alert(1)>", &values]));
    lines.push(format!("plain words about differences_from_python of {SECRET}"));
    lines
}

fn expect(logged: &Logged) {
    assert!(logged.whole, "{logged:?}");
    assert_eq!(
        said(logged),
        [
            format!("4× {ROUNDED}."),
            format!("1× {DROPPED}."),
            "3 lines were left out: not as a scorer writes them.".to_owned()
        ]
    );
    assert!(!format!("{logged:?}").contains(SECRET));
}

#[tokio::test]
async fn moto_keeps_the_contract() {
    let Some(moto) = peers::moto().await else {
        return;
    };
    let aws = peers::aws_at(&moto.url()).await;
    let (client, logs) = (aws.logs().await, Logs::new(aws.clone()));
    let now = Minute::containing(jiff::Timestamp::now());
    let missing = read(&logs, GROUP, now, PATIENCE).await.expect_err("no such group");
    let missing = chain(&missing);
    assert!(missing.starts_with(&format!("reading log group {GROUP}: FilterLogEvents: ")));
    assert!(missing.contains("ResourceNotFoundException"), "{missing}");

    client.create_log_group().log_group_name(GROUP).send().await.expect("created");
    let stream = "2026/11/29/[$LATEST]0";
    let create = client.create_log_stream().log_group_name(GROUP).log_stream_name(stream);
    create.send().await.expect("created");
    let put = |minute: Minute, lines: Vec<String>| {
        let at_ms = minute.epoch_secs() * 1000;
        let events = lines.into_iter().map(move |line| {
            let event = InputLogEvent::builder().timestamp(at_ms + 999).message(line);
            event.build().expect("an event")
        });
        let put = client.put_log_events().log_group_name(GROUP).log_stream_name(stream);
        put.set_log_events(Some(events.collect())).send()
    };
    // Minutes before and after are not asked for.
    put(now.plus(-10), vec![line(TARGETS, &[DROPPED])]).await.expect("put");
    put(now.plus(-8), lines()).await.expect("put");
    put(now.plus(-6), vec![line(TARGETS, &[DROPPED])]).await.expect("put");
    expect(&read(&logs, GROUP, now.plus(-8), PATIENCE).await.expect("read"));
    let nothing = read(&logs, GROUP, now.plus(-20), PATIENCE).await.expect("read");
    assert_eq!(nothing, Logged { whole: true, ..Logged::default() });
}

struct Printed {
    cloud: LocalCloud,
    aws: Aws,
    logs: Logs,
}

/// A cloud whose function prints what it is told.
async fn printed(lines: &[String]) -> Printed {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../local-cloud/tests/functions/tiny.py");
    let python = std::env::var("LOCAL_CLOUD_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let function = FunctionSpec::new("scorer-rs", [python.as_str(), script]);
    let function = function.timeout(Duration::from_mins(1));
    let topology = Topology::new().manual_clock().function(function);
    let cloud = LocalCloud::start(topology).await.expect("a local cloud");
    let aws = peers::aws_at(&cloud.aws_endpoint()).await;
    let printed = Printed { cloud, logs: Logs::new(aws.clone()), aws };
    printed.print(lines).await;
    printed
}

impl Printed {
    async fn print(&self, lines: &[String]) {
        let last = format!("end {}", self.cloud.logs("scorer-rs").len());
        let mut all = lines.to_vec();
        all.push(last.clone());
        let event = json!({ "print": all }).to_string();
        self.cloud.invoke("scorer-rs", event).await.expect("invoked");
        while self.cloud.logs("scorer-rs").last().is_none_or(|line| line.text != last) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn now(&self) -> Minute {
        Minute::containing(self.cloud.clock().now())
    }

    async fn read(&self, from: Minute) -> Result<Logged, AnswersLogError> {
        read(&self.logs, GROUP, from, PATIENCE).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_local_cloud_keeps_the_contract() {
    let printed = printed(&[line(TARGETS, &[DROPPED])]).await;
    printed.cloud.clock().advance(Duration::from_mins(2));
    let now = printed.now();
    printed.print(&lines()).await;
    printed.cloud.clock().advance(Duration::from_mins(2));
    printed.print(&[line(TARGETS, &[DROPPED])]).await;
    expect(&printed.read(now).await.expect("read"));
    let nothing = printed.read(now.plus(-20)).await.expect("read");
    assert_eq!(nothing, Logged { whole: true, ..Logged::default() });
    let missing = read(&printed.logs, "/aws/lambda/other", now, PATIENCE).await;
    let missing = chain(&missing.expect_err("no such group"));
    assert!(missing.contains("ResourceNotFoundException"), "{missing}");
}

#[tokio::test(flavor = "multi_thread")]
async fn examples_behind_many_other_lines_are_found_page_by_page() {
    // Four pages of the local cloud, the first three of them without an example.
    let mut lines = vec!["nothing of interest".to_owned(); 1_600];
    lines.push(line(TARGETS, &[ROUNDED]));
    let printed = printed(&lines).await;
    let logged = printed.read(printed.now()).await.expect("read");
    assert_eq!((said(&logged), logged.whole), (vec![format!("1× {ROUNDED}.")], true));

    // What the pages themselves say, as any client sees it.
    let client = printed.aws.logs().await;
    let (mut token, mut pages, mut found) = (None, 0, 0);
    loop {
        let asked = client.filter_log_events().log_group_name(GROUP).limit(400);
        let page = asked.set_next_token(token).send().await.expect("a page");
        (pages, found) = (pages + 1, found + page.events().len());
        token = page.next_token;
        if token.is_none() {
            break;
        }
    }
    // Also what the function prints at its start, and the mark of the end.
    assert_eq!((pages, found), (5, 1_603));
    for (pattern, limit, token) in [
        (Some("{ $.level = \"WARN\" }"), None, None),
        (None, Some(0), None),
        (None, None, Some("elsewhere")),
    ] {
        let asked = client.filter_log_events().log_group_name(GROUP);
        let asked = asked.set_filter_pattern(pattern.map(str::to_owned)).set_limit(limit);
        let refused = asked.set_next_token(token.map(str::to_owned)).send().await;
        let refused = refused.expect_err("refused").into_service_error();
        assert!(refused.is_invalid_parameter_exception(), "{pattern:?} {limit:?}: {refused}");
    }
}

/// Whatever speaks at an address: these answers in turn, for ever.
async fn speaking(answers: Vec<(u16, String)>) -> Logs {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        for (status, body) in answers.iter().cycle() {
            let Ok((mut stream, _)) = listener.accept().await else { return };
            let mut request = [0; 8192];
            let _ = stream.read(&mut request).await;
            let answer = format!(
                "HTTP/1.1 {status} X\r\ncontent-type: application/x-amz-json-1.1\r\n\
                 connection: close\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    Logs::new(peers::aws_at(&url).await)
}

const ANY: Minute = Minute(29_000_000);

#[tokio::test]
async fn a_part_of_the_log_is_said_to_be_one_and_nothing_of_a_part_is_an_error() {
    let events = json!([{ "message": line(TARGETS, &[ROUNDED]) }]);
    let first = json!({"events": events, "nextToken": "more"}).to_string();
    let denied = json!({"__type": "AccessDeniedException", "message": "not you"}).to_string();
    let logs = speaking(vec![(200, first), (400, denied)]).await;
    let part = read(&logs, GROUP, ANY, PATIENCE).await.expect("a part");
    assert!(!part.whole);
    let lines = [format!("1× {ROUNDED}."), "The log was not read to its end.".to_owned()];
    assert_eq!(said(&part), lines);

    // Pages without end.
    let page = json!({"events": [], "nextToken": "more"}).to_string();
    let endless = speaking(vec![(200, page)]).await;
    let endless = read(&endless, GROUP, ANY, PATIENCE).await.expect_err("nothing was found");
    assert!(chain(&endless).ends_with("FilterLogEvents: more than 10 pages"));
}

#[tokio::test]
async fn what_is_no_answer_of_cloudwatch_logs_is_an_error() {
    for body in ["<html>sign in</html>", "{\"events\": 7}", "[]", ""] {
        let logs = speaking(vec![(200, body.to_owned())]).await;
        let refused = read(&logs, GROUP, ANY, PATIENCE).await.expect_err(body);
        assert!(chain(&refused).contains("FilterLogEvents: "), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_and_a_log_that_hangs_are_errors_with_their_reason() {
    let printed = printed(&[line(TARGETS, &[ROUNDED])]).await;
    let now = printed.now();
    let fault = |kind| Fault::Api(ApiFault::new("FilterLogEvents", kind));
    printed.cloud.add_fault(fault(ApiFaultKind::Denied));
    let denied = chain(&printed.read(now).await.expect_err("denied"));
    assert!(denied.starts_with(&format!("reading log group {GROUP}: FilterLogEvents: ")));
    assert!(denied.contains("AccessDenied") && denied.contains("logs:FilterLogEvents"), "{denied}");
    printed.cloud.clear_faults(None);
    printed.cloud.add_fault(fault(ApiFaultKind::Hang));
    let hung = read(&printed.logs, GROUP, now, Duration::from_millis(300)).await;
    let hung = chain(&hung.expect_err("no answer"));
    assert!(hung.ends_with("FilterLogEvents: no end within 300 ms"), "{hung}");
}
