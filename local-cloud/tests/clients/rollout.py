"""What the controller reads and writes, through boto3; prints what was said as JSON.

Argument: JSON with `endpoint` and the ARNs that are used below.
"""

import json
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

a = json.loads(sys.argv[1])


def client(service, patience=60):
    return boto3.client(
        service,
        endpoint_url=a["endpoint"],
        region_name="eu-west-1",
        aws_access_key_id="x",
        aws_secret_access_key="x",
        # The cloud shall refuse, not the client.
        config=Config(retries={"max_attempts": 0}, read_timeout=patience, parameter_validation=False),
    )


def code(call, **arguments):
    try:
        call(**arguments)
        return "none"
    except ClientError as error:
        return error.response["Error"]["Code"]
    except (ReadTimeoutError, ConnectionClosedError) as error:
        return type(error).__name__


out = {}

# --- SSM
ssm = client("ssm")
order, run = "/rollout/score/order", "/rollout/score/run"
out["before"] = ssm.get_parameters(Names=[order, run])["InvalidParameters"]
put = lambda **more: dict(Name=order, Value="v", Type="String", **more)
out["created"] = ssm.put_parameter(**put())["Version"]
out["overwritten"] = ssm.put_parameter(**dict(put(Overwrite=True), Value="w"))
out["untyped"] = ssm.put_parameter(Name=order, Value="x", Overwrite=True)["Version"]
got = ssm.get_parameters(Names=[order, run, order + ":1", "nobody"])
out["invalid"] = got["InvalidParameters"]
out["parameters"] = [[p["Name"], p["Type"], p["Value"], p["Version"], p.get("Selector")] for p in got["Parameters"]]
out["arn"] = got["Parameters"][0]["ARN"]
out["modified"] = got["Parameters"][0]["LastModifiedDate"].timestamp()
out["one"] = ssm.get_parameter(Name=run)["Parameter"]["Value"]
out["ssm_errors"] = {
    "exists": code(ssm.put_parameter, **put()),
    "no type": code(ssm.put_parameter, Name="new", Value="x"),
    "too large": code(ssm.put_parameter, **dict(put(Overwrite=True), Value="x" * 4097)),
    "empty": code(ssm.put_parameter, **dict(put(Overwrite=True), Value="")),
    "relative": code(ssm.put_parameter, Name="a/b", Value="x", Type="String"),
    "eleven": code(ssm.get_parameters, Names=[f"n{i}" for i in range(11)]),
    "no name": code(ssm.get_parameters, Names=[]),
    "absent": code(ssm.get_parameter, Name="nobody"),
    "secure": code(ssm.put_parameter, Name="s", Value="x", Type="SecureString"),
}
out["largest"] = ssm.put_parameter(**dict(put(Overwrite=True), Value="x" * 4096))["Version"]

# --- Lambda
functions = client("lambda")
configuration = functions.get_function_configuration
wanted = ("FunctionArn", "Version", "CodeSha256", "LastModified", "State", "LastUpdateStatus", "Environment")
out["functions"] = {
    str(asked): {key: answer[key] for key in wanted}
    for asked in ({"FunctionName": "rust"}, {"FunctionName": "rust", "Qualifier": "1"}, {"FunctionName": a["live"]},
                  {"FunctionName": "settling"}, {"FunctionName": "failed"})
    for answer in [configuration(**asked)]
}
alias = functions.get_alias
out["alias"] = {key: value for key, value in alias(FunctionName="rust", Name="live").items() if key != "ResponseMetadata"}
out["split"] = alias(FunctionName="rust", Name="split").get("RoutingConfig")
invoked = functions.invoke(FunctionName="rust", Qualifier="live", Payload=b"{}")
out["executed"] = [invoked["ExecutedVersion"], json.load(invoked["Payload"])["version"]]
out["lambda_errors"] = {
    "no function": code(configuration, FunctionName="nobody"),
    "no version": code(configuration, FunctionName="rust", Qualifier="9"),
    "two qualifiers": code(configuration, FunctionName="rust:1", Qualifier="2"),
    "no alias": code(alias, FunctionName="rust", Name="dead"),
    "alias of nobody": code(alias, FunctionName="nobody", Name="live"),
}

