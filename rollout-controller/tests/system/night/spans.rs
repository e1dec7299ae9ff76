//! An OTLP receiver of spans: just enough protobuf to say what took how long.

use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// One finished span.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) name: String,
    pub(crate) id: Vec<u8>,
    pub(crate) parent: Vec<u8>,
    pub(crate) start_ns: u64,
    pub(crate) end_ns: u64,
}

impl Span {
    pub(crate) fn ms(&self) -> f64 {
        Duration::from_nanos(self.end_ns.saturating_sub(self.start_ns)).as_secs_f64() * 1000.0
    }
}

/// Collects what is sent to `POST /v1/traces`.
#[derive(Clone, Default)]
pub(crate) struct Collector(Arc<Mutex<Vec<Span>>>);

impl Collector {
    /// Starts one; its address for `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub(crate) async fn start() -> (Self, String) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let collector = Self::default();
        let all = collector.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(all.clone().serve(stream));
            }
        });
        (collector, url)
    }

    /// All spans so far, in the order of their beginning.
    pub(crate) fn spans(&self) -> Vec<Span> {
        let mut spans = self.0.lock().expect("spans").clone();
        spans.sort_by_key(|span| span.start_ns);
        spans
    }

    pub(crate) fn forget(&self) {
        self.0.lock().expect("spans").clear();
    }

    /// Requests on one connection, each with a content length.
    async fn serve(self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut bytes = Vec::new();
        loop {
            let head = loop {
                if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                    break at + 4;
                }
                if stream.read_buf(&mut bytes).await? == 0 {
                    return Ok(());
                }
            };
            let text = String::from_utf8_lossy(&bytes[..head]).to_lowercase();
            let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
            let length: usize = length.and_then(|text| text.trim().parse().ok()).unwrap_or(0);
            while bytes.len() < head + length {
                if stream.read_buf(&mut bytes).await? == 0 {
                    return Ok(());
                }
            }
            let spans = request(&bytes[head..head + length]);
            self.0.lock().expect("spans").extend(spans);
            bytes.drain(..head + length);
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await?;
        }
    }
}

/// A field of a protobuf message.
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// Number and value of each field, up to the first that makes no sense.
fn fields(mut bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
    let mut all = Vec::new();
    let mut next = || {
        let key = varint(&mut bytes)?;
        let take = match key & 7 {
            0 => return Some((key >> 3, Field::Number(varint(&mut bytes)?))),
            1 => 8,
            2 => usize::try_from(varint(&mut bytes)?).ok()?,
            5 => 4,
            _ => return None,
        };
        let (value, rest) = bytes.split_at_checked(take)?;
        bytes = rest;
        let field = match <[u8; 8]>::try_from(value) {
            Ok(fixed) if key & 7 == 1 => Field::Number(u64::from_le_bytes(fixed)),
            _ => Field::Bytes(value),
        };
        Some((key >> 3, field))
    };
    while let Some(field) = next() {
        all.push(field);
    }
    all
}

fn below(bytes: &[u8], number: u64) -> Vec<&[u8]> {
    let inner = fields(bytes).into_iter().filter_map(|(found, field)| match field {
        Field::Bytes(bytes) if found == number => Some(bytes),
        _ => None,
    });
    inner.collect()
}

/// `ExportTraceServiceRequest`: resource spans 1, scope spans 2, spans 2.
fn request(bytes: &[u8]) -> Vec<Span> {
    let scopes = below(bytes, 1).into_iter().flat_map(|resource| below(resource, 2));
    scopes.flat_map(|scope| below(scope, 2)).map(span).collect()
}

/// `Span`: id 2, parent 4, name 5, start 7, end 8.
fn span(bytes: &[u8]) -> Span {
    let mut span =
        Span { name: String::new(), id: Vec::new(), parent: Vec::new(), start_ns: 0, end_ns: 0 };
    for (number, field) in fields(bytes) {
        match (number, field) {
            (2, Field::Bytes(id)) => span.id = id.to_vec(),
            (4, Field::Bytes(id)) => span.parent = id.to_vec(),
            (5, Field::Bytes(name)) => span.name = String::from_utf8_lossy(name).into_owned(),
            (7, Field::Number(at)) => span.start_ns = at,
            (8, Field::Number(at)) => span.end_ns = at,
            _ => {}
        }
    }
    span
}
