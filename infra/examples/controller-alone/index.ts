/**
 * The controller for a pair of functions that have nothing to do with scores: checkout in
 * Node.js and in Go. Functions, groups and the weighted rule are the team's own and stay so.
 */

import * as pulumi from "@pulumi/pulumi";
import { Rollout, type RolloutArgs } from "rollout-infra";
import { checkout } from "./checkout";

export function program(more?: Partial<RolloutArgs>): Rollout {
  const config = new pulumi.Config("checkout");
  const { node, go, rule, listenerArn, priority, paths } = checkout();
  const oncall = config.require("oncallRoleArn");
  return new Rollout("checkout", {
    tags: { owner: "checkout" },
    labels: { old: "Node", new: "Go" },
    tracing: "off",
    network: {
      subnetIds: config.requireObject<string[]>("subnetIds"),
      securityGroupIds: config.requireObject<string[]>("securityGroupIds"),
    },
    controller: { image: config.require("controllerImage"), mode: "shadow" },
    ledger: {
      host: config.require("databaseHost"),
      login: "secret",
      secretArn: config.require("ledgerSecretArn"),
      readerSecretArn: config.require("ledgerReaderSecretArn"),
    },
    slo: { errorRatePercent: 0.5, p50Ms: 80, p95Ms: 250, p99Ms: 800 },
    // No header rule: nobody tests Go by a header.
    listeners: { shop: { arn: listenerArn, headerRule: false } },
    routes: [
      {
        name: "checkout",
        listener: "shop",
        ruleArn: rule.arn,
        priority,
        paths,
        oldTargetGroupArn: node.group.arn,
        oldFunctionArn: node.function.arn,
        newTargetGroup: { arn: go.group.arn, functionArn: go.function.arn },
      },
    ],
    paging: { topicArn: config.require("topicArn") },
    operators: { operators: [oncall], emergency: [oncall] },
    ...more,
  });
}
