//! Requests that want the same rows at the same time.

use scorer_fn::app::{Call, serve_alb};
use serde_json::Value;
use sqlx::{Connection, Executor};

use super::{KEY, ask_for, body, count, lasting};
use crate::support::{Service, demo_environment, get, router_on};

#[tokio::test]
async fn first_requests_for_one_wallet_at_once_agree() -> anyhow::Result<()> {
    let service = Service::start("demo/seed.sql", &demo_environment()?).await?;
    let event = ask_for(12)?;
    let routers: Vec<_> = (0..8)
        .map(|_| router_on(&service.url, &demo_environment()?))
        .collect::<anyhow::Result<_>>()?;
    let asked = routers.into_iter().map(|router| {
        let event = event.clone();
        tokio::spawn(async move { serve_alb(router, &event, Call::default()).await })
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
        let router = router_on(&service.url, &demo_environment().unwrap_or_default());
        tokio::spawn(async move { anyhow::Ok(serve_alb(router?, &event, Call::default()).await) })
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
async fn a_passport_that_changes_while_we_wait_for_it_is_read_again() -> anyhow::Result<()> {
    let service = Service::start("demo/seed.sql", &demo_environment()?).await?;
    // The server refuses to lock a row that is newer than the transaction.
    let isolation = "ALTER DATABASE scorer SET default_transaction_isolation = 'repeatable read'";
    service.postgres.load_sql("postgres", isolation).await?;
    let event = ask_for(3)?;
    let before = service.ask(&event).await;
    let mut holder = sqlx::PgConnection::connect(&service.url).await?;
    let mut held = holder.begin().await?;
    held.execute("UPDATE registry_passport SET address = address").await?;
    let router = service.router.clone();
    let asked = tokio::spawn(async move { serve_alb(router, &event, Call::default()).await });
    let mut admin = sqlx::PgConnection::connect(&service.url).await?;
    let waits = "SELECT FROM pg_stat_activity
                  WHERE application_name = 'scorer-fn' AND wait_event_type = 'Lock'";
    while admin.fetch_all(waits).await?.is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    held.commit().await?;
    let after = asked.await?;
    assert_eq!(after["statusCode"], 200, "{after}");
    assert_eq!(lasting(&after), lasting(&before));
    Ok(())
}
