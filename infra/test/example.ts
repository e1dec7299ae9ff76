/** `Pulumi.example.yaml`, read as the CLI reads it, with changes for a test. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { stack } from "../src/stack";
import { build, PROJECT } from "./graph";
import type { Graph } from "./graph";

type Table = Record<string, any>;

/** All values of the example by full key. A copy each time. */
export function example(): Table {
  const text = readFileSync(join(__dirname, "..", "Pulumi.example.yaml"), "utf8");
  return parse(text).config;
}

/** As the engine hands it to the program: tables and lists as JSON. */
export function asConfig(values: Table): Record<string, string> {
  const entries = Object.entries(values).filter(([, value]) => value !== undefined);
  return Object.fromEntries(
    entries.map(([key, value]) => [key, typeof value === "object" ? JSON.stringify(value) : String(value)]),
  );
}

/** A change of the example. The tables are those of this project, without its prefix. */
export type Change = (tables: Table) => void;

/** The example with a change. */
export function changed(change: Change = () => undefined): Record<string, string> {
  const values = example();
  const tables = new Proxy(values, {
    get: (target, key) => target[`${PROJECT}:${String(key)}`],
    set: (target, key, value) => {
      target[`${PROJECT}:${String(key)}`] = value;
      return true;
    },
    deleteProperty: (target, key) => Reflect.deleteProperty(target, `${PROJECT}:${String(key)}`),
  });
  change(tables);
  return asConfig(values);
}

/** Live comparison, which the example leaves off. */
export const comparing: Change = (c) => {
  c.compare = { functionArn: "arn:aws:lambda:eu-west-1:111122223333:function:scorer-py:live", share: 0.01 };
};

/** The resources of the example with a change. */
export function graphOf(change?: Change): Promise<Graph> {
  return build(() => stack(PROJECT, "unchecked"), changed(change));
}
