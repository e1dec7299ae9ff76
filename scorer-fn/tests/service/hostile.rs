//! Requests that nobody means well with: the right status, no panic, no leak.

use crate::support::{Service, ask, golden_environment};
use serde_json::{Value, json};

const KEY: &str = "GoldKeyA.16689dac85a8b7b8c197c7932e44c8a2";
const WALLET: &str = "0xa452b093b448cba521689d4f6f04ede0996080c7";

fn event(path: &str, headers: &Value) -> Value {
    json!({
        "httpMethod": "GET", "path": path, "queryStringParameters": {}, "headers": headers, "body": "",
        "isBase64Encoded": false,
    })
}

#[tokio::test]
async fn hostile_requests_get_the_right_status() -> anyhow::Result<()> {
    let service = Service::start("tests/golden/seed.sql", &golden_environment()?).await?;
    let key = json!({"x-api-key": KEY});
    let good = format!("/v2/stamps/101/score/{WALLET}");
    let long = "a".repeat(200_000);
    let mut many = serde_json::Map::new();
    many.insert("x-api-key".to_owned(), KEY.into());
    for number in 0..1000 {
        many.insert(format!("x-filler-{number}"), "f".repeat(1000).into());
    }
    let table: Vec<(&str, Value, u64)> = vec![
        ("nothing at all", json!({}), 401),
        ("no object", json!([1, 2]), 401),
        ("null", json!(null), 401),
        ("headers are null", json!({"path": good, "headers": null}), 401),
        ("key is a number", event(&good, &json!({"x-api-key": 7})), 401),
        ("key with NUL", event(&good, &json!({"x-api-key": "GoldKeyA\u{0}.x"})), 401),
        ("key with SQL", event(&good, &json!({"x-api-key": "GoldKeyA' OR '1'='1"})), 401),
        ("key of a megabyte", event(&good, &json!({"x-api-key": "k".repeat(1 << 20)})), 401),
        ("a megabyte of headers", event(&good, &Value::Object(many)), 200),
        ("path of 200 kB", event(&format!("/v2/stamps/101/score/{long}"), &key), 400),
        ("scorer of 200 kB", event(&format!("/v2/stamps/{long}/score/{WALLET}"), &key), 404),
        ("200,000 segments", event(&"/".repeat(200_000), &key), 404),
        ("scorer with SQL", event(&format!("/v2/stamps/1' OR '1'='1/score/{WALLET}"), &key), 404),
        (
            "address with SQL",
            event("/v2/stamps/101/score/0x'; DROP TABLE registry_score; --", &key),
            400,
        ),
        ("invalid UTF-8, encoded", event("/v2/stamps/101/score/%ff%fe%c0%80", &key), 400),
        ("half an escape", event("/v2/stamps/101%/score/%", &key), 404),
        ("NUL in the scorer", event(&format!("/v2/stamps/10\u{0}1/score/{WALLET}"), &key), 404),
        ("NUL in the address", event("/v2/stamps/101/score/0x\u{0}", &key), 400),
        ("line feeds in the path", event(&format!("/v2/stamps/101/score/{WALLET}\n"), &key), 400),
        (
            "path is a number",
            json!({"path": 7, "headers": key, "body": "", "isBase64Encoded": false}),
            500,
        ),
        ("no path", json!({"headers": key, "body": "", "isBase64Encoded": false}), 500),
        ("no isBase64Encoded", json!({"path": good, "headers": key, "body": ""}), 500),
        ("one segment", event("/", &key), 500),
        ("empty path", event("", &key), 500),
        ("fullwidth digits", event(&format!("/v2/stamps/１０１/score/{WALLET}"), &key), 200),
        (
            "negative beyond 64 bits",
            event(&format!("/v2/stamps/-{}/score/{WALLET}", "9".repeat(5000)), &key),
            404,
        ),
    ];
    for (what, event, status) in table {
        let answer = service.ask(&event).await;
        assert_eq!(answer["statusCode"], status, "{what}: {answer}");
        assert!(
            answer["headers"].is_object() && answer["body"].is_string(),
            "{what}: valid for the load balancer"
        );
        assert!(!answer.to_string().contains(service.postgres.password()), "{what}: no secret");
        assert!(!answer.to_string().contains(KEY), "{what}: no key");
    }
    for method in ["POST", "DELETE", "HEAD", "OPTIONS", "BREW", "", "G E T", "\u{0}"] {
        let mut event = event(&good, &key);
        event["httpMethod"] = method.into();
        assert_eq!(service.ask(&event).await["statusCode"], 200, "{method:?}");
    }
    Ok(())
}

