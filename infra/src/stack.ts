/** The whole program as a function, so that tests can call it. */

import * as pulumi from "@pulumi/pulumi";
import { readSettings } from "./config";
import { Rollout } from "./rollout";

/** What the pipeline and people ask for with `pulumi stack output`. */
export interface Outputs {
  readonly controllerToml: pulumi.Output<string>;
  readonly commandFunction: string;
  readonly viewFunction: string;
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
    commandFunction: names.function("command"),
    viewFunction: names.function("view"),
    dashboard: dashboard.name,
    operatorRoleArn: operators.operator.arn,
    emergencyRoleArn: operators.emergency.arn,
    listenerArns: settings.listeners,
    testerGroupArns: Object.fromEntries(testers),
    weightedRuleArns: Object.fromEntries(rules),
  };
}
