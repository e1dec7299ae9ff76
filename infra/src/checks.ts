/** What only shows when several tables of a configuration are looked at. */

import { functionName, Names, slug } from "./arns";
import { isLater } from "./inputs";
import type { Problem } from "./problems";
import { HEADER_PRIORITY } from "./settings";
import type { Checked, ListenerSettings, RouteSettings, Settings } from "./settings";
import { controllerToml } from "./toml";

/** Conditions of one rule: values in all, and wildcards in all (load balancer quotas, not adjustable). */
const VALUES = 5;
const WILDCARDS = 5;
/** Values of one condition. */
const VALUES_OF_ONE = 3;
/** Longest name of a target group. */
const GROUP_NAME = 32;
/** A Lambda function's variables, names and values together. */
const ENVIRONMENT_BYTES = 4096;
/** What the controller's other variables take at most. */
const OTHER_VARIABLES_BYTES = 400;
/** Why the scorer cannot be the function that it asks. */
export const ITSELF = "would call itself without end; give Python's function";
/** Longest value of a header condition. */
const HEADER_VALUE_BYTES = 128;

/** Tables that could be read; one with problems of its own is left out. */
export type Readable = Partial<Checked>;

/**
 * Looks at whatever could be read.
 *
 * @param given keys that are there, those of unreadable tables too
 */
export function checkTogether(name: string, read: Readable, given: ReadonlySet<string>): Problem[] {
  return [
    ...checkRoutes(name, read),
    ...checkNewSide(read, given),
    ...checkCompare(name, read, given),
    ...checkTopics(read),
    ...checkTesters(read),
    ...checkLogins(read),
    ...checkTracing(read),
    ...checkLabels(read),
    ...checkSize(name, read),
  ];
}

/** The header rule of a listener, with what is left out; `undefined` if it has none. */
export function headerRuleOf(listener: ListenerSettings) {
  const { headerRule } = listener;
  if (headerRule === false) return undefined;
  return headerRule ?? { priority: HEADER_PRIORITY, adopt: undefined, testerGroupArn: undefined };
}

/** Paths of all routes of a listener, each once. */
export function headerPaths(routes: readonly RouteSettings[]): string[] {
  return [...new Set(routes.flatMap((route) => route.paths))];
}

/** Methods of a listener's routes, if all have the same: then the header rule has them, too. */
export function headerMethods(routes: readonly RouteSettings[]): string[] {
  const [first, ...others] = routes.map((route) => [...route.methods].sort());
  const same = others.every((methods) => methods.join(" ") === first?.join(" "));
  return same ? (first ?? []) : [];
}

