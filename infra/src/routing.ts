/**
 * All listener rules of a rollout, in the order in which a load balancer tries them.
 *
 * | priority | rule | who owns what |
 * |---|---|---|
 * | 99, or as configured | header `X-Use-Rust-Scorer`: testers reach the new side at every weight, also after a rollback | Pulumi owns all of it; the controller reads it every minute and pages if it changed |
 * | above it | weighted: both sides share the rest | Pulumi owns conditions, order and tags; **the controller owns the actions** from the first deployment on |
 */

import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { loadBalancerDimension, Names } from "./arns";
import { headerMethods, headerPaths, headerRuleOf } from "./checks";
import { EVERYTHING, SECRET } from "./conditions";
import type { Conditions } from "./conditions";
import { compare, compareGroups, groupName } from "./existing";
import type { DescribesLoadBalancer, NamedGroup, OurRule } from "./existing";
import { asksAws } from "./existing-aws";
import { ConfigError } from "./problems";
import type { Common, ListenerSettings, RouteSettings, Settings } from "./settings";
import type { TargetGroups } from "./target-groups";

/**
 * What Pulumi must not write once the controller has it: it knows the weights of its last
 * run, not those of now. The whole list, not the weights in it: a rule's groups are a set,
 * a refresh may return them in another order, and a path such as `targetGroups[0].weight`
 * would then give one group the other's weight.
 */
const CONTROLLERS = ["actions"];
/** Taken as it is. Its conditions are compared before, with words (`existing.ts`). */
const AS_FOUND = ["actions", "conditions"];

export type RoutingArgs = Pick<Settings, "listeners" | "routes" | "header" | "existingRules"> & {
  readonly groups: TargetGroups;
};

export class Routing extends pulumi.ComponentResource {
  /** Value that the header must have. */
  readonly headerValue: pulumi.Output<string>;
  /** ARNs by listener name. */
  readonly headerRules = new Map<string, pulumi.Input<string>>();
  /** ARNs by route name. */
  readonly weightedRules = new Map<string, pulumi.Input<string>>();
  private readonly names: Names;

  constructor(
    private readonly common: Common,
    private readonly args: RoutingArgs,
    opts?: pulumi.ComponentResourceOptions,
  ) {
    super("rollout:infra:Routing", `${common.name}-routing`, {}, opts);
    this.names = new Names(common);
    this.headerValue = this.readHeaderValue();
    for (const [name, listener] of Object.entries(args.listeners)) {
      const routes = args.routes.filter((route) => route.listener === name);
      const listenerArn = this.compared(name, listener, routes);
      const header = this.headerRule(name, listener, listenerArn, routes);
      if (header !== undefined) this.headerRules.set(name, header.arn);
      for (const route of routes) this.weightedRules.set(route.name, this.weightedRule(route, listenerArn));
    }
    this.registerOutputs();
  }

  private readHeaderValue(): pulumi.Output<string> {
    const { value = "true", valueSecretArn } = this.args.header;
    if (valueSecretArn === undefined) return pulumi.output(value);
    const version = aws.secretsmanager.getSecretVersionOutput({ secretId: valueSecretArn }, { parent: this });
    return pulumi.secret(version.secretString);
  }

  /** Before the weighted rules. A listener has one, which matches the requests of all its routes. */
  private headerRule(
    name: string,
    listener: ListenerSettings,
    listenerArn: pulumi.Input<string>,
    routes: readonly RouteSettings[],
  ): aws.lb.ListenerRule | undefined {
    const rule = headerRuleOf(listener);
    if (rule === undefined) return undefined;
    const { groups, header } = this.args;
    const { adopt } = rule;
    const hosts = routes[0]?.hosts ?? [];
    const methods = headerMethods(routes);
    const conditions: aws.types.input.lb.ListenerRuleCondition[] = [
      { httpHeader: { httpHeaderName: header.name, values: [this.headerValue] } },
      { pathPattern: { values: headerPaths(routes) } },
    ];
    if (hosts.length > 0) conditions.push({ hostHeader: { values: [...hosts] } });
    if (methods.length > 0) conditions.push({ httpRequestMethod: { values: methods } });
    if (header.sourceIps.length > 0) conditions.push({ sourceIp: { values: [...header.sourceIps] } });
    return new aws.lb.ListenerRule(
      `${this.common.name}-${name}-testers`,
      {
        listenerArn,
        priority: rule.priority,
        conditions,
        actions: [{ type: "forward", order: 1, targetGroupArn: of(groups.testers, name) }],
        tags: adopt === undefined ? this.common.tags : { ...adopt.tags },
      },
      {
        parent: this,
        dependsOn: groups.attached,
        ...adoption(adopt),
        ignoreChanges: adopt?.step === "import" ? AS_FOUND : [],
      },
    );
  }

