//! Errors as text for logs, pages and answers.

use std::error::Error;
use std::fmt::Write as _;

/// An error and its causes, `a: b: c`, leaving out what the text before already says.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let words = cause.to_string();
        if !text.contains(&words) {
            let _ = write!(text, ": {words}");
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer: inner")]
    struct Outer(#[source] Inner);
    #[derive(Debug, thiserror::Error)]
    #[error("inner")]
    struct Inner(#[source] std::io::Error);

    #[test]
    fn a_chain_says_each_thing_once() {
        let error = Outer(Inner(std::io::Error::other("refused")));
        assert_eq!(chain(&error), "outer: inner: refused");
    }
}
