//! The database's login from Secrets Manager.

use function_kit::login::Credentials;

/// Reads one secret from Secrets Manager.
///
/// The client is made at the first read. It takes region, credentials and
/// endpoint from the variables that Lambda sets; the default provider chain
/// would bring several more SDKs into the binary to find the same values.
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
        use aws_sdk_secretsmanager::config::{
            BehaviorVersion, Credentials as Keys, Region, retry::RetryConfig,
        };
        use aws_sdk_secretsmanager::{Client, Config};
        use function_kit::{aws::http_client, errors::chain};

        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let needed =
            |name: &str| variable(name).ok_or_else(|| format!("{name} is not set; Lambda sets it"));
        let keys = Keys::new(
            needed("AWS_ACCESS_KEY_ID")?,
            needed("AWS_SECRET_ACCESS_KEY")?,
            variable("AWS_SESSION_TOKEN"),
            None,
            "environment",
        );
        let endpoint =
            variable("AWS_ENDPOINT_URL_SECRETS_MANAGER").or_else(|| variable("AWS_ENDPOINT_URL"));
        let mut config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(needed("AWS_REGION")?))
            .credentials_provider(keys)
            .retry_config(RetryConfig::standard().with_max_attempts(2))
            .http_client(http_client());
        if let Some(endpoint) = endpoint {
            config = config.endpoint_url(endpoint);
        }
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
