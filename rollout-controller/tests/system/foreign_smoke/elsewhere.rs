//! Everything but the load balancer, at ministack.

use super::balancer::{Balancer, HEADER};
use super::peers::{PATIENCE, aws_at, call};
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{ComparisonOperator, Dimension, MetricDatum, Statistic};
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{Environment, FunctionCode, Runtime};
use jiff::{Timestamp, ToSpan as _};
use local_cloud::foreign::REGION;
use rollout_controller::adapters::aws::Aws;
use rollout_controller::domain::route::{GroupArn, RuleArn};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Output;
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

const NAMESPACE: &str = "AWS/ApplicationELB";
const ALARM: &str = "scorer-rs-errors";
const ROLE: &str = "arn:aws:iam::000000000000:role/rollout";

/// CloudWatch, Lambda, Scheduler, SNS and a queue behind the topic.
pub(crate) struct Elsewhere {
    url: String,
    aws: Aws,
    topic: String,
    queue: String,
    dir: TempDir,
}

/// The controller's binary as Lambda wants it. Without symbols for debuggers, which
/// are most of it; the program is the same.
async fn bootstrap_zip(dir: &Path) -> Vec<u8> {
    let (bare, zip) = (dir.join("bootstrap"), dir.join("controller.zip"));
    let mut strip = tokio::process::Command::new("strip");
    let strip = strip.args(["--strip-debug", "-o"]).arg(&bare);
    let stripped = strip.arg(env!("CARGO_BIN_EXE_rollout-controller")).status().await;
    assert!(stripped.expect("strip runs").success());
    let script = "import sys, zipfile\n\
        with zipfile.ZipFile(sys.argv[1], 'w', zipfile.ZIP_DEFLATED, compresslevel=1) as out:\n    \
        out.write(sys.argv[2], 'bootstrap')";
    let python = local_cloud::foreign::python().expect("a Python");
    let mut zipping = tokio::process::Command::new(python);
    let zipping = zipping.args(["-c", script]).arg(&zip).arg(&bare);
    assert!(zipping.status().await.expect("Python runs").success());
    std::fs::read(zip).expect("a zip")
}

fn dimension(name: &str, value: &str) -> Dimension {
    Dimension::builder().name(name).value(value).build()
}

impl Elsewhere {
    pub(crate) async fn make(url: &str, moto: &str, balancer: &Balancer) -> Self {
        let aws = aws_at(url).await;
        let sns = aws.sns().await;
        let made = sns.create_topic().name("oncall").send().await.expect("a topic");
        let topic = made.topic_arn().expect("an ARN").to_owned();
        let made = sqs(url, "CreateQueue", &json!({"QueueName": "pager"})).await;
        let queue = made["QueueUrl"].as_str().expect("a URL").to_owned();
        let ask = json!({"QueueUrl": queue, "AttributeNames": ["QueueArn"]});
        let told = sqs(url, "GetQueueAttributes", &ask).await;
        let arn = told["Attributes"]["QueueArn"].as_str().expect("an ARN");
        let subscribe = sns.subscribe().topic_arn(&topic).protocol("sqs").endpoint(arn);
        subscribe.send().await.expect("a subscription");
        let this = Self {
            url: url.to_owned(),
            aws: aws.clone(),
            topic,
            queue,
            dir: tempfile::tempdir().expect("a folder"),
        };
        this.write_config(balancer);
        this.functions(moto).await;
        this.history(balancer).await;
        this.alarm(balancer).await;
        this
    }

    fn write_config(&self, balancer: &Balancer) {
        let text = format!(
            r#"[ledger]
url = "sqlite://{dir}/journal.db?mode=rwc"
[paging]
topic_arn = "{topic}"
[[rollout]]
name = "score"
mode = "active"
lag = "1m"
start = "1%"
[rollout.alarms]
rollback_on = ["{ALARM}"]
[[rollout.route]]
name = "public"
rule = "{rule}"
old_group = "{python}"
new_group = "{rust}"
[rollout.route.header_rule]
priority = 99
header = "{HEADER}"
value = "true"
group = "{testers}"
"#,
            dir = self.dir.path().display(),
            topic = self.topic,
            rule = balancer.rule,
            python = balancer.python,
            rust = balancer.rust,
            testers = balancer.testers,
        );
        std::fs::write(self.dir.path().join("rollout.toml"), text).expect("a config");
    }

    /// One zip, three functions.
    async fn functions(&self, moto: &str) {
        let zip = bootstrap_zip(self.dir.path()).await;
        let code = FunctionCode::builder().zip_file(Blob::new(zip)).build();
        let config = self.dir.path().join("rollout.toml").display().to_string();
        for door in ["tick", "command", "view"] {
            let variables = Environment::builder()
                .variables("AWS_ENDPOINT_URL", &self.url)
                .variables("AWS_ENDPOINT_URL_ELASTIC_LOAD_BALANCING_V2", moto)
                .variables("ROLLOUT_CONFIG_FILE", &config)
                .variables("ROLLOUT_DOOR", door);
            let create = self.aws.lambda().await.create_function();
            let create = create.function_name(format!("rollout-{door}")).role(ROLE);
            let create = create.runtime(Runtime::Providedal2023).handler("bootstrap");
            let create = create.timeout(30).code(code.clone());
            let made = create.environment(variables.build()).send().await;
            made.unwrap_or_else(|error| panic!("rollout-{door}: {error:?}"));
        }
    }

