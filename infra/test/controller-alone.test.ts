/** The controller without a scorer, for another pair of functions: examples/controller-alone. */

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { parse } from "smol-toml";
import { program } from "../examples/controller-alone";
import { allToOld, profile } from "../src";
import type { RolloutArgs } from "../src";
import { ConfigError } from "../src/problems";
import { build, revealed } from "./graph";
import type { Graph } from "./graph";

const LISTENER =
  "arn:aws:elasticloadbalancing:eu-west-1:111122223333:listener/app/shop/0123456789abcdef/fedcba9876543210";
const arn = (service: string, rest: string) => `arn:aws:${service}:eu-west-1:111122223333:${rest}`;
const CONFIG = {
  "aws:region": "eu-west-1",
  "checkout:listenerArn": LISTENER,
  "checkout:functionRoleArn": "arn:aws:iam::111122223333:role/checkout",
  "checkout:oncallRoleArn": "arn:aws:iam::111122223333:role/oncall",
  "checkout:subnetIds": JSON.stringify(["subnet-0a1b2c3d4e5f60001", "subnet-0a1b2c3d4e5f60002"]),
  "checkout:securityGroupIds": JSON.stringify(["sg-0a1b2c3d4e5f60003"]),
  "checkout:controllerImage": `111122223333.dkr.ecr.eu-west-1.amazonaws.com/rollout-controller@sha256:${"2".repeat(64)}`,
  "checkout:databaseHost": "db.example.com",
  "checkout:ledgerSecretArn": arn("secretsmanager", "secret:writer-AbCdEf"),
  "checkout:ledgerReaderSecretArn": arn("secretsmanager", "secret:reader-AbCdEf"),
  "checkout:topicArn": arn("sns", "oncall"),
};

/** What `read` would read; here it is not the question. */
const graphOf = (more?: Partial<RolloutArgs>) =>
  build(() => program({ existingRules: "unchecked", ...more }), CONFIG);

