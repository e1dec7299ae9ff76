//! A database's user and password in a secret of Secrets Manager, as RDS keeps them.
//!
//! A secret is read at first need and kept. Rotation changes the password in the
//! database while a process runs on, so what is kept is replaced when the database
//! refuses it ([`Rotating`]), and only then: an open connection outlives its password.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer};
use tokio::sync::Mutex;

/// A text that `Debug` does not show.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("[redacted]")
    }
}

/// The fields of an RDS secret that we use.
#[derive(Clone, Debug, Deserialize)]
pub struct Credentials {
    /// Database user.
    pub username: String,
    /// Its password.
    pub password: Secret,
    /// Of the database itself, not of a proxy before it.
    #[serde(default)]
    pub host: Option<String>,
    /// A number or, as people write it into a secret by hand, its digits.
    #[serde(default, deserialize_with = "port")]
    pub port: Option<u16>,
    /// Name of the database.
    #[serde(default)]
    pub dbname: Option<String>,
}

fn port<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u16>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Port {
        Number(u16),
        Digits(String),
    }
    match Option::<Port>::deserialize(from)? {
        None => Ok(None),
        Some(Port::Number(port)) => Ok(Some(port)),
        Some(Port::Digits(text)) => text.parse().map(Some).map_err(serde::de::Error::custom),
    }
}

/// Why a secret gives no login. No variant holds any of its text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// Secrets Manager did not give it.
    #[cfg(feature = "aws")]
    #[error("reading the secret {arn}")]
    Call {
        /// ARN or name.
        arn: String,
        /// What Secrets Manager says.
        #[source]
        source: crate::aws::CallError,
    },
    /// It was stored as bytes.
    #[error("the secret {arn} is binary, not text; store it as RDS does")]
    Binary {
        /// ARN or name.
        arn: String,
    },
    /// It is not what RDS writes.
    #[error(
        "the secret {arn} needs the JSON keys username and password, as RDS stores them: \
         line {line} column {column}"
    )]
    Shape {
        /// ARN or name.
        arn: String,
        /// Where the reader stopped; its message may quote what it found there.
        line: usize,
        /// As `line`.
        column: usize,
    },
}

impl Credentials {
    /// Reads the current version of a secret.
    ///
    /// # Errors
    /// [`SecretError`]
    #[cfg(feature = "aws")]
    pub async fn read(
        client: &aws_sdk_secretsmanager::Client,
        arn: &str,
    ) -> Result<Self, SecretError> {
        let asked = client.get_secret_value().secret_id(arn).send().await;
        let answer = asked.map_err(|error| SecretError::Call {
            arn: arn.to_owned(),
            source: crate::aws::CallError::new("GetSecretValue", &error),
        })?;
        let text = answer.secret_string();
        Self::parse(arn, text.ok_or_else(|| SecretError::Binary { arn: arn.to_owned() })?)
    }

    /// Reads the text of the secret with this ARN or name.
    ///
    /// # Errors
    /// [`SecretError::Shape`]
    pub fn parse(arn: &str, text: &str) -> Result<Self, SecretError> {
        serde_json::from_str(text).map_err(|error| SecretError::Shape {
            arn: arn.to_owned(),
            line: error.line(),
            column: error.column(),
        })
    }
}

/// Whether the server does not accept this user with this password: SQLSTATE class 28.
pub fn is_refused_login(sqlstate: &str) -> bool {
    sqlstate.starts_with("28")
}

/// A login, or something made from one, kept until the database refuses it.
#[derive(Debug)]
pub struct Rotating<T>(Mutex<Option<Arc<T>>>);

