/**
 * `pulumi stack output --json | npm run -s tester-queries -- LISTENER`
 *
 * Prints the CloudWatch query for the requests that testers made on a listener.
 */

import { readFileSync } from "node:fs";
import { testerQueries } from "./tester-query";

const [listener] = process.argv.slice(2);
if (listener === undefined) {
  console.error("usage: pulumi stack output --json | npm run -s tester-queries -- LISTENER");
  process.exitCode = 2;
} else {
  try {
    console.log(JSON.stringify(testerQueries(readFileSync(0, "utf8"), listener)));
  } catch (error) {
    console.error(`error: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  }
}
