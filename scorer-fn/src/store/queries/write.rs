//! What a score leaves behind.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

use super::note::Note;
use super::planned::{AGAIN_PLANNED, FIRST_PLANNED};
use super::{get, our_bug};
use crate::credential::Stamp;
use crate::score::dedup::Plan;
use crate::store::connection::Statement;
use crate::store::queries::WalletRow;
use crate::store::{DbError, Lease};
use crate::time::{Micros, OffsetTime};

/// The score row to write, each JSON column as text.
#[derive(Clone, Debug, Default)]
pub struct ScoreRow {
    /// `1`, `0`, or none after a score error.
    pub score: Option<&'static str>,
    /// Text of a score error.
    pub error: Option<String>,
    /// JSON.
    pub evidence: Option<String>,
    /// JSON.
    pub stamp_scores: Option<String>,
    /// JSON.
    pub stamps: Option<String>,
    /// Earliest end of a counted stamp.
    pub expires: Option<OffsetTime>,
    /// `fields` of the event, without the ids that only the database knows.
    pub event_fields: Option<String>,
}

/// What becomes of a wallet.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// The wallet as it was read.
    pub wallet: &'a WalletRow,
    /// In lower case.
    pub address: &'a str,
    /// Primary key of the community.
    pub community_id: i64,
    /// None after a score error that came before stamps and links were stored:
    /// those of an earlier score stay.
    pub plan: Option<&'a Plan>,
    /// The new score.
    pub score: &'a ScoreRow,
    /// The request's time.
    pub now: Micros,
}

/// What became of a score's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// All are written.
    All,
    /// None is: another request changed the wallet, or took one of its links,
    /// since it was read, or is about to.
    Outrun,
}

/// The values, by name.
const GIVEN: &str = "given AS MATERIALIZED (
       SELECT * FROM jsonb_to_record($1::jsonb) AS t (
              address text, community bigint, now timestamptz, passport bigint, score bigint, version xid,
              stored bigint[], gone bigint[], added jsonb, created jsonb, held jsonb, deduplicated jsonb, fresh jsonb,
              fields jsonb)),
     fresh AS MATERIALIZED (
       SELECT f.* FROM given, jsonb_to_record(given.fresh) AS f (
              score numeric, status text, error text, evidence jsonb, stamp_scores jsonb, stamps jsonb,
              expiration_date timestamptz, last_score_timestamp timestamptz))";

/// Links that shall point at this wallet, in one order for all, locked. Fewer than
/// given if another wallet took one.
const FREE_LINKS: &str = "free AS MATERIALIZED (
       SELECT l.id, h.expires
         FROM given, jsonb_to_recordset(given.held) AS h (id bigint, expires timestamptz), registry_hashscorerlink l
        WHERE l.id = h.id AND (l.address = given.address OR l.expires_at <= given.now)
        ORDER BY l.id FOR NO KEY UPDATE OF l)";

const ALL_FREE: &str = "(SELECT count(*) FROM free) = (SELECT jsonb_array_length(held) FROM given)";

/// The score's row if it and the stamps are still those that were read. The
/// condition is looked at again once the row is locked, on its newest version.
/// If another request has it locked, that one is about to change it: no wait.
const AGAIN: &str = "known AS MATERIALIZED (
       SELECT s.id FROM registry_score s, given
        WHERE s.id = given.score AND s.xmin = given.version
          AND given.stored = ARRAY(SELECT t.id FROM registry_stamp t
                                    WHERE t.passport_id = (SELECT passport FROM given) ORDER BY t.id)
          AND {links}
          FOR NO KEY UPDATE OF s SKIP LOCKED),
     scored AS (
       UPDATE registry_score s
          SET score = fresh.score, status = fresh.status, error = fresh.error, evidence = fresh.evidence,
              stamp_scores = fresh.stamp_scores, stamps = fresh.stamps, expiration_date = fresh.expiration_date,
              last_score_timestamp = fresh.last_score_timestamp
         FROM known, fresh WHERE s.id = known.id
       RETURNING s.id, s.passport_id)";

/// A first score, if no other request was faster.
const FIRST: &str = "made AS (
       INSERT INTO registry_passport (address, community_id)
       SELECT given.address, given.community FROM given WHERE given.passport IS NULL AND {links}
       ON CONFLICT (address, community_id) DO NOTHING RETURNING id),
     scored AS (
       INSERT INTO registry_score (passport_id, score, status, error, evidence, stamp_scores, stamps,
                                   expiration_date, last_score_timestamp)
       SELECT p.id, fresh.score, fresh.status, fresh.error, fresh.evidence, fresh.stamp_scores, fresh.stamps,
              fresh.expiration_date, fresh.last_score_timestamp
         FROM fresh, (SELECT id FROM made
                    UNION ALL
                    SELECT given.passport FROM given WHERE given.passport IS NOT NULL AND {links}) p
       ON CONFLICT (passport_id) DO NOTHING RETURNING id, passport_id)";

const STAMPS_GONE: &str = "stamps_gone AS (
       DELETE FROM registry_stamp t USING given, scored WHERE t.id = ANY (given.gone))";

