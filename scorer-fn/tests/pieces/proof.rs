//! EIP-712: the published example, the edges of the encoding, and whole proofs.

use jiff::Timestamp;
use jiff::tz::Offset;
use k256::ecdsa::SigningKey;
use proptest::prelude::*;
use scorer_fn::credential::eip712::{TypedDataError, Types, hex_bytes, keccak};
use scorer_fn::credential::proof::{Verdict, address_of, judge, signing_digest};
use scorer_fn::credential::{self, Reading};
use scorer_fn::score::key::hex;
use scorer_fn::time::OffsetTime;
use serde_json::{Value, json};

/// The example of the standard: Cow writes to Bob.
fn mail() -> (Value, Value, Value) {
    let types = json!({
        "EIP712Domain": [
            {"name": "name", "type": "string"}, {"name": "version", "type": "string"},
            {"name": "chainId", "type": "uint256"}, {"name": "verifyingContract", "type": "address"},
        ],
        "Person": [{"name": "name", "type": "string"}, {"name": "wallet", "type": "address"}],
        "Mail": [
            {"name": "from", "type": "Person"}, {"name": "to", "type": "Person"},
            {"name": "contents", "type": "string"},
        ],
    });
    let domain = json!({
        "name": "Ether Mail", "version": "1", "chainId": 1,
        "verifyingContract": "0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC",
    });
    let message = json!({
        "from": {"name": "Cow", "wallet": "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826"},
        "to": {"name": "Bob", "wallet": "0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB"},
        "contents": "Hello, Bob!",
    });
    (types, domain, message)
}

#[test]
fn the_published_example_has_the_published_digest() {
    let (types, domain, message) = mail();
    let digest = Types::read(&types).and_then(|types| types.digest("Mail", &domain, &message));
    let digest = digest.expect("the example fits its types");
    assert_eq!(hex(&digest), "be609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2");
}

#[test]
fn the_published_signature_is_by_the_key_called_cow() {
    let key = SigningKey::from_slice(&keccak(b"cow")).expect("the example's key");
    assert_eq!(hex(&address_of(key.verifying_key())), "cd2a3d9f938e13cd947ec05abc7fe734df8dd826");
    let (types, domain, message) = mail();
    let digest = Types::read(&types)
        .and_then(|types| types.digest("Mail", &domain, &message))
        .expect("it fits");
    let (signature, _) = key.sign_prehash_recoverable(&digest);
    assert_eq!(
        hex(&signature.to_bytes()),
        "4355c47d63924e8a72e509b65029052eb6c299d53a04e167c5775fd466751c9d\
         07299936d304c153f6443dfa05f40ff007d72911b6f72307f996231605b91562"
    );
}

fn digest_of(kind: &str, value: Option<Value>) -> Result<String, TypedDataError> {
    let types =
        json!({"Box": [{"name": "it", "type": kind}], "Inner": [{"name": "n", "type": "int8"}]});
    let message = value.map_or_else(|| json!({}), |value| json!({"it": value}));
    Types::read(&types)?
        .digest("Box", &json!({"name": "test"}), &message)
        .map(|digest| hex(&digest))
}

#[test]
fn what_does_not_fit_its_type_is_refused() {
    let refused = [
        ("string", json!(null)),
        ("string", json!(1)),
        ("bool", json!("true")),
        ("uint8", json!(-1)),
        ("uint256", json!(1.5)),
        ("int64", json!(u64::MAX)),
        ("address", json!("0x00")),
        ("bytes4", json!("0x0011")),
        ("string[]", json!("a")),
        ("string[2]", json!(["a"])),
        ("string[]", json!(["a", null])),
        ("Inner", json!("n")),
        ("Inner", json!({"n": 1, "m": 2})),
        ("Nowhere", json!({})),
        ("uint7", json!(1)),
        ("bytes33", json!("0x")),
    ];
    for (kind, value) in refused {
        assert!(digest_of(kind, Some(value.clone())).is_err(), "{kind} {value}");
    }
    let accepted = [
        ("uint256", json!("0x10")),
        ("int64", json!(-1)),
        ("bytes", json!("0x")),
        ("bytes32", json!(format!("0x{}", "ab".repeat(32)))),
        ("string[][]", json!([["a"], []])),
        ("string[2]", json!(["a", "b"])),
        ("Inner[]", json!([{"n": 1}, {}])),
    ];
    for (kind, value) in accepted {
        assert!(digest_of(kind, Some(value.clone())).is_ok(), "{kind} {value}");
    }
}

#[test]
fn a_member_without_data_is_zero_and_not_the_empty_value() {
    assert_eq!(
        digest_of("uint8", None),
        digest_of("uint8", Some(json!(0))),
        "32 zero bytes are the number 0"
    );
    assert_ne!(digest_of("string", None), digest_of("string", Some(json!(""))));
}

