//! The Python twin against the recorded cases and against the Rust scorer, on
//! a real PostgreSQL.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use local_cloud::foreign;
use local_cloud::postgres::PrivatePostgres;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

type Outcome = Result<(), Box<dyn Error>>;

/// The demo's API key, see `scorer-fn/demo/seed.sql`.
const DEMO_KEY: &str = "DemoKeyA.3f1c86c2a9d04b57b8e6d1a2f7935c40";

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A script of the twin's folder, run to its end.
async fn script(args: &[&str], env: &[(String, String)]) -> Result<Output, Box<dyn Error>> {
    let output = Command::new(foreign::python()?)
        .args(args)
        .envs(env.iter().cloned())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .current_dir(here().join("python-scorer"))
        .kill_on_drop(true)
        .output()
        .await?;
    Ok(output)
}

/// What the script printed, if it ended well.
fn printed(output: Output) -> Result<String, Box<dyn Error>> {
    let text = String::from_utf8(output.stdout)?;
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");
    Ok(text)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("the work tree has a UTF-8 path")
}

#[tokio::test]
async fn answers_the_recorded_cases_but_for_those_it_leaves_out() -> Outcome {
    let golden = here().join("../scorer-fn/tests/golden");
    let postgres = PrivatePostgres::start().await?;
    postgres.create_database("seed").await?;
    postgres.load_sql_file("seed", &golden.join("seed.sql")).await?;

    // `%` stands for the name of a database.
    let cases = golden.join("cases.json");
    let args = ["check_golden.py", text(&cases), &postgres.url("%"), "seed"];
    let printed = printed(script(&args, &[]).await?)?;
    // A change of what is left out, or of the file, must be noticed here.
    assert_eq!(printed.lines().last(), Some("70 passed, 0 failed"));
    Ok(())
}

/// The binary that `make test` has built beside this test.
fn scorer_http() -> Result<PathBuf, Box<dyn Error>> {
    let test = std::env::current_exe()?;
    let folder = test.parent().and_then(Path::parent).ok_or("a test lies in target/debug/deps")?;
    let binary = folder.join("scorer-http");
    if !binary.is_file() {
        return Err(format!("{} is missing; run `make test`", binary.display()).into());
    }
    Ok(binary)
}

#[tokio::test]
async fn agrees_with_the_rust_scorer_on_one_database() -> Outcome {
    let demo = here().join("../scorer-fn/demo");
    let postgres = PrivatePostgres::start().await?;
    postgres.create_database("demo").await?;
    postgres.load_sql_file("demo", &demo.join("seed.sql")).await?;
    let mut env: Vec<(String, String)> = std::fs::read_to_string(demo.join("environment"))?
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    env.push(("DATABASE_URL".to_owned(), postgres.url("demo")));

    let mut rust = Command::new(scorer_http()?)
        .args(["--listen", "127.0.0.1:0"])
        .envs(env.iter().cloned())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut lines = BufReader::new(rust.stdout.take().expect("piped")).lines();
    let url = loop {
        let line = lines.next_line().await?.ok_or("the Rust scorer did not start")?;
        let line: serde_json::Value = serde_json::from_str(&line)?;
        if let Some(port) = line["port"].as_u64() {
            break format!("http://127.0.0.1:{port}");
        }
    };
    // Its log must not fill the pipe.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });

    let addresses = demo.join("addresses.txt");
    let args = ["check_agree.py", &url, DEMO_KEY, text(&addresses)];
    let printed = printed(script(&args, &env).await?)?;
    assert!(printed.lines().last().is_some_and(|line| line.ends_with(" passed, 0 failed")));
    Ok(())
}
