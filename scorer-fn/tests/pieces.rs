//! The pure pieces: keys, rates, paths, deduplication, weights, configuration.

use std::collections::HashMap;

use scorer_fn::config::Config;
use scorer_fn::credential::Stamp;
use scorer_fn::decimal::Decimal;
use scorer_fn::score::dedup::{self, Link, LinkedTwice, NewLink, Plan};
use scorer_fn::score::key::{self, Check};
use scorer_fn::score::rate::Rate;
use scorer_fn::score::request::{self, CommunityKey, Target};
use scorer_fn::score::weigh::{self, Rules, Weights};
use scorer_fn::time::OffsetTime;
use serde_json::{Value, json};

const KEY: &str = "GoldKeyB.394275f055027b2ebdc2c6adb8e0b2ea";

#[test]
fn a_key_is_judged_by_the_column_that_is_set() {
    let right = key::sha256_form(KEY);
    let slow = "pbkdf2_sha256$2$salt$AAAA";
    assert_eq!(key::check(KEY, "anything", Some(&right)), Check::Right);
    assert_eq!(
        key::check(KEY, &right, Some("sha256$00")),
        Check::Wrong,
        "the old column is not tried"
    );
    assert_eq!(key::check(KEY, &right, None), Check::Right);
    assert!(matches!(key::check(KEY, slow, None), Check::Slow(_)));
    for unknown in [
        "sha512$$00",
        "",
        "pbkdf2_sha256$x$salt$AAAA",
        "pbkdf2_sha256$0$salt$AAAA",
        "pbkdf2_sha256$2$salt$%",
    ] {
        assert_eq!(key::check(KEY, unknown, None), Check::Wrong, "{unknown}");
    }
    assert_eq!(
        (key::prefix("a.b.c"), key::prefix("abc"), key::prefix("")),
        ("a", "abc", "")
    );
}

#[test]
fn the_slow_hash_is_the_one_that_python_makes() {
    // hashlib.pbkdf2_hmac("sha256", KEY, b"salt", 1000), standard base64.
    let stored = "pbkdf2_sha256$1000$salt$OKGIC+lApoTcNm8oJMasY22gYx8NfxTjqrVfN8auXVA=";
    let Check::Slow(hash) = key::check(KEY, stored, None) else {
        panic!("it is a slow hash")
    };
    assert!(hash.check(KEY));
    assert!(!hash.check("GoldKeyB.394275f055027b2ebdc2c6adb8e0b2eb"));
}

#[test]
fn a_rate_counts_in_the_window_that_python_counts_in() {
    let rate = Rate::parse("125/15m").expect("a rate");
    assert_eq!((rate.count, rate.period_secs), (125, 900));
    // hashlib.sha256(b"registry125/900sGoldKeyA" + str(window end)), window end by zlib.crc32.
    assert_eq!(
        rate.counter("GoldKeyA", 1_764_000_000_000_000),
        ":1:rl:83cf5a98d77a1ea9a88be3b6648d987f3df6f22a7bc6b0a35ec92ad99b08c3de"
    );
}

#[test]
fn a_rate_reads_as_django_ratelimit_reads_it() {
    for (text, period_secs) in [
        ("5/s", 1),
        ("5/", 1),
        ("5/300", 300),
        ("5/2h", 7200),
        ("5/1d", 86_400),
        // No unit that it knows is seconds, and the rest is not looked at.
        ("5/1w", 1),
        ("5/10M", 10),
        ("5/1y", 1),
        ("5/m;x", 60),
        ("5/5min", 300),
        ("５/１５m", 900),
    ] {
        let rate = Rate::parse(text).map(|rate| (rate.count, rate.period_secs));
        assert_eq!(rate, Some((5, period_secs)), "{text}");
    }
    for text in [
        "",
        "5",
        "/m",
        "x/1m",
        " 5/m",
        "5 /m",
        "5/0m",
        "-1/1m",
        "5/99999999999999999999m",
    ] {
        assert_eq!(Rate::parse(text), None, "{text}");
    }
}

#[test]
fn a_window_ends_after_now_and_lasts_one_period() {
    let rate = Rate::parse("10/15m").expect("a rate");
    let start = 1_764_000_000_i64;
    let counters: Vec<_> = (0..1800)
        .map(|s| rate.counter("prefix", (start + s) * 1_000_000))
        .collect();
    let changes = counters
        .windows(2)
        .filter(|pair| pair[0] != pair[1])
        .count();
    assert_eq!(
        changes, 2,
        "half an hour meets the ends of two windows of 15 minutes"
    );
}

