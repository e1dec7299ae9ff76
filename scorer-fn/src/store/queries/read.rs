//! What a score depends on.

use std::collections::{HashMap, HashSet};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_postgres::Row;

use super::planned::READ_PLANNED;
use super::{get, our_bug};
use crate::score::dedup::Link;
use crate::score::request::CommunityKey;
use crate::store::connection::Statement;
use crate::store::{DbError, Lease};
use crate::time::{Micros, OffsetTime};

/// What a request names.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Prefix of the API key.
    pub prefix: &'a str,
    /// The community; None finds none.
    pub community: Option<&'a CommunityKey>,
    /// The wallet in lower case; None finds none.
    pub address: Option<&'a str>,
}

/// What there is of it.
#[derive(Debug)]
pub struct Found {
    /// The key.
    pub key: KeyRow,
    /// The community that the key's account has under this name.
    pub community: Option<CommunityRow>,
    /// The wallet as that community knows it.
    pub wallet: WalletRow,
}

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

/// The rows of a wallet.
#[derive(Debug, Default)]
pub struct WalletRow {
    /// Primary key of the passport, if there is one.
    pub passport: Option<i64>,
    /// Primary key of its score, if there is one.
    pub score: Option<i64>,
    /// `xmin` of the score's row: another one after any change to it.
    pub version: Option<String>,
    /// Current stamps as (provider, credential), one of each provider.
    pub stamps: Vec<(String, String)>,
    /// Rows of `registry_stamp`.
    pub stored: Vec<i64>,
    /// By provider, the row of `registry_stamp` that holds the current stamp already.
    pub(super) same: HashMap<String, i64>,
    /// Who holds the nullifiers of the current stamps in this community.
    pub links: Vec<Link>,
}

impl WalletRow {
    /// The row of `registry_stamp` that holds this very stamp.
    pub(super) fn row_of(&self, provider: &str, credential: &str) -> Option<i64> {
        let current = self.stamps.iter().find(|(name, _)| name == provider);
        let is_current = current.is_some_and(|(_, current)| current == credential);
        self.same.get(provider).copied().filter(|_| is_current)
    }
}

/// Small steps, each planned by itself, and values by name: most of what the server
/// does here is planning, and a join over these tables takes it longer to plan than
/// to run. The `+ 0` keeps it from reading every link of a community where it has no
/// statistics yet.
pub(super) const READ: &str = "
WITH api_key AS MATERIALIZED (
       SELECT id, hashed_key, hashed_key_sha256, rate_limit, account_id
         FROM account_accountapikey WHERE prefix = $1::jsonb ->> 'prefix'),
     community AS MATERIALIZED (
       SELECT id, rule, scorer_id
         FROM account_community
        WHERE account_id = (SELECT account_id FROM api_key)
          AND (external_scorer_id = $1::jsonb ->> 'scorer' OR id = ($1::jsonb ->> 'number')::bigint)
        ORDER BY external_scorer_id IS NOT DISTINCT FROM $1::jsonb ->> 'scorer' DESC
        LIMIT 1),
     passport AS MATERIALIZED (
       SELECT id FROM registry_passport
        WHERE address = $1::jsonb ->> 'address' AND community_id = (SELECT id FROM community)),
     stamps AS MATERIALIZED (
       SELECT DISTINCT ON (provider) provider, stamp, stamp -> 'credentialSubject' AS subject
         FROM ceramic_cache_ceramiccache c
        WHERE address = $1::jsonb ->> 'address' AND deleted_at IS NULL
          AND (SELECT id FROM ceramic_cache_revocation WHERE ceramic_cache_id = c.id) IS NULL
        ORDER BY provider, updated_at DESC, id DESC)
