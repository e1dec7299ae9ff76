/**
 * All listener rules of this stack, in the order in which a load balancer tries them.
 *
 * | priority | rule | who owns what |
 * |---|---|---|
 * | 99 | header `X-Use-Rust-Scorer`: testers reach Rust at every weight, also after a rollback | Pulumi owns all of it; the controller reads it every minute and pages if it changed |
 * | above 99 | weighted: Python and Rust share the rest | Pulumi owns conditions, groups, order, stickiness and tags; **the controller owns the two weights** from the first deployment on |
 */

import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { headerPaths } from "./config-routes";
import { HEADER, HEADER_PRIORITY } from "./settings";
import type { Common, HeaderSettings, RouteSettings } from "./settings";
import type { TargetGroups } from "./target-groups";

/**
 * The only thing that Pulumi must not write: it knows the weights of its last
 * run, not those of now. Everything else of a rule stays under its care.
 */
const CONTROLLERS_NUMBERS = ["actions[*].forward.targetGroups[*].weight"];

export interface RoutingArgs {
  readonly listeners: Readonly<Record<string, pulumi.Input<string>>>;
  readonly routes: readonly RouteSettings[];
  readonly header: HeaderSettings;
  readonly groups: TargetGroups;
}

export class Routing extends pulumi.ComponentResource {
  /** Value that the header must have. */
  readonly headerValue: pulumi.Output<string>;
  /** By listener name. */
  readonly headerRules = new Map<string, aws.lb.ListenerRule>();
  /** By route name. */
  readonly weightedRules = new Map<string, aws.lb.ListenerRule>();

  constructor(
    private readonly common: Common,
    private readonly args: RoutingArgs,
    opts?: pulumi.ComponentResourceOptions,
  ) {
    super("rollout:infra:Routing", `${common.name}-routing`, {}, opts);
    this.headerValue = this.readHeaderValue();
    for (const [listener, arn] of Object.entries(args.listeners)) {
      const routes = args.routes.filter((route) => route.listener === listener);
      this.headerRules.set(listener, this.headerRule(listener, arn, routes));
    }
    for (const route of args.routes) this.weightedRules.set(route.name, this.weightedRule(route));
    this.registerOutputs();
  }

  private readHeaderValue(): pulumi.Output<string> {
    const { valueSecretArn } = this.args.header;
    if (valueSecretArn === undefined) return pulumi.output("true");
    const version = aws.secretsmanager.getSecretVersionOutput({ secretId: valueSecretArn }, { parent: this });
    return pulumi.secret(version.secretString);
  }

  /** Priority 99. A listener has one, which matches the requests of all its routes. */
  private headerRule(
    listener: string,
    listenerArn: pulumi.Input<string>,
    routes: readonly RouteSettings[],
  ): aws.lb.ListenerRule {
    const { groups, header } = this.args;
    const hosts = routes[0]?.hosts ?? [];
    const conditions: aws.types.input.lb.ListenerRuleCondition[] = [
      { httpHeader: { httpHeaderName: HEADER, values: [this.headerValue] } },
      { pathPattern: { values: headerPaths(routes) } },
    ];
    if (hosts.length > 0) conditions.push({ hostHeader: { values: [...hosts] } });
    if (header.sourceIps.length > 0) conditions.push({ sourceIp: { values: [...header.sourceIps] } });
    return new aws.lb.ListenerRule(
      `${this.common.name}-${listener}-testers`,
      {
        listenerArn,
        priority: HEADER_PRIORITY,
        conditions,
        actions: [{ type: "forward", order: 1, targetGroupArn: of(groups.testers, listener).arn }],
        tags: this.common.tags,
      },
      { parent: this, dependsOn: groups.attached },
    );
  }

  /** Above 99. */
  private weightedRule(route: RouteSettings): aws.lb.ListenerRule {
    const { listeners, groups } = this.args;
    const { pythonArn, rust } = of(groups.routes, route.name);
    const { adopt } = route;
    const split = {
      targetGroups: [
        { arn: pythonArn, weight: 100 },
        { arn: rust.arn, weight: 0 },
      ],
      // Declared, so that a refresh shows no difference; and off, because a client
      // with a cookie would keep its group through a rollback.
      stickiness: { enabled: false, duration: 1 },
    };
    const found = { type: "forward", order: 1, targetGroupArn: pythonArn };
    return new aws.lb.ListenerRule(
      `${this.common.name}-${route.name}-weighted`,
      {
        listenerArn: of(new Map(Object.entries(listeners)), route.listener),
        priority: route.priority,
        conditions: conditionsOf(route),
        actions: [adopt?.step === "import" ? found : { type: "forward", order: 1, forward: split }],
        tags: adopt === undefined ? this.common.tags : { ...adopt.tags },
      },
      {
        parent: this,
        protect: true,
        dependsOn: groups.attached,
        import: adopt?.step === "import" ? adopt.ruleArn : undefined,
        // Ignored weights of a group that the state does not know yet become the
        // provider's default, 1: half of all traffic (aws-facts G). So the step that
        // adds the Rust group states both, and only later ones leave them alone.
        ignoreChanges: adopt === undefined || adopt.step === "managed" ? CONTROLLERS_NUMBERS : [],
      },
    );
  }
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
