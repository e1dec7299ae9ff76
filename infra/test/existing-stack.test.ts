/** The rollout in a program that exists: examples/existing-stack before and after. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { rustScorer } from "../examples/existing-stack/rust-scorer";
import { scoring, type Step } from "../examples/existing-stack/scoring";
import { shared } from "../examples/existing-stack/shared";
import type { DescribesLoadBalancer } from "../src";
import { build, revealed } from "./graph";
import type { Graph, Node } from "./graph";
import { callsFor } from "./provider";

const RULE = "aws:lb/listenerRule:ListenerRule";
const GROUP = "aws:lb/targetGroup:TargetGroup";
/** What the SDK sends in place of a value that is not known yet. */
const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";
const CONFIG = { "aws:region": "eu-west-1", "scorer:pythonImage": "python@sha256:1" };

/** The program; with a step also rust-scorer.ts. */
function program(rustPercent: number, step?: Step, existingRules?: DescribesLoadBalancer): Promise<Graph> {
  return build(() => {
    const on = shared();
    const functions = scoring(on, rustPercent, step);
    if (step !== undefined) rustScorer(on, functions, { existingRules });
  }, CONFIG);
}

/** AWS as the program before has left it. */
function awsOf(graph: Graph): DescribesLoadBalancer {
  const tuple = ({ arn, weight }: any) => ({ TargetGroupArn: arn, Weight: weight });
  const condition = (one: any) => ({
    ...(one.hostHeader && { Field: "host-header", HostHeaderConfig: { Values: one.hostHeader.values } }),
    ...(one.pathPattern && { Field: "path-pattern", PathPatternConfig: { Values: one.pathPattern.values } }),
    ...(one.httpRequestMethod && {
      Field: "http-request-method",
      HttpRequestMethodConfig: { Values: one.httpRequestMethod.values },
    }),
  });
  const action = ({ type, targetGroupArn, forward, fixedResponse }: any) => ({
    Type: type,
    TargetGroupArn: targetGroupArn,
    ForwardConfig: forward && { TargetGroups: forward.targetGroups.map(tuple) },
    FixedResponseConfig: fixedResponse && { StatusCode: fixedResponse.statusCode },
  });
  const rules = (listenerArn: string) => {
    const made = graph.all(RULE).filter(({ inputs }) => inputs.listenerArn === listenerArn);
    const listed = made.map(({ inputs, name }) => ({
      RuleArn: `${listenerArn.replace(":listener/", ":listener-rule/")}/${Buffer.from(name).toString("hex").padEnd(16, "0").slice(0, 16)}`,
      Priority: String(inputs.priority),
      Conditions: inputs.conditions.map(condition),
      Actions: inputs.actions.map(action),
    }));
    const last = { IsDefault: true, Priority: "default", Actions: [{ Type: "fixed-response" }] };
    return Promise.resolve([...listed, last]);
  };
  const groups = (arns: readonly string[]) =>
    Promise.resolve(arns.map((TargetGroupArn) => ({ TargetGroupArn, TargetType: "lambda" })));
  return { rules, groups };
}

