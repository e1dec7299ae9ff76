//! One table of requests through both binaries: the HTTP server, and the
//! Lambda function behind what a load balancer would make of each request.

use std::path::Path;
use std::process::Stdio;

use crate::runtime::Function;
use crate::support::golden_environment;
use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use local_cloud::parity::compare::normal;
use local_cloud::postgres::PrivatePostgres;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

const KEY: &str = "GoldKeyA.16689dac85a8b7b8c197c7932e44c8a2";
const WALLET: &str = "0xa452b093b448cba521689d4f6f04ede0996080c7";

/// A request as bytes on the wire, and what must come of it.
struct Request {
    line: String,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    status: u16,
}

fn request(line: &str, status: u16) -> Request {
    Request {
        line: line.to_owned(),
        headers: vec![("x-api-key", KEY.to_owned())],
        body: Vec::new(),
        status,
    }
}

fn with_body(content: &[(&'static str, &str)], body: &[u8], status: u16) -> Request {
    let mut made = request(&format!("POST /v2/stamps/101/score/{WALLET}"), status);
    made.headers.extend(content.iter().map(|(name, value)| (*name, (*value).to_owned())));
    made.body = body.to_vec();
    made
}

fn table() -> Vec<Request> {
    let path = format!("/v2/stamps/101/score/{WALLET}");
    let mut unknown = request(&format!("GET {path}"), 401);
    unknown.headers = vec![("X-API-Key", "nobody.x".to_owned())];
    let mut twice = request(&format!("GET {path}"), 200);
    twice.headers.insert(0, ("x-api-key", "nobody.x".to_owned()));
    vec![
        request(&format!("GET {path}"), 200),
        request(&format!("GET /prefix{path}"), 200),
        request(&format!("GET {path}?a=1&b=%20&a=2"), 200),
        request(&format!("DELETE {path}"), 200),
        request(&format!("GET {path}/"), 404),
        request(&format!("GET {path}//"), 404),
        request(&format!("GET {path}/history"), 404),
        request("GET /v2/stamps/partner-one/score/0xA452b093B448cBa521689D4F6f04EDE0996080C7", 200),
        request(
            "GET /v2/stamps/partner%2Done/score/0xA452b093B448cBa521689D4F6f04EDE0996080C7",
            404,
        ),
        request(&format!("GET /v2/stamps/%31%30%31/score/{WALLET}"), 404),
        request("GET /v2/stamps/101/score/%30xa452b093b448cba521689d4f6f04ede0996080c7", 400),
        request("GET /v2/stamps/101/score/%ff%00", 400),
        request("GET /v2%2Fstamps%2F101%2Fscore", 500),
        request("GET /", 500),
        request("GET /x", 500),
        unknown,
        twice,
        with_body(&[("content-type", "application/json")], b"{\"a\": 1}", 200),
        with_body(&[("content-type", "application/json")], b"hello", 500),
        with_body(&[("content-type", "application/octet-stream")], b"{\"a\": 1}", 200),
        with_body(&[("content-type", "application/octet-stream")], b"\xff\xfe", 500),
        with_body(&[("content-type", "text/plain"), ("content-encoding", "identity")], b"[1]", 200),
        with_body(&[], b"{}", 200),
    ]
}

impl Request {
    fn bytes(&self) -> Vec<u8> {
        let mut text =
            format!("{} HTTP/1.1\r\nhost: api.example.test\r\nconnection: close\r\n", self.line);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str(&format!("content-length: {}\r\n\r\n", self.body.len()));
        [text.as_bytes(), &self.body].concat()
    }

    /// The event that an Application Load Balancer makes of it.
    fn event(&self) -> Value {
        let (method, target) = self.line.split_once(' ').unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut parameters = Map::new();
        for (key, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            parameters.insert(key.to_owned(), value.into());
        }
        let mut headers = Map::new();
        for (name, value) in &self.headers {
            headers.insert(name.to_lowercase(), value.as_str().into());
        }
        let kind = headers.get("content-type").and_then(Value::as_str).unwrap_or("text/plain");
        let text = !headers.contains_key("content-encoding")
            && (kind.starts_with("text/") || kind == "application/json");
        let body = if text {
            String::from_utf8_lossy(&self.body).into_owned()
        } else {
            STANDARD.encode(&self.body)
        };
        json!({
            "httpMethod": method, "path": path, "queryStringParameters": parameters, "headers": headers,
            "body": body, "isBase64Encoded": !text,
        })
    }
}

async fn start_http(variables: &[(String, String)]) -> anyhow::Result<(Child, u64)> {
    let mut process = Command::new(env!("CARGO_BIN_EXE_scorer-http"))
        .args(["--listen", "127.0.0.1:0"])
        .env_clear()
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let output = process.stdout.take().context("its output is piped")?;
    let mut lines = BufReader::new(output).lines();
    let first = lines.next_line().await?.context("it says where it listens")?;
    let port =
        serde_json::from_str::<Value>(&first)?["port"].as_u64().with_context(|| first.clone())?;
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Ok((process, port))
}

/// Status, the contract's headers, and the body as JSON.
async fn over_http(port: u64, bytes: &[u8]) -> anyhow::Result<(u16, Map<String, Value>, Value)> {
    let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).await?;
    stream.write_all(bytes).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let answer = String::from_utf8(answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").with_context(|| answer.clone())?;
    let mut lines = head.lines();
    let status =
        lines.next().and_then(|line| line.split(' ').nth(1)).context("a status line")?.parse()?;
    let named = lines.filter_map(|line| line.split_once(": "));
    let named =
        named.filter(|(name, _)| !matches!(*name, "date" | "content-length" | "connection"));
    let headers = named.map(|(name, value)| (name.to_lowercase(), value.into())).collect();
    Ok((status, headers, normal(serde_json::from_str(body).unwrap_or_default())))
}

#[tokio::test]
async fn both_entry_points_answer_alike() -> anyhow::Result<()> {
    let postgres = PrivatePostgres::start().await?;
    let mut settings: Vec<(String, String)> = golden_environment()?.into_iter().collect();
    for database in ["http", "lambda"] {
        postgres.create_database(database).await?;
        postgres.load_sql_file(database, Path::new("tests/golden/seed.sql")).await?;
    }
    settings.push(("DATABASE_URL".to_owned(), postgres.url("lambda")));
    let function = Function::start(env!("CARGO_BIN_EXE_scorer-fn"), &settings).await?;
    settings.push(("DATABASE_URL".to_owned(), postgres.url("http")));
    let (_server, port) = start_http(&settings).await?;
    for request in table() {
        let (status, headers, body) = over_http(port, &request.bytes()).await?;
        let answer = function.invoke(request.event()).await?;
        assert_eq!(status, request.status, "{}: {body}", request.line);
        assert_eq!(answer["statusCode"], status, "{}: {answer}", request.line);
        let lambda_headers = answer["headers"].as_object().cloned().unwrap_or_default();
        let lambda_headers: Map<_, _> =
            lambda_headers.into_iter().map(|(k, v)| (k.to_lowercase(), v)).collect();
        assert_eq!(lambda_headers, headers, "{}", request.line);
        let lambda_body = serde_json::from_str(answer["body"].as_str().unwrap_or_default())?;
        assert_eq!(normal(lambda_body), body, "{}", request.line);
    }
    let printed = function.end().await?;
    let lines: Vec<Value> = printed.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    assert_eq!(lines.len(), table().len(), "one line per request and nothing else");
    assert!(
        lines.iter().all(|line| {
            line["request_id"].as_str().is_some_and(|id| id.starts_with("request-"))
        })
    );
    assert!(lines[0]["cold_start"] == true && lines[1]["cold_start"] == false);
    assert!(
        !printed.contains(KEY) && !printed.contains(postgres.password()),
        "no secret in the log"
    );
    Ok(())
}

#[tokio::test]
async fn the_http_server_refuses_what_a_load_balancer_would_not_pass_on() -> anyhow::Result<()> {
    let postgres = PrivatePostgres::start().await?;
    postgres.create_database("http").await?;
    postgres.load_sql_file("http", Path::new("tests/golden/seed.sql")).await?;
    let mut settings: Vec<(String, String)> = golden_environment()?.into_iter().collect();
    settings.push(("DATABASE_URL".to_owned(), postgres.url("http")));
    let (mut server, port) = start_http(&settings).await?;
    let large = with_body(&[("content-type", "application/json")], &vec![b' '; (1 << 20) + 1], 413);
    assert_eq!(over_http(port, &large.bytes()).await?.0, 413);
    let mut headers = request(&format!("GET /v2/stamps/101/score/{WALLET}"), 431);
    headers.headers.extend((0..1000).map(|_| ("x-filler", "f".repeat(1000))));
    // The server may close before all is sent; either way it must go on serving.
    if let Ok((status, ..)) = over_http(port, &headers.bytes()).await {
        assert_eq!(status, 431);
    }
    let long = request(&format!("GET /v2/stamps/101/score/{}", "a".repeat(60_000)), 400);
    assert_eq!(over_http(port, &long.bytes()).await?.0, 400);
    for garbage in
        [&b"\0\0\0\r\n\r\n"[..], b"GET\r\n\r\n", b"GET /\xff HTTP/1.1\r\nhost: a\r\n\r\n"]
    {
        let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).await?;
        stream.write_all(garbage).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1.1 400"),
            "{}",
            String::from_utf8_lossy(&answer)
        );
    }
    let good = request(&format!("GET /v2/stamps/101/score/{WALLET}"), 200);
    assert_eq!(over_http(port, &good.bytes()).await?.0, 200);
    assert!(server.try_wait()?.is_none(), "the server is still there");
    Ok(())
}

