//! The rate limit, counted in a Redis that several instances share.

mod support;

use local_cloud::parity::fake_redis::FakeRedis;
use scorer_fn::app::{Call, serve_alb};
use scorer_fn::time::now;
use support::{Service, get, golden_environment, router_on};

/// Two calls in fifteen minutes.
const LIMITED: &str = "GoldKeyI.e3fb4ad7b64f5832a09c3fd55ed9eacf";
const WRONG: &str = "GoldKeyI.wrong";
const PATH: &str = "/v2/stamps/101/score/0x2e2a8491ddf6218111cde2bd60d4fc5aa44b32b1";
const UNKNOWN: &str = "/v2/stamps/999/score/0x2e2a8491ddf6218111cde2bd60d4fc5aa44b32b1";

#[tokio::test]
async fn instances_share_one_counter_and_count_what_python_counts() -> anyhow::Result<()> {
    // A window that ends within the test would start a new count.
    let rate = scorer_fn::score::rate::Rate::parse("2/15m").expect("a rate");
    while rate.counter("GoldKeyI", now()) != rate.counter("GoldKeyI", now() + 60_000_000) {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
    let redis = FakeRedis::start().await?;
    let mut variables = golden_environment()?;
    variables.insert("RATELIMIT_ENABLE".to_owned(), "true".to_owned());
    variables.insert("REDIS_URL".to_owned(), redis.url());
    let service = Service::start("tests/golden/seed.sql", &variables).await?;
    let other = router_on(&service.url, &variables)?;
    let status = async |path, key| {
        let here = service.ask(&get(path, key)).await["statusCode"].clone();
        let there =
            serve_alb(other.clone(), &get(path, key), Call::default()).await["statusCode"].clone();
        (here, there)
    };
    assert_eq!(
        status(PATH, WRONG).await,
        (401.into(), 401.into()),
        "a refused key is not counted"
    );
    assert!(redis.counters().is_empty());
    assert_eq!(
        status(UNKNOWN, LIMITED).await,
        (404.into(), 404.into()),
        "an unknown scorer is"
    );
    assert_eq!(status(PATH, LIMITED).await, (429.into(), 429.into()));
    let counters = redis.counters();
    assert_eq!(counters.len(), 1, "{counters:?}");
    assert_eq!(
        counters.get(&rate.counter("GoldKeyI", now())),
        Some(&4),
        "{counters:?}"
    );
    Ok(())
}

#[tokio::test]
async fn without_redis_a_limited_key_gets_500_and_others_go_on() -> anyhow::Result<()> {
    let redis = FakeRedis::start().await?;
    let mut variables = golden_environment()?;
    variables.insert("RATELIMIT_ENABLE".to_owned(), "true".to_owned());
    variables.insert(
        "REDIS_URL".to_owned(),
        redis.url().replace("redis://", "redis://user:swordfish@"),
    );
    let service = Service::start("tests/golden/seed.sql", &variables).await?;
    assert_eq!(
        service.ask(&get(PATH, LIMITED)).await["statusCode"],
        200,
        "a password is sent and taken"
    );
    drop(redis);
    // The open connection may live on for a moment; a new one cannot be made.
    let fresh = router_on(&service.url, &variables)?;
    let answer = serve_alb(fresh.clone(), &get(PATH, LIMITED), Call::default()).await;
    assert_eq!(answer["statusCode"], 500, "{answer}");
    assert!(!answer.to_string().contains("swordfish"));
    let unlimited = "GoldKeyJ.2658ed7d984aa8c05b82c9104ab28ba5";
    assert_eq!(
        serve_alb(fresh, &get(PATH, unlimited), Call::default()).await["statusCode"],
        200
    );
    Ok(())
}
