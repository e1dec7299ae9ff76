/**
 * The whole graph of the example as readable JSON, so that a review shows what a
 * change does to the infrastructure. `npm run snapshot` writes it anew.
 */

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { graphOf } from "./example";
import { isSecret, PROJECT } from "./graph";
import type { Graph } from "./graph";

const FILE = join(__dirname, "graph.json");

/** Keys in order, secrets covered, JSON texts opened. */
function tidy(value: any): any {
  if (isSecret(value)) return "(secret)";
  if (Array.isArray(value)) return value.map(tidy);
  if (typeof value === "string" && /^\{"/.test(value)) return { "(JSON)": tidy(JSON.parse(value)) };
  if (typeof value !== "object" || value === null) return value;
  const keys = Object.keys(value).sort();
  return Object.fromEntries(keys.map((key) => [key, tidy(value[key])]));
}

function readable(graph: Graph): string {
  const short = (urn: string) => urn.replace(`urn:pulumi:test::${PROJECT}::`, "");
  const nodes = [...graph.nodes].sort((a, b) => (a.urn < b.urn ? -1 : 1));
  const shown = nodes.map((node) => {
    const options = {
      ...(node.parent && { parent: short(node.parent) }),
      ...(node.protect && { protect: true }),
      ...(node.ignoreChanges.length > 0 && { ignoreChanges: node.ignoreChanges }),
      ...(node.importId && { import: node.importId }),
    };
    return [short(node.urn), { options, inputs: tidy(node.inputs) }];
  });
  return JSON.stringify(Object.fromEntries(shown), null, 1) + "\n";
}

test("the graph is the one that was reviewed", async () => {
  const text = readable(await graphOf());
  if (process.env.UPDATE_SNAPSHOT) writeFileSync(FILE, text);
  const hint = "if the difference is wanted, run `npm run snapshot` and commit test/graph.json";
  assert.ok(text === readFileSync(FILE, "utf8"), firstDifference(text, readFileSync(FILE, "utf8")) + hint);
});

function firstDifference(found: string, reviewed: string): string {
  const [now, then] = [found.split("\n"), reviewed.split("\n")];
  const line = now.findIndex((text, index) => text !== then[index]);
  return `line ${line + 1}:\n  reviewed: ${then[line]?.trim()}\n  now:      ${now[line]?.trim()}\n`;
}

test("two runs give the same text", async () => {
  assert.equal(readable(await graphOf()), readable(await graphOf()));
});