#[tokio::test]
async fn a_function_that_lacks_a_setting_says_so_and_ends() -> anyhow::Result<()> {
    let function = Function::start(env!("CARGO_BIN_EXE_scorer-fn"), &[]).await?;
    let printed = loop {
        // It ends by itself; `end` would hide that it did not.
        if function.resident_kib().is_err() {
            break function.end().await?;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    assert!(printed.contains("not started: TRUSTED_IAM_ISSUERS: not set"), "{printed}");
    Ok(())
}

#[cfg(feature = "faults")]
#[tokio::test]
async fn an_injected_crash_ends_the_process_without_an_answer() -> anyhow::Result<()> {
    let mut settings: Vec<(String, String)> = golden_environment()?.into_iter().collect();
    settings.push(("DATABASE_URL".to_owned(), "postgres://nobody@127.0.0.1:1/none".to_owned()));
    settings.push(("LOCAL_CLOUD_FAULTS".to_owned(), "1".to_owned()));
    let function = Function::start(env!("CARGO_BIN_EXE_scorer-fn"), &settings).await?;
    let event = |fault: &str| json!({"path": "/x", "headers": {"x-local-cloud-fault": fault}});
    let answer = function.invoke(event("latency=1,error")).await?;
    assert_eq!(answer["statusCode"], 500, "{answer}");
    tokio::select! {
        answer = function.invoke(event("crash")) => anyhow::bail!("it answered {answer:?}"),
        () = async {
            while function.resident_kib().is_ok() {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        } => {}
    }
    Ok(())
}

/// `scripts/arm64-check` asks the same of what is deployed.
#[test]
fn faults_on_demand_are_only_in_builds_with_the_feature() -> anyhow::Result<()> {
    for program in [env!("CARGO_BIN_EXE_scorer-fn"), env!("CARGO_BIN_EXE_scorer-http")] {
        let header = b"x-local-cloud-fault";
        let has = std::fs::read(program)?.windows(header.len()).any(|bytes| bytes == header);
        assert_eq!(has, cfg!(feature = "faults"), "{program}");
    }
    if !cfg!(feature = "faults") {
        println!("NOT TESTED: faults on demand, for which the feature `faults` is off");
    }
    Ok(())
}
