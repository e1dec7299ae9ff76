//! Keep-alive connections to one address.

use std::net::SocketAddr;
use std::sync::Mutex;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{HOST, HeaderMap, HeaderValue};
use hyper::{Request, Response, body::Incoming};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use super::{Ask, End, TRACE_HEADER, locked};

type Connection = SendRequest<Empty<Bytes>>;

/// At most so many connections at once; idle ones are used again, newest first.
pub(super) struct Pool {
    address: SocketAddr,
    host: HeaderValue,
    permits: Semaphore,
    idle: Mutex<Vec<Connection>>,
}

impl Pool {
    pub(super) fn new(address: SocketAddr, max_connections: usize) -> Self {
        Self {
            address,
            host: HeaderValue::from_str(&address.to_string()).expect("an address is plain ASCII"),
            permits: Semaphore::new(max_connections),
            idle: Mutex::default(),
        }
    }

    /// Sends one request and reads its whole answer.
    pub(super) async fn send(&self, ask: &Ask, trace_id: &str) -> (End, HeaderMap) {
        let _permit = self.permits.acquire().await.expect("the semaphore is never closed");
        let mut request = self.request(ask, trace_id);
        loop {
            let idle = locked(&self.idle).pop();
            let (mut connection, fresh) = match idle {
                Some(connection) if connection.is_closed() => continue,
                Some(connection) => (connection, false),
                None => match self.connect().await {
                    Some(connection) => (connection, true),
                    None => return (End::NotConnected, HeaderMap::new()),
                },
            };
            if connection.ready().await.is_err() {
                if fresh {
                    return (End::Broken, HeaderMap::new());
                }
                continue;
            }
            match connection.try_send_request(request).await {
                Ok(response) => return self.read(connection, response).await,
                // The server had closed an idle connection: nothing was sent,
                // so asking again is no retry that the service could notice.
                Err(mut error) => match error.take_message() {
                    Some(unsent) if !fresh => request = unsent,
                    _ => return (End::Broken, HeaderMap::new()),
                },
            }
        }
    }

    async fn read(&self, connection: Connection, response: Response<Incoming>) -> (End, HeaderMap) {
        let (parts, mut body) = response.into_parts();
        while let Some(frame) = body.frame().await {
            if frame.is_err() {
                return (End::Broken, parts.headers);
            }
        }
        locked(&self.idle).push(connection);
        (End::Status(parts.status.as_u16()), parts.headers)
    }

    fn request(&self, ask: &Ask, trace_id: &str) -> Request<Empty<Bytes>> {
        let mut request = Request::new(Empty::new());
        *request.method_mut() = ask.method.clone();
        *request.uri_mut() = ask.uri.clone();
        let headers = request.headers_mut();
        headers.insert(HOST, self.host.clone());
        headers.extend(ask.headers.clone());
        let trace_id = HeaderValue::from_str(trace_id).expect("a trace id is plain ASCII");
        headers.insert(TRACE_HEADER, trace_id);
        request
    }

    async fn connect(&self) -> Option<Connection> {
        let stream = TcpStream::connect(self.address).await.ok()?;
        // Small requests must not wait for more to send.
        stream.set_nodelay(true).ok()?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.ok()?;
        // Ends when the sender is dropped or the server closes.
        tokio::spawn(connection);
        Some(sender)
    }
}
