//! What a request leaves in tables and logs beside its score: the analytics row,
//! which never decides the answer, and no secret.

use std::time::Duration;

use local_cloud::postgres::PrivatePostgres;
use serde_json::{Value, json};
use sqlx::{Connection, Executor, PgConnection, Row};

use crate::runtime::Function;
use crate::support::{Service, get, golden_environment, load};

const KEY: &str = "GoldKeyA.16689dac85a8b7b8c197c7932e44c8a2";
const PATH: &str = "/v2/stamps/101/score/0xa452b093b448cba521689d4f6f04ede0996080c7";

/// With an index of production's that has no room for a large value.
async fn with_index(postgres: &PrivatePostgres) -> anyhow::Result<()> {
    let sql = "CREATE INDEX ON account_accountapikeyanalytics (query_params);
               CREATE INDEX ON account_accountapikeyanalytics (payload);";
    Ok(postgres.load_sql("scorer", sql).await?)
}

/// A text of 100 KB that no compression makes small.
fn noise() -> String {
    let mut state = 1_u64;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'a' + u8::try_from(state >> 59).unwrap_or(0) % 26)
    };
    (0..100_000).map(|_| next()).collect()
}

fn score(answer: &Value) -> Value {
    let body = answer["body"].as_str().unwrap_or_default();
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    body["score"].clone()
}

