//! One error form for all services; each wire format writes it its own way.

/// An error that an AWS call answers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct AwsError {
    /// HTTP status.
    pub status: u16,
    /// Code without the `Exception` suffix, unless AWS has it in the code.
    pub code: String,
    /// Text for people.
    pub message: String,
}

impl AwsError {
    /// A request that is at fault (HTTP 400).
    pub fn sender(code: &str, message: impl Into<String>) -> Self {
        Self { status: 400, code: code.to_owned(), message: message.into() }
    }

    /// `ValidationError`.
    pub fn validation(message: impl Into<String>) -> Self {
        Self::sender("ValidationError", message)
    }

    /// An operation that exists at AWS but not here.
    pub fn unsupported(operation: &str) -> Self {
        Self {
            status: 501,
            code: "NotImplemented".to_owned(),
            message: format!("local-cloud has no {operation}: it offers what the product calls"),
        }
    }
}
