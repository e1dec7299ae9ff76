//! The ARM64 binaries as released, under emulation: `make arm64-test`.
//!
//! Not part of `cargo test`: they must be built first (`make arm64`), with a
//! toolchain of 900 MB. Emulation shows that they run and answer right; how fast
//! is another question, so nothing here looks at a clock.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use local_cloud::parity::run::{Options, run};
use local_cloud::postgres::PrivatePostgres;
use local_cloud::{FunctionSpec, LoadBalancerSpec, LocalCloud, RuleSpec, Topology};
use serde_json::{Value, json};

const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
const KEY_LINE: &str = "-- API key: ";

/// A folder of programs that run an ARM64 binary each.
struct Emulated(tempfile::TempDir);

impl Emulated {
    /// From `ARM64_BIN_DIR`, `ARM64_QEMU` and `ARM64_SYSROOT`, as `scripts/arm64 test` sets them.
    fn prepare() -> anyhow::Result<Self> {
        let variable = |name: &str| {
            let value = std::env::var(name);
            value.with_context(|| format!("{name} is not set; run `make arm64-test`"))
        };
        let (binaries, qemu, sysroot) =
            (variable("ARM64_BIN_DIR")?, variable("ARM64_QEMU")?, variable("ARM64_SYSROOT")?);
        let folder = tempfile::tempdir()?;
        for name in ["scorer-fn", "rollout-controller"] {
            let binary = Path::new(&binaries).join(name);
            is_aarch64(&binary)?;
            let script =
                format!("#!/bin/sh\nexec '{qemu}' -L '{sysroot}' '{}' \"$@\"\n", binary.display());
            let file = folder.path().join(name);
            std::fs::write(&file, script)?;
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755))?;
        }
        Ok(Self(folder))
    }

    fn program(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Translating a whole program takes its time on a busy machine.
    fn function(&self, name: &str, program: &str) -> FunctionSpec {
        let program = self.program(program).display().to_string();
        let mut function = FunctionSpec::new(name, [program]).timeout(Duration::from_mins(1));
        function.init_timeout = Duration::from_mins(1);
        function
    }
}

/// An ELF header of a 64-bit program for machine 183, AArch64.
fn is_aarch64(binary: &Path) -> anyhow::Result<()> {
    let bytes = std::fs::read(binary)
        .with_context(|| format!("reading {}; build it with `make arm64`", binary.display()))?;
    ensure!(
        bytes.get(..5) == Some(b"\x7fELF\x02") && bytes.get(18..20) == Some(&[183, 0]),
        "{} is no ARM64 program; build it with `make arm64`",
        binary.display()
    );
    Ok(())
}

async fn invoke(cloud: &LocalCloud, function: &str, event: Value) -> anyhow::Result<Value> {
    let answer = cloud.invoke(function, event.to_string()).await;
    let answer = answer.with_context(|| {
        let lines = cloud.logs(function);
        format!("invoking {function}, which had printed {lines:?}")
    })?;
    Ok(serde_json::from_slice(&answer)?)
}

