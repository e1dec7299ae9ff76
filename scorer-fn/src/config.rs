//! Configuration: environment variables, named as on the Python side where it has them.

use std::time::Duration;

use function_kit::login::Rotating;

use crate::live;
use crate::redis::Redis;
use crate::score::rate::Limiter;
use crate::secrets::SecretReader;
use crate::store::{Address, Limits, Overrides, Roots, SecretSource, Source};

/// Where refused callers are sent unless `PASSPORT_API_RATE_LIMITING_FORM` says otherwise.
const RATE_LIMIT_FORM: &str = "https://docs.google.com/forms/d/e/1FAIpQLSeUATg0nTE9ws3qESGBktFcOX0brF19iv2L0BLoiub9pbSMeg/viewform";

/// A setting that keeps the service from starting.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{variable}: {problem}")]
pub struct ConfigError {
    /// The environment variable.
    pub variable: &'static str,
    /// What is wrong and how to mend it.
    pub problem: String,
}

/// What the contract calls settings.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// `TRUSTED_IAM_ISSUERS`: issuers whose stamps count, exact text.
    pub trusted_issuers: Vec<String>,
    /// `FF_MULTI_NULLIFIER=on`: nullifiers of every version count.
    pub multi_nullifier: bool,
    /// `FF_API_ANALYTICS=on`: one row per authenticated call.
    pub analytics: bool,
    /// `DEMO_API_KEY`: what the aliases stand for.
    pub demo_key: Option<String>,
    /// `DEMO_API_KEY_ALIASES`: keys that are replaced by the demo key.
    pub demo_aliases: Vec<String>,
    /// `DEMO_API_SCORER_ID`: what negative scorer ids stand for.
    pub demo_scorer: Option<String>,
    /// `PASSPORT_API_RATE_LIMITING_FORM`: where refused callers ask for more.
    pub rate_limit_form: String,
    /// `LOCAL_CLOUD_FAULTS=1`: requests may ask for faults. Never set in production.
    #[cfg(feature = "faults")]
    pub faults: bool,
}

/// Everything that is configured.
#[derive(Debug)]
pub struct Config {
    /// Settings of the scoring.
    pub settings: Settings,
    /// Where the database is.
    pub source: Source,
    /// How long the database may take.
    pub limits: Limits,
    /// `DATABASE_FUNCTIONS=on`: the functions of `sql/functions.sql` are asked.
    pub functions: bool,
    /// The shared counter, if the rate limit is on.
    pub limiter: Option<Limiter>,
    /// `OTEL_EXPORTER_OTLP_ENDPOINT`, where a collector may listen; None if
    /// `OTEL_SDK_DISABLED` is true.
    pub collector: Option<String>,
    /// Whether some requests are asked of Python again; `None` is off.
    pub compare: Option<live::Settings>,
}

/// The collector extension's address, by OpenTelemetry's convention.
const COLLECTOR: &str = "http://127.0.0.1:4318";

impl Config {
    /// Reads the configuration through `variable`; empty counts as unset.
    ///
    /// # Errors
    /// [`ConfigError`] names the variable, its problem and the fix.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let get = |name: &str| variable(name).filter(|value| !value.is_empty());
        let trusted_issuers = match get("TRUSTED_IAM_ISSUERS") {
            Some(text) => list("TRUSTED_IAM_ISSUERS", &text)?,
            None => {
                return Err(error(
                    "TRUSTED_IAM_ISSUERS",
                    "not set; give the JSON list of issuers whose stamps count, such as [\"did:ethr:0x…\"]",
                ));
            }
        };
        if get("HUMAN_POINTS_WRITE_ENABLED").is_some_and(|text| is_true(&text)) {
            return Err(error(
                "HUMAN_POINTS_WRITE_ENABLED",
                "human points are not written by this function; unset it, or keep the traffic on the Python function",
            ));
        }
        let is_on = get("RATELIMIT_ENABLE").is_some_and(|text| is_true(&text));
        let limiter = if is_on { Some(limiter(&get)?) } else { None };
        let settings = Settings {
            trusted_issuers,
            multi_nullifier: get("FF_MULTI_NULLIFIER").as_deref() == Some("on"),
            analytics: get("FF_API_ANALYTICS").as_deref() == Some("on"),
            demo_key: get("DEMO_API_KEY"),
            demo_aliases: match get("DEMO_API_KEY_ALIASES") {
                Some(text) => list("DEMO_API_KEY_ALIASES", &text)?,
                None => Vec::new(),
            },
            demo_scorer: get("DEMO_API_SCORER_ID"),
            rate_limit_form: get("PASSPORT_API_RATE_LIMITING_FORM")
                .unwrap_or_else(|| RATE_LIMIT_FORM.to_owned()),
            #[cfg(feature = "faults")]
            faults: get("LOCAL_CLOUD_FAULTS").as_deref() == Some("1"),
        };
        let limits = Limits {
            connections: number("DATABASE_CONNECTIONS", &get, 1)?.max(1),
            connect: Duration::from_millis(number("DATABASE_CONNECT_TIMEOUT_MS", &get, 2000)?),
            statement: Duration::from_millis(number(
                "DATABASE_STATEMENT_TIMEOUT_MS",
                &get,
                10_000,
            )?),
            probe_after: Duration::from_millis(number(
                "DATABASE_PROBE_AFTER_IDLE_MS",
                &get,
                30_000,
            )?),
        };
        let disabled = get("OTEL_SDK_DISABLED").is_some_and(|text| is_true(&text));
        let collector = get("OTEL_EXPORTER_OTLP_ENDPOINT").unwrap_or_else(|| COLLECTOR.to_owned());
        let collector = Some(collector).filter(|_| !disabled);
        let functions = get("DATABASE_FUNCTIONS").is_some_and(|text| is_true(&text));
        let (source, compare) = (source(&get)?, live::Settings::read(&get)?);
        Ok(Self { settings, source, limits, functions, limiter, collector, compare })
    }
}

