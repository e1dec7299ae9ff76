//! Listener rules: what they say and which requests they take.

use std::net::IpAddr;

use hyper::HeaderMap;

use super::authenticate::Authenticate;
use super::redirect::Redirect;

/// One condition; any of its values will do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Host(Vec<String>),
    Path(Vec<String>),
    Header { name: String, values: Vec<String> },
    Method(Vec<String>),
    Query(Vec<(Option<String>, String)>),
    SourceIp(Vec<String>),
}

impl Condition {
    /// Name of the condition in the API.
    pub(crate) fn field(&self) -> &'static str {
        match self {
            Self::Host(_) => "host-header",
            Self::Path(_) => "path-pattern",
            Self::Header { .. } => "http-header",
            Self::Method(_) => "http-request-method",
            Self::Query(_) => "query-string",
            Self::SourceIp(_) => "source-ip",
        }
    }

    /// The values as texts, for limits.
    pub(crate) fn values(&self) -> Vec<&str> {
        match self {
            Self::Host(values)
            | Self::Path(values)
            | Self::Header { values, .. }
            | Self::Method(values)
            | Self::SourceIp(values) => values.iter().map(String::as_str).collect(),
            Self::Query(pairs) => pairs.iter().map(|(_, value)| value.as_str()).collect(),
        }
    }

    fn holds(&self, request: &Head<'_>) -> bool {
        match self {
            Self::Host(patterns) => {
                let host = request.host.split(':').next().unwrap_or_default();
                patterns.iter().any(|pattern| glob(pattern, host, Case::Any))
            }
            Self::Path(patterns) => {
                patterns.iter().any(|pattern| glob(pattern, request.path, Case::Exact))
            }
            Self::Header { name, values } => {
                request.headers.get_all(name.as_str()).iter().any(|header| {
                    header.to_str().is_ok_and(|text| {
                        values.iter().any(|pattern| glob(pattern, text, Case::Any))
                    })
                })
            }
            Self::Method(methods) => methods.iter().any(|method| method == request.method),
            Self::Query(wanted) => wanted.iter().any(|(key, value)| {
                query_pairs(request.query).any(|(found_key, found_value)| {
                    key.as_deref().is_none_or(|key| glob(key, found_key, Case::Any))
                        && glob(value, found_value, Case::Any)
                })
            }),
            Self::SourceIp(blocks) => blocks.iter().any(|block| in_block(block, request.peer)),
        }
    }
}

/// A target group in a forward action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WeightedGroup {
    pub(crate) arn: String,
    /// 0 to 999.
    pub(crate) weight: u32,
}

/// What a rule does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Forward {
        groups: Vec<WeightedGroup>,
        /// Seconds, if group stickiness is on.
        stickiness_secs: Option<u32>,
    },
    Fixed {
        status: u16,
        content_type: String,
        body: String,
    },
    Redirect(Redirect),
}

/// Everything a rule does: an action that signs people in, maybe, and the one that answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Actions {
    pub(crate) authenticate: Option<(Authenticate, u32)>,
    pub(crate) last: Action,
    /// `Order` of the last one, echoed.
    pub(crate) order: u32,
}

/// A listener rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) arn: String,
    /// `None` is the default rule.
    pub(crate) priority: Option<u32>,
    pub(crate) conditions: Vec<Condition>,
    pub(crate) actions: Actions,
}

impl Rule {
    pub(crate) fn takes(&self, request: &Head<'_>) -> bool {
        self.conditions.iter().all(|condition| condition.holds(request))
    }

    pub(crate) fn groups(&self) -> &[WeightedGroup] {
        match &self.actions.last {
            Action::Forward { groups, .. } => groups,
            Action::Fixed { .. } | Action::Redirect(_) => &[],
        }
    }

    /// Order in which rules are tried.
    pub(crate) fn rank(&self) -> u32 {
        self.priority.unwrap_or(u32::MAX)
    }
}

/// What conditions look at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head<'a> {
    pub(crate) method: &'a str,
    pub(crate) host: &'a str,
    /// As sent, percent-encoded.
    pub(crate) path: &'a str,
    /// As sent, without `?`; empty if there is none.
    pub(crate) query: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) peer: IpAddr,
}

/// Key and value of each pair of a query, as sent.
pub(crate) fn query_pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    Exact,
    Any,
}

/// `*` is any run of characters, `?` exactly one, `\` takes the next as it is.
fn glob(pattern: &str, text: &str, case: Case) -> bool {
    #[derive(PartialEq)]
    enum Piece {
        Run,
        One,
        Char(char),
    }
    let fold = |c: char| {
        if case == Case::Any { c.to_ascii_lowercase() } else { c }
    };
    let mut pieces = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        pieces.push(match c {
            '*' => Piece::Run,
            '?' => Piece::One,
            '\\' => Piece::Char(fold(chars.next().unwrap_or('\\'))),
            c => Piece::Char(fold(c)),
        });
    }
    let text: Vec<char> = text.chars().map(fold).collect();
    // On a mismatch, the latest `*` takes one character more.
    let (mut at, mut from) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while from < text.len() {
        match pieces.get(at) {
            Some(Piece::Run) => {
                retry = Some((at + 1, from));
                at += 1;
            }
            Some(Piece::One) => (at, from) = (at + 1, from + 1),
            Some(Piece::Char(c)) if *c == text[from] => (at, from) = (at + 1, from + 1),
            _ => {
                let Some((after_run, taken)) = retry else {
                    return false;
                };
                retry = Some((after_run, taken + 1));
                (at, from) = (after_run, taken + 1);
            }
        }
    }
    pieces[at..].iter().all(|piece| *piece == Piece::Run)
}

