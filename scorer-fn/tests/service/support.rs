//! A service on a private database, for tests.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use local_cloud::postgres::PrivatePostgres;
use scorer_fn::app::{App, Call, Lines};
use scorer_fn::config::Config;
use serde_json::{Value, json};

/// A database with rows, and the service on it.
pub(crate) struct Service {
    pub(crate) postgres: PrivatePostgres,
    pub(crate) url: String,
    pub(crate) app: Arc<App>,
}

impl Service {
    /// Loads a seed file into a fresh cluster; `variables` beside the database's address.
    pub(crate) async fn start(
        seed: &str,
        variables: &BTreeMap<String, String>,
    ) -> anyhow::Result<Self> {
        let postgres = PrivatePostgres::start().await?;
        load(&postgres, seed).await?;
        let url = postgres.url("scorer");
        let app = app_on(&url, variables)?;
        Ok(Self { postgres, url, app })
    }

    /// The answer to an event, when all of it is done.
    pub(crate) async fn ask(&self, event: &Value) -> Value {
        ask(&self.app, event).await
    }
}

/// Makes the database `scorer` and loads a seed file into it.
pub(crate) async fn load(postgres: &PrivatePostgres, seed: &str) -> anyhow::Result<()> {
    postgres.create_database("scorer").await?;
    postgres.load_sql_file("scorer", Path::new(seed)).await?;
    Ok(())
}

/// Makes the functions by which the service asks if it is told to.
pub(crate) async fn load_functions(
    postgres: &PrivatePostgres,
    database: &str,
) -> anyhow::Result<()> {
    postgres.load_sql_file(database, Path::new("sql/functions.sql")).await?;
    Ok(())
}

/// `variables` with the functions of [`load_functions`].
pub(crate) fn by_functions(mut variables: BTreeMap<String, String>) -> BTreeMap<String, String> {
    variables.insert("DATABASE_FUNCTIONS".to_owned(), "on".to_owned());
    variables
}

/// The service on the database at `url`.
pub(crate) fn app_on(url: &str, variables: &BTreeMap<String, String>) -> anyhow::Result<Arc<App>> {
    let mut variables = variables.clone();
    variables.insert("DATABASE_URL".to_owned(), url.to_owned());
    let config = Config::read(|name| variables.get(name).cloned())?;
    Ok(App::new(config, Lines::Drop))
}

/// The answer to an event, when all of it is done.
pub(crate) async fn ask(app: &Arc<App>, event: &Value) -> Value {
    let answer = app.serve_alb(event, Call::default()).await;
    app.flush().await;
    answer
}

/// An event for a GET.
pub(crate) fn get(path: &str, key: &str) -> Value {
    json!({
        "requestContext": {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:eu-west-1:000000000000:targetgroup/t/0"}},
        "httpMethod": "GET", "path": path, "queryStringParameters": {},
        "headers": {"x-api-key": key}, "body": "", "isBase64Encoded": false,
    })
}

/// The settings of the demo.
pub(crate) fn demo_environment() -> anyhow::Result<BTreeMap<String, String>> {
    let text = std::fs::read_to_string("demo/environment")?;
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    Ok(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

/// The settings of the recorded cases.
pub(crate) fn golden_environment() -> anyhow::Result<BTreeMap<String, String>> {
    let suite = local_cloud::parity::cases::Suite::read(Path::new("tests/golden"))?;
    let mut settings = suite.environment;
    settings.retain(|_, value| !value.is_null());
    let text = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    Ok(settings.into_iter().map(|(name, value)| (name, text(value))).collect())
}
