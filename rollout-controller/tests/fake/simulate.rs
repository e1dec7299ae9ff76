//! Whole rollouts in described worlds, by the production tick.

use rollout_controller::domain::labels::Labels;
use rollout_controller::domain::wrong_answers::Objective;
use rollout_controller::simulate::{self, Described, End, Played, forecast};

async fn played(name: &str, seed: u64) -> Played {
    let text = simulate::find(name).unwrap_or_else(|| panic!("no world {name}"));
    played_in(text, seed).await
}

async fn played_in(text: &str, seed: u64) -> Played {
    let world = Described::parse(text).unwrap_or_else(|error| panic!("{error:?}"));
    let config = simulate::defaults(&world.route_names()).unwrap();
    simulate::play(&world, &config, seed).await.unwrap()
}

#[tokio::test]
async fn rollouts_end_as_their_worlds_are_named() {
    for (name, end) in [
        ("healthy", End::Completed),
        ("lost-minutes", End::Completed),
        ("late-minutes", End::Completed),
        ("cloudwatch-away", End::Completed),
        ("outage", End::RolledBack),
        ("five-points-more-errors-from-25-percent", End::RolledBack),
        ("one-of-twenty-routes-fails-often", End::RolledBack),
        ("slow-leak", End::RolledBack),
    ] {
        let played = played(name, 7).await;
        let story = simulate::show::text(name, "", &Labels::default(), &played);
        assert_eq!(played.end, end, "{story}");
    }
}

#[tokio::test]
async fn a_pause_lasts_until_a_person_ends_it() {
    let played = played("paused-over-lunch", 7).await;
    let shares: Vec<_> = played
        .rows
        .iter()
        .filter(|row| (9..68).contains(&row.minute))
        .map(|row| row.share)
        .collect();
    assert!(shares.windows(2).all(|pair| pair[0] == pair[1]), "{shares:?}");
    assert_eq!(played.end, End::Completed);
}

#[tokio::test]
async fn the_same_seed_gives_the_same_rollout_and_another_one_another() {
    let one = serde_json::to_string(&played("down-at-random", 3).await).unwrap();
    assert_eq!(one, serde_json::to_string(&played("down-at-random", 3).await).unwrap());
    assert_ne!(one, serde_json::to_string(&played("down-at-random", 4).await).unwrap());
}

#[tokio::test]
async fn a_world_says_how_many_answers_are_compared_and_how_many_differ() {
    let played = async |different: f64| {
        let world = format!(
            "what = \"a test\"\n[traffic]\nper_minute = 600\n[compared]\nper_minute = 60\n\
             [new]\ndifferent = {different}"
        );
        let world = Described::parse(&world).unwrap();
        let mut config = simulate::defaults(&world.route_names()).unwrap();
        let terms = &mut config.rollouts[0].terms;
        terms.evidence = terms.evidence.clone().with_wrong_answers(Objective::default());
        simulate::play(&world, &config, 7).await.unwrap()
    };
    assert_eq!(played(0.0).await.end, End::Completed);
    let wrong = played(0.1).await;
    assert_eq!(wrong.end, End::RolledBack);
    let last = wrong.rows.last().unwrap();
    assert!(last.message.contains("answers differ from Python's"), "{}", last.message);
    assert!(last.minute < 30, "{}", last.minute);
}

#[tokio::test]
async fn a_rollout_is_shown_as_text_csv_and_a_page() {
    let world = "what = \"Rust <fails>.\"\n[traffic]\nper_minute = 600\n[[change]]\non = \"new\"\nerrors = 0.5";
    let played = played_in(world, 1).await;
    let text = simulate::show::text("fails", "Rust fails.", &Labels::default(), &played);
    assert!(text.contains("Rolled back in minute "), "{text}");
    let csv = simulate::show::csv(&played).unwrap();
    assert_eq!(csv.lines().count(), played.rows.len() + 1, "{csv}");
    assert!(csv.starts_with("minute,at,share_percent,did,requests,failed,hurt,message\n0,2026-"));
    let page = simulate::show::html("fails", "Rust <fails>.", &Labels::default(), &played);
    assert!(page.contains("Rust &lt;fails&gt;.") && !page.contains("<fails>"), "{page}");
    assert!(page.contains("<polyline") && page.contains("<rect"), "{page}");
}

