/**
 * Python functions, a Rust function beside them, and the rules that split requests. The
 * percentage of the environment is written into every weighted rule by every deployment.
 */

import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { lambdaTarget, weightedRule } from "./helpers";
import type { LambdaTarget } from "./helpers";
import { HOST } from "./shared";
import type { Shared } from "./shared";

interface Rule {
  readonly priority: number;
  readonly paths: string[];
  readonly methods?: string[];
}

const SCORE: Rule = { priority: 2113, paths: ["/v2/stamps/*/score/*"] };
/** Weighted rules on the public load balancer. Their order matters: history stands before score. */
const PUBLIC: Record<string, Rule> = {
  score: SCORE,
  "cache-get": { priority: 2120, paths: ["/cache/stamps/*"], methods: ["GET"] },
  "cache-put": { priority: 2121, paths: ["/cache/stamps/*"], methods: ["PUT"] },
  "cache-bulk": { priority: 2122, paths: ["/cache/bulk"], methods: ["POST"] },
  "cache-drop": { priority: 2123, paths: ["/cache/stamps/*"], methods: ["DELETE"] },
  "cache-list": { priority: 2124, paths: ["/cache/list"] },
  models: { priority: 2130, paths: ["/v2/models/score/*"] },
  embed: { priority: 2131, paths: ["/embed/score/*"] },
};
const INTERNAL: Record<string, Rule> = {
  "internal-score": { priority: 2110, paths: ["/internal/score/*"] },
  "internal-cache": { priority: 2120, paths: ["/internal/cache/*"] },
  "internal-embed": { priority: 2130, paths: ["/internal/embed/*"] },
};

/** How far the rollout has taken over the rule for scores, see docs/adopt.md. */
export type Step = "import" | "split" | "managed";

export interface Scoring {
  /** The rule for scores, and Python's group in it. */
  readonly score: { readonly rule: Rule; readonly python: LambdaTarget; readonly step: Step };
  readonly archives: Readonly<Record<"scorer" | "controller", pulumi.asset.Archive>>;
  readonly layers: string[];
}

/**
 * @param rustPercent share of Rust in this environment, from the vault
 * @param step of the rule that a rollout takes over; without one this program has them all
 */
export function scoring(on: Shared, rustPercent: number, step?: Step): Scoring {
  const layers = ["arn:aws:lambda:eu-west-1:901920570463:layer:aws-otel-collector-arm64-ver-0-117-0:1"];
  const common = {
    role: on.role.arn,
    timeout: 30,
    vpcConfig: { subnetIds: on.privateSubnetIds, securityGroupIds: [on.lambdaSecurityGroup.id] },
    environment: { variables: Object.fromEntries(on.environment.map(({ name, value }) => [name, value])) },
  };
  const imageUri = new pulumi.Config("scorer").require("pythonImage");
  const pythonFunction = new aws.lambda.Function("scorer-python", {
    ...common,
    name: "scorer-python",
    packageType: "Image",
    imageUri,
    memorySize: 1024,
  });
  const rustFunction = new aws.lambda.Function("scorer-rust", {
    ...common,
    name: "scorer-rust",
    runtime: "provided.al2023",
    handler: "bootstrap",
    architectures: ["arm64"],
    code: new pulumi.asset.FileArchive("./rust-scorer.zip"),
    layers,
    memorySize: 256,
  });
  // One Rust group for all rules of a load balancer.
  const rust = {
    public: lambdaTarget("rust-public", rustFunction),
    internal: lambdaTarget("rust-internal", rustFunction),
  };
  const registry = lambdaTarget("registry", pythonFunction);
  const publicArn = on.listeners.public.arn;
  const rule = (
    name: string,
    priority: number,
    conditions: aws.types.input.lb.ListenerRuleCondition[],
    action: aws.types.input.lb.ListenerRuleAction,
  ) => new aws.lb.ListenerRule(name, { listenerArn: publicArn, priority, conditions, actions: [action] });
  rule("block", 2000, [{ hostHeader: { values: ["old.example.com"] } }], {
    type: "fixed-response",
    fixedResponse: { contentType: "text/plain", statusCode: "403" },
  });
  const toRegistry = { type: "forward", targetGroupArn: registry.targetGroup.arn };
  const host = { hostHeader: { values: [HOST] } };
  rule("history", 2111, [host, { pathPattern: { values: ["/v2/stamps/*/score/*/history"] } }], toRegistry);
  rule("v2", 2200, [host, { pathPattern: { values: ["/v2/*"] } }], toRegistry);
  const python: Record<string, LambdaTarget> = {};
  for (const [side, rules] of [
    ["public", PUBLIC],
    ["internal", INTERNAL],
  ] as const) {
    for (const [name, args] of Object.entries(rules)) {
      const target = lambdaTarget(`py-${name}`, pythonFunction);
      python[name] = target;
      if (name === "score" && step !== undefined) continue;
      const listenerArn = on.listeners[side].arn;
      weightedRule(`${name}-weighted`, {
        ...args,
        listenerArn,
        host: HOST,
        python: target,
        rust: rust[side],
        rustPercent,
      });
    }
  }
  const archives = {
    scorer: new pulumi.asset.FileArchive("./dist/scorer.zip"),
    controller: new pulumi.asset.FileArchive("./dist/controller.zip"),
  };
  return { score: { rule: SCORE, python: of(python, "score"), step: step ?? "import" }, archives, layers };
}

function of(targets: Readonly<Record<string, LambdaTarget>>, name: string): LambdaTarget {
  const target = targets[name];
  if (target === undefined) throw new Error(`no group of a rule named ${name}`);
  return target;
}
