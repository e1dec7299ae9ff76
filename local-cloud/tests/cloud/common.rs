//! A tiny function, a cloud around it, and an HTTP client.

#![allow(dead_code)] // every test file uses its own part

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use local_cloud::{FunctionSpec, LoadBalancerSpec, RuleSpec, Topology};
use serde_json::Value;
use tokio::net::TcpStream;

/// After this something hangs, however slow the machine is.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// A function of `tests/functions/tiny.py`, with time for a busy machine.
pub(crate) fn tiny(name: &str) -> FunctionSpec {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/functions/tiny.py");
    let mut function = FunctionSpec::new(name, [python().as_str(), script]).timeout(PATIENCE);
    function.init_timeout = PATIENCE;
    function
}

/// The Python to run functions and clients with.
pub(crate) fn python() -> String {
    std::env::var("LOCAL_CLOUD_PYTHON").unwrap_or_else(|_| "python3".to_owned())
}

/// Functions `python` and `rust` behind rule 100 of load balancer `lb`, and
/// testers of `rust` by a header at rule 99. No lag, manual clock.
pub(crate) fn two_sides(python_weight: u32, rust_weight: u32) -> Topology {
    Topology::new()
        .manual_clock()
        .lag_minutes(0.0)
        .function(tiny("python"))
        .function(tiny("rust"))
        .target_group("tg-python", "python")
        .target_group("tg-rust", "rust")
        .target_group("tg-tester", "rust")
        .load_balancer(
            LoadBalancerSpec::new("lb")
                .rule(
                    RuleSpec::new(99)
                        .header("X-Use-Rust-Scorer", "true")
                        .path("/*")
                        .forward([("tg-tester", 1)]),
                )
                .rule(
                    RuleSpec::new(100)
                        .path("/*")
                        .forward([("tg-python", python_weight), ("tg-rust", rust_weight)]),
                ),
        )
        .topic("pages")
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Got {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// A connection that is kept open.
pub(crate) struct Client {
    sender: hyper::client::conn::http1::SendRequest<Full<Bytes>>,
    authority: String,
}

impl Client {
    pub(crate) async fn to(url: &str) -> Self {
        let authority = url.strip_prefix("http://").unwrap().to_owned();
        let stream = TcpStream::connect(&authority).await.unwrap();
        let (sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self { sender, authority }
    }

    /// Sends; an error if the server closed without an answer.
    pub(crate) async fn try_send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Got, hyper::Error> {
        let (status, headers, body) = self.exchange(method, path, headers, body.into()).await?;
        let body = String::from_utf8_lossy(&body).into_owned();
        Ok(Got { status, headers, body })
    }

    /// Status, headers and the body as bytes.
    pub(crate) async fn send_raw(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> (u16, BTreeMap<String, String>, Vec<u8>) {
        self.exchange(method, path, headers, body.into()).await.unwrap()
    }

    async fn exchange(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<(u16, BTreeMap<String, String>, Vec<u8>), hyper::Error> {
        let mut request = Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            request = request.header("host", &self.authority);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body)).unwrap();
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        let status = response.status().as_u16();
        let headers = response
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        let body = response.into_body().collect().await?.to_bytes();
        Ok((status, headers, body.to_vec()))
    }

    pub(crate) async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Got {
        self.try_send(method, path, headers, body).await.unwrap()
    }

    pub(crate) async fn get(&mut self, path: &str) -> Got {
        self.send(Method::GET, path, &[], "").await
    }
}

/// One request on a connection of its own.
pub(crate) async fn get(url: &str, path: &str) -> Got {
    Client::to(url).await.get(path).await
}

/// Waits until something holds; panics after a generous while.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not within {PATIENCE:?}: {what}");
}
