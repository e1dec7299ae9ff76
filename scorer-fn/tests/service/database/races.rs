//! Requests that want the same rows at the same time.

use std::time::Duration;

use local_cloud::pgbouncer::{self, Pgbouncer};
use scorer_fn::config::Config;
use scorer_fn::event::Event;
use scorer_fn::score::request::CommunityKey;
use scorer_fn::score::{Answered, Scorer};
use scorer_fn::store::Database;
use scorer_fn::store::queries::{self, Asked, Change, Plain, ScoreRow, Written};
use serde_json::Value;
use sqlx::{Connection, Executor, PgConnection};

use super::{KEY, ask_for, body, count, lasting};
use crate::support::{self, Service, app_on, ask, demo_environment, get};

#[tokio::test]
async fn first_requests_for_one_wallet_at_once_agree() -> anyhow::Result<()> {
    let service = Service::start("demo/seed.sql", &demo_environment()?).await?;
    let event = ask_for(12)?;
    let apps: Vec<_> = (0..8)
        .map(|_| app_on(&service.url, &demo_environment()?))
        .collect::<anyhow::Result<_>>()?;
    let asked = apps.into_iter().map(|app| {
        let event = event.clone();
        tokio::spawn(async move { ask(&app, &event).await })
    });
    let mut answers = Vec::new();
    for answer in asked.collect::<Vec<_>>() {
        answers.push(answer.await?);
    }
    for answer in &answers {
        assert_eq!(answer["statusCode"], 200, "{answer}");
        assert_eq!(lasting(answer), lasting(&answers[0]));
    }
    assert_eq!(body(&answers[0])["error"], Value::Null);
    assert_eq!(count(&service.url, "registry_passport").await?, 1);
    assert_eq!(count(&service.url, "registry_score").await?, 1);
    let stamps = body(&answers[0])["stamps"].as_object().map_or(0, serde_json::Map::len);
    assert_eq!(count(&service.url, "registry_stamp").await?, i64::try_from(stamps)?);
    Ok(())
}

#[tokio::test]
async fn two_wallets_racing_for_one_nullifier_share_it_out() -> anyhow::Result<()> {
    let service = Service::start("demo/seed.sql", &demo_environment()?).await?;
    let list = std::fs::read_to_string("demo/addresses.txt")?;
    let twins: Vec<&str> = list.lines().skip(36).take(2).collect();
    let asked = twins.iter().map(|address| {
        let event = get(&format!("/v2/stamps/1/score/{address}"), KEY);
        let app = app_on(&service.url, &demo_environment().unwrap_or_default());
        tokio::spawn(async move { anyhow::Ok(ask(&app?, &event).await) })
    });
    let mut counted = 0;
    for answer in asked.collect::<Vec<_>>() {
        let answer = answer.await??;
        let stamp = body(&answer)["stamps"]["HolonymGovIdProvider"].clone();
        assert_eq!(answer["statusCode"], 200, "{answer}");
        counted += i32::from(stamp["dedup"] == false);
    }
    assert_eq!(counted, 1, "one wallet counts the stamp, the other does not");
    Ok(())
}

#[tokio::test]
async fn a_wallet_that_another_request_is_changing_is_tried_again_and_again() -> anyhow::Result<()>
{
    for isolation in ["read committed", "repeatable read"] {
        let service = Service::start("demo/seed.sql", &demo_environment()?).await?;
        let sql =
            format!("ALTER DATABASE scorer SET default_transaction_isolation = '{isolation}'");
        service.postgres.load_sql("postgres", &sql).await?;
        let event = ask_for(3)?;
        let before = service.ask(&event).await;
        let scorer = scorer_on(&service.url)?;
        let mut holder = PgConnection::connect(&service.url).await?;
        let mut held = holder.begin().await?;
        // As the Python service does before it scores.
        held.execute("UPDATE registry_score SET status = 'PROCESSING'").await?;
        let asked = tokio::spawn(async move {
            scorer.answer(&Event::from_alb(&event), scorer_fn::time::now(), None).await
        });
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(!asked.is_finished(), "it does not overwrite what is not committed yet");
        let waiting = held.fetch_all("SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'");
        assert!(waiting.await?.is_empty(), "nor does a backend wait for it");
        held.commit().await?;
        let Answered { answer, notes, .. } = asked.await?;
        assert_eq!(lasting(&answer.to_alb()), lasting(&before), "{isolation}");
        assert!(notes.retries > 0);
        assert_eq!(count(&service.url, "registry_score WHERE status = 'DONE'").await?, 1);
    }
    Ok(())
}

