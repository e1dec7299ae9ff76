//! The failure table (aws-facts A.6) and the load balancer's own pages.

use hyper::header::{HeaderValue, SERVER};
use hyper::{Request, StatusCode};

use crate::serve::{Answer, answer};

const MAX_LINE_BYTES: usize = 16 * 1024;
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// The row of the failure table that applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TargetError {
    pub(super) reason: &'static str,
    pub(super) status: u16,
    /// `LambdaUserError` or `LambdaInternalError`.
    pub(super) metric: &'static str,
    /// Whether the request counts in `RequestCount` of the group.
    pub(super) counts: bool,
}

const fn user_error(reason: &'static str, status: u16, counts: bool) -> TargetError {
    TargetError { reason, status, metric: "LambdaUserError", counts }
}

pub(super) const UNHANDLED: TargetError = user_error("LambdaUnhandled", 502, true);
pub(super) const THROTTLING: TargetError = user_error("LambdaThrottling", 502, true);
pub(super) const INVALID_RESPONSE: TargetError = user_error("LambdaInvalidResponse", 502, true);
pub(super) const RESPONSE_TOO_LARGE: TargetError = user_error("LambdaResponseTooLarge", 502, true);
pub(super) const NOT_FOUND: TargetError = user_error("LambdaResourceNotFound", 502, true);
pub(super) const BAD_REQUEST: TargetError = user_error("LambdaBadRequest", 400, true);
pub(super) const REQUEST_TOO_LARGE: TargetError = user_error("LambdaRequestTooLarge", 413, false);
pub(super) const SERVICE: TargetError = TargetError {
    reason: "LambdaServiceException",
    status: 502,
    metric: "LambdaInternalError",
    counts: true,
};

/// A page of the load balancer itself.
pub(super) fn own_answer(status: StatusCode) -> Answer {
    let text = format!(
        "<html>\r\n<head><title>{status}</title></head>\r\n<body>\r\n<center><h1>{status}</h1>\
         </center>\r\n</body>\r\n</html>\r\n"
    );
    signed(answer(status, "text/html", text))
}

pub(super) fn signed(mut answer: Answer) -> Answer {
    answer.headers_mut().insert(SERVER, HeaderValue::from_static("awselb/2.0"));
    answer
}

/// Heads that the load balancer refuses before any rule.
pub(super) fn refuse_head<B>(request: &Request<B>) -> Option<StatusCode> {
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if request.method().as_str().len() + target + " HTTP/1.1 ".len() > MAX_LINE_BYTES {
        return Some(StatusCode::URI_TOO_LONG);
    }
    let mut size = 0;
    for (name, value) in request.headers() {
        let line = name.as_str().len() + value.len() + 4;
        if line > MAX_LINE_BYTES {
            return Some(StatusCode::BAD_REQUEST);
        }
        size += line;
    }
    let upgrade = request.headers().contains_key("upgrade");
    (size > MAX_HEAD_BYTES || upgrade).then_some(StatusCode::BAD_REQUEST)
}
