/** The text that the functions get passes the controller's own check. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { parse } from "smol-toml";
import { comparing, graphOf } from "./example";
import type { Change } from "./example";
import { revealed } from "./graph";
import { ledgerUrl } from "../src/toml";

const target = process.env.CARGO_TARGET_DIR ?? join(__dirname, "..", "..", "target");
const rolloutctl = process.env.ROLLOUTCTL ?? join(target, "debug", "rolloutctl");
const BUILD = "cargo build -p rollout-controller --bin rolloutctl";
const absent = existsSync(rolloutctl) ? false : `rolloutctl is not built; build it with: ${BUILD}`;

/** The configuration of one function. */
async function tomlOf(door: string, change?: Change): Promise<string> {
  const graph = await graphOf(change);
  const { inputs } = graph.one("aws:lambda/function:Function", `score-rollout-${door}`);
  return revealed(inputs.environment.variables.ROLLOUT_CONFIG);
}

function check(toml: string): { status: number | null; text: string } {
  const folder = mkdtempSync(join(tmpdir(), "rollout-toml-"));
  try {
    const file = join(folder, "rollout.toml");
    writeFileSync(file, toml);
    const run = spawnSync(rolloutctl, ["config", "check", file], { encoding: "utf8" });
    if (run.error) throw run.error;
    return { status: run.status, text: run.stdout + run.stderr };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const secretLogin: Change = (c) => {
  const { host, port, database } = c.ledger;
  const arn = (name: string) => `arn:aws:secretsmanager:eu-west-1:111122223333:secret:${name}-AbCdEf`;
  const sslRootCert = "/opt/certs/rds.pem";
  c.ledger = {
    host,
    port,
    database,
    sslRootCert,
    login: "secret",
    secretArn: arn("w"),
    readerSecretArn: arn("r"),
  };
};

const everything: Change = (c) => {
  Object.assign(c.controller, {
    mode: "active",
    start: "5%",
    lagMinutes: 4,
    historyMinutes: 90,
    maxHoldMinutes: 600,
    blindAfterMinutes: 15,
    keepDays: 60,
    onNewCode: "first-stage",
    eventBus: "default",
    engine: "evidence-2",
    evidence: { alpha: 0.02, beta: 0.02, relative_margin: 3, burst_tolerance: "auto" },
  });
};

/** The longest that are allowed, and every kind of character. */
const ownLabels: Change = (c) => {
  c.labels = { old: "Go service .NET C#", new: "Zig 0.14 - C++ libs" };
};

const compares: Change = (c) => {
  comparing(c);
  c.compare.rules = {
    ignore: ["request_id"],
    now: ["last_score_timestamp", "items[].at"],
    keyed: ["stamps"],
    ignoreHeaders: ["date", "x-amzn-*"],
    tolerance: "0.00001",
  };
};

const least: Change = (c) => {
  const { image, memoryMb, timeoutSeconds, mode } = c.controller;
  c.controller = { image, memoryMb, timeoutSeconds, mode };
  delete c.paging.slack;
};

describe("rolloutctl config check accepts", { skip: process.env.CI === "true" ? false : absent }, () => {
  const cases: [what: string, change: Change | undefined][] = [
    ["the example", undefined],
    ["every key", everything],
    ["as few keys as possible", least],
    ["a login from Secrets Manager", secretLogin],
    ["labels of a team's own", ownLabels],
    ["live comparison", comparing],
    ["live comparison by rules of a team's own", compares],
  ];
  for (const [what, change] of cases) {
    for (const door of ["tick", "view"]) {
      test(`${what}, for ${door}`, async () => {
        assert.ok(absent === false, String(absent));
        const { status, text } = check(await tomlOf(door, change));
        assert.equal(status, 0, text);
        assert.match(text, /ok: rollout `score`: 3 route\(s\)/);
      });
    }
  }

  test("labels are the controller's own table, and it checks them", async () => {
    assert.ok(absent === false, String(absent));
    const toml = await tomlOf("tick", ownLabels);
    const [rollout] = parse(toml).rollout as any[];
    assert.deepEqual({ ...rollout.labels }, { old: "Go service .NET C#", new: "Zig 0.14 - C++ libs" });
    const { status, text } = check(toml.replace("Zig 0.14 - C++ libs", "Go service .NET C#"));
    assert.notEqual(status, 0);
    assert.match(text, /rollout\[0\]\.labels\.new = .*must differ/);
    assert.doesNotMatch(await tomlOf("tick"), /labels/);
  });

  test("and refuses a broken one, so the check checks", async () => {
    assert.ok(absent === false, String(absent));
    const toml = await tomlOf("tick");
    const { status, text } = check(toml.replace('p99 = "500ms"', 'p99 = "500 parrots"'));
    assert.notEqual(status, 0);
    assert.match(text, /slo\.p99/);
  });
});

describe("the text", () => {
  test("tick and command share one, view reads as somebody else", async () => {
    const [tick, command, view] = [await tomlOf("tick"), await tomlOf("command"), await tomlOf("view")];
    assert.equal(tick, command);
    assert.match(tick, /^url = "postgres:\/\/rollout@scorer\.proxy-/m);
    assert.equal(view, tick.replace("//rollout@", "//rollout_reader@"));
  });

  test("with secrets for the login, no user stands in the address", async () => {
    const [tick, view] = [await tomlOf("tick", secretLogin), await tomlOf("view", secretLogin)];
    assert.match(
      tick,
      /^url = "postgres:\/\/scorer\.proxy-.*sslmode=verify-full&sslrootcert=\/opt\/certs\/rds\.pem"$/m,
    );
    assert.match(tick, /^secret_arn = ".*:secret:w-AbCdEf"$/m);
    assert.match(view, /^secret_arn = ".*:secret:r-AbCdEf"$/m);
  });

  test("routes have the ARNs of the very rules and groups", async () => {
    const graph = await graphOf();
    const { inputs } = graph.one("aws:lambda/function:Function", "score-rollout-tick");
    const toml: string = revealed(inputs.environment.variables.ROLLOUT_CONFIG);
    const routes = toml.split("[[rollout.route]]\n").slice(1);
    assert.equal(routes.length, 3);
    for (const text of routes) {
      const [name] = /(?<=^name = ")[^"]+/m.exec(text) ?? [];
      const rule = graph.one("aws:lb/listenerRule:ListenerRule", `score-${name}-weighted`).inputs;
      const [old, rust] = rule.actions[0].forward.targetGroups.map((group: any) => group.arn);
      assert.ok(text.includes(`old_group = "${old}"\nnew_group = "${rust}"\n`), name);
      const listener = rule.listenerArn.replace(":listener/", ":listener-rule/");
      assert.match(text, new RegExp(`^rule = "${listener}/[0-9a-f]{16}"$`, "m"));
      const testers = graph
        .all("aws:lb/listenerRule:ListenerRule")
        .find((other) => other.inputs.priority === 99 && other.inputs.listenerArn === rule.listenerArn);
      assert.ok(text.includes(`group = "${testers?.inputs.actions[0].targetGroupArn}"`), name);
      assert.match(text, /priority = 99\nheader = "X-Use-Rust-Scorer"\nvalue = "a-secret-header-value"/);
    }
  });

  test("wrong answers are judged if they are looked for, and by the same rules as the scorer's", async () => {
    const table = async (change?: Change) => (parse(await tomlOf("tick", change)).rollout as any[])[0];
    const off = await table();
    assert.deepEqual([off.wrong_answers, off.compare], [undefined, undefined]);
    const on = await table(comparing);
    const log_group = "/aws/lambda/score-scorer";
    assert.deepEqual(
      [{ ...on.wrong_answers }, on.compare],
      [{ limit: "0.1%", required: false, log_group }, undefined],
    );
    const own = await table((c) => {
      compares(c);
      Object.assign(c.compare, { limitPercent: 0.05, required: true });
    });
    assert.deepEqual({ ...own.wrong_answers }, { limit: "0.05%", required: true, log_group });
    const graph = await graphOf(compares);
    // The group that the scorer's function really logs to.
    const { loggingConfig } = graph.one("aws:lambda/function:Function", "score-scorer").inputs;
    assert.equal(loggingConfig.logGroup, log_group);
    const { variables } = graph.one("aws:lambda/function:Function", "score-scorer").inputs.environment;
    assert.deepEqual({ ...own.compare }, JSON.parse(variables.COMPARE_RULES));
  });

  test("alarms roll back, hold and excuse by the names that they have", async () => {
    const graph = await graphOf();
    const toml = await tomlOf("tick");
    const composites = graph
      .all("aws:cloudwatch/compositeAlarm:CompositeAlarm")
      .map((node) => node.inputs.alarmName);
    assert.deepEqual(composites.sort(), ["score-python-side", "score-rust-side"]);
    const [rollout] = parse(toml).rollout as any[];
    assert.deepEqual(structuredClone(rollout.alarms), {
      rollback_on: ["score-rust-side"],
      hold_on: ["scorer-database-cpu"],
      python_twin: { "score-rust-side": "score-python-side" },
    });
  });

  test("an address never holds a password", () => {
    const address = { host: "proxy.example.com", port: 5432, database: "rollout" } as const;
    const tail = "proxy.example.com:5432/rollout?sslmode=verify-full";
    assert.equal(ledgerUrl({ ...address, user: "w" }), `postgres://w@${tail}`);
    assert.equal(ledgerUrl({ ...address, secretArn: "arn" }), `postgres://${tail}`);
  });
});
