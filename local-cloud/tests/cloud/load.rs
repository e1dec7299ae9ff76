//! The load generator against small real servers.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use local_cloud::load::{Ask, Classify, End, LoadError, Plan, Record, Spacing, start};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

type Outcome = Result<(), Box<dyn Error>>;
type Answer = Response<Full<Bytes>>;

/// Serves `answer` on a loopback port until the test ends; counts connections.
async fn serve<F, A>(answer: F) -> std::io::Result<(SocketAddr, Arc<AtomicU64>)>
where
    F: Fn(Request<Incoming>) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Answer> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let connections = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counter.fetch_add(1, Ordering::Relaxed);
            let answer = answer.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request| {
                    let answer = answer(request);
                    async move { Ok::<_, Infallible>(answer.await) }
                });
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await
            });
        }
    });
    Ok((address, connections))
}

fn no_side() -> Arc<Classify> {
    Arc::new(|_: &Record, _: &HeaderMap| None)
}

fn plan(rate: f64, max_requests: u64) -> Plan {
    Plan {
        rate,
        max_requests,
        spacing: Spacing::Uniform,
        duration: Duration::from_mins(1),
        keep_records: true,
        ..Plan::default()
    }
}

#[tokio::test]
async fn counts_statuses_and_sides_over_kept_connections() -> Outcome {
    let (address, connections) = serve(async |request: Request<Incoming>| {
        let rust = request.uri().path() == "/rust";
        let trace = request.headers()["x-amzn-trace-id"].clone();
        assert_eq!(request.headers()["x-api-key"], "k");
        let status = if rust { 200 } else { 503 };
        let answer = Response::builder().status(status).header("trace", trace);
        answer.body(Full::new(Bytes::from_static(b"{}"))).expect("a response")
    })
    .await?;
    let asks = ["/rust", "/python?a=b"]
        .into_iter()
        .map(|path| Ask::get(path)?.header("X-Api-Key", "k"))
        .collect::<Result<Vec<_>, LoadError>>()?;
    // As the demo does: the side is looked up by trace id and headers.
    let classify: Arc<Classify> = Arc::new(|record, headers| {
        assert_eq!(headers["trace"], record.trace_id);
        Some(if record.ask == 0 { "rust" } else { "python" }.to_owned())
    });
    let running = start(address, asks, &plan(500.0, 100), classify)?;
    assert_eq!(running.expected(), 100);
    let (summary, records) = running.finish().await;

    assert_eq!((summary.sent, summary.total.ended, summary.hurt()), (100, 100, 50));
    assert_eq!(summary.by_status.clone().into_iter().collect::<Vec<_>>(), [(200, 50), (503, 50)]);
    assert_eq!((summary.sides["rust"].ended, summary.sides["rust"].served), (50, 50));
    assert_eq!((summary.sides["python"].ended, summary.sides["python"].served), (50, 0));
    let latency = summary.total.latency;
    assert!(0 < latency.p50_us && latency.p50_us <= latency.p95_us);
    assert!(latency.p95_us <= latency.p99_us && latency.p99_us <= latency.max_us);
    let ids: BTreeSet<_> = records.iter().map(|record| &record.trace_id).collect();
    assert_eq!(ids.len(), 100, "trace ids differ");
    for id in ids {
        assert_eq!(id.len(), "Root=1-68e77a40-3d1f0c2b9a8e7d6c5b4a3f21".len(), "{id}");
    }
    assert!(connections.load(Ordering::Relaxed) < 100, "connections are used again");
    Ok(())
}

/// A closed loop would wait for ever: nobody is answered before forty have asked.
#[tokio::test]
async fn goes_on_asking_while_answers_are_late() -> Outcome {
    let waiting = Arc::new(AtomicU64::new(0));
    let gate = Arc::new(Semaphore::new(0));
    let (address, _) = serve(move |_| {
        let (waiting, gate) = (Arc::clone(&waiting), Arc::clone(&gate));
        async move {
            if waiting.fetch_add(1, Ordering::SeqCst) + 1 == 40 {
                gate.close();
            }
            let _ = gate.acquire().await;
            Response::new(Full::default())
        }
    })
    .await?;
    let running = start(address, vec![Ask::get("/")?], &plan(1000.0, 40), no_side())?;
    let (summary, _) = running.finish().await;
    assert_eq!(summary.by_status[&200], 40);
    Ok(())
}

