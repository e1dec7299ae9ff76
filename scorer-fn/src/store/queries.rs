//! The four statements of a request, and the one of a refusal.
//!
//! Few and wide on purpose: each costs two round trips. Together with BEGIN
//! and COMMIT a score takes ten, eight without stamps; the Python side makes
//! 37 for three new stamps.

mod values;

use serde_json::Value;

use self::values::{Values, get, our_bug};
use super::{DbError, Tx};
use crate::event::Event;
use crate::python_json::Json;
use crate::score::dedup::{Link, Plan};
use crate::score::request::CommunityKey;
use crate::time::{Micros, OffsetTime};

/// The row of an API key.
#[derive(Clone, Debug)]
pub struct KeyRow {
    /// Primary key.
    pub id: String,
    /// `hashed_key`.
    pub hashed: String,
    /// `hashed_key_sha256`.
    pub hashed_sha256: Option<String>,
    /// `COUNT/PERIOD`; empty or NULL means unlimited.
    pub rate_limit: Option<String>,
}

/// The community that the request names, and its scorer.
#[derive(Clone, Debug)]
pub struct CommunityRow {
    /// Primary key.
    pub id: i64,
    /// Deduplication rule.
    pub rule: String,
    /// `WEIGHTED` or `WEIGHTED_BINARY`.
    pub scorer_type: String,
    /// Threshold of the child row; None if there is no child row.
    pub threshold: Option<String>,
    /// Weights as JSON text; None if the column is NULL.
    pub weights: Option<String>,
    /// Weights of the customization: `[[provider, weight], …]`.
    pub custom: Vec<(String, String)>,
}

const ADMIT: &str = "
SELECT k.id, k.hashed_key, k.hashed_key_sha256, k.rate_limit,
       c.id, c.rule, s.type,
       COALESCE(w.threshold, b.threshold)::text,
       COALESCE(w.weights, b.weights)::text,
       (SELECT json_agg(json_build_array(x.provider, x.weight) ORDER BY x.part, x.id)::text
          FROM (SELECT 1 AS part, a.id, 'AllowList#' || l.name AS provider, a.weight::text AS weight
                  FROM account_allowlist a JOIN account_addresslist l ON l.id = a.address_list_id
                 WHERE a.customization_id = z.id
                UNION ALL
                SELECT 2, d.id, r.provider_id, d.weight::text
                  FROM account_customcredential d JOIN account_customcredentialruleset r ON r.id = d.ruleset_id
                 WHERE d.customization_id = z.id) x)
  FROM account_accountapikey k
  LEFT JOIN LATERAL (
       SELECT c.id, c.rule, c.scorer_id
         FROM account_community c
        WHERE c.account_id = k.account_id AND (c.external_scorer_id = $2 OR c.id = $3)
        ORDER BY (c.external_scorer_id IS NOT DISTINCT FROM $2) DESC
        LIMIT 1) c ON true
  LEFT JOIN scorer_weighted_scorer s ON s.id = c.scorer_id
  LEFT JOIN scorer_weighted_weightedscorer w ON s.type = 'WEIGHTED' AND w.scorer_ptr_id = s.id
  LEFT JOIN scorer_weighted_binaryweightedscorer b ON s.type = 'WEIGHTED_BINARY' AND b.scorer_ptr_id = s.id
  LEFT JOIN account_customization z ON z.scorer_id = c.id
 WHERE k.prefix = $1";

/// Key row by prefix, with the community that its account has under this name.
///
/// # Errors
/// [`DbError`]
pub async fn admit(
    tx: &mut Tx<'_>,
    prefix: &str,
    community: Option<&CommunityKey>,
) -> Result<Option<(KeyRow, Option<CommunityRow>)>, DbError> {
    let values = Values::new()
        .with(prefix)
        .with(community.map(|key| key.external.as_str()))
        .with(community.and_then(|key| key.id));
    let rows = tx.rows("find key and scorer", ADMIT, values.all()?).await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let key = KeyRow {
        id: get(row, 0)?,
        hashed: get(row, 1)?,
        hashed_sha256: get(row, 2)?,
        rate_limit: get(row, 3)?,
    };
    let Some(id) = get(row, 4)? else {
        return Ok(Some((key, None)));
    };
    let custom: Option<String> = get(row, 9)?;
    let custom = custom.map_or(Ok(Vec::new()), |text| serde_json::from_str(&text));
    let community = CommunityRow {
        id,
        rule: get(row, 5)?,
        scorer_type: get::<Option<String>>(row, 6)?.unwrap_or_default(),
        threshold: get(row, 7)?,
        weights: get(row, 8)?,
        custom: custom.map_err(|error| our_bug(&error))?,
    };
    Ok(Some((key, Some(community))))
}

