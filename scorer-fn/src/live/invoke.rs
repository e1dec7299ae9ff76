//! The call of the Python function.

use aws_sdk_lambda::config::BehaviorVersion;
use aws_sdk_lambda::config::retry::RetryConfig;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::{Client, Config};
use function_kit::aws::{CallError, Surroundings, http_client};
use tokio::sync::OnceCell;

use super::Failed;

/// The Python function. The client is made at the first call, so that a process which
/// never compares pays nothing for it.
#[derive(Debug)]
pub(super) struct Python {
    function: String,
    client: OnceCell<Client>,
}

impl Python {
    pub(super) fn new(function: String) -> Self {
        Self { function, client: OnceCell::new() }
    }

    /// What the function returns for this event. One attempt: a sample that is lost is
    /// counted, and is no reason for a second call.
    pub(super) async fn invoke(&self, event: String) -> Result<Vec<u8>, (Failed, String)> {
        let client = self.client.get_or_try_init(async || client()).await;
        let client = client.map_err(|why| (Failed::NotInvoked, why))?;
        let call = client.invoke().function_name(&self.function).payload(Blob::new(event));
        let answer = call
            .send()
            .await
            .map_err(|error| (Failed::NotInvoked, CallError::new("Invoke", &error).to_string()))?;
        if let Some(kind) = answer.function_error() {
            return Err((Failed::Function, kind.to_owned()));
        }
        Ok(answer.payload.map(Blob::into_inner).unwrap_or_default())
    }
}

fn client() -> Result<Client, String> {
    let from = Surroundings::read("LAMBDA")?;
    let mut config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(from.region)
        .credentials_provider(from.credentials)
        .retry_config(RetryConfig::disabled())
        .http_client(http_client());
    config.set_endpoint_url(from.endpoint);
    Ok(Client::from_conf(config.build()))
}
