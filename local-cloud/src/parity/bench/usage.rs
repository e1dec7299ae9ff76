//! What requests cost: processor time and write-ahead log.

use std::collections::BTreeMap;

use anyhow::Context as _;
use sqlx::Connection as _;
use sqlx::postgres::PgConnection;

use crate::LocalCloud;
use crate::postgres::PrivatePostgres;

/// Linux counts processor time in hundredths of a second for programs, on every machine.
const MS_PER_TICK: f64 = 10.0;

/// Counters of the function's processes and of the database, at one time.
pub(super) struct Usage {
    /// Milliseconds of user and system time by process id.
    function: BTreeMap<u32, f64>,
    /// The same for the server's processes that serve the database.
    server: BTreeMap<u32, f64>,
    wal_bytes: i64,
}

/// What one request cost on average.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub(super) struct Cost {
    /// User and system time of the function's process, in milliseconds.
    pub(super) function_ms: f64,
    /// User and system time of the database's processes, in milliseconds.
    pub(super) server_ms: f64,
    /// Write-ahead log, without full pages, in bytes.
    pub(super) wal_bytes: f64,
}

/// A connection for looking on, which none of the measured ones waits for.
pub(super) struct Meter {
    connection: PgConnection,
    database: String,
}

impl Meter {
    pub(super) async fn connect(
        postgres: &PrivatePostgres,
        database: &str,
    ) -> anyhow::Result<Self> {
        let connection = PgConnection::connect(&postgres.admin_url("postgres")).await?;
        Ok(Self { connection, database: database.to_owned() })
    }

    /// Where the write-ahead log ends, in bytes.
    pub(super) async fn wal_bytes(&mut self) -> anyhow::Result<i64> {
        let end = "SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint";
        Ok(sqlx::query_scalar(end).fetch_one(&mut self.connection).await?)
    }

    /// Reads all counters.
    pub(super) async fn read(&mut self, cloud: &LocalCloud) -> anyhow::Result<Usage> {
        let mut function = BTreeMap::new();
        for pid in cloud.function_stats().into_iter().flat_map(|stats| stats.pids) {
            function.insert(pid, cpu_ms(pid)?);
        }
        let serving: Vec<i32> =
            sqlx::query_scalar("SELECT pid FROM pg_stat_activity WHERE datname = $1")
                .bind(&self.database)
                .fetch_all(&mut self.connection)
                .await?;
        let mut server = BTreeMap::new();
        for pid in serving {
            let pid = u32::try_from(pid)?;
            // It may have ended since.
            server.insert(pid, cpu_ms(pid).unwrap_or_default());
        }
        Ok(Usage { function, server, wal_bytes: self.wal_bytes().await? })
    }
}

impl Usage {
    /// What each of `requests` cost since `before`. Processes that have ended
    /// meanwhile are not in it.
    pub(super) fn since(&self, before: &Self, requests: u64) -> Cost {
        let requests = requests.max(1) as f64;
        let spent = |now: &BTreeMap<u32, f64>, then: &BTreeMap<u32, f64>| {
            let each = now.iter().map(|(pid, ms)| ms - then.get(pid).copied().unwrap_or_default());
            each.sum::<f64>() / requests
        };
        Cost {
            function_ms: spent(&self.function, &before.function),
            server_ms: spent(&self.server, &before.server),
            wal_bytes: (self.wal_bytes - before.wal_bytes) as f64 / requests,
        }
    }
}

/// User and system time of a process in milliseconds.
fn cpu_ms(pid: u32) -> anyhow::Result<f64> {
    let file = format!("/proc/{pid}/stat");
    let text = std::fs::read_to_string(&file).with_context(|| format!("reading {file}"))?;
    ticks(&text).map(|ticks| ticks as f64 * MS_PER_TICK).with_context(|| format!("{file}: {text}"))
}

/// Fields 14 and 15 (proc_pid_stat(5)), behind a name that may hold anything.
fn ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut times = fields.split(' ').skip(11).map(str::parse::<u64>);
    Some(times.next()?.ok()? + times.next()?.ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_read_behind_any_name() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194560 1 0 0 0 130 20 5 5 20 0 1 0 99 1 1";
        assert_eq!(ticks(stat), Some(150));
        assert_eq!(ticks("7 (short) S 1"), None);
    }

    #[test]
    fn our_own_processor_time_grows_with_work() {
        let pid = std::process::id();
        let before = cpu_ms(pid).expect("our own process");
        let mut number = 1_u64;
        while cpu_ms(pid).expect("our own process") < before + 2.0 * MS_PER_TICK {
            for _ in 0..100_000 {
                number = std::hint::black_box(number.wrapping_mul(3));
            }
        }
    }
}