#[test]
fn the_last_and_the_third_last_segment_matter() {
    let found = |path| request::target(path).map(|Target { scorer, address }| (scorer, address));
    assert_eq!(found("/v2/stamps/101/score/0xAb"), Some(("101", "0xAb")));
    assert_eq!(found("/anything/101/x/0xAb"), Some(("101", "0xAb")));
    assert_eq!(found("/v2/stamps/101/score/0xAb/"), Some(("score", "")));
    assert_eq!(found("/a/b"), Some(("", "b")));
    assert_eq!(found("/x"), None);
    assert_eq!(found(""), None);
}

#[test]
fn a_community_is_looked_for_by_name_and_by_number() {
    let key = |external: &str, id| {
        Some(CommunityKey {
            external: external.to_owned(),
            id,
        })
    };
    assert_eq!(request::community_key("101", None), key("101", Some(101)));
    assert_eq!(request::community_key("0101", None), key("0101", Some(101)));
    assert_eq!(request::community_key("1_0", None), key("1_0", Some(10)));
    assert_eq!(
        request::community_key("partner", None),
        key("partner", None)
    );
    assert_eq!(
        request::community_key("99999999999999999999", None),
        key("99999999999999999999", None)
    );
    assert_eq!(request::community_key("-1", None), None);
    assert_eq!(
        request::community_key("-99999999999999999999", Some("7")),
        key("7", Some(7))
    );
    assert_eq!(request::community_key("-0", Some("7")), key("-0", Some(0)));
}

#[test]
fn an_address_is_forty_hex_digits_in_any_case() {
    let digits = "A452b093B448cBa521689D4F6f04EDE0996080C7";
    let lower = digits.to_lowercase();
    assert_eq!(
        request::address(&format!("0x{digits}")),
        Some(format!("0x{lower}"))
    );
    assert_eq!(
        request::address(&format!("0X{digits}")),
        Some(format!("0x{lower}"))
    );
    assert_eq!(request::address(digits), Some(lower));
    let long = "0".repeat(100_000);
    for text in [
        "",
        "0x",
        &digits[1..],
        "golden.eth",
        "%30x00",
        "0x0x00",
        &long,
        "0xİ",
    ] {
        assert_eq!(request::address(text), None, "{text}");
    }
}

const ME: &str = "0x00000000000000000000000000000000000000aa";
const OTHER: &str = "0x00000000000000000000000000000000000000bb";
const NOW: i64 = 1_764_000_000_000_000;
const LATER: i64 = NOW + 1_000_000;
const EARLIER: i64 = NOW - 1_000_000;

fn stamp(provider: &str, nullifiers: &[&str]) -> Stamp {
    Stamp {
        provider: provider.to_owned(),
        credential_provider: provider.to_owned(),
        nullifiers: nullifiers.iter().map(|text| (*text).to_owned()).collect(),
        expires: OffsetTime::from_micros(NOW + 5_000_000),
        expires_text: "as spelt".to_owned(),
        json: "{}".to_owned(),
    }
}

fn link(id: i64, hash: &str, address: &str, expires: i64) -> Link {
    Link {
        id,
        hash: hash.to_owned(),
        address: address.to_owned(),
        expires,
    }
}

fn plan(stamps: Vec<Stamp>, links: &[Link]) -> Result<Plan, LinkedTwice> {
    dedup::plan(stamps, links, ME, true, NOW)
}

#[test]
fn a_free_nullifier_is_claimed_and_ones_own_or_an_ended_one_is_held() {
    let links = [
        link(1, "v0:own", ME, EARLIER),
        link(2, "v0:ended", OTHER, NOW),
    ];
    let plan = plan(vec![stamp("A", &["v0:own", "v0:ended", "v0:free"])], &links).expect("a plan");
    assert_eq!(plan.counted.len(), 1);
    assert_eq!(
        plan.hold.iter().map(|(id, _)| *id).collect::<Vec<_>>(),
        [1, 2]
    );
    let expires = OffsetTime::from_micros(NOW + 5_000_000);
    assert_eq!(
        plan.create,
        [NewLink {
            hash: "v0:free".to_owned(),
            address: ME.to_owned(),
            expires
        }]
    );
}

