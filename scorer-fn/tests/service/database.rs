//! A real PostgreSQL, directly and through a pooler in transaction mode; and
//! what happens when it goes away.

mod changes;
mod races;
mod silence;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::runtime::Function;
use crate::support::{Service, app_on, ask, by_functions, demo_environment, get, load_functions};
use local_cloud::pgbouncer::{self, Pgbouncer};
use local_cloud::postgres::PrivatePostgres;
use scorer_fn::app::Call;
use scorer_fn::config::Config;
use scorer_fn::event::Event;
use scorer_fn::score::Scorer;
use serde_json::Value;
use sqlx::{Connection, Executor, PgConnection, Row};

const KEY: &str = "DemoKeyA.3f1c86c2a9d04b57b8e6d1a2f7935c40";

fn body(answer: &Value) -> Value {
    answer["body"].as_str().and_then(|body| serde_json::from_str(body).ok()).unwrap_or_default()
}

/// The event that asks for the score of the demo's wallet in line `number`, from 0.
fn ask_for(number: usize) -> anyhow::Result<Value> {
    let list = std::fs::read_to_string("demo/addresses.txt")?;
    let address = list.lines().nth(number).unwrap_or_default();
    Ok(get(&format!("/v2/stamps/1/score/{address}"), KEY))
}

/// The part of a body that does not depend on the clock.
fn lasting(answer: &Value) -> Value {
    let mut body = body(answer);
    body["last_score_timestamp"].take();
    body
}

async fn count(url: &str, table: &'static str) -> anyhow::Result<i64> {
    let mut connection = sqlx::PgConnection::connect(url).await?;
    let sql = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
    Ok(connection.fetch_one(sqlx::query(sql)).await?.try_get(0)?)
}

