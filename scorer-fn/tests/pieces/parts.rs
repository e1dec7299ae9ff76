//! The pure pieces: keys, rates, paths, configuration.

use std::collections::HashMap;

use scorer_fn::config::Config;
use scorer_fn::score::key::{self, Check};
use scorer_fn::score::rate::Rate;
use scorer_fn::score::request::{self, CommunityKey, Target};
use scorer_fn::time::OffsetTime;

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
    assert_eq!(key::check(KEY, &right, Some("")), Check::Right, "empty is as good as none");
    assert_eq!(key::check(KEY, &right, Some(" ")), Check::Wrong);
    assert_eq!(key::check(KEY, "anything", Some(&right.to_uppercase())), Check::Wrong);
    assert!(matches!(key::check(KEY, slow, Some("")), Check::Slow(_)));
    assert!(matches!(key::check(KEY, slow, None), Check::Slow(_)));
    for unknown in [
        "sha512$$00",
        "",
        "pbkdf2_sha256$x$salt$AAAA",
        "pbkdf2_sha256$0$salt$AAAA",
        "pbkdf2_sha256$02$salt$AAAA",
        "pbkdf2_sha256$+2$salt$AAAA",
        "pbkdf2_sha256$2$$AAAA",
        "pbkdf2_sha256$2$salt",
    ] {
        assert_eq!(key::check(KEY, unknown, None), Check::Wrong, "{unknown}");
    }
    assert_eq!((key::prefix("a.b.c"), key::prefix("abc"), key::prefix("")), ("a", "abc", ""));
}

#[test]
fn the_slow_hash_is_the_one_that_python_makes() {
    // hashlib.pbkdf2_hmac("sha256", KEY, b"salt", 1000), standard base64.
    let stored = "pbkdf2_sha256$1000$salt$OKGIC+lApoTcNm8oJMasY22gYx8NfxTjqrVfN8auXVA=";
    let Check::Slow(hash) = key::check(KEY, stored, None) else { panic!("it is a slow hash") };
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
    for text in ["", "5", "/m", "x/1m", " 5/m", "5 /m", "5/0m", "-1/1m", "5/99999999999999999999m"]
    {
        assert_eq!(Rate::parse(text), None, "{text}");
    }
}

#[test]
fn a_window_ends_after_now_and_lasts_one_period() {
    let rate = Rate::parse("10/15m").expect("a rate");
    let start = 1_764_000_000_i64;
    let counters: Vec<_> =
        (0..1800).map(|s| rate.counter("prefix", (start + s) * 1_000_000)).collect();
    let changes = counters.windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert_eq!(changes, 2, "half an hour meets the ends of two windows of 15 minutes");
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
    let key = |external: &str, id| Some(CommunityKey { external: external.to_owned(), id });
    assert_eq!(request::community_key("101", None), key("101", Some(101)));
    assert_eq!(request::community_key("0101", None), key("0101", Some(101)));
    assert_eq!(request::community_key("1_0", None), key("1_0", Some(10)));
    assert_eq!(request::community_key("partner", None), key("partner", None));
    assert_eq!(
        request::community_key("99999999999999999999", None),
        key("99999999999999999999", None)
    );
    assert_eq!(request::community_key("-1", None), None);
    assert_eq!(request::community_key("-99999999999999999999", Some("7")), key("7", Some(7)));
    assert_eq!(request::community_key("-0", Some("7")), key("-0", Some(0)));
}

#[test]
fn an_address_is_forty_hex_digits_in_any_case() {
    let digits = "A452b093B448cBa521689D4F6f04EDE0996080C7";
    let lower = digits.to_lowercase();
    assert_eq!(request::address(&format!("0x{digits}")), Some(format!("0x{lower}")));
    assert_eq!(request::address(&format!("0X{digits}")), Some(format!("0x{lower}")));
    assert_eq!(request::address(digits), Some(lower));
    let long = "0".repeat(100_000);
    for text in ["", "0x", &digits[1..], "golden.eth", "%30x00", "0x0x00", &long, "0xİ"] {
        assert_eq!(request::address(text), None, "{text}");
    }
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
        (("TRUSTED_IAM_ISSUERS", "[1]"), "TRUSTED_IAM_ISSUERS: no JSON list"),
        (("DATABASE_URL", ""), "DATABASE_URL: not set"),
        (("DATABASE_URL", "u:hunter2@h/d"), "DATABASE_URL: it does not begin with postgres://"),
        (("DATABASE_URL", "postgres://u:hunter2@h:port/d"), "DATABASE_URL: invalid port number"),
        (
            ("DATABASE_URL", "postgres://u:hunter2@h/d?sslmode=verify"),
            "DATABASE_URL: \"verify\" is no sslmode",
        ),
        (
            ("DATABASE_URL", "postgres://u:hunter2@h/d?sslrootcert=/no.pem"),
            "DATABASE_URL: the certificates in /no.pem cannot be read",
        ),
        (
            ("HUMAN_POINTS_WRITE_ENABLED", "true"),
            "HUMAN_POINTS_WRITE_ENABLED: human points are not written",
        ),
        (("RATELIMIT_ENABLE", "on"), "REDIS_URL: not set though RATELIMIT_ENABLE is on"),
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
        (("DATABASE_SSLMODE", "full"), "DATABASE_SSLMODE: \"full\" is no sslmode"),
        (
            ("DATABASE_SSLROOTCERT", "/no.pem"),
            "DATABASE_SSLROOTCERT: the certificates in /no.pem cannot be read",
        ),
        (("DATABASE_PORT", "x"), "DATABASE_PORT: \"x\" is no whole number"),
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
        ("rediss://u:swordfish@h?ssl_cert_reqs=none", "certificates are always checked"),
        ("redis://h?password=swordfish", "the parameter password is not known"),
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
        config(&[("RATELIMIT_ENABLE", "1"), ("REDIS_URL", "redis://u:swordfish@h")])
    );
    assert!(!shown.contains("hunter2") && !shown.contains("swordfish"), "{shown}");
}

#[test]
fn an_event_spells_times_to_the_millisecond_and_keeps_an_offset() {
    let spelt = |text: &str| OffsetTime::parse_rfc3339(text).expect("RFC 3339").event_spelling();
    assert_eq!(spelt("2098-08-08T08:08:08.0809Z"), "2098-08-08T08:08:08.080Z");
    assert_eq!(spelt("2098-01-01T00:00:00Z"), "2098-01-01T00:00:00Z");
    assert_eq!(spelt("2098-01-01T00:00:00.0009+00:00"), "2098-01-01T00:00:00.000Z");
    assert_eq!(spelt("2098-02-03T04:05:06+02:00"), "2098-02-03T04:05:06+02:00");
}
