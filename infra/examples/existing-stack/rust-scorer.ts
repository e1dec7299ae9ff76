import * as pulumi from "@pulumi/pulumi";
import { Rollout, type RolloutArgs } from "rollout-infra";
import type { Scoring } from "./scoring";
import { HOST, type Shared } from "./shared";

/** The Rust scorer for the score route, and the controller that moves requests to it. */
export const rustScorer = (on: Shared, its: Scoring, more?: Partial<RolloutArgs>) =>
  new Rollout("score", {
    tags: { owner: "scoring" },
    tracing: "xray",
    network: { subnetIds: on.privateSubnetIds, securityGroupIds: [on.lambdaSecurityGroup.id] },
    scorer: {
      zip: its.archives.scorer,
      layers: its.layers,
      memoryMb: 256,
      database: { host: on.proxy.endpoint, name: "scorer", secretArn: on.login.arn },
      trustedIssuers: ["did:ethr:0x006db0897f63cc98e0e2a831196d10e36db58404"],
      environment: Object.fromEntries(on.environment.map(({ name, value }) => [name, value])),
    },
    controller: { zip: its.archives.controller, layers: its.layers, mode: "shadow" },
    ledger: { host: on.proxy.endpoint, login: "iam", proxyResourceId: on.proxyResourceId },
    slo: { errorRatePercent: 1, p50Ms: 100, p95Ms: 200, p99Ms: 500 },
    listeners: { public: { arn: on.listeners.public.arn, headerRule: { priority: 2112 } } },
    routes: [
      {
        ...{ name: "score", listener: "public", hosts: [HOST], ...its.score.rule },
        oldTargetGroupArn: its.score.python.targetGroup.arn,
        oldFunctionArn: its.score.python.function.arn,
        adopt: { from: { name: "score-weighted", parent: pulumi.rootStackResource }, step: its.score.step },
      },
    ],
    paging: { topicArn: on.pages.arn },
    operators: { operators: [on.oncall], emergency: [on.oncall] },
    ...more,
  });