describe("a rollout in an existing program", () => {
  let was: Graph;
  let is: Graph;
  before(async () => {
    was = await program(0);
    is = await program(0, "managed", awsOf(was));
  });

  test("is one file of less than forty lines", () => {
    const file = join(__dirname, "..", "examples", "existing-stack", "rust-scorer.ts");
    assert.ok(readFileSync(file, "utf8").trimEnd().split("\n").length < 40);
  });

  test("before: eleven weighted rules, one Rust group a load balancer, stickiness on", () => {
    const weighted = was.all(RULE).filter(({ inputs }) => inputs.actions[0].forward !== undefined);
    assert.equal(weighted.length, 11);
    const rust = weighted.map(({ inputs }) => inputs.actions[0].forward.targetGroups[1].arn);
    assert.equal(new Set(rust).size, 2);
    for (const { inputs } of weighted) assert.equal(inputs.actions[0].forward.stickiness.enabled, true);
  });

  test("after: everything else is as it was", () => {
    const later = new Map(is.nodes.map((node) => [node.urn, node] as const));
    for (const node of was.nodes) {
      if (node.name === "score-weighted") continue;
      assert.deepEqual(later.get(node.urn), node, node.urn);
    }
  });

  const adopted = (graph = is): Node => graph.one(RULE, "score-score-weighted");

  test("the rule for scores is the same rule, by its former name", () => {
    const { aliases, importId, inputs } = adopted();
    assert.equal(importId, "");
    assert.equal(aliases[0].spec.name, "score-weighted");
    assert.equal(aliases[0].spec.noparent, true);
    const old = was.one(RULE, "score-weighted").inputs;
    assert.equal(inputs.priority, old.priority);
    assert.equal(inputs.listenerArn, old.listenerArn);
    const values = (conditions: any[]) => conditions.map((one) => JSON.stringify(one)).sort();
    assert.deepEqual(values(inputs.conditions), values(old.conditions));
  });

  test("import and managed write nothing into it; split writes a group of its own, and stickiness off", async () => {
    const old = was.one(RULE, "score-weighted").inputs;
    const step = (name: Step) => program(0, name, awsOf(was));
    const sends = (node: Node) =>
      callsFor(old, node.inputs, node.ignoreChanges).filter((call) => call.Actions);
    assert.deepEqual(sends(adopted(await step("import"))), []);
    assert.deepEqual(sends(adopted()), []);
    const [call] = sends(adopted(await step("split")));
    assert.ok(call);
    const { targetGroups, stickiness } = call.Actions[0].forward;
    assert.deepEqual(
      targetGroups.map(({ arn, weight }: any) => [arn.split("/")[1], weight]),
      [
        ["py-score", 100],
        ["score-score-rust", 0],
      ],
    );
    assert.equal(stickiness.enabled, false);
  });

  test("the percentage of an older branch no longer reaches the rule", async () => {
    const later = await program(100, "managed", awsOf(was));
    assert.deepEqual(adopted(later), adopted());
    const other = later.one(RULE, "models-weighted").inputs.actions[0].forward.targetGroups;
    assert.deepEqual([other[0].weight, other[1].weight], [0, 100]);
  });

  test("the header rule stands between history and the weighted rule", () => {
    const header = is.one(RULE, "score-public-testers").inputs;
    assert.equal(header.priority, 2112);
    assert.ok(was.one(RULE, "history").inputs.priority < header.priority);
    assert.ok(header.priority < adopted().inputs.priority);
  });

  test("scorer and controller are zips for ARM64 with the collector's layer", () => {
    for (const name of [
      "score-scorer",
      "score-rollout-tick",
      "score-rollout-command",
      "score-rollout-view",
    ]) {
      const { inputs } = is.one("aws:lambda/function:Function", name);
      assert.deepEqual(
        [inputs.packageType, inputs.runtime, inputs.handler, inputs.architectures],
        ["Zip", "provided.al2023", "bootstrap", ["arm64"]],
      );
      assert.equal(inputs.imageUri, undefined);
      assert.match(inputs.layers[0], /:layer:aws-otel-collector-arm64-/);
      assert.ok(inputs.code);
      const { variables } = inputs.environment;
      assert.equal(variables.OPENTELEMETRY_COLLECTOR_CONFIG_URI, "/var/task/collector.yaml");
    }
  });

  test("outputs of other resources are used, and the list without a type is one", () => {
    const { inputs } = is.one("aws:lambda/function:Function", "score-scorer");
    assert.deepEqual(inputs.vpcConfig.subnetIds, ["subnet-0a1b2c3d4e5f60001", "subnet-0a1b2c3d4e5f60002"]);
    assert.match(inputs.environment.variables.DATABASE_HOST, /\.rds\.amazonaws\.com$/);
    const toml = revealed(
      is.one("aws:lambda/function:Function", "score-rollout-tick").inputs.environment.variables
        .ROLLOUT_CONFIG,
    );
    assert.match(toml, /targetgroup\/py-score\//);
    assert.match(toml, /priority = 2112/);
  });

  test("the new group is this route's alone", () => {
    const group = is.one(GROUP, "score-score-rust");
    assert.equal(group.inputs.targetType, "lambda");
    assert.equal(is.all(GROUP).length, was.all(GROUP).length + 2);
  });

  test("in a preview that makes the listener, nothing is asked, and everything is planned", async () => {
    const asked: string[] = [];
    const reader: DescribesLoadBalancer = {
      rules: (arn) => Promise.resolve((asked.push(arn), [])),
      groups: () => Promise.resolve([]),
    };
    const plan = (notYet: string[]) =>
      build(
        () => {
          const on = shared();
          rustScorer(on, scoring(on, 0, "split"), { existingRules: reader });
        },
        CONFIG,
        notYet,
      );
    const graph = await plan(["aws:lb/listener:Listener", "aws:lb/targetGroup:TargetGroup"]);
    assert.deepEqual(asked, []);
    assert.equal(graph.nodes.length, is.nodes.length);
    assert.equal(adopted(graph).inputs.listenerArn, UNKNOWN);
  });
});
