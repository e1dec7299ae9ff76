/** Small facts about names and ARNs, in one place. */

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

/** Names of what this stack makes. Known before anything is made, so that no policy waits for a resource. */
export class Names {
  constructor(
    private readonly name: string,
    private readonly region: string,
    private readonly account: string,
  ) {}

  /** A function's name. */
  function(role: "scorer" | "tick" | "command" | "view"): string {
    return role === "scorer" ? `${this.name}-scorer` : `${this.name}-rollout-${role}`;
  }

  /** A function's ARN. */
  functionArn(role: "scorer" | "tick" | "command" | "view"): string {
    return `arn:aws:lambda:${this.region}:${this.account}:function:${this.function(role)}`;
  }

  /** What the controller keeps of its run outside the journal (rollout-controller/src/adapters/ssm.rs). */
  parameterArn(which: "run" | "order"): string {
    return `arn:aws:ssm:${this.region}:${this.account}:parameter/rollout/${this.name}/${which}`;
  }

  /** Log group of a function. */
  logGroupArn(functionName: string): string {
    return `arn:aws:logs:${this.region}:${this.account}:log-group:/aws/lambda/${functionName}`;
  }

  /** Group of one route's Rust side. */
  rustGroup(route: string): string {
    return `${this.name}-${route}-rs`;
  }

  /** Group of one listener's testers. */
  testerGroup(listener: string): string {
    return `${this.name}-${listener}-tester`;
  }

  /** Composite alarm of one side over all routes. */
  sideAlarm(side: "rust" | "python"): string {
    return `${this.name}-${side}-side`;
  }

  dashboard(): string {
    return `${this.name}-rollout`;
  }
}
