//! A score writes what has to change, and leaves the rest alone.

use sqlx::{Connection, Executor, PgConnection, Row};

use super::{ask_for, count, lasting};
use crate::support::{Service, demo_environment};

/// Rows with what is new after any change to them.
async fn versions(url: &str, table: &'static str) -> anyhow::Result<Vec<(i64, String)>> {
    let mut admin = PgConnection::connect(url).await?;
    let sql = format!("SELECT id, xmin::text FROM {table} ORDER BY id");
    Ok(sqlx::query_as(sqlx::AssertSqlSafe(sql)).fetch_all(&mut admin).await?)
}

#[tokio::test]
async fn rows_that_are_as_they_shall_be_are_left_alone() -> anyhow::Result<()> {
    let service = Service::start("demo/seed.sql", &demo_environment()?).await?;
    let event = ask_for(12)?;
    let first = service.ask(&event).await;
    let stamps = versions(&service.url, "registry_stamp").await?;
    let links = versions(&service.url, "registry_hashscorerlink").await?;
    let passports = versions(&service.url, "registry_passport").await?;
    assert!(stamps.len() > 3 && links.len() > 3 && passports.len() == 1);
    let again = service.ask(&event).await;
    assert_eq!(lasting(&again), lasting(&first));
    assert_eq!(versions(&service.url, "registry_stamp").await?, stamps);
    assert_eq!(versions(&service.url, "registry_hashscorerlink").await?, links);
    assert_eq!(versions(&service.url, "registry_passport").await?, passports);
    assert_eq!(count(&service.url, "registry_event WHERE action = 'SCU'").await?, 2);

    // A foreign hand changes one row, doubles another, and shortens a link.
    let mut admin = PgConnection::connect(&service.url).await?;
    admin
        .execute(
            "UPDATE registry_stamp SET credential = '{}' WHERE id = (SELECT min(id) FROM registry_stamp);
             INSERT INTO registry_stamp (passport_id, provider, credential)
             SELECT passport_id, provider, credential FROM registry_stamp WHERE id = (SELECT max(id) FROM registry_stamp);
             UPDATE registry_hashscorerlink SET expires_at = now() + interval '1 minute'
              WHERE id = (SELECT min(id) FROM registry_hashscorerlink)",
        )
        .await?;
    assert_eq!(lasting(&service.ask(&event).await), lasting(&first));
    let now = versions(&service.url, "registry_stamp").await?;
    assert_eq!(now.len(), stamps.len());
    assert_eq!(now.iter().filter(|row| !stamps.contains(row)).count(), 1, "only the changed one");
    let now = versions(&service.url, "registry_hashscorerlink").await?;
    assert_eq!(now.iter().filter(|row| !links.contains(row)).count(), 1);
    let row = admin
        .fetch_one("SELECT count(*) FROM registry_stamp WHERE credential = '{}' UNION ALL SELECT 0")
        .await?;
    assert_eq!(row.try_get::<i64, _>(0)?, 0);

    // A stamp that is gone takes its row with it, and no other.
    admin
        .execute(
            "UPDATE ceramic_cache_ceramiccache c SET deleted_at = now() FROM registry_passport p
              WHERE c.address = p.address
                AND c.provider = (SELECT min(provider) FROM registry_stamp)",
        )
        .await?;
    let before = versions(&service.url, "registry_stamp").await?;
    assert_eq!(service.ask(&event).await["statusCode"], 200);
    let after = versions(&service.url, "registry_stamp").await?;
    assert_eq!(after.len(), before.len() - 1);
    assert!(after.iter().all(|row| before.contains(row)));
    Ok(())
}

#[tokio::test]
async fn a_score_that_did_not_change_writes_little() -> anyhow::Result<()> {
    let service = Service::start("demo/seed.sql", &demo_environment()?).await?;
    let mut admin = PgConnection::connect(&service.url).await?;
    let event = ask_for(3)?;
    let mut written = Vec::new();
    for _ in 0..10 {
        let lsn = "SELECT pg_current_wal_insert_lsn()::text";
        let before: String = sqlx::query_scalar(lsn).fetch_one(&mut admin).await?;
        assert_eq!(service.ask(&event).await["statusCode"], 200);
        let bytes = "SELECT (pg_current_wal_insert_lsn() - $1::pg_lsn)::bigint";
        written.push(sqlx::query_scalar::<_, i64>(bytes).bind(before).fetch_one(&mut admin).await?);
    }
    // Now and then the server writes for itself.
    let least = written[1..].iter().min().copied().unwrap_or_default();
    println!("write-ahead log: {} bytes for a first score, {least} for the same again", written[0]);
    assert!(least * 3 < written[0], "{written:?}");
    Ok(())
}