#[test]
fn a_clash_hands_the_free_nullifiers_to_the_other_wallet() {
    let third = "0x00000000000000000000000000000000000000cc";
    let links = [
        link(1, "v0:taken", OTHER, LATER),
        link(2, "v0:too", third, LATER + 1),
    ];
    let plan = plan(vec![stamp("A", &["v0:free", "v0:taken", "v0:too"])], &links).expect("a plan");
    assert!(plan.counted.is_empty());
    assert!(plan.hold.is_empty());
    let expires = OffsetTime::from_micros(LATER);
    assert_eq!(
        plan.create,
        [NewLink {
            hash: "v0:free".to_owned(),
            address: OTHER.to_owned(),
            expires
        }]
    );
    assert_eq!(
        plan.clashing["A"].nullifiers,
        ["v0:free", "v0:taken", "v0:too"]
    );
    assert_eq!(plan.clashing["A"].expires_text, "as spelt");
}

#[test]
fn a_clash_beside_a_link_that_does_not_clash_cannot_be_written() {
    for (beside, until) in [(ME, LATER), (ME, EARLIER), (OTHER, EARLIER)] {
        let links = [
            link(1, "v0:taken", OTHER, LATER),
            link(2, "v0:held", beside, until),
        ];
        let found = plan(vec![stamp("A", &["v0:held", "v0:taken"])], &links);
        assert_eq!(found.err(), Some(LinkedTwice), "{beside} until {until}");
    }
}

#[test]
fn one_nullifier_in_two_stamps_cannot_be_linked() {
    assert_eq!(
        plan(vec![stamp("A", &["v0:n"]), stamp("B", &["v0:n"])], &[]).err(),
        Some(LinkedTwice)
    );
    let own = [link(1, "v0:n", ME, LATER)];
    assert_eq!(
        plan(vec![stamp("A", &["v0:n"]), stamp("B", &["v0:n"])], &own).err(),
        Some(LinkedTwice)
    );
    let taken = [link(1, "v0:n", OTHER, LATER)];
    let both = plan(vec![stamp("A", &["v0:n"]), stamp("B", &["v0:n"])], &taken)
        .expect("nothing is written");
    assert_eq!(both.clashing.len(), 2);
}

#[test]
fn only_the_first_version_counts_without_the_flag() {
    let links = [link(1, "v1:taken", OTHER, LATER)];
    let stamps = vec![
        stamp("A", &["v0:free", "v1:taken"]),
        stamp("B", &["v1:new"]),
    ];
    let plan = dedup::plan(stamps, &links, ME, false, NOW).expect("a plan");
    assert_eq!(plan.counted.len(), 2);
    assert_eq!(plan.create.len(), 1);
}

fn rules(weights: &Value, threshold: &str) -> Rules {
    let custom = vec![
        ("C".to_owned(), "1.5000".to_owned()),
        ("C".to_owned(), "0.2500".to_owned()),
    ];
    Rules {
        weights: Weights::read(Some(&weights.to_string())).expect("JSON"),
        custom,
        threshold: Decimal::parse(threshold).expect("a number"),
    }
}

#[test]
fn weights_are_texts_numbers_or_overridden() {
    let counted = ["A", "B", "C", "D"]
        .map(|provider| stamp(provider, &["n"]))
        .to_vec();
    let plan = Plan {
        counted,
        ..Plan::default()
    };
    let score = weigh::weigh(
        &plan,
        &rules(&json!({"A": "0.525", "B": 0.1, "C": "9"}), "0.875"),
    )
    .expect("a score");
    assert_eq!(score.sum.to_string(), "0.8750000000000000055511151231");
    assert!(score.passing);
    let shown: HashMap<_, _> = score
        .stamps
        .iter()
        .map(|(name, stamp)| (name.as_str(), stamp.score.as_str()))
        .collect();
    assert_eq!(
        shown,
        HashMap::from([
            ("A", "0.52500"),
            ("B", "0.10000"),
            ("C", "0.25000"),
            ("D", "0.00000")
        ])
    );
}

