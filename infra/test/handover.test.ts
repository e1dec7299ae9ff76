import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import { stack } from "../src/stack";
import type { Outputs } from "../src/stack";
import { build, isSecret, PROJECT } from "./graph";
import { changed, graphOf } from "./example";
import type { Change } from "./example";
import type { Graph } from "./graph";

const RULE = "aws:lb/listenerRule:ListenerRule";
const ROUTES = ["public", "partners", "internal"];

/** The texts as `pulumi stack output` prints them. */
async function texts(change?: Change) {
  let outputs: Outputs | undefined;
  const graph = await build(() => (outputs = stack(PROJECT, "unchecked")), changed(change));
  assert.ok(outputs);
  const text = (output: pulumi.Output<string>) =>
    new Promise<string>((resolve) => output.apply((value) => (resolve(value), value)));
  return {
    graph,
    outputs,
    profile: await text(outputs.rolloutctlProfile),
    shell: await text(outputs.runbookShell),
    lines: await text(outputs.allToPython),
  };
}

/** Runs a script with an `aws` that prints its arguments, and gives those of each call. */
function calls(script: string): string[][] {
  const folder = mkdtempSync(join(tmpdir(), "rollout-handover-"));
  try {
    const aws = join(folder, "aws");
    writeFileSync(aws, `#!/bin/sh\nprintf '%s\\n' "$@" ---\n`);
    chmodSync(aws, 0o755);
    const env = { PATH: `${folder}:${process.env.PATH ?? ""}` };
    const { status, stdout, stderr } = spawnSync("sh", ["-eu", "-c", script], { env, encoding: "utf8" });
    assert.equal(status, 0, stderr);
    return stdout
      .split("---\n")
      .slice(0, -1)
      .map((call) => call.trimEnd().split("\n"));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const value = (call: readonly string[], option: string) => call[call.indexOf(option) + 1] ?? "";

describe("a line for each weighted rule gives Python everything", () => {
  let graph: Graph;
  let lines: string;
  before(async () => ({ graph, lines } = await texts()));

  test("with the actions that the rule has, and other weights", () => {
    const made = calls(lines);
    assert.equal(made.length, 3);
    made.forEach((call, index) => {
      assert.deepEqual(call.slice(0, 2), ["elbv2", "modify-rule"]);
      assert.equal(value(call, "--region"), "eu-west-1");
      const { actions, listenerArn } = graph.one(RULE, `score-${ROUTES[index]}-weighted`).inputs;
      const its = String(listenerArn).replace(":listener/", ":listener-rule/");
      assert.match(value(call, "--rule-arn"), new RegExp(`^${its}/[0-9a-f]{16}$`));
      assert.equal(actions.length, 1);
      const [{ type, order, forward }] = actions;
      const [python, rust] = forward.targetGroups;
      assert.deepEqual(JSON.parse(value(call, "--actions")), [
        {
          Type: type,
          Order: order,
          ForwardConfig: {
            TargetGroups: [
              { TargetGroupArn: python.arn, Weight: 100 },
              { TargetGroupArn: rust.arn, Weight: 0 },
            ],
            TargetGroupStickinessConfig: { Enabled: forward.stickiness.enabled },
          },
        },
      ]);
    });
  });

  test("an imported rule keeps its one group", async () => {
    const { lines: early } = await texts((c) => (c.routes[0].adopt.step = "import"));
    const [first] = calls(early);
    const [action] = JSON.parse(value(first ?? [], "--actions"));
    assert.deepEqual(Object.keys(action), ["Type", "Order", "TargetGroupArn"]);
    assert.match(action.TargetGroupArn, /targetgroup\/scorer-py\//);
  });

  test("nothing but the rule is named: no condition, no priority", () => {
    for (const call of calls(lines)) {
      const options = call.filter((word) => word.startsWith("--"));
      assert.deepEqual(options, ["--region", "--rule-arn", "--actions", "--query", "--output"]);
    }
  });
});

describe("the profile", () => {
  test("names what rolloutctl needs, and nothing that is secret", async () => {
    const { profile, outputs } = await texts();
    const [head = "", ...routes] = profile.split("[[rollout.route]]\n");
    assert.equal(
      head,
      [
        "# Where the rollout `score` is, for rolloutctl. Written by the stack; holds no secret.",
        "[profile]",
        'rollout = "score"',
        'region = "eu-west-1"',
        'account = "111122223333"',
        'command_function = "score-rollout-command"',
        'view_function = "score-rollout-view"',
        'tick_function = "score-rollout-tick"',
        'operator_role_arn = "arn:aws:iam::111122223333:role/score-rollout-operator"',
        'emergency_role_arn = "arn:aws:iam::111122223333:role/score-rollout-emergency"',
        'dashboard = "score-rollout"',
        'runbooks = "https://wiki.example.com/rollout/runbooks"',
        "",
        "[[rollout]]",
        'name = "score"',
        "",
        "",
      ].join("\n"),
    );
    assert.deepEqual(
      routes.map((text) => [...text.matchAll(/^(\w+) = "[^"\\]+"$/gm)].map(([, key]) => key)),
      ROUTES.map(() => ["name", "rule", "old_group", "new_group"]),
    );
    assert.ok(!isSecret(outputs.rolloutctlProfile) && !(await pulumi.isSecret(outputs.rolloutctlProfile)));
    assert.doesNotMatch(profile, /secret-header/);
  });

  test("has the rules and groups of the controller's own configuration", async () => {
    const { profile, outputs } = await texts();
    const toml = await new Promise<string>((resolve) =>
      outputs.controllerToml.apply((text) => (resolve(text), text)),
    );
    for (const line of profile.split("\n").filter((text) => /^(rule|old_group|new_group) = /.test(text))) {
      assert.ok(toml.includes(`\n${line}\n`), line);
    }
  });

  test("leaves the runbooks out where nobody said where they are", async () => {
    const { profile } = await texts((c) => delete c.controller.runbooksUrl);
    assert.doesNotMatch(profile, /runbooks/);
  });
});

describe("the runbooks' variables", () => {
  const runbooks = join(__dirname, "..", "..", "runbooks");

  test("are those of the first route, as a shell takes them", async () => {
    const { shell, outputs } = await texts();
    const [call = []] = calls(`${shell}\naws "$RULE" "$PYTHON_GROUP" "$RUST_GROUP" "$ROLLOUT_VIEW_FUNCTION"`);
    assert.match(call[0] ?? "", /listener-rule\/app\/public\//);
    assert.match(call[1] ?? "", /targetgroup\/scorer-py\//);
    assert.match(call[2] ?? "", /targetgroup\/score-public-rust\//);
    assert.equal(call[3], outputs.viewFunction);
  });

  test("are all that a command of a runbook uses", async () => {
    const { shell } = await texts();
    const set = new Set([...shell.matchAll(/^export (\w+)=/gm)].map(([, name]) => name ?? ""));
    // The load balancer's address, and a key for it.
    for (const name of ["API", "API_KEY"]) set.add(name);
    let found = 0;
    for (const file of readdirSync(runbooks)) {
      const text = readFileSync(join(runbooks, file), "utf8");
      for (const [, block = ""] of text.matchAll(/^ *```sh[^\n]*\n(.*?)^ *```/gms)) {
        const own = new Set([...block.matchAll(/^ *(\w+)=/gm)].map(([, name]) => name ?? ""));
        for (const [, name = ""] of block.matchAll(/\$\{?([A-Z][A-Z_]+)/g)) {
          found += 1;
          assert.ok(set.has(name) || own.has(name), `${file} uses $${name}, which nothing sets`);
        }
      }
    }
    assert.ok(found > 10, `only ${found} uses of a variable were found`);
  });
});

test("every name of a function, alarm or parameter in a runbook is one that is deployed", async () => {
  const graph = await graphOf();
  const deployed = new Set<string>(graph.nodes.map((node) => node.name));
  for (const which of ["run", "order"]) deployed.add(`/rollout/score/${which}`);
  const runbooks = join(__dirname, "..", "..", "runbooks");
  let found = 0;
  for (const file of readdirSync(runbooks)) {
    const text = readFileSync(join(runbooks, file), "utf8");
    for (const [name] of text.matchAll(/(?<!\w)(?:<name>|score)-(?:rollout|scorer|rust|python)[\w-]*/g)) {
      found += 1;
      assert.ok(deployed.has(name.replace("<name>", "score")), `${file}: nothing is called ${name}`);
    }
    assert.doesNotMatch(
      text,
      /(?<![\w-])rollout-(tick|command|view)\b/,
      `${file} leaves the stack's name out`,
    );
    for (const [name] of text.matchAll(/\/rollout\/[\w<>-]+\/\w+/g)) {
      found += 1;
      assert.ok(deployed.has(name.replace("<name>", "score")), `${file}: no parameter is called ${name}`);
    }
  }
  assert.ok(found > 5, `only ${found} names were found`);
});
