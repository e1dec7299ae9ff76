/**
 * Asks a running deployment for a score twice, once of each side, and compares.
 *
 * Environment:
 *   SMOKE_URL     address of a score, such as https://api.example.com/v2/stamps/1/score/0x…
 *   SMOKE_KEY     value of X-API-Key
 *   SMOKE_HEADER  value of X-Use-Rust-Scorer; default `true`
 *   SMOKE_TRIES   tries on an error, five seconds apart; default 6
 *
 * Exit codes: 0 both sides answer alike, 1 they do not, 2 usage.
 */

import { compare, SmokeError } from "./smoke-compare";

async function main(): Promise<number> {
  const { SMOKE_URL, SMOKE_KEY, SMOKE_HEADER = "true", SMOKE_TRIES = "6" } = process.env;
  if (!SMOKE_URL || !SMOKE_KEY) {
    console.error("set SMOKE_URL (address of a score) and SMOKE_KEY (value of X-API-Key)");
    return 2;
  }
  const tries = Number(SMOKE_TRIES);
  for (let left = tries; ; left--) {
    try {
      console.log(await compare({ url: SMOKE_URL, key: SMOKE_KEY, header: SMOKE_HEADER }));
      return 0;
    } catch (error) {
      if (!(error instanceof SmokeError)) throw error;
      console.error(`${left > 1 ? "not yet" : "failed"}: ${error.message}`);
      if (left <= 1) return 1;
    }
    // A rule that was just made reaches the load balancer's nodes within tens of seconds.
    await new Promise((resolve) => setTimeout(resolve, 5000));
  }
}

main().then(
  (code) => (process.exitCode = code),
  (error: unknown) => {
    console.error(error);
    process.exitCode = 1;
  },
);
