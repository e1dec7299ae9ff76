/**
 * Breaks a copy of the program on purpose, one place at a time, and checks that
 * the tests notice.
 *
 *   npm run -s mutate                        all of them
 *   npm run -s mutate -- --count 6 --seed 1  a few, drawn by the seed
 *   npm run -s mutate -- --only heartbeat    those whose description has the word
 *
 * Exit codes: 0 every mutation was noticed, 1 some were not, 2 the unbroken copy fails.
 */

import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { mutations } from "./list";
import type { Mutation } from "./list";

const INFRA = join(__dirname, "..");
const ROOT = join(INFRA, "..");
/** Copies at work at the same time. */
const WORKERS = 2;

/** A copy of everything that the tests read. */
function copy(): string {
  const root = mkdtempSync(join(tmpdir(), "rollout-mutation-"));
  const read = [
    ".github",
    "docs",
    "function-kit/src",
    "Makefile",
    "infra",
    "rollout-controller/src/adapters",
    "rollout-controller/src/lambda",
    "runbooks",
    "scorer-fn/src/log.rs",
    "scripts/dev-env",
  ];
  for (const part of read) {
    cpSync(join(ROOT, part), join(root, part), {
      recursive: true,
      filter: (source) => !source.includes("node_modules"),
    });
  }
  symlinkSync(join(INFRA, "node_modules"), join(root, "infra", "node_modules"));
  return root;
}

interface Run {
  readonly passed: boolean;
  /** Names of failed tests. */
  readonly failed: readonly string[];
  readonly output: string;
}

/** Runs test files; with `only`, just the tests whose names match. */
function runTests(root: string, files: readonly string[], only?: RegExp): Promise<Run> {
  const target = process.env.CARGO_TARGET_DIR ?? join(ROOT, "target");
  const env = { ROLLOUTCTL: join(target, "debug", "rolloutctl"), ...process.env };
  const tests = files.map((file) => `test/${file}.test.ts`);
  const pattern = only === undefined ? [] : [`--test-name-pattern=${String(only)}`];
  const child = spawn(process.execPath, ["--import", "tsx", "--test", ...pattern, ...tests], {
    cwd: join(root, "infra"),
    env,
  });
  let output = "";
  child.stdout.on("data", (data: Buffer) => (output += data.toString()));
  child.stderr.on("data", (data: Buffer) => (output += data.toString()));
  return new Promise((resolve) => {
    child.on("close", (code) => {
      const failed = [...output.matchAll(/^\s*not ok \d+ - (.*)$/gm)].map(([, name]) => name ?? "");
      resolve({ passed: code === 0, failed, output });
    });
  });
}

/** Applies a mutation, runs its tests, and takes it back. Returns why it counts as missed. */
async function judge(root: string, mutation: Mutation): Promise<string | undefined> {
  const file = join(root, mutation.file);
  const text = readFileSync(file, "utf8");
  const parts = text.split(mutation.from);
  if (parts.length !== 2) return `${mutation.file} has its text ${parts.length - 1} times, not once`;
  writeFileSync(file, parts.join(mutation.to));
  try {
    const { passed, failed } = await runTests(root, mutation.tests, mutation.notices);
    if (passed) return "no test failed";
    const noticed = failed.some((name) => mutation.notices.test(name));
    return noticed ? undefined : `other tests failed: ${failed.join(" | ") || "the file did not load"}`;
  } finally {
    writeFileSync(file, text);
  }
}

/** A few, always the same for a seed (a linear congruential generator is plenty). */
function drawn(all: readonly Mutation[], count: number, seed: number): Mutation[] {
  const rest = [...all];
  let state = seed >>> 0;
  const few: Mutation[] = [];
  while (few.length < count && rest.length > 0) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    few.push(...rest.splice(Math.floor((state / 2 ** 32) * rest.length), 1));
  }
  return few;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      count: { type: "string" },
      seed: { type: "string", default: "0" },
      only: { type: "string", default: "" },
    },
  });
  const wanted = mutations.filter(({ what }) => what.includes(values.only));
  const chosen = values.count ? drawn(wanted, Number(values.count), Number(values.seed)) : wanted;
  const roots = Array.from({ length: WORKERS }, copy);
  try {
    const files = [...new Set(chosen.flatMap(({ tests }) => tests))];
    const whole = await runTests(roots[0] ?? "", files);
    if (!whole.passed) {
      console.error(`the unbroken copy fails already:\n${whole.output}`);
      return 2;
    }
    const queue = [...chosen];
    const missed: string[] = [];
    const work = async (root: string) => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        const why = await judge(root, next);
        console.log(`${why === undefined ? "noticed" : "MISSED "}  ${next.what}${why ? `: ${why}` : ""}`);
        if (why !== undefined) missed.push(next.what);
      }
    };
    await Promise.all(roots.map(work));
    console.log(`${chosen.length - missed.length} of ${chosen.length} mutations noticed`);
    return missed.length === 0 ? 0 : 1;
  } finally {
    for (const root of roots) rmSync(root, { recursive: true, force: true });
  }
}

main().then(
  (code) => (process.exitCode = code),
  (error: unknown) => {
    console.error(error);
    process.exitCode = 1;
  },
);