#[test]
fn what_makes_no_sense_names_field_value_and_fix() {
    let traffic = "what = \"x\"\n[traffic]\nper_minute = 60\n";
    for (rest, says) in [
        ("[new]\nerrors = 2\n", "new.errors is 2; give a number from 0 to 1"),
        ("[[change]]\non = \"new\"\nminutes = [9, 3]\n", "change[0].minutes is [9, 3]; give"),
        ("[[change]]\non = \"new\"\nroute = \"x\"\n", "change[0].route is `x`; name one"),
        (
            "[[change]]\non = \"new\"\nminutes_there = [1]\n",
            "minutes_there is [1]; give from_share",
        ),
        ("[[route]]\nname = \"a\"\ntraffic = 0.5\n", "route[].traffic is 0.5 in all; the routes"),
        ("[drift]\nkeep = 1\nsd = 0.1\n", "drift.keep is 1; give a number from 0 to 0.9999"),
        ("[[operator]]\nminute = 1\ndo = \"console\"\n", "operator[0].to is absent; give"),
        ("[[operator]]\nminute = 1\ndo = \"console\"\nto = 101\n", "operator[0].to is 101; give"),
    ] {
        let error = Described::parse(&format!("{traffic}{rest}")).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    let error = Described::parse(&format!("{traffic}colour = 1")).unwrap_err();
    let shown = rollout_controller::errors::chain(&error);
    assert!(shown.contains("colour"), "{shown}");
}

#[tokio::test]
async fn a_route_or_an_alarm_that_the_config_lacks_is_named() {
    let world =
        "what = \"x\"\n[traffic]\nper_minute = 60\n[[route]]\nname = \"api\"\ntraffic = 1\n";
    let world = Described::parse(world).unwrap();
    let config = simulate::defaults(&["public"]).unwrap();
    let error = simulate::play(&world, &config, 1).await.unwrap_err().to_string();
    assert_eq!(error, "route[].name is `api`; the config of `score` has public");

    let world =
        "what = \"x\"\n[traffic]\nper_minute = 60\n[[alarm]]\nname = \"cpu\"\nminutes = [1, 2]\n";
    let world = Described::parse(world).unwrap();
    let error = simulate::play(&world, &config, 1).await.unwrap_err().to_string();
    assert_eq!(error, "alarm[].name is `cpu`; [rollout.alarms] of `score` names none");
}

#[test]
fn a_plans_band_covers_rollouts_of_other_seeds() {
    let world = Described::parse(simulate::find("healthy").unwrap()).unwrap();
    let world = world.with_requests(600.0).unwrap();
    let config = simulate::defaults(&["public"]).unwrap();
    let effort = forecast::Effort { healthy: 30, each_fault: 1, seed: 1_000 };
    let plan = forecast::forecast(&world, &config, effort, &|| ()).unwrap();
    assert_eq!(plan.healthy.completed, 30, "{plan:?}");
    let [low, _, high] = plan.healthy.minutes.expect("completed rollouts");
    let ends = |played: Played| (played.end, u64::from(played.minutes));
    let others = simulate::play_all(&world, &config, 5_000..5_025, ends, &|| ()).unwrap();
    let within = others
        .iter()
        .filter(|(end, minutes)| *end == End::Completed && (low..=high).contains(minutes))
        .count();
    assert!(within >= 20, "{within} of 25 within {low} to {high}: {others:?}");

    let outage = plan.faults.iter().find(|fault| fault.fault == "outage, from the start");
    let outage = outage.expect("the outage is among the faults");
    assert_eq!((outage.rolled_back, outage.missed), (1, 0), "{outage:?}");
    // Of an outage every request is hurt.
    assert_eq!(outage.requests, outage.hurt, "{outage:?}");
    let text = simulate::show::plan(&plan, &Labels::default());
    assert!(text.contains("Without a fault, 30 rollouts: 30 completed"), "{text}");
    assert!(simulate::show::plan_html(&plan, &Labels::default()).contains("<td>1 of 1</td>"));
}
