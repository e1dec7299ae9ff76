//! Actions that sign people in: kept as they were set, never carried out.

use crate::aws::AwsError;
use crate::topology::AuthenticateSpec;

/// What both kinds have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) cookie: String,
    pub(crate) scope: String,
    /// Seconds.
    pub(crate) timeout: u32,
    pub(crate) extra_params: Vec<(String, String)>,
    /// `deny`, `allow` or `authenticate`.
    pub(crate) unauthenticated: String,
}

impl Default for Session {
    /// AWS's defaults.
    fn default() -> Self {
        Self {
            cookie: "AWSELBAuthSessionCookie".to_owned(),
            scope: "openid".to_owned(),
            timeout: 604_800,
            extra_params: Vec::new(),
            unauthenticated: "authenticate".to_owned(),
        }
    }
}

/// The client secret of an OIDC action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Secret {
    Given(String),
    /// `UseExistingClientSecret`: that of the rule as it is.
    Existing,
}

/// An authenticate action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Authenticate {
    Oidc {
        issuer: String,
        authorization_endpoint: String,
        token_endpoint: String,
        user_info_endpoint: String,
        client_id: String,
        secret: Secret,
        session: Session,
    },
    Cognito {
        user_pool_arn: String,
        client_id: String,
        domain: String,
        session: Session,
    },
}

impl Authenticate {
    /// As the topology has it.
    pub(crate) fn of(spec: &AuthenticateSpec) -> Self {
        match spec.clone() {
            AuthenticateSpec::Oidc { issuer, client_id, client_secret } => Self::Oidc {
                authorization_endpoint: format!("{issuer}/authorize"),
                token_endpoint: format!("{issuer}/token"),
                user_info_endpoint: format!("{issuer}/userinfo"),
                issuer,
                client_id,
                secret: Secret::Given(client_secret),
                session: Session::default(),
            },
            AuthenticateSpec::Cognito { user_pool_arn, client_id, domain } => {
                Self::Cognito { user_pool_arn, client_id, domain, session: Session::default() }
            }
        }
    }

    /// The client secret that is kept.
    pub(crate) fn client_secret(&self) -> Option<&str> {
        match self {
            Self::Oidc { secret: Secret::Given(secret), .. } => Some(secret),
            Self::Oidc { secret: Secret::Existing, .. } | Self::Cognito { .. } => None,
        }
    }

    /// Takes the secret of the rule as it was, if the action says so.
    pub(super) fn with_existing(mut self, before: Option<&Self>) -> Result<Self, AwsError> {
        if let Self::Oidc { secret: secret @ Secret::Existing, .. } = &mut self {
            let existing = before.and_then(Self::client_secret).ok_or_else(|| {
                AwsError::sender(
                    "InvalidLoadBalancerAction",
                    "UseExistingClientSecret is true and the rule has no client secret",
                )
            })?;
            *secret = Secret::Given(existing.to_owned());
        }
        Ok(self)
    }
}
