import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { comparing, graphOf } from "./example";
import type { Graph } from "./graph";

let graph: Graph;
let widgets: any[];
before(async () => {
  graph = await graphOf();
  widgets = JSON.parse(
    graph.one("aws:cloudwatch/dashboard:Dashboard", "score-rollout").inputs.dashboardBody,
  ).widgets;
});

const titled = (title: RegExp) => widgets.filter((widget) => title.test(widget.properties.title ?? ""));

describe("the grid", () => {
  test("types that CloudWatch knows, within 24 columns, none over another", () => {
    const taken = new Set<string>();
    for (const { type, x, y, width, height, properties } of widgets) {
      assert.ok(["metric", "alarm", "text", "custom"].includes(type), type);
      assert.ok(x >= 0 && x + width <= 24 && height > 0, properties.title);
      for (let column = x; column < x + width; column++) {
        for (let row = y; row < y + height; row++) {
          assert.ok(!taken.has(`${column} ${row}`), `${properties.title} covers ${column} ${row}`);
          taken.add(`${column} ${row}`);
        }
      }
    }
  });

  test("every graph names its region and its minute", () => {
    for (const { properties } of widgets.filter((widget) => widget.type === "metric")) {
      assert.deepEqual(
        [properties.region, properties.period, properties.view],
        ["eu-west-1", 60, "timeSeries"],
      );
    }
  });
});

test("the rollout's own page is on top, drawn by `view`, and not by a function that can act", () => {
  const [page] = widgets;
  assert.deepEqual([page.type, page.x, page.y, page.width], ["custom", 0, 0, 24]);
  assert.equal(page.properties.endpoint, "arn:aws:lambda:eu-west-1:111122223333:function:score-rollout-view");
  assert.deepEqual(page.properties.params, {
    widget: { rollout: "score" },
    commandFunction: "arn:aws:lambda:eu-west-1:111122223333:function:score-rollout-command",
  });
  assert.equal(page.properties.updateOn.refresh, true);
});

test("weight, evidence and decisions of this rollout", () => {
  const own = widgets
    .flatMap((widget) => widget.properties.metrics ?? [])
    .filter((line) => line[0] === "Rollout/Controller");
  assert.deepEqual(
    own.map((line) => line[1]),
    [
      "WeightRust",
      "LogE",
      "MinutesBlind",
      "DecisionAdvance",
      "DecisionHold",
      "DecisionStepBack",
      "DecisionRollback",
      "DecisionComplete",
      "DecisionFailed",
      "StepRefused",
      "MessagesUnsent",
      "LedgerErrors",
    ],
  );
  const emitted = readFileSync(
    join(__dirname, "..", "..", "rollout-controller", "src", "lambda", "metrics.rs"),
    "utf8",
  );
  for (const [, name] of own) assert.ok(emitted.includes(`"${name}"`), `${name} in metrics.rs`);
  for (const line of own) assert.deepEqual(line.slice(2, 4), ["Rollout", "score"]);
  assert.deepEqual(titled(/^Share of requests/)[0].properties.yAxis.left, {
    min: 0,
    max: 100,
    label: "percent",
    showUnits: false,
  });
});