const STAMPS_ADDED: &str = "stamps_added AS (
       INSERT INTO registry_stamp (passport_id, provider, credential)
       SELECT scored.passport_id, a.provider, a.credential
         FROM scored, given, jsonb_to_recordset(given.added) AS a (provider text, credential jsonb))";

/// In one order for all, so that two requests cannot wait for each other. A link
/// that exists by now fails the statement with a unique violation.
const LINKS_CREATED: &str = "links_created AS (
       INSERT INTO registry_hashscorerlink (hash, community_id, address, expires_at)
       SELECT c.hash, given.community, c.address, c.expires
         FROM scored, given, jsonb_to_recordset(given.created) AS c (hash text, address text, expires timestamptz)
        ORDER BY c.hash)";

const LINKS_HELD: &str = "links_held AS (
       UPDATE registry_hashscorerlink l SET address = given.address, expires_at = free.expires
         FROM scored, given, free WHERE l.id = free.id)";

const DEDUPLICATED: &str = "deduplicated AS (
       INSERT INTO registry_event (action, address, created_at, data, community_id)
       SELECT 'LDP', given.address, given.now, d.value, given.community
         FROM scored, given, jsonb_array_elements(given.deduplicated) AS d (value))";

const ANNOUNCED: &str = "announced AS (
       INSERT INTO registry_event (action, address, created_at, data, community_id)
       SELECT 'SCU', given.address, given.now,
              jsonb_build_object('model', 'registry.score', 'pk', scored.id,
                                 'fields', given.fields || jsonb_build_object('passport', scored.passport_id)),
              given.community
         FROM scored, given WHERE given.fields IS NOT NULL)";

#[derive(Serialize)]
struct Values<'a> {
    address: &'a str,
    community: i64,
    now: String,
    passport: Option<i64>,
    score: Option<i64>,
    version: Option<&'a str>,
    stored: &'a [i64],
    gone: Vec<i64>,
    added: Vec<Added<'a>>,
    created: Vec<Created<'a>>,
    held: Vec<Held>,
    deduplicated: Vec<Deduplicated<'a>>,
    fresh: ScoreValues<'a>,
    fields: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct Added<'a> {
    provider: &'a str,
    credential: &'a RawValue,
}

#[derive(Serialize)]
struct Created<'a> {
    hash: &'a str,
    address: &'a str,
    expires: String,
}

#[derive(Serialize)]
struct Held {
    id: i64,
    expires: String,
}

#[derive(Serialize)]
struct Deduplicated<'a> {
    nullifiers: &'a [String],
    provider: &'a str,
    community_id: i64,
}

#[derive(Serialize)]
struct ScoreValues<'a> {
    score: Option<&'a str>,
    status: &'static str,
    error: Option<&'a str>,
    evidence: Option<&'a RawValue>,
    stamp_scores: Option<&'a RawValue>,
    stamps: Option<&'a RawValue>,
    expiration_date: Option<String>,
    last_score_timestamp: Option<String>,
}

/// JSON text as part of a larger one.
fn raw(json: &str) -> Result<&RawValue, DbError> {
    serde_json::from_str(json).map_err(|error| our_bug(&error))
}

fn raw_if(json: Option<&String>) -> Result<Option<&RawValue>, DbError> {
    json.map(|json| raw(json)).transpose()
}

fn iso(time: &OffsetTime) -> String {
    time.python_isoformat()
}

impl<'a> Change<'a> {
    fn values(&self) -> Result<Values<'a>, DbError> {
        let Self { wallet, address, community_id, plan, score, now } = *self;
        let now = iso(&OffsetTime::from_micros(now));
        let is_done = score.error.is_none();
        let mut values = Values {
            address,
            community: community_id,
            now: now.clone(),
            passport: wallet.passport,
            score: wallet.score,
            version: wallet.version.as_deref(),
            stored: &wallet.stored,
            gone: Vec::new(),
            added: Vec::new(),
            created: Vec::new(),
            held: Vec::new(),
            deduplicated: Vec::new(),
            fresh: ScoreValues {
                score: score.score,
                status: if is_done { "DONE" } else { "ERROR" },
                error: score.error.as_deref(),
                evidence: raw_if(score.evidence.as_ref())?,
                stamp_scores: raw_if(score.stamp_scores.as_ref())?,
                stamps: raw_if(score.stamps.as_ref())?,
                expiration_date: score.expires.as_ref().map(iso),
                last_score_timestamp: is_done.then_some(now),
            },
            fields: raw_if(score.event_fields.as_ref())?,
        };
        if let Some(plan) = plan {
            self.plan(plan, &mut values)?;
        }
        Ok(values)
    }

    /// Only what changes: a row that is as it shall be is left alone.
    fn plan(&self, plan: &'a Plan, values: &mut Values<'a>) -> Result<(), DbError> {
        let Self { wallet, address, community_id, .. } = *self;
        let mut kept = Vec::new();
        for Stamp { provider, json, .. } in &plan.counted {
            match wallet.row_of(provider, json) {
                Some(id) => kept.push(id),
                None => values.added.push(Added { provider, credential: raw(json)? }),
            }
        }
        values.gone = wallet.stored.iter().copied().filter(|id| !kept.contains(id)).collect();
        for link in &plan.create {
            values.created.push(Created {
                hash: &link.hash,
                address: &link.address,
                expires: iso(&link.expires),
            });
        }
        let is_so = |id: i64, expires: &OffsetTime| {
            wallet.links.iter().any(|link| {
                link.id == id && link.address == address && link.expires == expires.micros()
            })
        };
        for (id, expires) in plan.hold.iter().filter(|(id, expires)| !is_so(*id, expires)) {
            values.held.push(Held { id: *id, expires: iso(expires) });
        }
        for (provider, clash) in &plan.clashing {
            values.deduplicated.push(Deduplicated {
                nullifiers: &clash.nullifiers,
                provider,
                community_id,
            });
        }
        Ok(())
    }
}

