//! Who holds a nullifier, and what a stamp is worth.

use std::collections::HashMap;

use scorer_fn::credential::Stamp;
use scorer_fn::decimal::Decimal;
use scorer_fn::score::dedup::{self, Link, LinksFailed, NewLink, Plan};
use scorer_fn::score::weigh::{self, Rules, Weights};
use scorer_fn::time::OffsetTime;
use serde_json::{Value, json};

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
    Link { id, hash: hash.to_owned(), address: address.to_owned(), expires }
}

fn plan(stamps: Vec<Stamp>, links: &[Link]) -> Result<Plan, LinksFailed> {
    dedup::plan(stamps, links, ME, true, NOW)
}

#[test]
fn a_free_nullifier_is_claimed_and_ones_own_or_an_ended_one_is_held() {
    let links = [link(1, "v0:own", ME, EARLIER), link(2, "v0:ended", OTHER, NOW)];
    let plan = plan(vec![stamp("A", &["v0:own", "v0:ended", "v0:free"])], &links).expect("a plan");
    assert_eq!(plan.counted.len(), 1);
    assert_eq!(plan.hold.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [1, 2]);
    let expires = OffsetTime::from_micros(NOW + 5_000_000);
    assert_eq!(
        plan.create,
        [NewLink { hash: "v0:free".to_owned(), address: ME.to_owned(), expires }]
    );
}

#[test]
fn a_clash_hands_the_free_nullifiers_to_the_other_wallet() {
    let third = "0x00000000000000000000000000000000000000cc";
    let links = [link(1, "v0:taken", OTHER, LATER), link(2, "v0:too", third, LATER + 1)];
    let plan = plan(vec![stamp("A", &["v0:free", "v0:taken", "v0:too"])], &links).expect("a plan");
    assert!(plan.counted.is_empty());
    assert!(plan.hold.is_empty());
    let expires = OffsetTime::from_micros(LATER);
    assert_eq!(
        plan.create,
        [NewLink { hash: "v0:free".to_owned(), address: OTHER.to_owned(), expires }]
    );
    assert_eq!(plan.clashing["A"].nullifiers, ["v0:free", "v0:taken", "v0:too"]);
    assert_eq!(plan.clashing["A"].expires_text, "as spelt");
}

#[test]
fn a_clash_beside_a_link_that_does_not_clash_cannot_be_written() {
    for (beside, until) in [(ME, LATER), (ME, EARLIER), (OTHER, EARLIER)] {
        let links = [link(1, "v0:taken", OTHER, LATER), link(2, "v0:held", beside, until)];
        let found = plan(vec![stamp("A", &["v0:held", "v0:taken"])], &links);
        assert_eq!(found.err(), Some(LinksFailed::LinkedTwice), "{beside} until {until}");
    }
}

#[test]
fn a_new_nullifier_is_linked_once() {
    for stamps in [
        vec![stamp("A", &["v0:n"]), stamp("B", &["v0:n"])],
        vec![stamp("A", &["v0:n", "v0:n"])],
        vec![stamp("A", &["v0:a", "v0:n"]), stamp("B", &["v0:n", "v0:b"])],
    ] {
        assert_eq!(plan(stamps, &[]).err(), Some(LinksFailed::LinkedTwice));
    }
    let taken = [link(1, "v0:taken", OTHER, LATER)];
    for stamps in [
        vec![stamp("A", &["v0:taken", "v0:n", "v0:n"])],
        vec![stamp("A", &["v0:taken", "v0:n"]), stamp("B", &["v0:taken", "v0:n"])],
        vec![stamp("A", &["v0:taken", "v0:n"]), stamp("B", &["v0:n"])],
    ] {
        let found = plan(stamps, &taken);
        assert_eq!(found.err(), Some(LinksFailed::LinkedTwice), "handed over twice");
    }
}

#[test]
fn a_link_of_this_wallet_or_an_ended_one_serves_many_stamps() {
    for (holder, until) in [(ME, LATER), (ME, EARLIER), (OTHER, EARLIER), (OTHER, NOW)] {
        let links = [link(1, "v0:n", holder, until)];
        for stamps in [
            vec![stamp("A", &["v0:n"]), stamp("B", &["v0:n"]), stamp("C", &["v0:n"])],
            vec![stamp("A", &["v0:n", "v0:n", "v0:new"])],
        ] {
            let wanted = stamps.len();
            let plan = plan(stamps, &links).expect("one link serves all");
            assert_eq!(plan.counted.len(), wanted, "{holder} until {until}");
            assert_eq!(plan.hold.len(), 1, "it is written once");
        }
        let mut other = stamp("B", &["v0:n"]);
        other.expires_text = "the same moment, spelt otherwise".to_owned();
        let found = plan(vec![stamp("A", &["v0:n"]), other], &links);
        assert_eq!(found.err(), Some(LinksFailed::TwoEnds), "{holder} until {until}");
    }
}