SELECT k.id AS key_id, k.hashed_key, k.hashed_key_sha256, k.rate_limit, c.id AS community_id, c.rule,
       (SELECT type FROM scorer_weighted_scorer WHERE id = c.scorer_id) AS scorer_type,
       (SELECT ARRAY[threshold::text, weights::text] FROM scorer_weighted_weightedscorer
         WHERE scorer_ptr_id = c.scorer_id) AS weighted,
       (SELECT ARRAY[threshold::text, weights::text] FROM scorer_weighted_binaryweightedscorer
         WHERE scorer_ptr_id = c.scorer_id) AS binary_weighted,
       {custom},
       (SELECT id FROM passport) AS passport_id,
       (SELECT ARRAY[id::text, xmin::text] FROM registry_score
         WHERE passport_id = (SELECT id FROM passport)) AS score,
       (SELECT json_agg(json_build_array(o.id, (SELECT n.provider FROM stamps n
                                                 WHERE n.provider = o.provider AND n.stamp = o.credential))
                        ORDER BY o.id)
          FROM registry_stamp o WHERE o.passport_id = (SELECT id FROM passport))::text AS stored,
       ARRAY(SELECT provider FROM stamps) AS providers,
       ARRAY(SELECT stamp::text FROM stamps) AS credentials,
       (SELECT json_agg(json_build_array(id, hash, address, (extract(epoch FROM expires_at) * 1000000)::bigint))
          FROM registry_hashscorerlink
         WHERE community_id + 0 = c.id
           AND hash = ANY (ARRAY(
               SELECT n #>> '{}'
                 FROM stamps,
                      jsonb_path_query(jsonb_build_array(subject -> 'hash', subject -> 'nullifiers'), '$[*][*]') n)))::text
         AS links
  FROM api_key k LEFT JOIN community c ON true";

/// Whether the community has weights of its own, and not which: few have, and these
/// are four tables to plan for.
const WHETHER_CUSTOM: &str =
    "EXISTS (SELECT FROM account_customization WHERE scorer_id = c.id) AS is_custom,
       NULL::text AS lists, NULL::text AS credentials_of_its_own";

pub(super) const CUSTOM: &str =
    "EXISTS (SELECT FROM account_customization WHERE scorer_id = c.id) AS is_custom,
       (SELECT json_agg(json_build_array('AllowList#' || (SELECT name FROM account_addresslist
                                                            WHERE id = a.address_list_id), a.weight::text)
                        ORDER BY a.id)
          FROM account_allowlist a
         WHERE a.customization_id = (SELECT id FROM account_customization WHERE scorer_id = c.id))::text AS lists,
       (SELECT json_agg(json_build_array((SELECT provider_id FROM account_customcredentialruleset
                                           WHERE id = d.ruleset_id), d.weight::text)
                        ORDER BY d.id)
          FROM account_customcredential d
         WHERE d.customization_id = (SELECT id FROM account_customization WHERE scorer_id = c.id))::text
         AS credentials_of_its_own";

static READ_PLAIN: LazyLock<String> = LazyLock::new(|| statement(WHETHER_CUSTOM));
static READ_CUSTOM: LazyLock<String> = LazyLock::new(|| statement(CUSTOM));

fn statement(custom: &str) -> String {
    let sql = READ.replace("{custom}", custom);
    #[cfg(feature = "faults")]
    let sql = crate::fault::read_statement(sql);
    sql
}

/// Communities that had no weights of their own when they were last read.
///
/// A guess, not a cache: a read that relies on it says whether it was right.
#[derive(Debug, Default)]
pub struct Plain(Mutex<HashSet<String>>);

impl Plain {
    /// So many are known; more are forgotten.
    const MOST: usize = 1000;

    fn name(asked: Asked<'_>) -> Option<String> {
        asked.community.map(|community| format!("{} {}", asked.prefix, community.external))
    }

    fn holds(&self, asked: Asked<'_>) -> bool {
        Self::name(asked).is_some_and(|name| self.lock().contains(&name))
    }