  /** ARN of the weighted rule. */
  private weightedRule(route: RouteSettings, listenerArn: pulumi.Input<string>): pulumi.Input<string> {
    const { groups } = this.args;
    const { oldArn, newArn } = of(groups.routes, route.name);
    const { adopt } = route;
    if (route.ruleArn !== undefined) return route.ruleArn;
    const split = {
      targetGroups: [
        { arn: oldArn, weight: 100 },
        { arn: newArn, weight: 0 },
      ],
      // Declared, so that a refresh shows no difference; and off, because a client
      // with a cookie would keep its group through a rollback.
      stickiness: { enabled: false, duration: 1 },
    };
    const writes = adopt?.step === "split" || route.rewriteActions;
    const rule = new aws.lb.ListenerRule(
      `${this.common.name}-${route.name}-weighted`,
      {
        listenerArn,
        priority: route.priority,
        conditions: conditionsOf(route),
        actions: [{ type: "forward", order: 1, forward: split }],
        tags: adopt === undefined ? this.common.tags : { ...adopt.tags },
      },
      {
        parent: this,
        protect: true,
        dependsOn: groups.attached,
        ...adoption(adopt),
        // A rule is made with the actions above, ignored or not: there is nothing yet
        // that could be kept. One that was there keeps its own until `split` writes ours.
        ignoreChanges: adopt?.step === "import" ? AS_FOUND : writes ? [] : CONTROLLERS,
      },
    );
    return rule.arn;
  }

  /**
   * The listener's ARN, which only gets to the rules when these leave all others alone.
   * What is not known in a preview is compared in the deployment, before a rule is made.
   */
  private compared(
    name: string,
    listener: ListenerSettings,
    routes: readonly RouteSettings[],
  ): pulumi.Input<string> {
    const { existingRules } = this.args;
    if (existingRules === "unchecked") return listener.arn;
    const facts = pulumi.all([
      listener.arn,
      this.common.region,
      pulumi.all(routes.map(({ oldTargetGroupArn }) => oldTargetGroupArn)),
      pulumi.all(routes.map(({ newTargetGroup }) => newTargetGroup?.arn ?? newTargetGroup?.importArn ?? "")),
      pulumi.all(routes.map(({ ruleArn }) => ruleArn ?? "")),
      headerRuleOf(listener)?.testerGroupArn ?? "",
    ]);
    return facts.apply(async ([arn, region, olds, news, kept, tester]) => {
      const reader = existingRules === "read" ? asksAws(region) : existingRules;
      const loadBalancer = loadBalancerDimension(arn);
      const indexes = routes.map((route) => this.args.routes.indexOf(route));
      const named = (field: string, arns: readonly string[]) =>
        arns.map((group, at) => ({ key: `routes[${indexes[at]}].${field}`, arn: group, loadBalancer }));
      const groups = [
        ...named("oldTargetGroupArn", olds),
        ...named("newTargetGroup", news),
        { key: `listeners.${name}.headerRule.testerGroupArn`, arn: tester, loadBalancer },
      ].filter((group) => group.arn !== "");
      const ours = this.ours(name, listener, routes, { indexes, olds, news, kept, tester });
      const problems = await asks(reader, arn, ours, groups);
      if (problems.length > 0) throw new pulumi.RunError(new ConfigError(problems).message);
      return arn;
    });
  }

