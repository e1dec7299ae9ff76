/** Helpers as the team has them. Stickiness is on, the default of the helper. */

import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";

export interface LambdaTarget {
  readonly targetGroup: aws.lb.TargetGroup;
  readonly function: aws.lambda.Function;
}

/** A group that leads to a function. */
export function lambdaTarget(name: string, fn: aws.lambda.Function): LambdaTarget {
  const targetGroup = new aws.lb.TargetGroup(name, { name, targetType: "lambda" });
  const permission = new aws.lambda.Permission(name, {
    action: "lambda:InvokeFunction",
    principal: "elasticloadbalancing.amazonaws.com",
    function: fn.name,
    sourceArn: targetGroup.arn,
  });
  new aws.lb.TargetGroupAttachment(
    name,
    { targetGroupArn: targetGroup.arn, targetId: fn.arn },
    { dependsOn: [permission] },
  );
  return { targetGroup, function: fn };
}

/** Two groups with the weights of this deployment. */
export function weightedRule(
  name: string,
  args: {
    readonly listenerArn: pulumi.Input<string>;
    readonly priority: number;
    readonly host: string;
    readonly paths: string[];
    readonly methods?: string[];
    readonly python: LambdaTarget;
    readonly rust: LambdaTarget;
    /** Share of Rust, 0 to 100. */
    readonly rustPercent: number;
  },
): aws.lb.ListenerRule {
  const { listenerArn, priority, host, paths, methods, python, rust, rustPercent } = args;
  return new aws.lb.ListenerRule(name, {
    listenerArn,
    priority,
    conditions: [
      { hostHeader: { values: [host] } },
      { pathPattern: { values: paths } },
      ...(methods === undefined ? [] : [{ httpRequestMethod: { values: methods } }]),
    ],
    actions: [
      {
        type: "forward",
        forward: {
          targetGroups: [
            { arn: python.targetGroup.arn, weight: 100 - rustPercent },
            { arn: rust.targetGroup.arn, weight: rustPercent },
          ],
          stickiness: { enabled: true, duration: 3600 },
        },
      },
    ],
  });
}
