//! Requests, credentials and texts of the database, changed at random: read, refused or
//! left out, never a panic, with memory bounded by the input's length.

use fuzz_kit::{Corpus, fuzz};
use hunt::wallets::Signer;
use scorer_fn::credential::eip712::{Types, hex_bytes};
use scorer_fn::credential::proof::signing_digest;
use scorer_fn::credential::{self, Reading};
use scorer_fn::decimal::{Decimal, Number};
use scorer_fn::event::Event;
use scorer_fn::score::rate::Rate;
use scorer_fn::score::weigh::Weights;
use scorer_fn::score::{key, request};
use scorer_fn::time::{OffsetTime, parse_python_iso};
use scorer_fn::{python, python_json};
use serde_json::{Value, json};

use crate::proof::{mail, signed};

fn file(name: &str) -> Value {
    let path = format!("{}/tests/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Requests of the recorded cases.
fn events() -> Vec<String> {
    let cases = file("golden/cases.json");
    let steps = cases["cases"].as_array().expect("cases").iter();
    let steps = steps.flat_map(|case| case["steps"].as_array().expect("steps"));
    steps.map(|step| step["event"].to_string()).collect()
}

#[test]
fn any_event_is_a_request_or_says_what_is_missing() {
    let samples = Corpus::new("scorer-events").all(events()).words(&[
        "/v2/stamps/",
        "/score/0x",
        "%2f",
        "\"isBase64Encoded\":true,",
        "\"multiValueHeaders\":{},",
        "\"body\":\"e30=\",",
        "\"x-api-key\":\"a.b\",",
    ]);
    fuzz!(samples, |bytes| {
        let Ok(raw) = serde_json::from_slice::<Value>(bytes) else { return };
        let event = Event::from_alb(&raw);
        assert_eq!(event.path.is_none(), !event.path_problem.is_empty());
        if let Err(text) = event.payload() {
            assert!(!text.is_empty(), "an exception without a text");
        }
        let Some(target) = event.path.as_deref().and_then(request::target) else { return };
        if let Some(address) = request::address(target.address) {
            assert!(matches!(address.len(), 40 | 42), "{address}");
        }
        for demo in [None, Some("17")] {
            let _ = request::community_key(target.scorer, demo);
        }
        let key = event.header("x-api-key").unwrap_or_default();
        assert!(key.starts_with(key::prefix(key)));
        assert!(matches!(key::check(key, "", Some(&key::sha256_form(key))), key::Check::Right));
    });
}

#[test]
fn any_credential_counts_fails_or_is_left_out() {
    let issuer = format!("did:ethr:0x{}", Signer::named("cow").account());
    let genuine = signed(|credential| {
        credential["credentialSubject"]["hash"] = json!("v0.0.0:abc");
        let subject = &mut credential["proof"]["eip712Domain"]["types"]["Subject"];
        subject.as_array_mut().expect("an array").push(json!({"name": "hash", "type": "string"}));
    });
    let samples =
        Corpus::new("credentials").sample(genuine.to_string()).sample(signed(|_| {}).to_string());
    let samples = samples.words(&[
        "\"nullifiers\":[\"v0:a\",\"v1:b\"],",
        "\"type\":\"string[][][]\"",
        "\"type\":\"uint256[18446744073709551615]\"",
        "\"type\":\"Document\"",
        "\"messageSchema\":{},",
        "\"proof\":[{},{}],",
        "Ed25519Signature2018",
        "\"verificationMethod\":\"did:key:z6Mk\",",
        "9999-12-31T23:59:60Z",
        "0x",
        "\\ud800",
    ]);
    let now = scorer_fn::time::now();
    let trusted = [issuer];
    fuzz!(samples, |bytes| {
        let text = String::from_utf8_lossy(bytes);
        match credential::read("Ens", &text, "0x00", &trusted, now) {
            Reading::Counts(stamp) => {
                // Whatever else was changed, what was signed is what was signed.
                let read: Value = serde_json::from_str(&text).expect("it was read");
                assert_eq!(read["credentialSubject"]["id"], genuine["credentialSubject"]["id"]);
                assert_eq!(read["issuer"], genuine["issuer"]);
                assert_eq!(stamp.expires_text, "2099-06-01T12:34:56Z");
            }
            Reading::LeftOut(reason) => assert!(!reason.is_empty()),
            Reading::FailsScore(text) | Reading::Unsupported(text) => assert!(!text.is_empty()),
        }
    });
}

/// Types are declared by the credential itself, before any signature is looked at.
#[test]
fn any_typed_data_has_a_digest_or_does_not_fit() {
    let (types, domain, message) = mail();
    let sample = json!({"types": types, "domain": domain, "message": message}).to_string();
    let recursive = json!({
        "types": {"Mail": [{"name": "next", "type": "Mail"}, {"name": "all", "type": "Mail[2][]"}]},
        "domain": {"name": "x"},
        "message": {"next": {"next": {"all": [[{}, {}]]}}},
    });
    let samples = Corpus::new("typed-data").sample(sample).sample(recursive.to_string());
    let samples = samples.words(&[
        "[]",
        "[0]",
        "[99999999999999999999]",
        "uint0",
        "int257",
        "bytes33",
        "Mail",
        "bytes",
    ]);
    fuzz!(samples, |bytes| {
        let Ok(data) = serde_json::from_slice::<Value>(bytes) else { return };
        if let Ok(types) = Types::read(&data["types"]) {
            let _ = types.digest("Mail", &data["domain"], &data["message"]);
        }
        if let Some(message) = data["message"].as_object()
            && let Ok(types) = Types::derive(message, "Mail")
        {
            let _ = types.digest("Mail", &data["domain"], &data["message"]);
        }
        let _ = signing_digest(&data);
    });
}

#[test]
fn any_text_is_read_as_python_does_or_refused() {
    let vectors = file("data/python-vectors.json");
    let texts = ["refused", "dates", "integers", "decodings", "bodies"].iter().flat_map(|kind| {
        let all = vectors[*kind].as_array().expect("a list").iter().step_by(9);
        all.filter_map(|one| one["text"].as_str().map(str::to_owned))
    });
    let samples = Corpus::new("python-texts").all(texts.collect::<Vec<_>>()).all([
        "{\"Ens\": \"2.2\", \"Google\": 0.525, \"x\": 1e-7}",
        "125/15m",
        "GoldKeyA.16689dac85a8b7b8c197c7932e44c8a2",
        "pbkdf2_sha256$600000$salt$aGFzaA==",
        "1.000004173777537593756020119",
    ]);
    fuzz!(samples.inputs(4_000), |bytes| {
        let text = String::from_utf8_lossy(bytes);
        for error in [python_json::loads(&text).err(), python_json::members(&text).err()] {
            assert!(error.is_none_or(|error| !error.is_empty()));
        }
        if let Ok(decoded) = python::b64decode(&text)
            && let Err(error) = std::str::from_utf8(&decoded)
        {
            assert!(python::decode_error(&decoded, error).contains("codec"));
        }
        let _ = python::integer(&text);
        assert!(python::repr(&text).len() >= 2);
        if let Ok(value) = serde_json::from_str::<Value>(&text) {
            let _ = (python::str_of(&value), python::is_truthy(&value));
        }
        if let Ok(time) = parse_python_iso(&text) {
            let _ = format!("{time:?}");
        }
        if let Some(time) = OffsetTime::parse_rfc3339(&text) {
            let _ = (
                time.respell(true),
                time.respell_utc(),
                time.python_isoformat(),
                time.event_spelling(),
            );
        }
        if let Some(rate) = Rate::parse(&text) {
            let _ = rate.counter("GoldKeyA", 1_764_000_000_000_000);
        }
        let _ = Number::parse(&text);
        if let Some(decimal) = Decimal::parse(&text) {
            let sum = decimal.add(&Decimal::zero());
            let _ = (sum.to_fixed5(), sum.to_f64(), decimal.to_string());
        }
        let _ = Weights::read(Some(&text));
        let _ = key::check(&text, &text, Some(&text));
        let _ = hex_bytes(&text);
    });
}
