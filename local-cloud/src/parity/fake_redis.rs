//! A Redis that can count, for the rate limit cases: `SET … NX`, `INCR`, and
//! the replies that a client needs to connect. Keys live until it is dropped.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

type Keys = Arc<Mutex<HashMap<String, i64>>>;

/// A running server on loopback; ends when dropped.
#[derive(Debug)]
pub struct FakeRedis {
    port: u16,
    keys: Keys,
    task: JoinHandle<()>,
}

impl FakeRedis {
    /// Starts on a free port.
    ///
    /// # Errors
    /// If loopback gives no port.
    pub async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let keys = Keys::default();
        let served = keys.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, served.clone()));
            }
        });
        Ok(Self { port, keys, task })
    }

    /// `redis://127.0.0.1:PORT/0`
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// All counters, by key.
    pub fn counters(&self) -> HashMap<String, i64> {
        self.keys
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Forgets all counters.
    pub fn clear(&self) {
        self.keys
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}

impl Drop for FakeRedis {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(stream: TcpStream, keys: Keys) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let words = read_command(&mut stream).await?;
        let reply = reply(&words, &keys);
        stream.get_mut().write_all(reply.as_bytes()).await.ok()?;
    }
}

/// One command as an array of bulk texts; none at the end or if it is no such thing.
async fn read_command(stream: &mut BufReader<TcpStream>) -> Option<Vec<String>> {
    let count = read_length(stream, '*').await?;
    let mut words = Vec::new();
    for _ in 0..count.min(64) {
        let length = read_length(stream, '$').await?;
        let mut bytes = vec![0; length.min(1 << 20) + 2];
        stream.read_exact(&mut bytes).await.ok()?;
        bytes.truncate(bytes.len() - 2);
        words.push(String::from_utf8(bytes).ok()?);
    }
    Some(words)
}

async fn read_length(stream: &mut BufReader<TcpStream>, mark: char) -> Option<usize> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok()?;
    line.strip_prefix(mark)?.trim_end().parse().ok()
}

fn reply(words: &[String], keys: &Keys) -> String {
    let mut keys = keys.lock().unwrap_or_else(PoisonError::into_inner);
    let name = words
        .first()
        .map(|word| word.to_ascii_uppercase())
        .unwrap_or_default();
    match (name.as_str(), words.get(1)) {
        ("SET", Some(key)) => {
            let only_new = words.iter().any(|word| word.eq_ignore_ascii_case("NX"));
            if only_new && keys.contains_key(key) {
                return "$-1\r\n".to_owned();
            }
            let value = words
                .get(2)
                .and_then(|value| value.parse().ok())
                .unwrap_or(0);
            keys.insert(key.clone(), value);
            "+OK\r\n".to_owned()
        }
        ("INCR", Some(key)) => {
            let value = keys.entry(key.clone()).or_insert(0);
            *value += 1;
            format!(":{value}\r\n")
        }
        ("AUTH" | "SELECT" | "CLIENT", _) => "+OK\r\n".to_owned(),
        ("PING", _) => "+PONG\r\n".to_owned(),
        _ => format!("-ERR unknown command '{name}'\r\n"),
    }
}
