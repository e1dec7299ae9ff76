//! The commands of `local-cloud`, one file per subject.

pub mod change;
pub mod fault;
pub mod look;
pub mod up;

use std::io::{self, Write as _};

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// Which cloud a command is for.
#[derive(Debug, clap::Args)]
pub struct Where {
    /// AWS endpoint of the running cloud, as `up` prints it
    #[arg(long, env = "LOCAL_CLOUD_ENDPOINT", value_name = "URL")]
    endpoint: Uri,
}

impl Where {
    /// One admin call; an error with the cloud's own words if it was refused.
    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> anyhow::Result<Value> {
        let authority = self.endpoint.authority().with_context(|| {
            format!("--endpoint {}: write http://127.0.0.1:PORT", self.endpoint)
        })?;
        let stream = TcpStream::connect(authority.as_str())
            .await
            .with_context(|| format!("no local cloud at {authority}; start one with `up`"))?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let driver = tokio::spawn(connection);
        let body = body.map_or_else(Bytes::new, |value| value.to_string().into());
        let request = Request::builder()
            .method(method)
            .uri(format!("/_local/{path}"))
            .header("host", authority.as_str())
            .body(Full::new(body))?;
        let response = sender.send_request(request).await?;
        let status = response.status();
        let bytes = response.into_body().collect().await?.to_bytes();
        driver.abort();
        let value: Value = serde_json::from_slice(&bytes)
            .with_context(|| format!("{authority} answered {status} and no JSON"))?;
        if !status.is_success() {
            bail!("{}", value["error"].as_str().unwrap_or(status.as_str()));
        }
        Ok(value)
    }
}

/// Prints a value for people and programs alike.
fn print_json(value: &Value) -> io::Result<()> {
    print(&format!("{value:#}\n"))
}

/// Prints a text; a reader that has seen enough, like `head`, is no error.
///
/// # Errors
/// Standard output cannot be written to for another reason.
pub(crate) fn print(text: &str) -> io::Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}
