//! What a collector gets, and that a missing or silent one costs nothing.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::runtime::Function;
use crate::support::{Service, app_on, golden_environment, load};
use axum::Router;
use axum::body::Bytes;
use axum::http::{StatusCode, Uri};
use axum::routing::any;
use local_cloud::postgres::PrivatePostgres;
use serde_json::{Value, json};

const KEY: &str = "GoldKeyA.16689dac85a8b7b8c197c7932e44c8a2";
const WALLET: &str = "0xa452b093b448cba521689d4f6f04ede0996080c7";

type Received = Arc<Mutex<Vec<(String, Bytes)>>>;

/// An HTTP server that takes whatever comes; its address.
async fn collector(received: Received) -> anyhow::Result<String> {
    collector_with(move |path, body| {
        received.lock().unwrap_or_else(PoisonError::into_inner).push((path.to_owned(), body));
        StatusCode::OK
    })
    .await
}

/// The same with an answer of its own.
async fn collector_with(
    take: impl Fn(&str, Bytes) -> StatusCode + Clone + Send + Sync + 'static,
) -> anyhow::Result<String> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}", listener.local_addr()?);
    let handler = move |uri: Uri, body: Bytes| {
        let status = take(uri.path(), body);
        async move { status }
    };
    let app = Router::new().fallback(any(handler));
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(address)
}

fn event(trace: &str) -> Value {
    json!({
        "httpMethod": "GET", "path": format!("/v2/stamps/101/score/{WALLET}"), "queryStringParameters": {},
        "headers": {"x-api-key": KEY, "x-amzn-trace-id": trace}, "body": "", "isBase64Encoded": false,
    })
}

fn holds(body: &Bytes, bytes: &[u8]) -> bool {
    body.windows(bytes.len()).any(|window| window == bytes)
}

