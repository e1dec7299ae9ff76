/** What is wrong with a configuration, all of it at once, and how zod's findings become sentences. */

import type { z } from "zod";

/** One thing that is wrong. */
export interface Problem {
  /** Full name of the key, such as `score-rollout:scorer.memoryMb`. */
  readonly key: string;
  /** What is wrong, what was found, and what would be right. */
  readonly fix: string;
}

/** All problems of a configuration. */
export class ConfigError extends Error {
  constructor(readonly problems: readonly Problem[]) {
    const list = problems.map(({ key, fix }) => `  ${key}: ${fix}`).join("\n");
    super(`the configuration has ${problems.length} problem(s):\n${list}`);
    this.name = "ConfigError";
  }
}

export const MISSING = "is missing; Pulumi.example.yaml shows one";

/** The sentence for a value that is not as it must be. */
export const must =
  (like: string) =>
  ({ input }: { readonly input?: unknown }): string =>
    input === undefined || input === null ? MISSING : `is ${shown(input)}; it must be ${like}`;

function shown(value: unknown): string {
  const text = typeof value === "function" ? "a function" : JSON.stringify(value);
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}

/** `routes[1].adopt.ruleArn`. */
export function keyOf(path: readonly PropertyKey[]): string {
  return path.reduce<string>((key, step) => {
    if (typeof step === "number") return `${key}[${step}]`;
    return key === "" ? String(step) : `${key}.${String(step)}`;
  }, "");
}

/** zod's findings, one problem for each unknown key. */
export function problemsOf(error: z.ZodError, prefix: readonly PropertyKey[] = []): Problem[] {
  return error.issues.flatMap((issue) => {
    const path = [...prefix, ...issue.path];
    if (issue.code !== "unrecognized_keys") return [{ key: keyOf(path), fix: issue.message }];
    return issue.keys.map((name) => ({ key: keyOf([...path, name]), fix: issue.message }));
  });
}
