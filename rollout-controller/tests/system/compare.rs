//! `rolloutctl compare` through a load balancer: Python's function, the Rust one as it
//! is, and four builds of it that are wrong.

use local_cloud::postgres::PrivatePostgres;
use local_cloud::{
    FunctionSpec, LoadBalancerSpec, LocalCloud, Metric, RuleSpec, Statistic, Topology,
};
use rollout_controller::compare::client::{Client, Forced};
use rollout_controller::compare::report::{Report, SCHEMA};
use rollout_controller::compare::requests::{self, Format};
use sqlx::Connection as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;
use tempfile::TempDir;

pub(crate) const KEY: &str = "DemoKeyA.3f1c86c2a9d04b57b8e6d1a2f7935c40";
pub(crate) const PATH: &str = "/v2/stamps/*/score/*";
/// Longer than any machine needs.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);
/// Names of the builds, and what `LOCAL_CLOUD_WRONG` makes of each.
const BUILDS: [(&str, &str); 5] = [
    ("right", ""),
    ("rounds", "rounds-one-weight"),
    ("revoked", "forgets-revocations"),
    ("drops", "drops-a-field"),
    ("types", "changes-a-type"),
];

/// Both sides on one database, behind a load balancer for each build.
struct Scene {
    cloud: LocalCloud,
    dir: TempDir,
    addresses: Vec<String>,
    postgres: PrivatePostgres,
}

pub(crate) fn demo() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scorer-fn/demo")
}

pub(crate) fn scorer() -> String {
    let path = Path::new(env!("CARGO_BIN_EXE_rolloutctl")).with_file_name("scorer-fn");
    assert!(path.is_file(), "{} is missing; run `make build`", path.display());
    path.display().to_string()
}

/// A function with the demo's settings on the database `scorer`.
pub(crate) fn on_demo_data(
    postgres: &PrivatePostgres,
    name: &str,
    command: Vec<String>,
) -> FunctionSpec {
    let settings = std::fs::read_to_string(demo().join("environment")).unwrap();
    let mut function = FunctionSpec::new(name, command)
        .timeout(PATIENCE)
        .env("DATABASE_URL", postgres.url("scorer"));
    function.init_timeout = PATIENCE;
    for (name, value) in settings.lines().filter_map(|line| line.split_once('=')) {
        function = function.env(name, value);
    }
    function
}

/// The Python twin, as the function `python`.
pub(crate) fn twin(postgres: &PrivatePostgres) -> FunctionSpec {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../local-cloud/python-scorer");
    let command =
        [crate::cloud::python(), "-m".into(), "awslambdaric".into(), "app.handler".into()];
    on_demo_data(postgres, "python", command.to_vec())
        .cwd(folder)
        .env("PYTHONDONTWRITEBYTECODE", "1")
}

impl Scene {
    async fn new() -> Self {
        Self::with(&[]).await
    }

