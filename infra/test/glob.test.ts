import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { covers, meet } from "../src/glob";

const CASES: [a: string, b: string, meet: boolean, aCoversB: boolean][] = [
  ["/v2/stamps/*/score/*", "/v2/stamps/*/score/*/history", true, true],
  ["/v2/stamps/*/score/*/history", "/v2/stamps/*/score/*", true, false],
  ["/v2/*", "/v2/stamps/*/score/*", true, true],
  ["/v2/stamps/1", "/v2/stamps/2", false, false],
  ["/a?", "/a", false, false],
  ["/a?", "/ab", true, true],
  ["/a*", "/a", true, true],
  ["*", "", true, true],
  ["/a*b", "/a*c", false, false],
  ["/*a", "/b*", true, false],
  ["/Score", "/score", false, false],
  ["/a/**", "/a/*", true, true],
  ["/.*", "/x", false, false],
];

describe("patterns", () => {
  for (const [a, b, both, wide] of CASES) {
    test(`${a} and ${b || "nothing"}`, () => {
      assert.equal(meet(a, b), both);
      assert.equal(meet(b, a), both, "meeting has no order");
      assert.equal(covers(a, b), wide);
    });
  }

  test("as long as a load balancer takes them", () => {
    const long = `/${"*a".repeat(2)}${"b".repeat(120)}*`;
    assert.ok(covers(long, long));
    assert.ok(meet(long, "/*"));
  });

  test("agree with a search through all short texts", () => {
    const letters = ["a", "b"];
    const texts = [""];
    for (let from = 0; from < texts.length && (texts[from] ?? "").length < 6; from++) {
      texts.push(...letters.map((letter) => `${texts[from]}${letter}`));
    }
    const parts = ["", "a", "b", "*", "?"];
    const patterns = parts.flatMap((x) => parts.flatMap((y) => parts.map((z) => x + y + z)));
    const matching = (pattern: string) => {
      const regex = new RegExp(`^${pattern.replaceAll("*", ".*").replaceAll("?", ".")}$`);
      return new Set(texts.filter((text) => regex.test(text)));
    };
    const sets = new Map(patterns.map((pattern) => [pattern, matching(pattern)] as const));
    for (const [a, left] of sets) {
      for (const [b, right] of sets) {
        const both = [...left].some((text) => right.has(text));
        assert.equal(meet(a, b), both, `${a} meets ${b}`);
        assert.equal(
          covers(a, b),
          [...right].every((text) => left.has(text)) && !escapes(a, b),
          `${a} covers ${b}`,
        );
      }
    }
  });
});

/** Texts with a letter that no pattern names are not among those searched. */
function escapes(wide: string, narrow: string): boolean {
  const other = (pattern: string) => new RegExp(`^${pattern.replaceAll("*", ".*").replaceAll("?", ".")}$`);
  const samples = [
    "c",
    "cc",
    "ac",
    "ca",
    "bc",
    "cb",
    "acc",
    "cac",
    "cca",
    "bcc",
    "cbc",
    "ccb",
    "abc",
    "bac",
    "acb",
    "bca",
    "cab",
    "cba",
    "aca",
    "bcb",
    "ccc",
  ];
  return samples.some((text) => other(narrow).test(text) && !other(wide).test(text));
}