function checkRoutes(name: string, { routes, listeners, header, labels }: Readable): Problem[] {
  if (listeners === undefined) return [];
  if (Object.keys(listeners).length === 0) {
    return [{ key: "listeners", fix: "is missing; name each listener's ARN" }];
  }
  if (routes === undefined) return [];
  const problems: Problem[] = [];
  const problem = (index: number, field: string, fix: string) =>
    problems.push({ key: `routes[${index}].${field}`, fix });
  repeated(routes.map((route) => route.name)).forEach((index) => {
    problem(index, "name", `is ${routes[index]?.name}, which another route has already`);
  });
  routes.forEach((route, index) => {
    const listener = listeners[route.listener];
    if (listener === undefined) {
      const known = Object.keys(listeners).join(", ");
      problem(index, "listener", `is ${route.listener}, which is none of \`listeners\`: ${known}`);
    }
    const before = listener && headerRuleOf(listener)?.priority;
    if (before !== undefined && route.priority <= before) {
      const why = `it must be above ${before}, where the header rule has to win`;
      problem(index, "priority", `is ${route.priority}; ${why}`);
    }
    const values = route.paths.length + route.hosts.length + route.methods.length;
    if (values > VALUES) {
      problem(index, "paths", `and hosts and methods are ${values} values; a rule takes ${VALUES}`);
    }
    for (const fix of wrongRule(route, listener)) problem(index, ...fix);
  });
  repeated(routes.map((route) => `${route.listener} ${route.priority}`)).forEach((index) => {
    const fix = `is ${routes[index]?.priority}, which another route of the listener has`;
    problem(index, "priority", fix);
  });
  const twice = (what: string, arns: readonly unknown[], why: string) => {
    const plain = arns.filter((arn) => typeof arn === "string");
    if (repeated(plain).length > 0) problems.push({ key: "routes", fix: `${what} twice; ${why}` });
  };
  const adopted = Object.values(listeners).flatMap((one) => headerRuleOf(one)?.adopt?.ruleArn ?? []);
  const rules = routes.flatMap((route) => route.adopt?.ruleArn ?? route.ruleArn ?? []);
  twice("name one rule", [...rules, ...adopted], "a rule belongs to exactly one route");
  const groups = routes.flatMap((route) => [
    route.oldTargetGroupArn,
    route.newTargetGroup?.arn ?? route.newTargetGroup?.importArn,
  ]);
  const testers = Object.values(listeners).map((one) => headerRuleOf(one)?.testerGroupArn);
  twice("name one group", [...groups, ...testers], "its metrics are the evidence of one side of one route");
  for (const [key, listener] of Object.entries(listeners)) {
    const its = routes.filter((route) => route.listener === key);
    const at = `listeners.${key}`;
    const fixes = checkListener(key, listener, its, header?.sourceIps.length ?? 0);
    problems.push(...fixes.map((fix) => ({ key: at, fix })));
  }
  if (labels === undefined) return problems;
  const made = new Names({ name, region: "", accountId: "", labels });
  const names = [
    ...Object.keys(listeners).map((listener) => made.testerGroup(listener)),
    ...routes.map((route) => made.newGroup(route.name)),
  ];
  for (const group of names) {
    if (group.length <= GROUP_NAME) continue;
    problems.push({
      key: "name",
      fix: `makes a target group ${group}, longer than ${GROUP_NAME} characters`,
    });
  }
  return problems;
}

/** Whether the rule that a route names can be its rule. */
function wrongRule(route: RouteSettings, listener: ListenerSettings | undefined): [string, string][] {
  const { adopt, ruleArn, newTargetGroup, rewriteActions } = route;
  const wrong: [string, string][] = [];
  if (adopt !== undefined && listener !== undefined && typeof listener.arn === "string") {
    const its = listener.arn.replace(":listener/", ":listener-rule/");
    if (adopt.ruleArn?.startsWith(`${its}/`) === false) {
      const fix = `is ${adopt.ruleArn}, which is no rule of listener \`${route.listener}\``;
      wrong.push(["adopt.ruleArn", fix]);
    }
  }
  if (ruleArn === undefined) return wrong;
  if (adopt !== undefined)
    wrong.push(["ruleArn", "stands beside adopt; a rule stays yours, or is taken over"]);
  if (newTargetGroup === undefined) {
    wrong.push(["newTargetGroup", "is missing; a rule that stays yours leads to a group of yours"]);
  }
  if (rewriteActions) {
    wrong.push([
      "rewriteActions",
      "is of no use with ruleArn; nothing is written in a rule that stays yours",
    ]);
  }
  return wrong;
}

/** A listener has one header rule, so it must do for all its routes. */
function checkListener(
  key: string,
  listener: ListenerSettings,
  routes: readonly RouteSettings[],
  sources: number,
): string[] {
  if (routes.length === 0) return ["is used by no route"];
  const fixes: string[] = [];
  if (!/^[a-z][a-z0-9-]{0,10}[a-z0-9]$/.test(key)) {
    fixes.push("has a name that is not 2 to 12 small letters, digits and hyphens");
  }
  if (headerRuleOf(listener) === undefined) return fixes;
  const hosts = new Set(routes.map((route) => [...route.hosts].sort().join(" ")));
  if (hosts.size > 1) {
    fixes.push(
      "has routes with different `hosts`; its one header rule could not match exactly their requests",
    );
  }
  const paths = headerPaths(routes);
  const hostCount = routes[0]?.hosts.length ?? 0;
  const count = 1 + paths.length + hostCount + headerMethods(routes).length + sources;
  if (paths.length > VALUES_OF_ONE || count > VALUES) {
    fixes.push(
      `needs a header rule with ${count} values, ${paths.length} of them paths; ` +
        `a rule takes ${VALUES}, and ${VALUES_OF_ONE} in one condition`,
    );
  }
  const wildcards = [...paths, ...(routes[0]?.hosts ?? [])].join("").replace(/[^*?]/g, "").length;
  if (wildcards > WILDCARDS) {
    fixes.push(`needs a header rule with ${wildcards} wildcards (* or ?); a rule takes ${WILDCARDS}`);
  }
  return fixes;
}

