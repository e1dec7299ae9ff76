//! User and password of the ledger, from wherever the team keeps them.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use aws_sdk_lambda::config::ProvideCredentials as _;
use function_kit::login::{Credentials, Rotating, Secret, SecretError};
use function_kit::rds_iam::RdsLogin;
use url::Url;

use super::address::LedgerUrl;
use crate::adapters::aws::Aws;
use crate::ports::BoxError;

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
                let token = token(aws, address).await.map_err(|source| LoginError::Token {
                    user: address.user().to_owned(),
                    host: address.host().to_owned(),
                    source,
                })?;
                Ok(address.with_login(None, token.expose()))
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

/// A token for the user whom the address names.
async fn token(aws: &Aws, address: &LedgerUrl) -> Result<Secret, BoxError> {
    if address.user().is_empty() {
        return Err("the ledger address names no user".into());
    }
    let region = aws.config().await.region().ok_or("no AWS region is set; set AWS_REGION")?;
    let provider = aws.credentials().await.ok_or("no AWS credentials are configured")?;
    let (host, port, user) = (address.host(), address.port(), address.user());
    let login = RdsLogin { host, port, user, region: region.as_ref() };
    login.token(provider.provide_credentials().await?, SystemTime::now())
}
