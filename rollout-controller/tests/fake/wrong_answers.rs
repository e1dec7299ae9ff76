//! Wrong answers as an objective, through whole ticks: what rolls back, what holds, what
//! is shown, and what a Python that does not answer changes.

use crate::pretend::{Night, config, config_with};
use crate::screens::in_voice;
use crate::widget;
use rollout_controller::api::Status;
use rollout_controller::controller::query;
use rollout_controller::domain::command::Order;
use rollout_controller::domain::event::{Event, MinuteEntry};
use rollout_controller::domain::health::Kind;
use rollout_controller::domain::weight::Weight;
use rollout_controller::report::screen::{self, Screen};
use rollout_controller::report::tick::TickReport;
use rollout_controller::world::Compared;

const ON: &str = "[rollout.wrong_answers]";

async fn compared(tables: &str, different: f64) -> Night {
    let night = Night::new(config_with("", tables, &["public"]));
    night.pretend.state().compared = Some(Compared { per_minute: 60, different, failed: 0.0 });
    night.hour_of_python();
    let answer = night.order(Order::Start).await;
    assert_eq!(crate::pretend::word(&answer), "applied", "{}", answer.message);
    night
}

fn differ(night: &Night, different: f64) {
    if let Some(compared) = &mut night.pretend.state().compared {
        compared.different = different;
    }
}

async fn status(night: &Night) -> Status {
    query::status_of(&night.world, &night.config.rollouts[0]).await
}

fn shown(status: &Status) -> String {
    let text = screen::status(status, &Screen::default());
    anstream::adapter::strip_str(&text).to_string()
}

fn is_rolled_back(report: &TickReport) -> bool {
    report.state == "rolled back"
}

#[tokio::test]
async fn a_wrong_build_is_rolled_back_and_the_page_names_the_kinds() {
    let night = compared(ON, 0.0).await;
    night.until_weight(40, 5.0).await;
    differ(&night, 1.0);
    let report = night.until(8, is_rolled_back).await;
    assert!(night.shows("public").abs() < f64::EPSILON);
    let said = "Rust answers differ from Python's: ";
    assert!(report.message.contains(said), "{}", report.message);
    // Page, status, history and journal say the same.
    let journalled = night.events().await.iter().rev().find_map(|stamped| match &stamped.event {
        Event::Finished { reason, .. } => Some(reason.clone()),
        _ => None,
    });
    let journalled = journalled.expect("an end");
    assert!(journalled.starts_with(said) && journalled.contains("(number "), "{journalled}");
    assert!(journalled.contains("limit 0.1%. False alarm: "), "{journalled}");
    let page = night
        .pretend
        .state()
        .pages
        .iter()
        .rev()
        .find_map(|page| (page.topic.name() == "rolled-back").then(|| page.text.clone()));
    let page = page.expect("a page");
    let counts = journalled.split(" False alarm").next().expect("the counts");
    assert!(page.starts_with(counts), "{page}\n{journalled}");
    let status = status(&night).await;
    assert!(counts.contains(&status.reason.lines[0]), "{:?}", status.reason);
    assert!(status.reason.false_alarm_at_most_one_in.is_some_and(|one_in| one_in >= 100));
    let text = shown(&status);
    assert!(text.contains("runbook wrong-answers"), "{text}");
    in_voice("status", &text);
    in_voice("page", &page);
    let dashboard = widget::page(&night).await;
    assert!(dashboard.contains("Wrong answers") && dashboard.contains(counts), "{dashboard}");
    let line = status.changes.iter().rev().find(|change| change.text.contains("ROLLBACK"));
    assert!(line.is_some_and(|line| line.text.contains(said)), "{:?}", status.changes);
}

#[tokio::test]
async fn the_same_happens_at_100_percent() {
    let night = compared(ON, 0.0).await;
    night.until_weight(120, 100.0).await;
    differ(&night, 1.0);
    night.until(6, is_rolled_back).await;
    assert!(night.shows("public").abs() < f64::EPSILON);
}

#[tokio::test]
async fn a_correct_build_completes_as_fast_as_without_comparison() {
    let night = compared(ON, 0.0).await;
    let mut minutes = 0;
    while !night.minutes(1).await.state.contains("completed") {
        minutes += 1;
        assert!(minutes < 150);
    }
    let without = Night::started(config()).await;
    let mut plain = 0;
    while !without.minutes(1).await.state.contains("completed") {
        plain += 1;
    }
    // The four others have four fifths of the budget, which proof does not use.
    assert!(minutes <= plain + 10, "{minutes} and {plain}");
    let status = status(&night).await;
    let answers = status.wrong_answers.as_ref().expect("the objective");
    assert_eq!((answers.different, answers.broken), (Some(0), false));
    assert!(answers.compared.is_some_and(|compared| compared > 1_000), "{answers:?}");
}

#[tokio::test]
async fn an_incident_on_both_sides_excuses_no_wrong_answer() {
    let night = compared(ON, 0.0).await;
    night.until_weight(40, 5.0).await;
    {
        let mut state = night.pretend.state();
        state.old.median_ms = 900.0;
        state.new.median_ms = 900.0;
    }
    differ(&night, 1.0);
    let report = night.until(8, is_rolled_back).await;
    assert!(report.message.contains("answers differ"), "{}", report.message);
}