/// One connection, 20 ms an answer, 20 requests due at once: the last one has
/// waited for nineteen others, and that is what its client saw.
#[tokio::test]
async fn waiting_for_a_connection_is_part_of_the_latency() -> Outcome {
    let (address, _) = serve(async |_| {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Response::new(Full::default())
    })
    .await?;
    let plan = Plan { max_connections: 1, ..plan(10_000.0, 20) };
    let (summary, records) = start(address, vec![Ask::get("/")?], &plan, no_side())?.finish().await;
    assert_eq!(summary.by_status[&200], 20);
    let last = records.last().expect("records are kept");
    assert!(last.latency + last.due >= Duration::from_millis(20 * 20), "{last:?}");
    Ok(())
}

/// Due all at once, and never more than three are on their way; those that were
/// held back are due when they are sent.
#[tokio::test]
async fn holds_its_schedule_back_while_too_many_are_unanswered() -> Outcome {
    let (now, most) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let greatest = Arc::clone(&most);
    let (address, _) = serve(move |_| {
        let (now, most) = (Arc::clone(&now), Arc::clone(&most));
        async move {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(5)).await;
            now.fetch_sub(1, Ordering::SeqCst);
            Response::new(Full::default())
        }
    })
    .await?;
    let plan = Plan { max_unanswered: Some(3), ..plan(100_000.0, 30) };
    let (summary, records) = start(address, vec![Ask::get("/")?], &plan, no_side())?.finish().await;
    assert_eq!(summary.by_status[&200], 30);
    assert!(greatest.load(Ordering::SeqCst) <= 3, "{greatest:?}");
    // 30 answers of 5 ms, three at a time.
    assert!(summary.held_secs >= 0.04, "{summary:?}");
    let last = records.iter().max_by_key(|record| record.number).expect("records are kept");
    assert!(last.due >= Duration::from_millis(40), "{last:?}");
    Ok(())
}

#[tokio::test]
async fn names_the_ways_to_fail() -> Outcome {
    let (hanging, _) = serve(async |_| std::future::pending().await).await?;
    let short = Plan { timeout: Duration::from_millis(50), ..plan(1000.0, 5) };
    let ask = || Ask::get("/").map(|ask| vec![ask]);
    let (summary, records) = start(hanging, ask()?, &short, no_side())?.finish().await;
    assert_eq!((summary.timed_out, summary.hurt()), (5, 5));
    assert!(records.iter().all(|record| record.end == End::TimedOut));

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let cutting = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 1024]).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort").await;
        }
    });
    let (summary, _) = start(cutting, ask()?, &plan(1000.0, 5), no_side())?.finish().await;
    assert_eq!((summary.broken, summary.hurt()), (5, 5));

    let closed = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
    let (summary, _) = start(closed, ask()?, &plan(1000.0, 5), no_side())?.finish().await;
    assert_eq!((summary.not_connected, summary.hurt()), (5, 5));
    Ok(())
}

#[tokio::test]
async fn stops_when_told_and_when_dropped() -> Outcome {
    let (address, _) = serve(async |_| Response::new(Full::default())).await?;
    let slow = plan(0.001, 10);
    let running = start(address, vec![Ask::get("/")?], &slow, no_side())?;
    running.stop();
    let (summary, _) = running.finish().await;
    assert!(summary.sent <= 1, "the first one may have been sent");
    drop(start(address, vec![Ask::get("/")?], &slow, no_side())?);
    Ok(())
}

#[tokio::test]
async fn refuses_what_it_must_not_or_cannot_do() -> Outcome {
    let ask = || Ask::get("/").map(|ask| vec![ask]);
    let refused = |address: &str, plan: &Plan| {
        let address = address.parse().expect("an address");
        let asks = ask().expect("a request");
        start(address, asks, plan, no_side()).err().map(|error| error.to_string())
    };
    let far = refused("192.0.2.1:80", &plan(1.0, 1)).expect("refused");
    assert!(far.contains("loopback"), "{far}");
    for bad in [0.0, -1.0, f64::NAN, 1e9] {
        let text = refused("127.0.0.1:1", &plan(bad, 1)).expect("refused");
        assert!(text.starts_with("rate is"), "{text}");
    }
    assert!(refused("127.0.0.1:1", &plan(1.0, 0)).expect("refused").contains("max_requests"));
    assert!(Ask::get("no-slash").is_err());
    assert!(Ask::get("/a b").is_err());
    assert!(Ask::get("/")?.header("bad name", "").is_err());
    let secret = Ask::get("/")?.header("x-api-key", "secret\n").expect_err("refused");
    assert!(!secret.to_string().contains("secret"));
    Ok(())
}