fn alb_event(path: &str, headers: &Value) -> Value {
    json!({
        "requestContext": {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/scorer/0"}},
        "httpMethod": "GET", "path": path, "queryStringParameters": {},
        "headers": headers, "body": "", "isBase64Encoded": false,
    })
}

fn body(answer: &Value) -> anyhow::Result<Value> {
    let text = answer["body"].as_str().context("the body is no text")?;
    Ok(serde_json::from_str(text)?)
}

/// The demo's settings, API key and addresses.
struct Demo {
    settings: BTreeMap<String, String>,
    key: String,
    addresses: Vec<String>,
}

impl Demo {
    fn read() -> anyhow::Result<Self> {
        let read = |name: &str| std::fs::read_to_string(Self::file(name));
        let settings = read("environment")?;
        let settings = settings.lines().filter_map(|line| line.split_once('='));
        let seed = read("seed.sql")?;
        let key = seed.lines().find_map(|line| line.strip_prefix(KEY_LINE));
        let addresses = read("addresses.txt")?;
        Ok(Self {
            settings: settings.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            key: key.context("seed.sql names no API key")?.to_owned(),
            addresses: addresses.lines().take(8).map(str::to_owned).collect(),
        })
    }

    fn file(name: &str) -> PathBuf {
        Path::new(REPOSITORY).join("scorer-fn/demo").join(name)
    }

    fn scorer(&self, emulated: &Emulated, name: &str, database: &str) -> FunctionSpec {
        let mut function = emulated.function(name, "scorer-fn");
        for (name, value) in &self.settings {
            function = function.env(name, value);
        }
        function.env("DATABASE_URL", database)
    }

    fn request(&self, address: &str) -> Value {
        let path = format!("/v2/stamps/1/score/{address}");
        alb_event(&path, &json!({"x-api-key": self.key}))
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the ARM64 binaries: make arm64-test"]
async fn the_scorer_answers_from_its_database_and_clearly_without_one() -> anyhow::Result<()> {
    let emulated = Emulated::prepare()?;
    let demo = Demo::read()?;
    let postgres = PrivatePostgres::start().await?;
    postgres.create_database("scorer").await?;
    postgres.load_sql_file("scorer", &Demo::file("seed.sql")).await?;
    // Nobody can listen on port 1 without being root, and nobody does.
    let nobody = "postgres://nobody@127.0.0.1:1/nothing";
    let cloud = LocalCloud::start(
        Topology::new()
            .function(demo.scorer(&emulated, "scorer", &postgres.url("scorer")))
            .function(demo.scorer(&emulated, "orphan", nobody)),
    )
    .await?;

    let mut stamps = 0;
    for address in &demo.addresses {
        let answer = invoke(&cloud, "scorer", demo.request(address)).await?;
        assert_eq!(answer["statusCode"], 200, "{answer}");
        let score = body(&answer)?;
        assert_eq!(score["address"], *address, "{score}");
        assert_eq!(score["error"], Value::Null, "{score}");
        stamps += score["stamps"].as_object().map_or(0, serde_json::Map::len);
    }
    assert!(stamps > 0, "none of {:?} has a stamp", demo.addresses);

    let down = invoke(&cloud, "orphan", demo.request(&demo.addresses[0])).await?;
    assert_eq!(down["statusCode"], 503, "{down}");
    let unknown = alb_event("/v2/stamps/1/score/0x0", &json!({}));
    let stranger = invoke(&cloud, "orphan", unknown).await?;
    assert_eq!(stranger["statusCode"], 401, "{stranger}");
    cloud.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the ARM64 binaries: make arm64-test"]
async fn the_recorded_cases_come_out_the_same() -> anyhow::Result<()> {
    let emulated = Emulated::prepare()?;
    let options = Options {
        cases: Path::new(REPOSITORY).join("scorer-fn/tests/golden"),
        binary: emulated.program("scorer-fn"),
        only: Vec::new(),
        environment: Vec::new(),
    };
    let mut failed = Vec::new();
    let outcomes = run(&options, |outcome| {
        if !outcome.passed() {
            failed.push(outcome.to_string());
        }
    })
    .await?;
    assert!(!outcomes.is_empty());
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the ARM64 binaries: make arm64-test"]
async fn the_controller_journals_an_order_ticks_and_shows_it() -> anyhow::Result<()> {
    let emulated = Emulated::prepare()?;
    let postgres = PrivatePostgres::start().await?;
    postgres.create_database("ledger").await?;
    for entry in std::fs::read_dir(Path::new(REPOSITORY).join("rollout-controller/migrations"))? {
        postgres.load_sql_file("ledger", &entry?.path()).await?;
    }
    let mut topology = Topology::new()
        .target_group("python", "absent")
        .target_group("rust", "absent")
        .function(FunctionSpec::new("absent", ["/bin/false"]))
        .load_balancer(
            LoadBalancerSpec::new("lb")
                .rule(RuleSpec::new(100).path("/*").forward([("python", 100), ("rust", 0)])),
        );
    let names = topology.names();
    let config = format!(
        "[ledger]\nurl = \"postgres://from-the-environment/ledger\"\n\
         [[rollout]]\nname = \"score\"\nmode = \"active\"\n\
         [[rollout.route]]\nname = \"public\"\nrule = {:?}\nold_group = {:?}\nnew_group = {:?}\n",
        names.rule("lb", 100),
        names.target_group("python"),
        names.target_group("rust"),
    );
    for door in ["tick", "command", "view"] {
        let function = emulated.function(door, "rollout-controller");
        topology = topology.function(
            function
                .env("ROLLOUT_DOOR", door)
                .env("ROLLOUT_CONFIG", &config)
                .env("ROLLOUT_LEDGER_URL", postgres.url("ledger")),
        );
    }
    let cloud = LocalCloud::start(topology).await?;

    let status = json!({"view": "status"});
    let before = invoke(&cloud, "view", status.clone()).await?;
    let before = &before["rollouts"][0];
    assert_eq!(before["run"], 0, "{before}");
    let start = json!({"command": "start", "id": "arm64", "identity": "arm64-test", "reason": "does it run", "if_revision": 0});
    let started = invoke(&cloud, "command", start).await?;
    let tick = json!({"source": "rollout.schedule", "time": cloud.clock().now().to_string()});
    let ticked = invoke(&cloud, "tick", tick).await?;
    assert_eq!(ticked[0]["run"], 1, "{started} {ticked}");
    let after = invoke(&cloud, "view", status).await?;
    assert_eq!(after["answer"], "status", "{after}");
    let after = &after["rollouts"][0];
    assert_eq!(after["run"], 1, "{after}");
    assert_eq!(after["share"]["journal"], 0.0, "{after}");
    assert!(after["last_tick_at"].is_string(), "the tick is in the journal: {after}");
    assert!(after["routes"][0]["shows"].as_str().is_some_and(|text| text.contains('0')), "{after}");
    cloud.shutdown().await;
    Ok(())
}