fn limiter(get: &impl Fn(&str) -> Option<String>) -> Result<Limiter, ConfigError> {
    let url = get("REDIS_URL").or_else(|| get("CELERY_BROKER_URL"));
    let url = url.ok_or_else(|| {
        error(
            "REDIS_URL",
            "not set though RATELIMIT_ENABLE is on; give the Redis that the Python function counts in \
             (a counter of our own would double every limit), or turn the limit off",
        )
    })?;
    Ok(Limiter::new(Redis::at(&url).map_err(|problem| error("REDIS_URL", &problem))?))
}

fn source(get: &impl Fn(&str) -> Option<String>) -> Result<Source, ConfigError> {
    if let Some(arn) = get("DATABASE_SECRET_ARN") {
        return Ok(Source::Secret(Box::new(SecretSource {
            reader: SecretReader::new(arn),
            overrides: Overrides {
                host: get("DATABASE_HOST"),
                port: match get("DATABASE_PORT") {
                    Some(_) => Some(number("DATABASE_PORT", get, 0)?),
                    None => None,
                },
                name: get("DATABASE_NAME"),
                tls: get("DATABASE_SSLMODE")
                    .map(|text| text.parse())
                    .transpose()
                    .map_err(|problem: String| error("DATABASE_SSLMODE", &problem))?,
                roots: get("DATABASE_SSLROOTCERT")
                    .map(|bundle| Roots::read(&bundle))
                    .transpose()
                    .map_err(|problem| error("DATABASE_SSLROOTCERT", &problem))?,
            },
            known: Rotating::default(),
        })));
    }
    match get("DATABASE_URL") {
        Some(url) => {
            let address =
                Address::parse(&url).map_err(|problem| error("DATABASE_URL", &problem))?;
            Ok(Source::Url(Box::new(address)))
        }
        None => Err(error(
            "DATABASE_URL",
            "not set, nor is DATABASE_SECRET_ARN; give postgres://user@host:5432/name or the ARN of the secret",
        )),
    }
}

/// A JSON list of texts, or texts with commas between.
fn list(variable: &'static str, text: &str) -> Result<Vec<String>, ConfigError> {
    if text.trim_start().starts_with('[') {
        return serde_json::from_str(text)
            .map_err(|problem| error(variable, &format!("no JSON list of texts: {problem}")));
    }
    Ok(text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect())
}

fn number<T: std::str::FromStr>(
    variable: &'static str,
    get: &impl Fn(&str) -> Option<String>,
    default: T,
) -> Result<T, ConfigError> {
    match get(variable) {
        None => Ok(default),
        Some(text) => text
            .parse()
            .map_err(|_| error(variable, &format!("{text:?} is no whole number that fits"))),
    }
}

/// The words that the Python side reads as true.
fn is_true(text: &str) -> bool {
    matches!(text.to_ascii_lowercase().as_str(), "true" | "on" | "ok" | "y" | "yes" | "1")
}

fn error(variable: &'static str, problem: &str) -> ConfigError {
    ConfigError { variable, problem: problem.to_owned() }
}
