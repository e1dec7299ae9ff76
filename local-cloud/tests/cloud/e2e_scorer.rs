//! Requests that make no sense, through the load balancer to the real Rust
//! scorer on a real database: a clear answer, and no row is changed.
//!
//! Runs the `scorer-fn` of the same build; `make test` builds it first.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::common::Client;
use bytes::Bytes;
use hyper::Method;
use local_cloud::postgres::PrivatePostgres;
use local_cloud::{FunctionSpec, LoadBalancerSpec, LocalCloud, RuleSpec, Statistic, Topology};
use sqlx::{Connection as _, PgConnection, Row as _};

const DEMO_KEY: &str = "DemoKeyA.3f1c86c2a9d04b57b8e6d1a2f7935c40";
const ADDRESS: &str = "0x9037a47be439c0410959c1c1a16f489809d4ab7c";

fn scorer() -> PathBuf {
    let own = Path::new(env!("CARGO_BIN_EXE_local-cloud"));
    let path = own.with_file_name("scorer-fn");
    assert!(path.is_file(), "{} is missing; run `make build`", path.display());
    path
}

/// The scorer behind both rules of the rollout, on the demo's database.
async fn cloud(postgres: &PrivatePostgres) -> LocalCloud {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scorer-fn/demo");
    postgres.create_database("scorer").await.unwrap();
    postgres.load_sql_file("scorer", &demo.join("seed.sql")).await.unwrap();
    let mut function = FunctionSpec::new("rust", [scorer().to_string_lossy()])
        .timeout(Duration::from_secs(30))
        .env("DATABASE_URL", postgres.url("scorer"));
    let settings = std::fs::read_to_string(demo.join("environment")).unwrap();
    for (name, value) in settings.lines().filter_map(|line| line.split_once('=')) {
        function = function.env(name, value);
    }
    let topology = Topology::new()
        .manual_clock()
        .lag_minutes(0.0)
        .function(function)
        .target_group("rust", "rust")
        .load_balancer(
            LoadBalancerSpec::new("scorer")
                .rule(RuleSpec::new(100).path("/v2/stamps/*/score/*").forward([("rust", 1)])),
        );
    LocalCloud::start(topology).await.unwrap()
}

/// Path, headers, body, status.
type Case<'a> = (&'a str, Vec<(&'a str, &'a str)>, Bytes, u16);

/// Rows of every table.
async fn rows(database: &mut PgConnection) -> BTreeMap<String, i64> {
    let tables = sqlx::query(
        "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'",
    )
    .fetch_all(&mut *database)
    .await
    .unwrap();
    let mut rows = BTreeMap::new();
    for table in tables {
        let name: String = table.get(0);
        let sql = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM \"{name}\""));
        let count = sqlx::query(sql).fetch_one(&mut *database).await.unwrap();
        rows.insert(name, count.get(0));
    }
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_make_no_sense_are_told_so_and_change_no_row() {
    let postgres = PrivatePostgres::start().await.unwrap();
    let cloud = cloud(&postgres).await;
    let mut database = PgConnection::connect(&postgres.url("scorer")).await.unwrap();
    let before = rows(&mut database).await;
    assert!(before.len() > 10, "{before:?}");

    let good = format!("/v2/stamps/1/score/{ADDRESS}");
    let long = format!("/v2/stamps/1/score/{}", "0".repeat(20_000));
    let bytes = |count: usize| Bytes::from(vec![b'x'; count]);
    let key: (&str, &str) = ("x-api-key", DEMO_KEY);
    let wrong: (&str, &str) = ("x-api-key", "DemoKeyA.00000000000000000000000000000000");
    let huge = "h".repeat(20_000);
    let big_header: (&str, &str) = ("x-more", &huge);
    let cases: Vec<Case<'_>> = vec![
        // The load balancer's own answers: no function is called.
        ("/v2/stamps/1/scores/x", vec![key], bytes(0), 404),
        ("/", vec![key], bytes(0), 404),
        (&long, vec![key], bytes(0), 414),
        (&good, vec![key, big_header], bytes(0), 400),
        (&good, vec![key], bytes(1024 * 1024 + 1), 413),
        // The scorer's.
        (&good, vec![], bytes(0), 401),
        (&good, vec![wrong], bytes(0), 401),
        ("/v2/stamps/1/score/0xNotAnAddress", vec![key], bytes(0), 400),
        ("/v2/stamps/no-such-scorer/score/0x0", vec![key], bytes(0), 404),
        ("/v2/stamps/1/score/", vec![key], bytes(0), 400),
    ];
    let calls = |cloud: &LocalCloud| cloud.function_stats()[0].invocations;
    for (path, headers, body, status) in cases {
        let called = calls(&cloud);
        let own = matches!(status, 413 | 414) || path == "/" || path.contains("/scores/");
        // A connection of its own: the load balancer may close it.
        let mut client = Client::to(&cloud.alb_url("scorer")).await;
        let length = body.len();
        let got = client.send(Method::GET, path, &headers, body).await;
        let what = format!("{path:.60} with {length} bytes of body: {got:.200?}");
        assert_eq!(got.status, status, "{what}");
        assert!(!got.body.is_empty(), "{what}");
        if own {
            assert_eq!(calls(&cloud), called, "{what}");
        }
    }
    let mut after = rows(&mut database).await;
    // A call with a good key is counted, whatever became of it.
    let counted = "account_accountapikeyanalytics";
    after.insert(counted.to_owned(), before[counted]);
    assert_eq!(after, before);

    // None of it was an error of the service, and the next request is served.
    let mut client = Client::to(&cloud.alb_url("scorer")).await;
    let got = client.send(Method::GET, &good, &[key], "").await;
    assert_eq!(got.status, 200, "{got:?}");
    assert_eq!(got.json()["address"], ADDRESS);
    let now = cloud.clock().now();
    let errors =
        cloud.group_value("scorer", "rust", "HTTPCode_Target_5XX_Count", Statistic::Sum, now);
    assert_eq!(errors, None);
    cloud.shutdown().await;
}
