//! Recorded vectors and whole rollouts.

use serde_json::Value;

use crate::{data, vectors};
use rollout_controller::replay;

fn traces() -> Vec<String> {
    let folder = format!("{}/tests/data/traces", env!("CARGO_MANIFEST_DIR"));
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().ok())
        .filter_map(|name| Some(name.strip_suffix(".csv")?.to_owned()))
        .collect();
    names.sort();
    names
}

#[test]
fn every_vector_agrees() {
    let outcome = vectors::run(&data("evidence-vectors.json")).unwrap();
    assert_eq!(outcome.failed(), 0, "{}", outcome.render());
    let names: Vec<&str> = outcome.groups.iter().map(|group| group.name.as_str()).collect();
    let all = [
        "tilt",
        "lf_abs",
        "lf_rel",
        "dispersion_term",
        "gate_theta",
        "interval",
        "quantile",
        "engine",
    ];
    assert_eq!(names, all);
    assert_eq!(outcome.passed(), 104);
    assert!(outcome.render().ends_with("\n104 passed, 0 failed\n"));
}

#[test]
fn a_vector_that_is_off_in_the_sixth_digit_fails() {
    let mut file: Value = serde_json::from_str(&data("evidence-vectors.json")).unwrap();
    let off = |value: &mut Value| {
        let shifted = value.as_f64().unwrap() * (1.0 + 3e-6);
        *value = Value::from(shifted);
    };
    off(&mut file["tilt"][0]["out"]);
    off(&mut file["engine"][3]["ticks"][4]["expect"]["log_e"]);
    off(&mut file["engine"][5]["ticks"][8]["expect"]["log_gate"][1]);
    file["engine"][6]["ticks"][2]["expect"]["verdict"] = Value::from("ADVANCE");
    let outcome = vectors::run(&file.to_string()).unwrap();
    assert_eq!((outcome.passed(), outcome.failed()), (100, 4), "{}", outcome.render());
}

#[test]
fn the_settings_of_the_file_are_used() {
    let original: Value = serde_json::from_str(&data("evidence-vectors.json")).unwrap();
    // Each of these changes some expected number, so some vector must fail.
    let changes = [
        ("alpha", Value::from(0.2)),
        ("beta", Value::from(0.2)),
        ("horizon", Value::from(50)),
        ("stage_mass", Value::from(0.4)),
        ("psi_guard", Value::from(1.5)),
        ("guard_ratio", Value::from(5)),
        ("psi_err", Value::from(3)),
        ("delta_err", Value::from(0.002)),
        ("min_ticks", Value::from(9)),
        ("disp_n0", Value::from(20)),
        ("disp_clip", Value::from(4)),
        ("decay", Value::from(0.5)),
        ("ew0", Value::from(500)),
        ("incident_cap", Value::from(5)),
        ("stages", Value::from(3)),
        ("slo", Value::from(vec![0.02, 0.5, 0.05, 0.01])),
        ("r", Value::from(vec![1.5, 2.5, 5.0, 12.0, 40.0, 100.0])),
        ("cap_rollback", Value::from(vec![2.0; 6])),
        ("cap_gate", Value::from(vec![2.0; 6])),
        ("family_weights", Value::from(vec![0.3, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1])),
    ];
    for (key, value) in changes {
        let mut file = original.clone();
        file["config"][key] = value;
        let outcome = vectors::run(&file.to_string()).unwrap();
        assert!(outcome.failed() > 0, "config.{key} has no effect");
    }
}