const LOCK: &str = "
WITH found AS (
       SELECT id FROM registry_passport WHERE address = $1 AND community_id = $2 FOR UPDATE),
     made AS (
       INSERT INTO registry_passport (address, community_id)
       SELECT $1, $2 WHERE NOT EXISTS (SELECT FROM found)
       ON CONFLICT (address, community_id) DO UPDATE SET address = EXCLUDED.address
       RETURNING id)
SELECT p.id, s.provider, s.stamp::text
  FROM (SELECT id FROM found UNION ALL SELECT id FROM made) p
  LEFT JOIN (
       SELECT DISTINCT ON (c.provider) c.provider, c.stamp
         FROM ceramic_cache_ceramiccache c
        WHERE c.address = $1 AND c.deleted_at IS NULL
          AND NOT EXISTS (SELECT FROM ceramic_cache_revocation r WHERE r.ceramic_cache_id = c.id)
        ORDER BY c.provider, c.updated_at DESC, c.id DESC) s ON true";

/// Makes the passport if it is new and locks it, so that requests for one
/// wallet follow one another; gives its id and the wallet's current stamps as
/// (provider, credential).
///
/// # Errors
/// [`DbError`]
pub async fn lock_passport(
    tx: &mut Tx<'_>,
    address: &str,
    community_id: i64,
) -> Result<(i64, Vec<(String, String)>), DbError> {
    let rows = tx
        .rows(
            "lock passport, read stamps",
            LOCK,
            Values::new().with(address).with(community_id).all()?,
        )
        .await?;
    let first = rows
        .first()
        .ok_or_else(|| DbError::Lost("the passport was neither found nor made".to_owned()))?;
    let passport_id = get(first, 0)?;
    let mut stamps = Vec::new();
    for row in &rows {
        if let Some(provider) = get(row, 1)? {
            stamps.push((provider, get(row, 2)?));
        }
    }
    Ok((passport_id, stamps))
}

const LINKS: &str = "
SELECT id, hash, address, (extract(epoch FROM expires_at) * 1000000)::bigint
  FROM registry_hashscorerlink WHERE community_id = $1 AND hash = ANY($2)";

/// Who holds these nullifiers in the community.
///
/// # Errors
/// [`DbError`]
pub async fn links(
    tx: &mut Tx<'_>,
    community_id: i64,
    hashes: Vec<String>,
) -> Result<Vec<Link>, DbError> {
    let rows =
        tx.rows("read links", LINKS, Values::new().with(community_id).with(hashes).all()?).await?;
    rows.iter()
        .map(|row| {
            Ok(Link {
                id: get(row, 0)?,
                hash: get(row, 1)?,
                address: get(row, 2)?,
                expires: get(row, 3)?,
            })
        })
        .collect()
}

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

/// Who asked, and what to remember of it.
#[derive(Clone, Debug)]
pub struct Visit<'e> {
    /// Primary key of the API key.
    pub api_key_id: String,
    /// The SHA-256 form to store, if the key came in by a slow hash.
    pub migrate: Option<String>,
    /// Whether the analytics row is wanted.
    pub analytics: bool,
    /// The request.
    pub event: &'e Event,
    /// Its parsed body; None if that was never reached.
    pub payload: Option<Json>,
}

/// The outcome as the analytics row has it.
#[derive(Clone, Copy, Debug)]
pub struct Outcome<'a> {
    /// HTTP status.
    pub status: u16,
    /// The body as sent.
    pub body: &'a str,
    /// The exception's text, if there was one.
    pub error: Option<&'a str>,
}

