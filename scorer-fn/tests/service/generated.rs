//! Random wallets and requests, and what must hold of every answer.
//!
//! A recorded case says what Python answered; a generated one knows only the
//! rules that no answer may break (`checks`), and meets combinations that nobody
//! has thought of. Proofs are really signed and really checked, on a database
//! with production's indexes.
//!
//! `GENERATED_CASES` (default 10,000) and `GENERATED_SEED` choose the cases, and
//! `GENERATED_FIRST` where to begin; a case depends on its seed and number only.
//! The first broken rule ends the test with the case as a story and the
//! variables that bring it back.

mod checks;

use std::io::Write;
use std::sync::Arc;

use hunt::wallets::{Ask, Case, Issuers, communities, event, rows as shared_rows};
use scorer_fn::app::App;
use serde_json::Value;
use sqlx::{Connection, PgConnection};

use crate::support::{Service, app_on, by_functions, load_functions};
use checks::{Answers, Database, Rows};

/// The requests of a case with their events.
type Events = Vec<(Ask, Value)>;

/// Cases that share one look at the tables.
const BATCH: u64 = 500;

fn variable(name: &str, default: u64) -> anyhow::Result<u64> {
    std::env::var(name).map_or(Ok(default), |text| {
        text.parse().map_err(|error| anyhow::anyhow!("{name}: {text:?} is no number: {error}"))
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_answer_breaks_a_rule() -> anyhow::Result<()> {
    let cases = variable("GENERATED_CASES", 10_000)?;
    let seed = variable("GENERATED_SEED", 20_251_128)?;
    let first = variable("GENERATED_FIRST", 0)?;
    let issuers = Issuers::new();
    let seed_file = seed_file()?;
    let service =
        Service::start(&seed_file.path().to_string_lossy(), &issuers.settings(true)).await?;
    // One of the two asks by functions.
    load_functions(&service.postgres, "scorer").await?;
    let single = app_on(&service.url, &by_functions(issuers.settings(false)))?;
    let mut database = PgConnection::connect(&service.url).await?;
    let mut at = first;
    while at < first + cases {
        let batch = at..(at + BATCH).min(first + cases);
        at = batch.end;
        let batch: Vec<Case> = batch.map(|number| Case::new(seed, number)).collect();
        let rows: Vec<String> =
            batch.iter().map(|case| case.sql(&issuers, communities(case.rules))).collect();
        service.postgres.load_sql("scorer", &rows.concat()).await?;
        let answers = ask_all(&batch, &service.app, &single).await?;
        let rows = look(&mut database, &batch).await?;
        for (case, answers) in batch.iter().zip(&answers) {
            let checked =
                checks::answers(case, answers).and_then(|()| checks::rows(case, answers, &rows));
            if let Err(broken) = checked {
                let given: Vec<String> =
                    answers.iter().map(|(ask, answer)| format!("  {ask:?}: {answer}")).collect();
                let (seed, first) = (case.seed, case.number);
                anyhow::bail!(
                    "GENERATED_SEED={seed} GENERATED_FIRST={first} GENERATED_CASES=1\n{case}{}\n{broken}",
                    given.join("\n")
                );
            }
        }
    }
    Ok(())
}

/// The schema of the second recorded set with the rows that all cases share.
fn seed_file() -> anyhow::Result<tempfile::NamedTempFile> {
    let recorded = std::fs::read_to_string("tests/golden-2/seed.sql")?;
    let (schema, _) =
        recorded.split_once("-- ---- rows ----").ok_or_else(|| anyhow::anyhow!("no schema"))?;
    let mut file = tempfile::Builder::new().suffix(".sql").tempfile()?;
    write!(file, "{schema}\n{}", shared_rows())?;
    Ok(file)
}

/// Asks for all cases, four at a time: they share neither wallets nor nullifiers.
async fn ask_all(
    batch: &[Case],
    several: &Arc<App>,
    single: &Arc<App>,
) -> anyhow::Result<Vec<Answers>> {
    let mut lanes = Vec::new();
    for lane in 0..4 {
        let mut events: Vec<(usize, Arc<App>, Events)> = Vec::new();
        for (at, case) in batch.iter().enumerate().skip(lane).step_by(4) {
            let app = if case.multi { several } else { single };
            let asks = case.asks.iter().map(|ask| (*ask, event(case, *ask))).collect();
            events.push((at, app.clone(), asks));
        }
        lanes.push(tokio::spawn(async move {
            let mut answered = Vec::new();
            for (at, app, asks) in events {
                let mut answers = Answers::new();
                for (ask, event) in asks {
                    let answer = crate::support::ask(&app, &event).await;
                    answers.push((ask, answer));
                }
                answered.push((at, answers));
            }
            answered
        }));
    }
    let mut all: Vec<Answers> = batch.iter().map(|_| Answers::new()).collect();
    for lane in lanes {
        for (at, answers) in lane.await? {
            all[at] = answers;
        }
    }
    Ok(all)
}

/// Every row of the batch's wallets.
async fn look(connection: &mut PgConnection, batch: &[Case]) -> anyhow::Result<Database> {
    const SCORES: &str = "
        SELECT json_build_object(
                 'id', s.id, 'passport', p.id, 'score', s.score::int, 'status', s.status, 'error', s.error,
                 'evidence', s.evidence, 'stamp_scores', s.stamp_scores, 'stamps', s.stamps,
                 'expires', (extract(epoch FROM s.expiration_date) * 1000000)::bigint,
                 'at', (extract(epoch FROM s.last_score_timestamp) * 1000000)::bigint,
                 'address', p.address, 'community', p.community_id)::text
          FROM registry_passport p LEFT JOIN registry_score s ON s.passport_id = p.id
         WHERE p.address = ANY($1)";
    const STAMPS: &str = "
        SELECT json_build_object(
                 'provider', t.provider, 'address', p.address, 'community', p.community_id,
                 'same', EXISTS (SELECT FROM ceramic_cache_ceramiccache c
                                  WHERE c.address = p.address AND c.provider = t.provider
                                    AND c.stamp = t.credential AND c.deleted_at IS NULL))::text
          FROM registry_stamp t JOIN registry_passport p ON p.id = t.passport_id
         WHERE p.address = ANY($1)";
    const EVENTS: &str = "
        SELECT json_build_object('action', action, 'data', data, 'address', address, 'community', community_id)::text
          FROM registry_event WHERE address = ANY($1) ORDER BY id";
    const LINKS: &str = "
        SELECT json_build_object('hash', hash, 'address', address, 'community', community_id)::text
          FROM registry_hashscorerlink WHERE hash = ANY($1)";
    let wallets: Vec<String> =
        batch.iter().flat_map(|case| &case.wallets).map(|wallet| wallet.address.clone()).collect();
    let hashes: Vec<String> = batch
        .iter()
        .flat_map(|case| &case.wallets)
        .flat_map(|wallet| &wallet.stamps)
        .flat_map(|stamp| stamp.nullifiers.clone())
        .collect();
    let mut database = Database::default();
    for (sql, keys) in
        [(SCORES, &wallets), (STAMPS, &wallets), (EVENTS, &wallets), (LINKS, &hashes)]
    {
        let rows: Vec<String> =
            sqlx::query_scalar(sql).bind(keys).fetch_all(&mut *connection).await?;
        for row in rows {
            let row: Value = serde_json::from_str(&row)?;
            let community = row["community"].as_u64().map_or(Ok(0), usize::try_from)?;
            let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
            if sql == LINKS {
                database.links.insert((community, text("hash")), row);
                continue;
            }
            let of: &mut Rows = database.wallets.entry((text("address"), community)).or_default();
            if sql == SCORES {
                of.score = Some(row);
            } else if sql == STAMPS {
                of.stamps.insert(text("provider"), row["same"] == true);
            } else {
                of.events.push(row);
            }
        }
    }
    Ok(database)
}
