/** Routes must fit together, on each listener and over all. */

import { Names } from "./arns";
import type { Section } from "./checks";
import { HEADER_PRIORITY } from "./settings";
import type { RouteSettings, Settings } from "./settings";

/** Conditions of one rule: values in all, and wildcards in all (load balancer quotas, not adjustable). */
const VALUES = 5;
const WILDCARDS = 5;
/** Values of one condition. */
const VALUES_OF_ONE = 3;

/** Checks names, listeners, priorities and what the header rules become. */
export function checkRoutes(all: Section, settings: Settings): void {
  const { routes, listeners } = settings;
  const key = (index: number, field: string) => `routes[${index}].${field}`;
  if (Object.keys(listeners).length === 0) {
    all.problem("listeners", "is missing; name each listener's ARN");
    return;
  }
  unique(routes.map((route) => route.name)).forEach((index) => {
    all.problem(key(index, "name"), `is ${routes[index]?.name}, which another route has already`);
  });
  routes.forEach((route, index) => {
    const listener = listeners[route.listener];
    if (listener === undefined) {
      const known = Object.keys(listeners).join(", ");
      all.problem(key(index, "listener"), `is ${route.listener}, which is none of \`listeners\`: ${known}`);
    }
    if (route.priority <= HEADER_PRIORITY) {
      all.problem(
        key(index, "priority"),
        `is ${route.priority}; it must be above ${HEADER_PRIORITY}, where the header rule has to win`,
      );
    }
    if (values(route) > VALUES) {
      all.problem(
        key(index, "paths"),
        `and hosts and methods are ${values(route)} values; a rule takes ${VALUES}`,
      );
    }
    checkAdoption(all, route, listener, (field) => key(index, field));
  });
  unique(routes.map((route) => `${route.listener} ${route.priority}`)).forEach((index) => {
    all.problem(
      key(index, "priority"),
      `is ${routes[index]?.priority}, which another route of the listener has`,
    );
  });
  unique(routes.flatMap((route) => route.adopt?.ruleArn ?? [])).forEach(() => {
    all.problem("routes", "adopt one rule twice; a rule belongs to exactly one route");
  });
  if (routes.length === 0) return;
  Object.keys(listeners).forEach((listener) => checkListener(all, settings, listener));
}

function checkAdoption(
  all: Section,
  route: RouteSettings,
  listener: unknown,
  key: (field: string) => string,
): void {
  if (route.adopt === undefined || typeof listener !== "string") return;
  const its = listener.replace(":listener/", ":listener-rule/");
  if (!route.adopt.ruleArn.startsWith(`${its}/`)) {
    all.problem(
      key("adopt.ruleArn"),
      `is ${route.adopt.ruleArn}, which is no rule of listener \`${route.listener}\``,
    );
  }
}

/** A listener has one rule at 99, so it must do for all its routes. */
function checkListener(all: Section, settings: Settings, listener: string): void {
  const routes = settings.routes.filter((route) => route.listener === listener);
  const at = `listeners.${listener}`;
  if (routes.length === 0) {
    all.problem(at, "is used by no route");
    return;
  }
  if (!/^[a-z][a-z0-9-]{0,10}[a-z0-9]$/.test(listener)) {
    all.problem(at, "has a name that is not 2 to 12 small letters, digits and hyphens");
  }
  const hosts = new Set(routes.map((route) => [...route.hosts].sort().join(" ")));
  if (hosts.size > 1) {
    all.problem(
      at,
      "has routes with different `hosts`; its one header rule could not match exactly their requests",
    );
  }
  const paths = headerPaths(routes);
  const sources = settings.header.sourceIps.length;
  const count = 1 + paths.length + (routes[0]?.hosts.length ?? 0) + sources;
  if (paths.length > VALUES_OF_ONE || count > VALUES) {
    all.problem(
      at,
      `needs a header rule with ${count} values, ${paths.length} of them paths; ` +
        `a rule takes ${VALUES}, and ${VALUES_OF_ONE} in one condition`,
    );
  }
  const wildcards = [...paths, ...(routes[0]?.hosts ?? [])].join("").replace(/[^*?]/g, "").length;
  if (wildcards > WILDCARDS) {
    all.problem(at, `needs a header rule with ${wildcards} wildcards (* or ?); a rule takes ${WILDCARDS}`);
  }
  const names = new Names(settings.name, settings.region, settings.accountId);
  for (const group of [names.testerGroup(listener), ...routes.map((route) => names.rustGroup(route.name))]) {
    if (group.length > 32) all.problem("name", `makes a target group ${group}, longer than 32 characters`);
  }
}

/** Paths of all routes of a listener, each once. */
export function headerPaths(routes: readonly RouteSettings[]): string[] {
  return [...new Set(routes.flatMap((route) => route.paths))];
}

function values(route: RouteSettings): number {
  return route.paths.length + route.hosts.length + route.methods.length;
}

/** Positions of what has been there before. */
function unique(items: readonly string[]): number[] {
  return items.flatMap((item, index) => (items.indexOf(item) < index ? [index] : []));
}
