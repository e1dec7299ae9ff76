import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { runInNewContext } from "node:vm";
import { comparing, graphOf } from "./example";
import type { Graph } from "./graph";

const METRIC = "aws:cloudwatch/metricAlarm:MetricAlarm";
const COMPOSITE = "aws:cloudwatch/compositeAlarm:CompositeAlarm";
const TOPIC = "arn:aws:sns:eu-west-1:111122223333:oncall";

/** Routes of the example with their dimensions. */
const ROUTES: Record<string, { balancer: string; python: RegExp }> = {
  public: { balancer: "app/public/50dc6c495c0c9188", python: /^targetgroup\/scorer-py\/73e2d6bc24d8a067$/ },
  partners: {
    balancer: "app/public/50dc6c495c0c9188",
    python: /^targetgroup\/partner-py\/1f0e2d3c4b5a6978$/,
  },
  internal: {
    balancer: "app/internal/6d0ecf831eec9f09",
    python: /^targetgroup\/internal-py\/8a7b6c5d4e3f2a1b$/,
  },
};

let graph: Graph;
before(async () => {
  graph = await graphOf();
});

const alarm = (name: string) => graph.one(METRIC, `score-${name}`).inputs;

/** Both dimensions, exactly: a missing one is another metric, which has no data. */
function assertDimensions(dimensions: any, route: string, side: string) {
  const { balancer, python } = ROUTES[route] as { balancer: string; python: RegExp };
  assert.deepEqual(Object.keys(dimensions).sort(), ["LoadBalancer", "TargetGroup"]);
  assert.equal(dimensions.LoadBalancer, balancer);
  assert.match(
    dimensions.TargetGroup,
    side === "python" ? python : new RegExp(`^targetgroup/score-${route}-rust/[0-9a-f]{16}$`),
  );
}

for (const route of Object.keys(ROUTES)) {
  for (const side of ["rust", "python"]) {
    describe(`${side} on route ${route}`, () => {
      for (const [quantile, seconds] of [
        ["p50", 0.1],
        ["p95", 0.2],
        ["p99", 0.5],
      ] as const) {
        test(`${quantile} above ${seconds} s`, () => {
          const inputs = alarm(`${route}-${side}-${quantile}`);
          assert.equal(inputs.namespace, "AWS/ApplicationELB");
          assert.equal(inputs.metricName, "TargetResponseTime");
          assertDimensions(inputs.dimensions, route, side);
          assert.equal(inputs.extendedStatistic, quantile);
          assert.equal(inputs.statistic, undefined);
          assert.equal(inputs.threshold, seconds);
          assert.equal(inputs.comparisonOperator, "GreaterThanThreshold");
          assert.deepEqual([inputs.period, inputs.evaluationPeriods, inputs.datapointsToAlarm], [60, 5, 3]);
          assert.equal(inputs.evaluateLowSampleCountPercentiles, "ignore");
          assert.equal(inputs.treatMissingData, "missing");
          assert.equal(inputs.alarmActions, undefined);
        });
      }

      test("errors: what the function answered and what it never answered, per request", () => {
        const inputs = alarm(`${route}-${side}-errors`);
        const byId = Object.fromEntries(inputs.metricQueries.map((query: any) => [query.id, query]));
        assert.equal(
          byId.rate.expression,
          "100 * (answered + user + internal) / (requests * (requests >= 20))",
        );
        const counts = {
          requests: "RequestCount",
          answered: "HTTPCode_Target_5XX_Count",
          user: "LambdaUserError",
          internal: "LambdaInternalError",
        };
        for (const [id, metricName] of Object.entries(counts)) {
          const { metric } = byId[id];
          assert.equal(metric.metricName, metricName);
          assert.deepEqual([metric.namespace, metric.period, metric.stat], ["AWS/ApplicationELB", 60, "Sum"]);
          if (id === "user" || id === "internal") {
            assert.deepEqual(Object.keys(metric.dimensions), ["TargetGroup"]);
          } else assertDimensions(metric.dimensions, route, side);
        }
        const returned = inputs.metricQueries.filter((query: any) => query.returnData);
        assert.deepEqual(
          returned.map((query: any) => query.id),
          ["rate"],
          "exactly one query may return data",
        );
        assert.equal(inputs.metricQueries.length, 5);
        assert.equal(inputs.threshold, 1);
        assert.equal(inputs.comparisonOperator, "GreaterThanThreshold");
        assert.deepEqual([inputs.evaluationPeriods, inputs.datapointsToAlarm], [5, 3]);
        assert.equal(inputs.treatMissingData, "missing");
        for (const alone of ["metricName", "namespace", "period", "statistic", "extendedStatistic"]) {
          assert.equal(inputs[alone], undefined, `${alone} contradicts metricQueries`);
        }
      });
    });
  }
}

