//! Where the database is, without ever printing its password.

use std::fmt;
use std::str::FromStr;

use url::Url;

/// Address of the ledger: `postgres://USER@HOST:PORT/DATABASE?sslmode=verify-full`
/// or `sqlite:///PATH?mode=rwc`.
///
/// Everything that sqlx reads from a URL is honoured, among it `sslmode`,
/// `sslrootcert` and `application_name`. `Display` and `Debug` leave the password out.
#[derive(Clone, PartialEq, Eq)]
pub struct LedgerUrl(Url);

/// An address that cannot be used. Never holds the text: it may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LedgerUrlError {
    /// Not a URL.
    #[error("the ledger address is not a URL ({why}); write {EXPECTED}")]
    NotAUrl {
        /// What the URL parser says.
        why: String,
    },
    /// Another database.
    #[error("the ledger address has scheme `{found}`; write {EXPECTED}")]
    Scheme {
        /// What stands before `://`.
        found: String,
    },
    /// Something is missing.
    #[error("the ledger address names no {what}; write {EXPECTED}")]
    Missing {
        /// `host` or `file`.
        what: &'static str,
    },
    /// Gone with the connection, and so is the journal.
    #[error("an in-memory SQLite ledger forgets its journal between connections; name a file")]
    InMemory,
}

const EXPECTED: &str =
    "postgres://USER@HOST:PORT/DATABASE?sslmode=verify-full or sqlite:///PATH?mode=rwc";

/// Which database speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// PostgreSQL, direct or behind a transaction pooler.
    Postgres,
    /// SQLite, one file.
    Sqlite,
}

impl LedgerUrl {
    /// Which database it leads to.
    pub fn backend(&self) -> Backend {
        if self.0.scheme() == "sqlite" { Backend::Sqlite } else { Backend::Postgres }
    }

    /// Host name, for PostgreSQL.
    pub(super) fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// Port, for PostgreSQL.
    pub(super) fn port(&self) -> u16 {
        self.0.port().unwrap_or(5432)
    }

    /// User name as it stands in the URL (percent-decoded by nobody: RDS names are plain).
    pub(super) fn user(&self) -> &str {
        self.0.username()
    }

    /// The whole address with another user and password, for the driver only.
    pub(super) fn with_login(&self, user: Option<&str>, password: &str) -> Url {
        let mut url = self.0.clone();
        // Both setters fail only for URLs without a host, and `parse` refused those.
        let _ = url.set_password(Some(password));
        if let Some(user) = user {
            let _ = url.set_username(user);
        }
        url
    }

    /// The whole address, for the driver only.
    pub(super) fn revealed(&self) -> &Url {
        &self.0
    }
}

impl FromStr for LedgerUrl {
    type Err = LedgerUrlError;

    fn from_str(text: &str) -> Result<Self, LedgerUrlError> {
        let text = text.trim();
        if text.contains(":memory:") || text.contains("mode=memory") {
            return Err(LedgerUrlError::InMemory);
        }
        let url =
            Url::parse(text).map_err(|error| LedgerUrlError::NotAUrl { why: error.to_string() })?;
        match url.scheme() {
            "postgres" | "postgresql" => {
                let socket = url.query_pairs().any(|(key, _)| key == "host");
                if url.host_str().is_none_or(str::is_empty) && !socket {
                    return Err(LedgerUrlError::Missing { what: "host" });
                }
            }
            "sqlite" => {
                let file = url.host_str().unwrap_or_default().len() + url.path().len();
                if file == 0 || url.path() == "/" {
                    return Err(LedgerUrlError::Missing { what: "file" });
                }
            }
            other => {
                return Err(LedgerUrlError::Scheme { found: other.to_owned() });
            }
        }
        Ok(Self(url))
    }
}

impl fmt::Display for LedgerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = self.0.clone();
        let _ = shown.set_password(None);
        let secretive = shown.query_pairs().any(|(key, _)| key == "password");
        if secretive {
            let kept: Vec<(String, String)> = shown
                .query_pairs()
                .filter(|(key, _)| key != "password")
                .map(|(key, value)| (key.into_owned(), value.into_owned()))
                .collect();
            shown.query_pairs_mut().clear().extend_pairs(kept);
        }
        f.write_str(shown.as_str())
    }
}

impl fmt::Debug for LedgerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LedgerUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_prints_its_password() {
        for text in [
            "postgres://rollout:s3cr3t@db:5432/rollout?sslmode=require",
            "postgres://rollout@db/rollout?password=s3cr3t&sslmode=require",
        ] {
            let url: LedgerUrl = text.parse().unwrap();
            for shown in [url.to_string(), format!("{url:?}")] {
                assert!(!shown.contains("s3cr3t"), "{shown}");
                assert!(
                    shown.contains("rollout@db") && shown.contains("sslmode=require"),
                    "{shown}"
                );
            }
        }
        let error = "postgres//user:s3cr3t@".parse::<LedgerUrl>().unwrap_err();
        assert!(!format!("{error} {error:?}").contains("s3cr3t"), "{error:?}");
    }

    #[test]
    fn knows_its_backend_and_refuses_what_is_none() {
        let backend = |text: &str| text.parse::<LedgerUrl>().map(|url| url.backend());
        assert_eq!(backend("sqlite:///var/lib/rollout.db?mode=rwc"), Ok(Backend::Sqlite));
        assert_eq!(backend("sqlite://rollout.db"), Ok(Backend::Sqlite));
        assert_eq!(backend("postgresql://u@h/d"), Ok(Backend::Postgres));
        assert_eq!(backend("sqlite::memory:"), Err(LedgerUrlError::InMemory));
        assert_eq!(backend("mysql://u@h/d"), Err(LedgerUrlError::Scheme { found: "mysql".into() }));
        assert_eq!(backend("postgres:///d"), Err(LedgerUrlError::Missing { what: "host" }));
        assert_eq!(backend("sqlite://"), Err(LedgerUrlError::Missing { what: "file" }));
    }

    #[test]
    fn a_login_from_elsewhere_may_hold_any_character() {
        let url: LedgerUrl = "postgres://rollout@db/rollout".parse().unwrap();
        let whole = url.with_login(Some("app"), "p@ss/w:rd?&%");
        assert_eq!(whole.username(), "app");
        assert_eq!(whole.host_str(), Some("db"));
        assert!(!whole.as_str().contains("p@ss"), "percent-encoded: {whole}");
    }
}
