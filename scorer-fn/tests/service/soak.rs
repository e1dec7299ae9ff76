//! Many mixed requests to one process: its memory stays where it was.
//!
//! `SCORER_SOAK=100000 cargo test -p scorer-fn --test service soak::` takes a few minutes;
//! without the variable a shorter run keeps the test suite quick.

use crate::runtime::Function;
use crate::support::{demo_environment, get, load};
use local_cloud::postgres::PrivatePostgres;
use serde_json::{Value, json};

const KEY: &str = "DemoKeyA.3f1c86c2a9d04b57b8e6d1a2f7935c40";
/// Room for what an allocator keeps; a leak of 100 bytes a request shows at 100,000.
const GROWTH_KIB: u64 = 4096;

#[tokio::test(flavor = "multi_thread")]
async fn memory_stays_flat_over_mixed_requests() -> anyhow::Result<()> {
    let requests: usize =
        std::env::var("SCORER_SOAK").ok().map_or(Ok(2000), |text| text.parse())?;
    let postgres = PrivatePostgres::start().await?;
    load(&postgres, "demo/seed.sql").await?;
    let mut settings: Vec<(String, String)> = demo_environment()?.into_iter().collect();
    settings.push(("DATABASE_URL".to_owned(), postgres.url("scorer")));
    let function = Function::start(env!("CARGO_BIN_EXE_scorer-fn"), &settings).await?;
    let addresses = std::fs::read_to_string("demo/addresses.txt")?;
    let addresses: Vec<&str> = addresses.lines().collect();
    let long = "a".repeat(10_000);
    let mixed = |number: usize| -> (Value, u64) {
        let path = format!("/v2/stamps/1/score/{}", addresses[number % addresses.len()]);
        match number % 10 {
            0 => (get(&path, KEY), 200),
            1 => (get(&path, "DemoKeyA.wrong"), 401),
            2 => (get(&format!("/v2/stamps/99/score/{}", addresses[0]), KEY), 404),
            3 => (get(&format!("/v2/stamps/1/score/{long}"), KEY), 400),
            4 => (json!({}), 401),
            5 => (get("/", KEY), 500),
            6 => (get(&path, &long), 401),
            7 => (
                json!({"path": path, "headers": {"x-api-key": KEY}, "body": long, "isBase64Encoded": false}),
                500,
            ),
            8 => {
                (json!({"path": path, "headers": {"x-api-key": ""}, "isBase64Encoded": true}), 401)
            }
            _ => (get("/v2/stamps/demo/score/%00", KEY), 400),
        }
    };
    let mut settled = 0;
    for number in 0..requests {
        let (event, status) = mixed(number);
        let answer = function.invoke(event).await?;
        anyhow::ensure!(
            answer["statusCode"] == status,
            "request {number}: {answer} instead of {status}"
        );
        if number == requests / 4 {
            settled = function.resident_kib()?;
        }
    }
    let last = function.resident_kib()?;
    assert!(last < settled + GROWTH_KIB, "{settled} KiB after a quarter, {last} KiB at the end");
    assert!(last < 64 * 1024, "{last} KiB");
    Ok(())
}