#[tokio::test]
async fn hostile_bodies_are_errors_of_the_caller_only() -> anyhow::Result<()> {
    let service = Service::start("tests/golden/seed.sql", &golden_environment()?).await?;
    let path = format!("/v2/stamps/101/score/{WALLET}");
    let deep = "[".repeat(100_000);
    let ask = async |body: Value, base64: Value| {
        let mut event = event(&path, &json!({"x-api-key": KEY}));
        event["body"] = body;
        event["isBase64Encoded"] = base64;
        service.ask(&event).await["statusCode"].clone()
    };
    assert_eq!(ask(json!(deep), json!(false)).await, 500, "too deep");
    assert_eq!(ask(json!("NaN"), json!(false)).await, 200, "Python reads it");
    assert_eq!(ask(json!("\"\\u0000\""), json!(false)).await, 200, "the analytics row is left out");
    assert_eq!(ask(json!("\"\\ud800\""), json!(false)).await, 200, "half a pair");
    assert_eq!(ask(json!("/w=="), json!(true)).await, 500, "no UTF-8");
    assert_eq!(ask(json!(null), json!(true)).await, 200, "no body");
    for body in [json!({"a": 1}), json!([0]), json!(7), json!(0.5), json!(true)] {
        assert_eq!(ask(body.clone(), json!(false)).await, 500, "{body} is no text");
        assert_eq!(ask(body.clone(), json!(true)).await, 500, "{body} is no text");
    }
    for body in [json!({}), json!([]), json!(0), json!(false)] {
        assert_eq!(ask(body.clone(), json!(false)).await, 200, "{body} counts as none");
    }
    assert_eq!(ask(json!("{}"), json!(null)).await, 200, "null is false");
    Ok(())
}

#[tokio::test]
async fn an_error_is_described_in_the_words_of_python() -> anyhow::Result<()> {
    let service = Service::start("tests/golden/seed.sql", &golden_environment()?).await?;
    let good = event(&format!("/v2/stamps/101/score/{WALLET}"), &json!({"x-api-key": KEY}));
    let cases = [
        ("path", json!(null), "'NoneType' object has no attribute 'split'"),
        ("path", json!(7), "'int' object has no attribute 'split'"),
        (
            "body",
            json!("\u{feff}{}"),
            "Unexpected UTF-8 BOM (decode using utf-8-sig): line 1 column 1 (char 0)",
        ),
        ("body", json!(7), "the JSON object must be str, bytes or bytearray, not int"),
        (
            "body",
            json!("{"),
            "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
        ),
    ];
    for (field, value, description) in cases {
        let mut event = good.clone();
        event[field] = value;
        let answer = service.ask(&event).await;
        assert_eq!(answer["statusCode"], 500, "{answer}");
        assert_eq!(answer["statusDescription"], description);
        assert_eq!(answer["body"], "{\"error\": \"An error has occurred\"}");
    }
    let mut event = good.clone();
    event.as_object_mut().map(|fields| fields.remove("path"));
    assert_eq!(service.ask(&event).await["statusDescription"], "'path'");
    Ok(())
}

#[cfg(feature = "faults")]
#[tokio::test]
async fn faults_are_suffered_only_when_the_local_cloud_says_so() -> anyhow::Result<()> {
    let mut variables = golden_environment()?;
    let service = Service::start("tests/golden/seed.sql", &variables).await?;
    let path = format!("/v2/stamps/101/score/{WALLET}");
    let faulty =
        event(&path, &json!({"x-api-key": KEY, "x-local-cloud-fault": "latency=1, error"}));
    assert_eq!(service.ask(&faulty).await["statusCode"], 200);
    variables.insert("LOCAL_CLOUD_FAULTS".to_owned(), "1".to_owned());
    let app = crate::support::app_on(&service.url, &variables)?;
    let answer = ask(&app, &faulty).await;
    assert_eq!(answer["statusCode"], 500);
    Ok(())
}
