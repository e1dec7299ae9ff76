//! One request: tries until one ends in an answer.

mod attempt;
pub mod dedup;
pub mod key;
pub mod rate;
mod render;
pub mod request;
pub mod weigh;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, Instant};

use crate::answer::Answer;
use crate::config::{Config, Settings};
use crate::event::Event;
use crate::store::queries::{self, Plain};
use crate::store::{Database, DbError, Trips, Unsettled};
use crate::time::Micros;
use attempt::{Attempt, Failure, Memory};
use dedup::LinksFailed;
use rate::Limiter;

/// How often a request starts again when another one took its links, as in Python.
const TRIES: u32 = 5;

/// How often a request starts again when its connection breaks.
const CONNECTIONS: u32 = 2;

/// Longest wait before the next try at a wallet that another request is changing.
const LONGEST_WAIT: Duration = Duration::from_millis(64);

/// The scoring service: settings and connections.
#[derive(Debug)]
pub struct Scorer {
    settings: Settings,
    database: Database,
    limiter: Option<Limiter>,
    plain: Plain,
}

/// What happened, for the log. Never shown to the caller.
#[derive(Debug, Default)]
pub struct Notes {
    /// Cost in the database, over all tries.
    pub trips: Trips,
    /// Times that the request started again because of another one.
    pub retries: u32,
    /// Whether the key has a rate limit, counted here or not; `None` if no key was found.
    pub key_is_limited: Option<bool>,
    /// Stamps left out: provider and reason.
    pub left_out: Vec<(String, &'static str)>,
    /// Why there is no analytics row, though one was due.
    pub analytics_lost: Option<String>,
    /// A fault on our side of the wire, or one that an operator should see.
    pub trouble: Option<(&'static str, String)>,
}

/// An answer, and what is to be done when it is out.
#[derive(Debug)]
pub struct Answered {
    /// For the caller.
    pub answer: Answer,
    /// What happened so far.
    pub notes: Notes,
    /// The analytics row on its way: [`Scorer::settle`].
    pub unsettled: Option<Unsettled>,
}

impl Scorer {
    /// Connects to nothing yet.
    pub fn new(config: Config) -> Self {
        let database = Database::new(config.source, config.limits);
        let database = database.with_functions(config.functions);
        let plain = Plain::default();
        Self { settings: config.settings, database, limiter: config.limiter, plain }
    }

    /// Whether injected faults are obeyed.
    #[cfg(feature = "faults")]
    pub fn obeys_faults(&self) -> bool {
        self.settings.faults
    }

    /// Connects to the database, for the first request to find it connected.
    ///
    /// # Errors
    /// [`DbError`] if that takes too long or is refused.
    pub async fn connect(&self) -> Result<(), DbError> {
        drop(self.database.lease(None).await?.keep());
        Ok(())
    }

    /// Answers one request, by `until` if that can be done.
    pub async fn answer(&self, event: &Event, now: Micros, until: Option<Instant>) -> Answered {
        let (mut notes, mut unsettled) = (Notes::default(), None);
        let mut memory = Memory::default();
        let patience = Instant::now() + self.database.limits().statement;
        let give_up = until.map_or(patience, |until| until.min(patience));
        let answer = loop {
            match self.try_once(event, now, until, &mut memory, &mut notes).await {
                Ok((answer, rest)) => {
                    unsettled = rest;
                    break answer;
                }
                Err(Failure::Unstorable(text)) => memory.without_links = Some(text),
                Err(Failure::Race) if memory.without_links.is_none() => {
                    notes.retries += 1;
                    if notes.retries == TRIES {
                        // Python's words when it gives up on the links.
                        memory.without_links = Some(LinksFailed::LinkedTwice.to_string());
                    }
                }
                Err(Failure::Race) => {
                    let text = "a score error without links met a race".to_owned();
                    break internal(&mut notes, "race", text);
                }
                Err(Failure::Outrun) => {
                    notes.retries += 1;
                    let wait = wait_before(notes.retries);
                    if Instant::now() + wait >= give_up {
                        let text = "other requests kept changing the wallet".to_owned();
                        break unavailable(&mut notes, "wallet_busy", text);
                    }
                    tokio::time::sleep(wait).await;
                }
                Err(Failure::Database(DbError::Lost(_))) if memory.lost < CONNECTIONS => {
                    memory.lost += 1;
                    self.database.forget_idle();
                }
                Err(Failure::Database(error)) => break database_answer(&error, &mut notes),
            }
        };
        Answered { answer, notes, unsettled }
    }

    /// Waits for the analytics row of an answer that is out. Until then its
    /// connection serves no other request.
    pub async fn settle(&self, unsettled: Option<Unsettled>, notes: &mut Notes) {
        let Some(unsettled) = unsettled else { return };
        let (written, trips) = queries::noted(&self.database, unsettled).await;
        notes.trips += trips;
        if let Err(error) = written {
            notes.analytics_lost = Some(error.to_string());
        }
    }

    async fn try_once(
        &self,
        event: &Event,
        now: Micros,
        until: Option<Instant>,
        memory: &mut Memory,
        notes: &mut Notes,
    ) -> Result<(Answer, Option<Unsettled>), Failure> {
        // PostgreSQL has no text with NUL, so such a key is not there.
        let key = self.api_key(event).filter(|key| !key.contains('\0'));
        let Some(key) = key else {
            return Ok((unauthorized(), None));
        };
        let mut lease = self.database.lease(until).await?;
        let mut attempt = Attempt { scorer: self, lease: &mut lease, event, now, memory, notes };
        let answer = attempt.run(key).await;
        notes.trips += lease.take_trips();
        if matches!(answer, Err(Failure::Database(DbError::Lost(_) | DbError::Unavailable(_)))) {
            return answer.map(|answer| (answer, None));
        }
        let rest = lease.keep();
        answer.map(|answer| (answer, rest))
    }

    fn api_key<'e>(&'e self, event: &'e Event) -> Option<&'e str> {
        let key = event.header("x-api-key").filter(|key| !key.is_empty())?;
        if self.settings.demo_aliases.iter().any(|alias| alias == key) {
            return self.settings.demo_key.as_deref();
        }
        Some(key)
    }
}

/// A random time, longer from try to try, so that requests get out of step.
fn wait_before(tries: u32) -> Duration {
    let longest = LONGEST_WAIT.min(Duration::from_millis(1) * (1 << tries.min(6)));
    let random = RandomState::new().build_hasher().finish();
    Duration::from_micros(random % u64::try_from(longest.as_micros()).unwrap_or(1))
}

fn unauthorized() -> Answer {
    Answer::plain_error(401, "Invalid API Key.")
}

fn internal(notes: &mut Notes, kind: &'static str, text: String) -> Answer {
    notes.trouble = Some((kind, text.clone()));
    Answer::internal(text)
}

/// 503 while the database is out, 500 if it refuses this request.
fn database_answer(error: &DbError, notes: &mut Notes) -> Answer {
    if error.is_outage() {
        return unavailable(notes, "database_unavailable", error.to_string());
    }
    notes.trouble = Some(("database_error", error.to_string()));
    let shown = format!("DB Error: {}", error.python_class());
    Answer::error(500, &shown, shown.clone())
}

/// As Python answers while its database is out.
fn unavailable(notes: &mut Notes, kind: &'static str, text: String) -> Answer {
    notes.trouble = Some((kind, text));
    Answer::plain_error(503, "DB Error: OperationalError")
}