const WRITE: &str = "
WITH gone AS (DELETE FROM registry_stamp WHERE passport_id = $1 AND $32),
     kept AS (
       INSERT INTO registry_stamp (passport_id, provider, credential)
       SELECT $1, t.provider, t.credential::jsonb FROM unnest($2::text[], $3::text[]) AS t (provider, credential)),
     claimed AS (
       INSERT INTO registry_hashscorerlink (hash, community_id, address, expires_at)
       SELECT t.hash, $4, t.address, t.expires::timestamptz
         FROM unnest($5::text[], $6::text[], $7::text[]) AS t (hash, address, expires)),
     held AS (
       UPDATE registry_hashscorerlink l SET address = $8, expires_at = t.expires::timestamptz
         FROM unnest($9::bigint[], $10::text[]) AS t (id, expires)
        WHERE l.id = t.id AND (l.address = $8 OR l.expires_at <= $11::timestamptz)
       RETURNING 1),
     deduplicated AS (
       INSERT INTO registry_event (action, address, created_at, data, community_id)
       SELECT 'LDP', $8, $11::timestamptz, t.data::jsonb, $4 FROM unnest($12::text[]) AS t (data)),
     scored AS (
       INSERT INTO registry_score (passport_id, score, status, error, evidence, stamp_scores, stamps,
                                   expiration_date, last_score_timestamp)
       VALUES ($1, $13::numeric, $14, $15, $16::jsonb, $17::jsonb, $18::jsonb, $19::timestamptz,
               CASE WHEN $14 = 'DONE' THEN $11::timestamptz END)
       ON CONFLICT (passport_id) DO UPDATE
          SET score = EXCLUDED.score, status = EXCLUDED.status, error = EXCLUDED.error,
              evidence = EXCLUDED.evidence, stamp_scores = EXCLUDED.stamp_scores, stamps = EXCLUDED.stamps,
              expiration_date = EXCLUDED.expiration_date, last_score_timestamp = EXCLUDED.last_score_timestamp
       RETURNING id),
     announced AS (
       INSERT INTO registry_event (action, address, created_at, data, community_id)
       SELECT 'SCU', $8, $11::timestamptz,
              jsonb_build_object('model', 'registry.score', 'pk', scored.id,
                                 'fields', $20::jsonb || jsonb_build_object('passport', $1)), $4
         FROM scored WHERE $14 = 'DONE'),
     migrated AS (
       UPDATE account_accountapikey SET hashed_key_sha256 = $21 WHERE id = $22 AND $21 IS NOT NULL),
     noted AS (
       INSERT INTO account_accountapikeyanalytics (created_at, path, api_key_id, error, headers, path_segments,
                                                   payload, query_params, response, response_skipped, status_code)
       SELECT $11::timestamptz, $24, $22, $25, $26::jsonb, $27::jsonb, $28::jsonb, $29::jsonb, $30::jsonb, false, $31
        WHERE $23)
SELECT (SELECT count(*) FROM held)";

/// Whose score it is.
#[derive(Clone, Copy, Debug)]
pub struct Wallet<'a> {
    /// In lower case.
    pub address: &'a str,
    /// Primary key of the community.
    pub community_id: i64,
    /// Primary key of the passport.
    pub passport_id: i64,
}

/// What became of a score's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// All are written.
    All,
    /// Another wallet took one of the links meanwhile: start again.
    LinksTaken,
}

/// Everything that a score leaves behind, in one statement.
///
/// Without a plan it came to a score error before the stamps were stored, so
/// those of an earlier score stay.
///
/// # Errors
/// [`DbError`]; a [race](DbError::is_race) if a new link exists already.
pub async fn write(
    tx: &mut Tx<'_>,
    wallet: Wallet<'_>,
    plan: Option<&Plan>,
    score: &ScoreRow,
    visit: &Visit<'_>,
    outcome: Outcome<'_>,
    now: Micros,
) -> Result<Written, DbError> {
    let Wallet { address, community_id, passport_id } = wallet;
    let stores = plan.is_some();
    let nothing = Plan::default();
    let plan = plan.unwrap_or(&nothing);
    let iso = |time: &OffsetTime| time.python_isoformat();
    let ldp: Vec<String> = plan
        .clashing
        .iter()
        .map(|(provider, clash)| {
            serde_json::json!({"nullifiers": clash.nullifiers, "provider": provider, "community_id": community_id})
                .to_string()
        })
        .collect();
    let values = Values::new()
        .with(passport_id)
        .with(plan.counted.iter().map(|stamp| stamp.provider.clone()).collect::<Vec<_>>())
        .with(plan.counted.iter().map(|stamp| stamp.json.clone()).collect::<Vec<_>>())
        .with(community_id)
        .with(plan.create.iter().map(|link| link.hash.clone()).collect::<Vec<_>>())
        .with(plan.create.iter().map(|link| link.address.clone()).collect::<Vec<_>>())
        .with(plan.create.iter().map(|link| iso(&link.expires)).collect::<Vec<_>>())
        .with(address)
        .with(plan.hold.iter().map(|(id, _)| *id).collect::<Vec<_>>())
        .with(plan.hold.iter().map(|(_, expires)| iso(expires)).collect::<Vec<_>>())
        .with(iso(&OffsetTime::from_micros(now)))
        .with(ldp)
        .with(score.score)
        .with(if score.error.is_some() { "ERROR" } else { "DONE" })
        .with(score.error.as_deref())
        .with(score.evidence.as_deref())
        .with(score.stamp_scores.as_deref())
        .with(score.stamps.as_deref())
        .with(score.expires.as_ref().map(iso))
        .with(score.event_fields.as_deref())
        .with_visit(visit, outcome)
        .with(stores);
    let rows = tx.rows("write score", WRITE, values.all()?).await?;
    let held: i64 = rows.first().map_or(Ok(0), |row| get(row, 0))?;
    Ok(if usize::try_from(held) == Ok(plan.hold.len()) {
        Written::All
    } else {
        Written::LinksTaken
    })
}

