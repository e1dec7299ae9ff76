/** The whole program as a function, so that tests can call it. */

import * as pulumi from "@pulumi/pulumi";
import { readSettings } from "./config";
import { allToPython, profile, shell } from "./handover";
import { Rollout } from "./rollout";

/** What the pipeline and people ask for with `pulumi stack output`. */
export interface Outputs {
  readonly controllerToml: pulumi.Output<string>;
  /** For `rolloutctl`: names, region, roles, rules. See `handover.ts`. */
  readonly rolloutctlProfile: pulumi.Output<string>;
  /** Variables of the runbooks' commands. */
  readonly runbookShell: pulumi.Output<string>;
  /** A ready `aws elbv2 modify-rule` for each weighted rule: Python 100, Rust 0. */
  readonly allToPython: pulumi.Output<string>;
  readonly region: string;
  readonly commandFunction: string;
  readonly viewFunction: string;
  readonly tickFunction: string;
  readonly dashboard: string;
  readonly operatorRoleArn: pulumi.Output<string>;
  readonly emergencyRoleArn: pulumi.Output<string>;
  readonly listenerArns: Readonly<Record<string, pulumi.Input<string>>>;
  readonly testerGroupArns: Record<string, pulumi.Output<string>>;
  readonly weightedRuleArns: Record<string, pulumi.Output<string>>;
}

export function stack(project?: string): Outputs {
  const settings = readSettings(project);
  const rollout = new Rollout(settings.name, settings);
  const { names, routing, targetGroups, operators, dashboard } = rollout;
  const testers = [...targetGroups.testers].map(([listener, group]) => [listener, group.arn] as const);
  const rules = [...routing.weightedRules].map(([route, rule]) => [route, rule.arn] as const);
  return {
    controllerToml: rollout.controllerToml,
    rolloutctlProfile: rollout.handover.apply(profile),
    runbookShell: rollout.handover.apply(shell),
    allToPython: rollout.handover.apply(allToPython),
    region: settings.region,
    commandFunction: names.function("command"),
    viewFunction: names.function("view"),
    tickFunction: names.function("tick"),
    dashboard: dashboard.name,
    operatorRoleArn: operators.operator.arn,
    emergencyRoleArn: operators.emergency.arn,
    listenerArns: settings.listeners,
    testerGroupArns: Object.fromEntries(testers),
    weightedRuleArns: Object.fromEntries(rules),
  };
}
