//! How an AWS SDK client connects, and one shape for its failures.

use std::error::Error;
use std::fmt::Write as _;

use aws_sdk_secretsmanager::config::{Credentials, Region, SharedHttpClient};
use aws_sdk_secretsmanager::error::{ConnectorError, ProvideErrorMetadata, SdkError};
use aws_sdk_secretsmanager::operation::RequestId;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};

use crate::errors::chain;

/// HTTP/1 with rustls on ring; an endpoint of the form `http://` is spoken to in
/// the clear. Trusted roots are the machine's.
pub fn http_client() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .build_https()
}

/// Whom a client speaks for and where, by the variables that Lambda sets. The default
/// provider chain would bring several more SDKs into a binary to find the same values.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// `AWS_REGION`.
    pub region: Region,
    /// Keys of the function's role; they do not print.
    pub credentials: Credentials,
    /// Another address of the service; a stand-in's.
    pub endpoint: Option<String>,
}

impl Surroundings {
    /// For one service, named as in `AWS_ENDPOINT_URL_…`: `LAMBDA`, `SECRETS_MANAGER`.
    ///
    /// # Errors
    /// Which variable is not set.
    pub fn read(service: &str) -> Result<Self, String> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let needed =
            |name: &str| variable(name).ok_or_else(|| format!("{name} is not set; Lambda sets it"));
        let credentials = Credentials::new(
            needed("AWS_ACCESS_KEY_ID")?,
            needed("AWS_SECRET_ACCESS_KEY")?,
            variable("AWS_SESSION_TOKEN"),
            None,
            "environment",
        );
        let endpoint = variable(&format!("AWS_ENDPOINT_URL_{service}"))
            .or_else(|| variable("AWS_ENDPOINT_URL"));
        Ok(Self { region: Region::new(needed("AWS_REGION")?), credentials, endpoint })
    }
}

/// A failed call, flattened into one sentence that holds the whole chain.
///
/// The SDK's own errors print as `service error` and hide the rest in sources and
/// metadata; some of those print their source again. Here each fact stands once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallError {
    operation: &'static str,
    code: Option<String>,
    what: String,
    kind: Kind,
}

/// Who could do something about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Time: throttled, not reached, not answered, trouble inside AWS.
    Passing,
    /// Whoever asked: AWS refuses it.
    Refused,
    /// Whoever set this machine up: nothing was sent for want of credentials or a region.
    NotSetUp,
}

impl CallError {
    /// From what the SDK says about `operation`.
    pub fn new<E, R>(operation: &'static str, error: &SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
        R: std::fmt::Debug,
    {
        let code = error.code().map(str::to_owned);
        let kind = kind(error, code.as_deref());
        let what = match error {
            SdkError::ServiceError(service) => {
                let error = service.err();
                let mut text = code.clone().unwrap_or_else(|| "an unnamed error".to_owned());
                if let Some(message) = error.message() {
                    let _ = write!(text, ": {message}");
                } else if code.is_none() {
                    let _ = write!(text, ": {}", chain(error));
                }
                if let Some(id) = error.meta().request_id() {
                    let _ = write!(text, " (request {id})");
                }
                text
            }
            SdkError::TimeoutError(_) => format!("no answer in time ({})", source_chain(error)),
            SdkError::DispatchFailure(_) if kind == Kind::NotSetUp => {
                format!("nothing was sent ({})", source_chain(error))
            }
            SdkError::DispatchFailure(_) => format!("no answer ({})", source_chain(error)),
            SdkError::ResponseError(_) => {
                format!("the answer cannot be read ({})", source_chain(error))
            }
            SdkError::ConstructionFailure(_) => {
                format!("the request cannot be made ({})", source_chain(error))
            }
            other => chain(other),
        };
        // Some causes are lists over several lines; a log line is one.
        let what = what.split_whitespace().collect::<Vec<_>>().join(" ");
        Self { operation, code, what, kind }
    }

    /// Our own finding about an answer.
    pub fn finding(operation: &'static str, what: impl Into<String>) -> Self {
        Self { operation, code: None, what: what.into(), kind: Kind::Refused }
    }

    /// AWS's name of the error, such as `RuleNotFound`.
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// Whether the same request may succeed later: throttled, not reached, not
    /// answered, or failed inside AWS. False for what AWS refuses.
    pub fn is_passing(&self) -> bool {
        self.kind == Kind::Passing
    }

    /// Whether nothing was sent, for want of credentials or a region.
    pub fn is_not_set_up(&self) -> bool {
        self.kind == Kind::NotSetUp
    }
}

impl std::fmt::Display for CallError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.operation, self.what)
    }
}

impl Error for CallError {}

fn kind<E, R>(error: &SdkError<E, R>, code: Option<&str>) -> Kind {
    match error {
        SdkError::ServiceError(_) if code.is_none_or(is_passing) => Kind::Passing,
        SdkError::ServiceError(_) | SdkError::ConstructionFailure(_) => Kind::Refused,
        // The SDK files what fails before the connection as `other` without a kind.
        SdkError::DispatchFailure(failure) => {
            let before = |error: &ConnectorError| error.is_other() && error.as_other().is_none();
            if failure.as_connector_error().is_some_and(before) {
                Kind::NotSetUp
            } else {
                Kind::Passing
            }
        }
        _ => Kind::Passing,
    }
}

/// Codes of throttling and of trouble inside AWS.
fn is_passing(code: &str) -> bool {
    const PASSING: [&str; 9] = [
        "Throttl",
        "TooManyRequests",
        "RequestLimitExceeded",
        "SlowDown",
        "ServiceUnavailable",
        "ServiceException",
        "InternalFailure",
        "InternalError",
        "InternalServ",
    ];
    PASSING.iter().any(|passing| code.contains(passing))
}

fn source_chain(error: &dyn Error) -> String {
    error.source().map_or_else(|| error.to_string(), chain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn throttling_and_trouble_inside_aws_pass_and_refusals_do_not() {
        for code in ["Throttling", "ThrottlingException", "InternalFailure", "ServiceUnavailable"] {
            assert!(is_passing(code), "{code}");
        }
        for code in ["AccessDenied", "RuleNotFound", "ValidationError"] {
            assert!(!is_passing(code), "{code}");
        }
    }
}
