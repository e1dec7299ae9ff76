//! Servers that others wrote, and how to speak to them.

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_lambda::config::Credentials;
use local_cloud::foreign::{ForeignError, REGION};
use rollout_controller::adapters::aws::Aws;
use std::fmt::Display;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Real time to wait for something before it counts as a failure. Ministack's
/// Scheduler looks for due schedules every ten seconds.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// Fails where foreign servers must be there, else says what is not tested.
fn missing(peer: &str, reason: impl Display) {
    let set = |name: &str, value: &str| std::env::var(name).is_ok_and(|found| found == value);
    assert!(
        !set("CI", "true") && !set("ROLLOUT_REQUIRE_PEERS", "1"),
        "{peer} is required here and not installed: {reason}"
    );
    eprintln!("NOT TESTED against {peer}: {reason}");
}

/// The server, or `None` where it is not installed and need not be.
pub(crate) fn there<T>(peer: &str, started: Result<T, ForeignError>) -> Option<T> {
    match started {
        Ok(server) => Some(server),
        Err(error @ (ForeignError::NoPython | ForeignError::PythonMissing { .. })) => {
            missing(peer, error);
            None
        }
        Err(error) => panic!("{peer}: {error}"),
    }
}

pub(crate) async fn aws_at(url: &str) -> Aws {
    let config = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .credentials_provider(Credentials::new("test", "test", None, None, "smoke"))
        .endpoint_url(url)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .retry_config(RetryConfig::standard())
        .load()
        .await;
    Aws::with_config(config)
}

/// A call to a service that no client of ours is for; the body of the answer.
/// `head` is the request line and further headers.
pub(crate) async fn call(url: &str, service: &str, head: &str, body: &str) -> String {
    let host = url.trim_start_matches("http://");
    let request = format!(
        "{head}host: {host}\r\nconnection: close\r\ncontent-length: {}\r\n\
         authorization: AWS4-HMAC-SHA256 Credential=test/20260101/{REGION}/{service}/aws4_request, \
         SignedHeaders=host, Signature=0\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(host).await.expect("a server");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    assert!(head.contains(" 200"), "{service}: {answer}");
    body.to_owned()
}
