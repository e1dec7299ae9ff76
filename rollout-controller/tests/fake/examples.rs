//! Examples of wrong answers, through whole ticks: what a page, a status and a history say
//! where the log was read, where it was not, and what reading may never delay.

use crate::pretend::{Night, config_with};
use crate::screens::in_voice;
use crate::widget;
use async_trait::async_trait;
use rollout_controller::api::{ExamplesShown, Question, Status};
use rollout_controller::controller::{Schedule, query};
use rollout_controller::domain::command::Order;
use rollout_controller::domain::event::Event;
use rollout_controller::domain::plan::Mode;
use rollout_controller::domain::weight::Weight;
use rollout_controller::domain::wrong_answers::Logged;
use rollout_controller::ports::{AnswersLog, AnswersLogError, LogWanted};
use rollout_controller::report::screen::{self, Screen};
use rollout_controller::report::tick::TickReport;
use rollout_controller::world::{Compared, Pretend};
use std::sync::Arc;

const ON: &str = "[rollout.wrong_answers]\nlog_group = \"/aws/lambda/scorer-rs\"";
const ROUNDED: &str = "number stamps.*.score: text of 7 characters, then text of 7 characters";
const GONE: &str = "missing stamps.*: object of 3 members, then absent";

fn logged() -> Logged {
    let answer = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
    let answers = vec![answer(&[ROUNDED]), answer(&[ROUNDED, GONE]), answer(&[ROUNDED])];
    Logged { answers, dropped: 0, whole: true }
}

/// A rollout whose Rust answers rightly until now.
async fn right(tables: &str, mode: Mode) -> Night {
    let mut config = config_with("", tables, &["public"]);
    config.rollouts[0].mode = mode;
    let night = Night::new(config);
    night.pretend.state().compared = Some(Compared { per_minute: 60, different: 0.0, failed: 0.0 });
    night.hour_of_python();
    night.order(Order::Start).await;
    if mode == Mode::Shadow {
        night.minutes(3).await;
        night.pretend.console_change("public", Weight::from_percent(10.0).unwrap());
    } else {
        night.until_weight(40, 5.0).await;
    }
    night
}

fn wrong(night: &Night) {
    if let Some(compared) = &mut night.pretend.state().compared {
        compared.different = 1.0;
    }
}

async fn rolled_back(night: &Night) -> TickReport {
    wrong(night);
    night.until(12, |report| report.state == "rolled back").await
}

/// The page about the rollback, as it arrived.
fn page(night: &Night) -> String {
    let state = night.pretend.state();
    let pages: Vec<_> =
        state.pages.iter().filter(|page| page.topic.name() == "rolled-back").collect();
    let [page] = pages.as_slice() else { panic!("{pages:?}") };
    page.text.clone()
}

async fn status(night: &Night) -> Status {
    query::status_of(&night.world, &night.config.rollouts[0]).await
}

fn examples(status: &Status) -> Option<&ExamplesShown> {
    status.wrong_answers.as_ref().expect("the objective").examples.as_ref()
}

async fn history(night: &Night) -> String {
    let question = Question::History { rollout: None, before: None, limit: 200, all: false };
    let answer = query::view(&night.world, &night.config, &question).await;
    serde_json::to_value(&answer).unwrap().to_string()
}

fn shown(status: &Status) -> String {
    let text = screen::status(status, &Screen::default());
    anstream::adapter::strip_str(&text).to_string()
}

#[tokio::test]
async fn a_rollback_for_wrong_answers_says_where_they_differ() {
    let night = right(ON, Mode::Active).await;
    night.pretend.state().logged = Some(logged());
    rolled_back(&night).await;
    night.minutes(5).await;

    let said = format!("Logged examples, Python first, then Rust: 3× {ROUNDED}. 1× {GONE}.");
    let page = page(&night);
    assert!(page.starts_with("Rust answers differ from Python's: "), "{page}");
    assert!(page.ends_with(&said), "{page}");
    in_voice("page", &page);
    let status = status(&night).await;
    let found = examples(&status).expect("examples");
    let paths: Vec<(&str, u64)> =
        found.named.iter().map(|one| (one.path.as_str(), one.answers)).collect();
    assert_eq!(paths, [("stamps.*.score", 3), ("stamps.*", 1)]);
    assert_eq!((found.whole, found.error.as_deref(), found.other), (true, None, 0));
    let text = shown(&status);
    for line in [&format!("3× {ROUNDED}."), "logged examples, Python first, then Rust:"] {
        assert!(text.contains(line), "{line} in {text}");
    }
    in_voice("status", &text);
    let dashboard = widget::page(&night).await;
    assert!(dashboard.contains(ROUNDED) && dashboard.contains("Logged examples"), "{dashboard}");
    let history = history(&night).await;
    assert!(history.contains(said.trim_end_matches('.')), "{history}");

    // Once, over the minutes of the evidence, and journalled behind the end of the run.
    let reads = night.pretend.state().log_reads.clone();
    let [(from, until)] = reads.as_slice() else { panic!("{reads:?}") };
    assert!(until.since(*from) >= 2 && until.since(*from) <= 60, "{reads:?}");
    let events = night.events().await;
    let kinds: Vec<&str> = events.iter().map(|stamped| stamped.event.kind()).collect();
    let place = |kind: &str| kinds.iter().rposition(|one| *one == kind);
    assert_eq!(kinds.iter().filter(|kind| **kind == "examples_read").count(), 1);
    assert!(place("applied") < place("finished") && place("finished") < place("examples_read"));
    // A person who has seen the end of the run is not out of date by it.
    let end = events.iter().rfind(|stamped| stamped.event.kind() == "finished");
    assert_eq!(Some(night.journal().await.changed), end.map(|end| end.seq));
}

