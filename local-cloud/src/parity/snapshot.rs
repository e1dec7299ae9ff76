//! What is in the tables that a score writes, in the form of the recorded cases.

use std::collections::BTreeMap;

use serde_json::Value;
use sqlx::postgres::PgConnection;
use sqlx::{Connection, Row};

use super::compare;

/// Rows per table, ids left out.
pub type Snapshot = BTreeMap<&'static str, Vec<Value>>;

/// Table and the statement that gives its rows as JSON texts.
///
/// Times come out as PostgreSQL prints them in JSON, which is how the cases
/// were recorded.
const TABLES: [(&str, &str); 7] = [
    (
        "account_accountapikey",
        "SELECT jsonb_build_object('prefix', prefix, 'hashed_key_sha256', hashed_key_sha256)::text
           FROM account_accountapikey",
    ),
    (
        "account_accountapikeyanalytics",
        "SELECT jsonb_build_object('prefix', k.prefix, 'path', a.path, 'base_path', a.base_path,
                  'path_segments', a.path_segments, 'query_params', a.query_params, 'payload', a.payload,
                  'headers', a.headers, 'response', a.response, 'response_skipped', a.response_skipped,
                  'error', a.error, 'status_code', a.status_code)::text
           FROM account_accountapikeyanalytics a JOIN account_accountapikey k ON k.id = a.api_key_id",
    ),
    (
        "registry_event",
        "SELECT jsonb_build_object('action', action, 'address', address, 'community_id', community_id,
                  'data', data)::text
           FROM registry_event",
    ),
    (
        "registry_hashscorerlink",
        "SELECT jsonb_build_object('hash', hash, 'community_id', community_id, 'address', address,
                  'expires_at', expires_at)::text
           FROM registry_hashscorerlink",
    ),
    (
        "registry_passport",
        "SELECT jsonb_build_object('address', address, 'community_id', community_id,
                  'requires_calculation', requires_calculation)::text
           FROM registry_passport",
    ),
    (
        "registry_score",
        "SELECT jsonb_build_object('passport_address', p.address, 'community_id', p.community_id,
                  'score', s.score::text, 'status', s.status, 'error', s.error, 'evidence', s.evidence,
                  'stamp_scores', s.stamp_scores, 'stamps', s.stamps, 'expiration_date', s.expiration_date,
                  'last_score_timestamp', s.last_score_timestamp)::text
           FROM registry_score s JOIN registry_passport p ON p.id = s.passport_id",
    ),
    (
        "registry_stamp",
        "SELECT jsonb_build_object('passport_address', p.address, 'provider', s.provider,
                  'credential', s.credential)::text
           FROM registry_stamp s JOIN registry_passport p ON p.id = s.passport_id",
    ),
];

/// The one table that only some cases list.
const ANALYTICS: &str = "account_accountapikeyanalytics";

/// Looks at the tables of one database.
#[derive(Debug)]
pub struct Observer(PgConnection);

impl Observer {
    /// Connects; the session speaks UTC.
    ///
    /// # Errors
    /// What the database said.
    pub async fn connect(url: &str) -> Result<Self, sqlx::Error> {
        let mut connection = PgConnection::connect(url).await?;
        sqlx::raw_sql("SET TIME ZONE 'UTC'").execute(&mut connection).await?;
        Ok(Self(connection))
    }

    /// All rows as they are now.
    ///
    /// # Errors
    /// What the database said.
    pub async fn look(&mut self, analytics: bool) -> anyhow::Result<Snapshot> {
        let mut snapshot = Snapshot::new();
        for (table, sql) in TABLES.into_iter().filter(|(table, _)| analytics || *table != ANALYTICS)
        {
            let mut rows = Vec::new();
            for row in sqlx::query(sql).fetch_all(&mut self.0).await? {
                let text: &str = row.try_get(0)?;
                // PostgreSQL keeps numbers that are beyond a double.
                rows.push(serde_json::from_str(text).unwrap_or_else(|_| Value::from(text)));
            }
            if table == "registry_stamp" {
                self.hash_credentials(&mut rows).await?;
            }
            snapshot.insert(table, rows.into_iter().map(compare::normal).collect());
        }
        Ok(snapshot)
    }

    /// Replaces each credential by the SHA-256 of its JSON with sorted keys and no spaces.
    async fn hash_credentials(&mut self, rows: &mut [Value]) -> anyhow::Result<()> {
        let mut rows: Vec<&mut Value> = rows.iter_mut().filter(|row| row.is_object()).collect();
        let texts: Vec<String> = rows.iter().map(|row| ascii_json(&row["credential"])).collect();
        let hashes =
            sqlx::query("SELECT encode(sha256(convert_to(t, 'UTF8')), 'hex') FROM unnest($1) AS t")
                .bind(texts)
                .fetch_all(&mut self.0)
                .await?;
        for (row, hash) in rows.iter_mut().zip(hashes) {
            row["credential"] = Value::from(format!("sha256:{}", hash.try_get::<String, _>(0)?));
        }
        Ok(())
    }
}

/// JSON with sorted keys, no spaces, and everything escaped that is no
/// printable ASCII (U+007F is not), as Python's `json.dumps` does.
fn ascii_json(value: &Value) -> String {
    let mut out = String::new();
    for c in value.to_string().chars() {
        if matches!(c, ' '..='~') {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Expected texts are what CPython printed for `json.dumps(value,
    /// sort_keys=True, separators=(",", ":"))`.
    #[test]
    fn texts_are_escaped_as_python_escapes_them() {
        let table = [
            (json!("~\u{7f}\u{80}"), r#""~\u007f\u0080""#),
            (json!("\u{8}\u{c}\n\r\t\u{0}\u{1f}"), r#""\b\f\n\r\t\u0000\u001f""#),
            (json!("\"/\\"), r#""\"/\\""#),
            (json!("\u{e9}\u{2028}\u{1f600}"), r#""\u00e9\u2028\ud83d\ude00""#),
            (json!({"b": 1, "a\u{7f}": [true, null]}), r#"{"a\u007f":[true,null],"b":1}"#),
        ];
        for (value, expected) in table {
            assert_eq!(ascii_json(&value), expected);
        }
    }
}
