//! The analytics row, which Python swallows when it cannot be written.
//!
//! So do we: it is tried in a transaction of its own, and the database says
//! whether it fits (the column, jsonb, an index entry). What becomes of it is
//! for the log.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

use super::our_bug;
use super::planned::NOTE_PLANNED;
use crate::event::Event;
use crate::python_json::Json;
use crate::store::{Database, DbError, Lease, Trips, Unsettled};
use crate::time::{Micros, OffsetTime};

/// How long a connection waits for an analytics row, once the answer is out.
const PATIENCE: Duration = Duration::from_millis(500);

/// Headers that the row hides, in the spellings that Python knows.
const SECRET: [&str; 6] =
    ["x-api-key", "X-Api-Key", "authorization", "Authorization", "cookie", "Cookie"];

/// Behind a score it writes nothing unless that score is there. The score's event
/// tells, by its time, of which no other request for this wallet has the same; the
/// score's own row may be another request's by then.
pub(super) const NOTE: &str = "
INSERT INTO account_accountapikeyanalytics (created_at, path, api_key_id, error, headers, path_segments,
                                            payload, query_params, response, response_skipped, status_code)
SELECT g.now, g.path, g.api_key, g.error, g.headers, g.segments, g.payload, g.query, g.response, false, g.status
  FROM jsonb_to_record($1::jsonb) AS g (
       now timestamptz, path text, api_key text, error text, headers jsonb, segments jsonb, payload jsonb,
       query jsonb, response jsonb, status integer, address text, community bigint)
 WHERE g.address IS NULL
    OR EXISTS (SELECT FROM registry_event e
                WHERE e.action = 'SCU' AND e.address = g.address AND e.community_id = g.community
                  AND e.created_at = g.now)
RETURNING true";

/// Who asked, and what to remember of it.
#[derive(Clone, Debug)]
pub struct Visit<'e> {
    /// Primary key of the API key.
    pub api_key_id: String,
    /// The request.
    pub event: &'e Event,
    /// Its parsed body; None if that was never reached.
    pub payload: Option<Json>,
}

/// How it ended.
#[derive(Clone, Copy, Debug)]
pub struct Outcome<'a> {
    /// HTTP status.
    pub status: u16,
    /// The body as sent.
    pub body: &'a str,
    /// The exception's text, if there was one.
    pub error: Option<&'a str>,
    /// The request's time.
    pub now: Micros,
    /// Wallet and community of the score that must be there for the row to be written.
    pub scored: Option<(&'a str, i64)>,
}

/// An analytics row to write.
#[derive(Debug)]
pub struct Note(String);

impl Note {
    /// The row. None where Python makes none either: the event has no path or no query.
    ///
    /// # Errors
    /// Why no database could store it.
    pub fn new(visit: &Visit<'_>, outcome: Outcome<'_>) -> Result<Option<Self>, DbError> {
        #[derive(Serialize)]
        struct Values<'a> {
            now: String,
            path: &'a str,
            api_key: &'a str,
            error: Option<&'a str>,
            headers: Map<String, Value>,
            segments: Vec<&'a str>,
            payload: Option<&'a Value>,
            query: &'a Value,
            response: &'a str,
            status: u16,
            address: Option<&'a str>,
            community: Option<i64>,
        }
        let Visit { api_key_id, event, payload } = visit;
        let (Some(path), Some(query)) = (&event.path, &event.query) else {
            return Ok(None);
        };
        if payload.as_ref().is_some_and(|payload| !payload.storable) {
            // As the server says of NUL and halves of characters.
            let message = "the body holds what JSONB has no room for".to_owned();
            return Err(DbError::Refused { code: "22P05".to_owned(), message });
        }
        let mut headers = event.headers.clone().unwrap_or_default();
        for name in SECRET {
            if let Some(value) = headers.get_mut(name) {
                *value = "***".into();
            }
        }
        let values = Values {
            now: OffsetTime::from_micros(outcome.now).python_isoformat(),
            path,
            api_key: api_key_id,
            error: outcome.error,
            headers,
            segments: path.split('/').skip(1).collect(),
            payload: payload.as_ref().map(|payload| &payload.value),
            query,
            response: outcome.body,
            status: outcome.status,
            address: outcome.scored.map(|(address, _)| address),
            community: outcome.scored.map(|(_, community)| community),
        };
        serde_json::to_string(&values).map(|text| Some(Self(text))).map_err(|error| our_bug(&error))
    }

    /// Its name, its statement, its values.
    pub(super) fn statement(self, planned: bool) -> (&'static str, &'static str, String) {
        ("write analytics", if planned { NOTE_PLANNED } else { NOTE }, self.0)
    }
}

impl Lease<'_> {
    /// Writes an analytics row when the answer is out; [`noted`] tells what became of it.
    pub fn note(&mut self, note: Note) {
        let (what, sql, values) = note.statement(self.plans_once());
        self.later(what, sql, values);
    }

    /// Waits for the row of a score that was not written, and so neither is the row.
    pub(super) async fn abandon_note(&mut self) {
        self.abandon_behind(PATIENCE).await;
    }
}

/// Waits for an analytics row, and takes the connection back.
///
/// # Errors
/// [`DbError`], of no consequence to the answer.
pub async fn noted(database: &Database, unsettled: Unsettled) -> (Result<(), DbError>, Trips) {
    let (rows, trips) = database.settle(unsettled, PATIENCE).await;
    let one = rows.and_then(|rows| match rows.len() {
        1 => Ok(()),
        _ => Err(our_bug(&"the statement added no row: it does not find the score's event")),
    });
    (one, trips)
}
