use super::*;
use crate::domain::engine::Method;
use crate::domain::evidence::EvidenceConfig;
use crate::domain::evidence2::{Preset, Settings};
use crate::domain::labels::Labels;
use crate::domain::weight::Weight;
use crate::domain::wrong_answers::Objective;

fn problems(text: &str) -> Vec<String> {
    match parse(text) {
        Err(ConfigError::Values(problems)) => problems.iter().map(ToString::to_string).collect(),
        Err(other) => vec![other.to_string()],
        Ok(_) => Vec::new(),
    }
}

fn example_with(old: &str, new: &str) -> String {
    assert!(EXAMPLE.contains(old), "the example no longer contains {old}");
    EXAMPLE.replacen(old, new, 1)
}

#[test]
fn the_example_is_valid_and_uncommented_defaults_are_the_defaults() {
    let plain = parse(EXAMPLE).unwrap();
    // Every commented key shows its default: turning all of them on changes
    // only those that have none.
    let on: String = EXAMPLE
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(key)
                if key.contains(" = ")
                    && !key.starts_with(|c: char| c.is_uppercase() || c == '`') =>
            {
                key
            }
            _ => line,
        })
        .collect::<Vec<_>>()
        .join("\n")
        .replace("# [events]", "[events]")
        .replace("# [rollout.labels]", "[rollout.labels]")
        .replace("# [rollout.evidence]", "[rollout.evidence]")
        .replace("# [rollout.wrong_answers]", "[rollout.wrong_answers]")
        .replace("# [rollout.compare]", "[rollout.compare]");
    let full = parse(&on).unwrap_or_else(|error| panic!("{error}\n{on}"));
    assert_eq!(plain.rollouts[0].terms.slo, full.rollouts[0].terms.slo);
    assert_eq!(plain.rollouts[0].terms.stages, full.rollouts[0].terms.stages);
    assert_eq!(plain.rollouts[0].terms.lag_minutes, full.rollouts[0].terms.lag_minutes);
    // That table switches something on; what is in it are the defaults.
    let on = plain.rollouts[0].terms.evidence.clone().with_wrong_answers(Objective::default());
    assert_eq!(on, full.rollouts[0].terms.evidence);
    assert_eq!(plain.rollouts[0].compare, full.rollouts[0].compare);
    assert_eq!(
        plain.rollouts[0].settings.max_hold_minutes,
        full.rollouts[0].settings.max_hold_minutes
    );
    assert_eq!(full.rollouts[0].settings.rollback_on, ["scorer-rs-errors"]);
    assert_eq!(full.bus.as_deref(), Some("default"));
}

#[test]
fn an_unknown_key_is_named_with_its_line() {
    let found = problems(&example_with("name = \"score\"", "nmae = \"score\""));
    assert!(found[0].contains("nmae"), "{found:?}");
}

