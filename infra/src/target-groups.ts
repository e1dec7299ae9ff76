/** Which groups a listener's rules can send requests to. */

import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { Names } from "./arns";
import { headerRuleOf } from "./checks";
import { groupName } from "./existing";
import type { NewSide } from "./new-side";
import type { Common, RouteSettings, Settings } from "./settings";

/** The groups of one route. */
export interface RouteGroups {
  /** As found: made by the existing stack, and left alone. */
  readonly oldArn: pulumi.Input<string>;
  readonly newArn: pulumi.Input<string>;
}

/**
 * One new group for each route, since a group belongs to one load balancer and its
 * metrics are the route's evidence; and one tester group for each listener, so that
 * testers' requests never count as evidence. All that are made here lead to one function.
 */
export class TargetGroups extends pulumi.ComponentResource {
  /** By route name. */
  readonly routes: ReadonlyMap<string, RouteGroups>;
  /** By listener name: the ARN of the testers' group. */
  readonly testers: ReadonlyMap<string, pulumi.Input<string>>;
  /** A rule may only lead to a group after these. */
  readonly attached: aws.lb.TargetGroupAttachment[] = [];

  constructor(
    private readonly common: Common,
    { routes, listeners }: Pick<Settings, "routes" | "listeners">,
    private readonly newSide: NewSide | undefined,
    opts?: pulumi.ComponentResourceOptions,
  ) {
    super("rollout:infra:TargetGroups", `${common.name}-target-groups`, {}, opts);
    const names = new Names(common);
    this.testers = new Map(
      Object.entries(listeners).flatMap(([name, listener]) => {
        const rule = headerRuleOf(listener);
        if (rule === undefined) return [];
        return [[name, rule.testerGroupArn ?? this.group(names.testerGroup(name)).arn] as const];
      }),
    );
    this.routes = new Map(
      routes.map((route) => {
        const newArn = this.newGroup(route, names.newGroup(route.name));
        return [route.name, { oldArn: route.oldTargetGroupArn, newArn }] as const;
      }),
    );
    this.registerOutputs();
  }

  private newGroup({ newTargetGroup }: RouteSettings, name: string): pulumi.Input<string> {
    const { arn, importArn, tags } = newTargetGroup ?? {};
    if (arn !== undefined) return arn;
    if (importArn === undefined) return this.group(name).arn;
    // Taken over with what is registered in it: an attachment cannot be imported.
    const found = { name: groupName(importArn), targetType: "lambda", tags };
    const ignoreChanges = ["healthCheck", "lambdaMultiValueHeadersEnabled", "stickiness"];
    return new aws.lb.TargetGroup(name, found, {
      parent: this,
      import: importArn,
      protect: true,
      ignoreChanges,
    }).arn;
  }

  private group(name: string): aws.lb.TargetGroup {
    const { newSide } = this;
    if (newSide === undefined) throw new Error(`group ${name} leads nowhere; the check should have said so`);
    const parent = { parent: this };
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
        function: newSide.functionName,
        qualifier: newSide.alias,
        sourceArn: group.arn,
        sourceAccount: this.common.accountId,
      },
      parent,
    );
    this.attached.push(
      new aws.lb.TargetGroupAttachment(
        name,
        { targetGroupArn: group.arn, targetId: newSide.targetArn },
        { ...parent, dependsOn: [permission] },
      ),
    );
    return group;
  }
}
