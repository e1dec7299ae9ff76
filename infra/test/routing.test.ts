import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { graphOf } from "./example";
import { isSecret, revealed } from "./graph";
import type { Graph, Node } from "./graph";

const RULE = "aws:lb/listenerRule:ListenerRule";
const GROUP = "aws:lb/targetGroup:TargetGroup";
const ACTIONS = ["actions"];

/** The step of an adoption, in the example's first route. */
const adopting = (step: string) => graphOf((c) => (c.routes[0].adopt.step = step));

const isWeighted = (rule: Node) => rule.inputs.actions[0].forward !== undefined;

describe("listener rules", () => {
  let graph: Graph;
  before(async () => {
    graph = await graphOf();
  });
  const weighted = () => graph.all(RULE).filter(isWeighted);
  const header = () => graph.all(RULE).filter((rule) => !isWeighted(rule));

  test("two load balancers, three routes: five rules", () => {
    assert.deepEqual(
      header()
        .map((rule) => rule.name)
        .sort(),
      ["score-internal-testers", "score-public-testers"],
    );
    assert.deepEqual(
      weighted()
        .map((rule) => rule.name)
        .sort(),
      ["score-internal-weighted", "score-partners-weighted", "score-public-weighted"],
    );
  });

  test("each listener's header rule is at 99, and every weighted rule after it", () => {
    for (const rule of header()) assert.equal(rule.inputs.priority, 99);
    for (const rule of weighted()) {
      const before = header().find((other) => other.inputs.listenerArn === rule.inputs.listenerArn);
      assert.ok(before, `${rule.name} has a header rule on its listener`);
      assert.ok(rule.inputs.priority > before.inputs.priority);
    }
  });

  test("the header rule asks for the header, and for a path of any route of its listener", () => {
    const { conditions } = graph.one(RULE, "score-public-testers").inputs;
    assert.equal(conditions.length, 2);
    assert.equal(conditions[0].httpHeader.httpHeaderName, "X-Use-Rust-Scorer");
    assert.deepEqual(conditions[0].httpHeader.values.map(revealed), ["a-secret-header-value"]);
    assert.deepEqual(conditions[1], {
      pathPattern: { values: ["/v2/stamps/*/score/*", "/partners/*/score"] },
    });
  });

  test("the header's value from Secrets Manager stays a secret", () => {
    const { conditions } = graph.one(RULE, "score-public-testers").inputs;
    assert.ok(isSecret(conditions[0].httpHeader.values[0]));
  });

  test("the header rule asks for the hosts of its routes", () => {
    const { conditions } = graph.one(RULE, "score-internal-testers").inputs;
    assert.deepEqual(conditions[2], { hostHeader: { values: ["scorer.internal.example.com"] } });
  });

  test("without a secret the header is `true`, and may be narrowed by address", async () => {
    const open = await graphOf((c) => {
      c.header = { sourceIps: ["203.0.113.0/24"] };
      c.operators.testers = [];
    });
    const { conditions } = open.one(RULE, "score-public-testers").inputs;
    assert.deepEqual(conditions[0].httpHeader, { httpHeaderName: "X-Use-Rust-Scorer", values: ["true"] });
    assert.deepEqual(conditions[2], { sourceIp: { values: ["203.0.113.0/24"] } });
  });

  test("testers reach a group of their own, on their listener's load balancer", () => {
    for (const rule of header()) {
      const group = rule.inputs.actions[0].targetGroupArn;
      assert.match(group, new RegExp(`targetgroup/${rule.name.replace("-testers", "-tester")}/`));
      for (const other of weighted()) {
        const arns = other.inputs.actions[0].forward.targetGroups.map((tuple: any) => tuple.arn);
        assert.ok(!arns.includes(group), `${other.name} must not count testers as evidence`);
      }
    }
  });

  test("weighted rules begin with all requests on Python", () => {
    const python: Record<string, RegExp> = {
      "score-public-weighted": /targetgroup\/scorer-py\//,
      "score-partners-weighted": /targetgroup\/partner-py\//,
      "score-internal-weighted": /targetgroup\/internal-py\//,
    };
    for (const rule of weighted()) {
      const [old, rust] = rule.inputs.actions[0].forward.targetGroups;
      assert.match(old.arn, python[rule.name] as RegExp);
      assert.match(rust.arn, new RegExp(`targetgroup/${rule.name.replace("-weighted", "-rust")}/`));
      assert.equal(old.weight, 100);
      assert.equal(rust.weight, 0);
      assert.equal(rule.inputs.actions[0].forward.targetGroups.length, 2);
    }
  });

  test("no Rust group serves two rules: its metrics are one route's evidence", () => {
    const rust = weighted().map((rule) => rule.inputs.actions[0].forward.targetGroups[1].arn);
    assert.equal(new Set(rust).size, rust.length);
  });

  test("stickiness is declared, and off", () => {
    for (const rule of weighted()) {
      assert.deepEqual(rule.inputs.actions[0].forward.stickiness, { enabled: false, duration: 1 });
    }
  });

  test("the actions are ignored, and nothing else, on these rules and nowhere else", () => {
    for (const rule of weighted()) assert.deepEqual(rule.ignoreChanges, ACTIONS, rule.name);
    const others = graph.nodes.filter((node) => !weighted().includes(node));
    for (const node of others) assert.deepEqual(node.ignoreChanges, [], node.urn);
  });

  test("a weighted rule cannot be deleted by a deployment", () => {
    for (const rule of weighted()) assert.equal(rule.protect, true, rule.name);
  });

  test("a weighted rule has exactly its route's conditions", () => {
    assert.deepEqual(graph.one(RULE, "score-public-weighted").inputs.conditions, [
      { pathPattern: { values: ["/v2/stamps/*/score/*"] } },
      { httpRequestMethod: { values: ["GET"] } },
    ]);
    assert.deepEqual(graph.one(RULE, "score-internal-weighted").inputs.conditions, [
      { pathPattern: { values: ["/v2/stamps/*/score/*", "/internal/score/*"] } },
      { hostHeader: { values: ["scorer.internal.example.com"] } },
    ]);
  });

  test("rules come after the groups can answer", () => {
    for (const rule of graph.all(RULE)) {
      const waits = rule.dependsOn.filter((urn) => urn.includes("TargetGroupAttachment"));
      assert.equal(waits.length, graph.all(GROUP).length, rule.name);
    }
  });
});