/// Which score a statement writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Score {
    /// The first of a wallet.
    First,
    /// One over another.
    Again,
}

/// What may have something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    StampsGone,
    StampsAdded,
    LinksCreated,
    LinksHeld,
    Deduplicated,
    Announced,
}

/// The statement with those steps that have something to do: each costs the server
/// time to plan.
pub(super) fn steps(score: Score, does: impl Fn(Step) -> bool) -> String {
    let score = match score {
        Score::First => FIRST,
        Score::Again => AGAIN,
    };
    let takes_links = does(Step::LinksHeld);
    let score = score.replace("{links}", if takes_links { ALL_FREE } else { "true" });
    let steps = [
        (true, GIVEN),
        (takes_links, FREE_LINKS),
        (true, score.as_str()),
        (does(Step::StampsGone), STAMPS_GONE),
        (does(Step::StampsAdded), STAMPS_ADDED),
        (does(Step::LinksCreated), LINKS_CREATED),
        (takes_links, LINKS_HELD),
        (does(Step::Deduplicated), DEDUPLICATED),
        (does(Step::Announced), ANNOUNCED),
    ];
    let steps: Vec<&str> =
        steps.into_iter().filter(|(does, _)| *does).map(|(_, step)| step).collect();
    format!("WITH {}\nSELECT count(*) AS scored FROM scored", steps.join(",\n     "))
}

impl Values<'_> {
    fn sql(&self, planned: bool) -> Cow<'static, str> {
        match (planned, self.score) {
            (true, None) => FIRST_PLANNED.into(),
            (true, Some(_)) => AGAIN_PLANNED.into(),
            (false, None) => steps(Score::First, |step| self.does(step)).into(),
            (false, Some(_)) => steps(Score::Again, |step| self.does(step)).into(),
        }
    }

    fn does(&self, step: Step) -> bool {
        match step {
            Step::StampsGone => !self.gone.is_empty(),
            Step::StampsAdded => !self.added.is_empty(),
            Step::LinksCreated => !self.created.is_empty(),
            Step::LinksHeld => !self.held.is_empty(),
            Step::Deduplicated => !self.deduplicated.is_empty(),
            Step::Announced => self.fields.is_some(),
        }
    }
}

/// Everything that a score leaves behind, in one statement, and the analytics row
/// in another behind it, which is not waited for.
///
/// # Errors
/// [`DbError`]; a [race](DbError::is_race) if a new link exists already.
pub async fn write(
    lease: &mut Lease<'_>,
    change: Change<'_>,
    note: Option<Note>,
) -> Result<Written, DbError> {
    let values = change.values()?;
    let text = serde_json::to_string(&values).map_err(|error| our_bug(&error))?;
    let planned = lease.plans_once();
    let statement = Statement { what: "write score", sql: &values.sql(planned), values: &text };
    let rows = match note {
        Some(note) => lease.run_before(statement, note.statement(planned)).await,
        None => lease.run(statement).await,
    };
    if let Err(error) = &rows
        && planned
        && lease.has_no_functions(error)
    {
        // They were there when the wallet was read: once more, and without them.
        lease.abandon_note().await;
        return Ok(Written::Outrun);
    }
    let written = rows.and_then(|rows| {
        let scored: i64 = rows.first().map_or(Ok(0), |row| get(row, "scored"))?;
        Ok(if scored == 1 { Written::All } else { Written::Outrun })
    });
    // The connection serves another try. After any other failure it is closed.
    if matches!(written, Ok(Written::Outrun) | Err(DbError::Refused { .. })) {
        lease.abandon_note().await;
    }
    written
}

const MIGRATE: &str = "
UPDATE account_accountapikey k SET hashed_key_sha256 = g.hashed
  FROM jsonb_to_record($1::jsonb) AS g (id text, hashed text) WHERE k.id = g.id";

/// Gives an API key its quick hash, once it has come in by the slow one.
///
/// # Errors
/// [`DbError`]
pub async fn migrate(lease: &mut Lease<'_>, id: &str, hashed: &str) -> Result<(), DbError> {
    let values = serde_json::json!({"id": id, "hashed": hashed}).to_string();
    let statement = Statement { what: "store quick hash", sql: MIGRATE, values: &values };
    lease.run(statement).await.map(drop)
}