#[test]
fn an_integer_weighs_what_it_says_and_a_fraction_what_a_double_does() {
    let one = Plan {
        counted: vec![stamp("A", &["n"])],
        ..Plan::default()
    };
    // As PostgreSQL prints jsonb: no exponents, and numbers of any length.
    for (weight, sum, shown) in [
        (
            "12345678901234567890123",
            "12345678901234567890123.00000",
            "12345678901234567741440.00000",
        ),
        (
            "10000000000000000000000000",
            "10000000000000000000000000.00000",
            "10000000000000000905969664.00000",
        ),
        ("-7", "-7.00000", "-7.00000"),
        ("2.675", "2.67500", "2.67500"),
        (
            "12345678901234567890123.5",
            "12345678901234567741440.00000",
            "12345678901234567741440.00000",
        ),
        ("\"-0\"", "0.00000", "-0.00000"),
        ("\"-0.000001\"", "-0.00000", "-0.00000"),
    ] {
        let mut rules = rules(&Value::Null, "1");
        rules.weights = Weights::read(Some(&format!("{{\"A\": {weight}}}"))).expect("JSON");
        let score = weigh::weigh(&one, &rules).expect("a score");
        assert_eq!(score.sum.to_fixed5(), sum, "{weight}");
        assert_eq!(score.stamps["A"].score, shown, "{weight}");
    }
}

#[test]
fn a_bad_weight_fails_only_those_who_have_the_stamp() {
    let one = Plan {
        counted: vec![stamp("A", &["n"])],
        ..Plan::default()
    };
    let error = |weights| weigh::weigh(&one, &rules(&weights, "1")).err();
    assert_eq!(
        error(json!({"A": "abc"})).as_deref(),
        Some("[<class 'decimal.ConversionSyntax'>]")
    );
    assert_eq!(
        error(Value::Null).as_deref(),
        Some("'NoneType' object has no attribute 'get'")
    );
    assert_eq!(
        error(json!([])).as_deref(),
        Some("'list' object has no attribute 'get'")
    );
    assert_eq!(
        error(json!({"A": null})).as_deref(),
        Some("conversion from NoneType to Decimal is not supported")
    );
    assert_eq!(error(json!({"A": true, "B": "abc"})), None);
    assert!(
        weigh::weigh(&Plan::default(), &rules(&Value::Null, "1")).is_ok(),
        "nobody looks at the weights"
    );
}

#[test]
fn a_counted_and_a_deduplicated_stamp_of_one_name_become_one_entry() {
    let mut plan = Plan {
        counted: vec![stamp("A", &["n"])],
        ..Plan::default()
    };
    let clash = dedup::Clash {
        expires_text: "raw".to_owned(),
        nullifiers: vec![],
    };
    plan.clashing.insert("A".to_owned(), clash);
    let score = weigh::weigh(&plan, &rules(&json!({"A": "2"}), "2")).expect("a score");
    let entry = &score.stamps["A"];
    assert_eq!(
        (
            entry.score.as_str(),
            entry.dedup,
            entry.expiration_date.as_str()
        ),
        ("2.00000", true, "raw")
    );
    assert!(score.passing);
}

fn config(pairs: &[(&str, &str)]) -> Result<Config, String> {
    let mut variables = HashMap::from([
        ("TRUSTED_IAM_ISSUERS", "[\"did:ethr:0x1\"]"),
        ("DATABASE_URL", "postgres://u:hunter2@h/d"),
    ]);
    variables.extend(pairs.iter().copied());
    Config::read(|name| variables.get(name).map(|value| (*value).to_owned()))
        .map_err(|error| error.to_string())
}

#[test]
fn settings_read_in_either_spelling() {
    let read = config(&[
        ("DEMO_API_KEY_ALIASES", "a, b"),
        ("FF_MULTI_NULLIFIER", "on"),
        ("RATELIMIT_ENABLE", "False"),
    ]);
    let settings = read.expect("it is complete").settings;
    assert_eq!(settings.demo_aliases, ["a", "b"]);
    assert!(settings.multi_nullifier && !settings.analytics && !settings.faults);
}