#[test]
fn a_missing_domain_type_means_a_name() {
    let implicit = json!({"Box": []});
    let explicit = json!({"Box": [], "EIP712Domain": [{"name": "name", "type": "string"}]});
    let digest = |types: &Value| {
        Types::read(types).and_then(|t| t.digest("Box", &json!({"name": "x"}), &json!({})))
    };
    assert_eq!(digest(&implicit), digest(&explicit));
}

/// A credential like production's, signed by the key called cow.
fn signed(change: impl FnOnce(&mut Value)) -> Value {
    let key = SigningKey::from_slice(&keccak(b"cow")).expect("a key");
    let did = format!("did:ethr:0x{}", hex(&address_of(key.verifying_key())));
    let text = |name: &str| json!({"name": name, "type": "string"});
    let mut credential = json!({
        "@context": ["https://www.w3.org/2018/credentials/v1"],
        "type": ["VerifiableCredential"],
        "issuer": did,
        "issuanceDate": "2025-01-02T03:04:05.678Z",
        "expirationDate": "2099-06-01T12:34:56Z",
        "credentialSubject": {"@context": {"provider": "Text"}, "id": "did:pkh:eip155:1:0x00", "provider": "Ens"},
        "proof": {
            "@context": "https://w3id.org/security/suites/eip712sig-2021/v1",
            "type": "EthereumEip712Signature2021", "proofPurpose": "assertionMethod",
            "created": "2025-01-02T03:04:05.678Z", "verificationMethod": format!("{did}#controller"),
            "eip712Domain": {"domain": {"name": "VerifiableCredential"}, "primaryType": "Document", "types": {
                "Document": [
                    {"name": "@context", "type": "string[]"}, {"name": "credentialSubject", "type": "Subject"},
                    text("expirationDate"), text("issuanceDate"), text("issuer"), {"name": "proof", "type": "Proof"},
                    {"name": "type", "type": "string[]"},
                ],
                "Proof": [
                    text("@context"), text("created"), text("proofPurpose"), text("type"), text("verificationMethod"),
                ],
                "@context": [text("provider")],
                "Subject": [{"name": "@context", "type": "@context"}, text("id"), text("provider")],
            }},
        },
    });
    change(&mut credential);
    let digest = signing_digest(&credential).expect("it fits its types");
    let (signature, id) = key.sign_prehash_recoverable(&digest);
    credential["proof"]["proofValue"] =
        format!("0x{}{:02x}", hex(&signature.to_bytes()), 27 + id.to_byte()).into();
    credential
}

fn verdict(credential: &Value) -> Verdict {
    judge(credential, scorer_fn::time::now())
}

#[test]
fn a_signed_credential_is_genuine() {
    assert_eq!(verdict(&signed(|_| {})), Verdict::Genuine);
}

#[test]
fn a_hash_is_a_nullifier_by_being_there_even_empty() {
    let read = |credential: &Value| {
        let issuer = [credential["issuer"].as_str().unwrap_or_default().to_owned()];
        let now = scorer_fn::time::now();
        match credential::read("Ens", &credential.to_string(), "0x00", &issuer, now) {
            Reading::Counts(stamp) => Ok(stamp.nullifiers),
            other => Err(format!("{other:?}")),
        }
    };
    for hash in ["", "v0.0.0:abc"] {
        let credential = signed(|credential| {
            credential["credentialSubject"]["hash"] = json!(hash);
            let subject = &mut credential["proof"]["eip712Domain"]["types"]["Subject"];
            let members = subject.as_array_mut().expect("an array");
            members.push(json!({"name": "hash", "type": "string"}));
        });
        assert_eq!(read(&credential), Ok(vec![hash.to_owned()]));
    }
    let refused = read(&signed(|_| {})).expect_err("it has neither hash nor nullifiers");
    assert!(refused.contains("subject is incomplete"), "{refused}");
}

#[test]
fn any_change_after_signing_is_refused() {
    let changes: [(&str, Value); 6] = [
        ("/credentialSubject/provider", json!("Google")),
        ("/expirationDate", json!("2099-06-01T12:34:57Z")),
        ("/issuanceDate", json!("2025-01-02T03:04:05.679Z")),
        ("/proof/created", json!("2025-01-02T03:04:05.677Z")),
        ("/proof/@context", json!("elsewhere")),
        ("/type", json!(["VerifiableCredential", "More"])),
    ];
    for (pointer, value) in changes {
        let mut credential = signed(|_| {});
        *credential.pointer_mut(pointer).expect("it is there") = value;
        assert!(matches!(verdict(&credential), Verdict::Refused(_)), "{pointer}");
    }
}

