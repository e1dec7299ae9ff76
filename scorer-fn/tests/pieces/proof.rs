//! EIP-712: the published example, the edges of the encoding, and whole proofs.

use hunt::wallets::Signer;
use jiff::Timestamp;
use jiff::tz::Offset;
use proptest::prelude::*;
use scorer_fn::credential::eip712::{TypedDataError, Types, hex_bytes};
use scorer_fn::credential::proof::{Verdict, judge, signing_digest};
use scorer_fn::credential::{self, Reading};
use scorer_fn::score::key::hex;
use scorer_fn::time::OffsetTime;
use serde_json::{Value, json};

/// The example of the standard: Cow writes to Bob.
pub(crate) fn mail() -> (Value, Value, Value) {
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
    let key = Signer::named("cow");
    assert_eq!(key.account(), "cd2a3d9f938e13cd947ec05abc7fe734df8dd826");
    let (types, domain, message) = mail();
    let digest = Types::read(&types)
        .and_then(|types| types.digest("Mail", &domain, &message))
        .expect("it fits");
    assert_eq!(
        key.proof_value(&digest),
        "0x4355c47d63924e8a72e509b65029052eb6c299d53a04e167c5775fd466751c9d\
         07299936d304c153f6443dfa05f40ff007d72911b6f72307f996231605b915621c"
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
        ("bool", json!("yes")),
        ("bool", json!(2)),
        ("int8", json!("0x")),
        ("interest", json!(1)),
        ("string]", json!("a")),
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
        ("uint8", json!(-1)),
        ("bool", json!("true")),
        ("bool", json!("")),
        ("bool", json!(1)),
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
fn an_integer_is_as_many_bytes_as_it_is_spelt_in() {
    let digest = |kind, value| digest_of(kind, Some(value)).expect("it fits");
    let eight = json!("0xffffffffffffffff");
    assert_eq!(digest("uint256", json!(-1)), digest("uint256", eight), "8 bytes, not extended");
    let all = json!(format!("0x{}", "ff".repeat(32)));
    assert_eq!(digest("int256", json!(-1)), digest("int256", all.clone()));
    assert_eq!(digest("int256", json!("0xff")), digest("int256", all), "extended by its sign");
    assert_eq!(digest("uint8", json!(300)), digest("uint8", json!("0x012c")));
    assert_eq!(digest("uint08", json!(7)), digest("uint8", json!(7)), "one spelling is signed");
}

#[test]
fn every_type_is_read_even_one_that_nothing_uses() {
    for (kind, good) in [("uint", false), ("bytesx", false), ("Elsewhere", true)] {
        let types = json!({"Box": [], "Other": [{"name": "it", "type": kind}]});
        let digest =
            Types::read(&types).and_then(|t| t.digest("Box", &json!({"name": "x"}), &json!({})));
        assert_eq!(digest.is_ok(), good, "{kind}");
    }
    let referenced = json!({"Box": [{"name": "it", "type": "Elsewhere"}]});
    let types = Types::read(&referenced).expect("a type may be elsewhere");
    let digest = types.digest("Box", &json!({"name": "x"}), &json!({}));
    assert_eq!(digest, Err(TypedDataError::UnknownType("Elsewhere".to_owned())));
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
pub(crate) fn signed(change: impl FnOnce(&mut Value)) -> Value {
    let key = Signer::named("cow");
    let did = format!("did:ethr:0x{}", key.account());
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
    credential["proof"]["proofValue"] = key.proof_value(&digest).into();
    credential
}

fn verdict(credential: &Value) -> Verdict {
    judge(credential, scorer_fn::time::now())
}

#[test]
fn a_signed_credential_is_genuine() {
    assert_eq!(verdict(&signed(|_| {})), Verdict::Genuine);
}

/// A signed credential whose subject has these members, too.
fn with_subject(members: &Value) -> Value {
    signed(|credential| {
        for (name, value) in members.as_object().expect("an object") {
            let kind = match value {
                Value::Array(_) => "string[]",
                Value::Number(_) => "uint256",
                _ => "string",
            };
            credential["credentialSubject"][name] = value.clone();
            let subject = &mut credential["proof"]["eip712Domain"]["types"]["Subject"];
            let declared = subject.as_array_mut().expect("an array");
            declared.retain(|member| member["name"] != name.as_str());
            declared.push(json!({"name": name, "type": kind}));
        }
    })
}

fn read(json: &str) -> Reading {
    let key = Signer::named("cow");
    let issuer = format!("did:ethr:0x{}", key.account());
    credential::read("Ens", json, "0x00", &[issuer], scorer_fn::time::now())
}

#[test]
fn an_empty_hash_is_none_but_still_the_nullifier_beside_nullifiers() {
    for (members, nullifiers) in [
        (json!({"hash": "v0.0.0:abc"}), &["v0.0.0:abc"][..]),
        (json!({"hash": "", "nullifiers": ["v0:a"]}), &[""]),
        (json!({"hash": 0, "nullifiers": ["v0:a"]}), &["0"]),
        (json!({"hash": 7}), &["7"]),
        (json!({"nullifiers": ["", "v0:a"]}), &["", "v0:a"]),
        (json!({"nullifiers": "v0"}), &["v", "0"]),
    ] {
        match read(&with_subject(&members).to_string()) {
            Reading::Counts(stamp) => assert_eq!(stamp.nullifiers, nullifiers, "{members}"),
            other => panic!("{members}: {other:?}"),
        }
    }
    for members in [
        json!({}),
        json!({"hash": ""}),
        json!({"hash": 0}),
        json!({"hash": "", "nullifiers": []}),
        json!({"nullifiers": ""}),
        json!({"hash": "h", "provider": ""}),
        json!({"hash": "h", "provider": 0}),
    ] {
        let found = read(&with_subject(&members).to_string());
        assert!(matches!(found, Reading::LeftOut("subject is incomplete")), "{members} {found:?}");
    }
    let found = read(&with_subject(&json!({"nullifiers": 7})).to_string());
    assert!(matches!(found, Reading::FailsScore(text) if text == "'int' object is not iterable"));
}

#[test]
fn what_no_verifier_reads_leaves_out_its_stamp_alone() {
    let good = with_subject(&json!({"hash": "h"})).to_string();
    let with = |extra: &str| format!("{{\"extra\": {extra}, {}", &good[1..]);
    let deep = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
    let zeros = "0".repeat(400);
    for extra in [format!("1{zeros}"), format!("1{zeros}.5"), deep(127), deep(900), deep(100_000)] {
        let found = read(&with(&extra));
        assert!(
            matches!(found, Reading::LeftOut(reason) if reason.contains("verifier")),
            "{found:?}"
        );
        let ended = with(&extra).replace("2099-06-01", "2020-06-01");
        assert!(matches!(read(&ended), Reading::LeftOut("expired")));
        let foreign = with(&extra).replace("\"did:ethr:", "\"did:ethr:0x");
        assert!(matches!(read(&foreign), Reading::LeftOut("issuer is not trusted")));
        let undated = with(&extra).replace("\"expirationDate\":\"", "\"none\":\"");
        assert!(matches!(read(&undated), Reading::FailsScore(text) if text == "'expirationDate'"));
    }
    assert!(matches!(read(&with("1.5")), Reading::LeftOut("the data does not fit its types")));
    let long = read(&with(&"7".repeat(4301)));
    assert!(
        matches!(&long, Reading::FailsScore(text) if text.contains("value has 4301 digits")),
        "{long:?}"
    );
}

#[test]
fn what_is_no_object_fails_the_score_in_the_words_of_python() {
    for (json, expected) in [
        ("17", "argument of type 'int' is not iterable"),
        ("1.5", "argument of type 'float' is not iterable"),
        ("null", "argument of type 'NoneType' is not iterable"),
        ("false", "argument of type 'bool' is not iterable"),
        ("[]", "list indices must be integers or slices, not str"),
        ("\"issuer\"", "string indices must be integers, not 'str'"),
        ("{\"expirationDate\": null}", "fromisoformat: argument must be str"),
        ("{}", "'expirationDate'"),
    ] {
        match read(json) {
            Reading::FailsScore(text) => assert_eq!(text, expected),
            other => panic!("{json}: {other:?}"),
        }
    }
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

/// What makes another proof of the good one.
type Change<'c> = &'c dyn Fn(&mut Value);

/// The signed credential with its proof replaced by these, each made of it.
fn with_proofs(proofs: &[Change<'_>]) -> Value {
    let mut credential = signed(|_| {});
    let good = credential["proof"].take();
    let made = proofs.iter().map(|change| {
        let mut proof = good.clone();
        change(&mut proof);
        proof
    });
    credential["proof"] = made.collect();
    credential
}

#[test]
fn the_first_proof_that_is_meant_decides() {
    let good: Change<'_> = &|_| {};
    let bad: Change<'_> = &|proof| proof["proofValue"] = json!(format!("0x{}", "11".repeat(65)));
    let purpose: Change<'_> = &|proof| proof["proofPurpose"] = json!("authentication");
    let no_purpose: Change<'_> = &|proof| proof["proofPurpose"] = Value::Null;
    let method: Change<'_> =
        &|proof| proof["verificationMethod"] = json!("did:ethr:0x00#controller");
    let other_method: Change<'_> = &|proof| {
        let id = proof["verificationMethod"].as_str().unwrap_or_default();
        proof["verificationMethod"] = json!(id.replace("#controller", "#Eip712Method2021"));
    };
    let no_method: Change<'_> = &|proof| proof["verificationMethod"] = Value::Null;
    let future: Change<'_> = &|proof| proof["created"] = json!("2999-01-01T00:00:00Z");
    let undated: Change<'_> = &|proof| proof["created"] = Value::Null;
    let ed25519: Change<'_> = &|proof| proof["type"] = json!("Ed25519Signature2018");
    let unknown: Change<'_> = &|proof| proof["type"] = json!("MadeUpSignature2030");
    let null: Change<'_> = &|proof| *proof = Value::Null;
    let empty: Change<'_> = &|proof| *proof = json!({});
    let odd_purpose: Change<'_> = &|proof| proof["proofPurpose"] = json!("fun");
    let odd_date: Change<'_> = &|proof| proof["created"] = json!("today");
    let odd_value: Change<'_> = &|proof| proof["nonce"] = json!(7);
    let genuine: &[&[Change<'_>]] = &[
        &[good],
        &[good, good],
        &[good, bad],
        &[good, ed25519],
        &[purpose, good],
        &[no_purpose, good],
        &[method, good],
        &[future, good],
        &[undated, good],
        &[purpose, method, future, good, bad],
    ];
    for (at, proofs) in genuine.iter().enumerate() {
        assert_eq!(verdict(&with_proofs(proofs)), Verdict::Genuine, "case {at}");
    }
    let refused: &[&[Change<'_>]] = &[
        &[],
        &[bad],
        &[bad, good],
        &[bad, bad],
        &[ed25519, good],
        &[other_method, good],
        &[no_method, good],
        &[purpose],
        &[method],
        &[future],
        &[good, unknown],
        &[unknown, good],
        &[good, null],
        &[null, good],
        &[good, empty],
        &[purpose, unknown, good],
        &[good, odd_purpose],
        &[good, odd_date],
        &[good, odd_value],
    ];
    for (at, proofs) in refused.iter().enumerate() {
        let found = verdict(&with_proofs(proofs));
        assert!(matches!(found, Verdict::Refused(_)), "case {at}: {found:?}");
    }
}

#[test]
fn a_type_that_the_issuer_cannot_make_is_refused_like_a_bad_signature() {
    for kind in [
        json!("MadeUpSignature2030"),
        json!("Ed25519Signature2018"),
        json!("EcdsaSecp256k1RecoverySignature2020"),
        json!("EcdsaSecp256k1Signature2019"),
        json!("JsonWebSignature2020"),
        json!("EthereumPersonalSignature2021"),
        json!("Eip712Signature2021"),
        json!("TezosSignature2021"),
        json!("CLSignature2019"),
        json!(""),
        json!(["EthereumEip712Signature2021"]),
        json!(1),
        Value::Null,
    ] {
        // The signature is where it was, and no context defines the type.
        let mut credential = signed(|_| {});
        credential["proof"]["type"] = kind.clone();
        assert!(matches!(verdict(&credential), Verdict::Refused(_)), "{kind}");
    }
    for missing in ["/proof", "/proof/type"] {
        let mut credential = signed(|_| {});
        *credential.pointer_mut(missing).expect("it is there") = Value::Null;
        assert!(matches!(verdict(&credential), Verdict::Refused(_)), "{missing}");
    }
}

#[test]
fn what_the_issuers_key_may_have_made_is_not_judged() {
    const RECOVERY: &str = "https://w3id.org/security/suites/secp256k1recovery-2020/v2";
    const JWS: &str = "https://w3id.org/security/suites/jws-2020/v1";
    let ethr = format!("did:ethr:0x{}", "ab".repeat(20));
    let pkh = format!("did:pkh:eip155:1:0x{}", "ab".repeat(20));
    let ed = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK";
    let secp = "did:key:zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme";
    let jws = json!("eyJhbGciOiJFZERTQSJ9..AAAA");
    let value = json!(format!("0x{}", "11".repeat(65)));
    let place = json!({"EthereumPersonalSignature2021": "x", "Eip712Signature2021": "x"});
    let of_key = |did: &str| format!("{did}#{}", did.rsplit(':').next().unwrap_or_default());
    // Issuer, method, type, context, key and value of the signature, and whether it may be good.
    let table = [
        (ed, of_key(ed), "Ed25519Signature2018", json!(null), "jws", &jws, true),
        (ed, of_key(ed), "Ed25519Signature2018", json!(null), "proofValue", &value, false),
        (ed, of_key(ed), "JsonWebSignature2020", json!(JWS), "jws", &jws, true),
        (ed, of_key(ed), "JsonWebSignature2020", json!(null), "jws", &jws, false),
        (ed, of_key(ed), "EthereumEip712Signature2021", json!(null), "proofValue", &value, false),
        (ed, format!("{ed}#other"), "Ed25519Signature2018", json!(null), "jws", &jws, false),
        (
            secp,
            of_key(secp),
            "EthereumEip712Signature2021",
            json!(null),
            "proofValue",
            &value,
            true,
        ),
        (secp, of_key(secp), "EcdsaSecp256k1Signature2019", json!(null), "jws", &jws, true),
        (secp, of_key(secp), "Ed25519Signature2018", json!(null), "jws", &jws, false),
        (
            &ethr,
            format!("{ethr}#controller"),
            "EcdsaSecp256k1RecoverySignature2020",
            json!([RECOVERY]),
            "jws",
            &jws,
            true,
        ),
        (
            &ethr,
            format!("{ethr}#controller"),
            "EcdsaSecp256k1RecoverySignature2020",
            json!([RECOVERY]),
            "jws",
            &json!("AAAA"),
            false,
        ),
        (
            &ethr,
            format!("{ethr}#controller"),
            "EcdsaSecp256k1Signature2019",
            json!(null),
            "jws",
            &jws,
            false,
        ),
        (
            &ethr,
            format!("{ethr}#controller"),
            "EthereumPersonalSignature2021",
            json!([place]),
            "proofValue",
            &value,
            true,
        ),
        (
            &ethr,
            format!("{ethr}#Eip712Method2021"),
            "Eip712Signature2021",
            place.clone(),
            "proofValue",
            &value,
            true,
        ),
        (
            &ethr,
            format!("{ethr}#Eip712Method2021"),
            "EthereumPersonalSignature2021",
            place.clone(),
            "proofValue",
            &value,
            false,
        ),
        (
            &ethr,
            format!("{ethr}#controller"),
            "Eip712Signature2021",
            place.clone(),
            "proofValue",
            &json!("0x11"),
            false,
        ),
        (
            &pkh,
            format!("{pkh}#blockchainAccountId"),
            "Eip712Signature2021",
            place.clone(),
            "proofValue",
            &value,
            true,
        ),
        (
            &pkh,
            format!("{pkh}#controller"),
            "Eip712Signature2021",
            place.clone(),
            "proofValue",
            &value,
            false,
        ),
        (
            "did:web:example.org",
            "did:web:example.org#1".to_owned(),
            "JsonWebSignature2020",
            json!(null),
            "jws",
            &jws,
            true,
        ),
        (
            "https://example.org",
            "https://example.org#1".to_owned(),
            "JsonWebSignature2020",
            json!(JWS),
            "jws",
            &jws,
            false,
        ),
    ];
    for (issuer, method, kind, context, key, signature, maybe) in table {
        let mut credential = signed(|_| {});
        credential["issuer"] = json!(issuer);
        let mut proof = json!({
            "@context": context, "type": kind, "proofPurpose": "assertionMethod",
            "created": "2025-01-02T03:04:05.678Z", "verificationMethod": method,
        });
        proof[key] = signature.clone();
        credential["proof"] = proof;
        let found = verdict(&credential);
        assert_eq!(
            found == Verdict::Unsupported(kind.to_owned()),
            maybe,
            "{issuer} {kind}: {found:?}"
        );
    }
}

#[test]
fn the_account_of_every_kind_of_did_is_checked() {
    let key = Signer::named("cow");
    let account = key.account();
    let checked = "CD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826";
    assert_eq!(checked.to_lowercase(), account);
    let public = hex(&key.public().serialize());
    for (did, fragment, good) in [
        (format!("did:ethr:0x{account}"), "controller", true),
        (format!("did:ethr:0x{checked}"), "controller", true),
        (format!("did:ethr:0x{}", checked.to_uppercase()), "controller", false),
        (format!("did:ethr:0x{account}"), "Eip712Method2021", false),
        (format!("did:ethr:0x{account}"), "elsewhere", false),
        (format!("did:ethr:mainnet:0x{account}"), "controller", true),
        (format!("did:ethr:0x5:0x{account}"), "controller", true),
        (format!("did:ethr:polygon:0x{account}"), "controller", false),
        (format!("did:ethr:{account}"), "controller", false),
        (format!("did:ethr:0x{public}"), "controller", true),
        (format!("did:ethr:0x{public}"), "controllerKey", true),
        (format!("did:pkh:eip155:1:0x{account}"), "blockchainAccountId", true),
        (format!("did:pkh:eip155:137:0x{checked}"), "blockchainAccountId", true),
        (format!("did:pkh:eip155:1:0x{account}"), "controller", false),
        (format!("did:pkh:eth:0x{account}"), "Recovery2020", true),
    ] {
        let credential = signed(|credential| {
            credential["issuer"] = json!(did);
            credential["proof"]["verificationMethod"] = json!(format!("{did}#{fragment}"));
        });
        assert_eq!(verdict(&credential) == Verdict::Genuine, good, "{did}#{fragment}");
    }
}

#[test]
fn members_of_the_data_model_have_their_shape_or_are_as_good_as_absent() {
    let with = |key: &str, value: Value, kind: &str, more: Value| {
        signed(|credential| {
            let types = &mut credential["proof"]["eip712Domain"]["types"];
            types["More"] = more;
            let document = types["Document"].as_array_mut().expect("an array");
            document.push(json!({"name": key, "type": kind}));
            credential[key] = value;
        })
    };
    let status = json!([{"name": "id", "type": "string"}, {"name": "type", "type": "string"}]);
    let good = json!({"id": "urn:1", "type": "T"});
    let cases = [
        ("credentialStatus", good.clone(), "More", true),
        ("credentialStatus", json!({"id": "no uri", "type": "T"}), "More", false),
        ("credentialStatus", json!("urn:1"), "string", false),
        ("credentialStatus", json!([good]), "More[]", false),
        ("credentialStatus", Value::Null, "More", true),
        ("credentialSchema", json!([good]), "More[]", true),
        ("termsOfUse", good.clone(), "More", false),
        ("termsOfUse", json!([good]), "More[]", true),
        ("evidence", json!(["text"]), "string[]", false),
        ("id", json!("anything"), "string", true),
        ("id", json!(7), "uint256", false),
        ("id", Value::Null, "string", true),
        ("extra", Value::Null, "string", false),
        ("extra", json!("text"), "string", true),
    ];
    for (key, value, kind, passes) in cases {
        let shown = format!("{key}: {value}");
        let made = std::panic::catch_unwind(|| with(key, value, kind, status.clone()));
        // What cannot be signed has no digest, and the helper says so.
        let genuine = made.is_ok_and(|credential| verdict(&credential) == Verdict::Genuine);
        assert_eq!(genuine, passes, "{shown}");
    }
}

#[test]
fn without_types_they_follow_from_the_data() {
    let credential = signed(|credential| {
        credential["credentialSubject"]["flags"] = json!([true, false]);
        credential["credentialSubject"]["count"] = json!(7);
        let proof = credential["proof"].as_object_mut().expect("an object");
        proof.remove("eip712Domain");
    });
    assert_eq!(verdict(&credential), Verdict::Genuine);
    let declared = signed(|credential| {
        credential["credentialSubject"]["flags"] = json!([true, false]);
        credential["credentialSubject"]["count"] = json!(7);
        let text = |name: &str| json!({"name": name, "type": "string"});
        let typed = |name: &str, kind: &str| json!({"name": name, "type": kind});
        credential["proof"]["eip712Domain"] = json!({"domain": {}, "primaryType": "Document", "types": {
            "Document": [
                typed("@context", "string[]"), typed("credentialSubject", "CredentialSubject"),
                text("expirationDate"), text("issuanceDate"), text("issuer"), typed("proof", "Proof"),
                typed("type", "string[]"),
            ],
            "Proof": [
                text("@context"), text("created"), text("proofPurpose"), text("type"), text("verificationMethod"),
            ],
            "@context": [text("provider")],
            "CredentialSubject": [
                typed("@context", "@context"), typed("count", "uint256"), typed("flags", "bool[]"), text("id"),
                text("provider"),
            ],
        }});
    });
    assert_eq!(credential["proof"]["proofValue"], declared["proof"]["proofValue"]);
    for odd in [json!([]), json!([true, 1]), json!([[1]]), json!(1.5), json!([{"a": 1}])] {
        let mut credential = credential.clone();
        credential["credentialSubject"]["flags"] = odd.clone();
        assert!(matches!(verdict(&credential), Verdict::Refused(_)), "{odd}");
    }
}

#[test]
fn the_declaration_has_three_members_and_the_newer_name_wins() {
    let mut credential = signed(|_| {});
    credential["proof"]["eip712Domain"]["note"] = json!("more");
    assert!(matches!(verdict(&credential), Verdict::Refused(_)), "a fourth member");
    let mut credential = signed(|_| {});
    credential["proof"]["eip712"] = credential["proof"]["eip712Domain"].clone();
    assert!(matches!(verdict(&credential), Verdict::Refused(_)), "the older one is data then");
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
