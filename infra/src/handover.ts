/**
 * What people need on the day when the controller does not answer, written from the
 * same values as the infrastructure: a profile for `rolloutctl`, the variables of the
 * runbooks, and one AWS CLI command for each weighted rule. None of it is secret.
 */

import { stringify } from "smol-toml";
import type { Settings } from "./settings";
import { labelsTable } from "./toml";

/** One route with the ARNs that AWS gave. */
export interface RouteHandover {
  readonly name: string;
  readonly rule: string;
  readonly oldGroup: string;
  readonly newGroup: string;
  readonly listener: string;
  /** Empty without a header rule. */
  readonly headerRule: string;
  /** Empty without a header rule. */
  readonly testerGroup: string;
  /** Whether the rule leads to both groups already; an imported one may lead to others. */
  readonly split: boolean;
}

export interface Handover {
  readonly name: string;
  readonly labels: Settings["labels"];
  readonly region: string;
  readonly accountId: string;
  readonly functions: { readonly tick: string; readonly command: string; readonly view: string };
  /** The new side's function: its name, or its ARN if it is yours; empty if each route has another. */
  readonly newFunction: string;
  readonly dashboard: string;
  readonly operatorRoleArn: string;
  readonly emergencyRoleArn: string;
  readonly runbooksUrl?: string;
  readonly routes: readonly RouteHandover[];
}

/**
 * The profile, TOML:
 *
 * - `[profile]`: `rollout`, `region`, `account`, `command_function`, `view_function`,
 *   `tick_function`, `operator_role_arn`, `emergency_role_arn`, `dashboard`, and
 *   `runbooks` if it is known;
 * - `[[rollout]]` with `name`, `labels` if they are not the usual ones, and for each route `[[rollout.route]]` with `name`,
 *   `rule`, `old_group`, `new_group`: the keys of the controller's own configuration
 *   that `rollback --direct` reads, and no others.
 */
export function profile(of: Handover): string {
  const head = `# Where the rollout \`${of.name}\` is, for rolloutctl. Written by the stack; holds no secret.`;
  const table = {
    profile: {
      rollout: of.name,
      region: of.region,
      account: of.accountId,
      command_function: of.functions.command,
      view_function: of.functions.view,
      tick_function: of.functions.tick,
      operator_role_arn: of.operatorRoleArn,
      emergency_role_arn: of.emergencyRoleArn,
      dashboard: of.dashboard,
      runbooks: of.runbooksUrl,
    },
    rollout: [
      {
        name: of.name,
        labels: labelsTable(of.labels),
        route: of.routes.map((route) => ({
          name: route.name,
          rule: route.rule,
          old_group: route.oldGroup,
          new_group: route.newGroup,
        })),
      },
    ],
  };
  return `${head}\n${stringify(table)}`;
}

/**
 * Variables of the runbooks' commands, for a POSIX shell: those of the first route,
 * and of the others as comments.
 */
export function shell(of: Handover): string {
  const exported = (name: string, value: string) => `export ${name}='${value}'`;
  const route = (one: RouteHandover) => [
    exported("RULE", one.rule),
    ...(one.headerRule === "" ? [] : [exported("HEADER_RULE", one.headerRule)]),
    exported("LISTENER", one.listener),
    exported("PYTHON_GROUP", one.oldGroup),
    exported("RUST_GROUP", one.newGroup),
    ...(one.testerGroup === "" ? [] : [exported("TESTER_GROUP", one.testerGroup)]),
  ];
  const lines = [
    exported("AWS_REGION", of.region),
    exported("ROLLOUT_NAME", of.name),
    exported("ROLLOUT_COMMAND_FUNCTION", of.functions.command),
    exported("ROLLOUT_VIEW_FUNCTION", of.functions.view),
    exported("TICK_FUNCTION", of.functions.tick),
    ...(of.newFunction === "" ? [] : [exported("SCORER_FUNCTION", of.newFunction)]),
    ...of.routes.flatMap((one, index) => [
      `# route ${one.name}`,
      ...route(one).map((text) => (index === 0 ? text : `# ${text}`)),
    ]),
  ];
  return lines.join("\n") + "\n";
}

/**
 * One command for each rule that gives the old side all requests and the new side none, and prints
 * the weights as AWS has them after it.
 *
 * ModifyRule replaces the actions as a whole. This stack's rules have one, a forward:
 * a rule that was given an authenticate action by hand would lose it, and needs
 * `rolloutctl rollback --direct`, which writes the others as it finds them.
 */
export function allToOld(of: Handover): string {
  const lines = of.routes.flatMap((route) => [
    `# route ${route.name}`,
    [
      "aws elbv2 modify-rule",
      `--region ${of.region}`,
      `--rule-arn ${route.rule}`,
      `--actions '${JSON.stringify([action(route)])}'`,
      "--query 'Rules[].Actions[].ForwardConfig.TargetGroups[].[Weight,TargetGroupArn]' --output text",
    ].join(" "),
  ]);
  return lines.join("\n") + "\n";
}

function action(route: RouteHandover): Record<string, unknown> {
  if (!route.split) return { Type: "forward", Order: 1, TargetGroupArn: route.oldGroup };
  return {
    Type: "forward",
    Order: 1,
    ForwardConfig: {
      TargetGroups: [
        { TargetGroupArn: route.oldGroup, Weight: 100 },
        { TargetGroupArn: route.newGroup, Weight: 0 },
      ],
      TargetGroupStickinessConfig: { Enabled: false },
    },
  };
}