/// Asks once with each trace header; what the collector got meanwhile.
async fn ask(traces: &[&str]) -> anyhow::Result<Vec<(String, Bytes)>> {
    let received = Received::default();
    let mut variables = golden_environment()?;
    variables.insert("OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(), collector(received.clone()).await?);
    let service = Service::start("tests/golden/seed.sql", &variables).await?;
    for trace in traces {
        assert_eq!(service.ask(&event(trace)).await["statusCode"], 200);
        service.app.flush().await;
    }
    // The blocking client of the exporter must not end on an async thread.
    tokio::task::spawn_blocking(move || drop(service)).await?;
    let received = received.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok(received)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_load_balancers_trace_goes_on_in_ours() -> anyhow::Result<()> {
    let trace = "Root=1-65000000-0123456789abcdef01234567;Parent=fedcba9876543210;Sampled=1";
    let received = ask(&[trace]).await?;
    let (_, traces) = received.iter().find(|(path, _)| path == "/v1/traces").expect("a trace");
    assert!(holds(
        traces,
        &[0x65, 0, 0, 0, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x01, 0x23, 0x45, 0x67]
    ));
    assert!(holds(traces, &[0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10]), "the parent span");
    for text in [
        "scorer-fn",
        "GET /v2/stamps/{scorer_id}/score/{address}",
        "write score",
        "postgresql",
        "faas.coldstart",
    ] {
        assert!(holds(traces, text.as_bytes()), "{text}");
    }
    let (_, metrics) = received.iter().find(|(path, _)| path == "/v1/metrics").expect("metrics");
    for text in
        ["http.server.request.duration", "scorer.database.round_trips", "http.response.status_code"]
    {
        assert!(holds(metrics, text.as_bytes()), "{text}");
    }
    for (_, body) in &received {
        assert!(
            !holds(body, KEY.as_bytes()) && !holds(body, WALLET.as_bytes()),
            "neither key nor wallet"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_without_parent_gives_its_id_and_an_unsampled_one_no_trace() -> anyhow::Result<()> {
    let received = ask(&["Root=1-65000000-0123456789abcdef01234567"]).await?;
    let (_, traces) = received.iter().find(|(path, _)| path == "/v1/traces").expect("a trace");
    assert!(holds(
        traces,
        &[0x65, 0, 0, 0, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x01, 0x23, 0x45, 0x67]
    ));

    let received =
        ask(&["Root=1-65000000-0123456789abcdef01234567;Parent=fedcba9876543210;Sampled=0"])
            .await?;
    assert!(
        received.iter().all(|(path, _)| path != "/v1/traces"),
        "somebody else decided not to sample"
    );
    assert!(
        received.iter().any(|(path, _)| path == "/v1/metrics"),
        "the metrics count all the same"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_collector_does_not_hold_up_the_answers() -> anyhow::Result<()> {
    // It accepts connections and never says a word; each request would hang on it.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let mut variables = golden_environment()?;
    variables.insert(
        "OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(),
        format!("http://{}", listener.local_addr()?),
    );
    let service = Service::start("tests/golden/seed.sql", &variables).await?;
    for _ in 0..20 {
        assert_eq!(service.ask(&event("")).await["statusCode"], 200);
        service.app.flush().await;
    }
    // Left alone after the first failure: one connection to probe, one to report.
    let mut connections = 0;
    while let Ok(Ok(_)) =
        tokio::time::timeout(std::time::Duration::from_millis(100), listener.accept()).await
    {
        connections += 1;
    }
    assert!((1..=4).contains(&connections), "{connections} connections for 20 requests");
    tokio::task::spawn_blocking(move || drop(service)).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_report_counts_only_what_is_new() -> anyhow::Result<()> {
    /// `count` of a histogram's data point, as the protocol spells it.
    fn counts(body: &Bytes, count: u8) -> bool {
        holds(body, &[0x21, count, 0, 0, 0, 0, 0, 0, 0])
    }
    let received = ask(&["", ""]).await?;
    let metrics: Vec<_> = received.iter().filter(|(path, _)| path == "/v1/metrics").collect();
    assert_eq!(metrics.len(), 2);
    for (_, body) in metrics {
        assert!(counts(body, 1) && !counts(body, 2), "{body:?}");
        // A bucket limit that tells 100 ms from 250 ms.
        assert!(holds(body, &0.1_f64.to_le_bytes()), "{body:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_breaks_is_left_alone_and_costs_no_answer() -> anyhow::Result<()> {
    let seen = Arc::<AtomicUsize>::default();
    let counter = seen.clone();
    let address = collector_with(move |_, _| {
        // The first report, traces and metrics, is taken.
        if counter.fetch_add(1, Ordering::SeqCst) < 2 {
            StatusCode::OK
        } else {
            StatusCode::INTERNAL_SERVER_ERROR
        }
    })
    .await?;
    let mut variables = golden_environment()?;
    variables.insert("OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(), address);
    let service = Service::start("tests/golden/seed.sql", &variables).await?;
    for _ in 0..5 {
        assert_eq!(service.ask(&event("")).await["statusCode"], 200);
        service.app.flush().await;
    }
    let seen = seen.load(Ordering::SeqCst);
    assert!((3..=4).contains(&seen), "{seen} reports were sent");
    tokio::task::spawn_blocking(move || drop(service)).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_is_out_before_the_collector_hears_of_it() -> anyhow::Result<()> {
    let postgres = PrivatePostgres::start().await?;
    load(&postgres, "tests/golden/seed.sql").await?;
    let answered: Arc<Mutex<Arc<AtomicUsize>>> = Arc::default();
    let reports: Arc<Mutex<Vec<usize>>> = Arc::default();
    let (now, heard) = (answered.clone(), reports.clone());
    let address = collector_with(move |_, _| {
        let answers = now.lock().unwrap_or_else(PoisonError::into_inner).load(Ordering::SeqCst);
        heard.lock().unwrap_or_else(PoisonError::into_inner).push(answers);
        StatusCode::OK
    })
    .await?;
    let mut settings: Vec<(String, String)> = golden_environment()?.into_iter().collect();
    settings.push(("DATABASE_URL".to_owned(), postgres.url("scorer")));
    settings.push(("OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(), address));
    let function = Function::start(env!("CARGO_BIN_EXE_scorer-fn"), &settings).await?;
    *answered.lock().unwrap_or_else(PoisonError::into_inner) = function.answered();
    for _ in 0..3 {
        assert_eq!(function.invoke(event("")).await?["statusCode"], 200);
    }
    // It takes the third event only after the second one's reports.
    let reports = reports.lock().unwrap_or_else(PoisonError::into_inner);
    assert_eq!(reports.get(..4), Some(&[1, 1, 2, 2][..]), "{reports:?}");
    Ok(())
}

#[tokio::test]
async fn odd_addresses_mean_no_telemetry() -> anyhow::Result<()> {
    let mut variables = golden_environment()?;
    let service = Service::start("tests/golden/seed.sql", &variables).await?;
    for address in [
        "https://127.0.0.1:1",
        "127.0.0.1:4318",
        "http://",
        "http://127.0.0.1:1/",
        "http://no such host",
    ] {
        variables.insert("OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(), address.to_owned());
        let app = app_on(&service.url, &variables)?;
        let answer = crate::support::ask(&app, &event("")).await;
        assert_eq!(answer["statusCode"], 200, "{address}");
    }
    Ok(())
}
