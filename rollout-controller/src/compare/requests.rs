//! What to send: files of paths, JSON lines, access logs.

use flate2::read::MultiGzDecoder;
use http::{HeaderName, HeaderValue, Uri};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read};

/// How the requests are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// One path with its query on each line.
    Paths,
    /// `{"path": "/…", "method": "GET", "headers": {"accept": "…"}}` on each line.
    Jsonl,
    /// Access log of an Application Load Balancer, possibly compressed with gzip. It has
    /// no headers, so keys come from the environment.
    AlbLog,
}

/// One GET request.
#[derive(Clone)]
pub struct Ask {
    /// Its line in the input, from 1.
    pub line: usize,
    /// Path and query, undecoded.
    pub target: Uri,
    /// Headers of its own.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

impl fmt::Debug for Ask {
    /// Only the line: paths hold addresses and headers hold keys.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Ask").field("line", &self.line).finish_non_exhaustive()
    }
}

/// Everything that was read.
#[derive(Debug, Default)]
pub struct Requests {
    /// In the order of the input, each target with the same headers once.
    pub asks: Vec<Ask>,
    /// Entries of an access log that are not compared: other methods, and no request.
    pub skipped: usize,
    /// Requests that occurred before.
    pub repeated: usize,
}

/// Input that makes no sense.
#[derive(Debug, thiserror::Error)]
pub enum BadInput {
    /// It cannot be read.
    #[error("reading the requests")]
    Read(#[source] io::Error),
    /// A line is no request that may be sent. Its text is not shown: it may hold a key.
    #[error("line {line} of the requests: {fix}")]
    Line {
        /// From 1.
        line: usize,
        /// What is wrong and what to write.
        fix: String,
    },
    /// More than one comparison takes.
    #[error("the requests hold more than {MOST} different ones; give a part of them")]
    TooMany,
    /// There is none.
    #[error("the requests hold no GET request; {skipped} other entries were left out")]
    None {
        /// Entries of an access log.
        skipped: usize,
    },
}

/// Longest target that a load balancer takes, in bytes.
const LONGEST: usize = 16 * 1024;
/// Longest line, in bytes: a target, with all that a log or headers of 64 KB put around it.
const LONGEST_LINE: usize = 128 * 1024;
/// Most requests of one comparison. Some hundred megabytes of memory.
const MOST: usize = 1_000_000;

/// Headers that belong to one connection, or that a load balancer sets itself; and those
/// after which an answer would be compressed or left out.
const NOT_SENT: [&str; 16] = [
    "accept-encoding",
    "connection",
    "content-length",
    "expect",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-unmodified-since",
    "keep-alive",
    "range",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "cookie",
];

fn is_sent(name: &HeaderName, force: &HeaderName) -> bool {
    let text = name.as_str();
    let balancers = text.starts_with("x-forwarded-") || text.starts_with("x-amzn-");
    !balancers && !NOT_SENT.contains(&text) && name != force
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonLine {
    path: String,
    method: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

/// Reads requests, line by line: a packed file of a megabyte may unpack to gigabytes. The
/// header `force`, which reaches Rust, is dropped where a request has it: a plain request
/// must reach Python.
///
/// # Errors
/// [`BadInput`] with the first line that cannot be used.
pub fn read(from: impl Read, format: Format, force: &HeaderName) -> Result<Requests, BadInput> {
    let mut lines = unpacked(from).map_err(BadInput::Read)?;
    let mut requests = Requests::default();
    let mut seen = std::collections::HashSet::new();
    let mut text = Vec::new();
    for line in 1.. {
        let bad = |fix: &str| BadInput::Line { line, fix: fix.to_owned() };
        text.clear();
        let limited = &mut lines.by_ref().take(LONGEST_LINE as u64 + 1);
        if limited.read_until(b'\n', &mut text).map_err(BadInput::Read)? == 0 {
            break;
        }
        if text.len() > LONGEST_LINE {
            return Err(bad("is longer than 128 KB, which no request is"));
        }
        let text = std::str::from_utf8(&text).map_err(|_| bad("is not UTF-8"))?.trim();
        if text.is_empty() || (format == Format::Paths && text.starts_with('#')) {
            continue;
        }
        let entry = match format {
            Format::Paths => Some((text.to_owned(), BTreeMap::new())),
            Format::Jsonl => {
                let entry: JsonLine = serde_json::from_str(text).map_err(|error| {
                    // The error's own text may repeat what is in the line.
                    let what = format!(
                        "is not {{\"path\": …, \"method\": …, \"headers\": {{…}}}} (column {})",
                        error.column()
                    );
                    bad(&what)
                })?;
                if entry.method.is_some_and(|method| !method.eq_ignore_ascii_case("GET")) {
                    return Err(bad("has another method than GET, which may change something"));
                }
                Some((entry.path, entry.headers))
            }
            Format::AlbLog => logged(text).map(|target| (target, BTreeMap::new())),
        };
        let Some((target, headers)) = entry else {
            requests.skipped += 1;
            continue;
        };
        let target = checked(&target).map_err(bad)?;
        let mut kept = Vec::new();
        for (name, value) in headers {
            let name: HeaderName =
                name.parse().map_err(|_| bad("has a header name that HTTP does not allow"))?;
            let mut value: HeaderValue =
                value.parse().map_err(|_| bad("has a header value that HTTP does not allow"))?;
            value.set_sensitive(true);
            if is_sent(&name, force) {
                kept.push((name, value));
            }
        }
        if seen.insert((target.clone(), kept.clone())) {
            if requests.asks.len() == MOST {
                return Err(BadInput::TooMany);
            }
            requests.asks.push(Ask { line, target, headers: kept });
        } else {
            requests.repeated += 1;
        }
    }
    if requests.asks.is_empty() {
        return Err(BadInput::None { skipped: requests.skipped });
    }
    Ok(requests)
}

/// The text of what may be packed with gzip.
fn unpacked<'a>(mut from: impl Read + 'a) -> io::Result<Box<dyn BufRead + 'a>> {
    let mut start = Vec::new();
    from.by_ref().take(2).read_to_end(&mut start)?;
    let packed = start == [0x1f, 0x8b];
    let whole = BufReader::new(io::Cursor::new(start).chain(from));
    Ok(if packed { Box::new(BufReader::new(MultiGzDecoder::new(whole))) } else { Box::new(whole) })
}

/// Requests for paths that the service has noted. One that no client can send again is
/// left out: a load balancer takes more than HTTP's grammar.
///
/// # Errors
/// [`BadInput::None`] if none is left.
pub fn noted(paths: &[String]) -> Result<Requests, BadInput> {
    let mut requests = Requests::default();
    for (line, path) in (1..).zip(paths) {
        match checked(path) {
            Ok(target) => requests.asks.push(Ask { line, target, headers: Vec::new() }),
            Err(_) => requests.skipped += 1,
        }
    }
    if requests.asks.is_empty() {
        return Err(BadInput::None { skipped: requests.skipped });
    }
    Ok(requests)
}

fn checked(target: &str) -> Result<Uri, &'static str> {
    if !target.starts_with('/') || target.starts_with("//") {
        return Err("is not a path; begin it with one /, and give the host with --url");
    }
    if target.len() > LONGEST {
        return Err("is longer than the 16 KB that a load balancer takes");
    }
    target.parse().map_err(|_| "is not a path that HTTP allows")
}

