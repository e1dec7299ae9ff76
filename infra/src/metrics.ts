/** The load balancer's metrics of one side of one route. Facts: aws-facts B.1. */

import * as pulumi from "@pulumi/pulumi";
import { loadBalancerDimension, targetGroupDimension } from "./arns";
import type { SideName } from "./arns";

export const ALB = "AWS/ApplicationELB";
/** The controller's own metrics. */
export const CONTROLLER = "Rollout/Controller";
/** The Rust scorer's own metrics, from its log (scorer-fn/src/log.rs). Testers' requests count, too. */
export const SCORER = "ScorerFn";

/** Dimensions of one side. */
export interface Side {
  readonly route: string;
  readonly side: SideName;
  readonly loadBalancer: pulumi.Output<string>;
  readonly targetGroup: pulumi.Output<string>;
}

export function side(
  route: string,
  name: SideName,
  listenerArn: pulumi.Input<string>,
  groupArn: pulumi.Input<string>,
): Side {
  return {
    route,
    side: name,
    loadBalancer: pulumi.output(listenerArn).apply(loadBalancerDimension),
    targetGroup: pulumi.output(groupArn).apply(targetGroupDimension),
  };
}

/**
 * The counts behind an error rate, by the name they have in an expression.
 *
 * A function that crashes, times out or is throttled does not show as a 5xx of
 * its target, only as a Lambda error of its group. AWS documents the Lambda
 * errors with the group alone in every list, with the load balancer only in some.
 */
export const ERROR_COUNTS = {
  requests: { metric: "RequestCount", by: "both" },
  answered: { metric: "HTTPCode_Target_5XX_Count", by: "both" },
  user: { metric: "LambdaUserError", by: "group" },
  internal: { metric: "LambdaInternalError", by: "group" },
} as const;

/**
 * Counts of live comparison, by the name they have in an expression; of the target group
 * alone (scorer-fn/src/live.rs). Every repeated request counts in all three, as 0 or 1.
 */
export const COMPARED = {
  compared: "Compared",
  different: "Different",
  failed: "CompareFailed",
} as const;

/** Dimensions of a metric. */
export function dimensions(side: Side, by: "both" | "group"): Record<string, pulumi.Output<string>> {
  const group = { TargetGroup: side.targetGroup };
  return by === "group" ? group : { LoadBalancer: side.loadBalancer, ...group };
}
