//! The Python twin answers the recorded cases, on a real PostgreSQL.

use std::error::Error;
use std::path::Path;

use local_cloud::foreign;
use local_cloud::postgres::PrivatePostgres;
use tokio::process::Command;

#[tokio::test]
async fn answers_the_recorded_cases_but_for_those_it_leaves_out() -> Result<(), Box<dyn Error>> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let golden = here.join("../scorer-fn/tests/golden");
    let python = foreign::python()?;
    let postgres = PrivatePostgres::start().await?;
    postgres.create_database("seed").await?;
    postgres
        .load_sql_file("seed", &golden.join("seed.sql"))
        .await?;

    // `%` stands for the name of a database.
    let output = Command::new(python)
        .arg("check_golden.py")
        .arg(golden.join("cases.json"))
        .args([&postgres.url("%"), "seed"])
        .current_dir(here.join("python-scorer"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .await?;
    let text = String::from_utf8(output.stdout)?;
    assert!(
        output.status.success(),
        "{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    // A change of what is left out, or of the file, must be noticed here.
    assert_eq!(text.lines().last(), Some("70 passed, 0 failed"));
    Ok(())
}