describe("each side as a whole", () => {
  for (const side of ["rust", "python"]) {
    test(`${side}: stands if any objective of any route is missed`, () => {
      const { alarmName, alarmRule } = graph.one(COMPOSITE, `score-${side}-side`).inputs;
      assert.equal(alarmName, `score-${side}-side`);
      const named = Object.keys(ROUTES).flatMap((route) =>
        ["p50", "p95", "p99", "errors"].map((what) => `ALARM("score-${route}-${side}-${what}")`),
      );
      assert.deepEqual(alarmRule.split(" OR "), named);
      assert.ok(named.length <= 100);
    });
  }

  test("Rust's pages and says when it is over; Python's pages only if wanted", async () => {
    const actions = (one: Graph, side: string) => {
      const { alarmActions, okActions } = one.one(COMPOSITE, `score-${side}-side`).inputs;
      return [alarmActions, okActions];
    };
    assert.deepEqual(actions(graph, "rust"), [[TOPIC], [TOPIC]]);
    assert.deepEqual(actions(graph, "python"), [[], []]);
    const both = await graphOf((c) => (c.alarms.oldSidePages = true));
    assert.deepEqual(actions(both, "python"), [[TOPIC], [TOPIC]]);
  });
});

describe("the controller itself", () => {
  const own = { Rollout: "score" };

  test("silence pages", () => {
    const inputs = alarm("rollout-silent");
    assert.deepEqual(
      [inputs.namespace, inputs.metricName, inputs.dimensions, inputs.statistic],
      ["Rollout/Controller", "Heartbeat", own, "Sum"],
    );
    assert.deepEqual([inputs.threshold, inputs.comparisonOperator], [1, "LessThanThreshold"]);
    assert.deepEqual([inputs.period, inputs.evaluationPeriods, inputs.datapointsToAlarm], [60, 3, 3]);
    assert.equal(inputs.treatMissingData, "breaching");
    assert.deepEqual([inputs.alarmActions, inputs.okActions], [[TOPIC], [TOPIC]]);
  });

  test("a journal out of reach pages", () => {
    const inputs = alarm("rollout-ledger-errors");
    assert.deepEqual([inputs.metricName, inputs.dimensions, inputs.statistic], ["LedgerErrors", own, "Sum"]);
    assert.deepEqual([inputs.threshold, inputs.comparisonOperator], [0, "GreaterThanThreshold"]);
    assert.deepEqual([inputs.period, inputs.evaluationPeriods, inputs.datapointsToAlarm], [60, 5, 3]);
    assert.equal(inputs.treatMissingData, "notBreaching");
    assert.deepEqual(inputs.alarmActions, [TOPIC]);
  });

  /** States of an alarm over the minutes of a metric; an absent minute has no data. */
  function states(inputs: any, minutes: readonly (number | undefined)[]): boolean[] {
    assert.equal(inputs.comparisonOperator, "GreaterThanThreshold");
    assert.equal(inputs.treatMissingData, "notBreaching");
    assert.equal(inputs.period, 60);
    const bad = minutes.map((value) => value !== undefined && value > inputs.threshold);
    return minutes.map((_, now) => {
      const window = bad.slice(Math.max(0, now + 1 - inputs.evaluationPeriods), now + 1);
      return window.filter(Boolean).length >= inputs.datapointsToAlarm;
    });
  }

  test("dead letters page when they come, not for as long as they lie there", () => {
    const inputs = alarm("rollout-dead-letters");
    // `ApproximateNumberOf…` would tell of one letter for the two weeks that it is kept.
    assert.deepEqual([inputs.namespace, inputs.metricName], ["AWS/SQS", "NumberOfMessagesSent"]);
    assert.deepEqual(inputs.dimensions, { QueueName: "score-rollout-tick-dead" });
    assert.equal(inputs.statistic, "Sum");
    assert.deepEqual([inputs.alarmActions, inputs.okActions], [[TOPIC], [TOPIC]]);
    const quiet = Array.from({ length: 10 }, () => undefined);
    const stands = (...letters: (number | undefined)[]) => states(inputs, [...quiet, ...letters, ...quiet]);
    assert.ok(!stands(1).includes(true), "the next minute is the retry of one failed tick");
    assert.ok(stands(1, 1).includes(true), "two in a row page");
    assert.ok(stands(1, undefined, undefined, 1).includes(true), "and two within five minutes");
    assert.equal(stands(1, 1, 1).at(-1), false, "it is over some minutes after the last one");
  });

  test("refused changes of weights page, and the runbook is theirs", () => {
    const inputs = alarm("rollout-refused");
    assert.deepEqual([inputs.metricName, inputs.dimensions, inputs.statistic], ["StepRefused", own, "Sum"]);
    assert.deepEqual(states(inputs, [0, 1, 0, 1, 1, 0, 0, 0, 0, undefined]), [
      false,
      false,
      false,
      false,
      true,
      true,
      false,
      false,
      false,
      false,
    ]);
    assert.deepEqual([inputs.alarmActions, inputs.okActions], [[TOPIC], [TOPIC]]);
    assert.match(inputs.alarmDescription, /write-refused\.md$/);
  });

  test("messages that do not get through page by CloudWatch's own rights", () => {
    const inputs = alarm("rollout-unsent");
    assert.deepEqual(
      [inputs.metricName, inputs.dimensions, inputs.statistic],
      ["MessagesUnsent", own, "Minimum"],
    );
    const waiting = Array.from({ length: 10 }, () => 2);
    assert.equal(states(inputs, waiting).at(-1), true);
    assert.ok(!states(inputs, [...waiting.slice(1), 0, ...waiting.slice(1)]).includes(true));
    assert.match(inputs.alarmDescription, /channel-broken\.md$/);
  });
});

