/** Which groups a listener's rules can send requests to. */

import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { Names } from "./arns";
import type { RustScorer } from "./scorer";
import type { Common, RouteSettings } from "./settings";

/** The groups of one route. */
export interface RouteGroups {
  /** As found: made by the existing stack, and left alone. */
  readonly pythonArn: pulumi.Input<string>;
  readonly rust: aws.lb.TargetGroup;
}

/**
 * One Rust group for each route, since a group belongs to one load balancer and
 * its metrics are the route's evidence; and one tester group for each listener,
 * so that testers' requests never count as evidence. All lead to one alias.
 */
export class TargetGroups extends pulumi.ComponentResource {
  /** By route name. */
  readonly routes: ReadonlyMap<string, RouteGroups>;
  /** By listener name. */
  readonly testers: ReadonlyMap<string, aws.lb.TargetGroup>;
  /** A rule may only lead to a group after these. */
  readonly attached: aws.lb.TargetGroupAttachment[] = [];

  constructor(
    private readonly common: Common,
    routes: readonly RouteSettings[],
    private readonly scorer: RustScorer,
    opts?: pulumi.ComponentResourceOptions,
  ) {
    super("rollout:infra:TargetGroups", `${common.name}-target-groups`, {}, opts);
    const names = new Names(common.name, common.region, common.accountId);
    const listeners = [...new Set(routes.map((route) => route.listener))];
    this.testers = new Map(
      listeners.map((listener) => [listener, this.group(names.testerGroup(listener))] as const),
    );
    this.routes = new Map(
      routes.map((route) => {
        const rust = this.group(names.rustGroup(route.name));
        return [route.name, { pythonArn: route.pythonTargetGroupArn, rust }] as const;
      }),
    );
    this.registerOutputs();
  }

  private group(name: string): aws.lb.TargetGroup {
    const parent = { parent: this };
    const { alias, function: scorer } = this.scorer;
    const group = new aws.lb.TargetGroup(
      name,
      {
        name,
        targetType: "lambda",
        // As on the Python side, which refuses events with lists of headers.
        lambdaMultiValueHeadersEnabled: false,
        // Each would be an invocation, and a group with one target fails open anyway.
        healthCheck: { enabled: false },
        tags: this.common.tags,
      },
      parent,
    );
    const permission = new aws.lambda.Permission(
      name,
      {
        action: "lambda:InvokeFunction",
        principal: "elasticloadbalancing.amazonaws.com",
        function: scorer.name,
        qualifier: alias.name,
        sourceArn: group.arn,
        sourceAccount: this.common.accountId,
      },
      parent,
    );
    this.attached.push(
      new aws.lb.TargetGroupAttachment(
        name,
        { targetGroupArn: group.arn, targetId: alias.arn },
        { ...parent, dependsOn: [permission] },
      ),
    );
    return group;
  }
}
