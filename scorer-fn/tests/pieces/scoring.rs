//! Who holds a nullifier, and what a stamp is worth.

use std::collections::HashMap;

use scorer_fn::credential::Stamp;
use scorer_fn::decimal::Decimal;
use scorer_fn::score::dedup::{self, Link, LinkedTwice, NewLink, Plan};
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

fn plan(stamps: Vec<Stamp>, links: &[Link]) -> Result<Plan, LinkedTwice> {
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

#[test]
fn a_bad_weight_fails_only_those_who_have_the_stamp() {
    let one = Plan { counted: vec![stamp("A", &["n"])], ..Plan::default() };
    let error = |weights| weigh::weigh(&one, &rules(&weights, "1")).err();
    assert_eq!(error(json!({"A": "abc"})).as_deref(), Some("[<class 'decimal.ConversionSyntax'>]"));
    assert_eq!(error(Value::Null).as_deref(), Some("'NoneType' object has no attribute 'get'"));
    assert_eq!(error(json!([])).as_deref(), Some("'list' object has no attribute 'get'"));
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