#[test]
fn a_malformed_file_of_vectors_says_what_is_wrong() {
    let original: Value = serde_json::from_str(&data("evidence-vectors.json")).unwrap();
    let chain = |text: &str| {
        let error = vectors::run(text).unwrap_err();
        let source = std::error::Error::source(&error).map(ToString::to_string);
        format!("{error}: {}", source.unwrap_or_default())
    };
    let with = |change: fn(&mut Value)| {
        let mut file = original.clone();
        change(&mut file);
        chain(&file.to_string())
    };
    assert!(chain("{").contains("not JSON"));
    assert!(chain("[]").contains("not a JSON object"));
    assert!(chain("{}").contains("config is missing"));
    assert!(chain(r#"{"config":{}}"#).contains("no list of vectors"));
    let message = with(|file| file["lf_abs"][2]["k"] = Value::from("three"));
    assert!(message.contains("lf_abs[2]") && message.contains("three"), "{message}");
    let message = with(|file| file["engine"][1]["ticks"][0]["new"]["n"] = Value::Null);
    assert!(message.contains("engine[1]"), "{message}");
    assert!(with(|file| file["novel"] = Value::Array(vec![])).contains("novel"));
    assert!(with(|file| file["config"]["alhpa"] = Value::from(1)).contains("alhpa"));
    assert!(with(|file| file["config"]["families"][0] = Value::from("x")).contains("\"x\""));
    let message = with(|file| file["config"]["alpha"] = Value::from(7));
    assert!(message.contains("alpha is 7; give"), "{message}");
}

#[test]
fn replaying_a_recorded_rollout_decides_alike_at_the_same_minutes() {
    let meta = data("traces/truth.json");
    let truth: Value = serde_json::from_str(&meta).unwrap();
    let names = traces();
    assert_eq!(names.len(), 12);
    for name in names {
        let replay = replay::run(&name, &data(&format!("traces/{name}.csv")), &meta, None).unwrap();
        let found = serde_json::to_value(&replay).unwrap();
        let expected = &truth["traces"][&name];
        let (found_decisions, recorded) = (
            found["decisions"].as_array().unwrap(),
            expected["reference_decisions"].as_array().unwrap(),
        );
        assert_eq!(found_decisions.len(), recorded.len(), "{name}");
        for (found, recorded) in found_decisions.iter().zip(recorded) {
            for key in ["minute", "verdict"] {
                assert_eq!(found[key], recorded[key], "{name}");
            }
            if let Some(lead) = recorded.get("lead") {
                assert_eq!(&found["lead"], lead, "{name}");
            }
            if let Some(to) = recorded.get("to") {
                assert_eq!(found["to"].as_f64(), to.as_f64(), "{name}");
            }
            let off = found["log_e"].as_f64().unwrap() - recorded["log_e"].as_f64().unwrap();
            assert!(off.abs() < 1e-5, "{name}: {off}");
        }
        assert_eq!(found["end"], expected["reference_end"], "{name}");
        assert_eq!(found["last_minute"], expected["last_minute"], "{name}");
        assert_eq!(found["agreement"]["agrees"], Value::Bool(true), "{name}: {found:#}");
    }
}

#[test]
fn a_record_that_differs_is_told() {
    let mut truth: Value = serde_json::from_str(&data("traces/truth.json")).unwrap();
    let decisions = &mut truth["traces"]["leak-600"]["reference_decisions"];
    decisions[0]["log_e"] = Value::from(0.5);
    decisions[1]["minute"] = Value::from(14);
    decisions[4]["lead"] = Value::from("abs_err");
    let trace = data("traces/leak-600.csv");
    let replay = replay::run("leak-600", &trace, &truth.to_string(), None).unwrap();
    let agreement = replay.agreement.unwrap();
    assert!(!agreement.agrees);
    assert_eq!(agreement.differences.len(), 3, "{:?}", agreement.differences);
}

#[test]
fn a_recording_without_a_record_is_replayed_without_comparison() {
    let trace = data("traces/leak-600.csv");
    let replay = replay::run("another", &trace, &data("traces/truth.json"), None).unwrap();
    assert_eq!(replay.agreement, None);
    assert_eq!(replay.decisions.len(), 5);
}

#[test]
fn a_recording_cut_short_is_judged_up_to_the_lag() {
    let trace = data("traces/leak-600.csv");
    let up_to_30: String = trace
        .lines()
        .filter(|line| line.split(',').next().unwrap().parse::<i64>().is_ok_and(|m| m > 30))
        .fold(trace.clone(), |kept, line| kept.replace(&format!("{line}\n"), ""));
    let replay = replay::run("cut", &up_to_30, &data("traces/truth.json"), None).unwrap();
    assert_eq!(replay.end, replay::End::Running);
    assert_eq!(replay.judged_minutes, 29, "minutes 0 to 28, two before the last recorded");
    assert!(replay.holding.unwrap().starts_with("Holding at 50%: "));
}

#[test]
fn a_malformed_recording_says_which_line_and_what() {
    let meta = data("traces/truth.json");
    let trace = data("traces/leak-600.csv");
    let refused = |text: &str| replay::run("x", text, &meta, None).unwrap_err().to_string();
    assert!(refused("").contains("line 1: column 1"));
    assert!(refused(&trace.replace("errors,", "faults,")).contains("\"faults\""));
    assert!(refused(&trace.replace("\n-58,old,0,", "\n-58,old,0,x")).contains("line 4: requests"));
    assert!(refused(&trace.replace("\n-58,old,0,", "\n-58,odd,0,")).contains("\"odd\""));
    assert!(refused(&trace.replace("\n-58,old,0,", "\n-58,old,0,1,")).contains("line 4: has 42"));
    assert!(refused(&trace.replace("\n-58,old,0,", "\n-58,old,0.01,")).contains("tenth"));
    assert!(refused(&trace.replace("\n-58,old,0,", "\n-59,old,0,")).contains("this side twice"));
    assert!(refused(&trace.replace("\n0,new,1,", "\n0,new,5,")).contains("its other side 1%"));
    assert!(refused(&trace.replace("\n-60,", "\n-900000,")).contains("four weeks"));
    assert!(refused(&trace.replace("\n-60,", "\n-90000000,")).contains("since 1970"));
    let header = trace.lines().next().unwrap();
    assert!(refused(header).contains("no minutes"));
    assert!(refused(&format!("{header},b35\n")).contains("too many"));
    for (meta, part) in [
        ("{}", "meta file"),
        (r#"{"edges_ms":[1],"metric_lag_minutes":2,"stages_pct":[100],"bake_minutes":1}"#, "meta"),
    ] {
        let error = replay::run("x", &trace, meta, None).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    }
}
