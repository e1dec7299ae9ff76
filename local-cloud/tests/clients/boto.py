"""Asks the local cloud everything through boto3 and prints what it says as JSON.

Arguments: endpoint, rule ARN, listener ARN, target group ARN, topic ARN,
LoadBalancer and TargetGroup dimension, start and end of the time range.
"""

import json
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

endpoint, rule, listener, group, topic, lb_dimension, tg_dimension, start, end = sys.argv[1:]


def client(service):
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name="eu-west-1",
        aws_access_key_id="x",
        aws_secret_access_key="x",
        config=Config(retries={"max_attempts": 0}),
    )


def code(call, **arguments):
    try:
        call(**arguments)
        return "none"
    except ClientError as error:
        return error.response["Error"]["Code"]


elb, cw, sns = client("elbv2"), client("cloudwatch"), client("sns")
dimensions = [
    {"Name": "LoadBalancer", "Value": lb_dimension},
    {"Name": "TargetGroup", "Value": tg_dimension},
]


def query(id, name, stat):
    metric = {"Namespace": "AWS/ApplicationELB", "MetricName": name, "Dimensions": dimensions}
    return {"Id": id, "MetricStat": {"Metric": metric, "Period": 60, "Stat": stat}}


out = {}
pages = elb.get_paginator("describe_rules").paginate(
    ListenerArn=listener, PaginationConfig={"PageSize": 1}
)
out["rules"] = [rule for page in pages for rule in page["Rules"]]
actions = elb.describe_rules(RuleArns=[rule])["Rules"][0]["Actions"]
groups = actions[0]["ForwardConfig"]["TargetGroups"]
groups[0]["Weight"], groups[1]["Weight"] = 60, 40
out["modified"] = elb.modify_rule(RuleArn=rule, Actions=actions)["Rules"]
too_heavy = json.loads(json.dumps(actions))
too_heavy[0]["ForwardConfig"]["TargetGroups"][0]["Weight"] = 1000
unknown_group = json.loads(json.dumps(actions))
unknown_group[0]["ForwardConfig"]["TargetGroups"][0]["TargetGroupArn"] += "x"
default = next(one["RuleArn"] for one in out["rules"] if one["IsDefault"])
out["elb_errors"] = {
    "unknown rule": code(elb.modify_rule, RuleArn=rule + "x", Actions=actions),
    "no change": code(elb.modify_rule, RuleArn=rule),
    "weight 1000": code(elb.modify_rule, RuleArn=rule, Actions=too_heavy),
    "unknown group": code(elb.modify_rule, RuleArn=rule, Actions=unknown_group),
    "default rule": code(elb.modify_rule, RuleArn=default, Actions=actions),
    "both or neither": code(elb.describe_rules),
    "unknown listener": code(elb.describe_rules, ListenerArn=listener + "x"),
}
created = elb.create_rule(
    ListenerArn=listener,
    Priority=50,
    Conditions=[{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/new/*"]}}],
    Actions=[{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "410"}}],
)["Rules"][0]
out["priority in use"] = code(
    elb.set_rule_priorities,
    RulePriorities=[{"RuleArn": created["RuleArn"], "Priority": 100}],
)
out["priorities"] = elb.set_rule_priorities(
    RulePriorities=[{"RuleArn": created["RuleArn"], "Priority": 51}]
)["Rules"]
elb.delete_rule(RuleArn=created["RuleArn"])
out["groups"] = elb.describe_target_groups()["TargetGroups"]
out["health"] = elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
out["attributes"] = elb.describe_target_group_attributes(TargetGroupArn=group)["Attributes"]
balancers = elb.describe_load_balancers()["LoadBalancers"]
out["listeners"] = elb.describe_listeners(LoadBalancerArn=balancers[0]["LoadBalancerArn"])["Listeners"]

out["values"] = {}
queries = [
    query("requests", "RequestCount", "Sum"),
    query("p90", "TargetResponseTime", "p90"),
    query("fast", "TargetResponseTime", "TC(0.005:0.2)"),
    query("share", "TargetResponseTime", "PR(:0.3)"),
    query("never", "NoSuchMetric", "Sum"),
    {"Id": "math", "Expression": "requests * 2"},
]
for budget in (100, 2):
    token = {}
    values = {}
    calls = 0
    while True:
        calls += 1
        answer = cw.get_metric_data(
            MetricDataQueries=queries,
            StartTime=int(start),
            EndTime=int(end),
            ScanBy="TimestampAscending",
            MaxDatapoints=budget,
            **token,
        )
        for result in answer["MetricDataResults"]:
            one = values.setdefault(result["Id"], {"points": [], "status": ""})
            one["points"] += [
                [stamp.timestamp(), value]
                for stamp, value in zip(result["Timestamps"], result["Values"])
            ]
            one["status"] = result["StatusCode"]
        if "NextToken" not in answer:
            break
        token = {"NextToken": answer["NextToken"]}
    out["values"][str(budget)] = {"calls": calls, "values": values}
out["cw_errors"] = {
    "bad statistic": code(
        cw.get_metric_data,
        MetricDataQueries=[query("a", "RequestCount", "q12")],
        StartTime=int(start),
        EndTime=int(end),
    ),
    "bad token": code(
        cw.get_metric_data,
        MetricDataQueries=queries,
        StartTime=int(start),
        EndTime=int(end),
        NextToken="nonsense",
    ),
    "unknown alarm": code(
        cw.set_alarm_state, AlarmName="nobody", StateValue="OK", StateReason="test"
    ),
}
cw.put_metric_alarm(
    AlarmName="errors",
    Namespace="AWS/ApplicationELB",
    MetricName="LambdaUserError",
    Dimensions=dimensions,
    Statistic="Sum",
    Period=60,
    EvaluationPeriods=3,
    DatapointsToAlarm=2,
    Threshold=5,
    ComparisonOperator="GreaterThanThreshold",
    TreatMissingData="notBreaching",
    AlarmActions=[topic],
)
cw.put_composite_alarm(AlarmName="any", AlarmRule='ALARM("errors")')
cw.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="by hand")
out["metric alarms only"] = [len(cw.describe_alarms()[k]) for k in ("MetricAlarms", "CompositeAlarms")]
both = cw.describe_alarms(AlarmTypes=["MetricAlarm", "CompositeAlarm"])
out["alarms"] = {a["AlarmName"]: a["StateValue"] for k in ("MetricAlarms", "CompositeAlarms") for a in both[k]}
out["transitioned"] = both["MetricAlarms"][0]["StateTransitionedTimestamp"].timestamp()
cw.put_metric_data(Namespace="Own", MetricData=[{"MetricName": "n", "Values": [1.0, 2.0], "Counts": [3, 1]}])
out["listed"] = [m["MetricName"] for m in cw.list_metrics(Namespace="Own")["Metrics"]]
statistics = cw.get_metric_statistics(
    Namespace="Own", MetricName="n", StartTime=int(start), EndTime=int(end) + 86400, Period=60,
    Statistics=["Sum", "SampleCount"], ExtendedStatistics=["p75"],
)["Datapoints"]
out["statistics"] = [[p["Sum"], p["SampleCount"], p["ExtendedStatistics"]["p75"]] for p in statistics]

out["message id"] = sns.publish(TopicArn=topic, Subject="hello", Message="text")["MessageId"]
out["unknown topic"] = code(sns.publish, TopicArn=topic + "x", Message="text")
out["long subject"] = code(sns.publish, TopicArn=topic, Subject="x" * 100, Message="text")
out["identity"] = client("sts").get_caller_identity()["Account"]
out["events"] = client("events").put_events(
    Entries=[
        {"Source": "rollout", "DetailType": "Rollout State Change", "Detail": '{"state": "held"}'},
        {"Source": "rollout", "DetailType": "x", "Detail": "no json"},
    ]
)
secrets = client("secretsmanager")
out["secret"] = secrets.get_secret_value(SecretId="db")["SecretString"]
out["no secret"] = code(secrets.get_secret_value, SecretId="other")

functions = client("lambda")
answer = functions.invoke(FunctionName="python", Payload=b'{"a": 1}')
out["invoked"] = json.load(answer["Payload"])["event"]
answer = functions.invoke(FunctionName="python", Payload=b'{"raise": true}')
out["raised"] = [answer["FunctionError"], json.load(answer["Payload"])["errorType"]]
out["queued"] = functions.invoke(FunctionName="python", InvocationType="Event")["StatusCode"]
out["dry"] = functions.invoke(FunctionName="python", InvocationType="DryRun")["StatusCode"]
out["unknown function"] = code(functions.invoke, FunctionName="nobody")
out["stopped function"] = code(functions.invoke, FunctionName="stopped")
print(json.dumps(out, default=str))
