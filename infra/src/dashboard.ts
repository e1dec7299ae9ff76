/** One page of graphs, with the rollout's own page and its buttons on top. */

import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { Names } from "./arns";
import { ALB, COMPARED, CONTROLLER, dimensions, ERROR_COUNTS, SCORER } from "./metrics";
import type { Side } from "./metrics";
import type { Common, CompareSettings, Slo } from "./settings";

export interface DashboardArgs {
  readonly sides: readonly Side[];
  readonly slo: Slo;
  /** Draws the rollout's page. */
  readonly viewArn: pulumi.Input<string>;
  /** What the page's buttons call. */
  readonly commandArn: pulumi.Input<string>;
  readonly alarmArns: readonly pulumi.Input<string>[];
  /** Whether the new side is a scorer of this rollout, with metrics of its own. */
  readonly ownScorer: boolean;
  /** Left out: live comparison is off, and has no metrics. */
  readonly compare?: CompareSettings;
}

const PERCENTILES = ["p50", "p95", "p99"];

/** A widget without its place. */
interface Widget {
  readonly type: "metric" | "text" | "custom" | "alarm";
  readonly width: number;
  readonly height: number;
  readonly properties: pulumi.Input<Record<string, unknown>>;
}

type Line = pulumi.Input<unknown>[];

export class Dashboard extends pulumi.ComponentResource {
  readonly arn: pulumi.Output<string>;
  readonly name: string;
  private readonly names: Names;

  constructor(
    private readonly common: Common,
    private readonly args: DashboardArgs,
    opts?: pulumi.ComponentResourceOptions,
  ) {
    super("rollout:infra:Dashboard", `${common.name}-dashboard`, {}, opts);
    this.names = new Names(common);
    this.name = this.names.dashboard();
    const routes = [...new Set(args.sides.map((side) => side.route))];
    const { compare } = args;
    const rows: Widget[][] = [
      [this.page()],
      [this.weights(), this.evidence(), this.decisions(), this.trouble()],
      ...routes.map((route) => [this.latency(route), this.errors(route), this.requests(route)]),
      ...(args.ownScorer ? [[this.scorerAnswers(), this.scorerDuration(), this.scorerDatabase()]] : []),
      ...(compare === undefined ? [] : routes.map((route) => this.answers(route, compare))),
      [this.alarms()],
    ];
    const dashboard = new aws.cloudwatch.Dashboard(
      this.name,
      { dashboardName: this.name, dashboardBody: pulumi.jsonStringify({ widgets: placed(rows) }) },
      { parent: this },
    );
    this.arn = dashboard.dashboardArn;
    this.registerOutputs();
  }

  /** Drawn by the controller's `view`; its buttons call `command` with a confirmation. */
  private page(): Widget {
    return {
      type: "custom",
      width: 24,
      height: 12,
      properties: {
        title: `Rollout ${this.common.name}`,
        endpoint: this.args.viewArn,
        params: { widget: { rollout: this.common.name }, commandFunction: this.args.commandArn },
        updateOn: { refresh: true, resize: true, timeRange: true },
      },
    };
  }

  private weights(): Widget {
    const line = (label: string, metric: string) => this.own(metric, { label, stat: "Maximum" });
    const label = this.common.labels.new;
    return this.graph(`Share of requests to ${label}`, 6, [line(`${label}, percent`, "WeightRust")], {
      yAxis: { left: { min: 0, max: 100, label: "percent", showUnits: false } },
    });
  }

  private evidence(): Widget {
    return this.graph(`Evidence against ${this.common.labels.new} (ln E)`, 6, [
      this.own("LogE", { label: "ln E", stat: "Maximum" }),
      this.own("MinutesBlind", { label: "minutes without data", stat: "Maximum", yAxis: "right" }),
    ]);
  }

  private decisions(): Widget {
    const kinds = {
      Advance: "advance",
      Hold: "hold",
      StepBack: "step back",
      Rollback: "rollback",
      Complete: "complete",
      Failed: "failed",
    };
    const lines = Object.entries(kinds).map(([kind, label]) =>
      this.own(`Decision${kind}`, { label, stat: "Sum" }),
    );
    return this.graph("Decisions", 6, lines, { stacked: true });
  }

  /** What the controller could not do. */
  private trouble(): Widget {
    return this.graph("What did not work", 6, [
      this.own("StepRefused", { label: "changes of weights refused", stat: "Sum" }),
      this.own("MessagesUnsent", { label: "messages waiting", stat: "Maximum" }),
      this.own("LedgerErrors", { label: "journal not usable", stat: "Sum" }),
    ]);
  }

  private latency(route: string): Widget {
    const { slo } = this.args;
    const lines = this.sidesOf(route).flatMap((side) =>
      PERCENTILES.map((stat): Line => [
        ALB,
        "TargetResponseTime",
        ...flat(dimensions(side, "both")),
        { stat, label: `${this.common.labels[side.side]} ${stat.toUpperCase()}` },
      ]),
    );
    const limits = { P50: slo.p50Ms, P95: slo.p95Ms, P99: slo.p99Ms };
    const horizontal = Object.entries(limits).map(([label, ms]) => ({
      label: `limit ${label}`,
      value: ms / 1000,
    }));
    return this.graph(`${route}: latency, seconds`, 10, lines, { annotations: { horizontal } });
  }

