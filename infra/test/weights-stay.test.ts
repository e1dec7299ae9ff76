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

const asListed = (inputs: any) => inputs;

/** What a refresh may return as well: the same groups in another order. */
function shuffled(inputs: any): any {
  const copy = structuredClone(inputs);
  copy.actions[0].forward?.targetGroups.reverse();
  return copy;
}

/** Calls for each rule when the program becomes `next`; the state has `python` percent on Python. */
function calls(next: Graph, python: number, order: (inputs: any) => any): Record<string, Call[]> {
  const each = deployed.all(RULE).map((before): [string, Call[]] => {
    const after: Node = next.one(RULE, before.name);
    const state = order(refreshed(before.inputs, python));
    return [before.name, callsFor(state, after.inputs, after.ignoreChanges)];
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
      const cases = [100, 95, 5, 0].flatMap((python) =>
        [asListed, shuffled].map((order) => ({ python, order })),
      );
      for (const { python, order } of cases) {
        const made = calls(next, python, order);
        const operations = Object.entries(made).map(([rule, each]) => [
          rule,
          each.map((call) => call.operation),
        ]);
        assert.deepEqual(Object.fromEntries(operations), expected, `at ${python} % Python, ${order.name}`);
        assert.deepEqual(writes(made), [], "no call has actions in it, so none has weights");
      }
    });
  }
});

const rule = () => deployed.one(RULE, "score-partners-weighted");

describe("a state that lists the groups in another order", () => {
  test("would exchange the weights, if they were ignored by their place in the list", () => {
    const byPlace = ["actions[*].forward.targetGroups[*].weight"];
    const made = callsFor(shuffled(refreshed(rule().inputs, 95)), rule().inputs, byPlace);
    assert.deepEqual(weights(made), [5, 95], "Python had 95");
  });
});

const weights = (made: Call[]) => made[0]?.Actions[0].forward.targetGroups.map((group: any) => group.weight);

describe("not even a change of the actions in the program writes them", () => {
  const changes: [what: string, change: (action: any) => void][] = [
    ["stickiness", (action) => (action.forward.stickiness = { enabled: true, duration: 60 })],
    ["other weights", (action) => (action.forward.targetGroups[1].weight = 50)],
    ["a third group", (action) => action.forward.targetGroups.push({ arn: "x", weight: 0 })],
  ];
  for (const [what, change] of changes) {
    for (const [state, inputs] of [
      ["the state of the last deployment", () => rule().inputs],
      ["a refreshed state", () => refreshed(rule().inputs, 25)],
    ] as const) {
      test(`${what}, with ${state}`, () => {
        const program = structuredClone(rule().inputs);
        change(program.actions[0]);
        assert.deepEqual(callsFor(inputs(), program, rule().ignoreChanges), []);
        assert.equal(callsFor(inputs(), program, []).length, 1, "the model sees the change");
      });
    }
  }

  test("without ignoreChanges, any deployment would write the program's weights", () => {
    assert.deepEqual(weights(callsFor(refreshed(rule().inputs, 25), rule().inputs, [])), [100, 0]);
  });
});

describe("adopting a rule moves no traffic", () => {
  const step = async (name: string) =>
    (await graphOf((c) => (c.routes[0].adopt.step = name))).one(RULE, "score-public-weighted");

  /** As a team has it: stickiness on, a Rust group that other rules use too, and other weights than ours. */
  const found = (inputs: any, weight: number) => {
    const copy = structuredClone(inputs);
    const [old] = copy.actions[0].forward.targetGroups;
    copy.actions[0].forward = {
      targetGroups: [
        { arn: old.arn, weight: 100 - weight },
        { arn: "arn:shared", weight },
      ],
      stickiness: { enabled: true, duration: 3600 },
    };
    return copy;
  };

  test("import leaves the rule as it is; split writes 100 to 0; managed writes nothing", async () => {
    const [imported, split, managed] = [await step("import"), await step("split"), await step("managed")];
    for (const weight of [0, 5, 100]) {
      const state = found(imported.inputs, weight);
      assert.deepEqual(callsFor(state, imported.inputs, imported.ignoreChanges), [], `at ${weight}`);
    }
    const made = callsFor(found(imported.inputs, 0), split.inputs, split.ignoreChanges);
    assert.deepEqual(
      made.map((call) => call.operation),
      ["ModifyRule"],
    );
    assert.deepEqual(weights(made), [100, 0]);
    assert.deepEqual(made[0]?.Actions[0].forward.stickiness, { enabled: false, duration: 1 });
    assert.deepEqual(callsFor(split.inputs, managed.inputs, managed.ignoreChanges), []);
  });

  test("skipping the split leaves the rule as it was, and the controller refuses to start", async () => {
    const managed = await step("managed");
    const state = found(managed.inputs, 0);
    assert.deepEqual(callsFor(state, managed.inputs, managed.ignoreChanges), []);
  });

  test("rewriteActions writes the groups once more, of a rule made here too", async () => {
    const again = (await graphOf((c) => (c.routes[1].rewriteActions = true))).one(RULE, rule().name);
    assert.deepEqual(
      weights(callsFor(refreshed(rule().inputs, 25), again.inputs, again.ignoreChanges)),
      [100, 0],
    );
  });
});
