/**
 * Everything a rollout adds to an existing load balancer, VPC, RDS Proxy and topic.
 *
 * The existing program calls this with its own resources' outputs; a stack of its own
 * with values from `Pulumi.<stack>.yaml` (`stack.ts`). `docs/adopt.md` walks through it,
 * `examples/existing-stack` is such a program.
 *
 * ```ts
 * new Rollout("score", {
 *   tags: { owner: "scoring" },
 *   listeners: { public: httpsListener.arn },
 *   routes: [{ name: "public", listener: "public", oldTargetGroupArn: python.targetGroup.arn, … }],
 *   …
 * });
 * ```
 */

import * as pulumi from "@pulumi/pulumi";
import { Alarms } from "./alarms";
import { Names } from "./arns";
import { Audit } from "./audit";
import { headerRuleOf } from "./checks";
import { checked } from "./config";
import { RolloutController } from "./controller";
import { Dashboard } from "./dashboard";
import type { Handover } from "./handover";
import { side } from "./metrics";
import type { Side } from "./metrics";
import { newSide } from "./new-side";
import { OperatorRole } from "./operators";
import { Paging } from "./paging";
import { Routing } from "./routing";
import { RustScorer } from "./scorer";
import type { RolloutArgs, RouteSettings, Settings } from "./settings";
import { TargetGroups } from "./target-groups";
import { controllerToml } from "./toml";
import type { Journal } from "./toml";

export class Rollout extends pulumi.ComponentResource {
  /** The controller's configuration, for `rolloutctl --config`. */
  readonly controllerToml: pulumi.Output<string>;
  /** What people need when the controller does not answer. */
  readonly handover: pulumi.Output<Handover>;
  readonly region: pulumi.Output<string>;
  readonly names: Names;
  readonly routing: Routing;
  readonly targetGroups: TargetGroups;
  readonly operators: OperatorRole;
  readonly dashboard: Dashboard;
  /** The scorer, if it is made here. */
  readonly scorer?: RustScorer;

  private readonly settings: Settings;

  /** By the names that the arguments give them. */
  get listenerArns(): Readonly<Record<string, pulumi.Input<string>>> {
    const { listeners } = this.settings;
    return Object.fromEntries(Object.entries(listeners).map(([name, { arn }]) => [name, arn] as const));
  }

  /**
   * `name` is the rollout's, and the beginning of every resource's: 2 to 12 small letters
   * and digits.
   *
   * @throws {ConfigError} with everything that is wrong with the arguments, before
   * anything is made. Values that are not known yet are checked as soon as they are.
   */
  constructor(name: string, args: RolloutArgs, opts?: pulumi.ComponentResourceOptions) {
    super("rollout:infra:Rollout", name, {}, opts);
    const settings = checked(name, args, this);
    this.settings = settings;
    const parent = { parent: this };
    this.region = pulumi.output(settings.region);
    this.names = new Names(settings);
    if (settings.scorer !== undefined) this.scorer = new RustScorer(settings, settings.scorer, parent);
    const ownScorer = this.scorer !== undefined;
    this.targetGroups = new TargetGroups(settings, settings, newSide(settings, this.scorer), parent);
    this.routing = new Routing(settings, { ...settings, groups: this.targetGroups }, parent);
    const paging = new Paging(settings, settings.paging, parent);
    const toml = {
      writer: this.toml("writer", paging),
      reader: this.toml("reader", paging),
    };
    this.controllerToml = toml.writer;
    const weightedRuleArns = [...this.routing.weightedRules.values()];
    const controller = new RolloutController(
      settings,
      {
        settings: settings.controller,
        ledger: settings.ledger,
        paging,
        weightedRuleArns,
        functionArns: this.functionArns(),
        answersLogArn: settings.compare && this.names.logGroupArn(this.names.function("scorer")),
        toml,
        alarmNames: [this.names.sideAlarm("new"), ...settings.controller.holdOnAlarms],
      },
      parent,
    );
    const sides = settings.routes.flatMap((route) => this.sides(route));
    const alarms = new Alarms(
      settings,
      {
        sides,
        slo: settings.slo,
        compare: settings.compare,
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
        ownScorer,
        compare: settings.compare,
      },
      parent,
    );
    this.operators = new OperatorRole(
      settings,
      {
        settings: settings.operators,
        weightedRuleArns,
        dashboardArn: this.dashboard.arn,
        headerSecretArn: settings.header.valueSecretArn,
        ownScorer,
      },
      parent,
    );
    this.handover = this.handsOver();
    if (settings.auditBucket !== false) new Audit(settings, settings.auditBucket, parent);
    this.registerOutputs();
  }