describe("answers that were compared", () => {
  let compared: Graph;
  before(async () => {
    compared = await graphOf((c) => {
      comparing(c);
      c.compare.limitPercent = 0.2;
    });
  });
  const inputs = (route: string, name: string) => compared.one(METRIC, `score-${route}-rust-${name}`).inputs;
  /** What an expression gives for sums of five minutes. */
  const value = (
    route: string,
    name: string,
    compared: number,
    different: number,
    failed: number,
  ): number => {
    const { expression } = inputs(route, name).metricQueries[0];
    return runInNewContext(expression, { compared, different, failed });
  };
  const stands = (route: string, name: string, ...counts: [number, number, number]) =>
    value(route, name, ...counts) > inputs(route, name).threshold;

  test("there is no alarm unless it is on, and none rolls back", () => {
    assert.equal(compared.all(METRIC).length, graph.all(METRIC).length + 2 * 3);
    for (const side of ["rust", "python"]) {
      const rule = (one: Graph) => one.one(COMPOSITE, `score-${side}-side`).inputs.alarmRule;
      assert.equal(rule(compared), rule(graph));
    }
  });

  for (const route of Object.keys(ROUTES)) {
    for (const name of ["wrong-answers", "not-compared"]) {
      test(`${route}, ${name}: counts of the new group alone, by the scorer's names`, () => {
        const { metricQueries, alarmActions, okActions, treatMissingData } = inputs(route, name);
        const [share, ...counts] = metricQueries;
        assert.deepEqual([share.id, share.returnData], ["share", true]);
        for (const { id, metric, returnData } of counts) {
          assert.equal(returnData, false);
          assert.deepEqual([metric.namespace, metric.period, metric.stat], ["ScorerFn", 300, "Sum"]);
          assert.deepEqual(Object.keys(metric.dimensions), ["TargetGroup"]);
          assert.match(metric.dimensions.TargetGroup, new RegExp(`^targetgroup/score-${route}-rust/`));
          assert.match(share.expression, new RegExp(`\\b${id}\\b`));
        }
        assert.deepEqual(
          counts.map(({ metric }: any) => metric.metricName),
          name === "wrong-answers" ? ["Compared", "Different"] : ["Compared", "CompareFailed"],
        );
        assert.deepEqual([alarmActions, okActions, treatMissingData], [[TOPIC], [TOPIC], "missing"]);
      });
    }
  }

  test("two that differ, above the limit, page; one alone does not", () => {
    const { threshold, evaluationPeriods, datapointsToAlarm } = inputs("public", "wrong-answers");
    assert.deepEqual([threshold, evaluationPeriods, datapointsToAlarm], [0.2, 1, 1]);
    assert.ok(stands("public", "wrong-answers", 30, 2, 0));
    assert.ok(!stands("public", "wrong-answers", 30, 1, 0), "a stamp may have been added meanwhile");
    assert.ok(!stands("public", "wrong-answers", 1001, 2, 0), "within the limit");
    assert.ok(!stands("public", "wrong-answers", 0, 0, 30), "nothing compared is nothing known");
  });

  test("a Python that does not answer the second call pages after a quarter of an hour", () => {
    const { evaluationPeriods, datapointsToAlarm } = inputs("public", "not-compared");
    assert.deepEqual([evaluationPeriods, datapointsToAlarm], [3, 3]);
    assert.ok(stands("public", "not-compared", 0, 0, 5));
    assert.ok(!stands("public", "not-compared", 5, 5, 5), "half of them are compared");
  });

  test("by the names that the scorer writes into its log", () => {
    const live = readFileSync(join(__dirname, "..", "..", "scorer-fn", "src", "live.rs"), "utf8");
    for (const name of ["Compared", "Different", "CompareFailed"]) {
      assert.match(live, new RegExp(`\\.metric\\("${name}"`));
    }
    assert.match(live, /&\[&\["TargetGroup"\]\]/);
  });
});