#[test]
fn every_wrong_value_is_named_with_its_fix() {
    let cases = [
        ("# stages = [", "stages = [\"5%\", \"1%\", \"100%\"] #", "rollout[0].stages[1]", "rise"),
        ("# stages = [", "stages = [\"1%\", \"50%\"] #", "rollout[0].stages", "100%"),
        ("# start = \"auto\"", "start = \"7%\"", "rollout[0].start", "one of `stages`"),
        (
            "# [rollout.compare]",
            "[rollout.compare]\ntolerance = \"-1\"",
            "rollout[0].compare.tolerance",
            "decimal from 0",
        ),
        (
            "# [rollout.wrong_answers]",
            "[rollout.wrong_answers]\nlimit = \"0%\"",
            "rollout[0].wrong_answers.limit = \"0%\"",
            "give 0.001% to 10%",
        ),
        (
            "# [rollout.wrong_answers]",
            "[rollout.wrong_answers]\nlimit = \"0.001\"",
            "rollout[0].wrong_answers.limit",
            "write it like \"1%\"",
        ),
        (
            "# [rollout.wrong_answers]",
            "[rollout.wrong_answers]\nlog_group = \"arn:aws:logs:eu-west-1:111122223333:log-group:x\"",
            "rollout[0].wrong_answers.log_group",
            "not its ARN, such as \"/aws/lambda/scorer-rs\"",
        ),
        (
            "# [rollout.wrong_answers]",
            "[rollout.wrong_answers]\nlog_group = \"\"",
            "rollout[0].wrong_answers.log_group = \"\"",
            "name of the scorer's log group",
        ),
        (
            "# engine = \"evidence-2\"",
            "engine = \"evidence-1\"\nwrong_answers = {}",
            "rollout[0].wrong_answers",
            "needs engine = \"evidence-2\"",
        ),
        ("# lag = \"2m\"", "lag = \"90s\"", "rollout[0].lag", "whole minutes"),
        ("# lag = \"2m\"", "lag = \"soon\"", "rollout[0].lag", "30m"),
        ("# p99 = \"500ms\"", "p99 = \"450ms\"", "rollout[0].slo.p99", "400 or 500"),
        ("# p50 = \"100ms\"", "p50 = \"1s\"", "rollout[0].slo.p95", "rising"),
        (
            "# error_rate = \"1%\"",
            "error_rate = \"0.01\"",
            "rollout[0].slo.error_rate",
            "percentage",
        ),
        ("# error_rate = \"1%\"", "error_rate = \"100%\"", "rollout[0].slo.error_rate", "below 1"),
        (
            "# time_zone = \"Europe/Berlin\"",
            "time_zone = \"Berlin\"",
            "calendar.time_zone",
            "time zone",
        ),
        (
            "# windows = [\"Mon-Fri",
            "windows = [\"Mo-Fr",
            "calendar.windows[0]",
            "Mon-Fri 08:00-17:00",
        ),
        ("topic_arn = \"arn:aws:sns", "topic_arn = \"arn:aws:sqs", "paging.topic_arn", "SNS topic"),
        (
            "rule = \"arn:aws:elasticloadbalancing",
            "rule = \"arn:aws:elb\" #",
            "route[0].rule",
            "listener rule",
        ),
        ("url = \"sqlite:", "url = \"mysql:", "ledger.url", "sqlite: or postgres://"),
        ("priority = 99", "priority = 0", "header_rule.priority", "50000"),
        (
            "targetgroup/scorer-rs-tester/1a2b3c4d5e6f7a8b",
            "targetgroup/scorer-rs/09966783158cda59",
            "header_rule.group",
            "count as evidence",
        ),
    ];
    for (old, new, key, fix) in cases {
        let found = problems(&example_with(old, new));
        let named = found.iter().any(|problem| problem.contains(key) && problem.contains(fix));
        assert!(named, "{new}: expected {key} and {fix} in {found:?}");
    }
}

#[test]
fn wrong_answers_are_an_objective_only_where_the_table_is() {
    let objective =
        |text: &str| parse(text).unwrap().rollouts[0].terms.evidence.wrong_answers().copied();
    assert_eq!(objective(EXAMPLE), None);
    let on = example_with("# [rollout.wrong_answers]", "[rollout.wrong_answers]");
    assert_eq!(objective(&on), Some(Objective { limit: 0.001, required: false }));
    // Examples are only read where it is said from which log.
    let log = |text: &str| parse(text).unwrap().rollouts[0].settings.answers_log.clone();
    assert_eq!(log(&on), None);
    let named = on.replace("# log_group = ", "log_group = ");
    assert_eq!(log(&named).as_deref(), Some("/aws/lambda/scorer-rs"));
    let set = on
        .replace("# limit = \"0.1%\"", "limit = \"0.5%\"")
        .replace("# required = false", "required = true");
    assert_eq!(objective(&set), Some(Objective { limit: 0.005, required: true }));
}