async fn rows(url: &str) -> anyhow::Result<i64> {
    let mut admin = PgConnection::connect(url).await?;
    let sql = "SELECT count(*) FROM account_accountapikeyanalytics";
    Ok(sqlx::query_scalar(sql).fetch_one(&mut admin).await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_analytics_table_refuses_costs_the_row_and_nothing_else() -> anyhow::Result<()> {
    let postgres = PrivatePostgres::start().await?;
    load(&postgres, "tests/golden/seed.sql").await?;
    with_index(&postgres).await?;
    let mut settings: Vec<(String, String)> = golden_environment()?.into_iter().collect();
    settings.push(("DATABASE_URL".to_owned(), postgres.url("scorer")));
    let function = Function::start(env!("CARGO_BIN_EXE_scorer-fn"), &settings).await?;
    let plain = function.invoke(get(PATH, KEY)).await?;
    let with = |field: &str, value: Value| {
        let mut event = get(PATH, KEY);
        event[field] = value;
        event
    };
    let large = noise();
    let mut header = get(PATH, KEY);
    header["headers"]["x-large"] = large.clone().into();
    let long = format!("/{}{PATH}", "p".repeat(1000));
    let unknown = |mut event: Value| {
        event["path"] = "/v2/stamps/9/score/0x".into();
        event
    };
    let query = with("queryStringParameters", json!({"q": large}));
    let table = [
        ("large header", header, 200, 0),
        ("large query", query.clone(), 200, 1),
        ("large body", with("body", json!(large).to_string().into()), 200, 1),
        ("long path", with("path", long.into()), 200, 1),
        ("NUL in the query", with("queryStringParameters", json!({"a": "\u{0}"})), 200, 1),
        ("NUL in the path", with("path", format!("/\u{0}{PATH}").into()), 200, 1),
        ("NUL in the body", with("body", "\"\\u0000\"".into()), 200, 1),
        ("half a character", with("body", "\"\\ud800\"".into()), 200, 1),
        ("NaN", with("body", "NaN".into()), 200, 1),
        ("a large refusal", unknown(query), 404, 1),
        ("a plain refusal", unknown(get(PATH, KEY)), 404, 0),
    ];
    let expected = 1 + table.iter().filter(|(.., lost)| *lost == 0).count();
    let mut lost_lines = Vec::new();
    for (what, event, status, lost) in &table {
        let answer = function.invoke(event.clone()).await?;
        assert_eq!(answer["statusCode"], *status, "{what}: {answer}");
        if *status == 200 {
            assert_eq!(score(&answer), score(&plain), "{what}");
        }
        lost_lines.push((*what, *lost));
    }
    assert_eq!(rows(&postgres.url("scorer")).await?, i64::try_from(expected)?);
    let printed = function.end().await?;
    let lines: Vec<Value> = printed.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    assert_eq!(lines.len(), 1 + lost_lines.len());
    for (line, (what, lost)) in lines[1..].iter().zip(&lost_lines) {
        assert_eq!(line["AnalyticsLost"].as_i64().unwrap_or(0), *lost, "{what}: {line}");
        assert_eq!(line["analytics_error"].is_string(), *lost == 1, "{what}: {line}");
        assert_eq!(line["DatabaseRoundTrips"], 2, "{what}: {line}");
        assert_eq!(
            line["_aws"].to_string().contains("AnalyticsLost"),
            *lost == 1,
            "{what}: a metric only if there is something to count"
        );
    }
    Ok(())
}

#[tokio::test]
async fn an_analytics_table_that_is_locked_or_gone_costs_the_row_and_nothing_else()
-> anyhow::Result<()> {
    let service = Service::start("tests/golden/seed.sql", &golden_environment()?).await?;
    let plain = service.ask(&get(PATH, KEY)).await;
    let mut admin = PgConnection::connect(&service.url).await?;
    let mut locked = admin.begin().await?;
    // As a migration does that adds a column.
    locked.execute("LOCK TABLE account_accountapikeyanalytics IN ACCESS EXCLUSIVE MODE").await?;
    for path in [PATH, "/v2/stamps/9/score/0x"] {
        let event = get(path, KEY);
        let answer = tokio::time::timeout(Duration::from_mins(5), service.ask(&event)).await?;
        assert_eq!(answer["statusCode"], if path == PATH { 200 } else { 404 }, "{answer}");
    }
    locked.rollback().await?;
    admin.execute("ALTER TABLE account_accountapikeyanalytics RENAME TO elsewhere").await?;
    let answer = service.ask(&get(PATH, KEY)).await;
    assert_eq!(score(&answer), score(&plain));
    admin.execute("ALTER TABLE elsewhere RENAME TO account_accountapikeyanalytics").await?;
    let before = rows(&service.url).await?;
    assert_eq!(service.ask(&get(PATH, KEY)).await["statusCode"], 200);
    assert_eq!(rows(&service.url).await?, before + 1, "the connection is as good as before");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_waits_for_its_analytics_row_and_a_lost_one_is_counted() -> anyhow::Result<()> {
    let postgres = PrivatePostgres::start().await?;
    load(&postgres, "tests/golden/seed.sql").await?;
    let url = postgres.url("scorer");
    let mut settings: Vec<(String, String)> = golden_environment()?.into_iter().collect();
    settings.push(("DATABASE_URL".to_owned(), url.clone()));
    let function = Function::start(env!("CARGO_BIN_EXE_scorer-fn"), &settings).await?;
    let plain = function.invoke(get(PATH, KEY)).await?;
    let mut admin = PgConnection::connect(&url).await?;
    let mut locked = admin.begin().await?;
    locked.execute("LOCK TABLE account_accountapikeyanalytics IN ACCESS EXCLUSIVE MODE").await?;
    for (path, status) in [(PATH, 200), ("/v2/stamps/9/score/0x", 404)] {
        let answer = function.invoke(get(path, KEY)).await?;
        assert_eq!(answer["statusCode"], status, "{answer}");
        let answered = std::time::Instant::now();
        // The next event is not taken before the row is given up.
        let next = function.invoke(get(path, "Nobody.1")).await?;
        assert_eq!(next["statusCode"], 401, "{next}");
        let waited = answered.elapsed();
        assert!(waited > Duration::from_millis(250), "the answer has waited instead: {waited:?}");
    }
    locked.rollback().await?;
    // Something takes the event away by which the row finds its score.
    let sql = "CREATE FUNCTION gone() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
               CREATE TRIGGER gone BEFORE INSERT ON registry_event FOR EACH ROW EXECUTE FUNCTION gone()";
    admin.execute(sql).await?;
    let answer = function.invoke(get(PATH, KEY)).await?;
    assert_eq!(score(&answer), score(&plain));
    admin.execute("DROP TRIGGER gone ON registry_event").await?;
    assert_eq!(function.invoke(get(PATH, KEY)).await?["statusCode"], 200);
    assert_eq!(rows(&url).await?, 2, "of the first and of the last");
    let printed = function.end().await?;
    let lines: Vec<Value> = printed.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let lost: Vec<i64> =
        lines.iter().map(|line| line["AnalyticsLost"].as_i64().unwrap_or(0)).collect();
    assert_eq!(lost, [0, 1, 0, 1, 0, 1, 0], "{printed}");
    for line in &lines {
        assert_eq!(line["analytics_error"].is_string(), line["AnalyticsLost"] == 1, "{line}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_of_a_request_is_in_a_table_or_in_the_log() -> anyhow::Result<()> {
    let postgres = PrivatePostgres::start().await?;
    load(&postgres, "tests/golden/seed.sql").await?;
    let mut settings: Vec<(String, String)> = golden_environment()?.into_iter().collect();
    settings.push(("DATABASE_URL".to_owned(), postgres.url("scorer")));
    let function = Function::start(env!("CARGO_BIN_EXE_scorer-fn"), &settings).await?;
    let legacy = "GoldKeyB.394275f055027b2ebdc2c6adb8e0b2ea";
    let spelled = [
        ("x-api-key", KEY),
        ("X-Api-Key", "swordfish-1"),
        ("authorization", "Bearer swordfish-2"),
        ("Authorization", "Basic swordfish-3"),
        ("cookie", "session=swordfish-4"),
        ("Cookie", "session=swordfish-5"),
    ];
    let mut secrets = vec![legacy, "swordfish", postgres.password()];
    secrets.push(KEY);
    for (path, status) in [
        (PATH, 200),
        ("/v2/stamps/9/score/0xa452b093b448cba521689d4f6f04ede0996080c7", 404),
        ("/v2/stamps/101/score/nobody.eth", 400),
        ("/", 500),
    ] {
        for key in [KEY, legacy, "GoldKeyA.swordfish-6", "GoldKeyA.swordfish-6\u{0}"] {
            let mut event = get(path, key);
            for (name, value) in &spelled[1..] {
                event["headers"][*name] = (*value).into();
            }
            let answer = function.invoke(event).await?;
            let right = !key.contains("swordfish");
            assert_eq!(answer["statusCode"], if right { status } else { 401 }, "{answer}");
            for secret in &secrets {
                assert!(!answer.to_string().contains(secret), "{answer}");
            }
        }
    }
    let mut admin = PgConnection::connect(&postgres.url("scorer")).await?;
    let tables = "SELECT relname::text FROM pg_class
                   WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace";
    let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&mut admin).await?;
    assert!(tables.len() > 10, "{tables:?}");
    for table in tables {
        let sql = sqlx::AssertSqlSafe(format!("SELECT t::text FROM \"{table}\" t"));
        for row in admin.fetch_all(sqlx::query(sql)).await? {
            let row: String = row.try_get(0)?;
            for secret in &secrets {
                assert!(!row.contains(secret), "{table}: {row}");
            }
        }
    }
    assert_eq!(rows(&postgres.url("scorer")).await?, 8, "what is looked at is there");
    let printed = function.end().await?;
    assert_eq!(printed.lines().count(), 16, "{printed}");
    for secret in secrets {
        assert!(!printed.contains(secret), "{printed}");
    }
    Ok(())
}