test("every alarm says what to read", async () => {
  const alarms = [...graph.all(METRIC), ...graph.all(COMPOSITE)];
  assert.equal(alarms.length, 24 + 5 + 2);
  const compared = await graphOf(comparing);
  alarms.push(...compared.all(METRIC).filter(({ name }) => /-(wrong-answers|not-compared)$/.test(name)));
  for (const { inputs } of alarms) {
    assert.match(
      inputs.alarmDescription,
      /Runbook: https:\/\/wiki\.example\.com\/rollout\/runbooks\/[a-z-]+\.md$/,
    );
    const file = String(inputs.alarmDescription).split("/").at(-1) ?? "";
    assert.ok(existsSync(join(__dirname, "..", "..", "runbooks", file)), `${file} is no runbook`);
  }
});

test("limits are the objectives of the controller", async () => {
  const strict = await graphOf((c) => {
    c.slo = { errorRatePercent: 0.5, p50Ms: 50, p95Ms: 100, p99Ms: 200 };
    c.alarms.minRequestsPerMinute = 50;
  });
  assert.equal(strict.one(METRIC, "score-public-rust-p99").inputs.threshold, 0.2);
  const errors = strict.one(METRIC, "score-public-rust-errors").inputs;
  assert.equal(errors.threshold, 0.5);
  assert.match(errors.metricQueries[0].expression, /requests >= 50/);
});
