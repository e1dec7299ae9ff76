/**
 * Reads plain configuration values, and collects everything that is wrong with them.
 *
 * A preview with a bad configuration fails before any resource is made, with all
 * problems at once, each with the key's full name and how to mend it.
 */

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

/** A shape that a text must have, and how to say so. */
export interface Shape {
  readonly pattern: RegExp;
  /** An example or a description that completes "must be …". */
  readonly like: string;
}

/** Bounds of a number, both included. */
export interface Range {
  readonly min: number;
  readonly max: number;
}

type Raw = Record<string, unknown>;

function isTable(value: unknown): value is Raw {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** One table of the configuration. Each key that is read is known; {@link Section.done} refuses the others. */
export class Section {
  private readonly known = new Set<string>();

  constructor(
    private readonly problems: Problem[],
    private readonly path: string,
    private readonly separator: string,
    private readonly raw: Raw,
  ) {}

  /** Reports a problem with a key of this table. */
  problem(name: string, fix: string): void {
    this.problems.push({ key: this.key(name), fix });
  }

  /** Whether the key is there. */
  has(name: string): boolean {
    return this.raw[name] !== undefined && this.raw[name] !== null;
  }

  /** A text that must be there. */
  text(name: string, shape?: Shape): string {
    return this.required(name, () => this.maybeText(name, shape)) ?? "";
  }

  /** A text that may be left out. */
  maybeText(name: string, shape?: Shape): string | undefined {
    const value = this.take(name);
    if (value === undefined) return undefined;
    if (typeof value !== "string" || value === "") {
      this.wrong(name, value, "must be a text that is not empty");
      return undefined;
    }
    return this.shaped(name, value, shape);
  }

  /** A whole number that must be there. */
  int(name: string, range: Range): number {
    return this.required(name, () => this.maybeInt(name, range)) ?? range.min;
  }

  /** A whole number that may be left out. */
  maybeInt(name: string, range: Range): number | undefined {
    const value = this.maybeNumber(name, range);
    if (value === undefined || Number.isInteger(value)) return value;
    this.wrong(name, value, "must be a whole number");
    return undefined;
  }

  /** A number that must be there. */
  number(name: string, range: Range): number {
    return this.required(name, () => this.maybeNumber(name, range)) ?? range.min;
  }

  /** A number that may be left out. */
  maybeNumber(name: string, { min, max }: Range): number | undefined {
    const value = this.take(name);
    if (value === undefined) return undefined;
    if (typeof value !== "number" || !(value >= min && value <= max)) {
      this.wrong(name, value, `must be a number from ${min} to ${max}`);
      return undefined;
    }
    return value;
  }

  /** `true` or `false`; left out: `otherwise`. */
  flag(name: string, otherwise: boolean): boolean {
    const value = this.take(name);
    if (value === undefined) return otherwise;
    if (typeof value !== "boolean") this.wrong(name, value, "must be true or false");
    return value === true;
  }

  /** One of a few words, which must be there. */
  choice<T extends string>(name: string, words: readonly [T, ...T[]]): T {
    return this.required(name, () => this.maybeChoice(name, words)) ?? words[0];
  }

  /** One of a few words, which may be left out. */
  maybeChoice<T extends string>(name: string, words: readonly T[]): T | undefined {
    const value = this.take(name);
    const found = words.find((word) => word === value);
    if (value !== undefined && found === undefined) {
      this.wrong(name, value, `must be one of ${words.join(", ")}`);
    }
    return found;
  }

  /** A list of texts; left out: empty, unless `min` asks for some. */
  texts(
    name: string,
    { min = 0, max = Infinity, shape }: { min?: number; max?: number; shape?: Shape },
  ): string[] {
    const value = this.take(name);
    if (value === undefined) {
      if (min > 0) this.missing(name);
      return [];
    }
    if (!Array.isArray(value) || !value.every((item) => typeof item === "string" && item !== "")) {
      this.wrong(name, value, "must be a list of texts");
      return [];
    }
    const items = value as string[];
    if (items.length < min || items.length > max) {
      const size = max === Infinity ? `at least ${min}` : `${min} to ${max}`;
      this.problem(name, `has ${items.length} entries; give ${size}`);
    }
    if (new Set(items).size < items.length) this.wrong(name, items, "names something twice");
    items.forEach((item, index) => this.shaped(`${name}[${index}]`, item, shape));
    return items;
  }

  /** Texts by name; left out: none. */
  map(name: string, shape?: Shape): Record<string, string> {
    const value = this.take(name);
    if (value === undefined) return {};
    if (!isTable(value)) {
      this.wrong(name, value, "must be a table of texts");
      return {};
    }
    const entries = Object.entries(value).map(([key, item]): [string, string] => {
      if (typeof item !== "string") this.wrong(`${name}.${key}`, item, "must be a text; put it in quotes");
      else this.shaped(`${name}.${key}`, item, shape);
      return [key, String(item)];
    });
    return Object.fromEntries(entries);
  }

  /** A table that must be there. */
  section(name: string): Section {
    if (!this.has(name)) this.missing(name);
    return this.maybeSection(name) ?? new Section([], this.key(name), ".", {});
  }

  /** A table that may be left out. */
  maybeSection(name: string): Section | undefined {
    const value = this.take(name);
    if (value === undefined) return undefined;
    if (isTable(value)) return new Section(this.problems, this.key(name), ".", value);
    this.wrong(name, value, "must be a table");
    return undefined;
  }

  /** A list of tables with at least one entry. */
  sections(name: string): Section[] {
    const value = this.take(name);
    if (value === undefined) {
      this.missing(name);
      return [];
    }
    if (!Array.isArray(value) || value.length === 0 || !value.every(isTable)) {
      this.wrong(name, value, "must be a list of tables, with at least one");
      return [];
    }
    return value.map((item, index) => new Section(this.problems, this.key(`${name}[${index}]`), ".", item));
  }

  /** A table as it is, without a look inside. */
  anyTable(name: string): Readonly<Record<string, unknown>> {
    const value = this.take(name);
    return isTable(value) ? value : {};
  }

  /** Numbers and texts as they are; the controller's own check knows them. */
  anything(name: string): Record<string, string | number> {
    const table = this.maybeSection(name);
    const entries = Object.entries(table?.raw ?? {});
    const plain = entries.filter((entry): entry is [string, string | number] => {
      const fits = typeof entry[1] === "number" || typeof entry[1] === "string";
      if (!fits) this.wrong(`${name}.${entry[0]}`, entry[1], "must be a number or a text");
      return fits;
    });
    return Object.fromEntries(plain);
  }

  /** Reports every key that nobody asked for. */
  done(): void {
    for (const name of Object.keys(this.raw)) {
      if (this.known.has(name)) continue;
      this.problem(name, `is not a known key; known here: ${[...this.known].sort().join(", ")}`);
    }
  }

  private key(name: string): string {
    return this.path + this.separator + name;
  }

  private take(name: string): unknown {
    this.known.add(name);
    return this.has(name) ? this.raw[name] : undefined;
  }

  private required<T>(name: string, read: () => T): T {
    if (!this.has(name)) this.missing(name);
    return read();
  }

  private missing(name: string): void {
    this.problem(name, "is missing; Pulumi.example.yaml shows one");
  }

  private wrong(name: string, value: unknown, fix: string): void {
    this.problem(name, `is ${JSON.stringify(value)}; it ${fix}`);
  }

  private shaped(name: string, value: string, shape?: Shape): string {
    if (shape && !shape.pattern.test(value)) this.wrong(name, value, `must be ${shape.like}`);
    return value;
  }
}
