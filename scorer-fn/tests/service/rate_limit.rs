//! The rate limit, counted in a Redis that several instances share.

use std::collections::BTreeMap;

use crate::support::{Service, app_on, ask, get, golden_environment};
use local_cloud::redis_server::{self, PrivateRedis};
use scorer_fn::time::now;

/// Two calls in fifteen minutes.
const LIMITED: &str = "GoldKeyI.e3fb4ad7b64f5832a09c3fd55ed9eacf";
const WRONG: &str = "GoldKeyI.wrong";
const PATH: &str = "/v2/stamps/101/score/0x2e2a8491ddf6218111cde2bd60d4fc5aa44b32b1";
const UNKNOWN: &str = "/v2/stamps/999/score/0x2e2a8491ddf6218111cde2bd60d4fc5aa44b32b1";

/// The recorded cases' settings, with the limit on.
fn limited_by(redis: &str) -> anyhow::Result<BTreeMap<String, String>> {
    let mut variables = golden_environment()?;
    variables.insert("RATELIMIT_ENABLE".to_owned(), "true".to_owned());
    variables.insert("REDIS_URL".to_owned(), redis.to_owned());
    Ok(variables)
}

#[tokio::test]
async fn instances_share_one_counter_and_count_what_python_counts() -> anyhow::Result<()> {
    if redis_server::left_out() {
        return Ok(());
    }
    // A window that ends within the test would start a new count.
    let rate = scorer_fn::score::rate::Rate::parse("2/15m").expect("a rate");
    while rate.counter("GoldKeyI", now()) != rate.counter("GoldKeyI", now() + 60_000_000) {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
    let redis = PrivateRedis::start().await?;
    let variables = limited_by(&redis.url())?;
    let service = Service::start("tests/golden/seed.sql", &variables).await?;
    let other = app_on(&service.url, &variables)?;
    let status = async |path, key| {
        let here = service.ask(&get(path, key)).await["statusCode"].clone();
        let there = ask(&other, &get(path, key)).await["statusCode"].clone();
        (here, there)
    };
    assert_eq!(status(PATH, WRONG).await, (401.into(), 401.into()), "a refused key is not counted");
    assert!(redis.counters().await?.is_empty());
    assert_eq!(status(UNKNOWN, LIMITED).await, (404.into(), 404.into()), "an unknown scorer is");
    assert_eq!(status(PATH, LIMITED).await, (429.into(), 429.into()));
    let counters = redis.counters().await?;
    assert_eq!(counters.len(), 1, "{counters:?}");
    let (count, left) = counters[&rate.counter("GoldKeyI", now())];
    assert_eq!(count, 4);
    // Fifteen minutes and five seconds, less what the test took.
    assert!((800..=905).contains(&left), "it lives for {left} s");
    Ok(())
}

#[tokio::test]
async fn a_connection_that_was_cut_is_opened_again_and_no_call_is_lost() -> anyhow::Result<()> {
    if redis_server::left_out() {
        return Ok(());
    }
    let redis = PrivateRedis::start().await?;
    let variables = limited_by(&redis.url())?;
    let service = Service::start("tests/golden/seed.sql", &variables).await?;
    let first = service.ask(&get(PATH, LIMITED)).await;
    assert_eq!(first["statusCode"], 200, "{first}");
    redis.cut_clients().await?;
    let second = service.ask(&get(PATH, LIMITED)).await;
    assert_eq!(second["statusCode"], 200, "{second}");
    let counts: Vec<i64> = redis.counters().await?.values().map(|&(n, _)| n).collect();
    // A window may have ended between the two.
    assert_eq!(counts.iter().sum::<i64>(), 2, "{counts:?}");
    Ok(())
}

#[tokio::test]
async fn without_redis_a_limited_key_gets_500_and_others_go_on() -> anyhow::Result<()> {
    if redis_server::left_out() {
        return Ok(());
    }
    let mut redis = PrivateRedis::start().await?;
    let variables = limited_by(&redis.url())?;
    let service = Service::start("tests/golden/seed.sql", &variables).await?;
    redis.stop_server();
    let answer = service.ask(&get(PATH, LIMITED)).await;
    assert_eq!(answer["statusCode"], 500, "{answer}");
    assert!(!answer.to_string().contains(redis.password()));
    let unlimited = "GoldKeyJ.2658ed7d984aa8c05b82c9104ab28ba5";
    let answer = service.ask(&get(PATH, unlimited)).await;
    assert_eq!(answer["statusCode"], 200, "{answer}");
    Ok(())
}

#[tokio::test]
async fn a_refused_password_is_a_500_that_keeps_the_password() -> anyhow::Result<()> {
    if redis_server::left_out() {
        return Ok(());
    }
    let redis = PrivateRedis::start().await?;
    let variables = limited_by(&redis.url().replace(redis.password(), "swordfish"))?;
    let service = Service::start("tests/golden/seed.sql", &variables).await?;
    let answer = service.ask(&get(PATH, LIMITED)).await;
    assert_eq!(answer["statusCode"], 500, "{answer}");
    assert!(!answer.to_string().contains("swordfish"));
    Ok(())
}