    /// With variables of every Rust build.
    async fn with(variables: &[(&str, &str)]) -> Self {
        let postgres = PrivatePostgres::start().await.unwrap();
        postgres.create_database("scorer").await.unwrap();
        postgres.load_sql_file("scorer", &demo().join("seed.sql")).await.unwrap();
        revoke(&postgres.url("scorer")).await;
        let mut topology =
            Topology::new().manual_clock().lag_minutes(0.0).function(twin(&postgres));
        for (build, wrong) in BUILDS {
            let [old, new, tester] = ["py", "rs", "tester"].map(|side| format!("{build}-{side}"));
            let rule = |priority| RuleSpec::new(priority).path(PATH);
            let mut rust =
                on_demo_data(&postgres, build, vec![scorer()]).env("LOCAL_CLOUD_WRONG", wrong);
            for (name, value) in variables {
                rust = rust.env(name, *value);
            }
            topology = topology
                .function(rust)
                .target_group(&old, "python")
                .target_group(&new, build)
                .target_group(&tester, build)
                .load_balancer(
                    LoadBalancerSpec::new(build)
                        .rule(
                            rule(99)
                                .header("X-Use-Rust-Scorer", "true")
                                .forward([(tester.as_str(), 1)]),
                        )
                        .rule(rule(100).forward([(old.as_str(), 100), (new.as_str(), 0)])),
                );
        }
        let addresses = std::fs::read_to_string(demo().join("addresses.txt")).unwrap();
        let scene = Self {
            cloud: LocalCloud::start(topology).await.unwrap(),
            dir: tempfile::tempdir().unwrap(),
            addresses: addresses.lines().map(str::to_owned).collect(),
            postgres,
        };
        for (build, _) in BUILDS {
            std::fs::write(scene.file(&format!("{build}.toml")), scene.config(build)).unwrap();
        }
        scene
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn config(&self, build: &str) -> String {
        let names = self.cloud.names();
        let group = |side: &str| names.target_group(&format!("{build}-{side}"));
        format!(
            "[ledger]\nurl = \"sqlite:///nowhere.db\"\n[[rollout]]\nname = \"score\"\nmode = \"active\"\n\
             [[rollout.route]]\nname = \"public\"\nrule = \"{}\"\nold_group = \"{}\"\nnew_group = \"{}\"\n\
             [rollout.route.header_rule]\npriority = 99\nheader = \"X-Use-Rust-Scorer\"\nvalue = \"true\"\n\
             group = \"{}\"\n",
            names.rule(build, 100),
            group("py"),
            group("rs"),
            group("tester")
        )
    }

    /// Every wallet by every name of a scorer, and requests that are refused.
    fn requests(&self) -> String {
        let wallets = self.addresses.iter().flat_map(|address| {
            ["1", "demo", "2", "3"].map(|scorer| format!("/v2/stamps/{scorer}/score/{address}\n"))
        });
        let refused = [
            "/v2/stamps/1/score/0xNotAnAddress\n",
            "/v2/stamps/no-such-scorer/score/0x0\n",
            "/v2/stamps/1/scores\n",
        ];
        wallets.chain(refused.map(str::to_owned)).collect()
    }

    fn command(&self, build: &str, args: &[&str]) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_rolloutctl"));
        command
            .args(["compare", "--config", &format!("{build}.toml"), "--key-env", "THE_KEY"])
            .args(["--url", &self.cloud.alb_url(build)])
            .args(args)
            .current_dir(self.dir.path())
            .env_clear()
            .env("THE_KEY", KEY)
            .env("AWS_ENDPOINT_URL", self.cloud.aws_endpoint())
            .env("AWS_REGION", &self.cloud.names().region)
            .env("AWS_ACCESS_KEY_ID", "TEST")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    async fn compare(&self, build: &str, args: &[&str]) -> Output {
        self.command(build, args).output().await.unwrap()
    }

    /// The report of a run over all requests, and its exit code.
    async fn report(&self, build: &str, more: &[&str]) -> (Report, Option<i32>) {
        let mut args = vec!["--requests", "paths.txt", "--rate", "1000/s", "--json"];
        args.extend(more);
        let output = self.compare(build, &args).await;
        let report = serde_json::from_slice(&output.stdout);
        (report.unwrap_or_else(|error| panic!("{error}: {output:?}")), output.status.code())
    }
}

/// Revokes one stamp that counts; the seed has no revoked one.
pub(crate) async fn revoke(url: &str) {
    let mut database = sqlx::PgConnection::connect(url).await.unwrap();
    let sql = "INSERT INTO ceramic_cache_revocation (proof_value, ceramic_cache_id)
               SELECT proof_value, id FROM ceramic_cache_ceramiccache
                WHERE provider = 'Linkedin' AND address = '0x0ced2cfd878a717fd597810d9e6b99f1bcba0153'";
    let revoked = sqlx::query(sql).execute(&mut database).await.unwrap();
    assert_eq!(revoked.rows_affected(), 1);
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_build_has_no_differences_and_each_wrong_one_is_caught() {
    let scene = Scene::new().await;
    std::fs::write(scene.file("paths.txt"), scene.requests()).unwrap();

    let (report, code) = scene.report("right", &[]).await;
    assert_eq!((code, report.different), (Some(0), 0), "{report:#?}");
    assert_eq!(report.schema, SCHEMA);
    assert_eq!(report.compared, report.requests);
    assert_eq!(report.requests, scene.requests().lines().count());
    assert_eq!(report.unsteady, 0, "{report:#?}");

    // Each wrong build by the kind and the place of what it gets wrong.
    for (build, wanted) in [
        ("rounds", "number stamps.*.score"),
        ("revoked", "extra stamps.*"),
        ("drops", "missing expiration_timestamp"),
        ("types", "type score"),
    ] {
        let (report, code) = scene.report(build, &[]).await;
        assert_eq!(code, Some(1), "{build}: {report:#?}");
        let found: Vec<String> =
            report.findings.iter().map(|found| format!("{} {}", found.kind, found.path)).collect();
        assert!(found.iter().any(|found| found == wanted), "{build}: {found:?}");
        let one = &report.findings[0];
        assert!(report.different >= one.requests && one.requests > 0, "{build}: {report:#?}");
        assert!(!one.examples.is_empty(), "{build}: {report:#?}");
    }
    scene.cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn values_and_keys_stay_where_they_are_and_a_killed_run_goes_on() {
    let scene = Scene::new().await;
    std::fs::write(scene.file("paths.txt"), scene.requests()).unwrap();
    let address = &scene.addresses[0];
    let common = ["--requests", "paths.txt", "--rate", "1000/s"];

    // Without --show neither paths nor values, with it both; the key in neither.
    let with = |more: &[&'static str]| [&common[..], more].concat();
    let hidden = scene.compare("rounds", &with(&["--state", "hidden.state"])).await;
    let shown = scene.compare("rounds", &with(&["--show", "--state", "shown.state"])).await;
    assert_eq!((hidden.status.code(), shown.status.code()), (Some(1), Some(1)), "{hidden:?}");
    let [hidden, shown] = [&hidden, &shown].map(|out| text(&out.stdout) + &text(&out.stderr));
    assert!(hidden.contains("✖ Rust answers differently: "), "{hidden}");
    assert!(hidden.contains("number stamps.*.score"), "{hidden}");
    assert!(shown.contains("/v2/stamps/") && !hidden.contains("/v2/stamps/"), "{shown}\n{hidden}");
    let states = ["hidden.state", "shown.state"];
    let states = states.map(|name| std::fs::read_to_string(scene.file(name)).unwrap());
    for said in [&hidden, &shown, &states[0], &states[1]] {
        assert!(!said.contains(KEY) && !said.contains("3f1c86c2"), "{said}");
    }
    for said in [&hidden, &states[0], &states[1]] {
        assert!(!said.contains(address.as_str()) && !said.contains("/score/"), "{said}");
    }

    // Killed in the middle: what was done is not sent again.
    let slow = ["--requests", "paths.txt", "--rate", "60/s", "--state", "killed.state"];
    let mut child = scene.command("right", &slow).stdout(Stdio::null()).spawn().unwrap();
    let state = scene.file("killed.state");
    let lines = || std::fs::read_to_string(&state).map_or(0, |text| text.lines().count());
    let begun = std::time::Instant::now();
    while lines() < 6 {
        assert!(begun.elapsed() < PATIENCE, "nothing is noted in the state file");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    child.kill().await.unwrap();
    let done = lines() - 1;
    assert!(done < scene.requests().lines().count(), "it was killed too late to prove anything");
    let calls = |cloud: &LocalCloud| -> u64 {
        cloud.function_stats().iter().map(|stats| stats.invocations).sum()
    };
    let before = calls(&scene.cloud);
    let (report, code) = scene.report("right", &["--state", "killed.state"]).await;
    assert_eq!((code, report.different), (Some(0), 0), "{report:#?}");
    // One path of the list reaches no function: the load balancer's own 404.
    let left = u64::try_from(report.requests - done).unwrap();
    let sent = calls(&scene.cloud) - before;
    assert!(sent <= 3 * left && sent >= 3 * (left - 1), "{sent} calls for {left} requests");
    let again = scene.compare("right", &with(&["--state", "killed.state", "--seed", "2"])).await;
    assert_eq!(again.status.code(), Some(2), "{again:?}");
    assert!(text(&again.stderr).contains("give another --state"), "{again:?}");

    // While the rule gives Rust anything, nothing is sent.
    let rule = scene.cloud.names().rule("right", 100);
    scene.cloud.set_weights(&rule, [("right-py", 99), ("right-rs", 1)]).unwrap();
    let before = calls(&scene.cloud);
    let refused = scene.compare("right", &common).await;
    assert_eq!(refused.status.code(), Some(40), "{refused:?}");
    assert!(text(&refused.stderr).contains("public sends 1% to Rust"), "{refused:?}");
    assert_eq!(calls(&scene.cloud), before);
    let anyway = scene.compare("right", &with(&["--anyway"])).await;
    assert_eq!(anyway.status.code(), Some(0), "{anyway:?}");
    scene.cloud.shutdown().await;
}

#[tokio::test]
async fn input_that_makes_no_sense_is_2_and_what_is_not_reached_proves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("paths.txt"), "/a\n/b\n").unwrap();
    std::fs::write(dir.path().join("post.jsonl"), r#"{"path":"/a","method":"POST"}"#).unwrap();
    let run = async |args: &[&str]| {
        tokio::process::Command::new(env!("CARGO_BIN_EXE_rolloutctl"))
            .arg("compare")
            .args(args)
            .current_dir(dir.path())
            .env_clear()
            .stdin(Stdio::null())
            .output()
            .await
            .unwrap()
    };
    // A port that was free a moment ago.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let base = ["--requests", "paths.txt", "--url", nobody.as_str(), "--rate", "1000/s"];
    let with = |more: &[&'static str]| [&base[..], more].concat();

    let unknown = run(&base).await;
    assert_eq!(unknown.status.code(), Some(40), "{unknown:?}");
    assert!(text(&unknown.stderr).contains("without --config"), "{unknown:?}");
    let unreached = run(&with(&["--anyway", "--json"])).await;
    assert_eq!(unreached.status.code(), Some(30), "{unreached:?}");
    let report: Report = serde_json::from_slice(&unreached.stdout).unwrap();
    assert_eq!((report.unanswered, report.compared), (2, 0), "{report:#?}");
    for (args, words) in [
        (with(&["--anyway", "--key-env", "NOT_SET"]), "NOT_SET is not set"),
        (with(&["--anyway", "--config", "absent.toml"]), "absent.toml"),
        (vec!["--anyway", "--requests", "absent", "--url", &nobody], "opening absent"),
        (vec!["--anyway", "--requests", "paths.txt", "--url", "lb.test"], "--url"),
        (
            vec!["--anyway", "--requests", "paths.txt", "--url", "https://me:secret@lb.test"],
            "--url",
        ),
        (
            vec!["--anyway", "--format", "jsonl", "--requests", "post.jsonl", "--url", &nobody],
            "line 1",
        ),
        (with(&["--rate", "0/s"]), "--rate"),
        (with(&["--concurrency", "0"]), "--concurrency"),
    ] {
        let output = run(&args).await;
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        assert!(said.contains(words) && !said.contains("secret"), "{args:?}: {said}");
    }
}

/// A login of the scene's database with these rights on the table of calls.
async fn login(scene: &Scene, name: &str, grant: &str) -> String {
    let admin = scene.postgres.admin_url("scorer");
    let mut database = sqlx::PgConnection::connect(&admin).await.unwrap();
    let sql = format!(
        "CREATE ROLE {name} LOGIN PASSWORD 's3cr3t'; \
         GRANT {grant} ON account_accountapikeyanalytics TO {name};"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut database).await.unwrap();
    let url = scene.postgres.url("scorer");
    let (_, place) = url.split_once('@').unwrap();
    format!("postgres://{name}:s3cr3t@{place}")
}

/// Calls that the service has noted: so long ago, and of which path.
async fn note_calls(scene: &Scene, calls: &[(&str, String)]) {
    let admin = scene.postgres.admin_url("scorer");
    let mut database = sqlx::PgConnection::connect(&admin).await.unwrap();
    sqlx::query("DELETE FROM account_accountapikeyanalytics").execute(&mut database).await.unwrap();
    for (ago, path) in calls {
        let sql =
            "INSERT INTO account_accountapikeyanalytics (created_at, path, api_key_id, headers)
                   SELECT now() - $1::interval, $2, id, '{\"x-api-key\": \"n0t-read\"}'
                     FROM account_accountapikey LIMIT 1";
        let noted = sqlx::query(sql).bind(*ago).bind(path).execute(&mut database).await.unwrap();
        assert_eq!(noted.rows_affected(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn recent_requests_come_from_the_services_own_table_by_a_login_that_only_reads() {
    let scene = Scene::new().await;
    let score = |wallet: usize| format!("/v2/stamps/1/score/{}", scene.addresses[wallet]);
    let calls = [
        ("3 days", score(3)),
        ("2 hours", score(2)),
        ("1 hour", score(1)),
        ("1 hour", format!("{}/history", score(1))),
        ("1 hour", "/v2/stamps/metadata".to_owned()),
        ("30 minutes", score(0)),
        ("20 minutes", score(1)),
        ("10 minutes", "/v2/stamps/1/score/0x no path".to_owned()),
    ];
    note_calls(&scene, &calls).await;
    // Three columns, and nothing of headers, keys or answers.
    let reader = login(&scene, "reader", "SELECT (id, path, created_at)").await;
    let writer = login(&scene, "writer", "SELECT, INSERT").await;
    let stranger = login(&scene, "stranger", "SELECT (id)").await;
    let run = async |url: &str, args: &[&str]| {
        let args = [&["--from-analytics"], args].concat();
        let mut command = scene.command("right", &args);
        command.env("ANALYTICS_DATABASE_URL", url).output().await.unwrap()
    };
    let listed = async |args: &[&str]| {
        let output = run(&reader, &[&["--list"], args].concat()).await;
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        text(&output.stdout).lines().map(str::to_owned).collect::<Vec<_>>()
    };

    // Each once, newest first; no other endpoint, nothing older, no more than asked for.
    assert_eq!(listed(&[]).await, [score(1), score(0), score(2)]);
    assert_eq!(listed(&["--limit", "2"]).await, [score(1), score(0)]);
    assert_eq!(listed(&["--since", "45m"]).await, [score(1), score(0)]);
    assert_eq!(listed(&["--since", "7d"]).await.len(), 4);

    let compared = run(&reader, &["--rate", "1000/s", "--json"]).await;
    let report: Report = serde_json::from_slice(&compared.stdout).unwrap();
    assert_eq!(compared.status.code(), Some(0), "{report:#?}");
    assert_eq!((report.requests, report.compared, report.skipped), (3, 3, 0), "{report:#?}");

    // The comparison itself was noted, too.
    for function in ["python", "right"] {
        scene.cloud.at_rest(function).await.unwrap();
    }
    note_calls(&scene, &calls).await;
    let other = PrivatePostgres::start().await.unwrap();
    let bundle = other.root_certificate().unwrap().display().to_string();
    let (start, _) = reader.split_once("sslrootcert=").unwrap();
    let distrusted = format!("{start}sslrootcert={bundle}");
    let (unsaid, _) = reader.split_once('?').unwrap();
    let nowhere = reader.replace("/scorer?", "/elsewhere?");
    for (url, args, words) in [
        (writer.as_str(), &[][..], "the login may write to public.account_accountapikeyanalytics"),
        (&scene.postgres.url("scorer"), &[], "the login may write to"),
        (&stranger, &[], "permission denied"),
        (&distrusted, &[], "certificate"),
        // Without sslmode it is verified against the public authorities.
        (unsaid, &[], "certificate"),
        (&nowhere, &[], "elsewhere"),
        ("mysql://u:s3cr3t@db/d", &[], "no URL of PostgreSQL"),
        ("", &[], "ANALYTICS_DATABASE_URL is not set"),
        (&reader, &["--since", "1m"], "no score request of the last 1m"),
        (&reader, &["--state", "x.state"], "--from-analytics"),
        (&reader, &["--requests", "paths.txt"], "--from-analytics"),
        (&reader, &["--limit", "0"], "--limit"),
    ] {
        let output = run(url, args).await;
        let said = text(&output.stdout) + &text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        assert!(said.contains(words), "{words:?} is not in: {said}");
        assert!(!said.contains("s3cr3t") && !said.contains("n0t-read"), "{said}");
        assert!(!said.contains(scene.postgres.password()), "{said}");
    }
    let alone = scene.command("right", &["--list"]).output().await.unwrap();
    assert_eq!(alone.status.code(), Some(2), "{alone:?}");
    scene.cloud.shutdown().await;
}

/// Sum of a metric of live comparison for the Rust group of a build.
pub(crate) fn counted(cloud: &LocalCloud, build: &str, name: &str, kind: Option<&str>) -> f64 {
    let group = cloud.group_metric(build, &format!("{build}-rs"), "RequestCount");
    let group = group.dimensions["TargetGroup"].clone();
    let kind = kind.map(|kind| ("Kind".to_owned(), kind.to_owned()));
    let metric = Metric {
        namespace: "ScorerFn".to_owned(),
        name: name.to_owned(),
        dimensions: [("TargetGroup".to_owned(), group)].into_iter().chain(kind).collect(),
    };
    let now_ms = cloud.clock().now_ms();
    let minute_ms = now_ms - now_ms.rem_euclid(60_000);
    cloud.metrics().value(&metric, Statistic::Sum, minute_ms, 60_000).unwrap_or(0.0)
}

#[tokio::test(flavor = "multi_thread")]
async fn live_comparison_counts_what_clients_of_each_build_cannot_tell() {
    let python = Topology::new().names().function("python");
    let scene = Scene::with(&[
        ("COMPARE_FUNCTION_ARN", &python),
        ("COMPARE_SHARE", "1"),
        ("COMPARE_PER_MINUTE", "600"),
        ("COMPARE_BUDGET_MS", "30000"),
    ])
    .await;
    let force = http::HeaderName::from_static("x-use-rust-scorer");
    let asks = requests::read(scene.requests().as_bytes(), Format::Paths, &force).unwrap().asks;
    let key = (http::HeaderName::from_static("x-api-key"), KEY.parse().unwrap());
    for (build, kind) in [
        ("right", None),
        ("rounds", Some("number")),
        ("revoked", Some("extra")),
        ("drops", Some("missing")),
        ("types", Some("type")),
    ] {
        let rule = scene.cloud.names().rule(build, 100);
        let [old, new] = ["py", "rs"].map(|side| format!("{build}-{side}"));
        scene.cloud.set_weights(&rule, [(old.as_str(), 0), (new.as_str(), 100)]).unwrap();
        let url = scene.cloud.alb_url(build);
        let force = (force.clone(), "true".parse().unwrap());
        let client = Client::new(&url, vec![key.clone()], force, PATIENCE, Duration::ZERO).unwrap();
        let mut eligible = 0.0;
        for ask in &asks {
            let answer = client.send(ask, Forced::No).await.unwrap();
            assert!(answer.status < 500, "{build}: {answer:?}");
            // The one path without an address is the load balancer's own 404.
            eligible += f64::from(u8::from(!ask.target.path().ends_with("/scores")));
        }
        let begun = std::time::Instant::now();
        let all = || {
            counted(&scene.cloud, build, "Compared", None)
                + counted(&scene.cloud, build, "CompareFailed", None)
        };
        while all() < eligible {
            assert!(begun.elapsed() < PATIENCE, "{build}: {} of {eligible} were repeated", all());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let different = counted(&scene.cloud, build, "Different", None);
        let failed = counted(&scene.cloud, build, "CompareFailed", None);
        assert!(failed.abs() < f64::EPSILON, "{build}: {failed} failed");
        match kind {
            None => assert!(different.abs() < f64::EPSILON, "{build}: {different} differ"),
            Some(kind) => {
                assert!(different >= 1.0, "{build}: none of {eligible} differ");
                assert!(counted(&scene.cloud, build, "Different", Some(kind)) >= 1.0, "{build}");
            }
        }
    }
    scene.cloud.shutdown().await;
}