#[tokio::test]
async fn a_wallet_that_stays_locked_is_a_503_and_no_backend_waits_for_it() -> anyhow::Result<()> {
    let service = Service::start("demo/seed.sql", &demo_environment()?).await?;
    let mut variables = demo_environment()?;
    variables.insert("DATABASE_STATEMENT_TIMEOUT_MS".to_owned(), "500".to_owned());
    let hurried = app_on(&service.url, &variables)?;
    let event = ask_for(3)?;
    assert_eq!(service.ask(&event).await["statusCode"], 200);
    let mut holder = PgConnection::connect(&service.url).await?;
    let mut held = holder.begin().await?;
    held.execute("SELECT FROM registry_score FOR UPDATE").await?;
    let answer = ask(&hurried, &event).await;
    assert_eq!(answer["statusCode"], 503, "{answer}");
    assert_eq!(answer["body"], "{\"error\": \"DB Error: OperationalError\"}");
    let waiting = held.fetch_all("SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'");
    assert!(waiting.await?.is_empty());
    held.rollback().await?;
    assert_eq!(service.ask(&event).await["statusCode"], 200);
    Ok(())
}

/// The statements of two clients, one between those of the other, on the two server
/// connections of a pooler.
#[tokio::test]
async fn of_two_interleaved_scores_only_the_first_is_written() -> anyhow::Result<()> {
    if pgbouncer::left_out() {
        return Ok(());
    }
    let service = Service::start("demo/seed.sql", &demo_environment()?).await?;
    let pooler = Pgbouncer::start(&service.postgres).await?;
    let list = std::fs::read_to_string("demo/addresses.txt")?;
    let address = list.lines().nth(3).unwrap_or_default();
    let databases = [database_on(&pooler.url("scorer"))?, database_on(&pooler.url("scorer"))?];
    let (mut one, mut other) = (databases[0].lease(None).await?, databases[1].lease(None).await?);
    let community = CommunityKey { external: "1".to_owned(), id: Some(1) };
    let asked = Asked { prefix: "DemoKeyA", community: Some(&community), address: Some(address) };
    // A new wallet, and then one that is known.
    for round in 0..2_i64 {
        let found = [
            queries::read(&mut one, asked, &Plain::default()).await?.expect("a key"),
            queries::read(&mut other, asked, &Plain::default()).await?.expect("a key"),
        ];
        assert_eq!(found[0].wallet.score.is_some(), round > 0);
        let rows = ["1", "0"].map(|verdict| ScoreRow {
            score: Some(verdict),
            event_fields: Some("{}".to_owned()),
            ..ScoreRow::default()
        });
        let change = |number: usize| Change {
            wallet: &found[number].wallet,
            address,
            community_id: 1,
            plan: None,
            score: &rows[number],
            now: scorer_fn::time::now(),
        };
        let first = queries::write(&mut one, change(0), None).await?;
        assert_eq!(first, Written::All);
        let second = queries::write(&mut other, change(1), None).await?;
        assert_eq!(second, Written::Outrun);
        assert_eq!(count(&service.url, "registry_score WHERE score = 1").await?, 1);
        assert_eq!(count(&service.url, "registry_passport").await?, 1);
        assert_eq!(count(&service.url, "registry_event").await?, round + 1, "none by the second");
    }
    Ok(())
}