#[test]
fn another_spelling_of_the_types_and_the_domain_passes() {
    let credential = signed(|credential| {
        let mut typed = credential["proof"]["eip712Domain"].take();
        typed["messageSchema"] = typed["types"].take();
        let proof = credential["proof"].as_object_mut().expect("an object");
        proof.remove("eip712Domain");
        typed.as_object_mut().expect("an object").remove("types");
        proof.insert("eip712".to_owned(), typed);
    });
    assert_eq!(verdict(&credential), Verdict::Genuine);
}

#[test]
fn the_same_moment_in_another_spelling_is_not_the_same_text() {
    // Signed over the text that a parser prints, so these two read alike …
    let mut credential =
        signed(|credential| credential["expirationDate"] = json!("2099-06-01T12:34:56.500Z"));
    credential["expirationDate"] = json!("2099-06-01T12:34:56.5Z");
    assert_eq!(verdict(&credential), Verdict::Genuine);
    // … but an offset is kept, except in `created`.
    credential["expirationDate"] = json!("2099-06-01T14:34:56.5+02:00");
    assert!(matches!(verdict(&credential), Verdict::Refused(_)));
    let mut credential = signed(|_| {});
    credential["proof"]["created"] = json!("2025-01-02T05:04:05.678+02:00");
    assert_eq!(verdict(&credential), Verdict::Genuine);
}

#[test]
fn other_proof_types_are_not_judged() {
    let credential = signed(|_| {});
    let mut other = credential.clone();
    other["proof"]["type"] = json!("Ed25519Signature2018");
    assert_eq!(verdict(&other), Verdict::Unsupported("Ed25519Signature2018".to_owned()));
    for missing in ["/proof", "/proof/type"] {
        let mut other = credential.clone();
        *other.pointer_mut(missing).expect("it is there") = Value::Null;
        assert!(matches!(verdict(&other), Verdict::Refused(_)), "{missing}");
    }
}

#[test]
fn hex_wants_its_prefix_and_whole_bytes() {
    assert_eq!(hex_bytes("0xaBcD"), Some(vec![0xab, 0xcd]));
    for text in ["abcd", "0Xabcd", "0xabc", "0xzz", "0x+1", ""] {
        assert_eq!(hex_bytes(text), None, "{text}");
    }
}

proptest! {
    /// Whatever the moment and its fraction, the new spelling names the same moment
    /// with as few digits as needed, and spelling it again changes nothing.
    #[test]
    fn a_new_spelling_names_the_same_moment(
        second in -62_135_596_800_i64..253_402_300_000,
        nanos in prop_oneof![Just(0_i32), 0..1_000_000_000_i32, (0..1000_i32).prop_map(|ms| ms * 1_000_000)],
        minutes in -720..=840_i32,
        zulu: bool,
    ) {
        let minutes = if zulu { 0 } else { minutes };
        let moment = Timestamp::new(second, 0).and_then(|t| t.checked_add(jiff::SignedDuration::new(0, nanos)));
        let moment = moment.expect("in range");
        let offset = Offset::from_seconds(minutes * 60).expect("less than a day");
        let local = offset.to_datetime(moment);
        prop_assume!((1..=9999).contains(&local.year()));
        let fraction = format!(".{:09}", local.subsec_nanosecond());
        let zone = if zulu { "Z".to_owned() } else {
            format!("{}{:02}:{:02}", if minutes < 0 { '-' } else { '+' }, minutes.abs() / 60, minutes.abs() % 60)
        };
        let text = format!("{}{fraction}{zone}", local.strftime("%Y-%m-%dT%H:%M:%S"));
        let read = OffsetTime::parse_rfc3339(&text).expect("RFC 3339");
        let respelt = read.respell(zulu);
        prop_assert_eq!(respelt.parse::<Timestamp>().expect("RFC 3339"), moment, "{} {}", text, respelt);
        prop_assert_eq!(read.micros(), i64::try_from(moment.as_nanosecond().div_euclid(1000)).expect("64 bits"));
        let digits = respelt.split('.').nth(1).map_or(0, |rest| rest.bytes().take_while(u8::is_ascii_digit).count());
        let wanted = [0, 3, 6, 9].into_iter().find(|digits| nanos % 10_i32.pow(9 - digits) == 0).unwrap_or(9);
        prop_assert_eq!(digits, wanted as usize);
        prop_assert_eq!(OffsetTime::parse_rfc3339(&respelt).expect("again").respell(zulu), respelt.clone());
        prop_assert_eq!(read.respell_utc().parse::<Timestamp>().expect("UTC"), moment);
        prop_assert!(read.respell_utc().ends_with('Z'));
    }

    /// No text makes the parsers panic, and what one accepts has a zone.
    #[test]
    fn no_text_is_too_odd_for_the_date_parsers(text in "\\PC{0,40}|[0-9TZ:.+-]{0,40}") {
        let _ = OffsetTime::parse_rfc3339(&text);
        let _ = scorer_fn::time::parse_python_iso(&text);
    }
}
