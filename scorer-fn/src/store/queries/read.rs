//! What a score depends on.

use std::collections::HashMap;

use serde::Serialize;

use super::{get, our_bug};
use crate::score::dedup::Link;
use crate::score::request::CommunityKey;
use crate::store::connection::Statement;
use crate::store::{DbError, Lease};
use crate::time::Micros;

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
    /// `last_score_timestamp`.
    pub scored_at: Option<Micros>,
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

/// A chain of small steps, each planned by itself: one join over all of these
/// tables takes the server longer to plan than to run.
const READ: &str = "
WITH asked AS MATERIALIZED (
       SELECT * FROM jsonb_to_record($1::jsonb) AS t (prefix text, scorer text, number bigint, address text)),
     api_key AS MATERIALIZED (
       SELECT id, hashed_key, hashed_key_sha256, rate_limit, account_id
         FROM account_accountapikey WHERE prefix = (SELECT prefix FROM asked)),
     community AS MATERIALIZED (
       SELECT c.id, c.rule, c.scorer_id
         FROM account_community c
        WHERE c.account_id = (SELECT account_id FROM api_key)
          AND (c.external_scorer_id = (SELECT scorer FROM asked) OR c.id = (SELECT number FROM asked))
        ORDER BY (c.external_scorer_id IS NOT DISTINCT FROM (SELECT scorer FROM asked)) DESC
        LIMIT 1),
     scorer AS MATERIALIZED (
       SELECT s.type, r.threshold, r.weights
         FROM scorer_weighted_scorer s
         LEFT JOIN LATERAL (
              SELECT w.threshold, w.weights FROM scorer_weighted_weightedscorer w
               WHERE s.type = 'WEIGHTED' AND w.scorer_ptr_id = s.id
              UNION ALL
              SELECT b.threshold, b.weights FROM scorer_weighted_binaryweightedscorer b
               WHERE s.type = 'WEIGHTED_BINARY' AND b.scorer_ptr_id = s.id) r ON true
        WHERE s.id = (SELECT scorer_id FROM community)),
     customization AS MATERIALIZED (
       SELECT id FROM account_customization WHERE scorer_id = (SELECT id FROM community)),
     custom AS MATERIALIZED (
       SELECT 1 AS part, a.id, 'AllowList#' || l.name AS provider, a.weight::text AS weight
         FROM account_allowlist a JOIN account_addresslist l ON l.id = a.address_list_id
        WHERE a.customization_id = (SELECT id FROM customization)
       UNION ALL
       SELECT 2, d.id, r.provider_id, d.weight::text
         FROM account_customcredential d JOIN account_customcredentialruleset r ON r.id = d.ruleset_id
        WHERE d.customization_id = (SELECT id FROM customization)),
     passport AS MATERIALIZED (
       SELECT id FROM registry_passport
        WHERE address = (SELECT address FROM asked) AND community_id = (SELECT id FROM community)),
     score AS MATERIALIZED (
       SELECT id, xmin::text AS version, (extract(epoch FROM last_score_timestamp) * 1000000)::bigint AS scored_at
         FROM registry_score WHERE passport_id = (SELECT id FROM passport)),
     stored AS MATERIALIZED (
       SELECT id, provider, credential FROM registry_stamp WHERE passport_id = (SELECT id FROM passport)),
     stamps AS MATERIALIZED (
       SELECT DISTINCT ON (c.provider) c.provider, c.stamp
         FROM ceramic_cache_ceramiccache c
        WHERE c.address = (SELECT address FROM asked) AND c.deleted_at IS NULL
          AND (SELECT id FROM community) IS NOT NULL
          AND NOT EXISTS (SELECT FROM ceramic_cache_revocation r WHERE r.ceramic_cache_id = c.id)
        ORDER BY c.provider, c.updated_at DESC, c.id DESC),
     nullifiers AS MATERIALIZED (
       SELECT stamp -> 'credentialSubject' ->> 'hash' AS hash FROM stamps
       UNION
       SELECT jsonb_array_elements_text(
                CASE jsonb_typeof(stamp -> 'credentialSubject' -> 'nullifiers')
                WHEN 'array' THEN stamp -> 'credentialSubject' -> 'nullifiers' ELSE '[]' END) FROM stamps),
     links AS MATERIALIZED (
       SELECT l.id, l.hash, l.address, (extract(epoch FROM l.expires_at) * 1000000)::bigint AS expires
         FROM nullifiers n JOIN registry_hashscorerlink l ON l.hash = n.hash
        WHERE l.community_id = (SELECT id FROM community))
