//! Answers: what both entry points turn into their own form.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

const HEADERS: [(&str, &str); 4] = [
    ("Content-Type", "application/json"),
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Allow-Methods", "*"),
    (
        "Access-Control-Allow-Headers",
        "Accept,Accept-Encoding,Authorization,Content-Type,Dnt,Origin,User-Agent,X-Csrftoken,X-Requested-With,X-Api-Key",
    ),
];

/// A complete answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// `200 OK`, or the text of the exception on the Python side.
    pub description: String,
    /// JSON text.
    pub body: String,
}

impl Answer {
    /// 200 with a JSON body.
    pub fn ok(body: String) -> Self {
        Self { status: 200, description: "200 OK".to_owned(), body }
    }

    /// An error; `shown` is the body's text, `description` goes into `statusDescription`.
    pub fn error(status: u16, shown: &str, description: impl Into<String>) -> Self {
        let body = format!("{{\"error\": {}}}", Value::from(shown));
        Self { status, description: description.into(), body }
    }

    /// An error whose body repeats the exception's text.
    pub fn plain_error(status: u16, shown: &str) -> Self {
        Self::error(status, shown, shown)
    }

    /// 500 that keeps its cause out of the body.
    pub fn internal(description: impl Into<String>) -> Self {
        Self::error(500, "An error has occurred", description)
    }

    /// The form that a Lambda returns to an ALB.
    ///
    /// `headers` is never null, nor is the body: either is a 502 at the ALB.
    pub fn to_alb(&self) -> Value {
        let headers: serde_json::Map<String, Value> =
            HEADERS.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value))).collect();
        let mut answer = json!({
            "statusCode": self.status,
            "statusDescription": self.description,
            "isBase64Encoded": false,
            "headers": headers,
            "body": self.body,
        });
        if self.status >= 400 {
            answer["statusCategory"] = Value::from(if self.status < 500 { "4XX" } else { "5XX" });
        }
        answer
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut builder = Response::builder().status(self.status);
        for (name, value) in HEADERS {
            builder = builder.header(name, value);
        }
        builder.body(Body::from(self.body)).unwrap_or_else(|_| {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
            response
        })
    }
}