fn in_block(block: &str, address: IpAddr) -> bool {
    let Some((base, bits)) = parse_block(block) else {
        return false;
    };
    let shift = |width: u32| width.saturating_sub(bits);
    match (base, address) {
        (IpAddr::V4(base), IpAddr::V4(address)) => {
            let differ = base.to_bits() ^ address.to_bits();
            differ.checked_shr(shift(32)).unwrap_or(0) == 0
        }
        (IpAddr::V6(base), IpAddr::V6(address)) => {
            let differ = base.to_bits() ^ address.to_bits();
            differ.checked_shr(shift(128)).unwrap_or(0) == 0
        }
        _ => false,
    }
}

/// Address and prefix length of a CIDR block.
pub(crate) fn parse_block(block: &str) -> Option<(IpAddr, u32)> {
    let (base, bits) = block.split_once('/')?;
    let base: IpAddr = base.parse().ok()?;
    let bits: u32 = bits.parse().ok()?;
    let width = if base.is_ipv4() { 32 } else { 128 };
    (bits <= width).then_some((base, bits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::{HeaderName, HeaderValue};

    type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], bool);

    fn takes(condition: &Condition, target: &str, headers: &[(&str, &str)]) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let head = Head {
            method: "GET",
            host: "Api.Example.com:8080",
            path,
            query,
            headers: &map,
            peer: "127.0.0.1".parse().unwrap(),
        };
        condition.holds(&head)
    }

    #[test]
    fn paths_match_case_sensitively_without_the_query_and_stars_cross_slashes() {
        let table = [
            ("/v2/stamps/*/score/*", "/v2/stamps/3/score/0xAb", true),
            ("/v2/stamps/*/score/*", "/v2/stamps/a/b/score/x/y", true),
            ("/v2/stamps/*/score/*", "/v2/stamps/3/score/", true),
            ("/v2/stamps/*/score/*", "/V2/stamps/3/score/1", false),
            ("/v2/stamps/*/score/*", "/v2/stamps/3/scores/1", false),
            ("/score", "/score?x=1", true),
            ("/score", "/score/", false),
            ("/s?ore", "/score", true),
            ("/s?ore", "/sore", false),
            ("/*", "/", true),
            ("*.txt", "/a.txt.txt", true),
        ];
        for (pattern, target, expected) in table {
            let condition = Condition::Path(vec![pattern.to_owned()]);
            assert_eq!(takes(&condition, target, &[]), expected, "{pattern} on {target}");
        }
    }

    #[test]
    fn headers_match_in_any_case_and_any_occurrence() {
        let condition = |value: &str| Condition::Header {
            name: "X-Use-Rust-Scorer".into(),
            values: vec![value.into(), "yes".into()],
        };
        let table: [Row; 6] = [
            ("true", &[("x-use-rust-scorer", "TRUE")], true),
            ("true", &[("x-use-rust-scorer", "no"), ("x-use-rust-scorer", "true")], true),
            ("true", &[("x-use-rust-scorer", "truely")], false),
            ("tr*", &[("x-use-rust-scorer", "truely")], true),
            ("true", &[("x-use-rust-scorer", "Yes")], true),
            ("true", &[], false),
        ];
        for (value, headers, expected) in table {
            assert_eq!(takes(&condition(value), "/", headers), expected, "{value} {headers:?}");
        }
    }

    #[test]
    fn the_other_conditions_match_as_documented() {
        let host = |text: &str| Condition::Host(vec![text.into()]);
        let method = |text: &str| Condition::Method(vec![text.into()]);
        let query = |key: Option<&str>, value: &str| {
            Condition::Query(vec![(key.map(str::to_owned), value.to_owned())])
        };
        let ip = |text: &str| Condition::SourceIp(vec![text.into()]);
        let table = [
            (host("api.example.com"), true),
            (host("*.example.com"), true),
            (host("*.api.example.com"), false),
            (method("GET"), true),
            (method("get"), false),
            (query(Some("name"), "A%20b"), true),
            (query(Some("n?me"), "a*"), true),
            (query(None, "7"), true),
            (query(Some("community"), "8"), false),
            (query(Some("star"), r"\*"), true),
            (query(Some("name"), r"\*"), false),
            (ip("127.0.0.0/8"), true),
            (ip("127.0.0.1/32"), true),
            (ip("10.0.0.0/8"), false),
            (ip("0.0.0.0/0"), true),
            (ip("::1/128"), false),
        ];
        for (condition, expected) in table {
            let text = format!("{condition:?}");
            let target = "/?community=7&name=a%20b&star=*";
            assert_eq!(takes(&condition, target, &[]), expected, "{text}");
        }
    }
}