SELECT k.id AS key_id, k.hashed_key, k.hashed_key_sha256, k.rate_limit,
       c.id AS community_id, c.rule,
       (SELECT type FROM scorer) AS scorer_type,
       (SELECT threshold FROM scorer)::text AS threshold,
       (SELECT weights FROM scorer)::text AS weights,
       (SELECT json_agg(json_build_array(provider, weight) ORDER BY part, id) FROM custom)::text AS custom,
       (SELECT id FROM passport) AS passport_id,
       (SELECT id FROM score) AS score_id,
       (SELECT version FROM score) AS version,
       (SELECT scored_at FROM score) AS scored_at,
       s.providers, s.credentials, s.same, l.ids, l.hashes, l.addresses, l.expires,
       ARRAY(SELECT id FROM stored ORDER BY id) AS stored
  FROM api_key k
  LEFT JOIN community c ON true
  CROSS JOIN (
       SELECT coalesce(array_agg(s.provider ORDER BY s.provider), '{}') AS providers,
              coalesce(array_agg(s.stamp::text ORDER BY s.provider), '{}') AS credentials,
              coalesce(array_agg(
                (SELECT min(o.id) FROM stored o WHERE o.provider = s.provider AND o.credential = s.stamp)
                ORDER BY s.provider), '{}') AS same
         FROM stamps s) s
  CROSS JOIN (
       SELECT coalesce(array_agg(id), '{}') AS ids, coalesce(array_agg(hash::text), '{}') AS hashes,
              coalesce(array_agg(address::text), '{}') AS addresses, coalesce(array_agg(expires), '{}') AS expires
         FROM links) l";

/// Reads everything, in one snapshot. None if there is no such key.
///
/// # Errors
/// [`DbError`]
pub async fn read(lease: &mut Lease<'_>, asked: Asked<'_>) -> Result<Option<Found>, DbError> {
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
    let values = serde_json::to_string(&values).map_err(|error| our_bug(&error))?;
    let rows = lease.ask(Statement { what: "read", sql: READ, values: &values }).await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let key = KeyRow {
        id: get(row, "key_id")?,
        hashed: get(row, "hashed_key")?,
        hashed_sha256: get(row, "hashed_key_sha256")?,
        rate_limit: get(row, "rate_limit")?,
    };
    let Some(id) = get(row, "community_id")? else {
        return Ok(Some(Found { key, community: None, wallet: WalletRow::default() }));
    };
    let custom: Option<&str> = get(row, "custom")?;
    let custom = custom.map_or(Ok(Vec::new()), serde_json::from_str);
    let community = CommunityRow {
        id,
        rule: get(row, "rule")?,
        scorer_type: get::<Option<String>>(row, "scorer_type")?.unwrap_or_default(),
        threshold: get(row, "threshold")?,
        weights: get(row, "weights")?,
        custom: custom.map_err(|error| our_bug(&error))?,
    };
    let providers: Vec<String> = get(row, "providers")?;
    let credentials: Vec<String> = get(row, "credentials")?;
    let same: Vec<Option<i64>> = get(row, "same")?;
    let (ids, hashes): (Vec<i64>, Vec<String>) = (get(row, "ids")?, get(row, "hashes")?);
    let (addresses, expires): (Vec<String>, Vec<i64>) =
        (get(row, "addresses")?, get(row, "expires")?);
    let links = ids.into_iter().zip(hashes).zip(addresses).zip(expires);
    let wallet = WalletRow {
        passport: get(row, "passport_id")?,
        score: get(row, "score_id")?,
        version: get(row, "version")?,
        scored_at: get(row, "scored_at")?,
        same: providers
            .iter()
            .zip(same)
            .filter_map(|(provider, same)| Some((provider.clone(), same?)))
            .collect(),
        stamps: providers.into_iter().zip(credentials).collect(),
        stored: get(row, "stored")?,
        links: links
            .map(|(((id, hash), address), expires)| Link { id, hash, address, expires })
            .collect(),
    };
    Ok(Some(Found { key, community: Some(community), wallet }))
}