#[test]
fn a_taken_nullifier_deduplicates_each_stamp_that_has_it() {
    let taken = [link(1, "v0:n", OTHER, LATER)];
    let stamps = vec![stamp("A", &["v0:n", "v0:n"]), stamp("B", &["v0:n"]), stamp("C", &["v0:c"])];
    let plan = plan(stamps, &taken).expect("nothing is written for the first two");
    assert_eq!(plan.clashing.len(), 2);
    assert_eq!(plan.clashing["A"].nullifiers, ["v0:n", "v0:n"]);
    assert_eq!((plan.counted.len(), plan.create.len(), plan.hold.len()), (1, 1, 0));
}

#[test]
fn only_the_first_version_counts_without_the_flag() {
    let links = [link(1, "v1:taken", OTHER, LATER)];
    let stamps = vec![stamp("A", &["v0:free", "v1:taken"]), stamp("B", &["v1:new"])];
    let plan = dedup::plan(stamps, &links, ME, false, NOW).expect("a plan");
    assert_eq!(plan.counted.len(), 2);
    assert_eq!(plan.create.len(), 1);
}

fn rules(weights: &Value, threshold: &str) -> Rules {
    let custom = vec![("C".to_owned(), "1.5000".to_owned()), ("C".to_owned(), "0.2500".to_owned())];
    Rules {
        weights: Weights::read(Some(&weights.to_string())).expect("JSON"),
        custom,
        threshold: Decimal::parse(threshold).expect("a number"),
    }
}

#[test]
fn weights_are_texts_numbers_or_overridden() {
    let counted = ["A", "B", "C", "D"].map(|provider| stamp(provider, &["n"])).to_vec();
    let plan = Plan { counted, ..Plan::default() };
    let score = weigh::weigh(&plan, &rules(&json!({"A": "0.525", "B": 0.1, "C": "9"}), "0.875"))
        .expect("a score");
    assert_eq!(score.sum.to_string(), "0.8750000000000000055511151231");
    assert!(score.passing);
    let shown: HashMap<_, _> =
        score.stamps.iter().map(|(name, stamp)| (name.as_str(), stamp.score.as_str())).collect();
    assert_eq!(
        shown,
        HashMap::from([("A", "0.52500"), ("B", "0.10000"), ("C", "0.25000"), ("D", "0.00000")])
    );
}

