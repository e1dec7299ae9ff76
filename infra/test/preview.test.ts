/**
 * Plans in the shape of Pulumi's preview digest (`pulumi preview --json`), made
 * from the recorded graph: no CLI can be had here, so none is a real recording.
 */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { judge, PreviewError } from "../scripts/preview";
import { graphOf } from "./example";
import type { Graph, Node } from "./graph";

const RULE = "aws:lb/listenerRule:ListenerRule";
const GROUP = "aws:lb/targetGroup:TargetGroup";

let graph: Graph;
let rule: Node;
before(async () => {
  graph = await graphOf();
  rule = graph.one(RULE, "score-partners-weighted");
});

const state = (node: Node, change: (inputs: any) => void = () => undefined) => {
  const inputs = structuredClone(node.inputs);
  change(inputs);
  return { urn: node.urn, custom: true, type: node.type, inputs, outputs: inputs };
};
const digest = (...steps: any[]) => JSON.stringify({ config: {}, steps, duration: 1, changeSummary: {} });
const groups = (inputs: any) => inputs.actions[0].forward.targetGroups;

/** An update of the weighted rule. */
const update = (
  change: (inputs: any) => void,
  diff: Record<string, unknown> | undefined,
  more: any = {},
) => ({
  op: "update",
  urn: rule.urn,
  oldState: state(rule, more.old),
  newState: state(rule, change),
  diffReasons: diff && Object.keys(diff).map((path) => path.split(/[.[]/)[0]),
  detailedDiff: diff,
});
const kind = { kind: "update", inputDiff: false };

describe("accepts", () => {
  const accepted = (...steps: any[]) => {
    const verdict = judge(digest(...steps));
    assert.deepEqual(verdict.refused, []);
    return verdict;
  };

  test("a first deployment: everything new, weighted rules with all requests on Python", () => {
    const steps = graph.nodes.map((node) => ({ op: "create", urn: node.urn, newState: state(node) }));
    const { changes, notes } = accepted(...steps);
    assert.equal(changes, graph.nodes.length);
    assert.deepEqual(
      notes.map(({ text }) => text),
      Array(3).fill("is new, with all requests on the old side"),
    );
  });

  test("a plan without changes", () => {
    const steps = graph.nodes.map((node) => ({
      op: "same",
      urn: node.urn,
      oldState: state(node),
      newState: state(node),
    }));
    assert.equal(accepted(...steps).changes, 0);
  });

  test("other conditions and tags of a weighted rule", () => {
    accepted(
      update((inputs) => (inputs.conditions[0].pathPattern.values = ["/x"]), {
        "conditions[0].pathPattern": kind,
      }),
    );
    accepted(
      update((inputs) => (inputs.tags.costs = "1"), { "tags.costs": { kind: "add", inputDiff: true } }),
    );
  });

  test("the import of an existing rule", () => {
    const [note] = accepted({ op: "import", urn: rule.urn, newState: state(rule) }).notes;
    assert.equal(note?.text, "is taken over as it is");
  });

  /** A rule with stickiness that leads to the old side and to a group of another rule, and our split of it. */
  const splitOf = async (shared: number) => {
    const split = (await graphOf((c) => (c.routes[0].adopt.step = "split"))).one(
      RULE,
      "score-public-weighted",
    );
    const oldState = state(split, (inputs) => {
      const [old, ours] = groups(inputs);
      inputs.actions[0].forward.targetGroups = [
        { arn: `${ours.arn}-shared`, weight: shared },
        { arn: old.arn, weight: 100 - shared },
      ];
      inputs.actions[0].forward.stickiness = { enabled: true, duration: 3600 };
    });
    const detailedDiff = { "actions[0].forward.targetGroups": { kind: "update" } };
    const newState = state(split);
    return digest({
      op: "update",
      urn: split.urn,
      oldState,
      newState,
      detailedDiff,
      diffReasons: ["actions"],
    });
  };

  test("the split of an adopted rule, which moves nothing", async () => {
    const verdict = judge(await splitOf(0));
    assert.deepEqual(verdict.refused, []);
    assert.match(verdict.notes[0]?.text ?? "", /is split 100 to 0; all requests stay/);
  });

  test("but not of one that gave another group requests", async () => {
    assert.match(judge(await splitOf(5)).refused[0]?.text ?? "", /sent its weights again \(100 to 0\)/);
  });

  test("any change of a header rule, with a note if it is gone for a while", () => {
    const header = graph.one(RULE, "score-public-testers");
    const change = (inputs: any) => (inputs.conditions[0].httpHeader.values = ["other"]);
    accepted({
      op: "update",
      urn: header.urn,
      oldState: state(header),
      newState: state(header, change),
      detailedDiff: { "conditions[0].httpHeader.values[0]": kind },
    });
    const { notes } = accepted({
      op: "replace",
      urn: header.urn,
      oldState: state(header),
      newState: state(header),
    });
    assert.match(notes[0]?.text ?? "", /controller pages/);
  });

  test("what a person has looked at, and says so", () => {
    const text = digest({ op: "delete", urn: rule.urn, oldState: state(rule) });
    assert.equal(judge(text).refused.length, 1);
    const verdict = judge(text, new Set([rule.urn]));
    assert.deepEqual(verdict.refused, []);
    assert.match(verdict.notes[0]?.text ?? "", /^accepted: would be changed by "delete"/);
    assert.equal(judge(text, new Set(["another"])).refused.length, 1);
  });
});

describe("refuses", () => {
  const refused = (step: any, reason: RegExp) => {
    const verdict = judge(digest(step));
    assert.equal(verdict.refused.length, 1);
    assert.equal(verdict.refused[0]?.urn, step.urn);
    assert.match(verdict.refused[0]?.text ?? "", reason);
  };

  test("other weights", () => {
    const path = "actions[0].forward.targetGroups[0].weight";
    refused(
      update((inputs) => (groups(inputs)[0].weight = 50), { [path]: kind }),
      /sent its weights again.*50 to 0/,
    );
  });

  test("anything else inside actions: it sends the weights along", () => {
    const change = (inputs: any) => (inputs.actions[0].forward.stickiness.enabled = true);
    refused(
      update(change, { "actions[0].forward.stickiness.enabled": kind }),
      /because of actions\[0\].*stickiness/,
    );
  });

  test("the actions as a whole", () => {
    refused(
      update(() => undefined, { actions: kind }),
      /because of actions/,
    );
  });

  test("other actions that the preview's diff keeps quiet about", () => {
    refused(
      update((inputs) => (groups(inputs)[1].weight = 5), { "tags.costs": kind }),
      /because of actions/,
    );
  });

  test("a change that the preview does not explain", () => {
    refused(
      update(() => undefined, undefined),
      /does not say what/,
    );
  });

  test("a third group, and a group less", () => {
    const path = "actions[0].forward.targetGroups[2]";
    refused(
      update((inputs) => groups(inputs).push({ arn: "x", weight: 0 }), { [path]: kind }),
      /100 to 0 to 0/,
    );
    refused(
      update((inputs) => groups(inputs).pop(), { "actions[0].forward.targetGroups[1]": kind }),
      /again/,
    );
  });

  test("a split that moves requests, or sends them to another group", () => {
    const single = {
      old: (inputs: any) =>
        (inputs.actions = [{ type: "forward", targetGroupArn: groups(rule.inputs)[0].arn }]),
    };
    const diff = { "actions[0].forward": kind };
    refused(
      update((inputs) => (groups(inputs)[1].weight = 1), diff, single),
      /again \(100 to 1\)/,
    );
    refused(
      update((inputs) => (groups(inputs)[0].arn = "elsewhere"), diff, single),
      /again/,
    );
    refused(
      update((inputs) => delete groups(inputs)[1].weight, diff, single),
      /again \(100 to 1\)/,
    );
  });

  test("a new rule that gives Rust requests", () => {
    const make = (change: (inputs: any) => void) => ({
      op: "create",
      urn: rule.urn,
      newState: state(rule, change),
    });
    refused(
      make((inputs) => (groups(inputs)[1].weight = 1)),
      /made with the weights 100 to 1/,
    );
    refused(
      make((inputs) => delete groups(inputs)[1].weight),
      /made with the weights 100 to 1/,
    );
    refused(
      make((inputs) => (groups(inputs)[0].weight = 0)),
      /made with the weights 0 to 0/,
    );
  });

  for (const op of [
    "delete",
    "replace",
    "create-replacement",
    "delete-replaced",
    "remove-pending-replace",
    "something-new",
  ]) {
    test(`"${op}" of a weighted rule`, () => {
      refused({ op, urn: rule.urn, oldState: state(rule), newState: state(rule) }, new RegExp(`by "${op}"`));
    });
    test(`"${op}" of a target group`, () => {
      const group = graph.one(GROUP, "score-partners-rust");
      refused({ op, urn: group.urn, oldState: state(group) }, /rewritten/);
    });
  }

  test("a rule whose state is not shown", () => {
    refused({ op: "delete", urn: rule.urn }, /by "delete"/);
    refused({ op: "update", urn: rule.urn, detailedDiff: { tags: kind } }, /does not understand/);
    refused(
      { op: "create", urn: rule.urn, newState: state(rule, (inputs) => (inputs.actions = [])) },
      /understand/,
    );
  });
});

describe("a preview that is none", () => {
  const cases: [what: string, text: string, reason: RegExp][] = [
    ["not JSON", "error: no stack selected", /no JSON/],
    ["null", "null", /no steps/],
    ["no steps", "{}", /no steps/],
    ["an empty plan", '{"steps": []}', /no steps/],
    ["steps without an operation", '{"steps": [{"urn": "u"}]}', /no `op`/],
    [
      "a failed one",
      '{"steps": [{"op": "same", "urn": "u"}], "diagnostics": [{"severity": "error", "message": "no credentials"}]}',
      /failed: no credentials/,
    ],
  ];
  for (const [what, text, reason] of cases) {
    test(what, () => {
      assert.throws(
        () => judge(text),
        (error) => error instanceof PreviewError && reason.test(error.message),
      );
    });
  }
});

test("the command's exit code and words", () => {
  const folder = mkdtempSync(join(tmpdir(), "rollout-preview-"));
  const file = join(folder, "preview.json");
  const run = (text: string, ...more: string[]) => {
    writeFileSync(file, text);
    const script = join(__dirname, "..", "scripts", "preview-check.ts");
    return spawnSync(process.execPath, ["--import", "tsx", script, file, ...more], { encoding: "utf8" });
  };
  try {
    const bad = digest({ op: "delete", urn: rule.urn, oldState: state(rule) });
    const refused = run(bad);
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /^refused: urn:pulumi:.*score-partners-weighted would be/);
    const accepted = run(bad, "--accept", rule.urn);
    assert.equal(accepted.status, 0, accepted.stderr);
    assert.match(accepted.stdout, /ok: 1 change\(s\)/);
    const unclear = run("oops");
    assert.equal(unclear.status, 2);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