describe("target groups", () => {
  let graph: Graph;
  before(async () => {
    graph = await graphOf();
  });

  test("one for each route, one for each listener's testers; Python's are left alone", () => {
    assert.deepEqual(
      graph
        .all(GROUP)
        .map((group) => group.name)
        .sort(),
      [
        "score-internal-rust",
        "score-internal-tester",
        "score-partners-rust",
        "score-public-rust",
        "score-public-tester",
      ],
    );
  });

  test("no lists of headers, no health checks, Lambda", () => {
    for (const { inputs } of graph.all(GROUP)) {
      assert.equal(inputs.targetType, "lambda");
      assert.equal(inputs.lambdaMultiValueHeadersEnabled, false);
      assert.deepEqual(inputs.healthCheck, { enabled: false });
      assert.ok(inputs.name.length <= 32);
    }
  });

  test("each calls the alias, and may do so before it is attached", () => {
    for (const group of graph.all(GROUP)) {
      const attachment = graph.one("aws:lb/targetGroupAttachment:TargetGroupAttachment", group.name);
      assert.match(attachment.inputs.targetId, /:function:score-scorer:live$/);
      const permission = graph.one("aws:lambda/permission:Permission", group.name);
      assert.ok(attachment.dependsOn.includes(permission.urn));
      assert.equal(permission.inputs.principal, "elasticloadbalancing.amazonaws.com");
      assert.equal(permission.inputs.qualifier, "live");
      assert.match(permission.inputs.sourceArn, new RegExp(`targetgroup/${group.name}/`));
      assert.equal(permission.inputs.sourceAccount, "111122223333");
    }
  });
});

describe("an existing rule is adopted in three deployments", () => {
  const ARN = /listener-rule\/app\/public\/.*\/9683b2d02a6cabee$/;

  test("import: as found, whatever it does", async () => {
    const rule = (await adopting("import")).one(RULE, "score-public-weighted");
    assert.match(rule.importId, ARN);
    assert.deepEqual(rule.ignoreChanges, ["actions", "conditions"]);
    assert.deepEqual(rule.inputs.tags, { owner: "scoring" });
    assert.equal(rule.protect, true);
  });

  test("split: groups, weights and stickiness are written, once", async () => {
    const rule = (await adopting("split")).one(RULE, "score-public-weighted");
    assert.equal(rule.importId, "");
    assert.deepEqual(rule.ignoreChanges, []);
    assert.deepEqual(
      rule.inputs.actions[0].forward.targetGroups.map((tuple: any) => tuple.weight),
      [100, 0],
    );
  });

  test("managed: the actions are the controller's", async () => {
    const rule = (await adopting("managed")).one(RULE, "score-public-weighted");
    assert.equal(rule.importId, "");
    assert.deepEqual(rule.ignoreChanges, ACTIONS);
  });

  test("a rule of our own is created, and carries the stack's tags", async () => {
    const rule = (await graphOf((c) => delete c.routes[0].adopt)).one(RULE, "score-public-weighted");
    assert.equal(rule.importId, "");
    assert.deepEqual(rule.ignoreChanges, ACTIONS);
    assert.deepEqual(rule.inputs.tags, { owner: "scoring", environment: "production" });
  });
});