# --- target health
elb = client("elbv2")
health = lambda group, **more: [
    [d["Target"]["Id"], d["TargetHealth"]["State"], d["TargetHealth"].get("Reason")]
    for d in elb.describe_target_health(TargetGroupArn=group, **more)["TargetHealthDescriptions"]
]
out["health"] = {name: health(a[name]) for name in ("tg-python", "tg-rust", "tg-tester", "tg-empty", "tg-leaving", "tg-unused")}
out["asked"] = health(a["tg-rust"], Targets=[{"Id": a["live"]}, {"Id": a["live"] + "x"}])
out["no group"] = code(elb.describe_target_health, TargetGroupArn=a["tg-rust"] + "x")

# --- rules that sign people in
rule = a["oidc_rule"]
found = elb.describe_rules(RuleArns=[rule])["Rules"][0]["Actions"]
out["found"] = found
out["oidc_errors"] = {"as found": code(elb.modify_rule, RuleArn=rule, Actions=found)}
both = json.loads(json.dumps(found))
both[0]["AuthenticateOidcConfig"].update(ClientSecret="s", UseExistingClientSecret=True)
out["oidc_errors"]["both"] = code(elb.modify_rule, RuleArn=rule, Actions=both)
existing = json.loads(json.dumps(found))
existing[0]["AuthenticateOidcConfig"].update(UseExistingClientSecret=True, AuthenticationRequestExtraParams={"display": "page"})
existing[1]["ForwardConfig"]["TargetGroups"][0]["Weight"] = 7
out["oidc_errors"]["new rule"] = code(
    elb.create_rule, ListenerArn=a["listener"], Priority=77, Actions=existing,
    Conditions=[{"Field": "path-pattern", "Values": ["/x"]}],
)
out["oidc_errors"]["first"] = code(elb.modify_rule, RuleArn=a["other_rule"], Actions=existing)
last = json.loads(json.dumps(existing))
last[0]["Order"], last[1]["Order"] = 2, 1
out["oidc_errors"]["sign-in last"] = code(elb.modify_rule, RuleArn=rule, Actions=last)
out["oidc_errors"]["none"] = code(elb.modify_rule, RuleArn=rule, Actions=existing)
out["kept"] = elb.describe_rules(RuleArns=[rule])["Rules"][0]["Actions"]
cognito = elb.describe_rules(RuleArns=[a["cognito_rule"]])["Rules"][0]["Actions"]
out["cognito"] = cognito
out["cognito as found"] = code(elb.modify_rule, RuleArn=a["cognito_rule"], Actions=cognito)

# --- faults, each set by the test for one resource or one operation
sns, events = client("sns"), client("events")
impatient = client("ssm", patience=1)
entry = {"Source": "rollout", "DetailType": "x", "Detail": "{}"}
out["faults"] = {
    "denied rule": code(elb.modify_rule, RuleArn=a["plain_rule"], Actions=a["plain_actions"]),
    "other rule": code(elb.modify_rule, RuleArn=a["cognito_rule"], Actions=cognito),
    "chat": code(sns.publish, TopicArn=a["chat"], Message="to chat"),
    "pager": code(sns.publish, TopicArn=a["pages"], Message="to the pager"),
    "entries": events.put_events(Entries=[entry, entry])["FailedEntryCount"],
    "lost bus event": code(events.put_events, Entries=[entry]),
    "lost parameter": code(ssm.put_parameter, Name="lost", Value="made", Type="String"),
    "hanging parameter": code(impatient.put_parameter, Name="hanging", Value="made", Type="String"),
    "hung parameter": code(impatient.put_parameter, Name="never", Value="made", Type="String"),
    "denied parameter": code(ssm.get_parameters, Names=[run]),
    "alias": code(alias, FunctionName="python", Name="live"),
}

# --- one metric of one minute
cw = client("cloudwatch")
dimensions = [{"Name": key, "Value": value} for key, value in a["dimensions"].items()]
series = {"requests": ("RequestCount", "Sum"), "fast": ("TargetResponseTime", "TC(:0.2)"),
          "times": ("TargetResponseTime", "SampleCount"), "errors": ("HTTPCode_Target_5XX_Count", "Sum")}
data = cw.get_metric_data(
    StartTime=a["start"], EndTime=a["start"] + 180, ScanBy="TimestampAscending",
    MetricDataQueries=[
        {"Id": name, "MetricStat": {"Period": 60, "Stat": stat, "Metric": {
            "Namespace": "AWS/ApplicationELB", "MetricName": metric, "Dimensions": dimensions}}}
        for name, (metric, stat) in series.items()
    ],
)["MetricDataResults"]
out["data"] = {r["Id"]: [r["StatusCode"], {int((t.timestamp() - a["start"]) // 60): v for t, v in zip(r["Timestamps"], r["Values"])}] for r in data}
print(json.dumps(out, default=str))
