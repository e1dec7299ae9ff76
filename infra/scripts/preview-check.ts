/**
 * `npm run -s preview-check -- PREVIEW.json [--accept URN]…`
 *
 * Exit codes: 0 the weights are left alone, 1 they would be written, 2 not understood.
 */

import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { judge, PreviewError } from "./preview";

function main(): number {
  const { values, positionals } = parseArgs({
    options: { accept: { type: "string", multiple: true, default: [] } },
    allowPositionals: true,
  });
  const [file] = positionals;
  if (file === undefined || positionals.length > 1) {
    console.error("usage: npm run -s preview-check -- PREVIEW.json [--accept URN]…");
    return 2;
  }
  const { refused, notes, changes } = judge(readFileSync(file, "utf8"), new Set(values.accept));
  for (const { urn, text } of notes) console.log(`note: ${urn} ${text}`);
  for (const { urn, text } of refused) console.error(`refused: ${urn} ${text}`);
  if (refused.length > 0) {
    console.error("Nothing was deployed. The weights belong to the controller while a rollout runs;");
    console.error("undo the change above, or wait for the end of the rollout and give --accept URN.");
    return 1;
  }
  console.log(`ok: ${changes} change(s), and none of them writes a weight`);
  return 0;
}

try {
  process.exitCode = main();
} catch (error) {
  console.error(`error: ${error instanceof Error ? error.message : String(error)}`);
  if (!(error instanceof PreviewError)) console.error("the preview was not judged; nothing may be deployed");
  process.exitCode = 2;
}
