/**
 * Values that may be outputs of other resources.
 *
 * A plain value is checked when the component is made. An output is checked by the same
 * schema when its value is known: in a preview, unless the resource is new, and always
 * before a resource is made with it.
 */

import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { ConfigError, keyOf, MISSING, problemsOf } from "./problems";
import type { Problem } from "./problems";

/** Outputs whose value is not known yet, and what it must be. */
const waiting = new WeakMap<pulumi.Output<unknown>, z.ZodType>();

/** Whether a value is only known later. */
export function isLater(value: unknown): boolean {
  return pulumi.Output.isInstance(value) || value instanceof Promise;
}

/** What `schema` accepts, or an output or promise of it. */
export function input<S extends z.ZodType>(
  schema: S,
): z.ZodType<pulumi.Input<z.output<S>>, pulumi.Input<z.input<S>>> {
  return z.custom<pulumi.Input<z.input<S>>>().transform((value, ctx): pulumi.Input<z.output<S>> => {
    if (isLater(value)) {
      // A new output for each place: one resource's output may stand in several.
      const later = pulumi.output(value as string).apply<unknown>((known) => known);
      waiting.set(later, schema);
      return later as pulumi.Output<z.output<S>>;
    }
    return passed(schema, value, ctx);
  });
}

/** The schema that fits the value's kind: unlike a union, it says what is wrong in that one's words. */
export function either<A extends z.ZodType, B extends z.ZodType>(
  isFirst: (value: unknown) => boolean,
  first: A,
  second: B,
): z.ZodType<z.output<A> | z.output<B>, z.input<A> | z.input<B>> {
  return z
    .custom<z.input<A> | z.input<B>>()
    .transform((value, ctx): z.output<A> | z.output<B> =>
      isFirst(value) ? passed(first, value, ctx) : passed(second, value, ctx),
    );
}

function passed<S extends z.ZodType>(schema: S, value: unknown, ctx: z.RefinementCtx): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  for (const issue of result.error.issues) {
    if (issue.code === "unrecognized_keys")
      ctx.addIssue({ ...issue, input: value as Record<string, unknown> });
    else ctx.addIssue({ code: "custom", message: issue.message, path: [...issue.path], input: value });
  }
  return z.NEVER;
}

/** A list, table or text that must be there, said so if it is not. */
export const required = ({ input: value }: { readonly input?: unknown }, otherwise: string): string =>
  value === undefined || value === null ? MISSING : otherwise;

/**
 * The same settings, in which each output fails as soon as it turns out to be wrong,
 * with the name of its key.
 */
export function checkedLater<T>(settings: T, owner: string, path: readonly PropertyKey[] = []): T {
  if (pulumi.Output.isInstance(settings)) {
    const schema = waiting.get(settings);
    if (schema === undefined) return settings;
    const key = [owner, keyOf(path)].join(": ");
    const value = settings as pulumi.Output<unknown>;
    return pulumi.all([value, pulumi.isSecret(value)]).apply(([known, secret]) => {
      const result = schema.safeParse(known);
      if (result.success) return result.data;
      const problems = problemsOf(result.error, [key]);
      throw new pulumi.RunError(new ConfigError(secret ? problems.map(withoutValue) : problems).message);
    }) as T;
  }
  if (Array.isArray(settings)) {
    return settings.map((item: unknown, index) => checkedLater(item, owner, [...path, index])) as T;
  }
  if (typeof settings !== "object" || settings === null || !isTable(settings)) return settings;
  const entries = Object.entries(settings).map(
    ([name, value]) => [name, checkedLater<unknown>(value, owner, [...path, name])] as const,
  );
  return Object.fromEntries(entries) as T;
}

/** A secret's text must not get into a log. */
function withoutValue({ key, fix }: Problem): Problem {
  return { key, fix: fix.replace(/^is [^]*; it must be /, "is a secret that is not as it must be: ") };
}

/** A plain object: no archive, no resource. */
function isTable(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
