//! The counter in Redis that all instances of both sides share.
//!
//! One connection, opened at first need and opened again once if it has died
//! while the environment was frozen.

use std::fmt;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ConnectionInfo, ExistenceCheck, IntoConnectionInfo, RedisResult,
    SetExpiry, SetOptions,
};
use tokio::sync::Mutex;
use tokio::time::timeout;

/// For everything, connecting anew included: the client waits meanwhile. No
/// transaction is open, so nobody else does.
const PATIENCE: Duration = Duration::from_secs(1);

/// A Redis server, `redis[s]://[user[:password]@]host[:port][/number]`.
///
/// With `rediss` its certificate must be signed by a root that the system
/// knows, or by one in the bundle that `SSL_CERT_FILE` names.
pub struct Redis {
    client: Client,
    connection: Mutex<Option<MultiplexedConnection>>,
}

/// Without user and password.
impl fmt::Debug for Redis {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Redis").field("address", self.address()).finish_non_exhaustive()
    }
}

impl Redis {
    /// Reads the address; nothing is opened.
    ///
    /// # Errors
    /// What is wrong with it; never its password.
    pub fn at(url: &str) -> Result<Self, String> {
        let form = "use redis[s]://[user:password@]host[:port][/number]";
        let refused = |problem: &dyn fmt::Display| format!("{problem}; {form}");
        let parts = redis::parse_redis_url(url).ok_or_else(|| refused(&"no Redis address"))?;
        if parts.fragment().is_some() {
            return Err(refused(&"nothing may follow a #"));
        }
        // redis-py's way to say what we do anyway.
        let strict = |value: &str| {
            matches!(value.to_ascii_lowercase().as_str(), "required" | "cert_required")
        };
        for (name, value) in parts.query_pairs() {
            match &*name {
                "ssl_cert_reqs" if strict(&value) => {}
                "ssl_cert_reqs" => {
                    return Err(
                        "ssl_cert_reqs may only be `required`: certificates are always checked"
                            .to_owned(),
                    );
                }
                other => return Err(refused(&format!("the parameter {other} is not known"))),
            }
        }
        let info: ConnectionInfo = parts.into_connection_info().map_err(|error| refused(&error))?;
        // Two commands less at every start of an environment.
        let login = info.redis_settings().clone().set_skip_set_lib_name();
        let client =
            Client::open(info.set_redis_settings(login)).map_err(|error| refused(&error))?;
        Ok(Self { client, connection: Mutex::new(None) })
    }

    /// Sets the counter to 1 if it is not there (to live for `life`, in whole
    /// seconds), else adds 1; gives its value.
    ///
    /// # Errors
    /// What went wrong, with the address, without the password.
    pub async fn count(&self, key: &str, life: Duration) -> Result<u64, String> {
        timeout(PATIENCE, self.count_at_last(key, life))
            .await
            .unwrap_or_else(|_| Err(format!("{}: no answer within {PATIENCE:?}", self.address())))
    }

    async fn count_at_last(&self, key: &str, life: Duration) -> Result<u64, String> {
        let mut connection = self.connection.lock().await;
        if let Some(mut open) = connection.take()
            && let Ok(count) = count_on(&mut open, key, life).await
        {
            *connection = Some(open);
            return Ok(count);
        }
        let failed = |error| format!("{}: {error}", self.address());
        let mut open = self.connect().await.map_err(failed)?;
        let count = count_on(&mut open, key, life).await.map_err(failed)?;
        *connection = Some(open);
        Ok(count)
    }

    fn address(&self) -> &redis::ConnectionAddr {
        self.client.get_connection_info().addr()
    }

    async fn connect(&self) -> RedisResult<MultiplexedConnection> {
        // The crate takes rustls' default for the process; whoever came first has set the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let patience = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE));
        self.client.get_multiplexed_async_connection_with_config(&patience).await
    }
}

async fn count_on(open: &mut MultiplexedConnection, key: &str, life: Duration) -> RedisResult<u64> {
    use redis::AsyncTypedCommands as _;
    let new = SetOptions::default()
        .conditional_set(ExistenceCheck::NX)
        .with_expiration(SetExpiry::EX(life.as_secs()));
    if open.set_options(key, 1, new).await?.is_some() {
        return Ok(1);
    }
    let count = open.incr(key, 1).await?;
    Ok(u64::try_from(count).unwrap_or(0))
}
