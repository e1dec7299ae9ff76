/**
 * What is on the listeners already, and whether our rules leave it alone.
 *
 * A rule with a smaller number takes requests from those behind it. What it may take are
 * requests that go to the old side anyway; whatever else it would take is refused with the
 * rule that had it, unless the route names that rule in `takesFrom`.
 */

import { alike as sameRequests, couldMeet, covered, EVERYTHING, inWords, takesAll } from "./conditions";
import type { Conditions } from "./conditions";
import type { Problem } from "./problems";

/** A rule as `DescribeRules` tells it, `aws elbv2 describe-rules` too. */
export interface AwsRule {
  readonly RuleArn?: string;
  readonly Priority?: string;
  readonly IsDefault?: boolean;
  readonly Conditions?: readonly AwsCondition[];
  readonly Actions?: readonly AwsAction[];
}

interface AwsCondition {
  readonly Field?: string;
  readonly Values?: readonly string[];
  readonly PathPatternConfig?: { readonly Values?: readonly string[] };
  readonly HostHeaderConfig?: { readonly Values?: readonly string[] };
  readonly HttpRequestMethodConfig?: { readonly Values?: readonly string[] };
  readonly SourceIpConfig?: { readonly Values?: readonly string[] };
  readonly HttpHeaderConfig?: { readonly HttpHeaderName?: string; readonly Values?: readonly string[] };
}

interface AwsAction {
  readonly Type?: string;
  readonly TargetGroupArn?: string;
  readonly FixedResponseConfig?: { readonly StatusCode?: string };
  readonly ForwardConfig?: {
    readonly TargetGroups?: readonly { readonly TargetGroupArn?: string; readonly Weight?: number }[];
    readonly TargetGroupStickinessConfig?: { readonly Enabled?: boolean };
  };
}

/** A group as `DescribeTargetGroups` tells it. */
export interface AwsGroup {
  readonly TargetGroupArn?: string;
  readonly TargetType?: string;
  readonly LoadBalancerArns?: readonly string[];
}

/** Reads what exists. `existing-aws.ts` asks AWS; a program with another provider brings its own. */
export interface DescribesLoadBalancer {
  /** All rules of a listener, the default rule too. */
  rules(listenerArn: string): Promise<readonly AwsRule[]>;
  groups(arns: readonly string[]): Promise<readonly AwsGroup[]>;
}

/** A rule that this program makes, or takes over. */
export interface OurRule {
  /** Key of the configuration. */
  readonly key: string;
  readonly kind: "weighted" | "header";
  readonly priority: number;
  readonly conditions: Conditions;
  /** Of a header rule that stands before several routes: all its requests. */
  readonly whole?: Conditions;
  /** Which rule of AWS it is, if that is known from the beginning. */
  readonly ruleArn?: string;
  /** Whether it is there already, in this program under another name. */
  readonly renamed?: boolean;
  /** Whether it must be just as configured, since it is taken over as it is, or stays yours. */
  readonly asFound: boolean;
  /** Name of the group that only this rule leads to. */
  readonly group: string;
  /** Whether that group is made here, so that nothing else can lead to it. */
  readonly madeHere: boolean;
  /** Groups whose requests it may take. */
  readonly old: readonly string[];
  readonly takesFrom: readonly (number | "default")[];
  /** Of a header rule: the weighted rule that takes the same requests if the header rule does not. */
  readonly before?: { readonly priority: number; readonly conditions: Conditions };
}

/** A listener's rule, as far as it can be compared. */
interface Rule {
  readonly arn: string;
  readonly priority: number;
  readonly conditions: Conditions;
  readonly does: string;
  /** Groups with a share; empty if the rule does something else, too. */
  readonly groups: readonly string[];
  /** All groups that it names. */
  readonly named: readonly string[];
}

/** Whether a rule takes the requests of ours, as far as may be known. */
const alike = (its: Conditions, ours: Conditions) => sameRequests(covered(its, ours), ours);

const whole = ({ whole: all, conditions }: OurRule) => all ?? conditions;

/** The default rule comes after all others. */
const DEFAULT = Infinity;

/** A group's name, from its ARN. */
export const groupName = (arn: string): string => arn.split("/")[1] ?? arn;

