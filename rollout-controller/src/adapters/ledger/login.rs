//! User and password of the ledger, from wherever the team keeps them.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_sdk_lambda::config::ProvideCredentials as _;
use aws_sigv4::http_request::{
    SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign,
};
use aws_sigv4::sign::v4;
use function_kit::login::{Credentials, Rotating, SecretError};
use url::Url;

use super::address::LedgerUrl;
use crate::adapters::aws::Aws;
use crate::ports::BoxError;

/// How long an RDS token is good for; it is only looked at while connecting.
const TOKEN_LIFE: Duration = Duration::from_mins(15);

/// Where user and password come from.
pub struct Login(Source);

enum Source {
    Url,
    Secret { aws: Aws, arn: String, known: Rotating<Credentials> },
    RdsIam { aws: Aws },
}

/// Why there is no password.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// The secret could not be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// A token could not be signed.
    #[error("signing an RDS token for {user} at {host}")]
    Token {
        /// Database user.
        user: String,
        /// Address of the proxy or instance.
        host: String,
        /// What is missing.
        #[source]
        source: BoxError,
    },
}

impl Login {
    /// As the address says.
    pub fn in_url() -> Self {
        Self(Source::Url)
    }

    /// From a Secrets Manager secret of the shape that RDS keeps. Read when first
    /// connecting, and once more when the database refuses it (rotation).
    pub fn secret(aws: Aws, arn: impl Into<String>) -> Self {
        Self(Source::Secret { aws, arn: arn.into(), known: Rotating::default() })
    }

    /// A token signed with the function's own role (`rds-db:connect`), made anew
    /// for each connection. The address must name the user and use TLS.
    pub fn rds_iam(aws: Aws) -> Self {
        Self(Source::RdsIam { aws })
    }

    /// Opens a connection to the address with its login.
    ///
    /// # Errors
    /// Those of `open`, which [`Rotating::connect`] calls twice if it must, and
    /// [`LoginError`].
    pub(super) async fn connect<C, E, O>(
        &self,
        address: &LedgerUrl,
        open: impl Fn(Url) -> O,
        is_refused: impl Fn(&E) -> bool,
    ) -> Result<C, E>
    where
        E: From<LoginError>,
        O: Future<Output = Result<C, E>>,
    {
        match &self.0 {
            Source::Url | Source::RdsIam { .. } => open(self.url(address).await?).await,
            Source::Secret { aws, arn, known } => {
                let read = async || {
                    let read = Credentials::read(aws.secrets().await, arn).await;
                    read.map_err(|error| LoginError::from(error).into())
                };
                let open = |login: Arc<Credentials>| open(complete(address, &login));
                known.connect(read, open, is_refused).await
            }
        }
    }

    /// The address with its login, asked for now.
    pub(super) async fn url(&self, address: &LedgerUrl) -> Result<Url, LoginError> {
        match &self.0 {
            Source::Url => Ok(address.revealed().clone()),
            Source::Secret { aws, arn, .. } => {
                Ok(complete(address, &Credentials::read(aws.secrets().await, arn).await?))
            }
            Source::RdsIam { aws } => {
                let token = rds_token(aws, address, SystemTime::now()).await;
                let token = token.map_err(|source| LoginError::Token {
                    user: address.user().to_owned(),
                    host: address.host().to_owned(),
                    source,
                })?;
                Ok(address.with_login(None, &token))
            }
        }
    }
}

fn complete(address: &LedgerUrl, login: &Credentials) -> Url {
    address.with_login(Some(&login.username), login.password.expose())
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::Url => f.write_str("Login::in_url"),
            Source::Secret { arn, .. } => write!(f, "Login::secret({arn})"),
            Source::RdsIam { .. } => f.write_str("Login::rds_iam"),
        }
    }
}

/// A presigned `connect` request without its `https://`, which RDS takes for a password.
async fn rds_token(aws: &Aws, address: &LedgerUrl, now: SystemTime) -> Result<String, BoxError> {
    if address.user().is_empty() {
        return Err("the ledger address names no user".into());
    }
    let region = aws.config().await.region().ok_or("no AWS region is set; set AWS_REGION")?;
    let provider = aws.credentials().await.ok_or("no AWS credentials are configured")?;
    let identity = provider.provide_credentials().await?.into();
    let mut settings = SigningSettings::default();
    settings.expires_in = Some(TOKEN_LIFE);
    settings.signature_location = SignatureLocation::QueryParams;
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region.as_ref())
        .name("rds-db")
        .time(now)
        .settings(settings)
        .build()?;
    let mut url = Url::parse(&format!("https://{}:{}/", address.host(), address.port()))?;
    url.query_pairs_mut().append_pair("Action", "connect").append_pair("DBUser", address.user());
    let request = SignableRequest::new(
        "GET",
        url.as_str(),
        std::iter::empty::<(&str, &str)>(),
        SignableBody::Bytes(&[]),
    )?;
    let (instructions, _) = sign(request, &params.into())?.into_parts();
    for (name, value) in instructions.params() {
        url.query_pairs_mut().append_pair(name, value);
    }
    Ok(url.as_str().trim_start_matches("https://").to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_config::{BehaviorVersion, Region, SdkConfig};
    use aws_sdk_lambda::config::{Credentials, SharedCredentialsProvider};

    #[tokio::test]
    async fn an_rds_token_is_a_presigned_request_for_host_and_user() {
        let keys =
            Credentials::new("AKIDEXAMPLE", "wJalrXUtnFEMI", Some("tok/en=".into()), None, "test");
        let aws = Aws::with_config(
            SdkConfig::builder()
                .behavior_version(BehaviorVersion::latest())
                .region(Region::new("eu-west-1"))
                .credentials_provider(SharedCredentialsProvider::new(keys))
                .build(),
        );
        let address: LedgerUrl = "postgres://app@proxy.example:5433/rollout".parse().unwrap();
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_760_000_000);
        let token = rds_token(&aws, &address, now).await.unwrap();
        assert!(token.starts_with("proxy.example:5433/?Action=connect&DBUser=app&"), "{token}");
        for part in [
            "X-Amz-Algorithm=AWS4-HMAC-SHA256",
            "X-Amz-Credential=AKIDEXAMPLE%2F20251009%2Feu-west-1%2Frds-db%2Faws4_request",
            "X-Amz-Date=20251009T085320Z",
            "X-Amz-Expires=900",
            "X-Amz-SignedHeaders=host",
            "X-Amz-Security-Token=tok%2Fen%3D",
            "X-Amz-Signature=",
        ] {
            assert!(token.contains(part), "{part} in {token}");
        }
        assert!(!token.contains("wJalrXUtnFEMI"));
    }
}