#[test]
fn what_is_left_out_keeps_it_from_starting_and_says_what_to_do() {
    let refused = [
        (("TRUSTED_IAM_ISSUERS", ""), "TRUSTED_IAM_ISSUERS: not set"),
        (
            ("TRUSTED_IAM_ISSUERS", "[1]"),
            "TRUSTED_IAM_ISSUERS: no JSON list",
        ),
        (("DATABASE_URL", ""), "DATABASE_URL: not set"),
        (
            ("DATABASE_URL", "u:hunter2@h/d"),
            "DATABASE_URL: it does not begin with postgres://",
        ),
        (
            ("DATABASE_URL", "postgres://u:hunter2@h:port/d"),
            "DATABASE_URL: invalid port number",
        ),
        (
            ("DATABASE_URL", "postgres://u:hunter2@h/d?sslmode=verify"),
            "DATABASE_URL: \"verify\" is no sslmode",
        ),
        (
            (
                "DATABASE_URL",
                "postgres://u:hunter2@h/d?sslrootcert=/no.pem",
            ),
            "DATABASE_URL: the certificates in /no.pem cannot be read",
        ),
        (
            ("HUMAN_POINTS_WRITE_ENABLED", "true"),
            "HUMAN_POINTS_WRITE_ENABLED: human points are not written",
        ),
        (
            ("RATELIMIT_ENABLE", "on"),
            "REDIS_URL: not set though RATELIMIT_ENABLE is on",
        ),
        (
            ("DATABASE_CONNECT_TIMEOUT_MS", "soon"),
            "DATABASE_CONNECT_TIMEOUT_MS: \"soon\" is no whole number",
        ),
    ];
    for (pair, problem) in refused {
        let error = config(&[pair]).expect_err(problem);
        assert!(error.starts_with(problem), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
    let secret = [("DATABASE_URL", ""), ("DATABASE_SECRET_ARN", "arn")];
    for (pair, problem) in [
        (
            ("DATABASE_SSLMODE", "full"),
            "DATABASE_SSLMODE: \"full\" is no sslmode",
        ),
        (
            ("DATABASE_SSLROOTCERT", "/no.pem"),
            "DATABASE_SSLROOTCERT: the certificates in /no.pem cannot be read",
        ),
        (
            ("DATABASE_PORT", "x"),
            "DATABASE_PORT: \"x\" is no whole number",
        ),
    ] {
        let error = config(&[secret[0], secret[1], pair]).expect_err(problem);
        assert!(error.starts_with(problem), "{error}");
    }
}

#[test]
fn the_address_of_redis_is_checked_at_the_start_and_never_shown() {
    let limited = |url: &str| config(&[("RATELIMIT_ENABLE", "1"), ("REDIS_URL", url)]);
    for good in [
        "redis://h",
        "redis://:swordfish@h:7000/3",
        "rediss://u:swordfish@h/0?ssl_cert_reqs=required",
        "rediss://h?ssl_cert_reqs=CERT_REQUIRED",
    ] {
        assert!(limited(good).is_ok(), "{good}");
    }
    for (bad, problem) in [
        ("h:6379/swordfish", "no Redis address"),
        ("http://u:swordfish@h", "no Redis address"),
        ("redis://u:swordfish@h/x", "Invalid database number"),
        ("rediss://u:swordfish@h#insecure", "nothing may follow a #"),
        (
            "rediss://u:swordfish@h?ssl_cert_reqs=none",
            "certificates are always checked",
        ),
        (
            "redis://h?password=swordfish",
            "the parameter password is not known",
        ),
    ] {
        let error = limited(bad).expect_err(bad);
        assert!(error.starts_with("REDIS_URL: "), "{error}");
        assert!(error.contains(problem), "{error}");
        assert!(!error.contains("swordfish"), "{error}");
    }
}

#[test]
fn a_configuration_can_be_printed_without_its_secrets() {
    let shown = format!(
        "{:?}",
        config(&[
            ("RATELIMIT_ENABLE", "1"),
            ("REDIS_URL", "redis://u:swordfish@h")
        ])
    );
    assert!(
        !shown.contains("hunter2") && !shown.contains("swordfish"),
        "{shown}"
    );
}

#[test]
fn an_event_spells_times_to_the_millisecond_and_keeps_an_offset() {
    let spelt = |text: &str| {
        OffsetTime::parse_rfc3339(text)
            .expect("RFC 3339")
            .event_spelling()
    };
    assert_eq!(
        spelt("2098-08-08T08:08:08.0809Z"),
        "2098-08-08T08:08:08.080Z"
    );
    assert_eq!(spelt("2098-01-01T00:00:00Z"), "2098-01-01T00:00:00Z");
    assert_eq!(
        spelt("2098-01-01T00:00:00.0009+00:00"),
        "2098-01-01T00:00:00.000Z"
    );
    assert_eq!(
        spelt("2098-02-03T04:05:06+02:00"),
        "2098-02-03T04:05:06+02:00"
    );
}
