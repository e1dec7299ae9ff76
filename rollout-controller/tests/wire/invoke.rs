//! How the CLI reaches a function, with a real process behind it.

use local_cloud::{ApiFault, ApiFaultKind, Fault, FunctionSpec, LocalCloud, Topology};
use rollout_controller::adapters::aws::Aws;
use rollout_controller::adapters::invoke::{Function, InvokeError, who};
use rollout_controller::adapters::ledger::{LedgerUrl, Login, SqlLedger, migrate};
use rollout_controller::errors::chain;
use rollout_controller::ports::{Ledger as _, LedgerError};
use serde_json::json;

use crate::peers;

/// A Lambda in the Python that every machine has: answers its event, or raises.
const ECHO: &str = r#"
import json, os, urllib.request
api = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/invocation/"
while True:
    with urllib.request.urlopen(api + "next") as next_:
        id_, event = next_.headers["Lambda-Runtime-Aws-Request-Id"], json.load(next_)
    if event.get("fail"):
        answer, kind = {"errorType": "LedgerUnreachable", "errorMessage": "no route"}, "/error"
    else:
        answer, kind = {"echo": event}, "/response"
    urllib.request.urlopen(api + id_ + kind, data=json.dumps(answer).encode()).close()
"#;

async fn local_cloud() -> (LocalCloud, Aws) {
    let echo = FunctionSpec::new("command", ["python3", "-u", "-c", ECHO]);
    let topology = Topology::new().manual_clock().function(echo);
    let topology = topology.secret("ledger", r#"{"username":"ledger","password":"pa/ss@word"}"#);
    let topology = topology.secret("broken", "pa/ss@word");
    let cloud = LocalCloud::start(topology).await.expect("a local cloud");
    let aws = peers::aws_at(&cloud.aws_endpoint()).await;
    (cloud, aws)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_answers_or_says_why_not() {
    let (cloud, aws) = local_cloud().await;
    let command = Function::new(aws.clone(), "command");
    let answer = command.invoke(&json!({"command": "status"})).await.expect("an answer");
    assert_eq!(answer, json!({"echo": {"command": "status"}}));

    match command.invoke(&json!({"fail": true})).await {
        Err(InvokeError::Function { kind, message, .. }) => {
            assert_eq!((kind.as_str(), message.as_str()), ("LedgerUnreachable", "no route"));
        }
        other => panic!("{other:?}"),
    }
    match Function::new(aws, "nobody").invoke(&json!({})).await {
        Err(error @ InvokeError::NotFound { .. }) => {
            assert!(error.to_string().contains("eu-west-1"), "{error}");
        }
        other => panic!("{other:?}"),
    }
    cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_aws_refuses_says_what_to_try_next() {
    let (cloud, aws) = local_cloud().await;
    let command = Function::new(aws, "command");
    let mut told = Vec::new();
    for kind in [ApiFaultKind::Denied, ApiFaultKind::Throttle, ApiFaultKind::Drop] {
        cloud.clear_faults(None);
        cloud.add_fault(Fault::Api(ApiFault::new("Invoke", kind)));
        told.push(command.invoke(&json!({})).await.expect_err("refused"));
    }
    assert!(matches!(told[0], InvokeError::NotAllowed { .. }), "{:?}", told[0]);
    assert!(matches!(told[1], InvokeError::Throttled { .. }), "{:?}", told[1]);
    assert!(matches!(told[2], InvokeError::Unreachable { .. }), "{:?}", told[2]);
    assert!(told[2].to_string().contains("--direct"), "{}", told[2]);
    cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_calling_never_stops_a_command() {
    let (cloud, aws) = local_cloud().await;
    let caller = who(&aws).await;
    assert!(caller.starts_with("arn:aws:"), "{caller}");
    cloud.add_fault(Fault::Api(ApiFault::new("GetCallerIdentity", ApiFaultKind::Denied)));
    let caller = who(&aws).await;
    assert!(caller.starts_with("unknown caller (GetCallerIdentity: AccessDenied"), "{caller}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_takes_its_password_from_a_secret() {
    let Some(postgres) = peers::postgres().await else {
        return;
    };
    let (cloud, aws) = local_cloud().await;
    // A role with the secret's password, which needs escaping in a URL.
    let role = "CREATE ROLE ledger LOGIN SUPERUSER PASSWORD 'pa/ss@word'";
    postgres.load_sql("postgres", role).await.expect("a role");
    let address = format!("postgres://127.0.0.1:{}/postgres", postgres.port());
    let address: LedgerUrl = address.parse().expect("an address");
    let arn = cloud.names().secret("ledger");
    migrate(&address, &Login::secret(aws.clone(), &arn)).await.expect("tables");
    let ledger = SqlLedger::new(address.clone(), Login::secret(aws.clone(), &arn));
    assert_eq!(ledger.read("scorer", 1).await.expect("read").entries, []);

    // Rotated, and nobody stays connected with the old password.
    let rotated = "ALTER ROLE ledger PASSWORD 'sword&fish';
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'ledger'";
    postgres.load_sql("postgres", rotated).await.expect("another password");
    let refused = ledger.read("scorer", 1).await.expect_err("the secret is still the old one");
    let told = chain(&refused);
    assert!(told.contains("password authentication failed"), "{told}");
    cloud.set_secret("ledger", r#"{"username":"ledger","password":"sword&fish"}"#);
    assert_eq!(ledger.read("scorer", 1).await.expect("read").entries, []);

    let broken = SqlLedger::new(address, Login::secret(aws, cloud.names().secret("broken")));
    let error = broken.read("scorer", 1).await.expect_err("no JSON");
    assert!(matches!(error, LedgerError::Unreachable { .. }), "{error:?}");
    let told = chain(&error);
    assert!(told.contains("username") && !told.contains("pa/ss@word"), "{told}");
}