function conditionsOf(conditions: readonly AwsCondition[]): Conditions {
  const read = {
    ...EVERYTHING,
    headers: {} as Record<string, readonly string[]>,
    others: [] as string[],
  };
  const small = (values: readonly string[]) => values.map((value) => value.toLowerCase());
  for (const one of conditions) {
    // Regular expressions leave the lists of values empty.
    const typed =
      one.PathPatternConfig ??
      one.HostHeaderConfig ??
      one.HttpRequestMethodConfig ??
      one.SourceIpConfig ??
      one.HttpHeaderConfig;
    const values = typed?.Values ?? one.Values ?? [];
    const header = one.HttpHeaderConfig?.HttpHeaderName?.toLowerCase();
    if (values.length === 0) read.others.push(JSON.stringify(one));
    else if (one.Field === "path-pattern") read.paths = values;
    else if (one.Field === "host-header") read.hosts = small(values);
    else if (one.Field === "http-request-method") read.methods = values;
    else if (one.Field === "source-ip") read.sourceIps = values;
    // A second condition on the same header narrows; only one of them can be compared.
    else if (one.Field === "http-header" && header !== undefined && !(header in read.headers)) {
      read.headers[header] = small(values);
    } else read.others.push(JSON.stringify(one));
  }
  return read;
}

function ruleOf({ RuleArn = "", Priority = "", IsDefault, Conditions = [], Actions = [] }: AwsRule): Rule {
  const forward = Actions.find(({ Type }) => Type === "forward");
  const first = Actions.find(({ Type }) => Type !== "forward");
  const tuples =
    forward?.ForwardConfig?.TargetGroups ??
    (forward?.TargetGroupArn === undefined ? [] : [{ TargetGroupArn: forward.TargetGroupArn, Weight: 1 }]);
  const named = tuples.flatMap(({ TargetGroupArn }) => TargetGroupArn ?? []);
  const shared = tuples.flatMap(({ TargetGroupArn, Weight = 1 }) =>
    Weight > 0 ? (TargetGroupArn ?? []) : [],
  );
  return {
    arn: RuleArn,
    priority: IsDefault === true || Priority === "default" ? DEFAULT : Number(Priority),
    conditions: conditionsOf(Conditions),
    does: first === undefined ? `leads to ${shared.map(groupName).join(" and ")}` : doing(first),
    groups: first === undefined ? shared : [],
    named,
  };
}

function doing({ Type = "", FixedResponseConfig }: AwsAction): string {
  if (Type === "fixed-response")
    return `answers ${FixedResponseConfig?.StatusCode ?? "by itself"} and blocks them`;
  if (Type === "redirect") return "redirects them";
  if (Type.startsWith("authenticate") || Type === "jwt-validation") return "asks for a login first";
  return `does "${Type}"`;
}

/** `rule 2111 (/v2/…, host …)`. */
function called({ priority, conditions }: Rule): string {
  return priority === DEFAULT ? "the default rule" : `rule ${priority} (${inWords(conditions)})`;
}

/** What is wrong between our rules and those that a listener has. */
export function compare(ours: readonly OurRule[], existing: readonly AwsRule[]): Problem[] {
  const rules = existing.map(ruleOf).sort((a, b) => a.priority - b.priority);
  const selfOf = (our: OurRule) => rules.find((rule) => isSelf(our, rule));
  const own = new Set(ours.flatMap((our) => selfOf(our) ?? []));
  const foreign = rules.filter((rule) => !own.has(rule));
  return ours.flatMap((our) => {
    const self = selfOf(our);
    const wrong = self === undefined ? notThere(our) : asItIs(our, self);
    if (wrong.length > 0) return wrong;
    const mixed = foreign.filter(({ named }) => named.some((arn) => groupName(arn) === our.group));
    // A rule that stays where it is takes nothing that it had not before.
    const stays = self?.priority === our.priority && alike(self.conditions, whole(our));
    return [...mixed.flatMap((rule) => sharesGroup(our, rule)), ...(stays ? [] : takes(our, foreign))];
  });
}

function isSelf(our: OurRule, rule: Rule): boolean {
  if (our.ruleArn !== undefined) return rule.arn === our.ruleArn;
  if (our.renamed === true && rule.priority === our.priority && alike(rule.conditions, whole(our)))
    return true;
  if (!rule.named.some((arn) => groupName(arn) === our.group)) return false;
  // Of an earlier deployment. Several rules may lead to a group that was there before.
  return our.madeHere || rule.priority === our.priority || alike(rule.conditions, whole(our));
}

function notThere(our: OurRule): Problem[] {
  const { key, ruleArn } = our;
  if (our.renamed === true && our.asFound) {
    const rule = `rule ${our.priority} (${inWords(whole(our))})`;
    return [{ key, fix: `is to take over ${rule}, which the listener does not have` }];
  }
  if (ruleArn === undefined) return [];
  return [{ key, fix: `names the rule ${ruleArn}, which the listener does not have; was it deleted?` }];
}