#[tokio::test]
async fn without_a_log_group_nothing_is_read_and_nothing_is_said() {
    let night = right("[rollout.wrong_answers]", Mode::Active).await;
    night.pretend.state().logged = Some(logged());
    rolled_back(&night).await;
    assert_eq!(night.pretend.state().log_reads, []);
    assert!(!page(&night).contains("xample"), "{}", page(&night));
    assert_eq!(examples(&status(&night).await), None);
    assert!(!history(&night).await.contains("xample"));
}

#[tokio::test]
async fn other_rollbacks_read_no_log() {
    let night = right(ON, Mode::Active).await;
    night.pretend.state().new.error_ratio = 0.5;
    night.until(12, |report| report.state == "rolled back").await;
    assert_eq!(night.pretend.state().log_reads, []);
    assert!(!page(&night).contains("xample"), "{}", page(&night));

    // A person was faster than the evidence: the reason is theirs.
    let night = right(ON, Mode::Active).await;
    wrong(&night);
    night.order(Order::Rollback).await;
    night.minutes(5).await;
    assert_eq!(night.pretend.state().log_reads, []);
}

#[tokio::test]
async fn a_log_without_examples_and_one_that_is_not_read_are_told_apart() {
    let night = right(ON, Mode::Active).await;
    night.pretend.state().logged = Some(Logged { whole: true, ..Logged::default() });
    rolled_back(&night).await;
    let none = page(&night);
    assert!(none.ends_with("No example is in the log of these minutes."), "{none}");
    in_voice("page", &none);

    let night = right(ON, Mode::Active).await;
    rolled_back(&night).await;
    let not_read = page(&night);
    let said = "Examples not read: reading log group /aws/lambda/scorer-rs: there is no log here.";
    assert!(not_read.ends_with(said), "{not_read}");
    in_voice("page", &not_read);
    let status = status(&night).await;
    let found = examples(&status).expect("said to be missing");
    assert!(found.error.is_some() && !found.whole && found.named.is_empty(), "{found:?}");
    let text = shown(&status);
    assert!(text.contains("Examples not read: ") && !text.contains("logged examples"), "{text}");
    // It stays so: what the page says is what the journal says.
    night.pretend.state().logged = Some(logged());
    night.minutes(5).await;
    assert_eq!(night.pretend.state().log_reads.len(), 1);
}

/// A log that fails with this text, or with none never answers. By then Rust is out.
struct Troubled {
    pretend: Pretend,
    text: Option<&'static str>,
}

#[async_trait]
impl AnswersLog for Troubled {
    async fn read(&self, wanted: &LogWanted<'_>) -> Result<Logged, AnswersLogError> {
        let share = self.pretend.shows("public").weight();
        assert_eq!(share, Some(Weight::ZERO), "the rollback comes first");
        assert_eq!(wanted.groups, ["targetgroup/rs0/2"]);
        let Some(text) = self.text else { return std::future::pending().await };
        let log_group = wanted.log_group.to_owned();
        Err(AnswersLogError { log_group, source: text.into() })
    }
}

async fn troubled(text: Option<&'static str>) -> Night {
    let mut night = right(ON, Mode::Active).await;
    night.world.answers_log = Arc::new(Troubled { pretend: night.pretend.clone(), text });
    night
}

#[tokio::test]
async fn a_log_that_hangs_costs_seconds_and_neither_rollback_nor_page() {
    let night = troubled(None).await;
    rolled_back(&night).await;
    assert!(night.shows("public").abs() < f64::EPSILON);
    let page = page(&night);
    assert!(page.ends_with("Examples not read: the log did not answer in time."), "{page}");
}

