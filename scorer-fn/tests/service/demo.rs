//! The demo's database: every address listed there scores, and the stamps count.

use crate::support::{Service, get};
use serde_json::Value;

const KEY: &str = "DemoKeyA.3f1c86c2a9d04b57b8e6d1a2f7935c40";

#[tokio::test]
async fn every_listed_address_scores() -> anyhow::Result<()> {
    let service = Service::start("demo/seed.sql", &crate::support::demo_environment()?).await?;
    let addresses = std::fs::read_to_string("demo/addresses.txt")?;
    let mut scores = Vec::new();
    for address in addresses.lines() {
        for scorer in ["1", "demo", "2", "3"] {
            let answer =
                service.ask(&get(&format!("/v2/stamps/{scorer}/score/{address}"), KEY)).await;
            assert_eq!(answer["statusCode"], 200, "{scorer} {address}: {answer}");
            let body: Value = serde_json::from_str(answer["body"].as_str().unwrap_or_default())?;
            assert_eq!(body["error"], Value::Null, "{scorer} {address}");
            scores.push((scorer, body));
        }
    }
    let stamps = |body: &Value| body["stamps"].as_object().cloned().unwrap_or_default();
    let with_stamps = scores.iter().filter(|(_, body)| !stamps(body).is_empty()).count();
    assert!(
        with_stamps > scores.len() / 2,
        "most wallets have stamps that count, {with_stamps} do"
    );
    assert!(scores.iter().any(|(_, body)| body["passing_score"] == true), "some pass");
    let deduplicated =
        scores.iter().filter(|(_, body)| stamps(body).values().any(|stamp| stamp["dedup"] == true));
    assert_eq!(
        deduplicated.count(),
        4,
        "the second twin on each of four ways to name three scorers"
    );
    Ok(())
}