#[test]
fn a_run_has_evidence_2_unless_the_engine_before_is_asked_for() {
    let method = |text: &str| parse(text).unwrap().rollouts[0].terms.evidence.clone();
    let Method::Two(two) = method(EXAMPLE) else { panic!("not the default") };
    assert_eq!(two.settings, Settings::default());
    let on = "[rollout.evidence]\nalpha = 0.001\nbeta = 0.02\nrelative_margin = 3\nburst_tolerance = \"auto\"\n[rollout.alarms]";
    let text = example_with("[rollout.alarms]", on).replace("# bake = \"30m\"", "bake = \"45m\"");
    let Method::Two(two) = method(&text) else { panic!("not the default") };
    let Settings { alpha, beta, relative_margin, burst_tolerance, bake_minutes } = two.settings;
    assert!((alpha - 0.001).abs() < 1e-12 && (beta - 0.02).abs() < 1e-12);
    assert_eq!(
        (relative_margin, burst_tolerance, bake_minutes),
        (Preset::Fixed(3), Preset::Auto, 45)
    );
    let one = example_with("# engine = \"evidence-2\"", "engine = \"evidence-1\"");
    let Method::One(config) = method(&one) else { panic!("not the one asked for") };
    assert_eq!(*config, EvidenceConfig::default());
    assert_eq!(parse(&one).unwrap().rollouts[0].terms.lag_minutes, 3);
    let horizon =
        one.replace("[rollout.alarms]", "[rollout.evidence]\nhorizon_ticks = 90\n[rollout.alarms]");
    let Method::One(config) = method(&horizon) else { panic!("not the one asked for") };
    assert!((config.horizon_ticks - 90.0).abs() < 1e-9);
}

#[test]
fn a_wrong_setting_of_an_engine_is_named_with_its_fix() {
    let cases = [
        ("alpha = 0.7", "rollout[0].evidence.alpha = 0.7", "0.5"),
        ("beta = 0.7", "rollout[0].evidence.beta = 0.7", "0.5"),
        ("alpha = \"1%\"", "evidence.alpha = \"1%\"", "give a number"),
        ("relative_margin = 9", "evidence.relative_margin = 9", "1 to 8 edges, or \"auto\""),
        (
            "relative_margin = \"wide\"",
            "evidence.relative_margin = \"wide\"",
            "1 to 8, or \"auto\"",
        ),
        ("burst_tolerance = 0", "evidence.burst_tolerance = 0", "1 to 15"),
        ("bake_minutes = 30", "evidence.bake_minutes", "`bake`"),
        ("horizon_ticks = 60", "evidence.horizon_ticks", "engine = \"evidence-1\""),
    ];
    for (line, key, fix) in cases {
        let text = format!("[rollout.evidence]\n{line}\n[rollout.alarms]");
        let found = problems(&example_with("[rollout.alarms]", &text));
        let named = found.iter().any(|problem| problem.contains(key) && problem.contains(fix));
        assert!(named, "{line}: expected {key} and {fix} in {found:?}");
    }
    let found = problems(&example_with("# engine = \"evidence-2\"", "engine = \"evidence-3\""));
    assert!(found[0].contains("rollout[0].engine = \"evidence-3\""), "{found:?}");
    let many: Vec<String> = (1..=60).map(|tenth| format!("\"0.{tenth:02}%\"")).collect();
    let many = format!("stages = [{}, \"100%\"] #", many.join(", "));
    let found = problems(&example_with("# stages = [", &many));
    assert!(found.iter().any(|problem| problem.contains("give at most 49")), "{found:?}");
    let found = problems(&example_with("# bake = \"30m\"", "bake = \"1m\""));
    assert!(found[0].contains("rollout[0].bake"), "{found:?}");
}

#[test]
fn all_problems_are_reported_at_once() {
    let text =
        example_with("priority = 99", "priority = 0").replacen("# lag = \"2m\"", "lag = \"1s\"", 1);
    assert_eq!(problems(&text).len(), 2);
}

#[test]
fn a_rust_group_in_two_routes_is_refused() {
    let second =
        EXAMPLE.split("[[rollout.route]]").nth(1).unwrap().replace("\"public\"", "\"internal\"");
    let found = problems(&format!("{EXAMPLE}\n[[rollout.route]]{second}"));
    assert!(found.iter().any(|p| p.contains("mix the metrics")), "{found:?}");
    assert!(found.iter().any(|p| p.contains("exactly one route")), "{found:?}");
}