  private errors(route: string): Widget {
    const lines = this.sidesOf(route).flatMap((side): Line[] => {
      const id = (count: string) => `${side.side}_${count}`;
      const rate = `100 * (${id("answered")} + ${id("user")} + ${id("internal")}) / ${id("requests")}`;
      return [
        [{ expression: rate, label: `${this.common.labels[side.side]}, percent`, id: id("rate") }],
        ...Object.entries(ERROR_COUNTS).map(([name, { metric, by }]): Line => [
          ALB,
          metric,
          ...flat(dimensions(side, by)),
          { id: id(name), stat: "Sum", visible: false },
        ]),
      ];
    });
    const limit = { label: "limit", value: this.args.slo.errorRatePercent };
    return this.graph(`${route}: failed requests`, 7, lines, { annotations: { horizontal: [limit] } });
  }

  private requests(route: string): Widget {
    const lines = this.sidesOf(route).map((side): Line => [
      ALB,
      "RequestCount",
      ...flat(dimensions(side, "both")),
      { stat: "Sum", label: this.common.labels[side.side] },
    ]);
    return this.graph(`${route}: requests a minute`, 7, lines, { stacked: true });
  }

  /** What the load balancer cannot see: Rust's own account, whoever sent the request. */
  private scorerAnswers(): Widget {
    const lines = ["2xx", "4xx", "5xx"].map((status) =>
      this.scorer("Requests", { label: status, stat: "Sum" }, ["StatusClass", status]),
    );
    return this.graph("Scorer: answers a minute", 8, lines, { stacked: true });
  }

  private scorerDuration(): Widget {
    const lines = PERCENTILES.map((stat) => this.scorer("Duration", { label: stat.toUpperCase(), stat }));
    return this.graph("Scorer: from event to answer, ms", 8, lines);
  }

  private scorerDatabase(): Widget {
    return this.graph("Scorer: errors, and round trips to the database", 8, [
      this.scorer("Errors", { label: "errors", stat: "Sum" }),
      this.scorer("DatabaseRoundTrips", { label: "round trips a request", stat: "Average", yAxis: "right" }),
    ]);
  }

  /** Answers of the new side, against what the old side says to the same request. */
  private answers(route: string, compare: CompareSettings): Widget[] {
    const { old, new: rolledOut } = this.common.labels;
    const sides = this.sidesOf(route).filter(({ side }) => side === "new");
    const labels = { compared: "compared", different: "different", failed: "not answered a second time" };
    const counts = sides.flatMap((side) =>
      Object.entries(COMPARED).map(([id, metric]): Line => [
        SCORER,
        metric,
        ...flat(dimensions(side, "group")),
        { id, stat: "Sum", label: labels[id as keyof typeof COMPARED] },
      ]),
    );
    const share: Line = [
      { expression: "100 * different / compared", label: "different, percent", id: "share", yAxis: "right" },
    ];
    const limit = { label: "limit", value: compare.limitPercent, yAxis: "right" };
    const kinds = sides.map(({ targetGroup }): Line => {
      const of = pulumi.interpolate`{${SCORER},Kind,TargetGroup} MetricName="Different" TargetGroup="${targetGroup}"`;
      const expression = pulumi.interpolate`SEARCH('${of}', 'Sum', 60)`;
      return [{ expression, label: "${PROP('Dim.Kind')}", id: "kinds" }];
    });
    const names = `${rolledOut} against ${old}`;
    return [
      this.graph(`${route}: answers of ${names}`, 14, [share, ...counts], {
        annotations: { horizontal: [limit] },
      }),
      this.graph(`${route}: kinds of differences, ${names}`, 10, kinds, { stacked: true }),
    ];
  }

  private alarms(): Widget {
    return {
      type: "alarm",
      width: 24,
      height: 4,
      properties: { title: "Alarms", alarms: this.args.alarmArns },
    };
  }

  private sidesOf(route: string): Side[] {
    return this.args.sides.filter((side) => side.route === route);
  }

  private own(metric: string, options: Record<string, unknown>): Line {
    return [CONTROLLER, metric, "Rollout", this.common.name, options];
  }

  private scorer(metric: string, options: Record<string, unknown>, more: readonly string[] = []): Line {
    return [SCORER, metric, "Service", this.names.function("scorer"), ...more, options];
  }

  private graph(title: string, width: number, metrics: Line[], more: Record<string, unknown> = {}): Widget {
    const properties = {
      title,
      region: this.common.region,
      view: "timeSeries",
      period: 60,
      metrics,
      ...more,
    };
    return { type: "metric", width, height: 6, properties };
  }
}

function flat(dimensions: Record<string, pulumi.Output<string>>): Line {
  return Object.entries(dimensions).flat();
}

/** Rows from top to bottom on the grid, which is 24 wide. */
function placed(rows: readonly (readonly Widget[])[]): (Widget & { x: number; y: number })[] {
  let y = 0;
  return rows.flatMap((row) => {
    let x = 0;
    const top = y;
    y += Math.max(...row.map((widget) => widget.height));
    return row.map((widget) => {
      const left = x;
      x += widget.width;
      return { ...widget, x: left, y: top };
    });
  });
}
