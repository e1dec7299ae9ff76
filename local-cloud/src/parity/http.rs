//! One request over HTTP/1.1, on a connection of its own.

use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::compare::Seen;

/// How long one answer may take; a cold start on a busy machine takes a few seconds.
pub const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// Sends a request to `authority` (`127.0.0.1:PORT`) and reads the whole
/// answer, all within `limit`.
///
/// # Errors
/// Nobody listens, the answer is no HTTP, or it does not come in time.
pub async fn send(
    authority: &str,
    request: Request<Full<Bytes>>,
    limit: Duration,
) -> anyhow::Result<Seen> {
    tokio::time::timeout(limit, exchange(authority, request))
        .await
        .with_context(|| format!("no answer from {authority} within {limit:?}"))?
}

async fn exchange(authority: &str, request: Request<Full<Bytes>>) -> anyhow::Result<Seen> {
    let stream = TcpStream::connect(authority)
        .await
        .with_context(|| format!("connecting to {authority}"))?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // Ends with this call, however that ends.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let response = sender.send_request(request).await?;
    let (parts, body) = response.into_parts();
    let body = body.collect().await?.to_bytes();
    let headers = parts.headers.iter().map(|(name, value)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    });
    Ok(Seen {
        status: parts.status.as_u16(),
        headers: headers.collect(),
        body: String::from_utf8_lossy(&body).into_owned(),
    })
}
