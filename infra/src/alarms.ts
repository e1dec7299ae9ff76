/**
 * Alarms. Two kinds:
 *
 * - of each side: the same objectives that the controller tests, as a coarse second
 *   opinion that works without it. The new side's alarm rolls back and pages;
 *   while the old side's stands too, the controller holds instead: the fault
 *   is then none of the new side's.
 * - of the controller itself: they page.
 * - of live comparison, if it is on: they page. Nothing rolls back on them: a stamp that
 *   changes between two answers makes them differ rightly, so the controller's test decides.
 */

import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { Names } from "./arns";
import type { SideName } from "./arns";
import { ALB, COMPARED, CONTROLLER, dimensions, ERROR_COUNTS, SCORER } from "./metrics";
import type { Side } from "./metrics";
import type { AlarmSettings, Common, CompareSettings, Slo } from "./settings";

export interface AlarmsArgs {
  readonly sides: readonly Side[];
  readonly slo: Slo;
  /** Left out: live comparison is off, and has no metrics. */
  readonly compare?: CompareSettings;
  readonly settings: AlarmSettings;
  readonly topicArn: pulumi.Input<string>;
  readonly deadLetters: aws.sqs.Queue;
  readonly runbooksUrl?: string;
}

/** Metric alarm settings that each alarm chooses for itself. */
type Watch = Pick<
  aws.cloudwatch.MetricAlarmArgs,
  "evaluationPeriods" | "datapointsToAlarm" | "threshold" | "comparisonOperator" | "treatMissingData"
> &
  Partial<aws.cloudwatch.MetricAlarmArgs>;

/** When an alarm of live comparison stands. */
type Limit = Pick<Watch, "evaluationPeriods" | "datapointsToAlarm" | "threshold">;

export class Alarms extends pulumi.ComponentResource {
  /** Both composite alarms, by side. */
  readonly sides: Readonly<Record<SideName, aws.cloudwatch.CompositeAlarm>>;
  /** Every alarm made here, for the dashboard. */
  readonly all: (aws.cloudwatch.MetricAlarm | aws.cloudwatch.CompositeAlarm)[] = [];

  private readonly names: Names;

  constructor(
    private readonly common: Common,
    private readonly args: AlarmsArgs,
    opts?: pulumi.ComponentResourceOptions,
  ) {
    super("rollout:infra:Alarms", `${common.name}-alarms`, {}, opts);
    this.names = new Names(common);
    this.sides = {
      new: this.ofSide("new", true),
      old: this.ofSide("old", args.settings.oldSidePages),
    };
    this.ofController();
    if (args.compare !== undefined) {
      for (const side of args.sides.filter(({ side }) => side === "new")) this.ofAnswers(side, args.compare);
    }
    this.registerOutputs();
  }

  /** One alarm that stands if any objective of any route is missed. */
  private ofSide(name: SideName, pages: boolean): aws.cloudwatch.CompositeAlarm {
    const { common, args } = this;
    const children = args.sides
      .filter((side) => side.side === name)
      .flatMap((side) => [...this.latency(side), this.errors(side)]);
    const rule = pulumi
      .all(children.map((child) => child.name))
      .apply((names) => names.map((child) => `ALARM("${child}")`).join(" OR "));
    const alarmName = this.names.sideAlarm(name);
    const composite = new aws.cloudwatch.CompositeAlarm(
      alarmName,
      {
        alarmName,
        alarmDescription: this.describe(
          name === "new"
            ? `The ${common.labels.new} side misses an objective; a running rollout goes back to ${common.labels.old} by itself.`
            : `The ${common.labels.old} side misses an objective; a running rollout holds.`,
          "rolled-back",
        ),
        alarmRule: rule,
        alarmActions: pages ? [args.topicArn] : [],
        okActions: pages ? [args.topicArn] : [],
        tags: common.tags,
      },
      { parent: this },
    );
    this.all.push(composite);
    return composite;
  }

