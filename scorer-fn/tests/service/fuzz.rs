//! Requests, changed at random, to the whole service with its database: each gets an
//! answer that a load balancer takes, without a secret in it, and the next request is
//! served as before.

use fuzz_kit::{Corpus, fuzz};
use serde_json::Value;

use crate::support::{Service, ask, golden_environment};

#[test]
fn any_request_gets_an_answer_and_the_next_one_is_served() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let text = std::fs::read_to_string("tests/golden/cases.json")?;
    let suite: Value = serde_json::from_str(&text)?;
    let keys: Vec<String> = suite["keys"]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(_, key)| key.as_str().map(str::to_owned))
        .collect();
    let cases = suite["cases"].as_array().into_iter().flatten();
    let steps = cases.flat_map(|case| case["steps"].as_array().into_iter().flatten());
    let events: Vec<String> = steps.map(|step| step["event"].to_string()).collect();
    let served = "/v2/stamps/101/score/0xa452b093b448cba521689d4f6f04ede0996080c7";
    let good = crate::support::get(served, &keys[0]);
    let service =
        runtime.block_on(Service::start("tests/golden/seed.sql", &golden_environment()?))?;
    search(&runtime, &service, &events, &keys, &good);
    Ok(())
}

fn search(
    runtime: &tokio::runtime::Runtime,
    service: &Service,
    events: &[String],
    keys: &[String],
    good: &Value,
) {
    let samples = Corpus::new("scorer-service").all(events.to_vec()).inputs(300);
    let password = service.postgres.password();
    fuzz!(samples.words(&["%00", "\\u0000", "/v2/stamps/101/score/0x", "' OR 1=1 --"]), |bytes| {
        let Ok(event) = serde_json::from_slice::<Value>(bytes) else { return };
        runtime.block_on(async {
            let answer = ask(&service.app, &event).await;
            let status = answer["statusCode"].as_u64().expect("a status");
            assert!([200, 400, 401, 403, 404, 429, 500].contains(&status), "{answer}");
            assert!(answer["headers"].is_object() && answer["body"].is_string(), "{answer}");
            let text = answer.to_string();
            assert!(!text.contains(password), "the database's password: {text}");
            // What the caller wrote into its own request may come back, but for its key.
            for key in keys {
                let elsewhere = ["path", "body"].iter().any(|part| {
                    event[*part].as_str().is_some_and(|part| part.contains(key.as_str()))
                });
                assert!(elsewhere || !text.contains(key.as_str()), "a key: {text}");
            }
            let next = ask(&service.app, good).await;
            assert_eq!(next["statusCode"], 200, "the request after it: {next}");
        });
    });
}
