//! An implementation with a database of its own: given a case, asked, and looked at.

use std::time::Duration;

use anyhow::{Context as _, bail};
use local_cloud::LocalCloud;
use local_cloud::parity::cases::Step;
use local_cloud::parity::compare::{self, Via};
use local_cloud::parity::http;
use local_cloud::parity::request::as_http;
use local_cloud::parity::snapshot::{Observer, Snapshot};
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};

use crate::wallets::{Case, Issuers, communities, event};

/// What a case leaves in the tables is deleted before the next one.
const CLEAR: &str = "
    DELETE FROM account_accountapikeyanalytics; DELETE FROM registry_event;
    DELETE FROM registry_hashscorerlink; DELETE FROM registry_score; DELETE FROM registry_stamp;
    DELETE FROM registry_passport; DELETE FROM ceramic_cache_revocation;
    DELETE FROM ceramic_cache_ceramiccache;";

/// Rows may be on their way when an answer over HTTP is out; two equal looks so far apart
/// mean that they have arrived.
const APART: Duration = Duration::from_millis(50);
/// Looks before we take a table for one that never rests.
const MOST_LOOKS: u32 = 100;

/// How a side is asked.
#[derive(Debug)]
pub enum Door {
    /// A function of the local cloud: by Invoke, with the event as it is.
    Function {
        /// Its name where nullifiers of every version count.
        several: String,
        /// And where only those of version 0 do.
        single: String,
    },
    /// A server at `HOST:PORT`, which has one setting.
    Http(String),
}

/// One of the two.
pub struct Side {
    door: Door,
    /// The header `host` of every request, which HTTP must have.
    host: Option<String>,
    setup: PgConnection,
    observer: Observer,
}

impl std::fmt::Debug for Side {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Side").field("door", &self.door).finish_non_exhaustive()
    }
}

impl Side {
    /// Connects to the side's database, which is emptied for every case: never one that
    /// holds anything else.
    ///
    /// # Errors
    /// What the database said.
    pub async fn new(door: Door, host: Option<String>, database_url: &str) -> anyhow::Result<Self> {
        let setup = PgConnection::connect(database_url).await?;
        Ok(Self { door, host, setup, observer: Observer::connect(database_url).await? })
    }

    /// How it is asked.
    pub fn via(&self) -> Via {
        match self.door {
            Door::Function { .. } => Via::Event,
            Door::Http(_) => Via::LoadBalancer,
        }
    }

    /// Puts the case into the database, asks everything, and notes answers and rows.
    ///
    /// # Errors
    /// If the database or the implementation cannot be reached. An answer of whatever
    /// kind is none.
    pub async fn play(
        &mut self,
        cloud: &LocalCloud,
        issuers: &Issuers,
        case: &Case,
    ) -> anyhow::Result<Vec<Step>> {
        let sql = format!("{CLEAR}{}", case.sql(issuers, communities(case.rules)));
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
            .execute(&mut self.setup)
            .await
            .with_context(|| format!("putting rows into the tables for {case}"))?;
        let mut before = self.observer.look(true).await?;
        let mut steps = Vec::new();
        for ask in &case.asks {
            let mut event = event(case, *ask);
            if let Some(host) = &self.host {
                event["headers"]["host"] = host.as_str().into();
            }
            let response = self.ask(cloud, case, &event).await?;
            let after = self.rested(cloud, case).await?;
            let writes = compare::changes(&before, &after);
            steps.push(Step { event, response, writes });
            before = after;
        }
        Ok(steps)
    }

    async fn ask(&self, cloud: &LocalCloud, case: &Case, event: &Value) -> anyhow::Result<Value> {
        match &self.door {
            Door::Function { .. } => {
                let name = self.function(case);
                let answer = cloud.invoke(name, event.to_string()).await;
                let answer = answer.with_context(|| format!("asking the function `{name}`"))?;
                serde_json::from_slice(&answer).with_context(|| {
                    format!("the function `{name}` answered {}", String::from_utf8_lossy(&answer))
                })
            }
            Door::Http(authority) => {
                let request = as_http(event).map_err(anyhow::Error::msg)?;
                let seen = http::send(authority, request, http::ANSWER_LIMIT).await?;
                let headers: serde_json::Map<String, Value> =
                    seen.headers.into_iter().map(|(name, value)| (name, value.into())).collect();
                Ok(json!({"statusCode": seen.status, "headers": headers, "body": seen.body}))
            }
        }
    }

    fn function(&self, case: &Case) -> &str {
        match &self.door {
            Door::Function { several, single } => {
                if case.multi {
                    several
                } else {
                    single
                }
            }
            Door::Http(authority) => authority,
        }
    }

    /// The tables when nothing more is being written.
    async fn rested(&mut self, cloud: &LocalCloud, case: &Case) -> anyhow::Result<Snapshot> {
        match self.door {
            Door::Function { .. } => {
                cloud.at_rest(self.function(case)).await?;
                self.observer.look(true).await
            }
            Door::Http(_) => {
                let mut last = self.observer.look(true).await?;
                for _ in 0..MOST_LOOKS {
                    tokio::time::sleep(APART).await;
                    let next = self.observer.look(true).await?;
                    if next == last {
                        return Ok(next);
                    }
                    last = next;
                }
                bail!("rows keep changing after the answer")
            }
        }
    }
}

/// Whether each request of the case can be said in HTTP.
pub fn is_http(case: &Case) -> bool {
    case.asks.iter().all(|ask| as_http(&event(case, *ask)).is_ok())
}
