//! The two Redis commands that a shared counter needs.
//!
//! Spoken by hand: `SET key 1 EX seconds NX` and `INCR key` are all there is,
//! and a client crate would be a tenth of the binary. One connection, opened
//! at first need, reopened once if it has died.

use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::secrets::Secret;

/// For connecting and for one command.
const PATIENCE: Duration = Duration::from_secs(1);

/// A Redis server, `redis://[user[:password]@]host[:port][/number]`.
#[derive(Debug)]
pub struct Redis {
    address: String,
    login: Option<(Option<String>, Secret)>,
    number: u32,
    connection: Mutex<Option<BufReader<TcpStream>>>,
}

enum Reply {
    Text,
    Nil,
    Number(u64),
}

impl Redis {
    /// Reads the address.
    ///
    /// # Errors
    /// What is wrong with it; never its password.
    pub fn at(url: &str) -> Result<Self, String> {
        let form = "use redis://[user:password@]host[:port][/number]";
        if url.starts_with("rediss://") {
            return Err(
                "TLS to Redis is not supported; use a redis:// endpoint inside the VPC".to_owned(),
            );
        }
        let rest = url
            .strip_prefix("redis://")
            .ok_or_else(|| format!("no Redis address; {form}"))?;
        let (login, rest) = match rest.rsplit_once('@') {
            Some((login, rest)) => (Some(login), rest),
            None => (None, rest),
        };
        let login = login.map(|login| match login.split_once(':') {
            Some(("", password)) => (None, Secret::new(password)),
            Some((user, password)) => (Some(user.to_owned()), Secret::new(password)),
            None => (None, Secret::new(login)),
        });
        let (host, number) = rest.split_once('/').unwrap_or((rest, ""));
        let number = if number.is_empty() {
            Some(0)
        } else {
            number.parse().ok()
        };
        let number = number.ok_or_else(|| format!("the database after / is no number; {form}"))?;
        if host.is_empty() {
            return Err(format!("the host is missing; {form}"));
        }
        let address = if host.contains(':') {
            host.to_owned()
        } else {
            format!("{host}:6379")
        };
        Ok(Self {
            address,
            login,
            number,
            connection: Mutex::new(None),
        })
    }

    /// Sets the counter to 1 if it is not there (to live for `life`), else adds 1; gives its value.
    ///
    /// # Errors
    /// What went wrong, with the address, without the password.
    pub async fn count(&self, key: &str, life: Duration) -> Result<u64, String> {
        let mut connection = self.connection.lock().await;
        if let Some(mut open) = connection.take()
            && let Ok(count) = count_on(&mut open, key, life).await
        {
            *connection = Some(open);
            return Ok(count);
        }
        let mut open = self.connect().await?;
        let count = count_on(&mut open, key, life)
            .await
            .map_err(|error| format!("{}: {error}", self.address))?;
        *connection = Some(open);
        Ok(count)
    }

    async fn connect(&self) -> Result<BufReader<TcpStream>, String> {
        let failed = |error: String| format!("Error connecting to {}. {error}", self.address);
        let stream = timeout(PATIENCE, TcpStream::connect(&self.address)).await;
        let stream = stream
            .map_err(|_| failed("Timeout.".to_owned()))?
            .map_err(|error| failed(error.to_string()))?;
        let _ = stream.set_nodelay(true);
        let mut open = BufReader::new(stream);
        if let Some((user, password)) = &self.login {
            let mut words = vec!["AUTH"];
            words.extend(user.as_deref());
            words.push(password.expose());
            command(&mut open, &words).await?;
        }
        if self.number != 0 {
            command(&mut open, &["SELECT", &self.number.to_string()]).await?;
        }
        Ok(open)
    }
}

async fn count_on(
    open: &mut BufReader<TcpStream>,
    key: &str,
    life: Duration,
) -> Result<u64, String> {
    let seconds = life.as_secs().to_string();
    match command(open, &["SET", key, "1", "EX", &seconds, "NX"]).await? {
        Reply::Text => return Ok(1),
        Reply::Nil => {}
        Reply::Number(_) => return Err("SET answered with a number".to_owned()),
    }
    match command(open, &["INCR", key]).await? {
        Reply::Number(count) => Ok(count),
        Reply::Text | Reply::Nil => Err("INCR did not answer with a number".to_owned()),
    }
}

async fn command(open: &mut BufReader<TcpStream>, words: &[&str]) -> Result<Reply, String> {
    timeout(PATIENCE, exchange(open, words))
        .await
        .map_err(|_| "Timeout.".to_owned())?
}

async fn exchange(open: &mut BufReader<TcpStream>, words: &[&str]) -> Result<Reply, String> {
    let texts = words
        .iter()
        .map(|word| format!("${}\r\n{word}\r\n", word.len()));
    let request = std::iter::once(format!("*{}\r\n", words.len()))
        .chain(texts)
        .collect::<String>();
    open.get_mut()
        .write_all(request.as_bytes())
        .await
        .map_err(|error| error.to_string())?;
    let mut line = String::new();
    // A counter's reply is one short line; whatever is longer is no Redis.
    (&mut *open)
        .take(4096)
        .read_line(&mut line)
        .await
        .map_err(|error| error.to_string())?;
    let line = line
        .strip_suffix("\r\n")
        .ok_or("Connection closed by server.")?;
    match line.split_at_checked(1) {
        Some(("+", _)) => Ok(Reply::Text),
        Some(("-", error)) => Err(error.to_owned()),
        Some((":", number)) => number
            .parse()
            .map(Reply::Number)
            .map_err(|_| format!("no count: {number}")),
        Some(("$" | "*", "-1") | ("_", "")) => Ok(Reply::Nil),
        _ => Err("unexpected reply".to_owned()),
    }
}