impl<T> Default for Rotating<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T> Rotating<T> {
    /// Opens a connection with what is kept, or else with what `read` gives.
    ///
    /// A refused login is read anew and tried once more if it was a kept one. One
    /// that was only just read is the newest there is: reading it again would only
    /// take longer. Of several connections that are refused at once, one reads.
    ///
    /// # Errors
    /// Those of `read` and `open`. What was kept then stays.
    pub async fn connect<C, E, R, O>(
        &self,
        read: impl Fn() -> R,
        open: impl Fn(Arc<T>) -> O,
        is_refused: impl Fn(&E) -> bool,
    ) -> Result<C, E>
    where
        R: Future<Output = Result<T, E>>,
        O: Future<Output = Result<C, E>>,
    {
        let known = self.0.lock().await.clone();
        if let Some(known) = &known {
            match open(known.clone()).await {
                Err(error) if is_refused(&error) => {}
                other => return other,
            }
        }
        let mut kept = self.0.lock().await;
        let newer = kept
            .as_ref()
            .filter(|kept| known.as_ref().is_none_or(|known| !Arc::ptr_eq(known, kept)));
        let fresh = match newer {
            // Another connection has read it meanwhile.
            Some(newer) => newer.clone(),
            None => kept.insert(Arc::new(read().await?)).clone(),
        };
        drop(kept);
        open(fresh).await
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;

    #[test]
    fn a_secret_is_read_as_rds_and_people_write_it_and_never_printed() {
        let read = |text: &str| Credentials::parse("arn", text);
        let rds = r#"{"username":"app","password":"swordfish","engine":"postgres",
            "host":"db.example","port":5433,"dbname":"scorer","masterarn":null}"#;
        let found = read(rds).expect("as RDS writes it");
        assert_eq!((found.port, found.dbname.as_deref()), (Some(5433), Some("scorer")));
        assert_eq!(found.password.expose(), "swordfish");
        assert!(!format!("{found:?}").contains("swordfish"), "{found:?}");
        for (port, number) in [("\"5433\"", Some(5433)), ("null", None)] {
            let text = format!(r#"{{"username":"app","password":"x","port":{port}}}"#);
            assert_eq!(read(&text).expect(port).port, number);
        }
        for text in [
            "swordfish",
            "",
            r#"["swordfish"]"#,
            r#"{"username":"swordfish"}"#,
            r#"{"username":"app","password":["swordfish"]}"#,
            r#"{"username":"app","password":"x","port":"swordfish"}"#,
            r#"{"username":"app","password":"x","port":70000}"#,
        ] {
            let error = read(text).expect_err(text);
            let shown = format!("{error} {error:?}");
            assert!(shown.contains("username and password"), "{shown}");
            assert!(!shown.contains("swordfish"), "{shown}");
        }
    }

    /// A database with a password, and the secret that should hold it.
    #[derive(Default)]
    struct Peers {
        database: Cell<u32>,
        secret: Cell<Option<u32>>,
        calls: RefCell<Vec<&'static str>>,
        login: Rotating<u32>,
    }

    impl Peers {
        async fn connect(&self) -> Result<u32, &'static str> {
            let read = || async {
                self.calls.borrow_mut().push("read");
                tokio::task::yield_now().await;
                self.secret.get().ok_or("no secret")
            };
            let open = |password: Arc<u32>| async move {
                self.calls.borrow_mut().push("open");
                tokio::task::yield_now().await;
                if *password == self.database.get() { Ok(*password) } else { Err("28P01") }
            };
            self.login.connect(read, open, |error| is_refused_login(error)).await
        }

        fn calls(&self) -> String {
            self.calls.take().join(" ")
        }
    }

    #[tokio::test]
    async fn a_login_is_read_once_and_again_only_when_a_kept_one_is_refused() {
        let peers = Peers::default();
        peers.database.set(1);
        peers.secret.set(Some(1));
        for calls in ["read open", "open"] {
            assert_eq!(peers.connect().await, Ok(1));
            assert_eq!(peers.calls(), calls);
        }
        // Rotated: the database first, the secret a moment later.
        peers.database.set(2);
        assert_eq!(peers.connect().await, Err("28P01"));
        assert_eq!(peers.calls(), "open read open");
        peers.secret.set(Some(2));
        assert_eq!(peers.connect().await, Ok(2));
        assert_eq!(peers.calls(), "open read open");
    }

    #[tokio::test]
    async fn a_secret_that_cannot_be_read_takes_nothing_away() {
        let peers = Peers::default();
        assert_eq!(peers.connect().await, Err("no secret"));
        assert_eq!(peers.calls(), "read");
        peers.secret.set(Some(0));
        assert_eq!(peers.connect().await, Ok(0));
        peers.database.set(1);
        peers.secret.set(None);
        assert_eq!(peers.connect().await, Err("no secret"));
        peers.database.set(0);
        peers.calls();
        assert_eq!(peers.connect().await, Ok(0));
        assert_eq!(peers.calls(), "open");
    }

    #[tokio::test]
    async fn connections_that_are_refused_together_read_once() {
        let peers = Peers::default();
        peers.database.set(1);
        peers.secret.set(Some(1));
        peers.connect().await.expect("a login");
        peers.database.set(2);
        peers.secret.set(Some(2));
        peers.calls();
        let both = tokio::join!(peers.connect(), peers.connect());
        assert_eq!(both, (Ok(2), Ok(2)));
        assert_eq!(peers.calls().matches("read").count(), 1);
    }

    #[test]
    fn only_class_28_is_a_refused_login() {
        assert!(is_refused_login("28P01") && is_refused_login("28000"));
        assert!(!is_refused_login("08006") && !is_refused_login("42528"));
    }
}
