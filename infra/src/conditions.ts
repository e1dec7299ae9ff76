/** Which requests a rule takes, and whether another rule takes the same ones. */

import { BlockList, isIP } from "node:net";
import { covers, meet } from "./glob";

/** Conditions of a rule, as far as they can be compared. All must hold. */
export interface Conditions {
  /** Patterns, with case. */
  readonly paths: readonly string[];
  /** Patterns, in small letters. */
  readonly hosts: readonly string[];
  readonly methods: readonly string[];
  /** By name in small letters: patterns in small letters. */
  readonly headers: Readonly<Record<string, readonly string[]>>;
  readonly sourceIps: readonly string[];
  /** Conditions of other kinds, as text: query strings, regular expressions. */
  readonly others: readonly string[];
}

export const EVERYTHING: Conditions = {
  paths: [],
  hosts: [],
  methods: [],
  headers: {},
  sourceIps: [],
  others: [],
};

type Compare = (a: string, b: string) => boolean;
const same: Compare = (a, b) => a === b;

/** No values are no condition. */
const someMeet = (a: readonly string[], b: readonly string[], compare: Compare) =>
  a.length === 0 || b.length === 0 || a.some((one) => b.some((other) => compare(one, other)));

/** Each value of the narrow one within one value of the wide one. */
const allWithin = (wide: readonly string[], narrow: readonly string[], within: Compare) =>
  wide.length === 0 || (narrow.length > 0 && narrow.every((one) => wide.some((other) => within(other, one))));

/** Whether one request could match both. What cannot be compared could. */
export function couldMeet(a: Conditions, b: Conditions): boolean {
  return (
    someMeet(a.paths, b.paths, meet) &&
    someMeet(a.hosts, b.hosts, meet) &&
    someMeet(a.methods, b.methods, same) &&
    someMeet(a.sourceIps, b.sourceIps, (one, other) => blockHas(one, other) || blockHas(other, one)) &&
    Object.entries(a.headers).every(([name, values]) => someMeet(values, b.headers[name] ?? [], meet))
  );
}

/** Whether every request that matches `narrow` surely matches `wide` too. */
export function takesAll(wide: Conditions, narrow: Conditions): boolean {
  return (
    allWithin(wide.paths, narrow.paths, covers) &&
    allWithin(wide.hosts, narrow.hosts, covers) &&
    allWithin(wide.methods, narrow.methods, same) &&
    allWithin(wide.sourceIps, narrow.sourceIps, blockHas) &&
    Object.entries(wide.headers).every(([name, values]) =>
      allWithin(values, narrow.headers[name] ?? [], covers),
    ) &&
    wide.others.every((one) => narrow.others.includes(one))
  );
}

/** The same requests, whatever the order of the values. */
export function alike(a: Conditions, b: Conditions): boolean {
  return takesAll(a, b) && takesAll(b, a);
}

/** Whether a CIDR block holds another one. */
function blockHas(wide: string, narrow: string): boolean {
  const [network = "", length = ""] = wide.split("/");
  const [address = "", inner = ""] = narrow.split("/");
  if (isIP(network) === 0 || isIP(network) !== isIP(address) || Number(length) > Number(inner)) return false;
  const family = isIP(network) === 4 ? "ipv4" : "ipv6";
  const list = new BlockList();
  list.addSubnet(network, Number(length), family);
  return list.check(address, family);
}

/** In place of a header's value that nobody may read. */
export const SECRET = "(secret)";

/** The same, with the value of each header covered whose value in `like` is a secret. */
export function covered(conditions: Conditions, like: Conditions): Conditions {
  const headers = Object.entries(conditions.headers).map(
    ([name, values]) => [name, like.headers[name]?.includes(SECRET) === true ? [SECRET] : values] as const,
  );
  return { ...conditions, headers: Object.fromEntries(headers) };
}

/** In words, for a person who looks for the rule in the console. */
export function inWords(conditions: Conditions): string {
  const { paths, hosts, methods, headers, sourceIps, others } = conditions;
  const parts = [
    paths.join(" or "),
    hosts.length > 0 && `host ${hosts.join(" or ")}`,
    methods.length > 0 && `method ${methods.join(" or ")}`,
    // Not the values: one may be a secret.
    ...Object.keys(headers).map((name) => `header ${name}`),
    sourceIps.length > 0 && `from ${sourceIps.join(" or ")}`,
    ...others,
  ];
  return parts.filter(Boolean).join(", ") || "every request";
}
