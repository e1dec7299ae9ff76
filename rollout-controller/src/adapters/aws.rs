//! One place that configures the AWS SDK; how its failures read is [`CallError`]'s.
//!
//! Region and credentials come from the SDK's default chain, addresses from
//! `AWS_ENDPOINT_URL` or `AWS_ENDPOINT_URL_<SERVICE>` where they are set. Nothing
//! is read, resolved or connected to before the first call of the first client.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_sdk_lambda::config::SharedCredentialsProvider;
use function_kit::aws::http_client;
use tokio::sync::OnceCell;

pub use function_kit::aws::CallError;

/// Time to open a connection. A VPC without the endpoint shows as this one.
const CONNECT: Duration = Duration::from_secs(1);
/// Time of one attempt.
const ATTEMPT: Duration = Duration::from_secs(3);
/// Time of one operation with all its attempts and the pauses between them. A tick
/// makes a handful of operations in a row and must end well within its minute.
pub const OPERATION: Duration = Duration::from_secs(6);
/// Attempts of one operation, the first one included.
const ATTEMPTS: u32 = 3;

/// The SDK's settings, loaded once, and a client of each service, made when asked for.
#[derive(Clone, Default)]
pub struct Aws {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    region: Option<String>,
    config: OnceCell<SdkConfig>,
    elb: OnceLock<aws_sdk_elasticloadbalancingv2::Client>,
    cloudwatch: OnceLock<aws_sdk_cloudwatch::Client>,
    logs: OnceLock<aws_sdk_cloudwatchlogs::Client>,
    sns: OnceLock<aws_sdk_sns::Client>,
    eventbridge: OnceLock<aws_sdk_eventbridge::Client>,
    lambda: OnceLock<aws_sdk_lambda::Client>,
    ssm: OnceLock<aws_sdk_ssm::Client>,
    sts: OnceLock<aws_sdk_sts::Client>,
    secrets: OnceLock<aws_sdk_secretsmanager::Client>,
}

impl std::fmt::Debug for Aws {
    /// Only the region: the rest holds credentials.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Aws").field("region", &self.shared.region).finish_non_exhaustive()
    }
}

macro_rules! client {
    ($(#[$doc:meta])* $name:ident, $krate:ident) => {
        $(#[$doc])*
        pub async fn $name(&self) -> &$krate::Client {
            let config = self.config().await;
            self.shared.$name.get_or_init(|| $krate::Client::new(config))
        }
    };
}

impl Aws {
    /// Settings of the default chain.
    pub fn new() -> Self {
        Self::default()
    }

    /// Settings of the default chain in this region, whatever the environment says.
    pub fn in_region(region: impl Into<String>) -> Self {
        Self { shared: Arc::new(Shared { region: Some(region.into()), ..Shared::default() }) }
    }

    /// Settings made elsewhere; the tests' way to several endpoints at once.
    pub fn with_config(config: SdkConfig) -> Self {
        Self {
            shared: Arc::new(Shared {
                config: OnceCell::new_with(Some(config)),
                ..Shared::default()
            }),
        }
    }

    /// The settings, loaded on the first call.
    pub async fn config(&self) -> &SdkConfig {
        self.shared.config.get_or_init(|| load(self.shared.region.clone())).await
    }

    client!(
        /// Load balancers.
        elb, aws_sdk_elasticloadbalancingv2
    );
    client!(
        /// Metrics and alarms.
        cloudwatch, aws_sdk_cloudwatch
    );
    client!(
        /// What functions logged.
        logs, aws_sdk_cloudwatchlogs
    );
    client!(
        /// Topics.
        sns, aws_sdk_sns
    );
    client!(
        /// Event buses.
        eventbridge, aws_sdk_eventbridge
    );
    client!(
        /// Functions.
        lambda, aws_sdk_lambda
    );
    client!(
        /// Parameters.
        ssm, aws_sdk_ssm
    );
    client!(
        /// Who am I.
        sts, aws_sdk_sts
    );
    client!(
        /// Passwords.
        secrets, aws_sdk_secretsmanager
    );

    /// Where credentials come from, if the chain has any.
    pub(crate) async fn credentials(&self) -> Option<SharedCredentialsProvider> {
        self.config().await.credentials_provider()
    }
}

async fn load(region: Option<String>) -> SdkConfig {
    loader(region).load().await
}

fn loader(region: Option<String>) -> ConfigLoader {
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http_client())
        .timeout_config(timeouts())
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS));
    if let Ok(name) = AppName::new("rollout-controller") {
        loader = loader.app_name(name);
    }
    if let Some(region) = region {
        loader = loader.region(Region::new(region));
    }
    loader
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .operation_attempt_timeout(ATTEMPT)
        .operation_timeout(OPERATION)
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The production settings, pointed at an address.
    async fn ask(url: String) -> CallError {
        let keys = aws_sdk_lambda::config::Credentials::new("x", "y", None, None, "test");
        let loader = loader(Some("eu-west-1".into())).endpoint_url(url);
        let aws = Aws::with_config(loader.credentials_provider(keys).load().await);
        let asked = aws.sts().await.get_caller_identity().send().await;
        CallError::new("GetCallerIdentity", &asked.expect_err("nobody answers"))
    }

    #[tokio::test]
    async fn an_endpoint_in_the_clear_is_spoken_to_and_an_absent_one_is_told() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            use std::io::{Read as _, Write as _};
            let (mut stream, _) = listener.accept().unwrap();
            let mut start = [0; 4];
            stream.read_exact(&mut start).unwrap();
            let body = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>not\n  you</Message></Error></ErrorResponse>";
            write!(
                stream,
                "HTTP/1.1 403 Forbidden\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            )
            .unwrap();
            start
        });
        let refused = ask(url.clone()).await;
        assert_eq!(&server.join().unwrap(), b"POST", "no TLS");
        assert_eq!(refused.to_string(), "GetCallerIdentity: AccessDenied: not you");
        assert!(!refused.is_passing() && !refused.is_not_set_up());

        let absent = ask(url).await;
        let told = absent.to_string();
        assert!(
            told.starts_with("GetCallerIdentity: no answer (") && told.contains("refused"),
            "{told}"
        );
        assert_eq!((absent.code(), absent.is_passing()), (None, true));
    }

    #[tokio::test]
    async fn a_server_that_never_answers_does_not_hold_up_a_tick() {
        // Takes connections and says nothing.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let silent = ask(format!("http://{}", listener.local_addr().unwrap())).await;
        assert!(silent.to_string().contains("no answer in time"), "{silent}");
        assert!(silent.is_passing());
    }

    #[test]
    fn settings_do_not_print_credentials() {
        let aws = Aws::in_region("eu-west-1");
        assert_eq!(format!("{aws:?}"), "Aws { region: Some(\"eu-west-1\"), .. }");
    }
}