    fn note(&self, asked: Asked<'_>, is_plain: bool) {
        let Some(name) = Self::name(asked) else { return };
        let mut known = self.lock();
        if !is_plain {
            known.remove(&name);
            return;
        }
        if known.len() >= Self::MOST {
            known.clear();
        }
        known.insert(name);
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads everything, in one snapshot. None if there is no such key.
///
/// One round trip; two for a community that has got weights of its own since it was
/// last read.
///
/// # Errors
/// [`DbError`]
pub async fn read(
    lease: &mut Lease<'_>,
    asked: Asked<'_>,
    plain: &Plain,
) -> Result<Option<Found>, DbError> {
    let values = values(asked)?;
    if lease.plans_once() {
        let statement = Statement { what: "read", sql: READ_PLANNED, values: &values };
        match lease.ask(statement).await {
            Err(error) if lease.has_no_functions(&error) => {}
            rows => return rows?.first().map(found).transpose(),
        }
    }
    let expects_plain = plain.holds(asked);
    let sql = if expects_plain { &*READ_PLAIN } else { &*READ_CUSTOM };
    let mut rows = lease.ask(Statement { what: "read", sql, values: &values }).await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let is_custom: bool = get(row, "is_custom")?;
    let is_known = get::<Option<i64>>(row, "community_id")?.is_some();
    plain.note(asked, is_known && !is_custom);
    if expects_plain && is_custom {
        let sql = &READ_CUSTOM;
        rows = lease.run(Statement { what: "read again", sql, values: &values }).await?;
    }
    rows.first().map(found).transpose()
}

fn values(asked: Asked<'_>) -> Result<String, DbError> {
    #[derive(Serialize)]
    struct Values<'a> {
        prefix: &'a str,
        scorer: Option<&'a str>,
        number: Option<i64>,
        address: Option<&'a str>,
    }
    let values = Values {
        prefix: asked.prefix,
        scorer: asked.community.map(|key| key.external.as_str()),
        number: asked.community.and_then(|key| key.id),
        address: asked.address,
    };
    serde_json::to_string(&values).map_err(|error| our_bug(&error))
}

fn found(row: &Row) -> Result<Found, DbError> {
    let key = KeyRow {
        id: get(row, "key_id")?,
        hashed: get(row, "hashed_key")?,
        hashed_sha256: get(row, "hashed_key_sha256")?,
        rate_limit: get(row, "rate_limit")?,
    };
    let Some(id) = get(row, "community_id")? else {
        return Ok(Found { key, community: None, wallet: WalletRow::default() });
    };
    let scorer_type: Option<String> = get(row, "scorer_type")?;
    let scorer_type = scorer_type.unwrap_or_default();
    let child: Option<Vec<Option<String>>> = match scorer_type.as_str() {
        "WEIGHTED" => get(row, "weighted")?,
        "WEIGHTED_BINARY" => get(row, "binary_weighted")?,
        _ => None,
    };
    let mut child = child.unwrap_or_default().into_iter();
    let (threshold, weights) = (child.next().flatten(), child.next().flatten());
    let mut custom: Vec<(String, String)> = list(row, "lists")?;
    custom.extend(list(row, "credentials_of_its_own")?);
    let rule = get(row, "rule")?;
    let community = CommunityRow { id, rule, scorer_type, threshold, weights, custom };

    let score: Option<Vec<String>> = get(row, "score")?;
    let (score, version) = match score.as_deref() {
        Some([id, version]) => {
            (Some(id.parse().map_err(|error| our_bug(&error))?), Some(version.clone()))
        }
        Some(_) | None => (None, None),
    };
    let mut same = HashMap::new();
    let mut stored = Vec::new();
    for (id, provider) in list::<(i64, Option<String>)>(row, "stored")? {
        stored.push(id);
        if let Some(provider) = provider {
            same.entry(provider).or_insert(id);
        }
    }
    let providers: Vec<String> = get(row, "providers")?;
    let credentials: Vec<String> = get(row, "credentials")?;
    let links: Vec<(i64, String, String, Micros)> = list(row, "links")?;
    let wallet = WalletRow {
        passport: get(row, "passport_id")?,
        score,
        version,
        stamps: providers.into_iter().zip(credentials).collect(),
        stored,
        same,
        links: links
            .into_iter()
            .map(|(id, hash, address, expires)| Link { id, hash, address, expires })
            .collect(),
    };
    Ok(Found { key, community: Some(community), wallet })
}

/// A column with a JSON list; NULL is an empty one.
fn list<T: DeserializeOwned>(row: &Row, name: &str) -> Result<Vec<T>, DbError> {
    let text: Option<&str> = get(row, name)?;
    text.map_or(Ok(Vec::new()), serde_json::from_str).map_err(|error| our_bug(&error))
}

const ARRIVED: &str = "
SELECT EXISTS (SELECT FROM registry_event
                WHERE action IN ('SCU', 'LDP') AND address = $1::jsonb ->> 'address'
                  AND community_id = ($1::jsonb ->> 'community')::bigint
                  AND created_at = ($1::jsonb ->> 'now')::timestamptz) AS arrived";

/// Whether the rows of a request are there, as its events show: no other request has
/// the same time.
///
/// # Errors
/// [`DbError`]
pub async fn arrived(
    lease: &mut Lease<'_>,
    address: &str,
    community: i64,
    now: Micros,
) -> Result<bool, DbError> {
    let now = OffsetTime::from_micros(now).python_isoformat();
    let values = serde_json::json!({"address": address, "community": community, "now": now});
    let values = values.to_string();
    let statement = Statement { what: "look for the score", sql: ARRIVED, values: &values };
    let rows = lease.run(statement).await?;
    rows.first().map_or(Ok(false), |row| get(row, "arrived"))
}