  private latency(side: Side): aws.cloudwatch.MetricAlarm[] {
    const { slo, settings } = this.args;
    const limits = { p50: slo.p50Ms, p95: slo.p95Ms, p99: slo.p99Ms };
    return Object.entries(limits).map(([quantile, limitMs]) =>
      this.metric(
        `${side.route}-${this.names.side(side.side)}-${quantile}`,
        `${quantile.toUpperCase()} of ${this.common.labels[side.side]} on route ${side.route} above ${limitMs} ms`,
        "rolled-back",
        {
          namespace: ALB,
          metricName: "TargetResponseTime",
          dimensions: dimensions(side, "both"),
          extendedStatistic: quantile,
          period: 60,
          // The metric is in seconds.
          threshold: limitMs / 1000,
          comparisonOperator: "GreaterThanThreshold",
          evaluationPeriods: settings.evaluationMinutes,
          datapointsToAlarm: settings.badMinutes,
          // A 99th percentile of a handful of requests is their maximum.
          evaluateLowSampleCountPercentiles: "ignore",
          // No requests is not good news and not bad news; and after a rollback
          // the alarm must not stand forever.
          treatMissingData: "missing",
        },
      ),
    );
  }

  private errors(side: Side): aws.cloudwatch.MetricAlarm {
    const { slo, settings } = this.args;
    const counts = Object.entries(ERROR_COUNTS).map(([id, { metric, by }]) => ({
      id,
      returnData: false,
      metric: {
        namespace: ALB,
        metricName: metric,
        dimensions: dimensions(side, by),
        period: 60,
        stat: "Sum",
      },
    }));
    return this.metric(
      `${side.route}-${this.names.side(side.side)}-errors`,
      `More than ${slo.errorRatePercent}% of requests to ${this.common.labels[side.side]} on route ${side.route} fail`,
      "rolled-back",
      {
        metricQueries: [
          {
            id: "rate",
            // Missing error counts are zeros where requests were counted. With too few
            // requests this divides by zero, which drops the minute: no data, not "fine".
            expression: `100 * (answered + user + internal) / (requests * (requests >= ${settings.minRequestsPerMinute}))`,
            label: "errors, percent",
            returnData: true,
          },
          ...counts,
        ],
        threshold: slo.errorRatePercent,
        comparisonOperator: "GreaterThanThreshold",
        evaluationPeriods: settings.evaluationMinutes,
        datapointsToAlarm: settings.badMinutes,
        treatMissingData: "missing",
      },
    );
  }

  /** Answers of the new side, against what the old side said to the same request. */
  private ofAnswers(side: Side, { limitPercent }: CompareSettings): void {
    const { common, args } = this;
    const { old, new: rolledOut } = common.labels;
    const share = (name: string, what: string, expression: string, limit: Limit) => {
      // A metric that is not used would be paid for.
      const used = Object.entries(COMPARED).filter(([id]) => new RegExp(`\\b${id}\\b`).test(expression));
      const counts = used.map(([id, metricName]) => ({
        id,
        returnData: false,
        metric: {
          namespace: SCORER,
          metricName,
          dimensions: dimensions(side, "group"),
          // An environment repeats a few requests a minute: five minutes say more than one.
          period: 300,
          stat: "Sum",
        },
      }));
      this.metric(`${side.route}-${this.names.side("new")}-${name}`, what, "wrong-answers", {
        ...limit,
        metricQueries: [{ id: "share", expression, label: "percent", returnData: true }, ...counts],
        comparisonOperator: "GreaterThanThreshold",
        // Nothing was compared: nothing is known.
        treatMissingData: "missing",
        alarmActions: [args.topicArn],
        okActions: [args.topicArn],
      });
    };
    share(
      "wrong-answers",
      `${rolledOut} answers more than ${limitPercent} % of compared requests on route ${side.route} otherwise than ${old}`,
      // One alone may be a stamp that was added between the two answers.
      "100 * different * (different >= 2) / compared",
      { threshold: limitPercent, evaluationPeriods: 1, datapointsToAlarm: 1 },
    );
    share(
      "not-compared",
      `Most answers of ${rolledOut} on route ${side.route} cannot be compared: ${old} does not answer the second call`,
      "100 * failed / (compared + failed)",
      { threshold: 50, evaluationPeriods: 3, datapointsToAlarm: 3 },
    );
  }