/// Path and query of a GET request in an access log.
///
/// The thirteenth field is `"GET https://host:443/path?query HTTP/1.1"`; a request that
/// was not understood has `- http://host:80- -` there.
fn logged(line: &str) -> Option<String> {
    let mut fields = csv::ReaderBuilder::new()
        .delimiter(b' ')
        .has_headers(false)
        .flexible(true)
        .double_quote(false)
        .escape(Some(b'\\'))
        .from_reader(line.as_bytes());
    let record = fields.records().next()?.ok()?;
    let mut words = record.get(12)?.split(' ');
    let (method, address) = (words.next()?, words.next()?);
    let (_, rest) = address.split_once("://")?;
    let at = rest.find('/')?;
    (method == "GET").then(|| rest[at..].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    const FORCE: HeaderName = HeaderName::from_static("x-use-rust-scorer");

    fn targets(text: &[u8], format: Format) -> Vec<(usize, String)> {
        let requests = read(text, format, &FORCE).unwrap();
        requests.asks.iter().map(|ask| (ask.line, ask.target.to_string())).collect()
    }

    fn refused(text: &str, format: Format) -> String {
        read(text.as_bytes(), format, &FORCE).unwrap_err().to_string()
    }

    #[test]
    fn paths_are_lines_and_each_is_sent_once() {
        let found = targets(b"# mine\n/a?b=c%20d\r\n\n/e\n/a?b=c%20d\n", Format::Paths);
        assert_eq!(found, [(2, "/a?b=c%20d".to_owned()), (4, "/e".to_owned())]);
        for (text, words) in [
            ("https://elsewhere.test/x", "begin it with one /"),
            ("//elsewhere.test/x", "begin it with one /"),
            ("/a b", "HTTP allows"),
            ("# nothing", "no GET request"),
        ] {
            assert!(refused(text, Format::Paths).contains(words), "{text}");
        }
    }

    #[test]
    fn a_json_line_never_forces_rust_and_never_shows_a_key() {
        let line = br#"{"path":"/a","headers":{"X-Use-Rust-Scorer":"true","Host":"x","X-API-Key":"k.secret"}}"#;
        let requests = read(line.as_slice(), Format::Jsonl, &FORCE).unwrap();
        let names: Vec<&str> =
            requests.asks[0].headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["x-api-key"]);
        assert!(!format!("{requests:?} {:?}", requests.asks[0].headers).contains("secret"));
        let post = r#"{"path":"/a","method":"POST"}"#;
        assert!(refused(post, Format::Jsonl).contains("another method than GET"));
        let unknown = r#"{"path":"/a","key":"k.secret"}"#;
        assert!(!refused(unknown, Format::Jsonl).contains("secret"));
        let broken = "{\"path\":\"/a\",\"headers\":{\"x-api-key\":\"k.secret\\n\"}}";
        assert!(!refused(broken, Format::Jsonl).contains("secret"));
    }

    #[test]
    fn a_noted_path_that_cannot_be_sent_again_is_left_out() {
        let paths = ["/v2/stamps/1/score/0xab", "/v2/stamps/ 1/score/0xab", "no/path"];
        let requests = noted(&paths.map(str::to_owned)).unwrap();
        assert_eq!((requests.asks.len(), requests.skipped), (1, 2));
        assert!(matches!(noted(&[]), Err(BadInput::None { skipped: 0 })));
    }

    #[test]
    fn an_access_log_gives_its_get_requests_compressed_or_not() {
        let entry = |request: &str| {
            format!(
                "https 2026-11-28T10:00:00.1Z app/lb/1 192.0.2.1:2817 10.0.0.1:80 0.0 0.1 0.0 200 200 34 \
                 366 \"{request}\" \"curl/7.46.0 \\\"x\\\"\" ECDHE TLSv1.2 arn:tg \"Root=1\" \"host\" \
                 \"arn:cert\" 100 2026-11-28T10:00:00.0Z \"forward\" \"-\" \"-\" \"-\" \"200\" \"-\" \"-\"\n"
            )
        };
        let log = [
            entry("GET https://api.example.test:443/v2/stamps/1/score/0xab?x=1 HTTP/1.1"),
            entry("POST https://api.example.test:443/v2/stamps/1/score/0xab HTTP/1.1"),
            entry("- http://api.example.test:80- -"),
            "not a log line\n".to_owned(),
        ]
        .concat();
        let wanted = [(1, "/v2/stamps/1/score/0xab?x=1".to_owned())];
        assert_eq!(targets(log.as_bytes(), Format::AlbLog), wanted);
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(log.as_bytes()).unwrap();
        assert_eq!(targets(&packed.finish().unwrap(), Format::AlbLog), wanted);
        assert_eq!(read(log.as_bytes(), Format::AlbLog, &FORCE).unwrap().skipped, 3);
    }
}
