use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

fn answer(body: impl Into<Vec<u8>>) -> Answer {
    let headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
    Answer { status: 200, headers, body: body.into() }
}

fn compared(rules: &Rules, first: &Answer, second: &Answer) -> Vec<String> {
    let comparison = Comparer::new(rules).unwrap().compare(first, second, Show::Shapes);
    comparison.differences.iter().map(|found| format!("{} {}", found.kind, found.path)).collect()
}

fn bodies(first: &str, second: &str) -> Vec<String> {
    compared(&Rules::default(), &answer(first), &answer(second))
}

const SCORE: &str = r#"{"address":"0x9037a47be439c0410959c1c1a16f489809d4ab7c","score":"12.50000",
"passing_score":false,"last_score_timestamp":"2026-01-02T03:04:05.678901+00:00",
"expiration_timestamp":"2026-04-02T03:04:05+00:00","threshold":"20.00000","error":null,
"stamps":{"Google":{"score":"2.50000","dedup":false,"expiration_date":"2026-04-02T03:04:05+00:00"},
"alice.eth":{"score":"10.00000","dedup":false,"expiration_date":"2027-04-02T03:04:05+00:00"}},
"points_data":null}"#;

#[test]
fn each_kind_of_wrong_answer_is_found_at_its_place() {
    let table = [
        ("\"score\":\"2.50000\"", "\"score\":\"3.00000\"", vec!["number stamps.*.score"]),
        ("\"score\":\"12.50000\"", "\"score\":12.50000", vec!["type score"]),
        ("\"points_data\":null", "\"x\":null", vec!["missing points_data", "extra x"]),
        ("\"passing_score\":false", "\"passing_score\":true", vec!["member passing_score"]),
        ("\"error\":null", "\"error\":\"\"", vec!["type error"]),
        ("\"Google\"", "\"Googel\"", vec!["missing stamps.*", "extra stamps.*"]),
        ("05.678901+00:00", "05.678901Z", vec!["member last_score_timestamp"]),
        ("\"2026-01-02T03:04:05.678901+00:00\"", "null", vec!["type last_score_timestamp"]),
        ("\"20.00000\"", "\"20.0\"", vec!["member threshold"]),
        ("{\"address\"", "[\"address\"", vec!["body $"]),
    ];
    for (old, new, wanted) in table {
        assert!(SCORE.contains(old), "{old}");
        assert_eq!(bodies(SCORE, &SCORE.replacen(old, new, 1)), wanted, "{old} to {new}");
    }
}