  private ofController(): void {
    const { common, args } = this;
    const own = { namespace: CONTROLLER, dimensions: { Rollout: common.name }, period: 60 };
    const page = { alarmActions: [args.topicArn], okActions: [args.topicArn] };
    this.metric("rollout-silent", "The controller has not ticked for minutes", "not-protected", {
      ...own,
      ...page,
      metricName: "Heartbeat",
      statistic: "Sum",
      threshold: 1,
      comparisonOperator: "LessThanThreshold",
      evaluationPeriods: 3,
      datapointsToAlarm: 3,
      // Silence is the very thing that this one is about.
      treatMissingData: "breaching",
    });
    this.metric("rollout-ledger-errors", "The controller cannot reach its journal", "controller-error", {
      ...own,
      ...page,
      metricName: "LedgerErrors",
      statistic: "Sum",
      threshold: 0,
      comparisonOperator: "GreaterThanThreshold",
      evaluationPeriods: 5,
      datapointsToAlarm: 3,
      treatMissingData: "notBreaching",
    });
    // Counts what was sent to the queue, not what lies in it: a dead letter is kept for
    // two weeks, and the alarm would stand that long after one failed tick. One alone is
    // no page either, since the next minute's tick is its retry; two within five minutes
    // are. An idle queue's metrics come up to 15 minutes late, which is why the two alarms
    // above do not rest on it.
    this.metric("rollout-dead-letters", "Ticks failed or were never delivered", "controller-error", {
      ...page,
      namespace: "AWS/SQS",
      metricName: "NumberOfMessagesSent",
      dimensions: { QueueName: args.deadLetters.name },
      period: 60,
      statistic: "Sum",
      threshold: 0,
      comparisonOperator: "GreaterThanThreshold",
      evaluationPeriods: 5,
      datapointsToAlarm: 2,
      // An idle queue reports nothing.
      treatMissingData: "notBreaching",
    });
    // The controller pages both of these by itself. These alarms are for the night on which
    // it cannot: CloudWatch publishes with rights of its own.
    this.metric("rollout-refused", "AWS refuses the controller's changes of weights", "write-refused", {
      ...own,
      ...page,
      metricName: "StepRefused",
      statistic: "Sum",
      threshold: 0,
      comparisonOperator: "GreaterThanThreshold",
      evaluationPeriods: 5,
      datapointsToAlarm: 3,
      treatMissingData: "notBreaching",
    });
    this.metric("rollout-unsent", "The controller's messages do not get through", "channel-broken", {
      ...own,
      ...page,
      metricName: "MessagesUnsent",
      // Messages come and go; this one asks for a minute after which none was left.
      statistic: "Minimum",
      threshold: 0,
      comparisonOperator: "GreaterThanThreshold",
      evaluationPeriods: 10,
      datapointsToAlarm: 10,
      // Not known while the journal is away, which has an alarm of its own.
      treatMissingData: "notBreaching",
    });
  }

  private metric(name: string, what: string, runbook: string, watch: Watch): aws.cloudwatch.MetricAlarm {
    const fullName = `${this.common.name}-${name}`;
    const alarm = new aws.cloudwatch.MetricAlarm(
      fullName,
      {
        name: fullName,
        alarmDescription: this.describe(what, runbook),
        tags: this.common.tags,
        ...watch,
      },
      { parent: this },
    );
    this.all.push(alarm);
    return alarm;
  }

  private describe(what: string, runbook: string): string {
    const { runbooksUrl } = this.args;
    return runbooksUrl === undefined ? what : `${what} Runbook: ${runbooksUrl}/${runbook}.md`;
  }
}