test("P50, P95, P99 of both sides of each route, against their limits", () => {
  const graphs = titled(/: latency, seconds$/);
  assert.deepEqual(
    graphs.map((widget) => widget.properties.title.split(":")[0]),
    ["public", "partners", "internal"],
  );
  for (const { properties } of graphs) {
    const lines = properties.metrics.map((line: any[]) => `${line.at(-1).label} ${line.at(-1).stat}`);
    assert.deepEqual(lines, [
      "Python P50 p50",
      "Python P95 p95",
      "Python P99 p99",
      "Rust P50 p50",
      "Rust P95 p95",
      "Rust P99 p99",
    ]);
    assert.deepEqual(properties.annotations.horizontal, [
      { label: "limit P50", value: 0.1 },
      { label: "limit P95", value: 0.2 },
      { label: "limit P99", value: 0.5 },
    ]);
    for (const line of properties.metrics) {
      assert.deepEqual([line[1], line[2], line[4]], ["TargetResponseTime", "LoadBalancer", "TargetGroup"]);
      assert.match(line[3], /^app\//);
      assert.match(line[5], line.at(-1).label.startsWith("Rust") ? /-rust\// : /-py\//);
    }
  }
});

test("error rates of both sides of each route, with the requests that got no answer", () => {
  const graphs = titled(/: failed requests$/);
  assert.equal(graphs.length, 3);
  for (const { properties } of graphs) {
    const rates = properties.metrics
      .filter((line: any[]) => line.length === 1)
      .map((line: any[]) => line[0].expression);
    assert.deepEqual(rates, [
      "100 * (old_answered + old_user + old_internal) / old_requests",
      "100 * (new_answered + new_user + new_internal) / new_requests",
    ]);
    const ids = properties.metrics.map((line: any[]) => line.at(-1).id);
    assert.equal(new Set(ids).size, ids.length);
    for (const rate of rates)
      for (const id of rate.match(/[a-z]+_[a-z]+/g) ?? []) assert.ok(ids.includes(id), id);
    assert.deepEqual(properties.annotations.horizontal, [{ label: "limit", value: 1 }]);
  }
});

test("requests a minute of both sides of each route", () => {
  for (const { properties } of titled(/: requests a minute$/)) {
    assert.deepEqual(
      properties.metrics.map((line: any[]) => [line[1], line.at(-1).stat]),
      [
        ["RequestCount", "Sum"],
        ["RequestCount", "Sum"],
      ],
    );
  }
  assert.equal(titled(/: requests a minute$/).length, 3);
});

test("the scorer's own metrics, by the names that it writes into its log", () => {
  const own = titled(/^Scorer: /)
    .flatMap((widget) => widget.properties.metrics)
    .map((line: any[]) => [...line.slice(0, -1), line.at(-1).stat].join(" "));
  assert.deepEqual(own, [
    "ScorerFn Requests Service score-scorer StatusClass 2xx Sum",
    "ScorerFn Requests Service score-scorer StatusClass 4xx Sum",
    "ScorerFn Requests Service score-scorer StatusClass 5xx Sum",
    "ScorerFn Duration Service score-scorer p50",
    "ScorerFn Duration Service score-scorer p95",
    "ScorerFn Duration Service score-scorer p99",
    "ScorerFn Errors Service score-scorer Sum",
    "ScorerFn DatabaseRoundTrips Service score-scorer Average",
  ]);
  const log = readFileSync(join(__dirname, "..", "..", "scorer-fn", "src", "log.rs"), "utf8");
  for (const word of own.flatMap((line) => line.split(" ")).filter((word) => /^[A-Z]/.test(word))) {
    if (word !== "Sum" && word !== "Average") assert.ok(log.includes(`"${word}"`), `${word} in log.rs`);
  }
});

test("answers that were compared, of each route's new group, against their limit", async () => {
  const compared = await graphOf(comparing);
  const body = compared.one("aws:cloudwatch/dashboard:Dashboard", "score-rollout").inputs.dashboardBody;
  const all: any[] = JSON.parse(body).widgets;
  const more = all.filter(({ properties }) => / Rust against Python$/.test(properties.title ?? ""));
  assert.deepEqual(
    more.map(({ properties }) => properties.title),
    ["public", "partners", "internal"].flatMap((route) => [
      `${route}: answers of Rust against Python`,
      `${route}: kinds of differences, Rust against Python`,
    ]),
  );
  assert.equal(all.length, widgets.length + 6, "and none of them without it");
  for (const [index, { x, width, properties }] of more.entries()) {
    assert.ok(x + width <= 24);
    const [share, ...counts] = properties.metrics;
    if (index % 2 === 1) {
      assert.match(
        share[0].expression,
        /^SEARCH\('\{ScorerFn,Kind,TargetGroup\} MetricName="Different" TargetGroup="targetgroup\/score-\w+-rust\/[0-9a-f]{16}"', 'Sum', 60\)$/,
      );
      continue;
    }
    assert.equal(share[0].expression, "100 * different / compared");
    assert.deepEqual(
      counts.map((line: any[]) => [line[0], line[1], line[2], line.at(-1).id, line.at(-1).stat]),
      [
        ["ScorerFn", "Compared", "TargetGroup", "compared", "Sum"],
        ["ScorerFn", "Different", "TargetGroup", "different", "Sum"],
        ["ScorerFn", "CompareFailed", "TargetGroup", "failed", "Sum"],
      ],
    );
    assert.deepEqual(properties.annotations.horizontal, [{ label: "limit", value: 0.1, yAxis: "right" }]);
  }
});

test("all alarms", () => {
  const [last] = widgets.filter((widget) => widget.type === "alarm");
  assert.equal(last.properties.alarms.length, 31);
  assert.equal(new Set(last.properties.alarms).size, 31);
});
