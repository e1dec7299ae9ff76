/** Small facts about names and ARNs, in one place. */

import * as pulumi from "@pulumi/pulumi";
import type { Common } from "./settings";

/** Value of the CloudWatch dimension `LoadBalancer`: `app/NAME/ID`, from a listener's ARN. */
export function loadBalancerDimension(listenerArn: string): string {
  const path = listenerArn.split(":listener/")[1];
  if (path === undefined) throw new Error(`not the ARN of a listener: ${listenerArn}`);
  return path.split("/").slice(0, 3).join("/");
}

/** Value of the CloudWatch dimension `TargetGroup`: `targetgroup/NAME/ID`. */
export function targetGroupDimension(groupArn: string): string {
  const tail = groupArn.split(":").at(-1);
  if (!tail?.startsWith("targetgroup/")) throw new Error(`not the ARN of a target group: ${groupArn}`);
  return tail;
}

/** A function's name: `arn:aws:lambda:REGION:ACCOUNT:function:NAME[:QUALIFIER]`. */
export function functionName(functionArn: string): string | undefined {
  return functionArn.split(":")[6];
}

/** The two sides of a route. */
export type SideName = "old" | "new";

/** A label as a part of names: `Python` is `python`. */
export function slug(label: string): string {
  return label
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-|-$/g, "");
}

/** Letters of a label's slug that a target group's name has room for. */
const SLUG_IN_GROUP = 6;

type Role = "scorer" | "tick" | "command" | "view";

/** Names of what is made here. Known before anything is made, so that no policy waits for a resource. */
export class Names {
  private readonly name: string;

  constructor(private readonly common: Pick<Common, "name" | "region" | "accountId" | "labels">) {
    this.name = common.name;
  }

  /** `arn:aws:SERVICE:REGION:ACCOUNT:REST`, here. */
  arn(service: string, rest: pulumi.Input<string>): pulumi.Output<string> {
    return pulumi.interpolate`arn:aws:${service}:${this.common.region}:${this.common.accountId}:${rest}`;
  }

  /** A function's name. */
  function(role: Role): string {
    return role === "scorer" ? `${this.name}-scorer` : `${this.name}-rollout-${role}`;
  }

  /** A function's ARN. */
  functionArn(role: Role): pulumi.Output<string> {
    return this.arn("lambda", `function:${this.function(role)}`);
  }

  /** What the controller keeps of its run outside the journal (rollout-controller/src/adapters/ssm.rs). */
  parameterArn(which: "run" | "order"): pulumi.Output<string> {
    return this.arn("ssm", `parameter/rollout/${this.name}/${which}`);
  }

  /** Name of a function's log group, as `function.ts` makes it. */
  logGroup(functionName: string): string {
    return `/aws/lambda/${functionName}`;
  }

  /** Log group of a function. */
  logGroupArn(functionName: string): pulumi.Output<string> {
    return this.arn("logs", `log-group:${this.logGroup(functionName)}`);
  }

  /** Group of one route's new side. */
  newGroup(route: string): string {
    return `${this.name}-${route}-${slug(this.common.labels.new).slice(0, SLUG_IN_GROUP).replace(/-$/, "")}`;
  }

  /** Group of one listener's testers. */
  testerGroup(listener: string): string {
    return `${this.name}-${listener}-tester`;
  }

  /** A side in names of alarms. */
  side(side: SideName): string {
    return slug(this.common.labels[side]);
  }

  /** Composite alarm of one side over all routes. */
  sideAlarm(side: SideName): string {
    return `${this.name}-${this.side(side)}-side`;
  }

  dashboard(): string {
    return `${this.name}-rollout`;
  }
}
