//! An answer as a client gets it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// Status, headers and body of one HTTP answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Names in any case, in the order received; a name may come more than once.
    pub headers: Vec<(String, String)>,
    /// The body, decoded from its transfer encoding.
    pub body: Vec<u8>,
}

/// Why a function's result is no answer to its load balancer, which would send a 502.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAnAnswer {
    /// The payload is not a JSON object.
    #[error("the function's result is not a JSON object")]
    NoObject,
    /// `statusCode` is missing or no HTTP status.
    #[error("the function's result has no `statusCode` from 100 to 599")]
    NoStatus,
    /// A header value, or the body, is not text.
    #[error("`{0}` of the function's result is not text")]
    NotText(&'static str),
    /// `isBase64Encoded` is true and `body` is not base64.
    #[error("`body` of the function's result is not the base64 that it says it is")]
    NotBase64,
}

impl Answer {
    /// Reads what a function returns to an Application Load Balancer.
    ///
    /// # Errors
    /// [`NotAnAnswer`] if the load balancer could not use it.
    pub fn from_alb(payload: &[u8]) -> Result<Self, NotAnAnswer> {
        let payload: Value = serde_json::from_slice(payload).map_err(|_| NotAnAnswer::NoObject)?;
        let members = payload.as_object().ok_or(NotAnAnswer::NoObject)?;
        let status = members.get("statusCode").and_then(Value::as_u64);
        let status = status.and_then(|status| u16::try_from(status).ok());
        let status =
            status.filter(|status| (100..600).contains(status)).ok_or(NotAnAnswer::NoStatus)?;
        let mut headers = Vec::new();
        for (name, value) in members.get("headers").and_then(Value::as_object).into_iter().flatten()
        {
            let value = value.as_str().ok_or(NotAnAnswer::NotText("headers"))?;
            headers.push((name.clone(), value.to_owned()));
        }
        let lists = members.get("multiValueHeaders").and_then(Value::as_object);
        for (name, values) in lists.into_iter().flatten() {
            for value in values.as_array().into_iter().flatten() {
                let value = value.as_str().ok_or(NotAnAnswer::NotText("multiValueHeaders"))?;
                headers.push((name.clone(), value.to_owned()));
            }
        }
        let body = match members.get("body") {
            None | Some(Value::Null) => "",
            Some(body) => body.as_str().ok_or(NotAnAnswer::NotText("body"))?,
        };
        let encoded = members.get("isBase64Encoded").and_then(Value::as_bool) == Some(true);
        let body = if encoded {
            STANDARD.decode(body).map_err(|_| NotAnAnswer::NotBase64)?
        } else {
            body.as_bytes().to_vec()
        };
        Ok(Self { status, headers, body })
    }
}