const NOTE: &str = "
WITH migrated AS (
       UPDATE account_accountapikey SET hashed_key_sha256 = $2 WHERE id = $3 AND $2 IS NOT NULL)
INSERT INTO account_accountapikeyanalytics (created_at, path, api_key_id, error, headers, path_segments,
                                            payload, query_params, response, response_skipped, status_code)
SELECT $1::timestamptz, $5, $3, $6, $7::jsonb, $8::jsonb, $9::jsonb, $10::jsonb, $11::jsonb, false, $12
 WHERE $4";

/// What an authenticated but refused request leaves behind. Sends nothing if that is nothing.
///
/// # Errors
/// [`DbError`]
pub async fn note(
    tx: &mut Tx<'_>,
    visit: &Visit<'_>,
    outcome: Outcome<'_>,
    now: Micros,
) -> Result<(), DbError> {
    if visit.migrate.is_none() && !visit.is_noted() {
        return Ok(());
    }
    let values = Values::new()
        .with(OffsetTime::from_micros(now).python_isoformat())
        .with_visit(visit, outcome);
    tx.rows("note refusal", NOTE, values.all()?).await.map(|_| ())
}

impl Visit<'_> {
    /// Whether there will be an analytics row.
    ///
    /// Python logs a row that does not fit and answers all the same. Our row
    /// travels with the other writes, so what cannot fit is left out here: a
    /// path beyond the column's 1,000 characters, or the NUL that jsonb refuses.
    pub fn is_noted(&self) -> bool {
        let (Some(path), Some(query)) = (&self.event.path, &self.event.query) else {
            return false;
        };
        let headers = self.event.headers.iter().flatten();
        self.analytics
            && path.chars().count() <= 1000
            && !path.contains('\0')
            && !holds_nul(query)
            && !headers.into_iter().any(|(name, value)| name.contains('\0') || holds_nul(value))
            && self.payload.as_ref().is_none_or(|payload| payload.storable)
    }
}

fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(holds_nul),
        Value::Object(members) => {
            members.iter().any(|(name, value)| name.contains('\0') || holds_nul(value))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

impl Values {
    fn with_visit(self, visit: &Visit<'_>, outcome: Outcome<'_>) -> Self {
        let json =
            |value: Option<&Value>| value.filter(|value| !value.is_null()).map(ToString::to_string);
        let mut headers = visit.event.headers.clone().unwrap_or_default();
        if let Some(key) = headers.get_mut("x-api-key") {
            *key = "***".into();
        }
        let path = visit.event.path.as_deref().unwrap_or_default();
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        let noted = visit.is_noted();
        // A row that is not written needs no values; they may be what does not fit.
        self.with(visit.migrate.as_deref())
            .with(visit.api_key_id.as_str())
            .with(noted)
            .with(noted.then_some(path))
            .with(outcome.error.filter(|_| noted))
            .with(noted.then(|| Value::Object(headers).to_string()))
            .with(noted.then(|| Value::from(segments).to_string()))
            .with(json(visit.payload.as_ref().map(|payload| &payload.value)).filter(|_| noted))
            .with(json(visit.event.query.as_ref()).filter(|_| noted))
            .with(noted.then(|| Value::from(outcome.body).to_string()))
            .with(i32::from(outcome.status))
    }
}