  /** Functions behind the groups of both sides, each once as far as it is known. */
  private functionArns(): pulumi.Input<string>[] {
    const { routes, newFunction } = this.settings;
    const scorer = this.scorer === undefined ? [] : [this.names.functionArn("scorer")];
    const yours = [
      ...(newFunction === undefined ? [] : [newFunction.functionArn]),
      ...routes.flatMap((route) => route.newTargetGroup?.functionArn ?? []),
    ];
    return [...scorer, ...new Set([...yours, ...routes.map((route) => route.oldFunctionArn)])];
  }

  private sides(route: RouteSettings): Side[] {
    const listener = this.listener(route);
    const groups = this.targetGroups.routes.get(route.name);
    if (groups === undefined) return [];
    return [
      side(route.name, "old", listener, groups.oldArn),
      side(route.name, "new", listener, groups.newArn),
    ];
  }

  private handsOver(): pulumi.Output<Handover> {
    const { settings, names, routing, targetGroups, operators, dashboard, scorer } = this;
    const routes = settings.routes.map((route) => ({
      name: route.name,
      rule: routing.weightedRules.get(route.name) ?? "",
      oldGroup: route.oldTargetGroupArn,
      newGroup: targetGroups.routes.get(route.name)?.newArn ?? "",
      listener: this.listener(route),
      headerRule: routing.headerRules.get(route.listener) ?? "",
      testerGroup: targetGroups.testers.get(route.listener) ?? "",
      split: route.adopt?.step !== "import",
    }));
    return pulumi.output({
      name: settings.name,
      labels: settings.labels,
      region: settings.region,
      accountId: settings.accountId,
      functions: {
        tick: names.function("tick"),
        command: names.function("command"),
        view: names.function("view"),
      },
      newFunction:
        scorer === undefined ? (settings.newFunction?.functionArn ?? "") : names.function("scorer"),
      dashboard: dashboard.name,
      operatorRoleArn: operators.operator.arn,
      emergencyRoleArn: operators.emergency.arn,
      runbooksUrl: settings.controller.runbooksUrl,
      routes,
    });
  }

  private listener(route: RouteSettings): pulumi.Input<string> {
    const listener = this.settings.listeners[route.listener];
    if (listener === undefined) throw new Error(`no listener named ${route.listener}`);
    return listener.arn;
  }

  private toml(door: "writer" | "reader", paging: Paging): pulumi.Output<string> {
    const { settings, names, routing, targetGroups } = this;
    const routes = settings.routes.map((route) => {
      const listener = settings.listeners[route.listener];
      return {
        name: route.name,
        rule: routing.weightedRules.get(route.name) ?? "",
        oldGroup: route.oldTargetGroupArn,
        newGroup: targetGroups.routes.get(route.name)?.newArn ?? "",
        priority: listener && headerRuleOf(listener)?.priority,
        testerGroup: targetGroups.testers.get(route.listener) ?? "",
      };
    });
    const { holdOnAlarms: holdOn, eventBus } = settings.controller;
    const { topicArn, chatTopicArn } = paging;
    const texts = { routes, holdOn, eventBus, topicArn, chatTopicArn, ledger: this.journal(door) };
    return pulumi.all([pulumi.output(texts), routing.headerValue]).apply(([known, headerValue]) =>
      controllerToml({
        ...settings,
        ...known,
        answersLog: names.logGroup(names.function("scorer")),
        rollbackOn: names.sideAlarm("new"),
        oldTwin: names.sideAlarm("old"),
        headerName: settings.header.name,
        headerValue,
        routes: known.routes.map(({ priority, testerGroup, ...route }) => ({
          ...route,
          headerRule: priority === undefined ? undefined : { priority, group: testerGroup },
        })),
      }),
    );
  }

  private journal(door: "writer" | "reader"): pulumi.Output<Journal> {
    const { ledger } = this.settings;
    const { host, port, database, sslRootCert } = ledger;
    const writes = door === "writer";
    const login =
      ledger.login === "iam"
        ? { user: writes ? ledger.user : ledger.reader }
        : { secretArn: writes ? ledger.secretArn : ledger.readerSecretArn };
    return pulumi.output({ host, port, database, sslRootCert, ...login });
  }
}