#[test]
fn what_a_client_cannot_see_is_no_difference() {
    let pairs = [
        (r#"{"a":1,"b":"é"}"#, r#" { "b" : "\u00e9" , "a" : 1.0 } "#),
        (r"[100,-0,1e400]", r"[1e2,0.0,10E399]"),
        // More digits than a double has, spelt in two ways.
        ("[123456789012345678901234567890.10]", "[123456789012345678901234567890.1]"),
    ];
    for (first, second) in pairs {
        assert_eq!(bodies(first, second), Vec::<String>::new(), "{first} {second}");
    }
    let later = SCORE.replace("03:04:05.678901+00:00", "09:10:11+00:00");
    assert_eq!(bodies(SCORE, &later), Vec::<String>::new());
}

#[test]
fn numbers_are_not_compared_as_doubles() {
    assert_eq!(bodies("[9007199254740993]", "[9007199254740992]"), ["number []"]);
    assert_eq!(bodies("[0.1]", "[0.10000000000000001]"), ["number []"]);
}

#[test]
fn a_tolerance_forgives_rounding_and_nothing_else() {
    let rules = Rules { tolerance: "0.00001".to_owned(), ..Rules::default() };
    let of = |a: &str, b: &str| compared(&rules, &answer(a), &answer(b));
    assert_eq!(of("[1.00001]", "[1.00002]"), Vec::<String>::new());
    assert_eq!(of("[\"1.00001\"]", "[\"1.00002\"]"), Vec::<String>::new());
    assert_eq!(of("[1.00001]", "[1.000021]"), ["number []"]);
    assert_eq!(of("[\"1.00\"]", "[\"1.00000\"]"), ["member []"]);
    // Exponents that would fill the memory if they were written out.
    assert_eq!(of("[1e999999999]", "[1e999999998]"), ["number []"]);
    assert_eq!(of("[1e-999999999]", "[0]"), ["number []"]);
    assert_eq!(of("[1e99999999999999999999]", "[1]"), ["number []"]);
    assert_eq!(of("[0.3e-5]", "[0]"), Vec::<String>::new());
}

#[test]
fn headers_count_unless_they_differ_by_design() {
    let with = |pairs: &[(&str, &str)]| Answer {
        headers: pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
        ..answer("{}")
    };
    let of =
        |a: &[(&str, &str)], b: &[(&str, &str)]| compared(&Rules::default(), &with(a), &with(b));
    assert_eq!(
        of(&[("Date", "a"), ("X-Amzn-Trace-Id", "b")], &[("via", "c")]),
        Vec::<String>::new()
    );
    assert_eq!(of(&[("Content-Type", "a")], &[("content-type", " a ")]), Vec::<String>::new());
    assert_eq!(of(&[("Content-Type", "a")], &[("content-type", "A")]), ["header content-type"]);
    assert_eq!(of(&[("etag", "a")], &[]), ["header etag"]);
    assert_eq!(of(&[("set-cookie", "AWSALB=1")], &[]), Vec::<String>::new());
    assert_eq!(of(&[("set-cookie", "session=1")], &[]), ["header set-cookie"]);
    assert_eq!(
        of(&[("vary", "a"), ("vary", "b")], &[("vary", "b"), ("vary", "a")]),
        ["header vary"]
    );
}

#[test]
fn another_status_says_it_all() {
    let other = Answer { status: 500, headers: Vec::new(), body: b"<html>".to_vec() };
    let comparison =
        Comparer::new(&Rules::default()).unwrap().compare(&answer(SCORE), &other, Show::Shapes);
    let [found] = comparison.differences.as_slice() else { panic!("{comparison:?}") };
    assert_eq!(found.to_string(), "status status: 200, then 500");
}

#[test]
fn keys_that_occur_twice_are_seen() {
    assert_eq!(bodies(r#"{"a":1,"a":2}"#, r#"{"a":1}"#), ["missing a"]);
    assert_eq!(bodies(r#"{"a":1,"a":2}"#, r#"{"a":1,"a":3}"#), ["number a"]);
}

#[test]
fn nothing_hostile_breaks_it() {
    let deep = |inner: &str| format!("{}{inner}{}", "[".repeat(100_000), "]".repeat(100_000));
    let path = bodies(&deep("1"), &deep("2"));
    assert_eq!(path, [format!("body {}", "[]".repeat(MAX_DEPTH + 1))]);
    for hostile in
        ["NaN", "[NaN]", "[Infinity]", "", "{", "\"\\ud800\"", "{\"\\ud800\":1}", "\u{feff}{}"]
    {
        assert_eq!(bodies(hostile, hostile), Vec::<String>::new());
        assert_eq!(bodies(hostile, "[7]").len(), 1, "{hostile}");
    }
    assert_eq!(bodies("\"\\ud800\"", "\"\\ud801\""), ["member $"]);
    let not_utf8 = |last| answer([b'"', 0xff, last, b'"']);
    let of = |a, b| compared(&Rules::default(), &not_utf8(a), &not_utf8(b));
    assert_eq!(of(b'a', b'a'), Vec::<String>::new());
    assert_eq!(of(b'a', b'b'), ["body $"]);
    let huge = format!("\"{}\"", "a".repeat(MAX_BODY));
    assert_eq!(bodies(&huge, "\"\""), ["body $"]);
}

#[test]
fn a_flood_of_differences_is_counted_and_not_listed() {
    let many = |value: u32| {
        let name = |n: u32| char::from(b'a' + u8::try_from(n).unwrap());
        let members: serde_json::Map<_, _> = (0..400)
            .map(|n| (format!("k{}{}", name(n / 20), name(n % 20)), Value::from(value)))
            .collect();
        Value::Object(members).to_string()
    };
    let comparison = Comparer::new(&Rules::default()).unwrap().compare(
        &answer(many(1)),
        &answer(many(2)),
        Show::Values,
    );
    assert_eq!(comparison.differences.len(), MAX_DIFFERENCES);
    assert_eq!(comparison.unlisted, 400 - MAX_DIFFERENCES);
}

#[test]
fn no_value_is_in_a_report_unless_asked_for() {
    let secret = "0x9037a47be439c0410959c1c1a16f489809d4ab7c";
    let first = json!({"address": secret, secret: 1, "stamps": {"alice": {"score": "1.0"}},
        "by_day": {"2026-01-02": 3}, "alice@example.com": true});
    let second = json!({"address": "other", "stamps": {"alice": {"score": "2.0"}}, "by_day": {}});
    let [first, second] = [first, second].map(|body| answer(body.to_string()));
    let comparer = Comparer::new(&Rules::default()).unwrap();
    let shapes = comparer.compare(&first, &second, Show::Shapes);
    let text = format!("{shapes:?} {}", serde_json::to_string(&shapes).unwrap());
    for hidden in [secret, "alice", "other", "1.0", "2026", "example"] {
        assert!(!text.contains(hidden), "{hidden} in {text}");
    }
    let shown = comparer.compare(&first, &second, Show::Values);
    assert!(format!("{shown:?}").contains(secret));
    assert_eq!(shown.differences.len(), shapes.differences.len());
}

#[test]
fn what_a_log_says_of_a_difference_is_read_back_and_nothing_else_is() {
    let told = [
        "number stamps.*.score: text of 7 characters, then text of 7 characters",
        "missing points_data: null, then absent",
        "extra stamps.*: absent, then object of 3 members",
        "type score: text of 8 characters, then number of 8 characters",
        "member passing_score: true or false, then true or false",
        "status status: 200, then 500",
        "header content-type: text of 16 characters, then absent",
        "body $: 12 bytes, then 0 bytes",
        "number [][]: number of 1 characters, then number of 2 characters",
        "type items[].at: list of 0, then null",
    ];
    for text in told {
        let read: Difference = text.parse().unwrap_or_else(|_| panic!("{text}"));
        assert_eq!(read.to_string(), text);
        assert_eq!((read.places, read.values), (1, None));
    }
    let long = "a.".repeat(120);
    let hostile = [
        String::new(),
        "number score".to_owned(),
        // Another kind, a value in place of a shape, more behind it.
        "numbers score: null, then null".to_owned(),
        "number score: 12.50000, then 12.5".to_owned(),
        "number score: text of 7 characters, then text of 7 characters; key 3f1c".to_owned(),
        "number score: text of 7 characters, then text of 7 characters\n".to_owned(),
        "number score: text of +7 characters, then text of 07 characters".to_owned(),
        "status status: 200, then 70000".to_owned(),
        // Paths that hold data.
        "member 0x9037a47be439c0410959c1c1a16f489809d4ab7c: null, then absent".to_owned(),
        "member by.alice@example.com: null, then absent".to_owned(),
        "member by.2026-01-02: null, then absent".to_owned(),
        "member <b>x</b>: null, then absent".to_owned(),
        "member a..b: null, then absent".to_owned(),
        "member a.[]: null, then absent".to_owned(),
        "member : null, then absent".to_owned(),
        "member a b: null, then absent".to_owned(),
        format!("member {long}a: null, then absent"),
    ];
    for text in hostile {
        assert_eq!(text.parse::<Difference>(), Err(NotADifference), "{text}");
    }
}

#[test]
fn rules_that_make_no_sense_are_named_with_their_fix() {
    let rules = Rules {
        ignore: vec!["a..b".to_owned()],
        ignore_headers: vec!["a b".to_owned(), "*".to_owned()],
        tolerance: "-1".to_owned(),
        ..Rules::default()
    };
    let keys: Vec<String> = rules.check().unwrap_err().into_iter().map(|p| p.key).collect();
    assert_eq!(keys, ["ignore[0]", "ignore_headers[0]", "ignore_headers[1]", "tolerance"]);
    let ignoring = Rules { ignore: vec!["a[].*".to_owned()], ..Rules::default() };
    let of = |a: &str, b: &str| compared(&ignoring, &answer(a), &answer(b));
    assert_eq!(of(r#"{"a":[{"x":1}]}"#, r#"{"a":[{"x":2,"y":1}]}"#), Vec::<String>::new());
    assert_eq!(of(r#"{"a":[1]}"#, r#"{"a":[2]}"#), ["number a[]"]);
}

#[test]
fn a_functions_result_is_read_as_its_load_balancer_reads_it() {
    let read = |value: Value| Answer::from_alb(value.to_string().as_bytes());
    let got = read(json!({"statusCode": 200, "headers": {"A": "b"}, "body": "aGk=",
        "isBase64Encoded": true}));
    let headers = vec![("A".to_owned(), "b".to_owned())];
    assert_eq!(got, Ok(Answer { status: 200, headers, body: b"hi".to_vec() }));
    assert_eq!(Answer::from_alb(b"null"), Err(NotAnAnswer::NoObject));
    assert_eq!(read(json!({"statusCode": "200"})), Err(NotAnAnswer::NoStatus));
    assert_eq!(read(json!({"statusCode": 200, "body": 1})), Err(NotAnAnswer::NotText("body")));
    let bad = json!({"statusCode": 200, "body": "?", "isBase64Encoded": true});
    assert_eq!(read(bad), Err(NotAnAnswer::NotBase64));
}

/// JSON with unique keys, as text whose members are in an order of its own.
#[derive(Clone, Debug)]
enum Tree {
    Leaf(String),
    List(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

impl Tree {
    /// With members forwards or backwards at every level.
    fn text(&self, backwards: bool) -> String {
        match self {
            Self::Leaf(text) => text.clone(),
            Self::List(items) => {
                let items: Vec<String> = items.iter().map(|item| item.text(backwards)).collect();
                format!("[{}]", items.join(","))
            }
            Self::Object(members) => {
                let mut members: Vec<String> = members
                    .iter()
                    .map(|(key, value)| format!("{}:{}", json!(key), value.text(backwards)))
                    .collect();
                if backwards {
                    members.reverse();
                }
                format!("{{{}}}", members.join(" , "))
            }
        }
    }
}

fn trees() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,8})?(e-?[0-9]{1,10})?",
        "\\PC{0,8}".prop_map(|text| json!(text).to_string()),
        "[0-9]{1,3}\\.[0-9]{5}".prop_map(|text| json!(text).to_string()),
    ]
    .prop_map(Tree::Leaf);
    leaf.prop_recursive(5, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Tree::List),
            prop::collection::btree_map("[a-f]{1,2}|\\PC{0,3}", inner, 0..5)
                .prop_map(|members| Tree::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn an_answer_is_the_same_as_itself_in_any_order(tree in trees()) {
        let [forwards, backwards] = [false, true].map(|backwards| tree.text(backwards));
        prop_assert_eq!(bodies(&forwards, &forwards), Vec::<String>::new());
        prop_assert_eq!(bodies(&forwards, &backwards), Vec::<String>::new());
    }

    #[test]
    fn changing_places_only_swaps_missing_and_extra(a in trees(), b in trees()) {
        let comparer = Comparer::new(&Rules::default()).unwrap();
        let [a, b] = [a, b].map(|tree| answer(tree.text(false)));
        let there = comparer.compare(&a, &b, Show::Values);
        let back = comparer.compare(&b, &a, Show::Values);
        let mut swapped: Vec<Difference> = back
            .differences
            .into_iter()
            .map(|d| Difference {
                kind: d.kind.swapped(),
                first: d.second,
                second: d.first,
                values: d.values.map(|[first, second]| [second, first]),
                ..d
            })
            .collect();
        swapped.sort_by(|a, b| (a.kind, &a.path).cmp(&(b.kind, &b.path)));
        prop_assert_eq!(there.differences, swapped);
        prop_assert_eq!(there.unlisted, back.unlisted);
    }

    #[test]
    fn every_difference_is_read_back_from_what_is_displayed(a in trees(), b in trees()) {
        let comparer = Comparer::new(&Rules::default()).unwrap();
        let [a, b] = [a, b].map(|tree| answer(tree.text(false)));
        for found in comparer.compare(&a, &b, Show::Shapes).differences {
            let read: Difference = found.to_string().parse().unwrap();
            prop_assert_eq!(read, Difference { places: 1, ..found });
        }
    }

    #[test]
    fn no_text_is_read_as_more_than_it_displays(text in "\\PC{0,80}|(number|header|x) [a-z.*$\\[\\]<>0-9]{0,9}: (null|absent|[0-9+-]{1,6}|text of [0-9]{1,3} characters), then (null|true or false|.{0,9})") {
        if let Ok(read) = text.parse::<Difference>() {
            prop_assert_eq!(read.to_string(), text);
        }
    }

    #[test]
    fn bytes_of_any_kind_are_compared(a in prop::collection::vec(any::<u8>(), 0..60),
                                      b in prop::collection::vec(any::<u8>(), 0..60)) {
        let comparer = Comparer::new(&Rules::default()).unwrap();
        let of = |a: &[u8], b: &[u8]| comparer.compare(&answer(a), &answer(b), Show::Values);
        prop_assert!(of(&a, &a).is_same());
        let _ = Answer::from_alb(&a);
        // Bytes that are equal as JSON are the only ones that may differ unseen.
        let json = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).is_ok();
        prop_assert!(a == b || json(&a) || !of(&a, &b).is_same());
    }
}
