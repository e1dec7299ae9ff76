/** Reads and checks settings. Everything is checked before anything is made. */

import * as pulumi from "@pulumi/pulumi";
import * as aws from "@pulumi/aws";
import { checkTogether } from "./checks";
import type { Readable } from "./checks";
import { checkedLater } from "./inputs";
import { ConfigError, MISSING, problemsOf } from "./problems";
import type { Problem } from "./problems";
import { rolloutSchema } from "./settings";
import type { Checked, RolloutArgs, Settings } from "./settings";
import * as shapes from "./shapes";

const schemas = new Map<string, ReturnType<typeof rolloutSchema>>();

/** Schemas are not cheap to make. */
function schemaFor(region: string | undefined, account: string | undefined) {
  const key = `${region ?? ""} ${account ?? ""}`;
  const schema = schemas.get(key) ?? rolloutSchema(region, account);
  schemas.set(key, schema);
  return schema;
}

/** What the schema makes of plain values: tables that are right, and every problem of the others. */
function read(
  name: unknown,
  raw: Readonly<Record<string, unknown>>,
): { read: Readable; problems: Problem[] } {
  const plain = (value: unknown, { pattern }: shapes.Shape) =>
    typeof value === "string" && pattern.test(value) ? value : undefined;
  // A wrong account or region is reported once, not again by every ARN.
  const schema = schemaFor(plain(raw.region, shapes.region), plain(raw.accountId, shapes.account));
  const problems: Problem[] = [];
  const tables: Record<string, unknown> = {};
  if (plain(name, shapes.name) === undefined) {
    const fix = name === undefined ? MISSING : `is ${JSON.stringify(name)}; it must be ${shapes.name.like}`;
    problems.push({ key: "name", fix });
  }
  // Table by table, so that problems between two that are right are reported with the others.
  for (const [key, of] of Object.entries(schema.shape)) {
    const result = of.safeParse(raw[key]);
    if (result.success) tables[key] = result.data;
    else problems.push(...problemsOf(result.error, [key]));
  }
  for (const key of Object.keys(raw).filter((one) => !(one in schema.shape))) {
    const known = Object.keys(schema.shape).sort().join(", ");
    problems.push({ key, fix: `is not a known key; known here: ${known}` });
  }
  const readable = tables as Readable;
  const given = new Set(Object.keys(raw).filter((key) => raw[key] !== undefined));
  return { read: readable, problems: [...problems, ...checkTogether(String(name), readable, given)] };
}

/**
 * Checks the arguments of a component.
 *
 * @throws {ConfigError} with every problem, each with its key's name
 */
export function checked(name: string, args: RolloutArgs, parent: pulumi.Resource): Settings {
  const { read: settings, problems } = read(name, args);
  if (problems.length > 0) throw new ConfigError(problems);
  const all = checkedLater(settings as Checked, name);
  // Not asked for when they are given: the provider would have to be configured.
  const region = all.region ?? aws.getRegionOutput({}, { parent }).region;
  const accountId = all.accountId ?? aws.getCallerIdentityOutput({}, { parent }).accountId;
  return { ...all, name, region, accountId };
}

/** Name and arguments of the rollout that a stack's configuration describes. */
export interface StackArgs {
  readonly name: string;
  readonly args: RolloutArgs;
}

/**
 * Reads and checks the configuration of this program's stack. Unlike a component's
 * arguments it must name region and account, so that a stack never lands in another.
 *
 * @throws {ConfigError} with every problem, each with its key's name
 */
export function readStack(project = pulumi.getProject()): StackArgs {
  const { values, problems } = plainValues(project);
  const { name, ...rest } = values;
  const args = { ...rest, region: new pulumi.Config("aws").get("region") };
  if (args.region === undefined) problems.push({ key: "aws:region", fix: MISSING });
  if (!("accountId" in args)) problems.push({ key: `${project}:accountId`, fix: MISSING });
  for (const problem of read(name, args).problems)
    problems.push({ ...problem, key: fullKey(project, problem.key) });
  if (problems.length > 0) throw new ConfigError(problems);
  return { name: name as string, args: args as unknown as RolloutArgs };
}

function fullKey(project: string, key: string): string {
  if (key === "region") return "aws:region";
  return `${project}:${key === "paging.pagerDutyKey" ? "pagerDutyKey" : key}`;
}

/**
 * All keys of the project, JSON read. The only secret is taken as an output, so its text
 * never comes here.
 */
function plainValues(project: string): { values: Record<string, unknown>; problems: Problem[] } {
  const values: Record<string, unknown> = {};
  const problems: Problem[] = [];
  for (const [full, text] of Object.entries(pulumi.runtime.allConfig())) {
    if (!full.startsWith(`${project}:`)) continue;
    const name = full.slice(project.length + 1);
    if (!/^\s*[[{]/.test(text)) values[name] = text;
    else {
      try {
        values[name] = JSON.parse(text);
      } catch {
        problems.push({
          key: full,
          fix: "cannot be read as a table or list; use YAML's own, without quotes",
        });
      }
    }
  }
  const { pagerDutyKey, ...rest } = values;
  if (pagerDutyKey === undefined) return { values, problems };
  const secret = new pulumi.Config(project).requireSecret("pagerDutyKey");
  const paging = typeof rest.paging === "object" ? { ...rest.paging, pagerDutyKey: secret } : rest.paging;
  return { values: { ...rest, paging }, problems };
}
