//! How the operators' CLI reaches the controller, and who is calling.

use std::time::Duration;

use aws_sdk_lambda::config::Builder as ConfigBuilder;
use aws_sdk_lambda::config::retry::RetryConfig;
use aws_sdk_lambda::config::timeout::TimeoutConfig;
use aws_sdk_lambda::primitives::Blob;
use serde::Deserialize;
use serde_json::Value;

use super::aws::{Aws, CallError};
use crate::ports::BoxError;

/// Longest wait for an answer. A command moves weights and reads them back within
/// its function's timeout, which is shorter.
const ANSWER: Duration = Duration::from_mins(1);
/// A command with its revision is one command however often it arrives, so an
/// unanswered call may be repeated.
const ATTEMPTS: u32 = 2;

/// Why a function gave no answer. Each says what to try next.
#[derive(Debug, thiserror::Error)]
pub enum InvokeError {
    /// The function ran and failed.
    #[error(
        "function `{function}` failed with {kind}: {message}; \
         its log has the whole chain, and `rolloutctl check` looks at what it needs"
    )]
    Function {
        /// Which function.
        function: String,
        /// `errorType`: the controller's stable name of the error, or the runtime's.
        kind: String,
        /// `errorMessage`.
        message: String,
    },
    /// The function ran, and its answer is not JSON.
    #[error(
        "function `{function}` did not answer with JSON; \
         check that this is the name of the rollout controller"
    )]
    Answer {
        /// Which function.
        function: String,
        /// Where the reader stopped.
        #[source]
        source: BoxError,
    },
    /// Too many calls at once.
    #[error(
        "function `{function}` is throttled; try again in a moment, and if it stays so, \
         look at its reserved concurrency"
    )]
    Throttled {
        /// Which function.
        function: String,
        /// The SDK's error.
        #[source]
        source: CallError,
    },
    /// No such function.
    #[error(
        "function `{function}` does not exist in region {region}; \
         check the name, AWS_REGION and AWS_PROFILE"
    )]
    NotFound {
        /// Which function.
        function: String,
        /// Where we looked.
        region: String,
        /// The SDK's error.
        #[source]
        source: CallError,
    },
    /// Not allowed, or not signed in.
    #[error(
        "not allowed to call function `{function}`; sign in again, or ask for \
         lambda:InvokeFunction on it"
    )]
    NotAllowed {
        /// Which function.
        function: String,
        /// The SDK's error.
        #[source]
        source: CallError,
    },
    /// Nothing was sent.
    #[error(
        "nothing was sent to function `{function}`: no AWS credentials or region; sign in \
         (`aws sso login`), or set AWS_PROFILE and AWS_REGION"
    )]
    NotSetUp {
        /// Which function.
        function: String,
        /// The SDK's error.
        #[source]
        source: CallError,
    },
    /// No answer. Whether the function ran is unknown.
    #[error(
        "function `{function}` cannot be reached; `rolloutctl status` tells whether the \
         command took effect, and `rolloutctl rollback --direct` needs no controller"
    )]
    Unreachable {
        /// Which function.
        function: String,
        /// The SDK's error.
        #[source]
        source: CallError,
    },
    /// AWS refused or could not do it for another reason.
    #[error("calling function `{function}`")]
    Other {
        /// Which function.
        function: String,
        /// The SDK's error.
        #[source]
        source: CallError,
    },
}

/// A function by name, partial ARN or ARN, with its alias if one is to be used.
#[derive(Clone, Debug)]
pub struct Function {
    aws: Aws,
    name: String,
}

/// What the runtime says of a failed invocation.
#[derive(Deserialize)]
struct Failure {
    #[serde(rename = "errorType", default)]
    kind: Option<String>,
    #[serde(rename = "errorMessage", default)]
    message: Option<String>,
}

impl Function {
    /// Nothing is called yet.
    pub fn new(aws: Aws, name: impl Into<String>) -> Self {
        Self { aws, name: name.into() }
    }

    /// Calls the function and waits for its answer.
    ///
    /// # Errors
    /// [`InvokeError`], which says what to try next.
    pub async fn invoke(&self, payload: &Value) -> Result<Value, InvokeError> {
        let patient = ConfigBuilder::new()
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .timeout_config(
                TimeoutConfig::builder()
                    .operation_attempt_timeout(ANSWER)
                    .operation_timeout(2 * ANSWER)
                    .build(),
            );
        let asked = self
            .aws
            .lambda()
            .await
            .invoke()
            .function_name(&self.name)
            .payload(Blob::new(payload.to_string()))
            .customize()
            .config_override(patient)
            .send()
            .await;
        let answer = match asked {
            Ok(answer) => answer,
            Err(error) => return Err(self.refused(CallError::new("Invoke", &error)).await),
        };
        let body = answer.payload().map(AsRef::as_ref).unwrap_or_default();
        let function = self.name.clone();
        if let Some(kind) = answer.function_error() {
            let told = serde_json::from_slice::<Failure>(body).ok();
            let (told_kind, message) =
                told.map_or((None, None), |failure| (failure.kind, failure.message));
            return Err(InvokeError::Function {
                function,
                kind: told_kind.unwrap_or_else(|| kind.to_owned()),
                message: message.unwrap_or_else(|| String::from_utf8_lossy(body).into_owned()),
            });
        }
        serde_json::from_slice(body)
            .map_err(|error| InvokeError::Answer { function, source: error.into() })
    }

    async fn refused(&self, source: CallError) -> InvokeError {
        let function = self.name.clone();
        match source.code() {
            Some("TooManyRequestsException" | "ThrottlingException" | "Throttling") => {
                InvokeError::Throttled { function, source }
            }
            Some("ResourceNotFoundException") => {
                let region = self.aws.config().await.region();
                let region = region.map_or("(none set)", AsRef::as_ref).to_owned();
                InvokeError::NotFound { function, region, source }
            }
            Some(
                "AccessDeniedException"
                | "AccessDenied"
                | "UnrecognizedClientException"
                | "InvalidClientTokenId"
                | "InvalidSignatureException"
                | "ExpiredTokenException"
                | "ExpiredToken"
                | "MissingAuthenticationTokenException",
            ) => InvokeError::NotAllowed { function, source },
            None if source.is_not_set_up() => InvokeError::NotSetUp { function, source },
            None if source.is_passing() => InvokeError::Unreachable { function, source },
            _ => InvokeError::Other { function, source },
        }
    }
}

/// Who is calling, for the journal: the caller's ARN, or why AWS does not say.
/// Never fails, since a command must not depend on it.
pub async fn who(aws: &Aws) -> String {
    match aws.sts().await.get_caller_identity().send().await {
        Ok(answer) => answer.arn().unwrap_or("a caller without an ARN").to_owned(),
        Err(error) => {
            format!("unknown caller ({})", CallError::new("GetCallerIdentity", &error))
        }
    }
}