#[tokio::test]
async fn eight_clients_on_three_wallets_leave_what_one_after_the_other_leaves() -> anyhow::Result<()>
{
    if pgbouncer::left_out() {
        return Ok(());
    }
    // CONTEST_SECS=60 for a minute.
    let secs = std::env::var("CONTEST_SECS").ok().map_or(Ok(2), |text| text.parse())?;
    let end = std::time::Instant::now() + Duration::from_secs(secs);
    let service = Service::start("demo/seed.sql", &demo_environment()?).await?;
    service.postgres.create_from_template("alone", "scorer").await?;
    support::load_functions(&service.postgres, "scorer").await?;
    let pooler = Pgbouncer::start(&service.postgres).await?;
    let list = std::fs::read_to_string("demo/addresses.txt")?;
    // Two of them want the same nullifier.
    let wallets: Vec<String> =
        [36, 37, 12].map(|line| list.lines().nth(line).unwrap_or_default().to_owned()).to_vec();
    let clients = (0..8_usize).map(|client| {
        // Half of them behind the pooler.
        let url = if client % 2 == 0 { pooler.url("scorer") } else { service.url.clone() };
        // And half of them by functions.
        let by_functions = client % 4 < 2;
        let wallets = wallets.clone();
        tokio::spawn(async move {
            let settings = demo_environment()?;
            let settings = if by_functions { support::by_functions(settings) } else { settings };
            let app = app_on(&url, &settings)?;
            let mut asked = 0_usize;
            while std::time::Instant::now() < end || asked < 10 {
                let path = format!("/v2/stamps/1/score/{}", wallets[(client + asked) % 3]);
                let answer = ask(&app, &get(&path, KEY)).await;
                anyhow::ensure!(answer["statusCode"] == 200, "{answer}");
                anyhow::ensure!(body(&answer)["error"].is_null(), "{answer}");
                asked += 1;
            }
            anyhow::Ok(asked)
        })
    });
    let mut asked = 0;
    for client in clients.collect::<Vec<_>>() {
        asked += client.await??;
    }
    // One after the other, the one that won the nullifier first.
    let mut admin = PgConnection::connect(&service.url).await?;
    let winner: String = sqlx::query_scalar(
        "SELECT address FROM registry_hashscorerlink WHERE address = ANY ($1) LIMIT 1",
    )
    .bind(&wallets[..2])
    .fetch_one(&mut admin)
    .await?;
    let alone = service.postgres.url("alone");
    let app = app_on(&alone, &demo_environment()?)?;
    let mut in_order = wallets.clone();
    in_order.sort_by_key(|wallet| *wallet != winner);
    for wallet in in_order.iter().chain(&in_order) {
        let path = format!("/v2/stamps/1/score/{wallet}");
        ask(&app, &get(&path, KEY)).await;
    }
    for sql in [
        "SELECT address || community_id FROM registry_passport",
        "SELECT p.address || s.provider || s.credential::text
           FROM registry_stamp s JOIN registry_passport p ON p.id = s.passport_id",
        "SELECT p.address || s.score || s.status || s.evidence::text || s.stamps::text || s.stamp_scores::text
                || s.expiration_date
           FROM registry_score s JOIN registry_passport p ON p.id = s.passport_id",
        "SELECT hash || community_id || address || expires_at FROM registry_hashscorerlink",
        "SELECT DISTINCT action || address || (data #>> '{fields,stamps}') FROM registry_event",
    ] {
        let mut left = Vec::new();
        for url in [&service.url, &alone] {
            let mut admin = PgConnection::connect(url).await?;
            let mut rows: Vec<Option<String>> =
                sqlx::query_scalar(sql).fetch_all(&mut admin).await?;
            rows.sort();
            left.push(rows);
        }
        assert_eq!(left[0], left[1], "{sql}");
    }
    let asked = i64::try_from(asked)?;
    assert_eq!(count(&service.url, "registry_event WHERE action = 'SCU'").await?, asked);
    assert_eq!(count(&service.url, "account_accountapikeyanalytics").await?, asked);
    Ok(())
}

fn config_on(url: &str) -> anyhow::Result<Config> {
    let mut variables = demo_environment()?;
    variables.insert("DATABASE_URL".to_owned(), url.to_owned());
    Ok(Config::read(|name| variables.get(name).cloned())?)
}

fn scorer_on(url: &str) -> anyhow::Result<Scorer> {
    Ok(Scorer::new(config_on(url)?))
}

fn database_on(url: &str) -> anyhow::Result<Database> {
    let config = config_on(url)?;
    Ok(Database::new(config.source, config.limits))
}