function asItIs(our: OurRule, self: Rule): Problem[] {
  const { key, priority, asFound } = our;
  const conditions = whole(our);
  if (self.priority === DEFAULT) {
    const why =
      "its weights can be changed with ModifyListener alone, which may change ports and certificates too";
    const fix = "give the requests a rule with a number";
    return [{ key, fix: `is the listener's default rule: ${why}; ${fix}` }];
  }
  if (!asFound || (self.priority === priority && alike(self.conditions, conditions))) return [];
  const [has, says] = [called(self), `rule ${priority} (${inWords(conditions)})`];
  return [{ key, fix: `describes ${says}, but it is ${has}; describe it as it is` }];
}

function sharesGroup({ key, kind, group }: OurRule, rule: Rule): Problem[] {
  if (kind === "header") return [];
  const why = "CloudWatch counts by group, so both rules' requests would be judged as this route's";
  const fix =
    "Make one group a route: a function may be in any number of groups (leave newTargetGroup out, and give newFunction)";
  return [{ key, fix: `leads to ${group}, and so does ${called(rule)}: ${why}. ${fix}` }];
}

function takes(our: OurRule, foreign: readonly Rule[]): Problem[] {
  const { key, priority, conditions } = our;
  const problem = (fix: string): Problem => ({ key: `${key}.priority`, fix: `is ${priority}; ${fix}` });
  const problems: Problem[] = [];
  for (const rule of foreign) {
    if (!couldMeet(rule.conditions, conditions) && rule.priority !== priority) continue;
    if (rule.priority === priority) {
      const adopt = alike(rule.conditions, conditions)
        ? "take it over with `adopt`"
        : "choose another number";
      return [problem(`${called(rule)} has that number already: ${adopt}`)];
    } else if (rule.priority < priority) {
      if (takesAll(rule.conditions, conditions)) {
        problems.push(problem(`${called(rule)} takes all its requests before it, so it would never get one`));
      }
    } else {
      if (!mayTake(our, rule)) problems.push(problem(loss(our, rule)));
      // What is behind it gets none of these requests.
      if (takesAll(rule.conditions, conditions)) break;
    }
  }
  return problems;
}

function mayTake(our: OurRule, rule: Rule): boolean {
  if (our.takesFrom.includes(rule.priority === DEFAULT ? "default" : rule.priority)) return true;
  if (rule.groups.length > 0 && rule.groups.every((arn) => our.old.includes(arn))) return true;
  // Behind the weighted rule the requests are gone in any case, but for its methods.
  const { before } = our;
  if (before === undefined || rule.priority < before.priority) return false;
  const { methods } = before.conditions;
  const theirs = our.conditions.methods.length > 0 ? our.conditions.methods : rule.conditions.methods;
  return methods.length === 0 || (theirs.length > 0 && theirs.every((method) => methods.includes(method)));
}

function loss({ kind, conditions }: OurRule, rule: Rule): string {
  const whose = kind === "header" ? "requests with the header" : "requests";
  const above = rule.priority === DEFAULT ? "" : `a number above ${rule.priority}, `;
  const name = rule.priority === DEFAULT ? '"default"' : String(rule.priority);
  return (
    `it would take ${whose} from ${called(rule)}, which ${rule.does}. Give it ${above}conditions that leave ` +
    `them out (it has ${inWords(conditions)}), or name ${name} in takesFrom`
  );
}

/** A group that the configuration names, and the key that does. */
export interface NamedGroup {
  readonly key: string;
  readonly arn: string;
  /** Load balancer that must use it, if one does: `app/NAME/ID`. */
  readonly loadBalancer: string;
}

/** What is wrong with groups that exist. */
export function compareGroups(named: readonly NamedGroup[], existing: readonly AwsGroup[]): Problem[] {
  return named.flatMap(({ key, arn, loadBalancer }): Problem[] => {
    const group = existing.find(({ TargetGroupArn }) => TargetGroupArn === arn);
    if (group === undefined) return [{ key, fix: `is ${arn}, which does not exist` }];
    if (group.TargetType !== "lambda") {
      const why =
        "only groups of type lambda are supported: failed invocations are counted by metrics that only those " +
        "have, and which code answers is asked of Lambda. Behind instances, addresses or another load balancer " +
        "both would be guesses";
      return [{ key, fix: `is ${arn}, a group of type ${group.TargetType ?? "unknown"}; ${why}` }];
    }
    const its = group.LoadBalancerArns ?? [];
    if (its.length === 0 || its.some((one) => one.endsWith(`:loadbalancer/${loadBalancer}`))) return [];
    const other = its.join(", ");
    return [{ key, fix: `is ${arn}, which belongs to ${other}; a group serves one load balancer` }];
  });
}
