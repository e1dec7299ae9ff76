"""Reads rules and minutes through boto3, another client of the same cloud.

Standard input, JSON: endpoint, listener, rule, weights to write (or null),
load_balancer (dimension), groups (ARN: dimension), start and end (seconds),
edges (milliseconds). Standard output, JSON: what boto3 was told, before and
after it wrote the weights.
"""

import json
import sys
from datetime import datetime, timezone

import boto3
from botocore.config import Config

asked = json.load(sys.stdin)


def client(service):
    return boto3.client(
        service,
        endpoint_url=asked["endpoint"],
        region_name="eu-west-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"max_attempts": 0}),
    )


elb, cloudwatch = client("elbv2"), client("cloudwatch")


def weights():
    rules = elb.describe_rules(ListenerArn=asked["listener"])["Rules"]
    rule = next(rule for rule in rules if rule["RuleArn"] == asked["rule"])
    groups = rule["Actions"][0]["ForwardConfig"]["TargetGroups"]
    return {group["TargetGroupArn"]: group["Weight"] for group in groups}


def seconds(ms):
    return f"{ms / 1000:.6f}".rstrip("0").rstrip(".")


edges = [""] + [seconds(edge) for edge in asked["edges"]] + [""]
buckets = [f"TC({low}:{high})" for low, high in zip(edges, edges[1:])]
COUNTS = [
    ("requests", "RequestCount", "Sum"),
    ("answered", "HTTPCode_Target_5XX_Count", "Sum"),
    ("samples", "TargetResponseTime", "SampleCount"),
]
# These are published by group alone.
FAILED_CALLS = [
    ("user", "LambdaUserError", "Sum"),
    ("internal", "LambdaInternalError", "Sum"),
]


def series(dimensions, metrics):
    """Values by minute, for each of (name, metric, statistic)."""
    queries = []
    for number, (_, metric, statistic) in enumerate(metrics):
        what = {
            "Namespace": "AWS/ApplicationELB",
            "MetricName": metric,
            "Dimensions": dimensions,
        }
        stat = {"Metric": what, "Period": 60, "Stat": statistic}
        queries.append({"Id": f"q{number}", "MetricStat": stat})
    time = {key: datetime.fromtimestamp(asked[key], timezone.utc) for key in ("start", "end")}
    pages = cloudwatch.get_paginator("get_metric_data").paginate(
        MetricDataQueries=queries, StartTime=time["start"], EndTime=time["end"]
    )
    found = {name: {} for name, _, _ in metrics}
    for page in pages:
        for result in page["MetricDataResults"]:
            name = metrics[int(result["Id"][1:])][0]
            for at, value in zip(result["Timestamps"], result["Values"]):
                found[name][int(at.timestamp()) // 60] = value
    return found


def minutes(group_dimension):
    group = {"Name": "TargetGroup", "Value": group_dimension}
    both = [{"Name": "LoadBalancer", "Value": asked["load_balancer"]}, group]
    tails = [(bucket, "TargetResponseTime", bucket) for bucket in buckets]
    found = series(both, COUNTS + tails) | series([group], FAILED_CALLS)
    answer = {}
    for minute in sorted(found["requests"]):
        value = lambda name: found[name].get(minute, 0)
        answer[minute] = {
            "requests": value("requests"),
            "errors": value("answered") + value("user") + value("internal"),
            "samples": value("samples"),
            "buckets": [value(bucket) for bucket in buckets],
        }
    return answer


out = {
    "weights": weights(),
    "minutes": {arn: minutes(dimension) for arn, dimension in asked["groups"].items()},
}
if asked["write"]:
    groups = [{"TargetGroupArn": arn, "Weight": w} for arn, w in asked["write"].items()]
    action = {"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}
    elb.modify_rule(RuleArn=asked["rule"], Actions=[action])
print(json.dumps(out))