/** Groups that are made here need a function to lead to. */
function checkNewSide({ routes, listeners }: Readable, given: ReadonlySet<string>): Problem[] {
  if (given.has("scorer") && given.has("newFunction")) {
    return [{ key: "newFunction", fix: "stands beside scorer; the new side is one function" }];
  }
  if (given.has("scorer") || given.has("newFunction") || routes === undefined) return [];
  const problems = routes.flatMap((route, index): Problem[] => {
    if (route.newTargetGroup !== undefined) return [];
    const fix = "is missing, and so are scorer and newFunction; say what the new side is";
    return [{ key: `routes[${index}].newTargetGroup`, fix }];
  });
  for (const [name, listener] of Object.entries(listeners ?? {})) {
    const rule = headerRuleOf(listener);
    if (rule === undefined || rule.testerGroupArn !== undefined || problems.length > 0) continue;
    const fix = "is missing, and so are scorer and newFunction; give a group, or headerRule: false";
    problems.push({ key: `listeners.${name}.headerRule.testerGroupArn`, fix });
  }
  return problems;
}

/** Live comparison is the Rust scorer's, and asks another function. */
function checkCompare(
  name: string,
  { compare, scorer, controller, labels }: Readable,
  given: ReadonlySet<string>,
): Problem[] {
  if (compare === undefined) return [];
  if (!given.has("scorer")) {
    const fix = "is the scorer's, and there is no scorer here; remove it";
    return [{ key: "compare", fix }];
  }
  const problems: Problem[] = [];
  const { functionArn, budgetMs } = compare;
  if (labels !== undefined && typeof functionArn === "string") {
    const own = new Names({ name, region: "", accountId: "", labels }).function("scorer");
    if (functionName(functionArn) === own) {
      const fix = `is ${functionArn}, the scorer itself, which ${ITSELF}`;
      problems.push({ key: "compare.functionArn", fix });
    }
  }
  if (scorer !== undefined && budgetMs >= scorer.timeoutSeconds * 1000) {
    const fix = `is ${budgetMs}; it must be below scorer.timeoutSeconds, ${scorer.timeoutSeconds * 1000} ms`;
    problems.push({ key: "compare.budgetMs", fix });
  }
  if (controller?.engine === "evidence-1") {
    const fix = "is evidence-1, which does not judge wrong answers; leave it out, or remove `compare`";
    problems.push({ key: "controller.engine", fix });
  }
  return problems;
}

function checkTopics({ kmsKeyArn, paging }: Readable): Problem[] {
  if (kmsKeyArn !== undefined || paging === undefined) return [];
  const own = paging.topicArn === undefined;
  if (!own && paging.slack === undefined) return [];
  const why = own ? "pagerDutyKey" : "paging.slack";
  const fix = `is missing; ${why} makes a topic here, and topics are encrypted with your own key`;
  return [{ key: "kmsKeyArn", fix }];
}

function checkTesters({ operators, header }: Readable): Problem[] {
  if (operators === undefined || header === undefined) return [];
  const key = "operators.testers";
  const secret = header.valueSecretArn !== undefined;
  if (operators.testers.length > 0 && !secret) {
    return [{ key, fix: "contradicts header: without valueSecretArn there is no secret to read" }];
  }
  if (operators.testers.length === 0 && secret) {
    return [{ key, fix: "is missing; nobody could read the value in header.valueSecretArn" }];
  }
  return [];
}

function checkLogins({ ledger, scorer }: Readable): Problem[] {
  if (ledger?.login !== "secret" || scorer === undefined) return [];
  const its = scorer.database.secretArn;
  if (typeof its !== "string" || ![ledger.secretArn, ledger.readerSecretArn].includes(its)) return [];
  const fix = "is the scorer's database login; the journal needs a user of its own";
  return [{ key: "ledger.secretArn", fix }];
}

