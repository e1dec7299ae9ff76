//! The recorded answers of the Python service, replayed against the handler.
//!
//! No load balancer and no runtime in between: raw events go in, the answer
//! that Lambda would return comes out, each case on a fresh database.

use std::path::Path;

use local_cloud::parity::cases::{Case, Suite};
use local_cloud::parity::compare::{self, Seen, Via};
use local_cloud::parity::snapshot::Observer;
use local_cloud::postgres::PrivatePostgres;
use local_cloud::redis_server::PrivateRedis;
use scorer_fn::app::{App, Lines};
use scorer_fn::config::Config;

/// The recorded sets that come with the project, and how many cases each has.
const RECORDED: [(&str, usize); 2] = [("tests/golden", 80), ("tests/golden-2", 228)];

#[tokio::test]
async fn the_first_recorded_set_is_answered_alike() -> anyhow::Result<()> {
    let (folder, count) = RECORDED[0];
    assert_eq!(
        replay_all(folder, Planned::Each).await?,
        count,
        "the copy of the cases is not complete"
    );
    Ok(())
}

#[tokio::test]
async fn the_second_recorded_set_is_answered_alike() -> anyhow::Result<()> {
    let (folder, count) = RECORDED[1];
    assert_eq!(
        replay_all(folder, Planned::Each).await?,
        count,
        "the copy of the cases is not complete"
    );
    Ok(())
}

#[tokio::test]
async fn both_recorded_sets_are_answered_alike_by_functions() -> anyhow::Result<()> {
    for (folder, count) in RECORDED {
        assert_eq!(replay_all(folder, Planned::Once).await?, count, "{folder}");
    }
    Ok(())
}

#[tokio::test]
async fn a_set_of_cases_from_elsewhere_is_answered_alike() -> anyhow::Result<()> {
    let Ok(folder) = std::env::var("GOLDEN_CASES") else {
        eprintln!("not replayed: GOLDEN_CASES names no folder with cases.json and seed.sql");
        return Ok(());
    };
    replay_all(&folder, Planned::Each).await?;
    replay_all(&folder, Planned::Once).await.map(drop)
}

/// Whether the database plans our statements each time, or once, as functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Planned {
    Each,
    Once,
}

/// Replays each case of a folder on a fresh database; gives how many there are.
async fn replay_all(folder: &str, planned: Planned) -> anyhow::Result<usize> {
    let suite = Suite::read(Path::new(folder))?;
    let postgres = PrivatePostgres::start().await?;
    postgres.create_database("seeded").await?;
    postgres.load_sql_file("seeded", &suite.seed).await?;
    if planned == Planned::Once {
        crate::support::load_functions(&postgres, "seeded").await?;
    }
    let redis = PrivateRedis::start().await?;
    let mut failed = Vec::new();
    for (number, case) in suite.cases.iter().enumerate() {
        let case = match case {
            Ok(case) => case,
            Err(unreadable) => {
                failed.push(format!("{}\n{unreadable}", unreadable.name));
                continue;
            }
        };
        let database = format!("case_{number}");
        postgres.create_from_template(&database, "seeded").await?;
        redis.clear().await?;
        let differences = replay(&suite, case, planned, &postgres.url(&database), &redis).await?;
        postgres.drop_database(&database).await?;
        if !differences.is_empty() {
            failed.push(format!("{}\n{differences}", case.name));
        }
    }
    assert!(
        failed.is_empty(),
        "{} of {} differ\n{}",
        failed.len(),
        suite.cases.len(),
        failed.join("\n")
    );
    Ok(suite.cases.len())
}

async fn replay(
    suite: &Suite,
    case: &Case,
    planned: Planned,
    url: &str,
    redis: &PrivateRedis,
) -> anyhow::Result<String> {
    let mut variables = suite.variables(case);
    variables.insert("DATABASE_URL".to_owned(), url.to_owned());
    variables.insert("REDIS_URL".to_owned(), redis.url());
    if planned == Planned::Once {
        variables.insert("DATABASE_FUNCTIONS".to_owned(), "on".to_owned());
    }
    let config = Config::read(|name| variables.get(name).cloned())?;
    let app = App::new(config, Lines::Drop);
    let mut observer = Observer::connect(url).await?;
    let mut differences = String::new();
    for (number, step) in case.steps.iter().enumerate() {
        let before = observer.look(case.analytics).await?;
        let answer = crate::support::ask(&app, &step.event).await;
        let after = observer.look(case.analytics).await?;
        let mut found = compare::answers(step, &Seen::from_alb(&answer));
        found.extend(compare::envelopes(step, &answer));
        found.extend(compare::writes(step, &before, &after, Via::Event));
        for difference in found {
            differences.push_str(&format!(" step {}\n{difference}", number + 1));
        }
    }
    Ok(differences)
}