#[test]
fn a_password_in_the_url_is_never_printed() {
    let config = parse(&example_with(
        "sqlite:///var/lib/rollout/journal.db?mode=rwc",
        "postgres://u:hunter2@host/db",
    ))
    .unwrap();
    assert!(!format!("{config:?}").contains("hunter2"));
    let found = problems(&example_with("sqlite:///var", "mysql://u:hunter2@host/var"));
    assert!(!found.join("").contains("hunter2"), "{found:?}");
}

#[test]
fn the_environment_names_one_source_and_may_replace_the_ledger() {
    let vars = |pairs: &'static [(&str, &str)]| {
        move |name: &str| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned())
    };
    assert!(matches!(from_environment(vars(&[])), Err(ConfigError::NoSource(_))));
    let text = |name: &str| match name {
        "ROLLOUT_CONFIG" => Some(EXAMPLE.to_owned()),
        "ROLLOUT_LEDGER_URL" => Some("sqlite::memory:".to_owned()),
        _ => None,
    };
    let config = from_environment(text).unwrap();
    assert_eq!(config.ledger.url, "sqlite::memory:");
    assert_eq!(config.rollouts[0].terms.stages[0], "1%".parse::<Weight>().unwrap());
    assert!(matches!(
        from_environment(vars(&[("ROLLOUT_CONFIG_FILE", "/nowhere/x.toml")])),
        Err(ConfigError::Unreadable { .. })
    ));
}

#[test]
fn labels_are_checked_one_by_one_and_together() {
    let labelled = |table: &str| {
        let before = "[[rollout.route]]\nname = \"public\"";
        example_with(before, &format!("[rollout.labels]\n{table}\n{before}"))
    };
    let read = |table: &str| parse(&labelled(table)).unwrap().rollouts[0].terms.labels.clone();
    let both = read("old = \"Go service\"\nnew = \"Zig service\"");
    assert_eq!((both.old.as_str(), both.new.as_str()), ("Go service", "Zig service"));
    let one = read("new = \"Go\"");
    assert_eq!((one.old.as_str(), one.new.as_str()), ("Python", "Go"));
    assert_eq!(parse(EXAMPLE).unwrap().rollouts[0].terms.labels, Labels::default());
    assert_eq!(read(&format!("old = \"{}\"", "ž".repeat(24))).old.chars().count(), 24);

    let found = problems(&labelled(&format!("old = \"\"\nnew = \"{}\"", "x".repeat(25))));
    let long = format!(
        "rollout[0].labels.new = \"{}\": use 1 to 24 characters; it has 25",
        "x".repeat(25)
    );
    assert_eq!(found, ["rollout[0].labels.old = \"\": use 1 to 24 characters; it has 0", &long]);
    let found = problems(&labelled("old = \"Go\\u001b[31m\"\nnew = \"Zig \""));
    assert_eq!(
        found,
        [
            "rollout[0].labels.old = \"Go\\u{1b}[31m\": use characters that can be seen; \\u{1b} cannot",
            "rollout[0].labels.new = \"Zig \": take the space at its beginning or end away",
        ]
    );
    for same in ["old = \"Go\"\nnew = \"Go\"", "new = \"Python\"", "old = \"Rust\""] {
        let found = problems(&labelled(same));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].contains("labels.new = ") && found[0].contains("must differ"),
            "{found:?}"
        );
    }
    assert!(problems(&labelled("colour = \"red\""))[0].contains("colour"));
    assert!(problems(&labelled("old = 7"))[0].contains("invalid type"));
    // Beside other mistakes of the same file, all at once.
    let two =
        labelled("new = \"\"").replace("mode = \"active\"", "mode = \"active\"\nlag = \"1h\"");
    assert_eq!(problems(&two).len(), 2, "{:?}", problems(&two));
}
