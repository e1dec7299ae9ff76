//! The database's login from Secrets Manager.

use function_kit::login::Credentials;

/// Reads one secret from Secrets Manager.
///
/// The client is made at the first read.
#[derive(Debug)]
pub struct SecretReader {
    arn: String,
}

impl SecretReader {
    /// For the secret with this ARN or name.
    pub fn new(arn: String) -> Self {
        Self { arn }
    }

    /// Reads the current version.
    ///
    /// # Errors
    /// What failed and what to do, without any secret in it.
    #[cfg(feature = "secrets")]
    pub async fn read(&self) -> Result<Credentials, String> {
        use aws_sdk_secretsmanager::config::{BehaviorVersion, retry::RetryConfig};
        use aws_sdk_secretsmanager::{Client, Config};
        use function_kit::aws::{Surroundings, http_client};
        use function_kit::errors::chain;

        let from = Surroundings::read("SECRETS_MANAGER")?;
        let mut config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(from.region)
            .credentials_provider(from.credentials)
            .retry_config(RetryConfig::standard().with_max_attempts(2))
            .http_client(http_client());
        config.set_endpoint_url(from.endpoint);
        let client = Client::from_conf(config.build());
        Credentials::read(&client, &self.arn).await.map_err(|error| chain(&error))
    }

    /// Reads the current version.
    ///
    /// # Errors
    /// Always: this binary was built without the feature `secrets`.
    #[cfg(not(feature = "secrets"))]
    pub async fn read(&self) -> Result<Credentials, String> {
        std::future::ready(Err(format!(
            "{}: built without the feature `secrets`; set DATABASE_URL",
            self.arn
        )))
        .await
    }
}
