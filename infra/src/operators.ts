/**
 * Roles for people.
 *
 * | role | may |
 * |---|---|
 * | reader | see status, history, dashboard, alarms, rules, logs, and the last known run |
 * | operator | the same, and give every command |
 * | tester | read the header's secret value |
 * | emergency | set the weights without the controller, and leave word of it for the controller (`rolloutctl rollback --direct`) |
 *
 * IAM sees which function is called, not with which command: who may pause may
 * also start. The journal has every command with its caller.
 */

import type * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { Names } from "./arns";
import { leastRole, readParameters, writeParameter } from "./iam";
import type { Statement } from "./iam";
import type { Common, OperatorSettings } from "./settings";

export interface OperatorRoleArgs {
  readonly settings: OperatorSettings;
  readonly weightedRuleArns: readonly pulumi.Input<string>[];
  readonly dashboardArn: pulumi.Input<string>;
  readonly headerSecretArn?: pulumi.Input<string>;
  /** Whether the new side is a function of this rollout, with a log. */
  readonly ownScorer: boolean;
}

export class OperatorRole extends pulumi.ComponentResource {
  readonly reader?: aws.iam.Role;
  readonly operator: aws.iam.Role;
  readonly tester?: aws.iam.Role;
  readonly emergency: aws.iam.Role;
  private readonly names: Names;

  constructor(
    private readonly common: Common,
    private readonly args: OperatorRoleArgs,
    opts?: pulumi.ComponentResourceOptions,
  ) {
    super("rollout:infra:OperatorRole", `${common.name}-people`, {}, opts);
    this.names = new Names(common);
    const { settings } = args;
    const describe: Statement = {
      sid: "ReadRules",
      actions: ["elasticloadbalancing:DescribeRules"],
      resources: ["*"],
    };
    if (settings.readers.length > 0) {
      this.reader = this.role("reader", "Looks at the rollout", settings.readers, [...this.looks()]);
    }
    this.operator = this.role("operator", "Steers the rollout", settings.operators, [
      ...this.looks(),
      {
        sid: "Command",
        actions: ["lambda:InvokeFunction"],
        resources: [this.names.functionArn("command")],
      },
    ]);
    if (settings.testers.length > 0 && args.headerSecretArn !== undefined) {
      this.tester = this.role("tester", "Reads the header's secret value", settings.testers, [
        {
          sid: "ReadHeaderValue",
          actions: ["secretsmanager:GetSecretValue"],
          resources: [args.headerSecretArn],
        },
      ]);
    }
    this.emergency = this.role(
      "emergency",
      "Sets weights when the controller is broken",
      settings.emergency,
      [
        describe,
        {
          sid: "SetWeights",
          actions: ["elasticloadbalancing:ModifyRule"],
          resources: args.weightedRuleArns,
        },
        // Without it a raise that is under way would not learn of the rollback.
        writeParameter("LeaveOrder", common, "order"),
      ],
    );
    this.registerOutputs();
  }

  private role(
    kind: string,
    description: string,
    principals: readonly pulumi.Input<string>[],
    statements: readonly Statement[],
  ): aws.iam.Role {
    const { requireMfa } = this.args.settings;
    const made = leastRole(
      `${this.common.name}-rollout-${kind}`,
      this.common,
      { description, trust: { principals, requireMfa }, statements },
      { parent: this },
    );
    return made.role;
  }

  private looks(): Statement[] {
    const { names } = this;
    const doors = ["tick", "command", "view"] as const;
    const functions = this.args.ownScorer ? [...doors, "scorer" as const] : doors;
    return [
      { sid: "Look", actions: ["lambda:InvokeFunction"], resources: [names.functionArn("view")] },
      { sid: "OpenDashboard", actions: ["cloudwatch:GetDashboard"], resources: [this.args.dashboardArn] },
      {
        // `rolloutctl check` looks at groups with your own eyes.
        sid: "ReadRulesAndGroups",
        actions: [
          "elasticloadbalancing:DescribeRules",
          "elasticloadbalancing:DescribeTargetGroupAttributes",
          "elasticloadbalancing:DescribeTargetGroups",
          "elasticloadbalancing:DescribeTargetHealth",
        ],
        resources: ["*"],
      },
      // Nothing of functions: `rolloutctl` asks the view which code runs, and their
      // environment variables stay out of sight.
      readParameters(this.common),
      {
        sid: "ReadMetricsAndAlarms",
        actions: ["cloudwatch:DescribeAlarms", "cloudwatch:GetMetricData", "cloudwatch:GetMetricStatistics"],
        resources: ["*"],
      },
      {
        sid: "ReadLogs",
        actions: ["logs:FilterLogEvents", "logs:GetLogEvents", "logs:GetQueryResults", "logs:StartQuery"],
        resources: functions.map((one) => pulumi.interpolate`${names.logGroupArn(names.function(one))}:*`),
      },
    ];
  }
}
