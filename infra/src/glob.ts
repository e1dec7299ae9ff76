/**
 * Patterns of an Application Load Balancer: `*` is any text, also with slashes, `?` any
 * one character, everything else itself.
 *
 * Both questions walk the two patterns' states at the same time, one character after
 * another. Of the characters only those matter that stand in a pattern, and one that
 * stands in neither.
 */

/** Positions in a pattern from which the rest could still match. */
type States = ReadonlySet<number>;

/** A character that no pattern names. */
const OTHER = "\u{10ffff}";

/** A `*` may match nothing, so the position after it is reached with it. */
function closed(pattern: readonly string[], from: Iterable<number>): States {
  const states = new Set<number>();
  for (let at of from) {
    states.add(at);
    while (pattern[at] === "*") states.add(++at);
  }
  return states;
}

function step(pattern: readonly string[], states: States, character: string): States {
  const next = new Set<number>();
  for (const at of states) {
    const part = pattern[at];
    if (part === "*") next.add(at);
    else if (part === "?" || part === character) next.add(at + 1);
  }
  return closed(pattern, next);
}

/** Whether some walk over one text ends as `found` asks. */
function walks(a: string, b: string, found: (aMatches: boolean, bMatches: boolean) => boolean): boolean {
  const [left, right] = [[...a], [...b]];
  const characters = [...new Set([...left, ...right, OTHER])].filter((one) => one !== "*" && one !== "?");
  const queue: (readonly [States, States])[] = [[closed(left, [0]), closed(right, [0])]];
  const seen = new Set<string>();
  for (let pair = queue.pop(); pair !== undefined; pair = queue.pop()) {
    const [x, y] = pair;
    if (found(x.has(left.length), y.has(right.length))) return true;
    for (const character of characters) {
      const next = [step(left, x, character), step(right, y, character)] as const;
      const key = next.map((states) => [...states].sort((p, q) => p - q).join(",")).join(" ");
      if (next[0].size === 0 || seen.has(key)) continue;
      seen.add(key);
      queue.push(next);
    }
  }
  return false;
}

/** Whether one text matches both. */
export function meet(a: string, b: string): boolean {
  return walks(a, b, (left, right) => left && right);
}

/** Whether every text that matches `narrow` matches `wide` too. */
export function covers(wide: string, narrow: string): boolean {
  return !walks(narrow, wide, (inNarrow, inWide) => inNarrow && !inWide);
}