  /** The rules of one listener as they are to be. */
  private ours(
    name: string,
    listener: ListenerSettings,
    routes: readonly RouteSettings[],
    known: Record<"olds" | "news" | "kept", readonly string[]> & {
      readonly indexes: readonly number[];
      readonly tester: string;
    },
  ): OurRule[] {
    const weighted = routes.map((route, at): OurRule => {
      const [given = "", ruleArn = ""] = [known.news[at], known.kept[at]];
      const { adopt } = route;
      return {
        key: `routes[${known.indexes[at]}]`,
        kind: "weighted",
        priority: route.priority,
        conditions: { ...EVERYTHING, paths: route.paths, hosts: route.hosts, methods: route.methods },
        ruleArn: adopt?.ruleArn ?? (ruleArn === "" ? undefined : ruleArn),
        // Later its own group shows which rule it is, whatever became of its conditions.
        renamed: adopt?.from !== undefined && adopt.ruleArn === undefined,
        asFound: adopt?.step === "import" || ruleArn !== "",
        group: given === "" ? this.names.newGroup(route.name) : groupName(given),
        madeHere: given === "",
        old: known.olds.slice(at, at + 1),
        takesFrom: route.takesFrom,
      };
    });
    const rule = headerRuleOf(listener);
    if (rule === undefined) return weighted;
    const group = known.tester === "" ? this.names.testerGroup(name) : groupName(known.tester);
    const header = routes.map((route, at): OurRule => ({
      key: `listeners.${name}.headerRule`,
      kind: "header",
      priority: rule.priority,
      conditions: this.headerConditions(route, routes),
      whole: { ...this.headerConditions(route, routes), paths: headerPaths(routes) },
      ruleArn: rule.adopt?.ruleArn,
      renamed: rule.adopt?.from !== undefined && rule.adopt.ruleArn === undefined,
      asFound: rule.adopt?.step === "import",
      group,
      madeHere: known.tester === "",
      old: [...known.olds, ...known.news],
      takesFrom: route.takesFrom,
      before: weighted[at],
    }));
    return [...weighted, ...header];
  }

  /** The part of the header rule that stands before one route. */
  private headerConditions(route: RouteSettings, routes: readonly RouteSettings[]): Conditions {
    const { header } = this.args;
    const value = header.valueSecretArn === undefined ? (header.value ?? "true").toLowerCase() : SECRET;
    return {
      ...EVERYTHING,
      headers: { [header.name.toLowerCase()]: [value] },
      paths: route.paths,
      hosts: route.hosts,
      methods: headerMethods(routes),
      sourceIps: header.sourceIps,
    };
  }
}

async function asks(
  reader: DescribesLoadBalancer,
  listenerArn: string,
  ours: readonly OurRule[],
  groups: readonly NamedGroup[],
) {
  try {
    const arns = [...new Set(groups.map(({ arn }) => arn))];
    const [rules, found] = await Promise.all([reader.rules(listenerArn), reader.groups(arns)]);
    const problems = [...compareGroups(groups, found), ...compare(ours, rules)];
    const texts = problems.map(({ key, fix }) => `${key}: ${fix}`);
    return problems.filter((_, index) => texts.indexOf(texts[index] ?? "") === index);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const need = "elasticloadbalancing:DescribeRules and DescribeTargetGroups";
    throw new pulumi.RunError(
      `the rules of ${listenerArn} could not be read, so nobody knows whether ours leave them alone: ${why}. ` +
        `Allow ${need}, or give existingRules: a reader of your own, or "unchecked"`,
    );
  }
}

/** How a rule that is there already becomes this program's. */
function adoption(
  adopt:
    | { readonly ruleArn?: string; readonly from?: pulumi.URN | pulumi.Alias; readonly step: string }
    | undefined,
): pulumi.CustomResourceOptions {
  if (adopt === undefined) return {};
  // In this program by another name: nothing to import. Harmless when it has happened.
  if (adopt.from !== undefined) return { aliases: [adopt.from] };
  return adopt.step === "import" ? { import: adopt.ruleArn } : {};
}

function conditionsOf(route: RouteSettings): aws.types.input.lb.ListenerRuleCondition[] {
  const conditions: aws.types.input.lb.ListenerRuleCondition[] = [
    { pathPattern: { values: [...route.paths] } },
  ];
  if (route.hosts.length > 0) conditions.push({ hostHeader: { values: [...route.hosts] } });
  if (route.methods.length > 0) conditions.push({ httpRequestMethod: { values: [...route.methods] } });
  return conditions;
}

function of<T>(map: ReadonlyMap<string, T>, name: string): T {
  const value = map.get(name);
  if (value === undefined)
    throw new Error(`no entry named ${name}; the configuration check should have said so`);
  return value;
}