#[test]
fn an_integer_weighs_what_it_says_and_a_fraction_what_a_double_does() {
    let one = Plan { counted: vec![stamp("A", &["n"])], ..Plan::default() };
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

/// What a wallet with stamp A gets for this weight, or why nothing.
fn weighed(weight: &str) -> Result<String, String> {
    let one = Plan { counted: vec![stamp("A", &["n"])], ..Plan::default() };
    let weights = format!("{{\"A\": {weight}, \"B\": \"abc\", \"D\": \"Infinity\"}}");
    let rules = Rules { weights: Weights::read(Some(&weights))?, ..rules(&Value::Null, "1") };
    let score = weigh::weigh(&one, &rules)?;
    let finite = score.stamp_scores["A"].is_finite();
    Ok(if finite { score.stamps["A"].score.clone() } else { "beyond a double".to_owned() })
}

#[test]
fn a_weight_is_whatever_decimal_of_python_takes() {
    for (weight, shown) in [
        ("\" 1\\n\"", "1.00000"),
        ("\"1_0\"", "10.00000"),
        ("\"+2.5\"", "2.50000"),
        ("\"._5\"", "0.50000"),
        ("\"1e-20000\"", "0.00000"),
        ("\"-1e-20000\"", "-0.00000"),
        ("\"0e99999999999999999999\"", "0.00000"),
        ("\"1e308\"", &format!("{:.5}", 1e308)),
        ("true", "1.00000"),
        ("[0, [1, 0, 5], -2]", "1.05000"),
        ("[1, [0, 2], 0]", "-2.00000"),
        ("[true, [true], true]", "-10.00000"),
        ("[0, [], 3]", "0.00000"),
        ("\"1e309\"", "beyond a double"),
        ("\"1e20000\"", "beyond a double"),
        ("\"1e999999\"", "beyond a double"),
        ("\"-inf\"", "beyond a double"),
        ("[0, [], \"F\"]", "beyond a double"),
        (&"1".repeat(400), "beyond a double"),
        (&format!("{}.5", "1".repeat(400)), "beyond a double"),
    ] {
        assert_eq!(weighed(weight).as_deref(), Ok(shown), "{weight}");
    }
    let (syntax, invalid) =
        ("[<class 'decimal.ConversionSyntax'>]", "[<class 'decimal.InvalidOperation'>]");
    for (weight, text) in [
        ("\"\"", syntax),
        ("\"1,5\"", syntax),
        ("\"0x10\"", syntax),
        ("\"infinityx\"", syntax),
        ("\"nan1x\"", syntax),
        ("\"NaN\"", invalid),
        ("\"-sNaN12\"", invalid),
        ("[0, [1], \"n\"]", invalid),
        ("\"1e99999999999999999999\"", invalid),
        ("\"1e-99999999999999999999\"", invalid),
        ("[0, [1], 1000000000000000000]", invalid),
        ("\"1e1000000\"", "[<class 'decimal.Overflow'>]"),
        ("null", "conversion from NoneType to Decimal is not supported"),
        ("{\"a\": 1}", "conversion from dict to Decimal is not supported"),
        ("[]", "argument must be a sequence of length 3"),
        ("[0, [1], 0, 0]", "argument must be a sequence of length 3"),
        ("[2, [1], 0]", "sign must be an integer with the value 0 or 1"),
        ("[\"0\", 1, null]", "sign must be an integer with the value 0 or 1"),
        ("[0, [10], 0.5]", "exponent must be an integer"),
        ("[0, [1], \"x\"]", "string argument in the third position must be 'F', 'n' or 'N'"),
        ("[0, [10], 0]", "coefficient must be a tuple of digits"),
        ("[0, \"12\", 0]", "coefficient must be a tuple of digits"),
    ] {
        assert_eq!(weighed(weight).err().as_deref(), Some(text), "{weight}");
    }
    let long = weighed(&"7".repeat(4301)).expect_err("Python does not read it");
    assert!(long.starts_with("Exceeds the limit (4300 digits)"), "{long}");
}

#[test]
fn odd_weights_meet_in_a_sum_as_they_do_in_python() {
    let counted = ["A", "B"].map(|provider| stamp(provider, &["n"])).to_vec();
    let plan = Plan { counted, ..Plan::default() };
    let sum = |a: &str, b: &str| {
        let rules = rules(&json!({"A": a, "B": b}), "1");
        weigh::weigh(&plan, &rules).map(|score| score.stamp_scores["B"])
    };
    let invalid = Err("[<class 'decimal.InvalidOperation'>]".to_owned());
    assert_eq!(sum("inf", "-inf"), invalid);
    assert_eq!(sum("nan", "-inf"), invalid, "no threshold is held against it");
    assert_eq!(sum("nan", "1e1000000"), invalid);
    assert_eq!(sum("inf", "1e1000000"), Ok(f64::INFINITY));
    assert_eq!(sum("inf", "abc"), Err("[<class 'decimal.ConversionSyntax'>]".to_owned()));
}

#[test]
fn a_bad_weight_fails_only_those_who_have_the_stamp() {
    let one = Plan { counted: vec![stamp("A", &["n"])], ..Plan::default() };
    let plain = |weights: &Value| Rules { custom: Vec::new(), ..rules(weights, "1") };
    let error = |weights| weigh::weigh(&one, &plain(&weights)).err();
    assert_eq!(error(Value::Null).as_deref(), Some("'NoneType' object has no attribute 'get'"));
    assert_eq!(error(json!([])).as_deref(), Some("'list' object has no attribute 'get'"));
    assert_eq!(error(json!("x")).as_deref(), Some("'str' object has no attribute 'get'"));
    assert_eq!(error(json!({"A": true, "B": "abc"})), None);
    assert!(
        weigh::weigh(&Plan::default(), &plain(&Value::Null)).is_ok(),
        "nobody looks at the weights"
    );
    let customized = weigh::weigh(&Plan::default(), &rules(&Value::Null, "1")).err();
    assert_eq!(customized.as_deref(), Some("'NoneType' object has no attribute 'update'"));
}

#[test]
fn a_counted_and_a_deduplicated_stamp_of_one_name_become_one_entry() {
    let mut plan = Plan { counted: vec![stamp("A", &["n"])], ..Plan::default() };
    let clash = dedup::Clash { expires_text: "raw".to_owned(), nullifiers: vec![] };
    plan.clashing.insert("A".to_owned(), clash);
    let score = weigh::weigh(&plan, &rules(&json!({"A": "2"}), "2")).expect("a score");
    let entry = &score.stamps["A"];
    assert_eq!(
        (entry.score.as_str(), entry.dedup, entry.expiration_date.as_str()),
        ("2.00000", true, "raw")
    );
    assert!(score.passing);
}
