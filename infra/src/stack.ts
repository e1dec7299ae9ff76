/** The whole program as a function, so that tests can call it. */

import * as pulumi from "@pulumi/pulumi";
import { readStack } from "./config";
import { allToOld, profile, shell } from "./handover";
import { Rollout } from "./rollout";
import type { RolloutArgs } from "./settings";

/** What the pipeline and people ask for with `pulumi stack output`. */
export interface Outputs {
  readonly controllerToml: pulumi.Output<string>;
  /** For `rolloutctl`: names, region, roles, rules. See `handover.ts`. */
  readonly rolloutctlProfile: pulumi.Output<string>;
  /** Variables of the runbooks' commands. */
  readonly runbookShell: pulumi.Output<string>;
  /** A ready `aws elbv2 modify-rule` for each weighted rule: Python 100, Rust 0. */
  readonly allToPython: pulumi.Output<string>;
  readonly region: pulumi.Output<string>;
  readonly commandFunction: string;
  readonly viewFunction: string;
  readonly tickFunction: string;
  readonly dashboard: string;
  readonly operatorRoleArn: pulumi.Output<string>;
  readonly emergencyRoleArn: pulumi.Output<string>;
  readonly listenerArns: Readonly<Record<string, pulumi.Input<string>>>;
  readonly testerGroupArns: Readonly<Record<string, pulumi.Input<string>>>;
  readonly weightedRuleArns: Readonly<Record<string, pulumi.Input<string>>>;
}

/**
 * Makes what the stack's configuration describes.
 *
 * @param existingRules how the listeners' rules are read, in place of the configuration's
 */
export function stack(project?: string, existingRules?: RolloutArgs["existingRules"]): Outputs {
  const { name, args } = readStack(project);
  const rollout = new Rollout(name, existingRules === undefined ? args : { ...args, existingRules });
  const { names, routing, targetGroups, operators, dashboard } = rollout;
  return {
    controllerToml: rollout.controllerToml,
    rolloutctlProfile: rollout.handover.apply(profile),
    runbookShell: rollout.handover.apply(shell),
    allToPython: rollout.handover.apply(allToOld),
    region: rollout.region,
    commandFunction: names.function("command"),
    viewFunction: names.function("view"),
    tickFunction: names.function("tick"),
    dashboard: dashboard.name,
    operatorRoleArn: operators.operator.arn,
    emergencyRoleArn: operators.emergency.arn,
    listenerArns: rollout.listenerArns,
    testerGroupArns: Object.fromEntries(targetGroups.testers),
    weightedRuleArns: Object.fromEntries(routing.weightedRules),
  };
}
