//! Sends requests at a stated rate.

use super::requests::Ask;
use answers::{Answer, MAX_BODY};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Pooled;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::Url;

/// A base address that requests cannot be sent to.
#[derive(Debug, thiserror::Error)]
pub enum BadAddress {
    /// Not `http://HOST` or `https://HOST`.
    #[error("--url is not the address of a load balancer: give https://HOST and nothing behind it")]
    Shape,
    /// TLS cannot be set up.
    #[error("reading this machine's trusted certificates")]
    Roots(#[source] std::io::Error),
}

/// Where requests go and what each of them carries.
pub struct Client {
    pooled: Pooled<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    base: http::uri::Parts,
    /// The headers of every request, keys among them.
    common: Vec<(HeaderName, HeaderValue)>,
    force: (HeaderName, HeaderValue),
    timeout: Duration,
    pace: Pace,
}

impl Client {
    /// A client without a connection yet.
    ///
    /// # Errors
    /// [`BadAddress`].
    pub fn new(
        url: &str,
        common: Vec<(HeaderName, HeaderValue)>,
        force: (HeaderName, HeaderValue),
        timeout: Duration,
        every: Duration,
    ) -> Result<Self, BadAddress> {
        let parsed = Url::parse(url).map_err(|_| BadAddress::Shape)?;
        let only_host = matches!(parsed.scheme(), "http" | "https")
            && parsed.has_host()
            && parsed.path() == "/"
            && parsed.query().is_none()
            && parsed.fragment().is_none()
            && parsed.username().is_empty()
            && parsed.password().is_none();
        let base: Uri = parsed.as_str().parse().map_err(|_| BadAddress::Shape)?;
        if !only_host {
            return Err(BadAddress::Shape);
        }
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(rustls::crypto::ring::default_provider())
            .map_err(BadAddress::Roots)?
            .https_or_http()
            .enable_http1()
            .build();
        let pooled = Pooled::builder(TokioExecutor::new()).build(connector);
        let pace = Pace { every, next: Mutex::new(Instant::now()) };
        Ok(Self { pooled, base: base.into_parts(), common, force, timeout, pace })
    }

    /// Sends one request and reads its whole answer, when its turn has come.
    ///
    /// # Errors
    /// Why there is no answer, without addresses.
    pub async fn send(&self, ask: &Ask, forced: Forced) -> Result<Answer, String> {
        self.pace.turn().await;
        let request = self.request(ask, forced)?;
        match tokio::time::timeout(self.timeout, self.exchange(request)).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("no answer within {} s", self.timeout.as_secs_f64())),
        }
    }

    fn request(&self, ask: &Ask, forced: Forced) -> Result<Request<Empty<Bytes>>, String> {
        let mut parts = http::uri::Parts::default();
        parts.scheme.clone_from(&self.base.scheme);
        parts.authority.clone_from(&self.base.authority);
        parts.path_and_query = ask.target.path_and_query().cloned();
        let uri = Uri::from_parts(parts).map_err(|_| "the path is no address".to_owned())?;
        let mut request = Request::new(Empty::new());
        *request.method_mut() = Method::GET;
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        // The request's own headers win over those of all.
        for (name, value) in self.common.iter().chain(&ask.headers) {
            headers.insert(name.clone(), value.clone());
        }
        headers.remove(&self.force.0);
        if forced == Forced::Yes {
            headers.insert(self.force.0.clone(), self.force.1.clone());
        }
        Ok(request)
    }

    async fn exchange(&self, request: Request<Empty<Bytes>>) -> Result<Answer, String> {
        let answer = self.pooled.request(request).await.map_err(|error| {
            let what = if error.is_connect() { "not connected" } else { "the connection broke" };
            match std::error::Error::source(&error) {
                Some(cause) => format!("{what}: {cause}"),
                None => what.to_owned(),
            }
        })?;
        let (parts, body) = answer.into_parts();
        let body = Limited::new(body, MAX_BODY).collect().await;
        let body = body.map_err(|_| "the answer broke off, or is larger than 8 MB".to_owned())?;
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        Ok(Answer {
            status: parts.status.as_u16(),
            headers: parts.headers.iter().map(|(n, v)| (n.to_string(), text(v))).collect(),
            body: body.to_bytes().to_vec(),
        })
    }
}

/// Whether a request has the header that reaches Rust.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forced {
    /// It reaches Rust at any share.
    Yes,
    /// It goes where the weighted rule sends it.
    No,
}

/// One request every so often, whoever sends it; a late one is not caught up on.
struct Pace {
    every: Duration,
    next: Mutex<Instant>,
}

impl Pace {
    async fn turn(&self) {
        let at = {
            let mut next = self.next.lock().await;
            let at = (*next).max(Instant::now());
            *next = at + self.every;
            at
        };
        tokio::time::sleep_until(at).await;
    }
}