#[tokio::test]
async fn what_a_log_answers_is_text_on_every_screen() {
    let night = troubled(Some("<script>alert(1)</script> & \"more\"")).await;
    rolled_back(&night).await;
    let dashboard = widget::page(&night).await;
    assert!(dashboard.contains("Examples not read: "), "{dashboard}");
    assert!(!dashboard.contains("<script>"), "{dashboard}");
    assert!(dashboard.contains("&lt;script&gt;alert(1)&lt;/script&gt; &amp;"), "{dashboard}");
}

#[tokio::test]
async fn a_tick_without_time_left_rolls_back_and_reads_nothing() {
    let night = right(ON, Mode::Active).await;
    night.pretend.state().logged = Some(logged());
    wrong(&night);
    let mut reports = 0;
    while night.journal().await.open_run().is_some() {
        let Schedule { scheduled, .. } = night.schedule();
        let deadline = scheduled + jiff::SignedDuration::from_millis(400);
        let _ = night.tick_at(Schedule { scheduled, deadline }).await;
        night.pretend.pass_minute();
        reports += 1;
        assert!(reports < 12);
    }
    assert!(night.shows("public").abs() < f64::EPSILON);
    assert_eq!(night.pretend.state().log_reads, []);
    let page = page(&night);
    assert!(page.ends_with("Examples not read: no time was left in this tick."), "{page}");
}

#[tokio::test]
async fn a_rollback_that_is_incomplete_at_first_has_them_when_it_is_done() {
    let night = right(ON, Mode::Active).await;
    night.pretend.state().logged = Some(logged());
    night.pretend.state().trouble.dead_routes = vec!["public".to_owned()];
    wrong(&night);
    night.until(12, |report| report.state == "rolling back").await;
    night.minutes(2).await;
    assert_eq!(night.pretend.state().log_reads.len(), 1);
    assert!(examples(&status(&night).await).is_some(), "known while it goes on");
    night.pretend.state().trouble.dead_routes.clear();
    night.until(3, |report| report.state == "rolled back").await;
    assert!(page(&night).contains(&format!("3× {ROUNDED}.")), "{}", page(&night));
    assert_eq!(night.pretend.state().log_reads.len(), 1);
}

#[tokio::test]
async fn a_rollback_is_looked_into_for_an_hour() {
    // The log is configured only afterwards.
    for (minutes, reads) in [(55, 1), (60, 1), (61, 0), (75, 0)] {
        let mut night = right("[rollout.wrong_answers]", Mode::Active).await;
        night.pretend.state().logged = Some(logged());
        rolled_back(&night).await;
        for _ in 1..minutes {
            night.pretend.pass_minute();
        }
        let log_group = "/aws/lambda/scorer-rs".to_owned();
        night.config.rollouts[0].settings.answers_log = Some(log_group);
        night.minutes(2).await;
        assert_eq!(night.pretend.state().log_reads.len(), reads, "after {minutes} minutes");
    }
}

#[tokio::test]
async fn a_shadow_run_names_them_too() {
    let night = right(ON, Mode::Shadow).await;
    night.pretend.state().logged = Some(logged());
    rolled_back(&night).await;
    assert!((night.shows("public") - 10.0).abs() < f64::EPSILON);
    assert!(page(&night).contains(&format!("3× {ROUNDED}.")), "{}", page(&night));
}

#[tokio::test]
async fn the_page_of_a_rollback_without_the_journal_has_them() {
    let night = right(ON, Mode::Active).await;
    night.minutes(3).await;
    night.pretend.state().logged = Some(logged());
    wrong(&night);
    night.pretend.state().trouble.ledger_down = true;
    night.minutes(8).await;
    assert!(night.shows("public").abs() < f64::EPSILON);
    let page = page(&night);
    assert!(page.contains("The journal cannot be used"), "{page}");
    assert!(page.ends_with(&format!("3× {ROUNDED}. 1× {GONE}.")), "{page}");
}

#[tokio::test]
async fn the_examples_are_those_of_the_run_that_was_rolled_back() {
    let night = right(ON, Mode::Active).await;
    night.pretend.state().logged = Some(logged());
    rolled_back(&night).await;
    let events = night.events().await;
    let read = events.iter().find(|stamped| stamped.event.kind() == "examples_read");
    let Some(Event::ExamplesRead { examples }) = read.map(|stamped| &stamped.event) else {
        panic!("{events:?}")
    };
    let run = night.run().await;
    assert_eq!(run.examples.as_ref(), Some(examples));
    night.pretend.state().compared = None;
    night.order(Order::Start).await;
    assert_eq!(night.run().await.examples, None);
}
