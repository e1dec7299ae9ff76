//! Redirect actions: parts of the address with placeholders for the request's own.

use hyper::StatusCode;
use hyper::header::{HeaderValue, LOCATION};

use super::failure::own_answer;
use super::rule::Head;
use crate::serve::Answer;

/// Where a redirect leads. Each part may hold `#{protocol}`, `#{host}`,
/// `#{port}`, `#{path}` (without the slash in front) and `#{query}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Redirect {
    /// `HTTP`, `HTTPS` or the placeholder.
    pub(crate) protocol: String,
    pub(crate) host: String,
    pub(crate) port: String,
    /// With the slash in front.
    pub(crate) path: String,
    /// Without the question mark.
    pub(crate) query: String,
    /// 301 rather than 302.
    pub(crate) permanent: bool,
}

impl Redirect {
    /// The address for one request that came in on `port`.
    fn location(&self, request: &Head<'_>, port: u16) -> String {
        let host = request.host.split(':').next().unwrap_or_default();
        let fill = |part: &str| {
            part.replace("#{protocol}", "http")
                .replace("#{host}", host)
                .replace("#{port}", &port.to_string())
                .replace("#{path}", request.path.trim_start_matches('/'))
                .replace("#{query}", request.query)
        };
        let mut location = format!(
            "{}://{}:{}{}",
            fill(&self.protocol).to_ascii_lowercase(),
            fill(&self.host),
            fill(&self.port),
            fill(&self.path)
        );
        let query = fill(&self.query);
        if !query.is_empty() {
            location.push('?');
            location.push_str(&query);
        }
        location
    }

    pub(super) fn answer(&self, request: &Head<'_>, port: u16) -> Answer {
        let status = if self.permanent { StatusCode::MOVED_PERMANENTLY } else { StatusCode::FOUND };
        let mut answer = own_answer(status);
        // A part with a control character cannot be a header; then there is no address.
        if let Ok(value) = HeaderValue::from_str(&self.location(request, port)) {
            answer.headers_mut().insert(LOCATION, value);
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::HeaderMap;

    #[test]
    fn parts_are_kept_or_replaced() {
        let headers = HeaderMap::new();
        let request = Head {
            method: "GET",
            host: "api.example.com:81",
            path: "/a/b",
            query: "q=1",
            headers: &headers,
            peer: "127.0.0.1".parse().unwrap(),
        };
        let mut redirect = Redirect {
            protocol: "#{protocol}".into(),
            host: "#{host}".into(),
            port: "#{port}".into(),
            path: "/#{path}".into(),
            query: "#{query}".into(),
            permanent: false,
        };
        assert_eq!(redirect.location(&request, 81), "http://api.example.com:81/a/b?q=1");
        redirect.protocol = "HTTPS".into();
        redirect.host = "new.example.com".into();
        redirect.port = "443".into();
        redirect.path = "/old/#{path}".into();
        redirect.query = String::new();
        assert_eq!(redirect.location(&request, 81), "https://new.example.com:443/old/a/b");
    }
}
