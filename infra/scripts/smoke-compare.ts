/** One comparison of both sides. */

import { isDeepStrictEqual } from "node:util";
import { HEADER } from "../src/settings";

export interface Smoke {
  readonly url: string;
  readonly key: string;
  /** Value of the header that leads to Rust. */
  readonly header: string;
}

/** Both sides do not answer alike, or one does not answer. */
export class SmokeError extends Error {}

/** Fields that tell when an answer was made, not what it says. */
const TIMES = new Set(["last_score_timestamp"]);
/** Longest wait for one answer, milliseconds. */
const PATIENCE_MS = 20_000;

/**
 * Asks each side once.
 *
 * @returns a sentence about what was compared
 * @throws {SmokeError} with what differs; never with the key
 */
export async function compare({ url, key, header }: Smoke): Promise<string> {
  const plain = await ask("without the header", url, { "X-API-Key": key });
  const rust = await ask("with the header", url, { "X-API-Key": key, [HEADER]: header });
  const differing = differences(timeless(plain), timeless(rust));
  if (differing.length > 0) throw new SmokeError(`the answers differ in ${differing.join(", ")}`);
  return `ok: with and without ${HEADER} the answer is the same (${Object.keys(rust).length} fields)`;
}

async function ask(
  how: string,
  url: string,
  headers: Record<string, string>,
): Promise<Record<string, unknown>> {
  let response: Response;
  try {
    response = await fetch(url, { headers, redirect: "error", signal: AbortSignal.timeout(PATIENCE_MS) });
  } catch (cause) {
    throw new SmokeError(`${how}: no answer`, { cause });
  }
  const text = await response.text();
  if (response.status !== 200)
    throw new SmokeError(`${how}: status ${response.status}: ${text.slice(0, 200)}`);
  try {
    const body: unknown = JSON.parse(text);
    if (typeof body === "object" && body !== null && "score" in body) return body;
  } catch {
    // Said below.
  }
  throw new SmokeError(`${how}: no JSON with a score: ${text.slice(0, 200)}`);
}

function timeless(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(timeless);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(([name]) => !TIMES.has(name));
  return Object.fromEntries(entries.map(([name, inner]) => [name, timeless(inner)]));
}

function differences(plain: unknown, rust: unknown): string[] {
  const [a, b] = [plain as Record<string, unknown>, rust as Record<string, unknown>];
  const names = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...names].filter((name) => !isDeepStrictEqual(a[name], b[name])).sort();
}