#[tokio::test]
async fn without_a_comparison_only_required_proof_holds() {
    for (tables, completes) in [
        ("[rollout.wrong_answers]\nlimit = \"1%\"", true),
        ("[rollout.wrong_answers]\nlimit = \"1%\"\nrequired = true", false),
    ] {
        let night = compared(tables, 0.0).await;
        night.pretend.state().compared = None;
        if completes {
            night.until(150, |report| report.state == "completed").await;
            let status = status(&night).await;
            let answers = status.wrong_answers.expect("the objective");
            assert_eq!((answers.compared, answers.different, answers.low), (None, None, None));
            continue;
        }
        let report = night.minutes(40).await;
        assert_eq!(report.weight, Some(Weight::from_percent(1.0).unwrap()), "{}", report.message);
        let dashboard = widget::page(&night).await;
        assert!(dashboard.contains("not compared"), "{dashboard}");
        let waits = "Not proven yet for 5%: wrong answers. 0 answers compared so far.";
        assert!(report.message.contains(waits), "{}", report.message);
        let status = status(&night).await;
        assert_eq!(status.health, Kind::Safe);
        let text = shown(&status);
        assert!(text.contains("not compared"), "{text}");
        in_voice("status", &text);
        // Comparisons come, and it goes on.
        night.pretend.state().compared =
            Some(Compared { per_minute: 200, different: 0.0, failed: 0.0 });
        night.until(150, |report| report.state == "completed").await;
    }
}

#[tokio::test]
async fn a_python_that_fails_every_second_call_is_shown_and_blames_nobody() {
    let night = compared(ON, 0.0).await;
    if let Some(compared) = &mut night.pretend.state().compared {
        compared.failed = 1.0;
    }
    night.until_weight(60, 10.0).await;
    let status = status(&night).await;
    let answers = status.wrong_answers.as_ref().expect("the objective");
    assert_eq!(answers.compared, Some(0));
    assert!(answers.failed.is_some_and(|failed| failed > 20), "{answers:?}");
    let text = shown(&status);
    assert!(text.contains("not compared") && text.contains("calls to Python failed"), "{text}");
    in_voice("status", &text);
    night.until(150, |report| report.state == "completed").await;
}

#[tokio::test]
async fn comparisons_that_stopped_say_when() {
    let night = compared(ON, 0.0).await;
    night.until_weight(40, 5.0).await;
    night.order(Order::Pause { for_minutes: None }).await;
    night.pretend.state().compared = None;
    night.minutes(25).await;
    let status = status(&night).await;
    assert!(status.wrong_answers.as_ref().is_some_and(|answers| answers.compared > Some(60)));
    let text = shown(&status);
    assert!(text.contains("last compared at 09:"), "{text}");
    in_voice("status", &text);
}

#[tokio::test]
async fn a_broken_limit_is_hurting_before_it_is_rolled_back() {
    let night = compared("[rollout.wrong_answers]\nlimit = \"10%\"", 0.0).await;
    night.until_weight(60, 10.0).await;
    differ(&night, 0.2);
    let (mut hurting, mut said) = (false, Vec::new());
    for _ in 0..120 {
        let report = night.minutes(1).await;
        let status = status(&night).await;
        said.push(format!("{} | {:?}", report.message, status.wrong_answers));
        if is_rolled_back(&report) {
            break;
        }
        hurting |= status.health == Kind::Hurting;
        if status.health == Kind::Hurting {
            assert_eq!((status.exit_code, status.reason.code.as_str()), (50, "wrong_answers"));
            let text = shown(&status);
            assert!(text.contains("Rust answers differ from Python's: "), "{text}");
            assert!(text.contains("At most 10% of compared answers may differ."), "{text}");
            in_voice("status", &text);
        }
    }
    assert!(hurting, "{said:#?}");
}

#[tokio::test]
async fn wrong_answers_roll_back_without_the_journal_too() {
    let night = compared(ON, 0.0).await;
    night.until_weight(40, 5.0).await;
    night.minutes(3).await;
    differ(&night, 1.0);
    night.pretend.state().trouble.ledger_down = true;
    night.minutes(8).await;
    assert!(night.shows("public").abs() < f64::EPSILON);
}

#[tokio::test]
async fn without_the_table_comparisons_are_neither_read_nor_shown() {
    let night = compared("", 1.0).await;
    night.until(150, |report| report.state == "completed").await;
    assert!(status(&night).await.wrong_answers.is_none());
    for stamped in night.events().await {
        let Event::Ticked { minutes, .. } = stamped.event else { continue };
        let read = |entry: &MinuteEntry| entry.comparisons().is_some();
        assert!(!minutes.iter().any(read));
    }
}

#[tokio::test]
async fn a_wrong_build_in_shadow_moves_nothing_and_ends_the_run() {
    let mut config = config_with("", ON, &["public"]);
    config.rollouts[0].mode = rollout_controller::domain::plan::Mode::Shadow;
    let night = Night::new(config);
    night.pretend.state().compared = Some(Compared { per_minute: 60, different: 1.0, failed: 0.0 });
    night.hour_of_python();
    night.order(Order::Start).await;
    night.minutes(3).await;
    night.pretend.console_change("public", Weight::from_percent(10.0).unwrap());
    let report = night.until(12, is_rolled_back).await;
    assert!(report.message.contains("answers differ"), "{}", report.message);
    assert!((night.shows("public") - 10.0).abs() < f64::EPSILON);
}
