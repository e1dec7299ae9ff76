/**
 * Everything a rollout adds to an existing load balancer, VPC, RDS Proxy and topic.
 *
 * A stack of its own calls this with values from `Pulumi.<stack>.yaml` (`stack.ts`).
 * The existing program can call it too, with its own resources' outputs:
 *
 * ```ts
 * new Rollout("score", {
 *   ...shared, // account, network, images, objectives, people: see `settings.ts`
 *   listeners: { public: httpsListener.arn },
 *   routes: [{ name: "public", listener: "public", pythonTargetGroupArn: python.targetGroup.arn, … }],
 * });
 * ```
 */

import * as pulumi from "@pulumi/pulumi";
import { Alarms } from "./alarms";
import { Names } from "./arns";
import { Audit } from "./audit";
import { RolloutController } from "./controller";
import { Dashboard } from "./dashboard";
import type { Handover } from "./handover";
import { side } from "./metrics";
import type { Side } from "./metrics";
import { OperatorRole } from "./operators";
import { Paging } from "./paging";
import { Routing } from "./routing";
import { RustScorer } from "./scorer";
import type { RouteSettings, Settings } from "./settings";
import { TargetGroups } from "./target-groups";
import { controllerToml } from "./toml";

/** {@link Settings} without the name, which is the component's. */
export type RolloutArgs = Omit<Settings, "name">;

export class Rollout extends pulumi.ComponentResource {
  /** The controller's configuration, for `rolloutctl --config`. */
  readonly controllerToml: pulumi.Output<string>;
  /** What people need when the controller does not answer. */
  readonly handover: pulumi.Output<Handover>;
  readonly names: Names;
  readonly routing: Routing;
  readonly targetGroups: TargetGroups;
  readonly operators: OperatorRole;
  readonly dashboard: Dashboard;

  private readonly settings: Settings;

  /** `name` is the rollout's, and the beginning of every resource's. */
  constructor(name: string, args: RolloutArgs, opts?: pulumi.ComponentResourceOptions) {
    super("rollout:infra:Rollout", name, {}, opts);
    const settings: Settings = { ...args, name };
    this.settings = settings;
    const parent = { parent: this };
    this.names = new Names(settings.name, settings.region, settings.accountId);
    const scorer = new RustScorer(settings, settings.scorer, parent);
    this.targetGroups = new TargetGroups(settings, settings.routes, scorer, parent);
    this.routing = new Routing(settings, { ...settings, groups: this.targetGroups }, parent);
    const paging = new Paging(settings, settings.paging, parent);
    const toml = {
      writer: this.toml("writer", paging),
      reader: this.toml("reader", paging),
    };
    this.controllerToml = toml.writer;
    const weightedRuleArns = [...this.routing.weightedRules.values()].map((rule) => rule.arn);
    const functionArns = [
      this.names.functionArn("scorer"),
      ...new Set(settings.routes.map((route) => route.pythonFunctionArn)),
    ];
    const controller = new RolloutController(
      settings,
      {
        settings: settings.controller,
        ledger: settings.ledger,
        paging,
        weightedRuleArns,
        functionArns,
        toml,
        alarmNames: [this.names.sideAlarm("rust"), ...settings.controller.holdOnAlarms],
      },
      parent,
    );
    const sides = settings.routes.flatMap((route) => this.sides(route));
    const alarms = new Alarms(
      settings,
      {
        sides,
        slo: settings.slo,
        settings: settings.alarms,
        topicArn: paging.topicArn,
        deadLetters: controller.triggers.deadLetters,
        runbooksUrl: settings.controller.runbooksUrl,
      },
      parent,
    );
    this.dashboard = new Dashboard(
      settings,
      {
        sides,
        slo: settings.slo,
        viewArn: controller.view.function.arn,
        commandArn: controller.command.function.arn,
        alarmArns: alarms.all.map((alarm) => alarm.arn),
      },
      parent,
    );
    this.operators = new OperatorRole(
      settings,
      {
        settings: settings.operators,
        weightedRuleArns,
        functionArns,
        dashboardArn: this.dashboard.arn,
        headerSecretArn: settings.header.valueSecretArn,
      },
      parent,
    );
    this.handover = this.handsOver();
    if (settings.auditBucket !== undefined) new Audit(settings, settings.auditBucket, parent);
    this.registerOutputs();
  }

  private sides(route: RouteSettings): Side[] {
    const listener = this.listener(route);
    const groups = this.targetGroups.routes.get(route.name);
    if (groups === undefined) return [];
    return [
      side(route.name, "python", listener, groups.pythonArn),
      side(route.name, "rust", listener, groups.rust.arn),
    ];
  }

  private handsOver(): pulumi.Output<Handover> {
    const { settings, names, routing, targetGroups, operators, dashboard } = this;
    const routes = settings.routes.map((route) => ({
      name: route.name,
      rule: routing.weightedRules.get(route.name)?.arn ?? "",
      pythonGroup: route.pythonTargetGroupArn,
      rustGroup: targetGroups.routes.get(route.name)?.rust.arn ?? "",
      listener: this.listener(route),
      headerRule: routing.headerRules.get(route.listener)?.arn ?? "",
      testerGroup: targetGroups.testers.get(route.listener)?.arn ?? "",
      split: route.adopt?.step !== "import",
    }));
    return pulumi.output({
      name: settings.name,
      region: settings.region,
      accountId: settings.accountId,
      functions: {
        tick: names.function("tick"),
        command: names.function("command"),
        view: names.function("view"),
      },
      scorerFunction: names.function("scorer"),
      dashboard: dashboard.name,
      operatorRoleArn: operators.operator.arn,
      emergencyRoleArn: operators.emergency.arn,
      runbooksUrl: settings.controller.runbooksUrl,
      routes,
    });
  }

  private listener(route: RouteSettings): pulumi.Input<string> {
    const arn = this.settings.listeners[route.listener];
    if (arn === undefined) throw new Error(`no listener named ${route.listener}`);
    return arn;
  }

  private toml(door: "writer" | "reader", paging: Paging): pulumi.Output<string> {
    const { settings, names, routing, targetGroups } = this;
    const routes = settings.routes.map((route) => ({
      name: route.name,
      rule: routing.weightedRules.get(route.name)?.arn,
      oldGroup: pulumi.output(route.pythonTargetGroupArn),
      newGroup: targetGroups.routes.get(route.name)?.rust.arn,
      testerGroup: targetGroups.testers.get(route.listener)?.arn,
    }));
    return pulumi
      .all([routes, routing.headerValue, paging.topicArn, paging.chatTopicArn] as const)
      .apply(([known, headerValue, topicArn, chatTopicArn]) =>
        controllerToml({
          ...settings,
          door,
          topicArn,
          chatTopicArn,
          rollbackOn: names.sideAlarm("rust"),
          pythonTwin: names.sideAlarm("python"),
          headerValue,
          routes: known.map((route) => ({
            ...route,
            rule: route.rule ?? "",
            newGroup: route.newGroup ?? "",
            testerGroup: route.testerGroup ?? "",
          })),
        }),
      );
  }
}