describe("the controller alone", () => {
  let graph: Graph;
  let texts: { toml: string; lines: string; profile: string };
  before(async () => {
    const found = new Map<string, string>();
    graph = await build(() => {
      const { controllerToml, handover } = program({ existingRules: "unchecked" });
      controllerToml.apply((text) => found.set("toml", text));
      handover.apply((all) => found.set("lines", allToOld(all)).set("profile", profile(all)));
    }, CONFIG);
    const text = (name: string) => found.get(name) ?? "";
    texts = { toml: text("toml"), lines: text("lines"), profile: text("profile") };
  });

  test("makes no scorer, no group, no rule: functions of its own are its three doors", () => {
    const names = (type: string) =>
      graph
        .all(type)
        .map(({ name }) => name)
        .sort();
    assert.deepEqual(names("aws:lambda/function:Function"), [
      "checkout-go",
      "checkout-node",
      "checkout-rollout-command",
      "checkout-rollout-tick",
      "checkout-rollout-view",
    ]);
    assert.deepEqual(names("aws:lb/targetGroup:TargetGroup"), ["checkout-go", "checkout-node"]);
    assert.deepEqual(names("aws:lb/listenerRule:ListenerRule"), ["checkout"]);
  });

  test("may set weights of the team's rule, and ask for the code of both functions", () => {
    const { inputs } = graph.one("aws:iam/rolePolicy:RolePolicy", "checkout-rollout-tick");
    const statement = (sid: string) =>
      JSON.parse(inputs.policy).Statement.find(({ Sid }: any) => Sid === sid);
    assert.deepEqual(statement("SetWeights").Resource.length, 1);
    assert.match(statement("SetWeights").Resource[0], /:listener-rule\/app\/shop\//);
    assert.deepEqual(statement("ReadWhichCodeRuns").Resource.sort(), [
      arn("lambda", "function:checkout-go"),
      arn("lambda", "function:checkout-node"),
    ]);
  });

  test("calls the sides as the team does, in names and sentences", () => {
    const alarms = graph.all("aws:cloudwatch/compositeAlarm:CompositeAlarm").map(({ inputs }) => inputs);
    assert.deepEqual(alarms.map(({ alarmName }) => alarmName).sort(), [
      "checkout-go-side",
      "checkout-node-side",
    ]);
    const texts = JSON.stringify(graph.nodes.map(({ inputs }) => inputs));
    const words = texts.replaceAll(/"handler":"[^"]*"|WeightRust|python_twin/g, "");
    assert.deepEqual(words.match(/.{30}([Pp]ython|Rust|[Ss]corer).{30}/), null);
    assert.match(texts, /The Go side misses an objective; a running rollout goes back to Node by itself/);
  });

  test("configures the controller with its labels, and without a header rule", () => {
    const [rollout] = structuredClone(parse(texts.toml).rollout) as any[];
    assert.deepEqual(rollout.labels, { old: "Node", new: "Go" });
    assert.equal(rollout.route[0].header_rule, undefined);
    assert.match(rollout.route[0].new_group, /targetgroup\/checkout-go\//);
    const { ROLLOUT_CONFIG } = graph.one("aws:lambda/function:Function", "checkout-rollout-tick").inputs
      .environment.variables;
    assert.equal(revealed(ROLLOUT_CONFIG), texts.toml);
  });

  test("hands over what people need", () => {
    assert.match(texts.lines, /modify-rule .*targetgroup\/checkout-node\/.*"Weight":100/);
    assert.match(texts.profile, /new_group = ".*targetgroup\/checkout-go\//);
    const [rollout] = structuredClone(parse(texts.profile).rollout) as any[];
    assert.deepEqual(rollout.labels, { old: "Node", new: "Go" });
  });

  test("draws no graphs of a scorer", () => {
    const [{ inputs }] = graph.all("aws:cloudwatch/dashboard:Dashboard") as [any];
    assert.doesNotMatch(inputs.dashboardBody, /ScorerFn/);
    assert.match(inputs.dashboardBody, /Share of requests to Go/);
  });
});

describe("a component's arguments are checked as a stack's configuration is", () => {
  const problems = async (change: (args: any) => void): Promise<string[]> => {
    const { base } = await import("./controller-alone-args.js");
    const args = structuredClone(base) as any;
    change(args);
    try {
      await graphOf(args);
      return [];
    } catch (error) {
      assert.ok(error instanceof ConfigError, String(error));
      return error.problems.map(({ key, fix }) => `${key}: ${fix}`);
    }
  };
  const cases: [what: string, change: (args: any) => void, problem: RegExp][] = [
    [
      "nothing that the new side is",
      (a) => {
        delete a.routes[0].newTargetGroup;
        delete a.routes[0].ruleArn;
      },
      /newTargetGroup: is missing, and so are scorer and newFunction/,
    ],
    [
      "one rule twice",
      (a) =>
        a.routes.push({
          ...a.routes[0],
          name: "again",
          priority: 301,
          oldTargetGroupArn: a.routes[0].oldTargetGroupArn.replace("a/", "c/"),
          newTargetGroup: {
            ...a.routes[0].newTargetGroup,
            arn: a.routes[0].newTargetGroup.arn.replace("b/", "d/"),
          },
        }),
      /^routes: name one rule twice/,
    ],
    [
      "one group for both sides",
      (a) => (a.routes[0].newTargetGroup.arn = a.routes[0].oldTargetGroupArn),
      /^routes: name one group twice/,
    ],
    [
      "a group to take over, and one to leave alone",
      (a) => (a.routes[0].newTargetGroup.importArn = a.routes[0].newTargetGroup.arn),
      /newTargetGroup\.arn: stands beside importArn/,
    ],
    [
      "a rule that stays and is adopted",
      (a) => (a.routes[0].adopt = { ruleArn: a.routes[0].ruleArn, step: "managed" }),
      /ruleArn: stands beside adopt/,
    ],
    [
      "labels with one name",
      (a) => (a.labels = { old: "Go 1", new: "go-1" }),
      /^labels\.new: is go-1, and `old` is Go 1/,
    ],
    [
      "a rule of a network load balancer",
      (a) => (a.routes[0].ruleArn = a.routes[0].ruleArn.replace("app/", "net/")),
      /routes\[0\]\.ruleArn: is ".*net.*must be the ARN of a listener rule/,
    ],
    [
      "groups without a function to lead to",
      (a) => (a.listeners.shop.headerRule = {}),
      /^listeners\.shop\.headerRule\.testerGroupArn: is missing/,
    ],
    [
      "a zip for traces without a layer",
      (a) => Object.assign(a, { tracing: "xray", controller: { zip: "./controller.zip", mode: "shadow" } }),
      /^controller\.layers: is missing; with `tracing: xray`/,
    ],
    [
      "an image and a zip",
      (a) => (a.controller.zip = "./controller.zip"),
      /^controller\.zip: stands beside image/,
    ],
    [
      "layers for an image",
      (a) =>
        (a.controller.layers = ["arn:aws:lambda:eu-west-1:1:layer:x:1"].map((one) =>
          one.replace(":1:", ":111122223333:"),
        )),
      /^controller\.layers: are for a zip/,
    ],
    [
      "a header's value in the clear and in a secret",
      (a) =>
        Object.assign(a, {
          header: { value: "x", valueSecretArn: arn("secretsmanager", "secret:h-AbCdEf") },
          operators: { ...a.operators, testers: a.operators.operators },
        }),
      /^header\.value: stands beside valueSecretArn/,
    ],
    ["a name too long", (a) => (a.routes[0].name = "averylongroutename"), /^routes\[0\]\.name: is .*2 to 12/],
  ];
  for (const [what, change, problem] of cases) {
    test(what, async () => {
      const found = await problems(change);
      assert.equal(found.length, 1, found.join("\n"));
      assert.match(found[0] ?? "", problem);
    });
  }

  test("and right ones make the rollout, the function behind an alias of the team's too", async () => {
    assert.deepEqual(await problems(() => undefined), []);
    const { base } = await import("./controller-alone-args.js");
    const { routes, ...others } = structuredClone(base) as any;
    delete routes[0].newTargetGroup;
    delete routes[0].ruleArn;
    const newFunction = { functionArn: arn("lambda", "function:go"), alias: "live" };
    const graph = await graphOf({ ...others, routes, newFunction, existingRules: "unchecked" });
    const { inputs } = graph.one(
      "aws:lb/targetGroupAttachment:TargetGroupAttachment",
      "checkout-checkout-go",
    );
    assert.equal(inputs.targetId, `${newFunction.functionArn}:live`);
    const permission = graph.one("aws:lambda/permission:Permission", "checkout-checkout-go").inputs;
    assert.deepEqual([permission.function, permission.qualifier], [newFunction.functionArn, "live"]);
  });

  test("a group is taken over as it is, with what is registered in it", async () => {
    const { base } = await import("./controller-alone-args.js");
    const args = structuredClone(base) as any;
    const { arn: importArn, ...rest } = args.routes[0].newTargetGroup;
    args.routes[0].newTargetGroup = { ...rest, importArn };
    const graph = await graphOf(args);
    const group = graph.one("aws:lb/targetGroup:TargetGroup", "checkout-checkout-go");
    assert.equal(group.importId, importArn);
    assert.equal(group.inputs.name, "b");
    assert.ok(group.protect);
  });
});
