/**
 * Records what the program would send to Pulumi's engine: inputs and options.
 *
 * The only file with imports from inside the SDK, whose version is pinned for it.
 */

import * as pulumi from "@pulumi/pulumi";
import { MockMonitor } from "@pulumi/pulumi/runtime/mocks.js";
import { setMockOptions } from "@pulumi/pulumi/runtime/settings.js";
import * as state from "@pulumi/pulumi/runtime/state.js";
import { mocks } from "./aws";

export const PROJECT = "score-rollout";

/** One registered resource. */
export interface Node {
  readonly urn: string;
  readonly type: string;
  readonly name: string;
  readonly parent: string;
  readonly inputs: any;
  readonly protect: boolean;
  readonly ignoreChanges: readonly string[];
  readonly dependsOn: readonly string[];
  readonly importId: string;
  /** Other names of the resource, as URNs or as their parts. */
  readonly aliases: readonly any[];
}

class Recorder extends MockMonitor {
  readonly nodes: Node[] = [];

  override async registerResource(req: any, done: (error: any, response: any) => void): Promise<void> {
    await super.registerResource(req, (error: any, response: any) => {
      if (!error) {
        this.nodes.push({
          urn: response.getUrn(),
          type: req.getType(),
          name: req.getName(),
          parent: req.getParent(),
          inputs: req.getObject()?.toJavaScript() ?? {},
          protect: req.getProtect(),
          ignoreChanges: req.getIgnorechangesList(),
          dependsOn: req.getDependenciesList(),
          importId: req.getImportid(),
          aliases: req.getAliasesList().map((alias: any) => alias.toObject()),
        });
      }
      done(error, response);
    });
  }
}

/** All resources of one run. */
export class Graph {
  constructor(readonly nodes: readonly Node[]) {}

  /** All of a type, such as `aws:lb/listenerRule:ListenerRule`. */
  all(type: string): Node[] {
    return this.nodes.filter((node) => node.type === type);
  }

  /** The one of this type and name. */
  one(type: string, name: string): Node {
    const found = this.all(type).filter((node) => node.name === name);
    if (found.length !== 1) {
      const names = this.all(type).map((node) => node.name);
      throw new Error(`${found.length} resources ${type} are named ${name}; there are: ${names.join(", ")}`);
    }
    return found[0] as Node;
  }
}

/**
 * Runs a program and waits until everything is registered.
 *
 * @param notYet types of resources that are new in a preview: their ARNs are not known
 */
export async function build(
  program: () => unknown,
  config: Record<string, string>,
  notYet?: readonly string[],
): Promise<Graph> {
  const preview = notYet !== undefined;
  const known: pulumi.runtime.Mocks = {
    ...mocks,
    async newResource(args) {
      const made = await mocks.newResource(args);
      if (notYet?.includes(args.type) === true) delete made.state.arn;
      return made;
    },
  };
  const monitor = new Recorder(known);
  await pulumi.runtime.setMocks(known, PROJECT, "test", preview);
  // Putting our own monitor in turns the features off that setMocks turned on,
  // secrets among them; without those a leaked secret would look like any text.
  const store = (state as any).getStore();
  const features = Object.entries(store).filter(([key]) => key.startsWith("supports"));
  setMockOptions(monitor, PROJECT, "test", preview);
  Object.assign(store, Object.fromEntries(features));
  pulumi.runtime.setAllConfig(config, []);
  // The SDK keeps the stack of every promise for its own messages, mapped to the sources:
  // more than half of the time of a build.
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    await program();
  } finally {
    await pulumi.runtime.disconnect();
    Error.stackTraceLimit = stackTraceLimit;
  }
  return new Graph(monitor.nodes);
}

/** A secret as it is sent to the engine, or the value itself. */
export function isSecret(value: any): boolean {
  return value?.["4dabf18193072939515e22adb298388d"] === "1b47061264138c4ac30d75fd1eb44270";
}

/** The value inside a secret. */
export function revealed(value: any): any {
  return isSecret(value) ? value.value : value;
}