#[tokio::test]
async fn eight_clients_behind_a_pooler_get_their_own_answers() -> anyhow::Result<()> {
    if pgbouncer::left_out() {
        return Ok(());
    }
    let service = Service::start("demo/seed.sql", &demo_environment()?).await?;
    let addresses: Vec<String> =
        std::fs::read_to_string("demo/addresses.txt")?.lines().map(str::to_owned).collect();
    let mut expected = BTreeMap::new();
    for address in &addresses {
        for scorer in ["1", "2"] {
            let path = format!("/v2/stamps/{scorer}/score/{address}");
            let answer = service.ask(&get(&path, KEY)).await;
            assert_eq!(answer["statusCode"], 200, "{answer}");
            expected.insert(path, lasting(&answer));
        }
    }
    load_functions(&service.postgres, "scorer").await?;
    let pooler = Pgbouncer::start(&service.postgres).await?;
    // Each client has one connection of its own, as each Lambda environment has. Half
    // of them ask by functions, in the same server sessions.
    let clients = (0..8).map(|client| {
        let (url, expected) = (pooler.url("scorer"), expected.clone());
        tokio::spawn(async move {
            let settings = demo_environment()?;
            let settings = if client % 2 == 0 { settings } else { by_functions(settings) };
            let app = app_on(&url, &settings)?;
            let paths: Vec<_> = expected.iter().collect();
            for turn in 0..40 {
                let (path, expected) = paths[(client * 11 + turn * 7) % paths.len()];
                let answer = ask(&app, &get(path, KEY)).await;
                anyhow::ensure!(answer["statusCode"] == 200, "{path}: {answer}");
                anyhow::ensure!(
                    lasting(&answer) == *expected,
                    "{path}: {answer} instead of {expected}"
                );
            }
            anyhow::Ok(())
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await??;
    }
    let scored = i64::try_from(expected.len())?;
    assert_eq!(
        count(&service.url, "registry_passport").await?,
        scored,
        "one passport per wallet and scorer"
    );
    assert_eq!(count(&service.url, "registry_score").await?, scored);
    assert_eq!(
        count(&service.url, "account_accountapikeyanalytics").await?,
        scored + 8 * 40,
        "one row per call"
    );
    Ok(())
}

#[tokio::test]
async fn a_score_takes_few_round_trips() -> anyhow::Result<()> {
    let service = Service::start("demo/seed.sql", &demo_environment()?).await?;
    let mut variables = demo_environment()?;
    variables.insert("DATABASE_URL".to_owned(), service.url.clone());
    let scorer = Scorer::new(Config::read(|name| variables.get(name).cloned())?);
    let list = std::fs::read_to_string("demo/addresses.txt")?;
    let addresses: Vec<&str> = list.lines().collect();
    let trips = async |path: &str, key| {
        let event = Event::from_alb(&get(path, key));
        let mut answered = scorer.answer(&event, scorer_fn::time::now(), None).await;
        scorer.settle(answered.unsettled, &mut answered.notes).await;
        answered.notes.trips.round_trips
    };
    let score = |address: &str| format!("/v2/stamps/1/score/{address}");
    assert_eq!(trips(&score(addresses[3]), KEY).await, 2, "three new stamps; Python makes 37");
    assert_eq!(trips(&score(addresses[3]), KEY).await, 2, "the same again");
    assert_eq!(trips(&score(addresses[12]), KEY).await, 2, "twelve stamps");
    assert_eq!(trips(&score(addresses[0]), KEY).await, 2, "no stamps");
    assert_eq!(trips("/v2/stamps/99/score/0x00", KEY).await, 2, "a refusal with its analytics row");
    assert_eq!(trips(&score(addresses[0]), "DemoKeyA.x").await, 1, "a wrong key");
    assert_eq!(trips(&score(addresses[0]), "").await, 0, "no key");
    Ok(())
}

#[tokio::test]
async fn functions_are_asked_if_they_are_there_and_done_without_if_not() -> anyhow::Result<()> {
    let service = Service::start("demo/seed.sql", &demo_environment()?).await?;
    let event = ask_for(3)?;
    let before = service.ask(&event).await;
    let mut variables = by_functions(demo_environment()?);
    variables.insert("DATABASE_URL".to_owned(), service.url.clone());
    let scorer_of = || -> anyhow::Result<Scorer> {
        Ok(Scorer::new(Config::read(|name| variables.get(name).cloned())?))
    };
    let ask = async |scorer: &Scorer| {
        let event = Event::from_alb(&event);
        let mut answered = scorer.answer(&event, scorer_fn::time::now(), None).await;
        scorer.settle(answered.unsettled, &mut answered.notes).await;
        assert_eq!(answered.notes.analytics_lost, None);
        assert_eq!(lasting(&answered.answer.to_alb()), lasting(&before));
        answered.notes.trips.round_trips
    };
    let scorer = scorer_of()?;
    assert_eq!(ask(&scorer).await, 3, "it finds none");
    assert_eq!(ask(&scorer).await, 2, "and asks no more for them");

    load_functions(&service.postgres, "scorer").await?;
    load_functions(&service.postgres, "scorer").await?;
    let mut admin = PgConnection::connect(&service.url).await?;
    // The functions count their calls.
    service
        .postgres
        .load_sql("postgres", "ALTER DATABASE scorer SET track_functions = 'pl'")
        .await?;
    let scorer = scorer_of()?;
    for _ in 0..3 {
        assert_eq!(ask(&scorer).await, 2);
    }
    drop(scorer);
    let calls = "SELECT coalesce(sum(calls), 0)::bigint FROM pg_stat_user_functions
                  WHERE schemaname LIKE 'scorer_fn%'";
    // A session reports them at its end.
    while sqlx::query_scalar::<_, i64>(calls).fetch_one(&mut admin).await? < 9 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }

    // Some rows go while it runs.
    let scorer = scorer_of()?;
    assert_eq!(ask(&scorer).await, 2);
    admin.execute("DROP FUNCTION scorer_fn_1.write_again(jsonb)").await?;
    assert_eq!(ask(&scorer).await, 4, "the read by a function, and then all of it without");
    assert_eq!(ask(&scorer).await, 2);
    Ok(())
}

#[test]
fn the_migration_is_what_the_statements_say() -> anyhow::Result<()> {
    let file = std::fs::read_to_string("sql/functions.sql")?;
    let told = "run `cargo run -p scorer-fn --example functions`, and give SCHEMA a new name";
    assert_eq!(file, scorer_fn::store::queries::migration(), "{told}");
    Ok(())
}

#[tokio::test]
async fn weights_of_a_communitys_own_count_from_the_request_after_they_are_given()
-> anyhow::Result<()> {
    let service = Service::start("demo/seed.sql", &demo_environment()?).await?;
    let mut variables = demo_environment()?;
    variables.insert("DATABASE_URL".to_owned(), service.url.clone());
    let scorer = Scorer::new(Config::read(|name| variables.get(name).cloned())?);
    let mut admin = PgConnection::connect(&service.url).await?;
    let holder: String = sqlx::query_scalar(
        "SELECT address FROM ceramic_cache_ceramiccache WHERE provider = 'AllowList#DemoList' LIMIT 1",
    )
    .fetch_one(&mut admin)
    .await?;
    let event = Event::from_alb(&get(&format!("/v2/stamps/3/score/{holder}"), KEY));
    let ask = async || {
        let mut answered = scorer.answer(&event, scorer_fn::time::now(), None).await;
        scorer.settle(answered.unsettled, &mut answered.notes).await;
        (lasting(&answered.answer.to_alb())["score"].clone(), answered.notes.trips.round_trips)
    };
    let (custom, trips) = ask().await;
    assert_eq!(trips, 2);
    admin.execute("UPDATE account_customization SET scorer_id = 2").await?;
    let (plain, trips) = ask().await;
    assert_ne!(plain, custom);
    assert_eq!(trips, 2);
    assert_eq!(ask().await, (plain.clone(), 2), "known to have none");
    admin.execute("UPDATE account_customization SET scorer_id = 3").await?;
    assert_eq!(ask().await, (custom.clone(), 3), "the read says that it has some after all");
    assert_eq!(ask().await, (custom, 2));
    Ok(())
}

#[tokio::test]
async fn a_lost_connection_is_opened_again_within_the_request() -> anyhow::Result<()> {
    let service = Service::start("demo/seed.sql", &demo_environment()?).await?;
    let event = ask_for(3)?;
    let before = service.ask(&event).await;
    let mut admin = sqlx::PgConnection::connect(&service.url).await?;
    let ended = admin
        .fetch_all("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'scorer-fn'")
        .await?;
    assert_eq!(ended.len(), 1, "the function holds one connection");
    let after = service.ask(&event).await;
    assert_eq!(after["statusCode"], 200, "{after}");
    assert_eq!(lasting(&after), lasting(&before));
    Ok(())
}

/// Backends of the function that wait for a lock.
const WAITING: &str = "FROM pg_stat_activity
                       WHERE application_name = 'scorer-fn' AND wait_event_type = 'Lock'";

/// Holds the passports, which each new stamp refers to, and takes the stamps away,
/// so that a score has to write new ones and waits.
async fn hold_passports(url: &str) -> anyhow::Result<PgConnection> {
    let mut holder = PgConnection::connect(url).await?;
    holder.execute("DELETE FROM registry_stamp").await?;
    holder.execute("BEGIN").await?;
    holder.execute("SELECT FROM registry_passport FOR UPDATE").await?;
    Ok(holder)
}

#[tokio::test]
async fn a_connection_that_is_cut_in_the_middle_of_a_request_is_replaced() -> anyhow::Result<()> {
    let service = Service::start("demo/seed.sql", &demo_environment()?).await?;
    let event = ask_for(3)?;
    let before = service.ask(&event).await;
    let mut holder = hold_passports(&service.url).await?;
    let app = service.app.clone();
    let asked = tokio::spawn(async move { ask(&app, &event).await });
    let mut admin = PgConnection::connect(&service.url).await?;
    let end = format!("SELECT pg_terminate_backend(pid) {WAITING}");
    while admin.fetch_all(sqlx::AssertSqlSafe(end.as_str())).await?.is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    holder.execute("ROLLBACK").await?;
    let after = asked.await?;
    assert_eq!(after["statusCode"], 200, "{after}");
    assert_eq!(lasting(&after), lasting(&before));
    assert_eq!(
        count(&service.url, "account_accountapikeyanalytics").await?,
        2,
        "the cut one left nothing"
    );
    Ok(())
}

#[tokio::test]
async fn work_that_would_miss_the_deadline_is_given_up_and_leaves_no_backend_waiting()
-> anyhow::Result<()> {
    let service = Service::start("demo/seed.sql", &demo_environment()?).await?;
    let event = ask_for(3)?;
    assert_eq!(service.ask(&event).await["statusCode"], 200);
    let mut holder = hold_passports(&service.url).await?;
    let deadline = std::time::Instant::now() + Duration::from_secs(1);
    let call = Call { request_id: "r".to_owned(), deadline: Some(deadline), ..Call::default() };
    let answer = service.app.serve_alb(&event, call).await;
    assert_eq!(answer["statusCode"], 503, "{answer}");
    let mut admin = PgConnection::connect(&service.url).await?;
    let waiting = format!("SELECT {WAITING}");
    // It has been asked to stop; it may take a moment to do so.
    for turn in 0.. {
        if admin.fetch_all(sqlx::AssertSqlSafe(waiting.as_str())).await?.is_empty() {
            break;
        }
        assert!(turn < 6000, "a backend still waits for a lock for which nobody asks any more");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    holder.execute("ROLLBACK").await?;
    // The connection was in the middle of a statement; the next request gets a clean one.
    assert_eq!(service.ask(&event).await["statusCode"], 200);
    Ok(())
}

#[tokio::test]
async fn an_outage_answers_503_and_ends_with_it() -> anyhow::Result<()> {
    let mut service = Service::start("demo/seed.sql", &demo_environment()?).await?;
    let event = get("/v2/stamps/1/score/0x2e2a8491ddf6218111cde2bd60d4fc5aa44b32b1", KEY);
    assert_eq!(service.ask(&event).await["statusCode"], 200);
    service.postgres.stop_server();
    for _ in 0..3 {
        let answer = service.ask(&event).await;
        assert_eq!(answer["statusCode"], 503, "{answer}");
        assert_eq!(answer["body"], "{\"error\": \"DB Error: OperationalError\"}");
        assert!(
            !answer.to_string().contains(service.postgres.password()),
            "no secret in an answer"
        );
    }
    service.postgres.start_server().await?;
    assert_eq!(service.ask(&event).await["statusCode"], 200);
    Ok(())
}

#[tokio::test]
async fn a_wrong_password_is_an_outage_that_keeps_the_password() -> anyhow::Result<()> {
    let postgres = PrivatePostgres::start().await?;
    let url = postgres.url("postgres").replace(postgres.password(), "swordfish");
    let app = app_on(&url, &demo_environment()?)?;
    let answer = ask(&app, &get("/v2/stamps/1/score/0x00", KEY)).await;
    assert_eq!(answer["statusCode"], 503, "{answer}");
    assert!(!answer.to_string().contains("swordfish"));
    Ok(())
}

#[tokio::test]
async fn a_score_leaves_all_of_its_rows_or_none() -> anyhow::Result<()> {
    let service = Service::start("demo/seed.sql", &demo_environment()?).await?;
    let event = ask_for(5)?;
    let mut admin = sqlx::PgConnection::connect(&service.url).await?;
    // The last of the writes fails: the event about the score.
    admin.execute("ALTER TABLE registry_event ADD CHECK (action <> 'SCU')").await?;
    let answer = service.ask(&event).await;
    assert_eq!(answer["statusCode"], 500, "{answer}");
    assert_eq!(answer["body"], "{\"error\": \"DB Error: IntegrityError\"}");
    for table in [
        "registry_passport",
        "registry_stamp",
        "registry_score",
        "registry_hashscorerlink",
        "registry_event",
    ] {
        assert_eq!(count(&service.url, table).await?, 0, "{table}");
    }
    Ok(())
}

#[tokio::test]
async fn a_nullifier_too_long_for_its_column_is_a_score_error() -> anyhow::Result<()> {
    let service = Service::start("demo/seed.sql", &demo_environment()?).await?;
    let event = ask_for(5)?;
    let before = service.ask(&event).await;
    let stamps = count(&service.url, "registry_stamp").await?;
    assert!(stamps > 0, "{before}");
    // As if the links were gone and every nullifier too long.
    let mut admin = sqlx::PgConnection::connect(&service.url).await?;
    admin
        .execute(
            "DELETE FROM registry_hashscorerlink;
             ALTER TABLE registry_hashscorerlink ALTER COLUMN hash TYPE varchar(10)",
        )
        .await?;
    let answer = service.ask(&event).await;
    assert_eq!(answer["statusCode"], 200, "{answer}");
    let text = "value too long for type character varying(10)\n";
    assert_eq!(body(&answer)["error"], text);
    assert_eq!(body(&answer)["score"], "0.00000");
    let row = admin.fetch_one("SELECT status, error, stamps IS NULL FROM registry_score").await?;
    let row: (String, String, bool) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    assert_eq!(row, ("ERROR".to_owned(), text.to_owned(), true));
    assert_eq!(count(&service.url, "registry_hashscorerlink").await?, 0);
    assert_eq!(
        count(&service.url, "registry_stamp").await?,
        stamps,
        "those of the score before stay: it did not come to storing new ones"
    );
    assert_eq!(
        count(&service.url, "registry_event").await?,
        1,
        "only the event of the score before"
    );
    assert_eq!(
        count(&service.url, "account_accountapikeyanalytics").await?,
        2,
        "one row per call, not per try"
    );
    Ok(())
}

#[tokio::test]
async fn a_proof_that_only_python_can_check_answers_500_and_leaves_no_score() -> anyhow::Result<()>
{
    let service = Service::start("demo/seed.sql", &demo_environment()?).await?;
    let event = ask_for(5)?;
    let mut admin = sqlx::PgConnection::connect(&service.url).await?;
    // A suite that the issuer's own key could have made.
    let sql = "UPDATE ceramic_cache_ceramiccache SET stamp =
        jsonb_set(jsonb_set(stamp, '{proof,type}', '\"EthereumPersonalSignature2021\"'),
                  '{proof,@context}', '{\"EthereumPersonalSignature2021\": \"https://w3id.org/security#suite\"}')";
    admin.execute(sql).await?;
    let answer = service.ask(&event).await;
    assert_eq!(answer["statusCode"], 500, "{answer}");
    assert_eq!(answer["body"], "{\"error\": \"An error has occurred\"}");
    assert!(
        answer["statusDescription"]
            .as_str()
            .is_some_and(|text| text.contains("EthereumPersonalSignature2021")),
        "{answer}"
    );
    assert_eq!(count(&service.url, "registry_score").await?, 0);
    assert_eq!(count(&service.url, "registry_passport").await?, 0);
    assert_eq!(
        count(&service.url, "account_accountapikeyanalytics").await?,
        1,
        "the visit is noted all the same"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_that_is_paid_for_ahead_connects_ahead() -> anyhow::Result<()> {
    let postgres = PrivatePostgres::start().await?;
    postgres.create_database("scorer").await?;
    let mut settings: Vec<(String, String)> = demo_environment()?.into_iter().collect();
    settings.push(("DATABASE_URL".to_owned(), postgres.url("scorer")));
    let on_demand = Function::start(env!("CARGO_BIN_EXE_scorer-fn"), &settings).await?;
    settings
        .push(("AWS_LAMBDA_INITIALIZATION_TYPE".to_owned(), "provisioned-concurrency".to_owned()));
    let provisioned = Function::start(env!("CARGO_BIN_EXE_scorer-fn"), &settings).await?;
    // Either asks for an event when it has done what it does before.
    on_demand.asks().await?;
    provisioned.asks().await?;
    let mut admin = PgConnection::connect(&postgres.url("scorer")).await?;
    let connected: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'scorer-fn'",
    )
    .fetch_one(&mut admin)
    .await?;
    assert_eq!(connected, 1, "only the provisioned one");
    Ok(())
}

#[tokio::test]
async fn a_connection_that_idled_too_long_is_opened_again() -> anyhow::Result<()> {
    let service = Service::start("demo/seed.sql", &demo_environment()?).await?;
    // Ends every session that waits for its client: 57P05, which is fatal.
    service
        .postgres
        .load_sql("postgres", "ALTER DATABASE scorer SET idle_session_timeout = '300ms'")
        .await?;
    let mut admin = PgConnection::connect(&service.postgres.admin_url("postgres")).await?;
    let event = get("/v2/stamps/99/score/0x00", KEY);
    for _ in 0..3 {
        let answer = service.ask(&event).await;
        assert_eq!(answer["statusCode"], 404, "{answer}");
        let open = "SELECT FROM pg_stat_activity WHERE application_name = 'scorer-fn'";
        while !admin.fetch_all(open).await?.is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    Ok(())
}
