/**
 * A deployment in the middle of a rollout must not touch the weights. The
 * provider's behaviour is a model of what is recorded of it (`provider.ts`).
 */

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { graphOf } from "./example";
import type { Change } from "./example";
import type { Graph, Node } from "./graph";
import { callsFor } from "./provider";
import type { Call } from "./provider";

const RULE = "aws:lb/listenerRule:ListenerRule";

let deployed: Graph;
before(async () => {
  deployed = await graphOf();
});

/** The state after `pulumi refresh`: what the controller has written since. */
function refreshed(inputs: any, python: number): any {
  const copy = structuredClone(inputs);
  const groups = copy.actions[0].forward?.targetGroups;
  if (groups) [groups[0].weight, groups[1].weight] = [python, 100 - python];
  return copy;
}

/** Calls for each rule when the program becomes `next`; the state has `python` percent on Python. */
function calls(next: Graph, python: number): Record<string, Call[]> {
  const each = deployed.all(RULE).map((before): [string, Call[]] => {
    const after: Node = next.one(RULE, before.name);
    return [before.name, callsFor(refreshed(before.inputs, python), after.inputs, after.ignoreChanges)];
  });
  return Object.fromEntries(each.filter(([, made]) => made.length > 0));
}

const writes = (made: Record<string, Call[]>) =>
  Object.values(made)
    .flat()
    .filter((call) => call.Actions);

/** Everyday changes, and which calls they may make on rules. */
const UNRELATED: [what: string, change: Change, expected: Record<string, string[]>][] = [
  ["nothing", () => undefined, {}],
  ["more memory for the scorer", (c) => (c.scorer.memoryMb = 1024), {}],
  [
    "a new image of the scorer",
    (c) => (c.scorer.image = c.scorer.image.replace(/1{64}/, "3".repeat(64))),
    {},
  ],
  [
    "a new image of the controller",
    (c) => (c.controller.image = c.controller.image.replace(/2{64}/, "4".repeat(64))),
    {},
  ],
  ["other objectives", (c) => (c.slo.p99Ms = 400), {}],
  ["active instead of shadow", (c) => (c.controller.mode = "active"), {}],
  ["logs kept longer", (c) => (c.logRetentionDays = "90"), {}],
  ["one operator more", (c) => c.operators.operators.push("arn:aws:iam::111122223333:role/lead"), {}],
  ["no Slack", (c) => delete c.paging.slack, {}],
  [
    "another tag",
    (c) => (c.tags.costs = "1187"),
    {
      "score-public-testers": ["AddTags"],
      "score-internal-testers": ["AddTags"],
      "score-partners-weighted": ["AddTags"],
      "score-internal-weighted": ["AddTags"],
    },
  ],
  [
    "another path of a route",
    (c) => (c.routes[1].paths = ["/partners/*/points"]),
    { "score-partners-weighted": ["ModifyRule"], "score-public-testers": ["ModifyRule"] },
  ],
  [
    "another priority",
    (c) => (c.routes[1].priority = 130),
    { "score-partners-weighted": ["SetRulePriorities"] },
  ],
];

describe("a change of something else does not resend the weights", () => {
  for (const [what, change, expected] of UNRELATED) {
    test(what, async () => {
      const next = await graphOf(change);
      for (const python of [100, 75, 0]) {
        const made = calls(next, python);
        const operations = Object.entries(made).map(([rule, each]) => [
          rule,
          each.map((call) => call.operation),
        ]);
        assert.deepEqual(Object.fromEntries(operations), expected, `at ${python} % Python`);
        assert.deepEqual(writes(made), [], "no call has actions in it, so none has weights");
      }
    });
  }
});

describe("why the pipeline refreshes first, and refuses any change inside actions", () => {
  /** Somebody changes stickiness in the program: a change inside `actions`. */
  const sticky = (inputs: any) => {
    const copy = structuredClone(inputs);
    copy.actions[0].forward.stickiness = { enabled: true, duration: 60 };
    return copy;
  };
  const rule = () => deployed.one(RULE, "score-partners-weighted");
  const weights = (made: Call[]) =>
    made[0]?.Actions[0].forward.targetGroups.map((group: any) => group.weight);

  test("with the state of the last deployment, it writes the weights of the last deployment", () => {
    const made = callsFor(rule().inputs, sticky(rule().inputs), rule().ignoreChanges);
    assert.deepEqual(weights(made), [100, 0], "live is 25 to 75: all traffic would go back");
  });

  test("with a refreshed state, it writes what the rule showed a moment ago", () => {
    const made = callsFor(refreshed(rule().inputs, 25), sticky(rule().inputs), rule().ignoreChanges);
    assert.deepEqual(weights(made), [25, 75]);
  });

  test("without ignoreChanges, any deployment would write the program's weights", () => {
    const made = callsFor(refreshed(rule().inputs, 25), rule().inputs, []);
    assert.deepEqual(weights(made), [100, 0]);
  });
});

describe("adopting a rule moves no traffic", () => {
  const step = async (name: string) =>
    (await graphOf((c) => (c.routes[0].adopt.step = name))).one(RULE, "score-public-weighted");

  test("import leaves the rule as it is; split writes 100 to 0; managed writes nothing", async () => {
    const [imported, split, managed] = [await step("import"), await step("split"), await step("managed")];
    assert.deepEqual(callsFor(imported.inputs, imported.inputs, imported.ignoreChanges), []);
    const made = callsFor(imported.inputs, split.inputs, split.ignoreChanges);
    assert.equal(made.length, 1);
    const groups = made[0]?.Actions[0].forward.targetGroups;
    assert.deepEqual(
      groups.map((group: any) => group.weight),
      [100, 0],
    );
    assert.equal(groups[0].arn, imported.inputs.actions[0].targetGroupArn);
    assert.deepEqual(callsFor(split.inputs, managed.inputs, managed.ignoreChanges), []);
  });

  test("skipping the split would send half of all requests to Rust", async () => {
    const [imported, managed] = [await step("import"), await step("managed")];
    const made = callsFor(imported.inputs, managed.inputs, managed.ignoreChanges);
    const groups = made[0]?.Actions[0].forward.targetGroups;
    assert.deepEqual(
      groups.map((group: any) => group.weight ?? 1),
      [1, 1],
    );
  });
});