    /// Publishes a metric of a group, as a load balancer does.
    pub(crate) async fn put(
        &self,
        group: &str,
        rule: &str,
        metric: &str,
        data: Vec<(Timestamp, f64)>,
    ) {
        let rule = RuleArn::parse(rule).expect("a rule");
        let group = GroupArn::parse(group).expect("a group");
        let data = data.into_iter().map(|(at, value)| {
            MetricDatum::builder()
                .metric_name(metric)
                .dimensions(dimension("LoadBalancer", &rule.load_balancer_dimension()))
                .dimensions(dimension("TargetGroup", group.dimension()))
                .timestamp(DateTime::from_secs(at.as_second()))
                .value(value)
                .build()
        });
        let put = self.aws.cloudwatch().await.put_metric_data();
        let put = put.namespace(NAMESPACE).set_metric_data(Some(data.collect()));
        put.send().await.expect("metrics");
    }

    /// An hour of requests to Python. So few that minutes without latencies, which
    /// ministack cannot answer for, are taken as they are.
    async fn history(&self, balancer: &Balancer) {
        let now = Timestamp::now();
        let minutes = (0..65).map(|ago: i64| (now - ago.minutes(), 4.0));
        let (group, rule) = (&balancer.python, &balancer.rule);
        self.put(group, rule, "RequestCount", minutes.collect()).await;
    }

    async fn alarm(&self, balancer: &Balancer) {
        let rule = RuleArn::parse(&balancer.rule).expect("a rule");
        let group = GroupArn::parse(&balancer.rust).expect("a group");
        let put = self.aws.cloudwatch().await.put_metric_alarm().alarm_name(ALARM);
        let put = put.namespace(NAMESPACE).metric_name("HTTPCode_Target_5XX_Count");
        let put = put
            .dimensions(dimension("LoadBalancer", &rule.load_balancer_dimension()))
            .dimensions(dimension("TargetGroup", group.dimension()));
        let put = put.statistic(Statistic::Sum).period(60).evaluation_periods(1);
        let put = put.threshold(5.0).treat_missing_data("notBreaching");
        let put = put.comparison_operator(ComparisonOperator::GreaterThanThreshold);
        put.send().await.expect("an alarm");
    }

    /// Waits until the alarm has been evaluated and stands.
    pub(crate) async fn alarm_stands(&self) {
        let stands = async {
            loop {
                let asked = self.aws.cloudwatch().await.describe_alarms();
                let answer = asked.alarm_names(ALARM).send().await.expect("alarms");
                let state = answer.metric_alarms()[0].state_value();
                if state.is_some_and(|state| state.as_str() == "ALARM") {
                    return;
                }
                sleep(Duration::from_millis(200)).await;
            }
        };
        timeout(PATIENCE, stands).await.expect("the alarm goes off");
    }

    /// A schedule that is due at once, with the event that Scheduler makes by itself.
    pub(crate) async fn schedule(&self, name: &str) {
        let at = (Timestamp::now() - 1.second()).strftime("%Y-%m-%dT%H:%M:%S");
        let body = json!({
            "ScheduleExpression": format!("at({at})"),
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "Target": {
                "Arn": format!("arn:aws:lambda:{REGION}:000000000000:function:rollout-tick"),
                "RoleArn": ROLE,
            },
        });
        let head = format!("POST /schedules/{name} HTTP/1.1\r\ncontent-type: application/json\r\n");
        call(&self.url, "scheduler", &head, &body.to_string()).await;
    }

    pub(crate) async fn rolloutctl(&self, args: &[&str]) -> Output {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_rolloutctl"));
        command
            .args(args)
            .current_dir(self.dir.path())
            .env_clear()
            .env("HOME", self.dir.path())
            .env("AWS_ENDPOINT_URL", &self.url)
            .env("AWS_REGION", REGION)
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_EC2_METADATA_DISABLED", "true");
        let output = command.output().await.expect("rolloutctl runs");
        assert!(output.status.success(), "{args:?}: {output:?}");
        output
    }

    /// Waits for this many pages in the queue behind the topic; their subjects in the
    /// journal's order.
    pub(crate) async fn pages(&self, count: usize) -> Vec<String> {
        let mut pages = BTreeMap::new();
        let all = async {
            while pages.len() < count {
                let ask = json!({"QueueUrl": self.queue, "MaxNumberOfMessages": 10});
                let answer = sqs(&self.url, "ReceiveMessage", &ask).await;
                for message in answer["Messages"].as_array().into_iter().flatten() {
                    let envelope = parsed(&message["Body"]);
                    let page = parsed(&envelope["Message"]);
                    let revision = page["rollout"]["revision"].as_i64();
                    let subject = envelope["Subject"].as_str().expect("a subject");
                    pages.insert(revision.expect("a revision"), subject.to_owned());
                }
                sleep(Duration::from_millis(100)).await;
            }
        };
        let came = timeout(PATIENCE, all).await;
        assert!(came.is_ok(), "only these pages came: {pages:?}");
        pages.into_values().collect()
    }
}

/// JSON inside a string.
fn parsed(text: &Value) -> Value {
    serde_json::from_str(text.as_str().expect("text")).expect("JSON")
}

async fn sqs(url: &str, operation: &str, body: &Value) -> Value {
    let head = format!(
        "POST / HTTP/1.1\r\ncontent-type: application/x-amz-json-1.0\r\nx-amz-target: AmazonSQS.{operation}\r\n"
    );
    let answer = call(url, "sqs", &head, &body.to_string()).await;
    serde_json::from_str(&answer).expect("JSON")
}