/** An image brings its collector; beside a zip it is a layer. */
function checkTracing({ tracing, scorer, controller }: Readable): Problem[] {
  if (tracing !== "xray") return [];
  return Object.entries({ scorer, controller }).flatMap(([table, code]): Problem[] => {
    if (code?.zip === undefined || code.layers !== undefined) return [];
    const fix =
      "is missing; with `tracing: xray` a zip needs the layer of ADOT's collector, or traces go nowhere";
    return [{ key: `${table}.layers`, fix }];
  });
}

function checkLabels({ labels }: Readable): Problem[] {
  if (labels === undefined || slug(labels.old) !== slug(labels.new)) return [];
  return [
    { key: "labels.new", fix: `is ${labels.new}, and \`old\` is ${labels.old}; names of alarms need two` },
  ];
}

function checkSize(name: string, read: Readable): Problem[] {
  const { controller, ledger, slo, paging, routes, header, listeners, labels, compare } = read;
  if (!controller || !ledger || !slo || !paging || !routes || !header || !listeners || !labels) return [];
  const known = { controller, ledger, slo, paging, routes, header, listeners, labels, compare };
  const text = foreseenToml(name, known);
  const bytes = Buffer.byteLength(text) + OTHER_VARIABLES_BYTES;
  if (bytes <= ENVIRONMENT_BYTES) return [];
  const fix =
    `make a configuration of ${bytes} bytes, and Lambda takes ${ENVIRONMENT_BYTES}; ` +
    "use shorter names, or a second rollout for some of the routes";
  return [{ key: "routes", fix }];
}

/** The controller's text with names as long as AWS will make them. */
function foreseenToml(
  name: string,
  settings: Pick<
    Settings,
    "controller" | "ledger" | "slo" | "paging" | "routes" | "header" | "listeners" | "labels" | "compare"
  >,
): string {
  const names = new Names({ name, region: "", accountId: "", labels: settings.labels });
  const aws = "arn:aws:elasticloadbalancing:eu-central-1:111122223333";
  const id = "0123456789abcdef";
  const x = "x".repeat(GROUP_NAME);
  const topic = `arn:aws:sns:eu-central-1:111122223333:${x}`;
  const { header, paging } = settings;
  const plain = <T>(value: T, otherwise: string) => (isLater(value) ? otherwise : value) as string;
  const secret = header.valueSecretArn !== undefined;
  return controllerToml({
    ...settings,
    name,
    topicArn: plain(paging.topicArn ?? topic, topic),
    chatTopicArn: paging.slack && `${topic}-chat`,
    answersLog: names.logGroup(names.function("scorer")),
    rollbackOn: names.sideAlarm("new"),
    oldTwin: names.sideAlarm("old"),
    holdOn: settings.controller.holdOnAlarms.map((alarm) => plain(alarm, x)),
    eventBus: plain(settings.controller.eventBus, x),
    ledger: {
      host: plain(settings.ledger.host, `${x}.proxy-abcdefghijkl.eu-central-1.rds.amazonaws.com`),
      port: 5432,
      database: plain(settings.ledger.database, x),
      sslRootCert: settings.ledger.sslRootCert,
      ...(settings.ledger.login === "iam"
        ? { user: plain(settings.ledger.user, x) }
        : { secretArn: plain(settings.ledger.secretArn, `${topic}${x}`) }),
    },
    headerName: header.name,
    headerValue: secret ? "x".repeat(HEADER_VALUE_BYTES) : (header.value ?? "true"),
    routes: settings.routes.map((one) => {
      const listener = settings.listeners[one.listener];
      return {
        name: one.name,
        rule: `${aws}:listener-rule/app/${x}/${id}/${id}/${id}`,
        oldGroup: plain(one.oldTargetGroupArn, `${aws}:targetgroup/${x}/${id}`),
        newGroup: `${aws}:targetgroup/${names.newGroup(one.name)}/${id}`,
        headerRule: listener &&
          headerRuleOf(listener) && {
            priority: headerRuleOf(listener)?.priority ?? 0,
            group: `${aws}:targetgroup/${names.testerGroup(one.listener)}/${id}`,
          },
      };
    }),
  });
}

/** Positions of what has been there before. */
function repeated(items: readonly string[]): number[] {
  return items.flatMap((item, index) => (items.indexOf(item) < index ? [index] : []));
}
