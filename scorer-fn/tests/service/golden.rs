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
use scorer_fn::app::{App, Call, Lines};
use scorer_fn::config::Config;

#[tokio::test]
async fn answers_and_rows_are_those_of_the_recorded_service() -> anyhow::Result<()> {
    let directory = std::env::var("GOLDEN_CASES").unwrap_or_else(|_| "tests/golden".to_owned());
    let suite = Suite::read(Path::new(&directory))?;
    let postgres = PrivatePostgres::start().await?;
    postgres.create_database("seeded").await?;
    postgres.load_sql_file("seeded", &suite.seed).await?;
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
        let differences = replay(&suite, case, &postgres.url(&database), &redis).await?;
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
    assert!(
        suite.cases.len() >= 80 || directory != "tests/golden",
        "the copy of the cases is not complete"
    );
    Ok(())
}

async fn replay(
    suite: &Suite,
    case: &Case,
    url: &str,
    redis: &PrivateRedis,
) -> anyhow::Result<String> {
    let mut variables = suite.variables(case);
    variables.insert("DATABASE_URL".to_owned(), url.to_owned());
    variables.insert("REDIS_URL".to_owned(), redis.url());
    let config = Config::read(|name| variables.get(name).cloned())?;
    let app = App::new(config, Lines::Drop);
    let mut observer = Observer::connect(url).await?;
    let mut differences = String::new();
    for (number, step) in case.steps.iter().enumerate() {
        let before = observer.look(case.analytics).await?;
        let answer = app.serve_alb(&step.event, Call::default()).await;
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
